"""Excursions: possible, certain, over; with dwell, hysteresis, and gaps."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.estimator.cold_chain import Calibration, ThermalMonitor
from gateway.estimator.excursion import DWELL_NS, EXPANDED_U_C, Excursion, Stage
from schemas.contents import ProductLimits

NS = 10**9
MINUTE_NS = 60 * NS
LIMITS = ProductLimits(temperature_max_c=25.0, temperature_min_c=5.0)
FROZEN = ProductLimits(temperature_max_c=25.0, temperature_min_c=0.0)
POSSIBLE, CERTAIN, OVER = Stage.POSSIBLE, Stage.CERTAIN, Stage.OVER


def follow(
    values: list[tuple[float, float]], limits: ProductLimits = LIMITS
) -> list[Excursion]:
    """Feed (minute, temperature); return what was stated."""
    monitor = ThermalMonitor(limits, Calibration())
    found = [monitor.take(round(m * MINUTE_NS), value) for m, value in values]
    return [excursion for several in found for excursion in several]


def hold(from_minute: int, to_minute: int, value: float) -> list[tuple[float, float]]:
    return [(float(m), value) for m in range(from_minute, to_minute)]


def stages(found: list[Excursion]) -> list[Stage]:
    return [excursion.stage for excursion in found]


def test_stated_once_after_the_dwell_and_once_when_over() -> None:
    values = hold(0, 5, 20.0) + hold(5, 40, 27.0) + [(40.0, 29.5)] + hold(41, 45, 20.0)
    begun, over = follow(values)
    assert (begun.from_boot_ns, begun.to_boot_ns) == (5 * MINUTE_NS, 14 * MINUTE_NS)
    assert (begun.limit_c, begun.stage) == (25.0, CERTAIN)
    assert (over.from_boot_ns, over.to_boot_ns) == (5 * MINUTE_NS, 41 * MINUTE_NS)
    assert (over.extreme_c, over.stage) == (29.5, OVER)
    assert over.certain_ns == 36 * MINUTE_NS
    assert over.degree_minutes == pytest.approx(35 * 2.0 + 4.5)


def test_cold_is_an_excursion_too() -> None:
    begun, over = follow([*hold(0, 12, 3.0), (12.0, 1.0), *hold(13, 15, 8.0)])
    assert (begun.limit_c, begun.extreme_c, begun.is_high) == (5.0, 3.0, False)
    assert (over.extreme_c, over.stage) == (1.0, OVER)


def test_freezing_does_not_wait_ten_minutes() -> None:
    begun, _over = follow(
        [*hold(0, 2, 3.0), (2.0, -1.0), (3.0, -1.0), *hold(4, 9, 3.0)], FROZEN
    )
    assert (begun.stage, begun.from_boot_ns) == (CERTAIN, 2 * MINUTE_NS)


def test_exactly_zero_degrees_is_a_temperature() -> None:
    (begun,) = follow(hold(0, 12, 0.0))
    assert begun.extreme_c == 0.0


def test_without_a_lower_limit_cold_is_no_excursion() -> None:
    assert follow(hold(0, 60, -40.0), ProductLimits(temperature_max_c=30.0)) == []


@pytest.mark.parametrize("value", [24.6, 25.0, 25.4, 25.0 + EXPANDED_U_C, 5.0, 4.5])
def test_what_the_sensor_cannot_tell_is_possible_and_never_certain(
    value: float,
) -> None:
    assert stages(follow(hold(0, 60, value))) == [POSSIBLE]


@pytest.mark.parametrize("value", [24.5, 5.5, 15.0])
def test_what_the_sensor_can_tell_to_be_inside_is_inside(value: float) -> None:
    assert follow(hold(0, 60, value)) == []


def test_possible_becomes_certain_and_is_over_once() -> None:
    values = hold(0, 15, 25.2) + hold(15, 40, 26.0) + hold(40, 45, 20.0)
    assert stages(follow(values)) == [POSSIBLE, CERTAIN, OVER]


def test_nine_minutes_are_no_excursion() -> None:
    assert follow(hold(0, 9, 27.0) + hold(9, 30, 20.0)) == []


def test_a_gap_is_neither_in_nor_out() -> None:
    assert follow([(0.0, 27.0), (120.0, 27.0), (121.0, 20.0)]) == []
    monitor = ThermalMonitor(LIMITS, Calibration(0.5, "C-1", 10**18))
    for minute, value in [(0.0, 20.0), (120.0, 20.0), (121.0, 20.0)]:
        monitor.take(round(minute * MINUTE_NS), value)
    summary = monitor.summary("s", 121 * MINUTE_NS, 0)
    assert (summary.known_ns, summary.gap_ns) == (2 * MINUTE_NS, 119 * MINUTE_NS)
    assert not summary.is_gdp_valid
    assert summary.reasons == ("a gap of 119 min without a reading",)


def test_the_hysteresis_keeps_one_excursion_one() -> None:
    values = [*hold(0, 12, 27.0), (12.0, 24.9), (13.0, 25.2), (14.0, 24.6)]
    assert stages(follow([*values, *hold(15, 30, 27.0)])) == [CERTAIN]
    assert stages(follow([*values, (15.0, 24.5)])) == [CERTAIN, OVER]


def test_from_hot_to_cold_at_once_is_two_excursions() -> None:
    hot, over, cold = follow(hold(0, 12, 27.0) + hold(12, 30, -2.0))
    assert (hot.limit_c, hot.stage) == (25.0, CERTAIN)
    assert (over.limit_c, over.stage, over.extreme_c) == (25.0, OVER, 27.0)
    assert (cold.limit_c, cold.stage, cold.extreme_c) == (5.0, CERTAIN, -2.0)


def test_a_clock_of_readings_that_goes_back_counts_nothing() -> None:
    monitor = ThermalMonitor(LIMITS, Calibration())
    times = [20 * MINUTE_NS, 5 * MINUTE_NS] * 50
    assert [monitor.take(at, 27.0) for at in times] == [[]] * 100


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(-20.0, 50.0)), max_size=80),
)
def test_each_side_goes_from_possible_to_certain_to_over(
    steps: list[tuple[float, float]],
) -> None:
    minute = 0.0
    values = []
    for step, value in steps:
        minute += step
        values.append((minute, value))
    follows = {(None, POSSIBLE), (None, CERTAIN), (POSSIBLE, CERTAIN)}
    follows |= {(POSSIBLE, OVER), (CERTAIN, OVER)}
    before: dict[bool, Stage | None] = {True: None, False: None}
    for excursion in follow(values):
        last = before[excursion.is_high]
        assert (None if last is OVER else last, excursion.stage) in follows
        before[excursion.is_high] = excursion.stage
        assert excursion.from_boot_ns <= excursion.to_boot_ns
        if excursion.stage is CERTAIN:
            assert excursion.certain_ns >= DWELL_NS
            assert excursion.degree_minutes > 10 * EXPANDED_U_C


# -- the record of the trip ----------------------------------------------------------

DUE_NS = 1_800_000_000 * NS


@pytest.mark.parametrize(
    ("calibration", "utc_ns", "reason"),
    [
        (Calibration(0.5, "C-1", DUE_NS), DUE_NS, None),
        (
            Calibration(0.5, "C-1", DUE_NS),
            DUE_NS + 1,
            "calibration certificate C-1 has expired",
        ),
        (
            Calibration(0.5, "C-1", DUE_NS),
            None,
            "the date is not known: the certificate cannot be judged",
        ),
        (Calibration(), DUE_NS, "no calibration certificate"),
        (
            Calibration(0.5, "C-1"),
            DUE_NS,
            "the calibration certificate names no end",
        ),
    ],
)
def test_a_record_is_gdp_valid_by_its_certificate(
    calibration: Calibration, utc_ns: int | None, reason: str | None
) -> None:
    monitor = ThermalMonitor(LIMITS, calibration)
    for minute in range(5):
        monitor.take(minute * MINUTE_NS, 20.0)
    summary = monitor.summary("s", 4 * MINUTE_NS, utc_ns)
    assert summary.is_gdp_valid is (reason is None)
    assert summary.reasons == (() if reason is None else (reason,))


def test_times_out_of_range_add_up_over_legs_and_a_restart() -> None:
    first = ThermalMonitor(LIMITS, Calibration(0.5, "C-1", DUE_NS))
    for minute, value in hold(0, 21, 27.0):
        first.take(round(minute * MINUTE_NS), value)
    second = ThermalMonitor(LIMITS, Calibration(0.5, "C-1", DUE_NS))
    second.resume(first.state)
    for minute, value in hold(0, 11, 27.0):
        second.take(round(minute * MINUTE_NS), value)
    unknown = second.summary("s", 10 * MINUTE_NS, 0)
    assert "a restart of unknown length" in unknown.reasons
    second.was_away(3 * MINUTE_NS)
    summary = second.summary("s", 10 * MINUTE_NS, 0)
    assert summary.certain_high_ns == summary.known_ns == 30 * MINUTE_NS
    assert (summary.gap_ns, summary.is_gdp_valid) == (3 * MINUTE_NS, True)
    assert summary.kinetic_c == pytest.approx(27.0)


def test_possible_and_certain_time_are_apart() -> None:
    monitor = ThermalMonitor(LIMITS, Calibration())
    for minute, value in hold(0, 10, 25.2) + hold(10, 15, 26.0) + hold(15, 20, 20.0):
        monitor.take(round(minute * MINUTE_NS), value)
    summary = monitor.summary("s", 19 * MINUTE_NS, None)
    assert (summary.possible_high_ns, summary.certain_high_ns) == (
        9 * MINUTE_NS,
        5 * MINUTE_NS,
    )
    assert (summary.minimum_c, summary.maximum_c) == (20.0, 26.0)
