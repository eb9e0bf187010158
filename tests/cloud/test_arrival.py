"""Arrival: label arithmetic against DOMAIN section 8, and what must always hold."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.arrival import ADVISORY, NOT_IN_PLACE, arrival, detectors_word
from cloud.figures import u_text, unit_of, value_text
from cloud.volumes import Doubt, volume_to_draw
from cloud.windows import (
    Question,
    Statement,
    activity_at,
    expanded_ratio,
    instant_of,
    volume_window,
    whole_vial_window,
)
from schemas.contents import ProductLimits
from schemas.estimates import Witness, WitnessVerdict
from schemas.nuclides import decay_factor
from schemas.products import product
from schemas.records import TimeSource
from schemas.units import NS_PER_S
from tests.builders import START_NS
from tests.vials import (
    HOUR_NS,
    LABEL_S,
    at_appointment_7400,
    hours,
    question,
    vial,
    witness,
)


@pytest.mark.parametrize(
    ("hours_", "factor"), [(24, 0.90097), (72, 0.7314), (120, 0.5937)]
)
def test_vector_1_decay_by_the_label(hours_: int, factor: float) -> None:
    assert decay_factor(LABEL_S, hours_ * 3600) == pytest.approx(factor, abs=6e-5)


@pytest.mark.parametrize(
    ("key", "activity_gbq", "wanted_gbq", "expected_h"),
    [
        ("lutathera", 9.25, 7.4, 51.36),
        ("lutathera", 9.25, 6.66, 75.61),
        ("pluvicto", 12.5, 8.14, 98.72),
        ("pluvicto", 12.5, 7.4, 120.66),
    ],
)
def test_vectors_3_and_4_when_a_vial_holds_how_much(
    key: str, activity_gbq: float, wanted_gbq: float, expected_h: float
) -> None:
    contents = vial(activity_gbq, key=key)
    found = hours(instant_of(contents, product(key), wanted_gbq))
    assert found == pytest.approx(expected_h, abs=0.006)


def test_vector_5_the_whole_vial_window() -> None:
    window = whole_vial_window(at_appointment_7400())
    assert window is not None
    assert hours(window.from_ns) - 60 == pytest.approx(-21.94, abs=0.006)
    assert hours(window.to_ns) - 60 == pytest.approx(24.25, abs=0.006)


def test_the_surely_inside_band_of_a_certificate_of_5_percent() -> None:
    surely = arrival(at_appointment_7400()).surely
    assert surely is not None
    assert hours(surely.from_ns) - 60 == pytest.approx(-10.7, abs=0.02)
    assert hours(surely.to_ns) - 60 == pytest.approx(12.4, abs=0.05)


def test_no_instant_is_sure_where_u_exceeds_the_tolerance() -> None:
    asked = question(vial(10.0, expanded_u=0.12), 60)
    assert arrival(asked).surely is None
    assert arrival(asked).whole_vial is not None


def test_windows_end_with_the_shelf_life_and_begin_at_the_reference() -> None:
    late = whole_vial_window(question(vial(12.5), 119))
    early = whole_vial_window(question(vial(7.5), 3))
    assert late is not None
    assert early is not None
    assert hours(late.to_ns) == 120
    assert hours(early.from_ns) == 0


def test_an_earlier_expiry_on_the_label_rules() -> None:
    limits = ProductLimits(30.0, expires_at_ns=START_NS + 100 * HOUR_NS)
    found = arrival(question(vial(12.5), 119, limits=limits))
    assert hours(found.expires_at_ns) == 100
    assert found.volume.withheld == (Doubt.EXPIRED,)


def test_by_volume_ends_when_too_little_is_left_or_at_expiry() -> None:
    ends_h = [
        hours(found.to_ns)
        for activity_gbq in (12.5, 9.25)
        if (found := volume_window(question(vial(activity_gbq), 60))) is not None
    ]
    assert ends_h == pytest.approx([120, 51.36], abs=0.006)
    assert volume_window(question(vial(7.0), 1)) is None


def test_the_volume_is_that_of_the_prescribed_activity() -> None:
    found = volume_to_draw(question(vial(12.5), 24))
    assert found.volume_ml == pytest.approx(7.4 / 0.90097, rel=1e-4)


@pytest.mark.parametrize(
    ("asked", "doubt"),
    [
        (question(vial(12.5), 60, exercise=True), Doubt.EXERCISE),
        (question(vial(12.5), 60, is_held=True), Doubt.HELD),
        (question(vial(12.5), 121), Doubt.EXPIRED),
        (question(vial(12.5), -1), Doubt.BEFORE_REFERENCE),
        (question(vial(7.5), 60), Doubt.TOO_LITTLE),
        (
            question(vial(12.5), 60, statement=witness(WitnessVerdict.LOW)),
            Doubt.DISAGREEMENT,
        ),
        (
            question(vial(12.5), 60, statement=Statement(None, None, TimeSource.FLOOR)),
            Doubt.CLOCK,
        ),
    ],
)
def test_a_volume_is_withheld_with_its_reason(asked: Question, doubt: Doubt) -> None:
    found = volume_to_draw(asked)
    assert found.volume_ml is None
    assert doubt in found.withheld


def test_half_life_and_certificate_both_make_the_uncertainty() -> None:
    contents = vial(12.5, expanded_u=0.05)
    at_start = expanded_ratio(contents, START_NS)
    after_a_year = expanded_ratio(contents, START_NS + 365 * 24 * HOUR_NS)
    assert at_start == pytest.approx(0.05)
    # 54.93 half-lives * ln 2 * (0.0009 / 6.6443) * 2 = 0.01032
    assert after_a_year == pytest.approx((0.05**2 + 0.01032**2) ** 0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (WitnessVerdict.AGREES, "The detectors agree: they see 90.0 % ± 4.0 % (k = 2)"),
        (WitnessVerdict.LOW, "less than they should"),
        (WitnessVerdict.HIGH, "more than they should"),
        (WitnessVerdict.NOT_OBSERVABLE, "Not observable"),
    ],
)
def test_the_detectors_word_and_the_error_they_would_notice(
    verdict: WitnessVerdict, words: str
) -> None:
    asked = question(vial(12.5), 60, statement=witness(verdict))
    found = arrival(asked)
    assert words in found.detectors
    observable = verdict is not WitnessVerdict.NOT_OBSERVABLE
    assert ("an error of 4.0 % or more" in found.detectors) is observable
    # The witness never changes the number.
    assert found.now == arrival(question(vial(12.5), 60)).now


def test_a_coarse_witness_says_what_it_cannot_tell() -> None:
    word = Witness("V-1", "w", WitnessVerdict.AGREES, 0, 1, 9, 1, 0.967, 0.2272, 0.4544)
    told = detectors_word(word)
    assert "97 % \N{PLUS-MINUS SIGN} 45 % (k = 2)" in told
    assert "notice a missing vial; an error below 45 %, such as 20 % less" in told


def test_before_the_vial_is_in_place_nothing_looks_like_a_defect() -> None:
    blind = WitnessVerdict.NOT_OBSERVABLE
    word = Witness("V-1", "w", blind, 0, 1, 9, 1, reasons=(NOT_IN_PLACE,))
    assert detectors_word(word) == detectors_word(None)
    assert "Not observable" not in detectors_word(word)


def test_handling_is_told_beside_changes_and_is_none() -> None:
    asked = question(
        vial(12.5), 60, statement=witness(WitnessVerdict.AGREES), handling="2 shocks"
    )
    assert arrival(asked).package == "No change seen. Handling: 2 shocks."
    changed = replace(asked, changes=("tamper: lid opened",))
    expected = "A change was seen: tamper: lid opened. Handling: 2 shocks."
    assert arrival(changed).package == expected


def test_it_never_says_intact_and_always_says_advisory() -> None:
    statements = (None, *(witness(verdict) for verdict in WitnessVerdict))
    for statement, changes in itertools.product(statements, ((), ("shock: 31 g",))):
        found = arrival(question(vial(12.5), 60, statement=statement, changes=changes))
        said = f"{found.package} {found.detectors}".lower()
        assert "intact" not in said
        assert "safe" not in said
        assert found.advisory == ADVISORY == "advisory: not a dosage determination"
        assert ("shock: 31 g" in found.package) is bool(changes)


@pytest.mark.parametrize(
    ("nuclide", "activity_gbq", "expanded_u_gbq", "text"),
    [
        ("Lu-177", 7.4357, 0.3718, "7.44 ± 0.37 GBq"),
        ("Lu-177", 12.5, 1.25, "12.5 ± 1.2 GBq"),
        ("Ra-223", 0.0066, 0.00033, "6.60 ± 0.33 MBq"),
        ("Ac-225", 0.0102, 0.0005, "10.20 ± 0.50 MBq"),
        ("Pb-212", 0.2, 0.02, "200 ± 20 MBq"),
    ],
)
def test_activities_are_written_as_on_the_label(
    nuclide: str, activity_gbq: float, expanded_u_gbq: float, text: str
) -> None:
    value = value_text(activity_gbq, expanded_u_gbq, nuclide)
    assert f"{value} ± {u_text(expanded_u_gbq, nuclide)} {unit_of(nuclide)}" == text


INSTANTS = st.integers(0, 200 * 3600).map(lambda s: START_NS + s * NS_PER_S)
ACTIVITIES = st.floats(1.0, 40.0)


@given(ACTIVITIES, INSTANTS, INSTANTS)
@settings(max_examples=60, deadline=None)
def test_decay_composes(activity_gbq: float, first: int, second: int) -> None:
    direct = activity_at(vial(activity_gbq), first + second - START_NS, 7.4)
    there = activity_at(vial(activity_gbq), first, 7.4).activity_gbq
    onward = activity_at(vial(there), second, 7.4).activity_gbq
    assert direct.activity_gbq == pytest.approx(onward, rel=1e-12)


@given(ACTIVITIES, INSTANTS)
@settings(max_examples=100, deadline=None)
def test_the_window_holds_the_instant_iff_the_vial_is_within_tolerance(
    activity_gbq: float, at_ns: int
) -> None:
    contents = vial(activity_gbq)
    then = activity_gbq * decay_factor(LABEL_S, (at_ns - START_NS) / NS_PER_S)
    deviation = abs(then / 7.4 - 1)
    if abs(deviation - 0.1) < 1e-9:
        return
    window = whole_vial_window(question(contents, 60))
    is_inside = deviation <= 0.1 and hours(at_ns) <= 120
    assert (window is not None and window.contains(at_ns)) is is_inside


@given(ACTIVITIES, st.floats(0.001, 0.3), st.floats(0.001, 0.3), INSTANTS)
@settings(max_examples=60, deadline=None)
def test_uncertainty_grows_with_u_and_the_sure_band_shrinks(
    activity_gbq: float, one: float, other: float, at_ns: int
) -> None:
    small, large = sorted((one, other))
    assert expanded_ratio(vial(activity_gbq, small), at_ns) <= expanded_ratio(
        vial(activity_gbq, large), at_ns
    )
    wide = arrival(question(vial(activity_gbq, small), 60)).surely
    narrow = arrival(question(vial(activity_gbq, large), 60)).surely
    if narrow is not None:
        assert wide is not None
        assert wide.from_ns <= narrow.from_ns <= narrow.to_ns <= wide.to_ns
