"""What goes wrong with an InfluxDB: stated, waited for, and nothing is lost."""

import contextlib
import json
import os
import random
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.adapters.influx_series import InfluxSeries
from cloud.adapters.influx_server import InfluxServer
from cloud.adapters.influx_writer import LineWriter
from cloud.adapters.ledger import SqlLedger, open_ledger
from cloud.adapters.series_rows import PointRow, Rows, SeriesError
from cloud.config import InfluxConfig
from cloud.errors import ConfigError
from cloud.projection import Projection, compare, project_all
from cloud.projection.following import Follower
from tests import journeys
from tests.journeys import Cast
from tests.servers import Server, influxd, running, victoria_metrics

KILLS = 10


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    found = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield found
    found.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(influxd(tmp_path / "influxd")) as found:
        yield found


@pytest.fixture
def series(server: Server, tmp_path: Path) -> Iterator[InfluxSeries]:
    found = InfluxSeries(tmp_path / "state.sqlite", InfluxConfig(url=server.url))
    yield found
    found.close()


def told(ledger: SqlLedger, hours: float = 2.0) -> None:
    cast = Cast()
    journeys.take(ledger, cast, journeys.telemetry(cast, hours))


def point(at_ns: int) -> PointRow:
    return PointRow("gw-1", "s", "temperature_c", at_ns, b"e", 1.0, 1.0, 1.0)


def test_killed_again_and_again_it_holds_what_the_ledger_says(
    server: Server, series: InfluxSeries, ledger: SqlLedger
) -> None:
    told(ledger, 6.0)
    server.kill()  # once while it is empty
    follower = Follower(ledger, series)
    assert follower.turn() == 0
    waiting = series.health().waiting
    assert waiting is not None
    assert "does not answer" in waiting
    server.start()
    project_all(ledger, series)
    series.clear()
    projection = Projection(ledger, series)
    dice, kills = random.Random(7), 0
    while projection.position < ledger.head():
        try:
            projection.step(dice.randint(1, 8))
        except SeriesError:
            server.start()
            projection.resume()
        else:
            if kills < KILLS:
                server.kill()
                kills += 1
    assert kills == KILLS
    server.kill()
    server.start()
    found = compare(ledger, series)
    assert found.is_equal, str(found)
    assert found.rows > 300


def test_points_written_before_a_crash_are_written_again_equal(
    server: Server, series: InfluxSeries, ledger: SqlLedger
) -> None:
    told(ledger)
    projection = Projection(ledger, series)
    holder = InfluxSeries(
        Path(series._db.execute("PRAGMA database_list").fetchone()[2]),
        InfluxConfig(url=server.url),
    )
    series._db.execute("PRAGMA busy_timeout = 0")
    holder._db.execute("BEGIN IMMEDIATE")
    with pytest.raises(SeriesError, match="locked"):
        projection.step(20)
    assert projection.position == series.position() == 0
    assert len(list(series.stored_points())) > 20  # the points are there already
    holder._db.execute("ROLLBACK")
    holder.close()
    while projection.step(7):
        pass
    assert compare(ledger, series).is_equal


def test_points_beyond_retention_are_counted_and_the_cursor_moves_on(
    server: Server, series: InfluxSeries, ledger: SqlLedger
) -> None:
    server.query('CREATE DATABASE "dosetrail"')
    server.query(
        'CREATE RETENTION POLICY "dosetrail" ON "dosetrail" DURATION 1h REPLICATION 1'
    )
    told(ledger)
    project_all(ledger, series)
    (refused,) = series.health().refused
    assert refused.reason == "beyond-retention"
    assert "retention policy" in refused.detail
    assert series.position() == ledger.head()
    found = compare(ledger, series)
    assert found.missing == found.refused == refused.points > 100
    server.query('ALTER RETENTION POLICY "dosetrail" ON "dosetrail" DURATION INF')
    project_all(ledger, series)
    assert series.health().refused == ()
    assert compare(ledger, series).is_equal


def test_a_field_of_another_type_is_counted_and_the_rest_is_stored(
    server: Server, series: InfluxSeries
) -> None:
    series.prepare()
    alien = b"reading,gateway=gw-1 minimum=7i 1"
    server.post("/write?db=dosetrail&rp=dosetrail", alien)
    other_shard_ns = 400 * 86400 * 10**9
    series.commit(Rows(points=[point(2), point(other_shard_ns)]), 5)
    (refused,) = series.health().refused
    assert (refused.reason, refused.points, refused.position) == ("type-conflict", 1, 5)
    assert "already exists as type integer" in refused.detail
    stored = series.series(("gw-1", "s", "temperature_c"), (0, 2**62), 10)
    assert [p.at_ns for p in stored] == [other_shard_ns]


def test_lines_that_no_server_can_read_are_found_among_others(server: Server) -> None:
    influx = InfluxServer(InfluxConfig(url=server.url))
    server.query('CREATE DATABASE "dosetrail" WITH NAME "dosetrail"')
    writer = LineWriter(influx)
    good = [f"reading,gateway=g value={n} {n + 1}" for n in range(20)]
    for bad in (["reading value=nan 1", "x"], ["reading value=1 99999999999999999999"]):
        for lines in ([*good, *bad, *good], bad):
            (refused,) = writer.write(lines)
            assert (refused.reason, refused.lines) == ("unparsable", len(bad))
    counted = server.query('SELECT count(value) FROM "dosetrail"."dosetrail".reading')
    assert b",20]]" in counted
    influx.close()


