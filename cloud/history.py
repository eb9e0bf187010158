"""The offline check: is a history complete, and if not, what is wrong where.

A history is a CBOR sequence of sealed records, facts, commands and receipts, of any
number of chains, mixed. A chain is one epoch of a gateway, or the facts of an author
under one key. Pure; the rules are those of :mod:`cloud.verification`, and:

- every item is sealed by a known key; what is not is a *fault* at its item (counted
  from 1) and byte offset, and reading goes on behind it
- every item links to the one before it in its chain; else a fault
- every sequence from 0 to the last one known is there, withheld by its digest, or
  explained by a signed ``gap`` record; else it is *missing*
- a receipt proves how far the chain went, so that a lost tail is noticed; without
  one the end of a chain is not proven, and the report says so
- the order of items in the file is no rule, but a digest that is withheld stands in
  its place between the items around it; where items are missing among several that
  are withheld, their number is exact and their place is not
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from cloud.history_chain import (
    UNCERTAIN,
    ChainKey,
    ChainKind,
    ChainReport,
    ChainState,
    Fault,
)
from cloud.verification import (
    Refusal,
    RefusalReason,
    VerifiedCommand,
    VerifiedFact,
    VerifiedReceipt,
    VerifiedRecord,
    verify_command,
    verify_fact,
    verify_receipt,
    verify_record,
)
from schemas import wire
from schemas.envelope import (
    MAX_SEALED_BYTES,
    Withheld,
    open_envelope,
    split_with_offsets,
)
from schemas.errors import ContractError
from schemas.keys import KeyRegistry, OwnerKind
from schemas.receipts import KIND as RECEIPT_KIND

_SEAL_HEAD: Final = b"\xd2\x84"

Found = (
    VerifiedRecord
    | VerifiedFact
    | VerifiedCommand
    | VerifiedReceipt
    | Withheld
    | Refusal
)


class Item(NamedTuple):
    """One item of the file: its number from 1, its offset, and what it is."""

    number: int
    offset: int
    found: Found


class HistoryReport(NamedTuple):
    """What the check found.

    ``repeated`` items were there before; ``reordered`` stand behind a later one of
    their chain. Neither makes a history incomplete.
    """

    chains: tuple[ChainReport, ...]
    faults: tuple[Fault, ...]
    items: int
    commands: int
    receipts: int
    repeated: int
    reordered: int

    @property
    def is_complete(self) -> bool:
        """True if something is there, nothing is missing and nothing is altered."""
        return bool(self.chains) and not self.faults and not any(self.missing)

    @property
    def missing(self) -> tuple[int, ...]:
        """How many items each chain misses."""
        return tuple(sum(gap.size for gap in one.missing) for one in self.chains)


def check_history(data: bytes, registry: KeyRegistry) -> HistoryReport:
    """Check a history with nothing but the public keys."""
    return _Check(registry).run(data)


def read_items(data: bytes, registry: KeyRegistry) -> Iterator[Item]:
    """Yield every item of a history, verified by rules 1 to 9, in file order."""
    number = at = 0
    while at < len(data):
        end = at
        try:
            for sealed, start, stop in split_with_offsets(data[at:]):
                number += 1
                found = judge(sealed, registry)
                yield Item(number, at + start, found)
                end = at + stop
        except ContractError as error:
            number += 1
            end += _padding(data, end)
            refusal = Refusal(RefusalReason.NOT_SEALED, str(error), data[end : end + 1])
            yield Item(number, end, refusal)
            at = _next_item(data, end + 1)
        else:
            return


def _padding(data: bytes, at: int) -> int:
    return len(data) - at - len(data[at:].lstrip(b"\x00"))


def _next_item(data: bytes, at: int) -> int:
    """Return the offset of the next sealed item, the end if there is none."""
    while (at := data.find(_SEAL_HEAD, at)) >= 0:
        try:
            next(split_with_offsets(data[at : at + MAX_SEALED_BYTES + 1]))
        except (ContractError, StopIteration):
            at += 1
        else:
            return at
    return len(data)


def judge(item: bytes | Withheld, registry: KeyRegistry) -> Found:
    """Verify one item as what its key is for, and its payload says it is."""
    if isinstance(item, Withheld):
        return item
    try:
        envelope = open_envelope(item)
        key = registry.find(envelope.kid)
        if key is not None and key.kind is OwnerKind.GATEWAY:
            return verify_record(item, registry)
        return _verify_by(wire.read_payload(envelope.payload))(item, registry)
    except ContractError as error:
        return Refusal(RefusalReason.MALFORMED_HEADER, str(error), item)


def _verify_by(plain: dict[str, object]) -> Callable[[bytes, KeyRegistry], Found]:
    if "author" in plain:
        return verify_fact
    if plain.get("kind") == RECEIPT_KIND:
        return verify_receipt
    return verify_command if "counter" in plain else verify_record


class _Check:
    """One pass over a history."""

    def __init__(self, registry: KeyRegistry) -> None:
        self._registry = registry
        self._chains: dict[ChainKey, ChainState] = {}
        self._faults: list[Fault] = []
        self._counts = {VerifiedCommand: 0, VerifiedReceipt: 0}
        self._last: tuple[ChainState, int] | None = None
        self._run: list[Item] = []

    def run(self, data: bytes) -> HistoryReport:
        items = 0
        for item in read_items(data, self._registry):
            items += 1
            self._take(item)
        self._place_behind(self._run)
        states = [self._chains[key] for key in sorted(self._chains)]
        chains = tuple(state.report() for state in states)
        faults = [*self._faults, *(one for state in states for one in state.faults)]
        return HistoryReport(
            chains,
            tuple(sorted(set(faults))),
            items,
            self._counts[VerifiedCommand],
            self._counts[VerifiedReceipt],
            sum(state.repeated for state in states),
            sum(state.reordered for state in states),
        )

    def _take(self, item: Item) -> None:
        match item.found:
            case Refusal() as refusal:
                fault = Fault(item.number, item.offset, refusal.reason, refusal.detail)
                self._faults.append(fault)
                self._run.append(item)
            case Withheld():
                self._run.append(item)
            case VerifiedRecord() | VerifiedFact() as found:
                self._take_link(item, found)
            case VerifiedReceipt() as found:
                self._counts[VerifiedReceipt] += 1
                receipt = found.receipt
                key = ChainKey(ChainKind.RECORDS, receipt.gateway, receipt.epoch)
                self._chain(key).prove(receipt, item.number, item.offset)
            case VerifiedCommand():
                self._counts[VerifiedCommand] += 1

    def _chain(self, key: ChainKey) -> ChainState:
        return self._chains.setdefault(key, ChainState(key))

    def _take_link(self, item: Item, found: VerifiedRecord | VerifiedFact) -> None:
        if isinstance(found, VerifiedRecord):
            header = found.header
            key = ChainKey(ChainKind.RECORDS, header.gateway, header.epoch)
            chain, sequence = self._chain(key), header.sequence
            self._place_run(chain, sequence, header.previous)
            chain.take_record(found, item.number, item.offset)
        else:
            fact = found.fact.header
            key = ChainKey(ChainKind.FACTS, fact.author, found.kid)
            chain, sequence = self._chain(key), fact.sequence
            self._place_run(chain, sequence, fact.previous)
            chain.take_fact(found, item.number, item.offset)
        self._last = (chain, sequence)
        self._run = []

    def _place_run(self, chain: ChainState, sequence: int, previous: bytes) -> None:
        """Give the items between two links their places."""
        run = self._run
        if not run:
            return
        same = self._last is not None and self._last[0] is chain
        floor = min(self._last[1] + 1, sequence) if same and self._last else 0
        fills = same and len(run) >= sequence - floor
        if not fills and not _leads_to(run[-1], previous):
            self._place_behind(run)
            return
        before = run[-(sequence - floor) :] if sequence > floor else []
        fills = len(before) == sequence - floor
        for step, item in enumerate(reversed(before), start=1):
            self._place(chain, sequence - step, item, fills or step == 1)
        self._place_behind(run[: len(run) - len(before)])

    def _place_behind(self, run: list[Item]) -> None:
        for step, item in enumerate(run, start=1):
            if self._last is not None:
                self._place(self._last[0], self._last[1] + step, item, True)
            elif isinstance(item.found, Withheld):
                self._lose(item)

    def _place(
        self, chain: ChainState, sequence: int, item: Item, certain: bool
    ) -> None:
        digest = item.found.digest if isinstance(item.found, Withheld) else None
        if digest is not None and not certain:
            digest = UNCERTAIN
        if not chain.stand_in(sequence, digest) and digest is not None:
            self._lose(item)

    def _lose(self, item: Item) -> None:
        detail = "a withheld digest that stands in no chain"
        self._faults.append(
            Fault(item.number, item.offset, RefusalReason.BROKEN_LINK, detail)
        )


def _leads_to(item: Item, previous: bytes) -> bool:
    return not isinstance(item.found, Withheld) or item.found.digest == previous
