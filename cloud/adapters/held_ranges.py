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

# Built once: with a thousand gateways, to build a statement for every record costs as
# much as to run it.
_GATEWAY: Final[sql.BindParameter[str]] = sql.bindparam("gateway")
_EPOCH: Final[sql.BindParameter[bytes]] = sql.bindparam("epoch")
_LOW: Final[sql.BindParameter[int]] = sql.bindparam("low")
_HIGH: Final[sql.BindParameter[int]] = sql.bindparam("high")


def _of(table: sql.Table) -> sql.ColumnElement[bool]:
    return sql.and_(table.c.gateway == _GATEWAY, table.c.epoch == _EPOCH)


_RECORDS: Final = sql.and_(
    tables.entries.c.kind == EntryKind.RECORD,
    tables.entries.c.subject == _GATEWAY,
    tables.entries.c.epoch == _EPOCH,
)
_LINKS: Final = tables.links_query(_RECORDS)
_GAPS: Final = sql.select(tables.gaps.c.last, tables.gaps.c.digest).where(
    _of(tables.gaps), tables.gaps.c.last.between(_LOW, _HIGH)
)
_BESIDE: Final = sql.and_(
    _of(tables.ranges), tables.ranges.c.first <= _HIGH, tables.ranges.c.last >= _LOW
)
_TOUCHING: Final = sql.select(tables.ranges.c.first, tables.ranges.c.last).where(
    _BESIDE
)
_JOINED: Final = sql.delete(tables.ranges).where(_BESIDE)
_LOWEST: Final = (
    sql.select(tables.ranges.c.first, tables.ranges.c.last)
    .where(_of(tables.ranges))
    .order_by(tables.ranges.c.first)
    .limit(_LOOK_AT)
)
_HELD: Final = sql.select(tables.entries.c.digest).where(
    _RECORDS, tables.entries.c.sequence == _LOW
)
_EXPLAINED: Final = sql.select(tables.gaps.c.digest).where(
    _of(tables.gaps), tables.gaps.c.last == _LOW
)
_GAP_AT: Final = sql.delete(tables.gaps).where(
    _of(tables.gaps), tables.gaps.c.last == _LOW
)
_NEW_RANGE: Final = sql.insert(tables.ranges)
_NEW_GAP: Final = sql.insert(tables.gaps)


class HeldRanges:
    """The ranges of one epoch, inside the caller's transaction."""

    def __init__(self, connection: Connection, chain: Chain) -> None:
        self._connection = connection
        self._chain = chain
        self._key = chain._asdict()

    def _at(self, low: int, high: int | None = None) -> dict[str, object]:
        return self._key | {"low": low} | ({} if high is None else {"high": high})

    def links(self, sequences: Iterable[int]) -> tables.Links:
        """Return what is held at these places and beside them."""
        places = {at + step for at in sequences for step in (-1, 0, 1)}
        links = tables.read_links(self._connection, _LINKS, self._key, places)
        stated = self._connection.execute(_GAPS, self._at(min(places), max(places)))
        for last, digest in stated:
            links.explain(last, digest)
        return links

    def add(self, sequences: Iterable[int]) -> None:
        """Count these sequences as held."""
        for first, last in _runs(sequences):
            self._join(first, last)

    def _join(self, first: int, last: int) -> None:
        beside = self._at(first - 1, last + 1)
        found = self._connection.execute(_TOUCHING, beside).all()
        if found:
            self._connection.execute(_JOINED, beside)
        row = self._key | {
            "first": min([first, *(one.first for one in found)]),
            "last": max([last, *(one.last for one in found)]),
        }
        self._connection.execute(_NEW_RANGE, row)

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
        self._connection.execute(_GAP_AT, self._at(gap.to_sequence))
        row = {"last": gap.to_sequence, "digest": gap.digest}
        self._connection.execute(_NEW_GAP, self._key | row)
        self._join(gap.from_sequence, gap.to_sequence)

    def watermark(self) -> Watermark:
        """Return the watermark and the lowest ranges above it."""
        rows = self._connection.execute(_LOWEST, self._key)
        found = [(first, last) for first, last in rows]
        if not found or found[0][0] != 0:
            return Watermark(None, None, tuple(found))
        contiguous = found[0][1]
        return Watermark(contiguous, self._digest(contiguous), tuple(found[1:]))

    def _digest(self, sequence: int) -> bytes | None:
        at = self._at(sequence)
        digest: bytes | None = self._connection.execute(_HELD, at).scalar()
        return digest or self._connection.execute(_EXPLAINED, at).scalar()


def _runs(sequences: Iterable[int]) -> list[tuple[int, int]]:
    """Return ascending sequences as (first, last) runs."""
    runs: list[tuple[int, int]] = []
    for sequence in sorted(sequences):
        if runs and runs[-1][1] + 1 == sequence:
            runs[-1] = (runs[-1][0], sequence)
        else:
            runs.append((sequence, sequence))
    return runs
