"""What the programming interface answers of the detectors, as types."""

from cloud.web.message import GBq, Instant, Message


class ShareMessage(Message):
    """One line of an uncertainty budget: relative and standard, k = 1."""

    name: str
    u_ratio: float


class FusedMessage(Message):
    """Activity by certificate and counts: a second opinion, for information.

    Activities are null where it is held or not observable: then the certificate's
    value is all there is. They are for the instants of the estimate.
    """

    sentence: str
    state: str
    reasons: tuple[str, ...]
    method: str
    at: Instant
    now_gbq: GBq | None
    now_expanded_u_gbq: GBq | None
    at_eta_gbq: GBq | None
    at_eta_expanded_u_gbq: GBq | None
    at_appointment_gbq: GBq | None
    at_appointment_expanded_u_gbq: GBq | None
    budget: tuple[ShareMessage, ...]


class RemainingMessage(Message):
    """Fraction that remains since the fingerprint, decay taken out."""

    sentence: str
    state: str
    reasons: tuple[str, ...]
    method: str
    since: Instant
    ratio: float | None
    ratio_expanded_u: float | None


class HalfLifeMessage(Message):
    """Whether the counts fall as the certificate's nuclide does."""

    sentence: str
    verdict: str
    reasons: tuple[str, ...]
    method: str
    half_life_s: float | None
    half_life_expanded_u_s: float | None
    expected_half_life_s: float


class FingerprintMessage(Message):
    """What became of the dispatch fingerprint; ``deviation`` in standard u."""

    sentence: str
    verdict: str
    reasons: tuple[str, ...]
    method: str
    ratio: float | None
    ratio_expanded_u: float | None
    deviation: float | None


class DetectorsMessage(Message):
    """The detectors' word. ``ratio`` is seen over expected."""

    sentence: str
    verdict: str | None
    ratio: float | None
    ratio_expanded_u: float | None
    noticeable_ratio: float | None
    reasons: tuple[str, ...]
    method: str | None
    at: Instant | None
    clock_is_doubtful: bool
    fused: FusedMessage | None
    remaining: RemainingMessage | None
    half_life: HalfLifeMessage | None
    fingerprint: FingerprintMessage | None
