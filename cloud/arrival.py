"""The arrival estimate: how much activity, how sure, until when; pure arithmetic.

The number is the certificate's value and decay (:mod:`cloud.windows`); the detectors
are the witness and never change it. A dose must be there, and the decision be taken,
by the appointment less the centre's preparation and its usual survey time: that a
survey is due within 3 h of receipt is a deadline, not a duration.

Source: DOMAIN sections 0, 1.1, 6 and 7.1.
"""

from dataclasses import dataclass
from typing import Final

from cloud.finding_words import integrity_text
from cloud.volumes import Volume, volume_to_draw
from cloud.windows import (
    COVERAGE_FACTOR,
    Activity,
    Question,
    Statement,
    Window,
    activity_at,
    expanded_ratio,
    expiry_ns,
    volume_window,
    whole_vial_window,
)
from schemas.estimates import Witness, WitnessVerdict
from schemas.findings import IntegrityVerdict
from schemas.units import NS_PER_S

ADVISORY: Final = "advisory: not a dosage determination"
NOT_SEEN: Final = (
    "a leak that stays inside the pot",
    "contamination on any surface",
    "what happened while a sensor was lost",
)
NOT_IN_PLACE: Final = "the vial is not in place yet"  # the gateway's reason
# Above this a witness tells a missing vial, but not a dose that is noticeably wrong.
COARSE_RATIO: Final = 0.2
_WHOLE_PERCENT_FROM: Final = 0.1


@dataclass(frozen=True, slots=True)
class Arrival:
    """The arrival estimate. Instants in ns UTC; a window is absent where empty."""

    question: Question
    now: Activity
    at_eta: Activity | None
    at_appointment: Activity
    whole_vial: Window | None
    surely: Window | None
    by_volume: Window | None
    surely_by_volume: Window | None
    volume: Volume
    expires_at_ns: int
    arrive_by_ns: int
    decide_by_ns: int
    detectors: str
    package: str
    advisory: str = ADVISORY
    not_seen: tuple[str, ...] = NOT_SEEN


def is_waiting_for_vial(witness: Witness | None) -> bool:
    """Say whether the detectors have no vial to judge yet."""
    return witness is None or NOT_IN_PLACE in witness.reasons


def detectors_word(witness: Witness | None) -> str:
    """Return the detectors' word as a sentence, with the error they would notice."""
    if witness is None or is_waiting_for_vial(witness):
        return "No word yet: the detectors speak once the vial is in place and counted."
    if witness.verdict is WitnessVerdict.NOT_OBSERVABLE or witness.ratio is None:
        why = f" ({'; '.join(witness.reasons)})" if witness.reasons else ""
        return (
            f"Not observable{why}: the detectors cannot judge the activity here. "
            "The number rests on the certificate and decay alone."
        )
    return f"{_finding(witness, witness.ratio)}{_noticeable(witness)}"


def _finding(witness: Witness, ratio: float) -> str:
    expanded = COVERAGE_FACTOR * (witness.ratio_u or 0.0)
    value, u = (f"{100 * part:.{_digits(expanded)}f} %" for part in (ratio, expanded))
    seen = f"{value} \N{PLUS-MINUS SIGN} {u} (k = 2)"
    if witness.verdict is WitnessVerdict.AGREES:
        return f"The detectors agree: they see {seen} of what they should."
    word = "less" if witness.verdict is WitnessVerdict.LOW else "more"
    return (
        f"The detectors disagree: they see {word} than they should, {seen} of it. "
        "A person must look into this before the dose is used."
    )


def _noticeable(witness: Witness) -> str:
    if (least := witness.noticeable_ratio) is None:
        return ""
    percent = f"{100 * least:.{_digits(least)}f} %"
    if least <= COARSE_RATIO:
        return f" They would notice an error of {percent} or more, not a smaller one."
    return (
        " They would notice a missing vial; an error below "
        f"{percent}, such as 20 % less, they would not."
    )


def _digits(ratio: float) -> int:
    return 0 if ratio >= _WHOLE_PERCENT_FROM else 1


def package_word(question: Question) -> str:
    """Return what the sensors saw of the package; never that it is intact."""
    shocks = f" Handling: {question.handling}." if question.handling else ""
    statement = question.statement
    word = statement.integrity if statement else None
    is_suspected = word is not None and word.verdict is IntegrityVerdict.SUSPECTED
    first = ""
    if is_suspected and statement is not None:
        first = integrity_text(word, statement.contact) + " "
    if question.changes:
        changes = "A change was seen: " + "; ".join(question.changes) + "."
        return first + changes + shocks
    return (first.strip() or _unchanged(statement)) + shocks


def _unchanged(statement: Statement | None) -> str:
    if statement is None:
        return "No word on the package yet."
    if statement.integrity is not None:
        return integrity_text(statement.integrity)
    witness = statement.witness
    if witness is not None and witness.verdict is WitnessVerdict.NOT_OBSERVABLE:
        return "No change seen by the other sensors; the detectors cannot judge now."
    return "No change seen."


def arrival(question: Question) -> Arrival:
    """Return the arrival estimate as of ``question.as_of_ns``.

    All instants of the question must be in reach (:func:`is_in_reach`).

    Raises:
        UnknownWordError: the table has no such nuclide.
    """
    prescribed = question.prescribed_activity_gbq
    contents, at_ns = question.contents, question.appointment_ns
    centre = question.centre
    usual_s = centre.preparation_s + centre.survey_s
    decide_by_ns = at_ns - round(usual_s * NS_PER_S)
    margin_ratio = expanded_ratio(contents, at_ns)
    eta_ns = question.eta_ns
    witness = question.statement.witness if question.statement else None
    return Arrival(
        question=question,
        now=activity_at(contents, question.as_of_ns, prescribed),
        at_eta=None if eta_ns is None else activity_at(contents, eta_ns, prescribed),
        at_appointment=activity_at(contents, at_ns, prescribed),
        whole_vial=whole_vial_window(question),
        surely=whole_vial_window(question, margin_ratio),
        by_volume=volume_window(question),
        surely_by_volume=volume_window(question, margin_ratio),
        volume=volume_to_draw(question),
        expires_at_ns=expiry_ns(question),
        arrive_by_ns=decide_by_ns,
        decide_by_ns=decide_by_ns,
        detectors=detectors_word(witness),
        package=package_word(question),
    )
