"""What papers say in plain words, and what should make a person look twice.

Instants are given in the zone of the paper and in UTC side by side. Activities come
from certificate and decay (:mod:`cloud.arrival`). Remarks are for a person to judge:
they change nothing in the paper.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, TypeVar

from cloud.arrival import ADVISORY
from cloud.figures import in_unit, u_text, unit_of, value_text
from cloud.papers import Paper
from cloud.windows import (
    Question,
    activity_at,
    expiry_ns,
    is_in_reach,
    whole_vial_window,
)
from schemas.contents import Contents, ProductionRoute
from schemas.facts import (
    KINDS,
    Acceptance,
    Assay,
    Certificate,
    Consignment,
    FactBody,
    Order,
    Reschedule,
)
from schemas.products import product
from schemas.units import NS_PER_S, instant_text

T = TypeVar("T", bound=FactBody)

_SENSIBLE_U_RATIO: Final = 0.2
_UNIT_SLIP: Final = 10.0
_REDUCED: Final = 0.01
_LU177M_MATTERS: Final = "Lu-177m"


@dataclass(frozen=True, slots=True)
class Finding:
    """Lines that say what the papers say, and remarks that a person must see."""

    lines: tuple[str, ...]
    remarks: tuple[str, ...]


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
    title = f"{KINDS[type(body)]} for shipment {getattr(body, 'shipment', '')}"
    if type(body) not in _WORDS:
        return (title,)
    return (title, *(f"  {line}" for line in _WORDS[type(body)](body)))


def _order_words(order: Order) -> list[str]:
    label = product(order.product)
    prescribed = _figure(order.prescribed_activity_gbq, label.nuclide)
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
    document = "no document" if vial.document is None else vial.document.hex()
    return [
        f"vial {vial.vial}: {product(vial.product).name}, {vial.nuclide}, "
        f"{vial.production_route}",
        f"{_measured(vial.activity_gbq, vial.activity_expanded_u_gbq, vial.nuclide)} "
        f"(k = {vial.coverage_factor:g}), {u_percent:.2g} %, in {vial.volume_ml:g} mL",
        f"at {reference} ({vial.reference_kind})",
        f"standard: {vial.standard}",
        *(
            f"impurity {one.nuclide}: {100 * one.activity_ratio:.3g} % "
            f"\N{PLUS-MINUS SIGN} {100 * one.activity_ratio_u:.2g} % (k = 1)"
            for one in vial.impurities
        ),
        f"SHA-256 of the document: {document}",
    ]


def _consignment_words(consignment: Consignment) -> list[str]:
    return [
        f"gateway {consignment.gateway} in container {consignment.container}, "
        f"seal {consignment.seal}",
        f"SHA-256 of the container model: {consignment.container_digest.hex()}",
        *(
            f"{leg.mode}: {leg.origin}, {both_times(leg.departs_at_ns, 0)} to "
            f"{leg.destination}, {both_times(leg.arrives_at_ns, 0)}"
            + (f", by {leg.carrier}" if leg.carrier else "")
            for leg in consignment.legs
        ),
    ]


def _reschedule_words(plan: Reschedule) -> list[str]:
    words = [f"planned infusion {both_times(plan.planned_at_ns, plan.offset_minutes)}"]
    return words + ([f"remark: {plan.remark}"] if plan.remark else [])


def _acceptance_words(acceptance: Acceptance) -> list[str]:
    words = [f"the centre's decision: {acceptance.outcome}"]
    for check in acceptance.checks:
        value = "" if check.value is None else f", {check.value:g} {check.unit}"
        words.append(f"{'passed' if check.passed else 'FAILED'}: {check.name}{value}")
    return words + ([f"remark: {acceptance.remark}"] if acceptance.remark else [])


def _assay_words(assay: Assay) -> list[str]:
    measured = _measured(assay.activity_gbq, assay.activity_expanded_u_gbq, "")
    volume = "" if assay.volume_ml is None else f", {assay.volume_ml:g} mL"
    return [
        f"vial {assay.vial}: {measured} (k = {assay.coverage_factor:g}){volume}",
        f"measured {both_times(assay.measured_at_ns, 0)} in {assay.meter}, "
        f"set to {assay.nuclide_setting}",
    ]


_WORDS: Final[Mapping[type[FactBody], Callable[[Any], list[str]]]] = MappingProxyType(
    {
        Order: _order_words,
        Certificate: _certificate_words,
        Consignment: _consignment_words,
        Reschedule: _reschedule_words,
        Acceptance: _acceptance_words,
        Assay: _assay_words,
    }
)


def _measured(activity_gbq: float, expanded_u_gbq: float, nuclide: str) -> str:
    value = value_text(activity_gbq, expanded_u_gbq, nuclide)
    u = u_text(expanded_u_gbq, nuclide)
    return f"{value} {unit_of(nuclide)} \N{PLUS-MINUS SIGN} {u} {unit_of(nuclide)}"


def _figure(activity_gbq: float, nuclide: str) -> str:
    return f"{in_unit(activity_gbq, nuclide):g} {unit_of(nuclide)}"


def remarks(body: FactBody) -> tuple[str, ...]:
    """Return what should make a person look twice at one paper."""
    if isinstance(body, Order):
        return _order_remarks(body)
    if isinstance(body, Certificate):
        return _vial_remarks(body.contents)
    if isinstance(body, Consignment):
        return _lane_remarks(body)
    return ()


def _order_remarks(order: Order) -> tuple[str, ...]:
    label = product(order.product)
    found = []
    usual_gbq = label.activity_gbq
    ratio = order.prescribed_activity_gbq / (usual_gbq or order.prescribed_activity_gbq)
    if usual_gbq is not None and not 1 / _UNIT_SLIP < ratio < _UNIT_SLIP:
        found.append(
            f"the prescribed activity is {ratio:.3g} times that of a dose of "
            f"{label.name}, {_figure(usual_gbq, label.nuclide)}: the unit?"
        )
    elif usual_gbq is not None and ratio < 1 - _REDUCED:
        found.append(
            f"a reduced dose: {100 * ratio:.0f} % of the {label.name} label's "
            f"{_figure(usual_gbq, label.nuclide)}; the windows are this order's"
        )
    usual = label.tolerance_ratio
    if usual is None:
        found.append(f"the label of {label.name} gives no tolerance: is this yours?")
    elif abs(order.tolerance_ratio - usual) > 1e-9:
        found.append(
            f"the tolerance is {100 * order.tolerance_ratio:g} %, the label of "
            f"{label.name} says {100 * usual:g} %{label.mark('tolerance_ratio')}"
        )
    return tuple(found)


def _vial_remarks(vial: Contents) -> tuple[str, ...]:
    found = []
    u_ratio = vial.activity_expanded_u_gbq / vial.activity_gbq
    if u_ratio > _SENSIBLE_U_RATIO:
        found.append(
            f"the expanded uncertainty is {100 * u_ratio:.3g} % of the activity: "
            "is it percent, written as an activity?"
        )
    named = {one.nuclide for one in vial.impurities}
    is_carrier_added = vial.production_route is ProductionRoute.CARRIER_ADDED
    if vial.nuclide == "Lu-177" and is_carrier_added and _LU177M_MATTERS not in named:
        found.append(
            "carrier-added Lu-177 without an [[vials.impurities]] for Lu-177m: behind "
            "lead it dominates what the detectors see"
        )
    return tuple(found)


def _lane_remarks(consignment: Consignment) -> tuple[str, ...]:
    found = []
    legs = consignment.legs
    for number, (before, after) in enumerate(pairwise(legs), 2):
        if after.departs_at_ns < before.arrives_at_ns:
            found.append(f"legs[{number}] departs before legs[{number - 1}] arrives")
        if after.origin != before.destination:
            found.append(
                f"legs[{number}] begins at {after.origin}, legs[{number - 1}] ends at "
                f"{before.destination}"
            )
    return tuple(found)


def together(papers: Sequence[Paper]) -> Finding:
    """Return what only follows from several papers of one shipment.

    The last of each kind holds; a reschedule replaces the order's plan.
    """
    bodies = [paper.body for paper in papers]
    order, certificate = _last(bodies, Order), _last(bodies, Certificate)
    consignment, assay = _last(bodies, Consignment), _last(bodies, Assay)
    plan = _last(bodies, Reschedule)
    lines: list[str] = []
    found = _shipment_remarks(bodies)
    if order is not None and certificate is not None:
        planned = order if plan is None else plan
        at_plan = _at_plan(order, certificate.contents, planned)
        lines += at_plan.lines
        found += at_plan.remarks
    if order is not None and consignment is not None:
        found += _arrival_remarks(order, consignment, plan)
    if certificate is not None and assay is not None:
        compared = _compared(certificate.contents, assay)
        lines += compared.lines
        found += compared.remarks
    return Finding(tuple(lines), tuple(found))


def _last(bodies: Sequence[FactBody], kind: type[T]) -> T | None:
    found = [body for body in bodies if isinstance(body, kind)]
    return found[-1] if found else None


def _shipment_remarks(bodies: Sequence[FactBody]) -> list[str]:
    names = sorted({str(getattr(body, "shipment", "")) for body in bodies})
    if len(names) < 2:
        return []
    return [f"the papers are for different shipments: {', '.join(names)}"]


def _at_plan(order: Order, vial: Contents, plan: Order | Reschedule) -> Finding:
    """Say how much activity the vial holds at the planned infusion."""
    if order.product != vial.product:
        return Finding((), (f"ordered is {order.product}, not {vial.product}",))
    at_ns = plan.planned_at_ns
    if not is_in_reach(vial, at_ns):
        return Finding((), ("the planned infusion is years from the reference",))
    prescribed_gbq = order.prescribed_activity_gbq
    then = activity_at(vial, at_ns, prescribed_gbq)
    question = Question(
        contents=vial,
        product=product(vial.product),
        prescribed_activity_gbq=prescribed_gbq,
        tolerance_ratio=order.tolerance_ratio,
        appointment_ns=at_ns,
        as_of_ns=at_ns,
    )
    offset = plan.offset_minutes
    measured = _measured(then.activity_gbq, then.activity_expanded_u_gbq, vial.nuclide)
    lines = [
        f"at the planned infusion, {both_times(at_ns, offset)}:",
        f"  {measured} (k = 2) by certificate and decay, "
        f"{then.percent_of_prescribed:.1f} % of the prescribed "
        f"{_figure(prescribed_gbq, vial.nuclide)}; {ADVISORY}",
    ]
    window = whole_vial_window(question)
    if window is not None:
        lines += [
            f"  the whole vial fits from {both_times(window.from_ns, offset)}",
            f"                        to {both_times(window.to_ns, offset)}",
        ]
    lines.append(f"  the shelf life ends {both_times(expiry_ns(question), offset)}")
    return Finding(tuple(lines), _plan_remarks(question, then.percent_of_prescribed))


def _plan_remarks(question: Question, percent: float) -> tuple[str, ...]:
    at_ns, tolerance = question.appointment_ns, 100 * question.tolerance_ratio
    found = []
    if at_ns < question.contents.reference_at_ns:
        found.append("the planned infusion is before the certificate's reference")
    if at_ns > expiry_ns(question):
        found.append("the planned infusion is after the end of the shelf life")
    if percent < 100 - tolerance:
        found.append(f"then the vial holds too little: {percent:.1f} % of the dose")
    elif percent > 100 + tolerance:
        found.append(
            f"then the whole vial is too much, {percent:.1f} % of the dose: it is to "
            "be drawn by volume, or a date, a zone or a volume is wrong"
        )
    return tuple(found)


def _arrival_remarks(
    order: Order, consignment: Consignment, plan: Reschedule | None
) -> list[str]:
    found = []
    if consignment.legs:
        last = consignment.legs[-1]
        planned_ns = order.planned_at_ns if plan is None else plan.planned_at_ns
        if last.arrives_at_ns > planned_ns:
            found.append("the last leg arrives after the planned infusion")
        if last.destination != order.centre:
            found.append(
                f"the last leg ends at {last.destination}, ordered is for "
                f"{order.centre}: written differently, it will not count as arrived"
            )
    return found


def _compared(vial: Contents, assay: Assay) -> Finding:
    """Compare what the centre measured with certificate and decay."""
    found = []
    if assay.vial != vial.vial:
        found.append(f"measured was vial {assay.vial}, certified is {vial.vial}")
    if not is_in_reach(vial, assay.measured_at_ns):
        return Finding((), (*found, "the assay is years from the reference"))
    due = activity_at(vial, assay.measured_at_ns, assay.activity_gbq)
    off_gbq = assay.activity_gbq - due.activity_gbq
    u_assay_gbq = 2 * assay.activity_expanded_u_gbq / assay.coverage_factor
    u_gbq = (due.activity_expanded_u_gbq**2 + u_assay_gbq**2) ** 0.5
    off, u = (100 * x / due.activity_gbq for x in (off_gbq, u_gbq))
    line = (
        f"assay: {off:+.1f} % \N{PLUS-MINUS SIGN} {u:.1f} % (k = 2) off what "
        "certificate and decay say"
    )
    if abs(off) > u:
        found.append(f"the assay is {off:+.1f} % off, more than {u:.1f} % (k = 2)")
    return Finding((line,), tuple(found))
