"""What the outbox's folder holds after a crash, a power cut or a bad disk.

Nothing found here refuses the start. The chain itself is the check: a record is
kept if the record after it names its digest, or, where that one is missing, if its
own signature holds. So a flipped bit and a half-written page are found anywhere,
at the price of one signature per break of the chain.

1. What was half written behind the last good record of a lane's newest segment was
   never committed: it is overwritten with padding.
2. Any other damage: the segment is copied aside as evidence, the bad bytes become
   padding, the records that still read are kept.
3. Sequences that are missing above the watermark and that no stored gap record
   explains are reported. None of them is used again.
4. Where the end of the chain is not known, because a segment tells nothing at all or
   because records lay in memory only, the chain goes on behind all sequences that can
   have been used; the digest that it goes on from is of no record.
5. An environment that is short of something (no descriptor, no permission) is no
   damage: the start fails, and is tried again.
"""

import contextlib
import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from gateway.pool import SegmentPool
from gateway.scan import IsGenuine, Scan, peek, scan
from gateway.segment import (
    HEADER_BYTES,
    Disk,
    FileSegment,
    Priority,
    SegmentHeader,
    SegmentIndex,
    read_file,
    unpack_header,
)
from gateway.watermark import Watermark
from schemas import envelope
from schemas.envelope import DIGEST_BYTES, ZERO_DIGEST, SealCheck
from schemas.errors import MalformedError
from schemas.keys import PublicKey
from schemas.records import EPOCH_BYTES, Gap, GapReason, read_record, record_aad

# A seal alone takes that much: no segment holds more records than its size by this.
_LEAST_SEALED_BYTES: Final = 128


class DroppedRange(NamedTuple):
    """Records that will never come, ends included; to be stated as a ``gap``.

    ``digest`` is that of the last of them: what the next record names as previous.
    ``epoch`` is theirs if that is not the one of the chain.
    """

    from_sequence: int
    to_sequence: int
    digest: bytes
    reason: GapReason
    epoch: bytes | None = None


@dataclass(slots=True)
class Recovered:
    """What there is to go on from."""

    mark: Watermark
    segments: list[FileSegment] = field(default_factory=list)
    head: int = -1
    digest: bytes = ZERO_DIGEST
    missing: list[DroppedRange] = field(default_factory=list)
    faults: int = 0


class _Loaded(NamedTuple):
    path: Path
    header: SegmentHeader | None
    scan: Scan
    segment: FileSegment
    rejected: list[int]


def recover(
    pool: SegmentPool,
    mark: Watermark | None,
    draw_epoch: Callable[[], bytes],
    is_genuine: IsGenuine,
) -> Recovered:
    """Read the segments and return the chain that is left; repairs the files.

    Args:
        pool: the folder.
        mark: what was saved, None if that is lost or this is a new store.
        draw_epoch: gives 8 bytes for an epoch, if a new one must begin.
        is_genuine: says whether the signature of a sealed record holds.

    Raises:
        OSError: a segment cannot be opened now; that is no damage.
    """
    receipted = mark.sequence if mark else -1
    pool.adopt_spares(lambda data: scan(data, None).records.last > receipted)
    epoch = mark.epoch if mark else _newest_epoch(pool)
    loaded = [] if epoch is None else _load_epoch(pool, epoch, is_genuine)
    if epoch is None:
        return Recovered(Watermark(draw_epoch()), faults=retire_all(pool, bytes(8)))
    chain = _Chain(loaded, is_genuine)
    chain.judge()
    return _conclude(pool, chain, mark or _presumed(epoch, chain))


def retire_all(pool: SegmentPool, epoch: bytes) -> int:
    """Put all segments away; return how many could not be."""
    faults = 0
    for path in pool.segments():
        try:
            pool.retire(path, epoch)
        except OSError:
            faults += 1
    return faults


def given_up(disk: Disk, path: Path) -> list[DroppedRange]:
    """Return what goes with a retired segment, as ranges of its own epoch.

    Raises:
        OSError: it cannot be opened now.
    """
    name = path.name.partition("-")[0]
    if len(name) != 2 * EPOCH_BYTES:
        return []
    epoch, found = bytes.fromhex(name), []
    index = scan(read_file(disk, path), epoch).records
    runs = groupby(enumerate(index.sequences), key=lambda one: one[1] - one[0])
    for _, run in runs:
        places = list(run)
        (_, first), (at, last) = places[0], places[-1]
        digest = index.digest(at)
        found.append(DroppedRange(first, last, digest, GapReason.DROPPED, epoch))
    return found


