"""Serial lines over real ptys: unplugged, replugged, wrong, slow and noisy.

Pauses run on an event loop that jumps over them, so that no test waits for time;
bytes go through the kernel.
"""

import asyncio
import os
import random
import selectors
import tty
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.adapters.serial_line import READ_BYTES, OpenLine, SerialPort
from gateway.errors import LineLostError, LostReason
from gateway.ports import LineChange, LineLost, LineOpened, SerialLine
from gateway.sensors.board import Decoder
from schemas.readings import Noise, SupplyReading, TemperatureReading
from tests.gateway.board_encoder import GOOD_BODIES, SUPPLY, TEMPERATURE, frame

NOBODY = 65534

Chunks = AsyncGenerator[bytes | LineChange, None]


class JumpingSelector(selectors.DefaultSelector):
    """Skips pauses: time passes only by what was waited for."""

    now_s = 0.0
    rounds = 0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        self.rounds += 1
        if timeout is None:
            ready = super().select(10)
            assert ready, "nothing came over the line in 10 s"
            return ready
        ready = super().select(0)
        if not ready:
            self.now_s += max(0.0, timeout)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.selector = JumpingSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.now_s


class Cable:
    """A pty whose far side has a symlink, as a simulator makes it."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self._fds: list[int] = []

    def plug(self) -> None:
        self.master, slave = os.openpty()
        self._fds = [self.master, slave]
        tty.setraw(slave)
        fresh = self.link.with_suffix(".new")
        self.device = os.ttyname(slave)
        fresh.symlink_to(self.device)
        fresh.replace(self.link)

    def pull(self) -> None:
        while self._fds:
            os.close(self._fds.pop(0))

    def send(self, data: bytes) -> None:
        assert os.write(self.master, data) == len(data)


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    cable = Cable(tmp_path / "board")
    yield cable
    cable.pull()


Test = Callable[[Chunks, JumpingLoop], Coroutine[Any, Any, None]]


def run(port: SerialPort, test: Test) -> None:
    """Run ``test`` with the port's iterator on a loop that jumps over pauses."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        async with aclosing(port.chunks()) as chunks:
            await test(chunks, loop)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main())


