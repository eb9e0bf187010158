"""The cloud: the real ingestor and projection on a real ledger; processes that die.

The ledger is SQLite in memory, so that 1,000 seeds are affordable: its crash is the
loss of the transaction under way, at any call of the ingestor to the machines around
it. What FULL synchronous adds is proved with the outbox's and the ledger's own rigs.
"""

import threading
from collections.abc import Callable
from random import Random

from sqlalchemy import event
from sqlalchemy.engine import Connection

from cloud.adapters.ledger import open_ledger
from cloud.adapters.mqtt import Received
from cloud.adapters.series import SqliteSeries
from cloud.config import IngestConfig
from cloud.errors import LedgerError
from cloud.ingest import Ingestor, Parties
from cloud.ports import LedgerEntry
from cloud.projection import Projection, project_all
from schemas.custody import Notice
from schemas.envelope import open_envelope
from schemas.facts import read_fact
from schemas.keys import KeyRegistry, Signer
from tests.builders import START_NS
from tests.faults.oracle import Oracle
from tests.faults.schedule import Schedule
from tests.faults.wire import Broker, Publication

# A gateway of the simulation speaks once in an interval, not every 30 s.
_SETTINGS = IngestConfig(silent_after_s=4 * 3600.0)
_MOST_WAITS = 50


class ProcessKilled(Exception):  # noqa: N818 - not an error of the program
    """The process is gone."""


class TrueClock:
    """The server's clock."""

    exercise = True

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def boot_ns(self) -> int:
        return round(self._schedule.now_s * 1e9)

    def utc_ns(self) -> int:
        return START_NS + self.boot_ns()


