"""How instants, durations and ages are written on pages."""

from typing import Final

from cloud.zones import offset_minutes_at
from schemas.errors import MalformedError
from schemas.units import NS_PER_S, instant_ns, instant_text

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_STEPS: Final = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 0, ""))


def text_of(instant_ns: int | None) -> str | None:
    """Return an instant as RFC 3339; None for none, or one no calendar has."""
    if instant_ns is None:
        return None
    try:
        return instant_text(instant_ns)
    except (OverflowError, ValueError):
        return None


def certain_text(instant_ns: int) -> str:
    """Return an instant as RFC 3339, the first of all where no calendar has it."""
    return text_of(instant_ns) or instant_text(0)


def duration_text(seconds: float) -> str:
    """Return a duration in one or two units.

    >>> duration_text(12.4), duration_text(3700), duration_text(200_000)
    ('12 s', '1 h 1 min', '2 d 7 h')
    """
    whole = int(abs(seconds))
    for size, unit, smaller, name in _STEPS:
        if whole >= size:
            rest = whole % size // smaller if smaller else 0
            return f"{whole // size} {unit}" + (f" {rest} {name}" if rest else "")
    return f"{whole} s"


def age_text(at_ns: int, now_ns: int) -> str:
    """Return how long ago, or in how long."""
    seconds = (now_ns - at_ns) / NS_PER_S
    text = duration_text(seconds)
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def local_text(at_ns: int, zone: int | str) -> str:
    """Return an instant in a zone, whose offset then is always named.

    ``zone`` is an offset in minutes, or an IANA name: then it changes with the clock.

    >>> local_text(0, 60)
    'Thu 1 Jan 01:00 UTC+1'
    """
    if isinstance(zone, str):
        zone = offset_minutes_at(at_ns, zone, 0)
    offset_minutes = zone
    try:
        text = instant_text(at_ns, offset_minutes=offset_minutes)
    except (OverflowError, ValueError):
        return "an instant that no calendar has"
    month, day, clock = int(text[5:7]), int(text[8:10]), text[11:16]
    days = (at_ns // NS_PER_S + offset_minutes * 60) // 86_400
    date = f"{_DAYS[(days + 3) % 7]} {day} {_MONTHS[month - 1]}"
    return f"{date} {clock} {zone_text(offset_minutes)}"


def zone_text(offset_minutes: int) -> str:
    """Return a zone as an offset from UTC.

    >>> zone_text(60), zone_text(-210), zone_text(0)
    ('UTC+1', 'UTC-3:30', 'UTC')
    """
    if offset_minutes == 0:
        return "UTC"
    hours, minutes = divmod(abs(offset_minutes), 60)
    rest = f":{minutes:02d}" if minutes else ""
    return f"UTC{'-' if offset_minutes < 0 else '+'}{hours}{rest}"


def parse_instant(text: str | None) -> int | None:
    """Return the instant of a query parameter; None for none.

    Raises:
        MalformedError: not RFC 3339 with a zone; a plus sign is written %2B there.
    """
    if text is None:
        return None
    try:
        return instant_ns(text)
    except MalformedError as error:
        raise MalformedError(f"{error}; in an address, + is written %2B") from error
