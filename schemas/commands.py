"""Commands down to a gateway: signed by the cloud, counted, and they expire.

The counter of a gateway's commands only grows; the gateway keeps the last one it
took and refuses the rest, so that a replayed command has no effect. Each command is
answered by a record: ``assign`` by ``assigned``, ``release`` by ``released``,
``fingerprint-step`` by ``fingerprint``, the others by an ``event``; a refused one by
an ``event`` of kind ``command-refused`` with the reason.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from schemas import wire
from schemas.contents import (
    Contents,
    ProductLimits,
    ReleasedGain,
    check_contents,
    check_gateway_id,
)
from schemas.envelope import Purpose, external_aad, seal
from schemas.errors import MalformedError
from schemas.findings import Place
from schemas.keys import Signer
from schemas.records import Digest, Epoch, FingerprintStep, Unsigned

VERSION: Final = 1


class Assign(msgspec.Struct, frozen=True, omit_defaults=True):
    """The gateway follows this shipment from now on.

    ``places`` are those whose entering and leaving is stated; ``route`` is the way in
    order, each point with the half width of the corridor that begins there. ``gain``
    is the container's released gain; without it the container model's own holds.
    """

    shipment: str
    contents: tuple[Contents, ...]
    limits: ProductLimits
    container_digest: Digest
    places: tuple[Place, ...] = ()
    route: tuple[Place, ...] = ()
    gain: ReleasedGain | None = None


class Release(msgspec.Struct, frozen=True):
    """The gateway no longer follows this shipment."""

    shipment: str


class TakeFingerprint(msgspec.Struct, frozen=True):
    """Count for ``real_time_ns`` and state the result."""

    step: FingerprintStep
    real_time_ns: Unsigned


class Resend(msgspec.Struct, frozen=True):
    """Send the records of this range again, ends included."""

    epoch: Epoch
    from_sequence: Unsigned
    to_sequence: Unsigned


class Setting(msgspec.Struct, frozen=True):
    """One named setting of a gateway."""

    name: str
    value: float


class Configure(msgspec.Struct, frozen=True):
    """Change settings that may change on the way."""

    settings: tuple[Setting, ...]


CommandBody = Assign | Release | TakeFingerprint | Resend | Configure

BODIES: Final[Mapping[str, type[CommandBody]]] = {
    "assign": Assign,
    "release": Release,
    "fingerprint-step": TakeFingerprint,
    "resend": Resend,
    "config": Configure,
}
KINDS: Final[Mapping[type[CommandBody], str]] = {b: kind for kind, b in BODIES.items()}


class CommandHeader(msgspec.Struct, frozen=True):
    """To whom a command goes, its place in the order, and until when it holds."""

    version: Unsigned
    gateway: str
    counter: Unsigned
    expires_ns: int
    kind: str


class Command(msgspec.Struct, frozen=True):
    """A command as read from a payload."""

    header: CommandHeader
    body: CommandBody


def command_aad(version: int, gateway: str) -> bytes:
    """Return the external data of a command's seal."""
    return external_aad(Purpose.COMMAND, version, gateway)


def seal_command(
    gateway: str, counter: int, expires_ns: int, body: CommandBody, signer: Signer
) -> bytes:
    """Return the sealed command.

    Raises:
        MalformedError: a value breaks its limits, or an assignment its contents'.
    """
    check_gateway_id(gateway)
    header = CommandHeader(VERSION, gateway, counter, expires_ns, KINDS[type(body)])
    if isinstance(body, Assign):
        check_contents(body.contents)
    payload = wire.to_payload(header, body)
    return seal(payload, signer, command_aad(VERSION, gateway))


def read_command(payload: bytes) -> Command:
    """Read a command's payload.

    Raises:
        MalformedError: not deterministic CBOR, an unknown kind, or a broken field.
    """
    plain = wire.read_payload(payload)
    header = wire.from_named(plain, CommandHeader)
    check_gateway_id(header.gateway)
    body_type = BODIES.get(header.kind)
    if body_type is None:
        raise MalformedError(f"unknown command {header.kind!r}")
    return Command(header, wire.from_named(plain.get("body"), body_type))
