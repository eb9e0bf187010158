"""A disk that tears, reorders, fills up and fails, below the outbox's own calls.

Files are real; what the medium holds is kept beside them and put back by
:meth:`SimDisk.cut`. The model, harsher than ext4:

- A write is on the medium once an fdatasync of its file has returned. Before that
  a power cut keeps a random part: the first writes and a torn one, or random sectors
  of 512 bytes of any of them, in any order; a quarter is torn at a byte.
- Names (create, rename, unlink) are on the medium once their folder was synced; a
  power cut keeps the first few, as a journal does.
- An fdatasync that fails leaves a random part on the medium and the pages *clean*,
  as Linux does: a second fdatasync succeeds and writes nothing.
- A file that grows takes from ``capacity_bytes``; beyond it ENOSPC. With ``is_quota``
  the free bytes that are told do not foretell it.
"""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from gateway.segment import Disk

SECTOR_BYTES: Final = 512
PAGE_BYTES: Final = 4096
# A simulated day takes some thousand calls: more is a loop without an end.
MOST_CALLS: Final = 200_000


class PowerCut(Exception):  # noqa: N818 - not an error of the program
    """The power is gone."""


@dataclass
class _File:
    descriptor: int
    durable: bytearray
    writes: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class _Naming:
    folders: frozenset[Path]
    undo: Callable[[], None]
    finish: Callable[[], None]


def _nothing() -> None:
    """Nothing is left to do."""


