"""Slow plain twins of rate, filter and mode kernels; nothing is imported from them.

Written from the equations of the model with numpy's linear algebra, quadrature for
the decay averaged over a bin, and complex steps for every derivative.
"""

import cmath
import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_TINY = 1e-30


def _decay(term: Floats, row: Floats, common: Complex) -> list[complex]:
    """Average of each term over the bin, by quadrature."""
    found = []
    for constant, origin, is_impurity, is_head in term:
        own = constant * cmath.exp(-common[8]) if is_head else constant + 0j
        times = row[0] - origin + row[1] * (_NODES + 1.0) / 2.0
        values = [cmath.exp(-own * t) for t in times]
        mean = sum(w * v for w, v in zip(_WEIGHTS, values, strict=True))
        scale = cmath.exp(common[5]) if is_impurity else 1.0
        found.append(mean / 2.0 * scale)
    return found


def rate(
    term: Floats, detector: Floats, row: Floats, drift: float, local: Complex
) -> complex:
    """True count rate; ``local`` are the ten common parameters, s and b."""
    a, gc, gd, kappa, _tau, _rho, leak, cosmic, _theta, change, s, b = local
    shares = _decay(term, row, local)
    source = complex(np.dot(detector[12:], shares))
    off = s + row[3]
    power = a + detector[0] * gc + detector[1] * gd + detector[2] * leak
    power += (detector[3] + detector[4] * kappa) * drift
    power += detector[7] * off + detector[8] * off**2 + row[4] * change
    background = complex(detector[9]) * cmath.exp(b) + detector[10] * row[
        2
    ] * cmath.exp(cosmic)
    total: complex = source * cmath.exp(power) + background
    return total


def mean_counts(
    term: Floats, detector: Floats, row: Floats, seen: Floats, local: Complex
) -> complex:
    """Expected counts of a non-paralysable detector."""
    n = rate(term, detector, row, seen[2], local)
    tau = detector[5] * cmath.exp(detector[6] * local[4])
    return complex(n * seen[1] / (1.0 + n * tau))


def variance(mean: float, detector: Floats, seen: Floats, local: Floats) -> float:
    """Renewal variance of the counts: m / (1 + n tau)^2 with n from m."""
    tau = float(detector[5] * math.exp(detector[6] * local[4]))
    return mean * (1.0 - mean * tau / float(seen[1])) ** 2


def slope(
    term: Floats, detector: Floats, row: Floats, seen: Floats, local: Floats
) -> Floats:
    """Derivative of the expected counts by the twelve local parameters."""
    found = np.empty(12)
    for j in range(12):
        step = local.astype(np.complex128)
        step[j] += 1j * _TINY
        found[j] = mean_counts(term, detector, row, seen, step).imag / _TINY
    return found


def filter_bins(  # noqa: PLR0917 - the tables, as the kernel has them
    term: Floats,
    channel: Floats,
    row: Floats,
    seen: Floats,
    noise: Floats,
    state: Floats,
    covariance: Floats,
) -> tuple[Floats, Floats, list[list[float]]]:
    """Textbook extended Kalman filter, one scalar measurement after the other."""
    x, p, last = state.copy(), covariance.copy(), math.nan
    shown = []
    for t in range(len(row)):
        middle = row[t, 0] + row[t, 1] / 2
        if not math.isnan(last):
            p[11, 11] += noise[0] * (middle - last)
        last = middle
        if row[t, 5]:
            p[10, 10] += noise[1]
        before, line = x.copy(), []
        measured = []
        for i in range(len(channel)):
            h = slope(term, channel[i], row[t], seen[t, i], before)
            m = mean_counts(
                term, channel[i], row[t], seen[t, i], before.astype(complex)
            ).real
            v = variance(m, channel[i], seen[t, i], before)
            count = seen[t, i, 0]
            line.append((count - m) / math.sqrt(h @ p @ h + v))
            measured.append((h, m, v, count))
        if row[t, 6]:
            for (h, m, v, count), z in zip(measured, line, strict=True):
                if math.isnan(count) or abs(z) > 4.0:
                    continue
                gain = p @ h / (h @ p @ h + v)
                x += gain * (count - m - h @ (x - before))
                p = (np.eye(12) - np.outer(gain, h)) @ p
        shown.append(line)
    return x, p, shown


def local_parameters(place: Floats, parameters: Floats) -> Floats:
    """The twelve parameters that one bin depends on."""
    s, lower, share = int(place[0]), int(place[1]), place[2]
    b = parameters[lower]
    if share:
        b = (1.0 - share) * parameters[lower] + share * parameters[lower + 1]
    found: Floats = np.concatenate([parameters[:10], [parameters[s], b]])
    return found


def score(
    term: Floats,
    channel: Floats,
    row: Floats,
    seen: Floats,
    place: Floats,
    parameters: Floats,
) -> tuple[Floats, Floats]:
    """J' (N - m) / V and J' J / V over all bins, J by complex steps."""
    p = parameters.size
    total, information = np.zeros(p), np.zeros((p, p))
    for t in range(len(row)):
        local = local_parameters(place[t], parameters)
        for i in range(len(channel)):
            if math.isnan(seen[t, i, 0]):
                continue
            own = slope(term, channel[i], row[t], seen[t, i], local)
            full = np.zeros(p)
            full[:10] = own[:10]
            full[int(place[t, 0])] += own[10]
            full[int(place[t, 1])] += own[11] * (1.0 - place[t, 2])
            if place[t, 2]:
                full[int(place[t, 1]) + 1] += own[11] * place[t, 2]
            m = mean_counts(
                term, channel[i], row[t], seen[t, i], local.astype(complex)
            ).real
            v = variance(m, channel[i], seen[t, i], local)
            total += full * (seen[t, i, 0] - m) / v
            information += np.outer(full, full) / v
    return total, information


def find_mode(
    term: Floats,
    channel: Floats,
    row: Floats,
    seen: Floats,
    place: Floats,
    precision: Floats,
) -> tuple[Floats, Floats]:
    """Fisher scoring from 0, and the inverse information at the mode."""
    x = np.zeros(len(precision))
    for _ in range(12):
        total, information = score(term, channel, row, seen, place, x)
        hessian = information + precision
        x += np.linalg.solve(hessian, total - precision @ x)
    return x, np.linalg.inv(hessian).astype(np.float64)


def log_loss(count: float, n: float, live_s: float, tau_s: float) -> float:
    """Minus the logarithm of the saddle point density of one count.

    The deviance of a counter that is open live - N tau, and half the logarithm of
    the variance that the count itself suggests.
    """
    open_s = live_s - count * tau_s
    half_log_variance = math.log(1.0 - count * tau_s / live_s)
    if count == 0:
        return n * live_s
    best = count / open_s
    return (n - best) * open_s - count * math.log(n / best) + half_log_variance