def _presumed(epoch: bytes, chain: "_Chain") -> Watermark:
    """Return the watermark of a store that has lost it: what is gone was receipted."""
    if not chain.links:
        return Watermark(epoch)
    lowest, previous = chain.links[-1]
    return Watermark(epoch, lowest - 1, previous)


def _newest_epoch(pool: SegmentPool) -> bytes | None:
    for path in reversed(pool.segments()):
        data = read_file(pool.disk, path)
        header = unpack_header(data[:HEADER_BYTES])
        if header:
            return header.epoch
        found = scan(data, None).records
        if found:
            at = found.offsets[0]
            return peek(data[at : at + found.sizes[0]]).epoch
    return None


def _load_epoch(
    pool: SegmentPool, epoch: bytes, is_genuine: IsGenuine
) -> list[_Loaded]:
    loaded = []
    for path in pool.segments():
        data = read_file(pool.disk, path)
        header = unpack_header(data[:HEADER_BYTES])
        if header and header.epoch != epoch:
            # A power cut came between the new epoch and the retreat of the old.
            with contextlib.suppress(OSError):
                pool.retire(path, header.epoch)
            continue
        found = scan(data, epoch, is_genuine)
        lane = Priority.ALARM if "alarm" in path.name else Priority.BULK
        known = header or SegmentHeader(lane, epoch, 0, ZERO_DIGEST)
        segment = FileSegment(pool.disk, path, known, found.records, pool.segment_bytes)
        loaded.append(_Loaded(path, header, found, segment, []))
    return loaded


