import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from cloud.adapters.ledger import SqlLedger, open_ledger
from cloud.adapters.ledger_quarantine import KEPT_PER_REASON
from cloud.errors import ConfigError, LedgerError
from cloud.ports import EntryKind, Watermark
from cloud.verification import (
    MAX_SEQUENCE,
    Refusal,
    RefusalReason,
    VerifiedFact,
    VerifiedRecord,
    own_command,
    verify_fact,
    verify_record,
)
from schemas import records
from schemas.commands import Release
from schemas.envelope import digest
from tests.builders import (
    EPOCH,
    GATEWAY,
    START_NS,
    Author,
    Cloud,
    GatewayChain,
    birth,
    order,
    registry,
    report,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture
def ledger(url: str) -> Iterator[SqlLedger]:
    opened = open_ledger(url)
    yield opened
    opened.close()


def verified(chain: GatewayChain, *sealed: bytes) -> list[VerifiedRecord]:
    known = registry(chain)
    found = [verify_record(one, known) for one in sealed or chain.sealed]
    return [one for one in found if isinstance(one, VerifiedRecord)]


def fact(author: Author, sealed: bytes) -> VerifiedFact:
    found = verify_fact(sealed, registry(author))
    assert isinstance(found, VerifiedFact)
    return found


def long_chain(length: int) -> GatewayChain:
    chain = GatewayChain()
    chain.append(birth())
    for minute in range(1, length):
        chain.append(report(minute))
    return chain


CHAIN = long_chain(30)
VERIFIED = verified(CHAIN)


def test_a_batch_is_taken_once_and_read_back(ledger: SqlLedger) -> None:
    assert ledger.append_records(VERIFIED[:3], START_NS)[:3] == (3, 0, ())
    assert ledger.append_records(VERIFIED[:4], START_NS + 1)[:3] == (1, 3, ())
    entries = ledger.entries_after(0, 10)
    assert [entry.sealed for entry in entries] == CHAIN.sealed[:4]
    assert [entry.position for entry in entries] == [1, 2, 3, 4]
    assert entries[3][1:6] == (
        EntryKind.RECORD,
        GATEWAY,
        EPOCH,
        3,
        digest(CHAIN.sealed[3]),
    )
    assert entries[3].received_at_ns == START_NS + 1
    assert [entry.sequence for entry in ledger.entries_of(GATEWAY, EPOCH, 1, 2)] == [
        1,
        2,
    ]
    assert (ledger.head(), ledger.gateways()) == (4, [GATEWAY])
    assert ledger.counts() == {"record": 4, "fact": 0, "command": 0}


def test_watermark_of_an_unknown_epoch_is_empty(ledger: SqlLedger) -> None:
    assert ledger.watermark(GATEWAY, EPOCH) == Watermark(None, None, ())


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_any_order_and_any_batches_end_in_the_same_ledger(
    tmp_path: Path, order_of: random.Random, size: int
) -> None:
    file = tmp_path / f"{order_of.random()}.sqlite"
    ledger = open_ledger(f"sqlite:///{file}")
    shuffled = [*VERIFIED, *VERIFIED[:5]]
    order_of.shuffle(shuffled)
    for start in range(0, len(shuffled), size):
        result = ledger.append_records(shuffled[start : start + size], START_NS)
        assert result.conflicts == ()
    held = ledger.entries_of(GATEWAY, EPOCH, 0, 99)
    assert [entry.sealed for entry in held] == CHAIN.sealed
    assert ledger.watermark(GATEWAY, EPOCH) == Watermark(29, VERIFIED[29].digest, ())
    ledger.close()


def test_watermark_names_the_ranges_above_a_gap(ledger: SqlLedger) -> None:
    ledger.append_records([VERIFIED[at] for at in (0, 1, 5, 4, 9)], START_NS)
    found = ledger.watermark(GATEWAY, EPOCH)
    assert found == Watermark(1, VERIFIED[1].digest, ((4, 5), (9, 9)))
    ledger.append_records(VERIFIED[2:4], START_NS)
    assert ledger.watermark(GATEWAY, EPOCH).contiguous == 5


def test_a_signed_gap_explains_what_will_never_come(ledger: SqlLedger) -> None:
    chain = long_chain(5)
    gap = records.Gap(1, 3, records.GapReason.DROPPED, digest(chain.sealed[3]))
    chain.append(gap)
    both = verified(chain, chain.sealed[0], chain.sealed[5])
    ledger.append_records(both, START_NS)
    found = ledger.watermark(GATEWAY, EPOCH)
    assert found == Watermark(3, digest(chain.sealed[3]), ((5, 5),))
    ledger.append_records(verified(chain, chain.sealed[4]), START_NS)
    assert ledger.watermark(GATEWAY, EPOCH).contiguous == 5


def test_a_gap_that_contradicts_a_link_explains_nothing(ledger: SqlLedger) -> None:
    chain = long_chain(5)
    chain.append(records.Gap(1, 3, records.GapReason.DROPPED, bytes(32)))
    some = [chain.sealed[0], chain.sealed[4], chain.sealed[5]]
    ledger.append_records(verified(chain, *some), START_NS)
    assert ledger.watermark(GATEWAY, EPOCH).contiguous == 0


def test_the_highest_sequence_has_a_place(ledger: SqlLedger) -> None:
    chain = GatewayChain()
    chain.sequence, chain.previous = MAX_SEQUENCE, b"p" * 32
    chain.append(birth(), boot_ns=0)
    assert ledger.append_records(verified(chain), START_NS).added == 1
    found = ledger.watermark(GATEWAY, EPOCH).ranges
    assert found == ((MAX_SEQUENCE, MAX_SEQUENCE),)


def test_rule_10_equivocation_is_kept_whole_in_quarantine(ledger: SqlLedger) -> None:
    forked = GatewayChain()
    forked.append(birth())
    forked.append(report(1, temperature_c=9.0))
    ledger.append_records(VERIFIED[:2], START_NS)
    result = ledger.append_records(verified(forked), START_NS)
    assert (result.added, result.duplicates) == (0, 1)
    assert [one.reason for one in result.conflicts] == [RefusalReason.EQUIVOCATION]
    assert ledger.quarantined(5)[0].excerpt == forked.sealed[1]
    assert ledger.entries_of(GATEWAY, EPOCH, 1, 1)[0].sealed == CHAIN.sealed[1]


@pytest.mark.parametrize(("held", "late"), [(1, 2), (2, 1)])
def test_rule_11_broken_link_whoever_comes_first(
    ledger: SqlLedger, held: int, late: int
) -> None:
    forked = GatewayChain()
    forked.append(birth())
    forked.append(report(1, temperature_c=9.0))
    forked.append(report(2, temperature_c=9.0))
    ledger.append_records([VERIFIED[held]], START_NS)
    result = ledger.append_records([verified(forked)[late]], START_NS)
    assert [one.reason for one in result.conflicts] == [RefusalReason.BROKEN_LINK]


def test_rule_10_within_one_batch(ledger: SqlLedger) -> None:
    forked = GatewayChain()
    forked.append(records.Released("SH-1", 1))
    result = ledger.append_records([VERIFIED[0], *verified(forked)], START_NS)
    assert (result.added, len(result.conflicts)) == (1, 1)


def test_a_fact_counts_once_and_its_uuid_is_its_identity(ledger: SqlLedger) -> None:
    author = Author("courier-1")
    first = fact(author, author.state(order()))
    assert ledger.append_fact(first, START_NS)[:3] == (1, 0, ())
    assert ledger.append_fact(first, START_NS)[:3] == (0, 1, ())
    uuid = first.fact.header.fact
    same = fact(author, author.state(order("SH-2"), fact=uuid))
    conflicts = ledger.append_fact(same, START_NS).conflicts
    assert [one.reason for one in conflicts] == [RefusalReason.EQUIVOCATION]
    assert [entry.sealed for entry in ledger.facts()] == [author.sealed[0]]


def test_rule_11_a_fact_links_within_its_key(ledger: SqlLedger) -> None:
    author = Author("courier-1")
    first = fact(author, author.state(order()))
    second = fact(author, author.state(order("SH-2"), previous=bytes(31) + b"\x01"))
    ledger.append_fact(first, START_NS)
    conflicts = ledger.append_fact(second, START_NS).conflicts
    assert [one.reason for one in conflicts] == [RefusalReason.BROKEN_LINK]


def test_a_command_counter_is_given_once(ledger: SqlLedger) -> None:
    server = Cloud()
    assert ledger.next_counter(GATEWAY) == 1
    command = own_command(server.command(Release("SH-1"), counter=1))
    assert ledger.append_command(command, START_NS)
    again = own_command(server.command(Release("SH-2"), counter=1))
    assert not ledger.append_command(again, START_NS)
    assert ledger.next_counter(GATEWAY) == 2
    assert [entry.subject for entry in ledger.commands(GATEWAY)] == [GATEWAY]
    assert ledger.commands("gw-other") == []


def test_epochs_are_in_the_order_of_acceptance(ledger: SqlLedger) -> None:
    later = GatewayChain(epoch=bytes(8))
    later.append(birth())
    ledger.append_records([VERIFIED[0], *verified(later), VERIFIED[1]], START_NS)
    found = [(one.epoch, one.first_position) for one in ledger.epochs(GATEWAY)]
    assert found == [(EPOCH, 1), (bytes(8), 3)]


def test_quarantine_is_bounded_for_each_reason(ledger: SqlLedger) -> None:
    forged = Refusal(RefusalReason.WRONG_SEAL, "evidence", b"x" * 1000)
    noise = Refusal(RefusalReason.NOT_SEALED, "noise", b"")
    ledger.quarantine([forged], START_NS)
    ledger.quarantine([noise] * (KEPT_PER_REASON + 7), START_NS)
    kept = ledger.quarantined(2 * KEPT_PER_REASON)
    assert len(kept) == KEPT_PER_REASON + 1
    assert (kept[-1].detail, len(kept[-1].excerpt)) == ("evidence", 256)


def test_a_ledger_of_another_schema_is_refused(ledger: SqlLedger, url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE meta SET value = '2'"))
    engine.dispose()
    with pytest.raises(ConfigError, match="schema 2"):
        open_ledger(url)


def test_a_locked_ledger_takes_nothing_and_says_so(ledger: SqlLedger, url: str) -> None:
    blocker = create_engine(url)
    hurried = open_ledger(url, busy_timeout_s=0.05)
    with blocker.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="locked"):
            hurried.append_records(VERIFIED[:1], START_NS)
    blocker.dispose()
    assert hurried.append_records(VERIFIED[:1], START_NS).added == 1
    hurried.close()


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="unable to open"):
        open_ledger(f"sqlite:///{tmp_path / 'none' / 'ledger.sqlite'}")


