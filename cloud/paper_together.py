"""What only follows from several papers of one shipment, read together."""

from collections.abc import Sequence
from typing import TypeVar

from cloud.arrival import ADVISORY
from cloud.centre_checks import at_the_centre
from cloud.figures import in_unit, unit_of
from cloud.paper_checks import Finding
from cloud.paper_words import both_times, figure_text, measured_text
from cloud.papers import Paper
from cloud.possibilities import possibilities
from cloud.volumes import volume_to_draw
from cloud.windows import (
    Centre,
    Question,
    Window,
    activity_at,
    expanded_ratio,
    expiry_ns,
    is_in_reach,
    volume_window,
    whole_vial_window,
)
from schemas.contents import Contents
from schemas.facts import (
    CentreProfile,
    Certificate,
    Consignment,
    FactBody,
    Order,
    Reschedule,
)
from schemas.products import product

T = TypeVar("T", bound=FactBody)


def together(papers: Sequence[Paper]) -> Finding:
    """Return what only follows from several papers of one shipment.

    The last of each kind holds; a reschedule replaces the order's plan.
    """
    bodies = [paper.body for paper in papers]
    order, certificate = _last(bodies, Order), _last(bodies, Certificate)
    consignment, plan = _last(bodies, Consignment), _last(bodies, Reschedule)
    profile = _last(bodies, CentreProfile)
    lines: list[str] = []
    found = _shipment_remarks(bodies)
    if order is not None and certificate is not None:
        planned = order if plan is None else plan
        at_plan = _at_plan(order, certificate.contents, planned, profile)
        lines += at_plan.lines
        found += at_plan.remarks
    if order is not None and consignment is not None:
        found += _arrival_remarks(order, consignment, plan)
    if order is not None and certificate is not None and consignment is not None:
        lines += _possible(order, certificate.contents, plan, consignment, profile)
    at_centre = at_the_centre(bodies, certificate, profile)
    lines += at_centre.lines
    found += at_centre.remarks
    return Finding(tuple(lines), tuple(found))


def _last(bodies: Sequence[FactBody], kind: type[T]) -> T | None:
    found = [body for body in bodies if isinstance(body, kind)]
    return found[-1] if found else None


def _shipment_remarks(bodies: Sequence[FactBody]) -> list[str]:
    stated = (getattr(body, "shipment", None) for body in bodies)
    names = sorted({str(name) for name in stated if name is not None})
    if len(names) < 2:
        return []
    return [f"the papers are for different shipments: {', '.join(names)}"]


def _question(
    order: Order, vial: Contents, at_ns: int, profile: CentreProfile | None
) -> Question:
    centre = Centre()
    if profile is not None:
        centre = Centre(
            profile.preparation_s,
            profile.survey_s,
            profile.call_ratio,
            profile.stop_ratio,
            is_assumed=False,
        )
    return Question(
        contents=vial,
        product=product(vial.product),
        prescribed_activity_gbq=order.prescribed_activity_gbq,
        tolerance_ratio=order.tolerance_ratio,
        appointment_ns=at_ns,
        as_of_ns=vial.reference_at_ns,
        centre=centre,
    )


def _at_plan(
    order: Order,
    vial: Contents,
    plan: Order | Reschedule,
    profile: CentreProfile | None,
) -> Finding:
    """Say how much activity the vial holds at the planned infusion."""
    if order.product != vial.product:
        return Finding((), (f"ordered is {order.product}, not {vial.product}",))
    at_ns = plan.planned_at_ns
    if not is_in_reach(vial, at_ns):
        return Finding((), ("the planned infusion is years from the reference",))
    prescribed_gbq = order.prescribed_activity_gbq
    then = activity_at(vial, at_ns, prescribed_gbq)
    question = _question(order, vial, at_ns, profile)
    offset = plan.offset_minutes
    measured = measured_text(
        then.activity_gbq, then.activity_expanded_u_gbq, vial.nuclide
    )
    lines = [
        f"at the planned infusion, {both_times(at_ns, offset)}:",
        f"  {measured} (k = 2) by certificate and decay, "
        f"{then.percent_of_prescribed:.1f} % of the prescribed "
        f"{figure_text(prescribed_gbq, vial.nuclide)}; {ADVISORY}",
    ]
    margin_ratio = expanded_ratio(vial, at_ns)
    for words, window in (
        ("the whole vial fits", whole_vial_window(question)),
        ("surely", whole_vial_window(question, margin_ratio)),
        ("by volume", volume_window(question)),
        ("by volume surely", volume_window(question, margin_ratio)),
    ):
        lines.append(f"  {words}: {_window_words(window, offset)}")
    if (surplus_gbq := volume_to_draw(question).surplus_gbq) is not None:
        then_gbq = prescribed_gbq + surplus_gbq
        lines.append(
            f"  more than prescribed: withdraw {100 * prescribed_gbq / then_gbq:.1f} % "
            f"of the vial, {in_unit(surplus_gbq, vial.nuclide):.2g} "
            f"{unit_of(vial.nuclide)} stay behind"
        )
    lines.append(f"  the shelf life ends {both_times(expiry_ns(question), offset)}")
    return Finding(tuple(lines), _plan_remarks(question, then.percent_of_prescribed))


def _window_words(window: Window | None, offset: int) -> str:
    if window is None:
        return "at no time"
    ends = (both_times(at_ns, offset) for at_ns in (window.from_ns, window.to_ns))
    return "\n    to ".join(ends)


def _possible(
    order: Order,
    vial: Contents,
    plan: Reschedule | None,
    consignment: Consignment,
    profile: CentreProfile | None,
) -> list[str]:
    """Say until when the dose must leave and arrive, and what vial it takes."""
    planned = order if plan is None else plan
    if order.product != vial.product or not is_in_reach(vial, planned.planned_at_ns):
        return []
    question = _question(order, vial, planned.planned_at_ns, profile)
    found = possibilities(question, None, consignment.legs, has_left=False)
    offset = planned.offset_minutes
    lines = [f"  there and decided by: {both_times(found.latest_arrival_ns, offset)}"]
    if found.latest_departure_ns is not None:
        lines.append(f"  leaves by: {both_times(found.latest_departure_ns, offset)}")
    needed = found.vial_needed
    if needed is not None and needed.volume_ml is not None:
        made = {True: "", False: ", which is not made", None: ""}[needed.is_made]
        lines.append(
            f"  a vial of {needed.volume_ml:.2f} mL would hold the dose then{made}"
        )
    return lines


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
