"""Kernels of the live filter: an extended Kalman filter in log parameters.

Tables and local gradient as in ``rate_kernels``.
"""

import math
from typing import Final

import numpy as np

from gateway.estimator.kernels import Floats, kernel
from gateway.estimator.rate_kernels import N_LOCAL, dead_time, decayed, rate

RATE_KERNELS_SHA256: Final = (
    "6c216e7620bbcbefe88fe037ef49356e22941140083af38d59004d111b29764a"
)
N_STATE: Final = N_LOCAL
SUM, DIFFERENCE, OUTER = 0, 1, 2
USED, MISSING, GATED, SILENT = 0.0, 1.0, 2.0, 3.0
N_PER_CHANNEL: Final = 5


@kernel
def _contrasts(
    channel: Floats,
    expected: Floats,
    miss: Floats,
    joint: Floats,
    is_in: Floats,
    out: Floats,
) -> None:
    """Standardise the three contrasts of one bin; NaN where a contrast has no part.

    The sum adds counts, the difference subtracts relative counts, so that a change of
    the activity does not leak into it.
    """
    n = channel.shape[0]
    load = np.zeros((3, n))
    for i in range(n):
        if is_in[i] != 0.0:
            side = channel[i, 11]
            if side == 0.0:
                load[OUTER, i] = 1.0
            else:
                load[SUM, i] = 1.0
                load[DIFFERENCE, i] = side / expected[i]
    for q in range(3):
        value = 0.0
        variance = 0.0
        least = 0.0
        most = 0.0
        for i in range(n):
            least = min(least, load[q, i])
            most = max(most, load[q, i])
            value += load[q, i] * miss[i]
            for j in range(n):
                variance += load[q, i] * load[q, j] * joint[i, j]
        is_whole = most > 0.0 and (q != DIFFERENCE or least < 0.0)
        out[q] = value / math.sqrt(variance) if is_whole else math.nan


@kernel
def _propagate(state: Floats, covariance: Floats, row: Floats, noise: Floats) -> None:
    """Let time pass: the background walks, a shock opens the displacement."""
    middle = row[0] + 0.5 * row[1]
    if not math.isnan(state[N_STATE]):
        covariance[11, 11] += noise[0] * max(middle - state[N_STATE], 0.0)
    state[N_STATE] = middle
    if row[5] != 0.0:
        covariance[10, 10] += noise[1]


@kernel
def _predict(  # noqa: PLR0913, PLR0917 - state and tables in, the bin's prediction out
    term: Floats,
    channel: Floats,
    row: Floats,
    seen: Floats,
    state: Floats,
    slope: Floats,
    spread: Floats,
) -> None:
    """Predict the counts of one bin: mean, variance and slope of each detector.

    ``slope`` (c, 12) is dm/dparameter, ``spread`` (c, 3) mean, variance, n tau.
    """
    decay = np.empty((2, term.shape[0]))
    decayed(term, row, state, decay)
    for i in range(channel.shape[0]):
        total = rate(
            term,
            channel[i],
            row,
            seen[i, 2],
            decay,
            state,
            state[10:12],
            slope[i],
        )
        paralysis = total * dead_time(channel[i], state)
        open_share = 1.0 / (1.0 + paralysis)
        spread[i, 0] = total * seen[i, 1] * open_share
        spread[i, 1] = spread[i, 0] * open_share * open_share
        spread[i, 2] = paralysis
        factor = seen[i, 1] * open_share * open_share
        for j in range(N_LOCAL):
            slope[i, j] = slope[i, j] * factor


@kernel
def _gate(miss: float, mean: float, variance: float, side: float) -> bool:
    """Return whether a count is no part of this model, Poisson's skewness allowed."""
    limit = 4.0 if side == 0.0 else 5.0
    lean = (limit * limit - 1.0) / (6.0 * math.sqrt(max(mean, 0.25)))
    deviation = math.sqrt(variance)
    return miss > (limit + lean) * deviation or miss < -limit * deviation


@kernel
def _judge(count: float, spread: Floats, total: float, side: float) -> float:
    """Return what a count is: used, gated, or of a silent detector."""
    if count == 0.0 and spread[0] > 16.0:
        return SILENT
    return GATED if _gate(count - spread[0], spread[0], total, side) else USED


