"""The supervisor of the main job, with real processes."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.demo.programs import Supervisor, tied

PATIENCE_S = 20.0
SLEEPS = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
REFUSES = [
    sys.executable,
    "-S",
    "-c",
    "import sys; print('one'); print('web.toml: port: taken', flush=True); sys.exit(2)",
]
CRASHES = [sys.executable, "-S", "-c", "raise SystemExit('crashed again')"]
LISTENS = (
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, {answer})\n"
    "print('ready', flush=True)\n"
    "time.sleep(600)\n"
)
ANSWERS = [*SLEEPS[:-1], LISTENS.format(answer="lambda *_: sys.exit(7)")]
DEAF = [*SLEEPS[:-1], LISTENS.format(answer="signal.SIG_IGN")]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.01)


class Scene:
    """A supervisor in a folder of its own, and what it said of failures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failures: list[str] = []
        self.supervisor = Supervisor(folder, self.failures.append)

    def pid(self, name: str) -> int:
        pids: dict[str, int] = json.loads((self.folder / "pids.json").read_text())
        return pids[name]


def test_a_killed_program_is_started_again(tmp_path: Path) -> None:
    async def play() -> None:
        scene = Scene(tmp_path)
        await scene.supervisor.start("web", SLEEPS)
        first = scene.pid("web")
        scene.supervisor.kill("web")
        await until(lambda: scene.supervisor.starts() == {"web": 2})
        second = scene.pid("web")
        assert second != first
        assert not is_alive(first)
        assert is_alive(second)
        await scene.supervisor.stop_all()
        assert not is_alive(second)
        assert scene.failures == []

    asyncio.run(play())


def test_a_kill_from_outside_counts_as_well(tmp_path: Path) -> None:
    async def play() -> None:
        scene = Scene(tmp_path)
        await scene.supervisor.start("web", SLEEPS)
        os.kill(scene.pid("web"), signal.SIGKILL)
        await until(lambda: scene.supervisor.starts() == {"web": 2})
        await scene.supervisor.stop_all()

    asyncio.run(play())


def test_a_configuration_error_ends_it_with_the_last_line(tmp_path: Path) -> None:
    async def play() -> None:
        scene = Scene(tmp_path)
        await scene.supervisor.start("web", REFUSES)
        await until(lambda: bool(scene.failures))
        assert scene.supervisor.starts() == {"web": 1}
        log = tmp_path / "logs" / "web.log"
        assert scene.failures == [
            f"web ended with status 2: web.toml: port: taken (see {log})"
        ]
        await scene.supervisor.stop_all()

    asyncio.run(play())


def test_a_program_that_always_crashes_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.demo.programs.RESTART_S", 0.0)

    async def play() -> None:
        scene = Scene(tmp_path)
        await scene.supervisor.start("web", CRASHES)
        await until(lambda: bool(scene.failures))
        assert scene.supervisor.starts() == {"web": 5}
        assert "web ended with status 1: crashed again" in scene.failures[0]
        await scene.supervisor.stop_all()

    asyncio.run(play())


def test_stop_returns_the_exit_status_of_the_program(tmp_path: Path) -> None:
    async def play() -> None:
        scene = Scene(tmp_path)
        await scene.supervisor.start("gateway", ANSWERS)
        log = tmp_path / "logs" / "gateway.log"
        await until(lambda: "ready" in log.read_text())
        assert await scene.supervisor.stop("gateway") == 7
        scene.supervisor.kill("gateway")
        assert scene.supervisor.starts() == {}
        assert scene.failures == []

    asyncio.run(play())


def test_who_ignores_the_word_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.demo.programs.STOP_S", 0.05)

    async def play() -> None:
        scene = Scene(tmp_path)
        await scene.supervisor.start("gateway", DEAF)
        log = tmp_path / "logs" / "gateway.log"
        await until(lambda: "ready" in log.read_text())
        assert await scene.supervisor.stop("gateway") == -signal.SIGKILL

    asyncio.run(play())


def test_stop_all_leaves_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        scene = Scene(tmp_path)
        names = ("broker", "ingest", "web")
        for name in names:
            await scene.supervisor.start(name, SLEEPS)
        scene.supervisor.adopt("simulator", os.getpid())
        await scene.supervisor.start("gateway", SLEEPS)
        assert scene.pid("simulator") == os.getpid()
        pids = [scene.pid(name) for name in (*names, "gateway")]
        scene.supervisor.kill("web")
        await scene.supervisor.stop_all()
        assert [pid for pid in pids if is_alive(pid)] == []
        assert scene.supervisor.starts() == {}

    asyncio.run(play())


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv here")
def test_a_program_ends_with_the_one_that_started_it() -> None:
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(sys.argv[1:], start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    # The grandchild says when it has become the program, its tie in place.
    says = [sys.executable, "-S", "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(
        [sys.executable, "-S", "-c", script, *tied(says)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        said = {parent.stdout.readline().strip() for _ in range(2)}
        (pid,) = (int(word) for word in said - {"up"})
        assert is_alive(pid)
        parent.kill()
        parent.wait(PATIENCE_S)
        asyncio.run(until(lambda: not is_alive(pid)))
