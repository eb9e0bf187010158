"""The series with its points in a real InfluxDB is the series in SQLite."""

import json
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.adapters.influx_series import InfluxSeries
from cloud.adapters.ledger import SqlLedger, open_ledger
from cloud.adapters.series import SqliteSeries, open_series
from cloud.adapters.series_rows import (
    Channel,
    Point,
    PointRow,
    PositionRow,
    Rows,
    SeriesError,
)
from cloud.config import InfluxConfig
from cloud.projection import compare, project_all
from cloud.web.desk import Desk
from tests import journeys
from tests.builders import SHIPMENT
from tests.journeys import Cast
from tests.servers import Server, free_port, influxd, running
from tests.web_world import World

CHANNEL = ("gw-1", "board/temperature-0", "temperature_c")
EVER = (0, 2**62)
SECOND = 10**9
numbers = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(influxd(tmp_path_factory.mktemp("influxd"))) as found:
        yield found


@pytest.fixture
def series(server: Server, tmp_path: Path) -> Iterator[InfluxSeries]:
    config = InfluxConfig(url=server.url, database=f"d{next(numbers)}")
    found = InfluxSeries(tmp_path / "state.sqlite", config)
    found.prepare()
    yield found
    found.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    found = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield found
    found.close()


def row(at_ns: int, value: float, spread: float = 0.0) -> PointRow:
    bounds = (value - spread, value + spread)
    return PointRow(*CHANNEL, at_ns, b"epoch", value, *bounds)


def served(server: Server) -> tuple[int, int]:
    """How many queries and writes the server has answered, by its own count."""
    counted = json.loads(server.get("/debug/vars"))
    found = next(v["values"] for k, v in counted.items() if k.startswith("httpd"))
    return found["queryReq"], found["writeReq"]


def test_the_same_ledger_gives_the_same_answers(
    server: Server, series: InfluxSeries, tmp_path: Path
) -> None:
    world = World(tmp_path)
    world.travel(6.0)
    world.desk = Desk(world.ledger, world.series, world.clock)
    in_sqlite = answers(world)
    project_all(world.ledger, series)
    world.desk = Desk(world.ledger, series, world.clock)
    queries, _writes = served(server)
    in_influx = answers(world)
    asked = served(server)[0] - queries
    assert in_influx == in_sqlite
    assert asked > len(in_influx["series"]["series"])
    assert len(in_influx["series"]["series"]) >= 10
    assert len(in_influx["route"]["fixes"]) > 30
    world.series.close()
    world.ledger.close()


def answers(world: World) -> dict[str, Any]:
    base = f"/api/shipments/{SHIPMENT}"
    found = {
        name: world.get(f"{base}/{name}")
        for name in ("series", "route", "arrival", "custody", "events")
    }
    return found | {
        "all": world.get("/api/shipments"),
        "few": nearly(world.get(f"{base}/series?max_points=20")),
        "page": world.call("GET", f"/shipments/{SHIPMENT}").text,
    }


