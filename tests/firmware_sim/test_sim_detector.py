"""Counting statistics against renewal theory, seeded."""

import numpy as np
import pytest

from firmware_sim import detector
from firmware_sim.detector import CountingTube, DeadTime, draw_tubes
from firmware_sim.randomness import Wander, stream
from firmware_sim.scenario import load_scenario, scenario_path

TAU_S = 190e-6


def counts(
    rate_per_s: float, seconds: float, runs: int, tau_s: float = TAU_S
) -> list[int]:
    tube = CountingTube(DeadTime(tau_s), stream(11, "test"))
    return [tube.counts(rate_per_s, seconds) for _ in range(runs)]


@pytest.mark.parametrize("rate_per_s", [0.35, 3.9, 444.0, 4400.0])
def test_gap_by_gap_has_the_mean_and_variance_of_renewal_theory(
    rate_per_s: float,
) -> None:
    seconds = min(10.0, 1500 / rate_per_s)
    drawn = np.array(counts(rate_per_s, seconds, 4000))
    loaded = 1 + rate_per_s * TAU_S
    mean = rate_per_s * seconds / loaded
    variance = mean / loaded**2
    assert drawn.mean() == pytest.approx(mean, abs=4 * (variance / 4000) ** 0.5)
    assert drawn.var() == pytest.approx(variance, rel=0.10)


def test_dead_time_test_vector() -> None:
    # DOMAIN test vector 11: 90 us, true 298.8 /s, observed 290.98 /s.
    drawn = counts(298.8, 5.0, 3000, 90e-6)
    assert sum(drawn) / 15_000 == pytest.approx(290.98, rel=0.003)


@pytest.mark.parametrize("prolonged", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("rate_per_s", [0.5, 444.0, 4400.0])
def test_the_renewal_law_is_that_of_counts_one_by_one(
    rate_per_s: float, prolonged: float
) -> None:
    # 100 intervals of the longest kind that is counted one by one, against the law
    # that takes over behind it.
    dead_time = DeadTime(TAU_S * (1 - prolonged), TAU_S * prolonged)
    seconds = min(detector.ONE_BY_ONE_UP_TO_S, 200_000 / rate_per_s)
    tube = CountingTube(dead_time, stream(12, f"test {rate_per_s} {prolonged}"))
    drawn = np.array([tube.counts(rate_per_s, seconds) for _ in range(100)])
    moments = dead_time.count_moments(np.array(rate_per_s), seconds)
    mean, variance = (float(one) for one in moments)
    # 100 runs know the mean to a tenth of a deviation, the variance to 14 %.
    assert drawn.mean() == pytest.approx(mean, abs=3.5 * (variance / 100) ** 0.5)
    assert drawn.var(ddof=1) == pytest.approx(variance, rel=0.5)


def test_longer_intervals_are_drawn_from_the_renewal_law() -> None:
    dead_time = DeadTime(0.95 * TAU_S, 0.05 * TAU_S)
    tube = CountingTube(dead_time, stream(14, "test"))
    drawn = np.array([tube.counts(4400.0, 3600.0) for _ in range(4000)])
    moments = dead_time.count_moments(np.array(4400.0), 3600.0)
    mean, variance = (float(one) for one in moments)
    assert drawn.mean() == pytest.approx(mean, abs=4 * (variance / 4000) ** 0.5)
    assert drawn.var() == pytest.approx(variance, rel=0.10)


def test_blindness_carries_over_the_edge_of_an_interval() -> None:
    # In steps far shorter than tau the long-run rate must not change.
    tube = CountingTube(DeadTime(0.01), stream(13, "test"))
    total = sum(tube.counts(200.0, 0.001) for _ in range(20_000))
    assert total / 20.0 == pytest.approx(200 / (1 + 2.0), rel=0.04)


def test_no_rate_no_counts() -> None:
    assert counts(0.0, 10.0, 3) == [0, 0, 0]


def test_tubes_scatter_about_the_nominal() -> None:
    container = load_scenario(scenario_path("pluvicto")).container
    tubes = [tube for seed in range(200) for tube in draw_tubes(container, seed)]
    sensitivity = np.log([tube.sensitivity for tube in tubes])
    assert sensitivity.std() == pytest.approx(0.10, rel=0.10)
    assert abs(sensitivity.mean()) < 0.015
    whole = [tube.dead_time.fixed_s + tube.dead_time.prolonged_s for tube in tubes]
    dead = np.log(np.array(whole) / TAU_S)
    assert dead.std() == pytest.approx(0.03, rel=0.10)
    drift = np.array([tube.temperature_per_k for tube in tubes])
    assert drift.std() == pytest.approx(0.002, rel=0.10)


def test_a_tube_drifts_with_temperature() -> None:
    tube = detector.TubeTruth(1.1, DeadTime(TAU_S), 0.002)
    assert tube.rate_per_s(2.0, 25.0) == pytest.approx(2.2)
    assert tube.rate_per_s(2.0, 15.0) == pytest.approx(2.2 * np.exp(-0.02))


def test_wander_is_stationary_for_any_step() -> None:
    for seconds in (1.0, 600.0):
        walk = Wander(stream(3, f"walk {seconds}"), 2.0, 300.0)
        values = [walk.step(seconds) for _ in range(20_000)]
        assert np.std(values) == pytest.approx(2.0, rel=0.25)
