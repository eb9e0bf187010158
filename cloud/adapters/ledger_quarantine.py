"""The ledger's quarantine: what was refused, bounded for each reason.

Bounded per reason, so that a flood of noise does not push out the evidence of a
forgery. A conflict between authentic items is kept whole, noise by its start.
"""

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from cloud.adapters.ledger_tables import quarantine
from cloud.ports import Quarantined
from cloud.verification import Refusal, RefusalReason
from schemas.envelope import MAX_SEALED_BYTES

KEPT_PER_REASON: Final = 500
NOISE_EXCERPT_BYTES: Final = 256
_KEPT_WHOLE: Final = (RefusalReason.EQUIVOCATION, RefusalReason.BROKEN_LINK)


def keep_refusals(
    connection: Connection, refusals: Iterable[Refusal], at_ns: int
) -> None:
    """Keep refusals; the oldest of the same reason make room."""
    rows = [
        {
            "reason": str(refusal.reason),
            "detail": refusal.detail,
            "excerpt": _excerpt(refusal),
            "at_ns": at_ns,
        }
        for refusal in refusals
    ]
    if not rows:
        return
    connection.execute(sql.insert(quarantine), rows)
    for reason in {str(row["reason"]) for row in rows}:
        _forget_oldest(connection, reason)


def newest_refusals(connection: Connection, limit: int) -> list[Quarantined]:
    """Return the newest ``limit`` refusals, newest first."""
    columns = (
        quarantine.c.reason,
        quarantine.c.detail,
        quarantine.c.excerpt,
        quarantine.c.at_ns,
    )
    query = sql.select(*columns).order_by(quarantine.c.number.desc()).limit(limit)
    return [Quarantined(*row) for row in connection.execute(query)]


def _forget_oldest(connection: Connection, reason: str) -> None:
    number = quarantine.c.number
    of_reason = quarantine.c.reason == reason
    newest = sql.select(number).where(of_reason).order_by(number.desc())
    kept = newest.limit(KEPT_PER_REASON).subquery()
    oldest_kept = sql.select(sql.func.min(kept.c.number)).scalar_subquery()
    connection.execute(sql.delete(quarantine).where(of_reason, number < oldest_kept))


def _excerpt(refusal: Refusal) -> bytes:
    whole = refusal.reason in _KEPT_WHOLE
    return refusal.sealed[: MAX_SEALED_BYTES if whole else NOISE_EXCERPT_BYTES]
