"""The gateway's link to the cloud: connects, publishes, takes receipts, for ever.

One connection at a time. While it lasts, one task publishes what
:class:`gateway.delivery.Delivery` chooses and one takes what arrives; when either
meets a broken connection both end, and after a random pause the next connection is
made. Losing the broker is normal and costs nothing: only receipts count.

Under radio silence the link disconnects and stays off until it is resumed.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from gateway.delivery import Delivery, Message, ReceiptResult
from gateway.errors import BrokerLostError
from gateway.ports import Broker, BrokerMessage
from schemas import envelope
from schemas.envelope import SealCheck
from schemas.errors import MalformedError
from schemas.keys import OwnerKind, PublicKey
from schemas.receipts import VERSION as RECEIPT_VERSION
from schemas.receipts import Receipt, read_receipt, receipt_aad
from schemas.topics import DOWN, Lane, parse_topic, topic

_LOG: Final = logging.getLogger(__name__)

Connect = Callable[[], contextlib.AbstractAsyncContextManager[Broker]]


class ReceiptRefusal(StrEnum):
    """Why something on the receipt topic is no receipt for this gateway."""

    MALFORMED = "malformed"
    UNKNOWN_VERSION = "unknown-version"
    OTHER_GATEWAY = "other-gateway"
    UNKNOWN_KEY = "unknown-key"
    WRONG_SEAL = "wrong-seal"


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """How reconnecting is paced; real time.

    Before attempt n the link waits a random time up to
    min(``first_pause_s`` * 2**n, ``longest_pause_s``).
    """

    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0


@dataclass(frozen=True, slots=True)
class LinkEvents:
    """What the link tells; called from the event loop, and must return at once.

    ``on_command`` gets sealed bytes, not yet verified; ``on_receipt`` a receipt whose
    signature holds, and what it did (a mismatch is for an alarm and a new epoch).
    """

    on_command: Callable[[bytes], None]
    on_receipt: Callable[[Receipt, ReceiptResult], None]


@dataclass(slots=True)
class LinkCounts:
    """What happened since the start."""

    connections: int = 0
    messages: int = 0
    records: int = 0
    receipts: int = 0
    refusals: int = 0


def open_receipt(
    sealed: bytes, cloud_keys: Sequence[PublicKey], gateway: str
) -> Receipt | ReceiptRefusal:
    """Return a receipt for ``gateway`` sealed by one of the pinned keys.

    Keys of other owners than the cloud are not looked at.
    """
    try:
        opened = envelope.open_envelope(sealed)
        receipt = read_receipt(opened.payload)
    except MalformedError:
        return ReceiptRefusal.MALFORMED
    if receipt.version != RECEIPT_VERSION:
        return ReceiptRefusal.UNKNOWN_VERSION
    if receipt.gateway != gateway:
        return ReceiptRefusal.OTHER_GATEWAY
    for key in cloud_keys:
        if key.kind is OwnerKind.CLOUD and key.kid == opened.kid:
            aad = receipt_aad(receipt.version, gateway)
            is_good = envelope.check(opened, key, aad) is SealCheck.GOOD
            return receipt if is_good else ReceiptRefusal.WRONG_SEAL
    return ReceiptRefusal.UNKNOWN_KEY


class Link:
    """Keeps a connection to the broker and delivery going; run :meth:`run` as a task.

    All methods belong to the event loop's thread.
    """

    def __init__(
        self,
        delivery: Delivery,
        connect: Connect,
        cloud_keys: Sequence[PublicKey],
        events: LinkEvents,
        rng: Random,
        times: LinkTimes = LinkTimes(),
    ) -> None:
        self.is_connected = False
        self.counts = LinkCounts()
        self._delivery = delivery
        self._connect = connect
        self._cloud_keys = tuple(cloud_keys)
        self._events = events
        self._rng = rng
        self._times = times
        self._work = asyncio.Event()
        self._progress = asyncio.Event()
        self._resumed = asyncio.Event()
        self._resumed.set()
        self._silence: asyncio.TimerHandle | None = None
        self._failures = 0

    # Told by the agent

    def wake(self) -> None:
        """Look for something to send: records were committed."""
        self._work.set()

    def pause(self, after_s: float = 0.0) -> None:
        """Begin radio silence: disconnect and stay off.

        For ``after_s`` more what is committed is still sent, so that silence can be
        announced before it begins.
        """
        self._silence = asyncio.get_running_loop().call_later(
            after_s, self._fall_silent
        )

    def _fall_silent(self) -> None:
        self._delivery.pause()
        self._resumed.clear()
        self._work.set()

    def resume(self) -> None:
        """End radio silence, or take back that it was to begin."""
        if self._silence is not None:
            self._silence.cancel()
        self._delivery.resume()
        self._resumed.set()

    def resend(self, from_sequence: int, to_sequence: int) -> None:
        """Send a range again, ends included, as far as it is still here."""
        self._delivery.resend(from_sequence, to_sequence)
        self._work.set()

    @property
    def backlog(self) -> int:
        """How many committed records the cloud is not known to hold."""
        return self._delivery.backlog

    async def drain(self, timeout_s: float) -> bool:
        """Wait until the cloud holds all that is committed; False if it does not."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._delivery.backlog:
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            return False
        return True

    # The task

    async def run(self) -> None:
        """Connect, deliver, lose the connection, again; ends only by cancellation."""
        while True:
            await self._resumed.wait()
            await asyncio.sleep(self._pause_s())
            try:
                async with self._connect() as broker:
                    await self._serve(broker)
            except BrokerLostError as error:
                self._failures += 1
                _LOG.info("broker lost failures=%d reason=%s", self._failures, error)

    def _pause_s(self) -> float:
        longest_s = self._times.first_pause_s * 2 ** min(self._failures, 16)
        return self._rng.uniform(0, min(longest_s, self._times.longest_pause_s))

    async def _serve(self, broker: Broker) -> None:
        for lane in DOWN:
            await broker.subscribe(topic(self._delivery.gateway, lane))
        self._failures = 0
        self.counts.connections += 1
        self.is_connected = True
        self._delivery.connected(time.monotonic())
        _LOG.info("broker connected backlog=%d", self._delivery.backlog)
        tasks = [
            asyncio.create_task(self._pump(broker)),
            asyncio.create_task(self._listen(broker)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.is_connected = False
            self._delivery.disconnected()
            await _end(tasks)

    async def _pump(self, broker: Broker) -> None:
        """Publish until radio silence."""
        while self._resumed.is_set():
            self._work.clear()
            message = self._delivery.next_message(time.monotonic())
            if message is None:
                await self._wait_for_work()
                continue
            await broker.publish(
                topic(self._delivery.gateway, message.lane), message.payload
            )
            self._count(message)

    async def _wait_for_work(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._delivery.wait_s(time.monotonic())):
                await self._work.wait()

    def _count(self, message: Message) -> None:
        self.counts.messages += 1
        self.counts.records += len(message.sequences)

    async def _listen(self, broker: Broker) -> None:
        async for message in broker.messages():
            self._dispatch(message)

    def _dispatch(self, message: BrokerMessage) -> None:
        try:
            lane = parse_topic(message.topic).lane
            items = list(envelope.split_sequence(message.payload))
        except MalformedError:
            self.counts.refusals += 1
            return
        for item in items:
            if isinstance(item, envelope.Withheld):
                self.counts.refusals += 1
            elif lane is Lane.COMMAND:
                self._events.on_command(item)
            elif lane is Lane.RECEIPT:
                self._take_receipt(item)

    def _take_receipt(self, sealed: bytes) -> None:
        receipt = open_receipt(sealed, self._cloud_keys, self._delivery.gateway)
        if isinstance(receipt, ReceiptRefusal):
            self.counts.refusals += 1
            _LOG.warning("receipt refused reason=%s", receipt)
            return
        self.counts.receipts += 1
        result = self._delivery.take_receipt(receipt, time.monotonic())
        self._progress.set()
        self._work.set()
        self._events.on_receipt(receipt, result)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel what still runs and raise what ended the first of them."""
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
