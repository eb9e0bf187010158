"""A whole gateway for tests: a pty, a broker in its own process, a cloud that signs.

The gateway is composed as in production from a configuration file; it runs in the
test's event loop (:meth:`World.agent`) or as ``python -m gateway``
(:meth:`World.start`).
"""

import asyncio
import contextlib
import hashlib
import os
import struct
import subprocess
import sys
import time
import tty
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cloud.verification import VerifiedRecord, verify_record
from gateway.adapters.mqtt import MqttBroker, MqttSettings
from gateway.agent import Agent
from gateway.composition import compose
from gateway.config import load_config
from gateway.errors import BrokerLostError
from gateway.estimator.container import container_digest
from gateway.outbox import Outbox
from gateway.station import Statement
from schemas.commands import Assign, CommandBody, seal_command
from schemas.envelope import ZERO_DIGEST, split_sequence
from schemas.events import Event, EventKind
from schemas.keys import Algorithm, KeyRegistry, OwnerKind
from schemas.receipts import Receipt, seal_receipt
from schemas.records import Body, Report
from schemas.topics import Lane, filters_up, topic
from schemas.units import instant_ns
from tests.builders import Cloud as CloudKeys
from tests.builders import contents, ed25519_signer, limits, public_key
from tests.gateway.board_encoder import TEMPERATURE, frame

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "hw" / "containers" / "overpack-10mm.toml"
CONTAINER_DIGEST = container_digest(CONTAINER.read_bytes())
GATEWAY = "gw-test-01"
PATIENCE_S = 30.0
_GATEWAY = (sys.executable, "-m", "gateway")
NOW_NS = instant_ns("2027-01-01T00:00:00Z")
HOUR_NS = 3600 * 10**9
SIGNER = ed25519_signer(GATEWAY)
OWN_KEY = public_key(GATEWAY, OwnerKind.GATEWAY, SIGNER)
CLOUD = CloudKeys()
REGISTRY = KeyRegistry((OWN_KEY, CLOUD.key))
B = TypeVar("B", bound=Body)


def assignment(shipment: str = "SH-1", digest: bytes = CONTAINER_DIGEST) -> Assign:
    return Assign(shipment, (contents(),), limits(), digest)


class Cable:
    """A pty behind a symlink, to be pulled and plugged in again."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.master = -1
        self._fds: list[int] = []
        self._sequence = 0

    def plug(self) -> None:
        self.master, slave = os.openpty()
        self._fds = [self.master, slave]
        tty.setraw(slave)
        fresh = self.link.with_suffix(".new")
        fresh.symlink_to(os.ttyname(slave))
        fresh.replace(self.link)

    def pull(self) -> None:
        self.link.unlink(missing_ok=True)
        while self._fds:
            os.close(self._fds.pop(0))

    def warm(self, count: int = 1) -> None:
        """Send temperatures, each with the board's next sequence number."""
        for _ in range(count):
            body = struct.pack("<Bh", 0, 2000 + self._sequence % 500)
            at_us = self._sequence * 20_000
            data = frame(TEMPERATURE, body, self._sequence % 65536, at_us)
            assert os.write(self.master, data) == len(data)
            self._sequence += 1


