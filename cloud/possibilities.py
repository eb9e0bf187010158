"""Rescheduling: which appointments are still possible, and which are not any more.

Before dispatch the vial can be changed: another volume gives the prescribed activity at
another time. After dispatch only the time can be moved, inside the windows of the vial
that travels, and not before it has arrived, been surveyed and been prepared for.
Earlier is as wrong as later.

Source: DOMAIN sections 0 (5), 1.1 and 6.
"""

from dataclasses import dataclass

from cloud.lane import Eta
from cloud.windows import (
    Question,
    Window,
    expanded_ratio,
    expiry_ns,
    volume_window,
    whole_vial_window,
)
from schemas.facts import Leg
from schemas.nuclides import decay_factor
from schemas.units import NS_PER_S, S_PER_DAY


@dataclass(frozen=True, slots=True)
class VialNeeded:
    """The vial that would hold the prescribed activity at an appointment."""

    activity_gbq: float
    volume_ml: float | None
    is_made: bool | None


@dataclass(frozen=True, slots=True)
class Possibilities:
    """What can still be done; windows are absent where nothing is left of them.

    ``latest_departure_ns`` is absent once the dose has left. ``cannot`` says in
    sentences what is not possible any more.
    """

    earliest_ns: int
    whole_vial: Window | None
    surely: Window | None
    by_volume: Window | None
    latest_arrival_ns: int
    latest_departure_ns: int | None
    expires_at_ns: int
    vial_needed: VialNeeded | None
    cannot: tuple[str, ...]


def possibilities(
    question: Question, eta: Eta | None, legs: tuple[Leg, ...], *, has_left: bool
) -> Possibilities:
    """Return what is possible for the vial as of ``question.as_of_ns``."""
    usual_ns = round(
        (question.centre.preparation_s + question.centre.survey_s) * NS_PER_S
    )
    there_ns = question.as_of_ns if eta is None else eta.at_ns
    earliest_ns = max(there_ns, question.as_of_ns) + usual_ns
    margin_ratio = expanded_ratio(question.contents, question.appointment_ns)
    whole = _from(whole_vial_window(question), earliest_ns)
    by_volume = _from(volume_window(question), earliest_ns)
    latest_ns = question.appointment_ns - usual_ns
    travels_ns = legs[-1].arrives_at_ns - legs[0].departs_at_ns if legs else None
    can_leave = not has_left and travels_ns is not None
    return Possibilities(
        earliest_ns,
        whole,
        _from(whole_vial_window(question, margin_ratio), earliest_ns),
        by_volume,
        latest_ns,
        latest_ns - travels_ns if can_leave and travels_ns is not None else None,
        expiry_ns(question),
        None if has_left else vial_needed(question),
        _cannot(whole, by_volume, has_left=has_left),
    )


def _from(window: Window | None, earliest_ns: int) -> Window | None:
    if window is None or window.to_ns < earliest_ns:
        return None
    return Window(max(window.from_ns, earliest_ns), window.to_ns)


def _cannot(
    whole: Window | None, by_volume: Window | None, *, has_left: bool
) -> tuple[str, ...]:
    judged = (
        (has_left, "the vial has left: neither it nor its volume can be changed"),
        (
            whole is None,
            "the whole vial cannot be given within the tolerance at any time left",
        ),
        (by_volume is None, "it cannot be given by volume at any time left"),
        (
            whole is None and by_volume is None,
            "this vial cannot serve any appointment any more",
        ),
    )
    return tuple(text for holds, text in judged if holds)


def vial_needed(question: Question) -> VialNeeded:
    """Return the vial of the same calibration that the appointment needs."""
    product, contents = question.product, question.contents
    elapsed_s = (question.appointment_ns - contents.reference_at_ns) / NS_PER_S
    factor = decay_factor(product.label_half_life_d * S_PER_DAY, elapsed_s)
    activity_gbq = question.prescribed_activity_gbq / factor
    if product.concentration_gbq_per_ml is None:
        return VialNeeded(activity_gbq, None, None)
    volume_ml = activity_gbq / product.concentration_gbq_per_ml
    least, most = product.volume_min_ml, product.volume_max_ml
    is_made = None
    if least is not None and most is not None:
        is_made = least <= volume_ml <= most
    return VialNeeded(activity_gbq, volume_ml, is_made)
