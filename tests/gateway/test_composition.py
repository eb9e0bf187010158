"""``python -m gateway`` as a process: killed, stopped, misled; and what it says."""

import asyncio
import logging
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.adapters.mqtt import MqttBroker, MqttSettings
from gateway.composition import check_files, compose, load_cloud_keys
from gateway.config import load_config
from gateway.errors import BrokerLostError, ConfigError
from gateway.outbox import Outbox, OutboxLimits
from schemas.events import EventKind
from schemas.keys import KeyRegistry
from schemas.records import Birth, Report
from tests.gateway.agent_rig import (
    CLOUD,
    OWN_KEY,
    ROOT,
    Ledger,
    World,
    eventually,
)
from tests.gateway.broker_process import BrokerProcess

ENDS_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    process = BrokerProcess()
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="module", autouse=True)
def kernels() -> None:
    """Compile before any of them runs: it may take longer than patience."""
    warm_up = [sys.executable, "-m", "gateway", "warm-up"]
    subprocess.run(warm_up, cwd=ROOT, check=True, capture_output=True)


@pytest.fixture
def world(tmp_path: Path, broker: BrokerProcess) -> Iterator[World]:
    world = World(tmp_path, broker.port)
    world.cable.plug()
    yield world
    world.cable.pull()


def warm_reports(ledger: Ledger) -> int:
    return sum(len(one.sensors) for one in ledger.bodies(Report))


def found(ledger: Ledger) -> int:
    return len(ledger.events(EventKind.SENSOR_FOUND))


def stored(world: World, folder: Path | None = None) -> Outbox:
    limits = OutboxLimits(reserve_bytes=0)
    return Outbox.open(folder or world.outbox, limits, own_key=OWN_KEY)


def pending_on_disk(world: World) -> int:
    """Count the records that a gateway has committed, while it runs: on a copy."""
    with tempfile.TemporaryDirectory(dir=world.directory) as scratch:
        folder = Path(scratch) / "outbox"
        try:
            shutil.copytree(world.outbox, folder)
        except (FileNotFoundError, shutil.Error):
            return 0  # not begun yet, or a file was renamed under the copy
        outbox = stored(world, folder)
        try:
            return outbox.pending_receipt
        finally:
            outbox.close()


def run_gateway(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )


def test_kills_and_restarts_leave_one_unbroken_chain(world: World) -> None:
    async def play() -> None:
        async with world.ledger() as ledger:
            for life in range(2):
                program = world.start()
                try:
                    await ledger.until(lambda n=life: found(ledger) > n)  # type: ignore[misc]
                    known = warm_reports(ledger)
                    world.cable.warm(40)
                    await ledger.until(lambda n=known: warm_reports(ledger) >= n + 20)  # type: ignore[misc]
                finally:
                    program.kill()
                    program.wait()
            program = world.start()
            await ledger.until(lambda: len(ledger.bodies(Birth)) == 3)
            await ledger.until(lambda: found(ledger) == 3)
            program.terminate()
            status = await asyncio.to_thread(program.wait, ENDS_WITHIN_S)
        assert status == 0, world.log.read_text()
        assert len(ledger.epochs) == 1
        ledger.assert_chained()
        outbox = stored(world)
        assert outbox.head_sequence == outbox.watermark == len(ledger.chain()) - 1
        outbox.close()
        assert "Traceback" not in world.log.read_text()

    asyncio.run(play())


def test_a_stop_without_a_broker_keeps_everything(tmp_path: Path) -> None:
    world = World(tmp_path, BrokerProcess().port)  # nobody listens there
    world.cable.plug()
    program = world.start("--drain-s", "0.5")

    async def play() -> int:
        log = world.log
        await eventually(lambda: log.exists() and "open=True" in log.read_text())
        world.cable.warm(30)
        await eventually(lambda: pending_on_disk(world) > 30)
        await eventually(lambda: "broker lost" in log.read_text())
        program.terminate()
        return await asyncio.to_thread(program.wait, ENDS_WITHIN_S)

    try:
        assert asyncio.run(play()) == 0
    finally:
        program.kill()
        program.wait()
        world.cable.pull()
    outbox = stored(world)
    assert outbox.pending_receipt > 30
    outbox.close()
    text = world.log.read_text()
    assert "undelivered=" in text
    assert text.count("broker lost") == 1


