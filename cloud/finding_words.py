"""What the gateway found out about its package, in words that a person may act on.

- "no change seen", never "intact" or "safe to open";
- "suspected: keep away, call ...", and by how many kinds of witness;
- "unknown", with what could not be looked at.

Temperatures come with how long they are known at all: a gap is not in range. The mean
kinetic temperature is information, no release rests on it. Pure arithmetic and words.
"""

from typing import Final

from schemas.findings import (
    DoseRatio,
    Integrity,
    IntegrityVerdict,
    ShockFinding,
    ThermalSummary,
)
from schemas.units import NS_PER_S

COVERAGE_FACTOR: Final = 2.0
REPLACES_NOTHING: Final = "It replaces no look, survey or wipe."
NOBODY: Final = "the radiation safety officer of the site"


def integrity_text(word: Integrity | None, contact: str | None = None) -> str:
    """Return the verdict as a sentence; ``contact`` is whom to call.

    >>> integrity_text(Integrity(IntegrityVerdict.NO_CHANGE_SEEN, False))
    'No change seen. It replaces no look, survey or wipe.'
    """
    if word is None:
        return "No verdict yet: the gateway looks once the vial is in place."
    reasons = "; ".join(word.reasons)
    match word.verdict:
        case IntegrityVerdict.SUSPECTED:
            by = " by witnesses of different kinds" if word.is_confirmed else ""
            call = contact or NOBODY
            return f"Suspected{by}: keep away, call {call}. Seen: {reasons}."
        case IntegrityVerdict.UNKNOWN:
            return f"Unknown: {reasons}. {REPLACES_NOTHING}"
        case _:
            beside = f" ({reasons})" if reasons else ""
            return f"No change seen{beside}. {REPLACES_NOTHING}"


def thermal_texts(found: ThermalSummary | None) -> tuple[str, ...]:
    """Return the temperature record in sentences, the most important first."""
    if found is None or found.minimum_c is None or found.maximum_c is None:
        return ("No temperature of the product's side is known.",)
    lines = [
        f"{found.minimum_c:.1f} to {found.maximum_c:.1f} \N{DEGREE SIGN}C "
        f"(\N{PLUS-MINUS SIGN}{found.expanded_u_c:.1f} K, k = 2), "
        f"known for {_span(found.known_ns)}",
        _out_of_range(found),
    ]
    if found.gap_ns:
        lines.append(
            f"No reading for {_span(found.gap_ns)}: not shown to be in range then"
        )
    if found.kinetic_c is not None and found.kinetic_day_c is not None:
        lines.append(
            f"Mean kinetic temperature {found.kinetic_c:.1f} \N{DEGREE SIGN}C, worst "
            f"24 h {found.kinetic_day_c:.1f} \N{DEGREE SIGN}C: information only"
        )
    return (*lines, gdp_text(found))


def gdp_text(found: ThermalSummary) -> str:
    """Say whether the record may serve for good distribution practice, and why not."""
    if found.is_gdp_valid:
        return "The record is GDP-valid: calibrated, no gap above 15 min"
    return f"The record is not GDP-valid: {'; '.join(found.reasons)}"


def dose_text(found: DoseRatio) -> str:
    """Return what a detector sees now of what the fingerprint lets expect.

    >>> dose_text(DoseRatio("board/detector-0", 1.0312, 0.0204, 0, 1))[:20]
    'board/detector-0: 10'
    """
    expanded = COVERAGE_FACTOR * found.ratio_u
    return (
        f"{found.sensor}: {100 * found.ratio:.0f} \N{PLUS-MINUS SIGN} "
        f"{100 * expanded:.0f} % of what is expected since the fingerprint (k = 2)"
    )


def shock_text(found: ShockFinding) -> str:
    """Return how a shock came about and how hard it was."""
    height = "" if found.drop_height_m is None else _height(found)
    least = "at least " if found.is_clipped else ""
    margin = ""
    if found.damage_ratio is not None:
        margin = f", {100 * found.damage_ratio:.0f} % of the damage boundary"
    return (
        f"{_name(found)}{height}; {least}{found.peak_m_s2:.0f} "
        f"m/s\N{SUPERSCRIPT TWO} below {found.filter_corner_hz:.0f} Hz, "
        f"{1000 * found.duration_s:.0f} ms, velocity change "
        f"{found.velocity_change_m_s:.1f} m/s{margin}"
    )


def _name(found: ShockFinding) -> str:
    return "impact" if found.handling == "unclassed" else found.handling.value


def _height(found: ShockFinding) -> str:
    expanded = COVERAGE_FACTOR * (found.drop_height_u_m or 0.0)
    like = " from " if found.handling == "drop" else " like a drop from "
    return f"{like}{found.drop_height_m:.2f} \N{PLUS-MINUS SIGN} {expanded:.2f} m"


def _out_of_range(found: ThermalSummary) -> str:
    judged = (
        (found.certain_high_ns, "certainly above"),
        (found.possible_high_ns, "possibly above"),
        (found.certain_low_ns, "certainly below"),
        (found.possible_low_ns, "possibly below"),
    )
    told = [f"{_span(spent_ns)} {where}" for spent_ns, where in judged if spent_ns]
    if not told:
        return "At no known time out of the label's range"
    return "Out of the label's range: " + ", ".join(told)


def _span(span_ns: int) -> str:
    minutes = round(span_ns / 60 / NS_PER_S)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min"