def open_fds() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def receive(chunks: Chunks, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = await anext(chunks)
        assert isinstance(chunk, bytes)
        assert 0 < len(chunk) <= READ_BYTES
        data += chunk
    return data


def test_bytes_come_as_sent(cable: Cable) -> None:
    every_byte = bytes(range(256)) * 4

    async def test(chunks: Chunks, _: JumpingLoop) -> None:
        assert await anext(chunks) == LineOpened(cable.device)
        cable.send(every_byte)
        assert await receive(chunks, 1024) == every_byte

    cable.plug()
    run(SerialPort(cable.link), test)


def test_missing_path_is_a_lost_line_until_it_is_there(cable: Cable) -> None:
    async def test(chunks: Chunks, loop: JumpingLoop) -> None:
        first = await anext(chunks)
        assert isinstance(first, LineLost)
        assert first.reason is LostReason.ABSENT
        assert str(cable.link) in first.text
        loop.call_at(60.0, cable.plug)
        assert isinstance(await anext(chunks), LineOpened)
        assert 60.0 <= loop.time() <= 61.0
        # One attempt a second: two rounds of the loop each.
        assert loop.selector.rounds < 200

    run(SerialPort(cable.link), test)


@pytest.mark.parametrize("away_s", [0.0, 0.05, 0.35, 5.0, 600.25])
def test_cable_is_pulled_and_replugged(cable: Cable, away_s: float) -> None:
    async def test(chunks: Chunks, loop: JumpingLoop) -> None:
        opened = await anext(chunks)
        cable.send(b"last words")
        assert await receive(chunks, 10) == b"last words"
        cable.pull()
        lost = await anext(chunks)
        assert isinstance(lost, LineLost)
        assert lost.reason is LostReason.ABSENT
        plugged_s = loop.time() + away_s
        loop.call_at(plugged_s, cable.plug)
        again = await anext(chunks)
        assert isinstance(again, LineOpened)
        assert isinstance(opened, LineOpened)
        assert again.device == cable.device
        assert loop.time() - plugged_s <= 1.0
        cable.send(frame(SUPPLY, GOOD_BODIES[SUPPLY]))
        data = await receive(chunks, len(frame(SUPPLY, GOOD_BODIES[SUPPLY])))
        [reading] = Decoder().feed(data)
        assert isinstance(reading, SupplyReading)

    cable.plug()
    run(SerialPort(cable.link), test)


def test_line_that_opens_and_fails_at_once_is_not_tried_in_a_busy_loop(
    cable: Cable,
) -> None:
    async def test(chunks: Chunks, loop: JumpingLoop) -> None:
        opened = 0
        while loop.time() < 20.0:
            if isinstance(await anext(chunks), LineOpened):
                opened += 1
                cable.pull()
                cable.plug()
        assert 20 <= opened <= 25

    cable.plug()
    run(SerialPort(cable.link), test)


def test_pause_is_short_again_after_bytes(cable: Cable) -> None:
    async def test(chunks: Chunks, loop: JumpingLoop) -> None:
        loop.call_at(30.0, cable.plug)
        assert isinstance(await anext(chunks), LineLost)
        assert isinstance(await anext(chunks), LineOpened)
        cable.send(b"x")
        assert await receive(chunks, 1) == b"x"
        cable.pull()
        cable.plug()
        assert isinstance(await anext(chunks), LineLost)
        since_s = loop.time()
        assert isinstance(await anext(chunks), LineOpened)
        assert loop.time() - since_s == pytest.approx(0.1)

    run(SerialPort(cable.link), test)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Drop root's right to open everything, if the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_forbidden_line_says_so(cable: Cable) -> None:
    cable.plug()
    Path(cable.device).chmod(0)
    with without_privileges(), pytest.raises(LineLostError, match="permission") as info:
        OpenLine(cable.link, 115_200)
    assert info.value.reason is LostReason.FORBIDDEN


@pytest.mark.parametrize("what", ["file", "directory", "loop", "null"])
def test_path_to_something_else_says_so(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    match what:
        case "file":
            path.write_bytes(b"text")
        case "directory":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
        case _:
            path.symlink_to("/dev/null")
    with pytest.raises(LineLostError, match="not a serial line") as info:
        OpenLine(path, 115_200)
    assert info.value.reason is LostReason.NOT_SERIAL
    assert str(path) in str(info.value)


def test_impossible_speed_is_no_crash(cable: Cable) -> None:
    cable.plug()
    with pytest.raises(LineLostError) as info:
        OpenLine(cable.link, -1)
    assert info.value.reason is LostReason.FAILED


def test_reason_that_changes_while_lost_is_told_once_each(cable: Cable) -> None:
    async def test(chunks: Chunks, loop: JumpingLoop) -> None:
        loop.call_at(10.0, cable.link.write_text, "no line")
        loop.call_at(20.0, cable.link.unlink)
        loop.call_at(30.0, cable.plug)
        changes = [await anext(chunks) for _ in range(4)]
        reasons = [c.reason for c in changes if isinstance(c, LineLost)]
        assert reasons == [LostReason.ABSENT, LostReason.NOT_SERIAL, LostReason.ABSENT]
        assert isinstance(changes[3], LineOpened)

    run(SerialPort(cable.link), test)


def test_garbage_does_not_hide_the_frame_behind_it(cable: Cable) -> None:
    garbage = random.Random(7).randbytes(2000)
    wire = frame(TEMPERATURE, GOOD_BODIES[TEMPERATURE])

    async def test(chunks: Chunks, _: JumpingLoop) -> None:
        await anext(chunks)
        cable.send(garbage + wire)
        events = Decoder().feed(await receive(chunks, len(garbage + wire)))
        assert all(isinstance(event, Noise) for event in events[:-1])
        assert isinstance(events[-1], TemperatureReading)

    cable.plug()
    run(SerialPort(cable.link), test)


def test_consumer_decides_the_speed(cable: Cable) -> None:
    async def test(chunks: Chunks, _: JumpingLoop) -> None:
        await anext(chunks)
        os.set_blocking(cable.master, False)
        sent = 0
        with suppress(BlockingIOError):
            while sent < 1_000_000:
                sent += os.write(cable.master, b"y" * 256)
        assert READ_BYTES <= sent < 1_000_000
        assert await receive(chunks, sent) == b"y" * sent

    cable.plug()
    run(SerialPort(cable.link), test)


def test_two_hundred_pulls_leak_no_descriptor(cable: Cable) -> None:
    async def test(chunks: Chunks, _: JumpingLoop) -> None:
        counts = set()
        for pull in range(201):
            assert isinstance(await anext(chunks), LineOpened)
            cable.send(b"x")
            assert await receive(chunks, 1) == b"x"
            counts.add(open_fds())
            cable.pull()
            assert isinstance(await anext(chunks), LineLost)
            if pull < 200:
                cable.plug()
        assert len(counts) == 1

    before = open_fds()
    cable.plug()
    run(SerialPort(cable.link), test)
    assert open_fds() == before


def test_wait_that_is_cancelled_gives_the_line_back(cable: Cable) -> None:
    async def test(chunks: Chunks, _: JumpingLoop) -> None:
        before = open_fds()
        await anext(chunks)
        assert open_fds() > before
        waiting = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert open_fds() == before

    cable.plug()
    run(SerialPort(cable.link), test)


def test_open_line_is_the_port(cable: Cable) -> None:
    cable.plug()
    line: SerialLine = OpenLine(cable.link, 115_200)
    cable.send(b"hello")
    assert asyncio.run(line.read())
    line.close()
    line.close()


def test_pauses_are_real_where_nobody_jumps(cable: Cable) -> None:
    async def main() -> None:
        async with asyncio.timeout(10), aclosing(port.chunks()) as chunks:
            assert isinstance(await anext(chunks), LineLost)
            cable.plug()
            assert isinstance(await anext(chunks), LineOpened)

    port = SerialPort(cable.link, first_pause_s=0.001, longest_pause_s=0.01)
    asyncio.run(main())
