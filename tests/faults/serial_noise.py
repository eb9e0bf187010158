"""Noise on a serial line: what the decoders make of it.

    .venv/bin/python -m tests.faults.serial_noise --mb 1000 [--seed 0] [--json]

Bursts of noise (random bytes, a stuck line, frames with flipped bits, frames cut and
glued), each followed by three good frames, are fed to the decoders in pieces of any
size. Nothing may be raised, a good frame may be missing for two frames at most after a
burst, and what was not sent may not be read more often than the checksum allows.
"""

import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random
from typing import Final

from gateway.sensors import DECODERS, Decoder
from schemas.readings import CountReading, Noise, PositionReading, TemperatureReading
from tests.faults.rig import Finding, conclude, hush, print_progress, rig_parser
from tests.gateway.board_encoder import TEMPERATURE, cobs, crc32_bitwise

FULL_MB: Final = 1000
GOOD_FRAMES: Final = 3
LONGEST_BURST: Final = 16_384
# The board's checksum; a frame with flipped bits passes once in 2**32.
CHANCE: Final = 2.0**-32
Frame = Callable[[int], bytes]


def board_frame(number: int) -> bytes:
    """Return a frame whose temperature and board time tell its number."""
    body = struct.pack("<Bh", 0, number % 10_000)
    head = struct.pack("<BHQ", TEMPERATURE, number % 65_536, number * 1000)
    content = head + body
    return b"\0" + cobs(content + struct.pack("<I", crc32_bitwise(content))) + b"\0"


def nmea_frame(number: int) -> bytes:
    """Return a fix whose altitude tells its number."""
    at = f"{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}"
    text = f"GNGGA,{at}.00,4527.0000,N,00753.0000,E,1,09,0.9,{number % 10_000}.0"
    text += ",M,47.0,M,,"
    return f"${text}*{_xor(text):02X}\r\n".encode()


def bgeigie_frame(number: int) -> bytes:
    """Return a sentence whose total of counts and altitude tell its number."""
    text = f"BNRDD,300,2026-11-25T12:00:00Z,30,1,{number},A"
    text += f",4527.0000,N,00753.0000,E,{number % 10_000}.00,A,7,99"
    return f"${text}*{_xor(text):02X}\r\n".encode()


def _xor(text: str) -> int:
    found = 0
    for byte in text.encode():
        found ^= byte
    return found


FRAMES: Final[dict[str, Frame]] = {
    "board": board_frame,
    "nmea": nmea_frame,
    "bgeigie": bgeigie_frame,
}


def burst(rng: Random, good: bytes, *, may_flip: bool) -> bytes:
    """Return noise of one kind, up to 16 KiB."""
    size = rng.randint(1, LONGEST_BURST)
    kinds = ("random", "random", "stuck", *(("flipped", "cut") if may_flip else ()))
    match rng.choice(kinds):
        case "random":
            return rng.randbytes(size)
        case "stuck":
            return bytes([rng.randrange(256)]) * size
        case "cut":
            cut = [good[: rng.randrange(len(good))] for _ in range(rng.randint(1, 50))]
            return b"".join(cut)
        case _:
            return b"".join(_flipped(rng, good) for _ in range(rng.randint(1, 50)))


def _flipped(rng: Random, good: bytes) -> bytes:
    data = bytearray(good)
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _pieces(rng: Random, data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = rng.choice((1, 7, 64, 4096, 4096, 4096))
        yield data[at : at + size]
        at += size


class Listener:
    """One decoder, and what it has read of what was sent."""

    def __init__(self, protocol: str, rng: Random, counts: Counter[str]) -> None:
        self.frame = FRAMES[protocol]
        self._decoder: Decoder = DECODERS[protocol]("line")
        self._is_board = protocol == "board"
        self._rng = rng
        self._counts = counts
        self._numbers = count(1)

    def burst(self) -> int:
        """Feed one burst and three good frames; return how much noise it was."""
        first = next(self._numbers)
        sent = [first, *(next(self._numbers) for _ in range(GOOD_FRAMES - 1))]
        noise = burst(self._rng, self.frame(first - 1), may_flip=self._is_board)
        data = noise + b"".join(map(self.frame, sent))
        items = [
            item
            for piece in _pieces(self._rng, data)
            for item in self._decoder.feed(piece)
        ]
        self._judge(items, sent)
        return len(noise)

    def _judge(self, items: Sequence[object], sent: list[int]) -> None:
        read = [_number(item) for item in items if not isinstance(item, Noise)]
        known = {sent[0] - 1: 0} | {one: at for at, one in enumerate(sent)}
        moduli = {one % 10_000 for one in known}
        self._counts["noise-items"] += len(items) - len(read)
        # A cut copy of the last good frame that is whole is that frame.
        self._counts["false"] += sum(one not in moduli for one in read)
        self._counts["late"] += sent[-1] % 10_000 not in read
        self._counts["bursts"] += 1
        lost = sum(one % 10_000 not in read for one in sent)
        self._counts[f"lost-{lost}"] += 1


def _number(item: object) -> int:
    match item:
        case TemperatureReading(temperature_c=float(value)):
            return round(value * 100) % 10_000
        case PositionReading(altitude_m=float(value)):
            return round(value)
        case CountReading(total_counts=int(value)):
            return value % 10_000
        case _:
            return -1


def make_noise(size: int, seed: int) -> Counter[str]:
    """Feed at least ``size`` bytes of noise, a third to each decoder."""
    names = ("bursts", "noise-bytes", "noise-items", "false", "late")
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    for protocol in FRAMES:
        listener = Listener(protocol, Random(f"{seed}/{protocol}"), counts)
        fed = told = 0
        while fed < size / len(FRAMES):
            fed += listener.burst()
            if fed > told + 50_000_000:
                told = fed
                print_progress(f"{protocol}: {fed // 1_000_000} MB")
        counts["noise-bytes"] += fed
    return counts


def find(mb: float, seed: int) -> list[Finding]:
    """Make noise and count."""
    counts = make_noise(round(mb * 1e6), seed)
    lost = ", ".join(f"{counts[f'lost-{n}']:,} x {n}" for n in range(GOOD_FRAMES + 1))
    allowed = counts["noise-items"] * CHANCE
    measured = (
        f"{counts['noise-bytes'] / 1e6:,.0f} MB in {counts['bursts']:,} bursts, "
        f"nothing raised; good frames lost after a burst: {lost}; read and never sent: "
        f"{counts['false']} (the checksum allows {allowed:.2g})"
    )
    asked = "1 GB of serial noise: 0 crashes, in step within 2 frames, 0 false accepts"
    is_held = counts["late"] == 0 and counts["false"] <= allowed
    return [Finding("F16 noise", asked, measured, is_held, mb >= FULL_MB)]


def main() -> int:
    """Make noise, print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--mb", type=float, default=FULL_MB)
    given = parser.parse_args()
    hush()
    return conclude(find(given.mb, given.seed), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
