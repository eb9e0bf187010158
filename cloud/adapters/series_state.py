"""The state of a projection: one SQLite file, beside the points wherever they are.

A rollback journal with synchronous NORMAL is enough: what is lost is projected again.
The cursor moves in the same transaction as the rows that it stands for. The file
names the store that holds the time series of its cursor.
"""

import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from cloud.adapters.series_rows import (
    AnswerRow,
    BootRow,
    Channel,
    EventRow,
    LatestRow,
    RecordRow,
    RefusedRow,
    Rows,
    SeriesError,
    StoreHealth,
    UndatedRow,
    WitnessRow,
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
CREATE TABLE IF NOT EXISTS channels (
  gateway TEXT, sensor TEXT, quantity TEXT,
  PRIMARY KEY (gateway, sensor, quantity)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (
  reason TEXT PRIMARY KEY, points INTEGER, position INTEGER, detail TEXT)
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tally (points INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS store (name TEXT NOT NULL);
"""
# What is a function of the ledger alone, with the order of each key.
STATE_TABLES: Final = {
    "records": "gateway, epoch, sequence",
    "events": "gateway, epoch, sequence",
    "witnesses": "gateway, rank, sequence",
    "latest": "gateway, name",
    "answers": "gateway, counter",
    "boots": "gateway, boot_id",
    "undated": "position",
    "epochs": "gateway, epoch",
    "channels": "gateway, sensor, quantity",
    "cursor": "position",
}
_OTHERS: Final = ("refused", "waiting", "tally", "store")


def hold_alone(path: str) -> BinaryIO:
    """Return a lock that says that this process projects into ``path``.

    It is held until the file returned is closed, or the process ends in any way.

    Raises:
        ConfigError: another process holds it, or its folder cannot be written.
    """
    try:
        lock = Path(f"{path}.lock").open("wb")  # noqa: SIM115 - held as long as the process
    except OSError as error:
        raise ConfigError(
            f"series.path {path}: {error.strerror}; create its folder"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise ConfigError(
            f"series.path {path}: another process projects into it; stop that first"
        ) from error
    return lock


class StateFile:
    """The state of a projection in one SQLite file; one thread at a time.

    ``store`` names where the time series is, and how it is laid out there.
    """

    def __init__(self, path: Path | str, store: str) -> None:
        self._store = store
        self._db = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
        self._db.isolation_level = None
        self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def prepare(self) -> None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        if not self._is_of_store():
            self.forget()

    def _is_of_store(self) -> bool:
        row = self._db.execute("SELECT name FROM store").fetchone()
        return row is not None and row[0] == self._store

    def position(self) -> int:
        """See :class:`cloud.adapters.series_rows.Series`."""
        row = self._db.execute("SELECT position FROM cursor").fetchone()
        return int(row[0]) if row else 0

    def commit(self, rows: Rows, position: int) -> None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        self._transact(lambda: self._write(rows, position))

    def forget(self) -> None:
        """Forget the state; the cursor returns to 0."""
        self._transact(self._forget)

    def _forget(self) -> None:
        for table in (*STATE_TABLES, *_OTHERS):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names are constants
        self._db.execute("INSERT INTO store VALUES (?)", (self._store,))

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
            ("witnesses", WitnessRow, rows.witnesses),
            ("answers", AnswerRow, rows.answers),
            ("boots", BootRow, rows.boots),
            ("undated", UndatedRow, rows.undated),
        ):
            self._insert(table, len(kind._fields), values)
        self._insert("epochs", 3, rows.epochs)
        channels = {(row.gateway, row.sensor, row.quantity) for row in rows.points}
        self._insert("channels", 3, sorted(channels))
        self._db.executemany(
            # An event that was undated at first comes again with its date.
            "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows.events,
        )
        self._db.executemany(
            "DELETE FROM undated WHERE position = ?", [(at,) for at in rows.dated]
        )
        self._write_latest(rows.latest)
        self._db.execute("DELETE FROM waiting")
        self._db.execute("DELETE FROM cursor")
        self._db.execute("INSERT INTO cursor VALUES (?)", (position,))

    def _insert(
        self, table: str, width: int, values: Sequence[tuple[object, ...]]
    ) -> None:
        marks = ", ".join("?" * width)
        self._db.executemany(
            f"INSERT OR IGNORE INTO {table} VALUES ({marks})",  # noqa: S608 - names are constants
            values,
        )

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

    def _count_refused(self, refused: Sequence[RefusedRow]) -> None:
        self._db.executemany(
            "INSERT INTO refused VALUES (?, ?, ?, ?) ON CONFLICT (reason) DO UPDATE "
            "SET points = points + excluded.points, position = excluded.position, "
            "detail = excluded.detail",
            refused,
        )

    def _tally(self) -> int:
        """Return how many points the cursor stands for."""
        row = self._db.execute("SELECT points FROM tally").fetchone()
        return int(row[0]) if row else 0

    def _add_to_tally(self, points: int) -> None:
        total = self._tally() + points
        self._db.execute("DELETE FROM tally")
        self._db.execute("INSERT INTO tally VALUES (?)", (total,))

    def say_waiting(self, reason: str | None) -> None:
        """See :class:`cloud.adapters.series_rows.Series`."""
        said = [] if reason is None else [(reason,)]
        if self._db.execute("SELECT reason FROM waiting").fetchall() != said:
            self._transact(lambda: self._say_waiting(said))

    def _say_waiting(self, said: list[tuple[str]]) -> None:
        self._db.execute("DELETE FROM waiting")
        self._db.executemany("INSERT INTO waiting VALUES (?)", said)

    def health(self) -> StoreHealth:
        """See :class:`cloud.adapters.series_rows.Series`."""
        waiting = self._db.execute("SELECT reason FROM waiting").fetchone()
        refused = self._db.execute("SELECT * FROM refused ORDER BY reason")
        return StoreHealth(
            self._store,
            self.position(),
            waiting[0] if waiting else None,
            tuple(RefusedRow(*row) for row in refused),
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
            "SELECT sensor, quantity FROM channels WHERE gateway = ? "
            "ORDER BY quantity, sensor",
            (gateway,),
        )
        return [Channel(*row) for row in rows]

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
            "SELECT position FROM records "
            "WHERE kind IN ('assigned', 'released', 'fingerprint') ORDER BY position"
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

    def state_rows(self, table: str) -> Iterator[tuple[object, ...]]:
        """See :class:`cloud.adapters.series_rows.Series`."""
        return self._db.execute(
            f"SELECT * FROM {table} ORDER BY {STATE_TABLES[table]}"  # noqa: S608 - names are constants
        )


def _until(instant: int | None) -> int:
    return 2**63 - 1 if instant is None else instant
