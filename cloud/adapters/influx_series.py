"""The series with its points in InfluxDB; its state stays in the SQLite file.

Points are written before the cursor moves. A process that ends in between writes them
again: measurement, tags and timestamp are the same, and so is what is stored. No
point is read from or kept in the file.

What a server has taken it may still lose: InfluxDB 1.6 that met a full disk goes on
after a torn entry of its log, and at its next start forgets all behind it. So the file
counts what was written, and whenever the server has started anew it is asked how much
it holds: if less, everything is projected again.
"""

import logging
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from cloud.adapters.influx_lines import (
    POSITION,
    READING,
    LineMaker,
    tag_text,
    tag_value,
)
from cloud.adapters.influx_server import (
    RETENTION,
    InfluxServer,
    Statement,
    Table,
    identifier,
)
from cloud.adapters.influx_writer import LineWriter
from cloud.adapters.series_rows import (
    Point,
    PointRow,
    PositionRow,
    RefusedRow,
    Rows,
    SeriesError,
    Summary,
    bucket_s,
    middle_ns,
)
from cloud.adapters.series_state import StateFile
from cloud.config import InfluxConfig
from schemas.units import NS_PER_S

_log = logging.getLogger(__name__)
_CHANNEL: Final = "gateway = $gateway AND sensor = $sensor AND quantity = $quantity"
_SPAN: Final = "time >= $from_ns AND time <= $to_ns"
_PLACE: Final = ("epoch", "fix", "latitude_deg", "longitude_deg", "altitude_m")
_BOUNDS: Final = ("value", "minimum", "maximum")


def _select(
    measurement: str,
    fields: tuple[str, ...],
    rest: str,
    columns: tuple[str, ...] | None = None,
) -> Statement:
    text = f"SELECT {', '.join(fields)} FROM {measurement} WHERE {rest}"  # noqa: S608 - parameters are bound
    return Statement(text, measurement, ("time", *(columns or fields)))


