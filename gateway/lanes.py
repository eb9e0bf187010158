"""The two lanes of segments, and what happens when the disk is full or fails.

Alarms have segments of their own, so that a disk is freed by giving up others.

- Room is made in this order: copies of damaged segments, segments of retired epochs,
  the oldest bulk segment; what records they have become a gap. Alarms of the epoch
  are never given up.
- After a failed write or fdatasync nothing is written to that file again: what was
  not yet durable is still in memory and goes to a new segment. After
  :data:`MAX_FAULTS` such faults in a row, or when no room can be made, records stay
  in memory (``is_volatile``), so that acquisition goes on; with every new segment the
  disk is tried again.
- A read that fails loses nothing, see :mod:`gateway.places`.

Two threads may be here: one appends and waits for the disk, the other reads and
releases. The lock guards the lists and indexes and is never held over a write, so
that the second does not wait for the first one's fdatasync.
"""

import errno
import heapq
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.places import Place, PlaceReader
from gateway.pool import SegmentPool
from gateway.recovery import DroppedRange, given_up
from gateway.segment import (
    SEGMENT_BYTES,
    Addition,
    FileSegment,
    MemorySegment,
    Priority,
    Segment,
    SegmentHeader,
)
from schemas import envelope
from schemas.records import GapReason

MAX_FAULTS: Final = 3
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How much the outbox may take.

    ``max_bytes`` bounds segments and evidence (two spare segments come on top);
    below ``reserve_bytes`` of free disk no file is added; ``memory_bytes`` bounds
    what is kept in memory while the disk fails.
    """

    max_bytes: int = 256 * 1024 * 1024
    reserve_bytes: int = 16 * 1024 * 1024
    memory_bytes: int = 4 * 1024 * 1024
    segment_bytes: int = SEGMENT_BYTES


DEFAULT_LIMITS: Final = OutboxLimits()


class StoredRecord(NamedTuple):
    """A committed record."""

    sequence: int
    sealed: bytes
    priority: Priority


_LANES: Final = (Priority.ALARM, Priority.BULK)


class Lanes:
    """All segments, by lane, oldest first; the last of a lane takes new records."""

    def __init__(
        self,
        pool: SegmentPool,
        limits: OutboxLimits,
        found: Sequence[FileSegment],
        watermark: int,
    ) -> None:
        self.lock = threading.RLock()
        self.storage_faults = 0
        self.watermark = watermark
        # Told the last sequence before records are kept in memory only.
        self.before_volatile: Callable[[int], None] = lambda _sequence: None
        self.is_barred = False
        self._faults_in_a_row = 0
        self._reader = PlaceReader()
        self._pool = pool
        self._limits = limits
        self._gaps: list[DroppedRange] = []
        self._segments: dict[Priority, list[Segment]] = {lane: [] for lane in _LANES}
        self._active: dict[Priority, Segment] = {}
        self._released: list[Segment] = []
        for segment in found:
            lane = segment.header.priority
            self._segments[lane].append(segment)
            self._active[lane] = segment
        for lane, active in list(self._active.items()):
            if isinstance(active, FileSegment) and active.is_suspect:
                del self._active[lane]

    def append(self, additions: Sequence[Addition], header: SegmentHeader) -> None:
        """Make records of one lane durable, or keep them in memory.

        ``header`` tells lane, epoch and the place of the first record in the chain.
        """
        left = list(additions)
        while left:
            header = header._replace(first=left[0].sequence)
            segment = self._with_room(len(left[0].sealed), header)
            count = _fitting(left, segment.room)
            if segment.is_volatile:
                self.before_volatile(left[count - 1].sequence)
            try:
                segment.write(left[:count])
            except OSError:
                self._give_up(segment)
                continue
            if not segment.is_volatile:
                self._faults_in_a_row = 0
            with self.lock:
                segment.adopt(left[:count])
            header = header._replace(previous=left[count - 1].digest)
            del left[:count]

    def _give_up(self, segment: Segment) -> None:
        self._count_fault()
        with self.lock:
            segment.close()
            del self._active[segment.header.priority]

    def _count_fault(self) -> None:
        self.storage_faults += 1
        self._faults_in_a_row += 1

    def _with_room(self, size: int, header: SegmentHeader) -> Segment:
        active = self._active.get(header.priority)
        if active is not None and active.room >= size:
            return active
        if active is not None:
            with self.lock:
                active.close()
                del self._active[header.priority]
        segment = self._new_segment(header)
        with self.lock:
            self._segments[header.priority].append(segment)
            self._active[header.priority] = segment
        return segment

    def _new_segment(self, header: SegmentHeader) -> Segment:
        # One that has failed often is tried once for each segment in memory.
        self._faults_in_a_row = min(self._faults_in_a_row, MAX_FAULTS - 1)
        while self._faults_in_a_row < MAX_FAULTS and not self.is_barred:
            try:
                while self._is_over_limit() and self._make_room(header.priority):
                    pass
                return self._pool.create(header)
            except OSError as error:
                if error.errno not in _FULL:
                    self._count_fault()
                elif not self._make_room(header.priority):
                    break
        return self._new_in_memory(header)

    def _new_in_memory(self, header: SegmentHeader) -> Segment:
        size = self._limits.segment_bytes
        while (1 + sum(map(len, self._volatile()))) * size > self._limits.memory_bytes:
            if not self._drop_oldest(self._volatile()[1]):
                break
        return MemorySegment(header, size)

    def _volatile(self) -> tuple[list[Segment], list[Segment]]:
        alarm, bulk = (
            [one for one in self._segments[lane] if one.is_volatile] for lane in _LANES
        )
        return alarm, bulk

    @property
    def is_volatile(self) -> bool:
        """True while records that are not receipted lie in memory only."""
        return any(
            one.is_volatile and one.index.last > self.watermark
            for lane in self._segments.values()
            for one in lane
        )

    @property
    def file_bytes(self) -> int:
        """Bytes of the segments on disk, spares and evidence."""
        count = self._file_count() + self._pool.spare_count
        return count * self._limits.segment_bytes + self._pool.evidence_bytes

    def _file_count(self) -> int:
        lanes = self._segments.values()
        return sum(not one.is_volatile for lane in lanes for one in lane)

    def _is_over_limit(self) -> bool:
        size = self._limits.segment_bytes
        wanted = (self._file_count() + 1) * size + self._pool.evidence_bytes
        if wanted > self._limits.max_bytes:
            return True
        free = self._pool.disk.free_bytes(self._pool.folder)
        return not self._pool.spare_count and free - size < self._limits.reserve_bytes

    def _make_room(self, wanted: Priority) -> bool:
        evidence = self._pool.oldest_evidence()
        if evidence is not None:
            with self.lock:
                self._gaps += given_up(self._pool.disk, evidence)
            self._pool.discard(evidence)
            return True
        with self.lock:
            lane = self._segments[Priority.BULK]
            files = [one for one in lane if not one.is_volatile]
            if wanted is Priority.ALARM and len(files) == 1:
                self._active.pop(Priority.BULK, None)
        return self._drop_oldest(files)

    def drop_expired(self, is_expired: Callable[[bytes], bool]) -> None:
        """Give up the oldest bulk segments, as far as their last record has expired."""
        while True:
            with self.lock:
                lane = self._segments[Priority.BULK]
                oldest = next(iter(lane), None)
                if oldest in (None, self._active.get(Priority.BULK)):
                    return
                last = oldest.index.last
                place = self.find(last)
                read = self._reader.read([place] if place else [])
                if not read or not is_expired(read[0]):
                    return
                self._lose(oldest, range(len(oldest.index)), GapReason.EXPIRED)
                lane.remove(oldest)
            self._recycle(oldest)

    def _drop_oldest(self, candidates: list[Segment]) -> bool:
        """Give up the first of these bulk segments that takes no new records."""
        with self.lock:
            lane = self._segments[Priority.BULK]
            active = self._active.get(Priority.BULK)
            idle = [one for one in candidates if one is not active and one in lane]
            if idle:
                self._lose(idle[0], range(len(idle[0].index)), GapReason.DROPPED)
                lane.remove(idle[0])
        if idle:
            self._recycle(idle[0])
        return bool(idle)

    def _recycle(self, segment: Segment) -> None:
        segment.close()
        if not isinstance(segment, FileSegment):
            return
        try:
            if segment.is_suspect:
                self._pool.discard(segment.path)
            else:
                self._pool.recycle(segment.path)
        except OSError:
            self.storage_faults += 1

    def _lose(self, segment: Segment, positions: range, reason: GapReason) -> None:
        """Note the records at ``positions`` as gaps, one for each run of sequences."""
        for at in positions:
            sequence = segment.index.sequences[at]
            if sequence <= self.watermark:
                continue
            digest = segment.index.digest(at)
            last = self._gaps[-1] if self._gaps else None
            if last and last.to_sequence + 1 == sequence and last.reason is reason:
                start = self._gaps.pop().from_sequence
            else:
                start = sequence
            self._gaps.append(DroppedRange(start, sequence, digest, reason))

    @property
    def failed_reads(self) -> int:
        """How many reads failed; what they were for is tried again."""
        return self._reader.failures

    def take_gaps(self) -> list[DroppedRange]:
        """Return the records that were lost since the last call, as ranges."""
        with self.lock:
            taken, self._gaps = self._gaps, []
        return taken

    def release(self, watermark: int) -> None:
        """Let go of the segments of which all records are receipted.

        Their files stay until :meth:`recycle_released`.
        """
        with self.lock:
            self.watermark = watermark
            active = list(self._active.values())
            for lane in self._segments.values():
                for segment in [one for one in lane if one.index.last <= watermark]:
                    if segment not in active:
                        lane.remove(segment)
                        self._released.append(segment)

    def recycle_released(self, saved: int) -> None:
        """Reuse the files of released segments whose watermark ``saved`` is on disk."""
        with self.lock:
            released = [one for one in self._released if one.index.last <= saved]
            self._released = [one for one in self._released if one not in released]
        for segment in released:
            self._recycle(segment)

    def forget(self) -> None:
        """Let go of all segments without touching their files."""
        with self.lock:
            for lane in self._segments.values():
                for segment in lane:
                    segment.close()
                lane.clear()
            self._active.clear()
            self._released.clear()

    def places(self, first: int) -> Iterator[Place]:
        """Yield where the records from ``first`` on are, in ascending order."""
        walks = [self._walk(lane, first) for lane in range(len(_LANES))]
        return heapq.merge(*walks)

    def _walk(self, lane: int, first: int) -> Iterator[Place]:
        for segment in self._segments[_LANES[lane]]:
            if segment.index.last < first:
                continue
            sequences = segment.index.sequences
            for at in range(segment.index.position(first), len(sequences)):
                yield Place(sequences[at], lane, at, segment)

    def find(self, sequence: int) -> Place | None:
        """Return where the record with this sequence is, if it is here."""
        place = next(self.places(sequence), None)
        return place if place and place.sequence == sequence else None

    def count_above(self, sequence: int) -> int:
        """Return how many records there are above ``sequence``."""
        return sum(
            len(one.index) - one.index.position(sequence + 1)
            for lane in self._segments.values()
            for one in lane
        )

    def alarms_above(self, sequence: int) -> list[int]:
        """Return the sequences of the alarms above ``sequence``, oldest first."""
        lane = _LANES.index(Priority.ALARM)
        return [place.sequence for place in self._walk(lane, sequence + 1)]

    def fetch(self, places: Sequence[Place]) -> list[StoredRecord]:
        """Read records, up to the first that cannot be read now.

        What has changed on disk is noted as damaged and left out. The lock must be
        held since ``places`` were found.
        """
        good = []
        read = self._reader.read(places)
        # From the back: a damaged one leaves its index, others must keep their places.
        for place, sealed in reversed(list(zip(places, read, strict=False))):
            segment, at = place.segment, place.position
            if envelope.digest(sealed) == segment.index.digest(at):
                priority = segment.header.priority
                good.append(StoredRecord(place.sequence, sealed, priority))
            else:
                self._lose(segment, range(at, at + 1), GapReason.DAMAGED)
                segment.index.remove(at)
        return good[::-1]


def _fitting(additions: Sequence[Addition], room: int) -> int:
    """Return how many fit; at least one, the caller made room for it."""
    count = 0
    for addition in additions:
        room -= len(addition.sealed)
        if room < 0:
            break
        count += 1
    return count
