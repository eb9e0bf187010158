"""Bytes that reach an ext4 of 4 KiB blocks for each record; needs root.

    .venv/bin/python -m tests.faults.disk_bytes --records 2400 [--json]

The device's own count of written sectors, journal included, over whole segments of
records of about 320 bytes: committed alone, in groups of 12, and the same bytes in
SQLite (WAL, FULL) in the same run. Everything is synced before and after, so that
what the kernel would write later is counted too.
"""

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from gateway.outbox import Outbox, OutboxLimits
from tests.faults.loop_disk import LoopDisk, loop_disk
from tests.faults.rig import (
    Finding,
    cannot_run_is_said,
    conclude,
    hush,
    rig_folder,
    rig_parser,
)
from tests.gateway.outbox_chain import add, filler

FULL_RECORDS: Final = 2400
ALONE_BYTES: Final = 5 * 1024
GROUP: Final = 12
OVERHEAD_BYTES: Final = 400
BODY_BYTES: Final = 100


class Cost(NamedTuple):
    """Bytes a record: as sealed, as written to the device, and the zeros of those."""

    sealed: float
    written: float
    zeros: float


def _settled(disk: LoopDisk) -> int:
    os.sync()
    return disk.written_bytes()


def outbox_cost(disk: LoopDisk, group: int, records: int) -> Cost:
    """Commit records in groups; everything that a gateway would write is counted."""
    outbox = Outbox.open(disk.folder / f"outbox-{group}", OutboxLimits(reserve_bytes=0))
    add(outbox, filler(BODY_BYTES))
    outbox.commit()
    before, sealed_bytes, made_bytes = _settled(disk), 0, outbox.size_bytes
    for _ in range(records // group):
        for _ in range(group):
            sealed_bytes += len(add(outbox, filler(BODY_BYTES)))
        outbox.commit()
    count = records // group * group
    zeros = outbox.size_bytes - made_bytes
    written = _settled(disk) - before
    outbox.close()
    return Cost(sealed_bytes / count, written / count, zeros / count)


def sqlite_cost(disk: LoopDisk, group: int, records: int, size: int) -> float:
    """Commit as many records of a size to SQLite in WAL mode, FULL."""
    path: Path = disk.folder / f"outbox-{group}.sqlite"
    with closing(sqlite3.connect(path)) as base:
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = FULL")
        base.execute("CREATE TABLE records (number INTEGER PRIMARY KEY, data BLOB)")
        base.commit()
        before = _settled(disk)
        for _ in range(records // group):
            rows = [(os.urandom(size),) for _ in range(group)]
            base.executemany("INSERT INTO records (data) VALUES (?)", rows)
            base.commit()
        return (_settled(disk) - before) / (records // group * group)


def find(records: int) -> list[Finding]:
    """Measure all in one run.

    Raises:
        CannotRunError: there can be no ext4 on a loop device here.
    """
    with rig_folder() as root, loop_disk(root, 128) as disk:
        alone = outbox_cost(disk, 1, records)
        grouped = outbox_cost(disk, GROUP, records)
        size = round(alone.sealed)
        sqlite = [sqlite_cost(disk, group, records, size) for group in (1, GROUP)]
    is_full = records >= FULL_RECORDS
    return [
        Finding(
            "F20 alone",
            "bytes that reach an ext4 of 4 KiB blocks, a record committed alone: at "
            "most 5 KiB; SQLite WAL FULL in the same run",
            f"{alone.written:,.0f} B for {alone.sealed:,.0f} B sealed, of which "
            f"{alone.zeros:,.0f} B are the segments' zeros; SQLite {sqlite[0]:,.0f} B",
            alone.written <= ALONE_BYTES,
            is_full,
        ),
        Finding(
            "F20 grouped",
            "the same in groups of 12: at most the sealed size + 400 B",
            f"sealed {grouped.sealed:,.0f} B + "
            f"{grouped.written - grouped.sealed:,.0f} B, of which {grouped.zeros:,.0f} "
            f"B are the segments' zeros; SQLite {sqlite[1]:,.0f} B",
            grouped.written <= grouped.sealed + OVERHEAD_BYTES,
            is_full,
        ),
    ]


def main() -> int:
    """Measure and print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--records", type=int, default=FULL_RECORDS)
    given = parser.parse_args()
    hush()
    with cannot_run_is_said():
        return conclude(find(given.records), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
