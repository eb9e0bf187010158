"""The contract's captures of the sensor board, decoded and compared.

The bytes and what they mean come from an encoder that shares no code with the
decoder; the scaling here is written from hw/serial-protocol.md, in decimals.
"""

import json
import struct
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.framing import Frame, FrameDecoder
from gateway.sensors.board import Decoder
from schemas.readings import (
    AccelerationReading,
    BoardReading,
    CountReading,
    Lid,
    LightReading,
    Noise,
    OrientationReading,
    PressureReading,
    Reading,
    SupplyReading,
    TemperatureReading,
    WaveformReading,
)

CAPTURES = Path(__file__).parents[2] / "schemas" / "vectors" / "captures"
ALL_TYPES = "board-all-types"
NAMES = sorted({ALL_TYPES, *(path.stem for path in CAPTURES.glob("board-*.bin"))})

Fields = dict[str, Any]


def scaled(raw: int, unit: str, *special: int) -> float | None:
    return None if raw in special else float(Decimal(raw) * Decimal(unit))


def physical(raw: int, unit: str) -> float:
    return float(Decimal(raw) * Decimal(unit))


def hello(said: Fields) -> Reading:
    return BoardReading(
        sensor="board/board-0",
        serial=said["serial"],
        firmware=".".join(map(str, said["firmware"])),
        boot_count=said["boot_count"],
        reset_cause={0: "power-on", 1: "watchdog", 2: "brown-out", 3: "software"}[
            said["reset_cause"]
        ],
        board_ns=said["board_time"] * 1000,
    )


def temperature(said: Fields) -> Reading:
    return TemperatureReading(
        sensor=f"board/temperature-{said['channel']}",
        temperature_c=scaled(said["temperature"], "0.01", 0x7FFF, -32768),
        board_ns=said["board_time"] * 1000,
    )


def acceleration(said: Fields) -> Reading:
    return AccelerationReading(
        sensor=f"board/acceleration-{said['channel']}",
        x_m_s2=physical(said["x"], "0.005"),
        y_m_s2=physical(said["y"], "0.005"),
        z_m_s2=physical(said["z"], "0.005"),
        min_m_s2=physical(said["min"], "0.005"),
        max_m_s2=physical(said["max"], "0.005"),
        board_ns=said["board_time"] * 1000,
    )


def orientation(said: Fields) -> Reading:
    return OrientationReading(
        sensor="board/orientation-0",
        x=said["x"] / 32767,
        y=said["y"] / 32767,
        z=said["z"] / 32767,
        board_ns=said["board_time"] * 1000,
    )


def counts(said: Fields) -> Reading:
    return CountReading(
        sensor=f"board/detector-{said['detector']}",
        counts=said["counts"],
        real_time_ns=said["real_time"] * 1000,
        live_time_ns=said["live_time"] * 1000,
        is_valid=said["flags"] in (1, 3),
        is_saturated=said["flags"] in (2, 3),
        temperature_c=scaled(said["temperature"], "0.01", 0x7FFF, -32768),
        board_ns=said["board_time"] * 1000,
    )


def pressure(said: Fields) -> Reading:
    return PressureReading(
        sensor=f"board/pressure-{said['channel']}",
        pressure_hpa=scaled(said["pressure"], "0.001", 2**32 - 1),
        board_ns=said["board_time"] * 1000,
    )


def light(said: Fields) -> Reading:
    return LightReading(
        sensor=f"board/light-{said['channel']}",
        illuminance_lx=scaled(said["illuminance"], "0.001", 2**32 - 1),
        lid={0: Lid.CLOSED, 1: Lid.OPEN, 2: Lid.UNKNOWN}[said["lid"]],
        board_ns=said["board_time"] * 1000,
    )


def supply(said: Fields) -> Reading:
    return SupplyReading(
        sensor="board/supply-0",
        voltage_v=physical(said["voltage"], "0.001"),
        current_a=physical(said["current"], "0.001"),
        charge_ratio=scaled(said["charge"], "0.01", 255),
        board_ns=said["board_time"] * 1000,
    )


def waveform(said: Fields) -> Reading:
    assert len(said["samples"]) == said["n"]
    return WaveformReading(
        sensor=f"board/waveform-{said['channel']}",
        waveform=said["waveform"],
        part=said["part"],
        parts=said["parts"],
        started_board_ns=said["start"] * 1000,
        rate_hz=said["rate"],
        filter_corner_hz=said["corner"],
        scale_m_s2=physical(said["scale"], "0.000001"),
        samples=b"".join(struct.pack("<3h", *axes) for axes in said["samples"]),
        board_ns=said["board_time"] * 1000,
    )


MEANING: dict[str, Callable[[Fields], Reading]] = {
    "HELLO": hello,
    "TEMPERATURE": temperature,
    "ACCELERATION": acceleration,
    "ORIENTATION": orientation,
    "COUNTS": counts,
    "PRESSURE": pressure,
    "LIGHT": light,
    "SUPPLY": supply,
    "WAVEFORM": waveform,
}
# In the order of the page, which numbers them from 1.
TYPES = list(MEANING)


def load(name: str) -> tuple[bytes, list[Fields]]:
    """A missing capture fails: it is part of the contract, not of the machine."""
    lines = (CAPTURES / f"{name}.expected.jsonl").read_text().splitlines()
    return (CAPTURES / f"{name}.bin").read_bytes(), [json.loads(x) for x in lines]


@pytest.mark.parametrize("name", NAMES)
def test_capture_has_its_provenance(name: str) -> None:
    assert "origin" in (CAPTURES / f"{name}.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_frames_of_the_capture(name: str) -> None:
    data, expected = load(name)
    heads = [(TYPES.index(s["type"]) + 1, s["sequence"]) for s in expected]
    frames = [f for f in FrameDecoder("board").feed(data) if isinstance(f, Frame)]
    assert [(f.kind, f.sequence) for f in frames] == heads
    assert [f.board_us for f in frames] == [said["board_time"] for said in expected]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 10**6])
@pytest.mark.parametrize("name", NAMES)
def test_readings_of_the_capture(name: str, chunk_bytes: int) -> None:
    data, expected = load(name)
    decoder = Decoder("board")
    events: list[Reading | Noise] = []
    for at in range(0, len(data), chunk_bytes):
        events += decoder.feed(data[at : at + chunk_bytes])
    assert events == [MEANING[said["type"]](said) for said in expected]


def test_capture_holds_every_type() -> None:
    _, expected = load(ALL_TYPES)
    assert {said["type"] for said in expected} == set(TYPES)
