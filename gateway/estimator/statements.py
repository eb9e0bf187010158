"""What the estimators found, in the words of the contract.

A number that may not be used is not stated: a fused activity that is held, or not
observable, is the certificate's with decay; a fraction or half-life is absent.
"""

import math

import msgspec

from gateway.estimator.activity import certificate_estimate
from gateway.estimator.consistency import Agreement
from gateway.estimator.fraction import Fraction
from gateway.estimator.fused import UNRESOLVED, Fused
from gateway.estimator.fusion import Posterior
from gateway.estimator.model import Parameter
from schemas.contents import Contents
from schemas.estimates import (
    FUSED_METHOD,
    HALF_LIFE_METHOD,
    REMAINING_METHOD,
    Estimate,
    EstimateState,
    HalfLifeCheck,
    NuclideActivity,
    Remaining,
    UncertaintyShare,
    WitnessVerdict,
)
from schemas.nuclides import nuclide

NOT_YET = EstimateState.NOT_OBSERVABLE


def fused_estimate(contents: Contents, fused: Fused, time_u_ns: int) -> Estimate:
    """Return a fused number as it is stated.

    Args:
        contents: the vial as certified.
        fused: the fused number; held or not observable it is the certificate's.
        time_u_ns: standard uncertainty of the clock, ns.
    """
    if not fused.is_fused:
        held = held_estimate(
            contents, fused.at_ns, time_u_ns, fused.state, fused.reasons
        )
        return _widened(held, fused.budget.get(UNRESOLVED, 0.0))
    scale = math.exp(fused.posterior.log_ratio)
    longer = math.exp(fused.posterior.value(Parameter.HALF_LIFE)[0])
    known = [(contents.nuclide, 1.0, longer)]
    known += [(i.nuclide, i.activity_ratio, 1.0) for i in contents.impurities]
    return Estimate(
        vial=contents.vial,
        method=FUSED_METHOD,
        state=fused.state,
        at_ns=fused.at_ns,
        activity_gbq=fused.activity_gbq,
        activity_u_gbq=fused.activity_u_gbq,
        reference_at_ns=contents.reference_at_ns,
        nuclides=tuple(
            NuclideActivity(
                nuclide=name,
                activity_gbq=contents.activity_gbq * ratio * scale,
                half_life_s=nuclide(name).half_life_s * longer,
            )
            for name, ratio, longer in known
        ),
        log_covariance=_log_covariance(contents, fused.posterior),
        reasons=fused.reasons,
        budget=tuple(
            UncertaintyShare(name, share)
            for name, share in fused.budget.items()
            if share > 0.0
        ),
    )


def _widened(held: Estimate, unresolved_u: float) -> Estimate:
    """Add what may have happened to all amounts alike."""
    if unresolved_u == 0.0:
        return held
    n = len(held.nuclides)
    covariance = list(held.log_covariance)
    for i in range(n):
        for j in range(n):
            covariance[i * 2 * n + j] += unresolved_u**2
    return msgspec.structs.replace(
        held,
        activity_u_gbq=math.hypot(
            held.activity_u_gbq, held.activity_gbq * unresolved_u
        ),
        log_covariance=tuple(covariance),
        budget=(UncertaintyShare(UNRESOLVED, unresolved_u),),
    )


def held_estimate(
    contents: Contents,
    at_ns: int,
    time_u_ns: int,
    state: EstimateState,
    reasons: tuple[str, ...],
) -> Estimate:
    """Return the certificate's activity under the fused number's name and state."""
    known = certificate_estimate(contents, at_ns, time_u_ns)
    return Estimate(
        vial=known.vial,
        method=FUSED_METHOD,
        state=state,
        at_ns=at_ns,
        activity_gbq=known.activity_gbq,
        activity_u_gbq=known.activity_u_gbq,
        reference_at_ns=known.reference_at_ns,
        nuclides=known.nuclides,
        log_covariance=known.log_covariance,
        reasons=reasons,
    )


def remaining_statement(
    vial: str, since_ns: int, found: Fraction, reasons: tuple[str, ...]
) -> Remaining:
    """Return a fraction remaining as it is stated.

    Args:
        vial: the vial.
        since_ns: middle of the fingerprint, ns UTC.
        found: the fraction.
        reasons: why it is less sure than its interval says; it is degraded then.
    """
    if found.reasons:
        return Remaining(
            vial, REMAINING_METHOD, NOT_YET, since_ns, reasons=found.reasons
        )
    return Remaining(
        vial=vial,
        method=REMAINING_METHOD,
        state=EstimateState.DEGRADED if reasons else EstimateState.VALID,
        since_ns=since_ns,
        ratio=found.ratio,
        ratio_u=found.ratio_u,
        reasons=reasons,
    )


def half_life_statement(contents: Contents, found: Agreement) -> HalfLifeCheck:
    """Return the check of the certificate's nuclide as it is stated."""
    expected_s = nuclide(contents.nuclide).half_life_s
    if found.verdict is WitnessVerdict.NOT_OBSERVABLE:
        return HalfLifeCheck(
            vial=contents.vial,
            method=HALF_LIFE_METHOD,
            verdict=found.verdict,
            expected_half_life_s=expected_s,
            reasons=found.reasons,
        )
    fits = f"would fit: {', '.join(found.nuclides)}" if found.nuclides else ""
    is_other = found.verdict is not WitnessVerdict.AGREES and bool(fits)
    return HalfLifeCheck(
        vial=contents.vial,
        method=HALF_LIFE_METHOD,
        verdict=found.verdict,
        expected_half_life_s=expected_s,
        half_life_s=expected_s * found.ratio,
        half_life_u_s=expected_s * found.ratio * found.ratio_u,
        reasons=(fits,) if is_other else (),
    )


def _log_covariance(contents: Contents, posterior: Posterior) -> tuple[float, ...]:
    """Row-major covariance of (ln A.., ln T..), see :class:`Estimate`.

    An impurity is certified as a ratio, so that it shares the activity's error.
    """
    activity, half_life = Parameter.ACTIVITY, Parameter.HALF_LIFE
    own = float(posterior.covariance[activity, activity])
    crossed = float(posterior.covariance[activity, half_life])
    names = [contents.nuclide, *(i.nuclide for i in contents.impurities)]
    n = len(names)
    rows = [[0.0] * (2 * n) for _ in range(2 * n)]
    for i in range(n):
        rows[i][n] = rows[n][i] = crossed
        for j in range(n):
            rows[i][j] = own
    for i, impurity in enumerate(contents.impurities, start=1):
        rows[i][i] += (impurity.activity_ratio_u / impurity.activity_ratio) ** 2
    for i, name in enumerate(names):
        known = nuclide(name)
        rows[n + i][n + i] = (known.half_life_u_s / known.half_life_s) ** 2
    rows[n][n] = float(posterior.covariance[half_life, half_life])
    return tuple(value for row in rows for value in row)
