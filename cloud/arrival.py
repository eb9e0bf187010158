"""The arrival estimate: how much activity, how sure, until when; pure arithmetic.

The number is the certificate's value and decay; the detectors are the witness and
never change it. Rules:

- Activity at any instant uses the half-life of :mod:`schemas.nuclides`; its expanded
  uncertainty (k = 2) has the certificate's part and the half-life's part.
- Windows and volumes are label arithmetic and use the label's half-life.
- The whole-vial window is two-sided: the vial holds the prescribed activity within
  the order's tolerance. It does not begin before the reference instant, because what
  was in the vial then is not assumed, and ends with the shelf life at the latest.
- ``surely`` is the part of it that stays inside for every activity within U (k = 2).
- By volume: the vial holds at least the prescribed activity; less than all is drawn.
- An activity is written in its label's unit, to two digits of its uncertainty.
- A volume is withheld, with its reasons, after expiry, when the detectors disagree,
  on a doubtful clock, and where the vial holds too little.

Source: DOMAIN sections 0, 1.1 and 6; GUM for the propagation.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.contents import Contents, ProductLimits
from schemas.estimates import Witness, WitnessVerdict
from schemas.nuclides import decay_factor, nuclide
from schemas.products import Product
from schemas.records import TimeSource
from schemas.units import MBQ_PER_GBQ, NS_PER_S, S_PER_DAY, S_PER_HOUR

ADVISORY: Final = "advisory: not a dosage determination"
COVERAGE_FACTOR: Final = 2.0
RECEIPT_SURVEY_H: Final = 3.0  # receipt monitoring is due within 3 h: DOMAIN 7.1
PREPARATION_H: Final = 1.0  # assumed; amino acids begin 30 min before: DOMAIN 1.1
CLOCK_DOUBT_NS: Final = 600 * NS_PER_S  # 10 min is 0.07 % of a Lu-177 activity
NOT_SEEN: Final = (
    "a leak that stays inside the pot",
    "contamination on any surface",
    "what happened while a sensor was lost",
)
NOT_IN_PLACE: Final = "the vial is not in place yet"  # the gateway's reason
REACH_HALF_LIVES: Final = 100
# Above this a witness tells a missing vial, but not a dose that is noticeably wrong.
COARSE_RATIO: Final = 0.2
_WHOLE_PERCENT_FROM: Final = 0.1
_IN_MBQ: Final = ("Ra-", "Ac-", "Pb-")  # labels of these are in MBq
_VOUCHED: Final = frozenset({TimeSource.GPS, TimeSource.NTP, TimeSource.RECEIPT})


class Doubt(StrEnum):
    """Why a volume is withheld."""

    EXPIRED = "the appointment is after the end of the shelf life"
    DISAGREEMENT = "the detectors disagree with the certificate"
    CLOCK = "the gateway's clock is doubtful"
    TOO_LITTLE = "the vial will hold less than the prescribed activity"
    BEFORE_REFERENCE = "the appointment is before the reference instant"


@dataclass(frozen=True, slots=True)
class Statement:
    """The gateway's latest word; ``at_ns`` is when it holds, if that is known."""

    witness: Witness | None = None
    at_ns: int | None = None
    time_source: TimeSource = TimeSource.NONE
    time_u_ns: int | None = None

    @property
    def is_clock_doubtful(self) -> bool:
        """True while nothing vouches for the gateway's UTC, or only coarsely."""
        return (
            self.time_source not in _VOUCHED or (self.time_u_ns or 0) > CLOCK_DOUBT_NS
        )


@dataclass(frozen=True, slots=True)
class Question:
    """Everything an arrival estimate follows from.

    ``appointment_ns`` is the newest version of the plan. ``changes`` tell of a change
    of the package, ``handling`` of shocks below the alarm, both for people to read.
    """

    contents: Contents
    product: Product
    prescribed_activity_gbq: float
    tolerance_ratio: float
    appointment_ns: int
    as_of_ns: int
    eta_ns: int | None = None
    limits: ProductLimits | None = None
    statement: Statement | None = None
    changes: tuple[str, ...] = ()
    handling: str | None = None
    exercise: bool = False


@dataclass(frozen=True, slots=True)
class Activity:
    """Activity by certificate and decay; the uncertainty is expanded, k = 2."""

    at_ns: int
    activity_gbq: float
    activity_expanded_u_gbq: float
    percent_of_prescribed: float


