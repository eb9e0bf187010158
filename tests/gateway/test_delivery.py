"""Delivery over a line that loses, repeats and reorders; no I/O but the outbox's."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.delivery import Delivery, DeliveryTimes, Message, ReceiptResult
from gateway.outbox import Outbox, OutboxLimits, Priority
from schemas.envelope import MAX_MESSAGE_BYTES, digest, split_sequence
from schemas.receipts import MAX_RANGES, Receipt
from schemas.topics import Lane
from tests.gateway.outbox_chain import GATEWAY, HEARTBEAT, add, filler, opened

LIMITS = OutboxLimits(reserve_bytes=0, segment_bytes=64 * 1024)
TIMES = DeliveryTimes()


class Cloud:
    """Holds what arrived and writes receipts, as a ledger does."""

    def __init__(self, epoch: bytes) -> None:
        self.epoch = epoch
        self.digests: dict[int, bytes] = {}
        self.arrived = 0

    def take(self, message: Message) -> None:
        for sealed in split_sequence(message.payload):
            assert isinstance(sealed, bytes)
            self.digests[opened(sealed).header.sequence] = digest(sealed)
            self.arrived += 1

    def contiguous(self) -> int:
        at = -1
        while at + 1 in self.digests:
            at += 1
        return at

    def receipt(self) -> Receipt:
        contiguous = self.contiguous()
        ranges: list[tuple[int, int]] = []
        for sequence in sorted(one for one in self.digests if one > contiguous):
            if ranges and ranges[-1][1] == sequence - 1:
                ranges[-1] = ranges[-1][0], sequence
            else:
                ranges.append((sequence, sequence))
        return receipt(
            self.epoch,
            contiguous if contiguous >= 0 else None,
            self.digests.get(contiguous),
            tuple(ranges[:MAX_RANGES]),
        )


def receipt(
    epoch: bytes,
    contiguous: int | None,
    at: bytes | None,
    ranges: tuple[tuple[int, int], ...] = (),
) -> Receipt:
    return Receipt(1, "receipt", GATEWAY, epoch, 0, contiguous, at, ranges)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox.open(tmp_path, LIMITS, lambda: b"epoch-01")
    yield outbox
    outbox.close()


def fill(outbox: Outbox, count: int, size: int = 40) -> None:
    for _ in range(count):
        add(outbox, filler(size))
    outbox.commit()


def connected(outbox: Outbox, times: DeliveryTimes = TIMES) -> Delivery:
    delivery = Delivery(outbox, GATEWAY, Random(1), times)
    delivery.connected(0.0)
    for _ in range(4):  # on a fast link a message may be as large as any
        delivery.published(Message(Lane.BULK, (), bytes(MAX_MESSAGE_BYTES)), 0.0)
    return delivery


def drain(delivery: Delivery, now_s: float = 0.0) -> list[Message]:
    found = []
    while message := delivery.next_message(now_s):
        found.append(message)
    return found


def test_nothing_is_sent_without_a_connection_or_under_silence(outbox: Outbox) -> None:
    delivery = Delivery(outbox, GATEWAY, Random(1))
    fill(outbox, 1)
    assert delivery.next_message(0.0) is None
    delivery.connected(0.0)
    delivery.pause()
    assert delivery.next_message(0.0) is None
    assert delivery.wait_s(0.0) is None
    delivery.resume()
    assert delivery.next_message(0.0) is not None


def test_without_a_backlog_small_batches_flow_at_once(outbox: Outbox) -> None:
    delivery = connected(outbox)
    fill(outbox, 3)
    (message,) = drain(delivery)
    assert (message.lane, message.sequences) == (Lane.BULK, (0, 1, 2))
    fill(outbox, 2)
    (message,) = drain(delivery)
    assert message.sequences == (3, 4)


def test_messages_keep_to_sixty_records_and_64_kib(outbox: Outbox) -> None:
    fill(outbox, 100, size=10)
    fill(outbox, 10, size=15_000)
    messages = [one for one in drain(connected(outbox)) if one.lane is Lane.BULK]
    assert [len(one.sequences) for one in messages[:1]] == [60]
    assert all(len(one.payload) <= MAX_MESSAGE_BYTES for one in messages)
    assert [s for one in messages for s in one.sequences] == list(range(110))


def test_lanes_go_alarm_then_live_then_bulk(outbox: Outbox) -> None:
    fill(outbox, 200)
    add(outbox, HEARTBEAT)
    add(outbox, filler(10), Priority.ALARM)
    outbox.commit()
    messages = drain(connected(outbox))
    assert [one.lane for one in messages[:3]] == [Lane.ALARM, Lane.LIVE, Lane.BULK]
    assert messages[0].sequences == (201,)
    assert messages[1].sequences == (200,)
    assert messages[2].sequences == tuple(range(60))
    assert 201 not in {s for one in messages[2:] for s in one.sequences}


def test_live_is_paced_and_only_while_behind(outbox: Outbox) -> None:
    delivery = connected(outbox)
    cloud = Cloud(outbox.epoch)
    fill(outbox, 600)
    add(outbox, HEARTBEAT)
    outbox.commit()
    (live,) = (one for one in drain(delivery) if one.lane is Lane.LIVE)
    held = tuple((one, one) for one in live.sequences)
    delivery.take_receipt(receipt(outbox.epoch, None, None, held), 0.5)
    add(outbox, HEARTBEAT)
    outbox.commit()
    assert drain(delivery, 4.9) == []
    assert drain(delivery, 5.0)[0].lane is Lane.LIVE
    delivery.connected(6.0)
    for at in range(1000):
        for message in drain(delivery, 6.0 + at):
            cloud.take(message)
        delivery.take_receipt(cloud.receipt(), 6.0 + at)
        if not delivery.backlog:
            break
    add(outbox, HEARTBEAT)
    outbox.commit()
    assert [one.lane for one in drain(delivery, 2000.0)] == [Lane.BULK]


def _times_of_live(delivery: Delivery, until_s: float) -> list[float]:
    """Return when live messages are sent to a cloud that says nothing."""
    found, now_s = [], 0.0
    while now_s < until_s:
        found += [now_s for one in drain(delivery, now_s) if one.lane is Lane.LIVE]
        now_s += max(delivery.wait_s(now_s) or until_s, 0.01)
    return found


def test_a_live_value_is_repeated_until_a_receipt_covers_it(outbox: Outbox) -> None:
    delivery = connected(outbox)
    fill(outbox, 600)
    add(outbox, HEARTBEAT)
    outbox.commit()
    sent_s = _times_of_live(delivery, 60.0)
    assert sent_s == pytest.approx([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], abs=0.05)
    # Another connection begins anew, although there is no newer value.
    delivery.connected(60.0)
    (live,) = (one for one in drain(delivery, 60.0) if one.lane is Lane.LIVE)
    assert live.sequences == (600,)
    delivery.take_receipt(receipt(outbox.epoch, None, None, ((600, 600),)), 60.5)
    assert Lane.LIVE not in {one.lane for one in drain(delivery, 70.0)}


def test_few_records_are_shown_though_their_messages_are_lost(outbox: Outbox) -> None:
    delivery = connected(outbox)
    fill(outbox, 100)
    add(outbox, HEARTBEAT)
    outbox.commit()
    drain(delivery)
    (again,) = drain(delivery, 2.0)
    assert (again.lane, again.sequences) == (Lane.LIVE, (100,))


def test_at_most_a_window_is_in_flight(outbox: Outbox) -> None:
    fill(outbox, 1000)
    delivery = connected(outbox)
    assert len(drain(delivery)) == 8
    sealed = outbox.read(59)[0].sealed
    result = delivery.take_receipt(receipt(outbox.epoch, 59, digest(sealed)), 0.5)
    assert result is ReceiptResult.ADVANCED
    assert [one.sequences[0] for one in drain(delivery, 0.5)] == [480]


def test_without_a_receipt_it_is_sent_again_later_and_later(outbox: Outbox) -> None:
    fill(outbox, 2)
    delivery = connected(outbox)
    (first,) = drain(delivery)
    now_s, waits = 0.0, []
    for _ in range(9):
        wait_s = delivery.wait_s(now_s)
        assert wait_s is not None
        assert drain(delivery, now_s + wait_s * 0.99) == []
        now_s += wait_s
        (again,) = drain(delivery, now_s)
        assert again.payload == first.payload
        waits.append(wait_s)
    for attempt, wait_s in enumerate(waits):
        base_s = min(5.0 * 2**attempt, 150.0)
        assert base_s <= wait_s <= 2 * base_s
    assert delivery.resent_total == 18


def test_a_sign_of_life_ends_the_long_waits(outbox: Outbox) -> None:
    fill(outbox, 2)
    delivery = connected(outbox)
    now_s = 0.0
    for _ in range(9):
        drain(delivery, now_s)
        now_s += delivery.wait_s(now_s) or 0.0
    drain(delivery, now_s)
    assert (delivery.wait_s(now_s) or 0.0) > 100
    delivery.take_receipt(receipt(outbox.epoch, None, None), now_s)
    assert (delivery.wait_s(now_s) or 0.0) <= 10


def test_a_new_connection_sends_again_what_was_under_way(outbox: Outbox) -> None:
    fill(outbox, 3)
    delivery = connected(outbox)
    first = drain(delivery)
    delivery.disconnected()
    assert delivery.next_message(1.0) is None
    delivery.connected(2.0)
    assert drain(delivery, 2.0) == first


def test_ranges_are_not_sent_again_and_free_nothing(outbox: Outbox) -> None:
    fill(outbox, 200)
    delivery = connected(outbox)
    delivery.take_receipt(receipt(outbox.epoch, None, None, ((10, 150),)), 0.0)
    sent = [s for one in drain(delivery) for s in one.sequences]
    assert sent == [*range(10), *range(151, 200)]
    assert outbox.watermark == -1
    assert delivery.backlog == 200 - 141


@pytest.mark.parametrize(
    ("contiguous", "at", "ranges"),
    [
        (5, b"\xee" * 32, ()),  # another record at that place
        (12, b"\xee" * 32, ()),  # beyond our head
        (None, None, ((8, 12),)),  # holds more than we have
    ],
)
def test_what_is_not_our_chain_frees_nothing_ever(
    outbox: Outbox,
    contiguous: int | None,
    at: bytes | None,
    ranges: tuple[tuple[int, int], ...],
) -> None:
    fill(outbox, 10)
    delivery = connected(outbox)
    drain(delivery)
    bad = receipt(outbox.epoch, contiguous, at, ranges)
    assert delivery.take_receipt(bad, 0.0) is ReceiptResult.MISMATCH
    good = receipt(outbox.epoch, 5, outbox.digest_at(5))
    assert delivery.take_receipt(good, 0.0) is ReceiptResult.MISMATCH
    assert (outbox.watermark, delivery.backlog) == (-1, 10)


def test_receipts_are_told_apart(outbox: Outbox) -> None:
    fill(outbox, 10)
    delivery = connected(outbox)
    three = receipt(outbox.epoch, 3, outbox.digest_at(3))
    seven = receipt(outbox.epoch, 7, outbox.digest_at(7))
    foreign = receipt(b"epoch-xx", 9, outbox.digest_at(9))
    results = [
        delivery.take_receipt(one, 0.0) for one in (seven, three, seven, foreign)
    ]
    assert results == [
        ReceiptResult.ADVANCED,
        ReceiptResult.STALE,
        ReceiptResult.NOTED,
        ReceiptResult.FOREIGN,
    ]
    assert outbox.watermark == 7


def test_a_resend_command_is_served_even_below_the_watermark(outbox: Outbox) -> None:
    fill(outbox, 100)
    delivery = connected(outbox)
    drain(delivery)
    delivery.take_receipt(receipt(outbox.epoch, 99, outbox.digest_at(99)), 0.0)
    delivery.resend(20, 89)
    assert [one.sequences for one in drain(delivery, 1.0)] == [
        tuple(range(20, 80)),
        tuple(range(80, 90)),
    ]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), loss=st.floats(0, 0.7))
def test_over_any_line_everything_arrives_and_only_then_goes(
    tmp_path_factory: pytest.TempPathFactory, seed: int, loss: float
) -> None:
    rng = Random(seed)
    outbox = Outbox.open(tmp_path_factory.mktemp("outbox"), LIMITS)
    delivery, cloud = connected(outbox), Cloud(outbox.epoch)
    under_way: list[Message] = []
    receipts: list[Receipt] = []
    total, now_s = 300, 0.0
    while outbox.watermark < total - 1:
        now_s += 1.0
        assert now_s < 50_000
        for _ in range(rng.randint(0, 20)):
            if outbox.next_sequence < total:
                lane = Priority.ALARM if rng.random() < 0.1 else Priority.BULK
                add(outbox, filler(20), lane)
        outbox.commit()
        under_way += [one for one in drain(delivery, now_s) if rng.random() >= loss]
        rng.shuffle(under_way)
        for _ in range(rng.randint(0, len(under_way))):
            cloud.take(under_way.pop())
        receipts.append(cloud.receipt())
        if rng.random() >= loss:
            delivery.take_receipt(rng.choice(receipts[-3:]), now_s)
        if rng.random() < 0.02:
            delivery.disconnected()
            delivery.connected(now_s)
        assert outbox.watermark <= cloud.contiguous()
    assert cloud.contiguous() == total - 1
    outbox.close()


def test_150_records_a_second_flow_with_one_receipt_a_second(outbox: Outbox) -> None:
    delivery, cloud = connected(outbox), Cloud(outbox.epoch)
    messages = worst = 0
    for tick in range(300):  # tenths of a second
        fill(outbox, 15)
        for message in drain(delivery, tick / 10):
            cloud.take(message)
            messages += 1
        if tick % 10 == 9:
            delivery.take_receipt(cloud.receipt(), tick / 10)
            worst = max(worst, delivery.backlog)
    assert worst <= 60
    assert cloud.arrived < 1.1 * 4500
    assert messages < 12 * 30
