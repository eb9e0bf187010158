"""Segments of the outbox: files of sealed records, written before they are needed.

A segment file has a fixed size, is written full of zeros before its first record,
and lies under a name that says its order and its lane::

    00000017-bulk.seg

    byte  size
       0     8  magic "DTSEG", 0, 0, version of the format (1)
       8     1  lane: 0 bulk, 1 alarm
       9     3  zeros
      12     8  epoch
      20     8  sequence of the first record written here, big-endian
      28    32  digest of the record before that one
      60     4  CRC-32 of bytes 0 to 59, big-endian
      64     -  CBOR sequence of sealed records; 0x00 between and behind is padding

An append is one ``pwrite`` and one ``fdatasync``, on blocks that exist already: no
metadata has to reach the disk, and a full disk cannot stop it. A group of records that
nearly fills its blocks is padded to their end, so that the next one does not write the
last of them again.
"""

import contextlib
import errno
import os
import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from schemas.envelope import DIGEST_BYTES

HEADER_BYTES: Final = 64
SEGMENT_BYTES: Final = 256 * 1024
SUFFIX: Final = ".seg"
READ_BYTES: Final = 4096
# What file systems write at least; padding may take one part in so many of a group.
BLOCK_BYTES: Final = 4096
PADDING_SHARE: Final = 6
# A read that fails that often is damage; once may be a bus that was reset.
READ_TRIES: Final = 5
_NOT_NOW: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN}
    | {errno.EACCES, errno.EPERM}
)

_MAGIC: Final = b"DTSEG\x00\x00\x01"
_HEADER: Final = struct.Struct(">8sB3x8sQ32s")
_CRC: Final = struct.Struct(">I")


class Priority(StrEnum):
    """Which lane of segments a record goes to; alarms are never dropped."""

    BULK = "bulk"
    ALARM = "alarm"


class SegmentHeader(NamedTuple):
    """Head of a segment: where in the chain it begins."""

    priority: Priority
    epoch: bytes
    first: int
    previous: bytes


class Addition(NamedTuple):
    """A sealed record on its way to a segment."""

    sequence: int
    sealed: bytes
    digest: bytes


def pack_header(header: SegmentHeader) -> bytes:
    """Return the 64-byte block at the head of a segment."""
    lane = 1 if header.priority is Priority.ALARM else 0
    block = _HEADER.pack(_MAGIC, lane, header.epoch, header.first, header.previous)
    return block + _CRC.pack(zlib.crc32(block))


def unpack_header(block: bytes) -> SegmentHeader | None:
    """Return the header in ``block``, or None if it is none or damaged."""
    body, crc = block[: _HEADER.size], block[_HEADER.size : HEADER_BYTES]
    if len(block) < HEADER_BYTES or _CRC.pack(zlib.crc32(body)) != crc:
        return None
    magic, lane, epoch, first, previous = _HEADER.unpack(body)
    if magic != _MAGIC or lane > 1:
        return None
    return SegmentHeader(
        Priority.ALARM if lane else Priority.BULK, epoch, first, previous
    )


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


@dataclass(frozen=True, slots=True)
class Disk:
    """The calls that reach the disk, so that a test can break each of them."""

    open: Callable[[Path, int], int] = _open
    pread: Callable[[int, int, int], bytes] = os.pread
    pwrite: Callable[[int, bytes, int], int] = os.pwrite
    fdatasync: Callable[[int], None] = os.fdatasync
    rename: Callable[[Path, Path], None] = os.replace
    unlink: Callable[[Path], None] = os.unlink
    sync_folder: Callable[[Path], None] = _sync_folder
    free_bytes: Callable[[Path], int] = _free_bytes

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        """Write all of ``data`` and wait until it is on the disk.

        Raises:
            OSError: it is not known what reached the disk; do not try again on
                this file: the kernel may have marked the lost pages as clean.
        """
        written = self.pwrite(descriptor, data, offset)
        if written != len(data):
            raise OSError(0, f"{written} of {len(data)} bytes written")
        self.fdatasync(descriptor)


REAL_DISK: Final = Disk()


def read_file(disk: Disk, path: Path) -> bytes:
    """Return the bytes of a file; zeros stand for the blocks that cannot be read.

    Raises:
        OSError: the file cannot be opened now (no descriptor, no permission); that
            says nothing of what is in it.
    """
    try:
        descriptor = disk.open(path, os.O_RDONLY)
    except OSError as error:
        if error.errno in _NOT_NOW:
            raise
        return b""
    try:
        size = os.fstat(descriptor).st_size
        with contextlib.suppress(OSError):
            whole = disk.pread(descriptor, size, 0)
            if len(whole) == size:
                return whole
        blocks = range(0, size, READ_BYTES)
        return b"".join(_read_block(disk, descriptor, at, size) for at in blocks)
    finally:
        os.close(descriptor)


def _read_block(disk: Disk, descriptor: int, at: int, size: int) -> bytes:
    wanted = min(READ_BYTES, size - at)
    for _ in range(READ_TRIES):
        with contextlib.suppress(OSError):
            return disk.pread(descriptor, wanted, at)
    return bytes(wanted)


def is_lasting(error: OSError) -> bool:
    """Say whether an error may be damage: tell it from a machine that is short."""
    return error.errno not in _NOT_NOW


