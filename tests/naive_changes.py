"""Slow plain twins of the change detectors: every beginning, every size, in full."""

import math
from collections.abc import Sequence


def _log_ratio(seen: float, expected: float, is_poisson: bool) -> float:
    if not is_poisson:
        return 0.5 * seen * seen / expected
    log = seen * math.log(seen / expected) if seen > 0.0 else 0.0
    return log - (seen - expected)


def focus(
    seen: Sequence[float], expected: Sequence[float], *, is_poisson: bool
) -> list[tuple[float, float]]:
    """Return the generalised likelihood ratio of a rise and of a fall, per bin."""
    found = []
    for last in range(len(seen)):
        rise = fall = 0.0
        for first in range(last + 1):
            kept = [i for i in range(first, last + 1) if not math.isnan(seen[i])]
            here = math.fsum(seen[i] for i in kept)
            due = math.fsum(expected[i] for i in kept)
            if due <= 0.0:
                continue
            ratio = _log_ratio(here, due, is_poisson)
            if here > (due if is_poisson else 0.0):
                rise = max(rise, ratio)
            else:
                fall = max(fall, ratio)
        found.append((rise, fall))
    return found


def cusum(
    seen: Sequence[float], expected: Sequence[float], sizes: Sequence[float]
) -> list[float]:
    """Return the largest of a bank of Page's tests on counts, per bin."""
    state = [0.0] * len(sizes)
    found = []
    for count, due in zip(seen, expected, strict=True):
        if not math.isnan(count):
            for j, size in enumerate(sizes):
                gain = count * math.log(size) - (size - 1.0) * due
                state[j] = max(0.0, state[j] + gain)
        found.append(max(state))
    return found


def cusum_gaussian(seen: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Return the largest of a bank of Page's tests on innovations, per bin."""
    state = [0.0] * len(sizes)
    found = []
    for one in seen:
        if not math.isnan(one):
            state = [
                max(0.0, s + size * (one - 0.5 * size))
                for s, size in zip(state, sizes, strict=True)
            ]
        found.append(max(state))
    return found
