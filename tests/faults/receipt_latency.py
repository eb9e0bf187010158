"""A thousand gateways, each a record in five seconds: how late is the receipt?

    .venv/bin/python -m tests.faults.receipt_latency --gateways 1000 --seconds 60 \\
        [--json]

Each gateway is a connection of its own to a real mosquitto, with its own key and
chain, and publishes what it seals at once; the real ingestor commits to its ledger and
answers. The latency of a record is from its publication to the first receipt that
covers it, the ingestor's interval of 0.5 s included.
"""

import asyncio
import contextlib
import statistics
import sys
import time
from dataclasses import dataclass, field
from random import Random
from typing import Final

from schemas.envelope import open_envelope, split_sequence
from schemas.keys import KeyRegistry
from schemas.receipts import read_receipt
from schemas.topics import Lane, topic
from tests.builders import GatewayChain, birth, report
from tests.faults.rig import (
    Finding,
    conclude,
    hush,
    print_progress,
    rig_folder,
    rig_parser,
)
from tests.faults.site import Site, wait_until
from tests.gateway.agent_rig import CLOUD

FULL_GATEWAYS: Final = 1000
FULL_SECONDS: Final = 60.0
PERIOD_S: Final = 5.0
ASKED_S: Final = 2.0
PATIENCE_S: Final = 60.0
_CONNECT, _PUBLISH, _PUBACK, _SUBSCRIBE = 0x10, 0x32, 0x40, 0x82


def _string(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _packet(kind: int, body: bytes) -> bytes:
    """Return an MQTT 3.1.1 packet."""
    size, length = bytearray(), len(body)
    while True:
        length, low = divmod(length, 128)
        size.append(low | (0x80 if length else 0))
        if not length:
            return bytes([kind]) + bytes(size) + body


@dataclass
class Sender:
    """One gateway: its chain, its connection, and when what was published."""

    chain: GatewayChain
    sent_s: dict[int, float] = field(default_factory=dict)
    late_s: list[float] = field(default_factory=list)
    _number: int = 0
    _all_receipted: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, port: int, phase_s: float, ends_s: float) -> None:
        """Connect, publish at its pace until ``ends_s``, and wait for the receipts."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        name = self.chain.gateway
        head = _string("MQTT") + bytes([4, 2]) + (600).to_bytes(2, "big")
        writer.write(_packet(_CONNECT, head + _string(name)))
        filters = _string(topic(name, Lane.RECEIPT)) + b"\1"
        writer.write(_packet(_SUBSCRIBE, b"\0\1" + filters))
        listening = asyncio.create_task(self._listen(reader, writer))
        try:
            await asyncio.sleep(phase_s)
            while time.monotonic() < ends_s:
                self._publish(writer)
                await asyncio.sleep(PERIOD_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._all_receipted.wait()
        finally:
            listening.cancel()
            writer.close()

    def _publish(self, writer: asyncio.StreamWriter) -> None:
        sequence = self.chain.sequence
        sealed = self.chain.append(report(sequence) if sequence else birth())
        self._number = self._number % 65_535 + 1
        body = _string(topic(self.chain.gateway, Lane.LIVE))
        body += self._number.to_bytes(2, "big") + sealed
        self.sent_s[sequence] = time.monotonic()
        self._all_receipted.clear()
        writer.write(_packet(_PUBLISH, body))

    async def _listen(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            kind = (await reader.readexactly(1))[0]
            size = shift = 0
            while True:
                byte = (await reader.readexactly(1))[0]
                size |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            body = await reader.readexactly(size)
            if kind & 0xF0 == 0x30:
                self._take(kind, body, writer)

    def _take(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        at = 2 + int.from_bytes(body[:2], "big")
        if kind & 0x06:
            writer.write(_packet(_PUBACK, body[at : at + 2]))
            at += 2
        now_s = time.monotonic()
        for sealed in split_sequence(body[at:]):
            assert isinstance(sealed, bytes)
            receipt = read_receipt(open_envelope(sealed).payload)
            up_to = -1 if receipt.contiguous is None else receipt.contiguous
            for sequence in [one for one in self.sent_s if one <= up_to]:
                self.late_s.append(now_s - self.sent_s.pop(sequence))
        if not self.sent_s:
            self._all_receipted.set()


async def _send_all(
    senders: list[Sender], port: int, seconds: float, seed: int
) -> None:
    rng, ends_s = Random(f"{seed}/latency"), time.monotonic() + seconds
    async with asyncio.TaskGroup() as tasks:
        for sender in senders:
            phase_s = rng.uniform(0, PERIOD_S)
            tasks.create_task(sender.run(port, phase_s, ends_s))


def measure(gateways: int, seconds: float, seed: int) -> tuple[list[float], int]:
    """Return the latencies of all records, and how many had no receipt."""
    chains = [GatewayChain(f"gw-{number:04}") for number in range(gateways)]
    senders = [Sender(chain) for chain in chains]
    with rig_folder() as folder, Site(folder, 100_000) as site:
        registry = KeyRegistry((CLOUD.key, *(chain.key for chain in chains)))
        (folder / "keys.json").write_bytes(registry.to_json())
        site.start_cloud()
        wait_until(lambda: "mqtt=connected" in site.log("ingest"), "the ingestor")
        print_progress(f"{gateways} gateways for {seconds:.0f} s")
        asyncio.run(_send_all(senders, site.broker.port, seconds, seed))
    late_s = [late for sender in senders for late in sender.late_s]
    return late_s, sum(len(sender.sent_s) for sender in senders)


def find(gateways: int, seconds: float, seed: int) -> list[Finding]:
    """Measure, and say the quantiles."""
    late_s, without = measure(gateways, seconds, seed)
    cuts = statistics.quantiles(late_s, n=1000)
    rate = (len(late_s) + without) / seconds
    measured = (
        f"{gateways:,} connections, {len(late_s):,} records in {seconds:.0f} s "
        f"({rate:.0f}/s): p50 {cuts[499]:.2f} s, p99 {cuts[989]:.2f} s, highest "
        f"{max(late_s):.2f} s; without a receipt {without}"
    )
    return [
        Finding(
            "F23",
            "receipt latency p99 at most 2 s with 1,000 gateways at 0.2 Hz",
            measured,
            cuts[989] <= ASKED_S and without == 0,
            gateways >= FULL_GATEWAYS and seconds >= FULL_SECONDS,
        )
    ]


def main() -> int:
    """Measure and print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--gateways", type=int, default=FULL_GATEWAYS)
    parser.add_argument("--seconds", type=float, default=FULL_SECONDS)
    given = parser.parse_args()
    hush()
    findings = find(given.gateways, given.seconds, given.seed)
    return conclude(findings, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
