"""Take-off and landing from cabin profiles, and journeys that are none."""

import itertools
from collections.abc import Callable, Iterable

import pytest

from gateway.estimator.flight import FlightChange, FlightMemory, FlightMonitor
from schemas.readings import Fix

NS = 10**9
Profile = list[tuple[float, float]]
FixAt = Callable[[int], tuple[Fix, float | None]]

# (minute, hPa): half an hour of taxi, climb to a cabin of 2,000 m, cruise, descent.
FLIGHT: Profile = [
    (0, 1010), (30, 1010), (50, 795), (140, 795), (165, 1005), (240, 1005)
]  # fmt: skip
TURBOPROP: Profile = [
    (0, 1010),
    (30, 1010),
    (40, 945),
    (100, 945),
    (110, 1000),
    (160, 1000),
]


def at(profile: Profile, minute: float) -> float:
    for (m0, p0), (m1, p1) in itertools.pairwise(profile):
        if m0 <= minute <= m1:
            return p0 + (p1 - p0) * (minute - m0) / (m1 - m0)
    return profile[-1][1]


def no_fix(_second: int) -> tuple[Fix, float | None]:
    return Fix.NONE, None


def fly(
    profile: Profile, fix_at: FixAt | None = no_fix, step_s: int = 5
) -> list[tuple[FlightChange, float]]:
    """Changes with their minutes; the pressure has a noise of +/-0.3 hPa."""
    monitor = FlightMonitor()
    changes = []
    for second in range(0, int(profile[-1][0] * 60), step_s):
        boot_ns = 7 * NS + second * NS
        if fix_at is not None:
            monitor.take_fix(boot_ns, *fix_at(second))
        noise = ((second * 2654435761) % 601 - 300) / 1000
        change = monitor.take_pressure(boot_ns, at(profile, second / 60) + noise)
        if change is not None:
            changes.append((change, second / 60))
    return changes


def kinds(changes: Iterable[tuple[FlightChange, float]]) -> list[FlightChange]:
    return [change for change, _minute in changes]


BOTH = [FlightChange.TOOK_OFF, FlightChange.LANDED]


@pytest.mark.parametrize("step_s", [1, 5, 30])
def test_flight_in_the_hold_without_a_fix(step_s: int) -> None:
    changes = fly(FLIGHT, step_s=step_s)
    assert kinds(changes) == BOTH
    (_, off), (_, on) = changes
    assert 30 < off < 36
    assert 165 < on < 200


def test_flight_without_any_receiver() -> None:
    assert kinds(fly(FLIGHT, fix_at=None)) == BOTH


def test_flight_with_a_fix_and_its_speed() -> None:
    def fix_at(second: int) -> tuple[Fix, float | None]:
        return Fix.FIX_3D, (230.0 if 30 * 60 < second < 165 * 60 else 8.0)

    changes = fly(FLIGHT, fix_at)
    assert kinds(changes) == BOTH
    (_, off), (_, on) = changes
    assert 30 < off < 36
    # A road speed shows the ground sooner than level pressure alone.
    assert 170 < on < 180


def test_a_fix_that_is_lost_in_the_climb_delays_little() -> None:
    def fix_at(second: int) -> tuple[Fix, float | None]:
        return (Fix.FIX_3D, 55.0) if second < 31 * 60 else (Fix.NONE, None)

    (_, off), _landed = fly(FLIGHT, fix_at)
    assert 31 < off < 37


def test_a_receiver_that_was_unplugged_says_nothing() -> None:
    monitor = FlightMonitor()
    monitor.take_fix(0, Fix.FIX_3D, 8.0)
    found = [
        monitor.take_pressure(second * NS, at(FLIGHT, second / 60))
        for second in range(0, 60 * 60, 5)
    ]
    assert FlightChange.TOOK_OFF in found[: 36 * 12]


def test_the_last_speed_before_a_flight_does_not_land_it() -> None:
    def fix_at(second: int) -> tuple[Fix, float | None]:
        return (Fix.FIX_3D, 8.0) if second < 20 * 60 else (Fix.NONE, None)

    low: Profile = [(0, 1010), (30, 1010), (40, 945), (100, 945)]
    assert kinds(fly(low, fix_at)) == [FlightChange.TOOK_OFF]


def test_a_low_cabin_at_cruise_is_not_on_the_ground() -> None:
    changes = fly(TURBOPROP)
    assert kinds(changes) == BOTH
    assert changes[1][1] > 110


def test_a_fix_in_flight_is_not_the_ground_however_level_the_cabin() -> None:
    def fix_at(second: int) -> tuple[Fix, float | None]:
        return Fix.FIX_3D, (130.0 if second > 30 * 60 else 8.0)

    low: Profile = [(0, 1010), (30, 1010), (40, 945), (240, 945)]
    assert kinds(fly(low, fix_at)) == [FlightChange.TOOK_OFF]


def test_a_fix_without_a_speed_is_not_a_road_speed() -> None:
    def fix_at(second: int) -> tuple[Fix, float | None]:
        return (Fix.NONE, None) if second < 60 * 60 else (Fix.FIX_2D, None)

    low: Profile = [(0, 1010), (30, 1010), (40, 945), (100, 945)]
    assert kinds(fly(low, fix_at)) == [FlightChange.TOOK_OFF]


