"""The page of shared memory through which the simulator's clock is read.

Simulated or accelerated time is owned by the simulator and advances only as its
bytes are accepted on the serial lines. Gateway and cloud read it from a small
file that all of them map into memory. Everything recorded under it is an exercise.

Layout, little-endian, 64 bytes::

    8s magic | u64 turn | 16s boot id | u64 boot_ns | i64 utc_ns | 16 x 00

``turn`` is odd while the simulator writes; a reader takes a copy whose turn is
even and the same before and after (a sequence lock).
"""

import struct
from typing import Final, NamedTuple

from schemas.errors import MalformedError

PAGE_BYTES: Final = 64
MAGIC: Final = b"dtclock1"
_LAYOUT: Final = struct.Struct("<8sQ16sQq16x")
_TURN: Final = struct.Struct("<Q")
TURN_OFFSET: Final = 8


class SimulatedInstant(NamedTuple):
    """One instant of simulated time."""

    boot_id: bytes
    boot_ns: int
    utc_ns: int


def pack_page(turn: int, instant: SimulatedInstant) -> bytes:
    """Return the 64 bytes of a page."""
    return _LAYOUT.pack(MAGIC, turn, *instant)


def page_turn(page: bytes) -> int:
    """Return the turn of a page; odd means that it is being written."""
    turn: int = _TURN.unpack_from(page, TURN_OFFSET)[0]
    return turn


def unpack_page(page: bytes) -> SimulatedInstant:
    """Return the instant on a page.

    Raises:
        MalformedError: this is no page of simulated time.
    """
    if len(page) < PAGE_BYTES or page[:8] != MAGIC:
        raise MalformedError("not a page of simulated time")
    _magic, _turn, boot_id, boot_ns, utc_ns = _LAYOUT.unpack(page[:PAGE_BYTES])
    return SimulatedInstant(boot_id, boot_ns, utc_ns)
