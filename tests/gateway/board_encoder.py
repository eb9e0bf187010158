"""An encoder of the sensor board's frames, written from hw/serial-protocol.md.

Slow and obvious; it shares no code with the decoder and no library with it either:
the CRC is computed bit by bit from the polynomial.
"""

import struct

HELLO, TEMPERATURE, ACCELERATION, ORIENTATION, COUNTS = 1, 2, 3, 4, 5
PRESSURE, LIGHT, SUPPLY, WAVEFORM = 6, 7, 8, 9

GOOD_BODIES: dict[int, bytes] = {
    HELLO: struct.pack("<BBIBBB12s", 1, 3, 7, 1, 2, 3, b"DT-0042".ljust(12)),
    TEMPERATURE: struct.pack("<Bh", 0, 2156),
    ACCELERATION: struct.pack("<BhhhHH", 0, -2, 4, 1961, 1950, 1980),
    ORIENTATION: struct.pack("<hhh", 0, 0, 32767),
    COUNTS: struct.pack("<BIIIBh", 1, 12345, 990_000, 1_000_000, 1, -1234),
    PRESSURE: struct.pack("<BI", 0, 1_013_250),
    LIGHT: struct.pack("<BIB", 0, 12_345, 0),
    SUPPLY: struct.pack("<HhB", 3912, -120, 87),
    WAVEFORM: struct.pack("<BHBBQHHIB", 1, 9, 0, 2, 1_000, 3200, 800, 957_690, 2)
    + struct.pack("<6h", 1, -1, 256, 32767, -32768, 0),
}


def crc32_bitwise(data: bytes) -> int:
    """CRC-32 (ISO-HDLC): 0x04C11DB7 reflected, start and final XOR 0xFFFFFFFF."""
    reflected = int(f"{0x04C11DB7:032b}"[::-1], 2)
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (reflected if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def cobs(data: bytes) -> bytes:
    """COBS for fewer than 254 bytes: each stretch without 00, behind its length."""
    assert len(data) < 254
    return b"".join(bytes([len(part) + 1]) + part for part in data.split(b"\x00"))


def encoded(kind: int, body: bytes, sequence: int = 0, board_us: int = 0) -> bytes:
    """What stands between the two 00 of a frame."""
    content = struct.pack("<BHQ", kind, sequence, board_us) + body
    return cobs(content + struct.pack("<I", crc32_bitwise(content)))


def frame(kind: int, body: bytes, sequence: int = 0, board_us: int = 0) -> bytes:
    """A frame as it goes over the line, with its leading and its final 00."""
    return b"\x00" + encoded(kind, body, sequence, board_us) + b"\x00"
