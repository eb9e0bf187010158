"""Counts of a non-paralysable detector: one by one, or from the renewal law.

One by one: a unit exponential between counts is turned into time by the rate at that
time, and tau is added. The detector has run for a while when the first bin begins.
"""

from typing import Final

import numpy as np

from tests.holdout.matched import Floats, Truth

ONE_BY_ONE_UP_TO_S: Final = 600.0
_RUN_IN_S: Final = 0.05


def counts(truth: Truth, drawn: Floats, rng: np.random.Generator) -> Floats:
    """Return (3, n) counts of one journey, one by one if it lasts up to ten minutes."""
    if truth.bins.lasts_s > ONE_BY_ONE_UP_TO_S:
        return by_renewal_law(truth, drawn, rng)
    return one_by_one(truth, drawn, rng)


def by_renewal_law(truth: Truth, drawn: Floats, rng: np.random.Generator) -> Floats:
    """Return counts by the law of many of them, Poisson's where they are few.

    Below a mean of 1,000 the exact law of a detector with little dead time is drawn
    (Poisson); above it the normal law with the renewal variance.
    """
    mean, variance = truth.mean_and_variance(drawn)
    few = rng.poisson(np.minimum(mean, 1000.0)).astype(np.float64)
    many = np.rint(rng.normal(mean, np.sqrt(variance)))
    return np.where(mean < 1000.0, few, np.maximum(many, 0.0))


def one_by_one(truth: Truth, drawn: Floats, rng: np.random.Generator) -> Floats:
    """Return counts of which each has its own instant."""
    edges = np.append(
        truth.bins.begin_s, truth.bins.begin_s[-1] + truth.bins.width_s[-1]
    )
    edges = edges - edges[0]
    middles = (edges[:-1] + edges[1:]) / 2
    tau_s = truth.dead_time_s(drawn)
    return np.array(
        [_one_channel(rate, middles, edges, tau_s, rng) for rate in truth.rates(drawn)]
    )


def _one_channel(
    rate: Floats, middles: Floats, edges: Floats, tau_s: float, rng: np.random.Generator
) -> Floats:
    most = float(rate.max()) * (edges[-1] + _RUN_IN_S)
    waits = rng.standard_exponential(int(most + 6 * most**0.5 + 20))
    first = np.cumsum(waits / rate[0] + tau_s) - _RUN_IN_S - tau_s
    # The rate changes by 1e-3 in ten minutes: one correction is exact to 1e-6.
    then = np.interp(first, middles, rate) if len(rate) > 1 else rate[0]
    at_s = np.cumsum(waits / then + tau_s) - _RUN_IN_S - tau_s
    return np.diff(np.searchsorted(at_s, edges)).astype(np.float64)
