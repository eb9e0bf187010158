"""Alarms of everything: as JSON, as the page of control, and their acknowledgement.

An acknowledgement is a fact. Whoever has a key signs it and hands it in; for an
operator at this server the cloud signs, and names the operator in it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from cloud.alarm_rules import Advice, advice
from cloud.alarms import Alarm, urgency_of
from cloud.shipments import Shipment
from cloud.watch import Contact, call_list
from cloud.web.alarm_answers import event_message
from cloud.web.messages import TakenMessage
from cloud.web.problems import problems
from cloud.web.rendering import page
from cloud.web.site import (
    AsOf,
    ShipmentName,
    Site,
    instant_parameter,
    is_token,
    require_operator,
    site_of,
    situation_or_404,
)
from cloud.web.watch_messages import EventMessage
from schemas.custody import Acknowledgement

router: Final = APIRouter(prefix="/api", tags=["alarms"])
pages: Final = APIRouter(include_in_schema=False)
_MOST_FORM_BYTES: Final = 8192

AlarmName = Annotated[
    str,
    Path(
        description="The alarm's name, as answered with it",
        pattern="^[0-9a-f]{32}$",
        examples=["0190e6f2c4b87f3e9a51d2c3b4a59687"],
    ),
]


class Seen(BaseModel):
    """Who has seen an alarm, and what is done about it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"by": "control-3", "remark": "driver called, box is well"}]
        },
    )

    by: Annotated[str, Field(min_length=1, max_length=80)]
    remark: Annotated[str, Field(min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True)
class Told:
    """One alarm with its shipment, if any, and whom to call."""

    alarm: Alarm
    shipment: Shipment | None
    call: tuple[Contact, ...]

    @property
    def advice(self) -> Advice:
        """What to do next."""
        return advice(self.alarm.happened.event.what)

    @property
    def offset_minutes(self) -> int:
        """The centre's zone."""
        plan = self.shipment.plan if self.shipment else None
        return plan.offset_minutes if plan else 0


def told(site: Site) -> list[Told]:
    """Return every alarm of every shipment and gateway, who needs somebody first."""
    found: list[Told] = []
    for situation in site.desk.situations():
        shipment, now_ns = situation.shipment, situation.now_ns
        for alarm in situation.alarms.alarms:
            call = call_list(alarm, shipment, site.contacts, now_ns)
            found.append(Told(alarm, shipment, call))
    elsewhere = site.desk.fleet_alarms().alarms
    found += [Told(alarm, None, site.contacts) for alarm in elsewhere]
    return sorted(found, key=lambda one: (not one.alarm.is_open, urgency_of(one.alarm)))


@router.get("/alarms", responses=problems())
def list_alarms(request: Request) -> list[EventMessage]:
    """Return the open alarms of all shipments, those that need somebody first."""
    return [_message(one) for one in told(site_of(request)) if one.alarm.is_open]


@router.get("/shipments/{shipment}/events", responses=problems(404, 422))
def read_events(
    request: Request, shipment: ShipmentName, as_of: AsOf = None
) -> list[EventMessage]:
    """Return the alarms of a shipment, over or not, oldest first."""
    site = site_of(request)
    situation = situation_or_404(site, shipment, instant_parameter(as_of))
    return [
        event_message(
            alarm,
            shipment,
            call_list(alarm, situation.shipment, site.contacts, situation.now_ns),
        )
        for alarm in situation.alarms.alarms
    ]


def _message(one: Told) -> EventMessage:
    name = None if one.shipment is None else one.shipment.shipment
    return event_message(one.alarm, name, one.call)


@router.post(
    "/alarms/{name}/acknowledge",
    status_code=201,
    dependencies=[Depends(require_operator)],
    responses=problems(401, 403, 404, 422),
)
def acknowledge(request: Request, name: AlarmName, seen: Seen) -> TakenMessage:
    """State that an operator has seen an alarm; it ends nothing."""
    return _acknowledge(site_of(request), name, seen.by, seen.remark)


def _acknowledge(site: Site, name: str, by: str, remark: str) -> TakenMessage:
    alarm = next(
        (one.alarm for one in told(site) if one.alarm.happened.name == name), None
    )
    if alarm is None:
        raise HTTPException(404, "no alarm has this name")
    happened = alarm.happened
    is_own = happened.fact is not None
    body = Acknowledgement(
        remark=remark,
        gateway=None if is_own else happened.gateway,
        epoch=None if is_own else happened.epoch,
        event_sequence=None if is_own else happened.sequence,
        of_fact=happened.fact,
        on_behalf_of=by,
    )
    fact = site.voice().state(site.desk.ledger, body, site.desk.clock.utc_ns())
    return TakenMessage(digest=fact.digest.hex(), outcome="taken")


@pages.get("/alarms")
def show_alarms(request: Request) -> HTMLResponse:
    """Show what needs somebody, what to do and whom to call."""
    return _page(request, told(site_of(request)))


def _page(request: Request, found: Iterable[Told], refusal: str = "") -> HTMLResponse:
    site = site_of(request)
    alarms = list(found)
    opened = [one for one in alarms if one.alarm.is_open]
    return page(
        "alarms.html",
        site.desk,
        unseen=[one for one in opened if one.alarm.is_unseen],
        seen=[one for one in opened if not one.alarm.is_unseen],
        over=[one for one in alarms if one.alarm.history and not one.alarm.is_open],
        has_token=site.operator_token is not None,
        refusal=refusal,
    )


@pages.post("/alarms/{name}/acknowledge")
async def acknowledge_by_form(request: Request, name: AlarmName) -> Response:
    """Take the form of the page: the token is in it, so that no other page can."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            raise HTTPException(413, "a form of the page is smaller")
    form = {key: one[-1] for key, one in parse_qs(bytes(body).decode("ascii")).items()}
    return await run_in_threadpool(_by_form, request, name, form)


def _by_form(request: Request, name: str, form: dict[str, str]) -> Response:
    site = site_of(request)
    by, remark = form.get("by", "").strip(), form.get("remark", "").strip()
    refusal = ""
    if not is_token(site, form.get("token", "")):
        refusal = "Not acknowledged: this is not the operators' token."
    elif not by or not remark:
        refusal = "Not acknowledged: say who you are and what is done."
    if refusal:
        again = _page(request, told(site), refusal)
        again.status_code = 403 if "token" in refusal else 422
        return again
    _acknowledge(site, name, by[:80], remark[:500])
    return RedirectResponse("/alarms", 303)
