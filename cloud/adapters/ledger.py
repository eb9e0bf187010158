"""The ledger on SQLAlchemy Core: append-only sealed bytes in a SQLite file.

Tables: ``entries`` (what is held, in the order of acceptance), ``ranges`` (the
sequences held of each epoch as disjoint ranges, so that a watermark costs one look
however long the history), ``gaps`` (ranges that a signed record explains),
``epochs``, ``quarantine`` (bounded per reason, so that a flood of noise does not push
out the evidence of a forgery) and ``meta`` (the schema's version).

SQLite runs with a rollback journal and synchronous FULL: the write-ahead log of
SQLite before 3.51.3 can lose commits when two connections use it. A write begins
with ``BEGIN IMMEDIATE``, so that two processes queue instead of failing midway.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, Row
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cloud.adapters import ledger_tables as tables
from cloud.adapters.held_ranges import HeldRanges
from cloud.adapters.ledger_facts import chain_end, neighbours
from cloud.adapters.ledger_quarantine import keep_refusals, newest_refusals
from cloud.errors import ConfigError, LedgerError
from cloud.ports import (
    AppendResult,
    Chain,
    EntryKind,
    Epoch,
    LedgerEntry,
    Quarantined,
    Watermark,
)
from cloud.signing import ChainEnd
from cloud.verification import (
    Refusal,
    VerifiedCommand,
    VerifiedFact,
    VerifiedRecord,
    judge_chain,
)
from schemas.records import Gap

BUSY_TIMEOUT_S: Final = 10.0
_WRITES: Final = "dosetrail_writes"

_entries = tables.entries
_HEAD: Final = sql.select(sql.func.max(_entries.c.position))
# Followers ask this many times a second; a statement costs more than the rows of it.
_AFTER: Final = (
    sql.select(*tables.ENTRY_COLUMNS)
    .where(_entries.c.position > sql.bindparam("after"))
    .order_by(_entries.c.position)
    .limit(sql.bindparam("most"))
)


def open_ledger(url: str, busy_timeout_s: float = BUSY_TIMEOUT_S) -> "SqlLedger":
    """Open the ledger at ``url``, creating it where there is none.

    Raises:
        ConfigError: the schema is of another version.
        LedgerError: the store cannot be opened, for example without its folder.
    """
    ledger = SqlLedger(_engine(url, busy_timeout_s))
    ledger.create()
    return ledger


def _engine(url: str, busy_timeout_s: float) -> Engine:
    engine = sql.create_engine(
        url,
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
        poolclass=sql.pool.QueuePool,
    )
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare_connection(connection: DBAPIConnection, _record: object) -> None:
    # The driver's own transaction handling would begin too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=DELETE")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class SqlLedger:
    """The :class:`cloud.ports.Ledger`; safe for several threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self) -> None:
        """Create what is missing and check the schema's version.

        Raises:
            ConfigError: the file holds a schema of another version.
        """
        with self._writing() as connection:
            tables.metadata.create_all(connection)
            version = tables.read_version(connection)
        if version != tables.VERSION:
            raise ConfigError(
                f"{self._engine.url}: ledger of schema {version}, this program has "
                f"{tables.VERSION}; use the program that wrote it"
            )

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._translated(), self._engine.connect() as connection:
            chosen = connection.execution_options(**{_WRITES: True})
            with chosen.begin():
                yield chosen

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise LedgerError(f"{self._engine.url}: {error.orig}") from error
        except PoolTimeoutError as error:
            raise LedgerError(f"{self._engine.url}: too many readers") from error

    # -- appending -----------------------------------------------------------

    def append_records(
        self, batch: Sequence[VerifiedRecord], received_at_ns: int
    ) -> AppendResult:
        """See :meth:`cloud.ports.Ledger.append_records`."""
        chains: dict[Chain, list[VerifiedRecord]] = {}
        for record in batch:
            chain = Chain(record.header.gateway, record.header.epoch)
            chains.setdefault(chain, []).append(record)
        results = []
        with self._writing() as connection:
            for chain, group in chains.items():
                results.append(_append_chain(connection, chain, group, received_at_ns))
            conflicts = tuple(one for result in results for one in result.conflicts)
            keep_refusals(connection, conflicts, received_at_ns)
        return AppendResult(
            sum(result.added for result in results),
            sum(result.duplicates for result in results),
            conflicts,
            tuple(
                chain
                for chain, result in zip(chains, results, strict=True)
                if result.added
            ),
        )

    def append_fact(self, fact: VerifiedFact, received_at_ns: int) -> AppendResult:
        """See :meth:`cloud.ports.Ledger.append_fact`."""
        header = fact.fact.header
        with self._writing() as connection:
            held = neighbours(connection, fact)
            if held.same == fact.digest:
                return AppendResult(0, 1, ())
            refusal = judge_chain(fact.sealed, fact.digest, header.previous, held)
            if refusal is not None:
                keep_refusals(connection, (refusal,), received_at_ns)
                return AppendResult(0, 0, (refusal,))
            _insert_fact(connection, fact, received_at_ns)
        return AppendResult(1, 0, ())

    def append_own_fact(
        self,
        owner: tuple[str, bytes],
        seal: Callable[[ChainEnd], VerifiedFact],
        received_at_ns: int,
    ) -> VerifiedFact:
        """See :meth:`cloud.ports.Ledger.append_own_fact`."""
        with self._writing() as connection:
            fact = seal(chain_end(connection, *owner))
            _insert_fact(connection, fact, received_at_ns)
        return fact

    def append_command(self, command: VerifiedCommand, received_at_ns: int) -> bool:
        """See :meth:`cloud.ports.Ledger.append_command`."""
        header = command.command.header
        row = _row(EntryKind.COMMAND, header.gateway, b"", header.counter)
        with self._writing() as connection:
            at = _at(EntryKind.COMMAND, header.gateway, b"")
            taken = sql.select(_entries.c.digest).where(
                at, _entries.c.sequence == header.counter
            )
            if connection.execute(taken).first() is not None:
                return False
            _insert(connection, row, command, received_at_ns)
        return True

    def quarantine(self, refusals: Sequence[Refusal], at_ns: int) -> None:
        """See :meth:`cloud.ports.Ledger.quarantine`."""
        with self._writing() as connection:
            keep_refusals(connection, refusals, at_ns)

    # -- reading -------------------------------------------------------------

    def next_counter(self, gateway: str) -> int:
        """See :meth:`cloud.ports.Ledger.next_counter`."""
        highest = sql.select(sql.func.max(_entries.c.sequence)).where(
            _at(EntryKind.COMMAND, gateway, b"")
        )
        with self._reading() as connection:
            return (connection.execute(highest).scalar() or 0) + 1

    def entries_after(self, position: int, limit: int) -> list[LedgerEntry]:
        """See :meth:`cloud.ports.Ledger.entries_after`."""
        return self._entries(_AFTER, after=position, most=limit)

    def entries_of(
        self, gateway: str, epoch: bytes, from_sequence: int, to_sequence: int
    ) -> list[LedgerEntry]:
        """See :meth:`cloud.ports.Ledger.entries_of`."""
        query = sql.select(*tables.ENTRY_COLUMNS).where(
            _at(EntryKind.RECORD, gateway, epoch),
            _entries.c.sequence.between(from_sequence, to_sequence),
        )
        return self._entries(query.order_by(_entries.c.sequence))

    def facts(self) -> list[LedgerEntry]:
        """See :meth:`cloud.ports.Ledger.facts`."""
        query = sql.select(*tables.ENTRY_COLUMNS).where(
            _entries.c.kind == EntryKind.FACT
        )
        return self._entries(query.order_by(_entries.c.position))

    def commands(self, gateway: str | None = None) -> list[LedgerEntry]:
        """See :meth:`cloud.ports.Ledger.commands`."""
        query = sql.select(*tables.ENTRY_COLUMNS).where(
            _entries.c.kind == EntryKind.COMMAND
        )
        if gateway is not None:
            query = query.where(_entries.c.subject == gateway)
        return self._entries(query.order_by(_entries.c.position))

    def _entries(self, query: sql.Select[Any], **values: int) -> list[LedgerEntry]:
        with self._reading() as connection:
            return [_entry(row) for row in connection.execute(query, values)]

    def watermark(self, gateway: str, epoch: bytes) -> Watermark:
        """See :meth:`cloud.ports.Ledger.watermark`."""
        with self._reading() as connection:
            return HeldRanges(connection, Chain(gateway, epoch)).watermark()

    def gateways(self) -> list[str]:
        """See :meth:`cloud.ports.Ledger.gateways`."""
        names = tables.epochs.c.gateway
        with self._reading() as connection:
            return list(
                connection.scalars(sql.select(names).distinct().order_by(names))
            )

    def epochs(self, gateway: str) -> list[Epoch]:
        """See :meth:`cloud.ports.Ledger.epochs`."""
        table = tables.epochs
        query = (
            sql.select(table.c.gateway, table.c.epoch, table.c.first_position)
            .where(table.c.gateway == gateway)
            .order_by(table.c.first_position)
        )
        with self._reading() as connection:
            return [Epoch(*row) for row in connection.execute(query)]

    def head(self) -> int:
        """See :meth:`cloud.ports.Ledger.head`."""
        with self._reading() as connection:
            return connection.execute(_HEAD).scalar() or 0

    def counts(self) -> dict[EntryKind, int]:
        """See :meth:`cloud.ports.Ledger.counts`."""
        query = sql.select(_entries.c.kind, sql.func.count().label("number")).group_by(
            _entries.c.kind
        )
        with self._reading() as connection:
            found = {row.kind: row.number for row in connection.execute(query)}
        return {kind: found.get(kind, 0) for kind in EntryKind}

    def quarantined(self, limit: int) -> list[Quarantined]:
        """See :meth:`cloud.ports.Ledger.quarantined`."""
        with self._reading() as connection:
            return newest_refusals(connection, limit)


