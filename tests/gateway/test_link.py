"""The link over a real MQTT broker, which dies and comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import cast

import pytest

from gateway.adapters.mqtt import MqttBroker, MqttSettings
from gateway.adapters.tls import TlsFiles
from gateway.delivery import Delivery, DeliveryTimes, ReceiptResult
from gateway.errors import BrokerLostError, ConfigError
from gateway.link import (
    AT_ONCE,
    Link,
    LinkEvents,
    LinkTimes,
    ReceiptRefusal,
    open_receipt,
)
from gateway.outbox import Outbox, OutboxLimits
from gateway.ports import BrokerMessage
from schemas.commands import Release, seal_command
from schemas.envelope import digest, split_sequence
from schemas.keys import Ed25519Signer, OwnerKind, PublicKey
from schemas.receipts import Receipt, seal_receipt
from schemas.topics import Lane, filters_up, topic
from tests.gateway.broker_process import BrokerProcess
from tests.gateway.outbox_chain import (
    CLOUD_KEY,
    CLOUD_SIGNER,
    GATEWAY,
    OWN_KEY,
    SIGNER,
    add,
    filler,
    opened,
)

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    process = BrokerProcess()
    process.start()
    yield process
    process.kill()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox.open(tmp_path, OutboxLimits(reserve_bytes=0), own_key=OWN_KEY)
    yield outbox
    outbox.close()


def settings(broker: BrokerProcess, client_id: str = GATEWAY) -> MqttSettings:
    return MqttSettings("127.0.0.1", client_id, port=broker.port, timeout_s=5.0)


def receipt(epoch: bytes, sequence: int | None, at: bytes | None) -> Receipt:
    return Receipt(1, "receipt", GATEWAY, epoch, 0, sequence, at)


@dataclass
class Cloud:
    """The far side: keeps what comes and sends signed receipts."""

    epoch: bytes
    is_silent: bool = False
    digests: dict[int, bytes] = field(default_factory=dict)
    lanes: list[str] = field(default_factory=list)

    async def run(self, broker: BrokerProcess) -> None:
        while True:
            with contextlib.suppress(BrokerLostError):
                async with MqttBroker(settings(broker, "cloud")) as line:
                    for name in filters_up():
                        await line.subscribe(name)
                    await asyncio.gather(self._take(line), self._confirm(line))
            await asyncio.sleep(0.05)

    async def _take(self, line: MqttBroker) -> None:
        async for message in line.messages():
            self.lanes.append(message.topic.rsplit("/", 1)[1])
            for sealed in split_sequence(message.payload):
                assert isinstance(sealed, bytes)
                self.digests[opened(sealed).header.sequence] = digest(sealed)

    async def _confirm(self, line: MqttBroker) -> None:
        while True:
            await asyncio.sleep(0.05)
            at = -1
            while at + 1 in self.digests:
                at += 1
            if at >= 0 and not self.is_silent:
                word = receipt(self.epoch, at, self.digests[at])
                sealed = seal_receipt(word, CLOUD_SIGNER)
                await line.publish(topic(GATEWAY, Lane.RECEIPT), sealed)


@dataclass
class Heard:
    """What the link told the agent."""

    commands: list[bytes] = field(default_factory=list)
    results: list[ReceiptResult] = field(default_factory=list)

    def events(self) -> LinkEvents:
        return LinkEvents(
            self.commands.append, lambda _receipt, result: self.results.append(result)
        )


def make_link(outbox: Outbox, broker: BrokerProcess, heard: Heard) -> Link:
    times = DeliveryTimes(first_timeout_s=0.5, longest_timeout_s=1.0)
    return Link(
        Delivery(outbox, GATEWAY, Random(1), times),
        lambda: MqttBroker(settings(broker)),
        [CLOUD_KEY],
        heard.events(),
        Random(2),
        LinkTimes(first_pause_s=0.05, longest_pause_s=0.2),
    )


@contextlib.asynccontextmanager
async def running(*duties: Coroutine[None, None, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(duty) for duty in duties]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_true():  # noqa: ASYNC110 - the far side is another process
            await asyncio.sleep(0.01)


def commit(outbox: Outbox, link: Link, count: int) -> None:
    for _ in range(count):
        add(outbox, filler(100))
    outbox.commit()
    link.wake()


def test_records_arrive_and_receipts_release_them(
    broker: BrokerProcess, outbox: Outbox
) -> None:
    async def play() -> None:
        heard, cloud = Heard(), Cloud(outbox.epoch)
        link = make_link(outbox, broker, heard)
        async with running(link.run(), cloud.run(broker)):
            commit(outbox, link, 200)
            assert await link.drain(PATIENCE_S)
            commit(outbox, link, 1)
            assert await link.drain(PATIENCE_S)
        assert outbox.watermark == 200
        assert len(cloud.digests) == 201
        assert ReceiptResult.ADVANCED in heard.results
        assert link.counts.receipts == len(heard.results)
        assert not link.is_connected

    asyncio.run(play())


def test_commands_reach_the_agent_as_they_were_sealed(
    broker: BrokerProcess, outbox: Outbox
) -> None:
    sealed = seal_command(GATEWAY, 1, 2**60, Release("SH-1"), CLOUD_SIGNER)

    async def play() -> None:
        heard = Heard()
        link = make_link(outbox, broker, heard)
        async with running(link.run()), MqttBroker(settings(broker, "c")) as line:
            await until(lambda: link.is_connected)
            await line.publish(topic(GATEWAY, Lane.COMMAND), sealed + b"\0" + sealed)
            await line.publish(topic(GATEWAY, Lane.COMMAND), b"rubbish")
            await until(lambda: link.counts.refusals == 1)
        assert heard.commands == [sealed, sealed]

    asyncio.run(play())


@pytest.mark.parametrize("steps", range(8))
def test_a_cancellation_that_comes_with_the_puback_ends_a_publication(
    broker: BrokerProcess, steps: int
) -> None:
    """Forgotten, it left a link that never came back from radio silence."""

    async def play() -> None:
        acknowledged = asyncio.Event()
        async with MqttBroker(settings(broker, f"cancel-{steps}")) as line:
            paho = line._client._client
            taken = cast("Callable[..., None]", paho.on_publish)

            def heard(*words: object) -> None:
                taken(*words)
                acknowledged.set()

            paho.on_publish = heard
            publishing = asyncio.create_task(line.publish("somewhere", b"record"))
            await acknowledged.wait()
            for _ in range(steps):
                await asyncio.sleep(0)
            came_in_time = publishing.cancel()
            await asyncio.wait([publishing])
        assert publishing.cancelled() == came_in_time

    asyncio.run(play())


def test_a_forged_receipt_frees_nothing(broker: BrokerProcess, outbox: Outbox) -> None:
    async def play() -> None:
        heard = Heard()
        link = make_link(outbox, broker, heard)
        async with running(link.run()), MqttBroker(settings(broker, "f")) as line:
            commit(outbox, link, 5)
            await until(lambda: link.is_connected)
            word = receipt(outbox.epoch, 4, outbox.digest_at(4))
            forged = seal_receipt(word, SIGNER)
            await line.publish(topic(GATEWAY, Lane.RECEIPT), forged)
            await until(lambda: link.counts.refusals == 1)
            assert (outbox.watermark, heard.results) == (-1, [])
            assert not await link.drain(0.05)

    asyncio.run(play())


def test_radio_silence_disconnects_and_what_was_kept_comes_after(
    broker: BrokerProcess, outbox: Outbox
) -> None:
    async def play() -> None:
        cloud = Cloud(outbox.epoch)
        link = make_link(outbox, broker, Heard())
        async with running(link.run(), cloud.run(broker)):
            commit(outbox, link, 5)
            assert await link.drain(PATIENCE_S)
            link.pause()
            await until(lambda: not link.is_connected)
            commit(outbox, link, 5)
            assert not await link.drain(0.3)
            assert link.counts.connections == 1
            assert len(cloud.digests) == 5
            link.resume()
            assert await link.drain(PATIENCE_S)
            assert link.counts.connections == 2

    asyncio.run(play())


def test_silence_is_announced_first_and_can_be_taken_back(
    broker: BrokerProcess, outbox: Outbox
) -> None:
    async def play() -> None:
        link = make_link(outbox, broker, Heard())
        async with running(link.run(), Cloud(outbox.epoch).run(broker)):
            await until(lambda: link.is_connected)
            link.pause(after_s=60.0)
            commit(outbox, link, 3)
            assert await link.drain(PATIENCE_S)
            link.resume()
            assert link.is_connected

    asyncio.run(play())


def test_a_broker_that_is_killed_and_comes_back_costs_nothing(outbox: Outbox) -> None:
    mortal = BrokerProcess()

    async def play() -> None:
        cloud = Cloud(outbox.epoch)
        link = make_link(outbox, mortal, Heard())
        async with running(link.run(), cloud.run(mortal)):
            commit(outbox, link, 100)
            assert not await link.drain(0.2)  # nobody is there yet
            await asyncio.to_thread(mortal.start)
            await until(lambda: len(cloud.digests) > 0)
            cloud.is_silent = True
            await asyncio.to_thread(mortal.kill)
            await until(lambda: not link.is_connected)
            commit(outbox, link, 100)
            cloud.is_silent = False
            await asyncio.to_thread(mortal.start)
            assert await link.drain(PATIENCE_S)
        assert outbox.watermark == 199
        assert link.counts.connections == 2

    try:
        asyncio.run(play())
    finally:
        mortal.kill()


def test_errors_of_the_connection_are_one_error(tmp_path: Path) -> None:
    nobody = BrokerProcess()

    async def play() -> None:
        with pytest.raises(BrokerLostError, match="no connection"):
            async with MqttBroker(settings(nobody)):
                pass

    asyncio.run(play())


def test_missing_tls_files_are_named(tmp_path: Path) -> None:
    files = TlsFiles(tmp_path / "authority.pem")
    with pytest.raises(ConfigError, match=r"authority\.pem"):
        MqttBroker(MqttSettings("127.0.0.1", GATEWAY, tls=files))


def test_the_password_is_in_no_representation() -> None:
    settings = MqttSettings("h", GATEWAY, password="secret")  # noqa: S106 - no secret
    assert "secret" not in repr(settings)


def test_receipts_are_opened_with_pinned_cloud_keys_only() -> None:
    word = receipt(b"epoch-01", 3, bytes(32))
    sealed = seal_receipt(word, CLOUD_SIGNER)
    assert open_receipt(sealed, [OWN_KEY, CLOUD_KEY], GATEWAY) == word
    assert open_receipt(sealed, [], GATEWAY) is ReceiptRefusal.UNKNOWN_KEY
    assert open_receipt(sealed, [CLOUD_KEY], "gw-b") is ReceiptRefusal.OTHER_GATEWAY
    assert open_receipt(b"x", [CLOUD_KEY], GATEWAY) is ReceiptRefusal.MALFORMED
    altered = sealed[:-1] + bytes([sealed[-1] ^ 1])
    assert open_receipt(altered, [CLOUD_KEY], GATEWAY) is ReceiptRefusal.WRONG_SEAL
    # A person's key with the cloud's name on the topic is still no cloud key.
    person = PublicKey(
        "cloud", OwnerKind.PERSON, CLOUD_KEY.algorithm, CLOUD_KEY.public_key
    )
    assert open_receipt(sealed, [person], GATEWAY) is ReceiptRefusal.UNKNOWN_KEY
    other = Ed25519Signer(b"o" * 32)
    assert (
        open_receipt(seal_receipt(word, other), [CLOUD_KEY], GATEWAY)
        is ReceiptRefusal.UNKNOWN_KEY
    )


class Hanging:
    """Takes what comes and answers when it is told to."""

    waiting = 0
    most = 0

    def __init__(self) -> None:
        self.answer = asyncio.Event()

    async def __aenter__(self) -> "Hanging":
        return self

    async def __aexit__(self, *_details: object) -> None:
        return None

    async def subscribe(self, topic: str) -> None:
        del topic

    async def publish(self, topic: str, payload: bytes) -> None:
        del topic, payload
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.answer.wait()
        self.waiting -= 1

    async def messages(self) -> AsyncIterator[BrokerMessage]:
        await asyncio.Event().wait()
        yield BrokerMessage("", b"")


def test_two_messages_are_on_their_way_and_no_more(outbox: Outbox) -> None:
    async def play() -> None:
        far = Hanging()
        delivery = Delivery(outbox, GATEWAY, Random(1))
        events = Heard().events()
        times = LinkTimes(first_pause_s=0.0)
        link = Link(delivery, lambda: far, [CLOUD_KEY], events, Random(2), times)
        commit(outbox, link, 300)
        async with running(link.run()):
            await until(lambda: far.waiting == AT_ONCE)
            for _ in range(20):
                await asyncio.sleep(0)
            assert far.waiting == AT_ONCE
            far.answer.set()
            await until(lambda: link.counts.records >= 300)
        assert far.most == AT_ONCE

    asyncio.run(play())
