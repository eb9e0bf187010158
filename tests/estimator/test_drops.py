"""Drops, kicks and tosses from a simulator that shares no code with the estimator."""

from collections import Counter

import numpy as np
import pytest

from firmware_sim import mishandling
from firmware_sim.mishandling import Mishap, Recording
from firmware_sim.shock import LOW, RANGES, Range
from gateway.estimator.drops import Ruggedness, Trace, assess
from schemas.findings import Handling, ShockFinding
from schemas.units import STANDARD_GRAVITY_M_S2

RUGGED = Ruggedness(0.25, 0.1, 980.0, 6.1)
# RMSE of the height that 10 ms of timing would cost. Source: DOMAIN 4.1.
HEIGHTS = {0.1: 0.14, 0.3: 0.08, 0.457: 0.07, 0.762: 0.05, 1.2: 0.04}


def trace(recording: Recording) -> Trace:
    sensor = recording.sensor
    samples = recording.samples.astype(np.float64) * (sensor.scale_um_s2 / 1e6)
    return Trace(samples, sensor.rate_hz, sensor.corner_hz, recording.start_s)


def assessed(mishap: Mishap, rng: np.random.Generator) -> ShockFinding:
    low, high = mishandling.record(mishap, rng)
    return assess(trace(high), trace(low), RUGGED)


@pytest.mark.parametrize("height_m", HEIGHTS)
def test_heights_of_tumbling_off_centre_noisy_drops(height_m: float) -> None:
    rng = np.random.default_rng(round(1000 * height_m))
    found = [assessed(mishandling.drop(height_m, rng), rng) for _ in range(40)]
    drops = [one for one in found if one.handling is Handling.DROP]
    assert len(drops) >= 36
    errors = np.array([(one.drop_height_m or 0.0) / height_m - 1 for one in drops])
    assert np.sqrt(np.mean(errors**2)) < HEIGHTS[height_m]
    covered = [
        abs((one.drop_height_m or 0.0) - height_m) <= 2 * (one.drop_height_u_m or 0.0)
        for one in drops
    ]
    assert np.mean(covered) >= 0.95