def nearly(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer whose means may differ in the last digit: sums have an order."""
    for one in answer["series"]:
        assert 0 < len(one["at_s"]) <= 20
        one["value"] = [float(f"{value:.12g}") for value in one["value"]]
    return answer


def test_no_point_is_in_the_state_file(
    series: InfluxSeries, ledger: SqlLedger, tmp_path: Path
) -> None:
    cast = Cast()
    journeys.take(ledger, cast, journeys.telemetry(cast, 3.0))
    project_all(ledger, series)
    with sqlite3.connect(tmp_path / "state.sqlite") as db:
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    db.close()
    assert "records" in names
    assert not {"points", "positions"} & names
    assert compare(ledger, series).is_equal


def test_a_state_file_moves_from_sqlite_to_influxdb_and_back(
    server: Server, ledger: SqlLedger, tmp_path: Path
) -> None:
    cast, path = Cast(), str(tmp_path / "moved.sqlite")
    journeys.take(ledger, cast, journeys.telemetry(cast, 1.0))
    influx = InfluxConfig(url=server.url, database=f"d{next(numbers)}")
    for config in (None, influx, None):
        series = open_series(path, config)
        series.prepare()
        assert series.position() == 0
        project_all(ledger, series)
        assert compare(ledger, series).is_equal
        series.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM points").fetchone()[0] > 50
    db.close()


def test_a_comparison_tells_what_differs(
    series: InfluxSeries, ledger: SqlLedger
) -> None:
    cast = Cast()
    journeys.take(ledger, cast, journeys.telemetry(cast, 1.0))
    project_all(ledger, series)
    first = next(iter(series.stored_points()))
    wrong = first._replace(value=first.value + 1.0)
    unknown = first._replace(sensor="nobody")
    place = PositionRow("gw-9", 5, b"e", "3d", 45.0, 7.0, 210.0)
    series.commit(Rows(points=[wrong, unknown], positions=[place]), series.position())
    found = compare(ledger, series)
    assert (found.missing, found.different) == (0, 1)
    assert found.surplus == 3  # a point, its channel, and a position
    assert "surplus: channels" in str(found)


def test_a_rebuild_leaves_nothing_of_before(
    series: InfluxSeries, ledger: SqlLedger
) -> None:
    cast = Cast()
    series.commit(Rows(points=[row(5, 1.0)]), 3)
    journeys.take(ledger, cast, journeys.telemetry(cast, 1.0))
    assert project_all(ledger, series) == ledger.head()
    assert series.series(CHANNEL, EVER, 10) == []
    assert compare(ledger, series).is_equal


def test_a_database_that_is_gone_is_projected_again(
    server: Server, series: InfluxSeries, ledger: SqlLedger
) -> None:
    cast = Cast()
    journeys.take(ledger, cast, journeys.telemetry(cast, 1.0))
    project_all(ledger, series)
    server.query(f'DROP DATABASE "{series._server.config.database}"')
    with pytest.raises(SeriesError, match="database not found"):
        series.commit(Rows(points=[row(1, 1.0)]), 99)
    series.prepare()
    assert series.position() == 0
    project_all(ledger, series)
    assert compare(ledger, series).is_equal


def test_both_stores_read_alike(series: InfluxSeries) -> None:
    other = SqliteSeries(":memory:")
    rows = [row(at * SECOND + at, at % 13 + 0.1, 1.0 + at % 3) for at in range(700)]
    rows.append(row(3 * SECOND + 4, -7.0)._replace(epoch=b"other"))
    places = [
        PositionRow("gw-1", at, b"e", *place)
        for at, place in enumerate(
            [("3d", 45.0, 7.5, None), ("none", None, None, None), ("2d", -90.0, 0.0, 1)]
        )
    ]
    for one in (series, other):
        one.commit(Rows(points=rows, positions=places), 1)
    for span in (EVER, (0, 0), (5 * SECOND + 5, 9 * SECOND + 9), (10**12, 10**13)):
        assert series.series(CHANNEL, span, 800) == other.series(CHANNEL, span, 800)
        assert series.summary(CHANNEL, span) == other.summary(CHANNEL, span)
        merged = series.series(CHANNEL, span, 50)
        for here, there in zip(merged, other.series(CHANNEL, span, 50), strict=True):
            assert tuple(here) == pytest.approx(tuple(there), rel=1e-13)
    assert series.positions("gw-1", 0, 9) == other.positions("gw-1", 0, 9)
    assert series.last_position("gw-1", 0, 9) == other.last_position("gw-1", 0, 9)
    assert series.last_position("gw-1", 0, 1) == places[0]
    assert series.channels("gw-1") == [Channel(*CHANNEL[1:])]
    for one in (series, other):
        one.commit(Rows(points=[row(3 * SECOND + 3, 1.5)._replace(epoch=b"again")]), 2)
    assert list(series.stored_points()) == list(other.stored_points())
    assert list(series.stored_positions()) == list(other.stored_positions())
    other.close()


@pytest.fixture(scope="module")
def named(server: Server) -> Iterator[InfluxSeries]:
    found = InfluxSeries(":memory:", InfluxConfig(url=server.url, database="names"))
    found.prepare()
    yield found
    found.close()


NAMES = st.text(max_size=8) | st.sampled_from(
    ["", "%", "a,b", "a b", "a=b", "a\\", "\\", "\n", "'", '"', "x' OR '1'='1", "%2C"]
)


@given(NAMES, NAMES, st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=25, deadline=None)
def test_any_name_and_number_comes_back_as_it_was(
    named: InfluxSeries, sensor: str, quantity: str, value: float
) -> None:
    kept = PointRow("gw-1", sensor, quantity, 1, b"e", value, value, value)
    other = kept._replace(sensor=f"{sensor}'x", value=2.0)
    named.clear()
    named.commit(Rows(points=[kept, other]), 1)
    found = [Point(1, value, value, value)]
    assert named.series(("gw-1", sensor, quantity), EVER, 10) == found
    assert list(named.stored_points()) == sorted([kept, other])
    version = named._server.version()
    named._server._version = ""  # as if it were a server that binds no parameters
    assert named.series(("gw-1", sensor, quantity), EVER, 10) == found
    named._server._version = version


def test_a_server_that_is_not_there_is_an_error_to_retry(tmp_path: Path) -> None:
    config = InfluxConfig(url=f"http://127.0.0.1:{free_port()}")
    series = open_series(str(tmp_path / "s.sqlite"), config)
    for ask in (
        series.prepare,
        lambda: series.series(CHANNEL, EVER, 10),
        lambda: series.commit(Rows(points=[row(1, 1.0)]), 1),
    ):
        with pytest.raises(SeriesError, match="does not answer"):
            ask()
    assert series.position() == 0
    series.close()
