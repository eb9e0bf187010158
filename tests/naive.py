"""Slow plain twins of the gateway's kernels: obvious, and nothing imported from it."""

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
