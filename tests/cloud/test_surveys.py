"""Surveys and wipes by rule set, in decimals."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.surveys import judge_survey, judge_wipe
from schemas.centre import Wipe
from schemas.errors import UnknownWordError
from schemas.shipping import Occasion, Survey
from schemas.transport import Category

SURVEY = Survey("S", Occasion.DISPATCH, "7.0", "0.51", "ssr6-2018", "AD6", 100)
WIPE = Wipe("lid", "90", "50", "0.25", "0.1", "300")


def surveyed(**changes: object) -> Survey:
    return msgspec.structs.replace(SURVEY, **changes)


def test_index_and_category_follow_from_what_was_measured() -> None:
    found = judge_survey(SURVEY)
    assert found.transport_index == Decimal("0.1")
    assert found.category is Category.YELLOW_2
    assert found.remarks == ()
    assert not found.is_above_limits


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label_transport_index": "0"}, "0.1 measured, the label says 0"),
        ({"label_category": "I-WHITE"}, "II-YELLOW measured, the label says I-WHITE"),
        ({"label_category": "III-YELLOW"}, "says III-YELLOW, II-YELLOW would do"),
        ({"label_category": "green"}, "'green' is none"),
        ({"calibration_due_ns": 99}, "calibration of AD6 had expired"),
        ({"surface_dose_rate_usv_h": "2000.1"}, "notify the carrier and the authority"),
        ({"dose_rate_at_1_m_usv_h": "100.1"}, "transport index 10.1"),
    ],
)
def test_what_does_not_fit_is_said(changes: dict[str, object], words: str) -> None:
    found = judge_survey(surveyed(**changes))
    assert any(words in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("surface", "at_1_m", "is_above"),
    [("2000", "100", False), ("2000.001", "1", True), ("1", "100.001", True)],
)
def test_the_limits_are_exact(surface: str, at_1_m: str, *, is_above: bool) -> None:
    found = judge_survey(
        surveyed(surface_dose_rate_usv_h=surface, dose_rate_at_1_m_usv_h=at_1_m)
    )
    assert found.is_above_limits is is_above


def test_a_wipe_comes_to_activity_per_area() -> None:
    found = judge_wipe(WIPE, "Lu-177", "ssr6-2018")
    assert found is not None
    # 40 / (60 * 0.25 * 0.1 * 300) Bq/cm2
    assert found.bq_cm2 == Decimal(40) / Decimal(450)
    assert found.dpm_100_cm2 == found.bq_cm2 * 6000
    assert not found.is_above_limit
    assert found.limit.mark == " (unverified)"


def test_the_limit_of_a_wipe_is_the_nuclide_s_and_exact() -> None:
    # 4 Bq/cm2 are 1800 cpm net here.
    on = msgspec.structs.replace(WIPE, gross_cpm="1850")
    over = msgspec.structs.replace(WIPE, gross_cpm="1850.1")
    alpha = msgspec.structs.replace(WIPE, gross_cpm="230.1")
    for wipe, nuclide, is_above in (
        (on, "Lu-177", False),
        (over, "Lu-177", True),
        (alpha, "Ac-225", True),
        (alpha, "Pb-212", False),
    ):
        found = judge_wipe(wipe, nuclide, "ssr6-2018")
        assert found is not None
        assert found.is_above_limit is is_above, nuclide


def test_below_background_is_zero_and_no_area_is_no_result() -> None:
    below = msgspec.structs.replace(WIPE, gross_cpm="12")
    found = judge_wipe(below, "Lu-177", "ssr6-2018")
    assert found is not None
    assert found.bq_cm2 == 0
    nowhere = msgspec.structs.replace(WIPE, area_cm2="0")
    assert judge_wipe(nowhere, "Lu-177", "ssr6-2018") is None


def test_an_unknown_rule_set_is_named() -> None:
    with pytest.raises(UnknownWordError, match="adr-1999"):
        judge_survey(surveyed(rules="adr-1999"))


@given(st.decimals("0.001", "100000", places=3), st.decimals("0", "100000", places=3))
def test_a_wipe_s_activity_grows_with_its_counts(gross: Decimal, more: Decimal) -> None:
    values = []
    for cpm in (gross, gross + more):
        wipe = msgspec.structs.replace(WIPE, gross_cpm=f"{cpm:f}")
        found = judge_wipe(wipe, "Lu-177", "ssr6-2018")
        assert found is not None
        values.append(found.bq_cm2)
    assert values[0] <= values[1]