@kernel
def _update(
    state: Floats, covariance: Floats, slope: Floats, miss: float, noise: float
) -> None:
    """Take one scalar measurement into state and covariance."""
    along = np.zeros(N_STATE)
    for j in range(N_STATE):
        weight = slope[j]
        if weight != 0.0:
            for i in range(N_STATE):
                along[i] += covariance[j, i] * weight
    total = noise
    for j in range(N_STATE):
        total += slope[j] * along[j]
    pull = miss / total
    for i in range(N_STATE):
        state[i] += along[i] * pull
        share = along[i] / total
        for j in range(N_STATE):
            covariance[i, j] -= share * along[j]


@kernel
def _foresee(slope: Floats, spread: Floats, covariance: Floats, joint: Floats) -> None:
    """Write the joint variance (c, c) of the counts that are about to be seen."""
    along = np.empty(N_STATE)
    for i in range(slope.shape[0]):
        for j in range(N_STATE):
            along[j] = 0.0
        for q in range(N_STATE):
            weight = slope[i, q]
            if weight != 0.0:
                for j in range(N_STATE):
                    along[j] += covariance[q, j] * weight
        for j in range(i + 1):
            value = 0.0
            for q in range(N_STATE):
                value += slope[j, q] * along[q]
            joint[i, j] = value
            joint[j, i] = value
        joint[i, i] += spread[i, 1]


@kernel
def _note(
    count: float, spread: Floats, total: float, side: float, line: Floats
) -> None:
    """Write one detector's part of a bin's result, see :func:`filter_bins`."""
    line[0] = math.nan
    line[1] = spread[0]
    line[2] = total
    line[3] = spread[2]
    line[4] = MISSING
    if not math.isnan(count):
        line[0] = (count - spread[0]) / math.sqrt(total)
        line[4] = _judge(count, spread, total, side)


@kernel
def _learn(
    state: Floats,
    covariance: Floats,
    slope: Floats,
    spread: Floats,
    miss: Floats,
    line: Floats,
) -> None:
    """Take the used counts of one bin, one detector after the other."""
    before = state[:N_STATE].copy()
    for i in range(slope.shape[0]):
        if line[3 + 5 * i + 4] == USED:
            shifted = miss[i]
            for j in range(N_STATE):
                shifted -= slope[i, j] * (state[j] - before[j])
            _update(state, covariance, slope[i], shifted, spread[i, 1])


@kernel
def filter_bins(  # noqa: PLR0913, PLR0917 - the tables, the state and the result
    term: Floats,
    channel: Floats,
    row: Floats,
    seen: Floats,
    noise: Floats,
    state: Floats,
    covariance: Floats,
    out: Floats,
) -> None:
    """Run the log-parameter extended Kalman filter over bins, oldest first.

    Detectors are taken one after the other (scalar updates). A count far off its
    prediction is gated, a silent detector taken for dead, and where the bin is not
    learnt the filter only predicts.

    Args:
        term: (k, 4) the terms.
        channel: (c, 12 + k) the detectors.
        row: (n, 7) the bins.
        seen: (n, c, 3) what was seen.
        noise: (2,) variance of the background's walk 1/s, of a shock mm^2.
        state: (13,) in and out: the ten common parameters, displacement, background,
            middle of the last bin s (NaN before the first).
        covariance: (12, 12) in and out.
        out: (n, 3 + 5 c) written in place: standardised innovations of sum,
            difference and outer (NaN where there is none); then per detector its
            innovation in standard deviations (NaN where missing), the expected
            counts, their variance, n tau, and what became of the count.
    """
    n_channels = channel.shape[0]
    slope = np.empty((n_channels, N_LOCAL))
    spread = np.empty((n_channels, 3))
    joint = np.empty((n_channels, n_channels))
    miss = np.empty(n_channels)
    is_in = np.empty(n_channels)
    for t in range(row.shape[0]):
        _propagate(state, covariance, row[t], noise)
        _predict(term, channel, row[t], seen[t], state, slope, spread)
        _foresee(slope, spread, covariance, joint)
        for i in range(n_channels):
            line = out[t, 3 + N_PER_CHANNEL * i : 3 + N_PER_CHANNEL * (i + 1)]
            count = seen[t, i, 0]
            miss[i] = 0.0 if math.isnan(count) else count - spread[i, 0]
            _note(count, spread[i], joint[i, i], channel[i, 11], line)
            is_in[i] = 1.0 if line[4] == USED or line[4] == GATED else 0.0
        _contrasts(channel, spread[:, 0], miss, joint, is_in, out[t])
        if row[t, 6] != 0.0:
            _learn(state, covariance, slope, spread, miss, out[t])
