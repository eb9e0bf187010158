"""Edges that a review found open, one minimal case each; the contract closes them.

Writers and readers are asked apart: what is not written is still refused when some
other writer sends it.
"""

import struct

import msgspec
import pytest

from schemas import (
    cbor,
    commands,
    contents,
    facts,
    nuclides,
    receipts,
    records,
    units,
    wire,
)
from schemas.envelope import SealCheck, check, open_envelope
from schemas.errors import MalformedError
from tests.schemas import forging, samples
from tests.schemas.cases_statement import high_s
from tests.schemas.fact_samples import FACTS
from tests.schemas.samples import (
    CLOUD_SIGNER,
    COMMANDS,
    CONTENTS,
    PERSON_KEY,
    PERSON_SIGNER,
    RECEIPT,
    fact_header,
)

REFUSED = pytest.raises(MalformedError)
Ranges = tuple[tuple[int, int], ...]


@pytest.mark.parametrize("value", [32768.0, 40000.0, 65504.0, -65504.0])
def test_large_halves_are_halves(value: float) -> None:
    data = b"\xf9" + struct.pack(">e", value)
    assert cbor.encode(value) == data
    assert cbor.decode(data) == value


def test_es256_has_one_signature_only() -> None:
    aad = facts.fact_aad(1, samples.AUTHOR)
    head = fact_header(FACTS[4], samples.AUTHOR)
    # The signer draws a random number: half of its signatures would be high.
    for _ in range(16):
        sealed = facts.seal_fact(head, FACTS[4], PERSON_SIGNER)
        twin = open_envelope(high_s(sealed))
        assert check(open_envelope(sealed), PERSON_KEY, aad) is SealCheck.GOOD
        assert check(twin, PERSON_KEY, aad) is SealCheck.WRONG_SIGNATURE


@pytest.mark.parametrize("changes", [{"epoch": b"abc"}, {"boot_ns": -5}])
def test_a_header_out_of_its_limits_is_not_written(changes: dict[str, object]) -> None:
    head = msgspec.structs.replace(forging.HEADER, **changes)
    with REFUSED:
        records.record_payload(head, forging.BODY)


def test_a_body_out_of_its_limits_is_not_written() -> None:
    body = records.Released(samples.SHIPMENT, -1)
    with REFUSED:
        records.record_payload(samples.header(body), body)


@pytest.mark.parametrize(
    "changes", [{"previous": samples.DIGEST}, {"sequence": 1}], ids=["first", "second"]
)
def test_a_fact_without_predecessor_is_the_first(changes: dict[str, object]) -> None:
    head = msgspec.structs.replace(fact_header(FACTS[0]), **changes)
    with REFUSED:
        facts.seal_fact(head, FACTS[0], samples.AUTHOR_SIGNER)
    with REFUSED:
        facts.read_fact(wire.to_payload(head, FACTS[0]))


@pytest.mark.parametrize(
    ("contiguous", "ranges"),
    [
        (2, ((5, 3),)),
        (2, ((-4, -2),)),
        (2, ((60, 60), (44, 50))),
        (2, ((44, 50), (50, 60))),
        (2, ((44, 50), (51, 60))),
        (45, ((44, 50),)),
        (45, ((46, 50),)),
        (None, ((0, 3),)),
    ],
)
def test_ranges_of_a_receipt_ascend_above_its_watermark(
    contiguous: int | None, ranges: Ranges
) -> None:
    held = None if contiguous is None else samples.DIGEST
    receipt = msgspec.structs.replace(
        RECEIPT, contiguous=contiguous, digest=held, ranges=ranges
    )
    with REFUSED:
        receipts.seal_receipt(receipt, CLOUD_SIGNER)
    with REFUSED:
        receipts.read_receipt(wire.to_payload(receipt))


@pytest.mark.parametrize("size", [0, 7, 9])
@pytest.mark.parametrize(
    "value",
    [RECEIPT, COMMANDS[3], FACTS[5], forging.HEADER],
    ids=lambda value: type(value).__name__,
)
def test_an_epoch_has_8_bytes_everywhere(value: msgspec.Struct, size: int) -> None:
    with REFUSED:
        wire.to_payload(msgspec.structs.replace(value, epoch=bytes(size)))
    with REFUSED:
        wire.from_named({**wire.to_named(value), "epoch": bytes(size)}, type(value))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_document_has_32_bytes(size: int) -> None:
    with REFUSED:
        wire.to_payload(msgspec.structs.replace(CONTENTS, document=bytes(size)))
    with REFUSED:
        plain = {**wire.to_named(CONTENTS), "document": bytes(size)}
        wire.from_named(plain, contents.Contents)


