"""Pages: server-rendered, complete without scripts; scripts keep them current.

Parts marked ``data-live`` are exchanged when the server renders them differently, so
that there is one place that knows how a value is written.
"""

from dataclasses import dataclass, replace
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from cloud.adapters.series_rows import Summary
from cloud.alarms import Alarm, Alarms, Happened, silence_until_ns
from cloud.arrival import Arrival
from cloud.figures import unit_of
from cloud.web.api import by_urgency
from cloud.web.centre_views import zone
from cloud.web.desk import Desk, Situation
from cloud.web.dose import dose_of
from cloud.web.picture import Picture, picture
from cloud.web.rendering import page
from cloud.web.site import Site, may_see_positions, site_of
from cloud.web.urgency import Urgency, urgency
from cloud.web.whereabouts import Whereabouts, whereabouts
from cloud.zones import offset_minutes_at
from schemas.events import EventKind
from schemas.units import MBQ_PER_GBQ

router: Final = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One plot: which quantities of which sensors, their unit, and the axis.

    ``factor`` leads from the series' unit to the plot's. ``low`` is where the axis
    begins, ``least_span`` what it shows at least, so that noise is not blown up;
    ``level`` is drawn as a line with ``level_text``. ``column`` is the drawn one of
    the series; where ``banded``, the others are the uncertainty's edges, k = 2.
    ``hint`` stands below the values, ``empty`` in their place while there are none.
    """

    name: str
    title: str
    quantities: tuple[str, ...]
    prefix: str
    unit: str
    digits: int
    scale: str = "linear"
    factor: float = 1.0
    low: float | None = None
    least_span: float = 0.0
    level: float | None = None
    level_text: str = ""
    column: str = "value"
    banded: bool = False
    hint: str = ""
    empty: str = "No values yet."


FIGURES: Final = (
    Figure(
        "activity",
        "Activity since dispatch",
        ("activity_gbq", "fused_activity_gbq"),
        "vial/",
        "GBq",
        2,
        banded=True,
        hint="Bands: uncertainty, k = 2. The certificate's value is the one used.",
    ),
    Figure(
        "witness",
        "Detectors: seen, of what decay predicts",
        ("ratio",),
        "vial/",
        "%",
        0,
        factor=100.0,
        low=0.0,
        least_span=200.0,
        level=100.0,
        level_text="as certificate and decay predict",
        banded=True,
        hint="Band: uncertainty, k = 2. While it holds 100 %, the detectors agree.",
        empty="No word yet: the detectors speak once the vial is in place and counted.",
    ),
    Figure(
        "remaining",
        "Still there since dispatch",
        ("remaining_ratio",),
        "vial/",
        "%",
        1,
        factor=100.0,
        least_span=4.0,
        level=100.0,
        level_text="nothing but decay",
        banded=True,
        hint="Band: uncertainty, k = 2. Since the fingerprint; decay is taken out.",
        empty="Not known: no fingerprint was accepted yet.",
    ),
    Figure("temperature", "Temperature", ("temperature_c",), "", "\N{DEGREE SIGN}C", 1),
    Figure(
        "detectors", "Each detector", ("count_rate_per_s",), "board/", "1/s", 1, "log"
    ),
    Figure("pressure", "Pressure", ("pressure_hpa",), "", "hPa", 0, least_span=60.0),
    Figure(
        "acceleration",
        "Largest acceleration, gravity included",
        ("max_acceleration_m_s2",),
        "",
        "m/s\N{SUPERSCRIPT TWO}",
        0,
        low=0.0,
        least_span=40.0,
        column="maximum",
    ),
    Figure(
        "supply",
        "Supply of the gateway",
        ("voltage_v",),
        "",
        "V",
        2,
        low=0.0,
        least_span=15.0,
    ),
)


# Source: hw/boards/sensor-board.md, the channels.
_PEOPLE_SAY: Final = {
    "temperature-0": "product side",
    "temperature-1": "in the shell",
    "detector-0": "package, 0",
    "detector-1": "package, 1",
    "detector-2": "reference",
    "pressure-0": "barometer",
    "acceleration-0": "to \N{PLUS-MINUS SIGN}157 m/s\N{SUPERSCRIPT TWO}",
    "supply-0": "supply",
}


_VIAL_SAYS: Final = {
    "activity_gbq": "by certificate and decay",
    "fused_activity_gbq": "fused with the counts",
    "remaining_ratio": "still there",
    "expected_count_rate_per_s": "expected",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What a plot says in words: one sensor's last value and extremes."""

    sensor: str
    summary: Summary


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An event with what became of it, if it was an alarm."""

    happened: Happened
    alarm: Alarm | None


@dataclass(frozen=True, slots=True)
class Row:
    """One shipment on the page of all."""

    situation: Situation
    urgency: Urgency

    @property
    def where(self) -> Whereabouts:
        """Where it is, as signed and as planned."""
        return whereabouts(self.situation.shipment, self.situation.now_ns)

    @property
    def zone(self) -> int | str:
        """The centre's zone by name where it stated one, else the order's offset."""
        return zone(self.situation)

    @property
    def estimate(self) -> Arrival | None:
        """The arrival estimate, if there is one."""
        found = self.situation.arrival
        return found if isinstance(found, Arrival) else None


@router.get("/")
def show_shipments(request: Request) -> HTMLResponse:
    """Show all shipments, the most urgent first."""
    desk = site_of(request).desk
    _now_ns, speed = desk.pace.read()
    ordered = by_urgency(desk.situations(), speed)
    rows = [Row(found, urgency(found, speed)) for found in ordered]
    return page("shipments.html", desk, rows=rows)


@router.get("/shipments/{shipment}")
def show_shipment(request: Request, shipment: str) -> HTMLResponse:
    """Show one shipment."""
    site = site_of(request)
    situation = site.desk.situation(shipment)
    if situation is None:
        missing = page("unknown.html", site.desk, shipment=shipment)
        missing.status_code = 404
        return missing
    _now_ns, speed = site.desk.pace.read()
    row = Row(situation, urgency(situation, speed))
    is_placed = may_see_positions(request)
    return page(
        "shipment.html",
        site.desk,
        row=row,
        s=situation.shipment,
        situation=situation,
        estimate=row.estimate,
        offset=_offset_minutes(situation),
        zone=zone(situation),
        dose=dose_of(situation),
        drawing=_drawing(situation),
        figures=[
            (figure, _lines(site.desk, situation, figure))
            for figure in _figures(row.estimate)
        ],
        occurrences=_occurrences(site, situation, is_placed=is_placed),
        silence=_silence(situation.alarms, situation.now_ns),
        may_see_positions=is_placed,
    )


def _offset_minutes(situation: Situation) -> int:
    """Return the offset that holds at the appointment, for axes of one offset."""
    where, plan = zone(situation), situation.shipment.plan
    if isinstance(where, int):
        return where
    at_ns = plan.planned_at_ns if plan else situation.now_ns
    return offset_minutes_at(at_ns, where, 0)


def _drawing(situation: Situation) -> Picture | None:
    if not isinstance(situation.arrival, Arrival):
        return None
    return picture(situation.arrival, _offset_minutes(situation))


def _figures(estimate: Arrival | None) -> tuple[Figure, ...]:
    """Return the figures with activities in the label's own unit."""
    if estimate is None or unit_of(estimate.question.contents.nuclide) == "GBq":
        return FIGURES
    first, *others = FIGURES
    return (replace(first, unit="MBq", factor=MBQ_PER_GBQ), *others)


