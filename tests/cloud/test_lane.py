"""Expected arrival: legs as planned, where it was last seen, and how sure that is."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.lane import (
    Eta,
    EtaKind,
    Sighting,
    distance_km,
    expected_arrival,
    risk_word,
)
from schemas.facts import Leg, LegMode
from schemas.units import NS_PER_S
from tests.builders import START_NS

HOUR_NS = 3600 * NS_PER_S
PLACES = {
    "ivrea": (45.467, 7.875),
    "malpensa": (45.630, 8.723),
    "frankfurt": (50.033, 8.570),
    "heidelberg": (49.417, 8.670),
}


def at(hours: float) -> int:
    return START_NS + round(hours * HOUR_NS)


def leg(mode: LegMode, origin: str, to: str, departs: float, arrives: float) -> Leg:
    latitude, longitude = PLACES[to]
    return Leg(
        mode,
        origin,
        to,
        at(departs),
        at(arrives),
        latitude_deg=latitude,
        longitude_deg=longitude,
    )


LEGS = (
    leg(LegMode.HOLD, "ivrea", "ivrea", 0, 2),
    leg(LegMode.ROAD, "ivrea", "malpensa", 2, 4),
    leg(LegMode.HOLD, "malpensa", "malpensa", 4, 9),
    msgspec.structs.replace(
        leg(LegMode.AIR, "malpensa", "frankfurt", 9, 11),
        cut_off_ns=at(7),
        flight="AA 8021",
    ),
    leg(LegMode.HOLD, "frankfurt", "frankfurt", 11, 12),
    leg(LegMode.ROAD, "frankfurt", "heidelberg", 12, 14),
)


def seen(place: tuple[float, float], hours: float) -> Sighting:
    return Sighting(at(hours), *place)


def between(one: str, other: str, share: float) -> tuple[float, float]:
    (lat1, lon1), (lat2, lon2) = PLACES[one], PLACES[other]
    return lat1 + share * (lat2 - lat1), lon1 + share * (lon2 - lon1)


def eta(sighting: Sighting | None, now: float) -> Eta:
    found = expected_arrival(LEGS, at(now), sighting)
    assert found is not None
    return found


def test_unseen_the_plan_holds_but_never_in_the_past() -> None:
    assert eta(None, 5).at_ns == at(14)
    assert eta(None, 5).kind is EtaKind.PLANNED
    assert eta(None, 15).at_ns == at(15)
    assert eta(None, 15).remarks == ("the planned arrival has passed",)
    assert expected_arrival((), at(1)) is None


def test_an_old_sighting_counts_as_none() -> None:
    assert eta(seen(PLACES["malpensa"], 3), 5).kind is EtaKind.PLANNED


def test_a_hold_absorbs_an_hour_s_delay() -> None:
    found = eta(seen(between("ivrea", "malpensa", 0.5), 4), 4)
    assert found.kind is EtaKind.BY_POSITION
    assert found.at_ns == at(14)
    assert found.remarks == ()


def test_a_missed_cut_off_is_not_before_and_asks_for_a_person() -> None:
    found = eta(seen(between("ivrea", "malpensa", 0.5), 6.5), 6.5)
    assert found.kind is EtaKind.NOT_BEFORE
    assert found.remarks == ("the cut-off of AA 8021 is missed: a person must act",)


def test_lateness_on_the_last_leg_shows_in_full() -> None:
    found = eta(seen(between("frankfurt", "heidelberg", 0.5), 14), 14)
    assert (found.at_ns - at(15)) / NS_PER_S == pytest.approx(0, abs=60)


def test_at_an_airport_longer_than_planned_the_road_follows() -> None:
    found = eta(seen(PLACES["frankfurt"], 13), 13)
    assert found.at_ns == at(15)


def test_out_of_the_way_is_said() -> None:
    found = eta(seen((48.2, 16.4), 13), 13)  # Vienna
    assert any("out of the way" in remark for remark in found.remarks)


def test_without_coordinates_the_plan_holds() -> None:
    legs = tuple(msgspec.structs.replace(one, latitude_deg=None) for one in LEGS)
    found = expected_arrival(legs, at(4), seen(PLACES["malpensa"], 4))
    assert found is not None
    assert found.kind is EtaKind.PLANNED


def test_uncertainty_shrinks_on_the_way_and_a_stated_one_rules() -> None:
    start = eta(seen(PLACES["ivrea"], 1), 1)
    last = eta(seen(between("frankfurt", "heidelberg", 0.9), 13.8), 13.8)
    assert last.u_s < start.u_s
    sure = tuple(msgspec.structs.replace(one, arrives_u_s=60.0) for one in LEGS[-1:])
    found = expected_arrival(sure, at(12))
    assert found is not None
    assert found.u_s == 60.0


@pytest.mark.parametrize(
    ("late_h", "risk"), [(0, 0.5), (-1.96, 0.025), (1.96, 0.975), (9, 1.0)]
)
def test_the_risk_of_being_late(late_h: float, risk: float) -> None:
    one = Eta(at(10 + late_h), 3600.0, EtaKind.PLANNED, at(10))
    assert one.late_risk(at(10)) == pytest.approx(risk, abs=1e-3)


def test_the_risk_of_what_has_arrived_is_certain() -> None:
    there = Eta(at(10), 0.0, EtaKind.ARRIVED, at(10))
    assert [there.late_risk(at(h)) for h in (9, 10, 11)] == [1.0, 0.0, 0.0]
    assert risk_word(0.5) == "at risk"


def test_distance_of_a_degree() -> None:
    assert distance_km((0, 0), (1, 0)) == pytest.approx(111.2, abs=0.1)
    assert distance_km((60, 0), (60, 1)) == pytest.approx(55.6, abs=0.1)


@given(st.floats(-89, 89), st.floats(-180, 180), st.floats(0, 30))
@settings(max_examples=100, deadline=None)
def test_seen_anywhere_it_never_arrives_in_the_past(
    latitude_deg: float, longitude_deg: float, hours: float
) -> None:
    found = eta(seen((latitude_deg, longitude_deg), hours), hours)
    assert found.at_ns >= min(at(hours), at(14))
    assert found.u_s >= 0
