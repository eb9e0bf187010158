"""The running gateway: lines, records, commits and the link, as supervised tasks.

Acquisition never waits for network, disk or cloud: readings become statements in
the event loop, commits run in a thread, the link takes what is committed. Rules:

- A duty that fails by a bug is started again and stops no other; a
  :class:`~gateway.errors.GatewayError` ends the program with its message. What was
  stated is committed in any case.
- A stop closes the lines first, then the interval, and delivers what is left.
- Only if the disk has not taken :data:`MAX_PENDING_BYTES` of statements do the lines
  wait; what their buffers lose then is counted by the boards' sequence numbers.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gateway.coalescing import FaultLimiter
from gateway.command_desk import CommandDesk, CommandParts, assigned
from gateway.delivery import ReceiptResult
from gateway.duties import Duty, running, until
from gateway.expiry import expired
from gateway.link import Link
from gateway.orders import Orders
from gateway.outbox import Outbox
from gateway.ports import Clock, LineLost, LineOpened, LineSource, NtpTime
from gateway.sealing import Sealer
from gateway.sensors import Decoder
from gateway.station import Statement, Station
from gateway.timekeeping import Timekeeper
from schemas.envelope import ZERO_DIGEST
from schemas.errors import MalformedError
from schemas.events import Event, EventKind, Severity
from schemas.readings import Noise, Reading
from schemas.receipts import Receipt
from schemas.records import (
    Birth,
    Body,
    Fingerprint,
    FingerprintStep,
    Heartbeat,
)

# Real seconds: how often time is looked at where no reading comes, how long bulk
# records wait for company, and how long silence waits for its announcement.
TICK_S: Final = 0.2
GROUP_S: Final = 0.02
ANNOUNCE_S: Final = 1.0
COMMIT_HANGS_S: Final = 30.0
HEARTBEATS_KEPT: Final = 256
EXPIRE_EVERY_S: Final = 3600.0
NEVER_NS: Final = 2**63
MAX_PENDING_BYTES: Final = 4 * 1024 * 1024

_FORK: Final = "the ledger holds another chain under this name: a new epoch begins"

_SILENCE: Final = (EventKind.RADIO_SILENCE_BEGINS, EventKind.RADIO_SILENCE_ENDS)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """One serial line: its name, the port it comes in by, and its decoder."""

    name: str
    port: LineSource
    new_decoder: Callable[[], Decoder]


def _no_ntp() -> NtpTime | None:
    return None


async def _watch_nothing(_is_fresh: Callable[[], bool]) -> None:
    """Without a service manager nobody wants to know."""
    await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Parts:
    """What an agent is composed of; ``duties`` run beside its own.

    ``watch`` is a duty too, given whether data are fresh (:meth:`Agent.is_fresh`).
    """

    clock: Clock
    timekeeper: Timekeeper
    station: Station
    outbox: Outbox
    sealer: Sealer
    orders: Orders
    lines: tuple[Line, ...]
    birth: Birth
    heartbeat_interval_ns: int
    duties: tuple[Duty, ...] = ()
    max_age_ns: int = NEVER_NS
    watch: Callable[[Callable[[], bool]], Awaitable[None]] = _watch_nothing
    read_ntp: Callable[[], NtpTime | None] = _no_ntp


class Agent:
    """Runs one gateway until it is told to stop."""

    def __init__(self, parts: Parts, make_link: Callable[["Agent"], Link]) -> None:
        self._parts = parts
        self._dirty = asyncio.Event()
        self._urgent = asyncio.Event()
        self._committed = asyncio.Event()
        self._heartbeat_boot_ns = 0
        self._sealed: deque[tuple[int, int]] = deque(maxlen=HEARTBEATS_KEPT)
        self._faults = FaultLimiter()
        self._commit_began_s: float | None = None
        self._is_committed = False
        self._link = make_link(self)
        command_parts = CommandParts(
            parts.clock, parts.timekeeper, parts.station, parts.outbox, parts.orders
        )
        self._desk = CommandDesk(command_parts, self._state, self._link.resend)
        orders = parts.orders
        parts.station.follow(
            orders.assignment(), is_loaded=orders.is_loaded, loaded=orders.loaded
        )

    async def run(self, stop: asyncio.Event, drain_s: float) -> None:
        """Run until ``stop``; then close the interval and deliver what is left.

        Raises:
            GatewayError: a duty cannot go on; what was stated is committed.
        """
        try:
            self._state(self._parts.birth)
            self._parts.sealer.state_gaps()
            async with running([self._commit_often, self._link.run]) as outward:
                lines = [self._listener(line) for line in self._parts.lines]
                beside = self._parts.duties
                async with running(
                    [*lines, self._tick, self._watch, self._expire, *beside]
                ) as inward:
                    await until(stop, [*inward, *outward])
                await self._finish(drain_s)
        finally:
            self._parts.outbox.commit()
            self._parts.outbox.close()

    async def _expire(self) -> None:
        while True:
            parts = self._parts
            test = expired(parts.clock, parts.timekeeper, parts.max_age_ns)
            await asyncio.to_thread(parts.outbox.expire, test)
            if parts.sealer.state_gaps():
                self._dirty.set()
            await asyncio.sleep(EXPIRE_EVERY_S)

    async def _watch(self) -> None:
        await self._parts.watch(self.is_fresh)

    def is_fresh(self) -> bool:
        """Say whether records are made and become durable, as they should.

        The last heartbeat is stated and no commit hangs. A line that is silent or a
        disk that refuses are stated in records; a restart would mend neither.
        """
        age_ns = self._parts.clock.boot_ns() - self._heartbeat_boot_ns
        if not self._is_committed or age_ns > 3 * self._parts.heartbeat_interval_ns:
            return False
        began_s = self._commit_began_s
        return began_s is None or time.monotonic() - began_s < COMMIT_HANGS_S

    async def _finish(self, drain_s: float) -> None:
        boot_ns = self._parts.clock.boot_ns()
        self._state_all(self._parts.station.finish(boot_ns))
        self._heartbeat(boot_ns)
        await self._commit()
        if not await self._link.drain(drain_s):
            _log.warning("event=stopped undelivered=%d", self._link.backlog)

    # -- lines -------------------------------------------------------------------

    def _listener(self, line: Line) -> Duty:
        return lambda: self._listen(line)

    async def _listen(self, line: Line) -> None:
        decoder = line.new_decoder()
        async with contextlib.aclosing(line.port.chunks()) as chunks:
            async for chunk in chunks:
                boot_ns = self._parts.clock.boot_ns()
                match chunk:
                    case bytes():
                        self._take(line.name, decoder.feed(chunk), boot_ns)
                    case LineOpened(device=device):
                        decoder = line.new_decoder()
                        text = f"opened {device}"
                        self._line_changed(line.name, boot_ns, text, is_open=True)
                    case LineLost(text=text):
                        self._line_changed(line.name, boot_ns, text, is_open=False)
                await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        while self._parts.outbox.pending_bytes > MAX_PENDING_BYTES:
            self._committed.clear()
            await self._committed.wait()

    def _take(self, name: str, items: list[Reading | Noise], boot_ns: int) -> None:
        for item in items:
            self._state_all(self._parts.station.take(name, item, boot_ns))
        self._heartbeat_if_due(boot_ns)

    def _line_changed(
        self, name: str, boot_ns: int, text: str, *, is_open: bool
    ) -> None:
        _log.info("event=line line=%s open=%s text=%r", name, is_open, text)
        statements = self._parts.station.line_changed(
            name, boot_ns, is_open=is_open, text=text
        )
        self._state_all(statements)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            boot_ns = self._parts.clock.boot_ns()
            self._state_all(self._parts.station.advance(boot_ns))
            self._take_ntp(boot_ns)
            self._heartbeat_if_due(boot_ns)

    def _take_ntp(self, boot_ns: int) -> None:
        found = self._parts.read_ntp()
        if found is not None:
            change = self._parts.timekeeper.take_ntp(*found, boot_ns)
            if change is not None:
                self._state(change)

    # -- records -----------------------------------------------------------------

    def _state_all(self, statements: list[Statement]) -> None:
        for statement in statements:
            body = statement.body
            try:
                self._state_with_evidence(statement)
            except MalformedError as error:
                # One that has no form on the wire must not take the others with it.
                kind = type(body).__name__
                _log.error("event=not_stated body=%s reason=%s", kind, error)
            self._consequences(body)

    def _state_with_evidence(self, statement: Statement) -> None:
        body = statement.body
        # Silence is announced before a backlog, whatever its severity.
        is_silence = isinstance(body, Event) and body.what in _SILENCE
        sequence = self._state(body, is_alarm=statement.is_alarm or is_silence)
        if statement.shock is not None:
            for evidence in statement.shock.evidence(sequence):
                self._state(evidence)

    def _state(self, body: Body, *, is_alarm: bool = False) -> int:
        sequence = self._parts.sealer.state(body, is_alarm=is_alarm)
        self._dirty.set()
        if is_alarm:
            self._urgent.set()
        return sequence

    def _consequences(self, body: Body) -> None:
        match body:
            case Event(what=EventKind.RADIO_SILENCE_BEGINS):
                self._link.pause(after_s=ANNOUNCE_S)
            case Event(what=EventKind.RADIO_SILENCE_ENDS):
                self._link.resume()
            case Fingerprint(step=FingerprintStep.LOADED):
                self._parts.orders.keep_loaded(body)
            case _:
                pass

    def _heartbeat_if_due(self, boot_ns: int) -> None:
        if boot_ns - self._heartbeat_boot_ns >= self._parts.heartbeat_interval_ns:
            self._heartbeat(boot_ns)

    def _heartbeat(self, boot_ns: int) -> None:
        self._heartbeat_boot_ns = boot_ns
        outbox = self._parts.outbox
        head = outbox.next_sequence - 1
        self._sealed.append((head + 1, boot_ns))
        self._state(
            Heartbeat(
                head_sequence=max(0, head),
                head_digest=outbox.head_digest if head >= 0 else ZERO_DIGEST,
                oldest_sequence=outbox.oldest_sequence,
                outbox_bytes=outbox.size_bytes,
                free_bytes=self._free_bytes(),
            )
        )

    def _free_bytes(self) -> int:
        try:
            return self._parts.outbox.free_bytes()
        except OSError:
            return 0  # a disk that does not answer has no room

    async def _commit_often(self) -> None:
        while True:
            await self._dirty.wait()
            try:
                async with asyncio.timeout(GROUP_S):
                    await self._urgent.wait()
            except TimeoutError:
                pass
            await self._commit()

    async def _commit(self) -> None:
        self._dirty.clear()
        self._urgent.clear()
        # One that fails again and again began with the first.
        self._commit_began_s = self._commit_began_s or time.monotonic()
        try:
            await asyncio.to_thread(self._parts.outbox.commit)
        except Exception:
            self._dirty.set()
            raise
        self._commit_began_s, self._is_committed = None, True
        self._committed.set()
        self._state_storage_faults()
        if self._parts.sealer.state_gaps():
            self._dirty.set()
        self._link.wake()

    def _state_storage_faults(self) -> None:
        outbox = self._parts.outbox
        count, is_volatile = outbox.storage_faults, outbox.is_volatile
        if not self._faults.is_news(
            count, is_volatile=is_volatile, now_s=time.monotonic()
        ):
            return
        held = "records are held in memory only" if is_volatile else "none is lost"
        _log.warning("event=storage_fault count=%d volatile=%s", count, is_volatile)
        self._state(
            Event(
                what=EventKind.STORAGE_FAULT,
                severity=Severity.ALARM,
                from_boot_ns=self._parts.clock.boot_ns(),
                text=f"the disk failed {count} times; {held}",
                count=count,
            ),
            is_alarm=True,
        )

    # -- what the cloud says -----------------------------------------------------

    def take_command(self, sealed: bytes) -> None:
        """Carry out a command, or state why not."""
        self._desk.take(sealed)

    def take_receipt(self, receipt: Receipt, result: ReceiptResult) -> None:
        """Take a genuine receipt: its time, and whether the ledger has our chain."""
        if result is ReceiptResult.MISMATCH:
            self._begin_new_epoch()
            return
        boot_ns = self._parts.clock.boot_ns()
        covered_boot_ns = None
        if receipt.epoch == self._parts.outbox.epoch and receipt.contiguous is not None:
            covered_boot_ns = self._newest_covered_boot_ns(receipt.contiguous)
        change = self._parts.timekeeper.take_receipt(
            receipt.at_ns, boot_ns, covered_boot_ns
        )
        if change is not None:
            self._state(change)

    def _newest_covered_boot_ns(self, contiguous: int) -> int | None:
        """Return when the newest heartbeat that is covered was sealed, in this boot."""
        known = reversed(self._sealed)
        covered = (at for sequence, at in known if sequence <= contiguous)
        return next(covered, None)

    def _begin_new_epoch(self) -> None:
        """Start a new chain: the ledger holds another one under our name."""
        _log.error("event=new_epoch reason=%r", _FORK)
        self._parts.outbox.commit()
        self._parts.outbox.new_epoch()
        self._sealed.clear()
        self._state(self._parts.birth)
        self._state(
            Event(
                what=EventKind.STORAGE_FAULT,
                severity=Severity.ALARM,
                from_boot_ns=self._parts.clock.boot_ns(),
                text=_FORK,
            ),
            is_alarm=True,
        )
        assignment = self._parts.orders.assignment()
        if assignment is not None:
            self._state(assigned(assignment, self._parts.orders.assigned_by))
