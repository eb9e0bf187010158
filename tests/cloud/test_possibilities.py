"""Rescheduling: what is still possible before and after dispatch."""

from dataclasses import replace

import pytest

from cloud.lane import Eta, EtaKind
from cloud.possibilities import Possibilities, possibilities
from cloud.windows import Question
from schemas.facts import Leg, LegMode
from tests.builders import START_NS
from tests.vials import HOUR_NS, hours, question, vial

LEG = Leg(LegMode.ROAD, "a", "b", START_NS + 70 * HOUR_NS, START_NS + 90 * HOUR_NS)


def ask(asked: Question, eta_h: float = 90, *, has_left: bool = False) -> Possibilities:
    at_ns = START_NS + round(eta_h * HOUR_NS)
    eta = Eta(at_ns, 600.0, EtaKind.PLANNED, at_ns)
    return possibilities(asked, eta, (LEG,), has_left=has_left)


def test_before_dispatch_everything_is_said() -> None:
    found = ask(question(vial(12.5), 119.5))
    assert hours(found.earliest_ns) == 91.5
    assert found.whole_vial is not None
    assert hours(found.whole_vial.from_ns) == pytest.approx(98.72, abs=0.006)
    assert hours(found.latest_arrival_ns) == 118
    assert found.latest_departure_ns is not None
    assert hours(found.latest_departure_ns) == 98
    assert hours(found.expires_at_ns) == 120
    assert found.cannot == ()
    assert found.vial_needed is not None
    assert found.vial_needed.is_made is True
    assert found.vial_needed.volume_ml == pytest.approx(12.44, abs=0.01)


def test_another_day_needs_another_vial_and_may_need_one_that_is_not_made() -> None:
    needed = [
        ask(question(vial(12.5), at_h)).vial_needed for at_h in (48.0, 3.0, 1.0, 140.0)
    ]
    assert [one.is_made for one in needed if one] == [True, False, False, False]


def test_after_dispatch_only_the_time_can_move_and_only_as_it_arrives() -> None:
    found = ask(question(vial(12.5), 119.5), eta_h=100, has_left=True)
    assert found.latest_departure_ns is None
    assert found.vial_needed is None
    assert found.whole_vial is not None
    assert hours(found.whole_vial.from_ns) == 101.5
    assert found.cannot[0].startswith("the vial has left")


def test_too_late_for_every_window_is_said_plainly() -> None:
    found = ask(question(vial(12.5), 119.5), eta_h=119, has_left=True)
    assert found.whole_vial is None
    assert found.by_volume is None
    assert "this vial cannot serve any appointment any more" in found.cannot


def test_a_reduced_dose_of_the_same_vial_moves_the_windows() -> None:
    full = ask(question(vial(12.5), 119.5))
    reduced = ask(question(vial(12.5), 119.5, prescribed_activity_gbq=5.9))
    assert full.whole_vial is not None
    assert reduced.whole_vial is None  # by then the vial has expired
    assert reduced.by_volume is not None


def test_a_new_plan_moves_deadlines_and_neither_windows_nor_expiry() -> None:
    one = ask(question(vial(12.5), 119.5))
    other = ask(replace(question(vial(12.5), 119.5), appointment_ns=START_NS))
    assert one.whole_vial == other.whole_vial
    assert one.expires_at_ns == other.expires_at_ns
    assert one.latest_arrival_ns - other.latest_arrival_ns == round(119.5 * HOUR_NS)
