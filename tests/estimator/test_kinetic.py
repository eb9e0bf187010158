"""Mean kinetic temperature: published arithmetic, streams, and the worst day."""

import math
import random

import pytest

from gateway.estimator.kinetic import DH_PER_R_K, KineticMean, WorstDay

NS = 10**9
HOUR_S = 3600.0


def naive_c(values: list[tuple[float, float]]) -> float:
    """The formula as it is written, with the exponentials as they are."""
    total = math.fsum(seconds for _value, seconds in values)
    aged = math.fsum(
        seconds * math.exp(-DH_PER_R_K / (value + 273.15)) for value, seconds in values
    )
    return DH_PER_R_K / -math.log(aged / total) - 273.15


def mean(values: list[tuple[float, float]]) -> float:
    found = KineticMean()
    for value, seconds in values:
        found.add(value, seconds)
    assert found.temperature_c is not None
    return found.temperature_c


def test_dh_over_r_is_ten_thousand_kelvin() -> None:
    assert pytest.approx(10_000.0, abs=0.05) == DH_PER_R_K


@pytest.mark.parametrize(
    ("values", "expected_c"),
    [
        ([(20.0, 60 * HOUR_S), (30.0, 12 * HOUR_S)], 22.581),
        ([(22.0, 71 * HOUR_S), (40.0, 1 * HOUR_S)], 22.700),
    ],
)
def test_vectors(values: list[tuple[float, float]], expected_c: float) -> None:
    assert round(mean(values), 3) == expected_c


def test_a_stream_of_172_800_values_equals_the_batch() -> None:
    rng = random.Random(3)
    values = [(rng.uniform(-5.0, 45.0), rng.uniform(0.5, 1.5)) for _ in range(172_800)]
    assert mean(values) == pytest.approx(naive_c(values), abs=1e-10)


def test_nothing_has_no_mean() -> None:
    assert KineticMean().temperature_c is None
    assert WorstDay().temperature_c is None


def day(hours: list[float]) -> float:
    """The worst day of one temperature an hour, read every ten minutes."""
    found = WorstDay()
    for tick in range(6 * len(hours)):
        found.add(tick * 600 * NS, hours[tick // 6], 600.0)
    assert found.temperature_c is not None
    return found.temperature_c


def test_the_worst_day_of_a_short_trip_is_the_trip() -> None:
    assert day([20.0] * 10 + [30.0] * 2) == pytest.approx(
        naive_c([(20.0, 10.0), (30.0, 2.0)])
    )


@pytest.mark.parametrize("begin", [0, 7, 30, 48])
def test_the_worst_day_is_found_wherever_it_lies(begin: int) -> None:
    hours = [20.0] * 72
    hours[begin : begin + 24] = [28.0] * len(hours[begin : begin + 24])
    assert day(hours) == pytest.approx(28.0, abs=1e-9)


def test_a_day_of_twelve_hot_hours() -> None:
    hours = [20.0] * 30 + [30.0] * 12 + [20.0] * 30
    expected = naive_c([(20.0, 12.0), (30.0, 12.0)])
    assert day(hours) == pytest.approx(expected, abs=1e-9)


def test_after_a_gap_of_days_the_days_before_are_no_window() -> None:
    found = WorstDay()
    for tick in range(6 * 24):
        found.add(tick * 600 * NS, 20.0, 600.0)
    found.add(10 * 86_400 * NS, 30.0, 600.0)
    assert found.temperature_c == pytest.approx(20.0)
