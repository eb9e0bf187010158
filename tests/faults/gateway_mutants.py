"""Bugs of the gateway, each one patch of a real class."""
# ruff: noqa: ANN401 - what a mutant passes on is none of its business

import dataclasses
import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gateway.lanes as lanes_module
import gateway.link as link_module
import gateway.outbox as outbox_module
from gateway.delivery import Delivery, Message, ReceiptResult
from gateway.lanes import Lanes
from gateway.outbox import Outbox, Priority, StoredRecord
from gateway.places import PlaceReader
from gateway.pool import SegmentPool
from gateway.recovery import DroppedRange
from gateway.segment import Addition, Disk, FileSegment
from gateway.watermark import Watermark, WatermarkFile
from schemas import envelope
from schemas.envelope import SealCheck
from schemas.receipts import Receipt
from schemas.topics import Lane
from tests.faults.patching import replaced

# The gateway's disk


@contextmanager
def no_fsync() -> Iterator[None]:
    def write(self: Disk, descriptor: int, data: bytes, offset: int) -> None:
        self.pwrite(descriptor, data, offset)

    with replaced(Disk, "write", write):
        yield


@contextmanager
def publish_before_fsync() -> Iterator[None]:
    """The fdatasync of an append is left to the next one."""
    waiting: dict[int, Callable[[], None]] = {}

    def write(self: FileSegment, additions: Sequence[Addition]) -> None:
        late = waiting.pop(id(self), None)
        if late is not None and self._descriptor is not None:
            late()
        data = b"".join(addition.sealed for addition in additions)
        if self._descriptor is None:
            self._descriptor = self._disk.open(self.path, 2)
        self._disk.pwrite(self._descriptor, data, self._next)
        descriptor, disk = self._descriptor, self._disk
        waiting[id(self)] = lambda: disk.fdatasync(descriptor)

    with replaced(FileSegment, "write", write):
        yield


@contextmanager
def fsync_retried() -> Iterator[None]:
    def write(self: Disk, descriptor: int, data: bytes, offset: int) -> None:
        self.pwrite(descriptor, data, offset)
        try:
            self.fdatasync(descriptor)
        except OSError:
            self.fdatasync(descriptor)

    with replaced(Disk, "write", write):
        yield


@contextmanager
def directory_not_synced() -> Iterator[None]:
    make_spare = SegmentPool._make_spare

    def unsynced(self: SegmentPool, head: bytes) -> Path:
        disk = self.disk
        self.disk = dataclasses.replace(disk, sync_folder=lambda _folder: None)
        try:
            return make_spare(self, head)
        finally:
            self.disk = disk

    with replaced(SegmentPool, "_make_spare", unsynced):
        yield


@contextmanager
def enospc_swallowed() -> Iterator[None]:
    write = Disk.write

    def swallow(self: Disk, descriptor: int, data: bytes, offset: int) -> None:
        try:
            write(self, descriptor, data, offset)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise

    with replaced(Disk, "write", swallow):
        yield


@contextmanager
def torn_tail_accepted() -> Iterator[None]:
    with replaced(outbox_module, "is_genuine", lambda _key: lambda _sealed: True):
        yield


@contextmanager
def sequence_reused() -> Iterator[None]:
    """After a start the last sequence is given out once more."""
    begin_at = Outbox._begin_at

    def one_less(self: Outbox, sequence: int, digest: bytes) -> None:
        begin_at(self, sequence, digest)
        before = self.digest_at(sequence - 1) if sequence > 1 else None
        if before is not None:
            self.next_sequence, self.head_digest = sequence, before

    with replaced(Outbox, "_begin_at", one_less):
        yield


@contextmanager
def epoch_kept_after_a_wipe() -> Iterator[None]:
    opened = Outbox.__dict__["_open"].__func__

    def constant(cls: type[Outbox], folder: Path, *rest: Any) -> Outbox:
        limits, _draw, key, disk = rest
        kept: Outbox = opened(cls, folder, limits, lambda: b"epoch-01", key, disk)
        return kept

    with replaced(Outbox, "_open", classmethod(constant)):
        yield


