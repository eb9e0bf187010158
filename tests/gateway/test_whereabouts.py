"""Position records and events: jumps, doubts said once, no place in the air."""

import msgspec

from gateway.whereabouts import DOUBT_EVERY_NS, Whereabouts
from schemas.commands import Assign
from schemas.contents import ProductLimits
from schemas.events import Event, EventKind, Severity
from schemas.findings import Place
from schemas.readings import Fix, PositionReading
from tests.builders import CONTAINER_DIGEST, contents
from tests.estimator.test_track import fix

NS = 10**9


def take(
    where: Whereabouts, at_s: float, reading: PositionReading, *, flies: bool = False
) -> list[Event]:
    return where.take(reading, round(at_s * NS), None, is_airborne=flies)


def settled() -> Whereabouts:
    where = Whereabouts()
    for second in range(20):
        assert take(where, second, fix()) == []
    return where


def test_a_jump_is_one_event_and_stands_in_the_record() -> None:
    where = settled()
    told = [event for k in range(8) for event in take(where, 20 + k, fix(700.0))]
    (jump,) = told
    assert (jump.what, jump.reason) == (EventKind.POSITION_DOUBT, "jump")
    assert (jump.severity, jump.unit) == (Severity.WARNING, "m")
    assert 680 < (jump.value or 0.0) < 720


def test_a_doubt_that_goes_on_is_said_again_after_ten_minutes() -> None:
    where = settled()
    told = [
        event
        for k in range(130)
        for event in take(where, 20 + 10 * k, fix(speed_m_s=120.0 + k))
    ]
    assert [event.reason for event in told] == ["indicator"] * 3
    assert told[1].from_boot_ns - told[0].from_boot_ns >= DOUBT_EVERY_NS
    record = where.position(1320 * NS)
    assert record is not None
    assert record.doubts == ("a speed of 249 m/s",)


def test_in_the_air_nothing_is_judged() -> None:
    where = settled()
    told = [
        event
        for k in range(50)
        for event in take(where, 20 + k, fix(900.0 * k, speed_m_s=230.0), flies=True)
    ]
    assert told == []


def test_off_the_route_is_a_warning_and_back_on_it_clears_it() -> None:
    where = Whereabouts()
    route = (Place("a", 45.0, 7.9, 400.0), Place("b", 45.0, 8.1, 400.0))
    body = Assign("S", (contents(),), ProductLimits(25.0), CONTAINER_DIGEST, (), route)
    where.follow(body)
    told = []
    for second in range(240):
        north = 8.0 * second if second < 120 else 8.0 * (240 - second)
        told += take(where, second, fix(north))
    off, on = told
    assert (off.what, off.severity) == (EventKind.ROUTE_DEVIATION, Severity.WARNING)
    assert (on.severity, on.text) == (Severity.INFO, "back on the route")
    assert off.sensor == on.sensor


def test_a_fix_that_was_lost_leaves_its_place_and_age() -> None:
    where = settled()
    assert where.position(20 * NS) is not None
    take(where, 100, PositionReading("gps/position", Fix.NONE, satellites=2))
    record = where.position(120 * NS)
    assert record is not None
    assert (record.fix, record.latitude_deg, record.satellites) == (Fix.NONE, None, 2)
    assert record.last_fix_age_ns == 101 * NS
    assert where.position(130 * NS) is None


def test_a_fix_without_a_height_is_a_fix() -> None:
    where = settled()
    assert take(where, 21, msgspec.structs.replace(fix(), altitude_m=None)) == []
