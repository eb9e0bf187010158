"""What a gateway says about the activity of a vial, and what its detectors say.

The number that is shown and used is the certificate's value and decay; the
detectors are the witness. An estimate carries enough for anyone to project it to
another instant: the activities at the reference instant and the covariance of the
logarithms of activities and half-lives. Where the container has a released gain
calibration of its own, a fused activity is a second estimate with a method of its
own; a fingerprint's gain, which is the certificate's over again, goes into the
fraction that remains and into nothing else.
"""

import math
from enum import StrEnum
from typing import Final

import msgspec

from schemas.units import NS_PER_S

CERTIFICATE_METHOD: Final = "certificate-1"
FUSED_METHOD: Final = "fused-1"
WITNESS_METHOD: Final = "witness-1"
REMAINING_METHOD: Final = "remaining-1"
HALF_LIFE_METHOD: Final = "half-life-1"
FINGERPRINT_METHOD: Final = "fingerprint-1"


class EstimateState(StrEnum):
    """How far an estimate may be used."""

    VALID = "valid"
    DEGRADED = "degraded"
    HELD = "held"
    NOT_OBSERVABLE = "not-observable"


class WitnessVerdict(StrEnum):
    """The detectors' word on the activity by certificate and decay."""

    AGREES = "agrees"
    LOW = "low"
    HIGH = "high"
    NOT_OBSERVABLE = "not-observable"


class NuclideActivity(msgspec.Struct, frozen=True):
    """Activity of one nuclide at the estimate's reference instant."""

    nuclide: str
    activity_gbq: float
    half_life_s: float


class UncertaintyShare(msgspec.Struct, frozen=True):
    """One line of an uncertainty budget: relative and standard (k = 1)."""

    name: str
    u_ratio: float


class Estimate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Activity of one vial, keyed by the vial.

    ``activity_gbq`` and its standard uncertainty (k = 1) hold at ``at_ns`` for the
    first nuclide, the one the product is dosed by. ``log_covariance`` is the
    row-major covariance of (ln A_1 .. ln A_n, ln T_1 .. ln T_n) at
    ``reference_at_ns``, where A are activities and T half-lives: 4 n^2 numbers.
    ``budget`` says what the uncertainty consists of, for a fused activity.
    """

    vial: str
    method: str
    state: EstimateState
    at_ns: int
    activity_gbq: float
    activity_u_gbq: float
    reference_at_ns: int
    nuclides: tuple[NuclideActivity, ...]
    log_covariance: tuple[float, ...]
    reasons: tuple[str, ...] = ()
    budget: tuple[UncertaintyShare, ...] = ()


class Witness(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the package detectors say about one vial, over one interval.

    ``ratio`` is net counts over expected net counts by certificate and decay, with
    standard uncertainty ``ratio_u``. ``noticeable_ratio`` is the size of a relative
    error that would have been noticed (k = 2). ``counts`` and ``expected_counts`` are
    gross, background included. The ratio is absent where the source cannot be seen.
    ``counted_u`` is ``ratio_u`` without the shares of the certificate and of the
    container's gain: what a new gain would inherit from these counts.
    """

    vial: str
    method: str
    verdict: WitnessVerdict
    from_boot_ns: int
    to_boot_ns: int
    counts: int
    live_time_ns: int
    ratio: float | None = None
    ratio_u: float | None = None
    noticeable_ratio: float | None = None
    expected_counts: float | None = None
    reasons: tuple[str, ...] = ()
    counted_u: float | None = None


def projected(estimate: Estimate, at_ns: int) -> tuple[float, float]:
    """Return activity and standard uncertainty (k = 1) of an estimate at an instant.

    The clock that the estimate was made by is left out: ``at_ns`` is given.

    Source: GUM 5.2.2 on ln A(t) = ln A - ln 2 (t - t_0) / T.
    """
    main, n = estimate.nuclides[0], len(estimate.nuclides)
    half_lives = (at_ns - estimate.reference_at_ns) / NS_PER_S / main.half_life_s
    activity_gbq = main.activity_gbq * math.exp2(-half_lives)
    slope = math.log(2) * half_lives
    rows = estimate.log_covariance
    variance = rows[0] + 2 * slope * rows[n] + slope**2 * rows[2 * n * n + n]
    return activity_gbq, activity_gbq * math.sqrt(max(variance, 0.0))


class Remaining(msgspec.Struct, frozen=True, omit_defaults=True):
    """Fraction of one vial's activity that is still there since its fingerprint.

    Decay is taken out: ``ratio`` is 1 within its standard uncertainty where nothing
    but decay happened since ``since_ns``, the middle of the fingerprint. Certificate
    and gain cancel. It is absent where the state is held or not observable.
    """

    vial: str
    method: str
    state: EstimateState
    since_ns: int
    ratio: float | None = None
    ratio_u: float | None = None
    reasons: tuple[str, ...] = ()


class HalfLifeCheck(msgspec.Struct, frozen=True, omit_defaults=True):
    """Is this the nuclide on the certificate? Its half-life, as the counts show it.

    The verdict is by 3 standard uncertainties. Half-life and uncertainty are absent
    where the counts do not show one yet.
    """

    vial: str
    method: str
    verdict: WitnessVerdict
    expected_half_life_s: float
    half_life_s: float | None = None
    half_life_u_s: float | None = None
    reasons: tuple[str, ...] = ()


class FingerprintVerdict(StrEnum):
    """What became of a dispatch fingerprint."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_OBSERVABLE = "not-observable"


class DetectorGain(msgspec.Struct, frozen=True):
    """Net rate of one detector over what container and certificate expect."""

    sensor: str
    ratio: float
    ratio_u: float


class FingerprintResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the loaded step of a fingerprint says of this vial in this container.

    ``ratio`` combines the ``gains`` of the package detectors; ``deviation`` is how
    many standard uncertainties it is from 1. Above 3 the fingerprint is refused:
    wrong vial, wrong container or wrong geometry. An accepted one fixes this trip's
    gain for the fraction remaining, never for an activity.
    """

    method: str
    verdict: FingerprintVerdict
    gains: tuple[DetectorGain, ...] = ()
    ratio: float | None = None
    ratio_u: float | None = None
    deviation: float | None = None
    reasons: tuple[str, ...] = ()
