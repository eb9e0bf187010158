"""Cases of records: one of each kind, what readers keep, and forged ones."""

from collections.abc import Iterator
from typing import Final

from schemas import cbor, records
from schemas.envelope import Purpose
from tests.schemas import forging
from tests.schemas.cases_cbor import FOREIGN_CBOR, Case
from tests.schemas.forging import HEADER, PAYLOAD, parts, sealed, signature
from tests.schemas.further_samples import FURTHER
from tests.schemas.samples import (
    BODIES,
    CLOUD_SIGNER,
    GATEWAY_SIGNER,
    STRANGER_SIGNER,
    header,
)

GOOD: Final = records.seal_record(HEADER, forging.BODY, GATEWAY_SIGNER)
PROTECTED: Final = forging.protected_of(GATEWAY_SIGNER)
SIGNATURE: Final = GOOD[-64:]


def record_cases() -> Iterator[Case]:
    """Yield one record of each kind, what readers keep, and forged ones."""
    for body in BODIES:
        head = header(body, 0 if isinstance(body, records.Birth) else 17)
        item = records.seal_record(head, body, GATEWAY_SIGNER)
        yield Case(head.kind, f"a record of kind {head.kind}", "Good", item)
    for name, body in FURTHER:
        item = records.seal_record(header(body, 17), body, GATEWAY_SIGNER)
        yield Case(name, "optional parts", "Good", item)
    yield from _kept_records()
    yield from _envelopes()
    yield from _protected_headers()
    yield from _wrong_seals()
    yield from _foreign_payloads()
    yield from _wrong_headers()


def _kept_records() -> Iterator[Case]:
    plain = cbor.decode(PAYLOAD)
    assert isinstance(plain, dict)
    body = plain[12]
    assert isinstance(body, dict)
    newer: dict[int, cbor.Item] = {
        **plain,
        900: [1, {5: True}],
        12: {**body, 901: "later"},
    }
    absent: dict[int, cbor.Item] = {
        key: plain[key] for key in plain if key not in (8, 10)
    }
    without = {key: plain[key] for key in plain if key != 12}
    kept: tuple[tuple[str, str, str, dict[int, cbor.Item]], ...] = (
        ("unknown keys", "kept and ignored", "Unknown", newer),
        ("without UTC", "the clock stands at 1970", "Good", {**absent, 9: "none"}),
        ("exercise", "the flag of training", "Good", {**plain, 11: True}),
        ("unknown kind", "kept, unprojectable", "Unknown", {**plain, 4: "aurora"}),
        ("invalid body", "kept, unprojectable", "Unknown", {**plain, 12: {111: "x"}}),
        ("missing body", "kept, unprojectable", "Unknown", without),
        ("body is no map", "kept, unprojectable", "Unknown", {**plain, 12: [1]}),
        ("null-free zero", "zeros stay zeros", "Good", {**plain, 12: {**body, 114: 0}}),
    )
    for name, why, flags, payload in kept:
        yield Case(name, why, flags, sealed(cbor.encode(payload)))
    yield Case("16 KiB", "the largest item", "Size", padded(16384))
    yield Case("16 KiB + 1", "one byte too many", "Size", padded(16385), "envelope")


def padded(size: int) -> bytes:
    plain = cbor.decode(PAYLOAD)
    assert isinstance(plain, dict)
    item = sealed(cbor.encode({**plain, 900: bytes(15000)}))
    item = sealed(cbor.encode({**plain, 900: bytes(15000 + size - len(item))}))
    assert len(item) == size
    return item


