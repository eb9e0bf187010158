"""Facts of people and servers: what they sign about a shipment.

Each fact has a uuid, so that it counts once however often it is sent, and links to
its author's previous fact. Facts lie in the same ledger as the records, so that the
ledger alone rebuilds every shipment. A phone signs with ES256 keys that cannot
leave it. Documents and photos enter by their SHA-256. What a dose is and how it
travels is in :mod:`schemas.shipping`, what a centre states in :mod:`schemas.centre`,
handovers, alarms and corrections in :mod:`schemas.custody`.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from schemas import wire
from schemas.centre import (
    Acceptance,
    Assay,
    CentreProfile,
    CheckResult,
    ContainerReturn,
    Disposal,
    Outcome,
)
from schemas.custody import (
    Acknowledgement,
    Correction,
    Diversion,
    Handover,
    HandoverRole,
    Notice,
)
from schemas.envelope import ZERO_DIGEST, Purpose, external_aad, seal
from schemas.errors import MalformedError
from schemas.keys import Signer
from schemas.records import Digest, FactId, Unsigned
from schemas.shipping import (
    Certificate,
    Confirmation,
    Consignment,
    Decision,
    Leg,
    LegMode,
    Order,
    Reschedule,
    Survey,
)

__all__ = [
    "Acceptance",
    "Acknowledgement",
    "Assay",
    "CentreProfile",
    "Certificate",
    "CheckResult",
    "Confirmation",
    "Consignment",
    "ContainerReturn",
    "Correction",
    "Decision",
    "Disposal",
    "Diversion",
    "Fact",
    "FactBody",
    "FactHeader",
    "Handover",
    "HandoverRole",
    "Leg",
    "LegMode",
    "Notice",
    "Order",
    "Outcome",
    "Reschedule",
    "Survey",
]

VERSION: Final = 1
UUID_BYTES: Final = 16


FactBody = (
    Order
    | Certificate
    | Consignment
    | Reschedule
    | Handover
    | Acknowledgement
    | Acceptance
    | Assay
    | Confirmation
    | Survey
    | Decision
    | CentreProfile
    | ContainerReturn
    | Disposal
    | Diversion
    | Notice
    | Correction
)

BODIES: Final[Mapping[str, type[FactBody]]] = {
    "order": Order,
    "certificate": Certificate,
    "consignment": Consignment,
    "reschedule": Reschedule,
    "handover": Handover,
    "acknowledgement": Acknowledgement,
    "acceptance": Acceptance,
    "assay": Assay,
    "confirmation": Confirmation,
    "survey": Survey,
    "decision": Decision,
    "centre-profile": CentreProfile,
    "container-return": ContainerReturn,
    "disposal": Disposal,
    "diversion": Diversion,
    "notice": Notice,
    "correction": Correction,
}
KINDS: Final[Mapping[type[FactBody], str]] = {b: kind for kind, b in BODIES.items()}


class FactHeader(msgspec.Struct, frozen=True):
    """Who says it, when by their own clock, and their place in their own chain.

    ``previous`` is the digest of the author's previous sealed fact, zeros for the
    first. ``exercise`` marks facts of a training or a simulation.
    """

    version: Unsigned
    fact: FactId
    author: str
    sequence: Unsigned
    previous: Digest
    utc_ns: int
    kind: str
    exercise: bool


class Fact(msgspec.Struct, frozen=True):
    """A fact as read from a payload."""

    header: FactHeader
    body: FactBody


def fact_aad(version: int, author: str) -> bytes:
    """Return the external data of a fact's seal."""
    return external_aad(Purpose.FACT, version, author)


def seal_fact(header: FactHeader, body: FactBody, signer: Signer) -> bytes:
    """Return the sealed fact.

    Raises:
        MalformedError: the kind is not the body's, or a value has no form.
    """
    if header.kind != KINDS[type(body)]:
        raise MalformedError(f"{type(body).__name__} is no body of {header.kind!r}")
    _check_first(header)
    aad = fact_aad(header.version, header.author)
    return seal(wire.to_payload(header, body), signer, aad)


def _check_first(header: FactHeader) -> None:
    if (header.sequence == 0) != (header.previous == ZERO_DIGEST):
        raise MalformedError("the first fact, and only it, has a zero previous digest")


def read_fact(payload: bytes) -> Fact:
    """Read a fact's payload.

    Raises:
        MalformedError: not deterministic CBOR, an unknown kind, or a broken field.
    """
    plain = wire.read_payload(payload)
    header = wire.from_named(plain, FactHeader)
    _check_first(header)
    body_type = BODIES.get(header.kind)
    if body_type is None:
        raise MalformedError(f"unknown fact {header.kind!r}")
    return Fact(header, wire.from_named(plain.get("body"), body_type))