@dataclass(frozen=True, slots=True)
class Window:
    """A span of instants, ends included."""

    from_ns: int
    to_ns: int

    def contains(self, at_ns: int) -> bool:
        """Say whether ``at_ns`` lies in the window."""
        return self.from_ns <= at_ns <= self.to_ns


@dataclass(frozen=True, slots=True)
class Volume:
    """What to draw at the appointment; absent with its reasons where withheld."""

    volume_ml: float | None
    withheld: tuple[Doubt, ...]


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
    volume: Volume
    expires_at_ns: int
    arrive_by_ns: int
    decide_by_ns: int
    detectors: str
    package: str
    advisory: str = ADVISORY
    not_seen: tuple[str, ...] = NOT_SEEN


def expanded_ratio(contents: Contents, at_ns: int) -> float:
    """Return U(k = 2) over the activity at ``at_ns``: certificate and half-life.

    Source: GUM 5.1.2 on ln A(t) = ln A_0 - ln 2 (t - t_0) / T.
    """
    decaying = nuclide(contents.nuclide)
    elapsed_s = (at_ns - contents.reference_at_ns) / NS_PER_S
    half_lives = elapsed_s / decaying.half_life_s
    relative_u = decaying.half_life_u_s / decaying.half_life_s
    half_life_part = math.log(2) * half_lives * relative_u
    return COVERAGE_FACTOR * math.hypot(contents.activity_u_ratio, half_life_part)


def activity_at(contents: Contents, at_ns: int, prescribed_gbq: float) -> Activity:
    """Return the activity of the vial at an instant, by certificate and decay.

    Raises:
        UnknownWordError: the table has no such nuclide.
    """
    elapsed_s = (at_ns - contents.reference_at_ns) / NS_PER_S
    factor = decay_factor(nuclide(contents.nuclide).half_life_s, elapsed_s)
    activity_gbq = contents.activity_gbq * factor
    return Activity(
        at_ns,
        activity_gbq,
        activity_gbq * expanded_ratio(contents, at_ns),
        100.0 * activity_gbq / prescribed_gbq,
    )


def is_in_reach(contents: Contents, at_ns: int) -> bool:
    """Say whether an instant is near enough to speak of an activity then.

    Raises:
        UnknownWordError: the table has no such nuclide.
    """
    elapsed_s = abs(at_ns - contents.reference_at_ns) / NS_PER_S
    return elapsed_s <= REACH_HALF_LIVES * nuclide(contents.nuclide).half_life_s


def instant_of(contents: Contents, product: Product, activity_gbq: float) -> int:
    """Return when the vial holds ``activity_gbq``, by the label's half-life.

    Raises:
        ValueError: ``activity_gbq`` is not positive.
    """
    half_lives = math.log2(contents.activity_gbq / activity_gbq)
    elapsed_s = product.label_half_life_d * S_PER_DAY * half_lives
    return contents.reference_at_ns + round(elapsed_s * NS_PER_S)


def expiry_ns(question: Question) -> int:
    """Return the end of the shelf life; an earlier one on the label rules."""
    shelf_ns = round(question.product.shelf_life_h * S_PER_HOUR * NS_PER_S)
    end_ns = question.contents.reference_at_ns + shelf_ns
    stated_ns = question.limits.expires_at_ns if question.limits else None
    return end_ns if stated_ns is None else min(end_ns, stated_ns)


def whole_vial_window(question: Question, margin_ratio: float = 0.0) -> Window | None:
    """Return when the whole vial is within tolerance of the prescribed activity.

    Args:
        question: the vial, the order and the product.
        margin_ratio: relative error of the activity that must still fit, >= 0.

    Returns:
        The window, cut by reference instant and shelf life; absent where empty.
    """
    if question.tolerance_ratio >= 1 or margin_ratio >= 1:
        return None
    prescribed_gbq = question.prescribed_activity_gbq
    most_gbq = prescribed_gbq * (1 + question.tolerance_ratio) / (1 + margin_ratio)
    least_gbq = prescribed_gbq * (1 - question.tolerance_ratio) / (1 - margin_ratio)
    contents, product = question.contents, question.product
    return _window(
        max(instant_of(contents, product, most_gbq), contents.reference_at_ns),
        min(instant_of(contents, product, least_gbq), expiry_ns(question)),
    )


