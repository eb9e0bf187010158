"""What is watched of one shipment: its conditions, its stages, and whom to call.

Conditions come from the gateways that travelled with it, from what the cloud noticed
of these gateways or of the shipment, and from the handovers themselves. Everything
here is a pure function of what the ledger holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cloud.alarm_rules import Audience, advice, persistence_ns
from cloud.alarms import Acknowledged, Alarm, Stages
from cloud.conditions import Condition, Happened
from cloud.custody import Flag, State, Step
from cloud.shipments import Shipment
from schemas.custody import Course, Notice, NoticeKind
from schemas.events import Severity
from schemas.facts import Acknowledgement, Fact, LegMode

_WARNS: Final = frozenset(
    {
        Flag.REPEATED,
        Flag.NOT_ALLOWED,
        Flag.SIDES_DIFFER,
        Flag.SAME_SIGNER,
        Flag.NO_DOCUMENT,
        Flag.PROCEDURE_INCOMPLETE,
        Flag.NOBODY_THERE,
    }
)
_ALARMS: Final = frozenset(
    {Flag.NOT_HOLDER, Flag.REFUSED, Flag.SEAL_CHANGED, Flag.SEAL_BROKEN}
)
_HALF: Final = frozenset({State.GIVEN, State.TAKEN, State.LEFT})


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody to call, and why them."""

    who: str
    audience: Audience
    reach: str


def acknowledged(fact: Fact, body: Acknowledgement) -> Acknowledged:
    """Return an acknowledgement as the alarms take it."""
    return Acknowledged(
        gateway=body.gateway,
        epoch=body.epoch,
        event_sequence=body.event_sequence,
        at_ns=fact.header.utc_ns,
        author=body.on_behalf_of or fact.header.author,
        remark=body.remark,
        of_fact=body.of_fact,
    )


def subject_of(notice: Notice) -> str:
    """Return which one of its kind a notice is about."""
    parts = (
        notice.gateway,
        notice.epoch,
        notice.from_sequence,
        notice.shipment,
        notice.of_fact,
    )
    return "/".join("" if part is None else str(part) for part in parts)


def noticed(fact: Fact, body: Notice, received_at_ns: int) -> Happened:
    """Return a notice as the alarms take it; what is over is graded info."""
    severity = Severity.INFO if body.is_over else body.severity
    return _condition(
        Condition(body.what, severity, body.text, subject_of(body)),
        fact,
        body.at_ns,
        received_at_ns,
        gateway=body.gateway or "",
    )


def _condition(
    condition: Condition,
    fact: Fact,
    at_ns: int,
    received_at_ns: int,
    *,
    gateway: str = "",
    named: bytes | None = None,
) -> Happened:
    return Happened(
        gateway=gateway,
        epoch=b"",
        rank=0,
        sequence=0,
        received_at_ns=received_at_ns,
        event=condition,
        exercise=fact.header.exercise,
        at_ns=at_ns,
        fact=named or fact.header.fact,
    )


def is_about(shipment: Shipment, notice: Notice) -> bool:
    """Say whether a notice concerns a shipment: by name, or by its gateway then."""
    if notice.shipment is not None:
        return notice.shipment == shipment.shipment
    return any(
        span.gateway == notice.gateway
        and (span.from_ns is None or span.from_ns <= notice.at_ns)
        and (span.to_ns is None or notice.at_ns <= span.to_ns)
        for span in shipment.assignments
    )


def handover_conditions(
    shipment: Shipment, received_at_ns: Mapping[bytes, int]
) -> Iterable[Happened]:
    """Yield what the handovers show: flags, and sides that have not signed."""
    half: dict[bytes, tuple[Step, int]] = {}
    for step in shipment.custody.steps:
        if step.correction is not None:
            continue
        known_ns = received_at_ns.get(step.signed.header.fact, step.at_ns)
        flagged = _flagged(step)
        if flagged is not None:
            yield _condition(flagged, step.signed, step.at_ns, known_ns)
        handover = step.said.handover
        if step.state in _HALF:
            half.setdefault(handover, (step, known_ns))
        elif handover in half:
            yield from _ended(half.pop(handover), (step, known_ns))
    for step, known_ns in half.values():
        yield _unconfirmed(step, known_ns, Severity.WARNING)


