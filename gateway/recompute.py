"""Estimates again, from sealed records alone: are they what the gateway stated?

The records of an export are read in the order of their chains, and every report and
fingerprint is given to the same :class:`~gateway.witnessing.Witnessing` that the
station has, without its estimates. What comes out is compared with what was sealed.

Where records are missing before a report, what the station knew is not known here:
a report that then differs is *unjudged*, not different, until a vial is followed or
a gateway starts anew. A position that is withheld by its digest is not missing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from gateway.errors import GatewayError
from gateway.estimator.container import ContainerModel
from gateway.witnessing import Witnessing
from schemas.contents import Contents
from schemas.envelope import (
    Envelope,
    SealCheck,
    Withheld,
    check,
    open_envelope,
    split_with_offsets,
)
from schemas.errors import ContractError
from schemas.keys import KeyRegistry
from schemas.records import (
    Assigned,
    Birth,
    Fingerprint,
    Record,
    Released,
    Report,
    read_record,
    record_aad,
)

# What of a report is compared, under the words that people read.
KINDS: Final = {
    "activity": "estimates",
    "witness": "witnesses",
    "fraction remaining": "remaining",
    "half-life": "half_lives",
}
FINGERPRINT: Final = "fingerprint"
_FIRST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """A record whose estimate comes out otherwise, and how."""

    gateway: str
    sequence: int
    kind: str
    text: str


@dataclass(slots=True)
class Recomputation:
    """What came of an export.

    ``same``, ``different`` and ``unjudged`` count statements by kind;
    ``differences`` are the first of them. ``altered`` names items whose seal is not
    good and that were left out. ``last`` is the last report with an estimate, as it
    was computed here.
    """

    records: int = 0
    missing: int = 0
    is_checked: bool = False
    altered: list[str] = field(default_factory=list)
    gateways: list[str] = field(default_factory=list)
    shipments: list[str] = field(default_factory=list)
    same: Counter[str] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)
    unjudged: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    contents: tuple[Contents, ...] = ()
    fingerprint: Fingerprint | None = None
    last: Report | None = None

    @property
    def is_same(self) -> bool:
        """Whether something was compared, and nothing differs or is altered."""
        is_good = not self.different and not self.altered
        return is_good and bool(self.same)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record with the number of withheld items right before it."""

    record: Record
    withheld: int


def recompute(
    data: bytes,
    model: ContainerModel,
    digest: bytes,
    keys: KeyRegistry | None,
    tolerance_ratio: float = 0.0,
) -> Recomputation:
    """Return what the sealed records of an export say when estimated again.

    Args:
        data: the export, a CBOR sequence of sealed items.
        model: the container model.
        digest: its digest, 32 bytes: it must be the one the records name.
        keys: whose seals are checked; seals are not looked at without it.
        tolerance_ratio: relative difference of two numbers that is none; 0 is bit
            for bit, and holds on one kind of processor.

    Raises:
        GatewayError: no sequence of sealed items, no records, or they were made with
            another container model.
    """
    found = Recomputation(is_checked=keys is not None)
    chains: dict[str, list[_Entry]] = {}
    for entry in _entries(data, keys, found):
        chains.setdefault(entry.record.header.gateway, []).append(entry)
    if not found.records:
        raise GatewayError(_why_empty(found))
    for gateway, entries in chains.items():
        found.gateways.append(gateway)
        _Replay(model, digest, tolerance_ratio, found).run(entries)
    return found


def _why_empty(found: Recomputation) -> str:
    if found.altered:
        return (
            f"no record has a good seal, {found.altered[0]}; give the key registry "
            "of its gateway"
        )
    return "no records: this is not the export of a gateway or a shipment"


def _entries(
    data: bytes, keys: KeyRegistry | None, found: Recomputation
) -> Iterator[_Entry]:
    withheld = 0
    try:
        for number, (item, offset, _end) in enumerate(split_with_offsets(data), 1):
            if isinstance(item, Withheld):
                withheld += 1
                continue
            envelope = open_envelope(item)
            record = _record(envelope)
            if record is None:
                continue
            if (why := _why_altered(envelope, record, keys)) is not None:
                found.altered.append(f"item {number:,} (byte {offset:,}): {why}")
                continue
            found.records += 1
            yield _Entry(record, withheld)
            withheld = 0
    except ContractError as error:
        raise GatewayError(
            f"{error}: no export, or damaged there; `dosetrail-cloud verify` says more"
        ) from error


def _record(envelope: Envelope) -> Record | None:
    """Return the record of an item, None for a fact, a command or a receipt."""
    try:
        return read_record(envelope.payload)
    except ContractError:
        return None


def _why_altered(
    envelope: Envelope, record: Record, keys: KeyRegistry | None
) -> str | None:
    if keys is None:
        return None
    key = keys.find(envelope.kid)
    if key is None:
        return f"sealed by a key that is not known, {envelope.kid.hex()}"
    aad = record_aad(record.header.version, record.header.gateway)
    seal = check(envelope, key, aad)
    return None if seal is SealCheck.GOOD else f"its seal is not good, {seal}"


