"""How fast a whole gateway is, from serial bytes to an MQTT subscriber.

``python tests/benchmarks/bench_gateway.py [--seconds 10] [--json]``: the program as a
process, fed through a pty with one reading of light after the other and set to one
report per reading; a mosquitto from .servers; this process subscribes
and sends receipts twice a second. Prints

- records/s that were sealed, durable and delivered, with the gateway's share of a core:
  as fast as it reads, and at a rate that is asked of it
- latency from the write to the pty to the subscriber at 50 Hz
- readings lost at 200 Hz
- seconds from plugging a cable in again to the first reading at the subscriber
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gateway.adapters.mqtt import MqttBroker, MqttSettings
from schemas.envelope import digest, open_envelope, split_sequence
from schemas.receipts import Receipt, seal_receipt
from schemas.records import Report, read_record
from schemas.topics import Lane, filters_up, topic
from tests.faults.rig import Finding, conclude
from tests.faults.site import mosquitto
from tests.gateway.agent_rig import CLOUD, GATEWAY, NOW_NS, World
from tests.gateway.board_encoder import LIGHT, frame
from tests.servers import running

RECEIPT_EVERY_S = 0.5
PATIENCE_S = 120.0
FULL_S = 10.0
QUEUE_LIMIT = 10_000
# What is asked, and the rate at which it is asked.
MOST_P50_MS, MOST_REPLUG_S, LEAST_PER_S = 50.0, 2.0, 2000.0
STEADY_HZ, AT_ONCE = 2200.0, 22


@dataclass
class Subscriber:
    """Takes what comes, notes when each reading came, sends receipts."""

    arrived_s: dict[int, float] = field(default_factory=dict)
    lost: int = 0
    _digests: dict[int, bytes] = field(default_factory=dict)
    _epoch: bytes = b""
    _contiguous: int = -1

    async def run(self, port: int) -> None:
        settings = MqttSettings("127.0.0.1", "bench", port=port)
        async with MqttBroker(settings) as line:
            for name in filters_up():
                await line.subscribe(name)
            confirming = asyncio.create_task(self._confirm(line))
            try:
                async for message in line.messages():
                    self._take(message.payload, time.monotonic())
            finally:
                confirming.cancel()

    def _take(self, payload: bytes, now_s: float) -> None:
        for sealed in split_sequence(payload):
            assert isinstance(sealed, bytes)
            record = read_record(open_envelope(sealed).payload)
            sequence = record.header.sequence
            if sequence in self._digests or sequence <= self._contiguous:
                continue
            self._epoch = record.header.epoch
            self._digests[sequence] = digest(sealed)
            if isinstance(record.body, Report):
                self._note(record.body, now_s)

    def _note(self, report: Report, now_s: float) -> None:
        self.lost += sum(line.lost for line in report.lines)
        for summary in report.sensors:
            if summary.latest is not None:
                self.arrived_s.setdefault(round(summary.latest * 1000), now_s)

    async def _confirm(self, line: MqttBroker) -> None:
        while True:
            await asyncio.sleep(RECEIPT_EVERY_S)
            before, held = self._contiguous, b""
            while (found := self._digests.pop(self._contiguous + 1, None)) is not None:
                self._contiguous, held = self._contiguous + 1, found
            if self._contiguous == before:
                continue
            word = Receipt(
                1, "receipt", GATEWAY, self._epoch, NOW_NS, self._contiguous, held
            )
            sealed = seal_receipt(word, CLOUD.signer)
            await line.publish(topic(GATEWAY, Lane.RECEIPT), sealed)

    async def has(self, count: int) -> bool:
        """Wait until ``count`` readings have come, or none comes for 5 s."""
        known, since_s = -1, time.monotonic()
        while len(self.arrived_s) < count:
            if len(self.arrived_s) != known:
                known, since_s = len(self.arrived_s), time.monotonic()
            if time.monotonic() - since_s > 5.0:
                return False
            await asyncio.sleep(0.01)
        return True


class Fed(NamedTuple):
    """What was written and what came of it, in readings and s since the first write."""

    sent: int
    arrived: int
    fed_s: float
    feeding_cpu_s: float
    took_s: float
    cpu_s: float


class Bench:
    """One gateway with its cable, its broker and its subscriber."""

    def __init__(self, world: World, subscriber: Subscriber, pid: int) -> None:
        self.world = world
        self.subscriber = subscriber
        self._pid = pid
        self._sent = 0

    def cpu_s(self) -> float:
        words = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def next_frame(self) -> tuple[int, bytes]:
        value, self._sent = self._sent, self._sent + 1
        body = struct.pack("<BIB", 0, value, 0)
        return value, frame(LIGHT, body, value % 65536, value * 1000)

    def _flood(self, seconds: float) -> int:
        began_s, count = time.monotonic(), 0
        while time.monotonic() - began_s < seconds:
            count += self._write(20)
        return count

    def _steadily(self, seconds: float) -> int:
        began_s, count = time.monotonic(), 0
        while count < STEADY_HZ * seconds:
            time.sleep(max(began_s + count / STEADY_HZ - time.monotonic(), 0.0))
            count += self._write(AT_ONCE)
        return count

    def _write(self, count: int) -> int:
        data = b"".join(self.next_frame()[1] for _ in range(count))
        os.write(self.world.cable.master, data)
        return count

    async def _fed(self, feed: Callable[[float], int], seconds: float) -> Fed:
        known, cpu_s = len(self.subscriber.arrived_s), self.cpu_s()
        began_s = time.monotonic()
        count = await asyncio.to_thread(feed, seconds)
        fed_s, feeding_cpu_s = time.monotonic() - began_s, self.cpu_s() - cpu_s
        await self.subscriber.has(known + count)
        return Fed(
            count,
            len(self.subscriber.arrived_s) - known,
            fed_s,
            feeding_cpu_s,
            max(self.subscriber.arrived_s.values()) - began_s,
            self.cpu_s() - cpu_s,
        )

    async def throughput(self, seconds: float) -> dict[str, float]:
        """Feed as fast as the gateway reads."""
        fed = await self._fed(self._flood, seconds)
        return {
            "records_per_s": fed.sent / fed.fed_s,
            "delivered_per_s": fed.arrived / fed.took_s,
            "undelivered": fed.sent - fed.arrived,
            "cpu_share": fed.feeding_cpu_s / fed.fed_s,
            "records_per_cpu_s": fed.sent / fed.feeding_cpu_s,
        }

    async def steady(self, seconds: float) -> dict[str, float]:
        """Feed at the rate that is asked; the share of a core until all is there."""
        fed = await self._fed(self._steadily, seconds)
        return {
            "steady_delivered_per_s": fed.arrived / fed.took_s,
            "steady_undelivered": fed.sent - fed.arrived,
            "steady_cpu_share": fed.cpu_s / fed.took_s,
        }

    async def paced(self, rate_hz: float, seconds: float) -> dict[str, float]:
        """Feed at a rate; return latencies in ms, and what was lost."""
        sent_s: dict[int, float] = {}
        known, cpu_s = len(self.subscriber.arrived_s), self.cpu_s()
        began_s = time.monotonic()
        for number in range(round(rate_hz * seconds)):
            await asyncio.sleep(began_s + number / rate_hz - time.monotonic())
            value, data = self.next_frame()
            sent_s[value] = time.monotonic()
            os.write(self.world.cable.master, data)
        share = (self.cpu_s() - cpu_s) / (time.monotonic() - began_s)
        await self.subscriber.has(known + len(sent_s))
        arrived_s = self.subscriber.arrived_s
        late_ms = [
            1e3 * (arrived_s[v] - s) for v, s in sent_s.items() if v in arrived_s
        ]
        cuts = statistics.quantiles(late_ms, n=100)
        return {
            "p50_ms": cuts[49],
            "p99_ms": cuts[98],
            "lost": len(sent_s) - len(late_ms),
            "cpu_share": share,
        }

    async def replug(self) -> float:
        """Return the seconds from plugging in to the first reading that arrives."""
        self.world.cable.pull()
        await asyncio.sleep(1.5)
        known = len(self.subscriber.arrived_s)
        self.world.cable.plug()
        began_s = time.monotonic()
        while len(self.subscriber.arrived_s) == known:
            os.write(self.world.cable.master, self.next_frame()[1])
            await asyncio.sleep(0.01)
        took_s = time.monotonic() - began_s
        await asyncio.sleep(1.0)  # what is on its way is not the next measurement's
        return took_s


@contextlib.asynccontextmanager
async def started(directory: Path, port: int) -> AsyncIterator[Bench]:
    """Run gateway and subscriber inside the block, from the first reading on."""
    world, subscriber = World(directory, port), Subscriber()
    world.cable.plug()
    taking = asyncio.create_task(subscriber.run(port))
    program = world.start()
    try:
        bench = Bench(world, subscriber, program.pid)
        async with asyncio.timeout(PATIENCE_S):
            while not subscriber.arrived_s:
                os.write(world.cable.master, bench.next_frame()[1])
                await asyncio.sleep(0.1)
        yield bench
    finally:
        taking.cancel()
        program.terminate()
        await asyncio.to_thread(program.wait)
        world.cable.pull()


async def measure(seconds: float) -> dict[str, float]:
    """Run all measurements; return them by name."""
    found: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        running(mosquitto(Path(folder) / "broker", QUEUE_LIMIT)) as broker,
    ):
        async with started(Path(folder), broker.port) as bench:
            for rate_hz in (50, 200):
                for name, value in (await bench.paced(rate_hz, seconds)).items():
                    found[f"at_{rate_hz}_hz_{name}"] = value
            found["replug_to_first_reading_s"] = await bench.replug()
            found |= await bench.steady(seconds)
            found |= await bench.throughput(seconds)
            found["board_frames_lost"] = bench.subscriber.lost
    return found


def findings(found: dict[str, float], *, is_full: bool) -> list[Finding]:
    """Say what was asked and what was measured."""
    share = found["steady_cpu_share"]
    lost = found["at_50_hz_lost"] + found["at_200_hz_lost"]
    asked = "a record for each reading, pty to subscriber: "
    throughput = (
        f"fed at {STEADY_HZ:.0f}/s: {found['steady_delivered_per_s']:,.0f}/s sealed, "
        f"durable and delivered on {share:.2f} of a core, "
        f"{found['steady_undelivered']:.0f} missing; as fast as it reads: "
        f"{found['records_per_s']:,.0f}/s sealed and durable on "
        f"{found['cpu_share']:.2f}, {found['delivered_per_s']:,.0f}/s delivered, "
        f"{found['undelivered']:.0f} missing"
    )
    latency = (
        f"at 50 Hz p50 {found['at_50_hz_p50_ms']:.1f} ms, p99 "
        f"{found['at_50_hz_p99_ms']:.1f} ms; at 200 Hz p50 "
        f"{found['at_200_hz_p50_ms']:.1f} ms; {lost:.0f} lost; first reading "
        f"{found['replug_to_first_reading_s']:.2f} s after the plug"
    )
    return [
        Finding(
            "gateway throughput",
            f"{asked}at least 2,000 records/s sealed, durable and delivered on less "
            "than one core",
            throughput,
            found["steady_delivered_per_s"] >= LEAST_PER_S
            and share < 1.0
            and found["steady_undelivered"] == found["undelivered"] == 0,
            is_full,
        ),
        Finding(
            "gateway latency",
            f"{asked}p50 below 50 ms at 50 Hz, no loss at 200 Hz, first good frame "
            "within 2 s of a replug",
            latency,
            found["at_50_hz_p50_ms"] < MOST_P50_MS
            and lost == 0
            and found["replug_to_first_reading_s"] <= MOST_REPLUG_S,
            is_full,
        ),
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A whole gateway's speed.")
    parser.add_argument("--json", action="store_true", help="one line for machines")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each rate")
    chosen = parser.parse_args()
    found = asyncio.run(measure(chosen.seconds))
    judged = findings(found, is_full=chosen.seconds >= FULL_S)
    if chosen.json:
        rounded = {name: round(value, 3) for name, value in found.items()}
        rows = [one._asdict() for one in judged]
        said = {"bench": "gateway", **rounded, "findings": rows}
        sys.stdout.write(json.dumps(said) + "\n")
        return 0
    for name, value in found.items():
        sys.stdout.write(f"{name:<32}{value:>12.2f}\n")
    conclude(judged, as_json=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
