"""Reading: what is known about shipments and gateways, as JSON.

Open to whoever reaches the server, but positions: these are shown on this machine or
with the operators' token. ``as_of`` asks for what the ledger held then, ``at`` for
the activity at one more instant.
"""

from itertools import pairwise
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Path, Query, Request

from cloud.adapters.series_rows import Point, PositionRow
from cloud.arrival import Arrival
from cloud.web import answers, formats
from cloud.web.desk import Situation
from cloud.web.messages import (
    AnswerMessage,
    ArrivalMessage,
    CommandMessage,
    FixMessage,
    HealthMessage,
    ListMessage,
    RouteMessage,
    SeriesListMessage,
    SeriesMessage,
    ShipmentMessage,
)
from cloud.web.problems import problems
from cloud.web.site import (
    AsOf,
    GatewayName,
    ShipmentName,
    Site,
    instant_parameter,
    may_see_positions,
    site_of,
    situation_or_404,
)
from cloud.web.urgency import urgency
from cloud.web.watch_messages import CustodyMessage
from cloud.windows import is_in_reach
from schemas.events import EventKind
from schemas.units import NS_PER_S

router: Final = APIRouter(prefix="/api", tags=["reading"])
GAP_S: Final = 180.0
MAX_POINTS: Final = 2000
MAX_FIXES: Final = 500
FIX_GAP_NS: Final = 900 * NS_PER_S

At = Annotated[
    str | None,
    Query(
        description="The activity at this instant too (RFC 3339)",
        examples=["2026-11-27T11:30:00+01:00"],
    ),
]
Quantities = Annotated[
    list[str] | None,
    Query(description="Only these quantities", examples=[["temperature_c"]]),
]
MaxPoints = Annotated[
    int,
    Query(
        ge=10,
        le=MAX_POINTS,
        description="At most so many points of each series",
        examples=[600],
    ),
]
Counter = Annotated[
    int, Path(ge=0, le=2**53, description="The command's counter", examples=[1])
]


@router.get("/shipments", responses=problems())
def list_shipments(request: Request) -> ListMessage:
    """Return all shipments, the most urgent first."""
    desk = site_of(request).desk
    now_ns, speed = desk.pace.read()
    ordered = by_urgency(desk.situations(), speed)
    return ListMessage(
        now=formats.certain_text(now_ns),
        exercise=desk.clock.exercise,
        shipments=tuple(answers.shipment_message(found) for found in ordered),
    )


def by_urgency(situations: list[Situation], speed: float) -> list[Situation]:
    """Return shipments in the order in which people should look at them."""
    return sorted(
        situations, key=lambda found: (urgency(found, speed).rank, _deadline_ns(found))
    )


def _deadline_ns(situation: Situation) -> int:
    estimate = situation.arrival
    return estimate.decide_by_ns if isinstance(estimate, Arrival) else 2**63


@router.get("/shipments/{shipment}", responses=problems(404))
def read_shipment(request: Request, shipment: ShipmentName) -> ShipmentMessage:
    """Return one shipment as it stands."""
    return answers.shipment_message(situation_or_404(site_of(request), shipment))


@router.get("/shipments/{shipment}/arrival", responses=problems(404, 409, 422))
def read_arrival(
    request: Request, shipment: ShipmentName, as_of: AsOf = None, at: At = None
) -> ArrivalMessage:
    """Return the arrival estimate; advisory, not a dosage determination."""
    as_of_ns, at_ns = instant_parameter(as_of), instant_parameter(at)
    situation = situation_or_404(site_of(request), shipment, as_of_ns)
    if not isinstance(situation.arrival, Arrival):
        raise HTTPException(409, situation.arrival.reason)
    contents = situation.arrival.question.contents
    if at_ns is not None and not is_in_reach(contents, at_ns):
        raise HTTPException(422, "at is years from the reference instant")
    return answers.arrival_message(situation, situation.arrival, at_ns)


@router.get("/shipments/{shipment}/custody", responses=problems(404))
def read_custody(request: Request, shipment: ShipmentName) -> CustodyMessage:
    """Return who has the container since when, and every scan."""
    situation = situation_or_404(site_of(request), shipment)
    return answers.custody_message(situation.shipment.custody)


@router.get("/shipments/{shipment}/series", responses=problems(404, 422))
def read_series(
    request: Request,
    shipment: ShipmentName,
    quantity: Quantities = None,
    max_points: MaxPoints = 600,
) -> SeriesListMessage:
    """Return the series of a shipment, of the quantities asked for, else of all."""
    site = site_of(request)
    situation = situation_or_404(site, shipment)
    limits = situation.shipment.limits
    span = site.desk.span_ns(situation.shipment)
    found = _series(site, situation, quantity, max_points) if span else []
    return SeriesListMessage(
        now=formats.certain_text(situation.now_ns),
        exercise=situation.shipment.exercise,
        gap_s=max(GAP_S, _longest_bin_s(found)),
        series=tuple(found),
        silences=_silences(site, situation),
        temperature_min_c=limits.temperature_min_c if limits else None,
        temperature_max_c=limits.temperature_max_c if limits else None,
    )


