"""From what is known to what the programming interface answers."""

from cloud.arrival import Arrival
from cloud.custody import Custody, Step
from cloud.finding_words import dose_text, thermal_texts
from cloud.shipments import Shipment
from cloud.web.desk import Health, Situation
from cloud.web.detector_answers import detectors_message
from cloud.web.estimating import Unknown
from cloud.web.formats import certain_text, text_of
from cloud.web.messages import (
    ActivityMessage,
    ArrivalMessage,
    CertificateMessage,
    HealthMessage,
    LegMessage,
    PlanMessage,
    ShipmentMessage,
    VolumeMessage,
    WindowMessage,
)
from cloud.web.watch_messages import CustodyMessage, StepMessage
from cloud.windows import COVERAGE_FACTOR, Activity, Question, Window, activity_at
from schemas.custody import Course
from schemas.estimates import CERTIFICATE_METHOD
from schemas.nuclides import nuclide
from schemas.units import instant_text


def activity_message(activity: Activity | None) -> ActivityMessage | None:
    """Return an activity as answered."""
    return None if activity is None else _activity(activity)


def _activity(activity: Activity) -> ActivityMessage:
    return ActivityMessage(
        at=certain_text(activity.at_ns),
        activity_gbq=activity.activity_gbq,
        activity_expanded_u_gbq=activity.activity_expanded_u_gbq,
        percent_of_prescribed=activity.percent_of_prescribed,
    )


def window_message(window: Window | None, appointment_ns: int) -> WindowMessage | None:
    """Return a window as answered, None for none."""
    if window is None:
        return None
    return WindowMessage(
        from_at=certain_text(window.from_ns),
        to_at=certain_text(window.to_ns),
        contains_appointment=window.contains(appointment_ns),
    )


def _certificate(question: Question) -> CertificateMessage:
    contents = question.contents
    return CertificateMessage(
        vial=contents.vial,
        nuclide=contents.nuclide,
        activity_gbq=contents.activity_gbq,
        activity_expanded_u_gbq=contents.activity_expanded_u_gbq,
        coverage_factor=contents.coverage_factor,
        reference_at=instant_text(
            contents.reference_at_ns, offset_minutes=contents.offset_minutes
        ),
        reference_kind=contents.reference_kind,
        volume_ml=contents.volume_ml,
        production_route=contents.production_route,
        standard=contents.standard,
        document_sha256=contents.document.hex() if contents.document else None,
        half_life_s=nuclide(contents.nuclide).half_life_s,
        label_half_life_d=question.product.label_half_life_d,
    )


def arrival_message(
    situation: Situation, estimate: Arrival, at_ns: int | None = None
) -> ArrivalMessage:
    """Return the arrival estimate as answered, also for one more instant."""
    question, appointment_ns = estimate.question, estimate.question.appointment_ns
    order, centre, plan_version = _order(situation.shipment)
    plan = situation.shipment.plan
    offset_minutes, eta = plan.offset_minutes if plan else 0, situation.eta
    found = situation.statement
    return ArrivalMessage(
        advisory=estimate.advisory,
        exercise=question.exercise,
        shipment=situation.shipment.shipment,
        order=order,
        centre=centre,
        product=question.product.name,
        as_of=certain_text(question.as_of_ns),
        appointment=certain_text(appointment_ns),
        offset_minutes=offset_minutes,
        plan_version=plan_version,
        prescribed_activity_gbq=question.prescribed_activity_gbq,
        tolerance_ratio=question.tolerance_ratio,
        coverage_factor=COVERAGE_FACTOR,
        method=CERTIFICATE_METHOD,
        certificate=_certificate(question),
        now=_activity(estimate.now),
        at_eta=activity_message(estimate.at_eta),
        eta_kind=eta.kind if eta else None,
        eta_u_s=eta.u_s if eta else None,
        late_risk=eta.late_risk(estimate.arrive_by_ns) if eta else None,
        eta_remarks=eta.remarks if eta else (),
        at_appointment=_activity(estimate.at_appointment),
        at=_activity_then(question, at_ns),
        whole_vial=window_message(estimate.whole_vial, appointment_ns),
        surely_inside=window_message(estimate.surely, appointment_ns),
        by_volume=window_message(estimate.by_volume, appointment_ns),
        surely_by_volume=window_message(estimate.surely_by_volume, appointment_ns),
        volume=_volume(estimate),
        expires_at=certain_text(estimate.expires_at_ns),
        arrive_by=certain_text(estimate.arrive_by_ns),
        decide_by=certain_text(estimate.decide_by_ns),
        detectors=detectors_message(situation.statement, estimate),
        package=estimate.package,
        integrity=found.integrity.verdict if found.integrity else None,
        temperature=thermal_texts(found.thermal),
        doses=tuple(dose_text(dose) for dose in found.doses),
        changes=question.changes,
        handling=question.handling,
        not_seen=estimate.not_seen,
    )


def _order(shipment: Shipment) -> tuple[str, str, int]:
    """Return order, centre and version of the plan; an estimate has them."""
    order, plan = shipment.order, shipment.plan
    if order is None or plan is None:
        return "", "", 0
    return order.order, order.centre, plan.version


