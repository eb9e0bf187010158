"""A whole site for rigs: a real mosquitto, a real ingestor and ledger, a gateway.

Everything is a process of its own, ended by its pid. The gateway is that of
:class:`tests.gateway.agent_rig.World`, whose cloud key the ingestor is given, so that
its receipts are believed.
"""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cloud.adapters.ledger import SqlLedger, open_ledger
from cloud.history import check_history
from cloud.ports import EntryKind, LedgerEntry
from gateway.outbox import Outbox, OutboxLimits
from schemas.envelope import digest, open_envelope
from schemas.records import Gap, Record, read_record
from tests.builders import CLOUD as CLOUD_NAME
from tests.faults.witness import Ack, Trace
from tests.gateway.agent_rig import GATEWAY, OWN_KEY, REGISTRY, ROOT, World
from tests.servers import Server, free_port, program

PATIENCE_S: Final = 120.0
# Compiled once for all sites: a start is then a second, as on a Pi after the first one.
_KERNELS: Final = ROOT / "var" / "numba-cache"
Held = dict[tuple[bytes, int], bytes]
_MOSQUITTO: Final = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages {limit}
max_inflight_messages 20
log_dest none
"""


def mosquitto(folder: Path, queue_limit: int) -> Server:
    """A mosquitto, not started, that drops what is above ``queue_limit``."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "mosquitto.conf"
    configuration.write_text(_MOSQUITTO.format(port=port, limit=queue_limit))
    return Server(folder, [program("mosquitto"), "-c", str(configuration)], port)


def wait_until(
    holds: Callable[[], object], what: str, patience_s: float = PATIENCE_S
) -> None:
    """Wait for something that will come.

    Raises:
        TimeoutError: it did not, and ``what`` says what.
    """
    deadline_s = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {patience_s:.0f} s in vain for {what}")
        time.sleep(0.02)


