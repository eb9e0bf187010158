"""The way, the receiver on it, and what the air does."""

import re
from functools import reduce
from itertools import pairwise
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim import gnss
from firmware_sim.environment import Battery, Surroundings
from firmware_sim.gnss import Receiver
from firmware_sim.randomness import stream
from firmware_sim.route import NS_PER_S, Route, between, distance_m, travelled
from firmware_sim.scenario import Periods, Place, load_scenario, scenario_path

SCENARIO = load_scenario(scenario_path("pluvicto"))
ROUTE = Route(SCENARIO)
START_NS = SCENARIO.starts_at_ns()
MINUTE_NS = 60 * NS_PER_S
BERLIN = Place(52.5, 13.4, 40.0, 0.2)
TOKYO = Place(35.7, 139.7, 40.0, 0.2)


def test_great_circle() -> None:
    # Berlin to Tokyo is about 8,920 km, and passes far north of both.
    assert distance_m(BERLIN, TOKYO) == pytest.approx(8.92e6, rel=0.005)
    latitude, _longitude = between(BERLIN, TOKYO, 0.5)
    assert latitude > 60
    assert between(BERLIN, BERLIN, 0.5) == (52.5, 13.4)


@given(st.floats(0, 1))
def test_a_part_of_the_great_circle_is_that_part_of_the_distance(part: float) -> None:
    latitude, longitude = between(BERLIN, TOKYO, part)
    there = Place(latitude, longitude, 0.0, 0.0)
    whole = distance_m(BERLIN, TOKYO)
    assert distance_m(BERLIN, there) == pytest.approx(part * whole, abs=1.0)


def test_a_leg_starts_and_ends_at_rest() -> None:
    assert travelled(0, 1000, 60) == (0.0, 0.0)
    assert travelled(1000, 1000, 60) == (1.0, 0.0)
    half, top = travelled(500, 1000, 60)
    assert half == pytest.approx(0.5)
    assert top == pytest.approx(1 / 940)
    steps = [travelled(second, 1000, 60) for second in range(1001)]
    driven = sum(speed for _part, speed in steps)
    assert driven == pytest.approx(1.0, rel=1e-3)


def test_the_journey_moves_as_it_should() -> None:
    positions = [ROUTE.position(START_NS + m * MINUTE_NS) for m in range(30 * 60)]
    first, last = positions[0], positions[-1]
    assert (first.latitude_deg, first.longitude_deg) == (45.467, 7.875)
    assert (last.latitude_deg, last.longitude_deg) == (49.417, 8.67)
    fastest = {
        kind: max(p.speed_m_s for p in positions if p.leg.kind == kind)
        for kind in ("rest", "road", "flight")
    }
    assert fastest["rest"] == 0.0
    assert 8 < fastest["road"] < 36
    assert 120 < fastest["flight"] < 270
    assert max(p.altitude_m for p in positions) == pytest.approx(11_180, abs=120)
    flying = [p for p in positions if p.is_airborne]
    assert not any(p.has_sky for p in flying)
    assert 60 < len(flying) < 95


def test_the_journey_has_no_jumps() -> None:
    track = [ROUTE.position(START_NS + s * 20 * NS_PER_S) for s in range(30 * 180)]
    for before, after in pairwise(track):
        moved = distance_m(
            Place(before.latitude_deg, before.longitude_deg, 0.0, 0.0),
            Place(after.latitude_deg, after.longitude_deg, 0.0, 0.0),
        )
        assert moved <= 20 * max(before.speed_m_s, after.speed_m_s) + 100
        assert abs(after.altitude_m - before.altitude_m) < 20 * 12


def test_tunnels_hide_the_sky() -> None:
    leg_ns = START_NS + 150 * MINUTE_NS
    assert ROUTE.position(leg_ns + 11 * MINUTE_NS).has_sky
    assert not ROUTE.position(leg_ns + 12 * MINUTE_NS + 10 * NS_PER_S).has_sky
    assert ROUTE.position(leg_ns + 13 * MINUTE_NS).has_sky


