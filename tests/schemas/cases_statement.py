"""Cases of facts, commands, receipts, sequences and public keys."""

from collections.abc import Iterator
from typing import Final

import msgspec

from schemas import cbor, commands, envelope, facts, receipts, records, wire
from schemas.envelope import Purpose, external_aad
from tests.schemas import forging
from tests.schemas.cases_cbor import Case
from tests.schemas.cases_record import padded
from tests.schemas.fact_samples import FACTS, FULL_FACTS
from tests.schemas.forging import AAD, HEADER, parts, sealed
from tests.schemas.samples import (
    AUTHOR,
    AUTHOR_KEY,
    AUTHOR_SIGNER,
    BODIES,
    CLOUD_SIGNER,
    COMMANDS,
    CONTENTS,
    DIGEST,
    GAIN,
    GATEWAY_SIGNER,
    PERSON_SIGNER,
    PLACES,
    RECEIPT,
    fact_header,
    header,
)

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def fact_cases() -> Iterator[Case]:
    """Yield one fact of each kind, by both algorithms, and forged ones."""
    for body in FACTS:
        head = fact_header(body)
        item = facts.seal_fact(head, body, AUTHOR_SIGNER)
        yield Case(head.kind, f"a fact of kind {head.kind}", "Good", item)
    for body in FULL_FACTS:
        head = fact_header(body)
        item = facts.seal_fact(head, body, AUTHOR_SIGNER)
        why = f"a fact of kind {head.kind}, with every field that may be left out"
        yield Case(f"{head.kind}, full", why, "Good", item)
    body = FACTS[7]
    later = msgspec.structs.replace(fact_header(body), sequence=1, previous=DIGEST)
    item = facts.seal_fact(later, body, AUTHOR_SIGNER)
    yield Case("second fact", "linked to the first", "Good", item)
    phone = _by_phone()
    yield Case("handover by a phone", "ES256", "Good Es256", phone)
    yield from _wrong_es256(phone)
    yield from _wrong_facts(phone)


def _by_phone() -> bytes:
    """Return a sealed handover whose r is as low as an s must be.

    So "r and s swapped" is refused for its order and not for its height.
    """
    body = FACTS[4]
    while True:
        phone = facts.seal_fact(fact_header(body, AUTHOR), body, PERSON_SIGNER)
        if int.from_bytes(phone[-64:-32], "big") <= P256_ORDER // 2:
            return phone


def high_s(sealed_item: bytes) -> bytes:
    """Return the item with n - s in place of s: as good a signature to many."""
    s = int.from_bytes(sealed_item[-32:], "big")
    return sealed_item[:-32] + (P256_ORDER - s).to_bytes(32, "big")


def _wrong_es256(phone: bytes) -> Iterator[Case]:
    r, s, order = phone[-64:-32], phone[-32:], P256_ORDER.to_bytes(32, "big")
    twin = high_s(phone)[-32:]
    for name, why, tail in (
        ("r = 0", "out of range", bytes(32) + s),
        ("s = 0", "out of range", r + bytes(32)),
        ("r = s = 0", "the empty signature", bytes(64)),
        ("r = n", "out of range", order + s),
        ("s = n", "out of range", r + order),
        ("high s", "n - s verifies too: a second form of one fact", r + twin),
        ("flipped bit", "last bit", r + forging.flipped(s, -1)),
        ("r and s swapped", "order matters", s + r),
    ):
        yield Case(name, why, "Es256 Seal", phone[:-64] + tail, "seal")
    opened = envelope.open_envelope(phone)
    claim = cbor.encode({1: -8, 4: PERSON_SIGNER.kid})
    aad = facts.fact_aad(1, AUTHOR)
    data = sealed(opened.payload, PERSON_SIGNER, aad, claim)
    yield Case("EdDSA for an ES256 key", "pinned", "Es256 Header", data, "seal")
    der = b"\x30\x44\x02\x20" + r + b"\x02\x20" + s
    data = parts(opened.protected, opened.payload, der)
    yield Case("DER signature", "r and s raw", "Es256 Structure", data, "envelope")


