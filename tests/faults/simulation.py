"""Deterministic simulation of the real classes: one seed is one run of some days.

    .venv/bin/python -m tests.faults.simulation --seeds 20 [--first 0] [--days 2]

Two gateways on failing disks, a network that loses, repeats and reorders, a broker
that acknowledges and forgets, an ingestor that is killed anywhere, and an attacker.
Then all heals: after an outage of hours the link comes up, slow, and the
backlog must drain. The invariants are those of :mod:`tests.faults.oracle`.
"""

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from cloud.ports import EntryKind
from schemas.events import Event, EventKind, Evidence, Severity
from schemas.keys import Ed25519Signer, KeyRegistry, OwnerKind, PublicKey
from schemas.readings import Fix
from schemas.records import Body, Heartbeat, Position, Report, SensorSummary
from tests.builders import START_NS
from tests.faults.attacker import Attacker
from tests.faults.cloud_node import CloudNode
from tests.faults.gateway_machine import SEGMENT_BYTES, Surroundings
from tests.faults.gateway_node import GatewayNode
from tests.faults.oracle import Oracle, Violation, evidence_in
from tests.faults.rig import fast_folder, print_progress, simulation_arguments
from tests.faults.schedule import Schedule
from tests.faults.storm import Storm
from tests.faults.wire import Broker, Weather

DAY_S: Final = 86_400.0
OUTAGE_S: Final = 0.3 * DAY_S
DRAIN_S: Final = 0.25 * DAY_S
LIVE_S: Final = 10.0
CALM_INTERVAL_S: Final = 600.0
YEAR_NS: Final = 365 * 86_400 * 10**9
GATEWAYS: Final = ("gw-a", "gw-b")


class Outcome(NamedTuple):
    """What one seed gave."""

    seed: int
    digest: str
    counts: Counter[str]
    violations: tuple[Violation, ...]


