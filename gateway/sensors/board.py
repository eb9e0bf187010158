"""The project's own sensor board: frames to readings.

Frame layout (normative: hw/serial-protocol.md; :mod:`gateway.framing` undoes it)::

    00 | COBS( TT SS SS BB BB BB BB BB BB BB BB PP .. PP CC CC CC CC ) | 00

Bodies (P), little-endian, scaled integers, section 3 of the page::

    01 HELLO         protocol u8 | cause u8 | boots u32 | firmware 3u8 | serial 12s
    02 TEMPERATURE   channel u8 | 0.01 degC i16
    03 ACCELERATION  channel u8 | x, y, z 3i16 | min, max 2u16 (0.005 m/s2)
    04 ORIENTATION   x, y, z 3i16 (1/32767)
    05 COUNTS        detector u8 | counts u32 | live, real 2u32 us | flags u8
                     | 0.01 degC i16
    06 PRESSURE      channel u8 | 0.1 Pa u32
    07 LIGHT         channel u8 | 0.001 lx u32 | lid u8
    08 SUPPLY        mV u16 | mA i16 | percent u8
    09 WAVEFORM      channel u8 | waveform u16 | part, parts 2u8 | start u64 us
                     | rate, corner 2u16 Hz | um/s2 u32 | n u8 | n x 3i16

Judged in this order, each with its own reason: length (``length``), COBS
(``framing``), CRC (``checksum``), type (``unknown``), body length (``syntax``),
values (``sanity``).

The sequence is followed for every frame with a right CRC, also for one that is
refused afterwards. A step forward is one below 32768, modulo 65536 (serial number
arithmetic). A step back, or back in board time, is a reboot: the frame is taken and
followed from there, as is every HELLO.
"""

import math
from collections.abc import Callable
from struct import Struct
from typing import Final, NamedTuple

from gateway.framing import EXCERPT_BYTES, MIN_FRAME_BYTES, Frame, FrameDecoder
from schemas.readings import (
    AccelerationReading,
    BoardReading,
    CountReading,
    Lid,
    LightReading,
    Noise,
    NoiseReason,
    OrientationReading,
    PressureReading,
    Reading,
    SupplyReading,
    TemperatureReading,
    WaveformReading,
)

PROTOCOL: Final = 1
# Beyond 292 years a board time is no time; below, it fits 63 bits of nanoseconds.
MAX_BOARD_US: Final = (2**63 - 1) // 1000

_HELLO: Final = 0x01
_SEQUENCES: Final = 1 << 16
_FURTHEST_STEP: Final = _SEQUENCES // 2 - 1

_RESET_CAUSES: Final = ("power-on", "watchdog", "brown-out", "software")
_LIDS: Final = (Lid.CLOSED, Lid.OPEN, Lid.UNKNOWN)
_NO_TEMPERATURE: Final = (0x7FFF, -0x8000)  # sensor fault, not connected
_FAULT_U32: Final = 0xFFFFFFFF
_UNKNOWN_CHARGE: Final = 255
_VALID, _SATURATED = 1, 2

Values = tuple[int, ...]


class Origin(NamedTuple):
    """Where the values of one frame come from, and the bytes behind them."""

    source: str
    board_us: int
    samples: bytes

    @property
    def board_ns(self) -> int:
        """Board time of the frame, ns."""
        return self.board_us * 1000

    def sensor(self, name: str, channel: int) -> str:
        """Return the sensor's name, such as ``board/temperature-0``."""
        return f"{self.source}/{name}-{channel}"


class Layout(NamedTuple):
    """Fixed fields of a body and what makes a reading of them.

    ``reading`` returns None for values that cannot be. ``sample_bytes`` is not 0
    where the last field says how many samples of that size follow.
    """

    fields: Struct
    reading: Callable[[Origin, Values], Reading | None]
    sample_bytes: int = 0

    def fits(self, body: bytes) -> bool:
        """Return whether ``body`` has the length that its type demands."""
        size = self.fields.size
        if self.sample_bytes and len(body) >= size:
            size += self.sample_bytes * body[size - 1]
        return len(body) == size