def test_cabin_pressure_in_flight() -> None:
    air = Surroundings(5, 18.0)
    seen = [
        air.step(ROUTE.position(START_NS + m * MINUTE_NS), 60.0) for m in range(30 * 60)
    ]
    lowest = min(a.pressure_hpa for a in seen)
    assert 740 < lowest < 810
    # minutes to climb: 20 hPa a minute at most, apart from the weather
    steps = [abs(a.pressure_hpa - b.pressure_hpa) for a, b in pairwise(seen)]
    assert max(steps) < 25
    assert min(a.ambient_c for a in seen) > 10
    assert max(a.ambient_c for a in seen) < 26
    # the tubes lag behind the air and the product behind the tubes
    swing = {
        name: max(getattr(a, name) for a in seen) - min(getattr(a, name) for a in seen)
        for name in ("ambient_c", "tube_c", "product_c")
    }
    assert swing["ambient_c"] > swing["tube_c"] > swing["product_c"]


def test_a_battery_runs_down() -> None:
    battery = Battery(stream(1, "battery"))
    first = battery.step(10.0)
    for _ in range(30):
        last = battery.step(3600.0)
    assert first[2] == 100
    assert 10 < last[2] < 40
    assert last[0] < first[0]


def checked(sentence: bytes) -> list[str]:
    match = re.fullmatch(rb"\$([^*]+)\*([0-9A-F]{2})\r\n", sentence)
    assert match is not None
    assert reduce(xor, match[1]) == int(match[2], 16)
    return match[1].decode().split(",")


def test_a_published_sentence() -> None:
    # NEO-M9N capture of the gpsd regression suite
    text = "GNRMC,223745.00,A,3806.62964,N,12237.61382,W,0.040,,110720,,,D,V"
    assert gnss.sentence(text) == b"$" + text.encode() + b"*0E\r\n"


def test_angles_carry_into_the_next_minute() -> None:
    assert gnss.angle(49.417, 2) == "4925.02000"
    assert gnss.angle(-8.67, 3) == "00840.20000"
    assert gnss.angle(9.9999999999, 2) == "1000.00000"


def test_the_receiver_tells_position_date_and_time() -> None:
    receiver = Receiver(Periods(gnss_s=10), START_NS, 3)
    position = ROUTE.position(START_NS)
    for step in range(12):
        sent = receiver.step(position, START_NS + step * 10 * NS_PER_S, 10.0)
    rmc, gga, gsa = (checked(line) for line in sent)
    assert rmc[:3] == ["GNRMC", "143150.00", "A"]
    assert rmc[9] == "251126"
    assert float(rmc[3][:2]) + float(rmc[3][2:]) / 60 == pytest.approx(45.467, abs=2e-4)
    assert gga[6] == "1"
    assert float(gga[9]) == pytest.approx(253, abs=25)
    assert len(gga) == 15
    assert (gsa[2], len(gsa)) == ("3", 18)


def test_without_sky_there_is_time_but_no_position() -> None:
    receiver = Receiver(Periods(gnss_s=10), START_NS, 3)
    hidden = ROUTE.position(START_NS + 8 * 60 * MINUTE_NS)
    rmc, gga, gsa = (checked(line) for line in receiver.step(hidden, START_NS, 10.0))
    assert rmc == ["GNRMC", "143000.00", "V", *[""] * 6, "251126", "", "", "N"]
    assert gga[2:7] == ["", "", "", "", "0"]
    assert (gsa[2], len(gsa)) == ("1", 18)


def test_a_fix_comes_back_only_after_a_while() -> None:
    receiver = Receiver(Periods(gnss_s=1), START_NS, 3)
    hidden = ROUTE.position(START_NS + 8 * 60 * MINUTE_NS)
    clear = ROUTE.position(START_NS)
    at_ns = START_NS
    letters = ""
    for position, seconds in ((clear, 20), (hidden, 60), (clear, 20)):
        for _ in range(seconds):
            at_ns += NS_PER_S
            letters += checked(receiver.step(position, at_ns, 1.0)[0])[2]
    assert letters == "V" * 6 + "A" * 14 + "V" * 66 + "A" * 14
