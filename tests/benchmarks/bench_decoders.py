"""How fast the sensor board's bytes become readings.

Runs alone, from the project's root::

    python -m tests.benchmarks.bench_decoders [--json] [--seconds 1.0]

Feeds a fixed mix of frames (one minute of a board at the default intervals, with
one waveform of eight parts) in chunks of 4096 and of 64 bytes, for at least the given
time each, and prints the best round: frames/s, microseconds per frame, MB/s. With
``--json`` it prints one line of JSON instead.
"""

import argparse
import json
import platform
import struct
import time
from collections.abc import Iterator

from gateway.framing import FrameDecoder
from gateway.sensors.board import Decoder
from schemas.readings import Noise
from tests.gateway.board_encoder import (
    ACCELERATION,
    COUNTS,
    GOOD_BODIES,
    HELLO,
    LIGHT,
    ORIENTATION,
    PRESSURE,
    SUPPLY,
    TEMPERATURE,
    WAVEFORM,
    frame,
)

CHUNK_BYTES = (4096, 64)
EVERY_SECOND = (COUNTS, ACCELERATION, ORIENTATION)
EVERY_TEN_SECONDS = (TEMPERATURE, PRESSURE, LIGHT, SUPPLY)


def kinds() -> Iterator[tuple[int, bytes, int]]:
    """One minute of a board: type, body and board time of each frame."""
    yield HELLO, GOOD_BODIES[HELLO], 1_000
    for second in range(1, 61):
        for kind in EVERY_SECOND + (EVERY_TEN_SECONDS if second % 10 == 0 else ()):
            yield kind, GOOD_BODIES[kind], second * 1_000_000
    for part in range(8):
        head = struct.pack("<BHBBQHHIB", 1, 3, part, 8, 59_000_000, 3200, 800, 1, 34)
        yield WAVEFORM, head + bytes(range(1, 205)), 60_000_001


def minute() -> tuple[bytes, int]:
    """The bytes of that minute and how many frames they are."""
    frames = [
        frame(kind, body, sequence, board_us)
        for sequence, (kind, body, board_us) in enumerate(kinds())
    ]
    return b"".join(frames), len(frames)


def feed(decoder: Decoder | FrameDecoder, data: bytes, chunk_bytes: int) -> int:
    """Feed ``data`` in chunks; return how many good events came of it."""
    good = 0
    for at in range(0, len(data), chunk_bytes):
        for event in decoder.feed(data[at : at + chunk_bytes]):
            good += not isinstance(event, Noise)
    return good


def measure(
    name: str, chunk_bytes: int, seconds: float
) -> dict[str, str | int | float]:
    """Feed the minute until ``seconds`` have passed; report the best round."""
    data, frames = minute()
    best_s, spent_s = float("inf"), 0.0
    while spent_s < seconds:
        decoder = Decoder() if name == "readings" else FrameDecoder("board")
        before = time.perf_counter()
        good = feed(decoder, data, chunk_bytes)
        took_s = time.perf_counter() - before
        if good != frames:
            raise SystemExit(f"{frames} frames fed, {good} came out: no measurement")
        best_s, spent_s = min(best_s, took_s), spent_s + took_s
    return {
        "decoder": name,
        "chunk_bytes": chunk_bytes,
        "frames_per_s": round(frames / best_s),
        "us_per_frame": round(best_s / frames * 1e6, 2),
        "mb_per_s": round(len(data) / best_s / 1e6, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--seconds", type=float, default=1.0, help="per line, about")
    options = parser.parse_args()
    rows = [
        measure(name, chunk_bytes, options.seconds)
        for name in ("frames", "readings")
        for chunk_bytes in CHUNK_BYTES
    ]
    if options.json:
        machine = f"{platform.machine()}, Python {platform.python_version()}"
        print(json.dumps({"benchmark": "decoders", "machine": machine, "rows": rows}))
        return
    print(f"{'decoder':10}{'chunk B':>8}{'frames/s':>12}{'us/frame':>10}{'MB/s':>8}")
    for row in rows:
        print(
            f"{row['decoder']:10}{row['chunk_bytes']:>8}{row['frames_per_s']:>12}"
            f"{row['us_per_frame']:>10}{row['mb_per_s']:>8}"
        )


if __name__ == "__main__":
    main()
