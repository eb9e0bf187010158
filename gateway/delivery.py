"""What to send next, and what a receipt means; no I/O, the caller has the clock.

Lanes, in strict order:

1. alarm: every alarm that is not receipted, oldest first.
2. live: the newest records that a live page shows, while older ones still wait;
   at most one message each ``live_interval_s``, and the same again, a few times, each
   ``live_repeat_s`` until receipts cover it: the cloud may not have been there yet.
   These records come once more in their turn.
3. bulk: all other records, oldest first, up to 60 records or 64 KiB a message.

A message is in flight until receipts cover its records; after a time-out what is
left of it is sent again. The time-out is drawn from T to 2T, where T doubles from
5 s to 150 s, and starts anew when any receipt shows that the cloud listens. At most
``window`` messages of a lane are in flight. While the window is full records gather,
and the next message is larger: throughput does not depend on how often the gateway
commits, only on window x 60 records for each receipt.

A message is kept to what the link carries in a second or two (:mod:`gateway.pace`), so
that an alarm or a live value does not wait long for those before it.

Only a receipt of this epoch whose digest is that of the own chain lets the outbox
let go of records. The ranges above it only spare sending again what is held.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

from gateway.flights import Flight, Progress, merged
from gateway.live import newest_shown
from gateway.outbox import Outbox, Priority, StoredRecord
from gateway.pace import Pace
from schemas.receipts import Receipt
from schemas.topics import Lane

MAX_RECORDS: Final = 60
MAX_RESENDS: Final = 16
# What could not be read is tried again after this time; damage is told by tries.
READ_AGAIN_S: Final = 1.0
LIVE_DEPTH: Final = 64
# After so many messages without a receipt a live value waits for a newer one.
LIVE_TRIES: Final = 6


@dataclass(frozen=True, slots=True)
class DeliveryTimes:
    """How delivery is paced; real time."""

    live_interval_s: float = 5.0
    live_repeat_s: float = 2.0
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
        self._progress = Progress(outbox.epoch)
        self._last_live_s: float | None = None
        self._pace = Pace()
        self._read_again_s = -math.inf

    # Connection and silence

    def connected(self, now_s: float) -> None:
        """Begin anew: what was under way when the connection broke may be lost."""
        self.is_connected = True
        self._last_live_s = None
        self._read_again_s = -math.inf
        self._pace.restart()
        self._progress.rewind()

    def disconnected(self) -> None:
        """Send nothing until :meth:`connected`."""
        self.is_connected = False
        self._progress.rewind()

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

    def _current(self) -> Progress:
        if self._progress.epoch != self._outbox.epoch:
            self._progress = Progress(self._outbox.epoch)
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
            progress.held = merged(progress.held + receipt.ranges)
        else:
            progress.held = merged(receipt.ranges)
        if result is ReceiptResult.ADVANCED and receipt.contiguous is not None:
            self._outbox.release(receipt.contiguous)
        self._land(now_s)
        return result

    def _compare(self, receipt: Receipt) -> ReceiptResult:
        watermark = self._outbox.watermark
        contiguous = -1 if receipt.contiguous is None else receipt.contiguous
        # Held above our head: the end of our chain was lost, and is being written anew.
        highest = max((high for _, high in receipt.ranges), default=contiguous)
        if self._progress.is_mismatched or highest > self._outbox.head_sequence:
            return ReceiptResult.MISMATCH
        if contiguous < watermark:
            return ReceiptResult.STALE
        known = receipt.digest if contiguous < 0 else self._outbox.digest_at(contiguous)
        if known not in (None, receipt.digest):
            return ReceiptResult.MISMATCH
        if contiguous == watermark or known is None:
            # What was lost here may be held there: the next receipts go beyond it.
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

    def _wanted(self, sequences: Iterable[int]) -> list[int]:
        return list(self._progress.wanted(sequences, self._outbox.watermark))

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
        if not self.is_connected or self.is_paused or now_s < self._read_again_s:
            return None
        failed_reads = self._outbox.failed_reads
        message = self._choose(now_s)
        if message is None and self._outbox.failed_reads != failed_reads:
            self._read_again_s = now_s + READ_AGAIN_S
        return message

    def _choose(self, now_s: float) -> Message | None:
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
        if self._last_live_s is not None and self._is_live_wanted():
            due.append(self._last_live_s + self._live_pause_s())
        if now_s < self._read_again_s:
            due = [self._read_again_s]
        return max(min(due) - now_s, 0.0) if due else None

    def published(self, message: Message, took_s: float) -> None:
        """The broker has taken a message; how long that took sets the pace."""
        self._pace.took(len(message.payload), took_s)

    def _timeout_s(self, attempt: int) -> float:
        base_s = self._times.first_timeout_s * float(2 ** min(attempt, 16))
        base_s = min(base_s, self._times.longest_timeout_s)
        return base_s + self._rng.uniform(0, base_s)

    def _fly(self, lane: Lane, records: list[StoredRecord], now_s: float) -> Message:
        message = _message(lane, records)
        due_s = now_s + self._timeout_s(0)
        flight = Flight(lane, set(message.sequences), 0, due_s)
        self._progress.flights.append(flight)
        return message

    def _overdue(self, lane: Lane, now_s: float) -> Message | None:
        """Send the rest of a message again whose receipt does not come."""
        for flight in self._progress.flights.copy():
            if flight.lane is not lane or flight.due_s > now_s:
                continue
            records, left = self._pick(sorted(self._wanted(flight.sequences)))
            if left:
                # What did not fit, or could not be read now, flies on its own.
                due_s = now_s if records else now_s + READ_AGAIN_S
                rest = Flight(lane, set(left), flight.attempt, due_s)
                self._progress.flights.append(rest)
            flight.sequences = {record.sequence for record in records}
            if not records:
                self._progress.flights.remove(flight)
                continue
            flight.attempt += 1
            flight.due_s = now_s + self._timeout_s(flight.attempt)
            self.resent_total += len(records)
            return _message(lane, records)
        return None

    def _pick(self, sequences: list[int]) -> tuple[list[StoredRecord], list[int]]:
        """Read these records; return as many as one message takes, and what is left.

        What is not here any more is in neither.
        """
        found: list[StoredRecord] = []
        size, failed_reads = 0, self._outbox.failed_reads
        for at, sequence in enumerate(sequences):
            read = self._outbox.read(sequence, limit_records=1)
            is_full = len(found) >= MAX_RECORDS
            for record in read:
                size += len(record.sealed)
                is_full |= bool(found) and size > self._pace.limit_bytes
            if is_full or self._outbox.failed_reads != failed_reads:
                return found, sequences[at:]
            found += [one for one in read if one.sequence == sequence]
        return found, []

    def _read(self, first: int) -> list[StoredRecord]:
        """Read from ``first`` on what one message takes; one at least."""
        found = self._outbox.read(first, self._pace.limit_bytes)
        return found or self._outbox.read(first, limit_records=1)

    def _alarm(self, now_s: float) -> Message | None:
        flying = self._progress.flying(Lane.ALARM)
        if len(flying) >= self._times.window:
            return None
        sent = set().union(*(flight.sequences for flight in flying))
        pending = (one for one in self._outbox.alarms_pending() if one not in sent)
        records, _ = self._pick(self._wanted(pending))
        return self._fly(Lane.ALARM, records, now_s) if records else None

    def _live(self, now_s: float) -> Message | None:
        """Send the newest while others wait before them."""
        last_s, progress = self._last_live_s, self._progress
        if last_s is not None and now_s - last_s < self._live_pause_s():
            return None
        if not self._is_live_wanted():
            return None
        head = self._outbox.head_sequence
        tries = progress.live_tries if head == progress.live_head else 0
        self._last_live_s = now_s
        progress.live_head, progress.live_tries = head, tries + 1
        records = newest_shown(self._outbox.latest(LIVE_DEPTH))
        progress.live = tuple(record.sequence for record in records)
        return _message(Lane.LIVE, records) if records else None

    def _is_live_repeated(self) -> bool:
        """Whether what the last live message brought may have been lost."""
        progress = self._progress
        return 0 < progress.live_tries < LIVE_TRIES and bool(
            self._wanted(progress.live)
        )

    def _live_pause_s(self) -> float:
        times = self._times
        is_repeated = self._is_live_repeated()
        return times.live_repeat_s if is_repeated else times.live_interval_s

    def _is_live_wanted(self) -> bool:
        """Whether there is a newer value, and more before it than a message takes."""
        if self._is_live_repeated():
            return True
        head = self._outbox.head_sequence
        first = max(self._progress.cursor, self._outbox.watermark + 1)
        if head == self._progress.live_head or first > head:
            return False
        is_full = len(self._progress.flying(Lane.BULK)) >= self._times.window
        return (
            is_full
            or head - first >= MAX_RECORDS
            or self._outbox.bytes_from(first) > self._pace.limit_bytes
        )

    def _again(self) -> Message | None:
        """Serve the resend commands; what they ask for is not waited for."""
        while self._progress.resends:
            first, last = self._progress.resends[0]
            failed_reads = self._outbox.failed_reads
            read = self._read(first)
            records = [one for one in read if one.sequence <= last]
            if not records and self._outbox.failed_reads != failed_reads:
                return None
            if records and records[-1].sequence < last:
                self._progress.resends[0] = (records[-1].sequence + 1, last)
            else:
                del self._progress.resends[0]
            if records:
                self.resent_total += len(records)
                return _message(Lane.BULK, records)
        return None

    def _bulk(self, now_s: float) -> Message | None:
        if len(self._progress.flying(Lane.BULK)) >= self._times.window:
            return None
        progress = self._progress
        progress.cursor = max(progress.cursor, self._outbox.watermark + 1)
        while progress.cursor <= self._outbox.head_sequence:
            records = self._read(progress.behind_held(progress.cursor))
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


def _message(lane: Lane, records: list[StoredRecord]) -> Message:
    sequences = tuple(record.sequence for record in records)
    return Message(lane, sequences, b"".join(record.sealed for record in records))
