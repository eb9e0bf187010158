"""The command as a process, on real pseudo-terminals."""

import fcntl
import json
import os
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from firmware_sim.clock import ClockPage
from firmware_sim.errors import SimulatorError
from firmware_sim.lines import PtyLine
from schemas.simulated_time import PAGE_BYTES, SimulatedInstant, page_turn, unpack_page
from tests.captures import capture_dir
from tests.firmware_sim.unframing import frames

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0

Line = dict[str, Any]


class Port:
    """A reader of one port, as a gateway would open it."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def read(self) -> bytes:
        try:
            return os.read(self.descriptor, 65536)
        except BlockingIOError:
            return b""

    def is_hung_up(self) -> bool:
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return any(happened & select.POLLHUP for _, happened in poll.poll(0))

    def close(self) -> None:
        os.close(self.descriptor)


class Simulator:
    """The running command; every wait has an end, none is a measurement."""

    def __init__(self, directory: Path, *options: str, scenario: str = "short") -> None:
        command = [sys.executable, "-m", "firmware_sim", "run", scenario]
        self.process = subprocess.Popen(
            [*command, "--directory", str(directory), *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._pending = b""
        self.ready = self.line("ready")
        self.got = dict.fromkeys(self.ready["ports"], b"")
        self.open: dict[str, Port] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit_info: object) -> None:
        for port in self.open.values():
            port.close()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def attach(self) -> None:
        self.open = {name: Port(path) for name, path in self.ready["ports"].items()}

    def tell(self, command: Line) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def lines(self) -> Iterator[Line]:
        """Yield JSON lines; read the ports meanwhile."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        patience = time.monotonic() + PATIENCE_S
        while time.monotonic() < patience:
            ready, _, _ = select.select([descriptor], [], [], 0.001)
            if ready:
                data = os.read(descriptor, 65536)
                if not data:
                    return
                *whole, self._pending = (self._pending + data).split(b"\n")
                yield from (json.loads(line) for line in whole)
            self.read_ports()
        pytest.fail("the simulator says nothing more")

    def read_ports(self) -> None:
        for name, port in getattr(self, "open", {}).items():
            self.got[name] += port.read()

    def line(self, kind: str, where: Callable[[Line], bool] = lambda _: True) -> Line:
        return next(
            line for line in self.lines() if line["kind"] == kind and where(line)
        )


def clock(simulator: Simulator) -> SimulatedInstant:
    page = Path(simulator.ready["clock"]).read_bytes()
    assert len(page) == PAGE_BYTES
    return unpack_page(page)


def test_a_journey_end_to_end(tmp_path: Path) -> None:
    with Simulator(tmp_path, "--speed", "2000") as simulator:
        simulator.attach()
        said = []
        for line in simulator.lines():
            said.append(line)
            if line["kind"] == "fault" and line["what"] == "unplug":
                simulator.open.pop("board").close()
            if line["kind"] == "fault" and line["what"] == "plug":
                simulator.open["board"] = Port(simulator.ready["ports"]["board"])
            if line["kind"] == "end":
                break
        acts = [line["what"] for line in said if line["kind"] == "act"]
        assert acts == [
            *("load", "fingerprint", "seal", "handover"),
            *("arrive", "handover", "accept"),
        ]
        faults = [line["what"] for line in said if line["kind"] == "fault"]
        assert {"reboot", "unplug", "plug"} <= set(faults)
        assert simulator.got["gps"].count(b"$GNRMC") > 1100
        assert len(simulator.got["board"]) > 100_000
        # time goes on at the place of arrival until the input closes
        arrived = simulator.line("time", lambda t: t["progress"] == 1.0)
        later = simulator.line("time", lambda t: t["utc_ns"] > arrived["utc_ns"])
        assert later["place"] == "yard"
        assert simulator.process.stdin is not None
        simulator.process.stdin.close()
        assert simulator.process.wait(PATIENCE_S) == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["clock"]


def test_time_stands_still_while_nobody_reads(tmp_path: Path) -> None:
    with Simulator(tmp_path, "--speed", "100000") as simulator:
        start_ns = simulator.ready["starts_at_ns"]
        first = simulator.line("time")
        second = simulator.line("time")
        assert first["utc_ns"] == second["utc_ns"] == start_ns
        before = clock(simulator)
        assert before.utc_ns == start_ns
        simulator.attach()
        moved = simulator.line("time", lambda t: t["utc_ns"] > start_ns)
        after = clock(simulator)
        assert after.boot_id == before.boot_id
        assert after.utc_ns - before.utc_ns == after.boot_ns - before.boot_ns
        assert after.utc_ns >= moved["utc_ns"]
        # nothing was lost by waiting: the very first frame is there
        first_frames = frames(simulator.got["board"][:120].rsplit(b"\x00", 1)[0])
        assert [f.sequence for f in first_frames[:2]] == [0, 1]


