"""Records: the facts that a gateway states, each sealed and chained.

A record is a header and a body. Identity and order are (gateway, epoch, sequence);
timestamps are never identity. Intervals are in boot time; UTC is derived, and
absent while it is unknown. Kinds: ``birth``, ``assigned``, ``released``, ``report``,
``position``, ``event``, ``evidence``, ``fingerprint``, ``heartbeat``, ``clock`` and
``gap``.

The cloud takes versions N and N-1. Unknown keys are kept in the sealed bytes and
ignored; a record of unknown kind or with an invalid body is kept too, as
:class:`Unprojectable`: a firmware bug must not wedge a gateway.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from schemas import wire
from schemas.contents import Contents, ProductLimits, ReleasedGain, check_gateway_id
from schemas.envelope import ZERO_DIGEST, Purpose, external_aad, seal
from schemas.errors import MalformedError
from schemas.estimates import (
    Estimate,
    FingerprintResult,
    HalfLifeCheck,
    Remaining,
    Witness,
)
from schemas.events import Event, Evidence
from schemas.findings import DoseRatio, Integrity, ThermalSummary
from schemas.keys import Signer
from schemas.readings import Fix

VERSION: Final = 1
TAKEN_VERSIONS: Final = frozenset({1})
EPOCH_BYTES: Final = 8
BOOT_ID_BYTES: Final = 16

Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
Epoch = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
FactId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
BootId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Unsigned = Annotated[int, msgspec.Meta(ge=0)]


class TimeSource(StrEnum):
    """Where a gateway's UTC comes from, worst first."""

    NONE = "none"
    FLOOR = "floor"
    RECEIPT = "receipt"
    GPS = "gps"
    NTP = "ntp"


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """Identity, place in the chain and time of one record."""

    version: Unsigned
    gateway: str
    epoch: Epoch
    sequence: Unsigned
    kind: str
    previous: Digest
    boot_id: BootId
    boot_ns: Unsigned
    time_source: TimeSource
    exercise: bool
    utc_ns: int | None = None
    time_u_ns: Unsigned | None = None


