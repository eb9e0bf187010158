"""Sealed items that no honest writer makes, for vectors that must be refused.

Bytes are put together here by hand or by cbor2, never by :mod:`schemas.envelope`.
"""

from typing import Final

import cbor2

from schemas import cbor, names, records, wire
from schemas.envelope import Purpose, external_aad
from schemas.keys import Signer
from tests.schemas.samples import BODIES, GATEWAY, GATEWAY_SIGNER, header

SEQUENCE: Final = 17
BODY: Final = next(body for body in BODIES if isinstance(body, records.Heartbeat))
HEADER: Final = header(BODY, SEQUENCE)
PAYLOAD: Final = records.record_payload(HEADER, BODY)
AAD: Final = records.record_aad(1, GATEWAY)
ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493


def bstr(data: bytes) -> bytes:
    """Return the CBOR byte string of ``data``."""
    return cbor2.dumps(data)


def protected_of(signer: Signer) -> bytes:
    """Return the protected header that the contract asks for."""
    return cbor.encode({1: signer.algorithm.cose, 4: signer.kid})


def parts(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """Return tag and array around parts, unprotected header empty."""
    return b"\xd2\x84" + bstr(protected) + b"\xa0" + bstr(payload) + bstr(signature)


def signature(
    payload: bytes,
    signer: Signer = GATEWAY_SIGNER,
    aad: bytes = AAD,
    protected: bytes | None = None,
    context: str = "Signature1",
) -> bytes:
    """Return the signature over a payload; ``context`` is COSE's."""
    protected = protected_of(signer) if protected is None else protected
    return signer.sign(cbor2.dumps([context, protected, aad, payload]))


def sealed(
    payload: bytes,
    signer: Signer = GATEWAY_SIGNER,
    aad: bytes = AAD,
    protected: bytes | None = None,
) -> bytes:
    """Return a payload under a good signature, whatever the payload is."""
    protected = protected_of(signer) if protected is None else protected
    return parts(protected, payload, signature(payload, signer, aad, protected))


def with_header(**changes: object) -> bytes:
    """Return a sealed heartbeat whose header has other values; None drops one."""
    plain = wire.read_payload(PAYLOAD)
    plain.update(changes)
    for name in [name for name, value in plain.items() if value is None]:
        del plain[name]
    gateway = changes.get("gateway", GATEWAY)
    assert isinstance(gateway, str)
    # By cbor2, which writes integers that the contract does not have.
    payload = cbor2.dumps(names.keyed(plain), canonical=True)
    return sealed(payload, aad=records.record_aad(1, gateway))


def other_purpose(purpose: Purpose) -> bytes:
    """Return a heartbeat signed as something that is no record."""
    return sealed(PAYLOAD, aad=external_aad(purpose, 1, GATEWAY))


def malleated(item: bytes) -> bytes:
    """Return the item with S + L instead of S, which lax verifiers take."""
    s = int.from_bytes(item[-32:], "little") + ED25519_ORDER
    return item[:-32] + s.to_bytes(32, "little")


def flipped(item: bytes, at: int, mask: int = 1) -> bytes:
    """Return the item with bits of the byte at ``at`` flipped."""
    at %= len(item)
    return item[:at] + bytes([item[at] ^ mask]) + item[at + 1 :]
