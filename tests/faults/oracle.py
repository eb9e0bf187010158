"""What must hold, whatever happens: written down as it happens, judged at the end.

Invariants (the names under which violations are listed):

- ``lost``: a record that was committed is in the ledger, or a signed gap explains it
  that pressure on the disk forced, or the folder of a fork keeps it as evidence.
- ``alarm``: no gap covers a committed alarm.
- ``forgotten``: what was committed can be read, what was saved is there at the start.
- ``foreign``: the ledger holds only what a gateway sealed.
- ``twice``: each (gateway, epoch, sequence) is in the ledger once.
- ``reused``: a sequence that was committed or published has one content.
- ``chain``: the offline check finds nothing altered, and nothing missing in an epoch
  that was neither wiped nor forked.
- ``early``: what a gateway lets go of is in the ledger at that moment.
- ``epoch``: an epoch begins only with a new store or after a fork.
- ``live``: ten seconds after link-up the ledger has a value as new as the link.
- ``order``: the newest state of the projection is that of the highest sequence, and
  a projection made anew is equal to it.
- ``notice``: what is said to be missing is said to have come.
- ``spin``: a link that has nothing to send is told to wait for some time.
- ``drained``, ``bounds``, ``exception``: it ends, within its limits, without a bug.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cloud.history import check_history
from cloud.history_chain import ChainReport
from cloud.ports import EntryKind, LedgerEntry
from gateway.scan import peek, scan
from schemas.custody import Notice, NoticeKind
from schemas.envelope import digest, open_envelope
from schemas.errors import MalformedError
from schemas.keys import KeyRegistry
from schemas.records import Gap, GapReason, read_record

Chain = tuple[str, bytes]
HeldDigests = Callable[[str, bytes, int, int], dict[int, bytes]]
_MOST_LISTED = 20


class Violation(NamedTuple):
    """An invariant that did not hold."""

    invariant: str
    text: str


class Promised(NamedTuple):
    """A record that is durable by the gateway's word."""

    digest: bytes
    is_alarm: bool


@dataclass
class Store:
    """What the oracle knows of one gateway's store."""

    promised: dict[bytes, dict[int, Promised]] = field(default_factory=dict)
    placed: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    forked_from: dict[bytes, int] = field(default_factory=dict)
    gaps: dict[bytes, list[Gap]] = field(default_factory=dict)
    void: set[bytes] = field(default_factory=set)
    reasons_for_epochs: int = 1
    epochs: set[bytes] = field(default_factory=set)
    is_pressed: bool = False


