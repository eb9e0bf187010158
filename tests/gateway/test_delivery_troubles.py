"""Delivery on slow links and from a disk that cannot be read now."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from gateway.delivery import READ_AGAIN_S, Delivery, Message, ReceiptResult
from gateway.lanes import Lanes
from gateway.outbox import Outbox, Priority
from gateway.pace import FIRST_BYTES, LEAST_BYTES, MESSAGE_S, Pace
from gateway.segment import READ_TRIES, Disk
from schemas.envelope import MAX_MESSAGE_BYTES
from schemas.receipts import Receipt
from schemas.records import GapReason
from schemas.topics import Lane
from tests.faults.patching import replaced
from tests.gateway.outbox_chain import GATEWAY, HEARTBEAT, add, commit_each, filler
from tests.gateway.outbox_folder import FOUR, open_outbox, sequences


class ReadingFails:
    """Reading fails with an error, as long as it is told to."""

    def __init__(self) -> None:
        self.error = 0
        self.left = 0

    def disk(self) -> Disk:
        return Disk(open=self._open, pread=self._pread)

    def _fail(self, errors: frozenset[int]) -> None:
        if self.left and self.error in errors:
            self.left -= 1
            raise OSError(self.error, os.strerror(self.error))

    def _open(self, path: Path, flags: int) -> int:
        if not flags & os.O_RDWR:
            self._fail(frozenset({errno.EMFILE, errno.ENOENT}))
        return os.open(path, flags, 0o600)

    def _pread(self, descriptor: int, size: int, offset: int) -> bytes:
        self._fail(frozenset({errno.EIO}))
        return os.pread(descriptor, size, offset)


@pytest.fixture
def fails() -> ReadingFails:
    return ReadingFails()


@pytest.fixture
def outbox(tmp_path: Path, fails: ReadingFails) -> Iterator[Outbox]:
    outbox = open_outbox(tmp_path, disk=fails.disk())
    yield outbox
    outbox.close()


def connected(outbox: Outbox) -> Delivery:
    delivery = Delivery(outbox, GATEWAY, Random(1))
    delivery.connected(0.0)
    return delivery


def drain(delivery: Delivery, now_s: float) -> list[Message]:
    found = []
    while message := delivery.next_message(now_s):
        found.append(message)
    return found


def test_it_never_asks_to_be_asked_at_once_where_there_is_nothing(
    outbox: Outbox,
) -> None:
    delivery = connected(outbox)
    commit_each(outbox, 100)
    add(outbox, HEARTBEAT)
    outbox.commit()
    assert drain(delivery, 0.0)
    for now_s in (1.0, 4.9, 5.1, 100.0):
        drain(delivery, now_s)
        wait_s = delivery.wait_s(now_s)
        assert wait_s is not None
        assert wait_s > 0


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EIO])
def test_a_read_that_fails_once_loses_nothing(
    outbox: Outbox, fails: ReadingFails, error: int
) -> None:
    commit_each(outbox, 60, size=400)
    add(outbox, filler(10), Priority.ALARM)
    outbox.commit()
    delivery = connected(outbox)
    fails.error, fails.left = error, 6
    sent = drain(delivery, 0.0)
    assert delivery.wait_s(0.0) == READ_AGAIN_S
    assert drain(delivery, 0.5) == []
    for now_s in (1.1, 2.2, 3.3):
        sent += drain(delivery, now_s)
    delivered = [at for one in sent if one.lane is not Lane.LIVE for at in one[1]]
    assert sorted(delivered) == list(range(61))
    assert outbox.take_gaps() == []
    assert not outbox.is_volatile


def test_what_was_under_way_is_sent_again_after_a_read_that_failed(
    outbox: Outbox, fails: ReadingFails
) -> None:
    commit_each(outbox, 6)
    delivery = connected(outbox)
    (first,) = drain(delivery, 0.0)
    fails.error, fails.left = errno.EIO, 1
    sent = drain(delivery, 30.0) + drain(delivery, 32.0)
    assert sorted(at for one in sent for at in one.sequences) == list(first.sequences)


def test_a_place_that_cannot_be_read_for_good_becomes_a_gap(
    outbox: Outbox, fails: ReadingFails
) -> None:
    commit_each(outbox, 1)
    fails.error, fails.left = errno.EIO, READ_TRIES
    for _ in range(READ_TRIES - 1):
        assert outbox.read(0) == []
        assert outbox.take_gaps() == []
    assert outbox.read(0) == []
    (gap,) = outbox.take_gaps()
    assert gap[:2] == (0, 0)
    assert gap.reason is GapReason.DAMAGED


def test_a_machine_short_of_descriptors_never_makes_a_gap(
    outbox: Outbox, fails: ReadingFails
) -> None:
    commit_each(outbox, 3)
    fails.error, fails.left = errno.EMFILE, 10 * READ_TRIES
    for _ in range(5 * READ_TRIES):
        outbox.read(0)
    fails.left = 0
    assert outbox.take_gaps() == []
    assert sequences(outbox) == [0, 1, 2]


def test_damage_in_two_lanes_costs_just_what_is_damaged(outbox: Outbox) -> None:
    for at in range(9):
        add(outbox, filler(10), Priority.ALARM if at % 3 else Priority.BULK)
    outbox.commit()
    index = outbox._lanes._segments[Priority.ALARM][0].index
    index._digests[0] ^= 1  # the second record
    index._digests[5 * 32] ^= 1  # the last
    read = outbox.read(0)
    assert [one.sequence for one in read] == [0, 2, 3, 4, 5, 6, 7]
    for one in read:
        assert outbox.digest_at(one.sequence) is not None
    assert sequences(outbox) == [0, 2, 3, 4, 5, 6, 7]


def test_a_receipt_that_ends_in_what_was_lost_here_is_no_other_chain(
    outbox: Outbox,
) -> None:
    commit_each(outbox, 5)
    for at in (2, 3):
        index = outbox._lanes._segments[Priority.BULK][0].index
        index._digests[2 * 32] ^= 1
        assert len(outbox.read(0)) == 4 - at + 2
    delivery = connected(outbox)
    held = Receipt(1, "receipt", GATEWAY, outbox.epoch, 0, 2, b"d" * 32, ())
    assert delivery.take_receipt(held, 0.0) is ReceiptResult.NOTED
    beyond = Receipt(1, "receipt", GATEWAY, outbox.epoch, 0, 9, b"d" * 32, ())
    assert delivery.take_receipt(beyond, 0.0) is ReceiptResult.MISMATCH


@pytest.mark.parametrize("count", [8, 30, 59])
def test_on_a_slow_link_the_newest_value_comes_first(
    outbox: Outbox, count: int
) -> None:
    commit_each(outbox, count, size=3000)
    add(outbox, HEARTBEAT)
    outbox.commit()
    delivery, now_s, rate_bytes_s = connected(outbox), 0.0, 2000.0
    newest = outbox.head_sequence
    while message := delivery.next_message(now_s):
        now_s += len(message.payload) / rate_bytes_s
        delivery.published(message, len(message.payload) / rate_bytes_s)
        if newest in message.sequences:
            break
    assert now_s <= 10.0


def test_a_message_is_as_large_as_the_link_carries_in_a_short_time() -> None:
    pace = Pace()
    assert pace.limit_bytes == FIRST_BYTES
    for _ in range(10):
        pace.took(pace.limit_bytes, pace.limit_bytes / 16_000)
    assert pace.limit_bytes == pytest.approx(16_000 * MESSAGE_S, rel=0.01)
    pace.took(pace.limit_bytes, 60.0)
    assert pace.limit_bytes == LEAST_BYTES
    for _ in range(10):
        pace.took(pace.limit_bytes, 0.0)
    assert pace.limit_bytes == MAX_MESSAGE_BYTES
    pace.took(100, 0.6)  # a long way is not a narrow one
    assert pace.limit_bytes == MAX_MESSAGE_BYTES


def test_sequences_of_what_was_in_memory_only_are_not_used_again(
    tmp_path: Path,
) -> None:
    outbox = open_outbox(tmp_path, FOUR)
    commit_each(outbox, 5)
    outbox._lanes._active.clear()
    with replaced(Lanes, "_new_segment", Lanes._new_in_memory):
        commit_each(outbox, 5)
    assert outbox.is_volatile
    assert sequences(outbox) == list(range(10))  # and so it may be published
    digest_4 = outbox.digest_at(4)
    outbox._lanes.forget()
    os.close(outbox._lock_file)  # the power is gone
    outbox = open_outbox(tmp_path, FOUR)
    assert outbox.digest_at(4) == digest_4
    assert outbox.next_sequence > 10
    (gap,) = outbox.take_gaps()
    assert gap[:2] == (5, outbox.next_sequence - 1)
    assert gap.reason is GapReason.VOLATILE
    outbox.close()


def test_when_retired_segments_must_go_it_is_stated(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, FOUR)
    commit_each(outbox, 30, size=900)
    old = outbox.epoch
    outbox.new_epoch()
    commit_each(outbox, 60, size=900)
    gaps = outbox.take_gaps()
    assert [gap.epoch for gap in gaps][:2] == [old, old]
    lost = [at for gap in gaps if gap.epoch == old for at in range(gap[0], gap[1] + 1)]
    assert lost == list(range(30))
    outbox.close()


def test_evidence_that_cannot_be_read_does_not_stop_the_store(tmp_path: Path) -> None:
    fails = ReadingFails()
    outbox = open_outbox(tmp_path, FOUR, fails.disk())
    commit_each(outbox, 30, size=900)
    outbox.new_epoch()
    fails.error, fails.left = errno.EIO, 10**6
    commit_each(outbox, 60, size=900)
    assert not outbox.is_volatile
    outbox.close()
