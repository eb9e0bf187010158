"""Shock response spectrum: what a shock does to oscillators of every frequency.

Smallwood's ramp-invariant filter: between two samples the base acceleration is taken
to be a straight line, and the oscillator's absolute acceleration is then exact at
the samples, for any frequency. The peaks between samples are not: sample at ten
times the highest frequency or more for 0.1 % of it.

With E = exp(-z wn T), K = wd T, C = E cos K, S = E sin K, S' = S / K::

    b = (1 - S', 2 (S' - C), E^2 - S')      a = (1, -2 C, E^2)

Source: Smallwood (1981), Shock and Vibration Bulletin 51; ISO 18431-4.
"""

import math
from typing import Final

import numpy as np

from gateway.estimator.kernels import Floats, kernel

QUALITY: Final = 10.0
LOWEST_HZ: Final = 5.0
HIGHEST_HZ: Final = 800.0
PER_OCTAVE: Final = 9
MAXIMAX, POSITIVE, NEGATIVE = range(3)
# Oscillators that go through the samples together: their recursions do not wait for
# one another, and their states stay in the processor's registers.
_ABREAST: Final = 4


def frequencies_hz() -> Floats:
    """Return the natural frequencies of the spectrum: (66,), 5 Hz to 800 Hz."""
    count = math.floor(PER_OCTAVE * math.log2(HIGHEST_HZ / LOWEST_HZ)) + 1
    return np.asarray(LOWEST_HZ * 2.0 ** (np.arange(count) / PER_OCTAVE))


def spectrum(samples: Floats, rate_hz: float) -> Floats:
    """Return the spectrum of one axis, the residual after its end included.

    Args:
        samples: (n,) acceleration, any unit, zero at rest.
        rate_hz: samples per second.

    Returns:
        (3, 66): maximax, positive and negative at :func:`frequencies_hz`, all >= 0,
        in the unit of ``samples``.
    """
    frequencies = frequencies_hz()
    # One period of the lowest oscillator: its largest free swing is within it.
    silence = np.zeros(math.ceil(rate_hz / LOWEST_HZ))
    out = np.empty((3, frequencies.size))
    respond(np.concatenate((samples, silence)), rate_hz, frequencies, QUALITY, out)
    return out


@kernel
def respond(
    samples: Floats, rate_hz: float, frequencies: Floats, quality: float, out: Floats
) -> None:
    """Largest absolute acceleration of oscillators on a shaken base.

    Args:
        samples: (n,) acceleration of the base; the oscillators are at rest before.
        rate_hz: samples per second.
        frequencies: (m,) undamped natural frequencies, Hz, > 0.
        quality: Q, above 0.5; the damping ratio is 1 / (2 Q).
        out: (3, m) written in place: maximax, positive, negative, all >= 0.
    """
    a = np.zeros((2, frequencies.size + _ABREAST))
    b = np.zeros((3, frequencies.size + _ABREAST))
    for j in range(frequencies.size):
        damping = 0.5 / quality
        turn = 2.0 * math.pi * frequencies[j] / rate_hz
        decay = math.exp(-damping * turn)
        swing = turn * math.sqrt(1.0 - damping * damping)
        cosine = decay * math.cos(swing)
        mean = decay * math.sin(swing) / swing
        b[0, j] = 1.0 - mean
        b[1, j] = 2.0 * (mean - cosine)
        b[2, j] = decay * decay - mean
        a[0, j] = 2.0 * cosine
        a[1, j] = -decay * decay
    for j in range(0, frequencies.size, _ABREAST):
        _four(samples, a[:, j : j + _ABREAST], b[:, j : j + _ABREAST], out, j)


@kernel
def _four(samples: Floats, a: Floats, b: Floats, out: Floats, first: int) -> None:
    """Run four oscillators through the samples; write those that ``out`` has."""
    b00, b01, b02, b03 = b[0, 0], b[0, 1], b[0, 2], b[0, 3]
    b10, b11, b12, b13 = b[1, 0], b[1, 1], b[1, 2], b[1, 3]
    b20, b21, b22, b23 = b[2, 0], b[2, 1], b[2, 2], b[2, 3]
    a00, a01, a02, a03 = a[0, 0], a[0, 1], a[0, 2], a[0, 3]
    a10, a11, a12, a13 = a[1, 0], a[1, 1], a[1, 2], a[1, 3]
    y0 = y1 = y2 = y3 = z0 = z1 = z2 = z3 = 0.0
    high0 = high1 = high2 = high3 = low0 = low1 = low2 = low3 = 0.0
    before = last = 0.0
    for x in samples:
        w0 = b00 * x + b10 * last + b20 * before + a00 * y0 + a10 * z0
        w1 = b01 * x + b11 * last + b21 * before + a01 * y1 + a11 * z1
        w2 = b02 * x + b12 * last + b22 * before + a02 * y2 + a12 * z2
        w3 = b03 * x + b13 * last + b23 * before + a03 * y3 + a13 * z3
        z0, z1, z2, z3 = y0, y1, y2, y3
        y0, y1, y2, y3 = w0, w1, w2, w3
        high0, low0 = max(high0, w0), min(low0, w0)
        high1, low1 = max(high1, w1), min(low1, w1)
        high2, low2 = max(high2, w2), min(low2, w2)
        high3, low3 = max(high3, w3), min(low3, w3)
        before, last = last, x
    highs = (high0, high1, high2, high3)
    lows = (low0, low1, low2, low3)
    for k in range(min(_ABREAST, out.shape[1] - first)):
        out[POSITIVE, first + k] = highs[k]
        out[NEGATIVE, first + k] = -lows[k]
        out[MAXIMAX, first + k] = max(highs[k], -lows[k])


def warm_up() -> None:
    """Compile or load the kernels once, so that the first shock is not late."""
    respond(np.zeros(2), 3200.0, np.ones(1), QUALITY, np.empty((3, 1)))