def _series(
    site: Site, situation: Situation, wanted: list[str] | None, max_points: int
) -> list[SeriesMessage]:
    gateway = situation.shipment.gateway or ""
    span = site.desk.span_ns(situation.shipment) or (0, 0)
    return [
        _columns(
            channel.sensor,
            channel.quantity,
            site.desk.series.series(
                (gateway, channel.sensor, channel.quantity), span, max_points
            ),
        )
        for channel in site.desk.series.channels(gateway)
        if wanted is None or channel.quantity in wanted
    ]


def _columns(sensor: str, quantity: str, points: list[Point]) -> SeriesMessage:
    return SeriesMessage(
        sensor=sensor,
        quantity=quantity,
        at_s=tuple(round(point.at_ns / NS_PER_S, 1) for point in points),
        value=tuple(_rounded(point.value) for point in points),
        minimum=tuple(_rounded(point.minimum) for point in points),
        maximum=tuple(_rounded(point.maximum) for point in points),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _longest_bin_s(found: list[SeriesMessage]) -> float:
    """Return a width that merged neighbours never exceed: 3 times the median step."""
    steps = sorted(
        later - earlier for series in found for earlier, later in pairwise(series.at_s)
    )
    return 3.0 * steps[len(steps) // 2] if steps else 0.0


def _silences(site: Site, situation: Situation) -> tuple[tuple[float, float], ...]:
    """Return the spans of announced radio silence, Unix seconds."""
    spans: list[tuple[float, float]] = []
    began_ns: int | None = None
    for happened in site.desk.events_of(situation.shipment):
        if happened.event.what is EventKind.RADIO_SILENCE_BEGINS:
            began_ns = happened.at_ns
        ended = happened.event.what is EventKind.RADIO_SILENCE_ENDS
        if ended and began_ns is not None and happened.at_ns is not None:
            spans.append((began_ns / NS_PER_S, happened.at_ns / NS_PER_S))
            began_ns = None
    if began_ns is not None:
        spans.append((began_ns / NS_PER_S, situation.now_ns / NS_PER_S))
    return tuple(spans)


@router.get("/shipments/{shipment}/route", responses=problems(403, 404))
def read_route(request: Request, shipment: ShipmentName) -> RouteMessage:
    """Return the way travelled; 403 where positions may not be shown."""
    if not may_see_positions(request):
        raise HTTPException(403, "positions are shown to operators only")
    site = site_of(request)
    situation = situation_or_404(site, shipment)
    steps = [
        step
        for step in situation.shipment.custody.steps
        if step.said.latitude_deg is not None and step.correction is None
    ]
    return RouteMessage(
        exercise=situation.shipment.exercise,
        fixes=tuple(
            fix_message(row) for row in thin(site.desk.positions(situation.shipment))
        ),
        places=tuple(
            FixMessage(
                at=formats.certain_text(step.at_ns),
                fix="stated",
                latitude_deg=step.said.latitude_deg or 0.0,
                longitude_deg=step.said.longitude_deg or 0.0,
                altitude_m=None,
            )
            for step in steps
        ),
        place_names=tuple(step.said.place for step in steps),
        silences=_silences(site, situation),
    )


def thin(rows: list[PositionRow]) -> list[PositionRow]:
    """Return fewer fixes: about every n-th, both sides of every gap, and the last."""
    step = -(-len(rows) // MAX_FIXES)
    if step <= 1:
        return rows
    kept = {0, len(rows) - 1, *range(0, len(rows), step)}
    for at, (former, later) in enumerate(pairwise(rows)):
        if later.at_ns - former.at_ns > FIX_GAP_NS:
            kept |= {at, at + 1}
    return [rows[at] for at in sorted(kept)]


def fix_message(row: PositionRow) -> FixMessage:
    """Return a fix as answered; the row has one."""
    return FixMessage(
        at=formats.certain_text(row.at_ns),
        fix=row.fix,
        latitude_deg=row.latitude_deg or 0.0,
        longitude_deg=row.longitude_deg or 0.0,
        altitude_m=row.altitude_m,
    )


@router.get("/gateways", responses=problems())
def list_gateways(request: Request) -> list[HealthMessage]:
    """Return how complete the history of each gateway is."""
    desk = site_of(request).desk
    found = [desk.health(gateway) for gateway in desk.ledger.gateways()]
    return [answers.health_message(health) for health in found if health is not None]


@router.get("/gateways/{gateway}", responses=problems(404))
def read_gateway(request: Request, gateway: GatewayName) -> HealthMessage:
    """Return how complete the history of a gateway is."""
    health = site_of(request).desk.health(gateway)
    if health is None:
        raise HTTPException(404, "nothing has been heard from this gateway")
    return answers.health_message(health)


@router.get("/gateways/{gateway}/commands/{counter}", responses=problems(422))
def read_command(
    request: Request, gateway: GatewayName, counter: Counter
) -> CommandMessage:
    """Return the answer to a command, null until it has come."""
    row = site_of(request).desk.series.answer(gateway, counter)
    return CommandMessage(
        gateway=gateway,
        counter=counter,
        answer=None
        if row is None
        else AnswerMessage(
            kind=row.kind,
            epoch=row.epoch.hex(),
            sequence=row.sequence,
            received_at=formats.certain_text(row.received_at_ns),
        ),
    )
