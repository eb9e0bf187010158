"""Power cuts of the outbox alone, torn and reordered; with a control that must lose.

    .venv/bin/python -m tests.faults.power_cuts --cuts 10000 [--seed 0] [--json]

A folder lives through some thirty cuts: records are committed, receipted, and the
power goes at a random call, often again while the outbox recovers. What ``commit``
had returned for must be there, byte for byte, in every reopened outbox.
"""

import argparse
import json
import os
import shutil
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from random import Random

from gateway.outbox import Outbox, OutboxLimits, Priority
from tests.faults.disk import PowerCut, SimDisk
from tests.faults.gateway_mutants import no_fsync
from tests.faults.rig import fast_folder, hush, print_progress
from tests.gateway.outbox_chain import OWN_KEY, add, add_gap, filler

CUTS_PER_FOLDER = 30
LIMITS = OutboxLimits(reserve_bytes=0, segment_bytes=18 * 1024)


class GivenUpError(Exception):
    """A folder from which nothing more can be learned."""


class Victim:
    """One folder, its outbox, and what the outbox has promised."""

    def __init__(self, root: Path, rng: Random, counts: Counter[str]) -> None:
        self.folder = root / "outbox"
        self.power = SimDisk(root / "trash", rng)
        self.rng = rng
        self.counts = counts
        self.committed: dict[int, bytes] = {}
        self.added: dict[int, bytes] = {}
        self.outbox = self._open()
        self.epoch = self.outbox.epoch

    def _open(self) -> Outbox:
        draw_epoch = lambda: self.rng.randbytes(8)  # noqa: E731
        disk = self.power.disk()
        return Outbox.open(self.folder, LIMITS, draw_epoch, OWN_KEY, disk)

    def live_until_cut(self) -> None:
        """Add, commit and release until the power goes."""
        self.power.cut_after = self.rng.randrange(60)
        try:
            while True:
                self._work()
        except PowerCut:
            self.counts["cuts"] += 1
        self._let_go()
        self.power.cut()

    def _work(self) -> None:
        outbox = self.outbox
        for _ in range(self.rng.randint(1, 4)):
            size = self.rng.choice((10, 200, 700, 4000, 9000))
            lane = self.rng.choice((Priority.BULK, Priority.BULK, Priority.ALARM))
            sequence = outbox.next_sequence
            self.added[sequence] = add(outbox, filler(size), lane)
        outbox.commit()
        self.committed |= self.added
        self.counts["acknowledged"] += len(self.added)
        self.added = {}
        if self.rng.random() < 0.3:
            oldest, head = outbox.watermark, outbox.head_sequence
            to = oldest + round((head - oldest) * self.rng.random())
            if outbox.digest_at(to) is not None:
                outbox.release(to)

    def _let_go(self) -> None:
        self.outbox._lanes.forget()
        os.close(self.outbox._lock_file)

    def recover(self) -> None:
        """Open again, with more cuts on the way, and compare."""
        try:
            self._reopen()
        except PowerCut:
            raise
        except Exception as error:
            self.counts["unopenable"] += 1
            raise GivenUpError(repr(error)) from error
        self._compare()

    def _reopen(self) -> None:
        while self.rng.random() < 0.4:
            self.power.cut_after = self.rng.randrange(12)
            try:
                self.outbox = self._open()
            except PowerCut:
                self.counts["cuts-in-recovery"] += 1
                self.power.cut()
                continue
            self.power.cut_after = None
            self._let_go()
        self.power.cut_after = None
        self.outbox = self._open()

    def _compare(self) -> None:
        watermark = self.outbox.watermark
        wanted = {s: one for s, one in self.committed.items() if s > watermark}
        if self.outbox.epoch != self.epoch:
            self.counts["lost"] += len(wanted)
            raise GivenUpError("the chain was given up")
        found: dict[int, bytes] = {}
        at = watermark + 1
        while records := self.outbox.read(at):
            found |= {record.sequence: record.sealed for record in records}
            at = records[-1].sequence + 1
        lost = [s for s, one in wanted.items() if found.get(s) != one]
        self.counts["compared"] += len(wanted)
        self.counts["lost"] += len(lost)
        self.counts["foreign"] += sum(
            one not in (wanted.get(s), self.added.get(s)) for s, one in found.items()
        )
        for dropped in self.outbox.take_gaps():
            add_gap(self.outbox, dropped)
            self.outbox.commit()
            gap = self.outbox.latest()[0]
            found[gap.sequence] = gap.sealed
        self.committed, self.added = found, {}

    def close(self) -> None:
        """Give everything back."""
        self._let_go()
        self.power.forget()


def run_folder(seed: int, counts: Counter[str]) -> None:
    """One folder and its cuts; ends early if it cannot be opened any more."""
    root = fast_folder()
    try:
        victim = Victim(root, Random(f"{seed}/power"), counts)
        for _ in range(CUTS_PER_FOLDER):
            victim.live_until_cut()
            victim.recover()
        victim.close()
    except GivenUpError as reason:
        counts["folders-given-up"] += 1
        print_progress(f"folder {seed} given up: {reason}")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def cut_power(cuts: int, seed: int = 0, *, is_control: bool = False) -> Counter[str]:
    """Cut the power at least ``cuts`` times; the control does without fdatasync."""
    counts: Counter[str] = Counter()
    names = ("cuts", "cuts-in-recovery", "acknowledged", "compared", "lost", "foreign")
    counts.update(dict.fromkeys((*names, "unopenable"), 0))
    with no_fsync() if is_control else nullcontext():
        folder = 0
        while counts["cuts"] < cuts:
            run_folder(seed * 1_000_000 + folder, counts)
            folder += 1
            if folder % 50 == 0:
                print_progress(f"{counts['cuts']} cuts, {counts['lost']} lost")
    return counts


def main() -> int:
    """Cut, and compare with a control group of a tenth as many cuts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    given = parser.parse_args()
    hush()
    real = cut_power(given.cuts, given.seed)
    control = cut_power(max(given.cuts // 10, 1), given.seed, is_control=True)
    figures = {"real": real, "control": control}
    if given.json:
        print(json.dumps(figures))
    else:
        for name, counts in figures.items():
            print(name, ", ".join(f"{key} {count:,}" for key, count in counts.items()))
    is_good = real["lost"] + real["foreign"] + real["unopenable"] == 0
    return int(not (is_good and control["lost"]))


if __name__ == "__main__":
    sys.exit(main())
