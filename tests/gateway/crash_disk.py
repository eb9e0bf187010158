"""A disk whose power can be cut before any call, with what a real one then loses."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gateway.segment import Disk

SECTOR_BYTES = 512


class PowerCut(Exception):  # noqa: N818 - not an error of the program
    """The power is gone."""


@dataclass
class _Write:
    descriptor: int
    inode: int
    offset: int
    old: bytes
    new: bytes


class CrashDisk:
    """Real files; :meth:`cut` takes back what was not synced.

    Writes that no fdatasync covered are kept up to a random byte, or by random
    sectors. Names that no sync of the folder covered are kept up to a random one.
    """

    def __init__(self, trash: Path, rng: Random) -> None:
        trash.mkdir(exist_ok=True)
        self.calls = 0
        self.cut_after: int | None = None
        self._trash = trash
        self._rng = rng
        self._writes: list[_Write] = []
        self._names: list[tuple[set[Path], Callable[[], None]]] = []
        self._open: set[int] = set()
        self._count = 0

    def disk(self) -> Disk:
        """Return the calls."""
        return Disk(
            open=self._do_open,
            pwrite=self._do_pwrite,
            fdatasync=self._do_fdatasync,
            rename=self._do_rename,
            unlink=self._do_unlink,
            sync_folder=self._do_sync_folder,
        )

    def _step(self) -> None:
        self.calls += 1
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after < 0:
                raise PowerCut

    def _aside(self) -> Path:
        self._count += 1
        return self._trash / f"{self._count}-{self._rng.getrandbits(32)}"

    def _do_open(self, path: Path, flags: int) -> int:
        self._step()
        is_new = bool(flags & os.O_CREAT) and not path.exists()
        descriptor = os.open(path, flags, 0o600)
        if is_new:
            self._names.append(({path.parent}, path.unlink))
        return descriptor

    def _do_pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        self._step()
        old = os.pread(descriptor, len(data), offset)
        held = os.dup(descriptor)
        inode = os.fstat(descriptor).st_ino
        self._writes.append(_Write(held, inode, offset, old, data))
        return os.pwrite(descriptor, data, offset)

    def _do_fdatasync(self, descriptor: int) -> None:
        self._step()
        inode = os.fstat(descriptor).st_ino
        for write in [one for one in self._writes if one.inode == inode]:
            os.close(write.descriptor)
            self._writes.remove(write)

    def _do_rename(self, old: Path, new: Path) -> None:
        self._step()
        replaced = self._aside() if new.exists() else None
        if replaced:
            os.link(new, replaced)
        old.replace(new)

        def undo() -> None:
            new.replace(old)
            if replaced:
                replaced.replace(new)

        self._names.append(({old.parent, new.parent}, undo))

    def _do_unlink(self, path: Path) -> None:
        self._step()
        aside = self._aside()
        path.replace(aside)

        def undo() -> None:
            aside.replace(path)

        self._names.append(({path.parent}, undo))

    def _do_sync_folder(self, folder: Path) -> None:
        self._step()
        # A journal keeps the order: what came before in any folder is there too.
        last = max(
            (at for at, (folders, _) in enumerate(self._names) if folder in folders),
            default=-1,
        )
        del self._names[: last + 1]

    def cut(self) -> None:
        """Take back what the power cut takes back; the disk can be used again."""
        self.cut_after = None
        for write in reversed(self._writes):
            self._tear(write)
            os.close(write.descriptor)
        self._writes.clear()
        kept = self._rng.randint(0, len(self._names))
        for _, undo in reversed(self._names[kept:]):
            undo()
        self._names.clear()

    def _tear(self, write: _Write) -> None:
        size = len(write.new)
        old = write.old.ljust(size, b"\0")
        if self._rng.random() < 0.6:
            # Often within the last signature, where only the signature can tell.
            reach = self._rng.choice((64, size))
            cut = max(size - self._rng.randint(0, reach), 0)
            mixed = write.new[:cut] + old[cut:]
        else:
            starts = range(0, size, SECTOR_BYTES)
            mixed = b"".join(
                self._rng.choice((write.new, old))[at : at + SECTOR_BYTES]
                for at in starts
            )
        os.pwrite(write.descriptor, mixed, write.offset)
