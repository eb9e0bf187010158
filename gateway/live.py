"""Which records a live page shows."""

from collections.abc import Iterable
from typing import Final

from gateway.outbox import StoredRecord
from schemas.envelope import open_envelope
from schemas.errors import MalformedError
from schemas.wire import read_payload

LIVE_KINDS: Final = frozenset({"report", "position", "heartbeat"})


def newest_shown(latest: Iterable[StoredRecord]) -> list[StoredRecord]:
    """Return the newest record of each kind that is shown, in order of sequence.

    ``latest`` are records, the newest first.
    """
    newest: dict[str, StoredRecord] = {}
    for record in latest:
        kind = _kind(record.sealed)
        if kind in LIVE_KINDS:
            newest.setdefault(kind, record)
    return sorted(newest.values())


def _kind(sealed: bytes) -> str:
    try:
        return str(read_payload(open_envelope(sealed).payload).get("kind"))
    except MalformedError:
        return ""
