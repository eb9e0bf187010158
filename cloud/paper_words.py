"""What one paper says in plain words, instants in its zone and in UTC side by side."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from cloud.figures import in_unit, u_text, unit_of, value_text
from cloud.surveys import judge_survey, judge_wipe
from schemas.centre import CentreProfile, ContainerReturn, Disposal, Wipe
from schemas.facts import (
    KINDS,
    Acceptance,
    Assay,
    Certificate,
    Confirmation,
    Consignment,
    Decision,
    FactBody,
    Leg,
    Order,
    Reschedule,
    Survey,
)
from schemas.products import product
from schemas.transport import USUAL_RULES, rule_set
from schemas.units import NS_PER_S, instant_text

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def both_times(at_ns: int, offset_minutes: int) -> str:
    """Return an instant in its zone and in UTC, to whole seconds.

    >>> both_times(0, 60)
    '1970-01-01 01:00:00 +01:00 = 1970-01-01 00:00:00 UTC'
    """
    at_ns -= at_ns % NS_PER_S
    local = instant_text(at_ns, offset_minutes=offset_minutes)
    zone = "UTC" if offset_minutes == 0 else local[-6:]
    local = local.removesuffix("Z").removesuffix(zone)
    utc = instant_text(at_ns).removesuffix("Z")
    first = f"{local} {zone}".replace("T", " ", 1)
    return first if offset_minutes == 0 else f"{first} = {utc.replace('T', ' ')} UTC"


def describe(body: FactBody) -> tuple[str, ...]:
    """Return what one paper says, a line for each figure."""
    shipment = getattr(body, "shipment", None)
    title = KINDS[type(body)] + (f" for shipment {shipment}" if shipment else "")
    if type(body) not in _WORDS:
        return (title,)
    return (title, *(f"  {line}" for line in _WORDS[type(body)](body)))


def _order_words(order: Order) -> list[str]:
    label = product(order.product)
    prescribed = figure_text(order.prescribed_activity_gbq, label.nuclide)
    tolerance = f"{100 * order.tolerance_ratio:g} %"
    return [
        f"order {order.order}: {label.name} ({label.nuclide}) for {order.centre}",
        f"planned infusion {both_times(order.planned_at_ns, order.offset_minutes)}",
        f"prescribed {prescribed}, up to {tolerance} more or less",
    ]


def _certificate_words(certificate: Certificate) -> list[str]:
    vial = certificate.contents
    reference = both_times(vial.reference_at_ns, vial.offset_minutes)
    u_percent = 100 * vial.activity_expanded_u_gbq / vial.activity_gbq
    certified = measured_text(
        vial.activity_gbq, vial.activity_expanded_u_gbq, vial.nuclide
    )
    document = "no document" if vial.document is None else vial.document.hex()
    return [
        f"vial {vial.vial}: {product(vial.product).name}, {vial.nuclide}, "
        f"{vial.production_route}",
        f"{certified} (k = {vial.coverage_factor:g}), {u_percent:.2g} %, "
        f"in {vial.volume_ml:g} mL",
        f"at {reference} ({vial.reference_kind})",
        *(
            (f"the zone was picked by a person, for {vial.zone_site}",)
            if vial.zone_site
            else ()
        ),
        *((f"lot {vial.lot}",) if vial.lot else ()),
        *_expires(vial.expires_at_ns, vial.offset_minutes),
        f"standard: {vial.standard}",
        *(
            f"impurity {one.nuclide}: {100 * one.activity_ratio:.3g} % "
            f"\N{PLUS-MINUS SIGN} {100 * one.activity_ratio_u:.2g} % (k = 1)"
            for one in vial.impurities
        ),
        f"SHA-256 of the document: {document}",
    ]


def _expires(at_ns: int | None, offset_minutes: int) -> tuple[str, ...]:
    return () if at_ns is None else (f"expires {both_times(at_ns, offset_minutes)}",)


def _consignment_words(consignment: Consignment) -> list[str]:
    return [
        f"gateway {consignment.gateway} in container {consignment.container}, "
        f"seal {consignment.seal}",
        f"SHA-256 of the container model: {consignment.container_digest.hex()}",
        *(
            f"{leg.mode}: {leg.origin}, {both_times(leg.departs_at_ns, 0)} to "
            f"{leg.destination}, {both_times(leg.arrives_at_ns, 0)}" + _leg_words(leg)
            for leg in consignment.legs
        ),
    ]


def _leg_words(leg: Leg) -> str:
    cut_off = None if leg.cut_off_ns is None else both_times(leg.cut_off_ns, 0)
    parts = (
        ("by", leg.carrier),
        ("flight", leg.flight),
        ("air waybill", leg.air_waybill),
        ("cut-off", cut_off),
        ("contact", leg.contact),
    )
    return "".join(f", {name} {value}" for name, value in parts if value)


def _reschedule_words(plan: Reschedule) -> list[str]:
    words = [f"planned infusion {both_times(plan.planned_at_ns, plan.offset_minutes)}"]
    return words + ([f"remark: {plan.remark}"] if plan.remark else [])


def _acceptance_words(acceptance: Acceptance) -> list[str]:
    words = [f"the centre's decision: {acceptance.outcome}"]
    for check in acceptance.checks:
        value = "" if check.value is None else f", {check.value:g} {check.unit}"
        words.append(f"{'passed' if check.passed else 'FAILED'}: {check.name}{value}")
    if (read := acceptance.identity) is not None:
        words.append(
            f"on the vial: {read.vial}, lot {read.lot}, calibrated "
            f"{both_times(read.calibrated_on_vial_ns, 0)}, expires "
            f"{both_times(read.expires_at_ns, 0)}; second person {read.second_person}"
        )
    words += [_wipe_words(wipe) for wipe in acceptance.wipes]
    return words + ([f"remark: {acceptance.remark}"] if acceptance.remark else [])


def _assay_words(assay: Assay) -> list[str]:
    measured = measured_text(assay.activity_gbq, assay.activity_expanded_u_gbq, "")
    volume = "" if assay.volume_ml is None else f", {assay.volume_ml:g} mL"
    return [
        f"vial {assay.vial}: {measured} (k = {assay.coverage_factor:g}){volume}",
        f"measured {both_times(assay.measured_at_ns, 0)} in {assay.meter}, "
        f"set to {assay.nuclide_setting}",
    ]


def _wipe_words(wipe: Wipe) -> str:
    # Limits are the nuclide's, which this paper does not name: see `together`.
    judged = judge_wipe(wipe, "", USUAL_RULES)
    if judged is None:
        return f"wipe {wipe.place}: cannot be computed"
    return (
        f"wipe {wipe.place}: {wipe.gross_cpm} cpm, background {wipe.background_cpm} "
        f"cpm = {_three(judged.bq_cm2)} Bq/cm2 = {_three(judged.dpm_100_cm2)} "
        "dpm/100 cm2"
    )


def _three(value: Decimal) -> str:
    return f"{float(value):.3g}"


def _confirmation_words(answer: Confirmation) -> list[str]:
    words = ["the order is confirmed" if answer.confirmed else "the order is DECLINED"]
    return words + ([f"remark: {answer.remark}"] if answer.remark else [])


def _survey_words(survey: Survey) -> list[str]:
    judged = judge_survey(survey)
    rules = rule_set(survey.rules)
    label = survey.label_activity_gbq
    return [
        f"{survey.occasion}: surface {survey.surface_dose_rate_usv_h} uSv/h, at 1 m "
        f"{survey.dose_rate_at_1_m_usv_h} uSv/h with {survey.instrument}, "
        f"{both_times(survey.measured_at_ns, 0)}",
        f"transport index {judged.transport_index}, category {judged.category}, by "
        f"{rules.name}, {rules.edition}",
        f"limits: surface {judged.surface_limit.value} mSv/h"
        f"{judged.surface_limit.mark}, transport index "
        f"{judged.transport_index_limit.value}{judged.transport_index_limit.mark}",
        *((f"activity on the label {label:g} GBq",) if label is not None else ()),
    ]


def _decision_words(decision: Decision) -> list[str]:
    words = [
        f"{decision.about} of fact {decision.of_fact.hex()}: "
        f"{'released' if decision.released else 'NOT released'}",
    ]
    if decision.gain_ratio is not None and decision.gain_ratio_u is not None:
        words.append(
            f"gain of {decision.container}: {decision.gain_ratio:.4g} "
            f"\N{PLUS-MINUS SIGN} {decision.gain_ratio_u:.2g} (k = 1) of the one in use"
        )
    if decision.previous_gain_ratio is not None:
        words.append(
            f"the one in use is {decision.previous_gain_ratio:.4g} of the container "
            "model's"
        )
    if decision.due_at_ns is not None:
        words.append(f"holds until {both_times(decision.due_at_ns, 0)}")
    return [*words, f"remark: {decision.remark}"]


def _profile_words(profile: CentreProfile) -> list[str]:
    days = ", ".join(_DAYS[day] for day in profile.working_days if day < len(_DAYS))
    hours = "-".join(
        f"{minutes // 60:02d}:{minutes % 60:02d}"
        for minutes in (profile.opens_minutes, profile.closes_minutes)
    )
    return [
        f"{profile.centre}, {profile.time_zone}: {days} {hours}",
        f"preparation {profile.preparation_s / 60:g} min, survey "
        f"{profile.survey_s / 60:g} min",
        f"assay: call beyond {100 * profile.call_ratio:g} %, stop beyond "
        f"{100 * profile.stop_ratio:g} %; rules {profile.rules}",
    ]


def _return_words(back: ContainerReturn) -> list[str]:
    labels = "removed or covered" if back.labels_removed else "STILL ON"
    return [
        f"{back.un_number}, container {back.container}, seal {back.seal}, to "
        f"{back.destination}, {both_times(back.departs_at_ns, 0)}",
        f"class 7 labels: {labels}",
        *(_wipe_words(wipe) for wipe in back.wipes),
    ]


def _disposal_words(left: Disposal) -> list[str]:
    mass = "" if left.mass_g is None else f" in {left.mass_g:g} g"
    return [
        f"vial {left.vial}: {left.activity_gbq:.4g} GBq{mass}, "
        f"{both_times(left.measured_at_ns, 0)}",
        f"{left.disposal}: {left.place}",
    ]


_WORDS: Final[Mapping[type[FactBody], Callable[[Any], list[str]]]] = MappingProxyType(
    {
        Order: _order_words,
        Certificate: _certificate_words,
        Consignment: _consignment_words,
        Reschedule: _reschedule_words,
        Acceptance: _acceptance_words,
        Assay: _assay_words,
        Confirmation: _confirmation_words,
        Survey: _survey_words,
        Decision: _decision_words,
        CentreProfile: _profile_words,
        ContainerReturn: _return_words,
        Disposal: _disposal_words,
    }
)


def measured_text(activity_gbq: float, expanded_u_gbq: float, nuclide: str) -> str:
    """Return an activity with its uncertainty and unit."""
    value = value_text(activity_gbq, expanded_u_gbq, nuclide)
    u = u_text(expanded_u_gbq, nuclide)
    return f"{value} {unit_of(nuclide)} \N{PLUS-MINUS SIGN} {u} {unit_of(nuclide)}"


def figure_text(activity_gbq: float, nuclide: str) -> str:
    """Return an activity with its unit."""
    return f"{in_unit(activity_gbq, nuclide):g} {unit_of(nuclide)}"
