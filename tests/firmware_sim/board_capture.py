"""The golden capture with every frame type, and what it says.

``python -m tests.firmware_sim.board_capture`` writes it to schemas/vectors/captures/;
a test compares. Changing a file there is a change of the contract.
"""

import json
import struct
from pathlib import Path
from typing import Any

from firmware_sim import wire
from firmware_sim.wire import Type

CAPTURES = Path(__file__).parents[2] / "schemas" / "vectors" / "captures"
NAME = "board-all-types"

Entry = tuple[Type, dict[str, Any], bytes]


def _hello(cause: int, boots: int) -> Entry:
    fields = {
        "protocol": 1,
        "reset_cause": cause,
        "boot_count": boots,
        "firmware": [1, 2, 3],
        "serial": "DT-00042",
    }
    return Type.HELLO, fields, wire.hello(cause, boots, (1, 2, 3), "DT-00042")


def _temperature(channel: int, value: int) -> Entry:
    fields = {"channel": channel, "temperature": value}
    return Type.TEMPERATURE, fields, wire.temperature(channel, value)


def _acceleration(mean: tuple[int, int, int], low: int, high: int) -> Entry:
    x, y, z = mean
    fields = {"channel": 0, "x": x, "y": y, "z": z, "min": low, "max": high}
    return Type.ACCELERATION, fields, wire.acceleration(0, mean, low, high)


def _orientation(x: int, y: int, z: int) -> Entry:
    return Type.ORIENTATION, {"x": x, "y": y, "z": z}, wire.orientation(x, y, z)


def _counts(*values: int) -> Entry:
    names = ("detector", "counts", "live_time", "real_time", "flags", "temperature")
    return Type.COUNTS, dict(zip(names, values, strict=True)), wire.counts(*values)


def _pressure(value: int) -> Entry:
    return Type.PRESSURE, {"channel": 0, "pressure": value}, wire.pressure(0, value)


def _light(illuminance: int, lid: int) -> Entry:
    fields = {"channel": 0, "illuminance": illuminance, "lid": lid}
    return Type.LIGHT, fields, wire.light(0, illuminance, lid)


def _supply(voltage: int, current: int, charge: int) -> Entry:
    fields = {"voltage": voltage, "current": current, "charge": charge}
    return Type.SUPPLY, fields, wire.supply(voltage, current, charge)


def _waveform(part: int, samples: list[tuple[int, int, int]]) -> Entry:
    names = (
        *("channel", "waveform", "part", "parts"),
        *("start", "rate", "corner", "scale"),
    )
    head = (1, 258, part, 2, 12_345_678, 3200, 1600, 98_066)
    fields = dict(zip(names, head, strict=True)) | {
        "n": len(samples),
        "samples": [list(sample) for sample in samples],
    }
    packed = b"".join(struct.pack("<3h", *sample) for sample in samples)
    return Type.WAVEFORM, fields, wire.waveform(head, packed)


def _entries() -> list[tuple[int, Entry]]:
    """Return (board time in us, frame) in the order of sending."""
    full = [(k - 17, 2 * k, -600 * k) for k in range(34)]
    return [
        (500_000, _hello(0, 1)),
        (10_000_000, _counts(0, 38, 9_492_780, 9_500_000, 0, 2013)),
        (10_000_000, _counts(1, 0, 9_500_000, 9_500_000, 1, 0)),
        (10_000_000, _counts(2, 31_000, 4_110_000, 10_000_000, 3, 0x7FFF)),
        (10_000_000, _acceleration((0, -256, 1961), 1950, 1972)),
        (10_000_000, _orientation(0, 4277, -32487)),
        (10_000_000, _temperature(0, 2137)),
        (10_000_000, _temperature(1, -1850)),
        (10_000_000, _pressure(1_013_250)),
        (10_000_000, _light(4, 0)),
        (10_000_000, _supply(13_274, 320, 100)),
        (20_000_000, _counts(0, 256, 9_951_360, 10_000_000, 1, -32768)),
        (20_000_000, _acceleration((-32768, 32767, 0), 20, 65535)),
        (20_000_000, _orientation(-32767, 0, 0)),
        (20_000_000, _temperature(0, 0x7FFF)),
        (20_000_000, _temperature(1, -0x8000)),
        (20_000_000, _pressure(0xFFFF_FFFF)),
        (20_000_000, _light(0xFFFF_FFFF, 2)),
        (20_000_000, _light(320_000, 1)),
        (20_000_000, _supply(12_800, -1500, 255)),
        (20_000_000, _waveform(0, full)),
        (20_000_000, _waveform(1, [(0, 0, 0), (32767, -32768, 1)])),
        (500_000, _hello(1, 2)),
        (4_294_967_296_000_000, _pressure(765_000)),
    ]


def capture() -> tuple[bytes, list[dict[str, Any]]]:
    """Return the bytes of the capture and one object per frame, in page terms."""
    data, expected, sequence = b"", [], 0
    for board_us, (kind, fields, body) in _entries():
        if kind is Type.HELLO:
            sequence = 0
        data += wire.frame(kind, sequence, board_us, body)
        expected.append(
            {"type": kind.name, "sequence": sequence, "board_time": board_us} | fields
        )
        sequence += 1
    return data, expected


def main() -> None:
    """Write the capture."""
    data, expected = capture()
    CAPTURES.mkdir(parents=True, exist_ok=True)
    (CAPTURES / f"{NAME}.bin").write_bytes(data)
    lines = "".join(json.dumps(entry) + "\n" for entry in expected)
    (CAPTURES / f"{NAME}.expected.jsonl").write_text(lines)


if __name__ == "__main__":
    main()
