"""Certificate and decay: the published vectors, the budget by hand, the covariance."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.estimator.activity import certificate_estimate
from schemas.contents import Contents, Impurity
from schemas.errors import UnknownWordError
from schemas.estimates import Estimate, EstimateState
from schemas.nuclides import decay_factor, nuclide
from tests.builders import START_NS, contents

HOUR_NS = 3600 * 10**9
LU_D = 6.6443
LU_S = LU_D * 86400


def vial(activity_gbq: float, **changes: object) -> Contents:
    return msgspec.structs.replace(contents(activity_gbq=activity_gbq), **changes)


def after(hours: float, given: Contents, time_u_ns: int = 0) -> Estimate:
    at_ns = START_NS + round(hours * HOUR_NS)
    return certificate_estimate(given, at_ns, time_u_ns)


@pytest.mark.parametrize(
    ("hours", "factor"), [(24, 0.90097), (72, 0.7314), (120, 0.5937)]
)
def test_vector_1_label_half_life(hours: float, factor: float) -> None:
    digits = 5 if hours == 24 else 4
    found = decay_factor(6.647 * 86400, hours * 3600)
    assert round(found, digits) == factor
    # The evaluated half-life of the table is 0.04 % shorter than the label's.
    assert after(hours, vial(1.0)).activity_gbq == pytest.approx(factor, rel=3e-4)


@pytest.mark.parametrize(
    ("start_gbq", "hours", "expected_gbq"),
    [(9.25, 51.36, 7.4), (9.25, 75.61, 6.66), (12.5, 98.72, 8.14), (12.5, 120.66, 7.4)],
)
def test_vectors_3_and_4_volumes_of_a_label(
    start_gbq: float, hours: float, expected_gbq: float
) -> None:
    found = start_gbq * decay_factor(6.647 * 86400, hours * 3600)
    assert found == pytest.approx(expected_gbq, rel=5e-5)
    found = after(hours, vial(start_gbq)).activity_gbq
    assert found == pytest.approx(expected_gbq, rel=3e-4)


def test_pluvicto_vial_at_119_5_hours() -> None:
    assert 7.43 <= after(119.5, vial(12.5)).activity_gbq <= 7.44


def test_before_the_reference_instant_there_was_more() -> None:
    assert after(-24, vial(1.0)).activity_gbq == pytest.approx(
        2 ** (1 / LU_D), rel=1e-12
    )


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(-200, 400), st.floats(-200, 400), st.floats(1e-3, 50))
def test_decay_composes(first_h: float, then_h: float, activity_gbq: float) -> None:
    middle = after(first_h, vial(activity_gbq))
    at_ns = middle.at_ns + round(then_h * HOUR_NS)
    later = vial(middle.activity_gbq, reference_at_ns=middle.at_ns)
    twice = certificate_estimate(later, at_ns, 0).activity_gbq
    once = certificate_estimate(vial(activity_gbq), at_ns, 0).activity_gbq
    assert twice == pytest.approx(once, rel=1e-12)


def test_uncertainty_budget_by_hand() -> None:
    given = vial(12.5, activity_expanded_u_gbq=0.625)  # 5 % at k = 2: 2.5 % at k = 1
    found = after(119.5, given, time_u_ns=10 * 10**9)
    constant = math.log(2) / LU_S
    by_half_life = constant * 119.5 * 3600 * 0.0009 / LU_D
    by_clock = constant * 10
    expected = math.sqrt(0.025**2 + by_half_life**2 + by_clock**2)
    assert by_half_life == pytest.approx(7.04e-5, rel=1e-2)
    assert found.activity_u_gbq / found.activity_gbq == pytest.approx(expected)
    assert found.state is EstimateState.VALID
    assert found.reasons == ()


@pytest.mark.parametrize(
    ("u_s", "state"),
    [
        (800, EstimateState.VALID),
        (850, EstimateState.DEGRADED),
        (86400, EstimateState.DEGRADED),
    ],
)
def test_an_uncertain_clock_degrades_and_widens(u_s: int, state: EstimateState) -> None:
    # 0.1 % of a Lu-177 activity is 828 s.
    found = after(10, vial(7.4), u_s * 10**9)
    assert found.state is state
    assert bool(found.reasons) == (state is EstimateState.DEGRADED)
    assert found.activity_u_gbq > after(10, vial(7.4)).activity_u_gbq


def impure() -> Contents:
    impurities = (Impurity("Lu-177m", 2e-4, 5e-5), Impurity("I-131", 1e-5, 1e-6))
    return vial(9.25, impurities=impurities)


@pytest.mark.parametrize("given", [vial(9.25), impure()])
def test_covariance_is_symmetric_and_positive_semi_definite(given: Contents) -> None:
    found = after(48, given)
    n = len(found.nuclides)
    assert len(found.log_covariance) == 4 * n * n
    matrix = np.array(found.log_covariance).reshape(2 * n, 2 * n)
    assert np.array_equal(matrix, matrix.T)
    scale = np.sqrt(np.diag(matrix))
    assert np.linalg.eigvalsh(matrix / np.outer(scale, scale)).min() > -1e-12


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.floats(-300, 500), st.floats(0.001, 0.2))
def test_projection_from_the_covariance_is_the_stated_uncertainty(
    hours: float, u_ratio: float
) -> None:
    given = vial(9.25, activity_expanded_u_gbq=9.25 * 2 * u_ratio)
    given = msgspec.structs.replace(given, impurities=impure().impurities)
    found = after(hours, given)
    n = len(found.nuclides)
    matrix = np.array(found.log_covariance).reshape(2 * n, 2 * n)
    main = found.nuclides[0]
    elapsed_s = (found.at_ns - found.reference_at_ns) / 1e9
    # ln A(t) = ln A - ln 2 t / T: its slopes are 1 and ln 2 t / T.
    slopes = np.zeros(2 * n)
    slopes[0] = 1.0
    slopes[n] = math.log(2) * elapsed_s / main.half_life_s
    projected_gbq = main.activity_gbq * 2 ** (-elapsed_s / main.half_life_s)
    assert projected_gbq == pytest.approx(found.activity_gbq, rel=1e-12)
    u_gbq = projected_gbq * math.sqrt(slopes @ matrix @ slopes)
    assert u_gbq == pytest.approx(found.activity_u_gbq, rel=1e-9)


def test_impurities_are_listed_at_the_reference_instant() -> None:
    found = after(48, impure())
    assert [n.nuclide for n in found.nuclides] == ["Lu-177", "Lu-177m", "I-131"]
    activities = [n.activity_gbq for n in found.nuclides]
    assert activities == pytest.approx([9.25, 9.25 * 2e-4, 9.25 * 1e-5])
    matrix = np.array(found.log_covariance).reshape(6, 6)
    shared = given_u = impure().activity_u_ratio ** 2
    assert matrix[0, 1] == pytest.approx(shared)
    assert matrix[1, 1] == pytest.approx(given_u + 0.25**2)
    assert found.nuclides[1].half_life_s == nuclide("Lu-177m").half_life_s


def test_the_clock_is_no_part_of_the_covariance() -> None:
    assert (
        after(5, vial(7.4), 10**12).log_covariance == after(5, vial(7.4)).log_covariance
    )


def test_an_unknown_nuclide_is_named() -> None:
    with pytest.raises(UnknownWordError, match="Zz-999"):
        after(1, vial(7.4, nuclide="Zz-999"))
