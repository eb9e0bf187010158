"""Alarms: a fold in event time over the events of one gateway.

What opens an alarm and what closes it:

- an event that is graded warning or alarm raises one, keyed by kind and sensor;
- its counterpart clears it: ``sensor-found`` clears ``sensor-lost`` and
  ``sensor-desynchronised`` of that sensor, and an event of the same kind and sensor
  graded info says that the condition is over (the lid closed, back in range), at
  the end that it states, else when it happened;
- a shock is over when it is felt: each is an alarm of its own, and stays open;
  what several sensors felt within a second is one impact;
- an acknowledgement says that a person has seen it; it does not clear anything;
- ``radio-silence-begins`` is an announcement until ``radio-silence-ends`` or until
  its expected end: silence in flight is no alarm.

The order is that of the events, never of their arrival, so late data cannot
overwrite newer state. An alarm that was learned late is marked so: after half an
hour, or after what ordinary delivery may take where simulated time runs faster, but
always after half an hour where it happened in announced radio silence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from schemas.events import Event, EventKind, Severity
from schemas.units import NS_PER_S

LATE_AFTER_NS: Final = 1800 * NS_PER_S
IMPACT_NS: Final = NS_PER_S

_CLEARS: Final[Mapping[EventKind, tuple[EventKind, ...]]] = {
    EventKind.SENSOR_FOUND: (EventKind.SENSOR_LOST, EventKind.SENSOR_DESYNCHRONISED),
}
_RANK: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ALARM: 2}
CHANGES: Final = frozenset({EventKind.TAMPER, EventKind.INTEGRITY, EventKind.SHOCK})


class State(StrEnum):
    """Where an alarm stands."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Happened:
    """An event with its place in the ledger.

    ``rank`` orders the epochs of a gateway; ``at_ns`` is the event's own instant,
    absent while the record is undated; ``ended_ns`` is its own stated end.
    """

    gateway: str
    epoch: bytes
    rank: int
    sequence: int
    received_at_ns: int
    event: Event
    exercise: bool
    at_ns: int | None = None
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A person's word on one event."""

    gateway: str | None
    epoch: bytes | None
    event_sequence: int | None
    at_ns: int
    author: str
    remark: str


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

    @property
    def is_open(self) -> bool:
        """True until it is cleared."""
        return self.state is not State.CLEARED


@dataclass(frozen=True, slots=True)
class Alarms:
    """All alarms, oldest first, and the radio silence in force, if any."""

    alarms: tuple[Alarm, ...] = ()
    silence: Happened | None = None

    @property
    def open_worst_first(self) -> tuple[Alarm, ...]:
        """Open alarms: unacknowledged before acknowledged, then by severity."""
        opened = [alarm for alarm in self.alarms if alarm.is_open]
        return tuple(sorted(opened, key=_urgency))


def _urgency(alarm: Alarm) -> tuple[bool, int]:
    return (alarm.state is State.ACKNOWLEDGED, -_RANK[alarm.severity])


def fold(
    events: Iterable[Happened],
    acknowledgements: Iterable[Acknowledged] = (),
    late_after_ns: int | None = LATE_AFTER_NS,
) -> Alarms:
    """Return the state that the events of one gateway lead to, in any order.

    ``late_after_ns`` is what ordinary delivery may take; absent where it is not known,
    then only radio silence makes an alarm late.
    """
    once = {(h.gateway, h.epoch, h.sequence): h for h in events}
    state = Alarms()
    for happened in sorted(once.values(), key=lambda h: (h.rank, _order(h))):
        state = _apply(state, happened, late_after_ns)
    for word in sorted(acknowledgements, key=lambda a: a.at_ns):
        state = replace(state, alarms=tuple(_heard(a, word) for a in state.alarms))
    return state


def _order(happened: Happened) -> tuple[int, int]:
    # Within an epoch the sequence is the order in which the gateway stated things;
    # boot time decides between an event and one whose interval closed later.
    return (happened.sequence, happened.event.from_boot_ns)


def _apply(state: Alarms, happened: Happened, late_after_ns: int | None) -> Alarms:
    event = happened.event
    if event.what is EventKind.RADIO_SILENCE_BEGINS:
        return replace(state, silence=happened)
    if event.what is EventKind.RADIO_SILENCE_ENDS:
        return replace(state, silence=None)
    if event.severity is Severity.INFO:
        return replace(state, alarms=_clear(state.alarms, happened))
    allowed_ns = late_after_ns if state.silence is None else LATE_AFTER_NS
    is_late = _is_late(happened, allowed_ns)
    return replace(state, alarms=_raise(state.alarms, happened, is_late=is_late))


def _clear(alarms: tuple[Alarm, ...], happened: Happened) -> tuple[Alarm, ...]:
    event = happened.event
    kinds = _CLEARS.get(event.what, (event.what,))
    over_ns = happened.at_ns if happened.ended_ns is None else happened.ended_ns
    return tuple(
        replace(alarm, state=State.CLEARED, cleared_at_ns=over_ns)
        if alarm.is_open and _is_of(alarm, kinds, event.sensor)
        else alarm
        for alarm in alarms
    )


def _is_of(alarm: Alarm, kinds: tuple[EventKind, ...], sensor: str | None) -> bool:
    event = alarm.happened.event
    return event.what in kinds and event.sensor == sensor


def _raise(
    alarms: tuple[Alarm, ...], happened: Happened, *, is_late: bool
) -> tuple[Alarm, ...]:
    event = happened.event
    for index, alarm in enumerate(alarms):
        if _goes_on(alarm, event):
            merged = _merge(alarm, happened)
            return (*alarms[:index], merged, *alarms[index + 1 :])
    return (*alarms, Alarm(happened, State.RAISED, event.severity, is_late))


def _goes_on(alarm: Alarm, event: Event) -> bool:
    if event.what is EventKind.SHOCK:
        return False
    return alarm.is_open and _is_of(alarm, (event.what,), event.sensor)


def _merge(alarm: Alarm, happened: Happened) -> Alarm:
    worst = max(alarm.severity, happened.event.severity, key=_RANK.__getitem__)
    repeats = alarm.repeats + (happened.event.count or 1)
    return replace(alarm, severity=worst, repeats=repeats)


def _is_late(happened: Happened, allowed_ns: int | None) -> bool:
    if happened.at_ns is None or allowed_ns is None:
        return False
    return happened.received_at_ns - happened.at_ns > allowed_ns


def _heard(alarm: Alarm, word: Acknowledged) -> Alarm:
    happened = alarm.happened
    place = (happened.gateway, happened.epoch, happened.sequence)
    if place != (word.gateway, word.epoch, word.event_sequence):
        return alarm
    state = State.ACKNOWLEDGED if alarm.is_open else alarm.state
    return replace(alarm, state=state, acknowledged=word)


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
    return (_RANK[alarm.severity], alarm.happened.event.value or 0.0)


def silence_until_ns(alarms: Alarms, now_ns: int) -> int | None:
    """Return until when radio silence is announced; absent if there is none now."""
    if alarms.silence is None:
        return None
    until_ns = alarms.silence.event.expected_end_ns
    return until_ns if until_ns is not None and until_ns > now_ns else None