class SimDisk:
    """One machine's disk; ``cut_after`` calls from now the power goes."""

    def __init__(self, trash: Path, rng: Random) -> None:
        trash.mkdir(exist_ok=True)
        self.calls = self.cuts = self.refusals_full = self.refusals_eio = 0
        self.refusals_read = 0
        self.cut_after: int | None = None
        self.fail_after: int | None = None
        self.fail_times = 1
        self.fail_reads = 0
        self.capacity_bytes = 1 << 40
        self.is_quota = False
        self.on_failure: Callable[[], None] = _nothing
        self._trash = trash
        self._rng = rng
        self._files: dict[int, _File] = {}
        self._gone: set[int] = set()
        self._names: list[_Naming] = []
        self._count = 0

    def disk(self) -> Disk:
        """Return the calls."""
        return Disk(
            open=self._do_open,
            pread=self._do_pread,
            pwrite=self._do_pwrite,
            fdatasync=self._do_fdatasync,
            rename=self._do_rename,
            unlink=self._do_unlink,
            sync_folder=self._do_sync_folder,
            free_bytes=lambda _folder: self._told_free_bytes(),
        )

    @property
    def free_bytes(self) -> int:
        """What is left of the capacity."""
        used = sum(
            os.fstat(one.descriptor).st_size
            for inode, one in self._files.items()
            if inode not in self._gone
        )
        return self.capacity_bytes - used

    def _told_free_bytes(self) -> int:
        return 1 << 40 if self.is_quota else max(self.free_bytes, 0)

    def _step(self) -> None:
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise RuntimeError("the disk is called without an end")
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after < 0:
                self.cut_after = None
                raise PowerCut

    def _may_fail(self) -> None:
        if self.fail_after is None:
            return
        self.fail_after -= 1
        if self.fail_after < 0:
            self.fail_times -= 1
            self.fail_after = 0 if self.fail_times > 0 else None
            self.refusals_eio += 1
            self.on_failure()
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    # The calls

    def _do_open(self, path: Path, flags: int) -> int:
        self._step()
        is_new = bool(flags & os.O_CREAT) and not path.exists()
        old = b"" if is_new else path.read_bytes()
        descriptor = os.open(path, flags, 0o600)
        inode = os.fstat(descriptor).st_ino
        if inode not in self._files:
            held = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            self._files[inode] = _File(held, bytearray(old))
        if is_new:
            forget = lambda: self._remove(path)  # noqa: E731
            self._names.append(_Naming(frozenset({path.parent}), forget, _nothing))
        return descriptor

    def _do_pread(self, descriptor: int, size: int, offset: int) -> bytes:
        if self.fail_reads:
            self.fail_reads -= 1
            self.refusals_read += 1
            number = self._rng.choice((errno.EIO, errno.EMFILE))
            raise OSError(number, os.strerror(number))
        return os.pread(descriptor, size, offset)

    def _do_pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        self._step()
        self._may_fail()
        found = os.fstat(descriptor)
        if max(offset + len(data) - found.st_size, 0) > max(self.free_bytes, 0):
            self.refusals_full += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._files[found.st_ino].writes.append((offset, data))
        return os.pwrite(descriptor, data, offset)

    def _do_fdatasync(self, descriptor: int) -> None:
        self._step()
        file = self._files[os.fstat(descriptor).st_ino]
        try:
            self._may_fail()
        except OSError:
            self._keep_some(file)
            file.writes.clear()
            raise
        self._flush(file)

    def _flush(self, file: _File) -> None:
        """Bring the dirty pages to the medium, whole, as the page cache holds them."""
        size = os.fstat(file.descriptor).st_size
        file.durable.extend(bytes(max(size - len(file.durable), 0)))
        del file.durable[size:]
        pages = {
            page
            for offset, data in file.writes
            for page in _pages(offset, offset + len(data))
        }
        for at in (page * PAGE_BYTES for page in pages):
            end = min(at + PAGE_BYTES, size)
            file.durable[at:end] = os.pread(file.descriptor, max(end - at, 0), at)
        file.writes.clear()

    def _do_rename(self, old: Path, new: Path) -> None:
        self._step()
        self._may_fail()
        replaced = self._aside() if new.exists() else None
        if replaced:
            os.link(new, replaced)
        old.replace(new)

        def undo() -> None:
            new.replace(old)
            if replaced:
                replaced.replace(new)

        finish = (lambda: self._remove(replaced)) if replaced else _nothing
        folders = frozenset({old.parent, new.parent})
        self._names.append(_Naming(folders, undo, finish))

    def _do_unlink(self, path: Path) -> None:
        self._step()
        self._may_fail()
        aside = self._aside()
        path.replace(aside)
        inode = aside.stat().st_ino
        self._gone.add(inode)

        def undo() -> None:
            aside.replace(path)
            self._gone.discard(inode)

        folders = frozenset({path.parent})
        self._names.append(_Naming(folders, undo, lambda: self._remove(aside)))

    def _do_sync_folder(self, folder: Path) -> None:
        self._step()
        self._may_fail()
        # A journal keeps the order: what came before in any folder is there too.
        known = enumerate(self._names)
        last = max((at for at, one in known if folder in one.folders), default=-1)
        for naming in self._names[: last + 1]:
            naming.finish()
        del self._names[: last + 1]

    def _aside(self) -> Path:
        self._count += 1
        return self._trash / str(self._count)

    def _remove(self, path: Path) -> None:
        inode = path.stat().st_ino
        file = self._files.pop(inode, None)
        self._gone.discard(inode)
        if file:
            os.close(file.descriptor)
        path.unlink()

    # Power

    def cut(self) -> None:
        """Take back what the power cut takes back; the disk can be used again."""
        self.cuts += 1
        self.cut_after = self.fail_after = None
        for file in self._files.values():
            self._keep_some(file)
            os.ftruncate(file.descriptor, len(file.durable))
            os.pwrite(file.descriptor, bytes(file.durable), 0)
            file.writes.clear()
        kept = self._rng.randint(0, len(self._names))
        for naming in reversed(self._names[kept:]):
            naming.undo()
        for naming in self._names[:kept]:
            naming.finish()
        self._names.clear()

    def _keep_some(self, file: _File) -> None:
        """Let a random part of the unsynced writes reach the medium."""
        if not file.writes:
            return
        if self._rng.random() < 0.5:
            whole = self._rng.randrange(len(file.writes))
            for offset, data in file.writes[:whole]:
                _lay(file.durable, offset, data)
            self._keep_torn(file, *file.writes[whole])
            return
        writes = file.writes.copy()
        if self._rng.random() < 0.5:
            self._rng.shuffle(writes)
        for offset, data in writes:
            self._keep_sectors(file, offset, data)

    def _keep_torn(self, file: _File, offset: int, data: bytes) -> None:
        end = self._rng.randint(0, len(data))
        if self._rng.random() < 0.5:
            # Within the last signature, where only the signature can tell.
            end = max(len(data) - self._rng.randint(0, 64), 0)
        elif self._rng.random() < 0.5:
            end = max((offset + end) // SECTOR_BYTES * SECTOR_BYTES - offset, 0)
        _lay(file.durable, offset, data[:end])

    def _keep_sectors(self, file: _File, offset: int, data: bytes) -> None:
        at = 0
        while at < len(data):
            end = at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES
            if self._rng.random() < 0.5:
                _lay(file.durable, offset + at, data[at:end])
            at = end

    def forget(self) -> None:
        """The medium was changed for another: nothing is known of its files."""
        for file in self._files.values():
            os.close(file.descriptor)
        self._files.clear()
        self._gone.clear()
        self._names.clear()
        for path in self._trash.iterdir():
            path.unlink()


def _lay(durable: bytearray, offset: int, data: bytes) -> None:
    durable.extend(bytes(max(offset + len(data) - len(durable), 0)))
    durable[offset : offset + len(data)] = data


def _pages(start: int, end: int) -> range:
    return range(start // PAGE_BYTES, end // PAGE_BYTES + 1)
