"""Files of the outbox's folder: segments, spares, and what is kept as evidence.

::

    lock                          held by the one process that has the outbox
    watermark                     see :mod:`gateway.watermark`
    00000017-bulk.seg             segments, numbered in the order of their making
    00000018.spare                written full of zeros, ready to become a segment
    damaged/00000009-bulk.seg     copies of segments in which damage was found
    retired/<epoch>-00000003-bulk.seg   segments of epochs that have been given up

A segment whose records are receipted or dropped becomes a spare again: its blocks
stay allocated, so that a disk that others fill up does not stop the outbox.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.errors import ConfigError
from gateway.segment import (
    HEADER_BYTES,
    SUFFIX,
    Disk,
    FileSegment,
    SegmentHeader,
    SegmentIndex,
    pack_header,
    read_file,
    unpack_header,
)

MAX_SPARES: Final = 2
MAX_DAMAGED: Final = 4
SPARE_SUFFIX: Final = ".spare"


class SegmentPool:
    """Makes segments out of spare files and spares out of old segments."""

    def __init__(self, folder: Path, disk: Disk, segment_bytes: int) -> None:
        self.folder = folder
        self.disk = disk
        self.segment_bytes = segment_bytes
        self.damaged = folder / "damaged"
        self.retired = folder / "retired"
        self._serial = max(map(_serial, self._named("*")), default=0)
        self._spares = list(self._named(f"*{SPARE_SUFFIX}"))

    def _named(self, pattern: str) -> list[Path]:
        found = self.folder.glob(pattern)
        return sorted(path for path in found if _serial(path) >= 0)

    def segments(self) -> list[Path]:
        """Return the segment files, oldest first."""
        return self._named(f"*{SUFFIX}")

    def clean_spares(self) -> None:
        """Give up the spares that a power cut left half zeroed, and any too many."""
        for path in self._spares.copy():
            is_good = False
            with contextlib.suppress(OSError):
                is_good = path.read_bytes() == bytes(self.segment_bytes)
            if not is_good or self._spares.index(path) >= MAX_SPARES:
                self._spares.remove(path)
                self._unlink(path)

    @property
    def spare_count(self) -> int:
        """Number of spare files."""
        return len(self._spares)

    @property
    def evidence_bytes(self) -> int:
        """Bytes of retired segments and damaged copies."""
        return sum(path.stat().st_size for path in self._evidence())

    def _evidence(self) -> list[Path]:
        return sorted(self.damaged.glob("*")) + sorted(
            self.retired.glob("*"), key=lambda path: path.name[16:]
        )

    def oldest_evidence(self) -> Path | None:
        """Return the oldest damaged copy, else the oldest retired segment, if any."""
        return next(iter(self._evidence()), None)

    def adopt_spares(self, is_wanted: Callable[[bytes], bool]) -> None:
        """Give segments their names whose rename a power cut has taken back.

        Args:
            is_wanted: says of a spare's bytes whether they hold what must be kept.

        Raises:
            OSError: the disk fails.
        """
        found = [(path, read_file(self.disk, path)) for path in self._spares]
        headers = {
            path: header
            for path, data in found
            if (header := unpack_header(data[:HEADER_BYTES])) and is_wanted(data)
        }
        for path in sorted(headers, key=lambda one: headers[one].first):
            self._spares.remove(path)
            self.disk.rename(path, self._next_path(headers[path]))
        if headers:
            self.disk.sync_folder(self.folder)

    def _next_path(self, header: SegmentHeader) -> Path:
        self._serial += 1
        return self.folder / f"{self._serial:08d}-{header.priority}{SUFFIX}"

    def create(self, header: SegmentHeader) -> FileSegment:
        """Return a new segment, durable with its header.

        Its name need not be: under the old one it is found too (:meth:`adopt_spares`),
        which saves a journal's worth of writing.

        Raises:
            OSError: the disk is full (ENOSPC, EDQUOT) or fails.
        """
        if self._spares:
            spare = self._spares.pop()
            try:
                self._overwrite(spare, pack_header(header), 0)
            except OSError:
                self._unlink(spare)
                raise
        else:
            spare = self._make_spare(pack_header(header))
        path = self._next_path(header)
        self.disk.rename(spare, path)
        return FileSegment(self.disk, path, header, SegmentIndex(), self.segment_bytes)

    def _make_spare(self, head: bytes) -> Path:
        """Return a file that is full of zeros behind ``head``, durable."""
        self._serial += 1
        path = self.folder / f"{self._serial:08d}{SPARE_SUFFIX}"
        descriptor = self.disk.open(path, os.O_RDWR | os.O_CREAT)
        try:
            self.disk.write(descriptor, head.ljust(self.segment_bytes, b"\0"), 0)
            self.disk.sync_folder(self.folder)
        except OSError:
            self._unlink(path)
            raise
        finally:
            os.close(descriptor)
        return path

    def _overwrite(self, path: Path, data: bytes, offset: int) -> None:
        descriptor = self.disk.open(path, os.O_RDWR)
        try:
            self.disk.write(descriptor, data, offset)
        finally:
            os.close(descriptor)

    def recycle(self, path: Path) -> None:
        """Take a segment out of the store: it becomes a spare, or is unlinked.

        Raises:
            OSError: its name could not be taken away.
        """
        if len(self._spares) >= MAX_SPARES:
            self.disk.unlink(path)
            self.disk.sync_folder(self.folder)
            return
        self._serial += 1
        spare = self.folder / f"{self._serial:08d}{SPARE_SUFFIX}"
        self.disk.rename(path, spare)
        self.disk.sync_folder(self.folder)
        try:
            self._overwrite(spare, bytes(self.segment_bytes), 0)
        except OSError:
            self._unlink(spare)
        else:
            self._spares.append(spare)

    def discard(self, path: Path) -> None:
        """Unlink a file without waiting for the disk; a failure is of no interest."""
        self._unlink(path)

    def _unlink(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            self.disk.unlink(path)

    def blank(self, path: Path, start: int, end: int) -> None:
        """Overwrite the bytes of ``path`` from ``start`` to ``end`` with padding.

        Raises:
            OSError: the disk fails.
        """
        self._overwrite(path, bytes(end - start), max(start, HEADER_BYTES))

    def keep_damaged(self, path: Path, data: bytes) -> None:
        """Keep a copy of a damaged segment; only the newest few are kept.

        Raises:
            OSError: the disk fails or is full.
        """
        self.damaged.mkdir(mode=0o700, exist_ok=True)
        (self.damaged / path.name).write_bytes(data)
        for old in sorted(self.damaged.glob("*"))[:-MAX_DAMAGED]:
            self._unlink(old)

    def retire(self, path: Path, epoch: bytes) -> None:
        """Put a segment of another epoch away, as evidence.

        Raises:
            OSError: the disk fails.
        """
        self.retired.mkdir(mode=0o700, exist_ok=True)
        self.disk.rename(path, self.retired / f"{epoch.hex()}-{path.name}")
        self.disk.sync_folder(self.retired)
        self.disk.sync_folder(self.folder)


def _serial(path: Path) -> int:
    digits = path.name[:8]
    return int(digits) if len(digits) == 8 and digits.isdecimal() else -1


def lock_folder(folder: Path) -> int:
    """Take a folder for this process; closing the descriptor gives it back.

    Raises:
        ConfigError: another process has it.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ConfigError(
            f"outbox folder {folder} is used by another process; "
            "stop that gateway or give this one a folder of its own"
        ) from error
    return descriptor
