"""Who may sign what: signing keys, public keys and the registry of them.

The registry says for each key: owner, kind of owner, algorithm, and how long it is
valid. A gateway's key is valid for a range of (epoch, sequence), never by a clock
that may stand at 1970; a person's or server's key by time. The algorithm is pinned
here: what an envelope claims is only compared with it.

``kid`` is the first 8 bytes of the key's COSE thumbprint (RFC 9679).

Registry file (JSON)::

    {"keys": [{"owner": "gw-ivrea-07", "kind": "gateway", "algorithm": "EdDSA",
               "public_key": "<base64>", ...}]}
"""

import hashlib
from enum import StrEnum
from typing import Final, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric import utils as asymmetric_utils

from schemas.errors import ContractError, SealError

KID_BYTES: Final = 8
_P: Final = 2**255 - 19
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ED25519_POINT_BYTES: Final = 32
_P256_POINT_BYTES: Final = 65

# Points of small order: with one of them as public key, OpenSSL accepts one
# signature for every message. Sign bit cleared; y >= p is refused as well.
# Source: Chalkias et al., "Taming the many EdDSAs", table 1.
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
    )
)


class Algorithm(StrEnum):
    """Signature algorithms: EdDSA is COSE -8 on Ed25519, ES256 is -7 on P-256."""

    EDDSA = "EdDSA"
    ES256 = "ES256"

    @property
    def cose(self) -> int:
        """Number in the COSE registry."""
        return -8 if self is Algorithm.EDDSA else -7


class OwnerKind(StrEnum):
    """What an owner may sign: records, facts, or receipts and commands."""

    GATEWAY = "gateway"
    PERSON = "person"
    CLOUD = "cloud"


class Signer(Protocol):
    """Signs bytes with one key; the key may live in a file or in hardware."""

    @property
    def kid(self) -> bytes:
        """Identifier of the key, 8 bytes."""

    @property
    def algorithm(self) -> Algorithm:
        """Algorithm of the key."""

    def sign(self, message: bytes) -> bytes:
        """Return the raw signature of ``message``, 64 bytes."""


class PublicKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of the registry.

    ``public_key`` is the raw Ed25519 key (32 bytes) or the uncompressed P-256 point
    (65 bytes). ``epoch`` binds a gateway's key to one epoch; ``to_sequence`` is the
    last sequence in it that is trusted (set when a gateway is lost). ``from_ns`` and
    ``to_ns`` bound the keys of people and servers.
    """

    owner: str
    kind: OwnerKind
    algorithm: Algorithm
    public_key: bytes
    epoch: bytes | None = None
    to_sequence: int | None = None
    from_ns: int | None = None
    to_ns: int | None = None

    @property
    def kid(self) -> bytes:
        """Identifier of the key: start of its COSE thumbprint.

        Source: RFC 9679 section 3.
        """
        return thumbprint(self.algorithm, self.public_key)[:KID_BYTES]

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Say whether ``signature`` is this key's over ``message``."""
        try:
            if self.algorithm is Algorithm.EDDSA:
                ed25519.Ed25519PublicKey.from_public_bytes(self.public_key).verify(
                    signature, message
                )
            else:
                _verify_es256(self.public_key, signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def _verify_es256(point: bytes, signature: bytes, message: bytes) -> None:
    if len(signature) != 64:
        raise InvalidSignature
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    # (r, n - s) is as good a signature: only the lower one is taken, or anyone
    # could make a second sealed fact with another digest.
    if s > _P256_ORDER // 2:
        raise InvalidSignature
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    der = asymmetric_utils.encode_dss_signature(r, s)
    key.verify(der, message, ec.ECDSA(hashes.SHA256()))


def thumbprint(algorithm: Algorithm, public_key: bytes) -> bytes:
    """Return the SHA-256 COSE key thumbprint of a raw public key, 32 bytes.

    Source: RFC 9679; key parameters of RFC 9053 section 7.
    """
    if algorithm is Algorithm.EDDSA:
        # Key type OKP, curve Ed25519, x
        cose_key = bytes.fromhex("a3 0101 2006 215820") + public_key
    else:
        # Key type EC2, curve P-256, x, y
        x, y = public_key[1:33], public_key[33:65]
        cose_key = bytes.fromhex("a4 0102 2001 215820") + x
        cose_key += bytes.fromhex("225820") + y
    return hashlib.sha256(cose_key).digest()


def check_public_key(key: PublicKey) -> None:
    """Refuse a key that would make forging possible.

    Raises:
        ContractError: wrong size, not on the curve, or a point of small order.
    """
    if key.algorithm is Algorithm.EDDSA:
        _check_ed25519(key)
        return
    try:
        if len(key.public_key) != _P256_POINT_BYTES:
            raise ValueError("an uncompressed point has 65 bytes")  # noqa: TRY301 - one message for both
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public_key)
    except ValueError as error:
        raise ContractError(
            f"the key of {key.owner} is no P-256 point: {error}"
        ) from error