@contextmanager
def alarm_dropped() -> Iterator[None]:
    add = Outbox.add

    def as_bulk(self: Outbox, sealed: bytes, sequence: int, _lane: Priority) -> None:
        add(self, sealed, sequence, Priority.BULK)

    with replaced(Outbox, "add", as_bulk):
        yield


@contextmanager
def gap_unrecorded() -> Iterator[None]:
    def forget(_self: Outbox) -> list[DroppedRange]:
        return []

    with replaced(Outbox, "take_gaps", forget):
        yield


@contextmanager
def watermark_not_saved() -> Iterator[None]:
    """Files are given back before the watermark that allows it is on the disk."""

    def save(_self: WatermarkFile, _watermark: Watermark) -> None:
        return None

    with replaced(WatermarkFile, "save", save):
        yield


# Delivery


@contextmanager
def prune_on_puback() -> Iterator[None]:
    fly = Delivery._fly

    def pruning(
        self: Delivery, lane: Lane, records: list[StoredRecord], now_s: float
    ) -> Message:
        message = fly(self, lane, records, now_s)
        self._outbox.release(message.sequences[-1])
        return message

    with replaced(Delivery, "_fly", pruning):
        yield


@contextmanager
def receipt_digest_unchecked() -> Iterator[None]:
    compare = Delivery._compare

    def trusting(self: Delivery, receipt: Receipt) -> ReceiptResult:
        found = compare(self, receipt)
        contiguous = -1 if receipt.contiguous is None else receipt.contiguous
        head = self._outbox.head_sequence
        if (
            found is ReceiptResult.MISMATCH
            and self._outbox.watermark < contiguous <= head
        ):
            return ReceiptResult.ADVANCED
        return found

    with replaced(Delivery, "_compare", trusting):
        yield


@contextmanager
def receipt_replayed() -> Iterator[None]:
    """A receipt is taken whatever epoch it is of."""
    take = Delivery.take_receipt

    def any_epoch(self: Delivery, receipt: Receipt, now_s: float) -> ReceiptResult:
        changed = {f: getattr(receipt, f) for f in receipt.__struct_fields__}
        changed["epoch"] = self._outbox.epoch
        return take(self, Receipt(**changed), now_s)

    with replaced(Delivery, "take_receipt", any_epoch):
        yield


@contextmanager
def receipt_seal_unchecked() -> Iterator[None]:
    class Trusting:
        open_envelope = staticmethod(envelope.open_envelope)

        @staticmethod
        def check(*_args: object) -> SealCheck:
            return SealCheck.GOOD

    with replaced(link_module, "envelope", Trusting):
        yield


@contextmanager
def bulk_starves_live() -> Iterator[None]:
    def nothing(_self: Delivery, _now_s: float) -> None:
        return None

    with replaced(Delivery, "_live", nothing):
        yield


@contextmanager
def memory_forgets() -> Iterator[None]:
    """What the disk did not take is not kept in memory either."""
    volatile = Lanes._new_in_memory

    def forgetful(self: Lanes, header: Any) -> Any:
        segment = volatile(self, header)
        segment.__dict__["adopt"] = lambda _additions: None
        return segment

    with replaced(Lanes, "_new_in_memory", forgetful):
        yield


@contextmanager
def memory_reserves_nothing() -> Iterator[None]:
    """Sequences of records in memory only are not noted as used."""
    with replaced(Outbox, "_reserve", lambda _self, _sequence: None):
        yield


@contextmanager
def failed_read_is_damage() -> Iterator[None]:
    """A read that fails once takes the record away."""

    def judge(_self: PlaceReader, _sequence: int, _error: OSError) -> list[bytes]:
        return [b""]

    with replaced(PlaceReader, "_judge", judge):
        yield


@contextmanager
def evidence_given_up_unstated() -> Iterator[None]:
    """Retired segments make room and nobody is told."""
    with replaced(lanes_module, "given_up", lambda _disk, _path: []):
        yield


@contextmanager
def renamed_segment_forgotten() -> Iterator[None]:
    """A segment whose rename the power cut took back is taken for a spare."""
    with replaced(SegmentPool, "adopt_spares", lambda _self, _is_wanted: None):
        yield