class _Replay:
    """One gateway's records through one station's witnessing."""

    def __init__(
        self,
        model: ContainerModel,
        digest: bytes,
        tolerance_ratio: float,
        found: Recomputation,
    ) -> None:
        self._witnessing = Witnessing(model)
        self._digest = digest
        self._tolerance_ratio = tolerance_ratio
        self._found = found
        self._assigned: Assigned | None = None
        self._loaded: Fingerprint | None = None
        self._boot_id = b""
        self._is_broken = False

    def run(self, entries: Sequence[_Entry]) -> None:
        """Take one gateway's entries; their epochs stay in the order of the file."""
        epochs: dict[bytes, list[_Entry]] = {}
        for entry in entries:
            epochs.setdefault(entry.record.header.epoch, []).append(entry)
        for chain in epochs.values():
            chain.sort(key=lambda entry: entry.record.header.sequence)
            following = 0
            for entry in chain:
                sequence = entry.record.header.sequence
                if sequence < following:
                    continue  # there twice
                missing = max(0, sequence - following - entry.withheld)
                self._found.missing += missing
                self._is_broken = self._is_broken or missing > 0
                following = sequence + 1
                self._take(entry.record)

    def _take(self, record: Record) -> None:
        match record.body:
            case Birth(container_digest=digest):
                self._check_container(digest)
                self._begin(record.header.boot_id)
            case Assigned():
                self._assign(record.body)
            case Released():
                self._assigned = self._loaded = None
                self._follow()
            case Fingerprint():
                self._judge(record, record.body)
            case Report():
                self._compare(record, record.body)
            case _:
                pass

    def _check_container(self, digest: bytes) -> None:
        if digest != self._digest:
            raise GatewayError(
                f"the records name container model {digest.hex()[:16]}, this file is "
                f"{self._digest.hex()[:16]}; give the file that the gateway had"
            )

    def _begin(self, boot_id: bytes) -> None:
        """A gateway that starts anew knows its orders and no counts."""
        if boot_id == self._boot_id:
            return  # a new epoch within a boot
        self._boot_id = boot_id
        self._follow()

    def _follow(self) -> None:
        contents = () if self._assigned is None else self._assigned.contents
        gain = None if self._assigned is None else self._assigned.gain
        self._witnessing.follow(contents, self._loaded, gain)
        self._is_broken = False

    def _assign(self, assigned: Assigned) -> None:
        self._check_container(assigned.container_digest)
        if assigned == self._assigned:
            return  # stated again at the begin of a new epoch
        self._assigned, self._loaded = assigned, None
        self._found.contents = assigned.contents
        if assigned.shipment not in self._found.shipments:
            self._found.shipments.append(assigned.shipment)
        self._follow()

    def _judge(self, record: Record, stated: Fingerprint) -> None:
        bare = msgspec.structs.replace(stated, result=None)
        judged = self._witnessing.judge(bare)
        if stated.result is not None or judged.result is not None:
            self._loaded = self._found.fingerprint = judged
            self._hold(record, FINGERPRINT, stated.result, judged.result)

    def _compare(self, record: Record, stated: Report) -> None:
        if stated.conditions is None:
            return
        again = self._witnessing.complete(stated)
        for kind, name in KINDS.items():
            mine, theirs = getattr(again, name), getattr(stated, name)
            if mine or theirs:
                self._hold(record, kind, theirs, mine)
        if again.estimates:
            self._found.last = again

    def _hold(self, record: Record, kind: str, stated: object, again: object) -> None:
        text = _difference(
            msgspec.to_builtins(stated),
            msgspec.to_builtins(again),
            self._tolerance_ratio,
        )
        if text is None:
            self._found.same[kind] += 1
        elif self._is_broken:
            self._found.unjudged[kind] += 1
        else:
            self._found.different[kind] += 1
            if len(self._found.differences) < _FIRST_SHOWN:
                header = record.header
                found = Difference(header.gateway, header.sequence, kind, text)
                self._found.differences.append(found)


def _difference(stated: object, again: object, tolerance_ratio: float) -> str | None:
    """Return the first place where two plain values differ, None if nowhere."""
    match stated, again:
        case dict(), dict():
            for key in sorted(stated.keys() | again.keys()):
                inner = _difference(stated.get(key), again.get(key), tolerance_ratio)
                if inner is not None:
                    return f"{key} {inner}"
            return None
        case ((list() | tuple()), (list() | tuple())) if len(stated) == len(again):
            for one, other in zip(stated, again, strict=True):
                if (inner := _difference(one, other, tolerance_ratio)) is not None:
                    return inner
            return None
        case float(), float():
            size = tolerance_ratio * max(abs(stated), abs(again))
            is_same = stated == again or abs(stated - again) <= size
        case _:
            is_same = stated == again
    return None if is_same else f"stated {stated}, here {again}"
