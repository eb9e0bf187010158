"""What should make a person look twice at one paper.

Remarks are for a person to judge: they change nothing in the paper.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cloud.paper_words import figure_text
from cloud.surveys import judge_survey
from schemas.centre import ContainerReturn
from schemas.contents import Contents, ProductionRoute
from schemas.facts import (
    Certificate,
    Confirmation,
    Consignment,
    FactBody,
    LegMode,
    Order,
    Survey,
)
from schemas.products import product

_SENSIBLE_U_RATIO: Final = 0.2
_UNIT_SLIP: Final = 10.0
_REDUCED: Final = 0.01
_LU177M_MATTERS: Final = "Lu-177m"


@dataclass(frozen=True, slots=True)
class Finding:
    """Lines that say what the papers say, and remarks that a person must see."""

    lines: tuple[str, ...]
    remarks: tuple[str, ...]


def remarks(body: FactBody) -> tuple[str, ...]:
    """Return what should make a person look twice at one paper."""
    match body:
        case Order():
            found = _order_remarks(body)
        case Certificate():
            found = _vial_remarks(body.contents)
        case Consignment():
            found = _lane_remarks(body)
        case Survey():
            found = judge_survey(body).remarks
        case Confirmation(confirmed=False):
            found = ("the order is declined",)
        case ContainerReturn(labels_removed=False):
            found = ("class 7 labels are still on: remove or cover them",)
        case _:
            found = ()
    return found


def _order_remarks(order: Order) -> tuple[str, ...]:
    label = product(order.product)
    found = []
    usual_gbq = label.activity_gbq
    ratio = order.prescribed_activity_gbq / (usual_gbq or order.prescribed_activity_gbq)
    if usual_gbq is not None and not 1 / _UNIT_SLIP < ratio < _UNIT_SLIP:
        found.append(
            f"the prescribed activity is {ratio:.3g} times that of a dose of "
            f"{label.name}, {figure_text(usual_gbq, label.nuclide)}: the unit?"
        )
    elif usual_gbq is not None and ratio < 1 - _REDUCED:
        found.append(
            f"a reduced dose: {100 * ratio:.0f} % of the {label.name} label's "
            f"{figure_text(usual_gbq, label.nuclide)}; the windows are this order's"
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
    moving = [leg for leg in legs if leg.mode is not LegMode.HOLD]
    if any(leg.latitude_deg is None for leg in moving):
        found.append(
            "a leg has no coordinates of its destination: arrival as planned only"
        )
    return tuple(found)
