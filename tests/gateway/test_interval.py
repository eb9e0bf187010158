"""What a closed interval says: absent is absent, 0 is a reading, noise counts."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.interval import Interval
from schemas.readings import (
    AccelerationReading,
    CountReading,
    Lid,
    LightReading,
    Noise,
    NoiseReason,
    OrientationReading,
    PressureReading,
    SupplyReading,
    TemperatureReading,
)
from schemas.records import SensorSummary

T = "board/temperature-0"
NS = 10**9


def temperatures(*values: float | None) -> tuple[SensorSummary, ...]:
    interval = Interval(0)
    for value in values:
        interval.take("board", TemperatureReading(T, value))
    return interval.sensors()


def test_missing_values_are_counted_and_absent() -> None:
    (found,) = temperatures(None, None)
    assert found == SensorSummary(T, "temperature_c", count=2, valid=0)
    assert found.mean is found.minimum is found.maximum is found.latest is None


def test_exactly_zero_is_a_reading() -> None:
    (found,) = temperatures(0.0)
    assert found == SensorSummary(T, "temperature_c", 1, 1, 0.0, 0.0, 0.0, 0.0)


def test_a_missing_value_pulls_no_mean() -> None:
    (found,) = temperatures(-4.0, None, -2.0, None)
    assert found == SensorSummary(T, "temperature_c", 4, 2, -3.0, -4.0, -2.0, -2.0)


def test_what_is_no_number_is_missing() -> None:
    (found,) = temperatures(math.nan, 5.0, math.inf)
    assert (found.count, found.valid, found.mean) == (3, 1, 5.0)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.none(), st.floats(-60, 130)), min_size=1, max_size=60))
def test_summary_is_that_of_the_values(values: list[float | None]) -> None:
    (found,) = temperatures(*values)
    known = [value for value in values if value is not None]
    assert (found.count, found.valid) == (len(values), len(known))
    if known:
        assert found.mean == pytest.approx(sum(known) / len(known), abs=1e-9)
        assert found.mean is not None
        assert min(known) == found.minimum
        assert min(known) <= found.mean <= max(known)
        assert max(known) == found.maximum
        assert found.latest == known[-1]


def test_all_quantities_in_order_of_name() -> None:
    interval = Interval(0)
    interval.take("board", SupplyReading("board/supply-0", 12.1, -0.4))
    interval.take("board", PressureReading("board/pressure-0", 1013.0))
    interval.take("board", LightReading("board/light-0", 0.0, Lid.CLOSED))
    acceleration = AccelerationReading("board/acceleration-0", 0, 0, -9.8, 9.7, 9.9)
    interval.take("board", acceleration)
    found = {(s.sensor, s.quantity): s.latest for s in interval.sensors()}
    assert list(found) == sorted(found)
    assert found["board/light-0", "illuminance_lx"] == 0.0
    assert found["board/supply-0", "charge_ratio"] is None
    assert found["board/acceleration-0", "max_acceleration_m_s2"] == 9.9
    assert interval.mean("board/pressure-0", "pressure_hpa") == 1013.0
    assert interval.mean("board/supply-0", "charge_ratio") is None
    assert interval.mean("board/none", "pressure_hpa") is None


def count(counts: int, live_ns: int | None, **changes: bool | float) -> CountReading:
    return CountReading(
        "board/detector-0",
        counts,
        NS,
        live_ns,
        is_valid=bool(changes.get("is_valid", True)),
        is_saturated=bool(changes.get("is_saturated", False)),
        temperature_c=changes.get("temperature_c"),
    )


def test_counts_add_up_over_the_valid_intervals() -> None:
    interval = Interval(0)
    for reading in (
        count(5, 990_000_000, temperature_c=20.0),
        count(0, NS, temperature_c=22.0),
        count(999, NS, is_valid=False),
        count(999, 1, is_saturated=True),
        count(2, None),
    ):
        interval.take("board", reading)
    (found,) = interval.detectors()
    assert (found.counts, found.intervals, found.valid) == (7, 5, 3)
    assert (found.live_time_ns, found.real_time_ns) == (2_990_000_000, 3 * NS)
    assert found.temperature_c == 21.0


def test_a_detector_without_a_valid_interval_has_no_live_time() -> None:
    interval = Interval(0)
    interval.take("board", count(4, NS, is_valid=False))
    (found,) = interval.detectors()
    assert (found.counts, found.live_time_ns, found.valid) == (0, 0, 0)
    assert found.temperature_c is None


def test_noise_is_counted_by_what_it_cost() -> None:
    interval = Interval(0)
    interval.take_noise("board", Noise("board", NoiseReason.LOST, 12))
    interval.take_noise("board", Noise("board", NoiseReason.REPEATED, 2))
    interval.take_noise("board", Noise("board", NoiseReason.CHECKSUM, 80))
    interval.take_noise("board", Noise("board", NoiseReason.FRAMING, 80))
    interval.take("board", TemperatureReading(T, None))
    board, gps = interval.lines({"board": True, "gps": False})
    assert (board.readings, board.noise, board.lost, board.repeated) == (1, 2, 12, 2)
    assert (board.is_open, gps.is_open) == (True, False)
    assert (gps.readings, gps.noise, gps.lost, gps.repeated) == (0, 0, 0, 0)


def test_attitude_is_the_mean_and_absent_without_a_reading() -> None:
    interval = Interval(0)
    assert interval.attitude() is None
    interval.take("board", OrientationReading("board/orientation-0", 0.0, 0.0, -1.0))
    interval.take("board", OrientationReading("board/orientation-0", 1.0, 0.0, 0.0))
    assert interval.attitude() == (0.5, 0.0, -0.5)


def test_an_empty_interval_says_nothing() -> None:
    interval = Interval(5)
    assert (interval.sensors(), interval.detectors()) == ((), ())
    assert interval.lines({}) == ()
