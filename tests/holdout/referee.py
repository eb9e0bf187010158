"""The holdout's own mode of the posterior: tells a wrong estimator from a wrong truth.

Gauss-Newton on the negative log posterior with the holdout's mean and Jacobian, in
units of standard deviations a priori; a step that makes it worse is halved.
"""

import numpy as np

from tests.holdout.bound import information, jacobian
from tests.holdout.matched import ACTIVITY, Floats, Truth
from tests.holdout.product import Estimate


def mode(truth: Truth, counts: Floats, steps: int = 12) -> Estimate:
    """Return ln A / A_certificate at the mode, with Laplace's uncertainty."""
    at = np.zeros(len(truth.sd))
    cost = _cost(truth, counts, at)
    for _ in range(steps):
        move = _step(truth, counts, at)
        for _ in range(20):
            tried = _cost(truth, counts, at + move)
            if tried <= cost:
                break
            move = move / 2
        at, gained, cost = at + move, cost - tried, tried
        if abs(gained) < 1e-9:
            break
    whole = information(truth, at) + np.diag(truth.sd**-2)
    variance = np.linalg.inv(whole)[ACTIVITY, ACTIVITY]
    return Estimate(float(at[ACTIVITY]), float(variance**0.5))


def _step(truth: Truth, counts: Floats, at: Floats) -> Floats:
    mean, variance = truth.mean_and_variance(at)
    slopes = jacobian(truth, at).reshape(len(at), -1)
    pull = slopes @ ((counts - mean) / variance).ravel() - at / truth.sd**2
    whole = information(truth, at) + np.diag(truth.sd**-2)
    return np.asarray(np.linalg.solve(whole, pull))


def _cost(truth: Truth, counts: Floats, at: Floats) -> float:
    """Return minus the log posterior, constants left out.

    N counts in w leave L = w - N tau of live time, and to leading order
    P(N) = Poisson(N; n L) (1 + n tau): the density of the live time that was not
    used, per count. Source: Gamma(N) <= n (w - (N - 1) tau) is "at least N counts".
    """
    rates, tau_s = truth.rates(at), truth.dead_time_s(at)
    due = rates * (truth.bins.width_s - counts * tau_s)
    cost = np.sum(due - counts * np.log(due) - np.log1p(rates * tau_s))
    return float(cost + 0.5 * np.sum((at / truth.sd) ** 2))
