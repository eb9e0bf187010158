"""Which sequences of an epoch the ledger holds, kept as disjoint ranges.

A new record touches at most the two ranges beside it, so that the watermark is one
look at the lowest ranges however long the history. A signed gap counts as held from
the moment it is held itself, unless it contradicts a link that is held.
"""

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from cloud.adapters import ledger_tables as tables
from cloud.ports import Chain, EntryKind, Watermark
from schemas.receipts import MAX_RANGES
from schemas.records import Gap

# One more than a receipt carries: the range from 0 is its watermark.
_LOOK_AT: Final = MAX_RANGES + 1


class HeldRanges:
    """The ranges of one epoch, inside the caller's transaction."""

    def __init__(self, connection: Connection, chain: Chain) -> None:
        self._connection = connection
        self._chain = chain

    def _of(self, table: sql.Table) -> sql.ColumnElement[bool]:
        return sql.and_(
            table.c.gateway == self._chain.gateway, table.c.epoch == self._chain.epoch
        )

    def _entries(self) -> sql.ColumnElement[bool]:
        table = tables.entries
        return sql.and_(
            table.c.kind == EntryKind.RECORD,
            table.c.subject == self._chain.gateway,
            table.c.epoch == self._chain.epoch,
        )

    def links(self, sequences: Iterable[int]) -> tables.Links:
        """Return what is held at these places and beside them."""
        places = {at + step for at in sequences for step in (-1, 0, 1)}
        links = tables.read_links(self._connection, self._entries(), places)
        table = tables.gaps
        query = sql.select(table.c.last, table.c.digest).where(
            self._of(table), table.c.last.between(min(places), max(places))
        )
        for last, digest in self._connection.execute(query):
            links.explain(last, digest)
        return links

    def add(self, sequences: Iterable[int]) -> None:
        """Count these sequences as held."""
        for first, last in _runs(sequences):
            self._join(first, last)

    def _join(self, first: int, last: int) -> None:
        table = tables.ranges
        touching = sql.and_(
            self._of(table), table.c.first <= last + 1, table.c.last >= first - 1
        )
        query = sql.select(table.c.first, table.c.last).where(touching)
        found = self._connection.execute(query).all()
        self._connection.execute(sql.delete(table).where(touching))
        row = {
            **self._chain._asdict(),
            "first": min([first, *(one.first for one in found)]),
            "last": max([last, *(one.last for one in found)]),
        }
        self._connection.execute(sql.insert(table), row)

    def explain(self, gap: Gap, sequence: int) -> None:
        """Count a signed gap as held, if it lies below its record and contradicts none.

        Args:
            gap: what the record at ``sequence`` states.
            sequence: the record's own sequence.
        """
        if gap.epoch not in (None, self._chain.epoch):
            return
        if not gap.from_sequence <= gap.to_sequence < sequence:
            return
        beside = self.links([gap.to_sequence]).around(gap.to_sequence)
        if beside.same not in (None, gap.digest):
            return
        if beside.after_previous not in (None, gap.digest):
            return
        table = tables.gaps
        at = sql.and_(self._of(table), table.c.last == gap.to_sequence)
        self._connection.execute(sql.delete(table).where(at))
        row = {"last": gap.to_sequence, "digest": gap.digest}
        self._connection.execute(sql.insert(table), self._chain._asdict() | row)
        self._join(gap.from_sequence, gap.to_sequence)

    def watermark(self) -> Watermark:
        """Return the watermark and the lowest ranges above it."""
        table = tables.ranges
        query = sql.select(table.c.first, table.c.last).where(self._of(table))
        query = query.order_by(table.c.first).limit(_LOOK_AT)
        found = [(first, last) for first, last in self._connection.execute(query)]
        if not found or found[0][0] != 0:
            return Watermark(None, None, tuple(found))
        contiguous = found[0][1]
        return Watermark(contiguous, self._digest(contiguous), tuple(found[1:]))

    def _digest(self, sequence: int) -> bytes | None:
        entries, gaps = tables.entries, tables.gaps
        held = sql.select(entries.c.digest).where(
            self._entries(), entries.c.sequence == sequence
        )
        explained = sql.select(gaps.c.digest).where(
            self._of(gaps), gaps.c.last == sequence
        )
        digest: bytes | None = self._connection.execute(held).scalar()
        return digest or self._connection.execute(explained).scalar()


def _runs(sequences: Iterable[int]) -> list[tuple[int, int]]:
    """Return ascending sequences as (first, last) runs."""
    runs: list[tuple[int, int]] = []
    for sequence in sorted(sequences):
        if runs and runs[-1][1] + 1 == sequence:
            runs[-1] = (runs[-1][0], sequence)
        else:
            runs.append((sequence, sequence))
    return runs
