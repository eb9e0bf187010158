"""The assay beside certificate and decay, and the gain that it proposes."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.assays import Standing, compare, propose_gain, standing
from cloud.windows import Centre, activity_at
from schemas.estimates import Witness, WitnessVerdict
from schemas.facts import Assay
from tests.builders import START_NS
from tests.vials import HOUR_NS, vial

CENTRE = Centre(call_ratio=0.05, stop_ratio=0.1)


def assay(off_ratio: float, hours: float = 60.0) -> Assay:
    at_ns = START_NS + round(hours * HOUR_NS)
    measured = activity_at(vial(12.5), at_ns, 7.4).activity_gbq * (1 + off_ratio)
    return Assay("S", "V-1", measured, 0.03 * measured, 2.0, at_ns, "m", "Lu-177")


@pytest.mark.parametrize(
    ("off", "expected"),
    [
        (0.049, Standing.WITHIN),
        (-0.051, Standing.CALL),
        (0.099, Standing.CALL),
        (0.101, Standing.STOP),
    ],
)
def test_the_centre_s_limits_decide(off: float, expected: Standing) -> None:
    found = compare(vial(12.5), assay(off), CENTRE)
    assert found is not None
    assert found.standing is expected
    assert found.off_ratio == pytest.approx(off, abs=1e-12)
    # Certificate 5 % and assay 3 %, both k = 2.
    u = 0.0583 * (1 + off)
    assert found.off_expanded_u_ratio == pytest.approx(u, rel=1e-3)
    assert found.is_significant is (abs(off) > u)


@pytest.mark.parametrize("off", [0.05, -0.05, 0.1])
def test_on_a_limit_is_within_it(off: float) -> None:
    assert standing(off, CENTRE) is not Standing.STOP


def test_years_apart_nothing_is_compared() -> None:
    late = msgspec.structs.replace(assay(0.0), measured_at_ns=START_NS + 10**18)
    assert compare(vial(12.5), late, CENTRE) is None


def witness(ratio: float, ratio_u: float = 0.02) -> Witness:
    return Witness(
        "V-1", "w", WitnessVerdict.AGREES, 0, 1, 9, 1, ratio=ratio, ratio_u=ratio_u
    )


def test_an_assay_proposes_the_gain_that_makes_both_agree() -> None:
    found = compare(vial(12.5), assay(-0.04), CENTRE)
    assert found is not None
    # Seen is 2 % less than expected of the certificate, there was 4 % less.
    gain = propose_gain(found, witness(0.98))
    assert gain is not None
    assert gain.gain_ratio == pytest.approx(0.98 / 0.96)
    u_ratio = ((0.02 / 0.98) ** 2 + 0.015**2) ** 0.5
    assert gain.gain_ratio_u / gain.gain_ratio == pytest.approx(u_ratio)


def test_nothing_is_proposed_from_what_saw_nothing_or_needs_a_look() -> None:
    found = compare(vial(12.5), assay(0.0), CENTRE)
    other = compare(vial(12.5), msgspec.structs.replace(assay(0.0), vial="V-2"), CENTRE)
    assert found is not None
    assert other is not None
    blind = Witness("V-1", "w", WitnessVerdict.NOT_OBSERVABLE, 0, 1, 9, 1)
    assert propose_gain(found, None) is None
    assert propose_gain(found, blind) is None
    assert propose_gain(other, witness(1.0)) is None


@given(st.floats(-0.3, 0.3), st.floats(0.5, 1.5))
@settings(max_examples=60, deadline=None)
def test_with_the_proposed_gain_the_detectors_would_see_what_was_measured(
    off: float, ratio: float
) -> None:
    found = compare(vial(12.5), assay(off), CENTRE)
    assert found is not None
    gain = propose_gain(found, witness(ratio))
    assert gain is not None
    # With gain G the same counts mean A_cert * ratio / G.
    assert ratio / gain.gain_ratio == pytest.approx(1 + off, rel=1e-9)
