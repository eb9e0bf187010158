"""The durable outbox: what is committed here is delivered or stated as a gap.

- :meth:`Outbox.add` puts sealed records at the head of the chain, in memory;
  :meth:`Outbox.commit` makes them durable, with one write and one fdatasync for
  each run of records of one lane, in the order of their sequences. Only then can
  they be read: what has been published must not be lost, or its sequence would be
  used twice.
- A record goes only when a receipt covers it (:meth:`Outbox.release`) or when the
  limits force it, as a gap (:meth:`Outbox.take_gaps`), which the caller seals with
  :attr:`Priority.ALARM`. Alarms are never dropped.
- A sequence is never used again in its epoch.

One thread may :meth:`Outbox.commit` while another adds, reads and releases; neither
adding nor reading waits for the disk's fdatasync. What a release frees is given back
to the disk by the next commit.
"""

import os
import secrets
import threading
from collections.abc import Callable
from itertools import groupby, islice
from pathlib import Path
from typing import Final, Self

from gateway.errors import ConfigError, OutboxError
from gateway.lanes import DEFAULT_LIMITS, Lanes, OutboxLimits, StoredRecord
from gateway.pool import SegmentPool, lock_folder
from gateway.recovery import DroppedRange, Recovered, is_genuine, recover, retire_all
from gateway.scan import peek
from gateway.segment import (
    HEADER_BYTES,
    REAL_DISK,
    Addition,
    Disk,
    Priority,
    SegmentHeader,
)
from gateway.watermark import MarkKeeper, Watermark, WatermarkFile
from schemas import envelope
from schemas.envelope import MAX_MESSAGE_BYTES, MAX_SEALED_BYTES
from schemas.keys import PublicKey
from schemas.records import EPOCH_BYTES

__all__ = ["DroppedRange", "Outbox", "OutboxLimits", "Priority", "StoredRecord"]

MAX_RECORDS_READ: Final = 60
RESERVED: Final = 1000  # sequences noted ahead as used, while memory has records


def _draw_epoch() -> bytes:
    return secrets.token_bytes(EPOCH_BYTES)


