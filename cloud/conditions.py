"""Conditions: what happened, in episodes from the first event to the end.

What opens an episode and what closes it:

- an event or notice that is graded warning or alarm opens one, keyed by kind and by
  sensor or subject;
- its counterpart closes it: ``sensor-found`` closes ``sensor-lost`` and
  ``sensor-desynchronised`` of that sensor, a notice that is over closes its like, and
  an event of the same kind and sensor graded info says that the condition is over
  (the lid closed, back in range), at the end that it states, else when it happened;
- a shock is over when it is felt: each is an episode of its own, and stays open;
- ``radio-silence-begins`` is an announcement until ``radio-silence-ends`` or until
  its expected end: silence in flight is no alarm.

The order is that of the events, never of their arrival, so late data cannot
overwrite newer state. What was learned late is marked so: after half an hour, or
after what ordinary delivery may take where simulated time runs faster, but always
after half an hour where it happened in announced radio silence.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cloud.alarm_rules import RANK, Kind
from schemas.custody import NoticeKind
from schemas.events import Event, EventKind, Severity
from schemas.units import NS_PER_S

LATE_AFTER_NS: Final = 1800 * NS_PER_S
_CLEARS: Final[Mapping[Kind, tuple[Kind, ...]]] = {
    EventKind.SENSOR_FOUND: (EventKind.SENSOR_LOST, EventKind.SENSOR_DESYNCHRONISED),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What the cloud noticed, as an event; ``subject`` tells likes apart."""

    what: NoticeKind
    severity: Severity
    text: str
    subject: str = ""
    sensor: str | None = None
    value: float | None = None
    limit: float | None = None
    unit: str | None = None
    reason: str | None = None
    count: int | None = None
    expected_end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """An event or condition with its place in the ledger.

    ``rank`` orders the epochs of a gateway; ``at_ns`` is the event's own instant,
    absent while the record is undated; ``ended_ns`` is its own stated end. ``fact`` is
    the uuid of the fact that a condition of the cloud rests on.
    """

    gateway: str
    epoch: bytes
    rank: int
    sequence: int
    received_at_ns: int
    event: Event | Condition
    exercise: bool
    at_ns: int | None = None
    ended_ns: int | None = None
    fact: bytes | None = None

    @property
    def known_ns(self) -> int:
        """When it happened; while it is undated, when it was received."""
        return self.received_at_ns if self.at_ns is None else self.at_ns

    @property
    def key(self) -> tuple[str, str]:
        """Which one of its kind: of which gateway and sensor, or which subject."""
        if isinstance(self.event, Condition):
            return ("", self.event.subject)
        return (self.gateway, self.event.sensor or "")

    @property
    def name(self) -> str:
        """The alarm's name for programs: 32 hexadecimal digits."""
        if self.fact is not None:
            return self.fact.hex()
        place = f"{self.gateway}/{self.epoch.hex()}/{self.sequence}"
        return hashlib.sha256(place.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Episode:
    """A condition from its first event on; ``ended_ns`` may be unknown when over."""

    first: Happened
    severity: Severity
    is_late: bool
    repeats: int = 0
    is_over: bool = False
    ended_ns: int | None = None


def episodes(
    events: Iterable[Happened], late_after_ns: int | None = LATE_AFTER_NS
) -> tuple[list[Episode], Happened | None]:
    """Return the episodes, and the radio silence in force at the end, if any.

    ``late_after_ns`` is what ordinary delivery may take; absent where it is not known,
    then only radio silence makes an event late.
    """
    once = {happened.name: happened for happened in events}
    found: list[Episode] = []
    silence: Happened | None = None
    for happened in sorted(once.values(), key=_order):
        event = happened.event
        if event.what is EventKind.RADIO_SILENCE_BEGINS:
            silence = happened
        elif event.what is EventKind.RADIO_SILENCE_ENDS:
            silence = None
        elif event.severity is Severity.INFO:
            _close(found, happened)
        else:
            allowed_ns = late_after_ns if silence is None else LATE_AFTER_NS
            _open(found, happened, is_late=_is_late(happened, allowed_ns))
    return found, silence


def _order(happened: Happened) -> tuple[bool, int, int, int, str]:
    # Within an epoch the sequence is the order in which the gateway stated things;
    # boot time decides between an event and one whose interval closed later. The
    # cloud's conditions have their own instant only.
    event = happened.event
    if isinstance(event, Condition):
        is_over = event.severity is Severity.INFO
        return (True, happened.known_ns, is_over, 0, happened.name)
    return (False, happened.rank, happened.sequence, event.from_boot_ns, "")


def _close(found: list[Episode], happened: Happened) -> None:
    event = happened.event
    kinds = _CLEARS.get(event.what, (event.what,))
    ended_ns = happened.at_ns if happened.ended_ns is None else happened.ended_ns
    for index, episode in enumerate(found):
        if not episode.is_over and _is_of(episode, kinds, happened):
            found[index] = replace(episode, is_over=True, ended_ns=ended_ns)


def _is_of(episode: Episode, kinds: tuple[Kind, ...], happened: Happened) -> bool:
    first = episode.first
    return first.event.what in kinds and first.key == happened.key


def _open(found: list[Episode], happened: Happened, *, is_late: bool) -> None:
    event = happened.event
    for index, episode in enumerate(found):
        if _goes_on(episode, happened):
            worst = max(episode.severity, event.severity, key=RANK.__getitem__)
            repeats = episode.repeats + (event.count or 1)
            found[index] = replace(episode, severity=worst, repeats=repeats)
            return
    found.append(Episode(happened, event.severity, is_late))


def _goes_on(episode: Episode, happened: Happened) -> bool:
    what = happened.event.what
    if what is EventKind.SHOCK or episode.is_over:
        return False
    return _is_of(episode, (what,), happened)


def _is_late(happened: Happened, allowed_ns: int | None) -> bool:
    if happened.at_ns is None or allowed_ns is None:
        return False
    return happened.received_at_ns - happened.at_ns > allowed_ns
