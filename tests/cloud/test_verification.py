import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cloud
from cloud.verification import (
    MAX_SEQUENCE,
    Held,
    Refusal,
    RefusalReason,
    VerifiedCommand,
    VerifiedFact,
    VerifiedReceipt,
    VerifiedRecord,
    judge_chain,
    verify_command,
    verify_fact,
    verify_receipt,
    verify_record,
)
from schemas import cbor, records
from schemas.commands import Release
from schemas.envelope import ZERO_DIGEST, digest, open_envelope, seal
from schemas.keys import KeyRegistry, OwnerKind, PublicKey
from schemas.names import KEYS
from tests.builders import (
    EPOCH,
    GATEWAY,
    START_NS,
    Author,
    Cloud,
    GatewayChain,
    birth,
    order,
    registry,
    report,
)


def refused(found: object) -> RefusalReason:
    assert isinstance(found, Refusal)
    return found.reason


def signed_payload(chain: GatewayChain, **changes: object) -> bytes:
    """Return a record whose payload has fields replaced, or removed by None."""
    payload = cbor.decode(open_envelope(chain.append(birth())).payload)
    assert isinstance(payload, dict)
    for name, value in changes.items():
        if value is None:
            del payload[KEYS[name]]
        else:
            payload[KEYS[name]] = value  # type: ignore[assignment] # plain values
    data = cbor.encode(dict(sorted(payload.items())))
    return seal(data, chain.signer, records.record_aad(1, chain.gateway))


def test_good_record_fact_command_and_receipt_pass() -> None:
    chain, author, server = GatewayChain(), Author("courier-1", es256=True), Cloud()
    known = registry(chain, author, server)
    sealed = chain.append(birth())
    record = verify_record(sealed, known, GATEWAY)
    assert isinstance(record, VerifiedRecord)
    assert (record.sealed, record.digest) == (sealed, digest(sealed))
    assert record.body == birth()
    assert isinstance(verify_fact(author.state(order()), known), VerifiedFact)
    command = server.command(Release("SH-1"))
    assert isinstance(verify_command(command, known), VerifiedCommand)
    assert isinstance(verify_receipt(server.receipt(chain), known), VerifiedReceipt)


def test_rule_1_too_large() -> None:
    found = verify_record(bytes(16 * 1024 + 1), registry(GatewayChain()))
    assert refused(found) is RefusalReason.TOO_LARGE


@pytest.mark.parametrize("change", [b"", b"\x00", b"\xd2\x84"])
def test_rule_2_exactly_one_item(change: bytes) -> None:
    chain = GatewayChain()
    sealed = chain.append(birth()) + change if change else b""
    found = verify_record(sealed, registry(chain))
    assert refused(found) is RefusalReason.NOT_SEALED


def test_rule_3_unknown_key() -> None:
    sealed = GatewayChain("gw-other").append(birth())
    found = verify_record(sealed, registry(GatewayChain()))
    assert refused(found) is RefusalReason.UNKNOWN_KEY


def test_rule_4_algorithm_is_pinned() -> None:
    chain = GatewayChain()
    es256 = Author("anyone", OwnerKind.GATEWAY, es256=True)
    signer = chain.signer

    class Liar:
        """Claims ES256 under the kid of an Ed25519 key."""

        kid = signer.kid
        algorithm = es256.signer.algorithm

        def sign(self, message: bytes) -> bytes:
            return signer.sign(message)

    sealed = records.seal_record(chain.header("birth"), birth(), Liar())
    found = verify_record(sealed, registry(chain))
    assert refused(found) is RefusalReason.WRONG_ALGORITHM


def test_rule_5_key_fits_the_purpose() -> None:
    chain, author, server = GatewayChain(), Author("courier-1"), Cloud()
    known = registry(chain, author, server)
    header = chain.header("birth")
    by_person = records.seal_record(header, birth(), author.signer)
    wrong = RefusalReason.WRONG_PURPOSE
    assert refused(verify_record(by_person, known)) is wrong
    assert refused(verify_fact(chain.append(birth()), known)) is wrong
    assert refused(verify_command(author.state(order()), known)) is wrong
    assert refused(verify_receipt(author.state(order()), known)) is wrong


def test_rule_6_lost_gateway_is_trusted_up_to_a_sequence() -> None:
    chain = GatewayChain()
    key = msgspec.structs.replace(chain.key, to_sequence=0)
    first, second = chain.extend(birth(), report(1))
    known = KeyRegistry((key,))
    assert isinstance(verify_record(first, known), VerifiedRecord)
    assert refused(verify_record(second, known)) is RefusalReason.KEY_NOT_VALID


def test_rule_6_key_of_another_epoch() -> None:
    chain = GatewayChain()
    known = KeyRegistry((msgspec.structs.replace(chain.key, epoch=bytes(8)),))
    found = verify_record(chain.append(birth()), known)
    assert refused(found) is RefusalReason.KEY_NOT_VALID


@pytest.mark.parametrize("limit", [{"from_ns": START_NS + 1}, {"to_ns": START_NS - 1}])
def test_rule_6_time_of_people(limit: dict[str, int]) -> None:
    author = Author("courier-1")
    known = KeyRegistry((msgspec.structs.replace(author.key, **limit),))
    found = verify_fact(author.state(order()), known)
    assert refused(found) is RefusalReason.KEY_NOT_VALID


