"""What happened to a package, and the evidence of it."""

from enum import StrEnum

import msgspec

from schemas.findings import ChangeFinding, ShockFinding


class EventKind(StrEnum):
    """What happened."""

    TEMPERATURE_EXCURSION = "temperature-excursion"
    SHOCK = "shock"
    TAMPER = "tamper"
    INTEGRITY = "integrity"
    DOSE_RATE = "dose-rate"
    POSITION_DOUBT = "position-doubt"
    ROUTE_DEVIATION = "route-deviation"
    PLACE = "place"
    SENSOR_LOST = "sensor-lost"
    SENSOR_FOUND = "sensor-found"
    SENSOR_DESYNCHRONISED = "sensor-desynchronised"
    BOARD_REBOOTED = "board-rebooted"
    RADIO_SILENCE_BEGINS = "radio-silence-begins"
    RADIO_SILENCE_ENDS = "radio-silence-ends"
    STORAGE_FAULT = "storage-fault"
    COMMAND_REFUSED = "command-refused"
    COMMAND_DONE = "command-done"
    COALESCED = "coalesced"


class Severity(StrEnum):
    """How soon a person must know."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened, from an instant or over an interval of boot time.

    ``value``, its standard uncertainty ``value_u`` and ``limit`` are in ``unit``.
    ``count`` says how many events one coalesced event stands for.
    ``expected_end_ns`` is for announced silence. ``evidence_parts`` is the number of
    evidence records that follow; ``shock`` is what they were found to say. ``change``
    is what a change of the counts is laid to.
    """

    what: EventKind
    severity: Severity
    from_boot_ns: int
    text: str
    to_boot_ns: int | None = None
    sensor: str | None = None
    value: float | None = None
    limit: float | None = None
    unit: str | None = None
    reason: str | None = None
    count: int | None = None
    counter: int | None = None
    expected_end_ns: int | None = None
    evidence_parts: int | None = None
    value_u: float | None = None
    shock: ShockFinding | None = None
    change: ChangeFinding | None = None


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """Part ``part`` (from 0) of ``parts`` of an event's waveform.

    ``samples`` are little-endian int16 triples x, y, z; times ``scale_m_s2`` gives
    m/s2. ``event_sequence`` is the sequence of the event's record in this epoch.
    """

    event_sequence: int
    part: int
    parts: int
    sensor: str
    started_boot_ns: int
    rate_hz: float
    filter_corner_hz: float
    scale_m_s2: float
    samples: bytes
