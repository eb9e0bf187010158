"""What waits for a person before a dose can go: the confirmation, a held certificate.

A confirmation is due 24 h after the order; not where an approval takes longer, and not
where the infusion is more than two weeks ahead.

A certificate that cannot give the prescribed activity at the planned time is held, with
the numbers, until somebody other than its author decides; tracking goes on. A new plan
or a new certificate is judged anew.

Source: DOMAIN section 6.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cloud.shipments import Shipment
from cloud.windows import is_in_reach, label_activity_gbq
from schemas.errors import UnknownWordError
from schemas.facts import Certificate, Confirmation, Decision, Fact, Order
from schemas.products import product
from schemas.shipping import Subject
from schemas.units import NS_PER_S

DUE_AFTER_NS: Final = 24 * 3600 * NS_PER_S
FAR_AHEAD_NS: Final = 14 * 86_400 * NS_PER_S


class Answer(StrEnum):
    """How an order stands with its producer."""

    CONFIRMED = "confirmed"
    DECLINED = "declined"
    DUE = "confirmation due"
    OVERDUE = "confirmation overdue"
    NEEDS_APPROVAL = "no deadline: an approval takes longer"
    FAR_AHEAD = "no deadline yet: more than two weeks ahead"


@dataclass(frozen=True, slots=True)
class Confirming:
    """The producer's answer, or until when it is due."""

    answer: Answer
    due_ns: int | None = None
    by: str | None = None
    at_ns: int | None = None
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A certificate that gives too little at the planned time, by the label.

    ``decision`` is the newest one about this certificate, by another than its author.
    """

    fact: bytes
    vial: str
    at_ns: int
    then_gbq: float
    least_gbq: float
    prescribed_gbq: float
    decision: Decision | None
    decided_by: str | None

    @property
    def is_open(self) -> bool:
        """True until a person has released it."""
        return self.decision is None or not self.decision.released


def confirming(shipment: Shipment, now_ns: int) -> Confirming | None:
    """Return how the order stands; None where nothing was ordered."""
    ordered, answer = shipment.newest(Order), shipment.newest(Confirmation)
    plan = shipment.plan
    if ordered is None or plan is None or not isinstance(ordered.body, Order):
        return None
    if answer is not None and isinstance(answer.body, Confirmation):
        word = Answer.CONFIRMED if answer.body.confirmed else Answer.DECLINED
        header = answer.header
        return Confirming(word, None, header.author, header.utc_ns, answer.body.remark)
    if ordered.body.needs_approval:
        return Confirming(Answer.NEEDS_APPROVAL)
    ordered_ns = ordered.header.utc_ns
    if plan.planned_at_ns - ordered_ns > FAR_AHEAD_NS:
        return Confirming(Answer.FAR_AHEAD)
    due_ns = ordered_ns + DUE_AFTER_NS
    return Confirming(Answer.OVERDUE if now_ns > due_ns else Answer.DUE, due_ns)


def certificate_hold(shipment: Shipment) -> Hold | None:
    """Return the hold on the certificate; None where it gives enough, or is unknown."""
    order, plan = shipment.order, shipment.plan
    stated = shipment.newest(Certificate)
    if order is None or plan is None or stated is None:
        return None
    if not isinstance(stated.body, Certificate):
        return None
    contents = stated.body.contents
    try:
        label = product(contents.product)
        is_near = is_in_reach(contents, plan.planned_at_ns)
    except UnknownWordError:
        return None
    if not is_near:
        return None
    then_gbq = label_activity_gbq(contents, label, plan.planned_at_ns)
    least_gbq = order.prescribed_activity_gbq * (1 - order.tolerance_ratio)
    if then_gbq >= least_gbq:
        return None
    decision = _decision(shipment.facts, stated)
    return Hold(
        stated.header.fact,
        contents.vial,
        plan.planned_at_ns,
        then_gbq,
        least_gbq,
        order.prescribed_activity_gbq,
        None if decision is None else decision[0],
        None if decision is None else decision[1],
    )


def _decision(facts: tuple[Fact, ...], stated: Fact) -> tuple[Decision, str] | None:
    found = None
    for fact in facts:
        body = fact.body
        if (
            isinstance(body, Decision)
            and body.about is Subject.CERTIFICATE
            and body.of_fact == stated.header.fact
            and fact.header.author != stated.header.author
        ):
            found = (body, fact.header.author)
    return found
