"""Compiled kernels: arrays in, arrays out, nothing else.

One decorator, one place. No fastmath: with it ``isnan`` is false for NaN and the
results differ between processors. All kernels of one call tree live in this file,
because the compile cache does not see a change in another file. Each kernel has a
slow plain twin in ``tests/naive.py``.
"""

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., object])
Floats = NDArray[np.float64]


def kernel(function: F) -> F:
    """Compile ``function`` with the project's only numba flags."""
    return cast("F", njit(cache=True, error_model="numpy", nogil=True)(function))


@kernel
def expected_sums(  # noqa: PLR0913, PLR0917 - six arrays of one forward model and its result
    counts: Floats,
    live_s: Floats,
    age_s: Floats,
    background_per_s: Floats,
    rates_per_s: Floats,
    constants_per_s: Floats,
    out: Floats,
) -> None:
    """Sum counts, expected source counts and expected background over the bins.

    Bins in which ``counts`` is NaN are left out of all three sums.

    Args:
        counts: (n,) counts per bin; NaN where missing.
        live_s: (n,) live time per bin, s.
        age_s: (n,) middle of the bin since the reference instant, s.
        background_per_s: (n,) background count rate per bin, 1/s.
        rates_per_s: (m,) source count rate per nuclide at the reference instant, 1/s.
        constants_per_s: (m,) decay constants, 1/s.
        out: (3,) written in place: counts, source, background.

    Source: radioactive decay law; live time as exposure is exact for a
    non-paralysable detector (the likelihood is that of a Poisson process in live
    time). The middle of a bin of 60 s is its mean to 1e-11.
    """
    total = 0.0
    source = 0.0
    background = 0.0
    for i in range(counts.size):
        if math.isnan(counts[i]):
            continue
        rate = 0.0
        for j in range(rates_per_s.size):
            rate += rates_per_s[j] * math.exp(-constants_per_s[j] * age_s[i])
        total += counts[i]
        source += rate * live_s[i]
        background += background_per_s[i] * live_s[i]
    out[0] = total
    out[1] = source
    out[2] = background


def warm_up() -> None:
    """Compile or load every kernel once, so that the first estimate is not late."""
    one = np.ones(1)
    expected_sums(one, one, one, one, one, one, np.empty(3))
