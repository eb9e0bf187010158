"""The web server as a process of its own, over a ledger that has seen a journey."""

import hashlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from schemas.custody import Correction, CorrectionReason, Notice, NoticeKind
from schemas.events import EventKind, Severity
from schemas.facts import Reschedule
from tests import builders
from tests.builders import CLOUD, GATEWAY, SECOND_NS, SHIPMENT
from tests.journeys import DISPATCHED_NS, HOUR_NS
from tests.web_world import TOKEN, World

PATIENCE_S = 120.0


class Service(NamedTuple):
    """Where it answers, and what a client may do there."""

    address: str
    token: str
    log: Path


def populated(folder: Path) -> World:
    """Return a world in ``folder`` that has seen a journey and its troubles."""
    world = World(folder, exercise=False)
    world.travel(6.0)
    shock = msgspec.structs.replace(
        builders.event(EventKind.SHOCK, Severity.ALARM),
        from_boot_ns=4 * HOUR_NS,
        value=1270.0,
        limit=981.0,
        unit="m/s2",
    )
    now_ns = DISPATCHED_NS + 6 * HOUR_NS
    world.tell([world.cast.record(shock, 4 * HOUR_NS)])
    plan = Reschedule(SHIPMENT, now_ns + 60 * HOUR_NS, 60, "the scanner is free")
    desk = world.cast.desk
    world.tell([world.cast.state(desk, plan, now_ns)])
    said = hashlib.sha256(b"order-desk/1").digest()[:16]
    wrong = Correction(SHIPMENT, said, CorrectionReason.INCORRECT_DATA, "wrong day")
    world.tell([world.cast.state(desk, wrong, now_ns + SECOND_NS)])
    silent = Notice(
        NoticeKind.GATEWAY_SILENT, Severity.WARNING, now_ns, "silent", gateway=GATEWAY
    )
    world.tell([world.cast.cloud.state(silent, utc_ns=now_ns)])
    world.clock.now_ns = now_ns + SECOND_NS
    return world


def populate(folder: Path) -> None:
    """Fill ledger, series and registry in ``folder`` for a server of its own."""
    world = populated(folder)
    (folder / "keys.json").write_bytes(world.cast.registry.to_json())
    world.ledger.close()
    world.series.close()


@contextmanager
def served(folder: Path) -> Iterator[Service]:
    """Serve a populated ledger until the block is left."""
    populate(folder)
    key, token = folder / "cloud.key", folder / "operator.token"
    for path, data in (
        (key, hashlib.sha256(CLOUD.encode()).digest()),
        (token, TOKEN.encode()),
    ):
        path.touch(mode=0o600)
        path.write_bytes(data)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "cloud.toml").write_text(
        '[ledger]\nurl = "sqlite:///ledger.sqlite"\n[series]\npath = "series.sqlite"\n'
        '[keys]\nregistry = "keys.json"\ncloud_key = "cloud.key"\n'
        f'[web]\nport = {port}\noperator_token_file = "operator.token"\n'
    )
    log = folder / "web.log"
    command = [sys.executable, "-m", "cloud", "web", "--config", "cloud.toml"]
    root = Path(__file__).resolve().parents[1]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
            stdout=out,
            stderr=out,
        )
    try:
        service = Service(f"http://127.0.0.1:{port}", TOKEN, log)
        _wait(service, process)
        yield service
    finally:
        process.terminate()
        process.wait(30)


def _wait(service: Service, process: subprocess.Popen[bytes]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s and process.poll() is None:
        try:
            with opener.open(f"{service.address}/api/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the server does not answer: {service.log.read_text()}")
