"""A data directory of 2 MiB that fills up and is freed again; needs root.

    .venv/bin/python -m tests.faults.full_disk --seconds 30 [--json]

A whole gateway on a tmpfs of 2 MiB, without an ingestor at first. When it works, a file
takes all that is left. Readings go on all the while, and shocks, which are alarms. Then
the file goes, the ingestor comes, and the ledger must hold every alarm and the last
readings; what was given up must be in the range of a signed gap record.
"""

import contextlib
import os
import struct
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

from schemas.events import Event, EventKind
from schemas.records import Record, Report
from tests.faults.loop_disk import mounted_tmpfs
from tests.faults.rig import (
    Finding,
    cannot_run_is_said,
    conclude,
    hush,
    print_progress,
    rig_folder,
    rig_parser,
)
from tests.faults.site import Judgement, Site, left_in, wait_until
from tests.gateway.board_encoder import TEMPERATURE, WAVEFORM, frame

SIZE_MIB: Final = 2
FULL_SECONDS: Final = 30.0
PATIENCE_S: Final = 180.0
READINGS_HZ: Final = 100.0


class Outcome(NamedTuple):
    """What the ledger says about a full disk."""

    judgement: Judgement
    shocks_sent: int
    full_s: float
    is_last_there: bool

    @property
    def records(self) -> list[Record]:
        """What the ledger holds."""
        return self.judgement.records

    @property
    def shocks(self) -> int:
        """How many shocks are in the ledger, those that were coalesced included."""
        bodies = [one.body for one in self.records]
        found = [one for one in bodies if isinstance(one, Event)]
        return sum(one.count or 1 for one in found if one.what is EventKind.SHOCK)

    @property
    def explained(self) -> int:
        """How many sequences the gap records cover."""
        return sum(g.to_sequence - g.from_sequence + 1 for g in self.judgement.gaps)


class Board:
    """Sends temperatures that count up, and shocks of more than 100 g."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._sequence = 0
        self.shocks = 0
        self.last_c = 0.0

    def _send(self, kind: int, body: bytes) -> bool:
        data = frame(kind, body, self._sequence % 65_536, self._sequence * 10_000)
        try:
            os.write(self._site.world.cable.master, data)
        except BlockingIOError:
            return False
        self._sequence += 1
        return True

    def warm(self) -> None:
        """Send the next temperature."""
        number = self._sequence % 8000
        if self._send(TEMPERATURE, struct.pack("<Bh", 0, number)):
            self.last_c = number / 100

    def shock(self) -> None:
        """Send a waveform of one part whose peak is 30,000 m/s2."""
        head = struct.pack(
            "<BHBBQHHIB", 1, self.shocks, 0, 1, self._sequence, 3200, 800, 957_690, 2
        )
        samples = struct.pack("<6h", 1, 1, 1, 32_000, 1, 1)
        while not self._send(WAVEFORM, head + samples):
            time.sleep(0.01)
        self.shocks += 1

    def run(self, seconds: float, *, shock_every_s: float = 8.0) -> None:
        """Send for a while."""
        deadline_s = time.monotonic() + seconds
        next_shock_s = time.monotonic() + shock_every_s / 4
        while time.monotonic() < deadline_s:
            self.warm()
            if time.monotonic() > next_shock_s:
                next_shock_s += shock_every_s
                self.shock()
            time.sleep(1 / READINGS_HZ)


def fill(folder: Path) -> Path:
    """Take all that is left on a file system; return the file."""
    path = folder / "other"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path


def go_full(seconds: float) -> Outcome:
    """Fill the disk for a while, free it, deliver, and judge.

    Raises:
        CannotRunError: no tmpfs can be mounted here.
    """
    with rig_folder() as folder, Site(folder) as site:
        state = site.world.directory / "state"
        state.mkdir()
        with mounted_tmpfs(state, SIZE_MIB):
            site.start_gateway("--drain-s", str(PATIENCE_S))
            wait_until(site.trace.acks, "the first commit", PATIENCE_S)
            board = Board(site)
            board.run(seconds / 6)
            other = fill(state)
            print_progress("full")
            board.run(seconds, shock_every_s=min(8.0, seconds / 3))
            other.unlink()
            board.run(seconds / 6)
            site.start_cloud()
            with site.ledger() as ledger:
                wait_until(lambda: site.is_drained(ledger), "the drain", PATIENCE_S)
                site.end("gateway")
                left = left_in(state / "outbox")
                judged = Judgement(ledger, site.trace.acks(), left)
        return Outcome(judged, board.shocks, seconds, _has(judged, board.last_c))


def _has(judged: Judgement, last_c: float) -> bool:
    reports = [one.body for one in judged.records if isinstance(one.body, Report)]
    return any(one.latest == last_c for report in reports for one in report.sensors)


def find(seconds: float) -> list[Finding]:
    """Go full and say what came of it.

    Raises:
        CannotRunError: no tmpfs can be mounted here.
    """
    found = go_full(seconds)
    judged = found.judgement
    unexplained = judged.missing - found.explained
    measured = (
        f"tmpfs of {SIZE_MIB} MiB full for {seconds:.0f} s at {READINGS_HZ:.0f} "
        f"readings a second: {len(found.records):,} records in the ledger, "
        f"{judged.missing:,} given up, {len(judged.gaps)} gap records cover "
        f"{found.explained:,}; shocks {found.shocks} of {found.shocks_sent}; last "
        f"reading {'there' if found.is_last_there else 'MISSING'}"
    )
    is_held = (
        unexplained <= 0
        and judged.twice + judged.faults == 0
        and found.shocks == found.shocks_sent > 0
        and found.is_last_there
    )
    return [
        Finding(
            "F8",
            "disk full (2 MiB): the sampler keeps running, alarms stored, it recovers "
            "when space returns",
            measured,
            is_held,
            seconds >= FULL_SECONDS,
        )
    ]


def main() -> int:
    """Go full, judge, print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=FULL_SECONDS)
    given = parser.parse_args()
    hush()
    with cannot_run_is_said():
        return conclude(find(given.seconds), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
