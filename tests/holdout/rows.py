"""The rows of the feasibility table, and what a campaign of truths says of each.

Every run draws all parameters from the priors, counts, and lets each estimator say
ln A with its uncertainty. A row holds the root mean square error over the expected
local bound and the share of 95 % intervals that cover the truth.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from tests.holdout import baselines, product
from tests.holdout.bound import expected_bound, van_trees_bound
from tests.holdout.counting import counts
from tests.holdout.matched import ACTIVITY, COMMON, Design, Floats, Truth, bins
from tests.holdout.product import Estimate

SEED: Final = 20261125
RATIO_LIMIT: Final = 1.05
COVERAGE_LIMITS: Final = (0.935, 0.965)
FULL_RUNS: Final = 4000
# Below so many runs the gates are widened by so many Monte Carlo errors.
ENOUGH_RUNS: Final = 2000
SLACK: Final = 3.0
# Pluvicto's vial at calibration.
LARGE_GBQ: Final = 12.5
ESTIMATORS: Final = (
    "decay only",
    "counts / gain",
    "gamma-poisson",
    "EKF",
    "MAP",
)
JUDGED: Final = "MAP"


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario; ``gain`` is that of an inner detector, 1/s per GBq."""

    name: str
    hours: float
    gain: float = 60.0
    width_s: float = 60.0
    flight_h: tuple[float, float] | None = None
    activity_gbq: float = 7.4

    def truth(self) -> Truth:
        """Return the design over the bins of this row."""
        design = Design(gain=self.gain, activity_gbq=self.activity_gbq)
        return Truth(design, bins(self.hours, self.width_s, self.flight_h))


_NOMINAL: Final = (
    Row("10 s", 10 / 3600, width_s=10.0),
    Row("60 s", 60 / 3600),
    Row("600 s", 600 / 3600),
    Row("1 h", 1),
    Row("6 h", 6),
    Row("36 h, 8 h flight", 36, flight_h=(10.0, 18.0)),
    Row("low count 60 s", 60 / 3600, gain=1.2),
    Row("low count 600 s", 600 / 3600, gain=1.2),
    Row("low count 6 h", 6, gain=1.2),
    Row("dead time 60 s", 60 / 3600, gain=600.0),
    Row("dead time 6 h", 6, gain=600.0),
)
ROWS: Final = (
    *_NOMINAL,
    *(
        replace(row, name=f"{row.name}, 12.5 GBq", activity_gbq=LARGE_GBQ)
        for row in _NOMINAL
    ),
)


class Score(NamedTuple):
    """What one estimator came to in one row; ``bias`` and ``rmse`` of ln A."""

    bias: float
    rmse: float
    ratio: float
    coverage: float

    def holds(self, runs: int) -> bool:
        """Say whether the gates are met; few runs widen them by their own error."""
        ratio_error, coverage_error = monte_carlo_errors(runs)
        slack = SLACK if runs < ENOUGH_RUNS else 0.0
        low, high = COVERAGE_LIMITS
        return (
            2 - RATIO_LIMIT - slack * ratio_error
            <= self.ratio
            <= RATIO_LIMIT + slack * ratio_error
            and low - slack * coverage_error
            <= self.coverage
            <= high + slack * coverage_error
        )


class Outcome(NamedTuple):
    """One row with its bounds and scores by estimator."""

    row: Row
    runs: int
    bound: float
    van_trees: float
    scores: dict[str, Score]


def monte_carlo_errors(runs: int) -> tuple[float, float]:
    """Return the standard errors of a ratio of deviations and of a coverage of 95 %."""
    return (2 * runs) ** -0.5, (0.95 * 0.05 / runs) ** 0.5


