"""What to send next, and what a receipt means; no I/O, the caller has the clock.

Lanes, in strict order:

1. alarm: every alarm that is not receipted, oldest first.
2. live: the newest records that a live page shows, while older ones still wait;
   at most one message each ``live_interval_s``. They come again in their turn.
3. bulk: all other records, oldest first, up to 60 records or 64 KiB a message.

A message is in flight until receipts cover its records; after a time-out what is
left of it is sent again. The time-out is drawn from T to 2T, where T doubles from
5 s to 150 s, and starts anew when any receipt shows that the cloud listens. At most
``window`` messages of a lane are in flight. While the window is full records gather,
and the next message is larger: throughput does not depend on how often the gateway
commits, only on window x 60 records for each receipt.

Only a receipt of this epoch whose digest is that of the own chain lets the outbox
let go of records. The ranges above it only spare sending again what is held.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

from gateway.outbox import Outbox, Priority, StoredRecord
from schemas.envelope import MAX_MESSAGE_BYTES, open_envelope
from schemas.errors import MalformedError
from schemas.receipts import Receipt
from schemas.topics import Lane
from schemas.wire import read_payload

MAX_RECORDS: Final = 60
MAX_RESENDS: Final = 16
MAX_HELD: Final = 256
LIVE_KINDS: Final = frozenset({"report", "position", "heartbeat"})
LIVE_DEPTH: Final = 64


@dataclass(frozen=True, slots=True)
class DeliveryTimes:
    """How delivery is paced; real time."""

    live_interval_s: float = 5.0
    first_timeout_s: float = 5.0
    longest_timeout_s: float = 150.0
    window: int = 8


class Message(NamedTuple):
    """One message to publish: a CBOR sequence of sealed records."""

    lane: Lane
    sequences: tuple[int, ...]
    payload: bytes


class ReceiptResult(StrEnum):
    """What a receipt did."""

    ADVANCED = "advanced"  # the outbox let go of records
    NOTED = "noted"  # no new watermark; the ranges are taken
    STALE = "stale"  # older than one taken before
    FOREIGN = "foreign"  # of another epoch
    MISMATCH = "mismatch"  # not our chain: nothing is let go of any more


@dataclass(slots=True)
class _Flight:
    lane: Lane
    sequences: set[int]
    attempt: int
    due_s: float


@dataclass(slots=True)
class _Progress:
    """What is known of one epoch's delivery."""

    epoch: bytes
    cursor: int = 0
    held: tuple[tuple[int, int], ...] = ()
    resends: list[tuple[int, int]] = field(default_factory=list)
    flights: list[_Flight] = field(default_factory=list)
    is_mismatched: bool = False

    def end_of_held(self, sequence: int) -> int | None:
        """Return the end of the held range that ``sequence`` is in."""
        at = bisect_right(self.held, (sequence, 2**64)) - 1
        if at >= 0 and self.held[at][0] <= sequence <= self.held[at][1]:
            return self.held[at][1]
        return None