class Decoder:
    """Turn the bytes of a sensor board into readings.

    ``source`` is the port's name; it starts every sensor's name and names the line
    in every :class:`~schemas.readings.Noise`.
    """

    def __init__(self, source: str = "board") -> None:
        self._source = source
        self._frames = FrameDecoder(source)
        self._last: tuple[int, int] | None = None

    def feed(self, data: bytes) -> list[Reading | Noise]:
        """Return everything that ``data`` completes, oldest first.

        Any bytes are accepted, cut anywhere, in bounded memory.
        """
        events: list[Reading | Noise] = []
        for event in self._frames.feed(data):
            if isinstance(event, Noise):
                events.append(event)
            else:
                events.extend(self._take(event))
        return events

    def _take(self, frame: Frame) -> list[Reading | Noise]:
        last = self._last
        self._last = (frame.sequence, frame.board_us)
        if last == self._last:
            return [Noise(self._source, NoiseReason.REPEATED, 1)]
        event = self._judge(frame)
        lost = 0 if last is None else _lost(*last, frame)
        if lost:
            return [Noise(self._source, NoiseReason.LOST, lost), event]
        return [event]

    def _judge(self, frame: Frame) -> Reading | Noise:
        outcome = _reading(self._source, frame)
        if not isinstance(outcome, NoiseReason):
            return outcome
        size = MIN_FRAME_BYTES + len(frame.body)
        return Noise(self._source, outcome, size, frame.content()[:EXCERPT_BYTES])


def _lost(sequence: int, board_us: int, frame: Frame) -> int:
    """Return how many frames are missing before ``frame``; none after a reboot."""
    step = (frame.sequence - sequence) % _SEQUENCES
    is_reboot = frame.kind == _HELLO or frame.board_us < board_us
    if is_reboot or not 1 <= step <= _FURTHEST_STEP:
        return 0
    return step - 1


def _reading(source: str, frame: Frame) -> Reading | NoiseReason:
    """Judge a frame whose CRC is right: type, body length, values."""
    layout = _LAYOUTS.get(frame.kind)
    if layout is None:
        return NoiseReason.UNKNOWN
    if not layout.fits(frame.body):
        return NoiseReason.SYNTAX
    if frame.board_us > MAX_BOARD_US:
        return NoiseReason.SANITY
    origin = Origin(source, frame.board_us, frame.body[layout.fields.size :])
    reading = layout.reading(origin, layout.fields.unpack_from(frame.body))
    return NoiseReason.SANITY if reading is None else reading


def _is_temperature(raw: int) -> bool:
    """Return whether ``raw`` (0.01 degC) is in range or a special value."""
    return -5500 <= raw <= 12500 or raw in _NO_TEMPERATURE


def _temperature_c(raw: int) -> float | None:
    return None if raw in _NO_TEMPERATURE else raw / 100


def _hello(origin: Origin, values: Values) -> Reading | None:
    protocol, cause, boots, major, minor, patch, *letters = values
    serial = bytes(letters).decode("latin-1")
    is_text = serial.isascii() and serial.isprintable()
    if protocol != PROTOCOL or cause >= len(_RESET_CAUSES) or not is_text:
        return None
    return BoardReading(
        sensor=origin.sensor("board", 0),
        serial=serial.rstrip(" "),
        firmware=f"{major}.{minor}.{patch}",
        boot_count=boots,
        reset_cause=_RESET_CAUSES[cause],
        board_ns=origin.board_ns,
    )


def _temperature(origin: Origin, values: Values) -> Reading | None:
    channel, raw = values
    if channel > 1 or not _is_temperature(raw):
        return None
    sensor = origin.sensor("temperature", channel)
    return TemperatureReading(sensor, _temperature_c(raw), origin.board_ns)


