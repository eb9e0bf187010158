"""A gateway at a hundred times the normal rate: does it grow?

    .venv/bin/python -m tests.faults.soak --warm-up-s 600 --watch-s 1200 [--json]

Normal is a report a minute and a heartbeat every 30 s, one record in 20 s; here five
records a second, one for each reading, through a real mosquitto and ingestor. The
broker is killed and the cable pulled now and then. Resident memory and
open files of the gateway's process are read every second; what is compared are the
medians of the first and of the last minute after the warm-up.
"""

import os
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from tests.faults.rig import (
    Finding,
    conclude,
    hush,
    print_progress,
    rig_folder,
    rig_parser,
)
from tests.faults.site import Judgement, Site, left_in, wait_until

FULL_WARM_UP_S: Final = 600
FULL_WATCH_S: Final = 1200
GROWTH_MB: Final = 1.0
READINGS_HZ: Final = 4.0
PULL_EVERY_S: Final = 60.0
BROKER_EVERY_S: Final = 150.0


class Look(NamedTuple):
    """One look at a process."""

    at_s: float
    rss_mb: float
    files: int


def look(pid: int) -> Look:
    """Return resident memory and open files of a process now."""
    words = Path(f"/proc/{pid}/statm").read_text().split()
    rss_mb = int(words[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Look(time.monotonic(), rss_mb, files)


class Soak:
    """One site that is kept busy and disturbed."""

    def __init__(self, site: Site, rng: Random) -> None:
        self._site = site
        self._rng = rng
        now_s = time.monotonic()
        self._pull_s = now_s + PULL_EVERY_S
        self._broker_s = now_s + BROKER_EVERY_S

    def run(self, seconds: float, pid: int, *, is_calm: bool = False) -> list[Look]:
        """Feed for a while; return a look at every second."""
        looks = [look(pid)]
        deadline_s = time.monotonic() + seconds
        while time.monotonic() < deadline_s:
            with suppress(BlockingIOError, AssertionError):
                self._site.world.cable.warm()
            time.sleep(1 / READINGS_HZ)
            if time.monotonic() - looks[-1].at_s >= 1.0:
                looks.append(look(pid))
            if not is_calm:
                self._disturb()
        return looks

    def _disturb(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._pull_s:
            self._pull_s = now_s + self._rng.uniform(0.5, 1.5) * PULL_EVERY_S
            self._site.world.cable.pull()
            self._site.world.cable.plug()
            os.set_blocking(self._site.world.cable.master, False)
        if now_s >= self._broker_s:
            self._broker_s = now_s + self._rng.uniform(0.5, 1.5) * BROKER_EVERY_S
            self._site.broker.kill()
            self._site.broker.start()


def soak(warm_up_s: float, watch_s: float, seed: int) -> tuple[list[Look], Judgement]:
    """Run a gateway for a while; return the looks after the warm-up, and the records.

    The last minute of the warm-up and of the watch are left in peace, so that both
    ends are alike: connected, with its cable.
    """
    with rig_folder() as folder, Site(folder) as site:
        site.start_cloud()
        program = site.start_gateway("--drain-s", "120")
        wait_until(site.trace.acks, "the first commit")
        busy = Soak(site, Random(f"{seed}/soak"))
        calm_s = min(60.0, watch_s / 4, warm_up_s / 2)
        busy.run(warm_up_s - calm_s, program.pid)
        busy.run(calm_s, program.pid, is_calm=True)
        print_progress("warm")
        looks = busy.run(calm_s, program.pid, is_calm=True)
        looks += busy.run(watch_s - 2 * calm_s, program.pid)
        busy.run(calm_s / 2, program.pid, is_calm=True)
        looks += busy.run(calm_s / 2, program.pid, is_calm=True)
        site.end("gateway")
        with site.ledger() as ledger:
            left = left_in(folder / "gateway" / "state" / "outbox")
            return looks, Judgement(ledger, site.trace.acks(), left)


def _ends(looks: list[Look], watch_s: float) -> tuple[list[Look], list[Look]]:
    span_s = min(60.0, watch_s / 8)
    first = [one for one in looks if one.at_s <= looks[0].at_s + span_s]
    last = [one for one in looks if one.at_s >= looks[-1].at_s - span_s]
    return first, last


def find(warm_up_s: float, watch_s: float, seed: int) -> list[Finding]:
    """Soak, and compare both ends."""
    looks, judged = soak(warm_up_s, watch_s, seed)
    first, last = _ends(looks, watch_s)
    rss = [statistics.median(one.rss_mb for one in ends) for ends in (first, last)]
    files = [statistics.median(one.files for one in ends) for ends in (first, last)]
    highest = max(one.rss_mb for one in looks)
    rate = len(judged.entries) / (warm_up_s + watch_s)
    measured = (
        f"{len(judged.entries):,} records ({rate:.1f}/s, normal is 0.05/s); after "
        f"{warm_up_s:.0f} s: {rss[0]:.2f} MB; {watch_s:.0f} s later {rss[1]:.2f} MB "
        f"({rss[1] - rss[0]:+.2f} MB, highest {highest:.2f} MB); open files "
        f"{files[0]:.0f} and {files[1]:.0f}; {judged.lost} lost, "
        f"{judged.missing} missing"
    )
    is_held = (
        rss[1] - rss[0] <= GROWTH_MB
        and files[1] <= files[0]
        and judged.lost + judged.missing == 0
    )
    return [
        Finding(
            "F22",
            "100 times the normal rate: resident memory grows by at most 1 MB in 20 "
            "minutes after 10 of warm-up, open files do not",
            measured,
            is_held,
            warm_up_s >= FULL_WARM_UP_S and watch_s >= FULL_WATCH_S,
        )
    ]


def main() -> int:
    """Soak, compare, print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--warm-up-s", type=float, default=FULL_WARM_UP_S)
    parser.add_argument("--watch-s", type=float, default=FULL_WATCH_S)
    given = parser.parse_args()
    hush()
    return conclude(
        find(given.warm_up_s, given.watch_s, given.seed), as_json=given.json
    )


if __name__ == "__main__":
    sys.exit(main())