class SegmentIndex:
    """Where the records of one segment are; 48 bytes a record.

    Sequences ascend, but not every one is here: the other lane has some.
    """

    def __init__(self) -> None:
        self.sequences = array("Q")
        self.offsets = array("I")
        self.sizes = array("I")
        self._digests = bytearray()

    def __len__(self) -> int:
        return len(self.sequences)

    def add(self, sequence: int, offset: int, size: int, digest: bytes) -> None:
        """Append one record, with a higher sequence than all before."""
        self.sequences.append(sequence)
        self.offsets.append(offset)
        self.sizes.append(size)
        self._digests += digest

    def remove(self, position: int) -> None:
        """Forget the record at ``position``."""
        del self.sequences[position], self.offsets[position], self.sizes[position]
        at = position * DIGEST_BYTES
        del self._digests[at : at + DIGEST_BYTES]

    def digest(self, position: int) -> bytes:
        """Return the digest of the record at ``position``."""
        at = position * DIGEST_BYTES
        return bytes(self._digests[at : at + DIGEST_BYTES])

    def position(self, sequence: int) -> int:
        """Return the position of the first record from ``sequence`` on."""
        return bisect_left(self.sequences, sequence)

    @property
    def last(self) -> int:
        """Highest sequence here, or -1."""
        return self.sequences[-1] if self.sequences else -1

    @property
    def end(self) -> int:
        """Offset behind the last record, where the next one goes."""
        if not self.offsets:
            return HEADER_BYTES
        return self.offsets[-1] + self.sizes[-1]


class Segment(Protocol):
    """A segment on disk or, while the disk fails, in memory."""

    header: SegmentHeader
    index: SegmentIndex

    @property
    def is_volatile(self) -> bool:
        """True if a power cut takes the records away."""

    @property
    def room(self) -> int:
        """Bytes that still fit."""

    def write(self, additions: Sequence[Addition]) -> None:
        """Make the records durable.

        Raises:
            OSError: they are not; use another segment.
        """

    def adopt(self, additions: Sequence[Addition]) -> None:
        """Index the records that were just written."""

    def read(self, positions: Sequence[int]) -> list[bytes]:
        """Return the sealed records at ``positions``.

        Raises:
            OSError: the disk cannot be read.
        """

    def close(self) -> None:
        """Give the file back; the segment can still be read."""


class FileSegment:
    """A segment in a file of fixed size.

    ``is_suspect`` after a failed write: nothing may be written to the file again.
    """

    is_volatile = False

    def __init__(
        self,
        disk: Disk,
        path: Path,
        header: SegmentHeader,
        index: SegmentIndex,
        capacity: int,
    ) -> None:
        self.path = path
        self.header = header
        self.index = index
        self._disk = disk
        self._capacity = capacity
        self.is_suspect = False
        self._descriptor: int | None = None
        self._end: int | None = None

    @property
    def _next(self) -> int:
        """Offset of the next record; not asked for before recovery is through."""
        if self._end is None:
            self._end = self.index.end
        return self._end

    @property
    def room(self) -> int:
        """Bytes that still fit."""
        return self._capacity - self._next

    def write(self, additions: Sequence[Addition]) -> None:
        """Write the records in one piece and wait for the disk.

        Raises:
            OSError: not durable; use another segment.
        """
        data = b"".join(addition.sealed for addition in additions)
        self.is_suspect = True
        if self._descriptor is None:
            self._descriptor = self._disk.open(self.path, os.O_RDWR)
        self._disk.write(self._descriptor, data, self._next)
        self.is_suspect = False

    def adopt(self, additions: Sequence[Addition]) -> None:
        """Index the records that were just written."""
        size = 0
        for sequence, sealed, digest in additions:
            self.index.add(sequence, self._next, len(sealed), digest)
            self._end = self._next + len(sealed)
            size += len(sealed)
        left = -self._next % BLOCK_BYTES
        if len(additions) > 1 and left * PADDING_SHARE <= size:
            self._end = self._next + left

    def read(self, positions: Sequence[int]) -> list[bytes]:
        """Return the sealed records at ``positions``.

        Raises:
            OSError: the disk cannot be read, or the file has become shorter.
        """
        descriptor = self._disk.open(self.path, os.O_RDONLY)
        try:
            return [self._read_one(descriptor, position) for position in positions]
        finally:
            os.close(descriptor)

    def whole(self) -> bytes:
        """Return the file's bytes, as :func:`read_file` does."""
        return read_file(self._disk, self.path)

    def _read_one(self, descriptor: int, position: int) -> bytes:
        size = self.index.sizes[position]
        data = self._disk.pread(descriptor, size, self.index.offsets[position])
        if len(data) != size:
            raise OSError(0, f"{self.path} has become shorter")
        return data

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class MemorySegment:
    """A segment that a power cut takes away: what is left when the disk fails."""

    is_volatile = True

    def __init__(self, header: SegmentHeader, capacity: int) -> None:
        self.header = header
        self.index = SegmentIndex()
        self._capacity = capacity
        self._data = bytearray(HEADER_BYTES)

    @property
    def room(self) -> int:
        """Bytes that still fit."""
        return self._capacity - len(self._data)

    def write(self, additions: Sequence[Addition]) -> None:
        """Nothing to wait for."""

    def adopt(self, additions: Sequence[Addition]) -> None:
        """Keep the records."""
        for addition in additions:
            size = len(addition.sealed)
            self.index.add(addition.sequence, len(self._data), size, addition.digest)
            self._data += addition.sealed

    def read(self, positions: Sequence[int]) -> list[bytes]:
        """Return the sealed records at ``positions``."""
        spans = ((self.index.offsets[at], self.index.sizes[at]) for at in positions)
        return [bytes(self._data[at : at + size]) for at, size in spans]

    def close(self) -> None:
        """Nothing to give back."""
