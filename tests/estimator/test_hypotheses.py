"""Each cause is named from its own signature, and circumstances tip the balance."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.estimator.hypotheses import Circumstances, Suspect, Window, suspects
from gateway.estimator.kernels import Floats
from schemas.findings import Cause

SENSORS = ("inner-1", "inner-2", "outer-1", "outer-2")
LIVE_S = 600.0
SOURCE = np.array([444.0, 444.0, 0.05, 0.05]) * LIVE_S
TERRESTRIAL = np.array([0.195, 0.195, 0.23, 0.23]) * LIVE_S
COSMIC = np.array([0.105, 0.105, 0.12, 0.12]) * LIVE_S
EXPECTED = SOURCE + TERRESTRIAL + COSMIC
NOTHING = Circumstances()


def window(seen: Floats) -> Window:
    return Window(
        sensors=SENSORS,
        seen=np.rint(seen),
        expected=EXPECTED,
        dispersion=np.ones(4),
        source=SOURCE,
        terrestrial=TERRESTRIAL,
        cosmic=COSMIC,
        live_s=np.full(4, LIVE_S),
        displacement_per_mm=np.array([0.02, -0.02, 0.0, 0.0]),
        displacement_per_mm2=np.array([3e-4, 3e-4, 0.0, 0.0]),
        side=np.array([1.0, -1.0, 0.0, 0.0]),
    )


def moved(shift_mm: float) -> Floats:
    along = np.array([0.02, -0.02, 0.0, 0.0]) * shift_mm
    even: Floats = EXPECTED + SOURCE * (along + 3e-4 * shift_mm**2 * (along != 0.0))
    return even


def only(column: int, seen: float) -> Floats:
    found = EXPECTED.copy()
    found[column] = seen
    return found


CASES: list[tuple[str, Floats, Cause, str | None, float]] = [
    ("loss of 1 %", EXPECTED - 0.01 * SOURCE, Cause.LOSS, None, 0.01),
    ("all gone", EXPECTED - SOURCE, Cause.LOSS, None, 1.0),
    ("5 % more", EXPECTED + 0.05 * SOURCE, Cause.GROWTH, None, 0.05),
    ("1 mm to inner-1", moved(1.0), Cause.DISPLACEMENT, None, 1.0),
    ("2 mm to inner-2", moved(-2.0), Cause.DISPLACEMENT, None, -2.0),
    (
        "a neighbour at outer-1",
        EXPECTED + np.array([0.0, 0.0, 1.0, 0.05]) * LIVE_S,
        Cause.NEARBY,
        "outer-1",
        1.0,
    ),
    (
        "a breach at outer-2",
        EXPECTED + np.array([0.0, 0.0, 0.0, 3.0]) * LIVE_S,
        Cause.NEARBY,
        "outer-2",
        3.0,
    ),
    ("a summit", EXPECTED + 20.0 * COSMIC, Cause.COSMIC, None, 20.0),
    ("a hall of granite", EXPECTED + 1.0 * TERRESTRIAL, Cause.PLACE, None, 1.0),
    ("inner-1 is dead", only(0, 0.0), Cause.FAILURE, "inner-1", -1.0),
    ("outer-2 is dead", only(3, 0.0), Cause.FAILURE, "outer-2", -1.0),
]


@pytest.mark.parametrize(
    ("seen", "cause", "sensor", "amplitude"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_cause_is_named_from_its_signature(
    seen: Floats, cause: Cause, sensor: str | None, amplitude: float
) -> None:
    first = suspects(window(seen), NOTHING)[0]
    assert (first.cause, first.sensor) == (cause, sensor)
    assert first.probability > 0.8
    assert first.amplitude == pytest.approx(amplitude, rel=0.25)


def test_probabilities_are_complete() -> None:
    found = suspects(window(EXPECTED), NOTHING)
    assert sum(one.probability for one in found) == pytest.approx(1.0)
    assert {one.cause for one in found} == set(Cause)
    chances = [one.probability for one in found]
    assert chances == sorted(chances, reverse=True)


def test_a_blow_makes_displacement_likelier() -> None:
    def chance(now: Circumstances) -> float:
        found = suspects(window(moved(0.1)), now)
        return sum(s.probability for s in found if s.cause is Cause.DISPLACEMENT)

    assert chance(Circumstances(is_shocked=True)) > chance(NOTHING)


def test_a_falling_pressure_makes_the_flight_likelier() -> None:
    seen = window(EXPECTED + 3.0 * COSMIC)
    assert suspects(seen, NOTHING)[0].cause is Cause.PLACE
    climbing = suspects(seen, Circumstances(is_climbing=True))
    assert climbing[0].cause is Cause.COSMIC
    assert climbing[0].is_harmless


def test_a_clock_in_doubt_is_suspected_before_growth_out_of_nothing() -> None:
    seen = EXPECTED * 1.02
    doubtful = suspects(window(seen), Circumstances(is_clock_doubtful=True))
    assert doubtful[0].cause is Cause.GROWTH


def test_a_neighbour_that_leaves_is_harmless() -> None:
    there = replace(
        window(EXPECTED + np.array([0.0, 0.0, -0.2, 0.0]) * LIVE_S), sensors=SENSORS
    )
    first = suspects(there, NOTHING)[0]
    assert (first.cause, first.sensor) == (Cause.NEARBY, "outer-1")
    assert first.amplitude < 0.0
    assert first.is_harmless
    assert not Suspect(Cause.NEARBY, 1.0, 0.2, "outer-1").is_harmless


def test_a_neighbour_beside_a_pair_that_is_outside_the_lead_is_one() -> None:
    """Such a pair owes much to its surroundings: it can be stood next to."""
    source = np.array([2.07, 2.07, 0.5]) * LIVE_S
    around = np.array([0.35, 0.35, 0.35]) * LIVE_S
    expected = source + around
    found = Window(
        sensors=("pair-1", "pair-2", "outward"),
        seen=np.rint(expected + np.array([0.5, 0.06, 0.15]) * LIVE_S * 3),
        expected=expected,
        dispersion=np.ones(3),
        source=source,
        terrestrial=0.65 * around,
        cosmic=0.35 * around,
        live_s=np.full(3, LIVE_S),
        displacement_per_mm=np.array([0.0133, -0.0133, 0.0]),
        displacement_per_mm2=np.array([4.4e-5, 4.4e-5, 3.3e-5]),
        side=np.array([1.0, -1.0, 0.0]),
    )
    first = suspects(found, NOTHING)[0]
    assert (first.cause, first.sensor) == (Cause.NEARBY, "pair-1")
