"""One chain of a history: its places, links, gaps and the time it covers."""

from enum import StrEnum
from typing import Final, NamedTuple

from cloud.spans import Span, missing, united
from cloud.verification import (
    RefusalReason,
    VerifiedFact,
    VerifiedRecord,
)
from schemas.envelope import ZERO_DIGEST
from schemas.receipts import Receipt
from schemas.records import Gap, GapReason, Header, Report


class ChainKind(StrEnum):
    """What a chain links."""

    RECORDS = "records"
    FACTS = "facts"


class ChainKey(NamedTuple):
    """A gateway and its epoch, or an author and the kid of a key."""

    kind: ChainKind
    subject: str
    epoch: bytes


class Fault(NamedTuple):
    """Something altered: at which item from 1, at which byte, and why."""

    item: int
    offset: int
    reason: RefusalReason
    detail: str


class Explained(NamedTuple):
    """Sequences that a signed record says will never come."""

    span: Span
    reason: GapReason


class Coverage(NamedTuple):
    """Boot time between the first and last report of a boot, and what they cover."""

    boot_id: bytes
    covered_ns: int
    span_ns: int


class ChainReport(NamedTuple):
    """What is there of one chain.

    ``proven_to`` is the last sequence that a receipt vouches for, absent without one.
    """

    key: ChainKey
    held: int
    last: int | None
    missing: tuple[Span, ...]
    withheld: tuple[Span, ...]
    explained: tuple[Explained, ...]
    coverage: tuple[Coverage, ...]
    proven_to: int | None

    @property
    def covered_ratio(self) -> float | None:
        """Share of the time that reports cover; absent without reports."""
        span_ns = sum(boot.span_ns for boot in self.coverage)
        if span_ns == 0:
            return None
        return sum(boot.covered_ns for boot in self.coverage) / span_ns


class _Place(NamedTuple):
    digest: bytes
    previous: bytes
    item: int
    offset: int


# Stands for a digest that is withheld somewhere near: the place is not certain.
UNCERTAIN: Final = b""