def _ended(begun: tuple[Step, int], over: tuple[Step, int]) -> Iterable[Happened]:
    """Yield a side that took long to sign; that it takes a moment is ordinary."""
    took_ns = over[0].at_ns - begun[0].at_ns
    if took_ns >= persistence_ns(NoticeKind.HANDOVER_UNCONFIRMED):
        yield _unconfirmed(*begun, Severity.WARNING)
        yield _unconfirmed(*over, Severity.INFO)


def _unconfirmed(step: Step, known_ns: int, severity: Severity) -> Happened:
    said = step.said
    text = f"{said.giver} to {said.receiver} at {said.place}: one side has signed"
    subject = said.handover.hex()
    condition = Condition(NoticeKind.HANDOVER_UNCONFIRMED, severity, text, subject)
    named = said.handover if severity is Severity.WARNING else None
    return _condition(condition, step.signed, step.at_ns, known_ns, named=named)


def _flagged(step: Step) -> Condition | None:
    flags = [flag for flag in step.flags if flag in _WARNS | _ALARMS]
    if not flags:
        return None
    said = step.said
    severity = Severity.ALARM if _ALARMS & set(flags) else Severity.WARNING
    text = f"{said.giver} to {said.receiver} at {said.place}: {'; '.join(flags)}"
    subject = said.handover.hex()
    return Condition(NoticeKind.HANDOVER_FLAGGED, severity, text, subject)


def stages(shipment: Shipment) -> Stages:
    """Return from when on a shipment is where.

    It is in transit from its first handover or its planned departure, whichever is
    earlier: where nobody scans, no alarm of the way is taken for packing.
    """
    moved = [
        step
        for step in shipment.custody.steps
        if step.state in (State.PASSED, State.LEFT) and step.correction is None
    ]
    legs = shipment.consignment.legs if shipment.consignment else ()
    departures = [leg.departs_at_ns for leg in legs if leg.mode is not LegMode.HOLD]
    begun = [*(step.at_ns for step in moved[:1]), *departures[:1]]
    ends = _destinations(shipment)
    there = [s.at_ns for s in moved if ends & {s.said.receiver, s.said.place}]
    decided = shipment.acceptance
    return Stages(
        min(begun, default=None),
        min(there, default=None),
        None if decided is None else decided.header.utc_ns,
    )


def _destinations(shipment: Shipment) -> set[str]:
    course = shipment.custody.course
    if course is not None and course.said.course is Course.DIVERTED:
        return {course.said.destination}
    return set() if shipment.order is None else {shipment.order.centre}


def started_ns(shipment: Shipment) -> int | None:
    """Return when the gateway that travels now was assigned, if it is known."""
    spans = shipment.assignments
    return spans[-1].from_ns if spans else None


def call_list(
    alarm: Alarm, shipment: Shipment, known: Iterable[Contact], now_ns: int
) -> tuple[Contact, ...]:
    """Return whom to call about an alarm, first who can act on it.

    Contacts of the papers (legs, order) come before those of the site.
    """
    stated = [*_of_papers(shipment, now_ns), *known]
    wanted = advice(alarm.happened.event.what).call
    found = [c for audience in wanted for c in stated if c.audience is audience]
    control = [c for c in stated if c.audience is Audience.CONTROL]
    return tuple(dict.fromkeys([*found, *control]))


def _of_papers(shipment: Shipment, now_ns: int) -> Iterable[Contact]:
    legs = shipment.consignment.legs if shipment.consignment else ()
    # Who has it by plan first, then who comes next, then who had it.
    for leg in sorted(legs, key=lambda leg: leg.arrives_at_ns <= now_ns):
        if leg.contact is not None:
            who = leg.carrier or f"{leg.mode} to {leg.destination}"
            yield Contact(who, Audience.CARRIER, leg.contact)
    order = shipment.order
    if order is not None and order.contact is not None:
        yield Contact(order.centre, Audience.RECIPIENT, order.contact)