def _wrong_facts(phone: bytes) -> Iterator[Case]:
    plain = wire.read_payload(envelope.open_envelope(phone).payload)
    aad = facts.fact_aad(1, AUTHOR)
    for name, why, stage, changes, data in (
        ("unknown fact", "closed set", "payload", {"kind": "rumour"}, aad),
        ("uuid of 15", "16 bytes", "payload", {"fact": bytes(15)}, aad),
        ("zero previous at 1", "unlinked", "payload", {"sequence": 1}, aad),
        ("previous at 0", "the first has none", "payload", {"previous": DIGEST}, aad),
        ("no clock", "required", "payload", {"utc_ns": None}, aad),
        ("empty body", "required fields", "payload", {"body": {}}, aad),
        ("no body", "required", "payload", {"body": None}, aad),
        ("another author", "subject", "seal", {"author": "courier-bob"}, aad),
        ("as a record", "purpose", "seal", {}, external_aad(Purpose.RECORD, 1, AUTHOR)),
    ):
        changed = {**plain, **changes}
        kept = {key: value for key, value in changed.items() if value is not None}
        item = sealed(wire.encode_named(kept), PERSON_SIGNER, data)
        yield Case(name, why, "Es256", item, stage)
    yield from _wrong_sizes()
    yield from _wrong_decimals()


def _wrong_decimals() -> Iterator[Case]:
    survey = FACTS[9]
    for text in ("", "-1", "1e3", "1.", ".5", "NaN", "1,5", "1\n", "1" * 13):
        plain = {**wire.to_named(survey), "surface_dose_rate_usv_h": text}
        payload = wire.encode_named(
            {**wire.to_named(fact_header(survey)), "body": plain}
        )
        aad = facts.fact_aad(1, AUTHOR_KEY.owner)
        name = f"decimal {text!r}"
        item = sealed(payload, AUTHOR_SIGNER, aad)
        yield Case(name, "digits, a point, digits", "Structure", item, "payload")


def _wrong_sizes() -> Iterator[Case]:
    vial = wire.to_named(CONTENTS)
    for name, why, fact, changes in (
        ("epoch of 7", "8 bytes", FACTS[5], {"epoch": bytes(7)}),
        (
            "document of 31",
            "32 bytes",
            FACTS[1],
            {"contents": {**vial, "document": bytes(31)}},
        ),
    ):
        plain = {**wire.to_named(fact), **changes}
        head = wire.to_named(fact_header(fact))
        payload = wire.encode_named({**head, "body": plain})
        aad = facts.fact_aad(1, AUTHOR_KEY.owner)
        yield Case(
            name, why, "Structure", sealed(payload, AUTHOR_SIGNER, aad), "payload"
        )


def command_cases() -> Iterator[Case]:
    """Yield one command of each kind and forged ones."""
    gateway, until = HEADER.gateway, RECEIPT.at_ns
    for counter, body in enumerate(COMMANDS, 1):
        item = commands.seal_command(gateway, counter, until, body, CLOUD_SIGNER)
        kind = commands.KINDS[type(body)]
        yield Case(kind, f"a command of kind {kind}", "Good", item)
    assign = COMMANDS[0]
    assert isinstance(assign, commands.Assign)
    placed = msgspec.structs.replace(assign, places=PLACES, route=PLACES)
    item = commands.seal_command(gateway, 8, until, placed, CLOUD_SIGNER)
    yield Case("assign with places", "optional parts", "Good", item)
    gained = msgspec.structs.replace(assign, gain=GAIN)
    item = commands.seal_command(gateway, 8, until, gained, CLOUD_SIGNER)
    yield Case("assign with a gain", "optional parts", "Good", item)
    second = msgspec.structs.replace(CONTENTS, vial="V-2")
    nothing = msgspec.structs.replace(CONTENTS, activity_gbq=0.0)
    for name, why, contents in (
        ("two vials", "version 1 carries one", (CONTENTS, second)),
        ("no vial", "version 1 carries one", ()),
        ("certificate of zero", "activity is positive", (nothing,)),
    ):
        body = msgspec.structs.replace(assign, contents=contents)
        # By hand: seal_command refuses such contents.
        head = commands.CommandHeader(1, gateway, 9, until, "assign")
        payload = wire.to_payload(head, body)
        item = sealed(payload, CLOUD_SIGNER, commands.command_aad(1, gateway))
        yield Case(name, why, "Contents", item, "contents")
    aad = external_aad(Purpose.RECEIPT, 1, gateway)
    yield Case(
        "as receipt", "purpose", "Seal", sealed(payload, CLOUD_SIGNER, aad), "seal"
    )
    aad = commands.command_aad(1, "gw-ivrea-08")
    yield Case(
        "elsewhere", "subject", "Seal", sealed(payload, CLOUD_SIGNER, aad), "seal"
    )
    yield from _wrong_commands(wire.read_payload(payload))


