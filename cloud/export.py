"""Export: the history of a gateway or shipment as one file that proves itself.

The file (``*.dosetrail``) is a CBOR sequence: first receipts, so that a lost tail is
noticed, then whole chains from sequence 0, facts by author, and commands. A record
that does not concern the shipment, or a position where positions are withheld,
stands there by its digest: the chain goes on across it.

Withheld from a shipment's history: records between ``assigned`` and ``released`` of
other shipments, facts about other shipments, and commands that name them. It ends
with the shipment's ``released``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cloud.errors import CloudError
from cloud.ports import Chain, Ledger, LedgerEntry, Watermark
from cloud.receipting import make_receipt
from cloud.verification import MAX_SEQUENCE
from schemas.commands import Assign, CommandBody, Release, read_command
from schemas.envelope import open_envelope, withheld
from schemas.errors import ContractError
from schemas.facts import (
    Acknowledgement,
    CentreProfile,
    Consignment,
    Fact,
    FactBody,
    Notice,
    Order,
    read_fact,
)
from schemas.keys import Signer
from schemas.records import Assigned, Body, Position, Released, Unprojectable
from schemas.records import read_record as read_record_payload

SUFFIX: Final = ".dosetrail"


class Scope(NamedTuple):
    """What to export: a gateway's whole history, or a shipment's."""

    gateway: str | None = None
    shipment: str | None = None
    withhold_positions: bool = False


class Issuer(NamedTuple):
    """Who vouches for the end of the chains, and when."""

    signer: Signer
    now_ns: int


@dataclass(slots=True)
class _Part:
    """The exported part of one epoch: its items, and which of them are whole."""

    chain: Chain
    items: list[bytes] = field(default_factory=list)
    whole: set[int] = field(default_factory=set)
    head: LedgerEntry | None = None


def export_history(ledger: Ledger, scope: Scope, issuer: Issuer | None) -> bytes:
    """Return the history as a CBOR sequence.

    Raises:
        CloudError: the ledger knows no such gateway or shipment.
        LedgerError: the ledger does not answer.
    """
    parts: list[_Part] = []
    for gateway in _gateways(ledger, scope):
        parts += _GatewayExport(ledger, scope).run(gateway)
    if not parts:
        name = scope.shipment or scope.gateway
        raise CloudError(f"the ledger has no records of {name!r}: check the name")
    receipts = (
        [] if issuer is None else [_receipt(ledger, part, issuer) for part in parts]
    )
    records = [item for part in parts for item in part.items]
    facts = _facts(ledger, _fact_filter(ledger, scope, parts))
    return b"".join([*receipts, *records, *facts, *_commands(ledger, scope, parts)])


def _gateways(ledger: Ledger, scope: Scope) -> list[str]:
    """Return the gateways of the scope: by name, by consignment, or by ``assign``."""
    if scope.gateway is not None:
        return [scope.gateway]
    bodies = [_fact_body(entry) for entry in ledger.facts()]
    consigned = {
        body.gateway
        for body in bodies
        if isinstance(body, Consignment) and body.shipment == scope.shipment
    }
    assigned = {
        entry.subject
        for entry in ledger.commands()
        if isinstance(body := _command_body(entry), Assign)
        and body.shipment == scope.shipment
    }
    return sorted(consigned | assigned)


class _GatewayExport:
    """Walks the epochs of one gateway in order; an assignment outlives an epoch."""

    def __init__(self, ledger: Ledger, scope: Scope) -> None:
        self._ledger = ledger
        self._scope = scope
        self._current: str | None = None
        self._seen = scope.shipment is None
        self._ended = False

    def run(self, gateway: str) -> list[_Part]:
        parts = [
            self._epoch(Chain(gateway, epoch.epoch))
            for epoch in self._ledger.epochs(gateway)
            if not self._ended
        ]
        return parts if self._seen else []

    def _epoch(self, chain: Chain) -> _Part:
        part = _Part(chain)
        for entry in self._ledger.entries_of(*chain, 0, MAX_SEQUENCE):
            if self._ended:
                break
            part.head = entry
            if self._takes_whole(_record_body(entry)):
                part.items.append(entry.sealed)
                part.whole.add(entry.sequence)
            else:
                part.items.append(withheld(entry.sealed))
        return part

    def _takes_whole(self, body: Body) -> bool:
        wanted = self._scope.shipment
        if isinstance(body, Assigned):
            self._current = body.shipment
            self._seen |= body.shipment == wanted
        is_foreign = wanted is not None and self._current not in (None, wanted)
        if isinstance(body, Released):
            self._current = None
            self._ended = self._seen and body.shipment == wanted
        hidden = self._scope.withhold_positions and isinstance(body, Position)
        return not is_foreign and not hidden


def _receipt(ledger: Ledger, part: _Part, issuer: Issuer) -> bytes:
    """Return a receipt for what is held of the part that is exported."""
    held = ledger.watermark(*part.chain)
    if part.head is not None:
        held = _clipped(held, part.head)
    return make_receipt(part.chain, held, issuer.now_ns, issuer.signer)


def _clipped(held: Watermark, head: LedgerEntry) -> Watermark:
    last = head.sequence
    if held.contiguous is not None and held.contiguous >= last:
        return Watermark(last, head.digest, ())
    ranges = tuple((first, min(end, last)) for first, end in held.ranges)
    return held._replace(ranges=tuple(one for one in ranges if one[0] <= last))


def _fact_filter(
    ledger: Ledger, scope: Scope, parts: list[_Part]
) -> Callable[[FactBody], bool]:
    whole = {part.chain: part.whole for part in parts}
    shipments = {scope.shipment}
    if scope.gateway is not None:
        shipments = {
            body.shipment
            for entry in ledger.facts()
            if isinstance(body := _fact_body(entry), Consignment)
            and body.gateway == scope.gateway
        }

    centres = {
        body.centre
        for entry in ledger.facts()
        if isinstance(body := _fact_body(entry), Order) and body.shipment in shipments
    }

    def notices(body: Notice) -> bool:
        if body.shipment is not None:
            return body.shipment in shipments
        return any(
            chain.gateway == body.gateway and body.epoch in (None, chain.epoch)
            for chain in whole
        )

    noticed = {
        fact.header.fact
        for entry in ledger.facts()
        if (fact := _fact(entry)) is not None
        and isinstance(fact.body, Notice)
        and notices(fact.body)
    }

    def concerns(body: FactBody) -> bool:
        if isinstance(body, Acknowledgement):
            chain = Chain(body.gateway or "", body.epoch or b"")
            is_of_event = body.event_sequence in whole.get(chain, set())
            return is_of_event or body.of_fact in noticed
        if isinstance(body, Notice):
            return notices(body)
        if isinstance(body, CentreProfile):
            return body.centre in centres
        return body.shipment in shipments

    return concerns


def _facts(ledger: Ledger, concerns: Callable[[FactBody], bool]) -> list[bytes]:
    """Return the facts by author and key, up to the last that concerns the scope."""
    authors: dict[tuple[str, bytes], list[LedgerEntry]] = {}
    for entry in ledger.facts():
        authors.setdefault((entry.subject, entry.epoch), []).append(entry)
    items: list[bytes] = []
    for _author, entries in sorted(authors.items()):
        entries.sort(key=lambda entry: entry.sequence)
        items += _author_items(entries, concerns)
    return items


def _author_items(
    entries: Iterable[LedgerEntry], concerns: Callable[[FactBody], bool]
) -> list[bytes]:
    items: list[bytes] = []
    pending: list[bytes] = []
    for entry in entries:
        body = _fact_body(entry)
        if body is not None and concerns(body):
            items += [*pending, entry.sealed]
            pending = []
        else:
            pending.append(withheld(entry.sealed))
    return items


def _commands(ledger: Ledger, scope: Scope, parts: list[_Part]) -> list[bytes]:
    gateways = sorted({part.chain.gateway for part in parts})
    return [
        entry.sealed
        for gateway in gateways
        for entry in ledger.commands(gateway)
        if _names_no_other(_command_body(entry), scope.shipment)
    ]


def _names_no_other(body: CommandBody | None, shipment: str | None) -> bool:
    if shipment is None or not isinstance(body, Assign | Release):
        return True
    return body.shipment == shipment


def _record_body(entry: LedgerEntry) -> Body:
    try:
        return read_record_payload(open_envelope(entry.sealed).payload).body
    except ContractError as error:
        return Unprojectable(str(error))


def _fact(entry: LedgerEntry) -> Fact | None:
    try:
        return read_fact(open_envelope(entry.sealed).payload)
    except ContractError:
        return None


def _fact_body(entry: LedgerEntry) -> FactBody | None:
    fact = _fact(entry)
    return None if fact is None else fact.body


def _command_body(entry: LedgerEntry) -> CommandBody | None:
    try:
        return read_command(open_envelope(entry.sealed).payload).body
    except ContractError:
        return None
