"""How fast the gateway's core takes readings and closes reports.

``python tests/benchmarks/bench_station.py [--json]``: readings per second through
Station.take with the mix of a sensor board (3 detectors, 14 readings a second), and
report closes per second with the witness over a full hour of one-minute bins.
"""

import json
import sys
import time
from pathlib import Path

from gateway.estimator.container import read_container
from gateway.estimator.warming import warm_up
from gateway.station import Station, StationPlan
from gateway.timekeeping import Timekeeper
from schemas.commands import Assign
from schemas.readings import (
    AccelerationReading,
    CountReading,
    Fix,
    Lid,
    LightReading,
    OrientationReading,
    PositionReading,
    PressureReading,
    Reading,
    SupplyReading,
    TemperatureReading,
)
from tests.builders import CONTAINER_DIGEST, START_NS, contents, limits

NS = 10**9
MODEL = Path(__file__).parents[2] / "hw" / "containers" / "overpack-10mm.toml"


def second_of_readings(second: int) -> list[tuple[str, Reading]]:
    at_ns = second * NS
    board: list[Reading] = [
        CountReading(f"board/detector-{i}", 2, NS, NS - 400_000, temperature_c=25.0,
                     board_ns=at_ns)
        for i in range(3)
    ]  # fmt: skip
    board += [
        TemperatureReading(f"board/temperature-{i}", 20.0, at_ns) for i in range(2)
    ]
    board += [
        AccelerationReading("board/acceleration-0", 0, 0, -9.8, 9.6, 10.0, at_ns)
        for _ in range(5)
    ]
    board += [
        OrientationReading("board/orientation-0", 0.0, 0.0, -1.0, at_ns),
        PressureReading("board/pressure-0", 1009.0, at_ns),
        LightReading("board/light-0", 0.0, Lid.CLOSED, at_ns),
        SupplyReading("board/supply-0", 12.1, 0.4, 0.8, at_ns),
    ]
    place = PositionReading(
        "gps/position", Fix.FIX_3D, 45.4, 7.9, 250.0, START_NS + at_ns, 20.0
    )
    return [*(("board", reading) for reading in board), ("gps", place)]


def station() -> Station:
    model = read_container(MODEL.read_bytes(), str(MODEL))
    timekeeper = Timekeeper(0)
    timekeeper.take_receipt(START_NS, 0)
    plan = StationPlan(model, ("board", "gps"), 60 * NS, gps_sets_clock=True)
    found = Station(plan, timekeeper, 0)
    body = Assign("SH-1", (contents(),), limits(), CONTAINER_DIGEST)
    found.follow(body, is_loaded=True)
    return found


def readings_per_s(seconds: int = 7200) -> float:
    core = station()
    mix = [second_of_readings(second) for second in range(seconds)]
    start_s = time.perf_counter()
    for second, readings in enumerate(mix):
        for line, reading in readings:
            core.take(line, reading, second * NS + 3_000_000)
    return sum(map(len, mix)) / (time.perf_counter() - start_s)


def closes_per_s(reports: int = 600) -> float:
    """Time of a close alone, with an hour of bins in the window."""
    core = station()
    spent_s, measured = 0.0, 0
    for minute in range(reports + 60):
        for line, reading in second_of_readings(minute * 60 + 30):
            core.take(line, reading, (minute * 60 + 30) * NS)
        start_s = time.perf_counter()
        core.finish((minute + 1) * 60 * NS)
        if minute >= 60:
            spent_s += time.perf_counter() - start_s
            measured += 1
    return measured / spent_s


def main() -> None:
    """Print a table, or one line of JSON with ``--json``."""
    warm_up()
    found = {
        "station_readings_per_s": round(max(readings_per_s() for _ in range(3))),
        "station_closes_per_s": round(max(closes_per_s() for _ in range(3))),
    }
    if "--json" in sys.argv[1:]:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:28} {value:>10,}")


if __name__ == "__main__":
    main()
