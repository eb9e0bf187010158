"""The seal: COSE_Sign1 over bytes as sent, chained, one written form everywhere.

A sealed item is (RFC 9052, tag 18)::

    D2 84                      tag 18, array of 4
       protected  bstr         { 1: alg, 4: kid }  deterministic
       unprotected map         {}                  always empty
       payload    bstr         deterministic CBOR map
       signature  bstr (64)

Signed is ``["Signature1", protected, external_aad, payload]``. The external data
binds the seal to its purpose and subject: ``[purpose, version, subject]``, for a
record its gateway, both read from the payload's header. Nothing is re-serialised
to verify; decoding is strict (:mod:`schemas.cbor`).

A sequence of sealed items (RFC 8742) is what lies on the gateway's disk, what a
message carries and what an export contains. A 0x00 between items is padding. A
byte string of 32 bytes in place of an item is the digest of one that is withheld:
the chain goes on across it.
"""

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from schemas import cbor
from schemas.errors import MalformedError
from schemas.keys import KID_BYTES, Algorithm, PublicKey, Signer, require_signature_size

MAX_SEALED_BYTES: Final = 16 * 1024
MAX_MESSAGE_BYTES: Final = 64 * 1024
DIGEST_BYTES: Final = 32
ZERO_DIGEST: Final = bytes(DIGEST_BYTES)

_TAG_SIGN1: Final = b"\xd2"
_ARRAY_OF_4: Final = 0x84
_HEADER_ALG, _HEADER_KID = 1, 4
_ALGORITHMS: Final = {algorithm.cose: algorithm for algorithm in Algorithm}


class Purpose(StrEnum):
    """What a seal is for; one signed for one purpose is void for the others."""

    RECORD = "record"
    FACT = "fact"
    COMMAND = "command"
    RECEIPT = "receipt"


class Envelope(NamedTuple):
    """A sealed item taken apart, not yet verified."""

    kid: bytes
    algorithm: Algorithm
    protected: bytes
    payload: bytes
    signature: bytes


class SealCheck(StrEnum):
    """What :func:`check` found."""

    GOOD = "good"
    WRONG_KEY = "wrong-key"
    WRONG_ALGORITHM = "wrong-algorithm"
    WRONG_SIGNATURE = "wrong-signature"


class Withheld(NamedTuple):
    """An item that an export leaves out, by its digest."""

    digest: bytes


def external_aad(purpose: Purpose, version: int, subject: str) -> bytes:
    """Return the external data that binds a seal to its purpose and subject."""
    return cbor.encode([purpose.value, version, subject])


def digest(sealed: bytes) -> bytes:
    """Return the SHA-256 digest of a sealed item, 32 bytes."""
    return hashlib.sha256(sealed).digest()


def seal(payload: bytes, signer: Signer, aad: bytes) -> bytes:
    """Sign ``payload`` and return the sealed item.

    Raises:
        MalformedError: the sealed item would exceed :data:`MAX_SEALED_BYTES`.
        SealError: the signer did not return a signature of 64 bytes.

    Source: RFC 9052 section 4.4.
    """
    protected = cbor.encode(
        {_HEADER_ALG: signer.algorithm.cose, _HEADER_KID: signer.kid}
    )
    signature = require_signature_size(
        signer.sign(_to_be_signed(protected, aad, payload))
    )
    sealed = _TAG_SIGN1 + cbor.encode([protected, {}, payload, signature])
    if len(sealed) > MAX_SEALED_BYTES:
        raise MalformedError(f"sealed item of {len(sealed)} bytes, at most 16 KiB")
    return sealed


def _to_be_signed(protected: bytes, aad: bytes, payload: bytes) -> bytes:
    return cbor.encode(["Signature1", protected, aad, payload])


def open_envelope(sealed: bytes) -> Envelope:
    """Take a sealed item apart, strictly; the seal is not checked yet.

    Raises:
        MalformedError: not exactly one sealed item in its one byte form.
    """
    envelope, end = _envelope_at(sealed, 0)
    if end != len(sealed):
        raise MalformedError(f"{len(sealed) - end} bytes after the sealed item")
    return envelope


def _envelope_at(data: bytes, offset: int) -> tuple[Envelope, int]:
    head = data[offset : offset + 2]
    if head[:1] != _TAG_SIGN1 or head[1:] != bytes([_ARRAY_OF_4]):
        raise MalformedError(f"no sealed item at byte {offset}")
    parts, end = cbor.decode_from(data, offset + 1)
    if end - offset > MAX_SEALED_BYTES:
        raise MalformedError(f"sealed item of {end - offset} bytes, at most 16 KiB")
    match parts:
        case [bytes(protected), {} as unprotected, bytes(payload), bytes(signature)]:
            if unprotected:
                raise MalformedError("unprotected header is not empty")
            if len(signature) != 64:
                raise MalformedError("signature has not 64 bytes")
            algorithm, kid = _protected(protected)
            return Envelope(kid, algorithm, protected, payload, signature), end
        case _:
            raise MalformedError("parts of the sealed item have wrong types")


def _protected(data: bytes) -> tuple[Algorithm, bytes]:
    match cbor.decode(data):
        case {1: int(alg), 4: bytes(kid), **rest} if not rest:
            algorithm = _ALGORITHMS.get(alg)
            if algorithm is None:
                raise MalformedError(f"algorithm {alg} is not allowed")
            if len(kid) != KID_BYTES:
                raise MalformedError(f"kid has not {KID_BYTES} bytes")
            return algorithm, kid
        case _:
            raise MalformedError("protected header is not {alg, kid}")


def check(envelope: Envelope, key: PublicKey, aad: bytes) -> SealCheck:
    """Check the seal with the key that the registry pins."""
    if envelope.kid != key.kid:
        return SealCheck.WRONG_KEY
    if envelope.algorithm is not key.algorithm:
        return SealCheck.WRONG_ALGORITHM
    message = _to_be_signed(envelope.protected, aad, envelope.payload)
    if not key.verify(envelope.signature, message):
        return SealCheck.WRONG_SIGNATURE
    return SealCheck.GOOD


def split_sequence(data: bytes) -> Iterator[bytes | Withheld]:
    """Yield the sealed items of a CBOR sequence, as bytes, oldest first.

    Raises:
        MalformedError: at the first byte that is no sealed item, withheld digest
            or padding; what came before has been yielded.
    """
    for item, _start, _end in split_with_offsets(data):
        yield item


def split_with_offsets(data: bytes) -> Iterator[tuple[bytes | Withheld, int, int]]:
    """Yield (item, start, end) like :func:`split_sequence`.

    Raises:
        MalformedError: as :func:`split_sequence`.
    """
    at = 0
    while at < len(data):
        if data[at] == 0:
            at += 1
        elif data[at] >> 5 == 2:
            value, end = cbor.decode_from(data, at)
            if not isinstance(value, bytes) or len(value) != DIGEST_BYTES:
                raise MalformedError(f"byte string at byte {at} is no digest")
            yield Withheld(value), at, end
            at = end
        else:
            _envelope, end = _envelope_at(data, at)
            yield data[at:end], at, end
            at = end


def withheld(sealed: bytes) -> bytes:
    """Return the bytes that stand for ``sealed`` where it is withheld."""
    return cbor.encode(digest(sealed))
