"""The running agent, composed as in production: real ptys, outbox and MQTT broker."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.outbox import Outbox, OutboxLimits
from schemas.commands import Configure, Release, Resend, TakeFingerprint, seal_command
from schemas.events import Event, EventKind, Severity
from schemas.records import (
    Assigned,
    Birth,
    Fingerprint,
    FingerprintStep,
    Heartbeat,
    Released,
)
from schemas.topics import Lane
from tests.gateway.agent_rig import (
    GATEWAY,
    NOW_NS,
    SIGNER,
    World,
    assignment,
    eventually,
    outbox_of,
    ready,
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


def test_readings_become_records_that_are_durable_before_anyone_sees_them(
    world: World,
) -> None:
    async def play() -> None:
        async with world.ledger() as ledger, world.agent() as agent:
            outbox = outbox_of(agent)
            seen: list[bool] = []
            ledger.watch = lambda record: seen.append(
                record.header.sequence <= outbox.head_sequence
            )
            await ready(ledger)
            world.cable.warm(50)
            await ledger.until(lambda: warm_reports(ledger) == 50)
            await eventually(lambda: outbox.pending_receipt == 0)
            assert all(seen)
            assert ledger.bodies(Birth)[0].software.startswith("dosetrail ")
        ledger.assert_chained()
        again = Outbox.open(world.outbox, OutboxLimits(reserve_bytes=0))
        assert again.watermark == len(ledger.chain()) - 1 == again.head_sequence
        again.close()

    asyncio.run(play())


def test_a_heartbeat_names_the_record_before_it(world: World) -> None:
    async def play() -> None:
        async with world.ledger() as ledger, world.agent():
            await ledger.until(lambda: len(ledger.bodies(Heartbeat)) >= 2)
        chain = ledger.chain()
        beats = [one for one in chain if isinstance(one.body, Heartbeat)]
        for beat in beats:
            assert isinstance(beat.body, Heartbeat)
            assert beat.body.head_sequence == beat.header.sequence - 1
            assert beat.body.head_digest == chain[beat.body.head_sequence].digest
            assert beat.body.free_bytes > 0

    asyncio.run(play())


def test_every_command_is_answered_by_a_record(world: World) -> None:
    async def play() -> None:
        async with world.ledger() as ledger, world.agent() as agent:
            await ready(ledger)
            ledger.command(assignment(), 1)
            await ledger.until(lambda: ledger.bodies(Assigned))
            ledger.command(TakeFingerprint(FingerprintStep.LOADED, 1), 2)
            await eventually(lambda: agent._parts.orders.counter == 2)
            world.cable.warm()
            await ledger.until(lambda: ledger.bodies(Fingerprint))
            assert agent._parts.orders.is_loaded
            ledger.command(Resend(outbox_of(agent).epoch, 0, 2), 3)
            await ledger.until(lambda: ledger.answers(3))
            ledger.command(Configure(()), 4)
            await ledger.until(lambda: ledger.answers(4))
            ledger.command(Release("SH-1"), 5)
            await ledger.until(lambda: ledger.bodies(Released))
            await eventually(lambda: outbox_of(agent).pending_receipt == 0)
            assert outbox_of(agent).command_counter == 5
        assert [one.counter for one in ledger.bodies(Assigned)] == [1]
        assert [one.counter for one in ledger.bodies(Fingerprint)] == [2]
        assert [one.what for one in ledger.answers(3)] == [DONE]
        assert [one.what for one in ledger.answers(4)] == [REFUSED]
        assert [one.counter for one in ledger.bodies(Released)] == [5]

    asyncio.run(play())


def test_wrong_commands_are_refused_and_forged_ones_not_even_answered(
    world: World,
) -> None:
    async def play() -> None:
        async with world.ledger() as ledger, world.agent() as agent:
            await ready(ledger)
            await eventually(lambda: outbox_of(agent).watermark >= 0)
            forged = seal_command(GATEWAY, 9, NOW_NS * 2, assignment("EVIL"), SIGNER)
            ledger.send(Lane.COMMAND, forged)
            ledger.send(Lane.COMMAND, b"rubbish")
            ledger.command(assignment("SH-1"), 1)
            ledger.command(assignment("SH-2", bytes(32)), 2)
            ledger.command(Release("SH-2"), 3)
            ledger.command(assignment("SH-3"), 4, late_ns=2 * 3600 * 10**9)
            ledger.command(Resend(b"other-ep", 0, 2), 5)
            ledger.command(Resend(outbox_of(agent).epoch, 2, 0), 6)
            await ledger.until(lambda: ledger.answers(6))
            assert agent._parts.station.assignment == assignment("SH-1")
        assert [one.shipment for one in ledger.bodies(Assigned)] == ["SH-1"]
        assert not ledger.answers(9)
        for counter, words in ((2, "container"), (3, "SH-1"), (4, "expired")):
            (answer,) = ledger.answers(counter)
            assert answer.what is REFUSED
            assert words in answer.text
        assert [one.what for one in ledger.answers(5)] == [REFUSED]
        assert [one.what for one in ledger.answers(6)] == [REFUSED]

    asyncio.run(play())


def test_a_command_is_taken_while_utc_is_not_known(world: World) -> None:
    async def play() -> None:
        async with world.ledger() as ledger:
            async with world.agent(drain_s=0.0):
                ledger.is_silent = True
                await ready(ledger)
                ledger.command(assignment(), 1, late_ns=2 * 3600 * 10**9)
                await ledger.until(lambda: ledger.bodies(Assigned))
            assert all(one.header.utc_ns is None for one in ledger.order)

    asyncio.run(play())


def test_a_command_that_cannot_be_remembered_is_not_taken_and_costs_no_link(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        async with world.ledger() as ledger, world.agent() as agent:
            await ready(ledger)
            blocked = world.directory / "state" / "orders.part"
            blocked.mkdir()
            sealed = ledger.command(assignment(), 1)
            await eventually(lambda: "cannot be remembered" in caplog.text)
            for _ in range(3):
                ledger.send(Lane.COMMAND, sealed)
            blocked.rmdir()
            ledger.send(Lane.COMMAND, sealed)
            await ledger.until(lambda: ledger.bodies(Assigned))
            assert agent._link.counts.connections == 1
        assert caplog.text.count("cannot be remembered") == 1

    asyncio.run(play())


def test_another_chain_in_the_ledger_begins_a_new_epoch(world: World) -> None:
    async def play() -> None:
        async with world.ledger() as ledger, world.agent() as agent:
            await ready(ledger)
            ledger.command(assignment(), 1)
            await ledger.until(lambda: ledger.bodies(Assigned))
            await eventually(lambda: outbox_of(agent).pending_receipt == 0)
            old = outbox_of(agent).epoch
            ledger.lies = True
            world.cable.warm(20)
            await eventually(lambda: outbox_of(agent).epoch != old)
            ledger.lies = False
            await ledger.until(lambda: old != ledger.epochs[-1])
            await ledger.until(lambda: len(ledger.chain()) >= 3)
            first = [one.body for one in ledger.chain()[:3]]
            assert isinstance(first[0], Birth)
            assert isinstance(first[1], Event)
            assert first[1].severity is Severity.ALARM
            assert isinstance(first[2], Assigned)
            assert (first[2].shipment, first[2].counter) == ("SH-1", 1)
            await eventually(lambda: outbox_of(agent).pending_receipt == 0)
        # Of the old one, what was on its way when it ended may be missing.
        ledger.assert_chained(ledger.epochs[-1])
        assert list((world.outbox / "retired").iterdir())

    asyncio.run(play())


def test_a_cable_that_is_pulled_and_plugged_in_is_stated(world: World) -> None:
    async def play() -> None:
        async with world.ledger() as ledger, world.agent():
            await ready(ledger)
            world.cable.pull()
            await ledger.until(lambda: ledger.events(LOST))
            world.cable.plug()
            await ledger.until(lambda: len(ledger.events(FOUND)) == 2)
            world.cable.warm(3)
            await ledger.until(lambda: warm_reports(ledger) == 3)
        assert len(ledger.events(LOST)) == 1

    asyncio.run(play())
