"""From what was stated about a shipment to its arrival estimate, or why none."""

from typing import Final

import msgspec

from cloud.alarms import Alarms
from cloud.arrival import Arrival, arrival
from cloud.holds import certificate_hold
from cloud.lane import Eta, EtaKind, Sighting, expected_arrival
from cloud.shipments import Phase, Shipment
from cloud.web.wording import change_texts, handling_text
from cloud.windows import Centre, Question, Statement, is_in_reach
from schemas.contents import Contents
from schemas.errors import UnknownWordError
from schemas.estimates import WitnessVerdict
from schemas.facts import Assay, CentreProfile
from schemas.products import product

_THERE: Final = (Phase.ARRIVED, Phase.ACCEPTED, Phase.REFUSED)


class Unknown(msgspec.Struct, frozen=True):
    """Why there is no arrival estimate yet, for people."""

    reason: str


def eta_of(shipment: Shipment, now_ns: int, seen: Sighting | None) -> Eta | None:
    """Return when a shipment arrives, or when it did; None without a lane."""
    legs = shipment.consignment.legs if shipment.consignment else ()
    since_ns = shipment.custody.since_ns
    if shipment.phase in _THERE and since_ns is not None:
        planned_ns = legs[-1].arrives_at_ns if legs else since_ns
        return Eta(since_ns, 0.0, EtaKind.ARRIVED, planned_ns)
    return expected_arrival(legs, now_ns, seen)


def centre_of(profile: CentreProfile | None) -> Centre:
    """Return a centre's own figures, the assumed ones where it stated none."""
    if profile is None:
        return Centre()
    return Centre(
        profile.preparation_s,
        profile.survey_s,
        profile.call_ratio,
        profile.stop_ratio,
        is_assumed=False,
    )


def estimate(
    shipment: Shipment,
    statement: Statement,
    alarms: Alarms,
    now_ns: int,
    eta: Eta | None,
) -> Arrival | Unknown:
    """Return the arrival estimate as of ``now_ns``."""
    contents = shipment.contents
    if shipment.order is None or shipment.plan is None:
        return Unknown("no order has been stated yet")
    if contents is None:
        return Unknown("no calibration certificate has been stated yet")
    at_ns = shipment.plan.planned_at_ns
    instants = (at_ns, now_ns, at_ns if eta is None else eta.at_ns)
    try:
        if not all(is_in_reach(contents, one) for one in instants):
            return Unknown("an instant of the papers is years from the certificate's")
        return arrival(question(shipment, contents, statement, alarms, now_ns, eta))
    except UnknownWordError as error:
        return Unknown(str(error))


def question(
    shipment: Shipment,
    contents: Contents,
    statement: Statement,
    alarms: Alarms,
    now_ns: int,
    eta: Eta | None,
) -> Question:
    """Return everything that the estimate follows from; it was ordered and planned.

    Raises:
        UnknownWordError: the catalogue has no such product.
    """
    order, plan = shipment.order, shipment.plan
    if order is None or plan is None:
        raise ValueError(f"{shipment.shipment} was never ordered")
    assayed, hold = shipment.newest(Assay), certificate_hold(shipment)
    return Question(
        contents=contents,
        product=product(contents.product),
        prescribed_activity_gbq=order.prescribed_activity_gbq,
        tolerance_ratio=order.tolerance_ratio,
        appointment_ns=plan.planned_at_ns,
        as_of_ns=now_ns,
        eta_ns=None if eta is None else eta.at_ns,
        limits=shipment.limits,
        statement=None if statement.witness is None else statement,
        changes=_changes(statement, alarms, plan.offset_minutes),
        handling=handling_text(alarms.alarms, plan.offset_minutes),
        exercise=shipment.exercise,
        assay=_assay(assayed.body if assayed else None),
        centre=centre_of(shipment.profile),
        is_held=hold is not None and hold.is_open,
    )


def _assay(body: object) -> Assay | None:
    return body if isinstance(body, Assay) else None


def _changes(
    statement: Statement, alarms: Alarms, offset_minutes: int
) -> tuple[str, ...]:
    seen = [*change_texts(alarms.alarms, offset_minutes)]
    witness = statement.witness
    if witness is not None and witness.verdict in (
        WitnessVerdict.LOW,
        WitnessVerdict.HIGH,
    ):
        seen.append("the detectors disagree with the certificate")
    return tuple(seen)