def test_a_reader_may_go_and_come_back(tmp_path: Path) -> None:
    with Simulator(tmp_path, "--speed", "100") as simulator:
        simulator.attach()
        simulator.line("time", lambda t: t["progress"] > 0)
        for port in simulator.open.values():
            port.close()
        simulator.attach()
        for port in simulator.open.values():
            mode = termios.tcgetattr(port.descriptor)[3]
            assert not mode & (termios.ECHO | termios.ICANON | termios.ISIG)
            # as a serial library that wants the port for itself does
            fcntl.flock(port.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        now = clock(simulator).utc_ns
        simulator.line("time", lambda t: t["utc_ns"] > now)


def test_a_pulled_cable_does_not_hold_time_up(tmp_path: Path) -> None:
    with Simulator(tmp_path, "--speed", "0") as simulator:
        simulator.attach()
        board = Path(simulator.ready["ports"]["board"])
        assert board.readlink().parent == Path("/dev/pts")
        simulator.tell({"unplug": "board", "for_s": 60})
        fault = simulator.line("fault")
        assert (fault["what"], fault["for_s"]) == ("unplug", 60.0)
        assert not board.is_symlink()
        unplugged = simulator.open.pop("board")
        assert unplugged.is_hung_up()
        unplugged.close()
        simulator.tell({"speed": 200})
        plugged = simulator.line("fault", lambda f: f["what"] == "plug")
        assert plugged["utc_ns"] - fault["utc_ns"] >= 60e9
        assert board.readlink().parent == Path("/dev/pts")
        simulator.got["board"] = b""
        simulator.open["board"] = Port(str(board))
        simulator.line("time", lambda t: t["utc_ns"] > plugged["utc_ns"] + 5e9)
        assert b"\x00" in simulator.got["board"]


def test_what_is_not_understood_is_answered(tmp_path: Path) -> None:
    with Simulator(tmp_path, "--speed", "0") as simulator:
        simulator.attach()
        simulator.tell({"fly": 1})
        assert "fly" in simulator.line("error")["message"]
        simulator.tell({"unplug": "dose", "for_s": 3})
        assert "no port 'dose'" in simulator.line("error")["message"]
        simulator.tell({"displace_mm": 99})
        assert "play" in simulator.line("error")["message"]
        simulator.tell({"stop": True})
        assert simulator.process.wait(PATIENCE_S) == 0


def test_a_signal_ends_it_cleanly(tmp_path: Path) -> None:
    with Simulator(tmp_path) as simulator:
        simulator.process.terminate()
        assert simulator.process.wait(PATIENCE_S) == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["clock"]


@pytest.mark.captures
def test_replay_has_a_third_port(tmp_path: Path) -> None:
    captures = capture_dir()
    with Simulator(tmp_path, "--speed", "100", "--replay", str(captures)) as simulator:
        assert sorted(simulator.ready["ports"]) == ["board", "dose", "gps"]
        simulator.attach()
        simulator.line("time", lambda t: t["progress"] > 0.01)
        assert simulator.got["dose"].startswith(b"$BGRDD,002,2011-07-05T13:51:48Z")
        first = (captures / "gps" / "bu353s4.log").read_bytes()
        assert simulator.got["gps"][:60] in first


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.toml"], "nowhere.toml: No such file"),
        (["short", "--replay", "/nowhere"], "/nowhere/gps: no such folder"),
    ],
)
def test_errors_are_one_sentence(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    run = [sys.executable, "-m", "firmware_sim", "run", *arguments]
    done = subprocess.run(
        [*run, "--directory", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_clock_page_never_goes_back(tmp_path: Path) -> None:
    with ClockPage(tmp_path / "clock", 5, 10**18) as page:
        turns = []
        for utc_ns in (10**18 + 5, 10**18 + 3, 10**18 + 9):
            page.advance(utc_ns)
            data = (tmp_path / "clock").read_bytes()
            turns.append(page_turn(data))
            assert unpack_page(data).utc_ns == page.utc_ns
        assert turns == [2, 4, 6]
        assert page.utc_ns == 10**18 + 9
        assert page.boot_ns > 3 * 3600 * 10**9


def test_a_line_that_cannot_be_linked_says_so(tmp_path: Path) -> None:
    (tmp_path / "board").mkdir()
    with pytest.raises(SimulatorError, match="folder of its own"):
        PtyLine(tmp_path / "board")