def test_a_stop_while_the_broker_hangs_does_not_hang(tmp_path: Path) -> None:
    """A listener that takes connections and says nothing: a half-open network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        world = World(tmp_path, server.getsockname()[1])
        program = world.start("--drain-s", "0.2")
        try:
            server.settimeout(ENDS_WITHIN_S)
            line, _ = server.accept()
            program.terminate()
            assert program.wait(5.0) == 0
            line.close()
        finally:
            program.kill()
            program.wait()


def test_a_stop_during_the_start_is_a_stop(world: World) -> None:
    program = world.start("--drain-s", "0.2")

    async def play() -> int:
        # The cache's folder is made before the handlers; the outbox after them.
        await eventually(world.outbox.is_dir)
        program.send_signal(signal.SIGINT)
        return await asyncio.to_thread(program.wait, ENDS_WITHIN_S)

    try:
        assert asyncio.run(play()) == 0, world.log.read_text()
    finally:
        program.kill()
        program.wait()
    assert "Traceback" not in world.log.read_text()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('tls_ca = "no.pem"', "no.pem"),
        ('password_file = "binary"', "password_file"),
        ('password_file = "missing"', "broker password"),
    ],
)
def test_what_the_broker_needs_is_asked_for_at_the_start(
    world: World, line: str, words: str
) -> None:
    (world.directory / "binary").write_bytes(b"\xff\xfe")
    world.write_config(line)
    config, digest = load_config(world.config)
    with pytest.raises(ConfigError, match=words):
        compose(config, digest)
    with pytest.raises(ConfigError, match=words):
        check_files(config)


def test_the_password_is_in_no_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (world.directory / "password").write_text("very-secret\n")
    world.write_config('username = "gw"\npassword_file = "password"')

    async def play() -> None:
        async with world.ledger() as ledger, world.agent():
            await ledger.until(lambda: found(ledger))

    asyncio.run(play())
    assert "event=line" in caplog.text
    assert "very-secret" not in caplog.text
    assert world.key.read_text().split()[1] not in caplog.text


def test_a_directory_that_cannot_be_made_is_one_message(world: World) -> None:
    (world.directory / "state").write_text("a file is in the way")
    done = run_gateway("run", "--config", str(world.config))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(world.directory / "state") in done.stderr


def test_orders_that_cannot_be_read_are_one_message(world: World) -> None:
    (world.directory / "state" / "orders.json").mkdir(parents=True)
    config, digest = load_config(world.config)
    with pytest.raises(ConfigError, match=r"orders\.json"):
        compose(config, digest)


def test_a_second_gateway_on_one_outbox_is_refused(world: World) -> None:
    outbox = stored(world)
    config, digest = load_config(world.config)
    with pytest.raises(ConfigError, match="used by another process"):
        compose(config, digest)
    outbox.close()


def test_check_names_what_it_found(world: World) -> None:
    text = "\n".join(check_files(load_config(world.config)[0]))
    for words in ("gw-test-01", "overpack-10mm", CLOUD.name, f":{world.port}"):
        assert words in text


def test_keys_without_the_clouds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(KeyRegistry((OWN_KEY,)).to_json())
    with pytest.raises(ConfigError, match="no key of kind cloud"):
        load_cloud_keys(path)
    path.write_bytes(KeyRegistry((OWN_KEY, CLOUD.key)).to_json())
    assert load_cloud_keys(path).keys == (CLOUD.key,)


def test_nothing_is_left_of_connections_that_fail() -> None:
    """A broker that hangs up, and one that never answers."""
    called = ended = 0

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal called, ended
        called += 1
        if called % 2:
            while await reader.read(4096):
                pass
            ended += 1
        writer.close()

    async def play() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = MqttSettings("127.0.0.1", "gw", port=port, timeout_s=0.05)
        for _ in range(6):
            with pytest.raises(BrokerLostError):
                async with MqttBroker(settings):
                    pass
        await eventually(lambda: ended == 3)
        patient = MqttSettings("127.0.0.1", "gw", port=port)
        given_up = asyncio.create_task(MqttBroker(patient).__aenter__())
        await eventually(lambda: called == 7)
        given_up.cancel()
        await asyncio.wait([given_up])
        await eventually(lambda: ended == 4)
        server.close()

    asyncio.run(play())