class Delivery:
    """Chooses what to send; one per outbox."""

    def __init__(
        self,
        outbox: Outbox,
        gateway: str,
        rng: Random,
        times: DeliveryTimes = DeliveryTimes(),
    ) -> None:
        self.gateway = gateway
        self.is_connected = False
        self.is_paused = False
        self.resent_total = 0
        self._outbox = outbox
        self._rng = rng
        self._times = times
        self._progress = _Progress(outbox.epoch)
        self._last_live_s: float | None = None
        self._last_live_head = -1

    # Connection and silence

    def connected(self, now_s: float) -> None:
        """Begin anew: what was under way when the connection broke may be lost."""
        self.is_connected = True
        self._last_live_s = None
        self._rewind()

    def disconnected(self) -> None:
        """Send nothing until :meth:`connected`."""
        self.is_connected = False
        self._rewind()

    def _rewind(self) -> None:
        self._progress.flights.clear()
        self._progress.held = ()
        self._progress.cursor = 0

    def pause(self) -> None:
        """Radio silence: send nothing until :meth:`resume`."""
        self.is_paused = True

    def resume(self) -> None:
        """End radio silence."""
        self.is_paused = False

    # Receipts

    @property
    def backlog(self) -> int:
        """How many committed records the cloud is not known to hold."""
        above = self._outbox.watermark
        held = sum(
            high - max(low, above + 1) + 1
            for low, high in self._current().held
            if high > above
        )
        return max(self._outbox.pending_receipt - held, 0)

    def _current(self) -> _Progress:
        if self._progress.epoch != self._outbox.epoch:
            self._progress = _Progress(self._outbox.epoch)
        return self._progress

    def take_receipt(self, receipt: Receipt, now_s: float) -> ReceiptResult:
        """Take a receipt whose signature has been checked."""
        progress = self._current()
        if receipt.epoch != progress.epoch:
            return ReceiptResult.FOREIGN
        result = self._compare(receipt)
        if result is ReceiptResult.MISMATCH:
            progress.is_mismatched = True
            return result
        if result is ReceiptResult.STALE:
            # A ledger that lost its start still must not be sent the rest for ever.
            progress.held = _merged(progress.held + receipt.ranges)
        else:
            progress.held = _merged(receipt.ranges)
        if result is ReceiptResult.ADVANCED and receipt.contiguous is not None:
            self._outbox.release(receipt.contiguous)
        self._land(now_s)
        return result

    def _compare(self, receipt: Receipt) -> ReceiptResult:
        watermark = self._outbox.watermark
        contiguous = -1 if receipt.contiguous is None else receipt.contiguous
        # Held above our head: the end of our chain was lost, and is being written anew.
        highest = max((high for _, high in receipt.ranges), default=-1)
        if self._progress.is_mismatched or highest > self._outbox.head_sequence:
            return ReceiptResult.MISMATCH
        if contiguous < watermark:
            return ReceiptResult.STALE
        if contiguous >= 0 and self._outbox.digest_at(contiguous) != receipt.digest:
            return ReceiptResult.MISMATCH
        if contiguous == watermark:
            return ReceiptResult.NOTED
        return ReceiptResult.ADVANCED

    def _land(self, now_s: float) -> None:
        """End the flights that are covered; the others need not wait for long."""
        soon_s = now_s + self._timeout_s(0)
        for flight in self._progress.flights:
            flight.sequences = set(self._wanted(flight.sequences))
            if flight.attempt:
                flight.attempt, flight.due_s = 0, min(flight.due_s, soon_s)
        self._progress.flights = [
            one for one in self._progress.flights if one.sequences
        ]

    def _wanted(self, sequences: Iterable[int]) -> Iterator[int]:
        watermark = self._outbox.watermark
        for sequence in sequences:
            if sequence > watermark and self._progress.end_of_held(sequence) is None:
                yield sequence

    def resend(self, from_sequence: int, to_sequence: int) -> bool:
        """Send a range again, ends included, as far as it is still here.

        False if there is no such range, or if too many are asked for already.
        """
        progress = self._current()
        if from_sequence > to_sequence or len(progress.resends) >= MAX_RESENDS:
            return False
        progress.resends.append((from_sequence, to_sequence))
        return True

    # What is next

    def next_message(self, now_s: float) -> Message | None:
        """Return the next message to publish, or None if it is time to wait."""
        self._current()
        if not self.is_connected or self.is_paused:
            return None
        return (
            self._overdue(Lane.ALARM, now_s)
            or self._alarm(now_s)
            or self._live(now_s)
            or self._again()
            or self._overdue(Lane.BULK, now_s)
            or self._bulk(now_s)
        )

    def wait_s(self, now_s: float) -> float | None:
        """Return in how many seconds there may be something, None: not by itself."""
        if not self.is_connected or self.is_paused:
            return None
        due = [flight.due_s for flight in self._current().flights]
        if due and self._last_live_s is not None:
            due.append(self._last_live_s + self._times.live_interval_s)
        return max(min(due) - now_s, 0.0) if due else None

    def _timeout_s(self, attempt: int) -> float:
        base_s = self._times.first_timeout_s * float(2 ** min(attempt, 16))
        base_s = min(base_s, self._times.longest_timeout_s)
        return base_s + self._rng.uniform(0, base_s)

    def _fly(self, lane: Lane, records: list[StoredRecord], now_s: float) -> Message:
        message = _message(lane, records)
        due_s = now_s + self._timeout_s(0)
        flight = _Flight(lane, set(message.sequences), 0, due_s)
        self._progress.flights.append(flight)
        return message

    def _overdue(self, lane: Lane, now_s: float) -> Message | None:
        """Send the rest of a message again whose receipt does not come."""
        for flight in self._progress.flights.copy():
            if flight.lane is not lane or flight.due_s > now_s:
                continue
            records = self._pick(sorted(self._wanted(flight.sequences)))
            flight.sequences = {record.sequence for record in records}
            if not records:
                self._progress.flights.remove(flight)
                continue
            flight.attempt += 1
            flight.due_s = now_s + self._timeout_s(flight.attempt)
            self.resent_total += len(records)
            return _message(lane, records)
        return None

    def _pick(self, sequences: list[int]) -> list[StoredRecord]:
        """Read these records, as many as one message takes."""
        found: list[StoredRecord] = []
        size = 0
        for sequence in sequences[:MAX_RECORDS]:
            for record in self._outbox.read(sequence, limit_records=1):
                size += len(record.sealed)
                if record.sequence == sequence and size <= MAX_MESSAGE_BYTES:
                    found.append(record)
        return found

    def _flying(self, lane: Lane) -> list[_Flight]:
        return [one for one in self._progress.flights if one.lane is lane]

    def _alarm(self, now_s: float) -> Message | None:
        flying = self._flying(Lane.ALARM)
        if len(flying) >= self._times.window:
            return None
        sent = set().union(*(flight.sequences for flight in flying))
        pending = (one for one in self._outbox.alarms_pending() if one not in sent)
        records = self._pick(list(self._wanted(pending)))
        return self._fly(Lane.ALARM, records, now_s) if records else None

    def _live(self, now_s: float) -> Message | None:
        """Send the newest while others wait before them; no receipt is waited for."""
        head = self._outbox.head_sequence
        last_s = self._last_live_s
        if last_s is not None and now_s - last_s < self._times.live_interval_s:
            return None
        if head == self._last_live_head or not self._is_behind(head):
            return None
        self._last_live_s, self._last_live_head = now_s, head
        newest: dict[str, StoredRecord] = {}
        for record in self._outbox.latest(LIVE_DEPTH):
            kind = _kind(record.sealed)
            if kind in LIVE_KINDS:
                newest.setdefault(kind, record)
        return _message(Lane.LIVE, sorted(newest.values())) if newest else None

    def _is_behind(self, head: int) -> bool:
        waiting = head - max(self._progress.cursor - 1, self._outbox.watermark)
        is_full = len(self._flying(Lane.BULK)) >= self._times.window
        return waiting > MAX_RECORDS or (is_full and waiting > 0)

    def _again(self) -> Message | None:
        """Serve the resend commands; what they ask for is not waited for."""
        while self._progress.resends:
            first, last = self._progress.resends[0]
            records = [one for one in self._outbox.read(first) if one.sequence <= last]
            if records and records[-1].sequence < last:
                self._progress.resends[0] = (records[-1].sequence + 1, last)
            else:
                del self._progress.resends[0]
            if records:
                self.resent_total += len(records)
                return _message(Lane.BULK, records)
        return None

    def _bulk(self, now_s: float) -> Message | None:
        if len(self._flying(Lane.BULK)) >= self._times.window:
            return None
        progress = self._progress
        progress.cursor = max(progress.cursor, self._outbox.watermark + 1)
        while progress.cursor <= self._outbox.head_sequence:
            records = self._outbox.read(self._behind_held(progress.cursor))
            if not records:
                break
            progress.cursor = records[-1].sequence + 1
            wanted = set(self._wanted(record.sequence for record in records))
            chosen = [
                record
                for record in records
                if record.sequence in wanted and record.priority is Priority.BULK
            ]
            if chosen:
                return self._fly(Lane.BULK, chosen, now_s)
        return None

    def _behind_held(self, sequence: int) -> int:
        end = self._progress.end_of_held(sequence)
        return sequence if end is None else end + 1


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the ranges in order, those that touch as one."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        elif low <= high:
            merged.append((low, high))
    return tuple(merged[:MAX_HELD])


def _message(lane: Lane, records: list[StoredRecord]) -> Message:
    sequences = tuple(record.sequence for record in records)
    return Message(lane, sequences, b"".join(record.sealed for record in records))


def _kind(sealed: bytes) -> str:
    try:
        return str(read_payload(open_envelope(sealed).payload).get("kind"))
    except MalformedError:
        return ""
