"""Shipments: a fold of facts and of the records that tie a gateway to a shipment.

A shipment is built from what has been said about it, in the order in which it was
signed; the order of arrival plays no part, and a fact counts once (uuid). The newest
certificate and the newest consignment hold; every version of the plan is kept.

Records between ``assigned`` and ``released`` of one epoch of a gateway belong to the
shipment. One record among them, or one fact, that carries the exercise mark marks
the shipment for good.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from cloud.corrections import in_order, voided
from cloud.custody import Custody
from cloud.custody import fold as fold_custody
from cloud.spans import Runs
from schemas.contents import Contents, ProductLimits, ReleasedGain
from schemas.envelope import open_envelope
from schemas.facts import (
    Acceptance,
    CentreProfile,
    Certificate,
    Consignment,
    Fact,
    FactBody,
    Order,
    Outcome,
    Reschedule,
    read_fact,
)
from schemas.records import (
    Assigned,
    Fingerprint,
    FingerprintStep,
    Record,
    Released,
    read_record,
)

_Place = tuple[str, bytes, int]
T = TypeVar("T", Order, Certificate, Consignment, CentreProfile)


class Phase(StrEnum):
    """How far a shipment has come, as people call it."""

    ORDERED = "ordered"
    PACKED = "packed"
    IN_TRANSIT = "in transit"
    ARRIVED = "arrived"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Plan:
    """One version of the appointment; version 1 is the order's."""

    version: int
    planned_at_ns: int
    offset_minutes: int
    stated_at_ns: int
    author: str
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A span of one epoch of a gateway; open while ``to_sequence`` is absent.

    ``from_ns`` and ``to_ns`` are the instants of its ends where they are known.
    """

    gateway: str
    epoch: bytes
    from_sequence: int
    to_sequence: int | None
    from_ns: int | None
    to_ns: int | None
    contents: tuple[Contents, ...]
    limits: ProductLimits
    gain: ReleasedGain | None

    def covers(self, epoch: bytes, sequence: int) -> bool:
        """Say whether a record belongs to the assignment, ends included."""
        last = sequence if self.to_sequence is None else self.to_sequence
        return epoch == self.epoch and self.from_sequence <= sequence <= last


@dataclass(frozen=True, slots=True)
class FingerprintTaken:
    """A step of the dispatch fingerprint that the gateway has answered."""

    step: FingerprintStep
    sequence: int
    at_ns: int | None


@dataclass(frozen=True, slots=True)
class Shipment:
    """Everything that has been said about one shipment.

    ``facts`` are all of them, in the order in which they were signed; ``profile`` is
    the newest one of its centre.
    """

    shipment: str
    order: Order | None
    plans: tuple[Plan, ...]
    contents: Contents | None
    consignment: Consignment | None
    custody: Custody
    assignments: tuple[Assignment, ...]
    acceptance: Fact | None
    facts: tuple[Fact, ...]
    profile: CentreProfile | None
    fingerprints: tuple[FingerprintTaken, ...]
    exercise: bool

    def newest(self, kind: type[FactBody]) -> Fact | None:
        """Return the last fact of a kind that was signed."""
        return _last(self.facts, kind)

    @property
    def gateway(self) -> str | None:
        """The gateway that travels with it, as packed, else as assigned."""
        if self.consignment is not None:
            return self.consignment.gateway
        return self.assignments[-1].gateway if self.assignments else None

    @property
    def plan(self) -> Plan | None:
        """The version of the plan that holds."""
        return self.plans[-1] if self.plans else None

    @property
    def eta_ns(self) -> int | None:
        """Arrival as planned: the end of the last leg."""
        legs = self.consignment.legs if self.consignment else ()
        return legs[-1].arrives_at_ns if legs else None

    @property
    def limits(self) -> ProductLimits | None:
        """Limits that the gateway was given."""
        return self.assignments[-1].limits if self.assignments else None

    @property
    def phase(self) -> Phase:
        """How far it has come."""
        decided = None if self.acceptance is None else _decision(self.acceptance)
        if self.custody.is_returned and decided is not Phase.ACCEPTED:
            return Phase.RETURNED
        if decided is not None:
            return decided
        if self.order and self.order.centre in self.custody.whereabouts:
            return Phase.ARRIVED
        if self.custody.holder is not None:
            return Phase.IN_TRANSIT
        is_packed = self.consignment is not None or bool(self.assignments)
        return Phase.PACKED if is_packed else Phase.ORDERED


def _decision(fact: Fact) -> Phase:
    body = fact.body
    accepted = isinstance(body, Acceptance) and body.outcome is Outcome.ACCEPTED
    return Phase.ACCEPTED if accepted else Phase.REFUSED


def read_entry(kind: str, sealed: bytes) -> Record | Fact | None:
    """Read a ledger entry, which is verified already; commands are no statement.

    Raises:
        MalformedError: the ledger holds what verification would have refused.
    """
    if kind == "record":
        return read_record(open_envelope(sealed).payload)
    if kind == "fact":
        return read_fact(open_envelope(sealed).payload)
    return None


@dataclass(slots=True)
class _Said:
    """What has been collected about one shipment."""

    facts: dict[bytes, Fact] = field(default_factory=dict)
    assigned: dict[_Place, tuple[Assigned, int | None]] = field(default_factory=dict)
    released: dict[_Place, int | None] = field(default_factory=dict)


_Fingerprints = dict[tuple[str, bytes], dict[int, tuple[FingerprintStep, int | None]]]


class Shipments:
    """The fold: feed it statements, ask it for shipments.

    ``authorities`` may correct what others stated.
    """

    def __init__(self, authorities: Collection[str] = ()) -> None:
        self._authorities = authorities
        self._said: dict[str, _Said] = {}
        self._exercises: dict[tuple[str, bytes], Runs] = {}
        self._profiles: dict[str, dict[bytes, Fact]] = {}
        self._fingerprints: _Fingerprints = {}

    def take(self, statement: Record | Fact) -> None:
        """Take one statement; a repeated one changes nothing."""
        if isinstance(statement, Fact):
            self._take_fact(statement)
        else:
            self._take_record(statement)

    def _take_fact(self, fact: Fact) -> None:
        if isinstance(fact.body, CentreProfile):
            said = self._profiles.setdefault(fact.body.centre, {})
            said.setdefault(fact.header.fact, fact)
        shipment = getattr(fact.body, "shipment", None)
        if shipment is not None:
            self._of(shipment).facts.setdefault(fact.header.fact, fact)

    def _take_record(self, record: Record) -> None:
        header, body = record.header, record.body
        if header.exercise:
            self.mark_exercise(header.gateway, header.epoch, header.sequence)
        place = (header.gateway, header.epoch, header.sequence)
        if isinstance(body, Assigned):
            said = self._of(body.shipment)
            said.assigned.setdefault(place, (body, header.utc_ns))
        elif isinstance(body, Released):
            self._of(body.shipment).released.setdefault(place, header.utc_ns)
        elif isinstance(body, Fingerprint):
            taken = self._fingerprints.setdefault(place[:2], {})
            taken.setdefault(header.sequence, (body.step, header.utc_ns))

    def mark_exercise(self, gateway: str, epoch: bytes, sequence: int) -> None:
        """Take it that this record carries the exercise mark."""
        self._exercises.setdefault((gateway, epoch), Runs()).add(sequence)

    def _of(self, shipment: str) -> _Said:
        return self._said.setdefault(shipment, _Said())

    def names(self) -> tuple[str, ...]:
        """Return the shipments that anything was said about, in order of name."""
        return tuple(sorted(self._said))

    def find(self, shipment: str) -> Shipment | None:
        """Return the shipment as it stands, if anything was said about it."""
        said = self._said.get(shipment)
        return None if said is None else self._build(shipment, said)

    def all(self) -> tuple[Shipment, ...]:
        """Return every shipment as it stands, in order of name."""
        return tuple(self._build(name, self._said[name]) for name in self.names())

    def _build(self, shipment: str, said: _Said) -> Shipment:
        gone = voided(said.facts.values(), self._authorities)
        stated = in_order(said.facts.values())
        facts = [fact for fact in stated if fact.header.fact not in gone]
        order = _newest(facts, Order)
        certificate = _newest(facts, Certificate)
        assignments = _assignments(said)
        contents = certificate.contents if certificate else _assigned(assignments)
        return Shipment(
            shipment=shipment,
            order=order,
            plans=_plans(facts),
            contents=contents,
            consignment=_newest(facts, Consignment),
            custody=fold_custody(stated, gone),
            assignments=assignments,
            acceptance=_last(facts, Acceptance),
            facts=tuple(facts),
            profile=None if order is None else self._profile(order.centre),
            fingerprints=self._taken(assignments),
            exercise=any(f.header.exercise for f in stated)
            or any(self._is_exercise(a) for a in assignments),
        )

    def _profile(self, centre: str) -> CentreProfile | None:
        said = in_order(self._profiles.get(centre, {}).values())
        return _newest(said, CentreProfile)

    def _taken(
        self, assignments: tuple[Assignment, ...]
    ) -> tuple[FingerprintTaken, ...]:
        return tuple(
            FingerprintTaken(step, sequence, at_ns)
            for span in assignments
            for sequence, (step, at_ns) in sorted(
                self._fingerprints.get((span.gateway, span.epoch), {}).items()
            )
            if span.covers(span.epoch, sequence)
        )

    def _is_exercise(self, assignment: Assignment) -> bool:
        runs = self._exercises.get((assignment.gateway, assignment.epoch))
        first, last = assignment.from_sequence, assignment.to_sequence
        return runs is not None and runs.meets(first, last)


def _last(facts: Sequence[Fact], kind: type[FactBody]) -> Fact | None:
    found = [fact for fact in facts if isinstance(fact.body, kind)]
    return found[-1] if found else None


def _newest(facts: list[Fact], kind: type[T]) -> T | None:
    fact = _last(facts, kind)
    return fact.body if fact is not None and isinstance(fact.body, kind) else None


def _plans(facts: list[Fact]) -> tuple[Plan, ...]:
    plans: list[Plan] = []
    for fact in facts:
        body = fact.body
        if isinstance(body, Order | Reschedule):
            plans.append(
                Plan(
                    version=len(plans) + 1,
                    planned_at_ns=body.planned_at_ns,
                    offset_minutes=body.offset_minutes,
                    stated_at_ns=fact.header.utc_ns,
                    author=fact.header.author,
                    remark=body.remark if isinstance(body, Reschedule) else None,
                )
            )
    return tuple(plans)


def _assignments(said: _Said) -> tuple[Assignment, ...]:
    spans = []
    for place, (body, from_ns) in sorted(said.assigned.items(), key=lambda i: i[0]):
        gateway, epoch, first = place
        end = _end_of(said, place)
        to_ns = None if end is None else said.released[gateway, epoch, end]
        span = (gateway, epoch, first, end, from_ns, to_ns)
        spans.append(Assignment(*span, body.contents, body.limits, body.gain))
    return tuple(spans)


def _end_of(said: _Said, start: _Place) -> int | None:
    gateway, epoch, first = start
    ends = [s for g, e, s in said.released if (g, e) == (gateway, epoch) and s > first]
    return min(ends, default=None)


def _assigned(assignments: tuple[Assignment, ...]) -> Contents | None:
    vials = assignments[-1].contents if assignments else ()
    return vials[0] if vials else None
