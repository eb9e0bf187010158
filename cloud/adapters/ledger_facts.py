"""Where a fact stands among those that the ledger holds of its author."""

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from cloud.adapters import ledger_tables as tables
from cloud.ports import EntryKind
from cloud.signing import ChainEnd
from cloud.verification import Held, VerifiedFact

_entries = tables.entries


def _chain(author: str, kid: bytes) -> sql.ColumnElement[bool]:
    return sql.and_(
        _entries.c.kind == EntryKind.FACT,
        _entries.c.subject == author,
        _entries.c.epoch == kid,
    )


def neighbours(connection: Connection, fact: VerifiedFact) -> Held:
    """Return what is held around a fact's place, by its uuid and its own chain."""
    header = fact.fact.header
    by_uuid = sql.select(_entries.c.digest).where(_entries.c.fact == header.fact)
    found = connection.execute(by_uuid).first()
    links = tables.read_links(
        connection,
        tables.links_query(_chain(header.author, fact.kid)),
        {},
        [header.sequence - 1, header.sequence, header.sequence + 1],
    )
    around = links.around(header.sequence)
    return around if found is None else around._replace(same=found.digest)


def chain_end(connection: Connection, author: str, kid: bytes) -> ChainEnd:
    """Return where the author's next fact goes."""
    last = (
        sql.select(_entries.c.sequence, _entries.c.digest)
        .where(_chain(author, kid))
        .order_by(_entries.c.sequence.desc())
        .limit(1)
    )
    row = connection.execute(last).first()
    return ChainEnd() if row is None else ChainEnd(row.sequence + 1, row.digest)
