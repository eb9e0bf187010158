"""Typed values to sealed payload bytes and back, through the table of names."""

from typing import TypeVar

import msgspec

from schemas import cbor, names
from schemas.errors import MalformedError

T = TypeVar("T")


def to_named(value: msgspec.Struct) -> dict[str, object]:
    """Return a contract type as plain values under names, within its limits.

    Raises:
        MalformedError: a field breaks its limits, which a constructor does not check.
    """
    plain: dict[str, object] = msgspec.to_builtins(value, builtin_types=(bytes,))
    from_named(plain, type(value))
    return plain


def encode_named(plain: dict[str, object]) -> bytes:
    """Return the deterministic CBOR of plain values under names.

    Raises:
        MalformedError: a value has no form on the wire.
        UnknownWordError: a name has no key in the table of names.
    """
    return cbor.encode(names.keyed(plain))


def to_payload(value: msgspec.Struct, body: msgspec.Struct | None = None) -> bytes:
    """Return the deterministic CBOR of a contract type, a header with its body.

    Raises:
        MalformedError: a field breaks its limits, or has no form, such as NaN.
        UnknownWordError: a field has no key in the table of names.
    """
    plain = to_named(value)
    if body is not None:
        plain["body"] = to_named(body)
    return encode_named(plain)


def from_named(plain: object, kind: type[T]) -> T:
    """Convert plain values under names to a contract type; unknown names are ignored.

    Raises:
        MalformedError: a field is missing or has the wrong type; the message gives
            its path.
    """
    try:
        return msgspec.convert(plain, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise MalformedError(f"{kind.__name__}: {error}") from error


def read_payload(payload: bytes) -> dict[str, object]:
    """Read a payload to plain values under names.

    Raises:
        MalformedError: not deterministic CBOR, or not a map.
    """
    plain = names.named(cbor.decode(payload))
    if not isinstance(plain, dict):
        raise MalformedError("the payload is no map")
    return plain
