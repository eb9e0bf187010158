"""What is told of an alarm: CloudEvents 1.0 as JSON, signed, and never a position.

One event for each state that an alarm comes to; its ``id`` is a function of alarm and
state, so that a receiver that gets it twice can tell. The signature is that of
Standard Webhooks: HMAC-SHA256 over ``id.timestamp.body``, Base64, behind ``v1,``.

No place, no coordinate: texts of conditions that are about where something is are
left out, and so is everything that the pages show to operators only.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cloud.alarm_rules import Audience, Kind, advice, audiences
from cloud.alarms import Alarm, Change, State
from cloud.shipments import Shipment
from schemas.custody import NoticeKind
from schemas.events import EventKind
from schemas.units import instant_text

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
TOLD: Final = frozenset(
    {State.RAISED, State.ESCALATED, State.ACKNOWLEDGED, State.CLEARED}
)
_ABOUT_PLACES: Final[frozenset[Kind]] = frozenset(
    {
        EventKind.POSITION_DOUBT,
        EventKind.ROUTE_DEVIATION,
        EventKind.PLACE,
        NoticeKind.HANDOVER_FLAGGED,
        NoticeKind.HANDOVER_UNCONFIRMED,
    }
)


@dataclass(frozen=True, slots=True)
class Notification:
    """One event for everybody who is told of it; ``is_open`` as things stand."""

    name: str
    body: bytes
    audiences: tuple[Audience, ...]
    parties: frozenset[str]
    at_ns: int
    is_open: bool

    def is_for(self, audience: Audience, party: str | None) -> bool:
        """Say whether somebody of an audience is told, of all parties or of one."""
        return audience in self.audiences and (party is None or party in self.parties)


def notifications(
    alarm: Alarm, shipment: Shipment | None, source: str
) -> Iterable[Notification]:
    """Yield one notification for each state that an alarm came to and that is told."""
    for change in alarm.history:
        if change.state in TOLD:
            name = f"{alarm.happened.name}-{change.state}"
            event = _event(name, alarm, change, shipment, source)
            yield Notification(
                name,
                json.dumps(event, ensure_ascii=False).encode(),
                audiences(alarm.happened.event.what),
                _parties(shipment),
                change.at_ns,
                alarm.is_open,
            )


def _parties(shipment: Shipment | None) -> frozenset[str]:
    if shipment is None:
        return frozenset()
    centre = () if shipment.order is None else (shipment.order.centre,)
    givers = [step.said.giver for step in shipment.custody.steps[:1]]
    return frozenset((*centre, *givers))


def _event(
    name: str, alarm: Alarm, change: Change, shipment: Shipment | None, source: str
) -> dict[str, object]:
    happened = alarm.happened
    exercise = happened.exercise or (shipment is not None and shipment.exercise)
    subject = happened.gateway if shipment is None else shipment.shipment
    return {
        "specversion": "1.0",
        "id": name,
        "source": source,
        "type": f"dosetrail.alarm.{change.state}.v1",
        "subject": subject,
        "time": _text(change.at_ns),
        "datacontenttype": "application/json",
        "exercise": exercise,
        "data": _data(alarm, change, shipment, exercise=exercise),
    }


def _data(
    alarm: Alarm, change: Change, shipment: Shipment | None, *, exercise: bool
) -> dict[str, object]:
    happened, event = alarm.happened, alarm.happened.event
    order = None if shipment is None else shipment.order
    text = event.what.replace("-", " ")
    if event.what not in _ABOUT_PLACES:
        text = event.text
    at = None if happened.at_ns is None else _text(happened.at_ns)
    stated = {
        "alarm": happened.name,
        "state": change.state,
        "severity": alarm.severity,
        "what": event.what,
        "text": text,
        "notice": _notice(alarm, at, exercise=exercise),
        "shipment": None if shipment is None else shipment.shipment,
        "centre": None if order is None else order.centre,
        "gateway": happened.gateway or None,
        "stage": alarm.stage,
        "is_late": alarm.is_late,
        "happened_at": at,
        "learned_at": _text(happened.received_at_ns),
        "sensor": event.sensor,
        "value": event.value,
        "limit": event.limit,
        "unit": event.unit,
        "next_action": advice(event.what).action,
        "by": change.author,
        "remark": change.remark,
    }
    return {key: value for key, value in stated.items() if value is not None}


def _notice(alarm: Alarm, at: str | None, *, exercise: bool) -> str:
    """Return the first words a person reads: late is said before anything else."""
    late = f"late, happened at {at}" if alarm.is_late and at else ""
    mark = "EXERCISE - simulated" if exercise else ""
    return "; ".join(part for part in (mark, late) if part) or "as it happens"


def _text(at_ns: int) -> str:
    try:
        return instant_text(at_ns)
    except (OverflowError, ValueError):
        return instant_text(0)


def signature(secret: str, name: str, timestamp_s: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``.

    Source: Standard Webhooks 1.0, section "Signature scheme".
    """
    signed = f"{name}.{timestamp_s}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
