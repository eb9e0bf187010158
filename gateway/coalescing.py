"""Keeps a flood of alarms from drowning the one that matters.

At most :data:`PER_MINUTE` alarms, and as many other events, are stated one by one in
a minute; the first of its kind is always stated. The rest of the minute is stated as
one event with their count by kind, so that nothing is hidden. Radio silence is never
held back: the radio follows it.
"""

import math
from collections import Counter, deque
from typing import Final

from schemas.events import Event, EventKind, Severity
from schemas.units import NS_PER_S

PER_MINUTE: Final = 10
FAULTS_EVERY_S: Final = 3600.0
_MINUTE_NS: Final = 60 * NS_PER_S
_NEVER_HELD: Final = frozenset(
    {EventKind.RADIO_SILENCE_BEGINS, EventKind.RADIO_SILENCE_ENDS}
)


class EventLimiter:
    """Lets events pass, or holds them back to be counted."""

    def __init__(self) -> None:
        self._passed: deque[tuple[int, bool, EventKind]] = deque()
        self._held: Counter[EventKind] = Counter()
        self._held_alarm = False
        self._held_from_ns = 0

    def take(self, event: Event, boot_ns: int) -> Event | None:
        """Return the event, or ``None`` while it is held back."""
        while self._passed and boot_ns - self._passed[0][0] >= _MINUTE_NS:
            self._passed.popleft()
        is_alarm = event.severity is Severity.ALARM
        if event.what in _NEVER_HELD:
            return event
        alike = [what for _at, alarm, what in self._passed if alarm is is_alarm]
        if len(alike) < PER_MINUTE or event.what not in alike:
            self._passed.append((boot_ns, is_alarm, event.what))
            return event
        if not self._held:
            self._held_from_ns = boot_ns
        self._held[event.what] += 1
        self._held_alarm |= is_alarm
        return None

    def due(self, boot_ns: int) -> Event | None:
        """Return the event that stands for those held back, once a minute is over."""
        if boot_ns - self._held_from_ns < _MINUTE_NS:
            return None
        return self.rest(boot_ns)

    def rest(self, boot_ns: int) -> Event | None:
        """Return the event that stands for those held back until now, if any."""
        if not self._held:
            return None
        held, self._held = self._held, Counter()
        severity = Severity.ALARM if self._held_alarm else Severity.WARNING
        self._held_alarm = False
        kinds = ", ".join(f"{count} {what}" for what, count in sorted(held.items()))
        return Event(
            what=EventKind.COALESCED,
            severity=severity,
            from_boot_ns=self._held_from_ns,
            to_boot_ns=max(boot_ns, self._held_from_ns),
            text=f"{held.total()} more events in this minute: {kinds}",
            count=held.total(),
        )


class FaultLimiter:
    """Says when a failing disk is worth a statement.

    The first fault, each change between kept and volatile, and every hour in which it
    goes on: stating a fault writes to the disk that fails.
    """

    def __init__(self) -> None:
        self._count = 0
        self._is_volatile = False
        self._at_s = -math.inf

    def is_news(self, count: int, *, is_volatile: bool, now_s: float) -> bool:
        """Say whether this state is worth a statement; ``now_s`` is real time."""
        is_due = count != self._count and now_s - self._at_s >= FAULTS_EVERY_S
        if is_volatile is self._is_volatile and not is_due:
            return False
        self._count, self._is_volatile, self._at_s = count, is_volatile, now_s
        return True
