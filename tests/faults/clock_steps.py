"""Clocks that are wrong by years: is the order exact, and is UTC as sure as it says?

    .venv/bin/python -m tests.faults.clock_steps --boots 400 [--seed 0] [--json]

Every boot begins in 1970. A quarter of the boots never learns the date; the first
hundred do not, one after the other. In the others the date comes once from a receiver
or from a receipt, late as these are, and the receiver gives dates that are wrong by up
to ten years in between. The oscillator is wrong by up to 50 ppm. Real sealer,
timekeeper, outbox and ledger; the records reach the ledger in a drawn order.
"""

import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from cloud.adapters.ledger import SqlLedger, open_ledger
from cloud.verification import VerifiedRecord, verify_record
from gateway.composition import FLOOR_NS
from gateway.outbox import Outbox, OutboxLimits
from gateway.sealing import Sealer
from gateway.timekeeping import Timekeeper
from schemas.keys import KeyRegistry
from schemas.records import Body, ClockChange, TimeSource
from schemas.units import NS_PER_S
from tests.faults.rig import Finding, conclude, hush, rig_folder, rig_parser
from tests.gateway.outbox_chain import GATEWAY, HEARTBEAT, OWN_KEY, SIGNER, opened

FULL_BOOTS: Final = 400
NEVER_SYNCED: Final = 100
YEAR_NS: Final = 365 * 86_400 * NS_PER_S
START_NS: Final = FLOOR_NS + YEAR_NS
LATEST_GPS_NS: Final = 9 * NS_PER_S // 10
LATEST_RECEIPT_NS: Final = 9 * NS_PER_S
DRIFT: Final = 50e-6


class Truth(NamedTuple):
    """When a record was stated, by a clock that is right."""

    boot_id: bytes
    boot_ns: int
    utc_ns: int


class BootClock:
    """A machine without a battery: boot time runs a little wrong, UTC is 1970."""

    exercise = False

    def __init__(self, rng: Random, utc_ns: int) -> None:
        self._boot_id = rng.randbytes(16)
        self._rate = 1 + rng.uniform(-DRIFT, DRIFT)
        self._began_ns = utc_ns
        self.utc_ns = utc_ns

    def boot_id(self) -> bytes:
        return self._boot_id

    def boot_ns(self) -> int:
        return round((self.utc_ns - self._began_ns) * self._rate)

    def system_utc_ns(self) -> int:
        return self.boot_ns()


class Machine:
    """One gateway through its boots; ``truths`` has what happened, by sequence."""

    def __init__(self, folder: Path, rng: Random) -> None:
        self._folder = folder
        self._rng = rng
        self._utc_ns = START_NS
        self.truths: list[Truth] = []
        self.sealed: list[bytes] = []
        self.counts: Counter[str] = Counter()

    def boot(self, source: TimeSource, seconds: float = 3600.0) -> None:
        """Live through one boot; the date comes once, at a drawn moment."""
        rng, clock = self._rng, BootClock(self._rng, self._utc_ns)
        self.counts[f"boots {source}"] += 1
        keeper = Timekeeper(FLOOR_NS)
        limits = OutboxLimits(reserve_bytes=0)
        outbox = Outbox.open(self._folder, limits, own_key=OWN_KEY)
        sealer = Sealer(GATEWAY, outbox, SIGNER, clock, keeper)
        dated_at = rng.randrange(5, 20)
        for number in range(40):
            clock.utc_ns += round(rng.uniform(0, seconds / 20) * NS_PER_S)
            changes = [self._wrong_date(keeper, clock)]
            if number == dated_at:
                changes += self._date(keeper, clock, source)
            for change in changes:
                if change is not None:
                    self._state(sealer, outbox, clock, change)
            self._state(sealer, outbox, clock, HEARTBEAT)
        outbox.commit()
        outbox.release(outbox.head_sequence)
        outbox.close()
        self._utc_ns = clock.utc_ns + round(rng.uniform(10, 7200) * NS_PER_S)

    def _state(
        self, sealer: Sealer, outbox: Outbox, clock: BootClock, body: Body
    ) -> None:
        sealer.state(body)
        self.sealed.append(outbox._pending[-1][1].sealed)
        self.truths.append(Truth(clock.boot_id(), clock.boot_ns(), clock.utc_ns))

    def _wrong_date(self, keeper: Timekeeper, clock: BootClock) -> ClockChange | None:
        """Sometimes the receiver prints a date that is wrong by years, once."""
        if self._rng.random() > 0.2:
            return None
        self.counts["steps"] += 1
        wrong_ns = clock.utc_ns + round(self._rng.uniform(-10, 10) * YEAR_NS)
        return keeper.take_gps(wrong_ns, clock.boot_ns())

    def _date(
        self, keeper: Timekeeper, clock: BootClock, source: TimeSource
    ) -> list[ClockChange | None]:
        if source is TimeSource.RECEIPT:
            late_ns = self._rng.randrange(LATEST_RECEIPT_NS)
            return [keeper.take_receipt(clock.utc_ns - late_ns, clock.boot_ns())]
        if source is not TimeSource.GPS:
            return []
        found = []
        for _ in range(3):
            late_ns = self._rng.randrange(LATEST_GPS_NS)
            found.append(keeper.take_gps(clock.utc_ns - late_ns, clock.boot_ns()))
            clock.utc_ns += NS_PER_S
        return found