class _Patience(threading.Event):
    """Waits for nothing; gives up where a real worker would wait for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        return self.waits > _MOST_WAITS


class CloudNode:
    """Takes the part of :class:`cloud.ingest.Line` too, with a fuse in each call."""

    def __init__(
        self,
        schedule: Schedule,
        broker: Broker,
        rng: Random,
        oracle: Oracle,
        keys: tuple[Signer, KeyRegistry],
    ) -> None:
        self.fuse: int | None = None
        self.lock_chance = 0.0
        self.crashes = self.locked = 0
        self.ledger = open_ledger("sqlite:///:memory:")
        self.series = SqliteSeries(":memory:")
        event.listen(self.ledger._engine, "commit", self._on_commit)
        event.listen(self.ledger._engine, "begin", self._on_begin)
        self._schedule = schedule
        self._broker = broker
        self._rng = rng
        self._oracle = oracle
        self._clock = TrueClock(schedule)
        self._signer, self._registry = keys
        self._taken: list[Publication] = []
        self._worker: Ingestor | None = None
        self._patience = _Patience()
        self._wanted_s: float | None = None
        self._is_working = False
        self._projection = Projection(self.ledger, self.series)
        broker.wake_ingestor = lambda: self.wake(0.1)
        self.start()

    # Life and death

    def start(self) -> None:
        """Start the ingestor."""
        if self._worker is not None:
            return
        self._patience = _Patience()
        parties = Parties(
            self.ledger, self, self._clock, self._signer, lambda: self._registry
        )
        self._worker = Ingestor(parties, _SETTINGS, self._patience)
        self.wake(0.1)

    def _crash(self) -> None:
        self.crashes += 1
        self._oracle.note(self._schedule.now_s, "ingestor-crash")
        self.fuse = None
        self._worker = None
        if self._rng.random() < 0.5:
            # Some brokers keep a session for who comes back.
            self._broker.queue.extendleft(reversed(self._taken))
        self._taken.clear()
        self._schedule.after(self._rng.uniform(2, 120), self.start)

    def _burn(self) -> None:
        if self.fuse is not None and self._is_working:
            self.fuse -= 1
            if self.fuse < 0:
                self.fuse = None
                raise ProcessKilled

    def _on_begin(self, _connection: Connection) -> None:
        self._burn()

    def _on_commit(self, _connection: Connection) -> None:
        self._burn()
        if self._is_working and self._rng.random() < self.lock_chance:
            self.locked += 1
            raise LedgerError("database is locked")

    # The worker

    def wake(self, delay_s: float) -> None:
        """Let the ingestor work in ``delay_s``, unless it will sooner."""
        due_s = self._schedule.now_s + delay_s
        if self._worker is None or (self._wanted_s or due_s + 1) <= due_s:
            return
        self._wanted_s = due_s

        def act() -> None:
            if self._wanted_s == due_s:
                self._wanted_s = None
                self.step()

        self._schedule.after(delay_s, act)

    def step(self) -> None:
        """One step of the ingestor, and when the next is due."""
        worker = self._worker
        if worker is None:
            return
        self._is_working = True
        self._guarded(lambda: worker.step(self._schedule.now_s))
        self._is_working = False
        if self._patience.waits > _MOST_WAITS:
            self._oracle.violate("drained", "the ingestor waits for ever")
        if self._worker is None:
            return
        self._patience.waits = 0
        if self._broker.queue or worker._desk.owed:
            self.wake(0.5)
        elif worker._gaps._gaps or worker._dispatcher.pending:
            self.wake(15)
        else:
            self.wake(1800)

    def _guarded(self, act: Callable[[], object]) -> None:
        try:
            act()
        except ProcessKilled:
            self._crash()
        except Exception as error:
            text = f"ingestor: {type(error).__name__} {error}"
            self._oracle.violate("exception", text[:300])
            self._crash()

    # cloud.ingest.Line

    def take(self, limit: int, wait_s: float) -> list[Received]:
        del wait_s
        self._burn()
        queue = self._broker.queue
        found = [queue.popleft() for _ in range(min(limit, len(queue)))]
        self._taken += found
        return [Received(one.topic, one.payload, at, 1) for at, one in enumerate(found)]

    def acknowledge(self, message: Received) -> None:
        self._burn()
        self._taken.remove(Publication(message.topic, message.payload))

    def publish(self, topic: str, payload: bytes) -> bool:
        self._burn()
        return self._broker.take_down(Publication(topic, payload))

    # What is held

    def held(
        self, gateway: str, epoch: bytes, first: int, last: int
    ) -> dict[int, bytes]:
        """Return the digests that the ledger holds in a range."""
        found = self.ledger.entries_of(gateway, epoch, first, last)
        return {one.sequence: one.digest for one in found}

    def entries(self) -> list[LedgerEntry]:
        """Return all that the ledger holds."""
        return self.ledger.entries_after(0, 1_000_000)

    def notices(self) -> list[Notice]:
        """Return what the ingestor noticed, as it stated it."""
        bodies = (
            read_fact(open_envelope(one.sealed).payload).body
            for one in self.ledger.facts()
        )
        return [body for body in bodies if isinstance(body, Notice)]

    # The projection

    def project(self) -> None:
        """Project some; the process starts anew now and then."""
        if self._rng.random() < 0.3:
            self._projection = Projection(self.ledger, self.series)
        self._projection.step(200)

    def judge_projection(self) -> None:
        """The newest is the highest in order, and a rebuild is equal."""
        while self._projection.step():
            pass
        rows = self.series.dump()
        highest: dict[tuple[object, object], tuple[object, ...]] = {}
        ranks = {(one[0], one[1]): one[2] for one in rows["epochs"]}
        for gateway, epoch, sequence, _position, kind, *_ in rows["records"]:
            place = (ranks[gateway, epoch], sequence)
            for name in ("record", kind):
                best = highest.get((gateway, name), place)
                highest[gateway, name] = max(best, place)
        for gateway, name, rank, sequence, *_ in rows["latest"]:
            if highest.get((gateway, name), (rank, sequence)) != (rank, sequence):
                self._oracle.violate("order", f"{gateway} {name}: newest is {sequence}")
        fresh = SqliteSeries(":memory:")
        project_all(self.ledger, fresh)
        if fresh.dump() != rows:
            self._oracle.violate("order", "a projection made anew is another")
        fresh.close()

    def close(self) -> None:
        """Close the stores."""
        self.series.close()
        self.ledger.close()