class Outbox:
    """Durable queue of sealed records; made by :meth:`open`.

    ``oldest_sequence`` to ``head_sequence`` is what is committed and not receipted;
    without any, oldest is head + 1. ``watermark`` is the last that is receipted, or
    -1. ``next_sequence`` and ``head_digest`` are the place of the next record in the
    chain, what is added included, and ``pending_bytes`` what waits for a commit.
    ``storage_faults`` counts calls to the disk that failed; ``is_volatile``
    says that the promise is suspended: records lie in memory only.
    """

    def __init__(
        self,
        pool: SegmentPool,
        lanes: Lanes,
        marks: MarkKeeper,
        recovered: Recovered,
        draw_epoch: Callable[[], bytes],
    ) -> None:
        self._pool = pool
        self._lanes = lanes
        self._marks = marks
        self._draw_epoch = draw_epoch
        self._missing = recovered.missing
        self._pending: list[tuple[Priority, Addition]] = []
        self._adding = threading.Lock()
        self._committing = threading.Lock()
        self._lock_file = -1
        self._is_closed = False
        self.pending_bytes = 0
        lanes.before_volatile = self._reserve
        self._begin_at(recovered.head, recovered.digest)

    @classmethod
    def open(
        cls,
        folder: Path,
        limits: OutboxLimits = DEFAULT_LIMITS,
        draw_epoch: Callable[[], bytes] = _draw_epoch,
        own_key: PublicKey | None = None,
        disk: Disk = REAL_DISK,
    ) -> Self:
        """Open or make the outbox in ``folder``, whatever it contains.

        Args:
            folder: made if it is not there.
            limits: how much may be kept.
            draw_epoch: gives the 8 bytes that name a new epoch.
            own_key: lets recovery see whether a record at a break of the chain is
                whole; without it a half-written page can pass for a record.
            disk: the calls that reach the disk.

        Raises:
            ConfigError: the folder cannot be used, or another process has it.
        """
        if limits.segment_bytes < HEADER_BYTES + MAX_SEALED_BYTES:
            raise ConfigError("a segment must hold a record of 16 KiB")
        try:
            return cls._open(folder, limits, draw_epoch, own_key, disk)
        except OSError as error:
            raise ConfigError(
                f"outbox folder {folder}: {error.strerror or error}; "
                "give the gateway's user a folder it may write to"
            ) from error

    @classmethod
    def _open(
        cls,
        folder: Path,
        limits: OutboxLimits,
        draw_epoch: Callable[[], bytes],
        own_key: PublicKey | None,
        disk: Disk,
    ) -> Self:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock_file = lock_folder(folder)
        try:
            pool = SegmentPool(folder, disk, limits.segment_bytes)
            file = WatermarkFile(folder, disk)
            known = file.load()
            found = recover(pool, known, draw_epoch, is_genuine(own_key))
            pool.clean_spares()
            lanes = Lanes(pool, limits, found.segments, found.mark.sequence)
            lanes.storage_faults = found.faults
            marks = MarkKeeper(file, found.mark)
            outbox = cls(pool, lanes, marks, found, draw_epoch)
            if known != found.mark:
                marks.saved = known or Watermark(b"")
                outbox._save_epoch()
            lanes.release(found.mark.sequence)
        except BaseException:
            os.close(lock_file)
            raise
        outbox._lock_file = lock_file
        return outbox

    def _begin_at(self, sequence: int, digest: bytes) -> None:
        self._head = sequence, digest
        self.next_sequence = sequence + 1
        self.head_digest = digest

    def close(self) -> None:
        """Close the files and let others open the outbox; what is pending is lost.

        A commit in another thread is waited for; one that comes later does nothing.
        """
        with self._committing:
            if self._is_closed:
                return
            self._is_closed = True
            self._settle()
            self._lanes.forget()
            if self._lock_file >= 0:
                os.close(self._lock_file)
                self._lock_file = -1

    # Chain position, for the sealer

    @property
    def epoch(self) -> bytes:
        """Epoch of the chain, 8 bytes."""
        return self._marks.mark.epoch

    # Writing

    def add(self, sealed: bytes, sequence: int, priority: Priority) -> None:
        """Put a sealed record at the head of the chain; durable after commit.

        Raises:
            OutboxError: ``sequence`` is not the next one.
        """
        if sequence != self.next_sequence:
            raise OutboxError(
                f"sequence {sequence} added, {self.next_sequence} is next"
            )
        digest = envelope.digest(sealed)
        with self._adding:
            self._pending.append((priority, Addition(sequence, sealed, digest)))
            self.pending_bytes += len(sealed)
            self.next_sequence = sequence + 1
            self.head_digest = digest

    def commit(self) -> None:
        """Make all that was added durable; does not fail, see ``is_volatile``."""
        with self._committing:
            if self._is_closed:
                return
            self._settle()
            with self._adding:
                pending = self._pending.copy()
            for priority, run in groupby(pending, key=lambda one: one[0]):
                self._append(priority, [addition for _, addition in run])

    def _append(self, priority: Priority, run: list[Addition]) -> None:
        header = SegmentHeader(priority, self.epoch, run[0].sequence, self._head[1])
        self._lanes.append(run, header)
        self._head = run[-1].sequence, run[-1].digest
        if self._marks.mark.reserved >= 0 and not self._lanes.is_volatile:
            self._marks.reserve(-1)
        with self._adding:
            del self._pending[: len(run)]
            self.pending_bytes -= sum(len(addition.sealed) for addition in run)

    def _reserve(self, sequence: int) -> None:
        """Note on the disk that sequences are used by what is in memory only.

        Else a power cut would let them be used again. A disk that does not take even
        this lets a fork happen, which the ledger notices.
        """
        if sequence > self._marks.mark.reserved:
            self._marks.reserve(sequence + RESERVED)
            self._marks.save()

    def _settle(self) -> None:
        """Bring releases to the disk: the watermark first, then the files."""
        saved = self._marks.save()
        if saved is not None:
            self._lanes.is_barred = False
            # What is released meanwhile waits for its own watermark.
            self._lanes.recycle_released(saved.sequence)

    # Reading

    @property
    def head_sequence(self) -> int:
        """Sequence of the newest committed record, or -1."""
        return self._head[0]

    @property
    def watermark(self) -> int:
        """Highest sequence up to which all is receipted, or -1."""
        return self._marks.mark.sequence

    @property
    def oldest_sequence(self) -> int:
        """Lowest sequence that is committed and not receipted, or head + 1."""
        with self._lanes.lock:
            place = next(self._lanes.places(self.watermark + 1), None)
        return place.sequence if place else self.head_sequence + 1

    @property
    def pending_receipt(self) -> int:
        """How many committed records are above the watermark."""
        with self._lanes.lock:
            return self._lanes.count_above(self.watermark)

    def read(
        self,
        first: int,
        limit_bytes: int = MAX_MESSAGE_BYTES,
        limit_records: int = MAX_RECORDS_READ,
    ) -> list[StoredRecord]:
        """Return committed records from ``first`` on, in order, within the limits."""
        chosen = []
        with self._lanes.lock:
            for place in islice(self._lanes.places(first), limit_records):
                limit_bytes -= place.segment.index.sizes[place.position]
                if limit_bytes < 0:
                    break
                chosen.append(place)
            return self._lanes.fetch(chosen)

    def bytes_from(self, first: int) -> int:
        """Return the bytes of the next :data:`MAX_RECORDS_READ` records."""
        with self._lanes.lock:
            places = islice(self._lanes.places(first), MAX_RECORDS_READ)
            return sum(one.segment.index.sizes[one.position] for one in places)

    def latest(self, count: int = 1) -> list[StoredRecord]:
        """Return the newest committed records, newest first."""
        with self._lanes.lock:
            places = list(self._lanes.places(self.head_sequence + 1 - count))
            return self._lanes.fetch(places)[::-1]

    def alarms_pending(self) -> list[int]:
        """Return the sequences of the alarms that are not receipted, oldest first."""
        with self._lanes.lock:
            return self._lanes.alarms_above(self.watermark)

    def digest_at(self, sequence: int) -> bytes | None:
        """Return the chain's digest at ``sequence``, if it is still known."""
        if sequence == self.watermark:
            return self._marks.mark.digest
        head, digest = self._head
        if sequence == head:
            return digest
        with self._lanes.lock:
            place = self._lanes.find(sequence)
            if place:
                return place.segment.index.digest(place.position)
            successor = self._lanes.find(sequence + 1) if sequence >= 0 else None
            records = self._lanes.fetch([successor]) if successor else []
        return peek(records[0].sealed).previous if records else None

    # Giving up

    def release(self, contiguous: int) -> None:
        """Let go of all records up to ``contiguous``: a receipt covers them.

        The caller has compared the receipt's digest with :meth:`digest_at`.

        Raises:
            OutboxError: the record there is not known.
        """
        if contiguous <= self.watermark:
            return
        digest = self.digest_at(contiguous)
        if digest is None:
            raise OutboxError(f"no record {contiguous} to release")
        self._marks.release(contiguous, digest)
        self._lanes.release(contiguous)

    def expire(self, is_expired: Callable[[bytes], bool]) -> None:
        """Give up bulk segments, oldest first, whose last sealed record has expired."""
        with self._committing:
            self._lanes.drop_expired(is_expired)

    def take_gaps(self) -> list[DroppedRange]:
        """Return what was dropped or found damaged since the last call."""
        missing, self._missing = self._missing, []
        return missing + self._lanes.take_gaps()

    # Small state

    @property
    def command_counter(self) -> int:
        """Counter of the last command taken, or -1."""
        return self._marks.mark.command_counter

    def remember_command(self, counter: int) -> None:
        """Make the counter of a command durable, before it is acted on."""
        with self._committing:
            self._marks.count_command(counter)
            self._settle()

    def new_epoch(self) -> None:
        """Begin a new chain; the old one's segments are put away as evidence.

        Raises:
            OutboxError: records are added and not committed.
        """
        with self._committing:
            if self._pending:
                raise OutboxError("commit before a new epoch begins")
            old = self.epoch
            self._lanes.forget()
            self.take_gaps()
            self._marks.begin(self._draw_epoch())
            self._lanes.watermark = self.watermark
            self._save_epoch()
            self._lanes.storage_faults += retire_all(self._pool, old)
            self._begin_at(self.watermark, self._marks.mark.digest)

    def _save_epoch(self) -> None:
        # Segments of an epoch that is not on disk would be taken for strangers.
        self._lanes.is_barred = self._marks.save() is None

    # How it is

    @property
    def storage_faults(self) -> int:
        """How many writes and reads failed since the start."""
        return self._lanes.storage_faults + self.failed_reads + self._marks.faults

    @property
    def failed_reads(self) -> int:
        """How many reads failed; what they were for is still here."""
        return self._lanes.failed_reads

    @property
    def is_volatile(self) -> bool:
        """True while records that are not receipted lie in memory only."""
        return self._lanes.is_volatile

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return self._lanes.file_bytes

    def free_bytes(self) -> int:
        """Return the bytes that are free on the outbox's disk.

        Raises:
            OSError: the disk does not answer.
        """
        return self._pool.disk.free_bytes(self._pool.folder)
