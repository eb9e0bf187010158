"""Properties of the byte form, of the seal and of the small grammars."""

import math
import struct
from collections.abc import Iterable, Iterator

import cbor2
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from schemas import cbor, records
from schemas.envelope import (
    SealCheck,
    Withheld,
    check,
    open_envelope,
    split_with_offsets,
)
from schemas.errors import MalformedError
from schemas.topics import Lane, parse_topic, topic
from schemas.units import instant_ns, instant_text
from tests.schemas import forging
from tests.schemas.samples import BODIES, GATEWAY, GATEWAY_KEY, GATEWAY_SIGNER, header

SEALED = records.seal_record(forging.HEADER, forging.BODY, GATEWAY_SIGNER)


SCALARS = (
    st.integers(cbor.MIN_INT, cbor.MAX_INT)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(width=32, allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.binary(max_size=40)
    | st.text(max_size=40)
)
ITEMS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(0, cbor.MAX_INT), inner, max_size=4)
    ),
    max_leaves=12,
)


def _depth(item: object) -> int:
    if isinstance(item, dict):
        return 1 + max(map(_depth, item.values()), default=0)
    if isinstance(item, list):
        return 1 + max(map(_depth, item), default=0)
    return 0


@given(ITEMS)
def test_round_trip(item: cbor.Item) -> None:
    assume(_depth(item) <= cbor.MAX_DEPTH)
    data = cbor.encode(item)
    again = cbor.decode(data)
    # repr tells 1 from 1.0 and from True, and 0.0 from -0.0.
    assert repr(_ordered(again)) == repr(_ordered(item))
    assert repr(_ordered(cbor2.loads(data))) == repr(_ordered(item))


@given(ITEMS)
def test_a_second_encoder_writes_the_same(item: cbor.Item) -> None:
    """The referee writes the halves from 32768 on as singles: they are left out."""
    assume(_depth(item) <= cbor.MAX_DEPTH)
    assume(not any(32768 <= abs(value) <= 65504 for value in _floats(item)))
    assert cbor.encode(item) == cbor2.dumps(item, canonical=True)


def _floats(item: object) -> Iterator[float]:
    inner = item.values() if isinstance(item, dict) else item
    if isinstance(inner, float):
        yield inner
    elif not isinstance(inner, str | bytes | int):
        assert isinstance(inner, Iterable)
        for value in inner:
            yield from _floats(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (32768.0, "f97800"),
        (-65504.0, "f9fbff"),
        (65505.0, "fa477fe100"),
        (65536.0, "fa47800000"),
        (2.0**-24, "f90001"),
        (2.0**-25, "fa33000000"),
        (2.0**-149, "fa00000001"),
        (2.0**-150, "fb3690000000000000"),
        (2.0**128, "fb47f0000000000000"),
    ],
)
def test_a_float_at_an_edge_is_shortest(value: float, text: str) -> None:
    assert cbor.encode(value).hex() == text
    assert cbor.decode(bytes.fromhex(text)) == value


def _ordered(item: object) -> object:
    if isinstance(item, dict):
        return {key: _ordered(item[key]) for key in sorted(item)}
    if isinstance(item, list):
        return [_ordered(inner) for inner in item]
    return item


ANY_BYTES = st.binary(max_size=80) | st.lists(
    st.sampled_from(list(range(0, 256, 1))), max_size=40
).map(bytes)


@settings(max_examples=100)
@given(ANY_BYTES)
@example(b"\x81" * 5000)
@example(b"\xa1\x00" * 5000)
@example(b"\x9b" + b"\xff" * 8)
@example(b"\xbb" + b"\xff" * 8)
@example(b"\x5b" + b"\xff" * 8)
def test_any_bytes_are_refused_or_are_the_one_form(data: bytes) -> None:
    try:
        item = cbor.decode(data)
    except MalformedError:
        return
    assert cbor.encode(item) == data


@given(ITEMS, st.integers(0, 10_000), st.integers(0, 7))
def test_an_altered_bit_is_refused_or_another_value(
    item: cbor.Item, at: int, bit: int
) -> None:
    assume(_depth(item) <= cbor.MAX_DEPTH)
    data = cbor.encode(item)
    altered = forging.flipped(data, at % len(data), 1 << bit)
    try:
        other = cbor.decode(altered)
    except MalformedError:
        return
    assert cbor.encode(other) == altered


