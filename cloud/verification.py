"""Verification: sealed bytes to something that may be believed, or a refusal.

Pure: no clock, no store. The rules, in the order in which they are judged:

1.  The bytes are within size: at most 16 KiB.
2.  They are exactly one sealed item in its one byte form.
3.  The ``kid`` is in the registry.
4.  The algorithm is the one that the registry pins for that key.
5.  The key's kind fits the purpose: a gateway's key for records, a person's or the
    cloud's for facts, the cloud's for commands and receipts.
6.  The key is valid: for the record's (epoch, sequence), or at the time that the
    fact, command or receipt states.
7.  The header is well-formed, of a version that is taken, and its sequence or
    counter is below 2^53.
8.  The gateway or author in the header is the key's owner; by MQTT, also the
    gateway of the topic. Commands and receipts name a gateway and are the cloud's.
9.  The seal is good.
10. The identity is not held with other content (else: equivocation).
11. The item links to its neighbours where both are held. Order of arrival is no
    rule: a link is judged once both ends are there.

Rules 1 to 9 need only the bytes and the registry (6 and 8 read the header and are
therefore judged behind 7). Rules 10 and 11 are judged against what the ledger says
is held, given as :class:`Held`, inside the ledger's transaction.

A record whose body is unknown or broken, but which passes the rules, is verified:
its body is :class:`schemas.records.Unprojectable`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from schemas import envelope as envelopes
from schemas import records, wire
from schemas.commands import VERSION as COMMAND_VERSION
from schemas.commands import Command, command_aad, read_command
from schemas.envelope import MAX_SEALED_BYTES, Envelope, SealCheck
from schemas.errors import ContractError
from schemas.facts import VERSION as FACT_VERSION
from schemas.facts import Fact, fact_aad, read_fact
from schemas.keys import KeyRegistry, OwnerKind, PublicKey
from schemas.receipts import VERSION as RECEIPT_VERSION
from schemas.receipts import Receipt, read_receipt, receipt_aad
from schemas.records import Body, Header, read_record, record_aad

# The ledger looks beside every place: what has no neighbour in 64 bits is refused.
MAX_SEQUENCE: Final = 2**53 - 1
_FACT_VERSIONS: Final = frozenset({FACT_VERSION})
_COMMAND_VERSIONS: Final = frozenset({COMMAND_VERSION})
_RECEIPT_VERSIONS: Final = frozenset({RECEIPT_VERSION})

T = TypeVar("T")


class RefusalReason(StrEnum):
    """Why something is not believed; a closed set, one or two per rule."""

    TOO_LARGE = "too-large"  # rule 1
    NOT_SEALED = "not-sealed"  # rule 2
    UNKNOWN_KEY = "unknown-key"  # rule 3
    WRONG_ALGORITHM = "wrong-algorithm"  # rule 4
    WRONG_PURPOSE = "wrong-purpose"  # rule 5
    KEY_NOT_VALID = "key-not-valid"  # rule 6
    MALFORMED_HEADER = "malformed-header"  # rule 7
    UNKNOWN_VERSION = "unknown-version"  # rule 7
    WRONG_OWNER = "wrong-owner"  # rule 8
    WRONG_SEAL = "wrong-seal"  # rule 9
    EQUIVOCATION = "equivocation"  # rule 10
    BROKEN_LINK = "broken-link"  # rule 11


class Refusal(NamedTuple):
    """Something refused: the reason for programs, the detail for people, the bytes."""

    reason: RefusalReason
    detail: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class VerifiedRecord:
    """A record that passed rules 1 to 9; made only in this module."""

    header: Header
    body: Body
    sealed: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class VerifiedFact:
    """A fact that passed rules 1 to 9; made only in this module."""

    fact: Fact
    kid: bytes
    sealed: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class VerifiedCommand:
    """A command that passed rules 1 to 9, or our own; made only in this module."""

    command: Command
    sealed: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """A receipt that passed rules 1 to 9; made only in this module."""

    receipt: Receipt
    sealed: bytes
    digest: bytes


class Held(NamedTuple):
    """What is held around one place in a chain.

    ``same`` is the digest at the place itself, ``before`` that of the place below,
    ``after_previous`` the previous digest that the place above states; each is
    absent where nothing is held.
    """

    same: bytes | None = None
    before: bytes | None = None
    after_previous: bytes | None = None


def verify_record(
    sealed: bytes, registry: KeyRegistry, topic_gateway: str | None = None
) -> VerifiedRecord | Refusal:
    """Judge a record by rules 1 to 9.

    Args:
        sealed: the bytes as they came.
        registry: the keys that are known.
        topic_gateway: the gateway of the MQTT topic; absent where there was none.
    """
    opened = _open(sealed, registry, (OwnerKind.GATEWAY,))
    if isinstance(opened, Refusal):
        return opened
    envelope, key = opened
    record = _read(sealed, envelope, read_record, records.TAKEN_VERSIONS)
    if isinstance(record, Refusal):
        return record
    header = record.header
    if topic_gateway not in (None, header.gateway):
        detail = f"{header.gateway} under the topic of {topic_gateway}"
        return Refusal(RefusalReason.WRONG_OWNER, detail, sealed)
    aad = record_aad(header.version, header.gateway)
    refusal = (
        _judge_version(sealed, header.version, records.TAKEN_VERSIONS)
        or _judge_number(sealed, header.sequence)
        or _judge_owner(sealed, key, header.gateway)
        or _judge_sequence(sealed, key, header)
        or _judge_seal(sealed, envelope, key, aad)
    )
    if refusal is not None:
        return refusal
    return VerifiedRecord(header, record.body, sealed, envelopes.digest(sealed))


def verify_fact(sealed: bytes, registry: KeyRegistry) -> VerifiedFact | Refusal:
    """Judge a fact by rules 1 to 9."""
    opened = _open(sealed, registry, (OwnerKind.PERSON, OwnerKind.CLOUD))
    if isinstance(opened, Refusal):
        return opened
    envelope, key = opened
    fact = _read(sealed, envelope, read_fact, _FACT_VERSIONS)
    if isinstance(fact, Refusal):
        return fact
    header = fact.header
    refusal = (
        _judge_version(sealed, header.version, _FACT_VERSIONS)
        or _judge_number(sealed, header.sequence)
        or _judge_owner(sealed, key, header.author)
        or _judge_time(sealed, key, header.utc_ns)
        or _judge_seal(sealed, envelope, key, fact_aad(header.version, header.author))
    )
    if refusal is not None:
        return refusal
    return VerifiedFact(fact, key.kid, sealed, envelopes.digest(sealed))


def verify_command(sealed: bytes, registry: KeyRegistry) -> VerifiedCommand | Refusal:
    """Judge a command by rules 1 to 9; its expiry is not judged."""
    opened = _open(sealed, registry, (OwnerKind.CLOUD,))
    if isinstance(opened, Refusal):
        return opened
    envelope, key = opened
    command = _read(sealed, envelope, read_command, _COMMAND_VERSIONS)
    if isinstance(command, Refusal):
        return command
    header = command.header
    aad = command_aad(header.version, header.gateway)
    refusal = (
        _judge_version(sealed, header.version, _COMMAND_VERSIONS)
        or _judge_number(sealed, header.counter)
        or _judge_time(sealed, key, header.expires_ns)
        or _judge_seal(sealed, envelope, key, aad)
    )
    if refusal is not None:
        return refusal
    return VerifiedCommand(command, sealed, envelopes.digest(sealed))


def own_command(sealed: bytes) -> VerifiedCommand:
    """Return a command that this process has just sealed; nothing is judged.

    Raises:
        MalformedError: it is no command.
    """
    command = read_command(envelopes.open_envelope(sealed).payload)
    return VerifiedCommand(command, sealed, envelopes.digest(sealed))


def own_fact(sealed: bytes) -> VerifiedFact:
    """Return a fact that this process has just sealed; nothing is judged.

    Raises:
        MalformedError: it is no fact.
    """
    opened = envelopes.open_envelope(sealed)
    fact = read_fact(opened.payload)
    return VerifiedFact(fact, opened.kid, sealed, envelopes.digest(sealed))


def verify_receipt(sealed: bytes, registry: KeyRegistry) -> VerifiedReceipt | Refusal:
    """Judge a receipt by rules 1 to 9."""
    opened = _open(sealed, registry, (OwnerKind.CLOUD,))
    if isinstance(opened, Refusal):
        return opened
    envelope, key = opened
    receipt = _read(sealed, envelope, read_receipt, _RECEIPT_VERSIONS)
    if isinstance(receipt, Refusal):
        return receipt
    aad = receipt_aad(receipt.version, receipt.gateway)
    refusal = (
        _judge_version(sealed, receipt.version, _RECEIPT_VERSIONS)
        or _judge_time(sealed, key, receipt.at_ns)
        or _judge_seal(sealed, envelope, key, aad)
    )
    if refusal is not None:
        return refusal
    return VerifiedReceipt(receipt, sealed, envelopes.digest(sealed))


def judge_chain(
    sealed: bytes, digest: bytes, previous: bytes, held: Held
) -> Refusal | None:
    """Judge an item by rules 10 and 11 against what is held around its place."""
    if held.same is not None and held.same != digest:
        detail = f"its place is held by {held.same.hex()[:16]}"
        return Refusal(RefusalReason.EQUIVOCATION, detail, sealed)
    if held.before is not None and held.before != previous:
        detail = f"the item before it is {held.before.hex()[:16]}"
        return Refusal(RefusalReason.BROKEN_LINK, detail, sealed)
    if held.after_previous is not None and held.after_previous != digest:
        detail = f"the item behind it links to {held.after_previous.hex()[:16]}"
        return Refusal(RefusalReason.BROKEN_LINK, detail, sealed)
    return None


def _open(
    sealed: bytes, registry: KeyRegistry, kinds: tuple[OwnerKind, ...]
) -> tuple[Envelope, PublicKey] | Refusal:
    """Judge rules 1 to 5."""
    if len(sealed) > MAX_SEALED_BYTES:
        return Refusal(RefusalReason.TOO_LARGE, f"{len(sealed)} bytes", sealed)
    try:
        envelope = envelopes.open_envelope(sealed)
    except ContractError as error:
        return Refusal(RefusalReason.NOT_SEALED, str(error), sealed)
    key = registry.find(envelope.kid)
    if key is None:
        return Refusal(RefusalReason.UNKNOWN_KEY, f"kid {envelope.kid.hex()}", sealed)
    if envelope.algorithm is not key.algorithm:
        detail = f"{envelope.algorithm}, {key.owner} signs with {key.algorithm}"
        return Refusal(RefusalReason.WRONG_ALGORITHM, detail, sealed)
    if key.kind not in kinds:
        detail = f"{key.owner} has the key of a {key.kind}"
        return Refusal(RefusalReason.WRONG_PURPOSE, detail, sealed)
    return envelope, key


def _read(
    sealed: bytes, envelope: Envelope, read: Callable[[bytes], T], taken: frozenset[int]
) -> T | Refusal:
    """Judge rule 7 but for version and numbers of what could be read."""
    try:
        return read(envelope.payload)
    except ContractError as error:
        version = _stated_version(envelope.payload)
        if version is not None and version not in taken:
            return Refusal(RefusalReason.UNKNOWN_VERSION, f"{version}", sealed)
        return Refusal(RefusalReason.MALFORMED_HEADER, str(error), sealed)


def _stated_version(payload: bytes) -> int | None:
    try:
        version = wire.read_payload(payload).get("version")
    except ContractError:
        return None
    return version if isinstance(version, int) else None


def _judge_version(
    sealed: bytes, version: int, taken: frozenset[int]
) -> Refusal | None:
    if version in taken:
        return None
    return Refusal(RefusalReason.UNKNOWN_VERSION, f"{version}", sealed)


def _judge_number(sealed: bytes, number: int) -> Refusal | None:
    if number <= MAX_SEQUENCE:
        return None
    detail = f"the place {number} is beyond {MAX_SEQUENCE}"
    return Refusal(RefusalReason.MALFORMED_HEADER, detail, sealed)


def _judge_owner(sealed: bytes, key: PublicKey, name: str) -> Refusal | None:
    if key.owner == name:
        return None
    detail = f"{name} in the header, the key is of {key.owner}"
    return Refusal(RefusalReason.WRONG_OWNER, detail, sealed)


def _judge_sequence(sealed: bytes, key: PublicKey, header: Header) -> Refusal | None:
    if key.epoch not in (None, header.epoch):
        detail = f"the key is for another epoch than {header.epoch.hex()}"
        return Refusal(RefusalReason.KEY_NOT_VALID, detail, sealed)
    if key.to_sequence is not None and header.sequence > key.to_sequence:
        detail = f"the key is trusted up to sequence {key.to_sequence}"
        return Refusal(RefusalReason.KEY_NOT_VALID, detail, sealed)
    return None


def _judge_time(sealed: bytes, key: PublicKey, at_ns: int) -> Refusal | None:
    if key.from_ns is not None and at_ns < key.from_ns:
        return Refusal(RefusalReason.KEY_NOT_VALID, "before the key's time", sealed)
    if key.to_ns is not None and at_ns > key.to_ns:
        return Refusal(RefusalReason.KEY_NOT_VALID, "after the key's time", sealed)
    return None


def _judge_seal(
    sealed: bytes, envelope: Envelope, key: PublicKey, aad: bytes
) -> Refusal | None:
    found = envelopes.check(envelope, key, aad)
    if found is SealCheck.GOOD:
        return None
    return Refusal(RefusalReason.WRONG_SEAL, f"{found} of {key.owner}", sealed)
