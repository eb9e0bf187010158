import contextlib
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.adapters.key_file import add_key
from cloud.adapters.ledger import open_ledger
from cloud.adapters.mqtt import MqttLine
from cloud.config import BrokerConfig
from schemas.envelope import digest, open_envelope
from schemas.receipts import Receipt, read_receipt
from schemas.topics import Lane, filters_up, topic
from tests.builders import EPOCH, GATEWAY, Cloud, GatewayChain, birth, report

ROOT = Path(__file__).parents[2]
WAIT_S = 30.0
LIVE = topic(GATEWAY, Lane.LIVE)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], bool], what: str) -> None:
    ends_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < ends_s, f"waited in vain: {what}"
        time.sleep(0.02)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Site:
    """A cloud's folder with its configuration and its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.server, self.chain = Cloud(), GatewayChain()
        self.url = f"sqlite:///{folder / 'ledger.sqlite'}"
        self._processes: list[subprocess.Popen[bytes]] = []
        key = folder / "cloud.key"
        private = "5" * 64
        key.write_text(f"EdDSA {private}\n")
        key.chmod(0o600)
        add_key(folder / "keys.json", self.chain.key)
        add_key(folder / "keys.json", self.server.key)
        self.config = folder / "cloud.toml"
        self.config.write_text(
            f'[broker]\nport = {self.port}\n[ledger]\nurl = "sqlite:///ledger.sqlite"\n'
            '[series]\npath = "series.sqlite"\n'
            '[keys]\nregistry = "keys.json"\ncloud_key = "cloud.key"\n'
        )

    def start(self, program: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cloud", program, "--config", str(self.config)]
        log = (self.folder / f"{program}.log").open("ab")
        with log:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env=os.environ
            )
        self._processes.append(process)
        return process

    def log(self, program: str) -> str:
        return (self.folder / f"{program}.log").read_text()

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(timeout=WAIT_S)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    opened = Site(tmp_path)
    opened.start("broker")
    wait_until(lambda: answers(opened.port), "the broker")
    yield opened
    opened.close()


class Sender:
    """A gateway's side: sends, and keeps the receipts that come."""

    def __init__(self, port: int) -> None:
        self.receipts: queue.Queue[Receipt] = queue.Queue()
        self.ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "sender")
        self._client.on_message = self._take
        self._client.on_subscribe = lambda *_: self.ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(topic(GATEWAY, Lane.RECEIPT), 1)
        self._client.loop_start()
        assert self.ready.wait(WAIT_S)

    def _take(self, _client: object, _user: object, message: paho.MQTTMessage) -> None:
        self.receipts.put(read_receipt(open_envelope(bytes(message.payload)).payload))

    def send(self, payload: bytes) -> None:
        self._client.publish(LIVE, payload, qos=1)

    def send_until_receipted(self, sealed: list[bytes]) -> Receipt:
        """Send in messages of ten, again and again, as a gateway does."""
        ends_s = time.monotonic() + 2 * WAIT_S
        done = -1
        while time.monotonic() < ends_s:
            for start in range(done + 1, len(sealed), 10):
                self.send(b"".join(sealed[start : start + 10]))
            for receipt in self._coming():
                if receipt.contiguous is not None:
                    done = max(done, receipt.contiguous)
                if done == len(sealed) - 1:
                    return receipt
        raise AssertionError(f"receipted up to {done} only")

    def _coming(self) -> Iterator[Receipt]:
        """Yield receipts until none comes for a second."""
        with contextlib.suppress(queue.Empty):
            while True:
                yield self.receipts.get(timeout=1.0)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_killed_ingest_misses_nothing(site: Site) -> None:
    chain = site.chain
    chain.append(birth())
    for minute in range(1, 300):
        chain.append(report(minute))
    ingest = site.start("ingest")
    wait_until(lambda: "mqtt=connected" in site.log("ingest"), "ingest")
    sender = Sender(site.port)
    ledger = open_ledger(site.url)
    for start in range(0, 150, 5):
        sender.send(b"".join(chain.sealed[start : start + 5]))
    wait_until(lambda: ledger.head() > 0, "the first records")
    ingest.send_signal(signal.SIGKILL)
    ingest.wait(timeout=WAIT_S)
    sender.send(b"poison")
    site.start("ingest")
    receipt = sender.send_until_receipted(chain.sealed)
    sender.close()
    assert receipt.digest == digest(chain.sealed[-1])
    held = ledger.entries_of(GATEWAY, EPOCH, 0, 1000)
    assert [entry.sealed for entry in held] == chain.sealed
    ledger.close()


def test_programs_end_cleanly_at_sigterm(site: Site) -> None:
    ingest = site.start("ingest")
    wait_until(lambda: "mqtt=connected" in site.log("ingest"), "ingest")
    ingest.terminate()
    assert ingest.wait(timeout=WAIT_S) == 0
    assert "ingest=ended" in site.log("ingest")
    assert "Traceback" not in site.log("ingest")
    second = site.start("broker")
    assert second.wait(timeout=WAIT_S) == 2
    assert re.search(r"broker\.port \d+: cannot listen", site.log("broker"))
    assert "Traceback" not in site.log("broker")


def test_the_line_acknowledges_only_on_its_own_connection(site: Site) -> None:
    line = MqttLine(BrokerConfig(port=site.port), filters_up())
    line.start()
    wait_until(lambda: line.is_connected, "the line")
    sender = Sender(site.port)
    sender.send(b"one")
    messages = line.take(1, WAIT_S)
    sent: list[int] = []
    line._client = SimpleNamespace(  # type: ignore[assignment] # notes the PUBACKs
        ack=lambda number, _qos: sent.append(number),
        disconnect=line._client.disconnect,
        loop_stop=line._client.loop_stop,
    )
    line.acknowledge(messages[0]._replace(connection=0))
    assert sent == []
    line.acknowledge(messages[0])
    assert sent == [messages[0].number]
    line.stop()
    sender.close()
