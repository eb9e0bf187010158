"""The ledger's tables, their version, and the few queries that belong to them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from cloud.verification import Held

VERSION: Final = 1
# Below the number of parameters that any database takes in one query.
_AT_ONCE: Final = 500

metadata = sql.MetaData()

meta = sql.Table(
    "meta",
    metadata,
    sql.Column("name", sql.String, primary_key=True),
    sql.Column("value", sql.String, nullable=False),
)

entries = sql.Table(
    "entries",
    metadata,
    sql.Column("position", sql.Integer, primary_key=True),
    sql.Column("kind", sql.String, nullable=False),
    sql.Column("subject", sql.String, nullable=False),
    sql.Column("epoch", sql.LargeBinary, nullable=False),
    sql.Column("sequence", sql.BigInteger, nullable=False),
    sql.Column("fact", sql.LargeBinary, unique=True),
    sql.Column("digest", sql.LargeBinary, nullable=False, unique=True),
    sql.Column("previous", sql.LargeBinary),
    sql.Column("sealed", sql.LargeBinary, nullable=False),
    sql.Column("received_at_ns", sql.BigInteger, nullable=False),
    sql.UniqueConstraint("kind", "subject", "epoch", "sequence", name="identity"),
    sqlite_autoincrement=True,
)
# What a :class:`cloud.ports.LedgerEntry` is made of.
ENTRY_COLUMNS: Final = (
    entries.c.position,
    entries.c.kind,
    entries.c.subject,
    entries.c.epoch,
    entries.c.sequence,
    entries.c.digest,
    entries.c.sealed,
    entries.c.received_at_ns,
)

ranges = sql.Table(
    "ranges",
    metadata,
    sql.Column("gateway", sql.String, primary_key=True),
    sql.Column("epoch", sql.LargeBinary, primary_key=True),
    sql.Column("first", sql.BigInteger, primary_key=True),
    sql.Column("last", sql.BigInteger, nullable=False),
)

gaps = sql.Table(
    "gaps",
    metadata,
    sql.Column("gateway", sql.String, primary_key=True),
    sql.Column("epoch", sql.LargeBinary, primary_key=True),
    sql.Column("last", sql.BigInteger, primary_key=True),
    sql.Column("digest", sql.LargeBinary, nullable=False),
)

epochs = sql.Table(
    "epochs",
    metadata,
    sql.Column("gateway", sql.String, primary_key=True),
    sql.Column("epoch", sql.LargeBinary, primary_key=True),
    sql.Column("first_position", sql.Integer, nullable=False),
)

quarantine = sql.Table(
    "quarantine",
    metadata,
    sql.Column("number", sql.Integer, primary_key=True),
    sql.Column("reason", sql.String, nullable=False, index=True),
    sql.Column("detail", sql.String, nullable=False),
    sql.Column("excerpt", sql.LargeBinary, nullable=False),
    sql.Column("at_ns", sql.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)


_KNOWN_EPOCH: Final = sql.select(epochs.c.first_position).where(
    epochs.c.gateway == sql.bindparam("gateway"),
    epochs.c.epoch == sql.bindparam("epoch"),
)


def read_version(connection: Connection) -> int:
    """Return the schema's version, writing this program's into a new ledger."""
    found = connection.execute(
        sql.select(meta.c.value).where(meta.c.name == "version")
    ).scalar()
    if found is not None:
        return int(found)
    connection.execute(sql.insert(meta), {"name": "version", "value": str(VERSION)})
    return VERSION


def note_epoch(
    connection: Connection, gateway: str, epoch: bytes, first_position: int
) -> None:
    """Note the first position of an epoch unless it is known already."""
    key = {"gateway": gateway, "epoch": epoch}
    if connection.execute(_KNOWN_EPOCH, key).first() is None:
        row = key | {"first_position": first_position}
        connection.execute(sql.insert(epochs), row)


class Links:
    """Digests and previous digests held at places of one chain."""

    def __init__(self) -> None:
        self._digests: dict[int, bytes] = {}
        self._previous: dict[int, bytes] = {}
        self._explained: dict[int, bytes] = {}

    def add(self, sequence: int, digest: bytes, previous: bytes) -> None:
        """Note an item that is held, or about to be."""
        self._digests[sequence] = digest
        self._previous[sequence] = previous

    def explain(self, sequence: int, digest: bytes) -> None:
        """Note the digest that a signed gap states for its last place."""
        self._explained[sequence] = digest

    def around(self, sequence: int) -> Held:
        """Return what is held at and beside a place."""
        below = sequence - 1
        return Held(
            self._digests.get(sequence),
            self._digests.get(below, self._explained.get(below)),
            self._previous.get(sequence + 1),
        )


LinksQuery = sql.Select[Any]


def links_query(chain: sql.ColumnElement[bool]) -> LinksQuery:
    """Return the query of :func:`read_links` for the entries of ``chain``."""
    columns = (entries.c.sequence, entries.c.digest, entries.c.previous)
    places: sql.BindParameter[Any] = sql.bindparam("places", expanding=True)
    return sql.select(*columns).where(chain, entries.c.sequence.in_(places))


def read_links(
    connection: Connection,
    query: LinksQuery,
    chain: Mapping[str, object],
    sequences: Iterable[int],
) -> Links:
    """Return what is held at these places; ``chain`` has the query's parameters."""
    links = Links()
    wanted = sorted(set(sequences))
    for start in range(0, len(wanted), _AT_ONCE):
        some = {**chain, "places": wanted[start : start + _AT_ONCE]}
        for row in connection.execute(query, some):
            links.add(row.sequence, row.digest, row.previous)
    return links
