"""Power cuts of a real ext4 under the outbox; two controls must lose. Needs root.

    .venv/bin/python -m tests.faults.ext4_cuts --cuts 2000 [--seed 0] [--json]

A process commits records on an ext4 of 4 KiB blocks and notes in shared memory what
``commit`` has returned for. At a random moment what was acknowledged is read, the file
system is shut down without flushing its journal, the process is killed, and the
outbox is opened again on what the device holds: all that was acknowledged must be
there, as one chain. The controls do the same without fdatasync, and with SQLite in
WAL mode and ``synchronous = NORMAL``.
"""

import mmap
import os
import signal
import sqlite3
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from gateway.outbox import Outbox, OutboxLimits, Priority
from schemas.envelope import ZERO_DIGEST, digest
from tests.faults.gateway_mutants import no_fsync
from tests.faults.loop_disk import LoopDisk, loop_disk
from tests.faults.rig import (
    Finding,
    cannot_run_is_said,
    conclude,
    hush,
    print_progress,
    rig_folder,
    rig_parser,
)
from tests.gateway.outbox_chain import OWN_KEY, add, add_gap, filler, opened

FULL_CUTS: Final = 2000
LIMITS: Final = OutboxLimits(reserve_bytes=0, max_bytes=8 << 20)
PATIENCE_S: Final = 30.0
_SLOT: Final = struct.Struct("=q32s")


