"""systemd is told what is true: ready with the first records, alive while they come."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.adapters.systemd import Systemd
from gateway.agent import COMMIT_HANGS_S
from gateway.outbox import Outbox
from tests.faults.patching import replaced
from tests.gateway.agent_rig import PATIENCE_S, World, eventually


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Yield the service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(PATIENCE_S)
        yield end


def environment(manager: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.getsockname(), **more}


def test_it_is_ready_once_and_told_only_while_data_are_fresh(
    manager: socket.socket,
) -> None:
    fresh = [False]
    systemd = Systemd(environment(manager, WATCHDOG_USEC="30000"))

    async def live() -> None:
        watching = asyncio.create_task(systemd.watch(lambda: fresh[0]))
        await asyncio.sleep(0.05)
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        fresh[0] = True
        told: list[bytes] = []

        def has_heard(count: int) -> bool:
            while len(told) < count:
                try:
                    told.append(manager.recv(100))
                except BlockingIOError:
                    return False
            return True

        await eventually(lambda: has_heard(3))
        assert told == [b"READY=1\nWATCHDOG=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        watching.cancel()

    asyncio.run(live())


def test_a_name_in_the_abstract_space_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        name = f"dosetrail-test-{os.getpid()}"
        end.bind("\0" + name)
        end.settimeout(PATIENCE_S)
        Systemd({"NOTIFY_SOCKET": "@" + name}).tell("STOPPING=1")
        assert end.recv(100) == b"STOPPING=1"


def test_nobody_there_is_no_error(tmp_path: Path) -> None:
    Systemd({}).tell("READY=1")
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "nothing")}).tell("READY=1")


def test_a_watchdog_of_another_process_is_not_ours(manager: socket.socket) -> None:
    given = environment(manager, WATCHDOG_USEC="1000", WATCHDOG_PID="1")
    assert Systemd(given)._every_s > 1


def test_a_commit_that_hangs_is_not_fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, 1)
    monkeypatch.setattr("gateway.agent.COMMIT_HANGS_S", 0.05)
    assert COMMIT_HANGS_S > 1
    may_go_on = threading.Event()
    commit = Outbox.commit

    def hanging(self: Outbox) -> None:
        assert may_go_on.wait(PATIENCE_S)
        commit(self)

    async def live() -> None:
        async with world.agent(drain_s=0.0) as agent:
            await eventually(agent.is_fresh)
            may_go_on.clear()
            await eventually(lambda: not agent.is_fresh())
            may_go_on.set()
            await eventually(agent.is_fresh)

    may_go_on.set()
    with replaced(Outbox, "commit", hanging):
        asyncio.run(live())


def test_a_gateway_says_when_its_first_records_are_durable(
    tmp_path: Path, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    (tmp_path / "gateway").mkdir()
    world = World(tmp_path / "gateway", 1)

    async def live() -> None:
        async with world.agent(drain_s=0.0):
            told = await asyncio.to_thread(manager.recv, 100)
            assert told == b"READY=1\nWATCHDOG=1"
            segments = list(world.outbox.glob("*.seg"))
            assert any(b"birth" in path.read_bytes() for path in segments)

    asyncio.run(live())
