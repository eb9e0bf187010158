"""Kernels of the fused number: likelihood, score, information, posterior mode.

No linear algebra library: a hand-written Cholesky factor of some 20 to 60 parameters.
Tables and local gradient as in ``rate_kernels``.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.estimator.kernels import Floats, kernel
from gateway.estimator.rate_kernels import N_LOCAL, dead_time, decayed, rate

Indices = NDArray[np.int64]

RATE_KERNELS_SHA256: Final = (
    "6c216e7620bbcbefe88fe037ef49356e22941140083af38d59004d111b29764a"
)
_MOST_STEPS: Final = 40
# Newton decrement, in squared posterior standard deviations, that ends the search.
_CONVERGED: Final = 1e-12
# The score has the expected rate where the likelihood's own has the counted one, so
# that close to the mode the objective may rise by less than this.
_OBJECTIVE_SLACK: Final = 0.1


@kernel
def factorise(matrix: Floats, out: Floats) -> bool:
    """Write the lower Cholesky factor of ``matrix`` (p, p); False where it has none."""
    p = matrix.shape[0]
    for j in range(p):
        value = matrix[j, j]
        for q in range(j):
            value -= out[j, q] * out[j, q]
        if not value > 0.0:
            return False
        root = math.sqrt(value)
        out[j, j] = root
        for i in range(j + 1, p):
            value = matrix[i, j]
            for q in range(j):
                value -= out[i, q] * out[j, q]
            out[i, j] = value / root
    return True


@kernel
def solve(factor: Floats, vector: Floats) -> None:
    """Solve L L' x = ``vector`` (p,) in place, L from :func:`factorise`."""
    p = factor.shape[0]
    for i in range(p):
        value = vector[i]
        for j in range(i):
            value -= factor[i, j] * vector[j]
        vector[i] = value / factor[i, i]
    for i in range(p - 1, -1, -1):
        value = vector[i]
        for j in range(i + 1, p):
            value -= factor[j, i] * vector[j]
        vector[i] = value / factor[i, i]


@kernel
def invert(factor: Floats, out: Floats) -> None:
    """Write the inverse of L L' (p, p), L from :func:`factorise`."""
    p = factor.shape[0]
    for i in range(p):
        for j in range(p):
            out[i, j] = 0.0
        out[i, i] = 1.0
        solve(factor, out[i])


@kernel
def _log_loss(count: float, n: float, live_s: float, tau: float) -> float:
    """Return minus the logarithm of the likelihood of one count, constants left out.

    The likelihood of a non-paralysable counter is that of a Poisson process in the
    time it is open; its own norm, in which the dead time is, is the saddle point's.
    """
    open_s = max(live_s - count * tau, 1e-6)
    loss = n * open_s - count + math.log(open_s / live_s)
    if count > 0.0:
        loss -= count * math.log(n * open_s / count)
    return loss


@kernel
def _locate(place: Floats, parameters: Floats, here: Floats) -> None:
    lower = int(place[1])
    here[0] = parameters[int(place[0])]
    here[1] = parameters[lower]
    if place[2] != 0.0:
        here[1] += place[2] * (parameters[lower + 1] - parameters[lower])


@kernel
def misfit(  # noqa: PLR0913, PLR0917 - the tables, the parameters and the result
    term: Floats,
    channel: Floats,
    row: Floats,
    seen: Floats,
    place: Floats,
    parameters: Floats,
    out: Floats,
) -> float:
    """Return the loss of all bins, and write what each detector shows.

    Args:
        term: (k, 4) the terms.
        channel: (c, 12 + k) the detectors.
        row: (n, 7) the bins.
        seen: (n, c, 3) what was seen.
        place: (n, 3) index of displacement and of the lower knot, share of the upper.
        parameters: (p,) all parameters.
        out: (n, c, 3) written in place: residual in standard deviations (NaN where
            missing), expected counts, n tau.

    Returns:
        Minus the logarithm of the likelihood, 0 for counts that are as expected.
    """
    decay = np.empty((2, term.shape[0]))
    gradient = np.empty(N_LOCAL)
    here = np.empty(2)
    loss = 0.0
    for t in range(row.shape[0]):
        decayed(term, row[t], parameters, decay)
        _locate(place[t], parameters, here)
        for i in range(channel.shape[0]):
            count, live = seen[t, i, 0], seen[t, i, 1]
            out[t, i, 0] = math.nan
            if math.isnan(count):
                continue
            n = rate(
                term,
                channel[i],
                row[t],
                seen[t, i, 2],
                decay,
                parameters,
                here,
                gradient,
            )
            tau = dead_time(channel[i], parameters)
            shut = 1.0 + n * tau
            mean = n * live / shut
            out[t, i, 0] = (count - mean) * shut / math.sqrt(mean)
            out[t, i, 1] = mean
            out[t, i, 2] = n * tau
            loss += _log_loss(count, n, live, tau)
    return loss


@kernel
def _share_knots(share: float, gradient: Floats) -> None:
    gradient[N_LOCAL] = share * gradient[N_LOCAL - 1]
    gradient[N_LOCAL - 1] -= gradient[N_LOCAL]


@kernel
def _gather(
    gradient: Floats,
    index: Indices,
    pull: float,
    weight: float,
    slope: Floats,
    information: Floats,
) -> None:
    """Add one observation's score and information; zeros are passed over."""
    for x in range(N_LOCAL + 1):
        first = gradient[x]
        if first == 0.0:
            continue
        at = index[x]
        slope[at] += first * pull
        first = first * weight
        for y in range(x + 1):
            if gradient[y] != 0.0:
                information[at, index[y]] += first * gradient[y]


