"""What a decoder says about the bytes of a serial line.

A reading is one physical value from one sensor, with its unit in the field's
name. A value that is missing is ``None`` here and absent on the wire: never NaN
and never a zero in its place. Bytes that are no reading are :class:`Noise`,
counted with a reason and never raised.

``sensor`` is ``<port>/<channel>``, for example ``board/temperature-0``: the port's
name comes from the gateway's configuration, the channel from the protocol.
``board_ns`` is the instant on the board's own time base (ns since the board
booted), where the protocol has one; the gateway maps it to its boot time.
"""

from enum import StrEnum

import msgspec


class Fix(StrEnum):
    """What a position receiver claims to know."""

    NONE = "none"
    FIX_2D = "2d"
    FIX_3D = "3d"


class Lid(StrEnum):
    """State of the lid switch."""

    CLOSED = "closed"
    OPEN = "open"
    UNKNOWN = "unknown"


class NoiseReason(StrEnum):
    """Why bytes were not a reading; a closed set."""

    LENGTH = "length"  # shorter or longer than the frame may be
    FRAMING = "framing"  # COBS or sentence delimiters broken
    CHECKSUM = "checksum"  # CRC or checksum wrong or missing
    SYNTAX = "syntax"  # checked bytes whose fields do not parse
    SANITY = "sanity"  # parsed values that cannot be
    UNKNOWN = "unknown"  # a checked frame of a type this version does not know
    LOST = "lost"  # the sequence shows that frames are missing
    REPEATED = "repeated"  # a frame that was already taken


class Noise(msgspec.Struct, frozen=True):
    """Bytes that were not a reading.

    ``size`` is the number of bytes, for ``lost`` and ``repeated`` of frames.
    ``excerpt`` holds at most the first 32 bytes.
    """

    source: str
    reason: NoiseReason
    size: int
    excerpt: bytes = b""


class TemperatureReading(msgspec.Struct, frozen=True, tag="temperature"):
    """Temperature; ``None`` when the board says that the sensor failed."""

    sensor: str
    temperature_c: float | None
    board_ns: int | None = None


class AccelerationReading(msgspec.Struct, frozen=True, tag="acceleration"):
    """Low-range acceleration over one interval: mean vector, extremes of magnitude."""

    sensor: str
    x_m_s2: float
    y_m_s2: float
    z_m_s2: float
    min_m_s2: float
    max_m_s2: float
    board_ns: int | None = None


class OrientationReading(msgspec.Struct, frozen=True, tag="orientation"):
    """Direction of gravity in the container's frame, a unit vector."""

    sensor: str
    x: float
    y: float
    z: float
    board_ns: int | None = None


class CountReading(msgspec.Struct, frozen=True, tag="count"):
    """Counts of one detector over one interval.

    ``live_time_ns`` is the time in which the detector could count; absent where
    the instrument does not say. ``is_valid`` is the instrument's own word.
    """

    sensor: str
    counts: int
    real_time_ns: int
    live_time_ns: int | None = None
    is_valid: bool = True
    is_saturated: bool = False
    temperature_c: float | None = None
    measured_at_ns: int | None = None
    counts_per_minute: int | None = None
    total_counts: int | None = None
    board_ns: int | None = None


class PressureReading(msgspec.Struct, frozen=True, tag="pressure"):
    """Ambient pressure; ``None`` when the board says that the sensor failed."""

    sensor: str
    pressure_hpa: float | None
    board_ns: int | None = None


class LightReading(msgspec.Struct, frozen=True, tag="light"):
    """Light inside the overpack and the lid switch."""

    sensor: str
    illuminance_lx: float | None
    lid: Lid
    board_ns: int | None = None


class SupplyReading(msgspec.Struct, frozen=True, tag="supply"):
    """Supply of the gateway; ``current_a`` is positive while discharging."""

    sensor: str
    voltage_v: float
    current_a: float
    charge_ratio: float | None = None
    board_ns: int | None = None


class WaveformReading(msgspec.Struct, frozen=True, tag="waveform"):
    """Part ``part`` of ``parts`` of a triggered acceleration waveform.

    ``samples`` are little-endian int16 triples x, y, z; times ``scale_m_s2`` gives
    m/s2. ``filter_corner_hz`` and ``rate_hz`` travel with the samples because a
    peak means nothing without them.
    """

    sensor: str
    waveform: int
    part: int
    parts: int
    started_board_ns: int
    rate_hz: float
    filter_corner_hz: float
    scale_m_s2: float
    samples: bytes
    board_ns: int | None = None


class BoardReading(msgspec.Struct, frozen=True, tag="board"):
    """A board says that it booted, and who it is."""

    sensor: str
    serial: str
    firmware: str
    boot_count: int
    reset_cause: str
    board_ns: int | None = None


class PositionReading(msgspec.Struct, frozen=True, tag="position"):
    """Position of one epoch of a receiver.

    ``altitude_m`` is above mean sea level. ``measured_at_ns`` is absent when the
    receiver gave no date. Where ``fix`` is ``none`` there is no position,
    whatever digits the receiver printed.
    """

    sensor: str
    fix: Fix
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_m: float | None = None
    measured_at_ns: int | None = None
    speed_m_s: float | None = None
    track_deg: float | None = None
    hdop: float | None = None
    satellites: int | None = None


Reading = (
    TemperatureReading
    | AccelerationReading
    | OrientationReading
    | CountReading
    | PressureReading
    | LightReading
    | SupplyReading
    | WaveformReading
    | BoardReading
    | PositionReading
)
