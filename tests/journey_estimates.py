"""What a gateway with a released gain says of the vial of :mod:`tests.journeys`."""

from schemas.contents import Contents
from schemas.estimates import (
    CERTIFICATE_METHOD,
    FINGERPRINT_METHOD,
    FUSED_METHOD,
    HALF_LIFE_METHOD,
    REMAINING_METHOD,
    DetectorGain,
    Estimate,
    EstimateState,
    FingerprintResult,
    FingerprintVerdict,
    HalfLifeCheck,
    NuclideActivity,
    Remaining,
    UncertaintyShare,
    WitnessVerdict,
)
from schemas.nuclides import decay_factor, nuclide
from schemas.units import NS_PER_S

IN_THE_AIR = ("in the air",)
# The detectors say 0.4 % more than the certificate, with u = 1.1 %.
FUSED_RATIO, FUSED_U = 1.004, 0.011


def activity(contents: Contents, at_ns: int, ratio: float, u: float) -> Estimate:
    """Return an estimate that is ``ratio`` of the certificate's, u relative."""
    main = nuclide(contents.nuclide)
    elapsed_s = (at_ns - contents.reference_at_ns) / NS_PER_S
    value_gbq = (
        ratio * contents.activity_gbq * decay_factor(main.half_life_s, elapsed_s)
    )
    half_life_u = main.half_life_u_s / main.half_life_s
    return Estimate(
        vial=contents.vial,
        method=CERTIFICATE_METHOD,
        state=EstimateState.VALID,
        at_ns=at_ns,
        activity_gbq=value_gbq,
        activity_u_gbq=value_gbq * u,
        reference_at_ns=contents.reference_at_ns,
        nuclides=(
            NuclideActivity(
                contents.nuclide, ratio * contents.activity_gbq, main.half_life_s
            ),
        ),
        log_covariance=(u**2, 0.0, 0.0, half_life_u**2),
    )


def estimates(contents: Contents, at_ns: int, *, flying: bool) -> tuple[Estimate, ...]:
    """Return the certificate's activity and the fused one, held in the air."""
    certified = activity(contents, at_ns, 1.0, contents.activity_u_ratio)
    known = (1.0, contents.activity_u_ratio) if flying else (FUSED_RATIO, FUSED_U)
    fused = activity(contents, at_ns, *known)
    state = EstimateState.HELD if flying else EstimateState.VALID
    shares = (("certificate", 0.0048), ("gain", 0.0098), ("counts", 0.001))
    return certified, Estimate(
        **{
            **{name: getattr(fused, name) for name in fused.__struct_fields__},
            "method": FUSED_METHOD,
            "state": state,
            "reasons": IN_THE_AIR if flying else (),
            "budget": () if flying else tuple(UncertaintyShare(*s) for s in shares),
        }
    )


def remaining(vial: str, since_ns: int, *, flying: bool) -> Remaining:
    """Return the fraction that remains, held in the air."""
    if flying:
        held = EstimateState.HELD
        return Remaining(vial, REMAINING_METHOD, held, since_ns, reasons=IN_THE_AIR)
    valid = EstimateState.VALID
    return Remaining(vial, REMAINING_METHOD, valid, since_ns, 0.9991, 0.0016)


def half_life(contents: Contents) -> HalfLifeCheck:
    """Return a check that agrees."""
    expected_s = nuclide(contents.nuclide).half_life_s
    return HalfLifeCheck(
        vial=contents.vial,
        method=HALF_LIFE_METHOD,
        verdict=WitnessVerdict.AGREES,
        expected_half_life_s=expected_s,
        half_life_s=expected_s * 1.01,
        half_life_u_s=expected_s * 0.02,
    )


def fingerprint() -> FingerprintResult:
    """Return a fingerprint that was accepted."""
    return FingerprintResult(
        method=FINGERPRINT_METHOD,
        verdict=FingerprintVerdict.ACCEPTED,
        gains=(DetectorGain("board/detector-0", 1.004, 0.007),),
        ratio=1.004,
        ratio_u=0.028,
        deviation=0.14,
    )
