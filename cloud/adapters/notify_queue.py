"""The queue of notifications: a SQLite file, so that none is forgotten by a crash.

A message is in the queue before anybody is told, and leaves it only when the receiver
has answered with success: at least once. It has its place for ever by (endpoint,
name), so that putting it in again changes nothing. An endpoint's messages go in their
order; one that fails holds up those behind it, and tries again ever later. What never
succeeds is given up after three days, and counted.
"""

import random
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from cloud.errors import QueueError

BASE_S: Final = 1.0
MAX_S: Final = 3600.0
GIVE_UP_S: Final = 72 * 3600.0
DEAD_AFTER: Final = 5
# Refused by the receiver for good: the next one may be better.
REFUSED_AFTER: Final = 5

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS messages (
  number INTEGER PRIMARY KEY, endpoint TEXT, name TEXT, body BLOB, queued_s REAL,
  state TEXT, attempts INTEGER DEFAULT 0, error TEXT, UNIQUE (endpoint, name));
CREATE INDEX IF NOT EXISTS messages_waiting
  ON messages (endpoint, number) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS endpoints (
  name TEXT PRIMARY KEY, failures INTEGER DEFAULT 0, due_s REAL DEFAULT 0,
  last_success_s REAL, last_failure_s REAL, error TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursor (position INTEGER NOT NULL, facts INTEGER NOT NULL);
"""


class Message(NamedTuple):
    """One message on its way to one endpoint."""

    number: int
    name: str
    body: bytes
    queued_s: float
    attempts: int


class EndpointHealth(NamedTuple):
    """How an endpoint does; instants are real, Unix seconds."""

    name: str
    waiting: int
    oldest_s: float | None
    delivered: int
    given_up: int
    failures: int
    last_success_s: float | None
    last_failure_s: float | None
    error: str | None

    @property
    def is_dead(self) -> bool:
        """True where it has failed several times in a row: a person must look."""
        return self.failures >= DEAD_AFTER


class NotifyQueue:
    """The queue in one file; safe for several threads of one process."""

    def __init__(self, path: Path | str, seed: int | None = None) -> None:
        self._jitter = random.Random(seed)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
        self._db.isolation_level = None
        self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def cursor(self) -> tuple[int, int]:
        """Return how far series and facts were looked at."""
        with self._lock:
            row = self._db.execute("SELECT position, facts FROM cursor").fetchone()
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def known(self) -> frozenset[str]:
        """Return the endpoints that were ever filled for."""
        with self._lock:
            rows = self._db.execute("SELECT name FROM endpoints").fetchall()
        return frozenset(name for (name,) in rows)

    def put(
        self,
        messages: list[tuple[str, str, bytes, bool]],
        endpoints: list[str],
        cursor: tuple[int, int],
        now_s: float,
    ) -> int:
        """Put messages (endpoint, name, body, is to be sent) in, once each.

        They, the endpoints and the cursor are on the disk together, or none is.
        Returns how many are new and to be sent.
        """
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            before = self._db.total_changes
            self._db.executemany(
                "INSERT OR IGNORE INTO messages (endpoint, name, body, queued_s, state)"
                " VALUES (?, ?, ?, ?, ?)",
                [
                    (endpoint, name, body, now_s, "waiting" if sends else "before")
                    for endpoint, name, body, sends in messages
                ],
            )
            added = self._db.total_changes - before
            self._db.executemany(
                "INSERT OR IGNORE INTO endpoints (name) VALUES (?)",
                [(name,) for name in endpoints],
            )
            self._db.execute("DELETE FROM cursor")
            self._db.execute("INSERT INTO cursor VALUES (?, ?)", cursor)
        return added

    def due(self, endpoint: str, now_s: float) -> Message | None:
        """Return the endpoint's next message if it is time for it."""
        with self._lock:
            row = self._db.execute(
                "SELECT number, m.name, body, queued_s, attempts FROM messages m "
                "JOIN endpoints e ON e.name = m.endpoint "
                "WHERE endpoint = ? AND state = 'waiting' AND due_s <= ? "
                "ORDER BY number LIMIT 1",
                (endpoint, now_s),
            ).fetchone()
        return None if row is None else Message(*row)

    def delivered(self, endpoint: str, message: Message, now_s: float) -> None:
        """Note that the receiver has it."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(
                "UPDATE messages SET state = 'delivered', attempts = attempts + 1, "
                "error = NULL WHERE number = ?",
                (message.number,),
            )
            self._db.execute(
                "UPDATE endpoints SET failures = 0, due_s = 0, last_success_s = ?, "
                "error = NULL WHERE name = ?",
                (now_s, endpoint),
            )

    def failed(
        self,
        endpoint: str,
        message: Message,
        error: str,
        now_s: float,
        *,
        is_refusal: bool = False,
        retry_after_s: float = 0.0,
    ) -> float:
        """Note a failure; return how long to wait before the next attempt.

        ``is_refusal`` says that the receiver took it for wrong, not that it is away.
        """
        tries = message.attempts + 1
        is_old = now_s - message.queued_s > GIVE_UP_S
        is_over = is_old or (is_refusal and tries >= REFUSED_AFTER)
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(
                "UPDATE messages SET attempts = ?, error = ?, state = ? "
                "WHERE number = ?",
                (tries, error, "given up" if is_over else "waiting", message.number),
            )
            (failures,) = self._db.execute(
                "SELECT failures FROM endpoints WHERE name = ?", (endpoint,)
            ).fetchone()
            # Full jitter: receivers that come back are not run over.
            longest_s = min(MAX_S, BASE_S * 2 ** min(failures, 20))
            wait_s = max(retry_after_s, self._jitter.uniform(0.0, longest_s))
            self._db.execute(
                "UPDATE endpoints SET failures = failures + 1, due_s = ?, "
                "last_failure_s = ?, error = ? WHERE name = ?",
                (now_s + wait_s, now_s, error, endpoint),
            )
        return wait_s

    def health(self) -> list[EndpointHealth]:
        """Return how every endpoint does, in order of name."""
        with self._lock:
            return [EndpointHealth(*row) for row in self._db.execute(_HEALTH)]


_HEALTH: Final = """
SELECT name,
  (SELECT count(*) FROM messages WHERE endpoint = e.name AND state = 'waiting'),
  (SELECT min(queued_s) FROM messages WHERE endpoint = e.name AND state = 'waiting'),
  (SELECT count(*) FROM messages WHERE endpoint = e.name AND state = 'delivered'),
  (SELECT count(*) FROM messages WHERE endpoint = e.name AND state = 'given up'),
  failures, last_success_s, last_failure_s, error
FROM endpoints e ORDER BY name
"""


def read_health_of(path: Path) -> list[EndpointHealth]:
    """Return how the endpoints of a queue do; none while there is no queue.

    It is read beside the process that writes it, and never written.
    """
    if not path.is_file():
        return []
    try:
        db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", timeout=5.0, uri=True)
        with closing(db):
            return [EndpointHealth(*row) for row in db.execute(_HEALTH)]
    except sqlite3.OperationalError as error:
        raise QueueError(f"notifications: {error}") from error
