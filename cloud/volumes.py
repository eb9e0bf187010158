"""What to draw at the appointment, and when that is not said.

A volume comes from certificate and decay only, never from a detector; an assay at the
centre replaces it. It is withheld, with its reasons, after expiry, while the detectors
disagree, on a doubtful clock, in an exercise, while the certificate is held, and where
the vial holds too little.
"""

from dataclasses import dataclass
from enum import StrEnum

from cloud.assays import Standing, compare
from cloud.windows import Question, expiry_ns, label_activity_gbq
from schemas.estimates import WitnessVerdict
from schemas.facts import Assay
from schemas.nuclides import decay_factor
from schemas.units import NS_PER_S, S_PER_DAY


class Doubt(StrEnum):
    """Why a volume is withheld."""

    EXERCISE = "this is an exercise: no volume is given"
    EXPIRED = "the appointment is after the end of the shelf life"
    DISAGREEMENT = "the detectors disagree with the certificate"
    CLOCK = "the gateway's clock is doubtful"
    TOO_LITTLE = "the vial will hold less than the prescribed activity"
    BEFORE_REFERENCE = "the appointment is before the reference instant"
    HELD = "the certificate is held for a person"
    ASSAY_STOP = "the assay is beyond the centre's stop limit"
    ASSAY_REMARK = "the assay has remarks: a person must look"


class Basis(StrEnum):
    """What a volume rests on."""

    CERTIFICATE = "certificate and decay"
    ASSAY = "the centre's assay and decay"


@dataclass(frozen=True, slots=True)
class Volume:
    """What to draw at the appointment; absent with its reasons where withheld.

    ``surplus_gbq`` is what stays in the vial, absent where it holds too little.
    """

    volume_ml: float | None
    withheld: tuple[Doubt, ...]
    basis: Basis = Basis.CERTIFICATE
    surplus_gbq: float | None = None


def volume_to_draw(question: Question) -> Volume:
    """Return the volume that holds the prescribed activity at the appointment."""
    contents, assay = question.contents, question.assay
    prescribed_gbq = question.prescribed_activity_gbq
    if assay is None:
        then_gbq = label_activity_gbq(
            contents, question.product, question.appointment_ns
        )
        full_ml, basis = contents.volume_ml, Basis.CERTIFICATE
        doubts = _always(question, then_gbq) + _without_assay(question)
    else:
        then_gbq = _assayed_gbq(question, assay)
        full_ml, basis = assay.volume_ml or contents.volume_ml, Basis.ASSAY
        doubts = _always(question, then_gbq) + _of_assay(question, assay)
    volume_ml = full_ml * prescribed_gbq / then_gbq
    surplus_gbq = then_gbq - prescribed_gbq if then_gbq >= prescribed_gbq else None
    return Volume(None if doubts else volume_ml, doubts, basis, surplus_gbq)


def _assayed_gbq(question: Question, assay: Assay) -> float:
    elapsed_s = (question.appointment_ns - assay.measured_at_ns) / NS_PER_S
    half_life_s = question.product.label_half_life_d * S_PER_DAY
    return assay.activity_gbq * decay_factor(half_life_s, elapsed_s)


def _always(question: Question, then_gbq: float) -> tuple[Doubt, ...]:
    at_ns = question.appointment_ns
    judged = (
        (question.exercise, Doubt.EXERCISE),
        (at_ns > expiry_ns(question), Doubt.EXPIRED),
        (at_ns < question.contents.reference_at_ns, Doubt.BEFORE_REFERENCE),
        (then_gbq < question.prescribed_activity_gbq, Doubt.TOO_LITTLE),
    )
    return tuple(doubt for holds, doubt in judged if holds)


def _without_assay(question: Question) -> tuple[Doubt, ...]:
    statement = question.statement
    witness = None if statement is None else statement.witness
    disagrees = witness is not None and witness.verdict in (
        WitnessVerdict.LOW,
        WitnessVerdict.HIGH,
    )
    judged = (
        (question.is_held, Doubt.HELD),
        (disagrees, Doubt.DISAGREEMENT),
        (statement is not None and statement.is_clock_doubtful, Doubt.CLOCK),
    )
    return tuple(doubt for holds, doubt in judged if holds)


def _of_assay(question: Question, assay: Assay) -> tuple[Doubt, ...]:
    compared = compare(question.contents, assay, question.centre)
    judged = (
        (compared is None or bool(compared.remarks), Doubt.ASSAY_REMARK),
        (
            compared is not None and compared.standing is Standing.STOP,
            Doubt.ASSAY_STOP,
        ),
    )
    return tuple(doubt for holds, doubt in judged if holds)
