"""Receipt at a centre: until when the survey is due, and what was found.

A package is monitored within 3 h of receipt in working hours, or 3 h from the start of
the next working day; the hours are the centre's own, in its own zone, across changes of
the clock. Activity cannot tell two vials of one plan apart: lot, calibration and expiry
read from the vial by two people can.

Source: 10 CFR 20.1906 (b), (c); DOMAIN section 7.1.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cloud.surveys import Wiped, judge_wipe
from cloud.zones import local_time, zone_of
from schemas.contents import Contents
from schemas.facts import Acceptance, CentreProfile
from schemas.transport import USUAL_RULES
from schemas.units import NS_PER_S

DUE_AFTER_NS: Final = 3 * 3600 * NS_PER_S
SAME_NS: Final = 60 * NS_PER_S  # vials and certificates are read to the minute
ACTIVITY_TELLS_NOTHING: Final = (
    "activity cannot tell two vials of one plan apart: identity rests on what two "
    "people read from the vial"
)
_MOST_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Received:
    """What a centre found; ``remarks`` are for a person."""

    acceptance: Acceptance
    due_ns: int | None
    is_late: bool | None
    wiped: tuple[Wiped, ...]
    remarks: tuple[str, ...]


def receipt_due_ns(received_ns: int, profile: CentreProfile | None) -> int | None:
    """Return until when a package received then is to be monitored.

    Without a profile the stricter reading holds: 3 h from receipt. None where the
    centre has no working day within a month.
    """
    if profile is None or zone_of(profile.time_zone) is None:
        return received_ns + DUE_AFTER_NS
    try:
        return _due_by_hours(received_ns, profile)
    except (OverflowError, ValueError, OSError):
        return None  # an instant that no calendar has


def _due_by_hours(received_ns: int, profile: CentreProfile) -> int | None:
    local = local_time(received_ns, profile.time_zone)
    if _is_open(local, profile):
        return received_ns + DUE_AFTER_NS
    opens_ns = _next_opening_ns(local, profile)
    return None if opens_ns is None else opens_ns + DUE_AFTER_NS


def _is_working_day(day: datetime, profile: CentreProfile) -> bool:
    is_holiday = day.date().isoformat() in profile.holidays
    return day.weekday() in profile.working_days and not is_holiday


def _is_open(local: datetime, profile: CentreProfile) -> bool:
    minutes = local.hour * 60 + local.minute
    in_hours = profile.opens_minutes <= minutes < profile.closes_minutes
    return in_hours and _is_working_day(local, profile)


def _next_opening_ns(local: datetime, profile: CentreProfile) -> int | None:
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    hours, minutes = divmod(profile.opens_minutes, 60)
    for days in range(_MOST_DAYS):
        day = (midnight + timedelta(days=days)).replace(hour=hours, minute=minutes)
        if day > local and _is_working_day(day, profile):
            return round(day.timestamp()) * NS_PER_S
    return None


def judge_acceptance(
    acceptance: Acceptance,
    contents: Contents | None,
    profile: CentreProfile | None,
    author: str,
) -> Received:
    """Return what a centre found, beside what was certified.

    Raises:
        UnknownWordError: an unknown rule set is named.
    """
    due_ns, is_late = _timer(acceptance, profile)
    rules = acceptance.rules or (profile.rules if profile else USUAL_RULES)
    nuclide = contents.nuclide if contents else ""
    wiped = tuple(judge_wipe(one, nuclide, rules) for one in acceptance.wipes)
    above = [one.wipe.place for one in wiped if one is not None and one.is_above_limit]
    judged = (
        (bool(is_late), "monitored later than the rule allows"),
        (bool(above), f"contamination above the limit: {', '.join(above)}"),
        (None in wiped, "a wipe with an efficiency, share or area of 0"),
        *_identity(acceptance, contents, author),
    )
    remarks = tuple(text for holds, text in judged if holds)
    return Received(
        acceptance, due_ns, is_late, tuple(one for one in wiped if one), remarks
    )


def _timer(
    acceptance: Acceptance, profile: CentreProfile | None
) -> tuple[int | None, bool | None]:
    if acceptance.received_at_ns is None:
        return None, None
    due_ns = receipt_due_ns(acceptance.received_at_ns, profile)
    done_ns = acceptance.surveyed_at_ns
    if due_ns is None or done_ns is None:
        return due_ns, None
    return due_ns, done_ns > due_ns


def _identity(
    acceptance: Acceptance, contents: Contents | None, author: str
) -> tuple[tuple[bool, str], ...]:
    read = acceptance.identity
    if read is None:
        return ((True, "the vial was not identified by two people"),)
    if contents is None:
        return ((True, "identified without a certificate to compare with"),)
    moved_ns = abs(read.calibrated_on_vial_ns - contents.reference_at_ns)
    expires_ns = contents.expires_at_ns
    return (
        (
            read.vial != contents.vial,
            f"on the vial is {read.vial}, certified is {contents.vial}",
        ),
        (
            contents.lot is not None and read.lot != contents.lot,
            f"the lot on the vial is {read.lot}, certified is {contents.lot}",
        ),
        (
            moved_ns >= SAME_NS,
            "the calibration time on the vial is not the certificate's",
        ),
        (
            expires_ns is not None and abs(read.expires_at_ns - expires_ns) >= SAME_NS,
            "the expiry on the vial is not the certificate's",
        ),
        (
            read.second_person.casefold() == author.casefold(),
            "the second person is the first",
        ),
    )
