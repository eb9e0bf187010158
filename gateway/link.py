"""The gateway's link to the cloud: connects, publishes, takes receipts, for ever.

One connection at a time. While it lasts, one task publishes what
:class:`gateway.delivery.Delivery` chooses and one takes what arrives; when either
meets a broken connection both end, and after a random pause the next connection is
made. Losing the broker is normal and costs nothing: only receipts count.

Under radio silence the link disconnects, also in the middle of a message or of an
attempt to connect, and makes no attempt until it is resumed.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, Literal

from gateway.delivery import Delivery, Message, ReceiptResult
from gateway.errors import BrokerLostError, ConfigError
from gateway.ports import Broker, BrokerMessage
from schemas import envelope
from schemas.envelope import MAX_MESSAGE_BYTES, SealCheck
from schemas.errors import MalformedError
from schemas.keys import OwnerKind, PublicKey
from schemas.receipts import VERSION as RECEIPT_VERSION
from schemas.receipts import Receipt, read_receipt, receipt_aad
from schemas.topics import DOWN, Lane, parse_topic, topic

_LOG: Final = logging.getLogger(__name__)

# Messages that may wait for their PUBACK: one fills the way while one is answered.
AT_ONCE: Final = 2

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
    min(``first_pause_s`` * 2**n, ``longest_pause_s``). Counting starts anew with a
    receipt, or after a connection that lasted for ``steady_s``.
    """

    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    steady_s: float = 30.0


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
        self._silent = asyncio.Event()
        self._silence: asyncio.TimerHandle | None = None
        self._failures = 0
        self._since_s = math.inf
        self._published_s = -math.inf
        self._last_loss = ""
        self._last_refusal: ReceiptRefusal | None = None

    # Told by the agent

    def wake(self) -> None:
        """Look for something to send: records were committed."""
        self._work.set()

    def pause(self, after_s: float = 0.0) -> None:
        """Begin radio silence: disconnect and stay off.

        For ``after_s`` more what is committed is still sent, so that silence can be
        announced before it begins.
        """
        self._take_back()
        self._silence = asyncio.get_running_loop().call_later(
            after_s, self._fall_silent
        )

    def _take_back(self) -> None:
        if self._silence is not None:
            self._silence.cancel()

    def _fall_silent(self) -> None:
        _LOG.info("radio silence begins backlog=%d", self._delivery.backlog)
        self._delivery.pause()
        self._resumed.clear()
        self._silent.set()
        self._progress.set()

    def resume(self) -> None:
        """End radio silence, or take back that it was to begin."""
        self._take_back()
        if self._silent.is_set():
            _LOG.info("radio silence ends backlog=%d", self._delivery.backlog)
            self._failures = 0
        self._delivery.resume()
        self._silent.clear()
        self._resumed.set()

    def resend(self, from_sequence: int, to_sequence: int) -> bool:
        """Send a range again, ends included, as far as it is still here.

        False if there is no such range, or if too many are asked for already.
        """
        is_taken = self._delivery.resend(from_sequence, to_sequence)
        self._work.set()
        return is_taken

    @property
    def backlog(self) -> int:
        """How many committed records the cloud is not known to hold."""
        return self._delivery.backlog

    async def drain(self, timeout_s: float) -> bool:
        """Wait until the cloud holds all that is committed; False if it does not.

        Under radio silence there is nothing to wait for.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self._delivery.backlog:
                    if self._silent.is_set():
                        return False
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
            session = asyncio.create_task(self._session())
            silence = asyncio.create_task(self._silent.wait())
            try:
                await asyncio.wait(
                    [session, silence], return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                await _end([session, silence])

    async def _session(self) -> None:
        await asyncio.sleep(self._pause_s())
        try:
            async with self._connect() as broker:
                await self._serve(broker)
        except (BrokerLostError, ConfigError) as error:
            # Certificates are replaced while a gateway runs: not the end of it.
            self._count_loss(str(error))

    def _count_loss(self, text: str) -> None:
        if time.monotonic() - self._since_s >= self._times.steady_s:
            self._failures = 0
        self._failures += 1
        self._since_s = math.inf
        if text != self._last_loss:
            self._last_loss = text
            _LOG.info("broker lost failures=%d reason=%s", self._failures, text)

    def _pause_s(self) -> float:
        longest_s = self._times.first_pause_s * 2 ** min(self._failures, 16)
        return self._rng.uniform(0, min(longest_s, self._times.longest_pause_s))

    async def _serve(self, broker: Broker) -> None:
        for lane in DOWN:
            await broker.subscribe(topic(self._delivery.gateway, lane))
        self.counts.connections += 1
        self.is_connected = True
        self._since_s, self._last_loss = time.monotonic(), ""
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
        sending: set[asyncio.Task[None]] = set()
        try:
            while True:
                self._work.clear()
                for task in [one for one in sending if one.done()]:
                    sending.remove(task)
                    task.result()
                if len(sending) >= AT_ONCE:
                    await self._work.wait()
                    continue
                message = self._delivery.next_message(time.monotonic())
                if message is None:
                    await self._wait_for_work()
                    continue
                task = asyncio.create_task(self._publish(broker, message))
                task.add_done_callback(lambda _task: self._work.set())
                sending.add(task)
        finally:
            await _end(list(sending))

    async def _publish(self, broker: Broker, message: Message) -> None:
        began_s = time.monotonic()
        name = topic(self._delivery.gateway, message.lane)
        await broker.publish(name, message.payload)
        now_s = time.monotonic()
        # The way is shared with the message before.
        took_s = now_s - max(began_s, self._published_s)
        self._published_s = now_s
        self._delivery.published(message, took_s)
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
        if len(message.payload) > MAX_MESSAGE_BYTES:
            self.counts.refusals += 1
            return
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
            if receipt is not self._last_refusal:
                self._last_refusal = receipt
                _LOG.warning("receipt refused reason=%s", receipt)
            return
        self.counts.receipts += 1
        self._failures = 0
        result = self._delivery.take_receipt(receipt, time.monotonic())
        self._progress.set()
        self._work.set()
        self._events.on_receipt(receipt, result)


async def _end(
    tasks: Sequence[asyncio.Task[None] | asyncio.Task[Literal[True]]],
) -> None:
    """Cancel what still runs and raise what ended the first of them."""
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
