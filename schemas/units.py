"""Units and instants: one unit per quantity, conversions only here.

Instants are integers, nanoseconds since the Unix epoch, UTC. In JSON they are
RFC 3339 strings and always carry a zone: a certificate without one is the
largest practical error there is (one hour is 0.43 % of a Lu-177 activity).
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Final

import msgspec

from schemas.errors import MalformedError

NS_PER_S: Final = 1_000_000_000
S_PER_HOUR: Final = 3600.0
S_PER_DAY: Final = 86_400.0
MBQ_PER_GBQ: Final = 1000.0
STANDARD_GRAVITY_M_S2: Final = 9.80665

# A number that is compared with a rule's limit: the instrument's own digits.
DecimalText = Annotated[
    str, msgspec.Meta(pattern=r"\A[0-9]{1,12}(\.[0-9]{1,12})?\Z", max_length=25)
]

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?"
    r"([Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant_ns(text: str) -> int:
    """Parse an RFC 3339 instant to nanoseconds since the Unix epoch, UTC.

    Raises:
        MalformedError: ``text`` is not RFC 3339 or carries no zone.

    Source: RFC 3339 section 5.6.

    >>> instant_ns("1970-01-01T01:00:00.5+01:00")
    500000000
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise MalformedError(
            f"{text!r} is not an RFC 3339 instant with a zone, "
            "such as 2026-11-23T12:00:00+01:00"
        )
    year, month, day, hour, minute, second = (int(g) for g in match.groups()[:6])
    fraction_ns = int((match[7] or "").ljust(9, "0"))
    try:
        whole = datetime(year, month, day, hour, minute, second, tzinfo=_zone(match))
    except ValueError as error:
        raise MalformedError(f"{text!r} is not a valid instant: {error}") from error
    since = whole - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_S + fraction_ns


def _zone(match: re.Match[str]) -> timezone:
    if match[9] is None:
        return UTC
    offset = timedelta(hours=int(match[10]), minutes=int(match[11]))
    return timezone(-offset if match[9] == "-" else offset)


def instant_text(instant: int, *, offset_minutes: int = 0) -> str:
    """Write nanoseconds since the Unix epoch as RFC 3339, to the needed digits.

    Raises:
        MalformedError: no year from 1 to 9999, or no offset below one day.

    >>> instant_text(500_000_000)
    '1970-01-01T00:00:00.5Z'
    """
    seconds, fraction_ns = divmod(instant, NS_PER_S)
    try:
        zone = timezone(timedelta(minutes=offset_minutes))
        whole = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)
    except (OverflowError, ValueError) as error:
        raise MalformedError(
            f"{instant} ns at {offset_minutes} min: {error}"
        ) from error
    fraction = f".{fraction_ns:09d}".rstrip("0") if fraction_ns else ""
    text = whole.isoformat()[:19] + fraction
    return text + ("Z" if offset_minutes == 0 else whole.isoformat()[-6:])
