"""Receipt: the 3-hour timer by the centre's hours, identity of the vial, wipes."""

import msgspec
import pytest

from cloud.receiving import judge_acceptance, receipt_due_ns
from schemas.centre import CentreProfile, VialIdentity, Wipe
from schemas.facts import Acceptance, Outcome
from schemas.units import instant_ns, instant_text
from tests import builders
from tests.builders import START_NS

PROFILE = CentreProfile(
    centre="centre",
    time_zone="Europe/Berlin",
    rules="ssr6-2018",
    preparation_s=3600,
    survey_s=1800,
    opens_minutes=7 * 60 + 30,
    closes_minutes=18 * 60,
    working_days=(0, 1, 2, 3, 4),
    call_ratio=0.05,
    stop_ratio=0.1,
    holidays=("2026-12-25",),
)
CONTENTS = msgspec.structs.replace(
    builders.contents(), lot="L1", expires_at_ns=START_NS + 10**15
)
IDENTITY = VialIdentity("V-1", "L1", START_NS, START_NS + 10**15, "second")
ACCEPTANCE = Acceptance("S", Outcome.ACCEPTED, (), identity=IDENTITY)


@pytest.mark.parametrize(
    ("received", "due", "why"),
    [
        ("2026-11-25T10:00:00+01:00", "2026-11-25T13:00:00+01:00", "working hours"),
        ("2026-11-25T17:59:00+01:00", "2026-11-25T20:59:00+01:00", "just open"),
        ("2026-11-25T18:00:00+01:00", "2026-11-26T10:30:00+01:00", "just closed"),
        ("2026-11-26T03:00:00+01:00", "2026-11-26T10:30:00+01:00", "same morning"),
        ("2026-11-27T19:00:00+01:00", "2026-11-30T10:30:00+01:00", "a weekend"),
        ("2026-12-24T19:00:00+01:00", "2026-12-28T10:30:00+01:00", "a holiday"),
        ("2026-10-23T19:00:00+02:00", "2026-10-26T10:30:00+01:00", "clock back"),
        ("2026-03-27T19:00:00+01:00", "2026-03-30T10:30:00+02:00", "clock forward"),
    ],
)
def test_monitoring_is_due_by_the_centre_s_hours(
    received: str, due: str, why: str
) -> None:
    found = receipt_due_ns(instant_ns(received), PROFILE)
    assert found is not None
    assert instant_text(found) == instant_text(instant_ns(due)), why


@pytest.mark.parametrize(
    "profile", [None, msgspec.structs.replace(PROFILE, time_zone="Mars/Olympus")]
)
def test_without_known_hours_the_stricter_reading_holds(
    profile: CentreProfile | None,
) -> None:
    at_ns = instant_ns("2026-11-28T10:00:00+01:00")
    assert receipt_due_ns(at_ns, profile) == at_ns + 3 * 3600 * 10**9


def test_a_centre_that_never_opens_has_no_deadline() -> None:
    never = msgspec.structs.replace(PROFILE, working_days=())
    assert receipt_due_ns(START_NS, never) is None


def test_what_fits_has_no_remark() -> None:
    assert judge_acceptance(ACCEPTANCE, CONTENTS, PROFILE, "first").remarks == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vial": "V-2"}, "on the vial is V-2, certified is V-1"),
        ({"lot": "L2"}, "the lot on the vial is L2"),
        ({"calibrated_on_vial_ns": START_NS + 60 * 10**9}, "calibration time"),
        ({"expires_at_ns": START_NS}, "expiry on the vial"),
        ({"second_person": "First"}, "the second person is the first"),
    ],
)
def test_another_vial_of_the_same_plan_is_noticed(
    changes: dict[str, object], words: str
) -> None:
    read = msgspec.structs.replace(IDENTITY, **changes)
    acceptance = msgspec.structs.replace(ACCEPTANCE, identity=read)
    found = judge_acceptance(acceptance, CONTENTS, PROFILE, "first")
    assert len(found.remarks) == 1
    assert words in found.remarks[0]


def test_nobody_identified_the_vial() -> None:
    acceptance = msgspec.structs.replace(ACCEPTANCE, identity=None)
    found = judge_acceptance(acceptance, CONTENTS, PROFILE, "first")
    assert found.remarks == ("the vial was not identified by two people",)


def test_a_late_survey_and_a_contaminated_place_are_named() -> None:
    received_ns = instant_ns("2026-11-25T10:00:00+01:00")
    wipes = (
        Wipe("lid", "5000", "50", "0.25", "0.1", "300"),
        Wipe("pot", "60", "50", "0.25", "0.1", "300"),
        Wipe("floor", "60", "50", "0", "0.1", "300"),
    )
    acceptance = msgspec.structs.replace(
        ACCEPTANCE,
        received_at_ns=received_ns,
        surveyed_at_ns=received_ns + 3 * 3600 * 10**9 + 1,
        wipes=wipes,
    )
    found = judge_acceptance(acceptance, CONTENTS, PROFILE, "first")
    assert found.is_late is True
    assert found.remarks == (
        "monitored later than the rule allows",
        "contamination above the limit: lid",
        "a wipe with an efficiency, share or area of 0",
    )
    assert [one.is_above_limit for one in found.wiped] == [True, False]
