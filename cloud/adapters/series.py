"""The time series as a projection: what pages read, rebuildable from the ledger.

:class:`SqliteSeries` is the port of :mod:`cloud.adapters.series_rows` as one file,
points beside the state; :func:`open_series` opens it, or the one whose points are in
InfluxDB (:mod:`cloud.adapters.influx_series`).

Points are keyed by gateway, sensor, quantity, epoch and ``at_ns``, which is a pure
function of ledger data (:mod:`cloud.projection`) and never collides.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cloud.adapters.series_rows import (
    Point,
    PointRow,
    PositionRow,
    Rows,
    Series,
    Summary,
    bucket_s,
    middle_ns,
)
from cloud.adapters.series_state import STATE_TABLES, StateFile
from cloud.config import InfluxConfig
from cloud.errors import ConfigError
from schemas.units import NS_PER_S

STORE: Final = "sqlite, layout 2"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS points (
  gateway TEXT, sensor TEXT, quantity TEXT, at_ns INTEGER, epoch BLOB,
  value REAL, minimum REAL, maximum REAL,
  PRIMARY KEY (gateway, sensor, quantity, at_ns, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (
  gateway TEXT, at_ns INTEGER, epoch BLOB, fix TEXT,
  latitude_deg REAL, longitude_deg REAL, altitude_m REAL,
  PRIMARY KEY (gateway, at_ns, epoch)) WITHOUT ROWID;
"""
_AMONG: Final = (
    "FROM points WHERE gateway = ? AND sensor = ? AND quantity = ? "
    "AND at_ns BETWEEN ? AND ?"
)


def open_series(path: str, influx: InfluxConfig | None = None) -> Series:
    """Open the series at ``path``, creating it where there is none.

    With ``influx`` its points are there, and the file holds the state only; that
    server need not be up yet.

    Raises:
        ConfigError: the file, or a file of a secret, cannot be opened; the message
            says what to do.
    """
    try:
        if influx is None:
            return SqliteSeries(path)
        # A site without InfluxDB need not load its client.
        from cloud.adapters.influx_series import InfluxSeries  # noqa: PLC0415

        return InfluxSeries(path, influx)
    except sqlite3.Error as error:
        raise ConfigError(
            f"series.path {path}: {error}; create its folder, or remove a file that "
            "is no series (it is projected again)"
        ) from error


class SqliteSeries(StateFile):
    """State and points in one SQLite file; one thread at a time."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, STORE)
        self._db.executescript(_TABLES)

    def clear(self) -> None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        self.forget()

    def _forget(self) -> None:
        super()._forget()
        self._db.execute("DELETE FROM points")
        self._db.execute("DELETE FROM positions")

    def _write(self, rows: Rows, position: int) -> None:
        self._insert("points", len(PointRow._fields), rows.points)
        self._insert("positions", len(PositionRow._fields), rows.positions)
        super()._write(rows, position)

    def series(
        self, channel: tuple[str, str, str], span: tuple[int, int], max_points: int
    ) -> list[Point]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rows = self._db.execute(
            f"SELECT at_ns, value, minimum, maximum {_AMONG} ORDER BY at_ns, epoch "
            "LIMIT ?",
            (*channel, *span, max_points + 1),
        ).fetchall()
        if len(rows) <= max_points:
            return [Point(*row) for row in rows]
        width_s = bucket_s(span, max_points)
        buckets = self._db.execute(
            "SELECT at_ns / ? AS bucket, avg(value), min(minimum), max(maximum) "
            f"{_AMONG} GROUP BY bucket ORDER BY bucket",
            (width_s * NS_PER_S, *channel, *span),
        )
        return [Point(middle_ns(at, width_s, span), *row) for at, *row in buckets]

    def summary(
        self, channel: tuple[str, str, str], span: tuple[int, int]
    ) -> Summary | None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        last = self._db.execute(
            f"SELECT at_ns, value, minimum, maximum {_AMONG} "
            "ORDER BY at_ns DESC, epoch DESC LIMIT 1",
            (*channel, *span),
        ).fetchone()
        if last is None:
            return None
        extremes = self._db.execute(
            f"SELECT min(minimum), max(maximum) {_AMONG}", (*channel, *span)
        ).fetchone()
        return Summary(Point(*last), *extremes)

    def positions(self, gateway: str, from_ns: int, to_ns: int) -> list[PositionRow]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        return self._positions(gateway, from_ns, to_ns, "ORDER BY at_ns, epoch")

    def last_position(
        self, gateway: str, from_ns: int, to_ns: int
    ) -> PositionRow | None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        order = "ORDER BY at_ns DESC, epoch DESC LIMIT 1"
        return next(iter(self._positions(gateway, from_ns, to_ns, order)), None)

    def _positions(
        self, gateway: str, from_ns: int, to_ns: int, order: str
    ) -> list[PositionRow]:
        among = "WHERE gateway = ? AND at_ns BETWEEN ? AND ?"
        rows = self._db.execute(
            f"SELECT * FROM positions {among} AND latitude_deg IS NOT NULL {order}",  # noqa: S608 - parameters are bound
            (gateway, from_ns, to_ns),
        )
        return [PositionRow(*row) for row in rows]

    def stored_points(self) -> Iterator[PointRow]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        order = ", ".join(PointRow._fields[:5])
        rows = self._db.execute(f"SELECT * FROM points ORDER BY {order}")  # noqa: S608 - names are constants
        return (PointRow(*row) for row in rows)

    def stored_positions(self) -> Iterator[PositionRow]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rows = self._db.execute(
            "SELECT * FROM positions ORDER BY gateway, at_ns, epoch"
        )
        return (PositionRow(*row) for row in rows)

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Return every row of every table, to compare two projections."""
        found = {table: list(self.state_rows(table)) for table in STATE_TABLES}
        points, positions = list(self.stored_points()), list(self.stored_positions())
        return {**found, "points": [*points], "positions": [*positions]}
