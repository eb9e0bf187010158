import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from cloud.adapters.ledger import SqlLedger, open_ledger
from cloud.adapters.mqtt import Received
from cloud.config import IngestConfig
from cloud.errors import LedgerError
from cloud.ingest import RESEND_TTL_NS, Ingestor, Parties, judge_message
from cloud.ports import AppendResult
from cloud.verification import RefusalReason, VerifiedRecord
from schemas import wire
from schemas.commands import Resend, read_command
from schemas.envelope import digest, open_envelope, seal
from schemas.receipts import Receipt, read_receipt
from schemas.records import Header, record_aad
from schemas.topics import Lane, topic
from tests.builders import (
    EPOCH,
    GATEWAY,
    START_NS,
    Cloud,
    GatewayChain,
    birth,
    registry,
    report,
)

ROOT = Path(__file__).parents[2]
WAIT_S = 30.0
LIVE = topic(GATEWAY, Lane.LIVE)


class FakeClock:
    """A clock that stands at the start."""

    exercise = True

    def boot_ns(self) -> int:
        return 0

    def utc_ns(self) -> int:
        return START_NS


class FakeLine:
    """A line without a broker; what is sent and acknowledged is kept."""

    def __init__(self) -> None:
        self.waiting: list[Received] = []
        self.acknowledged: list[int] = []
        self.published: list[tuple[str, bytes]] = []
        self.is_connected = True

    def bring(self, payload: bytes, to: str = LIVE) -> int:
        number = 1 + len(self.acknowledged) + len(self.waiting)
        self.waiting.append(Received(to, payload, number, 1))
        return number

    def take(self, limit: int, wait_s: float) -> list[Received]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def acknowledge(self, message: Received) -> None:
        self.acknowledged.append(message.number)

    def publish(self, to: str, payload: bytes) -> bool:
        if self.is_connected:
            self.published.append((to, payload))
        return self.is_connected

    def receipts(self) -> list[Receipt]:
        return [
            read_receipt(open_envelope(sealed).payload)
            for to, sealed in self.published
            if to == topic(GATEWAY, Lane.RECEIPT)
        ]


class Desk:
    """An ingestor on a fake line and a real ledger."""

    def __init__(self, ledger: SqlLedger, *chains: GatewayChain) -> None:
        self.ledger, self.line, self.server = ledger, FakeLine(), Cloud()
        known = registry(*chains, self.server)
        parties = Parties(
            ledger, self.line, FakeClock(), self.server.signer, lambda: known
        )
        self.stop = threading.Event()
        settings = IngestConfig(receipt_interval_s=0.5, resend_after_s=30.0)
        self.ingestor = Ingestor(parties, settings, self.stop)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield opened
    opened.close()


def chain_of(length: int) -> GatewayChain:
    chain = GatewayChain()
    chain.append(birth())
    for minute in range(1, length):
        chain.append(report(minute))
    return chain


def test_a_live_value_does_not_wait_for_the_bulk_before_it(ledger: SqlLedger) -> None:
    chain = chain_of(6)
    desk = Desk(ledger, chain)
    desk.line.bring(b"".join(chain.sealed[:4]), topic(GATEWAY, Lane.BULK))
    desk.line.bring(chain.sealed[5])
    desk.line.bring(chain.sealed[4], topic(GATEWAY, Lane.ALARM))
    desk.ingestor.step(0.0)
    kept = [one.sequence for one in ledger.entries_after(0, 10) if one.epoch == EPOCH]
    assert kept == [5, 4, 0, 1, 2, 3]
    assert desk.line.acknowledged == [1, 2, 3]


def test_records_are_ledgered_acknowledged_and_receipted(ledger: SqlLedger) -> None:
    chain = chain_of(4)
    desk = Desk(ledger, chain)
    desk.line.bring(b"".join(chain.sealed[:3]))
    desk.line.bring(chain.sealed[3], topic(GATEWAY, Lane.ALARM))
    desk.ingestor.step(0.0)
    assert ledger.watermark(GATEWAY, EPOCH).contiguous == 3
    assert desk.line.acknowledged == [1, 2]
    (receipt,) = desk.line.receipts()
    assert (receipt.contiguous, receipt.digest) == (3, digest(chain.sealed[3]))


def test_a_receipt_follows_the_last_change_but_not_every_one(
    ledger: SqlLedger,
) -> None:
    chain = chain_of(5)
    desk = Desk(ledger, chain)
    for at in range(5):
        desk.line.bring(chain.sealed[at])
        desk.ingestor.step(0.1 * at)
    assert [one.contiguous for one in desk.line.receipts()] == [0]
    desk.ingestor.step(0.6)
    desk.ingestor.step(9.0)
    assert [one.contiguous for one in desk.line.receipts()] == [0, 4]


def test_a_duplicate_is_receipted_again(ledger: SqlLedger) -> None:
    chain = chain_of(1)
    desk = Desk(ledger, chain)
    for at in (0.0, 1.0):
        desk.line.bring(chain.sealed[0])
        desk.ingestor.step(at)
    assert [one.contiguous for one in desk.line.receipts()] == [0, 0]


