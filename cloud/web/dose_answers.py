"""From what a dose's papers come to, to what the programming interface answers."""

from decimal import Decimal

from cloud.arrival import ADVISORY
from cloud.holds import Confirming, Hold
from cloud.possibilities import Possibilities
from cloud.receiving import Received
from cloud.surveys import Surveyed, Wiped
from cloud.web.answers import window_message
from cloud.web.desk import Situation
from cloud.web.dose import Assayed, Dose, Left, Returned
from cloud.web.dose_messages import (
    AssayedMessage,
    ConfirmingMessage,
    DispatchStepMessage,
    DoseMessage,
    GainMessage,
    HoldMessage,
    PossibleMessage,
    ReceivedMessage,
    RemainsMessage,
    ReturnedMessage,
    SurveyedMessage,
    VialNeededMessage,
    WipedMessage,
)
from cloud.web.formats import certain_text, text_of


def dose_message(
    situation: Situation, dose: Dose, planned_ns: int | None
) -> DoseMessage:
    """Return everything about a dose's papers as answered."""
    plan = situation.shipment.plan
    at_ns = (
        planned_ns if planned_ns is not None else (plan.planned_at_ns if plan else 0)
    )
    return DoseMessage(
        advisory=ADVISORY,
        exercise=situation.shipment.exercise,
        shipment=situation.shipment.shipment,
        confirming=_confirming(dose.confirming),
        hold=_hold(dose.hold),
        dispatch=tuple(
            DispatchStepMessage(
                name=step.name,
                is_answered=step.is_answered,
                word=step.word,
                at=text_of(step.at_ns),
                flags=step.flags,
            )
            for step in dose.steps
        ),
        survey=_surveyed(dose.survey),
        possible=_possible(dose.possible, at_ns),
        monitoring_due_at=text_of(dose.due_ns),
        arrival_survey=_surveyed(dose.arrival_survey),
        received=_received(dose.received),
        assay=_assayed(dose.assayed),
        remains=_left(dose.left),
        returned=_returned(dose.returned),
    )


def _confirming(found: Confirming | None) -> ConfirmingMessage | None:
    if found is None:
        return None
    return ConfirmingMessage(
        answer=found.answer,
        due_at=text_of(found.due_ns),
        by=found.by,
        at=text_of(found.at_ns),
        remark=found.remark,
    )


def _hold(found: Hold | None) -> HoldMessage | None:
    if found is None:
        return None
    return HoldMessage(
        fact=found.fact.hex(),
        vial=found.vial,
        planned_at=certain_text(found.at_ns),
        then_gbq=found.then_gbq,
        least_gbq=found.least_gbq,
        prescribed_gbq=found.prescribed_gbq,
        is_open=found.is_open,
        decided_by=found.decided_by,
        remark=found.decision.remark if found.decision else None,
    )


def _surveyed(found: Surveyed | None) -> SurveyedMessage | None:
    if found is None:
        return None
    survey = found.survey
    limits = (found.surface_limit, found.transport_index_limit)
    return SurveyedMessage(
        occasion=survey.occasion,
        surface_dose_rate_usv_h=survey.surface_dose_rate_usv_h,
        dose_rate_at_1_m_usv_h=survey.dose_rate_at_1_m_usv_h,
        transport_index=f"{found.transport_index:f}",
        category=found.category,
        rules=survey.rules,
        instrument=survey.instrument,
        measured_at=certain_text(survey.measured_at_ns),
        is_above_limits=found.is_above_limits,
        limits_verified=all(limit.verified for limit in limits),
        remarks=found.remarks,
    )


def _possible(found: Possibilities | None, at_ns: int) -> PossibleMessage | None:
    if found is None:
        return None
    needed = found.vial_needed
    return PossibleMessage(
        earliest_at=certain_text(found.earliest_ns),
        whole_vial=window_message(found.whole_vial, at_ns),
        surely_inside=window_message(found.surely, at_ns),
        by_volume=window_message(found.by_volume, at_ns),
        latest_arrival_at=certain_text(found.latest_arrival_ns),
        latest_departure_at=text_of(found.latest_departure_ns),
        expires_at=certain_text(found.expires_at_ns),
        vial_needed=None
        if needed is None
        else VialNeededMessage(
            activity_gbq=needed.activity_gbq,
            volume_ml=needed.volume_ml,
            is_made=needed.is_made,
        ),
        cannot=found.cannot,
    )


def _wiped(found: Wiped, times: Decimal = Decimal(1)) -> WipedMessage:
    limit = found.limit.value * times
    return WipedMessage(
        place=found.wipe.place,
        bq_cm2=_short(found.bq_cm2),
        dpm_100_cm2=_short(found.dpm_100_cm2),
        limit_bq_cm2=f"{limit.normalize():f}",
        limit_verified=found.limit.verified,
        is_above_limit=found.bq_cm2 > limit,
    )


def _short(value: Decimal) -> str:
    return f"{Decimal(f'{value:.3g}'):f}"


def _received(found: Received | None) -> ReceivedMessage | None:
    if found is None:
        return None
    return ReceivedMessage(
        outcome=found.acceptance.outcome,
        due_at=text_of(found.due_ns),
        surveyed_at=text_of(found.acceptance.surveyed_at_ns),
        is_late=found.is_late,
        is_identified=found.acceptance.identity is not None,
        wipes=tuple(_wiped(one) for one in found.wiped),
        remarks=found.remarks,
    )


def _assayed(found: Assayed | None) -> AssayedMessage | None:
    if found is None:
        return None
    compared = found.compared
    return AssayedMessage(
        fact=found.fact.header.fact.hex(),
        vial=compared.assay.vial,
        measured_at=certain_text(compared.assay.measured_at_ns),
        activity_gbq=compared.assay.activity_gbq,
        due_gbq=compared.due.activity_gbq,
        off_ratio=compared.off_ratio,
        off_expanded_u_ratio=compared.off_expanded_u_ratio,
        standing=compared.standing,
        remarks=compared.remarks,
        gain=_gain(found),
    )


def _gain(found: Assayed) -> GainMessage | None:
    if found.proposal is None:
        return None
    release = found.release
    gain = release.gain if release else None
    return GainMessage(
        gain_ratio=found.proposal.gain_ratio,
        gain_ratio_u=found.proposal.gain_ratio_u,
        previous_gain_ratio=found.previous_ratio,
        released_by=release.fact.header.author if release else None,
        is_released=release.decision.released if release else None,
        in_force_ratio=gain.gain_ratio if gain else None,
        in_force_ratio_u=gain.gain_ratio_u if gain else None,
        due_at=text_of(gain.due_at_ns) if gain else None,
        not_used_because=release.why_not if release else None,
    )


def _left(found: Left | None) -> RemainsMessage | None:
    if found is None:
        return None
    return RemainsMessage(
        is_stated=found.stated is not None,
        disposal=found.stated.disposal if found.stated else None,
        exempt_at=text_of(found.remains.exempt_at_ns),
        exempt_by_concentration_at=text_of(found.remains.exempt_by_concentration_ns),
        excepted_at=text_of(found.remains.excepted_at_ns),
        limits_verified=found.remains.is_verified,
    )


def _returned(found: Returned | None) -> ReturnedMessage | None:
    if found is None:
        return None
    return ReturnedMessage(
        container=found.stated.container,
        un_number=found.stated.un_number,
        labels_removed=found.stated.labels_removed,
        destination=found.stated.destination,
        departs_at=certain_text(found.stated.departs_at_ns),
        wipes=tuple(_wiped(one, found.inside_ratio) for one in found.wiped),
        survey=_surveyed(found.survey),
    )