def _check_ed25519(key: PublicKey) -> None:
    if len(key.public_key) != _ED25519_POINT_BYTES:
        raise ContractError(f"the key of {key.owner} has not 32 bytes")
    masked = key.public_key[:31] + bytes([key.public_key[31] & 0x7F])
    if masked in _SMALL_ORDER or int.from_bytes(masked, "little") >= _P:
        raise ContractError(f"the key of {key.owner} is of small order: refused")


class Ed25519Signer:
    """Signs with an Ed25519 key held in memory."""

    algorithm: Final = Algorithm.EDDSA

    def __init__(self, private_key: bytes) -> None:
        self._key = ed25519.Ed25519PrivateKey.from_private_bytes(private_key)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.kid = thumbprint(self.algorithm, self.public_key)[:KID_BYTES]

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of ``message``."""
        return self._key.sign(message)


class Es256Signer:
    """Signs with a P-256 key held in memory."""

    algorithm: Final = Algorithm.ES256

    def __init__(self, private_key: bytes) -> None:
        scalar = int.from_bytes(private_key, "big")
        self._key = ec.derive_private_key(scalar, ec.SECP256R1())
        self.public_key = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.kid = thumbprint(self.algorithm, self.public_key)[:KID_BYTES]

    def sign(self, message: bytes) -> bytes:
        """Return r and the lower s, 32 bytes each (RFC 9053 section 2.1)."""
        der = self._key.sign(message, ec.ECDSA(hashes.SHA256()))
        r, s = asymmetric_utils.decode_dss_signature(der)
        s = min(s, _P256_ORDER - s)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class _RegistryFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[PublicKey, ...]


class KeyRegistry:
    """The keys that are known, found by kid."""

    def __init__(self, keys: tuple[PublicKey, ...]) -> None:
        for key in keys:
            check_public_key(key)
        self.keys = keys
        self._by_kid = {key.kid: key for key in keys}
        if len(self._by_kid) != len(keys):
            raise ContractError("two keys of the registry have the same kid")

    @classmethod
    def from_json(cls, data: bytes) -> "KeyRegistry":
        """Read a registry file.

        Raises:
            ContractError: the file breaks its schema or holds a dangerous key.
        """
        try:
            return cls(msgspec.json.decode(data, type=_RegistryFile).keys)
        except msgspec.MsgspecError as error:
            raise ContractError(f"key registry: {error}") from error

    def to_json(self) -> bytes:
        """Write the registry file."""
        return msgspec.json.format(msgspec.json.encode(_RegistryFile(self.keys)))

    def find(self, kid: bytes) -> PublicKey | None:
        """Return the key with this kid, if it is known."""
        return self._by_kid.get(kid)


def require_signature_size(signature: bytes) -> bytes:
    """Return ``signature`` if it has the size of both algorithms.

    Raises:
        SealError: a signer returned something else.
    """
    if len(signature) != 64:
        raise SealError(f"signature of {len(signature)} bytes, 64 expected")
    return signature
