"""What no estimator can beat: the expected local Cramer-Rao bound.

    bound^2 = E[ ((J + P0^-1)^-1)_aa ],   J = sum (dm/dp)(dm/dp)' / var

with the expectation over truths drawn from the priors. The derivatives are finite
differences of the simulator's analytic mean: the estimator's Jacobian has no part in
it. The usual van Trees bound inverts the averaged information instead and is loose.
"""

from typing import Final

import numpy as np

from tests.holdout.matched import ACTIVITY, Floats, Truth

# In standard deviations a priori; the mean is smooth and known to 1e-15.
_STEP: Final = 1e-3


def jacobian(truth: Truth, drawn: Floats) -> Floats:
    """Return (p, 3, n) derivatives of the mean counts, by central differences."""
    rows = []
    for number, sd in enumerate(truth.sd):
        step = np.zeros(len(drawn))
        step[number] = _STEP * sd
        above, _ = truth.mean_and_variance(drawn + step)
        below, _ = truth.mean_and_variance(drawn - step)
        rows.append((above - below) / (2 * _STEP * sd))
    return np.array(rows)


def information(truth: Truth, drawn: Floats) -> Floats:
    """Return (p, p) of the counts alone. Source: N is the information in ln n."""
    _, variance = truth.mean_and_variance(drawn)
    slopes = jacobian(truth, drawn).reshape(len(truth.sd), -1)
    return np.asarray((slopes / variance.ravel()) @ slopes.T)


def local_variance(truth: Truth, drawn: Floats) -> float:
    """Return the bound on the variance of ln A at one truth."""
    whole = information(truth, drawn) + np.diag(truth.sd**-2)
    return float(np.linalg.inv(whole)[ACTIVITY, ACTIVITY])


def expected_bound(truth: Truth, rng: np.random.Generator, draws: int) -> float:
    """Return the expected local bound on the deviation of ln A."""
    variances = [local_variance(truth, truth.draw(rng)) for _ in range(draws)]
    return float(np.mean(variances) ** 0.5)


def van_trees_bound(truth: Truth, rng: np.random.Generator, draws: int) -> float:
    """Return the bound from the averaged information."""
    mean = np.mean([information(truth, truth.draw(rng)) for _ in range(draws)], axis=0)
    whole = mean + np.diag(truth.sd**-2)
    return float(np.linalg.inv(whole)[ACTIVITY, ACTIVITY] ** 0.5)
