"""Sensor board to serial line: the encoder.

Frame (normative: hw/serial-protocol.md, section 2)::

    00 | COBS( TT SS SS BB BB BB BB BB BB BB BB PP .. PP CC CC CC CC ) | 00

Values go in as the scaled integers of the page; scaling is :mod:`boards`' work.
Written from the page alone: it shares no code with any decoder.
"""

import struct
import zlib
from enum import IntEnum
from typing import Final

SEQUENCE_MODULUS: Final = 1 << 16
MAX_BODY_BYTES: Final = 232
MAX_WAVEFORM_SAMPLES: Final = 34
MAX_WAVEFORM_PARTS: Final = 64
PROTOCOL_VERSION: Final = 1

SENSOR_FAULT: Final = 0x7FFF
NOT_CONNECTED: Final = -0x8000
VALUE_FAULT_U32: Final = 0xFFFF_FFFF
CHARGE_UNKNOWN: Final = 255


class Type(IntEnum):
    """Frame types, section 3."""

    HELLO = 0x01
    TEMPERATURE = 0x02
    ACCELERATION = 0x03
    ORIENTATION = 0x04
    COUNTS = 0x05
    PRESSURE = 0x06
    LIGHT = 0x07
    SUPPLY = 0x08
    WAVEFORM = 0x09


_HEAD: Final = struct.Struct("<BHQ")
_CRC: Final = struct.Struct("<I")
_HELLO: Final = struct.Struct("<BBI3B12s")
_TEMPERATURE: Final = struct.Struct("<Bh")
_ACCELERATION: Final = struct.Struct("<B3h2H")
_ORIENTATION: Final = struct.Struct("<3h")
_COUNTS: Final = struct.Struct("<BIIIBh")
_PRESSURE: Final = struct.Struct("<BI")
_LIGHT: Final = struct.Struct("<BIB")
_SUPPLY: Final = struct.Struct("<HhB")
_WAVEFORM: Final = struct.Struct("<BHBBQHHIB")


def cobs(data: bytes) -> bytes:
    """Return ``data`` without any 00, Consistent Overhead Byte Stuffing.

    Source: Cheshire and Baker (1999), IEEE/ACM Trans. Networking 7.
    """
    out = bytearray()
    blocks = data.split(b"\x00")
    for number, block in enumerate(blocks):
        rest = block
        while len(rest) >= 254:
            out += b"\xff" + rest[:254]
            rest = rest[254:]
        # A full block stands for itself: at the end nothing has to follow it.
        if rest or not block or number < len(blocks) - 1:
            out += bytes((len(rest) + 1,)) + rest
    return bytes(out)


def frame(kind: Type, sequence: int, board_us: int, body: bytes) -> bytes:
    """Return one frame with its delimiters.

    Raises:
        ValueError: the body is longer than a frame may carry.
    """
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"{len(body)} bytes of body, at most {MAX_BODY_BYTES}")
    content = _HEAD.pack(kind, sequence % SEQUENCE_MODULUS, board_us) + body
    return b"\x00" + cobs(content + _CRC.pack(zlib.crc32(content))) + b"\x00"


def hello(
    reset_cause: int, boot_count: int, firmware: tuple[int, int, int], serial: str
) -> bytes:
    """Return the body of HELLO; ``serial`` has at most 12 ASCII characters."""
    padded = serial.encode("ascii").ljust(12)
    return _HELLO.pack(PROTOCOL_VERSION, reset_cause, boot_count, *firmware, padded)


def temperature(channel: int, centi_c: int) -> bytes:
    """Return the body of TEMPERATURE."""
    return _TEMPERATURE.pack(channel, centi_c)


def acceleration(
    channel: int, mean: tuple[int, int, int], smallest: int, largest: int
) -> bytes:
    """Return the body of ACCELERATION, all in 0.005 m/s2."""
    return _ACCELERATION.pack(channel, *mean, smallest, largest)


def orientation(x: int, y: int, z: int) -> bytes:
    """Return the body of ORIENTATION, in 1/32767."""
    return _ORIENTATION.pack(x, y, z)


def counts(
    detector: int, counted: int, live_us: int, real_us: int, flags: int, centi_c: int
) -> bytes:
    """Return the body of COUNTS."""
    return _COUNTS.pack(detector, counted, live_us, real_us, flags, centi_c)


def pressure(channel: int, deci_pa: int) -> bytes:
    """Return the body of PRESSURE."""
    return _PRESSURE.pack(channel, deci_pa)


def light(channel: int, milli_lx: int, lid: int) -> bytes:
    """Return the body of LIGHT."""
    return _LIGHT.pack(channel, milli_lx, lid)


def supply(voltage_mv: int, current_ma: int, charge_percent: int) -> bytes:
    """Return the body of SUPPLY."""
    return _SUPPLY.pack(voltage_mv, current_ma, charge_percent)


def waveform(
    head: tuple[int, int, int, int, int, int, int, int], samples: bytes
) -> bytes:
    """Return the body of WAVEFORM.

    Args:
        head: channel, waveform, part, parts, start (us), rate (Hz), corner (Hz),
            scale (um/s2 per unit).
        samples: n x 3 little-endian int16, n from 1 to 34.
    """
    return _WAVEFORM.pack(*head, len(samples) // 6) + samples
