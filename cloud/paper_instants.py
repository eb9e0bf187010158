"""Instants as people write them: with a zone, or in one that somebody picked.

One hour is 0.43 % of a Lu-177 activity: an instant without a zone is never guessed.
"""

import re
from datetime import date, datetime, time
from typing import Final, NamedTuple

from schemas.errors import ContractError
from schemas.units import instant_ns

EXAMPLE: Final = "2026-11-22T12:00:00+01:00"
_WHY_ZONE: Final = "one hour is 0.43 % of a Lu-177 activity"
_ZONELESS: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?", re.ASCII
)
_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)\Z", re.ASCII)
_ZONES_MINUTES: Final = range(-12 * 60, 14 * 60 + 1)
_FROM_NS, _TO_NS = (
    instant_ns("2000-01-01T00:00:00Z"),
    instant_ns("2200-01-01T00:00:00Z"),
)
_TO_MINUTES: Final = len("2026-11-22T12:00")


class Instant(NamedTuple):
    """An instant, and the zone in which it was written."""

    at_ns: int
    offset_minutes: int


NO_INSTANT: Final = Instant(_FROM_NS, 0)


def zoned_instant(value: object) -> Instant | str:
    """Return an instant that has its zone, or what is wrong with it."""
    is_date = isinstance(value, date | time)
    text = value.isoformat() if isinstance(value, date | time) else value
    if not isinstance(text, str):
        return f'is {value!r}: write "{EXAMPLE}"'
    if _ZONELESS.fullmatch(text) or (is_date and not isinstance(value, datetime)):
        return f"has no zone: write {_zoned(text)}; {_WHY_ZONE}"
    try:
        found = Instant(instant_ns(text), _offset_minutes(text))
    except ContractError as error:
        return f"is no instant: {error}"
    if not _FROM_NS <= found.at_ns < _TO_NS:
        return f"is {text}: write a year from 2000 to 2199"
    if found.offset_minutes not in _ZONES_MINUTES:
        return f"is {text}: zones go from -12:00 to +14:00"
    return found


def picked_instant(value: object, offset: str, zone_key: str) -> Instant | str:
    """Return an instant without a zone in the one picked, or what is wrong."""
    text = value.isoformat() if isinstance(value, datetime) else value
    if not isinstance(text, str) or not _ZONELESS.fullmatch(text):
        return f"has a zone of its own, or none can be added: leave out {zone_key}"
    if _OFFSET.fullmatch(offset) is None or len(text) < _TO_MINUTES:
        return f'needs date and time, and {zone_key} an offset: write "+01:00"'
    seconds = ":00" if len(text) == _TO_MINUTES else ""
    return zoned_instant(f"{text.upper().replace(' ', 'T')}{seconds}{offset}")


def _zoned(text: str) -> str:
    """Return the instant with a zone, as an example of what to write."""
    if "T" not in text.upper() and " " not in text:
        return EXAMPLE
    text = text.upper().replace(" ", "T")
    return f"{text}:00+01:00" if len(text) == _TO_MINUTES else f"{text}+01:00"


def _offset_minutes(text: str) -> int:
    match = _OFFSET.search(text)
    if match is None:
        return 0
    minutes = int(match[2]) * 60 + int(match[3])
    return -minutes if match[1] == "-" else minutes
