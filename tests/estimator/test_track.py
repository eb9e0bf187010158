"""Fixes through the filter: jumps found, none invented; places, dwell and route."""

import math

import msgspec
import numpy as np
import pytest

from gateway.estimator.geofence import Fences, Point, distance_m
from gateway.estimator.track import REJECTIONS, Step, Track
from gateway.sensors.nmea import Decoder
from schemas.findings import Place
from schemas.readings import Fix, PositionReading
from tests.captures import capture

NS = 10**9
METRES_PER_DEGREE = 111_194.9
STATIONARY = ("bu353s4", "hab-gpspi", "telit-he910", "ublox-neo-m9n-nmea")


def fix(
    north_m: float = 0.0, east_m: float = 0.0, **values: float | None
) -> PositionReading:
    return PositionReading(
        "gps/position",
        Fix.FIX_3D,
        latitude_deg=45.0 + north_m / METRES_PER_DEGREE,
        longitude_deg=8.0 + east_m / METRES_PER_DEGREE / math.cos(math.radians(45.0)),
        altitude_m=values.get("altitude_m", 250.0),
        speed_m_s=values.get("speed_m_s"),
        hdop=values.get("hdop", 1.0),
        measured_at_ns=None,
        satellites=10,
    )


def follow(
    fixes: list[tuple[float, PositionReading]], track: Track | None = None
) -> list[Step]:
    track = track or Track()
    found = [track.take(reading, round(at_s * NS), None) for at_s, reading in fixes]
    return [step for step in found if step is not None]


# -- real receivers ------------------------------------------------------------------


def fixes_of(name: str) -> list[tuple[int, PositionReading]]:
    """(ns since the first date, reading) of a capture's fixes."""
    found = [
        item
        for item in Decoder("gps").feed(capture("gps", name))
        if isinstance(item, PositionReading) and item.fix is not Fix.NONE
    ]
    dated = [r.measured_at_ns for r in found if r.measured_at_ns is not None]
    latest, readings = dated[0], []
    for reading in found:
        latest = max(latest, reading.measured_at_ns or latest)
        readings.append((latest - dated[0], reading))
    return readings


def jumps(fixes: list[tuple[int, PositionReading]]) -> list[Step]:
    track = Track()
    steps = [track.take(reading, NS + at_ns, None) for at_ns, reading in fixes]
    return [step for step in steps if step is not None and step.jump is not None]


@pytest.mark.captures
@pytest.mark.parametrize("name", STATIONARY)
def test_a_receiver_that_stands_still_does_not_jump(name: str) -> None:
    fixes = fixes_of(name)
    assert len(fixes) >= REJECTIONS
    assert jumps(fixes) == []


@pytest.mark.captures
@pytest.mark.parametrize("bearing_deg", [0, 90, 200, 315])
@pytest.mark.parametrize("name", STATIONARY)
def test_a_copy_shifted_by_200_m_is_one_jump(name: str, bearing_deg: int) -> None:
    fixes = fixes_of(name)
    later_ns = fixes[-1][0] + NS
    angle = math.radians(bearing_deg)
    shifted = []
    for at_ns, reading in fixes:
        latitude, longitude = reading.latitude_deg or 0.0, reading.longitude_deg or 0.0
        shrink = math.cos(math.radians(latitude))
        moved = msgspec.structs.replace(
            reading,
            latitude_deg=latitude + 200 * math.cos(angle) / METRES_PER_DEGREE,
            longitude_deg=longitude
            + 200 * math.sin(angle) / METRES_PER_DEGREE / shrink,
            measured_at_ns=None,
        )
        shifted.append((later_ns + at_ns, moved))
    (step,) = jumps(fixes + shifted)
    assert step.jump is not None
    assert step.jump.distance_m == pytest.approx(200, abs=40)


# -- the filter ----------------------------------------------------------------------


def test_the_filter_is_the_textbook_s() -> None:
    """Against the four-state filter in matrices, over a drive with a turn."""
    rng = np.random.default_rng(3)
    u_m, q, gate_free = 5.0, 1.5**2, 40
    x, p = np.zeros(4), np.diag([u_m**2, u_m**2, 40.0**2, 40.0**2])
    track, origin = Track(), None
    for k in range(gate_free):
        east, north = 12.0 * k + rng.normal(0, 3), 0.2 * k**2 + rng.normal(0, 3)
        step = track.take(fix(north, east), k * NS, None)
        assert step is not None
        assert step.is_taken
        if origin is None:
            origin = (east, north)
            continue
        f = np.eye(4)
        f[0, 2] = f[1, 3] = 1.0
        noise = np.zeros((4, 4))
        for i in (0, 1):
            noise[i, i], noise[i + 2, i + 2] = q / 3, q
            noise[i, i + 2] = noise[i + 2, i] = q / 2
        x, p = f @ x, f @ p @ f.T + noise
        h = np.eye(2, 4)
        gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + u_m**2 * np.eye(2))
        x = x + gain @ (np.array([east, north]) - origin - h @ x)
        p = (np.eye(4) - gain @ h) @ p
        there = fix(x[1] + origin[1], x[0] + origin[0])
        away = distance_m(
            step.point, Point(there.latitude_deg or 0, there.longitude_deg or 0, 0)
        )
        assert away < 0.05
        assert step.point.u_m == pytest.approx(math.sqrt(p[0, 0]), rel=1e-9)


