"""Health: whether the series holds what the ledger holds, and who could not be told.

Answered from the state files: also while the store of the points is gone.
"""

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from cloud.adapters.notify_queue import EndpointHealth, read_health_of
from cloud.adapters.series_rows import RefusedRow
from cloud.web.formats import text_of
from cloud.web.messages import EndpointMessage, RefusedPointsMessage, StoreMessage
from cloud.web.problems import problems
from cloud.web.rendering import page
from cloud.web.site import Site, site_of
from schemas.units import NS_PER_S

router: Final = APIRouter(prefix="/api", tags=["reading"])
pages: Final = APIRouter(include_in_schema=False)


@router.get("/health", responses=problems())
def read_health(request: Request) -> StoreMessage:
    """Return whether the series holds what the ledger holds, and who is not told."""
    return _health(site_of(request))


def _health(site: Site) -> StoreMessage:
    health, head = site.desk.series.health(), site.desk.ledger.head()
    endpoints = [] if site.queue is None else read_health_of(Path(site.queue))
    return StoreMessage(
        store=health.store,
        position=health.position,
        ledger_position=head,
        behind=max(0, head - health.position),
        waiting=health.waiting,
        refused=tuple(_message(row) for row in health.refused),
        webhooks=tuple(_endpoint(one) for one in endpoints),
    )


def _message(row: RefusedRow) -> RefusedPointsMessage:
    return RefusedPointsMessage(
        reason=row.reason,
        points=row.points,
        position=row.position,
        detail=row.detail,
    )


def _endpoint(one: EndpointHealth) -> EndpointMessage:
    return EndpointMessage(
        name=one.name,
        is_dead=one.is_dead,
        waiting=one.waiting,
        oldest_waiting_since=_instant(one.oldest_s),
        delivered=one.delivered,
        given_up=one.given_up,
        failures_in_a_row=one.failures,
        last_success_at=_instant(one.last_success_s),
        last_failure_at=_instant(one.last_failure_s),
        error=one.error,
    )


def _instant(unix_s: float | None) -> str | None:
    return None if unix_s is None else text_of(int(unix_s) * NS_PER_S)


@pages.get("/health")
def show_health(request: Request) -> HTMLResponse:
    """Show whether everything is here and everybody is told."""
    site = site_of(request)
    desk = site.desk
    found = [desk.health(gateway) for gateway in desk.ledger.gateways()]
    return page(
        "health.html",
        desk,
        store=_health(site),
        gateways=[one for one in found if one is not None],
    )
