"""Reads the bytes of a segment: which records, and which bytes are no record.

Padding is skipped. Where a record cannot be read, or is not of the chain's epoch, the
bytes up to the next start of a sealed item are bad, and reading goes on there. Where
sequences do not ascend one of two is altered: the signature of the earlier one says
which.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from gateway.segment import HEADER_BYTES, SegmentIndex
from schemas import cbor, envelope, names
from schemas.envelope import DIGEST_BYTES
from schemas.errors import MalformedError
from schemas.records import EPOCH_BYTES, Gap, read_record

IsGenuine = Callable[[bytes], bool]

_ITEM_START: Final = b"\xd2\x84"
# A sealed record and the byte that shows that it has ended.
_REACH: Final = envelope.MAX_SEALED_BYTES + 64
_PEEKED: Final = {
    names.KEYS[name]: name for name in ("epoch", "sequence", "kind", "previous")
}


class Peek(NamedTuple):
    """What recovery must know of a sealed record."""

    epoch: bytes
    sequence: int
    kind: str
    previous: bytes


def peek(sealed: bytes) -> Peek:
    """Return identity and link of a sealed record without reading its body.

    Raises:
        MalformedError: no sealed record.
    """
    payload = envelope.open_envelope(sealed).payload
    found = dict(_header_items(payload))
    match found:
        case {
            "epoch": bytes(epoch),
            "sequence": int(sequence),
            "kind": str(kind),
            "previous": bytes(previous),
        } if (
            len(epoch) == EPOCH_BYTES
            and 0 <= sequence < 2**63
            and len(previous) == DIGEST_BYTES
        ):
            return Peek(epoch, sequence, kind, previous)
        case _:
            raise MalformedError("the payload is no record")


def _header_items(payload: bytes) -> Iterator[tuple[str, cbor.Item]]:
    """Yield the wanted entries of the payload's map; its keys ascend."""
    if not payload or payload[0] >> 5 != 5:
        raise MalformedError("the payload is no map")
    at = 2 if payload[0] & 31 == 24 else 1
    key: cbor.Item = -1
    while isinstance(key, int) and key < max(_PEEKED):
        key, at = cbor.decode_from(payload, at)
        value, at = cbor.decode_from(payload, at)
        if isinstance(key, int) and key in _PEEKED:
            yield _PEEKED[key], value


class Scan(NamedTuple):
    """What a segment's bytes hold.

    ``previous`` has the link of each record, 32 bytes each; ``gaps`` the bodies of
    gap records by their sequence; ``bad`` the (start, end) ranges of bytes that are
    neither records of the epoch, in ascending order, nor padding.
    """

    records: SegmentIndex
    previous: bytearray
    gaps: dict[int, Gap]
    bad: list[tuple[int, int]]


def scan(
    data: bytes, epoch: bytes | None, is_genuine: IsGenuine = lambda _sealed: True
) -> Scan:
    """Read the records of ``epoch`` (None: of any) behind a segment's header.

    ``is_genuine`` says whether the signature of a sealed record holds; it is asked
    only where sequences do not ascend.
    """
    # A signature may end in zeros: leave as many as one has.
    data = data[: len(data.rstrip(b"\0")) + 64]
    found = Scan(SegmentIndex(), bytearray(), {}, [])
    at = HEADER_BYTES
    while at < len(data):
        end = _take(data, at, epoch, found, is_genuine)
        if end is None:
            bad_end = _next_candidate(data, at)
            _note_bad(found.bad, at, bad_end)
            at = bad_end
        else:
            at = end
    return found


def _next_candidate(data: bytes, at: int) -> int:
    candidate = data.find(_ITEM_START, at + 1)
    return candidate if candidate >= 0 else len(data)


def _note_bad(bad: list[tuple[int, int]], start: int, end: int) -> None:
    if bad and bad[-1][1] == start:
        start = bad.pop()[0]
    bad.append((start, end))


def _drop_altered(data: bytes, found: Scan, is_genuine: IsGenuine) -> bool:
    """Take the last record back if it is altered; say whether it was."""
    index = found.records
    start, size = index.offsets[-1], index.sizes[-1]
    if is_genuine(data[start : start + size]):
        return False
    found.gaps.pop(index.last, None)
    index.remove(len(index) - 1)
    del found.previous[-DIGEST_BYTES:]
    found.bad.append((start, start + size))
    found.bad.sort()
    return True


def _take(
    data: bytes, at: int, epoch: bytes | None, found: Scan, is_genuine: IsGenuine
) -> int | None:
    """Take padding or one record at ``at``; return the byte behind, None if bad."""
    if data[at] == 0:
        return len(data) - len(data[at:].lstrip(b"\0"))
    try:
        item, _start, end = next(envelope.split_with_offsets(data[at : at + _REACH]))
        if isinstance(item, envelope.Withheld):
            return None
        seen = peek(item)
        # A gap is read whole: a damaged one is damage, never a reason not to start.
        body = (
            read_record(envelope.open_envelope(item).payload).body
            if (seen.kind == "gap")
            else None
        )
    except MalformedError:
        return None
    if epoch not in (None, seen.epoch):
        return None
    while seen.sequence <= found.records.last:
        if not _drop_altered(data, found, is_genuine):
            return None
    found.records.add(seen.sequence, at, len(item), envelope.digest(item))
    found.previous.extend(seen.previous)
    if isinstance(body, Gap) and body.epoch in (None, seen.epoch):
        found.gaps[seen.sequence] = body
    return at + end
