"""From the rows of a store to what a gateway said last about a vial."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from cloud.adapters.series_rows import FINGERPRINT, HALF_LIFE, LatestRow, WitnessRow
from cloud.windows import Said, Statement
from schemas.estimates import FingerprintResult, HalfLifeCheck
from schemas.records import TimeSource

T = TypeVar("T")


def last_word(
    row: WitnessRow,
    latest: Mapping[str, LatestRow],
    place: tuple[int, int, int | None],
    as_of_ns: int | None,
) -> Statement:
    """Return what a report says, with the last half-life and fingerprint.

    Args:
        row: the report's row.
        latest: the gateway's newest statements by name.
        place: rank, first and last sequence of the assignment; those of another
            assignment are another vial's.
        as_of_ns: what was received later is not known; None for all.
    """
    said = msgspec.json.decode(row.witness, type=Said)

    def newest(name: str, kind: type[T]) -> T | None:
        found = latest.get(name)
        if found is None or not _is_within(found, place, as_of_ns):
            return None
        return msgspec.json.decode(found.value, type=kind)

    return Statement(
        witness=said.witness,
        at_ns=row.at_ns,
        time_source=TimeSource(row.time_source),
        time_u_ns=row.time_u_ns,
        fused=said.fused,
        remaining=said.remaining,
        half_life=newest(HALF_LIFE, HalfLifeCheck),
        fingerprint=newest(FINGERPRINT, FingerprintResult),
    )


def _is_within(
    row: LatestRow, place: tuple[int, int, int | None], as_of_ns: int | None
) -> bool:
    rank, first, last = place
    is_inside = first <= row.sequence and (last is None or row.sequence <= last)
    is_known = as_of_ns is None or row.received_at_ns <= as_of_ns
    return row.rank == rank and is_inside and is_known