def test_four_wild_fixes_are_noise_and_five_a_jump() -> None:
    calm = [(float(k), fix()) for k in range(20)]
    wild = [(20.0 + k, fix(500.0)) for k in range(REJECTIONS)]
    back = [(24.0 + k, fix()) for k in range(5)]
    steps = follow([*calm, *wild[:-1], *back])
    assert [s.is_taken for s in steps] == [True] * 20 + [False] * 4 + [True] * 5
    steps = follow([*calm, *wild])
    assert steps[-1].jump is not None
    assert steps[-1].jump.distance_m == pytest.approx(500, abs=20)
    assert steps[-1].is_taken


def test_after_an_hour_without_a_fix_any_place_is_believed() -> None:
    steps = follow([(0.0, fix()), (1.0, fix()), (3601.0, fix(90_000.0))])
    assert [s.is_taken for s in steps] == [True, True, True]


def test_a_drive_of_300_km_and_the_date_line_are_no_jump() -> None:
    drive = [(10.0 * k, fix(300.0 * k)) for k in range(1000)]
    assert all(step.is_taken for step in follow(drive))
    along = [
        (
            float(k),
            msgspec.structs.replace(
                fix(), longitude_deg=(179.999 + k * 2e-4 + 180) % 360 - 180
            ),
        )
        for k in range(20)
    ]
    assert all(step.is_taken for step in follow(along))


@pytest.mark.parametrize(
    ("reading", "doubt"),
    [
        (fix(speed_m_s=140.0), "a speed of 140 m/s"),
        (msgspec.structs.replace(fix(), satellites=3), "a 3d fix from 3 satellites"),
        (fix(hdop=0.1), "a dilution of 0.1, better than any sky gives"),
    ],
)
def test_indicators(reading: PositionReading, doubt: str) -> None:
    steps = follow([(0.0, fix()), (1.0, reading)])
    assert steps[0].doubts == ()
    assert steps[1].doubts == (doubt,)


def test_a_date_that_does_not_go_on_as_boot_time_does() -> None:
    dated = [
        (at_s, msgspec.structs.replace(fix(), measured_at_ns=round(utc_s * NS)))
        for at_s, utc_s in [(0.0, 1000.0), (10.0, 1030.4), (20.0, 1340.0), (30.0, 1350)]
    ]
    doubts = [step.doubts for step in follow(dated)]
    assert doubts == [(), (), ("the date stepped by +300 s",), ()]


def test_an_altitude_that_the_barometer_does_not_share() -> None:
    track = Track()
    taken = [
        track.take(fix(altitude_m=height), k * NS, hpa)
        for k, (height, hpa) in enumerate(
            [(250.0, 985.0), (1250.0, 870.0), (1260.0, 870.0), (2250.0, 869.0)]
        )
    ]
    found = [step.doubts for step in taken if step is not None]
    assert found[:3] == [(), (), ()]
    assert found[3][0].startswith("altitude and barometer part by +10")


def test_without_a_fix_there_is_nothing_to_take() -> None:
    track = Track()
    assert track.take(PositionReading("gps/position", Fix.NONE), 0, None) is None
    assert track.point is None


# -- places --------------------------------------------------------------------------


def at(north_m: float, u_m: float = 5.0) -> Point:
    return Point(45.0 + north_m / METRES_PER_DEGREE, 8.0, u_m)


def test_a_place_is_entered_and_left_by_the_whole_uncertainty() -> None:
    fences = Fences((Place("dock", 45.0, 8.0, 100.0),), ())
    way = [300.0, 105.0, 95.0, 85.0, 105.0, 95.0, 115.0, 95.0]
    told = [
        [(c.name, c.is_inside) for c in fences.take(at(north), k)]
        for k, north in enumerate(way)
    ]
    inside, outside = [("dock", True)], [("dock", False)]
    assert told == [[], [], [], inside, [], [], outside, []]


def test_dwell_is_the_time_within_150_m() -> None:
    fences = Fences((), ())
    assert fences.dwell_ns(0) is None
    for minute, north in enumerate([0.0, 100.0, 140.0, 30.0]):
        fences.take(at(north), minute)
    assert fences.dwell_ns(10) == 10
    fences.take(at(400.0), 20)
    assert fences.dwell_ns(25) == 5


def test_off_the_route_and_back() -> None:
    route = (
        Place("a", 45.0, 8.0, 500.0),
        Place("b", 45.5, 8.0, 2000.0),
        Place("c", 45.5, 9.0, 2000.0),
    )
    fences = Fences((), route)

    def off(latitude: float, longitude: float) -> list[tuple[bool, int]]:
        found = fences.take(Point(latitude, longitude, 10.0), 0)
        return [(c.is_inside, round(c.distance_m)) for c in found]

    assert off(45.2, 8.004) == []
    ((is_inside, away_m),) = off(45.2, 8.01)
    assert not is_inside
    assert away_m == pytest.approx(784, abs=3)
    assert off(45.2, 8.02) == []
    assert off(45.2, 8.0)[0][0]
    # The second leg has a corridor of its own.
    assert off(45.49, 8.5) == []


def test_one_point_is_no_route() -> None:
    fences = Fences((), (Place("a", 45.0, 8.0, 5.0),))
    assert fences.take(at(9000.0), 0) == []