@dataclass
class Ledger:
    """The far side: believes what verifies, keeps it by place, signs receipts."""

    is_silent: bool = False
    lies: bool = False
    records: dict[tuple[bytes, int], VerifiedRecord] = field(default_factory=dict)
    times: Counter[tuple[bytes, int]] = field(default_factory=Counter)
    epochs: list[bytes] = field(default_factory=list)
    order: list[VerifiedRecord] = field(default_factory=list)
    watch: Callable[[VerifiedRecord], None] = lambda _record: None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _outgoing: asyncio.Queue[tuple[Lane, bytes]] = field(default_factory=asyncio.Queue)
    _began_ns: int = field(default_factory=time.monotonic_ns)

    def now_ns(self) -> int:
        return NOW_NS + time.monotonic_ns() - self._began_ns

    async def run(self, port: int) -> None:
        """Serve until cancelled, through brokers that die."""
        while True:
            with contextlib.suppress(BrokerLostError):
                settings = MqttSettings("127.0.0.1", "cloud", port=port, timeout_s=5.0)
                async with MqttBroker(settings) as line:
                    for name in filters_up():
                        await line.subscribe(name)
                    await self._serve(line)
            await asyncio.sleep(0.05)

    async def _serve(self, line: MqttBroker) -> None:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send(line))
            try:
                async for message in line.messages():
                    self._take(message.payload)
            except BrokerLostError:
                sending.cancel()

    async def _send(self, line: MqttBroker) -> None:
        while True:
            lane, sealed = await self._outgoing.get()
            await line.publish(topic(GATEWAY, lane), sealed)

    def _take(self, payload: bytes) -> None:
        epoch = b""
        for sealed in split_sequence(payload):
            assert isinstance(sealed, bytes)
            record = verify_record(sealed, REGISTRY, GATEWAY)
            assert isinstance(record, VerifiedRecord), record
            epoch = record.header.epoch
            place = epoch, record.header.sequence
            assert self.records.setdefault(place, record) == record, "equivocation"
            if epoch not in self.epochs:
                self.epochs.append(epoch)
            self.times[place] += 1
            self.order.append(record)
            self.watch(record)
        if not self.is_silent:
            self.confirm(epoch)
        self._changed.set()

    def confirm(self, epoch: bytes) -> None:
        """Sign what is held of an epoch; a ledger that lies holds another chain."""
        at = len(self.chain(epoch)) - 1
        if at < 0:
            return
        held = bytes(31) + b"!" if self.lies else self.records[epoch, at].digest
        receipt = Receipt(1, "receipt", GATEWAY, epoch, self.now_ns(), at, held)
        self.send(Lane.RECEIPT, seal_receipt(receipt, CLOUD.signer))

    def send(self, lane: Lane, sealed: bytes) -> None:
        self._outgoing.put_nowait((lane, sealed))

    def command(self, body: CommandBody, counter: int, late_ns: int = 0) -> bytes:
        """Send a command down; return it sealed."""
        expires_ns = self.now_ns() + HOUR_NS - late_ns
        sealed = seal_command(GATEWAY, counter, expires_ns, body, CLOUD.signer)
        self.send(Lane.COMMAND, sealed)
        return sealed

    def chain(self, epoch: bytes | None = None) -> list[VerifiedRecord]:
        """Return an epoch's records from 0 on, as far as none is missing."""
        if epoch is None:
            epoch = self.epochs[-1] if self.epochs else b""
        found: list[VerifiedRecord] = []
        while (record := self.records.get((epoch, len(found)))) is not None:
            found.append(record)
        return found

    def bodies(self, kind: type[B]) -> list[B]:
        """Return all bodies of a kind, each record once, in order of arrival."""
        records = dict.fromkeys(self.records.values())
        return [one.body for one in records if isinstance(one.body, kind)]

    def events(self, what: EventKind) -> list[Event]:
        return [one for one in self.bodies(Event) if one.what is what]

    def answers(self, counter: int) -> list[Event]:
        return [one for one in self.bodies(Event) if one.counter == counter]

    async def until(self, is_true: Callable[[], object]) -> None:
        """Wait until a condition on what is held holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_true():
                self._changed.clear()
                await self._changed.wait()

    def assert_chained(self, *epochs: bytes) -> None:
        """Check that what is held of each epoch, or of these, is one whole chain."""
        for epoch in epochs or self.epochs:
            chain = self.chain(epoch)
            assert len(chain) == sum(one == epoch for one, _ in self.records)
            previous = ZERO_DIGEST
            for record in chain:
                assert record.header.previous == previous
                previous = record.digest


async def eventually(is_true: Callable[[], object]) -> None:
    """Wait for something that announces itself to nobody."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_true():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.01)


class World:
    """A gateway's folder, its cable and its broker's port."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self.cable = Cable(directory / "board")
        self.config = directory / "gateway.toml"
        self.key = directory / "gateway.key"
        self.keys = directory / "keys.json"
        self.outbox = directory / "state" / "outbox"
        self.key.write_text(_key_line())
        self.key.chmod(0o600)
        self.keys.write_bytes(REGISTRY.to_json())
        self.write_config()

    def write_config(self, broker: str = "", clock: str = "") -> None:
        self.config.write_text(f"""
gateway = "{GATEWAY}"
directory = "state"
container = "{CONTAINER}"
key = "gateway.key"
cloud_keys = "keys.json"
report_interval_s = 0
heartbeat_interval_s = 1
[broker]
host = "127.0.0.1"
port = {self.port}
{broker}
[[ports]]
name = "board"
path = "board"
protocol = "board"
[outbox]
reserve_mib = 0
{clock}
""")

    def compose(self) -> Agent:
        config, digest = load_config(self.config)
        return compose(config, digest)

    @contextlib.asynccontextmanager
    async def agent(self, drain_s: float = PATIENCE_S) -> AsyncIterator[Agent]:
        """Run an agent inside the block and stop it at its end."""
        agent, stop = self.compose(), asyncio.Event()
        running = asyncio.create_task(agent.run(stop, drain_s))
        try:
            yield agent
        finally:
            stop.set()
            await asyncio.wait_for(running, drain_s + 10)

    @contextlib.asynccontextmanager
    async def ledger(self) -> AsyncIterator[Ledger]:
        """Run the far side inside the block."""
        ledger = Ledger()
        running = asyncio.create_task(ledger.run(self.port))
        try:
            yield ledger
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the program; its log goes to ``log``."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*_GATEWAY, "run", "--config", str(self.config), *options],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> Path:
        return self.directory / "log"


def _key_line() -> str:
    return f"{Algorithm.EDDSA} {hashlib.sha256(GATEWAY.encode()).hexdigest()}\n"


def warm_reports(ledger: Ledger) -> int:
    return sum(len(one.sensors) for one in ledger.bodies(Report))


def outbox_of(agent: Agent) -> Outbox:
    return agent._parts.outbox


def state(agent: Agent, *events: Event) -> None:
    agent._state_all([Statement(event) for event in events])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def ready(ledger: Ledger) -> None:
    await ledger.until(lambda: ledger.events(EventKind.SENSOR_FOUND))
