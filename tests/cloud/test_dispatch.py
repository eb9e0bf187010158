from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.adapters.ledger import SqlLedger, open_ledger
from cloud.dispatch import Dispatcher, issue
from cloud.verification import VerifiedCommand, VerifiedRecord, verify_command
from cloud.verification import verify_record as judge_record
from schemas.commands import Assign, Release, TakeFingerprint
from schemas.events import EventKind, Severity
from schemas.records import Body, Fingerprint, FingerprintStep
from schemas.topics import Lane, topic
from tests.builders import (
    CONTAINER_DIGEST,
    GATEWAY,
    START_NS,
    Cloud,
    GatewayChain,
    assigned,
    birth,
    contents,
    event,
    limits,
    registry,
    released,
)

SERVER = Cloud()
TTL_NS = 10**12


class Post:
    """Keeps what is sent; ``is_open`` says whether there is a broker."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.is_open = True

    def publish(self, to: str, payload: bytes) -> bool:
        if self.is_open:
            self.sent.append((to, payload))
        return self.is_open


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield opened
    opened.close()


def give(ledger: SqlLedger, shipment: str, gateway: str = GATEWAY) -> bytes:
    return issue(ledger, SERVER.signer, gateway, Release(shipment), START_NS, TTL_NS)


def answer(ledger: SqlLedger, chain: GatewayChain, body: Body) -> None:
    record = judge_record(chain.append(body), registry(chain))
    assert isinstance(record, VerifiedRecord)
    ledger.append_records([record], START_NS)


def test_an_issued_command_is_good_counted_and_expires(ledger: SqlLedger) -> None:
    body = Assign("SH-1", (contents(),), limits(), CONTAINER_DIGEST)
    first = issue(ledger, SERVER.signer, GATEWAY, body, START_NS, TTL_NS)
    second = give(ledger, "SH-1")
    found = [verify_command(one, registry(SERVER)) for one in (first, second)]
    headers = [one.command.header for one in found if isinstance(one, VerifiedCommand)]
    assert [header.counter for header in headers] == [1, 2]
    assert headers[0].expires_ns == START_NS + TTL_NS
    assert [entry.sealed for entry in ledger.commands(GATEWAY)] == [first, second]


def test_a_command_is_sent_until_it_is_answered(ledger: SqlLedger) -> None:
    post, chain = Post(), GatewayChain()
    dispatcher = Dispatcher(ledger, post.publish, interval_s=3.0)
    sealed = give(ledger, "SH-1")
    for now_s in (0.0, 1.0, 3.0, 4.0, 9.0):
        dispatcher.poll(START_NS, now_s)
    assert post.sent == [(topic(GATEWAY, Lane.COMMAND), sealed)] * 3
    answer(ledger, chain, birth())
    answer(ledger, chain, released(counter=1))
    dispatcher.poll(START_NS, 1000.0)
    assert (len(post.sent), dispatcher.pending) == (3, [])


FINGERPRINT = Fingerprint(FingerprintStep.LOADED, 1, 0, 1, ())


@pytest.mark.parametrize(
    "body",
    [
        assigned(counter=1),
        released(counter=1),
        FINGERPRINT,
        event(EventKind.COMMAND_DONE, Severity.INFO, counter=1),
        event(EventKind.COMMAND_REFUSED, Severity.WARNING, counter=1),
    ],
)
def test_every_answer_counts(ledger: SqlLedger, body: Body) -> None:
    dispatcher = Dispatcher(ledger, Post().publish, interval_s=3.0)
    step = TakeFingerprint(FingerprintStep.LOADED, 60)
    issue(ledger, SERVER.signer, GATEWAY, step, START_NS, TTL_NS)
    dispatcher.poll(START_NS, 0.0)
    assert dispatcher.pending == [(GATEWAY, 1)]
    answer(ledger, GatewayChain(), body)
    dispatcher.poll(START_NS, 0.0)
    assert dispatcher.pending == []


def test_an_answer_of_another_gateway_or_counter_does_not_count(
    ledger: SqlLedger,
) -> None:
    dispatcher = Dispatcher(ledger, Post().publish, interval_s=3.0)
    give(ledger, "SH-1")
    dispatcher.poll(START_NS, 0.0)
    answer(ledger, GatewayChain("gw-other"), released(counter=1))
    answer(ledger, GatewayChain(), released(counter=7))
    answer(ledger, GatewayChain(epoch=bytes(8)), event())
    dispatcher.poll(START_NS, 0.0)
    assert dispatcher.pending == [(GATEWAY, 1)]


def test_only_the_lowest_command_of_a_gateway_is_on_its_way(
    ledger: SqlLedger,
) -> None:
    post, chain = Post(), GatewayChain()
    dispatcher = Dispatcher(ledger, post.publish, interval_s=3.0)
    first, second = give(ledger, "SH-1"), give(ledger, "SH-2")
    other = give(ledger, "SH-3", "gw-other")
    dispatcher.poll(START_NS, 0.0)
    assert [sealed for _, sealed in post.sent] == [other, first]
    answer(ledger, chain, released(counter=1))
    dispatcher.poll(START_NS, 0.5)
    assert post.sent[-1][1] == second


def test_an_expired_command_is_not_sent(ledger: SqlLedger) -> None:
    post = Post()
    dispatcher = Dispatcher(ledger, post.publish, interval_s=3.0)
    give(ledger, "SH-1")
    dispatcher.poll(START_NS + TTL_NS, 0.0)
    assert (post.sent, dispatcher.pending) == ([], [])


def test_without_a_broker_it_is_tried_at_every_poll(ledger: SqlLedger) -> None:
    post = Post()
    dispatcher = Dispatcher(ledger, post.publish, interval_s=3.0)
    give(ledger, "SH-1")
    post.is_open = False
    dispatcher.poll(START_NS, 0.0)
    post.is_open = True
    dispatcher.poll(START_NS, 0.1)
    assert len(post.sent) == 1


def test_a_new_process_finds_what_is_pending(ledger: SqlLedger) -> None:
    chain, post = GatewayChain(), Post()
    give(ledger, "SH-1")
    second = give(ledger, "SH-2")
    answer(ledger, chain, released(counter=1))
    dispatcher = Dispatcher(ledger, post.publish, interval_s=3.0)
    dispatcher.poll(START_NS, 0.0)
    assert [sealed for _, sealed in post.sent] == [second]