def volume_window(question: Question) -> Window | None:
    """Return when the vial holds the prescribed activity or more."""
    contents, product = question.contents, question.product
    last_ns = instant_of(contents, product, question.prescribed_activity_gbq)
    return _window(contents.reference_at_ns, min(last_ns, expiry_ns(question)))


def _window(from_ns: int, to_ns: int) -> Window | None:
    return Window(from_ns, to_ns) if from_ns <= to_ns else None


def volume_to_draw(question: Question) -> Volume:
    """Return the volume that holds the prescribed activity at the appointment."""
    contents = question.contents
    elapsed_s = (question.appointment_ns - contents.reference_at_ns) / NS_PER_S
    half_life_s = question.product.label_half_life_d * S_PER_DAY
    then_gbq = contents.activity_gbq * decay_factor(half_life_s, elapsed_s)
    doubts = _doubts(question, then_gbq)
    volume_ml = contents.volume_ml * question.prescribed_activity_gbq / then_gbq
    return Volume(None if doubts else volume_ml, doubts)


def _doubts(question: Question, then_gbq: float) -> tuple[Doubt, ...]:
    statement = question.statement
    witness = None if statement is None else statement.witness
    disagrees = witness is not None and witness.verdict in (
        WitnessVerdict.LOW,
        WitnessVerdict.HIGH,
    )
    judged = (
        (question.appointment_ns > expiry_ns(question), Doubt.EXPIRED),
        (
            question.appointment_ns < question.contents.reference_at_ns,
            Doubt.BEFORE_REFERENCE,
        ),
        (then_gbq < question.prescribed_activity_gbq, Doubt.TOO_LITTLE),
        (disagrees, Doubt.DISAGREEMENT),
        (statement is not None and statement.is_clock_doubtful, Doubt.CLOCK),
    )
    return tuple(doubt for holds, doubt in judged if holds)


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
    if question.changes:
        return "A change was seen: " + "; ".join(question.changes) + "." + shocks
    return _unchanged(question.statement) + shocks


def _unchanged(statement: Statement | None) -> str:
    if statement is None:
        return "No word on the package yet."
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
    decide_by_ns = at_ns - round(PREPARATION_H * S_PER_HOUR * NS_PER_S)
    eta_ns = question.eta_ns
    witness = question.statement.witness if question.statement else None
    return Arrival(
        question=question,
        now=activity_at(contents, question.as_of_ns, prescribed),
        at_eta=None if eta_ns is None else activity_at(contents, eta_ns, prescribed),
        at_appointment=activity_at(contents, at_ns, prescribed),
        whole_vial=whole_vial_window(question),
        surely=whole_vial_window(question, expanded_ratio(contents, at_ns)),
        by_volume=volume_window(question),
        volume=volume_to_draw(question),
        expires_at_ns=expiry_ns(question),
        arrive_by_ns=decide_by_ns - round(RECEIPT_SURVEY_H * S_PER_HOUR * NS_PER_S),
        decide_by_ns=decide_by_ns,
        detectors=detectors_word(witness),
        package=package_word(question),
    )


def unit_of(nuclide: str) -> str:
    """Return the unit of the nuclide's labels."""
    return "MBq" if nuclide.startswith(_IN_MBQ) else "GBq"


def in_unit(activity_gbq: float, nuclide: str) -> float:
    """Return an activity in the unit of the nuclide's labels."""
    return activity_gbq * (MBQ_PER_GBQ if unit_of(nuclide) == "MBq" else 1.0)


def decimals(uncertainty: float) -> int:
    """Return the decimals that show two digits of an uncertainty.

    >>> decimals(0.2085), decimals(12.0)
    (2, 0)
    """
    if uncertainty <= 0:
        return 2
    return max(0, 1 - math.floor(math.log10(uncertainty)))


def value_text(activity_gbq: float, expanded_u_gbq: float, nuclide: str) -> str:
    """Return an activity without unit, to the digits of its uncertainty."""
    digits = decimals(in_unit(expanded_u_gbq, nuclide))
    return f"{in_unit(activity_gbq, nuclide):.{digits}f}"


def u_text(expanded_u_gbq: float, nuclide: str) -> str:
    """Return an expanded uncertainty without unit, to two digits."""
    u = in_unit(expanded_u_gbq, nuclide)
    return f"{u:.{decimals(u)}f}"
