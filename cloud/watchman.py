"""What the cloud notices of a shipment as time goes by, and states as its own facts.

An arrival at risk is judged from where it is and from the clock; so that its history
can be folded from the ledger, beginning and end are stated. What gateways do not say
is noticed where their records come in (:mod:`cloud.noticing`).
"""

from collections.abc import Iterable

import msgspec

from cloud.alarms import Alarm
from cloud.arrival import Arrival
from cloud.lane import AT_RISK, risk_word
from cloud.shipments import Phase
from cloud.web.desk import Situation
from schemas.custody import Notice, NoticeKind
from schemas.events import Severity

_THERE = (Phase.ARRIVED, Phase.ACCEPTED, Phase.REFUSED, Phase.RETURNED)


def due_notices(situations: Iterable[Situation]) -> list[Notice]:
    """Return what is to be stated now: what began, and what is over."""
    return [notice for found in situations for notice in _lateness(found)]


def _open(situation: Situation, what: NoticeKind) -> Alarm | None:
    """Return the condition as it was stated and is not over, if it was."""
    stated = [
        alarm
        for alarm in situation.alarms.alarms
        if alarm.happened.event.what is what and alarm.cleared_at_ns is None
    ]
    return stated[-1] if stated else None


def _lateness(situation: Situation) -> Iterable[Notice]:
    shipment, estimate, eta = situation.shipment, situation.arrival, situation.eta
    risk = 0.0
    if isinstance(estimate, Arrival) and eta is not None:
        risk = eta.late_risk(estimate.arrive_by_ns)
    if shipment.phase in _THERE or shipment.phase is Phase.ORDERED:
        risk = 0.0
    what = NoticeKind.ARRIVAL_LATE
    is_stated = _open(situation, what) is not None
    notice = Notice(
        what,
        Severity.ALARM if risk > 0.5 else Severity.WARNING,
        situation.now_ns,
        f"{risk_word(risk)}: {100 * risk:.0f} % after the time to arrive by",
        shipment=shipment.shipment,
    )
    if risk > AT_RISK and not is_stated:
        yield notice
    elif risk < AT_RISK / 2 and is_stated:
        yield _over(notice, "in time again, or arrived")


def _over(notice: Notice, text: str) -> Notice:
    return msgspec.structs.replace(
        notice, severity=Severity.INFO, text=text, is_over=True
    )
