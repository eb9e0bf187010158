"""What the programming interface answers, as types.

Instants are RFC 3339 strings, UTC unless the name says otherwise. Activities are in
GBq with expanded uncertainty, k = 2. A value that is missing is null or absent.
"""

from typing import Annotated

from pydantic import Field

from cloud.web.detector_messages import DetectorsMessage
from cloud.web.message import GBq, Instant, Message

# Two of each, said as an array of two: generators of clients know no tuples.
Range = Annotated[tuple[int, ...], Field(min_length=2, max_length=2)]
Span = Annotated[tuple[float, ...], Field(min_length=2, max_length=2)]


class ActivityMessage(Message):
    """Activity by certificate and decay at an instant."""

    at: Instant
    activity_gbq: GBq
    activity_expanded_u_gbq: GBq
    percent_of_prescribed: float


class WindowMessage(Message):
    """A span of instants, and whether the appointment lies in it."""

    from_at: Instant
    to_at: Instant
    contains_appointment: bool


class CertificateMessage(Message):
    """The calibration certificate; the reference instant in its own zone."""

    vial: str
    nuclide: str
    activity_gbq: GBq
    activity_expanded_u_gbq: GBq
    coverage_factor: float
    reference_at: Instant
    reference_kind: str
    volume_ml: float
    production_route: str
    standard: str
    document_sha256: str | None
    half_life_s: float
    label_half_life_d: float


class VolumeMessage(Message):
    """What to draw at the appointment; null with its reasons where withheld."""

    volume_ml: float | None
    withheld: tuple[str, ...]
    basis: str
    surplus_gbq: GBq | None
    exercise: bool


class ArrivalMessage(Message):
    """The arrival estimate: advisory, not a dosage determination.

    ``offset_minutes`` is the zone of the centre. ``changes`` are of the package,
    ``handling`` tells of shocks below the alarm.
    """

    advisory: str
    exercise: bool
    shipment: str
    order: str
    centre: str
    product: str
    as_of: Instant
    appointment: Instant
    offset_minutes: int
    plan_version: int
    prescribed_activity_gbq: GBq
    tolerance_ratio: float
    coverage_factor: float
    method: str
    certificate: CertificateMessage
    now: ActivityMessage
    at_eta: ActivityMessage | None
    eta_kind: str | None
    eta_u_s: float | None
    late_risk: float | None
    eta_remarks: tuple[str, ...]
    at_appointment: ActivityMessage
    at: ActivityMessage | None
    whole_vial: WindowMessage | None
    surely_inside: WindowMessage | None
    by_volume: WindowMessage | None
    surely_by_volume: WindowMessage | None
    volume: VolumeMessage
    expires_at: Instant
    arrive_by: Instant
    decide_by: Instant
    detectors: DetectorsMessage
    package: str
    integrity: str | None
    temperature: tuple[str, ...]
    doses: tuple[str, ...]
    changes: tuple[str, ...]
    handling: str | None
    not_seen: tuple[str, ...]


class HealthMessage(Message):
    """How complete the history of a gateway's newest epoch is.

    All numbers are the ledger's: ``received`` are the records up to ``contiguous`` and
    in ``ranges_above``; ``missing`` are the holes between them.
    """

    gateway: str
    epoch: str
    received: int
    contiguous: int | None
    ranges_above: tuple[Range, ...]
    missing: tuple[Range, ...]
    head_sequence: int | None
    head_at: Instant | None
    backlog: int | None
    outbox_bytes: int | None
    free_bytes: int | None
    last_record_at: Instant | None
    last_received_at: Instant
    time_source: str
    clock_is_doubtful: bool


class PlanMessage(Message):
    """One version of the appointment."""

    version: int
    planned_at: Instant
    stated_at: Instant
    author: str
    remark: str | None


class LegMessage(Message):
    """One leg as planned."""

    mode: str
    origin: str
    destination: str
    departs_at: Instant
    arrives_at: Instant
    carrier: str | None
    contact: str | None
    air_waybill: str | None
    flight: str | None
    cut_off_at: Instant | None


class ShipmentMessage(Message):
    """One shipment as it stands."""

    shipment: str
    exercise: bool
    phase: str
    order: str | None
    product: str | None
    centre: str | None
    gateway: str | None
    container: str | None
    seal: str | None
    holder: str | None
    appointment: Instant | None
    eta: Instant | None
    now: ActivityMessage | None
    at_appointment: ActivityMessage | None
    no_estimate_because: str | None
    open_alarms: int
    last_record_at: Instant | None
    plans: tuple[PlanMessage, ...]
    legs: tuple[LegMessage, ...]


class ListMessage(Message):
    """All shipments, the most urgent first, as of the server's clock."""

    now: Instant
    exercise: bool
    shipments: tuple[ShipmentMessage, ...]


class SeriesMessage(Message):
    """One quantity of one sensor: four columns of the same length, for drawing.

    Instants are in Unix seconds to a tenth, values to five digits.
    """

    sensor: str
    quantity: str
    at_s: tuple[float, ...]
    value: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]


class SeriesListMessage(Message):
    """The series of a shipment. Gaps are absent points, wider than ``gap_s``."""

    now: Instant
    exercise: bool
    gap_s: float
    series: tuple[SeriesMessage, ...]
    silences: tuple[Span, ...]
    temperature_min_c: float | None
    temperature_max_c: float | None


class FixMessage(Message):
    """One position with a fix."""

    at: Instant
    fix: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float | None


class RouteMessage(Message):
    """The way travelled, the places of the handovers, and announced radio silence."""

    exercise: bool
    fixes: tuple[FixMessage, ...]
    places: tuple[FixMessage, ...]
    place_names: tuple[str, ...]
    silences: tuple[Span, ...]


class TakenMessage(Message):
    """A fact was taken, or is held already; ``digest`` is its SHA-256."""

    digest: str
    outcome: str


class IssuedMessage(Message):
    """A command was sealed for a gateway."""

    gateway: str
    counter: int


class AnswerMessage(Message):
    """The record that answered a command."""

    kind: str
    epoch: str
    sequence: int
    received_at: Instant


class CommandMessage(Message):
    """A command to a gateway and its answer, null until it has come."""

    gateway: str
    counter: int
    answer: AnswerMessage | None


class RefusedPointsMessage(Message):
    """Points that the store will never take; their records are in the ledger."""

    reason: str
    points: int
    position: int
    detail: str


class EndpointMessage(Message):
    """How a receiver of notifications does; ``is_dead`` asks for a person."""

    name: str
    is_dead: bool
    waiting: int
    oldest_waiting_since: Instant | None
    delivered: int
    given_up: int
    failures_in_a_row: int
    last_success_at: Instant | None
    last_failure_at: Instant | None
    error: str | None


class StoreMessage(Message):
    """How far the series is behind the ledger, what it waits for and what it lacks.

    ``webhooks`` are the receivers of notifications; their instants are real time.
    """

    store: str
    position: int
    ledger_position: int
    behind: int
    waiting: str | None
    refused: tuple[RefusedPointsMessage, ...]
    webhooks: tuple[EndpointMessage, ...]
