"""Alarms: what becomes of a condition, one state machine as a fold in event time.

Conditions come in episodes (:mod:`cloud.conditions`). What each becomes stands in
:data:`TRANSITIONS`, driven by four inputs: it has held long enough, somebody
acknowledged it, nobody did for too long, it ended. The rules (persistence, grace,
gates by stage, escalation) are data in :mod:`cloud.alarm_rules`.

An acknowledgement says that a person has seen it; it ends nothing. A shock stays
open; what several sensors felt within a second is one impact. Times of people
(escalation) count from when the alarm could be known. So the whole history of an
alarm is a function of ledger data and of the instant of the question.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from cloud.alarm_rules import (
    ESCALATION_NS,
    GRACE_NS,
    GRACED,
    RANK,
    Kind,
    Stage,
    gated,
    persistence_ns,
)
from cloud.conditions import LATE_AFTER_NS, Condition, Episode, Happened, episodes
from schemas.events import EventKind, Severity
from schemas.units import NS_PER_S

__all__ = ["LATE_AFTER_NS", "Condition", "Happened", "Stage"]

IMPACT_NS: Final = NS_PER_S
CHANGES: Final[frozenset[Kind]] = frozenset(
    {EventKind.TAMPER, EventKind.INTEGRITY, EventKind.DOSE_RATE, EventKind.SHOCK}
)


class State(StrEnum):
    """Where an alarm stands; ``brief`` and ``gated`` never were one."""

    PENDING = "pending"
    RAISED = "raised"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"
    BRIEF = "brief"
    GATED = "gated"


class Input(StrEnum):
    """What drives an alarm; in this order where two happen at one instant."""

    HOLDS = "holds"
    ACKNOWLEDGED = "acknowledged"
    ENDS = "ends"
    OVERDUE = "overdue"


TRANSITIONS: Final[Mapping[State, Mapping[Input, State]]] = {
    State.PENDING: {Input.HOLDS: State.RAISED, Input.ENDS: State.BRIEF},
    State.RAISED: {
        Input.ACKNOWLEDGED: State.ACKNOWLEDGED,
        Input.OVERDUE: State.ESCALATED,
        Input.ENDS: State.CLEARED,
    },
    State.ESCALATED: {
        Input.ACKNOWLEDGED: State.ACKNOWLEDGED,
        Input.ENDS: State.CLEARED,
    },
    State.ACKNOWLEDGED: {Input.ENDS: State.CLEARED},
    # What is over may still be seen by somebody: it stays over.
    State.CLEARED: {Input.ACKNOWLEDGED: State.CLEARED},
    State.BRIEF: {},
    State.GATED: {},
}
OPEN: Final = frozenset({State.RAISED, State.ESCALATED, State.ACKNOWLEDGED})
_INPUTS: Final = {one: rank for rank, one in enumerate(Input)}


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A person's word on one alarm: of a gateway's event, or of ``of_fact``."""

    gateway: str | None
    epoch: bytes | None
    event_sequence: int | None
    at_ns: int
    author: str
    remark: str
    of_fact: bytes | None = None

    def is_of(self, happened: Happened) -> bool:
        """Say whether this is about what happened."""
        if happened.fact is not None:
            return self.of_fact == happened.fact
        place = (happened.gateway, happened.epoch, happened.sequence)
        return place == (self.gateway, self.epoch, self.event_sequence)