def test_a_batch_that_is_too_large_is_halved(tmp_path: Path) -> None:
    with running(influxd(tmp_path / "small", body_bytes=600)) as small:
        small.query('CREATE DATABASE "dosetrail" WITH NAME "dosetrail"')
        influx = InfluxServer(InfluxConfig(url=small.url))
        dice = random.Random(3)
        lines = [f"reading,s={dice.random()} value={n} {n + 1}" for n in range(50)]
        giant = f'reading v="{dice.randbytes(999).hex()}" 1'
        (refused,) = LineWriter(influx).write([*lines, giant])
        assert (refused.reason, refused.lines) == ("other", 1)
        counted = small.query(
            'SELECT count(value) FROM "dosetrail"."dosetrail".reading'
        )
        assert b",50]]" in counted
        influx.close()


def test_a_user_is_needed_where_the_server_wants_one(tmp_path: Path) -> None:
    password = tmp_path / "influx.password"
    password.touch(mode=0o600)
    password.write_text("secret words")
    with running(influxd(tmp_path / "influxd", auth=True)) as server:
        create = (
            "CREATE USER \"cloud\" WITH PASSWORD 'secret words' WITH ALL PRIVILEGES"
        )
        server.post(f"/query?q={urllib.parse.quote(create)}")
        nobody = InfluxSeries(":memory:", InfluxConfig(url=server.url))
        with pytest.raises(SeriesError, match=r"401.*password_file"):
            nobody.prepare()
        nobody.close()
        config = InfluxConfig(
            url=server.url, username="cloud", password_file=str(password)
        )
        series = InfluxSeries(":memory:", config)
        series.prepare()
        series.commit(Rows(points=[point(1)]), 1)
        assert list(series.stored_points()) == [point(1)]
        series.close()
    password.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        InfluxSeries(":memory:", config)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    subprocess.run(mount, check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("before", [0, 20])
def test_a_full_disk_is_waited_for(
    small_disk: Path, tmp_path: Path, ledger: SqlLedger, before: int
) -> None:
    told(ledger, 4.0)
    with running(influxd(tmp_path / "influxd", data=small_disk / "data")) as server:
        series = InfluxSeries(tmp_path / "state.sqlite", InfluxConfig(url=server.url))
        follower = Follower(ledger, series)
        series.prepare()
        if before:  # a shard is there already: else there is no room to make one
            Projection(ledger, series).step(before)
        filler = small_disk / "filler"
        fill(filler)
        assert follower.turn() == 0
        assert series.position() == before
        waiting = str(series.health().waiting)
        assert "status 500" in waiting
        filler.unlink()
        if before:
            # Its writer keeps the failure for good, and says so in every answer.
            assert "no space left" in waiting
            assert "then restart it" in waiting
            assert follower.turn() == 0
            restart(server)
        catch_up(follower, ledger, series)
        assert compare(ledger, series).is_equal
        restart(server)
        # Behind a torn entry of its log it forgets what it had acknowledged.
        assert compare(ledger, series).is_equal == (not before)
        with pytest.raises(SeriesError, match="was started anew"):
            series.commit(Rows(), series.position())
        catch_up(follower, ledger, series)
        assert compare(ledger, series).is_equal
        series.close()


def restart(server: Server) -> None:
    server.kill()
    server.start()


def catch_up(follower: Follower, ledger: SqlLedger, series: InfluxSeries) -> None:
    """As the process would: fail once where it must, then go on to the end."""
    follower._is_stuck = True
    for _ in range(20):
        follower.turn()
    assert series.position() == ledger.head()
    assert series.health().waiting is None
    assert series.health().refused == ()


def fill(filler: Path) -> None:
    """Take every byte that is left on the disk."""
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_native_writes_reach_a_server_of_the_second_interface(
    tmp_path: Path, ledger: SqlLedger
) -> None:
    told(ledger)
    with running(victoria_metrics(tmp_path / "vm")) as server:
        config = InfluxConfig(url=server.url, org="site", bucket="doses")
        series = InfluxSeries(tmp_path / "state.sqlite", config)
        projection = Projection(ledger, series)
        while projection.step():
            pass
        twin = InfluxSeries(":memory:", config)
        assert not twin._server.is_1x
        # It answers every question with 200 and a list of databases.
        with pytest.raises(SeriesError, match="does not answer InfluxQL"):
            series.series(("gw", "s", "q"), (0, 1), 10)
        server.get("/internal/force_flush")
        export = server.get("/api/v1/export?match[]=reading_value").decode()
        found = [json.loads(line) for line in export.splitlines()]
        twin.close()
        series.close()
    in_sqlite = _by_sensor(ledger, tmp_path)
    assert {f["metric"]["sensor"] for f in found} == set(in_sqlite)
    for one in found:
        expected = in_sqlite[one["metric"]["sensor"]][one["metric"]["quantity"]]
        assert one["values"] == pytest.approx(expected)


def _by_sensor(ledger: SqlLedger, folder: Path) -> dict[str, dict[str, list[float]]]:
    from cloud.adapters.series import SqliteSeries

    series = SqliteSeries(folder / "twin.sqlite")
    project_all(ledger, series)
    found: dict[str, dict[str, list[float]]] = {}
    for row in series.stored_points():
        found.setdefault(row.sensor, {}).setdefault(row.quantity, []).append(row.value)
    series.close()
    return found