@kernel
def score(  # noqa: PLR0913, PLR0917 - the tables, the parameters and two results
    term: Floats,
    channel: Floats,
    row: Floats,
    seen: Floats,
    place: Floats,
    parameters: Floats,
    slope: Floats,
    information: Floats,
) -> float:
    """Return the loss; add the score and the expected information.

    Args:
        term: see :func:`misfit`, as the next four.
        channel: (c, 12 + k).
        row: (n, 7).
        seen: (n, c, 3).
        place: (n, 3).
        parameters: (p,).
        slope: (p,) the score is added to it.
        information: (p, p) the Fisher information is added to its lower triangle.

    Source: score J' (N - m) / V and information J' J / V with the renewal variance
    V = m / (1 + n tau)^2; in terms of the rate (N - n (t - N tau)) / n and
    t / (n (1 + n tau)).
    """
    decay = np.empty((2, term.shape[0]))
    gradient = np.empty(N_LOCAL + 1)
    index = np.empty(N_LOCAL + 1, np.int64)
    here = np.empty(2)
    loss = 0.0
    for j in range(10):
        index[j] = j
    for t in range(row.shape[0]):
        decayed(term, row[t], parameters, decay)
        _locate(place[t], parameters, here)
        index[10] = int(place[t, 0])
        index[11] = int(place[t, 1])
        index[12] = index[11] + 1
        for i in range(channel.shape[0]):
            count, live = seen[t, i, 0], seen[t, i, 1]
            if math.isnan(count):
                continue
            n = rate(
                term,
                channel[i],
                row[t],
                seen[t, i, 2],
                decay,
                parameters,
                here,
                gradient,
            )
            tau = dead_time(channel[i], parameters)
            open_s = live - count * tau
            loss += _log_loss(count, n, live, tau)
            _share_knots(place[t, 2], gradient)
            pull = (count - n * open_s) / n
            weight = live / (n * (1.0 + n * tau))
            _gather(gradient, index, pull, weight, slope, information)
    return loss


@kernel
def _prior_energy(precision: Floats, parameters: Floats) -> float:
    total = 0.0
    for i in range(parameters.size):
        for j in range(parameters.size):
            total += parameters[i] * precision[i, j] * parameters[j]
    return 0.5 * total


@kernel
def _begin(
    precision: Floats, parameters: Floats, slope: Floats, information: Floats
) -> None:
    """Set score and information to those of the prior."""
    for i in range(parameters.size):
        slope[i] = 0.0
        for j in range(parameters.size):
            slope[i] -= precision[i, j] * parameters[j]
            information[i, j] = precision[i, j]


@kernel
def _advance(start: Floats, step: Floats, share: float, out: Floats) -> None:
    for j in range(start.size):
        out[j] = start[j] + share * step[j]


@kernel
def _product(first: Floats, second: Floats) -> float:
    total = 0.0
    for j in range(first.size):
        total += first[j] * second[j]
    return total


@kernel
def _shrunk(rise: float, slide: float, decrement: float) -> float:
    """Return what is to be left of a step: 1, or less where it went too far.

    Too far is where the objective rises, or where the slope along the step has turned
    by half of what it began with: then the secant says where it vanishes.
    """
    share = 1.0
    if slide < -0.5 * decrement:
        share = decrement / (decrement - slide)
    if rise > _OBJECTIVE_SLACK:
        share = min(share, 0.5)
    return share


@kernel
def find_mode(  # noqa: PLR0913, PLR0917 - the tables, the prior and the result
    term: Floats,
    channel: Floats,
    row: Floats,
    seen: Floats,
    place: Floats,
    precision: Floats,
    parameters: Floats,
    covariance: Floats,
) -> float:
    """Find the posterior mode by Fisher scoring, and the Laplace covariance there.

    Args:
        term: see :func:`misfit`, as the next four.
        channel: (c, 12 + k).
        row: (n, 7).
        seen: (n, c, 3).
        place: (n, 3).
        precision: (p, p) inverse prior covariance; the prior's mean is 0.
        parameters: (p,) in: where to begin; out: the mode.
        covariance: (p, p) written in place: inverse of the information at the mode.

    Returns:
        Number of steps; negative where the search did not end in 40.
    """
    p = parameters.size
    slope = np.empty(p)
    information = np.empty((p, p))
    factor = np.zeros((p, p))
    step = np.zeros(p)
    tried = parameters.copy()
    objective = math.inf
    decrement = 0.0
    for turn in range(_MOST_STEPS):
        _begin(precision, tried, slope, information)
        energy = score(term, channel, row, seen, place, tried, slope, information)
        energy += _prior_energy(precision, tried)
        shrink = _shrunk(energy - objective, _product(step, slope), decrement)
        if shrink < 1.0:
            _advance(step, step, shrink - 1.0, step)
            _advance(parameters, step, 1.0, tried)
            decrement = decrement * shrink
            continue
        objective = energy
        _advance(tried, step, 0.0, parameters)
        if not factorise(information, factor):
            return -float(turn + 1)
        _advance(slope, step, 0.0, step)
        solve(factor, step)
        _advance(parameters, step, 1.0, tried)
        decrement = _product(step, slope)
        if decrement < _CONVERGED:
            _advance(tried, step, 0.0, parameters)
            invert(factor, covariance)
            return float(turn + 1)
    invert(factor, covariance)
    return -float(_MOST_STEPS)
