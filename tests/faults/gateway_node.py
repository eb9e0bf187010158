"""One gateway: what :class:`gateway.link.Link` and :class:`gateway.agent.Agent` do
between delivery and the broker, repeated without a loop.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random

from gateway.delivery import Message, ReceiptResult
from gateway.link import ReceiptRefusal, open_receipt
from gateway.orders import Taken
from schemas.commands import Resend
from schemas.envelope import digest, split_sequence
from schemas.errors import MalformedError
from schemas.events import EventKind
from schemas.receipts import Receipt
from schemas.topics import Lane, parse_topic, topic
from tests.faults.gateway_machine import (
    BIRTH,
    GatewayMachine,
    Life,
    Surroundings,
    event_of,
)
from tests.faults.wire import Publication


class GatewayNode(GatewayMachine):
    """A gateway with its link; ``out_until_s`` is when it is in reach again."""

    def __init__(
        self, name: str, root: Path, rng: Random, around: Surroundings, quota: int
    ) -> None:
        super().__init__(name, root, rng, around, quota)
        self.rate_bytes_s = 16_000.0
        self.is_connected = False
        self.out_until_s = 0.0
        self._connection = 0
        self._is_sending = False
        self._timer = 0
        self._short_waits = 0

    def connect(self) -> None:
        """The link is up."""
        is_out = self.around.schedule.now_s < self.out_until_s
        if self.life is None or self.is_connected or is_out:
            return
        if not self.around.broker.is_up:
            return
        self.is_connected = True
        self._connection += 1
        self._is_sending = False
        self.around.broker.listeners[self.name] = self.receive
        self.note("link-up")
        self.life.delivery.connected(self.around.schedule.now_s)
        self.pump()

    def disconnect(self) -> None:
        """The link is down."""
        if not self.is_connected:
            return
        self.is_connected = False
        self.around.broker.listeners.pop(self.name, None)
        self.note("link-down")
        if self.life is not None:
            self.life.delivery.disconnected()

    def pump(self) -> None:
        """Publish the next message; the one after it when this one is acknowledged."""
        if self.life is None or not self.is_connected or self._is_sending:
            return
        with self.powered():
            now_s = self.around.schedule.now_s
            message = self.life.delivery.next_message(now_s)
            if message is not None:
                self._send(message)
                return
            wait_s = self.life.delivery.wait_s(now_s)
            if wait_s is not None:
                self._timer += 1
                self._watch_wait(wait_s)
                self._later(wait_s, self.pump, self._timer)

    def _watch_wait(self, wait_s: float) -> None:
        """A link that is told to wait for nothing again and again spins."""
        self._short_waits = self._short_waits + 1 if wait_s < 1e-3 else 0
        if self._short_waits > 3:
            self.around.oracle.violate("spin", f"{self.name} waits {wait_s} s")

    def _later(self, delay_s: float, act: Callable[[], None], timer: int) -> None:
        def if_still_wanted() -> None:
            if timer == self._timer:
                act()

        self.around.schedule.after(delay_s, if_still_wanted)

    def _send(self, message: Message) -> None:
        life, connection = self.life, self._connection
        assert life is not None
        self._is_sending = True
        for sealed, sequence in zip(
            split_sequence(message.payload), message.sequences, strict=True
        ):
            assert isinstance(sealed, bytes)
            epoch = life.outbox.epoch
            self.around.oracle.fixed(self.name, epoch, sequence, digest(sealed))
        self.note("publish", message.lane, message.sequences)
        publication = Publication(topic(self.name, message.lane), message.payload)

        def acknowledged() -> None:
            is_same = self.is_connected and connection == self._connection
            # A message under way when the connection breaks may arrive or not.
            if is_same or self.rng.random() < 0.5:
                self.around.broker.take_up(publication)
            if is_same:
                self._is_sending = False
                life.delivery.published(message, delay_s)
                self.pump()

        delay_s = 0.05 + len(message.payload) / self.rate_bytes_s
        self.around.schedule.after(delay_s, acknowledged)

    def receive(self, message: Publication) -> None:
        """Take what arrives, as :class:`gateway.link.Link` does."""
        try:
            lane = parse_topic(message.topic).lane
            items = list(split_sequence(message.payload))
        except MalformedError:
            return
        for item in items:
            if self.life is None or not isinstance(item, bytes):
                continue
            with self.powered():
                if lane is Lane.RECEIPT:
                    self._take_receipt(self.life, item)
                elif lane is Lane.COMMAND:
                    self._take_command(self.life, item)
        self.pump()

    def _take_receipt(self, life: Life, sealed: bytes) -> None:
        keys = self.around.cloud_keys.keys
        receipt = open_receipt(sealed, keys, self.name)
        if isinstance(receipt, ReceiptRefusal):
            self.note("receipt-refused", receipt)
            return
        epoch, before = life.outbox.epoch, life.outbox.watermark
        result = life.delivery.take_receipt(receipt, self.around.schedule.now_s)
        self.note("receipt", result, life.outbox.watermark)
        after = life.outbox.watermark
        self.around.oracle.released(
            self.name, epoch, before + 1, after, self.around.held
        )
        if result is ReceiptResult.MISMATCH:
            self._begin_new_epoch(life)
        else:
            self._take_time(life, receipt)

    def _take_time(self, life: Life, receipt: Receipt) -> None:
        boot_ns = life.clock.boot_ns()
        change = life.timekeeper.take_receipt(receipt.at_ns, boot_ns)
        if change is not None:
            self.state(change)
            self.commit()

    def _begin_new_epoch(self, life: Life) -> None:
        self.note("new-epoch")
        self.commit_once(life)
        life.outbox.new_epoch()
        self.state(BIRTH)
        self.state(event_of(EventKind.STORAGE_FAULT, "a fork"), is_alarm=True)
        self.commit()

    def _take_command(self, life: Life, sealed: bytes) -> None:
        utc_ns = life.timekeeper.utc_ns(life.clock.boot_ns())
        found = life.orders.take(sealed, utc_ns)
        self.note("command", type(found).__name__)
        if not isinstance(found, Taken):
            return
        counter, body = found.command.header.counter, found.command.body
        life.orders.keep(found)
        life.outbox.remember_command(counter)
        if isinstance(body, Resend):
            life.delivery.resend(body.from_sequence, body.to_sequence)
        self.state(event_of(EventKind.COMMAND_DONE, "resent", counter), is_alarm=True)
        self.commit()

    def take_date(self, utc_ns: int) -> None:
        """Take a receiver's date, right or wrong by years."""
        if self.life is None:
            return
        change = self.life.timekeeper.take_gps(utc_ns, self.life.clock.boot_ns())
        if change is not None:
            self.note("clock-step", change.utc_minus_boot_ns)
            self.state(change)

    @property
    def backlog(self) -> int:
        """How many committed records are not receipted."""
        return 1 if self.life is None else self.life.outbox.pending_receipt