def campaign(row: Row, runs: int, draws: int = 400) -> Outcome:
    """Play one row.

    Args:
        row: what is played.
        runs: number of truths.
        draws: number of truths that the bound is averaged over.
    """
    truth = row.truth()
    rng = np.random.default_rng([SEED, ROWS.index(row)])
    bound = expected_bound(truth, rng, draws)
    van_trees = van_trees_bound(truth, rng, max(draws // 4, 10))
    found = [_estimates(truth, rng) for _ in range(runs)]
    scores = {
        name: score([(true, said[name]) for true, said in found], bound)
        for name in ESTIMATORS
    }
    return Outcome(row, runs, bound, van_trees, scores)


def _estimates(
    truth: Truth, rng: np.random.Generator
) -> tuple[float, dict[str, Estimate]]:
    drawn = truth.draw(rng)
    seen = counts(truth, drawn, rng)
    design = truth.design
    model = product.forward_model(design)
    entries = product.as_journal(truth.bins, seen)
    said = (
        baselines.decay_only(design),
        baselines.counts_over_gain(design, truth.bins, seen),
        baselines.gamma_poisson(design, truth.bins, seen),
        product.followed(model, entries),
        product.fused(model, entries),
    )
    return float(drawn[ACTIVITY]), dict(zip(ESTIMATORS, said, strict=True))


def score(found: list[tuple[float, Estimate]], bound: float) -> Score:
    """Judge pairs of a true ln A / A_certificate and what was said of it."""
    errors = np.array([said.log_ratio - true for true, said in found])
    deviations = np.array([said.u for _, said in found])
    covered = np.abs(errors) <= 1.959964 * deviations
    rmse = float(np.mean(errors**2) ** 0.5)
    return Score(float(errors.mean()), rmse, rmse / bound, float(covered.mean()))


def fingerprint_control(runs: int) -> Score:
    """Return how a gain from this vial's own fingerprint does if taken for a gain.

    At dispatch the pair counted for ten minutes: the product of activity and gain is
    known, and a careless hand divides it by the certificate and calls it the gain.
    Its error is the certificate's own, so that the interval must not hold.
    """
    truth = Row("6 h", 6).truth()
    rng = np.random.default_rng([SEED, 999])
    found = [_with_fingerprint(truth, rng) for _ in range(runs)]
    return score(found, expected_bound(truth, rng, 50))


def _with_fingerprint(truth: Truth, rng: np.random.Generator) -> tuple[float, Estimate]:
    drawn = truth.draw(rng)
    seen: Floats = counts(truth, drawn, rng)
    counted = 600.0 * truth.rates(drawn)[:2, 0].sum()
    noise = float(rng.normal(0.0, counted**-0.5))
    factor = float(np.exp(drawn[ACTIVITY] + drawn[COMMON] + noise))
    model = product.with_fingerprint_gain(product.forward_model(truth.design), factor)
    said = product.fused(model, product.as_journal(truth.bins, seen))
    return float(drawn[ACTIVITY]), said


def fraction_campaign(runs: int) -> Score:
    """Return how the fraction remaining since dispatch does: nothing is lost.

    Ten minutes of fingerprint against the last ten of six hours; the ratio of the
    score is over the standard uncertainty that is said, gain and certificate unknown.
    """
    truth = Row("6 h", 6).truth()
    rng = np.random.default_rng([SEED, 998])
    found = [(0.0, _fraction(truth, rng)) for _ in range(runs)]
    return score(found, float(np.mean([said.u for _, said in found])))


def _fraction(truth: Truth, rng: np.random.Generator) -> Estimate:
    seen = counts(truth, truth.draw(rng), rng)
    model = product.forward_model(truth.design)
    return product.remaining(model, product.as_journal(truth.bins, seen), 10)


def table(outcomes: list[Outcome]) -> Iterator[str]:
    """Yield the table for people, in Markdown; figures in percent."""
    yield "| scenario | bound | van Trees | " + " | ".join(ESTIMATORS) + " | verdict |"
    yield "|---" * (len(ESTIMATORS) + 4) + "|"
    for outcome in outcomes:
        cells = [
            f"{100 * s.rmse:.3f} [{s.ratio:.3f}] ({s.coverage:.3f})"
            for s in outcome.scores.values()
        ]
        verdict = "holds" if outcome.scores[JUDGED].holds(outcome.runs) else "**NOT**"
        bounds = f"{100 * outcome.bound:.3f} | {100 * outcome.van_trees:.3f}"
        yield f"| {outcome.row.name} | {bounds} | {' | '.join(cells)} | {verdict} |"
