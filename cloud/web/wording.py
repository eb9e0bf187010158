"""Words for what happened to a package: once each, with instants in the centre's zone.

Shocks below the alarm are handling, told as one sentence; what changed the package is
told event by event. One impact that several sensors felt counts once.
"""

from collections.abc import Iterable
from typing import Final

from cloud.alarms import CHANGES, Alarm, impacts
from cloud.conditions import Condition
from cloud.custody import Act, Step
from cloud.finding_words import shock_text
from cloud.web.formats import local_text
from schemas.custody import HandoverManner
from schemas.events import Event, EventKind, Severity

M_S2: Final = "m/s\N{SUPERSCRIPT TWO}"


def event_text(event: Event | Condition) -> str:
    """Return what happened in words; the kind is not said twice.

    >>> lid = Event(EventKind.TAMPER, Severity.ALARM, 0, "lid opened")
    >>> event_text(lid)
    'tamper: lid opened'
    """
    what = event.what.replace("-", " ")
    shock = event.shock if isinstance(event, Event) else None
    if shock is not None:
        return f"shock: {shock_text(shock)}"
    if event.what is EventKind.SHOCK and event.value is not None:
        return f"shock of {_acceleration(event)}"
    if event.text.startswith(what):
        return event.text
    sensor = f" ({event.sensor})" if event.what in _OF_A_SENSOR and event.sensor else ""
    return f"{what}{sensor}: {event.text}"


def detail_text(event: Event | Condition) -> str:
    """Return an event's text where its kind stands beside it already."""
    what = event.what.replace("-", " ")
    shock = event.shock if isinstance(event, Event) else None
    if shock is not None:
        return shock_text(shock)
    rest = event.text.removeprefix(f"{what}, ").removeprefix(f"{what}: ")
    return rest.replace("m/s2", M_S2)


_OF_A_SENSOR: Final = (EventKind.SENSOR_LOST, EventKind.SENSOR_DESYNCHRONISED)


def is_handling(alarm: Alarm) -> bool:
    """Say whether an alarm is a shock below the alarm: a warning, no change."""
    is_shock = alarm.happened.event.what is EventKind.SHOCK
    return is_shock and alarm.severity is not Severity.ALARM


def change_texts(alarms: Iterable[Alarm], offset_minutes: int) -> tuple[str, ...]:
    """Return what changed the package, each with its instant."""
    changes = [
        alarm
        for alarm in alarms
        if alarm.happened.event.what in CHANGES and not is_handling(alarm)
    ]
    return tuple(
        event_text(alarm.happened.event) + _when(alarm, offset_minutes, ", ")
        for alarm in changes
    )


def handling_text(alarms: Iterable[Alarm], offset_minutes: int) -> str | None:
    """Return the shocks below the alarm as one sentence; None for none."""
    shocks = impacts(alarm for alarm in alarms if is_handling(alarm))
    if not shocks:
        return None
    number = sum(alarm.happened.event.count or 1 for alarm in shocks)
    largest = max(shocks, key=lambda alarm: alarm.happened.event.value or 0.0)
    event = largest.happened.event
    words = f"{number} shock{'' if number == 1 else 's'}"
    if event.value is None:
        return words
    of = " of" if number == 1 else ", the largest"
    words += f"{of} {_acceleration(event)}" + _when(largest, offset_minutes, " on ")
    if event.limit is None or event.value >= event.limit:
        return words
    return f"{words} (below the alarm of {event.limit:.0f} {M_S2})"


def manner_text(step: Step) -> str:
    """Return how one side signed a handover, before the instant."""
    return _MANNERS[step.act, step.said.manner is HandoverManner.PAPER]


_MANNERS: Final = {
    (Act.GIVES, False): "signed",
    (Act.TAKES, False): "signed",
    (Act.GIVES, True): "signed on paper",
    (Act.TAKES, True): "signed on paper",
    (Act.SENDS, False): "gave it to a carrier that scans nothing",
    (Act.COLLECTS, False): "took it from a carrier that scans nothing",
    (Act.LEAVES, False): "left it unattended",
    (Act.FINDS, False): "found it",
    (Act.REFUSES, False): "said it was refused",
    (Act.MISSES, False): "found nobody to sign",
}


def _acceleration(event: Event | Condition) -> str:
    return f"{event.value or 0.0:.0f} {M_S2}"


def _when(alarm: Alarm, offset_minutes: int, before: str) -> str:
    at_ns = alarm.happened.at_ns
    return "" if at_ns is None else before + local_text(at_ns, offset_minutes)