class Site:
    """One folder with everything below it; ``settings`` are lines for the gateway."""

    def __init__(
        self, folder: Path, queue_limit: int = 1000, influx: str | None = None
    ) -> None:
        self.folder = folder
        self.broker = mosquitto(folder / "broker", queue_limit)
        (folder / "gateway").mkdir()
        self.world = World(folder / "gateway", self.broker.port)
        self.url = f"sqlite:///{folder / 'ledger.sqlite'}"
        self.cloud_config = folder / "cloud.toml"
        self.trace = Trace(folder / "trace")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._write_cloud(influx)

    def _write_cloud(self, influx: str | None) -> None:
        key = self.folder / "cloud.key"
        private = hashlib.sha256(CLOUD_NAME.encode()).hexdigest()
        key.write_text(f"EdDSA {private}\n")
        key.chmod(0o600)
        (self.folder / "keys.json").write_bytes(REGISTRY.to_json())
        text = (
            f"[broker]\nport = {self.broker.port}\n"
            f'[ledger]\nurl = "{self.url}"\n'
            '[keys]\nregistry = "keys.json"\ncloud_key = "cloud.key"\n'
            '[series]\npath = "series.sqlite"\n'
        )
        if influx is not None:
            text += f'[series.influx]\nurl = "{influx}"\n'
        self.cloud_config.write_text(text)

    def configure(self, *changes: tuple[str, str]) -> None:
        """Change the gateway's configuration, each old text to a new one."""
        text = self.world.config.read_text()
        for old, new in changes:
            if old not in text:
                raise ValueError(f"{old!r} is not in the configuration")
            text = text.replace(old, new)
        self.world.config.write_text(text)

    # Processes

    def __enter__(self) -> Self:
        self.broker.start()
        self.world.cable.plug()
        os.set_blocking(self.world.cable.master, False)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for name in list(self._processes):
            self.kill(name)
        self.broker.kill()
        self.world.cable.pull()
        self.trace.close()

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a module of ours, its log in ``NAME.log``; in place of its last."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"NUMBA_CACHE_DIR": str(_KERNELS)},
            )
        self._processes[name] = process
        return process

    def start_cloud(self, name: str = "ingest") -> subprocess.Popen[bytes]:
        """Start ``ingest`` or ``project``."""
        return self.start(name, "cloud", name, "--config", str(self.cloud_config))

    def start_gateway(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the gateway so that it leaves a trace."""
        return self.start("gateway", "tests.faults.witness", *self._traced(), *options)

    def _traced(self) -> list[str]:
        trace = str(self.folder / "trace")
        return ["--config", str(self.world.config), "--trace", trace]

    def kill(self, name: str) -> None:
        """Kill a process as a power cut does, if it runs."""
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()

    def end(self, name: str) -> int:
        """End a process as it should be ended; return its status."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE_S)

    def runs(self, name: str) -> bool:
        """Whether a process has not ended."""
        process = self._processes.get(name)
        return process is not None and process.poll() is None

    def log(self, name: str) -> str:
        """What a process has said."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # What the ledger holds

    @contextmanager
    def ledger(self) -> Iterator[SqlLedger]:
        """The ledger, open beside the ingestor."""
        found = open_ledger(self.url)
        try:
            yield found
        finally:
            found.close()

    def is_drained(self, ledger: SqlLedger) -> bool:
        """Whether the ledger holds all that is acknowledged by now, without a hole."""
        last = self.trace.acks()[-1]
        held = ledger.watermark(GATEWAY, last.epoch)
        return held.contiguous is not None and held.contiguous >= last.sequence


def left_in(folder: Path) -> Held:
    """Return what a stopped gateway's outbox still holds: not lost, not delivered."""
    outbox = Outbox.open(folder, OutboxLimits(reserve_bytes=0), own_key=OWN_KEY)
    found: Held = {}
    try:
        at = outbox.watermark + 1
        while records := outbox.read(at):
            at = records[-1].sequence + 1
            for one in records:
                found[outbox.epoch, one.sequence] = digest(one.sealed)
    finally:
        outbox.close()
    return found


class Judgement:
    """What became of the promises of one gateway's trace.

    A promised record is in the ledger, or in ``left``, the outbox, to be delivered.
    """

    def __init__(
        self, ledger: SqlLedger, acks: list[Ack], left: Held | None = None
    ) -> None:
        entries = self.entries = list(_records(ledger))
        self.records: list[Record] = [
            read_record(open_envelope(one.sealed).payload) for one in entries
        ]
        held = {(one.epoch, one.sequence): one.digest for one in entries}
        self.twice = len(entries) - len(held)
        self.held = held | (left or {})
        self.acked = len(acks)
        self.lost = sum(self.held.get(one[:2]) != one.digest for one in acks)
        self.missing = _missing(acks, set(self.held))
        self.gaps = [one.body for one in self.records if isinstance(one.body, Gap)]
        self.epochs = len({one.epoch for one in entries})
        whole = b"".join(one.sealed for one in entries)
        self.faults = len(check_history(whole, REGISTRY).faults)

    @property
    def is_complete(self) -> bool:
        """Nothing lost, nothing twice, no gap, one epoch, nothing altered."""
        wrong = self.lost + self.missing + self.twice + len(self.gaps) + self.faults
        return self.acked > 0 and wrong == 0 and self.epochs == 1


def _records(ledger: SqlLedger) -> Iterator[LedgerEntry]:
    position = 0
    while found := ledger.entries_after(position, 2000):
        position = found[-1].position
        yield from (one for one in found if one.kind is EntryKind.RECORD)


def _missing(acks: list[Ack], held: set[tuple[bytes, int]]) -> int:
    """Return how many sequences below an acknowledged one are not held."""
    highest: dict[bytes, int] = {}
    for one in acks:
        highest[one.epoch] = max(one.sequence, highest.get(one.epoch, -1))
    return sum(
        (epoch, sequence) not in held
        for epoch, last in highest.items()
        for sequence in range(last + 1)
    )
