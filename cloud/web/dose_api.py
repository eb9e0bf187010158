"""Reading what a dose's papers come to, also for an appointment that is asked about."""

from typing import Final

from fastapi import APIRouter, HTTPException, Request

from cloud.arrival import Arrival
from cloud.web.dose import dose_of
from cloud.web.dose_answers import dose_message
from cloud.web.dose_messages import DoseMessage
from cloud.web.problems import problems
from cloud.web.site import instant_parameter, site_of, situation_or_404
from cloud.windows import is_in_reach

router: Final = APIRouter(prefix="/api", tags=["reading"])


@router.get("/shipments/{shipment}/dose", responses=problems(404, 422))
def read_dose(
    request: Request,
    shipment: str,
    as_of: str | None = None,
    appointment: str | None = None,
) -> DoseMessage:
    """Return dispatch, plan, receipt, assay and what is left.

    ``appointment`` asks what would be possible if the infusion were planned for then;
    nothing is changed by asking.
    """
    as_of_ns, planned_ns = instant_parameter(as_of), instant_parameter(appointment)
    situation = situation_or_404(site_of(request), shipment, as_of_ns)
    estimate = situation.arrival
    if (
        planned_ns is not None
        and isinstance(estimate, Arrival)
        and not is_in_reach(estimate.question.contents, planned_ns)
    ):
        raise HTTPException(422, "appointment is years from the reference instant")
    return dose_message(situation, dose_of(situation, planned_ns), planned_ns)