class ChainState:
    """Collects the items of one chain, in any order."""

    def __init__(self, key: ChainKey) -> None:
        self._key = key
        self._places: dict[int, _Place] = {}
        self._stand_ins: dict[int, bytes | None] = {}
        self._gaps: list[tuple[Gap, _Place]] = []
        self._receipts: list[tuple[Receipt, int, int]] = []
        self._reports: dict[bytes, list[Span]] = {}
        self._conflicts: list[Fault] = []
        self._last_taken = -1
        self.repeated = 0
        self.reordered = 0

    def take_record(self, record: VerifiedRecord, item: int, offset: int) -> None:
        """Take a record."""
        header = record.header
        place = _Place(record.digest, header.previous, item, offset)
        if not self._take(header.sequence, place):
            return
        body = record.body
        if isinstance(body, Gap) and _is_own(body, header):
            self._gaps.append((body, place))
        if isinstance(body, Report) and body.from_boot_ns < body.to_boot_ns:
            span = Span(body.from_boot_ns, body.to_boot_ns - 1)
            self._reports.setdefault(header.boot_id, []).append(span)

    def take_fact(self, fact: VerifiedFact, item: int, offset: int) -> None:
        """Take a fact."""
        header = fact.fact.header
        place = _Place(fact.digest, header.previous, item, offset)
        self._take(header.sequence, place)

    def _take(self, sequence: int, place: _Place) -> bool:
        held = self._places.get(sequence)
        if held is not None:
            if held.digest == place.digest:
                self.repeated += 1
            else:
                detail = f"sequence {sequence} is item {held.item} with other content"
                self._fault(place, RefusalReason.EQUIVOCATION, detail)
            return False
        if self._stand_ins.get(sequence) not in (None, UNCERTAIN, place.digest):
            detail = f"another digest is withheld in the place of sequence {sequence}"
            self._fault(place, RefusalReason.BROKEN_LINK, detail)
        self.reordered += sequence < self._last_taken
        self._last_taken = sequence
        self._places[sequence] = place
        return True

    def stand_in(self, sequence: int, digest: bytes | None) -> bool:
        """Take what stands at a place: a withheld digest, or none for a fault.

        Returns:
            False if something else is there.
        """
        held = self._digest_at(sequence)
        if held is not None:
            return digest in (held, UNCERTAIN)
        self._stand_ins[sequence] = digest
        return True

    def prove(self, receipt: Receipt, item: int, offset: int) -> None:
        """Take a receipt of this chain."""
        self._receipts.append((receipt, item, offset))

    def _fault(self, place: _Place, reason: RefusalReason, detail: str) -> None:
        self._conflicts.append(Fault(place.item, place.offset, reason, detail))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Links that are broken, and items and receipts that contradict."""
        found = [
            Fault(place.item, place.offset, RefusalReason.BROKEN_LINK, detail)
            for sequence, place in self._places.items()
            if (detail := self._broken_link(sequence, place)) is not None
        ]
        found += self._contradicting_gaps()
        found += self._contradicting_receipts()
        return (*self._conflicts, *found)

    def _broken_link(self, sequence: int, place: _Place) -> str | None:
        if sequence == 0:
            broken = place.previous != ZERO_DIGEST
            return "sequence 0 links to something" if broken else None
        below = self._digest_at(sequence - 1)
        if below in (None, place.previous):
            return None
        return f"sequence {sequence} does not link to {sequence - 1}"

    def _digest_at(self, sequence: int) -> bytes | None:
        place = self._places.get(sequence)
        if place is not None:
            return place.digest
        return self._stand_ins.get(sequence) or None

    def _contradicting_gaps(self) -> list[Fault]:
        return [
            Fault(
                place.item,
                place.offset,
                RefusalReason.BROKEN_LINK,
                f"the gap to {gap.to_sequence} does not link to what follows",
            )
            for gap, place in self._gaps
            if (above := self._places.get(gap.to_sequence + 1)) is not None
            and above.previous != gap.digest
        ]

    def _contradicting_receipts(self) -> list[Fault]:
        return [
            Fault(
                item,
                offset,
                RefusalReason.BROKEN_LINK,
                f"the receipt has another digest at {receipt.contiguous}",
            )
            for receipt, item, offset in self._receipts
            if receipt.contiguous is not None
            and (digest := self._digest_at(receipt.contiguous)) is not None
            and digest != receipt.digest
        ]

    def report(self) -> ChainReport:
        """Return what there is of this chain."""
        known = [Span(at, at) for at in (*self._places, *self._stand_ins)]
        known += [Span(gap.from_sequence, gap.to_sequence) for gap, _ in self._gaps]
        last = max((span.last for span in known), default=None)
        expected = [] if last is None else [Span(0, last)]
        withheld = [at for at, digest in self._stand_ins.items() if digest is not None]
        return ChainReport(
            key=self._key,
            held=len(self._places),
            last=last,
            missing=missing([*expected, *self._vouched()], known),
            withheld=united(Span(at, at) for at in withheld if at not in self._places),
            explained=self._explained(),
            coverage=tuple(
                _coverage(boot_id, spans) for boot_id, spans in self._reports.items()
            ),
            proven_to=max((span.last for span in self._vouched()), default=None),
        )

    def _vouched(self) -> list[Span]:
        spans = [
            Span(first, last)
            for receipt, _item, _offset in self._receipts
            for first, last in receipt.ranges
            if first <= last
        ]
        return spans + [
            Span(0, receipt.contiguous)
            for receipt, _item, _offset in self._receipts
            if receipt.contiguous is not None
        ]

    def _explained(self) -> tuple[Explained, ...]:
        places = [Span(at, at) for at in self._places]
        return tuple(
            Explained(span, gap.reason)
            for gap, _place in self._gaps
            for span in missing([Span(gap.from_sequence, gap.to_sequence)], places)
        )


def _is_own(gap: Gap, header: Header) -> bool:
    is_below = gap.from_sequence <= gap.to_sequence < header.sequence
    return is_below and gap.epoch in (None, header.epoch)


def _coverage(boot_id: bytes, spans: list[Span]) -> Coverage:
    parts = united(spans)
    covered_ns = sum(part.size for part in parts)
    return Coverage(boot_id, covered_ns, parts[-1].last - parts[0].first + 1)
