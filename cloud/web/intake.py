"""Writing: sealed facts as they come, and commands that the cloud seals.

A fact is believed for its seal, so handing one in needs no token; a command needs the
operators' token.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from cloud.dispatch import issue
from cloud.gains import gain_in_force
from cloud.shipments import Shipment
from cloud.verification import Refusal, RefusalReason, VerifiedFact, verify_fact
from cloud.web.messages import IssuedMessage, TakenMessage
from cloud.web.problems import problem, problems
from cloud.web.site import (
    ShipmentName,
    Site,
    require_operator,
    site_of,
    situation_or_404,
)
from cloud.windows import Question, expiry_ns
from schemas.commands import Assign, CommandBody, Release, TakeFingerprint, read_command
from schemas.contents import Contents, ProductLimits
from schemas.envelope import MAX_SEALED_BYTES, open_envelope
from schemas.errors import UnknownWordError
from schemas.facts import Consignment
from schemas.findings import Place
from schemas.products import product
from schemas.records import FingerprintStep
from schemas.units import NS_PER_S

router: Final = APIRouter(prefix="/api", tags=["writing"])
_TTL_S: Final = 86_400.0
# A dock with its yard, and what a street map is off by: assumed.
PLACE_RADIUS_M: Final = 300.0
_TTL_REAL_S: Final = 600.0  # under simulated time, a command lives so long in reality

Operator = Depends(require_operator)


_COMMANDED: Final = problems(401, 403, 404, 409)
_SEALED: Final = {
    "description": "One sealed fact: a COSE_Sign1 as `dosetrail-cloud paper sign` "
    "writes it, at most 16 KiB",
    "required": True,
    "content": {"application/cose": {"schema": {"type": "string", "format": "binary"}}},
}


class FingerprintOrder(BaseModel):
    """Which step of the dispatch fingerprint, and for how long to count."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"step": "background", "real_time_s": 300}]},
    )

    step: FingerprintStep
    real_time_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0


@router.post(
    "/facts",
    responses={
        200: {"model": TakenMessage, "description": "Held already; nothing changed"},
        **problems(422),
    },
    status_code=201,
    response_model=TakenMessage,
    openapi_extra={"requestBody": _SEALED},
)
async def take_fact(request: Request) -> Response:
    """Take one sealed fact: 201 taken, 200 held already, 422 refused with reason."""
    sealed = await _body(request)
    return await run_in_threadpool(_take_fact, site_of(request), sealed)


async def _body(request: Request) -> bytes:
    """Read the body, but not more than tells that it is too large."""
    sealed = bytearray()
    async for chunk in request.stream():
        sealed += chunk
        if len(sealed) > MAX_SEALED_BYTES:
            break
    return bytes(sealed)


def _take_fact(site: Site, sealed: bytes) -> Response:
    now_ns = site.desk.clock.utc_ns()
    fact = verify_fact(sealed, site.registry())
    if isinstance(fact, Refusal):
        site.desk.ledger.quarantine([fact], now_ns)
        return _refused(fact.reason, fact.detail)
    return _append(site, fact, now_ns)


def _append(site: Site, fact: VerifiedFact, now_ns: int) -> Response:
    result = site.desk.ledger.append_fact(fact, now_ns)
    if result.conflicts:
        return _refused(result.conflicts[0].reason, result.conflicts[0].detail)
    outcome = "taken" if result.added else "held already"
    taken = TakenMessage(digest=fact.digest.hex(), outcome=outcome)
    return JSONResponse(taken.model_dump(), 201 if result.added else 200)


def _refused(reason: RefusalReason, detail: str) -> Response:
    return problem(422, detail, reason)


@router.post(
    "/shipments/{shipment}/assign",
    status_code=201,
    dependencies=[Operator],
    responses=_COMMANDED,
)
def assign(request: Request, shipment: ShipmentName) -> IssuedMessage:
    """Tell the gateway that was packed with the shipment to follow it."""
    site = site_of(request)
    found, consignment, contents = _packed(site, shipment)
    body = Assign(
        shipment=found.shipment,
        contents=(contents,),
        limits=_limits(found, contents),
        container_digest=consignment.container_digest,
        places=places_of(consignment),
        gain=gain_in_force(
            site.desk.shipments(),
            consignment,
            contents.nuclide,
            site.desk.clock.utc_ns(),
            exercise=site.desk.clock.exercise or found.exercise,
        ),
    )
    return _issue(site, consignment.gateway, body)


def places_of(consignment: Consignment) -> tuple[Place, ...]:
    """Return the ends of the legs that the papers place, once each."""
    found = {
        leg.destination: Place(
            leg.destination, leg.latitude_deg, leg.longitude_deg, PLACE_RADIUS_M
        )
        for leg in consignment.legs
        if leg.latitude_deg is not None and leg.longitude_deg is not None
    }
    return tuple(found.values())


@router.post(
    "/shipments/{shipment}/release",
    status_code=201,
    dependencies=[Operator],
    responses=_COMMANDED,
)
def release(request: Request, shipment: ShipmentName) -> IssuedMessage:
    """Tell the gateway to follow the shipment no longer."""
    site = site_of(request)
    _found, consignment, _contents = _packed(site, shipment)
    return _issue(site, consignment.gateway, Release(shipment))


@router.post(
    "/shipments/{shipment}/fingerprint",
    status_code=201,
    dependencies=[Operator],
    responses=problems(401, 403, 404, 409, 422),
)
def take_fingerprint(
    request: Request, shipment: ShipmentName, order: FingerprintOrder
) -> IssuedMessage:
    """Tell the gateway to take a step of the dispatch fingerprint."""
    site = site_of(request)
    _found, consignment, _contents = _packed(site, shipment)
    body = TakeFingerprint(order.step, round(order.real_time_s * NS_PER_S))
    return _issue(site, consignment.gateway, body)


def _packed(site: Site, shipment: str) -> tuple[Shipment, Consignment, Contents]:
    found = situation_or_404(site, shipment).shipment
    if found.consignment is None:
        raise HTTPException(409, "not packed yet: state a consignment first")
    if found.contents is None:
        raise HTTPException(409, "no certificate yet: state a certificate first")
    return found, found.consignment, found.contents


def _limits(shipment: Shipment, contents: Contents) -> ProductLimits:
    order = shipment.order
    if order is None:
        raise HTTPException(409, "no order yet: state an order first")
    try:
        label = product(contents.product)
    except UnknownWordError as error:
        raise HTTPException(409, str(error)) from error
    question = Question(
        contents=contents,
        product=label,
        prescribed_activity_gbq=order.prescribed_activity_gbq,
        tolerance_ratio=order.tolerance_ratio,
        appointment_ns=order.planned_at_ns,
        as_of_ns=order.planned_at_ns,
    )
    return ProductLimits(
        temperature_max_c=label.temperature_max_c,
        temperature_min_c=label.temperature_min_c,
        expires_at_ns=expiry_ns(question),
    )


def _issue(site: Site, gateway: str, body: CommandBody) -> IssuedMessage:
    now_ns, speed = site.desk.pace.read()
    ttl_ns = round(max(_TTL_S, speed * _TTL_REAL_S) * NS_PER_S)
    ledger, signer = site.desk.ledger, site.signer
    sealed = issue(ledger, signer, gateway, body, now_ns, ttl_ns)
    counter = read_command(open_envelope(sealed).payload).header.counter
    return IssuedMessage(gateway=gateway, counter=counter)
