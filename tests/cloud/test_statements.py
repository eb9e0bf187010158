"""What the cloud says itself: one chain, whichever of its programs speaks."""

import threading
from pathlib import Path

from cloud.adapters.ledger import open_ledger
from cloud.ports import EntryKind
from cloud.statements import Voice
from cloud.verification import VerifiedFact, verify_fact
from schemas.custody import Notice, NoticeKind
from schemas.envelope import ZERO_DIGEST
from schemas.events import Severity
from tests.builders import CLOUD, GATEWAY, START_NS, Cloud, registry

NOTICE = Notice(
    NoticeKind.GATEWAY_SILENT, Severity.WARNING, START_NS, "silent", gateway=GATEWAY
)


def test_programs_that_speak_at_once_make_one_chain(tmp_path: Path) -> None:
    url, server = f"sqlite:///{tmp_path / 'ledger.sqlite'}", Cloud()
    open_ledger(url).close()

    def speak() -> None:
        ledger = open_ledger(url)
        for _ in range(5):
            Voice(CLOUD, server.signer, False).state(ledger, NOTICE, START_NS)
        ledger.close()

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger = open_ledger(url)
    known, previous = registry(server), ZERO_DIGEST
    entries = sorted(ledger.facts(), key=lambda entry: entry.sequence)
    assert [entry.sequence for entry in entries] == list(range(20))
    for entry in entries:
        fact = verify_fact(entry.sealed, known)
        assert isinstance(fact, VerifiedFact)
        assert fact.fact.header.previous == previous
        previous = fact.digest
    assert ledger.counts()[EntryKind.FACT] == 20
    assert ledger.quarantined(9) == []
    ledger.close()
