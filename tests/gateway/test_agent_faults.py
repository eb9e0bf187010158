"""The agent under radio silence, on a failing disk, with bugs and a lost clock."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from gateway.delivery import Delivery
from gateway.duties import running, until
from gateway.errors import BrokerLostError, ClockLostError, OutboxError
from gateway.link import Link, LinkEvents, LinkTimes
from gateway.outbox import Outbox, OutboxLimits, Priority
from schemas.events import Event, EventKind, Severity
from schemas.readings import TemperatureReading
from schemas.records import (
    Heartbeat,
)
from schemas.simulated_time import SimulatedInstant, pack_page
from tests.gateway.agent_rig import (
    CLOUD,
    GATEWAY,
    NOW_NS,
    OWN_KEY,
    World,
    eventually,
    open_files,
    outbox_of,
    ready,
    state,
    warm_reports,
)
from tests.gateway.broker_process import BrokerProcess

FOUND, LOST = EventKind.SENSOR_FOUND, EventKind.SENSOR_LOST
REFUSED, DONE = EventKind.COMMAND_REFUSED, EventKind.COMMAND_DONE
SILENCE = Event(EventKind.RADIO_SILENCE_BEGINS, Severity.INFO, 0, "in the air")
SOUND = Event(EventKind.RADIO_SILENCE_ENDS, Severity.INFO, 0, "on the ground")


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    process = BrokerProcess()
    process.start()
    yield process
    process.kill()


@pytest.fixture
def world(tmp_path: Path, broker: BrokerProcess) -> Iterator[World]:
    world = World(tmp_path, broker.port)
    world.cable.plug()
    yield world
    world.cable.pull()


def test_silence_is_announced_before_a_backlog_and_then_nothing_is_sent(
    world: World,
) -> None:
    async def play() -> None:
        async with world.ledger() as ledger:
            async with world.agent() as agent:
                await ready(ledger)
                link = agent._link
                state(agent, SILENCE)
                await eventually(lambda: not link.is_connected)
                assert ledger.events(SILENCE.what)
                count = len(ledger.order)
                world.cable.warm(200)
                await eventually(lambda: link.backlog >= 200)
                assert (len(ledger.order), link.counts.connections) == (count, 1)
                state(agent, SOUND)
                await ledger.until(lambda: warm_reports(ledger) == 200)
                assert ledger.order[count].body == SOUND
                assert link.counts.connections == 2
            ledger.assert_chained()

    asyncio.run(play())


def test_a_stop_under_radio_silence_waits_for_nothing(world: World) -> None:
    async def play() -> None:
        loop = asyncio.get_running_loop()
        async with world.ledger() as ledger:
            async with world.agent(drain_s=1000.0) as agent:
                await ready(ledger)
                state(agent, SILENCE)
                await eventually(lambda: not agent._link.is_connected)
                world.cable.warm(5)
                await eventually(lambda: agent._link.backlog > 5)
                stopped_s = loop.time()
            assert loop.time() - stopped_s < 20.0
        again = Outbox.open(world.outbox, OutboxLimits(reserve_bytes=0))
        assert again.pending_receipt > 5
        again.close()

    asyncio.run(play())


def test_silence_ends_the_attempts_to_connect(tmp_path: Path) -> None:
    outbox = Outbox.open(tmp_path, OutboxLimits(reserve_bytes=0), own_key=OWN_KEY)

    class Nobody:
        attempts = 0

        async def __aenter__(self) -> "Nobody":
            Nobody.attempts += 1
            raise BrokerLostError("nobody is there")

        async def __aexit__(self, *_: object) -> None: ...

    async def play() -> None:
        link = Link(
            Delivery(outbox, GATEWAY, Random(1)),
            Nobody,  # type: ignore[arg-type]
            [CLOUD.key],
            LinkEvents(lambda _: None, lambda *_: None),
            Random(2),
            LinkTimes(first_pause_s=0.02, longest_pause_s=0.02),
        )
        async with running([link.run]):
            await eventually(lambda: Nobody.attempts >= 3)
            link.pause()
            await eventually(link._silent.is_set)
            attempts = Nobody.attempts
            await asyncio.sleep(0.2)  # ten attempts would fit
            assert Nobody.attempts == attempts
            link.resume()
            await eventually(lambda: Nobody.attempts > attempts)

    asyncio.run(play())
    outbox.close()


def test_silence_cuts_off_a_broker_that_hangs(tmp_path: Path) -> None:
    mortal = BrokerProcess()
    mortal.start()
    world = World(tmp_path, mortal.port)
    world.cable.plug()
    before = open_files()

    async def play() -> None:
        async with world.agent(drain_s=0.0) as agent:
            await eventually(lambda: agent._link.is_connected)
            assert mortal.pid
            os.kill(mortal.pid, signal.SIGSTOP)
            world.cable.warm(20)
            await eventually(lambda: outbox_of(agent).head_sequence > 20)
            state(agent, SILENCE)
            await eventually(lambda: not agent._link.is_connected)
            world.cable.warm(20)
            await eventually(lambda: outbox_of(agent).head_sequence > 40)
            state(agent, SOUND)

    try:
        asyncio.run(play())
        assert open_files() == before
    finally:
        mortal.kill()
        world.cable.pull()


def test_a_disk_that_fails_is_stated_once_and_not_with_every_commit(
    world: World,
) -> None:
    async def play() -> None:
        async with world.ledger() as ledger, world.agent() as agent:
            await ready(ledger)
            await eventually(lambda: outbox_of(agent).watermark >= 0)
            mark = world.outbox / "watermark"
            mark.unlink()
            mark.mkdir()
            for _ in range(5):
                world.cable.warm(10)
                known = warm_reports(ledger) // 10 + 1
                await ledger.until(lambda n=10 * known: warm_reports(ledger) >= n)  # type: ignore[misc]
            await eventually(lambda: outbox_of(agent).storage_faults > 3)
            await ledger.until(lambda: ledger.events(EventKind.STORAGE_FAULT))
            mark.rmdir()
        assert len(ledger.events(EventKind.STORAGE_FAULT)) <= 2
        ledger.assert_chained()

    asyncio.run(play())


def test_a_bug_in_one_duty_stops_no_other_and_loses_no_line(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        async with world.ledger() as ledger, world.agent() as agent:
            await ready(ledger)
            take, poison = agent._parts.station.take, [ValueError("a bug")]

            def failing(line: str, item: TemperatureReading, boot_ns: int) -> object:
                if poison:
                    raise poison.pop()
                return take(line, item, boot_ns)

            agent._parts.station.take = failing  # type: ignore[method-assign, assignment]
            world.cable.warm()
            await eventually(lambda: "a bug" in caplog.text)
            beats = len(ledger.bodies(Heartbeat))
            await ledger.until(lambda: len(ledger.bodies(Heartbeat)) > beats)
            while not warm_reports(ledger):
                world.cable.warm()
                await asyncio.sleep(0.05)
        assert caplog.text.count("Traceback") == 1

    asyncio.run(play())


def test_an_error_for_a_person_ends_all_duties(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play() -> None:
        works, ended = asyncio.Event(), asyncio.Event()

        async def good() -> None:
            try:
                works.set()
                await asyncio.Event().wait()
            finally:
                ended.set()

        async def bad() -> None:
            await works.wait()
            raise OutboxError("sequence 3 added, 2 is next")

        with pytest.raises(OutboxError, match="2 is next"):
            async with asyncio.timeout(10), running([good, bad]) as tasks:
                await until(asyncio.Event(), tasks)
        assert ended.is_set()

    asyncio.run(play())
    assert not caplog.records


def test_a_simulator_that_begins_again_ends_the_gateway_with_its_word(
    world: World,
) -> None:
    page = world.directory / "clock"
    page.write_bytes(pack_page(0, SimulatedInstant(bytes(16), 10**9, NOW_NS)))
    world.write_config(clock='[clock]\nsimulated = "clock"\n')

    async def play() -> None:
        agent = world.compose()
        running = asyncio.create_task(agent.run(asyncio.Event(), 5.0))
        await eventually(lambda: outbox_of(agent).head_sequence >= 0)
        fresh = page.with_name("fresh")
        fresh.write_bytes(pack_page(0, SimulatedInstant(b"x" * 16, 1, NOW_NS)))
        fresh.replace(page)
        with pytest.raises(ClockLostError, match="start the exercise again"):
            await asyncio.wait_for(running, 10)

    asyncio.run(play())
    again = Outbox.open(world.outbox, OutboxLimits(reserve_bytes=0))
    assert again.head_sequence >= 0
    again.close()


def test_a_commit_that_fails_by_a_bug_keeps_what_was_added(tmp_path: Path) -> None:
    outbox = Outbox.open(tmp_path, OutboxLimits(reserve_bytes=0), own_key=OWN_KEY)
    append = outbox._lanes.append

    def failing(*_: object) -> None:
        raise ZeroDivisionError

    outbox._lanes.append = failing  # type: ignore[method-assign, assignment]
    outbox.add(b"a" * 100, 0, Priority.BULK)
    with pytest.raises(ZeroDivisionError):
        outbox.commit()
    outbox._lanes.append = append  # type: ignore[method-assign]
    outbox.add(b"b" * 100, 1, Priority.BULK)
    assert outbox.pending_bytes == 200
    outbox.commit()
    assert [one.sequence for one in outbox.read(0)] == [0, 1]
    assert outbox.pending_bytes == 0
    outbox.close()
    outbox.close()
    outbox.commit()
    assert sorted(tmp_path.glob("*.seg"))
