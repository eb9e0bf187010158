"""An ext4 file system on a loop device, whose power can be cut; needs root.

The image lies in memory. A cut is ``EXT4_IOC_SHUTDOWN`` with ``NOLOGFLUSH``: what has
not reached the device by then, the journal's tail included, never will. Read what was
acknowledged *before* the cut: an fdatasync that races with it may still return.
"""

import errno
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.faults.rig import CannotRunError

EXT4_IOC_SHUTDOWN: Final = 0x8004587D
NOLOGFLUSH: Final = 2
BLOCK_BYTES: Final = 4096
SECTOR_BYTES: Final = 512
_PATIENCE_S: Final = 20.0


class LoopDisk:
    """One mounted image; ``folder`` is where it is mounted."""

    def __init__(self, root: Path, size_mib: int) -> None:
        self.image = root / "image"
        self.folder = root / "mounted"
        self.folder.mkdir()
        with self.image.open("wb") as image:
            image.truncate(size_mib << 20)
        _run("mkfs.ext4", "-q", "-b", str(BLOCK_BYTES), "-F", str(self.image))
        self.device = Path(_run("losetup", "--find", "--show", str(self.image)).strip())
        self.is_mounted = False

    def mount(self) -> None:
        """Mount it; the journal is replayed."""
        _run("mount", "-t", "ext4", str(self.device), str(self.folder))
        self.is_mounted = True

    def unmount(self) -> None:
        """Unmount it, as soon as nobody has a file open there."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                _run("umount", str(self.folder))
            except CannotRunError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.01)
            else:
                self.is_mounted = False
                return

    def cut(self) -> None:
        """Take the power away; the file system answers no more until mounted again."""
        held = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(held, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        finally:
            os.close(held)

    def written_bytes(self) -> int:
        """Bytes that have reached the device since it was made, journal included."""
        words = Path(f"/sys/block/{self.device.name}/stat").read_text().split()
        return int(words[6]) * SECTOR_BYTES

    def close(self) -> None:
        """Unmount it and give the device back."""
        if self.is_mounted:
            self.unmount()
        with suppress(CannotRunError):
            _run("losetup", "--detach", str(self.device))


@contextmanager
def loop_disk(root: Path, size_mib: int = 64) -> Iterator[LoopDisk]:
    """A mounted ext4 inside the block.

    Raises:
        CannotRunError: not root, or this machine has no loop devices or no ext4.
    """
    if os.geteuid() != 0:
        raise CannotRunError("an ext4 on a loop device needs root")
    disk = LoopDisk(root, size_mib)
    try:
        disk.mount()
        yield disk
    finally:
        disk.close()


@contextmanager
def mounted_tmpfs(folder: Path, size_mib: int) -> Iterator[None]:
    """A tmpfs of that size over ``folder`` inside the block.

    Raises:
        CannotRunError: not root, or nothing can be mounted here.
    """
    if os.geteuid() != 0:
        raise CannotRunError("a file system of its own needs root")
    _run("mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(folder))


def why_not(root: Path) -> str | None:
    """Return why there can be no loop disk here, None if there can."""
    try:
        with loop_disk(root, 8):
            return None
    except CannotRunError as reason:
        return str(reason)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CannotRunError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise CannotRunError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