class Acks:
    """What was acknowledged last, in memory that outlives the process."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self.clear()

    def clear(self) -> None:
        self._page[:8] = bytes(8)

    def note(self, sequence: int, found: bytes = ZERO_DIGEST) -> None:
        """Two slots in turn: a reader never sees one that is half written."""
        count = self.count + 1
        at = 8 + (count % 2) * _SLOT.size
        self._page[at : at + _SLOT.size] = _SLOT.pack(sequence, found)
        self._page[:8] = count.to_bytes(8, sys.byteorder)

    @property
    def count(self) -> int:
        return int.from_bytes(self._page[:8], sys.byteorder)

    def last(self) -> tuple[int, bytes]:
        at = 8 + (self.count % 2) * _SLOT.size
        sequence, found = _SLOT.unpack(self._page[at : at + _SLOT.size])
        return sequence, found


class Store(NamedTuple):
    """A way to keep records: ``work`` for ever, ``missing`` counts what is lost."""

    work: Callable[[Path, Random, Acks], None]
    missing: Callable[[Path, tuple[int, bytes]], int]


def _open(folder: Path) -> Outbox:
    return Outbox.open(folder / "outbox", LIMITS, own_key=OWN_KEY)


def commit_for_ever(folder: Path, rng: Random, acks: Acks) -> None:
    """Commit records, alarms among them, in groups of one to four; let some go."""
    outbox = _open(folder)
    for dropped in outbox.take_gaps():
        add_gap(outbox, dropped)
    while True:
        for _ in range(rng.randint(1, 4)):
            size = rng.choice((10, 200, 700, 4000))
            lane = rng.choice((Priority.BULK, Priority.BULK, Priority.ALARM))
            add(outbox, filler(size), lane)
        outbox.commit()
        acks.note(outbox.head_sequence, outbox.head_digest)
        if rng.random() < 0.1:
            outbox.release(outbox.watermark + (outbox.pending_receipt + 1) // 2)


def commit_unsynced(folder: Path, rng: Random, acks: Acks) -> None:
    with no_fsync():
        commit_for_ever(folder, rng, acks)


def missing_records(folder: Path, acked: tuple[int, bytes]) -> int:
    """Return how many acknowledged records the outbox has not got any more."""
    with closing(_open(folder)) as outbox:
        at, previous = outbox.watermark + 1, None
        first = at
        while at <= acked[0]:
            records = [one for one in outbox.read(at) if one.sequence <= acked[0]]
            if not records:
                break
            for record in records:
                is_linked = opened(record.sealed).header.previous
                if record.sequence != at or previous not in (None, is_linked):
                    return acked[0] - at + 1
                at, previous = at + 1, digest(record.sealed)
        if at <= acked[0]:
            return acked[0] - at + 1
        is_same = acked[0] < first or outbox.digest_at(acked[0]) == acked[1]
        return 0 if is_same else acked[0] - first + 1


def insert_for_ever(folder: Path, _rng: Random, acks: Acks) -> None:
    """SQLite as an outbox often is: WAL, NORMAL; durable is not what it says."""
    with closing(_sqlite(folder)) as base:
        number = _highest(base)
        while True:
            number += 1
            base.execute("INSERT INTO records VALUES (?, ?)", (number, bytes(320)))
            base.commit()
            acks.note(number)


def _sqlite(folder: Path) -> sqlite3.Connection:
    base = sqlite3.connect(folder / "outbox.sqlite")
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = NORMAL")
    base.execute("CREATE TABLE IF NOT EXISTS records (number INTEGER, data BLOB)")
    base.commit()
    return base


def _highest(base: sqlite3.Connection) -> int:
    return int(base.execute("SELECT max(number) FROM records").fetchone()[0] or 0)


def missing_rows(folder: Path, acked: tuple[int, bytes]) -> int:
    with closing(_sqlite(folder)) as base:
        return max(acked[0] - _highest(base), 0)


OUTBOX: Final = Store(commit_for_ever, missing_records)
UNSYNCED: Final = Store(commit_unsynced, missing_records)
SQLITE_NORMAL: Final = Store(insert_for_ever, missing_rows)


def _fork(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    finally:
        os._exit(3)


def _wait_for_first(acks: Acks, pid: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while acks.count == 0:
        if os.waitpid(pid, os.WNOHANG)[0] or time.monotonic() > deadline_s:
            raise RuntimeError("the process that writes has ended, or does not begin")
        time.sleep(0.001)


def cut_once(disk: LoopDisk, store: Store, rng: Random, counts: Counter[str]) -> None:
    """Let a process write, cut the power at a random moment, and compare."""
    acks, seed = Acks(), rng.getrandbits(64)
    pid = _fork(lambda: store.work(disk.folder, Random(seed), acks))
    try:
        _wait_for_first(acks, pid)
        time.sleep(rng.uniform(0, 0.06))
        acked = acks.last()
        disk.cut()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    disk.unmount()
    disk.mount()
    counts["cuts"] += 1
    counts["acknowledged"] += acks.count
    lost = store.missing(disk.folder, acked)
    counts["lost"] += lost
    counts["cuts-that-lost"] += bool(lost)


def cut_power(cuts: int, seed: int, store: Store = OUTBOX) -> Counter[str]:
    """Cut the power of one ext4 ``cuts`` times; a store that lost begins anew.

    Raises:
        CannotRunError: there can be no ext4 on a loop device here.
    """
    names = ("cuts", "acknowledged", "lost", "cuts-that-lost")
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    rng = Random(f"{seed}/ext4")
    with rig_folder() as root:
        number = 0
        while counts["cuts"] < cuts:
            number += 1
            place = root / str(number)
            place.mkdir()
            with loop_disk(place) as disk:
                for _ in range(min(50, cuts - counts["cuts"])):
                    before = counts["lost"]
                    cut_once(disk, store, rng, counts)
                    if counts["lost"] > before:
                        break
            (place / "image").unlink()
            if number % 4 == 0:
                print_progress(f"{counts['cuts']} cuts, {counts['lost']} lost")
    return counts


def find(cuts: int, seed: int) -> list[Finding]:
    """Cut, and cut the controls a twentieth as often."""
    few = max(cuts // 20, 3)
    real = cut_power(cuts, seed)
    unsynced = cut_power(few, seed, UNSYNCED)
    normal = cut_power(few, seed, SQLITE_NORMAL)
    measured = (
        f"{real['cuts']:,} cuts, {real['acknowledged']:,} commits acknowledged, "
        f"{real['lost']:,} records lost; control without fdatasync: "
        f"{unsynced['lost']:,} lost in {unsynced['cuts-that-lost']} of "
        f"{unsynced['cuts']} cuts; control SQLite WAL NORMAL: {normal['lost']:,} lost "
        f"in {normal['cuts-that-lost']} of {normal['cuts']} cuts"
    )
    return [
        Finding(
            "F3",
            "2,000 ext4 shutdown cuts: 0 acknowledged lost; controls must lose",
            measured,
            real["lost"] == 0 and unsynced["lost"] > 0 and normal["lost"] > 0,
            cuts >= FULL_CUTS,
        )
    ]


def main() -> int:
    """Cut, compare, print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--cuts", type=int, default=FULL_CUTS)
    given = parser.parse_args()
    hush()
    with cannot_run_is_said():
        return conclude(find(given.cuts, given.seed), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
