"""The time series as a projection: what pages read, rebuildable from the ledger.

:class:`SqliteSeries` is the port of :mod:`cloud.adapters.series_rows` as one file
with a rollback journal. NORMAL is enough: what is lost is projected again. The
cursor moves in the same transaction as the rows that it stands for.

Points are keyed by gateway, sensor, quantity, epoch and ``at_ns``, which is a pure
function of ledger data (:mod:`cloud.projection`) and never collides.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cloud.adapters.series_rows import (
    AnswerRow,
    BootRow,
    Channel,
    EventRow,
    LatestRow,
    Point,
    PointRow,
    PositionRow,
    RecordRow,
    Rows,
    SeriesError,
    Summary,
    UndatedRow,
    WitnessRow,
    decimate,
)
from cloud.errors import ConfigError

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS cursor (position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
  gateway TEXT, epoch BLOB, sequence INTEGER, position INTEGER, kind TEXT,
  received_at_ns INTEGER, exercise INTEGER,
  PRIMARY KEY (gateway, epoch, sequence)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_exercise
  ON records (gateway, epoch, sequence) WHERE exercise = 1;
CREATE INDEX IF NOT EXISTS records_spans
  ON records (position) WHERE kind IN ('assigned', 'released');
CREATE TABLE IF NOT EXISTS points (
  gateway TEXT, sensor TEXT, quantity TEXT, at_ns INTEGER, epoch BLOB,
  value REAL, minimum REAL, maximum REAL,
  PRIMARY KEY (gateway, sensor, quantity, at_ns, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (
  gateway TEXT, at_ns INTEGER, epoch BLOB, fix TEXT,
  latitude_deg REAL, longitude_deg REAL, altitude_m REAL,
  PRIMARY KEY (gateway, at_ns, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  gateway TEXT, epoch BLOB, sequence INTEGER, rank INTEGER, at_ns INTEGER,
  ended_ns INTEGER, received_at_ns INTEGER, exercise INTEGER, event BLOB,
  PRIMARY KEY (gateway, epoch, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS witnesses (
  gateway TEXT, rank INTEGER, sequence INTEGER, at_ns INTEGER,
  received_at_ns INTEGER, time_source TEXT, time_u_ns INTEGER, witness BLOB,
  PRIMARY KEY (gateway, rank, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latest (
  gateway TEXT, name TEXT, rank INTEGER, sequence INTEGER, at_ns INTEGER,
  received_at_ns INTEGER, exercise INTEGER, value BLOB,
  PRIMARY KEY (gateway, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  gateway TEXT, counter INTEGER, kind TEXT, epoch BLOB, sequence INTEGER,
  received_at_ns INTEGER, PRIMARY KEY (gateway, counter)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS boots (
  gateway TEXT, boot_id BLOB, utc_minus_boot_ns INTEGER,
  PRIMARY KEY (gateway, boot_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS undated (
  position INTEGER PRIMARY KEY, gateway TEXT, boot_id BLOB);
CREATE TABLE IF NOT EXISTS epochs (
  gateway TEXT, epoch BLOB, rank INTEGER,
  PRIMARY KEY (gateway, epoch)) WITHOUT ROWID;
"""
TABLES: Final = (
    "records",
    "points",
    "positions",
    "events",
    "witnesses",
    "latest",
    "answers",
    "boots",
    "undated",
    "epochs",
    "cursor",
)


def open_series(path: str) -> "SqliteSeries":
    """Open the series at ``path``, creating it where there is none.

    Raises:
        ConfigError: the file cannot be opened; the message says what to do.
    """
    try:
        return SqliteSeries(path)
    except sqlite3.Error as error:
        raise ConfigError(
            f"series.path {path}: {error}; create its folder, or remove a file that "
            "is no series (it is projected again)"
        ) from error