class World:
    """All machines of one run."""

    def __init__(self, seed: int, root: Path, days: float) -> None:
        self.rng = Random(f"{seed}/world")
        self.storm = Storm.draw(self.rng)
        self.end_s = days * DAY_S
        self.schedule = Schedule()
        self.oracle = Oracle()
        self.is_calm = False
        cloud_signer = Ed25519Signer(self.rng.randbytes(32))
        cloud_key = _key("cloud", OwnerKind.CLOUD, cloud_signer)
        insider = Ed25519Signer(self.rng.randbytes(32))
        self.broker = Broker(self.schedule, Random(f"{seed}/broker"))
        around = Surroundings(
            self.schedule,
            self.broker,
            self.oracle,
            KeyRegistry((cloud_key,)),
            lambda *place: self.cloud.held(*place),  # noqa: PLW0108 - made below
        )
        quota = self.storm.quota_segments
        self.nodes = [
            GatewayNode(name, root / name, Random(f"{seed}/{name}"), around, quota)
            for name in GATEWAYS
        ]
        keys = (cloud_key, _key("gw-c", OwnerKind.GATEWAY, insider))
        self.registry = KeyRegistry((*keys, *(node.key for node in self.nodes)))
        self.cloud = CloudNode(
            self.schedule,
            self.broker,
            Random(f"{seed}/cloud"),
            self.oracle,
            (cloud_signer, self.registry),
        )
        kids = [key.kid for key in self.registry.keys]
        rng = Random(f"{seed}/attacker")
        self.attacker = Attacker(self.broker, rng, GATEWAYS, kids, insider)
        self.broker.on_seen = self.attacker.see

    # Troubles

    def often(self, mean_s: float, act: Callable[[], None]) -> None:
        """Do ``act`` at random times until it is calm."""

        def again() -> None:
            if self.is_calm:
                return
            act()
            self.schedule.after(self.rng.expovariate(1 / mean_s), again)

        self.schedule.after(self.rng.expovariate(1 / mean_s), again)

    def begin(self) -> None:
        """Start all machines and all troubles."""
        for node in self.nodes:
            node.boot()
            self.connect_later(node, 10.0)
            self.schedule.after(self.rng.uniform(0, 60), partial(self.tick, node))
            self.trouble(node)
        self.often(0.3 * DAY_S, self.break_broker)
        self.often(3600, self.change_weather)
        self.often(
            2 * 3600, lambda: setattr(self.cloud, "fuse", self.rng.randrange(25))
        )
        self.often(1800, self.attack)
        self.often(3 * 3600, self.cloud.project)
        self.cloud.lock_chance = self.rng.choice((0.0, 0.02))

    def trouble(self, node: GatewayNode) -> None:
        """Start the troubles of one gateway."""
        rng, power = self.rng, node.power
        self.often(0.4 * DAY_S, lambda: setattr(power, "cut_after", rng.randrange(40)))
        self.often(0.7 * DAY_S, lambda: node.fall(is_cut=rng.random() < 0.5))
        self.often(3 * 3600, lambda: self.lose_link(node))
        self.often(0.5 * DAY_S, lambda: self.step_clock(node))
        # Fewer than make damage of one.
        self.often(
            0.1 * DAY_S, lambda: setattr(power, "fail_reads", rng.randrange(1, 4))
        )
        if self.storm.has_bad_disk:
            self.often(0.3 * DAY_S, lambda: self.break_disk(node))
        if self.storm.has_full_disk:
            self.often(0.4 * DAY_S, lambda: self.fill_disk(node))
        if self.storm.has_new_card:
            self.often(DAY_S, lambda: node.change_card(is_restored=False))
        if self.storm.has_old_card:
            self.often(0.3 * DAY_S, node.save_card)
            self.often(0.8 * DAY_S, lambda: self.set_back(node))

    def set_back(self, node: GatewayNode) -> None:
        """An old image, and often no link until the fork is longer than the chain."""
        node.change_card(is_restored=True)
        if self.rng.random() < 0.7:
            length_s = self.rng.uniform(0, 0.4 * DAY_S)
            node.out_until_s = self.schedule.now_s + length_s

    def connect_later(self, node: GatewayNode, mean_s: float) -> None:
        """Connect, and again whenever the link is found down."""

        def again() -> None:
            if not self.is_calm:
                node.connect()
                self.schedule.after(self.rng.uniform(1, 120), again)

        self.schedule.after(self.rng.uniform(0, mean_s), again)

    def lose_link(self, node: GatewayNode) -> None:
        """Out of reach: for minutes, or for hours."""
        node.disconnect()
        length_s = self.rng.expovariate(1 / 7200)
        node.out_until_s = self.schedule.now_s + length_s

    def light_fuse(self) -> None:
        """The ingestor dies at one of its next calls."""
        self.cloud.fuse = self.rng.randrange(25)

    def break_broker(self) -> None:
        """The broker dies and forgets."""
        self.oracle.note(self.schedule.now_s, "broker-crash")
        self.broker.crash()
        for node in self.nodes:
            node.disconnect()

        def back() -> None:
            self.broker.is_up = True

        self.schedule.after(self.rng.uniform(5, 600), back)

    def change_weather(self) -> None:
        """Fair, or bad."""
        rng = self.rng
        is_bad = rng.random() < 0.6
        self.broker.weather = Weather(
            loss=rng.uniform(0, 0.4) if is_bad else 0.0,
            repetition=rng.uniform(0, 0.3) if is_bad else 0.0,
            reordering=rng.uniform(0, 0.5) if is_bad else 0.0,
            delay_s=rng.choice((0.05, 2.0)),
            queue_limit=rng.choice((3, 20, 1000)),
        )

    def attack(self) -> None:
        """A burst of hostile messages."""
        for _ in range(self.rng.randint(1, 12)):
            self.attacker.act()

    def step_clock(self, node: GatewayNode) -> None:
        """A receiver's date, right or wrong by up to ten years."""
        utc_ns = START_NS + round(self.schedule.now_s * 1e9)
        if self.rng.random() < 0.7:
            utc_ns += self.rng.randint(-10 * YEAR_NS, 10 * YEAR_NS)
        for _ in range(self.rng.randint(1, 4)):
            node.take_date(utc_ns)
        node.commit()

    def break_disk(self, node: GatewayNode) -> None:
        """A call fails soon, or all for a while; often the power goes soon after."""

        def cut_soon() -> None:
            if self.rng.random() < 0.6:
                node.power.cut_after = self.rng.randrange(6)

        node.power.on_failure = cut_soon
        node.power.fail_after = self.rng.randrange(12)
        node.power.fail_times = self.rng.choice((1, 1, 1, 12))

    def fill_disk(self, node: GatewayNode) -> None:
        """Others fill the disk, down to some segments or to nothing."""
        left = self.rng.randrange(4) * SEGMENT_BYTES
        node.power.capacity_bytes += left - node.power.free_bytes
        node.power.is_quota = self.rng.random() < 0.5

        def back() -> None:
            node.power.capacity_bytes = 1 << 40

        self.schedule.after(self.rng.uniform(600, 6 * 3600), back)

    # What is recorded

    def tick(self, node: GatewayNode) -> None:
        """State what an interval gives, commit it, and come again."""
        if self.schedule.now_s < self.end_s + OUTAGE_S - 60:
            interval_s = CALM_INTERVAL_S if self.is_calm else self.storm.interval_s
            length_s = interval_s * self.rng.uniform(0.5, 1.5)
            self.schedule.after(length_s, lambda: self.tick(node))
        for body, is_alarm in self.bodies(node):
            node.state(body, is_alarm=is_alarm)
        node.commit()

    def bodies(self, node: GatewayNode) -> list[tuple[Body, bool]]:
        """Return what is to be stated now."""
        rng = self.rng
        boot_ns = node.life.clock.boot_ns() if node.life else 0
        summary = SensorSummary("t", "temperature_c", 60, 60, rng.uniform(2, 8))
        found: list[tuple[Body, bool]] = [
            (Report(max(boot_ns - 60, 0), boot_ns, (summary,), (), ()), False),
            (Heartbeat(0, bytes(32), 0, 0, 0), False),
        ]
        if rng.random() < 0.3:
            found.append((Position("gps", Fix.NONE, 0), False))
        if rng.random() < 0.04:
            event = Event(EventKind.SHOCK, Severity.ALARM, boot_ns, "a shock")
            found.append((event, True))
            samples = rng.randbytes(6 * rng.randint(10, 1200))
            waveform = Evidence(0, 0, 1, "board", 0, 1600.0, 800.0, 0.25, samples)
            found.append((waveform, False))
        return found

    # Healing

    def heal(self) -> None:
        """No troubles any more, but no link either: hours of backlog."""
        self.is_calm = True
        self.oracle.note(self.schedule.now_s, "calm")
        self.cloud.fuse, self.cloud.lock_chance = None, 0.0
        self.broker.weather = Weather()
        self.broker.is_up = True
        for node in self.nodes:
            node.power.cut_after = node.power.fail_after = None
            node.power.capacity_bytes = 1 << 40
            node.disconnect()
            node.out_until_s = 0.0

    def link_up(self, node: GatewayNode) -> None:
        """The link comes up, slow; in ten seconds there must be a new value."""
        life = node.life
        if life is None:
            self.oracle.violate("exception", f"{node.name} is dead after healing")
            return
        waiting = life.outbox.read(life.outbox.watermark + 1, 1 << 30, 1 << 20)
        size = sum(len(one.sealed) for one in waiting)
        node.rate_bytes_s = min(max(size / 25, 2_000.0), 16_000.0)
        epoch, newest = life.outbox.epoch, life.live_sequence
        node.connect()

        def look() -> None:
            self.oracle.counts["live-looks"] += 1
            if not self.cloud.ledger.entries_of(node.name, epoch, newest, 2**53):
                self.oracle.violate("live", f"{node.name}: {newest} not there")
            if node.backlog:
                self.oracle.counts["live-during-backlog"] += 1

        self.schedule.after(LIVE_S, look)

    def is_drained(self) -> bool:
        """Whether all gateways have their receipts."""
        return all(node.backlog == 0 for node in self.nodes)

    # The run

    def run(self, *, is_hasty: bool) -> None:
        """Days of troubles, hours of silence, and the end.

        A hasty run ends with the first violation: that is all a mutant is run for.
        """

        def is_settled() -> bool:
            return is_hasty and bool(self.oracle.violations)

        self.begin()
        self.schedule.run_until(self.end_s, is_settled)
        if is_settled():
            return
        self.heal()
        self.schedule.run_until(self.end_s + OUTAGE_S, is_settled)
        for node in self.nodes:
            self.link_up(node)
        end_s = self.schedule.now_s
        self.schedule.run_until(end_s + LIVE_S + 1)
        self.schedule.run_until(end_s + DRAIN_S, self.is_drained)
        self.judge()

    def judge(self) -> None:
        """Judge all invariants."""
        oracle, entries = self.oracle, self.cloud.entries()
        for node in self.nodes:
            if node.backlog:
                oracle.violate("drained", f"{node.name}: {node.backlog} are left")
            evidence = evidence_in(node.folder)
            oracle.judge_promises(node.name, entries, evidence)
            oracle.judge_epochs(node.name)
        oracle.judge_ledger(entries)
        oracle.judge_chain(entries, self.registry)
        self.cloud.judge_projection()
        oracle.judge_notices(self.cloud.notices())
        self._count()

    def _count(self) -> None:
        counts = self.oracle.counts
        counts["hostile"] = self.attacker.counts.total()
        counts["forgotten-by-broker"] = self.broker.forgotten
        counts["commands"] = self.cloud.ledger.counts()[EntryKind.COMMAND]
        counts["ledger-locked"] = self.cloud.locked
        for node in self.nodes:
            counts["disk-calls"] += node.power.calls
            counts["enospc"] += node.power.refusals_full
            counts["eio"] += node.power.refusals_eio
            counts["failed-reads"] += node.power.refusals_read


