"""Independent implementations agree: pycose and cwt on the seal, both ways."""

from collections.abc import Callable
from typing import Any

import cwt
import pytest
from cwt import COSE, COSEKey
from cwt.cose_key_interface import COSEKeyInterface
from pycose.algorithms import EdDSA, Es256
from pycose.headers import KID, Algorithm
from pycose.keys.ec2 import EC2Key
from pycose.keys.okp import OKPKey
from pycose.messages.cosemessage import CoseMessage
from pycose.messages.sign1message import Sign1Message

from schemas import facts, records
from schemas.envelope import SealCheck, check, open_envelope, seal
from schemas.keys import PublicKey
from tests.schemas import forging, vectors
from tests.schemas.cases_statement import P256_ORDER, high_s
from tests.schemas.samples import (
    AUTHOR,
    GATEWAY_KEY,
    GATEWAY_SIGNER,
    PERSON_KEY,
    PERSON_SIGNER,
)

OURS = records.seal_record(forging.HEADER, forging.BODY, GATEWAY_SIGNER)
FACT_AAD = facts.fact_aad(1, AUTHOR)
PHONE = seal(b"\xa0", PERSON_SIGNER, FACT_AAD)
X, Y = PERSON_SIGNER.public_key[1:33], PERSON_SIGNER.public_key[33:]


def _pycose_key(key: PublicKey, private: bytes = b"") -> OKPKey | EC2Key:
    secret: dict[str, Any] = {"d": private} if private else {}
    if key is PERSON_KEY:
        return EC2Key(crv="P_256", x=X, y=Y, **secret)
    return OKPKey(crv="ED25519", x=key.public_key, **secret)


def _pycose_verifies(sealed: bytes, key: PublicKey, aad: bytes) -> bool:
    message: Any = CoseMessage.decode(sealed)
    assert message.cbor_tag == Sign1Message.cbor_tag
    message.key = _pycose_key(key)
    message.external_aad = aad
    return bool(message.verify_signature())


def _pycose_seals(payload: bytes, key: PublicKey, private: bytes, aad: bytes) -> bytes:
    algorithm = Es256 if key is PERSON_KEY else EdDSA
    message = Sign1Message(
        phdr={Algorithm: algorithm, KID: key.kid},
        uhdr={},
        payload=payload,
        external_aad=aad,
    )
    message.key = _pycose_key(key, private)
    return bytes(message.encode())


def _cwt_key(key: PublicKey, private: bytes = b"") -> COSEKeyInterface:
    if key is PERSON_KEY:
        fields: dict[int, object] = {1: 2, -1: 1, -2: X, -3: Y}
    else:
        fields = {1: 1, -1: 6, -2: key.public_key}
    fields |= {2: key.kid, 3: key.algorithm.cose} | ({-4: private} if private else {})
    return COSEKey.new(fields)


def _cwt_verifies(sealed: bytes, key: PublicKey, aad: bytes) -> bool:
    try:
        COSE.new().decode(sealed, _cwt_key(key), external_aad=aad)
    except cwt.VerifyError:
        return False
    return True


def _cwt_seals(payload: bytes, key: PublicKey, private: bytes, aad: bytes) -> bytes:
    protected = {1: key.algorithm.cose, 4: key.kid}
    sealed = COSE.new().encode_and_sign(
        payload,
        _cwt_key(key, private),
        protected=protected,
        unprotected={},
        external_aad=aad,
    )
    return bytes(sealed)


Verifies = Callable[[bytes, PublicKey, bytes], bool]
Seals = Callable[[bytes, PublicKey, bytes, bytes], bytes]
VERIFIERS = [
    pytest.param(_pycose_verifies, id="pycose"),
    pytest.param(_cwt_verifies, id="cwt"),
]
SEALERS = [pytest.param(_pycose_seals, id="pycose"), pytest.param(_cwt_seals, id="cwt")]


@pytest.mark.parametrize("verifies", VERIFIERS)
def test_they_verify_our_eddsa(verifies: Verifies) -> None:
    assert verifies(OURS, GATEWAY_KEY, forging.AAD)
    assert not verifies(forging.flipped(OURS, -67), GATEWAY_KEY, forging.AAD)
    assert not verifies(OURS, GATEWAY_KEY, records.record_aad(1, "gw-ivrea-08"))
    assert not verifies(OURS, GATEWAY_KEY, b"")


@pytest.mark.parametrize("verifies", VERIFIERS)
def test_they_verify_our_es256(verifies: Verifies) -> None:
    assert verifies(PHONE, PERSON_KEY, FACT_AAD)
    assert not verifies(forging.flipped(PHONE, -1), PERSON_KEY, FACT_AAD)
    assert not verifies(PHONE, PERSON_KEY, forging.AAD)


@pytest.mark.parametrize("seals", SEALERS)
def test_their_eddsa_has_our_bytes(seals: Seals) -> None:
    theirs = seals(forging.PAYLOAD, GATEWAY_KEY, b"\x01" * 32, forging.AAD)
    assert theirs == OURS


@pytest.mark.parametrize("seals", SEALERS)
def test_we_verify_their_es256(seals: Seals) -> None:
    low, high = _low_and_high(seals(b"\xa0", PERSON_KEY, b"\x03" * 32, FACT_AAD))
    opened, twin = open_envelope(low), open_envelope(high)
    assert check(twin, PERSON_KEY, FACT_AAD) is SealCheck.WRONG_SIGNATURE
    assert check(opened, PERSON_KEY, FACT_AAD) is SealCheck.GOOD
    assert check(opened, PERSON_KEY, forging.AAD) is SealCheck.WRONG_SIGNATURE
    assert opened.payload == b"\xa0"


def _low_and_high(sealed: bytes) -> tuple[bytes, bytes]:
    """Return the item with the lower s and with the higher; referees write either."""
    s = int.from_bytes(sealed[-32:], "big")
    twins = (sealed, high_s(sealed))
    return twins if s <= P256_ORDER // 2 else twins[::-1]


@pytest.mark.parametrize("verifies", VERIFIERS)
def test_they_verify_our_high_s(verifies: Verifies) -> None:
    """What we refuse is a good signature to them: the lower s is our rule."""
    assert verifies(high_s(PHONE), PERSON_KEY, FACT_AAD)


@pytest.mark.parametrize("verifies", VERIFIERS)
def test_they_verify_every_valid_vector(verifies: Verifies) -> None:
    by_kid = {key.kid: key for key in (GATEWAY_KEY, PERSON_KEY)}
    judged = 0
    for _content, vector in vectors.every():
        if vector["kind"] not in ("record", "fact") or "expect" not in vector:
            continue
        data = bytes.fromhex(vector["input_hex"])
        key = by_kid.get(bytes.fromhex(vector["expect"]["kid_hex"]))
        if key is not None:
            aad = vectors.aad_of(vector["kind"], open_envelope(data).payload)
            assert verifies(data, key, aad), vector["name"]
            judged += 1
    assert judged > 15
