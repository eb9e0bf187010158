"""From what a gateway said of a vial to what the programming interface answers."""

from cloud.arrival import Arrival
from cloud.detectors import (
    fingerprint_word,
    fused_word,
    half_life_word,
    remaining_word,
)
from cloud.web.detector_messages import (
    DetectorsMessage,
    FingerprintMessage,
    FusedMessage,
    HalfLifeMessage,
    RemainingMessage,
    ShareMessage,
)
from cloud.web.formats import certain_text, text_of
from cloud.windows import COVERAGE_FACTOR, Statement
from schemas.estimates import (
    Estimate,
    EstimateState,
    FingerprintResult,
    HalfLifeCheck,
    Remaining,
    projected,
)

_FUSED = frozenset({EstimateState.VALID, EstimateState.DEGRADED})


def detectors_message(statement: Statement, estimate: Arrival) -> DetectorsMessage:
    """Return everything that the detectors say, as answered."""
    witness = statement.witness
    fused, remaining = statement.fused, statement.remaining
    half_life, fingerprint = statement.half_life, statement.fingerprint
    return DetectorsMessage(
        sentence=estimate.detectors,
        verdict=witness.verdict if witness else None,
        ratio=witness.ratio if witness else None,
        ratio_expanded_u=_expanded(witness.ratio_u if witness else None),
        noticeable_ratio=witness.noticeable_ratio if witness else None,
        reasons=witness.reasons if witness else (),
        method=witness.method if witness else None,
        at=text_of(statement.at_ns),
        clock_is_doubtful=witness is not None and statement.is_clock_doubtful,
        fused=None if fused is None else _fused(fused, estimate),
        remaining=None if remaining is None else _remaining(remaining),
        half_life=None if half_life is None else _half_life(half_life),
        fingerprint=None if fingerprint is None else _fingerprint(fingerprint),
    )


def _fused(fused: Estimate, estimate: Arrival) -> FusedMessage:
    question = estimate.question
    now = fused_at(fused, question.as_of_ns)
    at_eta = fused_at(fused, question.eta_ns)
    then = fused_at(fused, question.appointment_ns)
    return FusedMessage(
        sentence=fused_word(fused, question.contents.nuclide),
        state=fused.state,
        reasons=fused.reasons,
        method=fused.method,
        at=certain_text(fused.at_ns),
        now_gbq=now[0],
        now_expanded_u_gbq=now[1],
        at_eta_gbq=at_eta[0],
        at_eta_expanded_u_gbq=at_eta[1],
        at_appointment_gbq=then[0],
        at_appointment_expanded_u_gbq=then[1],
        budget=tuple(
            ShareMessage(name=share.name, u_ratio=share.u_ratio)
            for share in sorted(fused.budget, key=lambda share: -share.u_ratio)
        ),
    )


def fused_at(
    fused: Estimate, at_ns: int | None
) -> tuple[float, float] | tuple[None, None]:
    """Return a fused activity at an instant with its expanded uncertainty, GBq.

    None where it is held or not observable, and without an instant.
    """
    if at_ns is None or fused.state not in _FUSED:
        return None, None
    value_gbq, u_gbq = projected(fused, at_ns)
    return value_gbq, COVERAGE_FACTOR * u_gbq


def _remaining(remaining: Remaining) -> RemainingMessage:
    return RemainingMessage(
        sentence=remaining_word(remaining),
        state=remaining.state,
        reasons=remaining.reasons,
        method=remaining.method,
        since=certain_text(remaining.since_ns),
        ratio=remaining.ratio,
        ratio_expanded_u=_expanded(remaining.ratio_u),
    )


def _half_life(check: HalfLifeCheck) -> HalfLifeMessage:
    return HalfLifeMessage(
        sentence=half_life_word(check),
        verdict=check.verdict,
        reasons=check.reasons,
        method=check.method,
        half_life_s=check.half_life_s,
        half_life_expanded_u_s=_expanded(check.half_life_u_s),
        expected_half_life_s=check.expected_half_life_s,
    )


def _fingerprint(result: FingerprintResult) -> FingerprintMessage:
    return FingerprintMessage(
        sentence=fingerprint_word(result),
        verdict=result.verdict,
        reasons=result.reasons,
        method=result.method,
        ratio=result.ratio,
        ratio_expanded_u=_expanded(result.ratio_u),
        deviation=result.deviation,
    )


def _expanded(u: float | None) -> float | None:
    return None if u is None else COVERAGE_FACTOR * u
