"""Kernels that notice a change of level in a stream with a known, moving baseline.

Two detectors, each for a rise and a fall of one stream of (seen, expected) pairs:

- :func:`focus`: the generalised likelihood ratio over *every* beginning and *every*
  size of the change, exactly, in O(log n) per bin. The beginnings that can still win
  lie on the convex hull of the path (sum of expected, sum of seen); all others are
  dropped for good.
- :func:`cusum`: a bank of Page's tests, one per assumed size.

Two likelihoods: a count with its expectation (Poisson, divided by the dispersion), or
a standardised innovation (Gaussian: expected 1 is one bin of information, the level
before the change is 0). Both statistics are logarithms of likelihood ratios; their
thresholds come from simulation, not from a table.

Source: Ward, Dilillo, Eckley, Fearnhead, JASA 2023, 10.1080/01621459.2023.2235059
(Poisson-FOCuS); Romano, Eckley, Fearnhead, Rigaill, JMLR 24(81) 2023 (Gaussian);
Page, Biometrika 41 (1954).
"""

import math
from typing import Final

import numpy as np

from gateway.estimator.kernels import Floats, kernel

# Beginnings kept per stream and direction; the hull of n bins has about ln n.
HULL: Final = 48
# State of one stream and direction: how many beginnings, the path's end, bins so far,
# then three columns of HULL: expected, seen, bin number.
STATE: Final = 4 + 3 * HULL

GAUSSIAN: Final = 0.0
POISSON: Final = 1.0


@kernel
def _log_ratio(seen: float, expected: float, null: float) -> float:
    """Return the log likelihood ratio of a rise over a window; 0 for a fall."""
    if null == 0.0:
        return 0.5 * seen * seen / expected if seen > 0.0 else 0.0
    if seen <= expected:
        return 0.0
    return seen * math.log(seen / expected) - (seen - expected)


@kernel
def _log_ratio_fall(seen: float, expected: float) -> float:
    """Return the same for a fall of a count; none seen is the largest fall."""
    if seen >= expected:
        return 0.0
    if seen <= 0.0:
        return expected
    return seen * math.log(seen / expected) - (seen - expected)


@kernel
def _push(state: Floats, sign: float, null: float) -> None:
    """Make the path's end a possible beginning and drop those it beats for good."""
    size = int(state[0])
    x, y = state[1], sign * state[2]
    xs, ys, at = 4, 4 + HULL, 4 + 2 * HULL
    while size >= 1:
        run = x - state[xs + size - 1]
        slope = (y - state[ys + size - 1]) / run if run > 0.0 else -math.inf
        if size == 1:
            before = sign * null
        else:
            before = (state[ys + size - 1] - state[ys + size - 2]) / (
                state[xs + size - 1] - state[xs + size - 2]
            )
        if slope > before:
            break
        size -= 1
    if size == HULL:
        for i in range(HULL - 1):
            state[xs + i] = state[xs + i + 1]
            state[ys + i] = state[ys + i + 1]
            state[at + i] = state[at + i + 1]
        size -= 1
    state[xs + size] = x
    state[ys + size] = y
    state[at + size] = state[3]
    state[0] = size + 1


@kernel
def _best(state: Floats, sign: float, null: float) -> tuple[float, float]:
    """Return the largest log ratio over all beginnings, and the bin it begins at."""
    largest, begin = 0.0, state[3]
    for i in range(int(state[0])):
        expected = state[1] - state[4 + i]
        seen = state[2] - sign * state[4 + HULL + i]
        if expected <= 0.0:
            continue
        if sign > 0.0:
            ratio = _log_ratio(seen, expected, null)
        elif null == 0.0:
            ratio = _log_ratio(-seen, expected, null)
        else:
            ratio = _log_ratio_fall(seen, expected)
        if ratio > largest:
            largest, begin = ratio, state[4 + 2 * HULL + i]
    return largest, begin


@kernel
def focus(
    seen: Floats,
    expected: Floats,
    null: float,
    state: Floats,
    statistic: Floats,
    begin: Floats,
) -> None:
    """Run the generalised likelihood ratio over a stream, from where it stood.

    A bin in which ``seen`` is NaN tells nothing and counts as a bin.

    Args:
        seen: (n,) counts over their dispersion, or standardised innovations.
        expected: (n,) expected counts over the same dispersion, or ones; > 0.
        null: :data:`POISSON` or :data:`GAUSSIAN`.
        state: (2, STATE) read and written: rise, fall. Zeros begin anew.
        statistic: (n, 2) written: log likelihood ratio of a rise and of a fall.
        begin: (n, 2) written: number of the bin at which that change begins.

    Source: see the head of this file.
    """
    for direction in range(2):
        sign = 1.0 if direction == 0 else -1.0
        own = state[direction]
        for i in range(seen.size):
            if not math.isnan(seen[i]) and expected[i] > 0.0:
                _push(own, sign, null)
                own[1] += expected[i]
                own[2] += seen[i]
            own[3] += 1.0
            largest, first = _best(own, sign, null)
            statistic[i, direction] = largest
            begin[i, direction] = first


@kernel
def cusum(
    seen: Floats, expected: Floats, sizes: Floats, state: Floats, statistic: Floats
) -> None:
    """Run a bank of Page's tests over a stream of counts, from where it stood.

    Args:
        seen: (n,) counts over their dispersion; NaN where missing.
        expected: (n,) expected counts over the same dispersion.
        sizes: (m,) assumed ratios of the changed rate to the expected, not 1.
        state: (m,) read and written; zeros begin anew.
        statistic: (n,) written: the largest of the bank.

    Source: Page (1954); the log likelihood ratio of a Poisson count.
    """
    for i in range(seen.size):
        largest = 0.0
        for j in range(sizes.size):
            if not math.isnan(seen[i]):
                gain = seen[i] * math.log(sizes[j]) - (sizes[j] - 1.0) * expected[i]
                state[j] = max(0.0, state[j] + gain)
            largest = max(largest, state[j])
        statistic[i] = largest


@kernel
def cusum_gaussian(
    seen: Floats, sizes: Floats, state: Floats, statistic: Floats
) -> None:
    """Run a bank of Page's tests over standardised innovations.

    Args:
        seen: (n,) standardised; NaN where missing.
        sizes: (m,) assumed changes in standard deviations, either sign, not 0.
        state: (m,) read and written; zeros begin anew.
        statistic: (n,) written: the largest of the bank.

    Source: Page (1954).
    """
    for i in range(seen.size):
        largest = 0.0
        for j in range(sizes.size):
            if not math.isnan(seen[i]):
                gain = sizes[j] * (seen[i] - 0.5 * sizes[j])
                state[j] = max(0.0, state[j] + gain)
            largest = max(largest, state[j])
        statistic[i] = largest


def new_state() -> Floats:
    """Return the state of one stream before its first bin."""
    return np.zeros((2, STATE))


def warm_up() -> None:
    """Compile or load once what the watch calls."""
    one = np.ones(2)
    for null in (GAUSSIAN, POISSON):
        focus(one, one, null, new_state(), np.empty((2, 2)), np.empty((2, 2)))
