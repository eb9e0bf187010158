"""Weeks without a link: what a quota keeps, and whether every drop is stated.

    .venv/bin/python -m tests.faults.quota --days 30 [--json]

The real sealer and outbox at normal rates: a report of more than 1 KiB a minute, a
heartbeat every 30 s, an alarm an hour, on simulated time. With 256 MiB nothing may be
dropped; with 8 MiB every sequence must be there or in the range of a signed gap
record, and every alarm must be there. Quotas shrink with ``--days``.
"""

import sys
from pathlib import Path
from typing import Final, NamedTuple

from gateway.outbox import Outbox, OutboxLimits
from gateway.sealing import Sealer
from gateway.timekeeping import Timekeeper
from schemas.events import Event, EventKind, Severity
from schemas.records import Gap
from schemas.units import NS_PER_S
from tests.faults.rig import (
    Finding,
    conclude,
    hush,
    print_progress,
    rig_folder,
    rig_parser,
)
from tests.gateway.outbox_chain import (
    GATEWAY,
    HEARTBEAT,
    OWN_KEY,
    SIGNER,
    filler,
    opened,
)

FULL_DAYS: Final = 30.0
LARGE_MIB: Final = 256
SMALL_MIB: Final = 8
REPORT_BYTES: Final = 1024
HALF_MINUTES_A_DAY: Final = 2880
_SMALLEST_SEGMENT: Final = 32 * 1024


class OfflineClock:
    """Boot time, half a minute a step."""

    exercise = False

    def __init__(self) -> None:
        self.steps = 0

    def boot_id(self) -> bytes:
        return bytes(16)

    def boot_ns(self) -> int:
        return self.steps * 30 * NS_PER_S

    def system_utc_ns(self) -> int:
        return self.boot_ns()


class Kept(NamedTuple):
    """What an outbox holds after the outage."""

    records: int
    held: int
    explained: int
    gaps: int
    unexplained: int
    alarms: int
    alarms_held: int
    size_bytes: int


def go_without_link(folder: Path, days: float, limits: OutboxLimits) -> Kept:
    """Live through the outage, and read what is left."""
    clock = OfflineClock()
    outbox = Outbox.open(folder, limits, own_key=OWN_KEY)
    sealer = Sealer(GATEWAY, outbox, SIGNER, clock, Timekeeper(0))
    alarm = Event(EventKind.TEMPERATURE_EXCURSION, Severity.ALARM, 0, "too warm")
    alarms: list[int] = []
    for step in range(round(days * HALF_MINUTES_A_DAY)):
        clock.steps = step
        sealer.state(HEARTBEAT)
        if step % 2:
            sealer.state(filler(REPORT_BYTES))
        if step % 120 == 60:
            alarms.append(sealer.state(alarm, is_alarm=True))
        outbox.commit()
        if sealer.state_gaps():
            outbox.commit()
        if step % (5 * HALF_MINUTES_A_DAY) == 0:
            print_progress(f"day {step // HALF_MINUTES_A_DAY}")
    kept = _read(outbox, alarms)
    outbox.close()
    return kept


def _read(outbox: Outbox, alarms: list[int]) -> Kept:
    held: set[int] = set()
    gaps: list[Gap] = []
    at = 0
    while records := outbox.read(at):
        at = records[-1].sequence + 1
        held |= {one.sequence for one in records}
        # Evidence stands for reports here; it is large and need not be read.
        small = (one for one in records if len(one.sealed) < REPORT_BYTES)
        bodies = (opened(one.sealed).body for one in small)
        gaps += [body for body in bodies if isinstance(body, Gap)]
    stated = {s for gap in gaps for s in range(gap.from_sequence, gap.to_sequence + 1)}
    total = outbox.head_sequence + 1
    return Kept(
        records=total,
        held=len(held),
        explained=len(stated),
        gaps=len(gaps),
        unexplained=len(set(range(total)) - held - stated),
        alarms=len(alarms),
        alarms_held=sum(one in held for one in alarms),
        size_bytes=outbox.size_bytes,
    )


def _limits(mib: float, days: float) -> OutboxLimits:
    share = min(days / FULL_DAYS, 1.0)
    size = max(round(mib * 2**20 * share), 8 * _SMALLEST_SEGMENT)
    segment = 256 * 1024 if share == 1 else _SMALLEST_SEGMENT
    return OutboxLimits(max_bytes=size, reserve_bytes=0, segment_bytes=segment)


def find(days: float) -> list[Finding]:
    """Live through the same outage with a large quota and a small one."""
    with rig_folder() as root:
        large = go_without_link(root / "large", days, _limits(LARGE_MIB, days))
        small = go_without_link(root / "small", days, _limits(SMALL_MIB, days))
    is_full = days >= FULL_DAYS
    return [
        Finding(
            "F7 large",
            "30 days offline in 256 MiB: nothing dropped",
            f"{days:g} days, {large.records:,} records, {large.size_bytes / 2**20:.0f} "
            f"MiB on disk: {large.records - large.held} dropped",
            large.held == large.records and large.gaps == 0,
            is_full,
        ),
        Finding(
            "F7 small",
            "30 days offline with a quota of 8 MiB: every drop explained by a signed "
            "record, alarms 100 % kept",
            f"{small.records:,} records: {small.held:,} held, {small.explained:,} in "
            f"the ranges of {small.gaps} gap records, {small.unexplained} unexplained; "
            f"alarms {small.alarms_held} of {small.alarms}; "
            f"{small.size_bytes / 2**20:.1f} MiB on disk",
            small.unexplained == 0
            and small.alarms_held == small.alarms
            and small.gaps > 0,
            is_full,
        ),
    ]


def main() -> int:
    """Live through it, print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--days", type=float, default=FULL_DAYS)
    given = parser.parse_args()
    hush()
    return conclude(find(given.days), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
