"""Serial bytes of the sensor board to frames, without I/O.

Frame layout (normative: hw/serial-protocol.md, section 2)::

    00 | COBS( TT SS SS BB BB BB BB BB BB BB BB PP .. PP CC CC CC CC ) | 00

- T: type of the frame           - S: sequence number of this board
- B: board time, microseconds    - P: body, 0 to 232 bytes
- C: CRC-32 (ISO-HDLC) over T, S, B and P

Integers are little-endian. COBS leaves no 00 inside a frame, so that 00 only ever
ends one: whatever came before, the frame after the next 00 is read. Noise is normal
on a serial line; it is reported as a value and never raised.
"""

import struct
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from schemas.readings import Noise, NoiseReason

MIN_FRAME_BYTES: Final = 15
MAX_FRAME_BYTES: Final = 247
MIN_ENCODED_BYTES: Final = MIN_FRAME_BYTES + 1
MAX_ENCODED_BYTES: Final = 249
# A line that never sends 00 (stuck, wrong speed) must still be counted: its bytes
# are reported in pieces of this size.
NOISE_PIECE_BYTES: Final = 4096
EXCERPT_BYTES: Final = 32

_HEAD: Final = struct.Struct("<BHQ")
_CRC: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame whose CRC is right; type and body are not judged yet."""

    kind: int
    sequence: int
    board_us: int
    body: bytes

    def content(self) -> bytes:
        """Return T, S, B and P as the board sent them, 11 to 243 bytes."""
        return _HEAD.pack(self.kind, self.sequence, self.board_us) + self.body


class FrameDecoder:
    """Turn a stream of bytes into frames and noise.

    ``source`` names the line in every :class:`~schemas.readings.Noise`. At most
    ``MAX_ENCODED_BYTES + 1`` bytes are kept between calls, whatever is fed.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._pending = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> list[Frame | Noise]:
        """Return everything that ``data`` completes, oldest first.

        Any bytes are accepted, cut anywhere.
        """
        events: list[Frame | Noise] = []
        *ended, rest = data.split(b"\x00")
        for piece in ended:
            self._append(piece, events)
            if self._size:
                events.append(self._finish())
        self._append(rest, events)
        return events

    def _append(self, piece: bytes, events: list[Frame | Noise]) -> None:
        """Keep what a frame can need of ``piece``, count the rest."""
        self._pending += piece[: MAX_ENCODED_BYTES + 1 - len(self._pending)]
        self._size += len(piece)
        while self._size > NOISE_PIECE_BYTES:
            events.append(self._noise(NoiseReason.LENGTH, NOISE_PIECE_BYTES))
            self._size -= NOISE_PIECE_BYTES

    def _finish(self) -> Frame | Noise:
        outcome = _parse(bytes(self._pending))
        event = (
            outcome if isinstance(outcome, Frame) else self._noise(outcome, self._size)
        )
        self._pending.clear()
        self._size = 0
        return event

    def _noise(self, reason: NoiseReason, size: int) -> Noise:
        return Noise(self._source, reason, size, bytes(self._pending[:EXCERPT_BYTES]))


def _parse(encoded: bytes) -> Frame | NoiseReason:
    """Judge the bytes between two 00 in the order length, COBS, length, CRC."""
    if not MIN_ENCODED_BYTES <= len(encoded) <= MAX_ENCODED_BYTES:
        return NoiseReason.LENGTH
    decoded = _cobs_decode(encoded)
    if decoded is None:
        return NoiseReason.FRAMING
    if len(decoded) > MAX_FRAME_BYTES:
        return NoiseReason.LENGTH
    content = decoded[: -_CRC.size]
    if crc32(content) != _CRC.unpack(decoded[-_CRC.size :])[0]:
        return NoiseReason.CHECKSUM
    kind, sequence, board_us = _HEAD.unpack_from(content)
    return Frame(kind, sequence, board_us, content[_HEAD.size :])


def _cobs_decode(encoded: bytes) -> bytes | None:
    """Return the bytes that ``encoded`` (without 00) stands for; None if broken.

    Each block is a code byte and ``code - 1`` bytes; a 00 stands between blocks. A
    block of code 255, after which no 00 stands, is longer than any frame here and
    so always runs past the end.

    Source: Cheshire and Baker (1999), IEEE/ACM Transactions on Networking 7(2).
    """
    blocks: list[bytes] = []
    at, end = 0, len(encoded)
    while at < end:
        after = at + encoded[at]
        blocks.append(encoded[at + 1 : after])
        at = after
    return b"\x00".join(blocks) if at == end else None
