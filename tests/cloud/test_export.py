from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.adapters.ledger import SqlLedger, open_ledger
from cloud.dispatch import issue
from cloud.errors import CloudError
from cloud.export import Issuer, Scope, export_history
from cloud.history import HistoryReport, check_history, read_items
from cloud.spans import Span
from cloud.verification import (
    VerifiedCommand,
    VerifiedFact,
    VerifiedRecord,
    verify_fact,
    verify_record,
)
from schemas.commands import Assign
from schemas.facts import Acknowledgement, FactBody
from schemas.records import KINDS, Position, Report
from tests.builders import (
    CONTAINER_DIGEST,
    EPOCH,
    GATEWAY,
    SHIPMENT,
    START_NS,
    Author,
    Cloud,
    GatewayChain,
    assigned,
    birth,
    consignment,
    contents,
    event,
    limits,
    order,
    position,
    registry,
    released,
    report,
)

FORMER = "SH-0000"


class World:
    """A ledger with two shipments of one gateway, their facts and commands."""

    def __init__(self, ledger: SqlLedger) -> None:
        self.ledger = ledger
        self.chain, self.author, self.server = GatewayChain(), Author("site-1"), Cloud()
        self.known = registry(self.chain, self.author, self.server)
        self.issuer = Issuer(self.server.signer, START_NS)

    def fill(self, *skipped: int) -> None:
        self.chain.append(birth())
        for at, shipment in enumerate((FORMER, SHIPMENT)):
            self._travel(shipment, 10 * at)
        self.chain.append(report(30))
        records = [verify_record(one, self.known) for one in self.chain.sealed]
        kept = [
            one
            for one in records
            if isinstance(one, VerifiedRecord) and one.header.sequence not in skipped
        ]
        self.ledger.append_records(kept, START_NS)

    def _travel(self, shipment: str, minute: int) -> None:
        body = Assign(shipment, (contents(),), limits(), CONTAINER_DIGEST)
        signer = self.server.signer
        issue(self.ledger, signer, GATEWAY, body, START_NS, 10**12)
        self.state(order(shipment))
        self.state(consignment(shipment))
        self.chain.append(assigned(shipment))
        for step in range(3):
            self.chain.append(report(minute + step))
            self.chain.append(position())
        self.chain.append(event())
        self.state(Acknowledgement("seen", GATEWAY, EPOCH, self.chain.sequence - 1))
        self.chain.append(released(shipment))

    def state(self, body: FactBody) -> None:
        found = verify_fact(self.author.state(body), self.known)
        assert isinstance(found, VerifiedFact)
        self.ledger.append_fact(found, START_NS)

    def export(self, scope: Scope) -> bytes:
        return export_history(self.ledger, scope, self.issuer)

    def check(self, data: bytes) -> HistoryReport:
        return check_history(data, self.known)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield World(ledger)
    ledger.close()


def kinds(world: World, data: bytes) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in read_items(data, world.known):
        if isinstance(item.found, VerifiedRecord):
            kind = KINDS[type(item.found.body)]
        else:
            kind = type(item.found).__name__
        found[kind] = found.get(kind, 0) + 1
    return found


def test_a_gateway_is_exported_whole(world: World) -> None:
    world.fill()
    data = world.export(Scope(gateway=GATEWAY))
    found = world.check(data)
    assert found.is_complete
    assert kinds(world, data) == {
        "VerifiedReceipt": 1,
        "birth": 1,
        "assigned": 2,
        "report": 7,
        "position": 6,
        "event": 2,
        "released": 2,
        "VerifiedFact": 6,
        "VerifiedCommand": 2,
    }
    assert found.chains[1].proven_to == 19


def test_positions_are_withheld_by_digest(world: World) -> None:
    world.fill()
    data = world.export(Scope(gateway=GATEWAY, withhold_positions=True))
    assert world.check(data).is_complete
    assert (kinds(world, data)["Withheld"], kinds(world, data).get("position")) == (
        6,
        None,
    )


def test_a_shipment_shows_nothing_of_another(world: World) -> None:
    world.fill()
    data = world.export(Scope(shipment=SHIPMENT))
    found = world.check(data)
    assert found.is_complete
    assert FORMER.encode() not in data
    assert kinds(world, data) == {
        "VerifiedReceipt": 1,
        "birth": 1,
        "assigned": 1,
        "report": 3,
        "position": 3,
        "event": 1,
        "released": 1,
        "VerifiedFact": 3,
        "VerifiedCommand": 1,
        "Withheld": 9 + 3,
    }
    assert found.chains[1].proven_to == 18


def test_what_the_ledger_misses_the_export_misses(world: World) -> None:
    world.fill(5, 7, 8)
    found = world.check(world.export(Scope(gateway=GATEWAY)))
    assert found.faults == ()
    assert found.chains[1].missing == (Span(5, 5), Span(7, 8))
    found = world.check(world.export(Scope(shipment=SHIPMENT)))
    assert found.faults == ()
    assert sum(gap.size for gap in found.chains[1].missing) == 3


def test_without_a_key_there_is_no_receipt(world: World) -> None:
    world.fill()
    data = export_history(world.ledger, Scope(gateway=GATEWAY), None)
    assert world.check(data).receipts == 0


@pytest.mark.parametrize(
    "scope", [Scope(gateway="gw-nobody"), Scope(shipment="SH-9999")]
)
def test_an_unknown_name_is_said(world: World, scope: Scope) -> None:
    world.fill()
    with pytest.raises(CloudError, match="check the name"):
        world.export(scope)


def test_the_items_are_the_ledgers_bytes(world: World) -> None:
    world.fill()
    data = world.export(Scope(gateway=GATEWAY))
    found = [item.found for item in read_items(data, world.known)]
    sealed = {
        one.sealed
        for one in found
        if isinstance(one, VerifiedRecord | VerifiedFact | VerifiedCommand)
    }
    assert sealed == {entry.sealed for entry in world.ledger.entries_after(0, 999)}
    assert any(
        isinstance(one, VerifiedRecord) and isinstance(one.body, Position)
        for one in found
    )
    assert any(
        isinstance(one, VerifiedRecord) and isinstance(one.body, Report)
        for one in found
    )
