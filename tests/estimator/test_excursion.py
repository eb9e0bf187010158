"""Excursions: certain, with a dwell, a hysteresis, and gaps that say nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.estimator.excursion import (
    DWELL_NS,
    EXPANDED_U_C,
    Excursion,
    ExcursionMonitor,
)
from schemas.contents import ProductLimits

NS = 10**9
MINUTE_NS = 60 * NS
LIMITS = ProductLimits(temperature_max_c=25.0, temperature_min_c=2.0)


def follow(
    values: list[tuple[float, float]], limits: ProductLimits = LIMITS
) -> list[Excursion]:
    """Feed (minute, temperature); return what was stated."""
    monitor = ExcursionMonitor(limits)
    found = [monitor.take(round(m * MINUTE_NS), value) for m, value in values]
    return [excursion for excursion in found if excursion is not None]


def hold(from_minute: int, to_minute: int, value: float) -> list[tuple[float, float]]:
    return [(float(m), value) for m in range(from_minute, to_minute)]


def test_stated_once_after_the_dwell_and_once_when_over() -> None:
    values = hold(0, 5, 20.0) + hold(5, 40, 27.0) + [(40.0, 29.5)] + hold(41, 45, 20.0)
    begun, over = follow(values)
    assert (begun.from_boot_ns, begun.to_boot_ns) == (5 * MINUTE_NS, 15 * MINUTE_NS)
    assert (begun.limit_c, begun.is_over) == (25.0, False)
    assert (over.from_boot_ns, over.to_boot_ns) == (5 * MINUTE_NS, 41 * MINUTE_NS)
    assert (over.extreme_c, over.is_over) == (29.5, True)


def test_cold_is_an_excursion_too() -> None:
    begun, over = follow([*hold(0, 12, -1.0), (12.0, -3.0), *hold(13, 15, 5.0)])
    assert (begun.limit_c, begun.extreme_c) == (2.0, -1.0)
    assert (over.extreme_c, over.is_over) == (-3.0, True)


def test_exactly_zero_degrees_is_a_temperature() -> None:
    (begun,) = follow(hold(0, 12, 0.0))
    assert begun.extreme_c == 0.0


def test_without_a_lower_limit_cold_is_no_excursion() -> None:
    assert follow(hold(0, 60, -40.0), ProductLimits(temperature_max_c=30.0)) == []


@pytest.mark.parametrize("value", [25.0, 25.4, 25.0 + EXPANDED_U_C, 2.0, 1.5])
def test_what_the_sensor_cannot_tell_is_no_excursion(value: float) -> None:
    assert follow(hold(0, 60, value)) == []


def test_nine_minutes_are_no_excursion() -> None:
    assert follow(hold(0, 10, 27.0) + hold(10, 30, 20.0)) == []


def test_two_spikes_far_apart_are_no_excursion() -> None:
    # Between them the value is at the limit: neither certainly out nor well inside.
    spikes = [(0.0, 27.0), *hold(1, 20, 25.2), (20.0, 27.0), *hold(21, 40, 25.2)]
    assert follow(spikes) == []


def test_a_gap_is_neither_in_nor_out() -> None:
    assert follow([(0.0, 27.0), (120.0, 27.0), (121.0, 20.0)]) == []
    (begun,) = follow([(0.0, 27.0), *hold(120, 131, 27.0)])
    assert begun.from_boot_ns == 0
    assert begun.to_boot_ns == 129 * MINUTE_NS


def test_the_hysteresis_keeps_one_excursion_one() -> None:
    values = [*hold(0, 12, 27.0), (12.0, 24.9), (13.0, 25.2), (14.0, 24.6)]
    assert [e.is_over for e in follow([*values, *hold(15, 30, 27.0)])] == [False]
    assert [e.is_over for e in follow([*values, (15.0, 24.5)])] == [False, True]


def test_from_hot_to_cold_at_once_is_two_excursions() -> None:
    hot, over, cold = follow(hold(0, 12, 27.0) + hold(12, 30, -2.0))
    assert (hot.limit_c, hot.is_over) == (25.0, False)
    assert (over.limit_c, over.is_over, over.extreme_c) == (25.0, True, 27.0)
    assert (cold.limit_c, cold.is_over, cold.extreme_c) == (2.0, False, -2.0)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(-20.0, 50.0)), max_size=80),
)
def test_statements_alternate_and_are_in_order(
    steps: list[tuple[float, float]],
) -> None:
    minute = 0.0
    values = []
    for step, value in steps:
        minute += step
        values.append((minute, value))
    found = follow(values)
    assert [e.is_over for e in found] == [bool(i % 2) for i in range(len(found))]
    for excursion in found:
        assert excursion.from_boot_ns <= excursion.to_boot_ns
        assert excursion.to_boot_ns - excursion.from_boot_ns >= DWELL_NS
        is_high = excursion.limit_c == 25.0
        beyond = excursion.extreme_c - 25.0 if is_high else 2.0 - excursion.extreme_c
        assert beyond > EXPANDED_U_C


def test_a_clock_of_readings_that_goes_back_counts_nothing() -> None:
    monitor = ExcursionMonitor(LIMITS)
    times = [20 * MINUTE_NS, 5 * MINUTE_NS] * 50
    assert [monitor.take(at, 27.0) for at in times] == [None] * 100