WRITER = """
import sys
from cloud.adapters.ledger import open_ledger
from cloud.dispatch import issue
from cloud.verification import verify_record
from schemas.commands import Release
from tests.builders import START_NS, Cloud, GatewayChain, birth, registry, report

url, what = sys.argv[1:]
ledger = open_ledger(url)
chain, server = GatewayChain("gw-writer-" + what), Cloud()
known = registry(chain)
for minute in range(10_000 if what == "endless" else 40):
    record = verify_record(chain.append(report(minute)), known)
    ledger.append_records([record], START_NS)
    print(minute, flush=True)
    if what != "endless":
        issue(ledger, server.signer, "gw-shared", Release("SH-1"), START_NS, 1)
"""


def start_writer(url: str, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, url, what]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_one_ledger(ledger: SqlLedger, url: str) -> None:
    writers = [start_writer(url, what) for what in ("one", "two")]
    for writer in writers:
        _out, _ = writer.communicate(timeout=60)
        assert writer.returncode == 0
    assert ledger.counts() == {"record": 80, "fact": 0, "command": 80}
    counters = [entry.sequence for entry in ledger.commands("gw-shared")]
    assert counters == list(range(1, 81))
    positions = [entry.position for entry in ledger.entries_after(0, 1000)]
    assert positions == list(range(1, 161))


def test_kill_keeps_what_was_said_to_be_taken(ledger: SqlLedger, url: str) -> None:
    writer = start_writer(url, "endless")
    assert writer.stdout is not None
    said = -1
    for line in writer.stdout:
        said = int(line)
        if said == 25:
            writer.send_signal(signal.SIGKILL)
            break
    rest, _ = writer.communicate(timeout=30)
    said = max([said, *(int(line) for line in rest.split("\n")[:-1])])
    found = ledger.watermark("gw-writer-endless", EPOCH)
    assert found.contiguous in (said, said + 1)
