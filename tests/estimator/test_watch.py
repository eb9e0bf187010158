"""The watch opens a change, names it, holds the filter, and lets go by its rules."""

import copy
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from gateway.estimator.filtering import LiveFilter
from gateway.estimator.hypotheses import Circumstances
from gateway.estimator.journal import Floats, journal
from gateway.estimator.watch import Change, ChangeWatch, Thresholds
from schemas.findings import Cause
from tests.detection.days import INNER_PAIR, LU177_S
from tests.detection.trials import SETTINGS

BIN_S = 60.0
QUIET_BINS = 240
GAIN = np.array(INNER_PAIR.gain) * 7.4
GROUND = np.array(INNER_PAIR.ground)
FIRST, SECOND = 2, 3  # the outer detectors' columns
NOTHING = Circumstances()


@dataclass
class Bench:
    """A filter and a watch, fed with bins of chosen rates."""

    seed: int = 1
    at: int = 0
    told: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        model = SETTINGS["inner-pair"].model()
        self.live = LiveFilter(model, 0)
        self.watch = ChangeWatch(model, Thresholds())
        self.rng = np.random.default_rng(self.seed)

    def run(
        self,
        bins: int,
        *,
        source: Floats | float = 1.0,
        more: Floats | float = 0.0,
        now: Circumstances = NOTHING,
        is_airborne: bool = False,
        is_shocked: bool = False,
    ) -> list[Change]:
        """Feed bins; return what was told in them."""
        told: list[Change] = []
        for _ in range(bins):
            begin_s = self.at * BIN_S
            rate = GAIN * 2.0 ** (-begin_s / LU177_S) * source + GROUND + more
            counts = self.rng.poisson(rate / (1.0 + rate * 190e-6) * BIN_S)
            one = journal(
                INNER_PAIR.sensors,
                0,
                np.array([begin_s]),
                counts[None, :].astype(np.float64),
                temperature_c=25.0,
                pressure_hpa=1013.25,
                is_shocked=np.array([is_shocked]),
                is_learnt=np.array([self.watch.may_learn and not is_airborne]),
            )
            found = self.live.take(one)
            if is_airborne:
                told += self.watch.suspend()
            else:
                told += self.watch.take(one, found, self.live, now)
            self.at += 1
        self.told += told
        return told


@pytest.fixture(scope="module")
def after_quiet_hours() -> Bench:
    bench = Bench()
    assert bench.run(QUIET_BINS) == []
    return bench


@pytest.fixture
def bench(after_quiet_hours: Bench) -> Bench:
    """After four quiet hours."""
    return copy.deepcopy(after_quiet_hours)


def outer(rate: float, column: int = FIRST) -> Floats:
    return np.array([rate if i == column else 0.0 for i in range(4)])


def test_nothing_is_told_of_quiet_hours() -> None:
    assert Bench(seed=2).run(480) == []


def test_a_loss_is_told_once_named_and_held(bench: Bench) -> None:
    told = bench.run(20, source=0.98)
    assert [change.cause for change in told] == [Cause.LOSS]
    (change,) = told
    assert abs(change.begin_s - QUIET_BINS * BIN_S) <= 2 * BIN_S
    assert change.suspects[0].amplitude == pytest.approx(0.02, rel=0.3)
    assert change.odds > 20.0
    assert not bench.watch.may_learn
    before = bench.live.log_ratio
    bench.run(600, source=0.98)
    assert bench.live.log_ratio == before
    assert bench.told == told


def test_what_concerns_the_dose_stays_open_until_a_person_clears_it(
    bench: Bench,
) -> None:
    bench.run(20, source=0.95)
    bench.run(60)
    assert not bench.watch.may_learn
    bench.watch.clear()
    assert bench.watch.may_learn
    assert bench.run(120) == []


def test_displacement_is_told_by_its_direction(bench: Bench) -> None:
    moved = np.array([1.02, 0.98, 1.0, 1.0])
    (change,) = bench.run(20, source=moved)
    assert change.cause is Cause.DISPLACEMENT
    assert change.stream == "difference"
    assert change.suspects[0].amplitude == pytest.approx(1.0, rel=0.3)


def test_after_a_blow_the_filter_follows_the_vial(bench: Bench) -> None:
    """The accelerometer has said it: no second alarm from the counts."""
    moved = np.array([1.02, 0.98, 1.0, 1.0])
    told = bench.run(1, source=moved, is_shocked=True) + bench.run(240, source=moved)
    assert told == []
    assert bench.live.displacement_mm[0] == pytest.approx(1.0, abs=0.2)


def test_a_neighbour_comes_and_goes(bench: Bench) -> None:
    (opened,) = bench.run(30, more=outer(1.0))
    assert (opened.cause, opened.suspects[0].sensor) == (
        Cause.NEARBY,
        INNER_PAIR.sensors[FIRST],
    )
    assert not opened.is_over
    ended = bench.run(10)
    assert [change.is_over for change in ended] == [True]
    assert bench.watch.may_learn
    assert bench.run(120) == []


def test_what_was_never_told_ends_without_a_word(bench: Bench) -> None:
    """The bins were forgotten with it, and the next test looked for them."""
    bench.run(8, more=outer(3.0))
    (name,) = bench.watch.open
    known = bench.watch.open[name]
    bench.watch.open[name] = replace(known, is_told=False, opened_s=-1e6)
    assert bench.run(30) == []
    assert bench.watch.may_learn


def test_two_neighbours_are_two(bench: Bench) -> None:
    bench.run(20, more=outer(1.0))
    bench.run(20, more=outer(1.0) + outer(2.0, SECOND))
    causes = [(one.cause, one.suspects[0].sensor) for one in bench.told]
    assert causes == [
        (Cause.NEARBY, INNER_PAIR.sensors[FIRST]),
        (Cause.NEARBY, INNER_PAIR.sensors[SECOND]),
    ]


def test_another_place_is_no_alarm(bench: Bench) -> None:
    told = bench.run(60, more=0.65 * GROUND)
    assert {change.cause for change in told} <= {Cause.PLACE, Cause.COSMIC}
    assert all(change.is_over for change in told)
    assert bench.watch.may_learn


def test_the_air_ends_what_is_about_the_surroundings(bench: Bench) -> None:
    bench.run(10, more=outer(2.0))
    ended = bench.run(30, more=8.0 * GROUND, is_airborne=True)
    assert [change.is_over for change in ended] == [True]
    assert bench.run(120) == []


def test_the_air_keeps_what_is_about_the_dose(bench: Bench) -> None:
    bench.run(20, source=0.95)
    assert bench.run(30, more=8.0 * GROUND, is_airborne=True) == []
    assert not bench.watch.may_learn


def test_a_dead_detector_is_the_filters_word(bench: Bench) -> None:
    alive = np.array([0.0, 1.0, 1.0, 1.0])
    assert bench.run(10, source=alive, more=-GROUND * (1.0 - alive)) == []
    assert bench.live.dead == (INNER_PAIR.sensors[0],)


def test_missing_bins_are_no_change(bench: Bench) -> None:
    model = SETTINGS["inner-pair"].model()
    blank = journal(
        INNER_PAIR.sensors,
        0,
        np.array([bench.at * BIN_S]),
        np.full((1, 4), np.nan),
        pressure_hpa=1013.25,
    )
    found = bench.live.take(blank)
    assert bench.watch.take(blank, found, bench.live, NOTHING) == []
    assert len(model.channels) == 4
