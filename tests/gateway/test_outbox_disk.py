"""The outbox on a disk that fails, waits or is full."""

import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.outbox import Priority
from gateway.segment import Disk
from tests.gateway.outbox_chain import (
    add,
    assert_linked,
    commit_each,
    filler,
)
from tests.gateway.outbox_folder import (
    FOUR,
    open_outbox,
    segments,
    sequences,
)


class FailingDisk:
    """Lets calls through until told that one of them fails."""

    def __init__(self) -> None:
        self.failing: str | None = None
        self.error = errno.EIO
        self.failures = 0
        self.used_after_failure = 0
        self._suspects: set[int] = set()

    def disk(self) -> Disk:
        return Disk(pwrite=self._pwrite, fdatasync=self._fdatasync, unlink=self._unlink)

    def _unlink(self, path: Path) -> None:
        self._suspects.discard(path.stat().st_ino)  # the number is used again
        path.unlink()

    def _fail(self, call: str, descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        self.used_after_failure += inode in self._suspects
        if self.failing == call:
            self.failures += 1
            self._suspects.add(inode)
            raise OSError(self.error, os.strerror(self.error))

    def _pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        self._fail("pwrite", descriptor)
        return os.pwrite(descriptor, data, offset)

    def _fdatasync(self, descriptor: int) -> None:
        if self.failing == "once":
            self.failing = "fdatasync"
            try:
                self._fail("fdatasync", descriptor)
            finally:
                self.failing = None
        self._fail("fdatasync", descriptor)
        os.fdatasync(descriptor)


def test_a_failed_fdatasync_is_not_tried_again_on_that_file(tmp_path: Path) -> None:
    broken = FailingDisk()
    outbox = open_outbox(tmp_path, disk=broken.disk())
    commit_each(outbox, 5)
    broken.failing = "once"
    commit_each(outbox, 5)
    assert outbox.storage_faults == 1
    assert broken.used_after_failure == 0
    assert not outbox.is_volatile
    assert len(segments(tmp_path)) == 2
    assert sequences(outbox) == list(range(10))
    outbox.close()
    outbox = open_outbox(tmp_path)
    assert sequences(outbox) == list(range(10))
    assert outbox.take_gaps() == []
    assert_linked(outbox)
    outbox.close()


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_after_three_faults_records_stay_in_memory(tmp_path: Path, call: str) -> None:
    broken = FailingDisk()
    outbox = open_outbox(tmp_path, FOUR, broken.disk())
    commit_each(outbox, 5)
    broken.failing = call
    commit_each(outbox, 5)
    assert outbox.storage_faults >= 3
    assert outbox.is_volatile
    assert broken.used_after_failure == 0
    assert sequences(outbox) == list(range(10))
    commit_each(outbox, 100, size=900)
    (gap,) = outbox.take_gaps()  # the ring in memory is bounded too
    kept = [at for at in range(110) if not gap.from_sequence <= at <= gap.to_sequence]
    assert sequences(outbox) == kept
    outbox.release(109)
    assert not outbox.is_volatile
    outbox.close()


def test_a_watermark_that_cannot_be_written_frees_nothing(tmp_path: Path) -> None:
    broken = FailingDisk()
    outbox = open_outbox(tmp_path, disk=broken.disk())
    commit_each(outbox, 60, size=900)
    before = segments(tmp_path)
    broken.failing = "fdatasync"
    outbox.release(50)
    outbox.commit()
    assert segments(tmp_path) == before
    assert outbox.storage_faults == 1
    outbox.close()
    outbox = open_outbox(tmp_path)
    assert set(range(51, 60)) <= set(sequences(outbox))
    outbox.close()


def test_adding_and_reading_do_not_wait_for_the_disk(tmp_path: Path) -> None:
    is_syncing, may_sync = threading.Event(), threading.Event()
    may_sync.set()

    def fdatasync(descriptor: int) -> None:
        is_syncing.set()
        assert may_sync.wait(20)
        os.fdatasync(descriptor)

    outbox = open_outbox(tmp_path, disk=Disk(fdatasync=fdatasync))
    sealed = commit_each(outbox, 3)
    may_sync.clear()
    is_syncing.clear()
    sealed.append(add(outbox, filler(10)))
    committing = threading.Thread(target=outbox.commit)
    committing.start()
    assert is_syncing.wait(20)
    sealed.append(add(outbox, filler(10)))
    assert [record.sealed for record in outbox.read(0)] == sealed[:3]
    assert outbox.head_sequence == 2
    outbox.release(1)
    assert outbox.oldest_sequence == 2
    may_sync.set()
    committing.join()
    assert outbox.head_sequence == 3
    outbox.commit()
    assert [record.sealed for record in outbox.read(0)] == sealed
    outbox.close()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a real file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("a real full disk needs root, to mount a tmpfs")
    folder = tmp_path / "tiny"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_freed_by_giving_up_bulk(tiny_disk: Path) -> None:
    outbox = open_outbox(tiny_disk / "outbox")
    ballast = tiny_disk / "others"
    ballast.write_bytes(b"x" * 150 * 1024)
    commit_each(outbox, 150, size=900)
    add(outbox, filler(100), Priority.ALARM)
    outbox.commit()
    (gap,) = outbox.take_gaps()
    assert gap.from_sequence == 0
    assert sequences(outbox) == list(range(gap.to_sequence + 1, 151))
    assert outbox.alarms_pending() == [150]
    assert not outbox.is_volatile
    assert outbox.storage_faults == 0
    outbox.close()


def fill(path: Path) -> None:
    with path.open("wb", 0) as file:
        while True:
            file.write(bytes(4096))


def test_on_a_disk_without_a_byte_left_records_stay_in_memory(tiny_disk: Path) -> None:
    outbox = open_outbox(tiny_disk / "outbox")
    with pytest.raises(OSError, match="No space"):
        fill(tiny_disk / "x")
    commit_each(outbox, 10)
    assert outbox.is_volatile
    assert sequences(outbox) == list(range(10))
    (tiny_disk / "x").unlink()
    commit_each(outbox, 150, size=900)  # the next segment finds room again
    outbox.release(100)
    assert not outbox.is_volatile
    outbox.close()