@pytest.mark.parametrize("rate_hz", [400, 800, 1600])
def test_a_faster_low_range_gives_the_same_height(
    rate_hz: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    low = Range(rate_hz, rate_hz // 2, 5_000, 16 * STANDARD_GRAVITY_M_S2)
    monkeypatch.setitem(RANGES, LOW, low)
    rng = np.random.default_rng(17)
    for _ in range(8):
        found = assessed(mishandling.drop(0.5, rng), rng)
        assert found.handling is Handling.DROP
        assert found.drop_height_m == pytest.approx(0.5, rel=0.05)


def test_the_confusion_matrix_of_the_published_mix() -> None:
    rng = np.random.default_rng(24)
    told: Counter[tuple[str, str]] = Counter()
    for _ in range(240):
        mishap = mishandling.draw(rng)
        told[mishap.kind, assessed(mishap, rng).handling.value] += 1
    for kind in mishandling.KINDS:
        total = sum(count for (true, _said), count in told.items() if true == kind)
        assert total > 40
        assert told[kind, kind] / total >= 0.90, told


def test_velocity_change_and_its_uncertainty() -> None:
    rng = np.random.default_rng(7)
    away = []
    for _ in range(60):
        mishap = mishandling.kick(float(rng.uniform(1.0, 4.0)), rng)
        found = assessed(mishap, rng)
        error = found.velocity_change_m_s - mishap.velocity_change_m_s
        away.append(error / found.velocity_change_u_m_s)
    assert abs(np.mean(away)) < 0.5
    assert np.mean(np.abs(away) < 2) >= 0.85


def half_sine(peak_m_s2: float, last_s: float, rate_hz: float = 51_200.0) -> Trace:
    times_s = np.arange(round(0.1 * rate_hz)) / rate_hz - 0.025
    inside = (times_s > 0) & (times_s < last_s)
    blow = np.where(inside, peak_m_s2 * np.sin(np.pi * times_s / last_s), 0.0)
    return Trace(np.outer(blow, [0.0, 0.6, 0.8]), rate_hz, rate_hz / 2, -0.025)


def test_a_half_sine_of_50_g_and_11_ms() -> None:
    found = assess(half_sine(50 * STANDARD_GRAVITY_M_S2, 0.011), None, RUGGED)
    # 10 % of the peak on both sides: 1.3 % of the velocity, 6.4 % of the time.
    assert found.velocity_change_m_s == pytest.approx(3.434, rel=0.015)
    assert found.peak_m_s2 == pytest.approx(490.3, rel=1e-3)
    assert found.duration_s == pytest.approx(0.011 * 0.936, rel=0.01)
    assert found.handling is Handling.UNCLASSED
    assert found.fall_s is None


def test_a_free_fall_of_495_ms_is_1_20_m() -> None:
    rate_hz = 400.0
    times_s = np.arange(round(1.26 * rate_hz)) / rate_hz - 1.2
    force = np.where(times_s < -0.495, STANDARD_GRAVITY_M_S2, 0.0)
    low = Trace(np.outer(force, [0.0, 0.0, 1.0]), rate_hz, 200.0, -1.2)
    found = assess(half_sine(600.0, 0.016), low, RUGGED)
    assert found.drop_height_m == pytest.approx(1.20, abs=0.012)
    assert found.handling is Handling.DROP


@pytest.mark.parametrize(
    ("peak_m_s2", "last_s", "ratio"),
    [
        (2000.0, 0.002, 0.417),  # hard and short: 2.5 m/s
        (490.0, 0.02, 0.5),  # long and soft
        (2 * 980.0, 0.0098, 2.0),
    ],
)
def test_damage_needs_acceleration_and_velocity(
    peak_m_s2: float, last_s: float, ratio: float
) -> None:
    found = assess(half_sine(peak_m_s2, last_s), None, RUGGED)
    assert found.damage_ratio == pytest.approx(ratio, rel=0.03)
    assert assess(half_sine(peak_m_s2, last_s), None, Ruggedness()).damage_ratio is None


def test_a_clipped_blow_says_so() -> None:
    whole = half_sine(3000.0, 0.006, 3200.0)
    clipped = Trace(np.clip(whole.samples, -1961.3, 1961.3), 3200.0, 1600.0, -0.025)
    assert assess(clipped, None, RUGGED).is_clipped
    assert not assess(whole, None, RUGGED).is_clipped


def test_a_package_that_lies_still_has_not_fallen() -> None:
    rng = np.random.default_rng(3)
    force = STANDARD_GRAVITY_M_S2 + rng.normal(0.0, 0.05, (504, 3)) * [1, 1, 1]
    force[:, :2] -= STANDARD_GRAVITY_M_S2
    low = Trace(force, 400.0, 200.0, -1.2)
    assert assess(half_sine(400.0, 0.01), low, RUGGED).handling is Handling.KICK


def test_the_spectrum_is_short_on_the_wire_and_true_to_a_thousandth() -> None:
    found = assess(half_sine(490.0, 0.011, 3200.0), None, RUGGED)
    assert len(found.srs_maximax_m_s2) == 66
    assert max(found.srs_maximax_m_s2) == pytest.approx(1.65 * 490.0, rel=0.01)
    assert all(value == float(np.float16(value)) for value in found.srs_maximax_m_s2)


def test_whatever_comes_is_assessed() -> None:
    rng = np.random.default_rng(5)
    for _ in range(60):
        size = int(rng.integers(16, 400))
        high = Trace(rng.normal(0, 10 ** rng.uniform(-2, 3), (size, 3)), 3200.0, 1600.0)
        low = Trace(rng.normal(0, 10, (int(rng.integers(1, 400)), 3)), 400.0, 200.0)
        found = assess(high, low, RUGGED)
        assert np.isfinite(found.peak_m_s2)
        assert np.isfinite(found.velocity_change_m_s)
        assert all(np.isfinite(found.srs_maximax_m_s2))
    flat = Trace(np.zeros((40, 3)), 3200.0, 1600.0)
    assert assess(flat, None, RUGGED).peak_m_s2 == 0.0