class InfluxSeries(StateFile):
    """State in one SQLite file, points in InfluxDB; one thread at a time."""

    def __init__(self, path: Path | str, config: InfluxConfig) -> None:
        self._server = InfluxServer(config)
        super().__init__(path, f"{self._server.url} {config.database}, layout 1")
        self._writer = LineWriter(self._server)
        self._maker = LineMaker()
        self._started: str | None = None

    def close(self) -> None:
        """Close file and connections."""
        super().close()
        self._server.close()

    def prepare(self) -> None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        self._started = self._server.started()
        is_there = self._database_is_there()
        if not (is_there and self._is_of_store() and self._is_whole()):
            self.forget()
        if not is_there:
            self._make_database()
        self._transact(self._drop_tables)

    def _is_whole(self) -> bool:
        if not self._server.is_1x:
            return True
        stored, tally = self._stored(), self._tally()
        if stored < tally:
            _log.warning(
                "%s holds %d of %d points: projecting again",
                self._server.url,
                stored,
                tally,
            )
        return stored >= tally

    def _stored(self) -> int:
        total = 0
        for measurement, field in ((READING, "value"), (POSITION, "fix")):
            count = (f"count({field})",)
            statement = _select(measurement, count, "time >= 0", ("count",))
            for table in self._server.ask(statement):
                total += sum(row[1] for row in table.values)
        return total

    def _drop_tables(self) -> None:
        for table in ("points", "positions"):
            self._db.execute(f"DROP TABLE IF EXISTS {table}")

    def _database_is_there(self) -> bool:
        if not self._server.is_1x:
            return True  # a bucket is made by whoever gave the token
        return self._has_database() and RETENTION in self._retention_policies()

    def _has_database(self) -> bool:
        found = self._server.ask(Statement("SHOW DATABASES", "databases", ("name",)))
        names = [row[0] for table in found for row in table.values]
        return self._server.config.database in names

    def _retention_policies(self) -> list[str]:
        columns = ("name", "duration", "shardGroupDuration", "replicaN", "default")
        text = f"SHOW RETENTION POLICIES ON {identifier(self._server.config.database)}"
        found = self._server.ask(Statement(text, None, columns))
        return [row[0] for table in found for row in table.values]

    def _make_database(self) -> None:
        name = identifier(self._server.config.database)
        forever = "DURATION INF REPLICATION 1"
        if self._has_database():
            text = f'CREATE RETENTION POLICY "{RETENTION}" ON {name} {forever}'
        else:
            text = f'CREATE DATABASE {name} WITH {forever} NAME "{RETENTION}"'
        self._server.execute(text)

    def clear(self) -> None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        # First the cursor: points without it are written again, never the reverse.
        self.forget()
        for measurement in (READING, POSITION):
            self._server.execute(f"DROP MEASUREMENT {measurement}")

    def commit(self, rows: Rows, position: int) -> None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        if self._server.started() != self._started:
            raise SeriesError(f"{self._server.url} was started anew")
        refused = [
            RefusedRow(found.reason, found.lines, position, found.detail)
            for found in self._writer.write(self._maker.lines(rows))
        ]
        self._transact(lambda: self._write_all(rows, position, refused))

    def _write_all(self, rows: Rows, position: int, refused: list[RefusedRow]) -> None:
        self._write(rows, position)
        self._count_refused(refused)
        written = len(rows.points) + len(rows.positions)
        self._add_to_tally(written - sum(row.points for row in refused))

    def series(
        self, channel: tuple[str, str, str], span: tuple[int, int], max_points: int
    ) -> list[Point]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rest = f"{_CHANNEL} AND {_SPAN} ORDER BY time LIMIT {max_points + 1}"
        rows = self._rows(_select(READING, _BOUNDS, rest), channel, span)
        if len(rows) > max_points:
            return self._merged(channel, span, bucket_s(span, max_points))
        return [_point(*row) for row in rows]

    def _merged(
        self, channel: tuple[str, str, str], span: tuple[int, int], width_s: int
    ) -> list[Point]:
        mean = ("mean(value)", "min(minimum)", "max(maximum)")
        rest = f"{_CHANNEL} AND {_SPAN} GROUP BY time({width_s}s) fill(none)"
        statement = _select(READING, mean, rest, ("mean", "min", "max"))
        width_ns = width_s * NS_PER_S
        return [
            _point(middle_ns(from_ns // width_ns, width_s, span), *values)
            for from_ns, *values in self._rows(statement, channel, span)
        ]

    def summary(
        self, channel: tuple[str, str, str], span: tuple[int, int]
    ) -> Summary | None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        among = f"{_CHANNEL} AND {_SPAN}"
        newest = _select(READING, _BOUNDS, f"{among} ORDER BY time DESC LIMIT 1")
        last = self._rows(newest, channel, span)
        bounds = ("min(minimum)", "max(maximum)")
        extremes = _select(READING, bounds, among, ("min", "max"))
        found = self._rows(extremes, channel, span) if last else []
        if not last or not found:
            return None
        return Summary(_point(*last[0]), *map(float, found[0][1:]))

    def _rows(
        self,
        statement: Statement,
        channel: tuple[str, str, str],
        span: tuple[int, int],
    ) -> list[list[Any]]:
        names = ("gateway", "sensor", "quantity")
        tags = dict(zip(names, map(tag_value, channel), strict=True))
        found = self._server.ask(statement, **tags, from_ns=span[0], to_ns=span[1])
        return [row for table in found for row in table.values]

    def positions(self, gateway: str, from_ns: int, to_ns: int) -> list[PositionRow]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        return self._positions(gateway, (from_ns, to_ns), "")

    def last_position(
        self, gateway: str, from_ns: int, to_ns: int
    ) -> PositionRow | None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        found = self._positions(gateway, (from_ns, to_ns), "DESC LIMIT 1")
        return found[0] if found else None

    def _positions(
        self, gateway: str, span: tuple[int, int], order: str
    ) -> list[PositionRow]:
        # No latitude is below -90: a place without one is none.
        rest = f"gateway = $gateway AND {_SPAN} AND latitude_deg >= -90 ORDER BY time"
        found = self._server.ask(
            _select(POSITION, _PLACE, f"{rest} {order}"),
            gateway=tag_value(gateway),
            from_ns=span[0],
            to_ns=span[1],
        )
        rows = [row for table in found for row in table.values]
        return [_position(gateway, row) for row in rows]

    def stored_points(self) -> Iterator[PointRow]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        names = ("gateway", "sensor", "quantity")
        for key in self._keys(READING, names):
            statement = _select(
                READING, ("epoch", *_BOUNDS), f"{_CHANNEL} ORDER BY time"
            )
            tags = dict(zip(names, map(tag_value, key), strict=True))
            rows = _in_order(self._server.stream(statement, **tags))
            for at_ns, epoch, *values in rows:
                point = _point(at_ns, *values)
                gateway, sensor, quantity = key
                place = (gateway, sensor, quantity, point.at_ns, epoch)
                yield PointRow(*place, *point[1:])

    def stored_positions(self) -> Iterator[PositionRow]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        for (gateway,) in self._keys(POSITION, ("gateway",)):
            statement = _select(POSITION, _PLACE, "gateway = $gateway ORDER BY time")
            rows = self._server.stream(statement, gateway=tag_value(gateway))
            for at_ns, epoch, *place in _in_order(rows):
                yield _position(gateway, [at_ns, epoch.hex(), *place])

    def _keys(self, measurement: str, names: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Return the combinations of tags that there are, in their order."""
        field = "value" if measurement == READING else "fix"
        rest = f"time >= 0 GROUP BY {', '.join(names)}"
        statement = _select(measurement, (f"last({field})",), rest, ("last",))
        found = self._server.ask(statement)
        return sorted(tuple(tag_text(table.tags[n]) for n in names) for table in found)


def _in_order(tables: Iterator[Table]) -> Iterator[list[Any]]:
    """Yield rows with their epochs as bytes; those of one instant by epoch."""
    rows = (row for table in tables for row in table.values)
    for _at_ns, group in groupby(rows, key=lambda row: row[0]):
        decoded = [[at_ns, bytes.fromhex(e), *rest] for at_ns, e, *rest in group]
        yield from sorted(decoded, key=lambda row: row[1])


def _point(at_ns: int, value: float, minimum: float, maximum: float) -> Point:
    # JSON has no other way to say 21.0 than 21.
    return Point(at_ns, float(value), float(minimum), float(maximum))


def _position(gateway: str, row: list[Any]) -> PositionRow:
    at_ns, epoch, fix, *place = row
    digits = [None if value is None else float(value) for value in place]
    return PositionRow(gateway, at_ns, bytes.fromhex(epoch), fix, *digits)
