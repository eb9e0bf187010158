"""The activity that is shown and used: the certificate's value and decay.

A(t) = A0 2^(-(t - t0)/T). The relative variance at t is that of the certificate
plus (lambda (t - t0) u(T)/T)^2. An impurity is certified as a ratio to the main
nuclide, so that its logarithm shares the certificate's error.

Source: GUM (JCGM 100:2008) section 5.1 for the propagation.
"""

import math
from typing import Final

from schemas.contents import Contents
from schemas.estimates import (
    CERTIFICATE_METHOD,
    Estimate,
    EstimateState,
    NuclideActivity,
)
from schemas.nuclides import decay_factor, nuclide
from schemas.units import NS_PER_S

# A clock that is off by more than this share of an activity makes it degraded.
CLOCK_SHARE: Final = 0.001


def certificate_estimate(contents: Contents, at_ns: int, time_u_ns: int) -> Estimate:
    """Return the activity of a vial by certificate and decay.

    Args:
        contents: the vial as certified.
        at_ns: instant the activity is wanted at, ns UTC.
        time_u_ns: standard uncertainty of that instant as the clock knows it, ns.

    Raises:
        UnknownWordError: a nuclide is not in the table.
    """
    names = (contents.nuclide, *(i.nuclide for i in contents.impurities))
    main = nuclide(contents.nuclide)
    elapsed_s = (at_ns - contents.reference_at_ns) / NS_PER_S
    activity_gbq = contents.activity_gbq * decay_factor(main.half_life_s, elapsed_s)
    u_half_life = main.half_life_u_s / main.half_life_s
    u_ratio = math.hypot(
        contents.activity_u_ratio, main.decay_constant_per_s * elapsed_s * u_half_life
    )
    u_clock = main.decay_constant_per_s * time_u_ns / NS_PER_S
    is_sharp = u_clock <= CLOCK_SHARE
    return Estimate(
        vial=contents.vial,
        method=CERTIFICATE_METHOD,
        state=EstimateState.VALID if is_sharp else EstimateState.DEGRADED,
        at_ns=at_ns,
        activity_gbq=activity_gbq,
        activity_u_gbq=activity_gbq * math.hypot(u_ratio, u_clock),
        reference_at_ns=contents.reference_at_ns,
        nuclides=tuple(_at_reference(contents, name) for name in names),
        log_covariance=_log_covariance(contents, names),
        reasons=() if is_sharp else ("clock uncertain",),
    )


def _at_reference(contents: Contents, name: str) -> NuclideActivity:
    ratio = 1.0
    for impurity in contents.impurities:
        if impurity.nuclide == name:
            ratio = impurity.activity_ratio
    return NuclideActivity(
        name, contents.activity_gbq * ratio, nuclide(name).half_life_s
    )


def _log_covariance(contents: Contents, names: tuple[str, ...]) -> tuple[float, ...]:
    """Row-major covariance of (ln A.., ln T..), see :class:`Estimate`."""
    n = len(names)
    shared = contents.activity_u_ratio**2
    rows = [[0.0] * (2 * n) for _ in range(2 * n)]
    for i in range(n):
        for j in range(n):
            rows[i][j] = shared
    for i, impurity in enumerate(contents.impurities, start=1):
        rows[i][i] += (impurity.activity_ratio_u / impurity.activity_ratio) ** 2
    for i, name in enumerate(names):
        known = nuclide(name)
        rows[n + i][n + i] = (known.half_life_u_s / known.half_life_s) ** 2
    return tuple(value for row in rows for value in row)