def _entry(row: Row[Any]) -> LedgerEntry:
    entry = LedgerEntry._make(row)
    return entry._replace(kind=EntryKind(entry.kind))


def _at(kind: EntryKind, subject: str, epoch: bytes) -> sql.ColumnElement[bool]:
    return sql.and_(
        _entries.c.kind == kind,
        _entries.c.subject == subject,
        _entries.c.epoch == epoch,
    )


def _row(
    kind: EntryKind, subject: str, epoch: bytes, sequence: int
) -> dict[str, object]:
    return {"kind": kind, "subject": subject, "epoch": epoch, "sequence": sequence}


def _insert(
    connection: Connection,
    row: dict[str, object],
    item: VerifiedRecord | VerifiedFact | VerifiedCommand,
    received_at_ns: int,
) -> None:
    values = {
        "digest": item.digest,
        "sealed": item.sealed,
        "received_at_ns": received_at_ns,
    }
    connection.execute(sql.insert(_entries), row | values)


def _insert_fact(
    connection: Connection, fact: VerifiedFact, received_at_ns: int
) -> None:
    header = fact.fact.header
    row = _row(EntryKind.FACT, header.author, fact.kid, header.sequence)
    row |= {"fact": header.fact, "previous": header.previous}
    _insert(connection, row, fact, received_at_ns)