def _activity_then(question: Question, at_ns: int | None) -> ActivityMessage | None:
    if at_ns is None:
        return None
    prescribed_gbq = question.prescribed_activity_gbq
    return _activity(activity_at(question.contents, at_ns, prescribed_gbq))


def _volume(estimate: Arrival) -> VolumeMessage:
    return VolumeMessage(
        volume_ml=estimate.volume.volume_ml,
        withheld=tuple(estimate.volume.withheld),
        basis=estimate.volume.basis,
        surplus_gbq=estimate.volume.surplus_gbq,
        exercise=estimate.question.exercise,
    )


def custody_message(custody: Custody) -> CustodyMessage:
    """Return the custody as answered."""
    course = custody.course
    return CustodyMessage(
        holder=custody.holder,
        since=text_of(custody.since_ns),
        place=custody.place,
        is_confirmed=custody.is_confirmed,
        course=course.said.course if course else Course.PLANNED,
        destination=course.said.destination if course else None,
        is_returned=custody.is_returned,
        seal=custody.seal,
        steps=tuple(_step(step) for step in custody.steps),
    )


def _step(step: Step) -> StepMessage:
    header, said = step.signed.header, step.said
    return StepMessage(
        fact=header.fact.hex(),
        handover=said.handover.hex(),
        at=certain_text(step.at_ns),
        signed_at=certain_text(header.utc_ns),
        author=header.author,
        signer=said.signer,
        role=said.role,
        manner=said.manner,
        giver=said.giver,
        receiver=said.receiver,
        place=said.place,
        condition=said.condition,
        seal=said.seal,
        label_transport_index=said.label_transport_index,
        gateway_verdict=said.verdict,
        air_waybill=said.air_waybill,
        procedure=said.procedure,
        lock=said.lock,
        photo_sha256=said.photo.hex() if said.photo else None,
        document_sha256=said.document.hex() if said.document else None,
        state=step.state,
        flags=tuple(step.flags),
        corrected_by=step.correction.header.fact.hex() if step.correction else None,
        remark=said.remark,
    )


def health_message(health: Health) -> HealthMessage:
    """Return a gateway's health as answered."""
    beat = health.heartbeat
    return HealthMessage(
        gateway=health.gateway,
        epoch=health.epoch.hex(),
        received=health.received,
        contiguous=health.watermark.contiguous,
        ranges_above=health.watermark.ranges,
        missing=health.missing,
        head_sequence=beat.head_sequence if beat else None,
        head_at=text_of(health.heartbeat_at_ns),
        backlog=health.backlog,
        outbox_bytes=beat.outbox_bytes if beat else None,
        free_bytes=beat.free_bytes if beat else None,
        last_record_at=text_of(health.last_record_at_ns),
        last_received_at=certain_text(health.last_received_at_ns),
        time_source=health.clock.time_source,
        clock_is_doubtful=health.clock.is_clock_doubtful,
    )


def shipment_message(situation: Situation) -> ShipmentMessage:
    """Return a shipment as answered."""
    shipment, estimate = situation.shipment, situation.arrival
    order, consignment, plan = shipment.order, shipment.consignment, shipment.plan
    unknown = estimate if isinstance(estimate, Unknown) else None
    known = estimate if isinstance(estimate, Arrival) else None
    return ShipmentMessage(
        shipment=shipment.shipment,
        exercise=shipment.exercise,
        phase=shipment.phase,
        order=order.order if order else None,
        product=order.product if order else None,
        centre=order.centre if order else None,
        gateway=shipment.gateway,
        container=consignment.container if consignment else None,
        seal=consignment.seal if consignment else None,
        holder=shipment.custody.holder,
        appointment=text_of(plan.planned_at_ns if plan else None),
        eta=text_of(situation.eta.at_ns if situation.eta else None),
        now=activity_message(known.now if known else None),
        at_appointment=activity_message(known.at_appointment if known else None),
        no_estimate_because=unknown.reason if unknown else None,
        open_alarms=len(situation.alarms.open_worst_first),
        last_record_at=text_of(
            situation.health.last_record_at_ns if situation.health else None
        ),
        plans=_plans(shipment),
        legs=_legs(shipment),
    )


def _plans(shipment: Shipment) -> tuple[PlanMessage, ...]:
    return tuple(
        PlanMessage(
            version=plan.version,
            planned_at=certain_text(plan.planned_at_ns),
            stated_at=certain_text(plan.stated_at_ns),
            author=plan.author,
            remark=plan.remark,
        )
        for plan in shipment.plans
    )


def _legs(shipment: Shipment) -> tuple[LegMessage, ...]:
    legs = shipment.consignment.legs if shipment.consignment else ()
    return tuple(
        LegMessage(
            mode=leg.mode,
            origin=leg.origin,
            destination=leg.destination,
            departs_at=certain_text(leg.departs_at_ns),
            arrives_at=certain_text(leg.arrives_at_ns),
            carrier=leg.carrier,
            contact=leg.contact,
            air_waybill=leg.air_waybill,
            flight=leg.flight,
            cut_off_at=text_of(leg.cut_off_ns),
        )
        for leg in legs
    )