def _envelopes() -> Iterator[Case]:
    body = GOOD[2:]
    ours = PROTECTED, PAYLOAD
    longer = SIGNATURE + bytes(1)
    unprotected = b"\xd2\x84" + forging.bstr(PROTECTED) + b"\xa1\x18\x63\x01"
    yield from (
        Case(name, why, flags, data, "envelope")
        for name, why, flags, data in (
            ("empty", "no item", "Length", b""),
            ("cut", "ends in the signature", "Length", GOOD[:-1]),
            ("trailing byte", "hidden behind the seal", "Length", GOOD + b"\x00"),
            ("untagged", "COSE_Sign1_Tagged is asked for", "Tag", GOOD[1:]),
            ("tag 17", "COSE_Mac0", "Tag", b"\xd1" + GOOD[1:]),
            ("tag 98", "COSE_Sign", "Tag", b"\xd8\x62" + GOOD[1:]),
            ("tag 18 twice", "nested", "Tag", b"\xd2" + GOOD),
            (
                "tag not minimal",
                "18 in two bytes",
                "NonMinimal",
                b"\xd8\x12" + GOOD[1:],
            ),
            ("array of 5", "one part more", "Structure", b"\xd2\x85" + body + b"\x00"),
            ("array of 3", "signature missing", "Structure", b"\xd2\x83" + body[:-66]),
            ("indefinite", "break", "Indefinite", b"\xd2\x9f" + body + b"\xff"),
            (
                "unprotected header",
                "nothing outside the signature",
                "Structure",
                unprotected + forging.bstr(PAYLOAD) + forging.bstr(SIGNATURE),
            ),
            (
                "detached payload",
                "null in its place",
                "Structure",
                GOOD[: 2 + len(forging.bstr(PROTECTED)) + 1]
                + b"\xf6"
                + forging.bstr(SIGNATURE),
            ),
            ("short signature", "63 bytes", "Structure", parts(*ours, SIGNATURE[1:])),
            (
                "long signature",
                "65 bytes",
                "Structure",
                parts(*ours, longer),
            ),
        )
    )


def _protected_headers() -> Iterator[Case]:
    kid, other = GATEWAY_SIGNER.kid, CLOUD_SIGNER.kid
    unsorted = b"\xa2\x04\x48" + kid + b"\x01\x27"
    headers: tuple[tuple[str, str, str, bytes | dict[int, cbor.Item]], ...] = (
        ("empty protected header", "no alg, no kid", "envelope", b""),
        ("extra header", "content type", "envelope", {1: -8, 3: 60, 4: kid}),
        ("critical header", "crit", "envelope", {1: -8, 2: [4], 4: kid}),
        ("text in header", "alg by name", "envelope", {1: "EdDSA", 4: kid}),
        ("no alg", "algorithm none", "envelope", {4: kid}),
        ("alg 0", "reserved", "envelope", {1: 0, 4: kid}),
        ("alg -19", "Ed25519 by its later number", "envelope", {1: -19, 4: kid}),
        ("alg -35", "ES384", "envelope", {1: -35, 4: kid}),
        ("alg 5", "HMAC with the public key", "envelope", {1: 5, 4: kid}),
        ("no kid", "the key is named", "envelope", {1: -8}),
        ("text kid", "kid is bytes", "envelope", {1: -8, 4: "gw"}),
        (
            "unsorted header",
            "4 before 1",
            "envelope",
            unsorted,
        ),
        ("ES256 for an EdDSA key", "pinned per key", "seal", {1: -7, 4: kid}),
        ("kid of another key", "signed by a key not named", "seal", {1: -8, 4: other}),
        ("unknown kid", "no such key", "seal", {1: -8, 4: STRANGER_SIGNER.kid}),
        ("empty kid", "8 bytes", "envelope", {1: -8, 4: b""}),
        ("kid of 7", "8 bytes", "envelope", {1: -8, 4: kid[:-1]}),
        ("kid and more", "8 bytes", "envelope", {1: -8, 4: kid + b"\0"}),
    )
    for name, why, stage, protected in headers:
        raw = protected if isinstance(protected, bytes) else cbor.encode(protected)
        yield Case(name, why, "Header", sealed(PAYLOAD, protected=raw), stage)


