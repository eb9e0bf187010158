"""Zones by their IANA name: what the clock on a centre's wall says at an instant."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from schemas.units import NS_PER_S


@cache
def zone_of(name: str) -> ZoneInfo | None:
    """Return a zone; None where there is none of this name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def local_time(at_ns: int, name: str) -> datetime:
    """Return the time on the wall, UTC where there is no such zone."""
    utc = datetime.fromtimestamp(at_ns // NS_PER_S, UTC)
    return utc.astimezone(zone_of(name) or UTC)


def offset_minutes_at(at_ns: int, name: str | None, otherwise: int) -> int:
    """Return the offset from UTC that holds in a zone at an instant, in minutes.

    >>> offset_minutes_at(1_800_000_000 * 10**9, None, 60)
    60
    """
    if name is None or zone_of(name) is None:
        return otherwise
    try:
        offset = local_time(at_ns, name).utcoffset() or timedelta()
    except (OverflowError, ValueError):
        return otherwise
    return offset // timedelta(minutes=1)
