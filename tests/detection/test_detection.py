"""A small profile of the campaign: few days, wide limits, everything real."""

import numpy as np
import pytest

from gateway.estimator.watch import Thresholds
from schemas.findings import Cause
from tests.detection.days import BINS, DEFAULT, INNER_PAIR, Build, Event, draw_day
from tests.detection.trials import SETTINGS, Trial, delay, false_alarms

STRICT = Thresholds()


@pytest.mark.parametrize("build", [INNER_PAIR, DEFAULT], ids=["inner-pair", "default"])
def test_the_same_seed_is_the_same_day(build: Build) -> None:
    first, again, other = (
        draw_day(build, np.random.default_rng(seed), 7.4).counts for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape == (BINS, len(build.sensors))
    assert not np.array_equal(first, other, equal_nan=True)


def test_ordinary_days_hold_no_false_alarm() -> None:
    """Neighbours, flights, halls, rain and screenings are called what they are."""
    wrong = [false_alarms(SETTINGS["inner-pair"], STRICT, seed) for seed in range(6)]
    assert wrong == [[]] * 6


@pytest.mark.parametrize(
    ("trial", "most_min"),
    [
        (Trial(Event.LOSS, 0.02, Cause.LOSS), 10.0),
        (Trial(Event.DISPLACEMENT, 1.0, Cause.DISPLACEMENT), 15.0),
        (Trial(Event.OUTER, 1.0, Cause.NEARBY), 10.0),
    ],
    ids=str,
)
def test_a_change_is_told_soon_and_named(trial: Trial, most_min: float) -> None:
    found = [delay(SETTINGS["inner-pair"], STRICT, trial, seed) for seed in range(12)]
    fit = [one for one in found if one is not None][:3]
    assert len(fit) == 3
    assert np.median([minutes for minutes, _cause in fit]) <= most_min
    assert [cause for _minutes, cause in fit].count(trial.cause) >= 2
