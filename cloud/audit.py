"""The audit trail of a shipment: every change of what is known, in the order it came.

One line for each entry of the ledger that concerns the shipment: who, when by their
clock and when it was taken, what it changed (before and after), and why. The state
before and after is folded anew for each line, so the trail cannot differ from what
pages show. Nothing is ever taken out: what was corrected names its correction.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from cloud.alarms import Acknowledged
from cloud.corrections import voided
from cloud.ports import EntryKind, LedgerEntry
from cloud.shipments import Shipment, Shipments, read_entry
from cloud.watch import acknowledged
from schemas.commands import Assign, Release, read_command
from schemas.contents import ReleasedGain
from schemas.custody import Correction, Notice
from schemas.envelope import open_envelope
from schemas.facts import KINDS, Acknowledgement, Fact, Handover
from schemas.records import Assigned, Record, Released
from schemas.units import instant_text

_OWN_WAY: Final = (Handover, Acknowledgement, Notice, Correction)


@dataclass(frozen=True, slots=True)
class Changed:
    """One value before and after; absent where there was none."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the trail; ``corrected_by`` is the uuid of the fact that voids it."""

    position: int
    what: str
    author: str
    key: str
    at_ns: int
    received_at_ns: int
    digest: bytes
    changes: tuple[Changed, ...]
    why: str | None = None
    fact: bytes | None = None
    of_fact: bytes | None = None
    corrected_by: bytes | None = None


def trail(
    entries: Iterable[LedgerEntry],
    shipment: str,
    heard: Collection[Acknowledged] = (),
    authorities: Collection[str] = (),
) -> tuple[Line, ...]:
    """Return the trail of a shipment, oldest first.

    Args:
        entries: facts, commands and records of assignment, in the order of acceptance.
        shipment: whose trail it is.
        heard: the acknowledgements of its alarms; those of others are left out.
        authorities: who may correct what others stated.
    """
    fold, lines = Shipments(authorities), []
    facts: list[Fact] = []
    before: Mapping[str, str] = {}
    for entry in entries:
        line = _line(entry, shipment, heard)
        if line is None:
            continue
        statement = read_entry(entry.kind, entry.sealed)
        if statement is not None:
            fold.take(statement)
        if isinstance(statement, Fact):
            facts.append(statement)
        after = _state(fold.find(shipment))
        lines.append(replace(line, changes=_changes(before, after)))
        before = after
    return _corrected(lines, facts, authorities)


# -- who said what ---------------------------------------------------------------


def _line(
    entry: LedgerEntry, shipment: str, heard: Collection[Acknowledged]
) -> Line | None:
    if entry.kind is EntryKind.COMMAND:
        return _command_line(entry, shipment)
    statement = read_entry(entry.kind, entry.sealed)
    if isinstance(statement, Fact):
        return _fact_line(entry, statement, shipment, heard)
    if isinstance(statement, Record):
        return _record_line(entry, statement, shipment)
    return None


def _command_line(entry: LedgerEntry, shipment: str) -> Line | None:
    command = read_command(open_envelope(entry.sealed).payload)
    if not isinstance(command.body, Assign | Release):
        return None
    if command.body.shipment != shipment:
        return None
    what = f"command: {command.header.kind} {entry.subject}"
    why = f"counter {command.header.counter}"
    return _of(entry, what, "cloud", entry.received_at_ns, why)


def _record_line(entry: LedgerEntry, record: Record, shipment: str) -> Line | None:
    body = record.body
    if not isinstance(body, Assigned | Released) or body.shipment != shipment:
        return None
    at_ns = record.header.utc_ns
    what = f"record: {record.header.kind}"
    why = f"answers command {body.counter}"
    stated_ns = entry.received_at_ns if at_ns is None else at_ns
    return _of(entry, what, entry.subject, stated_ns, why)


def _fact_line(
    entry: LedgerEntry, fact: Fact, shipment: str, heard: Collection[Acknowledged]
) -> Line | None:
    body = fact.body
    if isinstance(body, Acknowledgement):
        concerns = acknowledged(fact, body) in heard
    else:
        concerns = getattr(body, "shipment", None) == shipment
    if not concerns:
        return None
    header = fact.header
    author = header.author
    if isinstance(body, Acknowledgement) and body.on_behalf_of:
        author = f"{body.on_behalf_of}, through {author}"
    line = _of(entry, header.kind, author, header.utc_ns, _why(fact))
    of_fact = getattr(body, "of_fact", None)
    return replace(line, fact=header.fact, of_fact=of_fact, key=entry.epoch.hex())


def _why(fact: Fact) -> str | None:
    body = fact.body
    remark: str | None = getattr(body, "remark", None)
    if isinstance(body, Correction):
        return f"{body.reason.replace('-', ' ')}: {remark}"
    if isinstance(body, Notice):
        return body.text
    return remark


def _of(
    entry: LedgerEntry, what: str, author: str, at_ns: int, why: str | None
) -> Line:
    return Line(
        position=entry.position,
        what=what,
        author=author,
        key="",
        at_ns=at_ns,
        received_at_ns=entry.received_at_ns,
        digest=entry.digest,
        changes=(),
        why=why,
    )


def _corrected(
    lines: list[Line], facts: list[Fact], authorities: Collection[str]
) -> tuple[Line, ...]:
    gone = voided(facts, authorities)
    return tuple(
        replace(line, corrected_by=gone[line.fact].header.fact)
        if line.fact is not None and line.fact in gone
        else line
        for line in lines
    )


# -- before and after ------------------------------------------------------------


def _changes(
    before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[Changed, ...]:
    names = sorted({*before, *after})
    return tuple(
        Changed(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )


def _state(shipment: Shipment | None) -> Mapping[str, str]:
    """Return everything that is known as flat names and texts."""
    if shipment is None:
        return {}
    custody, course = shipment.custody, shipment.custody.course
    plain: dict[str, object] = {
        "phase": shipment.phase.value,
        "exercise": True if shipment.exercise else None,
        "appointment_ns": shipment.plan.planned_at_ns if shipment.plan else None,
        "custody": {
            "holder": custody.holder,
            "since_ns": custody.since_ns,
            "place": custody.place,
            "seal": custody.seal,
            "unconfirmed": None if custody.is_confirmed else True,
            "course": course.said.course.value if course else None,
            "destination": course.said.destination if course else None,
        },
        "assigned": [
            f"{span.gateway} from {span.from_sequence}{_end(span.to_sequence)}"
            + _gain(span.gain)
            for span in shipment.assignments
        ],
    }
    for fact in shipment.facts:
        if not isinstance(fact.body, _OWN_WAY):
            stated = msgspec.structs.asdict(fact.body)
            del stated["shipment"]
            plain[KINDS[type(fact.body)]] = stated
    flat: dict[str, str] = {}
    _flatten("", plain, flat)
    return flat


def _end(to_sequence: int | None) -> str:
    return "" if to_sequence is None else f" to {to_sequence}"


def _gain(gain: ReleasedGain | None) -> str:
    if gain is None:
        return ""
    return f", gain {gain.gain_ratio:.4g} released by {gain.released_by}"


def _flatten(name: str, value: object, flat: dict[str, str]) -> None:
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, dict):
        for key, one in value.items():
            _flatten(f"{name}.{key}" if name else str(key), one, flat)
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value, 1):
            _flatten(f"{name}.{number}", one, flat)
    elif value is not None:
        flat[name.removesuffix("_ns")] = _text(name, value)


def _text(name: str, value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_ns"):
        try:
            return instant_text(value)
        except (OverflowError, ValueError):
            return str(value)
    return str(value)