def _wrong_seals() -> Iterator[Case]:
    later = records.seal_record(header(forging.BODY, 18), forging.BODY, GATEWAY_SIGNER)
    elsewhere = records.record_aad(1, "gw-ivrea-08")
    version = records.record_aad(2, "gw-ivrea-07")
    counter = signature(PAYLOAD, context="Signature")
    stranger = signature(PAYLOAD, STRANGER_SIGNER, protected=PROTECTED)
    ours = PROTECTED, PAYLOAD
    for name, why, data in (
        ("flipped payload bit", "free_bytes altered", forging.flipped(GOOD, -67)),
        ("flipped signature bit", "last bit", forging.flipped(GOOD, -1)),
        ("flipped R bit", "first bit of the signature", forging.flipped(GOOD, -64)),
        ("swapped signature", "of the next record", GOOD[:-64] + later[-64:]),
        ("zero signature", "64 zeros", GOOD[:-64] + bytes(64)),
        ("signature by a stranger", "our kid, another key", parts(*ours, stranger)),
        ("S + L", "malleated: the same signature twice", forging.malleated(GOOD)),
        ("sealed as a fact", "void as record", forging.other_purpose(Purpose.FACT)),
        ("sealed as receipt", "void too", forging.other_purpose(Purpose.RECEIPT)),
        (
            "sealed for another gateway",
            "subject differs",
            sealed(PAYLOAD, aad=elsewhere),
        ),
        ("sealed for another version", "version differs", sealed(PAYLOAD, aad=version)),
        ("no external data", "AAD empty", sealed(PAYLOAD, aad=b"")),
        ("signed as COSE_Sign", "another context", parts(*ours, counter)),
        ("payload only", "pure signature", parts(*ours, GATEWAY_SIGNER.sign(PAYLOAD))),
    ):
        yield Case(name, why, "Seal", data, "seal")


def _foreign_payloads() -> Iterator[Case]:
    for name, text, flag, why in FOREIGN_CBOR:
        if flag != "Length":
            # As value of an unknown key, where a lax reader would pass over it.
            inner = PAYLOAD[:1].translate(_ONE_MORE) + PAYLOAD[1:] + b"\x19\x03\x84"
            data = sealed(inner + bytes.fromhex(text))
            yield Case(f"{name} in the payload", why, flag, data, "payload")
    hidden = sealed(PAYLOAD + b"\x00")
    yield Case("trailing byte in the payload", "hidden", "Length", hidden, "payload")
    yield Case("payload is an array", "no map", "Header", sealed(b"\x80"), "payload")
    yield Case("payload is empty", "no item", "Header", sealed(b""), "payload")


_ONE_MORE: Final = bytes([*range(1, 256), 0])


def _wrong_headers() -> Iterator[Case]:
    zeros = bytes(32)
    for name, why, data in (
        ("zero previous at 17", "unlinked", forging.with_header(previous=zeros)),
        ("previous at 0", "the first has none", forging.with_header(sequence=0)),
        ("upper case gateway", "a-z", forging.with_header(gateway="GW-IVREA-07")),
        ("gateway of 2", "3 to 32", forging.with_header(gateway="gw")),
        ("gateway of 33", "3 to 32", forging.with_header(gateway="g" * 33)),
        ("wildcard gateway", "a topic filter", forging.with_header(gateway="gw-+")),
        ("slash in gateway", "a topic level", forging.with_header(gateway="gw/a")),
        ("newline in gateway", "line end", forging.with_header(gateway="gw-07\n")),
        ("epoch of 7", "8 bytes", forging.with_header(epoch=bytes(7))),
        ("previous of 31", "32 bytes", forging.with_header(previous=b"\1" * 31)),
        ("boot id of 15", "16 bytes", forging.with_header(boot_id=bytes(15))),
        ("negative sequence", "unsigned", forging.with_header(sequence=-1)),
        ("sequence 2^63", "signed 64 bits", forging.with_header(sequence=2**63)),
        ("UTC -2^63 - 1", "signed 64 bits", forging.with_header(utc_ns=-(2**63) - 1)),
        ("float sequence", "an integer", forging.with_header(sequence=17.0)),
        ("negative boot time", "unsigned", forging.with_header(boot_ns=-1)),
        ("exercise as integer", "a flag", forging.with_header(exercise=1)),
        ("no version", "required", forging.with_header(version=None)),
        ("no boot id", "required", forging.with_header(boot_id=None)),
        ("no exercise flag", "required", forging.with_header(exercise=None)),
        ("unknown time source", "closed set", forging.with_header(time_source="sun")),
        ("text UTC", "an integer", forging.with_header(utc_ns="2026-11-23")),
    ):
        yield Case(name, why, "Header", data, "payload")