def test_a_receipt_is_owed_while_there_is_no_broker(ledger: SqlLedger) -> None:
    chain = chain_of(1)
    desk = Desk(ledger, chain)
    desk.line.is_connected = False
    desk.line.bring(chain.sealed[0])
    desk.ingestor.step(0.0)
    desk.line.is_connected = True
    desk.ingestor.step(0.1)
    assert len(desk.line.receipts()) == 1


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"noise", RefusalReason.NOT_SEALED),
        (bytes(64 * 1024 + 1), RefusalReason.TOO_LARGE),
        (b"\x58\x20" + bytes(32), RefusalReason.NOT_SEALED),
        (GatewayChain("gw-stranger").append(birth()), RefusalReason.UNKNOWN_KEY),
    ],
)
def test_poison_is_quarantined_acknowledged_and_not_receipted(
    ledger: SqlLedger, payload: bytes, reason: RefusalReason
) -> None:
    desk = Desk(ledger, GatewayChain())
    desk.line.bring(payload)
    desk.ingestor.step(0.0)
    assert desk.line.acknowledged == [1]
    assert desk.line.published == []
    assert [one.reason for one in ledger.quarantined(9)] == [reason]


def test_what_is_good_beside_poison_is_taken(ledger: SqlLedger) -> None:
    chain = chain_of(3)
    desk = Desk(ledger, chain)
    altered = bytearray(chain.sealed[1])
    altered[-1] ^= 1
    message = chain.sealed[0] + bytes(altered) + chain.sealed[2] + b"\xff"
    desk.line.bring(message)
    desk.ingestor.step(0.0)
    found = ledger.watermark(GATEWAY, EPOCH)
    assert (found.contiguous, found.ranges) == (0, ((2, 2),))
    assert len(ledger.quarantined(9)) == 2


def test_an_unprojectable_record_is_ledgered_and_receipted(ledger: SqlLedger) -> None:
    chain = GatewayChain()
    header = chain.header("hologram")
    sealed = seal_unknown_kind(chain, header)
    desk = Desk(ledger, chain)
    desk.line.bring(sealed)
    desk.ingestor.step(0.0)
    assert [one.contiguous for one in desk.line.receipts()] == [0]


def seal_unknown_kind(chain: GatewayChain, header: Header) -> bytes:
    plain = msgspec.to_builtins(header, builtin_types=(bytes,)) | {"body": {}}
    aad = record_aad(header.version, header.gateway)
    return seal(wire.encode_named(plain), chain.signer, aad)


def test_rule_8_by_the_topic() -> None:
    chain = chain_of(1)
    other = topic("gw-other", Lane.LIVE)
    judged = judge_message(other, chain.sealed[0], registry(chain))
    assert [one.reason for one in judged.refusals] == [RefusalReason.WRONG_OWNER]
    judged = judge_message("else/where", chain.sealed[0], registry(chain))
    assert [one.reason for one in judged.refusals] == [RefusalReason.WRONG_OWNER]


class FailingLedger(SqlLedger):
    """A ledger whose disk is full until it was asked ``failures`` times."""

    def __init__(self, ledger: SqlLedger, failures: int) -> None:
        super().__init__(ledger._engine)
        self.failures = failures
        self.on_failure: Callable[[], None] = lambda: None

    def append_records(
        self, batch: Sequence[VerifiedRecord], received_at_ns: int
    ) -> AppendResult:
        if self.failures:
            self.failures -= 1
            self.on_failure()
            raise LedgerError("database or disk is full")
        return super().append_records(batch, received_at_ns)


def test_no_acknowledgement_before_the_ledger_has_committed(
    ledger: SqlLedger,
) -> None:
    chain = chain_of(2)
    failing = FailingLedger(ledger, failures=1)
    desk = Desk(failing, chain)
    seen: list[list[int]] = []
    failing.on_failure = lambda: seen.append(list(desk.line.acknowledged))
    desk.line.bring(b"".join(chain.sealed))
    desk.ingestor.step(0.0)
    assert seen == [[]]
    assert desk.line.acknowledged == [1]


def test_no_acknowledgement_at_all_where_it_ends_before(ledger: SqlLedger) -> None:
    chain = chain_of(1)
    failing = FailingLedger(ledger, failures=9)
    desk = Desk(failing, chain)
    failing.on_failure = desk.stop.set
    desk.line.bring(chain.sealed[0])
    desk.ingestor.step(0.0)
    assert (desk.line.acknowledged, desk.line.published) == ([], [])


def test_a_gap_that_stands_is_asked_for_once_in_a_while(ledger: SqlLedger) -> None:
    chain = chain_of(6)
    desk = Desk(ledger, chain)
    desk.line.bring(chain.sealed[0] + chain.sealed[4])
    desk.ingestor.step(0.0)
    desk.ingestor.step(29.0)
    assert ledger.commands() == []
    desk.ingestor.step(30.0)
    desk.ingestor.step(31.0)
    (entry,) = ledger.commands(GATEWAY)
    command = read_command(open_envelope(entry.sealed).payload)
    assert command.body == Resend(EPOCH, 1, 3)
    assert command.header.expires_ns == START_NS + RESEND_TTL_NS
    assert (topic(GATEWAY, Lane.COMMAND), entry.sealed) in desk.line.published


def test_a_backlog_that_drains_is_not_asked_for(ledger: SqlLedger) -> None:
    chain = chain_of(12)
    desk = Desk(ledger, chain)
    desk.line.bring(chain.sealed[0] + chain.sealed[11])
    for step in range(10):
        desk.ingestor.step(20.0 * step)
        desk.line.bring(chain.sealed[step + 1])
    desk.ingestor.step(400.0)
    assert ledger.commands() == []