def _wrong_commands(plain: dict[str, object]) -> Iterator[Case]:
    resend = wire.to_named(COMMANDS[3])
    for name, why, changes in (
        ("unknown command", "closed set", {"kind": "explode"}),
        ("negative counter", "unsigned", {"counter": -1}),
        ("bad gateway", "a-z", {"gateway": "GW"}),
        ("wildcard gateway", "a topic filter", {"gateway": "gw-+"}),
        (
            "epoch of 7",
            "8 bytes",
            {"kind": "resend", "body": {**resend, "epoch": bytes(7)}},
        ),
        ("no body", "required", {"body": []}),
    ):
        aad = commands.command_aad(1, str(changes.get("gateway", HEADER.gateway)))
        payload = wire.encode_named({**plain, **changes})
        yield Case(name, why, "Header", sealed(payload, CLOUD_SIGNER, aad), "payload")


def receipt_cases() -> Iterator[Case]:
    """Yield receipts and forged ones."""
    bare = msgspec.structs.replace(RECEIPT, contiguous=None, digest=None)
    plain_watermark = msgspec.structs.replace(RECEIPT, ranges=())
    one_above = msgspec.structs.replace(bare, ranges=((1, 1), (3, 9)))
    sixteen = tuple((2 * n, 2 * n) for n in range(25, 41))
    many = msgspec.structs.replace(RECEIPT, ranges=sixteen)
    for name, why, receipt in (
        ("with ranges", "two above the watermark", RECEIPT),
        ("watermark only", "no gap", plain_watermark),
        ("before sequence 0", "no watermark yet", bare),
        ("ranges before sequence 0", "from 1", one_above),
        ("16 ranges", "the most", many),
    ):
        yield Case(name, why, "Good", receipts.seal_receipt(receipt, CLOUD_SIGNER))
    yield from _wrong_receipts(wire.to_named(RECEIPT))
    by_gateway = sealed(wire.to_payload(RECEIPT), GATEWAY_SIGNER, AAD)
    yield Case("as a record", "purpose", "Seal", by_gateway, "seal")


def _wrong_receipts(plain: dict[str, object]) -> Iterator[Case]:
    aad = receipts.receipt_aad(1, RECEIPT.gateway)
    many = [[2 * n, 2 * n] for n in range(25, 42)]
    for name, why, changes in (
        ("watermark without digest", "both or neither", {"digest": None}),
        ("digest without watermark", "both or neither", {"contiguous": None}),
        (
            "17 ranges",
            "at most 16",
            {"ranges": many},
        ),
        ("range of one", "from and to", {"ranges": [[44]]}),
        ("reversed range", "from <= to", {"ranges": [[44, 40]]}),
        ("ranges out of order", "lowest first", {"ranges": [[60, 60], [44, 50]]}),
        ("overlapping ranges", "disjoint", {"ranges": [[44, 50], [50, 60]]}),
        ("touching ranges", "one range", {"ranges": [[44, 50], [51, 60]]}),
        ("range below the watermark", "held anyway", {"ranges": [[3, 9]]}),
        ("range on the watermark", "part of it", {"ranges": [[42, 50]]}),
        ("negative range", "sequences are unsigned", {"ranges": [[-4, -2]]}),
        ("epoch of 7", "8 bytes", {"epoch": bytes(7)}),
        ("another kind", "no receipt", {"kind": "command"}),
        ("bad gateway", "a-z", {"gateway": "GW"}),
        ("no epoch", "required", {"epoch": None}),
    ):
        kept = {k: v for k, v in {**plain, **changes}.items() if v is not None}
        data = sealed(wire.encode_named(kept), CLOUD_SIGNER, aad)
        yield Case(name, why, "Header", data, "payload")
    first = {k: v for k, v in plain.items() if k not in ("contiguous", "digest")}
    data = sealed(wire.encode_named({**first, "ranges": [[0, 9]]}), CLOUD_SIGNER, aad)
    why = "sequence 0 is held: a watermark"
    yield Case("range from 0", why, "Header", data, "payload")