class SqliteSeries:
    """The store in one SQLite file; one thread at a time."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
        self._db.isolation_level = None
        self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def position(self) -> int:
        """See :class:`cloud.adapters.series_rows.Series`."""
        row = self._db.execute("SELECT position FROM cursor").fetchone()
        return int(row[0]) if row else 0

    def commit(self, rows: Rows, position: int) -> None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        self._transact(lambda: self._write(rows, position))

    def clear(self) -> None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        self._transact(
            lambda: [self._db.execute(f"DELETE FROM {name}") for name in TABLES]  # noqa: S608 - names are constants
        )

    def _transact(self, work: Callable[[], object]) -> None:
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                work()
        except sqlite3.OperationalError as error:
            raise SeriesError(f"series: {error}") from error

    def _write(self, rows: Rows, position: int) -> None:
        for table, kind, values in (
            ("records", RecordRow, rows.records),
            ("points", PointRow, rows.points),
            ("positions", PositionRow, rows.positions),
            ("witnesses", WitnessRow, rows.witnesses),
            ("answers", AnswerRow, rows.answers),
            ("boots", BootRow, rows.boots),
            ("undated", UndatedRow, rows.undated),
        ):
            marks = ", ".join("?" * len(kind._fields))
            self._db.executemany(
                f"INSERT OR IGNORE INTO {table} VALUES ({marks})",  # noqa: S608 - names are constants
                values,
            )
        self._db.executemany(
            # An event that was undated at first comes again with its date.
            "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows.events,
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO epochs VALUES (?, ?, ?)", rows.epochs
        )
        self._db.executemany(
            "DELETE FROM undated WHERE position = ?", [(at,) for at in rows.dated]
        )
        self._write_latest(rows.latest)
        self._db.execute("DELETE FROM cursor")
        self._db.execute("INSERT INTO cursor VALUES (?)", (position,))

    def _write_latest(self, rows: Sequence[LatestRow]) -> None:
        self._db.executemany(
            "INSERT INTO latest VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (gateway, name) DO UPDATE SET rank = excluded.rank, "
            "sequence = excluded.sequence, at_ns = excluded.at_ns, "
            "received_at_ns = excluded.received_at_ns, "
            "exercise = excluded.exercise, value = excluded.value "
            "WHERE (excluded.rank, excluded.sequence) >= (rank, sequence)",
            rows,
        )

    def ranks(self) -> dict[tuple[str, bytes], int]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rows = self._db.execute("SELECT gateway, epoch, rank FROM epochs")
        return {(gateway, epoch): rank for gateway, epoch, rank in rows}

    def boots(self) -> dict[tuple[str, bytes], int]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rows = self._db.execute("SELECT * FROM boots")
        return {(gateway, boot_id): offset for gateway, boot_id, offset in rows}

    def undated(self, gateway: str, boot_id: bytes) -> list[int]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rows = self._db.execute(
            "SELECT position FROM undated WHERE gateway = ? AND boot_id = ? "
            "ORDER BY position",
            (gateway, boot_id),
        )
        return [position for (position,) in rows]

    def channels(self, gateway: str) -> list[Channel]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rows = self._db.execute(
            "SELECT sensor, quantity, count(*) FROM points WHERE gateway = ? "
            "GROUP BY sensor, quantity ORDER BY quantity, sensor",
            (gateway,),
        )
        return [Channel(*row) for row in rows]

    def series(
        self, channel: tuple[str, str, str], span: tuple[int, int], max_points: int
    ) -> list[Point]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rows = self._db.execute(
            "SELECT at_ns, value, coalesce(minimum, value), coalesce(maximum, value) "
            "FROM points WHERE gateway = ? AND sensor = ? AND quantity = ? "
            "AND at_ns BETWEEN ? AND ? ORDER BY at_ns",
            (*channel, *span),
        )
        return decimate([Point(*row) for row in rows], max_points)

    def summary(
        self, channel: tuple[str, str, str], span: tuple[int, int]
    ) -> Summary | None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        among = (
            "FROM points WHERE gateway = ? AND sensor = ? AND quantity = ? "
            "AND at_ns BETWEEN ? AND ?"
        )
        last = self._db.execute(
            "SELECT at_ns, value, coalesce(minimum, value), coalesce(maximum, value) "
            f"{among} ORDER BY at_ns DESC LIMIT 1",
            (*channel, *span),
        ).fetchone()
        if last is None:
            return None
        extremes = self._db.execute(
            "SELECT min(coalesce(minimum, value)), max(coalesce(maximum, value)) "
            f"{among}",
            (*channel, *span),
        ).fetchone()
        return Summary(Point(*last), *extremes)

    def positions(self, gateway: str, from_ns: int, to_ns: int) -> list[PositionRow]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rows = self._db.execute(
            "SELECT * FROM positions WHERE gateway = ? AND at_ns BETWEEN ? AND ? "
            "AND latitude_deg IS NOT NULL ORDER BY at_ns",
            (gateway, from_ns, to_ns),
        )
        return [PositionRow(*row) for row in rows]

    def events(self, gateway: str, as_of_ns: int | None = None) -> list[EventRow]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rows = self._db.execute(
            "SELECT * FROM events WHERE gateway = ? AND received_at_ns <= ? "
            "ORDER BY rank, sequence",
            (gateway, _until(as_of_ns)),
        )
        return [EventRow(*row)._replace(exercise=bool(row[7])) for row in rows]

    def witness(
        self,
        gateway: str,
        span: tuple[int, int, int | None],
        as_of_ns: int | None = None,
    ) -> WitnessRow | None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rank, first, last = span
        row = self._db.execute(
            "SELECT * FROM witnesses WHERE gateway = ? AND rank = ? "
            "AND sequence BETWEEN ? AND ? AND received_at_ns <= ? "
            "ORDER BY sequence DESC LIMIT 1",
            (gateway, rank, first, _until(last), _until(as_of_ns)),
        ).fetchone()
        return WitnessRow(*row) if row else None

    def latest(self, gateway: str) -> dict[str, LatestRow]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rows = self._db.execute("SELECT * FROM latest WHERE gateway = ?", (gateway,))
        return {row[1]: LatestRow(*row)._replace(exercise=bool(row[6])) for row in rows}

    def answer(self, gateway: str, counter: int) -> AnswerRow | None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        row = self._db.execute(
            "SELECT * FROM answers WHERE gateway = ? AND counter = ?",
            (gateway, counter),
        ).fetchone()
        return AnswerRow(*row) if row else None

    def spans(self) -> list[int]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        rows = self._db.execute(
            "SELECT position FROM records WHERE kind IN ('assigned', 'released') "
            "ORDER BY position"
        )
        return [position for (position,) in rows]

    def exercise_between(
        self, gateway: str, epoch: bytes, first: int, last: int | None
    ) -> int | None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        row = self._db.execute(
            "SELECT sequence FROM records WHERE gateway = ? AND epoch = ? "
            "AND sequence BETWEEN ? AND ? AND exercise = 1 ORDER BY sequence LIMIT 1",
            (gateway, epoch, first, _until(last)),
        ).fetchone()
        return int(row[0]) if row else None

    def received(self, gateway: str, epoch: bytes) -> int:
        """See :class:`cloud.adapters.series_rows.Series`."""
        row = self._db.execute(
            "SELECT count(*) FROM records WHERE gateway = ? AND epoch = ?",
            (gateway, epoch),
        ).fetchone()
        return int(row[0])

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Return every row of every table, sorted, to compare two projections."""
        return {
            name: sorted(self._db.execute(f"SELECT * FROM {name}"), key=repr)  # noqa: S608 - names are constants
            for name in TABLES
        }


def _until(instant: int | None) -> int:
    return 2**63 - 1 if instant is None else instant
