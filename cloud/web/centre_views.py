"""A treatment centre's page: its doses in the order in which they are given."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from cloud.arrival import Arrival
from cloud.shipments import Phase
from cloud.web.desk import Situation
from cloud.web.dose import dose_of
from cloud.web.rendering import page
from cloud.web.site import site_of
from cloud.web.urgency import urgency
from cloud.zones import zone_of

router: Final = APIRouter(include_in_schema=False)
_DECIDED: Final = (Phase.ACCEPTED, Phase.REFUSED)


@router.get("/centres/{centre}")
def show_centre(request: Request, centre: str) -> HTMLResponse:
    """Show what a centre expects, the next appointment first."""
    desk = site_of(request).desk
    _now_ns, speed = desk.pace.read()
    theirs = [
        found
        for found in desk.situations()
        if found.shipment.order is not None and found.shipment.order.centre == centre
    ]
    profiles = [one.shipment.profile for one in theirs if one.shipment.profile]
    doses = [
        (found, urgency(found, speed), dose_of(found), zone(found))
        for found in sorted(theirs, key=_order)
    ]
    answer = page(
        "centre.html",
        desk,
        centre=centre,
        profile=profiles[-1] if profiles else None,
        doses=doses,
        is_estimate=lambda one: isinstance(one, Arrival),
    )
    answer.status_code = 200 if theirs else 404
    return answer


def _order(situation: Situation) -> tuple[bool, int, str]:
    """Return what sorts: what is decided last, then by appointment."""
    plan, shipment = situation.shipment.plan, situation.shipment
    at_ns = plan.planned_at_ns if plan else 0
    return shipment.phase in _DECIDED, at_ns, shipment.shipment


def zone(situation: Situation) -> int | str:
    """Return the centre's zone by name where it stated one, else the order's offset."""
    profile, plan = situation.shipment.profile, situation.shipment.plan
    if profile is not None and zone_of(profile.time_zone) is not None:
        return profile.time_zone
    return plan.offset_minutes if plan else 0
