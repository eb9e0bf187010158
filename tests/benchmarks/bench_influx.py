"""Speed of the series in InfluxDB: writing, and what a page asks of one shipment.

Writing is compared, in the same run and on the same server, with ``influxdb-client``
given lines that were prepared before; the projection's writer makes its lines too.
Rounds alternate and the median counts. Reading asks for a shipment of 72 h, a report
a minute, among 1 M points; ``--full`` among 10 M.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from cloud.adapters.influx_lines import LineMaker
from cloud.adapters.influx_series import InfluxSeries
from cloud.adapters.influx_server import RETENTION
from cloud.adapters.influx_writer import BATCH, LineWriter
from cloud.adapters.series_rows import PointRow, PositionRow, Rows
from cloud.config import InfluxConfig
from tests.builders import EPOCH, START_NS
from tests.servers import Server, influxd, running

MINUTE_NS = 60 * 10**9
HOURS = 72
CHANNELS = tuple(
    (f"board/sensor-{at}", quantity)
    for at in range(4)
    for quantity in ("temperature_c", "count_rate_per_s", "pressure_hpa", "ratio")
)
TARGET_RATIO = 0.8
TARGET_MS = 50.0
ROUNDS = 5


def points(gateway: str, minutes: int) -> Iterator[PointRow]:
    """Yield the points of a gateway, minute by minute."""
    for minute in range(minutes):
        at_ns = START_NS + minute * MINUTE_NS + minute
        for number, (sensor, quantity) in enumerate(CHANNELS):
            value = 20.0 + (minute * 7919 + number * 104729) % 10007 / 997
            bounds = (value - 0.37, value + 0.41)
            yield PointRow(gateway, sensor, quantity, at_ns, EPOCH, value, *bounds)


def positions(gateway: str, minutes: int) -> list[PositionRow]:
    """Return a position a minute."""
    return [
        PositionRow(gateway, START_NS + m * MINUTE_NS, EPOCH, "3d", 45 + m / 1e4, 7, 2)
        for m in range(minutes)
    ]


def writing(server: Server, count: int) -> dict[str, float]:
    """Return points a second of our writer and of the client with ready lines."""
    minutes = count // len(CHANNELS)
    rows = Rows(points=list(points("gw-write", minutes)))
    lines = LineMaker().lines(rows)
    batches = [
        "\n".join(lines[at : at + BATCH]).encode() for at in range(0, len(lines), BATCH)
    ]
    series = InfluxSeries(":memory:", InfluxConfig(url=server.url, database="w"))
    series.prepare()
    plain: Any = InfluxDBClient(server.url, token="", org="", enable_gzip=True)
    route(plain)
    api = plain.write_api(write_options=SYNCHRONOUS)
    writer = LineWriter(series._server)

    def ours() -> None:
        writer.write(LineMaker().lines(rows))

    def ready() -> None:
        for batch in batches:
            api.write("w", "", batch, "ns")

    ours_s, ready_s = alternating(ours, ready)
    plain.close()
    series.close()
    return {
        "points": len(lines),
        "ours_points_per_s": round(len(lines) / ours_s),
        "client_points_per_s": round(len(lines) / ready_s),
        "ratio": round(ready_s / ours_s, 2),
        "target_ratio": TARGET_RATIO,
    }


def route(client: Any) -> None:  # noqa: ANN401 - its methods are replaced
    """Send the client's writes to the route of 1.x, gzip as it has it."""
    plainly = client.api_client.call_api
    body_of = client.conf.update_request_body
    headers_of = client.conf.update_request_header_params

    def call(_path: str, method: str, *places: object, **more: object) -> object:
        query = [("db", "w"), ("rp", RETENTION), ("precision", "ns")]
        return plainly("/write", method, places[0], query, places[2], **more)

    client.api_client.call_api = call
    client.conf.update_request_body = lambda _path, body: body_of("/api/v2/write", body)
    client.conf.update_request_header_params = lambda _path, headers: headers_of(
        "/api/v2/write", headers
    )


def alternating(*works: Callable[[], None]) -> list[float]:
    """Return the median time of each, run in turn."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS + 1):
        for work, times in zip(works, taken, strict=True):
            start_s = time.perf_counter()
            work()
            times.append(time.perf_counter() - start_s)
    return [statistics.median(times[1:]) for times in taken]


def reading(server: Server, folder: Path, count: int) -> dict[str, float]:
    """Return the median time of each question of a page, ms, among ``count``."""
    config = InfluxConfig(url=server.url, database="r")
    series = InfluxSeries(folder / "state.sqlite", config)
    series.prepare()
    minutes = HOURS * 60
    gateways = max(1, count // (minutes * len(CHANNELS)))
    for number in range(gateways):
        name = f"gw-{number:03}"
        rows = Rows(
            points=list(points(name, minutes)), positions=positions(name, minutes)
        )
        series.commit(rows, number + 1)
    name = f"gw-{gateways // 2:03}"
    channel = (name, *CHANNELS[5])
    span = (START_NS, START_NS + HOURS * 60 * MINUTE_NS)
    asked: dict[str, Callable[[], object]] = {
        "channels": lambda: series.channels(name),
        "series_600_points": lambda: series.series(channel, span, 600),
        "series_last_hour": lambda: series.series(
            channel, (span[1] - 60 * MINUTE_NS, span[1]), 600
        ),
        "summary": lambda: series.summary(channel, span),
        "route": lambda: series.positions(name, *span),
        "last_position": lambda: series.last_position(name, *span),
    }
    found = {f"{what}_ms": round(1e3 * median_s(ask), 2) for what, ask in asked.items()}
    series.close()
    stored = gateways * minutes * len(CHANNELS)
    return {"points": stored, **found, "target_ms": TARGET_MS}


def median_s(ask: Callable[[], object]) -> float:
    """Return the median time of a question."""
    times = []
    for _ in range(11):
        start_s = time.perf_counter()
        ask()
        times.append(time.perf_counter() - start_s)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--full", action="store_true", help="among 10 M points")
    parser.add_argument("--write", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with running(influxd(place / "influxd")) as server:
            written = writing(server, given.write)
            count = 10_000_000 if given.full else 1_000_000
            read = reading(server, place, count)
    if given.json:
        print(json.dumps({"influx_write": written, "influx_read": read}))
        return
    for title, figures in (("writing", written), ("reading", read)):
        print(title)
        for name, value in figures.items():
            print(f"  {name:>24} {value:>14,}")


if __name__ == "__main__":
    main()
