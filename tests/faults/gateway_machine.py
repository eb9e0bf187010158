"""One gateway without its link: the real sealer, outbox, orders and clock, and a
machine that dies.

The records around a commit are those of :class:`gateway.agent.Agent`, without a loop.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gateway.delivery import Delivery
from gateway.errors import ConfigError
from gateway.live import LIVE_KINDS
from gateway.orders import Orders
from gateway.outbox import Outbox, OutboxLimits
from gateway.sealing import KEPT_KINDS, Sealer
from gateway.timekeeping import Timekeeper
from gateway.watermark import Watermark
from schemas.events import Event, EventKind, Severity
from schemas.keys import Ed25519Signer, KeyRegistry, OwnerKind, PublicKey
from schemas.records import KINDS, Birth, Body
from tests.builders import START_NS
from tests.faults.disk import PowerCut, SimDisk
from tests.faults.oracle import HeldDigests, Oracle, Promised
from tests.faults.schedule import Schedule
from tests.faults.wire import Broker

FLOOR_NS = START_NS - 10**18
SEGMENT_BYTES = 18 * 1024
BIRTH = Birth("dosetrail", bytes(32), "overpack", bytes(32), ())


class NodeClock:
    """Boot time of the simulation; the wall clock starts in 1970 and is not asked."""

    exercise = True

    def __init__(self, schedule: Schedule, rng: Random) -> None:
        self._schedule = schedule
        self._booted_s = schedule.now_s
        self._boot_id = rng.randbytes(16)

    def boot_id(self) -> bytes:
        return self._boot_id

    def boot_ns(self) -> int:
        return round((self._schedule.now_s - self._booted_s) * 1e9)

    def system_utc_ns(self) -> int:
        return self.boot_ns()


@dataclass
class Surroundings:
    """What a gateway stands in."""

    schedule: Schedule
    broker: Broker
    oracle: Oracle
    cloud_keys: KeyRegistry
    held: HeldDigests


class Life:
    """The parts of one boot; gone with the power."""

    def __init__(self, node: "GatewayMachine", outbox: Outbox) -> None:
        clock = NodeClock(node.around.schedule, node.rng)
        self.outbox = outbox
        self.clock = clock
        self.timekeeper = Timekeeper(FLOOR_NS)
        self.sealer = Sealer(node.name, outbox, node.signer, clock, self.timekeeper)
        self.delivery = Delivery(outbox, node.name, Random(node.rng.getrandbits(64)))
        keys = node.around.cloud_keys
        self.orders = Orders(node.root, node.name, keys, bytes(32))
        self.orders.refuse_up_to(outbox.command_counter)
        self.added: list[tuple[int, Promised]] = []
        self.faults_stated = 0
        self.live_sequence = -1


class GatewayMachine:
    """A gateway that can be cut, killed, wiped and set back; its link is a subclass."""

    def __init__(
        self, name: str, root: Path, rng: Random, around: Surroundings, quota: int
    ) -> None:
        self.name = name
        self.rng = rng
        self.around = around
        self.root = root
        self.folder = root / "outbox"
        self.limits = OutboxLimits(
            max_bytes=quota * SEGMENT_BYTES,
            reserve_bytes=SEGMENT_BYTES,
            memory_bytes=8 * SEGMENT_BYTES,
            segment_bytes=SEGMENT_BYTES,
        )
        root.mkdir()
        self.signer = Ed25519Signer(rng.randbytes(32))
        kind = OwnerKind.GATEWAY
        signer = self.signer
        self.key = PublicKey(name, kind, signer.algorithm, signer.public_key)
        self.power = SimDisk(root / "trash", rng)
        self.life: Life | None = None
        self._saved_head = -1
        self._saved_epoch = b""
        self._kept_mark: Watermark | None = None

    def _draw_epoch(self) -> bytes:
        return self.rng.randbytes(8)

    def note(self, what: str, *details: object) -> None:
        now_s = self.around.schedule.now_s
        self.around.oracle.note(now_s, what, self.name, *details)

    # What the link does

    def pump(self) -> None:
        """Look for something to publish."""

    def disconnect(self) -> None:
        """The link is down."""

    # Life and death

    @contextmanager
    def powered(self) -> Iterator[None]:
        """The power may go, or a bug may show, at any point of what is done here."""
        try:
            yield
        except PowerCut:
            self.fall(is_cut=True)
        except Exception as error:
            self._report(error)
            self.fall(is_cut=False)

    def _report(self, error: Exception) -> None:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = "?"
        if trace is not None:
            code = trace.tb_frame.f_code
            place = f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}"
        text = f"{self.name}: {type(error).__name__} {error} at {place}"
        self.around.oracle.violate("exception", text)

    def boot(self) -> None:
        """Start, if dead; a power cut may come while the outbox recovers."""
        if self.life is not None:
            return
        with self.powered():
            try:
                outbox = self._open()
            except ConfigError:
                if not self.power.refusals_eio:
                    raise
                self.note("start-refused")
                self.around.schedule.after(60, self.boot)
                return
            self._compare_mark(outbox)
            self.life = Life(self, outbox)
            self.note("boot", outbox.epoch, outbox.head_sequence, outbox.watermark)
            self.state(BIRTH)
            self.life.sealer.state_gaps()
            self._take_added()
            self.commit()

    def _compare_mark(self, outbox: Outbox) -> None:
        """What was saved before the last end is there at the next start."""
        before, self._kept_mark = self._kept_mark, None
        if before is None or before.epoch != outbox.epoch:
            return
        if (outbox.watermark, outbox.command_counter) < (
            before.sequence,
            before.command_counter,
        ):
            text = f"{self.name}: watermark {outbox.watermark}, was {before.sequence}"
            self.around.oracle.violate("forgotten", text)

    def _open(self) -> Outbox:
        disk = self.power.disk()
        return Outbox.open(self.folder, self.limits, self._draw_epoch, self.key, disk)

    def fall(self, *, is_cut: bool) -> None:
        """The process is gone; with ``is_cut`` what the disk had not synced too."""
        self.note("power-cut" if is_cut else "kill")
        self.disconnect()
        if self.life is not None:
            self._let_go(self.life)
            self.life = None
        if is_cut:
            self.power.cut()
        self.power.cut_after = None
        self.around.schedule.after(self.rng.uniform(5, 300), self.boot)

    def _let_go(self, life: Life) -> None:
        outbox = life.outbox
        saved = self._kept_mark = outbox._marks.saved
        volatile = [one for one in _volatile(outbox) if one > saved.sequence]
        if volatile:
            self.note("volatile-lost")
        unnoted = [one for one in volatile if one > saved.reserved]
        if unnoted:
            # A disk that does not take even their sequences lets a fork happen.
            self.note("volatile-unnoted")
            self.around.oracle.forked(self.name, outbox.epoch, min(unnoted))
        # Not close(): that would settle what a power cut must lose.
        outbox._lanes.forget()
        os.close(outbox._lock_file)

    # The card

    def save_card(self) -> None:
        """Make an image of the card, all of it synced, without volatile records."""
        if self.life is None or self.life.outbox.is_volatile or self.life.added:
            return
        image = self.root / "image"
        shutil.rmtree(image, ignore_errors=True)
        shutil.copytree(self.folder, image)
        self._saved_head = self.life.outbox.head_sequence
        self._saved_epoch = self.life.outbox.epoch
        self.note("card-saved", self._saved_head)

    def change_card(self, *, is_restored: bool) -> None:
        """Put an empty card in, or the image that was saved."""
        image = self.root / "image"
        oracle = self.around.oracle
        if is_restored and not (
            image.exists() and self._saved_epoch in oracle.store(self.name).promised
        ):
            return
        if self.life is not None:
            self.fall(is_cut=False)
        self._kept_mark = None
        self.power.forget()
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.root / "orders.json").unlink(missing_ok=True)
        if is_restored:
            shutil.copytree(image, self.folder)
            oracle.restored(self.name, self._saved_epoch, self._saved_head + 1)
        else:
            oracle.wiped(self.name)
        self.note("card-restored" if is_restored else "card-wiped")

    # Records

    def state(self, body: Body, *, is_alarm: bool = False) -> None:
        """State a body; durable with the next commit."""
        if self.life is None:
            return
        self.life.sealer.state(body, is_alarm=is_alarm)
        self._take_added(is_alarm or KINDS[type(body)] in KEPT_KINDS)
        if KINDS[type(body)] in LIVE_KINDS:
            self.life.live_sequence = self.life.outbox.next_sequence - 1

    def _take_added(self, is_alarm: bool = True) -> None:
        """Tell the oracle what was sealed since the last call."""
        life = self.life
        if life is None:
            return
        known = {sequence for sequence, _ in life.added}
        for _, (sequence, sealed, found) in life.outbox._pending:
            if sequence not in known:
                life.added.append((sequence, Promised(found, is_alarm)))
                epoch = life.outbox.epoch
                self.around.oracle.sealed(self.name, epoch, sequence, sealed)
                self.note("sealed", sequence, found)

    def commit(self) -> None:
        """Make durable what was stated, as the agent does."""
        life = self.life
        if life is None:
            return
        with self.powered():
            self.commit_once(life)
            if life.outbox.storage_faults != life.faults_stated:
                life.faults_stated = life.outbox.storage_faults
                self.state(event_of(EventKind.STORAGE_FAULT, "the disk"), is_alarm=True)
            if life.sealer.state_gaps():
                self._take_added()
            if life.added:
                self.commit_once(life)
            self._watch_bounds(life)
        self.pump()

    def commit_once(self, life: Life) -> None:
        epoch = life.outbox.epoch
        self._watch_pressure(life.outbox)
        life.outbox.commit()
        self._watch_pressure(life.outbox)
        volatile = set(_volatile(life.outbox))
        for sequence, promised in life.added:
            if life.outbox.digest_at(sequence) != promised.digest:
                text = f"{self.name}: {sequence} is not there after its commit"
                self.around.oracle.violate("forgotten", text)
            if sequence not in volatile:
                self.around.oracle.promise(self.name, epoch, sequence, promised)
        life.added.clear()
        self.note("commit", life.outbox.head_sequence, len(volatile))

    def _watch_pressure(self, outbox: Outbox) -> None:
        room = self.limits.max_bytes - outbox.size_bytes
        is_tight = self.power.free_bytes < 4 * SEGMENT_BYTES
        if room < 2 * SEGMENT_BYTES or is_tight or outbox.is_volatile:
            self.around.oracle.store(self.name).is_pressed = True

    def _watch_bounds(self, life: Life) -> None:
        progress = life.delivery._progress
        most = self.limits.max_bytes + 4 * SEGMENT_BYTES
        if life.outbox.size_bytes > most:
            self.around.oracle.violate("bounds", f"{life.outbox.size_bytes} bytes")
        if len(progress.flights) > 16 or len(progress.held) > 256:
            self.around.oracle.violate("bounds", "delivery keeps too much")


def _volatile(outbox: Outbox) -> list[int]:
    return [
        sequence
        for lane in outbox._lanes._segments.values()
        for segment in lane
        if segment.is_volatile
        for sequence in segment.index.sequences
    ]


def event_of(what: EventKind, text: str, counter: int | None = None) -> Event:
    return Event(what, Severity.ALARM, 0, text, counter=counter)