class Oracle:
    """Takes notes and judges."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[Violation] = []
        self._sealed: set[bytes] = set()
        self._stores: dict[str, Store] = {}
        self._history = hashlib.sha256()

    def store(self, gateway: str) -> Store:
        """Return what is known of a gateway's store."""
        return self._stores.setdefault(gateway, Store())

    def violate(self, invariant: str, text: str) -> None:
        """Note that an invariant does not hold."""
        if len(self.violations) < _MOST_LISTED:
            self.violations.append(Violation(invariant, text))

    def note(self, now_s: float, what: str, *details: object) -> None:
        """Add an event to the history and count it."""
        self.counts[what] += 1
        self._history.update(repr((round(now_s, 6), what, details)).encode())

    @property
    def digest(self) -> str:
        """Digest of all that happened."""
        return self._history.hexdigest()

    # As it happens

    def sealed(self, gateway: str, epoch: bytes, sequence: int, sealed: bytes) -> None:
        """A gateway has sealed a record."""
        found, store = digest(sealed), self.store(gateway)
        self._sealed.add(found)
        known = store.placed.get((epoch, sequence))
        if peek(sealed).kind == "gap":
            body = read_record(open_envelope(sealed).payload).body
            if isinstance(body, Gap):
                store.gaps.setdefault(body.epoch or epoch, []).append(body)
        if known not in (None, found) and sequence < store.forked_from.get(
            epoch, 2**63
        ):
            self.violate("reused", f"{gateway} {epoch.hex()} {sequence}")

    def fixed(self, gateway: str, epoch: bytes, sequence: int, found: bytes) -> None:
        """A record has left its gateway, or is durable: its place is taken."""
        self.store(gateway).placed.setdefault((epoch, sequence), found)

    def promise(
        self, gateway: str, epoch: bytes, sequence: int, promised: Promised
    ) -> None:
        """A gateway has made a record durable."""
        self.fixed(gateway, epoch, sequence, promised.digest)
        self.store(gateway).epochs.add(epoch)
        self.store(gateway).promised.setdefault(epoch, {})[sequence] = promised

    def wiped(self, gateway: str) -> None:
        """The card was changed: what it promised is void."""
        store = self.store(gateway)
        store.void |= set(store.promised)
        store.promised.clear()
        store.reasons_for_epochs += 1

    def restored(self, gateway: str, epoch: bytes, sequence: int) -> None:
        """The card was set back to when ``sequence`` of ``epoch`` was to come next."""
        store = self.store(gateway)
        store.void |= set(store.promised) - {epoch}
        store.promised = {epoch: store.promised[epoch]}
        self.forked(gateway, epoch, sequence)

    def forked(self, gateway: str, epoch: bytes, sequence: int) -> None:
        """From ``sequence`` on the end of a chain is lost, and will be written anew."""
        store = self.store(gateway)
        store.reasons_for_epochs += 1
        store.forked_from[epoch] = min(sequence, store.forked_from.get(epoch, sequence))
        kept = store.promised.get(epoch, {})
        store.promised[epoch] = {s: one for s, one in kept.items() if s < sequence}

    def released(
        self, gateway: str, epoch: bytes, first: int, last: int, held: HeldDigests
    ) -> None:
        """A gateway let go of a range."""
        store = self.store(gateway)
        promised, gaps = store.promised.get(epoch, {}), store.gaps.get(epoch, [])
        if first > last:
            return
        digests = held(gateway, epoch, first, last)
        for sequence in range(first, last + 1):
            one = promised.get(sequence)
            if one is None or digests.get(sequence) == one.digest:
                continue
            if not any(_covers(gap, sequence) for gap in gaps):
                self.violate("early", f"{gateway} let go of {sequence}")

    # At the end

    def judge_ledger(self, entries: list[LedgerEntry]) -> None:
        """Judge what the ledger holds."""
        records = [one for one in entries if one.kind is EntryKind.RECORD]
        places = Counter((one.subject, one.epoch, one.sequence) for one in records)
        for place, count in places.items():
            if count > 1:
                self.violate("twice", f"{place[0]} {place[2]}: {count} times")
        for entry in records:
            if entry.digest not in self._sealed:
                self.violate("foreign", f"{entry.subject} {entry.sequence}")
        self.counts["ledger"] += len(records)

    def judge_promises(
        self, gateway: str, entries: list[LedgerEntry], evidence: set[bytes]
    ) -> None:
        """Judge whether each promise of a gateway was kept."""
        store = self.store(gateway)
        mine = [one for one in entries if one.subject == gateway]
        held = {one.digest for one in mine if one.kind is EntryKind.RECORD}
        gaps = _stated_gaps(mine)
        for epoch, promises in store.promised.items():
            for sequence, one in promises.items():
                self.counts["promised"] += 1
                if one.digest in held:
                    continue
                if epoch in store.forked_from and one.digest in evidence:
                    self.counts["evidence"] += 1
                    continue
                stated = [gap for gap in gaps.get(epoch, []) if _covers(gap, sequence)]
                self._judge_gap(gateway, sequence, one, stated)

    def _judge_gap(
        self, gateway: str, sequence: int, one: Promised, stated: list[Gap]
    ) -> None:
        is_pressed = self.store(gateway).is_pressed
        # Evidence of another epoch is the first to go when room is needed.
        if one.is_alarm and not any(gap.epoch for gap in stated):
            self.violate("alarm", f"{gateway} {sequence} is not in the ledger")
        elif not stated:
            self.violate("lost", f"{gateway} {sequence}: no gap explains it")
        elif not is_pressed or stated[0].reason is not GapReason.DROPPED:
            reason = stated[0].reason
            self.violate("lost", f"{gateway} {sequence}: {reason} without need")
        else:
            self.counts["explained"] += 1

    def judge_chain(self, entries: list[LedgerEntry], registry: KeyRegistry) -> None:
        """Judge the ledger as an auditor does, with the public keys alone."""
        records = [one for one in entries if one.kind is EntryKind.RECORD]
        report = check_history(b"".join(one.sealed for one in records), registry)
        for fault in report.faults:
            self.violate("chain", f"item {fault.item}: {fault.reason} {fault.detail}")
        for chain in report.chains:
            if chain.missing and not self._may_miss(chain):
                key, spans = chain.key, chain.missing[:3]
                self.violate("chain", f"{key.subject} misses {spans}")

    def _may_miss(self, chain: ChainReport) -> bool:
        store = self.store(chain.key.subject)
        epoch = chain.key.epoch
        return epoch in store.void or epoch in store.forked_from

    def judge_notices(self, notices: list[Notice]) -> None:
        """Judge whether what was missing is said to be there again, where it is."""
        missing: dict[tuple[str | None, bytes | None, int | None], Notice] = {}
        for notice in notices:
            self.counts[f"{notice.what}{'-over' if notice.is_over else ''}"] += 1
            place = (notice.gateway, notice.epoch, notice.from_sequence)
            if notice.is_over:
                missing.pop(place, None)
            elif notice.what is NoticeKind.RECORDS_MISSING:
                missing[place] = notice
        for gateway, epoch, first in missing:
            store = self.store(gateway or "")
            if epoch not in store.void and epoch not in store.forked_from:
                self.violate("notice", f"{gateway} is said to miss {first} for ever")

    def judge_epochs(self, gateway: str) -> None:
        """Judge whether there were reasons for the epochs."""
        store = self.store(gateway)
        if len(store.epochs) > store.reasons_for_epochs:
            text = f"{gateway}: {len(store.epochs)} for {store.reasons_for_epochs}"
            self.violate("epoch", text)


def _covers(gap: Gap, sequence: int) -> bool:
    return gap.from_sequence <= sequence <= gap.to_sequence


def _stated_gaps(entries: Iterable[LedgerEntry]) -> dict[bytes, list[Gap]]:
    found: dict[bytes, list[Gap]] = {}
    for entry in entries:
        if entry.kind is not EntryKind.RECORD:
            continue
        try:
            body = read_record(open_envelope(entry.sealed).payload).body
        except MalformedError:
            continue
        if isinstance(body, Gap):
            found.setdefault(body.epoch or entry.epoch, []).append(body)
    return found


def evidence_in(folder: Path) -> set[bytes]:
    """Return the digests of the records in the segments of retired epochs."""
    found: set[bytes] = set()
    for path in sorted((folder / "retired").glob("*.seg")):
        index = scan(path.read_bytes(), None).records
        found |= {index.digest(at) for at in range(len(index))}
    return found
