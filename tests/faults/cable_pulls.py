"""A serial cable is pulled a thousand times, in the middle of a frame.

    .venv/bin/python -m tests.faults.cable_pulls --pulls 1000 [--json]

A whole gateway, one report for each reading. Each time half a frame is on the line when
the cable goes; then it comes back on another device, and from the moment at which the
gateway has opened it five frames follow. In the end the ledger must hold a reading of
every plug, of its third frame at the latest, and no value that was never sent.
"""

import os
import struct
import sys
import time
from random import Random
from typing import Final, NamedTuple

from schemas.records import Report
from tests.faults.rig import (
    Finding,
    conclude,
    hush,
    print_progress,
    rig_folder,
    rig_parser,
)
from tests.faults.site import Judgement, Site, left_in, wait_until
from tests.gateway.board_encoder import TEMPERATURE, frame

FULL_PULLS: Final = 1000
FRAMES: Final = 5
LATEST_FRAME: Final = 2
PATIENCE_S: Final = 180.0
_VALUES: Final = 6000


class Outcome(NamedTuple):
    """Of which frame the first reading after each plug is, by count; and the rest."""

    first_read: list[int]
    unread: int
    foreign: int
    status: int
    judgement: Judgement


class Plugs:
    """A cable whose frames tell which plug they belong to, and which frame they are."""

    def __init__(self, site: Site, rng: Random) -> None:
        self._site = site
        self._rng = rng
        self._sequence = 0
        self.sent: list[list[int]] = []

    def _frame(self, value: int) -> bytes:
        body = struct.pack("<Bh", 0, value)
        self._sequence += 1
        return frame(TEMPERATURE, body, self._sequence % 65_536, self._sequence * 1000)

    def pull(self) -> None:
        """Pull the cable in the middle of a frame, and plug it in again."""
        cable, opened = self._site.world.cable, self._opened()
        whole = self._frame(_VALUES)
        os.write(cable.master, whole[: self._rng.randrange(1, len(whole) - 1)])
        cable.pull()
        cable.plug()
        os.set_blocking(cable.master, False)
        wait_until(lambda: self._opened() > opened, "the line to be opened", PATIENCE_S)
        first = len(self.sent) * FRAMES % _VALUES
        values = [first + number for number in range(FRAMES)]
        before = self._committed()
        for value in values:
            os.write(cable.master, self._frame(value))
        self.sent.append(values)
        # What the kernel still passes from end to end is lost with the next pull.
        is_taken = lambda: self._committed() >= before + FRAMES  # noqa: E731
        wait_until(is_taken, "the frames to be read", PATIENCE_S)

    def _committed(self) -> int:
        last = self._site.trace.last()
        return -1 if last is None else last.sequence

    def _opened(self) -> int:
        return self._site.log("gateway").count("line=board open=True")


def pull(pulls: int, seed: int) -> Outcome:
    """Pull the cable so many times, deliver, and judge."""
    with rig_folder() as folder, Site(folder) as site:
        site.start_cloud()
        site.start_gateway("--drain-s", str(PATIENCE_S))
        plugs = Plugs(site, Random(f"{seed}/cable"))
        wait_until(lambda: "open=True" in site.log("gateway"), "the line", PATIENCE_S)
        for number in range(pulls):
            plugs.pull()
            if number % 100 == 99:
                print_progress(f"{number + 1} pulled")
        time.sleep(1.0)
        status = site.end("gateway")
        left = left_in(folder / "gateway" / "state" / "outbox")
        with site.ledger() as ledger:
            judged = Judgement(ledger, site.trace.acks(), left)
        return _judge(judged, plugs.sent, status)


def _judge(judged: Judgement, sent: list[list[int]], status: int) -> Outcome:
    bodies = [one.body for one in judged.records]
    reports = [one for one in bodies if isinstance(one, Report)]
    read = [
        round(sensor.latest * 100)
        for report in reports
        for sensor in report.sensors
        if sensor.latest is not None
    ]
    known = {value for values in sent for value in values}
    left, unread = list(read), 0
    first_read = [0] * FRAMES
    for values in sent:
        found = next((n for n, value in enumerate(values) if value in left), None)
        if found is None:
            unread += 1
            continue
        first_read[found] += 1
        for value in values[found:]:
            if value in left:
                left.remove(value)
    foreign = sum(value not in known for value in read)
    return Outcome(first_read, unread, foreign, status, judged)


def find(pulls: int, seed: int) -> list[Finding]:
    """Pull, and count."""
    found = pull(pulls, seed)
    late = sum(found.first_read[LATEST_FRAME + 1 :]) + found.unread
    counted = ", ".join(
        f"{count:,} x frame {number + 1}"
        for number, count in enumerate(found.first_read)
        if count
    )
    judged = found.judgement
    measured = (
        f"{pulls:,} pulls in the middle of a frame; first reading after a plug: "
        f"{counted}; none at all {found.unread}; never sent and read {found.foreign}; "
        f"{judged.lost} records lost, {judged.missing} missing; exit status "
        f"{found.status}"
    )
    is_held = not (late + found.foreign + found.status + judged.lost + judged.missing)
    asked = "1,000 cable pulls: 0 crashes, in step within 2 frames, 0 false accepts"
    return [Finding("F16 cable", asked, measured, is_held, pulls >= FULL_PULLS)]


def main() -> int:
    """Pull, judge, print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--pulls", type=int, default=FULL_PULLS)
    given = parser.parse_args()
    hush()
    return conclude(find(given.pulls, given.seed), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