def test_a_sequence_fits_a_database() -> None:
    """2^63 and above is no integer of SQLite or PostgreSQL."""
    payload = open_envelope(forging.with_header(sequence=2**63)).payload
    with pytest.raises(MalformedError, match="does not fit 64 bits"):
        records.read_record(payload)
    head = msgspec.structs.replace(forging.HEADER, sequence=2**63)
    with pytest.raises(MalformedError, match="does not fit 64 bits"):
        records.record_payload(head, forging.BODY)


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_kid_has_8_bytes(size: int) -> None:
    protected = cbor.encode({1: -8, 4: bytes(size)})
    sealed = forging.sealed(forging.PAYLOAD, protected=protected)
    with pytest.raises(MalformedError, match="kid"):
        open_envelope(sealed)


@pytest.mark.parametrize("innermost", [[], {}], ids=["array", "map"])
def test_an_empty_item_counts_as_nesting(innermost: cbor.Item) -> None:
    item, data = innermost, cbor.encode(innermost)
    for _ in range(cbor.MAX_DEPTH - 1):
        item, data = [item], b"\x81" + data
    assert cbor.encode(item) == data
    assert cbor.decode(data) == item
    with REFUSED:
        cbor.encode([item])
    with REFUSED:
        cbor.decode(b"\x81" + data)


def test_text_that_is_no_unicode_is_malformed() -> None:
    """A lone surrogate, as errors="surrogateescape" makes it from serial bytes."""
    with REFUSED:
        cbor.encode("\udcff")
    with REFUSED:
        wire.to_payload(commands.Release("S-\ud800"))


@pytest.mark.parametrize(
    "text",
    [
        "１９７０-01-01T00:00:00Z",  # noqa: RUF001 - full-width digits
        "2026-11-23T12:00:00+00:99",
        "2026-11-23T12:00:00+24:00",
        "2026-11-23 12:00:00Z",
        "2026-11-23T12:00Z",
        "2026-11-23T12:00:00Z\n",
    ],
)
def test_an_instant_is_rfc_3339(text: str) -> None:
    with REFUSED:
        units.instant_ns(text)


@pytest.mark.parametrize(
    ("edge", "beyond_ns"),
    [("0001-01-01T00:00:00Z", -1), ("9999-12-31T23:59:59Z", units.NS_PER_S)],
)
def test_an_instant_has_a_year_of_four_digits(edge: str, beyond_ns: int) -> None:
    with REFUSED:
        units.instant_text(units.instant_ns(edge) + beyond_ns)


@pytest.mark.parametrize("text", ["0999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_year_is_written_with_four_digits(text: str) -> None:
    assert units.instant_text(units.instant_ns(text)) == text


def test_keys_of_mixed_types_are_malformed() -> None:
    with REFUSED:
        cbor.encode({0: 1, "a": 2})  # type: ignore[dict-item]  # that is the point


@pytest.mark.parametrize("parent", ["Ac-225", "Ra-223", "Pb-212"])
def test_a_separated_parent_has_no_progeny(parent: str) -> None:
    found = nuclides.chain_activities(parent, 1.0, 0.0)
    assert {name: value for name, value in found.items() if value} == {parent: 1.0}


def test_a_command_for_two_vials_is_not_written() -> None:
    second = msgspec.structs.replace(CONTENTS, vial="V-2")
    body = msgspec.structs.replace(COMMANDS[0], contents=(CONTENTS, second))
    with pytest.raises(MalformedError, match="V-1, V-2"):
        commands.seal_command(samples.GATEWAY, 1, 2, body, CLOUD_SIGNER)


@pytest.mark.parametrize("gateway", ["gw", "GW-IVREA-07", "gw-+", "gw/a", "gw-07\n"])
def test_a_command_goes_to_a_gateway(gateway: str) -> None:
    head = commands.CommandHeader(1, gateway, 1, 2, "release")
    with REFUSED:
        commands.read_command(wire.to_payload(head, COMMANDS[1]))
    with REFUSED:
        commands.seal_command(gateway, 1, 2, COMMANDS[1], CLOUD_SIGNER)