def _into_ledger(sealed: list[bytes], ledger: SqlLedger, rng: Random) -> None:
    """Bring records to the ledger as lanes and outages do: in any order, some twice."""
    known = KeyRegistry((OWN_KEY,))
    verified = [verify_record(one, known, GATEWAY) for one in sealed]
    good = [one for one in verified if isinstance(one, VerifiedRecord)]
    rng.shuffle(good)
    for at in range(0, len(good), 100):
        batch = good[at : at + 100] + rng.sample(good[: at + 1], min(at, 5))
        ledger.append_records(batch, START_NS)


def judge(machine: Machine, ledger: SqlLedger) -> Counter[str]:
    """Compare what the ledger holds with what happened."""
    counts = machine.counts
    epoch = opened(machine.sealed[0]).header.epoch
    held = ledger.entries_of(GATEWAY, epoch, 0, len(machine.sealed))
    counts["records"] = len(held)
    counts["out-of-order"] = sum(
        one.sealed != sealed for one, sealed in zip(held, machine.sealed, strict=True)
    )
    maps: dict[bytes, tuple[int, int, int]] = {}
    for entry, truth in zip(held, machine.truths, strict=True):
        record = opened(entry.sealed)
        header = record.header
        if isinstance(record.body, ClockChange):
            change = record.body
            at = change.utc_minus_boot_ns, change.time_u_ns, header.boot_ns
            maps[header.boot_id] = at
        if header.utc_ns is not None and header.time_u_ns is not None:
            counts["dated"] += 1
            error_ns = abs(header.utc_ns - truth.utc_ns)
            counts["beyond-u"] += error_ns > header.time_u_ns
    _judge_late(machine.truths, maps, counts)
    return counts


def _judge_late(
    truths: list[Truth], maps: dict[bytes, tuple[int, int, int]], counts: Counter[str]
) -> None:
    """Date every record of a boot by its last clock record, as the cloud does."""
    for truth in truths:
        if truth.boot_id not in maps:
            counts["never-dated"] += 1
            continue
        offset_ns, u_ns, at_ns = maps[truth.boot_id]
        u_ns += round(abs(truth.boot_ns - at_ns) * DRIFT)
        counts["dated-later"] += 1
        error_ns = abs(truth.boot_ns + offset_ns - truth.utc_ns)
        counts["later-beyond-u"] += error_ns > u_ns


def boot_often(boots: int, seed: int) -> Counter[str]:
    """Live through the boots, and judge."""
    rng = Random(f"{seed}/clock")
    with rig_folder() as folder:
        machine = Machine(folder / "outbox", rng)
        for number in range(boots):
            never = number < boots * NEVER_SYNCED / FULL_BOOTS
            sources = (TimeSource.GPS, TimeSource.RECEIPT, TimeSource.GPS)
            machine.boot(TimeSource.NONE if never else rng.choice(sources))
        ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
        try:
            _into_ledger(machine.sealed, ledger, rng)
            return judge(machine, ledger)
        finally:
            ledger.close()


def find(boots: int, seed: int) -> list[Finding]:
    """Boot, and compare."""
    counts = boot_often(boots, seed)
    never = counts[f"boots {TimeSource.NONE}"]
    measured = (
        f"{boots} boots in 1970, {never} in a row without a date; {counts['steps']:,} "
        f"dates wrong by up to 10 years; {counts['records']:,} records, "
        f"{counts['out-of-order']} out of order; {counts['dated']:,} dated as stated, "
        f"{counts['beyond-u']} beyond the stated uncertainty; "
        f"{counts['dated-later']:,} dated by the boot's clock record, "
        f"{counts['later-beyond-u']} beyond; {counts['never-dated']:,} never dated"
    )
    is_held = (
        counts["out-of-order"] + counts["beyond-u"] + counts["later-beyond-u"] == 0
        and min(counts["dated"], counts["steps"], never) > 0
    )
    asked = (
        "steps of 10 years, boots in 1970, 100 reboots without a date: order exact, "
        "after one date the error is within the stated uncertainty in 100 %"
    )
    return [Finding("F10", asked, measured, is_held, boots >= FULL_BOOTS)]


def main() -> int:
    """Boot, compare, print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--boots", type=int, default=FULL_BOOTS)
    given = parser.parse_args()
    hush()
    return conclude(find(given.boots, given.seed), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
