"""What a gateway says about the activity of a vial, and what its detectors say.

The number that is shown and used is the certificate's value and decay; the
detectors are the witness. An estimate carries enough for anyone to project it to
another instant: the activities at the reference instant and the covariance of the
logarithms of activities and half-lives.
"""

from enum import StrEnum
from typing import Final

import msgspec

CERTIFICATE_METHOD: Final = "certificate-1"
WITNESS_METHOD: Final = "witness-1"


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


class Estimate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Activity of one vial, keyed by the vial.

    ``activity_gbq`` and its standard uncertainty (k = 1) hold at ``at_ns`` for the
    first nuclide, the one the product is dosed by. ``log_covariance`` is the
    row-major covariance of (ln A_1 .. ln A_n, ln T_1 .. ln T_n) at
    ``reference_at_ns``, where A are activities and T half-lives: 4 n^2 numbers.
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


class Witness(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the package detectors say about one vial, over one interval.

    ``ratio`` is net counts over expected net counts by certificate and decay, with
    standard uncertainty ``ratio_u``. ``noticeable_ratio`` is the size of a relative
    error that would have been noticed (k = 2). ``counts`` and ``expected_counts`` are
    gross, background included. The ratio is absent where the source cannot be seen.
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
