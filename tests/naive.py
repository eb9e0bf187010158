"""Slow plain twins of the gateway's kernels: obvious, and nothing imported from it."""

import cmath
import math
from collections.abc import Sequence


def expected_sums(
    counts: Sequence[float],
    live_s: Sequence[float],
    age_s: Sequence[float],
    background_per_s: Sequence[float],
    rates_per_s: Sequence[float],
    constants_per_s: Sequence[float],
) -> tuple[float, float, float]:
    """Counts, expected source counts and expected background of the bins that count."""
    kept = [i for i, count in enumerate(counts) if not math.isnan(count)]
    source = [
        rate * math.exp(-constant * age_s[i]) * live_s[i]
        for i in kept
        for rate, constant in zip(rates_per_s, constants_per_s, strict=True)
    ]
    return (
        math.fsum(counts[i] for i in kept),
        math.fsum(source),
        math.fsum(background_per_s[i] * live_s[i] for i in kept),
    )


def shock_response(
    samples: Sequence[float],
    rate_hz: float,
    frequency_hz: float,
    quality: float,
) -> tuple[float, float, float]:
    """Largest |a|, a and -a of the absolute acceleration of one oscillator.

    Twenty lines of complex arithmetic instead of a recursion: between two samples the
    base moves on a straight line, and the state is carried over exactly.
    """
    damping, omega, step = 0.5 / quality, 2 * math.pi * frequency_hz, 1 / rate_hz
    pole = omega * complex(-damping, math.sqrt(1 - damping**2))
    carry = cmath.exp(pole * step)
    # z'' + 2 d w z' + w^2 z = -u, as q' = p q + i u / Im(p) with z = Re(q).
    grow = 1j / pole.imag
    state, base, high, low = 0j, 0.0, 0.0, 0.0
    for sample in samples:
        slope = (sample - base) / step
        level = (carry - 1) / pole
        ramp = (carry - 1 - pole * step) / pole**2
        state = carry * state + grow * (base * level + slope * ramp)
        base = sample
        velocity = (pole * state + grow * base).real
        absolute = -2 * damping * omega * velocity - omega**2 * state.real
        high, low = max(high, absolute), min(low, absolute)
    return max(high, -low), high, -low