def _most_unknown(loaded: list[_Loaded]) -> int:
    """Return how many records segments may have held that tell nothing at all."""
    silent = [one for one in loaded if one.header is None and not one.scan.records]
    return sum(one.segment.room // _LEAST_SEALED_BYTES for one in silent)


class _Chain:
    """Judges records from the head down, each by the link of the one after it."""

    def __init__(self, loaded: list[_Loaded], is_genuine: IsGenuine) -> None:
        self.loaded = loaded
        self.links: list[tuple[int, bytes]] = []  # kept: (sequence, previous), falling
        self.head: tuple[int, bytes] | None = None
        self.gaps: list[Gap] = []
        self._is_genuine = is_genuine

    def judge(self) -> None:
        walks = [self._walk(order) for order in range(len(self.loaded))]
        for sequence, group in groupby(heapq.merge(*walks), key=lambda one: -one[0]):
            self._choose(sequence, [(-order, at) for _, order, at in group])

    def _walk(self, order: int) -> Iterator[tuple[int, int, int]]:
        sequences = self.loaded[order].scan.records.sequences
        for at in range(len(sequences) - 1, -1, -1):
            yield -sequences[at], -order, at

    def _choose(self, sequence: int, copies: list[tuple[int, int]]) -> None:
        """Keep one copy at most; the newest file comes first."""
        is_kept = False
        for order, at in copies:
            if is_kept or not self._holds(sequence, order, at):
                self.loaded[order].rejected.append(at)
            else:
                self._keep(sequence, order, at)
                is_kept = True

    def _holds(self, sequence: int, order: int, at: int) -> bool:
        segment = self.loaded[order].segment
        if self.links and self.links[-1][0] == sequence + 1:
            return segment.index.digest(at) == self.links[-1][1]
        offset, size = segment.index.offsets[at], segment.index.sizes[at]
        return self._is_genuine(segment.whole()[offset : offset + size])

    def _keep(self, sequence: int, order: int, at: int) -> None:
        found = self.loaded[order].scan
        previous = found.previous[at * DIGEST_BYTES : (at + 1) * DIGEST_BYTES]
        self.links.append((sequence, bytes(previous)))
        if self.head is None:
            self.head = sequence, found.records.digest(at)
        if sequence in found.gaps:
            self.gaps.append(found.gaps[sequence])


def _conclude(pool: SegmentPool, chain: _Chain, mark: Watermark) -> Recovered:
    result = Recovered(mark, [one.segment for one in chain.loaded])
    result.head, result.digest = max(_claims(chain, mark), key=lambda claim: claim[0])
    unknown = _most_unknown(chain.loaded)
    if unknown:
        # Saved before the segments that tell nothing are let go.
        end = max(mark.reserved, result.head + unknown)
        result.mark = mark._replace(reserved=end)
    is_damaged = _repair(pool, chain, result)
    reason = GapReason.DAMAGED if is_damaged else GapReason.DROPPED
    holes = _holes(chain.links, (result.head, result.digest), mark.sequence + 1)
    result.missing = [
        DroppedRange(start, end, digest, reason)
        for start, end, digest in _unexplained(holes, chain.gaps)
    ]
    if result.mark.reserved > result.head:
        why = GapReason.DAMAGED if unknown else GapReason.VOLATILE
        _go_on_behind(result, result.mark.reserved, why)
    return result


def _go_on_behind(result: Recovered, end: int, reason: GapReason) -> None:
    """Count all up to ``end`` as used; with the same digest at every start."""
    result.digest = hashlib.sha256(b"no record" + result.digest).digest()
    lost = DroppedRange(result.head + 1, end, result.digest, reason)
    result.missing.append(lost)
    result.head = end


def _claims(chain: _Chain, mark: Watermark) -> Iterator[tuple[int, bytes]]:
    """Yield (sequence, digest) of all that has been in the chain for certain."""
    if chain.head:
        yield chain.head
    yield mark.sequence, mark.digest
    for one in chain.loaded:
        if one.header:
            yield one.header.first - 1, one.header.previous


def _holes(
    links: Iterable[tuple[int, bytes]], head: tuple[int, bytes], first: int
) -> Iterator[tuple[int, int, bytes]]:
    """Yield (from, to, digest at to) of what is missing from ``first`` to the head."""
    top, digest = head
    for sequence, previous in links:
        start = max(sequence + 1, first)
        if start <= top:
            yield start, top, digest
        top, digest = sequence - 1, previous
    if first <= top:
        yield first, top, digest


def _unexplained(
    holes: Iterable[tuple[int, int, bytes]], gaps: Iterable[Gap]
) -> list[tuple[int, int, bytes]]:
    """Return the parts of the holes that no gap record states, oldest first."""
    stated = sorted((gap.from_sequence, gap.to_sequence) for gap in gaps)
    left = []
    for start, end, digest in holes:
        for lowest, highest in stated:
            if lowest <= start <= highest:
                start = highest + 1  # noqa: PLW2901 - the covered front is cut off
        if start <= end:
            left.append((start, end, digest))
    return left[::-1]


def _repair(pool: SegmentPool, chain: _Chain, result: Recovered) -> bool:
    """Make the files clean again; return whether more than a torn tail was found."""
    newest = {one.segment.header.priority: one.path for one in chain.loaded}
    is_damaged = False
    for one in chain.loaded:
        bad = one.scan.bad + _drop_rejected(one)
        if not bad and one.header:
            continue
        is_newest = newest[one.segment.header.priority] == one.path
        is_torn = one.header is not None and is_newest and _is_behind(bad, one)
        is_damaged = is_damaged or not is_torn
        try:
            if not is_torn:
                one.segment.is_suspect = True
                pool.keep_damaged(one.path, one.segment.whole())
            for start, end in bad:
                pool.blank(one.path, start, end)
        except OSError:
            one.segment.is_suspect = True
            result.faults += 1
    return is_damaged


def _drop_rejected(one: _Loaded) -> list[tuple[int, int]]:
    """Take rejected records out of the index; return the bytes where they lie."""
    index: SegmentIndex = one.segment.index
    spans = []
    for at in sorted(one.rejected, reverse=True):
        spans.append((index.offsets[at], index.offsets[at] + index.sizes[at]))
        index.remove(at)
    return spans


def _is_behind(bad: list[tuple[int, int]], one: _Loaded) -> bool:
    return all(start >= one.segment.index.end for start, _ in bad)


def is_genuine(key: PublicKey | None) -> Callable[[bytes], bool]:
    """Return a check that refuses only what this very key should have signed."""

    def holds(sealed: bytes) -> bool:
        if key is None:
            return True
        try:
            opened = envelope.open_envelope(sealed)
            header = read_record(opened.payload).header
        except MalformedError:
            return False
        aad = record_aad(header.version, header.gateway)
        found = envelope.check(opened, key, aad)
        return found in (SealCheck.GOOD, SealCheck.WRONG_KEY)

    return holds
