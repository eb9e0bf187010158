"""Kernels of the forward model: decay, rate and dead time of one bin.

Arrays in, arrays out; no fastmath and a fixed order of summation: the same journal
gives the same bits compiled and interpreted. Tables are made by ``ForwardModel``:

- ``term`` (k, 4): decay constant 1/s, begin of the age s, is impurity, is head;
- ``channel`` (c, 12 + k): loads of common gain, differential gain and leak,
  temperature coefficient and its uncertainty, dead time s and its uncertainty,
  displacement per mm and per mm^2, terrestrial and cosmic rate 1/s, side, then the
  count rate of each term 1/s;
- ``row`` (n, 7): begin s, width s, cosmic growth, liquid shift mm, load of the
  change, is shocked, is learnt;
- ``seen`` (n, c, 3): counts (NaN where missing), time switched on s, 10 K off 25 C.

Local gradient (12): activity, common gain, differential gain, temperature, dead time,
impurity, leak, cosmic, half-life, change, displacement, background.

``filter_kernels`` and ``mode_kernels`` call these. The compile cache does not see a
change in another file, so each of them names the digest of this one: a test keeps it
true, and with it the cache.
"""

import math
from typing import Final

from gateway.estimator.kernels import Floats, kernel

N_LOCAL: Final = 12
# Log parameters beyond this are no physics; math.exp would overflow at 709.
_CLIP: Final = 30.0


@kernel
def _exp(value: float) -> float:
    bounded: float = min(max(value, -_CLIP), _CLIP)
    return math.exp(bounded)


@kernel
def decayed(term: Floats, row: Floats, common: Floats, out: Floats) -> None:
    """Average each term over one bin, and its derivative by ln T.

    Args:
        term: (k, 4) the terms.
        row: (7,) the bin.
        common: (10,) or more: parameters; impurity and half-life are used.
        out: (2, k) written in place: average, derivative; the impurity's scale is in.
    """
    stretch = math.exp(-min(max(common[8], -5.0), 5.0))
    scale = _exp(common[5])
    for k in range(term.shape[0]):
        constant = term[k, 0]
        if term[k, 3] != 0.0:
            constant = constant * stretch
        age = row[0] - term[k, 1]
        x = constant * row[1]
        mean = 1.0
        fall = 0.0
        if x > 0.0:
            lost = math.expm1(-x)
            mean = -lost / x
            fall = mean - 1.0 - lost
        value = math.exp(min(-constant * age, 700.0))
        if term[k, 2] != 0.0:
            value = value * scale
        out[0, k] = value * mean
        out[1, k] = 0.0
        if term[k, 3] != 0.0:
            out[1, k] = value * (mean * constant * age + fall)


@kernel
def dead_time(detector: Floats, common: Floats) -> float:
    """Return the dead time of one detector, s."""
    seconds: float = detector[5] * _exp(detector[6] * common[4])
    return seconds


@kernel
def rate(  # noqa: PLR0913, PLR0917 - one detector, one bin, three parameter blocks
    term: Floats,
    detector: Floats,
    row: Floats,
    drift: float,
    decay: Floats,
    common: Floats,
    place: Floats,
    gradient: Floats,
) -> float:
    """Return the true count rate of one detector in one bin, 1/s, and its gradient.

    Args:
        term: (k, 4) the terms.
        detector: (12 + k,) its line of the channel table.
        row: (7,) the bin.
        drift: temperature off the calibration's, 10 K.
        decay: (2, k) from :func:`decayed`.
        common: (10,) or more: the common parameters.
        place: (2,) displacement mm, logarithm of the terrestrial background.
        gradient: (12,) written in place: local gradient of the rate, 1/s. The dead
            time's entry is that of the rate which would give the same mean count.
    """
    main = 0.0
    impure = 0.0
    bent = 0.0
    for k in range(term.shape[0]):
        given = detector[12 + k] * decay[0, k]
        if term[k, 2] != 0.0:
            impure += given
        else:
            main += given
        bent += detector[12 + k] * decay[1, k]
    off = place[0] + row[3]
    response = detector[3] + detector[4] * common[3]
    gain = _exp(
        common[0]
        + detector[0] * common[1]
        + detector[1] * common[2]
        + detector[2] * common[6]
        + response * drift
        + (detector[7] + detector[8] * off) * off
        + row[4] * common[9]
    )
    signal = gain * (main + impure)
    ground = detector[9] * _exp(place[1])
    cosmic = detector[10] * row[2] * _exp(common[7])
    total: float = signal + ground + cosmic
    tau = dead_time(detector, common)
    gradient[0] = signal
    gradient[1] = signal * detector[0]
    gradient[2] = signal * detector[1]
    gradient[3] = signal * detector[4] * drift
    gradient[4] = -total * total * tau * detector[6]
    gradient[5] = gain * impure
    gradient[6] = signal * detector[2]
    gradient[7] = cosmic
    gradient[8] = gain * bent
    gradient[9] = signal * row[4]
    gradient[10] = signal * (detector[7] + 2.0 * detector[8] * off)
    gradient[11] = ground
    return total
