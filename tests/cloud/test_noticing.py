"""What the ingestor notices about gateways, as facts in a real ledger."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.adapters.ledger import SqlLedger, open_ledger
from cloud.config import IngestConfig
from cloud.dispatch import issue
from cloud.ingest import Ingestor, Parties
from cloud.receipting import STANDS_AFTER_S
from cloud.verification import VerifiedFact, verify_fact
from schemas.commands import Assign
from schemas.custody import Notice, NoticeKind
from schemas.envelope import digest
from schemas.events import Event, EventKind, Severity
from schemas.records import Gap, GapReason
from tests.builders import (
    EPOCH,
    GATEWAY,
    START_NS,
    Cloud,
    GatewayChain,
    birth,
    contents,
    limits,
    registry,
    report,
)
from tests.cloud.test_ingest import FakeLine

HOUR_NS = 3600 * 10**9


class MovingClock:
    """A clock that the test moves."""

    exercise = False

    def __init__(self) -> None:
        self.now_s = 0.0

    def boot_ns(self) -> int:
        return round(self.now_s * 1e9)

    def utc_ns(self) -> int:
        return START_NS + self.boot_ns()


class Site:
    """An ingestor that lives through seconds, and may be started again."""

    def __init__(self, ledger: SqlLedger, *chains: GatewayChain) -> None:
        self.ledger, self.line, self.server = ledger, FakeLine(), Cloud()
        self.clock, self.known = MovingClock(), registry(*chains, self.server)
        self.start()

    def start(self) -> None:
        parties = Parties(
            self.ledger,
            self.line,
            self.clock,
            self.server.signer,
            lambda: self.known,
        )
        self.ingestor = Ingestor(parties, IngestConfig(), threading.Event())

    def pass_s(self, seconds: float, *sealed: bytes) -> None:
        self.clock.now_s += seconds
        if sealed:
            self.line.bring(b"".join(sealed))
        self.ingestor.step(self.clock.now_s)

    def notices(self, what: NoticeKind) -> list[Notice]:
        found = []
        for entry in self.ledger.facts():
            fact = verify_fact(entry.sealed, self.known)
            assert isinstance(fact, VerifiedFact)
            body = fact.fact.body
            if isinstance(body, Notice) and body.what is what:
                found.append(body)
        return found


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


def silences(site: Site) -> list[tuple[Severity, bool]]:
    found = site.notices(NoticeKind.GATEWAY_SILENT)
    assert all(one.gateway == GATEWAY for one in found)
    return [(one.severity, one.is_over) for one in found]


def test_silence_is_said_once_and_again_when_it_ends(ledger: SqlLedger) -> None:
    chain = chain_of(3)
    site = Site(ledger, chain)
    site.pass_s(10, chain.sealed[0])
    site.pass_s(89)
    assert silences(site) == []
    site.pass_s(2)
    site.pass_s(500)
    assert silences(site) == [(Severity.WARNING, False)]
    (notice,) = site.notices(NoticeKind.GATEWAY_SILENT)
    assert notice.at_ns == START_NS + 10 * 10**9
    site.pass_s(1, chain.sealed[0])  # heard before: no sign of life
    assert len(silences(site)) == 1
    site.pass_s(1, chain.sealed[1])
    assert silences(site)[1:] == [(Severity.WARNING, True)]
    site.pass_s(100)
    assert len(silences(site)) == 3


def test_silence_of_a_gateway_with_a_shipment_is_an_alarm(ledger: SqlLedger) -> None:
    chain = chain_of(2)
    site = Site(ledger, chain)
    body = Assign("SH-1", (contents(),), limits(), bytes(32))
    issue(ledger, site.server.signer, GATEWAY, body, START_NS, HOUR_NS)
    site.pass_s(0, chain.sealed[0])
    site.pass_s(91)
    assert silences(site) == [(Severity.ALARM, False)]


def test_silence_is_remembered_over_a_restart(ledger: SqlLedger) -> None:
    chain = chain_of(3)
    site = Site(ledger, chain)
    site.pass_s(0, chain.sealed[0])
    site.pass_s(91)
    site.start()
    site.pass_s(1)
    site.pass_s(91)
    assert silences(site) == [(Severity.WARNING, False)]
    site.start()
    site.pass_s(5, chain.sealed[1])
    assert len(silences(site)) == 2


def test_a_gateway_that_fell_silent_while_nobody_listened_is_noticed(
    ledger: SqlLedger,
) -> None:
    chain = chain_of(2)
    site = Site(ledger, chain)
    site.pass_s(0, chain.sealed[0])
    site.clock.now_s += 3600
    site.start()
    site.pass_s(0)
    assert silences(site) == []  # it may have tried while nobody was there
    site.pass_s(91)
    assert silences(site) == [(Severity.WARNING, False)]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_announced_silence_is_none_until_its_expected_end(
    ledger: SqlLedger, is_restarted: bool
) -> None:
    chain = chain_of(1)
    end_ns = START_NS + 2 * HOUR_NS
    begins = Event(
        EventKind.RADIO_SILENCE_BEGINS,
        Severity.INFO,
        0,
        "in the air",
        expected_end_ns=end_ns,
    )
    chain.append(begins)
    site = Site(ledger, chain)
    site.pass_s(0, *chain.sealed)
    if is_restarted:
        site.start()
    site.pass_s(3600)
    site.pass_s(3600 + 80)
    assert silences(site) == []
    site.pass_s(20)
    assert len(silences(site)) == 1


def test_where_time_stands_still_nobody_is_silent(ledger: SqlLedger) -> None:
    chain = chain_of(1)
    site = Site(ledger, chain)
    site.pass_s(0, chain.sealed[0])
    site.ingestor.step(10_000.0)
    assert silences(site) == []


def test_a_gap_that_stays_is_an_alarm_until_it_closes(ledger: SqlLedger) -> None:
    chain = chain_of(7)
    site = Site(ledger, chain)
    site.pass_s(0, chain.sealed[0], chain.sealed[4])
    site.pass_s(STANDS_AFTER_S - 1, chain.sealed[5])
    assert site.notices(NoticeKind.RECORDS_MISSING) == []
    site.pass_s(1)
    site.pass_s(10)
    (notice,) = site.notices(NoticeKind.RECORDS_MISSING)
    assert (notice.from_sequence, notice.to_sequence) == (1, 3)
    assert (notice.epoch, notice.severity) == (EPOCH, Severity.ALARM)
    site.pass_s(1, *chain.sealed[1:4])
    assert [one.is_over for one in site.notices(NoticeKind.RECORDS_MISSING)] == [
        False,
        True,
    ]


def test_a_gap_that_a_signed_record_explains_is_none(ledger: SqlLedger) -> None:
    chain = chain_of(4)
    site = Site(ledger, chain)
    chain.append(Gap(1, 2, GapReason.DROPPED, digest(chain.sealed[2])))
    site.pass_s(0, chain.sealed[0], chain.sealed[3], chain.sealed[4])
    site.pass_s(2 * STANDS_AFTER_S)
    assert site.notices(NoticeKind.RECORDS_MISSING) == []


def test_two_histories_of_one_gateway_are_an_alarm_once(ledger: SqlLedger) -> None:
    chain, other = chain_of(4), GatewayChain()
    other.append(birth())
    for minute in (7, 8):
        other.append(report(minute))
    site = Site(ledger, chain)
    site.pass_s(0, *chain.sealed[:3])
    site.pass_s(1, other.sealed[1])
    site.pass_s(1, other.sealed[2])
    (notice,) = site.notices(NoticeKind.CHAIN_FORKED)
    assert (notice.gateway, notice.epoch) == (GATEWAY, EPOCH)
    assert notice.severity is Severity.ALARM
    site.start()
    site.pass_s(1, other.sealed[1])
    assert len(site.notices(NoticeKind.CHAIN_FORKED)) == 1


def test_records_dated_after_they_came_make_the_clock_doubtful(
    ledger: SqlLedger,
) -> None:
    chain = chain_of(90)
    site = Site(ledger, chain)
    site.pass_s(0, *chain.sealed[:60])  # one a minute: the last is 59 minutes ahead
    (notice,) = site.notices(NoticeKind.CLOCK_IMPLAUSIBLE)
    assert "59 min ahead" in notice.text
    site.pass_s(3600, *chain.sealed[60:])
    site.pass_s(1800)
    assert len(site.notices(NoticeKind.CLOCK_IMPLAUSIBLE)) == 1
    chain.append(report(91))
    site.pass_s(600, chain.sealed[-1])
    assert [one.is_over for one in site.notices(NoticeKind.CLOCK_IMPLAUSIBLE)] == [
        False,
        True,
    ]


def test_another_process_may_speak_with_the_same_key(ledger: SqlLedger) -> None:
    chain = chain_of(2)
    first, second = Site(ledger, chain), Site(ledger, chain)
    first.pass_s(0, chain.sealed[0])
    second.pass_s(0)
    first.pass_s(91)
    second.pass_s(91)
    kinds = first.notices(NoticeKind.GATEWAY_SILENT)
    assert len(kinds) == 2
    numbers = [entry.sequence for entry in ledger.facts()]
    assert numbers == [0, 1]
