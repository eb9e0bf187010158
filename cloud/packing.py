"""The steps of a dispatch, in their order, each with who or what answered it.

association -> survey -> fingerprint -> seal. A step is answered by a statement, never
by a tick: the gateway's ``assigned`` for what the consignment names, a person's
survey, the gateway's loaded ``fingerprint``, and the seal's number on the first
handover. A step that was answered before the one above it is kept and flagged.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from cloud.shipments import Shipment
from cloud.surveys import Surveyed, judge_survey
from schemas.errors import UnknownWordError
from schemas.facts import Consignment, HandoverRole, Survey
from schemas.records import FingerprintStep
from schemas.shipping import Occasion


class StepName(StrEnum):
    """The steps, in their order."""

    ASSOCIATION = "association"
    SURVEY = "survey"
    FINGERPRINT = "fingerprint"
    SEAL = "seal"


@dataclass(frozen=True, slots=True)
class DispatchStep:
    """One step: whether a statement has answered it, and when, if that is known."""

    name: StepName
    is_answered: bool
    word: str
    at_ns: int | None = None
    flags: tuple[str, ...] = ()


def dispatch_steps(shipment: Shipment) -> tuple[DispatchStep, ...]:
    """Return the steps as they stand, in their order."""
    steps = (
        _association(shipment),
        _survey(shipment),
        _fingerprint(shipment),
        _seal(shipment),
    )
    return tuple(_ordered(step, steps[:at]) for at, step in enumerate(steps))


def _ordered(step: DispatchStep, before: tuple[DispatchStep, ...]) -> DispatchStep:
    if not step.is_answered:
        return step
    missed = [former.name for former in before if not _is_before(former, step)]
    flags = tuple(f"answered before the {name}" for name in missed)
    return replace(step, flags=step.flags + flags)


def _is_before(former: DispatchStep, step: DispatchStep) -> bool:
    if not former.is_answered or former.at_ns is None or step.at_ns is None:
        return former.is_answered
    return former.at_ns <= step.at_ns


def _association(shipment: Shipment) -> DispatchStep:
    consignment = shipment.consignment
    if consignment is None:
        return DispatchStep(StepName.ASSOCIATION, False, "no consignment yet")
    named = f"{consignment.container} with gateway {consignment.gateway}"
    answers = [
        span for span in shipment.assignments if span.gateway == consignment.gateway
    ]
    if not answers:
        return DispatchStep(
            StepName.ASSOCIATION, False, f"{named}: the gateway has not answered"
        )
    stated = shipment.newest(Consignment)
    at_ns = answers[-1].from_ns
    if at_ns is None and stated is not None:
        at_ns = stated.header.utc_ns
    return DispatchStep(StepName.ASSOCIATION, True, f"{named}: assigned", at_ns)


def dispatch_survey(shipment: Shipment) -> Surveyed | None:
    """Return the newest survey at dispatch, judged; None where there is none."""
    found = [
        fact.body
        for fact in shipment.facts
        if isinstance(fact.body, Survey) and fact.body.occasion is Occasion.DISPATCH
    ]
    try:
        return judge_survey(found[-1]) if found else None
    except UnknownWordError:
        return None


def _survey(shipment: Shipment) -> DispatchStep:
    judged = dispatch_survey(shipment)
    if judged is None:
        return DispatchStep(StepName.SURVEY, False, "not surveyed yet")
    word = f"transport index {judged.transport_index}, {judged.category}"
    at_ns = judged.survey.measured_at_ns
    return DispatchStep(StepName.SURVEY, True, word, at_ns, judged.remarks)


def _fingerprint(shipment: Shipment) -> DispatchStep:
    steps = {one.step: one for one in shipment.fingerprints}
    loaded = steps.get(FingerprintStep.LOADED)
    if loaded is None:
        has_background = FingerprintStep.BACKGROUND in steps
        word = "background counted, the vial not yet" if has_background else "none yet"
        return DispatchStep(StepName.FINGERPRINT, False, word)
    no_background = FingerprintStep.BACKGROUND not in steps
    flags = ("without a background",) if no_background else ()
    return DispatchStep(
        StepName.FINGERPRINT,
        True,
        "counted with the vial in place",
        loaded.at_ns,
        flags,
    )


def _seal(shipment: Shipment) -> DispatchStep:
    consignment = shipment.consignment
    if consignment is None:
        return DispatchStep(StepName.SEAL, False, "no consignment yet")
    gave = [
        step
        for step in shipment.custody.steps
        if step.said.role is HandoverRole.GIVER and step.correction is None
    ]
    if not gave:
        return DispatchStep(
            StepName.SEAL, False, f"{consignment.seal}: not read at a handover yet"
        )
    read, author = gave[0].said.seal, gave[0].signed.header.author
    flags = (
        ()
        if read == consignment.seal
        else (f"packed was {consignment.seal}, read was {read}",)
    )
    word = f"{read}, read by {author}"
    return DispatchStep(StepName.SEAL, True, word, gave[0].at_ns, flags)
