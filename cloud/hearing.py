"""Everything that the ledger's facts say, folded once: shipments, words, notices."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from cloud.alarms import Acknowledged
from cloud.conditions import Happened
from cloud.ports import LedgerEntry
from cloud.shipments import Shipment, Shipments, read_entry
from cloud.watch import acknowledged, handover_conditions, is_about, noticed
from schemas.custody import Notice
from schemas.facts import Acknowledgement, Fact


@dataclass(slots=True)
class Heard:
    """What was said by an instant; ``received_at_ns`` is by the uuid of a fact."""

    shipments: Shipments
    words: list[Acknowledged] = field(default_factory=list)
    notices: list[tuple[Notice, Happened]] = field(default_factory=list)
    received_at_ns: dict[bytes, int] = field(default_factory=dict)

    def conditions(self, shipment: Shipment) -> list[Happened]:
        """Return what was noticed of a shipment and what its handovers show."""
        told = [one for notice, one in self.notices if is_about(shipment, notice)]
        return [*told, *handover_conditions(shipment, self.received_at_ns)]

    def conditions_elsewhere(self, shipments: Iterable[Shipment]) -> list[Happened]:
        """Return what was noticed of gateways that travel with none of these."""
        known = list(shipments)
        return [
            one
            for notice, one in self.notices
            if not any(is_about(shipment, notice) for shipment in known)
        ]


def hear(
    entries: Iterable[LedgerEntry],
    as_of_ns: int | None = None,
    authorities: Collection[str] = (),
) -> Heard:
    """Fold ledger entries, as known at an instant; ``authorities`` may correct."""
    heard = Heard(Shipments(authorities))
    for entry in entries:
        if as_of_ns is not None and entry.received_at_ns > as_of_ns:
            continue
        statement = read_entry(entry.kind, entry.sealed)
        if statement is not None:
            heard.shipments.take(statement)
        if isinstance(statement, Fact):
            _take(heard, statement, entry.received_at_ns)
    return heard


def _take(heard: Heard, fact: Fact, received_at_ns: int) -> None:
    heard.received_at_ns.setdefault(fact.header.fact, received_at_ns)
    if isinstance(fact.body, Acknowledgement):
        heard.words.append(acknowledged(fact, fact.body))
    elif isinstance(fact.body, Notice):
        told = noticed(fact, fact.body, received_at_ns)
        heard.notices.append((fact.body, told))
