"""What a dose's papers come to: dispatch, plan, receipt, assay, and what is left."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from cloud.arrival import Arrival
from cloud.assays import Comparison, GainProposal, compare, propose_gain
from cloud.gains import Release, previous_ratio, releases
from cloud.holds import Answer, Confirming, Hold, certificate_hold, confirming
from cloud.packing import DispatchStep, dispatch_steps, dispatch_survey
from cloud.possibilities import Possibilities, possibilities
from cloud.receiving import Received, judge_acceptance, receipt_due_ns
from cloud.remains import Remains, remains
from cloud.shipments import Phase, Shipment
from cloud.surveys import Surveyed, Wiped, judge_survey, judge_wipe
from cloud.web.desk import Situation
from cloud.web.estimating import centre_of
from cloud.windows import is_in_reach
from schemas.centre import ContainerReturn, Disposal
from schemas.errors import UnknownWordError
from schemas.facts import Acceptance, Assay, Fact, Survey
from schemas.shipping import Occasion
from schemas.transport import USUAL_RULES, rule_set

_STILL_HERE: Final = (Phase.ORDERED, Phase.PACKED)
_DECIDED: Final = (Phase.ACCEPTED, Phase.REFUSED)


@dataclass(frozen=True, slots=True)
class Assayed:
    """The newest assay, what it proposes, and what a person decided about that."""

    fact: Fact
    compared: Comparison
    proposal: GainProposal | None
    previous_ratio: float | None
    release: Release | None


@dataclass(frozen=True, slots=True)
class Left:
    """What is left and when it may go which way; assumed to be all, if not stated."""

    stated: Disposal | None
    remains: Remains


@dataclass(frozen=True, slots=True)
class Returned:
    """The container on its way back, its wipes beside 100 times the limit outside."""

    stated: ContainerReturn
    inside_ratio: Decimal
    wiped: tuple[Wiped, ...]
    survey: Surveyed | None


@dataclass(frozen=True, slots=True)
class Dose:
    """Everything that follows from the papers of a shipment as it stands."""

    confirming: Confirming | None
    hold: Hold | None
    steps: tuple[DispatchStep, ...]
    survey: Surveyed | None
    possible: Possibilities | None
    due_ns: int | None
    arrival_survey: Surveyed | None
    received: Received | None
    assayed: Assayed | None
    left: Left | None
    returned: Returned | None


def dose_of(situation: Situation, planned_ns: int | None = None) -> Dose:
    """Return what follows; ``planned_ns`` asks for another appointment."""
    shipment = situation.shipment
    return Dose(
        confirming(shipment, situation.now_ns),
        certificate_hold(shipment),
        dispatch_steps(shipment),
        dispatch_survey(shipment),
        _possible(situation, planned_ns),
        _due_ns(situation),
        _survey(shipment, Occasion.ARRIVAL),
        _received(shipment),
        _assayed(situation),
        _left(shipment),
        _returned(shipment),
    )


def _possible(situation: Situation, planned_ns: int | None) -> Possibilities | None:
    estimate, shipment = situation.arrival, situation.shipment
    if not isinstance(estimate, Arrival) or shipment.phase in _DECIDED:
        return None
    question = estimate.question
    if planned_ns is not None:
        question = replace(question, appointment_ns=planned_ns)
    legs = shipment.consignment.legs if shipment.consignment else ()
    has_left = shipment.phase not in _STILL_HERE
    return possibilities(question, situation.eta, legs, has_left=has_left)


def _due_ns(situation: Situation) -> int | None:
    """Return until when the package is to be monitored, once it is at the centre."""
    shipment = situation.shipment
    since_ns = shipment.custody.since_ns
    if shipment.phase is not Phase.ARRIVED or since_ns is None:
        return None
    return receipt_due_ns(since_ns, shipment.profile)


def _survey(shipment: Shipment, occasion: Occasion) -> Surveyed | None:
    found = [
        fact.body
        for fact in shipment.facts
        if isinstance(fact.body, Survey) and fact.body.occasion is occasion
    ]
    try:
        return judge_survey(found[-1]) if found else None
    except UnknownWordError:
        return None


def _received(shipment: Shipment) -> Received | None:
    fact = shipment.acceptance
    if fact is None or not isinstance(fact.body, Acceptance):
        return None
    author = fact.header.author
    try:
        return judge_acceptance(fact.body, shipment.contents, shipment.profile, author)
    except UnknownWordError:
        return None


def _assayed(situation: Situation) -> Assayed | None:
    shipment = situation.shipment
    fact, contents = shipment.newest(Assay), shipment.contents
    if fact is None or contents is None or not isinstance(fact.body, Assay):
        return None
    try:
        compared = compare(contents, fact.body, centre_of(shipment.profile))
    except UnknownWordError:
        return None
    if compared is None:
        return None
    decided = [
        one for one in releases(shipment) if one.decision.of_fact == fact.header.fact
    ]
    return Assayed(
        fact,
        compared,
        propose_gain(compared, situation.statement.witness),
        previous_ratio(shipment),
        decided[-1] if decided else None,
    )


def _left(shipment: Shipment) -> Left | None:
    contents, fact = shipment.contents, shipment.newest(Disposal)
    if contents is None:
        return None
    stated = fact.body if fact and isinstance(fact.body, Disposal) else None
    rules = shipment.profile.rules if shipment.profile else USUAL_RULES
    try:
        if stated is not None and not is_in_reach(contents, stated.measured_at_ns):
            return None
        if stated is not None:
            at_ns, mass_g = stated.measured_at_ns, stated.mass_g
            activity_gbq, rules = stated.activity_gbq, stated.rules
            found = remains(contents, activity_gbq, at_ns, rules, mass_g)
        else:
            at_ns, activity_gbq = contents.reference_at_ns, contents.activity_gbq
            found = remains(contents, activity_gbq, at_ns, rules)
    except UnknownWordError:
        return None
    return Left(stated, found)


def _returned(shipment: Shipment) -> Returned | None:
    fact = shipment.newest(ContainerReturn)
    if fact is None or not isinstance(fact.body, ContainerReturn):
        return None
    nuclide = shipment.contents.nuclide if shipment.contents else ""
    stated = fact.body
    try:
        judged = [judge_wipe(one, nuclide, stated.rules) for one in stated.wipes]
        inside_ratio = rule_set(stated.rules).limits.empty_inside_ratio.value
    except UnknownWordError:
        return None
    wiped = tuple(one for one in judged if one is not None)
    return Returned(stated, inside_ratio, wiped, _survey(shipment, Occasion.RETURN))


@dataclass(frozen=True, slots=True)
class PaperReasons:
    """What in the papers needs a person now, and what somebody should look at."""

    acts: tuple[str, ...]
    looks: tuple[str, ...]


def paper_reasons(situation: Situation) -> PaperReasons:
    """Return why the papers of a shipment need somebody."""
    shipment, now_ns = situation.shipment, situation.now_ns
    hold, answer = certificate_hold(shipment), confirming(shipment, now_ns)
    survey, due_ns = dispatch_survey(shipment), _due_ns(situation)
    word = answer.answer if answer else None
    acts = (
        (hold is not None and hold.is_open, "the certificate is held for a person"),
        (word is Answer.DECLINED, "the producer declined the order"),
        (
            survey is not None and survey.is_above_limits,
            "the survey at dispatch is above the limits",
        ),
        (due_ns is not None and now_ns > due_ns, "monitoring at receipt is overdue"),
    )
    flags = [
        f"{step.name} {flag}" if flag.startswith("answered") else flag
        for step in dispatch_steps(shipment)
        for flag in step.flags
    ]
    looks = (
        (word is Answer.OVERDUE, "the producer's confirmation is overdue"),
        (bool(flags), f"dispatch: {'; '.join(flags)}"),
    )
    return PaperReasons(
        tuple(text for holds, text in acts if holds),
        tuple(text for holds, text in looks if holds),
    )
