"""The audit trail of a shipment: as JSON, and as a page that is printed as it is."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from cloud.audit import Line, trail
from cloud.web.alarm_answers import audit_message
from cloud.web.desk import Situation
from cloud.web.problems import problems
from cloud.web.rendering import page
from cloud.web.site import ShipmentName, Site, site_of, situation_or_404
from cloud.web.watch_messages import AuditMessage

router: Final = APIRouter(prefix="/api", tags=["reading"])
pages: Final = APIRouter(include_in_schema=False)


def _trail(site: Site, situation: Situation) -> tuple[Line, ...]:
    heard = [
        alarm.acknowledged
        for alarm in situation.alarms.alarms
        if alarm.acknowledged is not None
    ]
    name = situation.shipment.shipment
    return trail(site.desk.entries(), name, heard, site.desk.authorities)


@router.get("/shipments/{shipment}/audit", responses=problems(404))
def read_audit(request: Request, shipment: ShipmentName) -> list[AuditMessage]:
    """Return every change of what is known about a shipment, oldest first."""
    site = site_of(request)
    found = _trail(site, situation_or_404(site, shipment))
    return [audit_message(line) for line in found]


@pages.get("/shipments/{shipment}/audit")
def show_audit(request: Request, shipment: str) -> HTMLResponse:
    """Show who said what, when, what it changed, and why."""
    site = site_of(request)
    situation = site.desk.situation(shipment)
    if situation is None:
        missing = page("unknown.html", site.desk, shipment=shipment)
        missing.status_code = 404
        return missing
    plan = situation.shipment.plan
    return page(
        "audit.html",
        site.desk,
        s=situation.shipment,
        offset=plan.offset_minutes if plan else 0,
        lines=list(reversed(_trail(site, situation))),
    )