@pytest.mark.parametrize("first", range(0, 256, 16))
def test_every_float_of_two_bytes(first: int) -> None:
    """All halves, against struct; common encoders miss those from 32768 on."""
    for bits in range(first << 8, (first + 16) << 8):
        data = b"\xf9" + bits.to_bytes(2, "big")
        value: float = struct.unpack(">e", data[1:])[0]
        if math.isfinite(value):
            assert cbor.encode(value) == data
            assert repr(cbor.decode(data)) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        None,
        2**63,
        -(2**63) - 1,
        (1,),
        {"a": 1},
        {-1: 0},
        {2**63: 0},
    ],
)
def test_values_without_a_form_are_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        cbor.encode(value)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(MalformedError):
        cbor.encode([{1: value}])  # type: ignore[dict-item]  # as above


def test_true_is_no_key() -> None:
    with pytest.raises(MalformedError):
        cbor.encode({True: 1})


def test_every_flipped_bit_of_a_record_is_refused() -> None:
    for bit in range(8 * len(SEALED)):
        altered = forging.flipped(SEALED, bit // 8, 1 << bit % 8)
        assert not _is_good(altered), f"bit {bit}"
    assert _is_good(SEALED)


def test_every_cut_of_a_record_is_refused() -> None:
    for size in range(len(SEALED)):
        with pytest.raises(MalformedError):
            open_envelope(SEALED[:size])


def _is_good(data: bytes) -> bool:
    try:
        opened = open_envelope(data)
    except MalformedError:
        return False
    return check(opened, GATEWAY_KEY, forging.AAD) is SealCheck.GOOD


ITEM_BYTES = [
    records.seal_record(header(body, 1), body, GATEWAY_SIGNER) for body in BODIES[-3:]
]


@given(
    st.lists(
        st.sampled_from(ITEM_BYTES)
        | st.binary(min_size=32, max_size=32).map(Withheld)
        | st.integers(1, 5),
        max_size=6,
    )
)
def test_a_sequence_is_taken_apart(pieces: list[bytes | Withheld | int]) -> None:
    data, expected = b"", []
    for piece in pieces:
        if isinstance(piece, int):
            data += bytes(piece)
            continue
        written = piece if isinstance(piece, bytes) else b"\x58\x20" + piece.digest
        expected.append((piece, len(data), len(data) + len(written)))
        data += written
    assert list(split_with_offsets(data)) == expected


@given(ANY_BYTES)
def test_a_sequence_of_any_bytes_is_refused_or_taken_apart(data: bytes) -> None:
    try:
        for _item, start, end in split_with_offsets(data):
            assert 0 <= start < end <= len(data)
    except MalformedError:
        return


INSTANTS = st.integers(-(2**63), 2**63 - 1)


@given(INSTANTS, st.integers(-1439, 1439))
def test_instants_are_read_as_written(instant: int, offset_minutes: int) -> None:
    text = instant_text(instant, offset_minutes=offset_minutes)
    assert instant_ns(text) == instant


@given(st.text(max_size=40))
@example("2026-11-23T12:00:00")
@example("2026-11-23")
@example("2026-02-30T12:00:00Z")
@example("2026-11-23T12:00:00+25:00")
@example("2026-11-23T12:00:00.0000000001Z")
@example("2026-11-23T12:00:00+00:99")
@example("2026-11-23T12:00:60Z")
@example("2026-11-23t12:00:00.5z")
@example("1000-01-01T00:00:00Z")
@example("9999-12-31T23:59:59.999999999Z")
def test_a_text_is_an_instant_or_refused(text: str) -> None:
    try:
        instant = instant_ns(text)
    except MalformedError:
        return
    assert instant_ns(instant_text(instant)) == instant


GATEWAYS = st.from_regex(r"[a-z0-9-]{3,32}", fullmatch=True)


@given(GATEWAYS, st.sampled_from(Lane))
def test_topics_are_read_as_built(gateway: str, lane: Lane) -> None:
    assert parse_topic(topic(gateway, lane)) == (gateway, lane)


@given(st.text(max_size=40) | st.text("dosetrail/1gw-+#almbuk", max_size=30))
@example("dosetrail/1/gw-a/alarm/")
@example("/dosetrail/1/gw-a/alarm")
@example("dosetrail/1/+/alarm")
@example("dosetrail/2/gw-a/alarm")
@example("dosetrail/1/gw-a/ALARM")
def test_a_text_is_a_topic_or_refused(text: str) -> None:
    try:
        found = parse_topic(text)
    except MalformedError:
        return
    assert topic(*found) == text


def test_the_sample_is_ours() -> None:
    assert open_envelope(SEALED).kid == GATEWAY_KEY.kid
    assert records.record_aad(1, GATEWAY) == forging.AAD