@pytest.mark.parametrize(
    "change",
    [{"epoch": None}, {"epoch": b"short"}, {"gateway": "UPPER"}, {"boot_ns": -1}],
)
def test_rule_7_malformed_header(change: dict[str, object]) -> None:
    chain = GatewayChain()
    found = verify_record(signed_payload(chain, **change), registry(chain))
    assert refused(found) is RefusalReason.MALFORMED_HEADER


def test_rule_7_a_sequence_has_neighbours_in_64_bits() -> None:
    chain = GatewayChain()
    known = registry(chain)
    last = signed_payload(chain, sequence=MAX_SEQUENCE, previous=b"p" * 32)
    assert isinstance(verify_record(last, known), VerifiedRecord)
    for sequence in (MAX_SEQUENCE + 1, 2**63 - 1):
        beyond = signed_payload(chain, sequence=sequence, previous=b"p" * 32)
        assert refused(verify_record(beyond, known)) is RefusalReason.MALFORMED_HEADER


def test_rule_7_version_is_taken() -> None:
    chain = GatewayChain()
    known = registry(chain)
    newer = signed_payload(chain, version=2)
    strange = signed_payload(GatewayChain(), version=3, epoch=None)
    assert refused(verify_record(newer, known)) is RefusalReason.UNKNOWN_VERSION
    assert refused(verify_record(strange, known)) is RefusalReason.UNKNOWN_VERSION


def test_rule_7_unknown_body_is_verified_and_unprojectable() -> None:
    chain = GatewayChain()
    sealed = signed_payload(chain, kind="hologram")
    found = verify_record(sealed, registry(chain))
    assert isinstance(found, VerifiedRecord)
    assert isinstance(found.body, records.Unprojectable)


def test_rule_8_other_gateway_or_topic() -> None:
    chain, other = GatewayChain(), GatewayChain("gw-test-02")
    known = registry(chain, other)
    sealed = chain.append(birth())
    forged = records.seal_record(
        chain.header("birth", gateway="gw-test-02", sequence=0, previous=ZERO_DIGEST),
        birth(),
        chain.signer,
    )
    wrong = RefusalReason.WRONG_OWNER
    assert refused(verify_record(sealed, known, "gw-test-02")) is wrong
    assert refused(verify_record(forged, known)) is wrong


def test_rule_8_author_is_the_owner() -> None:
    author = Author("courier-1")
    found = verify_fact(author.state(order(), author="centre-1"), registry(author))
    assert refused(found) is RefusalReason.WRONG_OWNER


def test_rule_9_every_flipped_bit_is_refused() -> None:
    chain = GatewayChain()
    known = registry(chain)
    sealed = chain.append(birth())
    for position in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[position // 8] ^= 1 << position % 8
        assert isinstance(verify_record(bytes(changed), known), Refusal)


def test_rule_9_seal_is_for_one_purpose() -> None:
    server = Cloud()
    sealed = server.command(Release("SH-1"))
    payload = open_envelope(sealed).payload
    moved = seal(payload, server.signer, cbor.encode(["fact", 1, GATEWAY]))
    found = verify_command(moved, registry(server))
    assert refused(found) is RefusalReason.WRONG_SEAL


def test_rules_10_and_11_against_what_is_held() -> None:
    mine, other, before = b"m" * 32, b"o" * 32, b"b" * 32

    def judged(held: Held) -> RefusalReason | None:
        found = judge_chain(b"", mine, before, held)
        return None if found is None else found.reason

    assert judged(Held()) is None
    assert judged(Held(mine, before, mine)) is None
    assert judged(Held(same=other)) is RefusalReason.EQUIVOCATION
    assert judged(Held(before=other)) is RefusalReason.BROKEN_LINK
    assert judged(Held(after_previous=other)) is RefusalReason.BROKEN_LINK


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_judged(data: bytes) -> None:
    known = registry(GatewayChain())
    for verify in (verify_record, verify_fact, verify_command, verify_receipt):
        assert isinstance(verify(data, known), Refusal)


PLAIN = st.recursive(
    st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.text(max_size=5)
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(0, 160), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.integers(0, 160), PLAIN, max_size=8),
    st.sampled_from(sorted(records.BODIES)),
)
def test_any_body_an_authentic_gateway_sends_is_judged(
    body: dict[int, cbor.Item], kind: str
) -> None:
    chain = GatewayChain()
    sealed = signed_payload(chain, kind=kind, body=body)
    assert isinstance(verify_record(sealed, registry(chain)), VerifiedRecord)


def test_verified_things_are_made_only_in_verification() -> None:
    makes = re.compile(r"\bVerified(Record|Fact|Command|Receipt)\((?!\))")
    folder = Path(cloud.__file__).parent
    makers = {
        path.name
        for path in folder.rglob("*.py")
        if any(
            makes.search(line)
            for line in path.read_text("utf-8").splitlines()
            if "case " not in line and "|" not in line
        )
    }
    assert makers == {"verification.py"}


def test_registry_finds_by_kid_only() -> None:
    chain = GatewayChain()
    impostor = PublicKey(
        GATEWAY, OwnerKind.GATEWAY, chain.key.algorithm, Author("x").key.public_key
    )
    found = verify_record(chain.append(birth()), KeyRegistry((impostor,)))
    assert refused(found) is RefusalReason.UNKNOWN_KEY
    assert chain.epoch == EPOCH
