"""Which shipment first: a word and a reason, never a colour alone, never a decision.

The words: ``act now`` where a person must do something or a plan fails, ``look``
where something is not as planned, ``on plan``, ``waiting`` before it is packed, and
``decided`` once the centre has accepted or refused.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cloud.alarms import CHANGES, State, silence_until_ns
from cloud.arrival import Arrival
from cloud.lane import AT_RISK, EtaKind, risk_word
from cloud.shipments import Phase
from cloud.web.desk import DELIVERY_S, Situation
from cloud.web.dose import paper_reasons
from cloud.web.wording import event_text, handling_text, is_handling
from schemas.estimates import WitnessVerdict
from schemas.events import Severity
from schemas.units import NS_PER_S

SILENT_AFTER_NS: Final = 300 * NS_PER_S


class Word(StrEnum):
    """How urgent, most urgent first."""

    ACT = "act now"
    LOOK = "look"
    ON_PLAN = "on plan"
    WAITING = "waiting"
    DECIDED = "decided"


_RANK: Final = {word: rank for rank, word in enumerate(Word)}


@dataclass(frozen=True, slots=True)
class Urgency:
    """The word and every reason for it."""

    word: Word
    reasons: tuple[str, ...]

    @property
    def rank(self) -> int:
        """Position among the words, 0 is the most urgent."""
        return _RANK[self.word]


def urgency(situation: Situation, speed: float = 1.0) -> Urgency:
    """Return how urgent a shipment is; ``speed`` is that of the server's clock."""
    phase = situation.shipment.phase
    if phase in (Phase.ACCEPTED, Phase.REFUSED):
        return Urgency(Word.DECIDED, (f"{phase} by the centre",))
    papers = paper_reasons(situation)
    acts = (
        _alarm_reasons(situation, Severity.ALARM)
        + _plan_failures(situation)
        + papers.acts
    )
    if acts:
        return Urgency(Word.ACT, acts)
    looks = (
        _alarm_reasons(situation, Severity.WARNING)
        + _unseen_changes(situation)
        + _doubts(situation, speed)
        + papers.looks
    )
    if looks:
        return Urgency(Word.LOOK, looks)
    if phase is Phase.ORDERED:
        return Urgency(Word.WAITING, ("not packed yet",))
    return Urgency(Word.ON_PLAN, ("nothing needs you now",))


def _alarm_reasons(situation: Situation, severity: Severity) -> tuple[str, ...]:
    raised = [
        alarm
        for alarm in situation.alarms.open_worst_first
        if alarm.severity is severity and alarm.is_unseen
    ]
    plan = situation.shipment.plan
    shocks = handling_text(raised, plan.offset_minutes if plan else 0)
    told = [event_text(a.happened.event) for a in raised if not is_handling(a)]
    return (*told, *([shocks] if shocks else ()))


def _unseen_changes(situation: Situation) -> tuple[str, ...]:
    """Return changes of the package that are over and that nobody spoke to."""
    return tuple(
        f"over by now, nobody has looked: {event_text(alarm.happened.event)}"
        for alarm in situation.alarms.alarms
        if alarm.happened.event.what in CHANGES
        and alarm.state is State.CLEARED
        and alarm.acknowledged is None
    )


def _plan_failures(situation: Situation) -> tuple[str, ...]:
    estimate = situation.arrival
    if not isinstance(estimate, Arrival):
        return ()
    at_ns = estimate.question.appointment_ns
    windows = (estimate.whole_vial, estimate.by_volume)
    witness = situation.statement.witness
    judged = (
        (
            not any(w is not None and w.contains(at_ns) for w in windows),
            "the appointment is outside every infusion window",
        ),
        (
            situation.now_ns > estimate.decide_by_ns
            and situation.shipment.phase is not Phase.ARRIVED,
            "not arrived, and the time to decide has passed",
        ),
        (
            witness is not None
            and witness.verdict in (WitnessVerdict.LOW, WitnessVerdict.HIGH),
            "the detectors disagree with the certificate",
        ),
    )
    return tuple(reason for holds, reason in judged if holds)


def _doubts(situation: Situation, speed: float) -> tuple[str, ...]:
    estimate = situation.arrival
    is_late = (
        isinstance(estimate, Arrival)
        and situation.eta is not None
        and situation.eta.late_risk(estimate.arrive_by_ns) > AT_RISK
    )
    judged = (
        (is_late, _late_text(situation)),
        (is_silent(situation, speed), "nothing heard from the gateway, unannounced"),
    )
    return tuple(reason for holds, reason in judged if holds)


def _late_text(situation: Situation) -> str:
    estimate, eta = situation.arrival, situation.eta
    if not isinstance(estimate, Arrival) or eta is None:
        return ""
    if eta.kind is EtaKind.ARRIVED:
        return "arrived after decide-by"
    risk = eta.late_risk(estimate.arrive_by_ns)
    return f"{risk_word(risk)}: arrival {eta.kind}, {100 * risk:.0f} % after decide-by"


def is_silent(situation: Situation, speed: float) -> bool:
    """Say whether the gateway is silent longer than it should, unannounced."""
    health, now_ns = situation.health, situation.now_ns
    spans = situation.shipment.assignments
    if health is None or health.last_record_at_ns is None or not spans:
        return False
    if spans[-1].to_sequence is not None:
        return False
    if silence_until_ns(situation.alarms, now_ns) is not None:
        return False
    allowed_ns = max(SILENT_AFTER_NS, round(speed * DELIVERY_S * NS_PER_S))
    return now_ns - health.last_record_at_ns > allowed_ns
