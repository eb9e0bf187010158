"""The simulator's frames taken apart, slowly and by the book."""

import struct
from typing import NamedTuple


class Frame(NamedTuple):
    """One undamaged frame."""

    kind: int
    sequence: int
    board_us: int
    body: bytes


def crc_bitwise(data: bytes) -> int:
    """Return CRC-32/ISO-HDLC, bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def unstuff(stuffed: bytes) -> bytes:
    """Undo COBS by the book: code byte, code - 1 bytes, a zero if code < 255."""
    out, at = bytearray(), 0
    while at < len(stuffed):
        code = stuffed[at]
        assert code != 0
        out += stuffed[at + 1 : at + code]
        at += code
        if code < 255 and at < len(stuffed):
            out.append(0)
    assert at == len(stuffed)
    return bytes(out)


def frames(data: bytes) -> list[Frame]:
    """Take an undamaged stream apart."""
    found = []
    for part in data.split(b"\x00"):
        if part:
            plain = unstuff(part)
            assert crc_bitwise(plain[:-4]).to_bytes(4, "little") == plain[-4:]
            kind, sequence, board_us = struct.unpack("<BHQ", plain[:11])
            found.append(Frame(kind, sequence, board_us, plain[11:-4]))
    return found