def test_after_hours_of_level_pressure_the_radio_comes_back() -> None:
    plateau: Profile = [(0, 1010), (30, 1010), (40, 945), (260, 945)]
    changes = fly(plateau)
    assert kinds(changes) == BOTH
    assert changes[1][1] == pytest.approx(220, abs=5)


def test_mountain_road_with_a_fix_is_no_flight() -> None:
    # 9 hPa a minute for 20 minutes: steeper than a cabin climbs.
    road: Profile = [(0, 1000), (20, 1000), (40, 820), (60, 820), (80, 1000)]
    assert fly(road, lambda _s: (Fix.FIX_3D, 22.0)) == []
    assert fly(road, lambda _s: (Fix.FIX_2D, None)) == []


def test_tunnels_on_a_mountain_road_are_no_flight() -> None:
    # Five minutes of tunnel in every ten, on a climb of 4 hPa a minute.
    road: Profile = [(0, 1000), (10, 1000), (50, 840), (70, 840)]

    def fix_at(second: int) -> tuple[Fix, float | None]:
        return (Fix.NONE, None) if second % 600 < 300 else (Fix.FIX_3D, 20.0)

    assert fly(road, fix_at) == []


def test_a_valley_road_without_a_fix_is_no_flight() -> None:
    # 2 hPa a minute up a gorge and down again, and weather of 2 hPa an hour.
    road: Profile = [(0, 1000), (10, 1000), (40, 940), (60, 938), (90, 1000)]
    assert fly(road) == []


def test_a_long_fast_train_is_no_flight() -> None:
    # 300 km/h over rolling country: 20 hPa up and down every quarter of an hour.
    line: Profile = [(15.0 * i, 1000.0 - 20 * (i % 2)) for i in range(13)]
    assert fly(line, lambda _s: (Fix.FIX_3D, 84.0)) == []


def test_a_weather_front_and_a_lift_are_no_flight() -> None:
    front: Profile = [(0, 1020), (600, 975)]
    assert fly(front, step_s=30) == []
    lift: Profile = [(0, 1013), (30, 1013), (31, 983), (60, 983)]
    assert fly(lift) == []


def test_a_landing_at_a_high_airport_waits_for_a_fix_or_time() -> None:
    quito: Profile = [
        (0, 1010),
        (30, 1010),
        (50, 780),
        (140, 780),
        (150, 735),
        (240, 735),
    ]
    assert kinds(fly(quito, lambda _s: (Fix.NONE, None))) == [FlightChange.TOOK_OFF]


def test_two_flights_in_a_row() -> None:
    twice = FLIGHT + [(minute + 240, hpa) for minute, hpa in FLIGHT]
    assert kinds(fly(twice)) == BOTH * 2


def test_memory_is_bounded_whatever_the_rate() -> None:
    monitor = FlightMonitor()
    for tick in range(30_000):
        monitor.take_pressure(tick * NS // 10, 1000.0)
    assert len(monitor._pressures) <= 30_000 // 100 + 1


def test_a_jet_is_silent_before_its_cabin_has_fallen_by_40_hpa() -> None:
    (_, off), _landed = fly(FLIGHT)
    # 10.75 hPa a minute from minute 30 on: 40 hPa would be minute 33.7.
    assert 30 < off < 32.6


def test_with_an_aircraft_s_speed_ten_hpa_are_enough() -> None:
    changes = fly(FLIGHT, lambda s: (Fix.FIX_3D, 90.0 if s > 30 * 60 else 8.0))
    assert changes[0][0] is FlightChange.TOOK_OFF
    assert 30 < changes[0][1] < 31.5


def resumed(memory: FlightMemory, profile: Profile) -> list[FlightChange]:
    monitor = FlightMonitor()
    monitor.resume(memory)
    found = [
        monitor.take_pressure(second * NS, at(profile, second / 60))
        for second in range(0, int(profile[-1][0] * 60), 5)
    ]
    return [change for change in found if change is not None]


def test_silence_survives_a_restart_in_flight() -> None:
    monitor = FlightMonitor()
    for second in range(0, 60 * 60, 5):
        monitor.take_pressure(second * NS, at(FLIGHT, second / 60))
    assert monitor.memory.is_airborne
    again = FlightMonitor()
    again.resume(monitor.memory)
    assert again.is_airborne
    rest: Profile = [(0, 795), (80, 795), (105, 1005), (180, 1005)]
    assert resumed(monitor.memory, rest) == [FlightChange.LANDED]


def test_a_run_that_begins_in_a_cabin_knows_it_by_the_ground_before() -> None:
    cabin: Profile = [(0, 795), (30, 795)]
    assert resumed(FlightMemory(latest_hpa=1009.0), cabin) == [FlightChange.TOOK_OFF]
    # A depot in the Andes remembers its own pressure; a new gateway nothing.
    assert resumed(FlightMemory(latest_hpa=790.0), cabin) == []
    assert resumed(FlightMemory(), cabin) == []


def test_a_fix_at_road_speed_lands_it_at_any_height() -> None:
    quito: Profile = [(0, 1010), (30, 1010), (50, 780), (140, 780), (150, 735)]
    long = [*quito, (240.0, 735.0)]

    def fix_at(second: int) -> tuple[Fix, float | None]:
        return (Fix.FIX_3D, 12.0) if second > 160 * 60 else (Fix.NONE, None)

    assert kinds(fly(long, fix_at)) == BOTH