def _append_chain(
    connection: Connection,
    chain: Chain,
    batch: list[VerifiedRecord],
    received_at_ns: int,
) -> AppendResult:
    """Append the records of one epoch; several in one look and one insert."""
    ranges = HeldRanges(connection, chain)
    held = ranges.links([record.header.sequence for record in batch])
    fresh: list[VerifiedRecord] = []
    conflicts: list[Refusal] = []
    for record in batch:
        place = held.around(record.header.sequence)
        if place.same == record.digest:
            continue
        refusal = judge_chain(
            record.sealed, record.digest, record.header.previous, place
        )
        if refusal is not None:
            conflicts.append(refusal)
            continue
        held.add(record.header.sequence, record.digest, record.header.previous)
        fresh.append(record)
    _insert_records(connection, chain, fresh, received_at_ns)
    ranges.add(record.header.sequence for record in fresh)
    for record in fresh:
        if isinstance(record.body, Gap):
            ranges.explain(record.body, record.header.sequence)
    duplicates = len(batch) - len(fresh) - len(conflicts)
    return AppendResult(len(fresh), duplicates, tuple(conflicts))


def _insert_records(
    connection: Connection,
    chain: Chain,
    fresh: Sequence[VerifiedRecord],
    received_at_ns: int,
) -> None:
    if not fresh:
        return
    before = connection.execute(_HEAD).scalar()
    rows = [
        _row(EntryKind.RECORD, *chain, record.header.sequence)
        | {
            "previous": record.header.previous,
            "digest": record.digest,
            "sealed": record.sealed,
            "received_at_ns": received_at_ns,
        }
        for record in fresh
    ]
    connection.execute(sql.insert(_entries), rows)
    tables.note_epoch(connection, chain.gateway, chain.epoch, (before or 0) + 1)