def _lines(desk: Desk, situation: Situation, figure: Figure) -> list[Line]:
    span, gateway = desk.span_ns(situation.shipment), situation.shipment.gateway
    if span is None or gateway is None:
        return []
    found = [
        (channel, desk.series.summary((gateway, *channel[:2]), span))
        for channel in desk.series.channels(gateway)
        if channel.quantity in figure.quantities
        and channel.sensor.startswith(figure.prefix)
    ]
    return [
        Line(line_name(channel.sensor, channel.quantity), summary)
        for channel, summary in found
        if summary is not None
    ]


def line_name(sensor: str, quantity: str) -> str:
    """Return how people call one line of a plot."""
    if sensor.startswith("vial/"):
        return _VIAL_SAYS.get(quantity, "seen")
    name = sensor.partition("/")[2] or sensor
    return _PEOPLE_SAY.get(name, name)


def _occurrences(
    site: Site, situation: Situation, *, is_placed: bool
) -> list[Occurrence]:
    """Return all events, newest first, with what became of the alarms.

    What says where the container was is left out unless ``is_placed``.
    """
    raised = {
        (alarm.happened.epoch, alarm.happened.sequence): alarm
        for alarm in situation.alarms.alarms
    }
    events = [
        happened
        for happened in site.desk.events_of(situation.shipment)
        if is_placed or happened.event.what is not EventKind.PLACE
    ]
    newest = sorted(events, key=lambda h: (h.rank, h.sequence), reverse=True)
    return [Occurrence(h, raised.get((h.epoch, h.sequence))) for h in newest]


def _silence(alarms: Alarms, now_ns: int) -> Happened | None:
    """Return the announcement of the radio silence that holds now."""
    if silence_until_ns(alarms, now_ns) is None:
        return None
    return alarms.silence
