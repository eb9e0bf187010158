"""What the detectors say beside the certificate's activity, in words.

None of it replaces the certificate's value: a fused activity is a second opinion for
a container with a released gain calibration, the fraction remaining compares with the
fingerprint at dispatch, and a half-life or fingerprint that does not fit is for a
person to look into.
"""

from typing import Final

from cloud.figures import u_text, unit_of, value_text
from cloud.windows import COVERAGE_FACTOR
from schemas.estimates import (
    Estimate,
    EstimateState,
    FingerprintResult,
    FingerprintVerdict,
    HalfLifeCheck,
    Remaining,
    WitnessVerdict,
)
from schemas.units import S_PER_DAY, S_PER_HOUR

PLUS_MINUS: Final = "\N{PLUS-MINUS SIGN}"
LOOK: Final = "A person must look into this before the dose is used."
_DAYS_FROM_S: Final = 2 * S_PER_DAY


def fused_word(fused: Estimate, nuclide: str) -> str:
    """Return a fused activity as a sentence, held or not."""
    why = "; ".join(fused.reasons)
    if fused.state is EstimateState.HELD:
        return f"Held ({why}): the certificate and decay are all there is."
    if fused.state is EstimateState.NOT_OBSERVABLE:
        return f"Not stated: {why}."
    u_gbq = COVERAGE_FACTOR * fused.activity_u_gbq
    value = value_text(fused.activity_gbq, u_gbq, nuclide)
    amount = f"{value} {PLUS_MINUS} {u_text(u_gbq, nuclide)} {unit_of(nuclide)}"
    doubt = f" Degraded: {why}." if why else ""
    return (
        f"Certificate and counts together: {amount} (k = 2), by the gain calibration "
        f"of this container.{doubt} For information: the certificate's value is used."
    )


def remaining_word(remaining: Remaining) -> str:
    """Return the fraction that remains since dispatch as a sentence."""
    why = "; ".join(remaining.reasons)
    if remaining.ratio is None or remaining.ratio_u is None:
        return f"{_state(remaining.state)}: {why}."
    expanded = COVERAGE_FACTOR * remaining.ratio_u
    seen = _percent(remaining.ratio, expanded)
    doubt = f" Degraded: {why}." if why else ""
    return f"{seen} (k = 2) of what decay leaves of it is there.{doubt}"


def fingerprint_word(result: FingerprintResult) -> str:
    """Return what became of the dispatch fingerprint as a sentence."""
    why = "; ".join(result.reasons)
    if result.verdict is FingerprintVerdict.NOT_OBSERVABLE:
        return f"Not observable: {why}."
    if result.verdict is FingerprintVerdict.REFUSED:
        return f"Refused: {why}. {LOOK}"
    expanded = COVERAGE_FACTOR * (result.ratio_u or 0.0)
    seen = _percent(result.ratio or 0.0, expanded)
    return (
        f"Accepted: {seen} (k = 2) of what this vial gives in this container, "
        f"{result.deviation or 0.0:.1f} standard uncertainties off."
    )


def half_life_word(check: HalfLifeCheck) -> str:
    """Return whether the counts fall as the certificate's nuclide does."""
    is_long = check.expected_half_life_s >= _DAYS_FROM_S
    unit, scale = ("d", S_PER_DAY) if is_long else ("h", S_PER_HOUR)
    if check.half_life_s is None or check.half_life_u_s is None:
        return f"Not observable: {'; '.join(check.reasons)}."
    value, u = check.half_life_s / scale, COVERAGE_FACTOR * check.half_life_u_s / scale
    expected = f"{check.expected_half_life_s / scale:.4g} {unit}"
    seen = f"{value:.2f} {PLUS_MINUS} {u:.2f} {unit} (k = 2)"
    if check.verdict is WitnessVerdict.AGREES:
        return f"Agrees: {seen} seen, {expected} by the certificate's nuclide."
    reasons = "; ".join(check.reasons)
    # Not capitalize(): it would turn I-131 into i-131.
    why = f" {reasons[:1].upper()}{reasons[1:]}." if reasons else ""
    return f"Disagrees: {seen} seen, {expected} by the certificate.{why} {LOOK}"


def _state(state: EstimateState) -> str:
    return state.value.replace("-", " ").capitalize()


def _percent(ratio: float, expanded: float) -> str:
    digits = 0 if expanded >= 0.1 else 1 if expanded >= 0.01 else 2
    return f"{100 * ratio:.{digits}f} {PLUS_MINUS} {100 * expanded:.{digits}f} %"