class Sensor(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sensor of the inventory, with its calibration certificate."""

    sensor: str
    quantity: str
    certificate: str | None = None
    calibrated_at_ns: int | None = None
    calibration_due_ns: int | None = None


class Birth(msgspec.Struct, frozen=True, omit_defaults=True):
    """A gateway started."""

    software: str
    configuration_digest: Digest
    container: str
    container_digest: Digest
    sensors: tuple[Sensor, ...]


class Assigned(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answer to ``assign``: the records from here on belong to the shipment."""

    shipment: str
    counter: Unsigned
    contents: tuple[Contents, ...]
    limits: ProductLimits
    container_digest: Digest
    gain: ReleasedGain | None = None


class Released(msgspec.Struct, frozen=True):
    """Answer to ``release``: the last record that belongs to the shipment."""

    shipment: str
    counter: Unsigned


class SensorSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """Readings of one sensor and quantity over the interval of a report.

    ``count`` readings arrived, ``valid`` of them had a value; mean, minimum and
    maximum are over those and absent if there was none. ``latest`` is the last.
    """

    sensor: str
    quantity: str
    count: Unsigned
    valid: Unsigned
    mean: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    latest: float | None = None


class DetectorSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counts of one detector over the valid ``intervals`` of a report."""

    sensor: str
    counts: Unsigned
    live_time_ns: Unsigned
    real_time_ns: Unsigned
    intervals: Unsigned
    valid: Unsigned
    temperature_c: float | None = None


class LineQuality(msgspec.Struct, frozen=True):
    """How well one serial line worked over the interval of a report."""

    line: str
    is_open: bool
    readings: Unsigned
    noise: Unsigned
    lost: Unsigned
    repeated: Unsigned


class Conditions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the station knew when it closed a report and estimated.

    With the counts, live times and covariates of the reports it is all that the
    estimates follow from. UTC is boot time plus ``utc_minus_boot_ns``, absent while
    unknown. ``is_shocked``: a shock came within the interval. ``is_alarmed``: an
    integrity alarm is unresolved, so that no activity is learnt.
    """

    is_airborne: bool
    is_loaded: bool
    is_shocked: bool
    is_alarmed: bool
    utc_minus_boot_ns: int | None = None
    time_u_ns: Unsigned | None = None


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """A closed interval of boot time: what was read and what follows from it."""

    from_boot_ns: Unsigned
    to_boot_ns: Unsigned
    sensors: tuple[SensorSummary, ...]
    detectors: tuple[DetectorSummary, ...]
    lines: tuple[LineQuality, ...]
    estimates: tuple[Estimate, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    attitude: tuple[float, float, float] | None = None
    thermal: ThermalSummary | None = None
    doses: tuple[DoseRatio, ...] = ()
    integrity: Integrity | None = None
    remaining: tuple[Remaining, ...] = ()
    half_lives: tuple[HalfLifeCheck, ...] = ()
    conditions: Conditions | None = None


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """Latest position of an interval; its own kind, so that it can be withheld.

    ``position_u_m`` is horizontal, by axis (k = 1), from the track that the fixes make.
    ``doubts`` say why a fix is not believed, ``places`` where the container surely
    is, ``dwell_ns`` for how long it has stayed within 150 m. Without a fix the last
    one that was believed stands in ``last_*``, with its age.
    """

    sensor: str
    fix: Fix
    age_ns: Unsigned
    latitude_deg: Latitude | None = None
    longitude_deg: Longitude | None = None
    altitude_m: float | None = None
    measured_at_ns: int | None = None
    speed_m_s: float | None = None
    track_deg: float | None = None
    hdop: float | None = None
    satellites: int | None = None
    position_u_m: float | None = None
    doubts: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    dwell_ns: Unsigned | None = None
    last_latitude_deg: Latitude | None = None
    last_longitude_deg: Longitude | None = None
    last_fix_age_ns: Unsigned | None = None


class FingerprintStep(StrEnum):
    """Steps of the dispatch fingerprint."""

    BACKGROUND = "background"
    LOADED = "loaded"


class Fingerprint(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counts of a step of the dispatch fingerprint, in the stated attitude.

    ``result`` is of the loaded step, where UTC and a shipment were known.
    ``pressure_hpa`` is the mean over the step.
    """

    step: FingerprintStep
    counter: Unsigned
    from_boot_ns: Unsigned
    to_boot_ns: Unsigned
    detectors: tuple[DetectorSummary, ...]
    attitude: tuple[float, float, float] | None = None
    pressure_hpa: float | None = None
    conditions: Conditions | None = None
    result: FingerprintResult | None = None


class Heartbeat(msgspec.Struct, frozen=True, omit_defaults=True):
    """The head of the chain, so that a lost tail and silence are noticed."""

    head_sequence: Unsigned
    head_digest: Digest
    oldest_sequence: Unsigned
    outbox_bytes: Unsigned
    free_bytes: Unsigned


class ClockChange(msgspec.Struct, frozen=True):
    """A better time source appeared: UTC is boot time plus ``utc_minus_boot_ns``."""

    previous_source: TimeSource
    time_source: TimeSource
    utc_minus_boot_ns: int
    time_u_ns: Unsigned


class GapReason(StrEnum):
    """Why records are not there."""

    DROPPED = "dropped"
    DECIMATED = "decimated"
    DAMAGED = "damaged"
    EXPIRED = "expired"  # older than anyone wants it
    VOLATILE = "volatile"  # in memory only when the power went, if there was any


class Gap(msgspec.Struct, frozen=True, omit_defaults=True):
    """Records that will never come; ``digest`` is the chain's digest at their end.

    ``epoch`` is absent for records of the same epoch. With another one it says which
    records of a chain that was given up are not kept any more either.
    """

    from_sequence: Unsigned
    to_sequence: Unsigned
    reason: GapReason
    digest: Digest
    epoch: Epoch | None = None


class Unprojectable(msgspec.Struct, frozen=True):
    """An authentic body that this version cannot read; kept as it is."""

    reason: str


Body = (
    Birth
    | Assigned
    | Released
    | Report
    | Position
    | Event
    | Evidence
    | Fingerprint
    | Heartbeat
    | ClockChange
    | Gap
    | Unprojectable
)

BODIES: Final[Mapping[str, type[Body]]] = {
    "birth": Birth,
    "assigned": Assigned,
    "released": Released,
    "report": Report,
    "position": Position,
    "event": Event,
    "evidence": Evidence,
    "fingerprint": Fingerprint,
    "heartbeat": Heartbeat,
    "clock": ClockChange,
    "gap": Gap,
}
KINDS: Final[Mapping[type[Body], str]] = {body: kind for kind, body in BODIES.items()}


class Record(msgspec.Struct, frozen=True):
    """A record as read from a payload."""

    header: Header
    body: Body


def record_payload(header: Header, body: Body) -> bytes:
    """Return the payload bytes of a record.

    Raises:
        MalformedError: the header breaks its limits, is not linked, or a value has
            no form on the wire.
    """
    check_gateway_id(header.gateway)
    if header.kind != KINDS.get(type(body)):
        raise MalformedError(f"{type(body).__name__} is no body of {header.kind!r}")
    if (header.sequence == 0) != (header.previous == ZERO_DIGEST):
        raise MalformedError(
            "the first record, and only it, has a zero previous digest"
        )
    return wire.to_payload(header, body)


def read_record(payload: bytes) -> Record:
    """Read a record's payload; the header must be right, the body may be unknown.

    Raises:
        MalformedError: not deterministic CBOR, or the header breaks its limits.
    """
    plain = wire.read_payload(payload)
    header = wire.from_named(plain, Header)
    check_gateway_id(header.gateway)
    if (header.sequence == 0) != (header.previous == ZERO_DIGEST):
        raise MalformedError(
            "the first record, and only it, has a zero previous digest"
        )
    return Record(header, _read_body(header.kind, plain.get("body")))


def _read_body(kind: str, plain: object) -> Body:
    body_type = BODIES.get(kind)
    if body_type is None:
        return Unprojectable(f"unknown kind {kind!r}")
    try:
        return wire.from_named(plain, body_type)
    except MalformedError as error:
        return Unprojectable(str(error))


def record_aad(version: int, gateway: str) -> bytes:
    """Return the external data of a record's seal."""
    return external_aad(Purpose.RECORD, version, gateway)


def seal_record(header: Header, body: Body, signer: Signer) -> bytes:
    """Return the sealed record.

    Raises:
        MalformedError: as :func:`record_payload`, or larger than 16 KiB.
    """
    aad = record_aad(header.version, header.gateway)
    return seal(record_payload(header, body), signer, aad)