def _key(name: str, kind: OwnerKind, signer: Ed25519Signer) -> PublicKey:
    return PublicKey(name, kind, signer.algorithm, signer.public_key)


def simulate(seed: int, days: float = 1.0, *, is_hasty: bool = False) -> Outcome:
    """Run one seed."""
    root = fast_folder()
    world = World(seed, root, days)
    try:
        world.run(is_hasty=is_hasty)
    finally:
        for node in world.nodes:
            node.power.forget()
        world.cloud.close()
        shutil.rmtree(root, ignore_errors=True)
    oracle = world.oracle
    return Outcome(seed, oracle.digest, oracle.counts, tuple(oracle.violations))


def main() -> int:
    """Run seeds, print what was counted and which invariants did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    simulation_arguments(parser, seeds=20)
    given = parser.parse_args()
    total: Counter[str] = Counter()
    failed: list[Outcome] = []
    for seed in range(given.first, given.first + given.seeds):
        outcome = simulate(seed, given.days)
        total += outcome.counts
        for violation in outcome.violations:
            print_progress(f"seed {seed}: {violation.invariant}: {violation.text}")
        failed += [outcome] if outcome.violations else []
        print_progress(f"seed {seed} {outcome.digest[:16]}")
    total["seeds"], total["seeds-failed"] = given.seeds, len(failed)
    print(json.dumps(total) if given.json else _table(total))
    return int(bool(failed))


def _table(counts: Counter[str]) -> str:
    return "\n".join(f"{name:22} {count:>12,}" for name, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