def sequence_cases() -> Iterator[Case]:
    """Yield sequences with padding and withheld digests, and broken ones."""
    first, second = _pair()
    gap = envelope.withheld(second)
    third = records.seal_record(
        header(forging.BODY, 2, envelope.digest(second)), forging.BODY, GATEWAY_SIGNER
    )
    for name, why, data in (
        ("empty", "nothing yet", b""),
        ("padding only", "a fresh segment", bytes(64)),
        ("two", "one behind the other", first + second),
        ("padded", "zeros between and behind", first + b"\0\0\0" + second + bytes(9)),
        ("withheld", "the chain goes on across a digest", first + gap + third),
    ):
        yield Case(name, why, "Good", data)
    for name, why, data in (
        ("digest of 31", "32 bytes", first + b"\x58\x1f" + bytes(31)),
        ("cut", "ends in an item", first + second[:-1]),
        ("junk", "no item", first + b"\x01" + second),
        ("untagged", "no item", first + second[1:]),
        ("withheld cut", "ends in a digest", first + gap[:-1]),
        ("oversized", "one byte too many", padded(16385)),
    ):
        yield Case(name, why, "Structure", data, "sequence")


def _pair() -> tuple[bytes, bytes]:
    birth = records.seal_record(header(BODIES[0]), BODIES[0], GATEWAY_SIGNER)
    head = header(forging.BODY, 1, envelope.digest(birth))
    return birth, records.seal_record(head, forging.BODY, GATEWAY_SIGNER)


def key_cases() -> Iterator[Case]:
    """Yield public keys, and those with which forging is possible."""
    order8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
    other8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
    point = PERSON_SIGNER.public_key
    yield Case("Ed25519", "a good key", "Good", GATEWAY_SIGNER.public_key)
    yield Case("P-256", "a good key", "Good Es256", point)
    for name, why, text in (
        ("order 4", "y = 0", "00" * 32),
        ("order 4, sign", "y = 0, negative", "00" * 31 + "80"),
        ("order 1", "y = 1", "01" + "00" * 31),
        ("order 1, sign", "y = 1, negative zero", "01" + "00" * 30 + "80"),
        ("order 2", "y = -1", "ec" + "ff" * 30 + "7f"),
        ("order 2, sign", "y = -1, negative", "ec" + "ff" * 31),
        ("order 8", "first point", order8),
        ("order 8, sign", "its negative", order8[:-2] + "85"),
        ("order 8, other", "second point", other8),
        ("order 8, other, sign", "its negative", other8[:-2] + "fa"),
        ("y = p", "0, not canonical", "ed" + "ff" * 30 + "7f"),
        ("y = p + 1", "1, not canonical", "ee" + "ff" * 30 + "7f"),
        ("y = 2^255 - 1", "not canonical", "ff" * 31 + "7f"),
    ):
        yield Case(name, why, "SmallOrder", bytes.fromhex(text), "key")
    for name, why, data in (
        ("31 bytes", "wrong size", GATEWAY_SIGNER.public_key[1:]),
        ("compressed point", "wrong size", b"\x02" + point[1:33]),
        ("not on the curve", "invalid curve", forging.flipped(point, -1)),
        ("point at infinity", "wrong size", b"\x00"),
        ("hybrid point", "06 in front", b"\x06" + point[1:]),
    ):
        yield Case(name, why, "Structure", data, "key")