def _acceleration(origin: Origin, values: Values) -> Reading | None:
    channel, x, y, z, smallest, largest = values
    if channel != 0 or smallest > largest:
        return None
    return AccelerationReading(
        sensor=origin.sensor("acceleration", channel),
        x_m_s2=x / 200,
        y_m_s2=y / 200,
        z_m_s2=z / 200,
        min_m_s2=smallest / 200,
        max_m_s2=largest / 200,
        board_ns=origin.board_ns,
    )


def _orientation(origin: Origin, values: Values) -> Reading | None:
    x, y, z = (raw / 32767 for raw in values)
    if not 0.9 <= math.hypot(x, y, z) <= 1.1:
        return None
    return OrientationReading(origin.sensor("orientation", 0), x, y, z, origin.board_ns)


def _counts(origin: Origin, values: Values) -> Reading | None:
    detector, counts, live_us, real_us, flags, raw_temperature = values
    is_interval = real_us > 0 and live_us <= real_us
    if not is_interval or flags > _VALID + _SATURATED:
        return None
    if not _is_temperature(raw_temperature):
        return None
    return CountReading(
        sensor=origin.sensor("detector", detector),
        counts=counts,
        real_time_ns=real_us * 1000,
        live_time_ns=live_us * 1000,
        is_valid=bool(flags & _VALID),
        is_saturated=bool(flags & _SATURATED),
        temperature_c=_temperature_c(raw_temperature),
        board_ns=origin.board_ns,
    )


def _pressure(origin: Origin, values: Values) -> Reading | None:
    channel, raw = values
    is_fault = raw == _FAULT_U32
    if channel != 0 or not (100_000 <= raw <= 1_200_000 or is_fault):
        return None
    pressure_hpa = None if is_fault else raw / 1000
    return PressureReading(
        origin.sensor("pressure", channel), pressure_hpa, origin.board_ns
    )


def _light(origin: Origin, values: Values) -> Reading | None:
    channel, raw, lid = values
    if channel != 0 or lid >= len(_LIDS):
        return None
    illuminance_lx = None if raw == _FAULT_U32 else raw / 1000
    sensor = origin.sensor("light", channel)
    return LightReading(sensor, illuminance_lx, _LIDS[lid], origin.board_ns)


def _supply(origin: Origin, values: Values) -> Reading | None:
    millivolt, milliampere, percent = values
    if percent > 100 and percent != _UNKNOWN_CHARGE:
        return None
    return SupplyReading(
        sensor=origin.sensor("supply", 0),
        voltage_v=millivolt / 1000,
        current_a=milliampere / 1000,
        charge_ratio=None if percent == _UNKNOWN_CHARGE else percent / 100,
        board_ns=origin.board_ns,
    )


def _waveform(origin: Origin, values: Values) -> Reading | None:
    channel, waveform, part, parts, start_us, rate, corner, scale, n = values
    is_part = part < parts <= 64 and 1 <= n <= 34
    # A waveform is sent after it is complete: its start is not in the future.
    if channel > 1 or not is_part or rate == 0 or start_us > origin.board_us:
        return None
    return WaveformReading(
        sensor=origin.sensor("waveform", channel),
        waveform=waveform,
        part=part,
        parts=parts,
        started_board_ns=start_us * 1000,
        rate_hz=float(rate),
        filter_corner_hz=float(corner),
        scale_m_s2=scale / 1_000_000,
        samples=origin.samples,
        board_ns=origin.board_ns,
    )


_LAYOUTS: Final = {
    _HELLO: Layout(Struct("<BBI3B12B"), _hello),
    0x02: Layout(Struct("<Bh"), _temperature),
    0x03: Layout(Struct("<B3h2H"), _acceleration),
    0x04: Layout(Struct("<3h"), _orientation),
    0x05: Layout(Struct("<BIIIBh"), _counts),
    0x06: Layout(Struct("<BI"), _pressure),
    0x07: Layout(Struct("<BIB"), _light),
    0x08: Layout(Struct("<HhB"), _supply),
    0x09: Layout(Struct("<BHBBQHHIB"), _waveform, sample_bytes=6),
}