@dataclass(frozen=True, slots=True)
class Change:
    """A state that an alarm came to, and who brought it there, if a person did."""

    state: State
    at_ns: int
    author: str | None = None
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm from its first event on."""

    happened: Happened
    state: State
    severity: Severity
    is_late: bool
    cleared_at_ns: int | None = None
    acknowledged: Acknowledged | None = None
    repeats: int = 0
    stage: Stage = Stage.TRANSIT
    history: tuple[Change, ...] = ()

    @property
    def is_open(self) -> bool:
        """True while it counts and is not over."""
        return self.state in OPEN

    @property
    def is_unseen(self) -> bool:
        """True while it is open and nobody has said anything about it."""
        return self.state in (State.RAISED, State.ESCALATED)


@dataclass(frozen=True, slots=True)
class Stages:
    """From when on a shipment is in transit, at its destination, and decided about."""

    transit_from_ns: int | None = None
    destination_from_ns: int | None = None
    over_from_ns: int | None = None

    def at(self, at_ns: int) -> Stage:
        """Return the stage at an instant."""
        for from_ns, stage in (
            (self.over_from_ns, Stage.OVER),
            (self.destination_from_ns, Stage.DESTINATION),
            (self.transit_from_ns, Stage.TRANSIT),
        ):
            if from_ns is not None and at_ns >= from_ns:
                return stage
        return Stage.ORIGIN


@dataclass(frozen=True, slots=True)
class Watch:
    """By what a shipment's conditions are judged; by default they just count.

    ``now_ns`` is the instant of the question, ``started_ns`` when its gateway was
    assigned; ``haste`` is simulated seconds for one of people's, absent while that is
    not known: then nothing is overdue.
    """

    now_ns: int | None = None
    stages: Stages | None = None
    started_ns: int | None = None
    haste: float | None = 1.0
    escalation_ns: Mapping[Severity, int] = field(default_factory=lambda: ESCALATION_NS)


@dataclass(frozen=True, slots=True)
class Alarms:
    """All alarms, oldest first, and the radio silence in force, if any."""

    alarms: tuple[Alarm, ...] = ()
    silence: Happened | None = None

    @property
    def open_worst_first(self) -> tuple[Alarm, ...]:
        """Open alarms: unacknowledged before acknowledged, then by severity."""
        return tuple(sorted((a for a in self.alarms if a.is_open), key=urgency_of))


def urgency_of(alarm: Alarm) -> tuple[bool, int, bool]:
    """Return the key by which the alarms that need somebody most come first."""
    is_seen = not alarm.is_unseen
    return (is_seen, -RANK[alarm.severity], alarm.state is not State.ESCALATED)


def fold(
    events: Iterable[Happened],
    acknowledgements: Iterable[Acknowledged] = (),
    late_after_ns: int | None = LATE_AFTER_NS,
    watch: Watch | None = None,
) -> Alarms:
    """Return the state that events and notices lead to, in any order.

    ``late_after_ns`` is as in :func:`cloud.conditions.episodes`.
    """
    found, silence = episodes(events, late_after_ns)
    words = sorted(set(acknowledgements), key=lambda a: (a.at_ns, a.author, a.remark))
    judge = watch or Watch()
    lived = [_live(episode, words, judge) for episode in found]
    return Alarms(tuple(sorted(lived, key=_place)), silence)


def _place(alarm: Alarm) -> tuple[int, int, int, str]:
    one = alarm.happened
    return (one.known_ns, one.rank, one.sequence, one.name)


_Driven = tuple[int, Input, Acknowledged | None]


def _live(episode: Episode, words: list[Acknowledged], watch: Watch) -> Alarm:
    first = episode.first
    stages = watch.stages
    stage = Stage.TRANSIT if stages is None else stages.at(first.known_ns)
    severity = gated(first.event.what, episode.severity, stage)
    alarm = Alarm(
        happened=first,
        state=State.PENDING,
        severity=severity,
        is_late=episode.is_late,
        cleared_at_ns=episode.ended_ns,
        repeats=episode.repeats,
        stage=stage,
    )
    if severity is Severity.INFO:
        change = Change(State.GATED, first.known_ns)
        return replace(alarm, state=State.GATED, history=(change,))
    inputs = _inputs(episode, severity, words, watch)
    for at_ns, what, word in sorted(inputs, key=lambda one: (one[0], _INPUTS[one[1]])):
        alarm = _driven(alarm, at_ns, what, word)
    return alarm


def _inputs(
    episode: Episode, severity: Severity, words: list[Acknowledged], watch: Watch
) -> Iterable[_Driven]:
    first, now_ns = episode.first, watch.now_ns
    due_ns = _due_ns(first, watch)
    if now_ns is None or due_ns <= max(first.known_ns, now_ns):
        yield (due_ns, Input.HOLDS, None)
    if episode.is_over:
        ended_ns = first.known_ns if episode.ended_ns is None else episode.ended_ns
        yield (max(ended_ns, first.known_ns), Input.ENDS, None)
    for word in words:
        if word.is_of(first):
            yield (max(word.at_ns, due_ns), Input.ACKNOWLEDGED, word)
    if now_ns is not None and watch.haste is not None:
        patience_ns = round(watch.escalation_ns[severity] * watch.haste)
        overdue_ns = max(due_ns, first.received_at_ns) + patience_ns
        if overdue_ns <= now_ns:
            yield (overdue_ns, Input.OVERDUE, None)


def _due_ns(first: Happened, watch: Watch) -> int:
    """Return from when on the condition counts, if it still holds then."""
    what = first.event.what
    due_ns = first.known_ns + persistence_ns(what)
    if what in GRACED and watch.started_ns is not None:
        due_ns = max(due_ns, watch.started_ns + GRACE_NS)
    return due_ns


def _driven(alarm: Alarm, at_ns: int, what: Input, word: Acknowledged | None) -> Alarm:
    following = TRANSITIONS[alarm.state].get(what)
    if following is None:
        return alarm
    change = Change(following, at_ns)
    if word is not None:
        change = Change(State.ACKNOWLEDGED, at_ns, word.author, word.remark)
        alarm = replace(alarm, acknowledged=word)
    return replace(alarm, state=following, history=(*alarm.history, change))


def impacts(alarms: Iterable[Alarm]) -> tuple[Alarm, ...]:
    """Return one shock for each impact, the strongest felt; oldest first."""
    shocks = [a for a in alarms if a.happened.event.what is EventKind.SHOCK]
    found: list[list[Alarm]] = []
    for alarm in sorted(shocks, key=lambda a: a.happened.at_ns or 0):
        if found and _is_one_impact(found[-1], alarm):
            found[-1].append(alarm)
        else:
            found.append([alarm])
    return tuple(max(felt, key=_strength) for felt in found)


def _is_one_impact(felt: list[Alarm], alarm: Alarm) -> bool:
    at_ns, began_ns = alarm.happened.at_ns, felt[0].happened.at_ns
    if at_ns is None or began_ns is None or at_ns - began_ns > IMPACT_NS:
        return False
    sensors = {one.happened.event.sensor for one in felt}
    return alarm.happened.event.sensor not in sensors


def _strength(alarm: Alarm) -> tuple[int, float]:
    return (RANK[alarm.severity], alarm.happened.event.value or 0.0)


def silence_until_ns(alarms: Alarms, now_ns: int) -> int | None:
    """Return until when radio silence is announced; absent if there is none now."""
    if alarms.silence is None:
        return None
    until_ns = alarms.silence.event.expected_end_ns
    return until_ns if until_ns is not None and until_ns > now_ns else None
