"""Health of the series: whether it holds what the ledger holds, and if not, why.

Answered from the state file: also while the store of the points is gone.
"""

from typing import Final

from fastapi import APIRouter, Request

from cloud.adapters.series_rows import RefusedRow
from cloud.web.messages import RefusedPointsMessage, StoreMessage
from cloud.web.site import site_of

router: Final = APIRouter(prefix="/api", tags=["reading"])


@router.get("/health")
def read_health(request: Request) -> StoreMessage:
    """Return whether the series holds what the ledger holds."""
    desk = site_of(request).desk
    health, head = desk.series.health(), desk.ledger.head()
    return StoreMessage(
        store=health.store,
        position=health.position,
        ledger_position=head,
        behind=max(0, head - health.position),
        waiting=health.waiting,
        refused=tuple(_message(row) for row in health.refused),
    )


def _message(row: RefusedRow) -> RefusedPointsMessage:
    return RefusedPointsMessage(
        reason=row.reason,
        points=row.points,
        position=row.position,
        detail=row.detail,
    )
