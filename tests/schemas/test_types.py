"""Every type of the contract through bytes and back, and the table of keys pinned."""

import hashlib
import types
import typing
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import (
    cbor,
    commands,
    contents,
    envelope,
    facts,
    names,
    nuclides,
    receipts,
    records,
    wire,
)
from schemas.errors import MalformedError, UnknownWordError
from tests.schemas import fact_samples, samples
from tests.schemas.samples import CLOUD_SIGNER, fact_header, header

# Changing the digest for the same keys means that one changed its meaning: that is a
# new version. New keys come behind the last.
LAST_KEY = 276
KEYS = "aaa131bd7f202e8c5ea2e10a0e4da71a7d53cb6f3f4b173c305045619cfc6219"

UNSIGNED = st.integers(0, cbor.MAX_INT)
INTEGERS = st.integers(cbor.MIN_INT, cbor.MAX_INT)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=12)


def _values(hint: object) -> st.SearchStrategy[object]:
    """Return values of a field's type that keep its limits."""
    simple: Mapping[object, st.SearchStrategy[object]] = {
        int: INTEGERS,
        float: FLOATS,
        str: TEXTS,
        bool: st.booleans(),
        bytes: st.binary(max_size=32),
        type(None): st.none(),
    }
    if hint in simple:
        return simple[hint]
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _limited(inner[0], inner[1])
    if origin is tuple:
        return _tuples(inner)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([_values(one) for one in inner])
    assert isinstance(hint, type)
    if issubclass(hint, msgspec.Struct):
        return _structs(hint)
    return st.sampled_from(list(hint))  # type: ignore[call-overload]  # the rest are enums


def _limited(base: object, meta: msgspec.Meta) -> st.SearchStrategy[object]:
    if base is bytes:
        return st.binary(min_size=meta.min_length or 0, max_size=meta.max_length)
    if base is int:
        return UNSIGNED
    if base is str and meta.pattern is not None:
        return st.from_regex(meta.pattern)
    low, high = typing.cast("float", meta.ge), typing.cast("float", meta.le)
    return st.floats(low, high, width=32).map(float)


def _tuples(inner: tuple[object, ...]) -> st.SearchStrategy[object]:
    if inner[-1] is Ellipsis:
        return st.lists(_values(inner[0]), max_size=2).map(tuple)
    return st.tuples(*(_values(one) for one in inner))


def _structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = msgspec.structs.fields(kind)
    return st.builds(kind, **{one.name: _values(hints[one.name]) for one in fields})


Ranges = tuple[tuple[int, int], ...]
BODIES = [*records.BODIES.values(), *facts.BODIES.values(), *commands.BODIES.values()]


@pytest.mark.parametrize("kind", BODIES, ids=lambda kind: kind.__name__)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_body_is_read_as_written(
    kind: type[msgspec.Struct], data: st.DataObject
) -> None:
    body = data.draw(_structs(kind))
    assert wire.from_named(wire.read_payload(wire.to_payload(body)), kind) == body


@given(_structs(records.Header), st.sampled_from(samples.BODIES))
@settings(max_examples=50)
def test_a_header_is_read_as_written(drawn: msgspec.Struct, body: records.Body) -> None:
    assert isinstance(drawn, records.Header)
    head = msgspec.structs.replace(
        drawn,
        gateway=samples.GATEWAY,
        kind=records.KINDS[type(body)],
        previous=drawn.previous if drawn.sequence else envelope.ZERO_DIGEST,
    )
    if head.sequence and head.previous == envelope.ZERO_DIGEST:
        head = msgspec.structs.replace(head, previous=samples.DIGEST)
    payload = records.record_payload(head, body)
    assert records.read_record(payload) == records.Record(head, body)


STEPS = st.lists(st.tuples(st.integers(2, 2**40), st.integers(0, 2**40)), max_size=16)


def _ranges(contiguous: int | None, steps: list[tuple[int, int]]) -> Ranges:
    """Return ranges above the watermark by (distance, length), as far as they fit."""
    found: list[tuple[int, int]] = []
    last = -1 if contiguous is None else contiguous
    for distance, length in steps:
        low, last = last + distance, last + distance + length
        if last <= cbor.MAX_INT:
            found.append((low, last))
    return tuple(found)


@given(_structs(receipts.Receipt), STEPS)
def test_a_receipt_is_read_as_written(
    drawn: msgspec.Struct, steps: list[tuple[int, int]]
) -> None:
    assert isinstance(drawn, receipts.Receipt)
    receipt = msgspec.structs.replace(
        drawn,
        kind=receipts.KIND,
        gateway=samples.GATEWAY,
        digest=None if drawn.contiguous is None else samples.DIGEST,
        ranges=_ranges(drawn.contiguous, steps),
    )
    sealed = receipts.seal_receipt(receipt, CLOUD_SIGNER)
    payload = envelope.open_envelope(sealed).payload
    assert receipts.read_receipt(payload) == receipt


@pytest.mark.parametrize("body", samples.BODIES, ids=lambda body: type(body).__name__)
def test_a_sample_record_is_read_as_written(body: records.Body) -> None:
    head = header(body, 3)
    sealed = records.seal_record(head, body, samples.GATEWAY_SIGNER)
    read = records.read_record(envelope.open_envelope(sealed).payload)
    assert read == records.Record(head, body)


@pytest.mark.parametrize(
    "body", fact_samples.FACTS, ids=lambda body: type(body).__name__
)
def test_a_sample_fact_is_read_as_written(body: facts.FactBody) -> None:
    sealed = facts.seal_fact(fact_header(body), body, samples.PERSON_SIGNER)
    read = facts.read_fact(envelope.open_envelope(sealed).payload)
    assert read == facts.Fact(fact_header(body), body)


@pytest.mark.parametrize("body", samples.COMMANDS, ids=lambda body: type(body).__name__)
def test_a_sample_command_is_read_as_written(body: commands.CommandBody) -> None:
    sealed = commands.seal_command(samples.GATEWAY, 7, 9, body, CLOUD_SIGNER)
    read = commands.read_command(envelope.open_envelope(sealed).payload)
    kind = commands.KINDS[type(body)]
    assert read.header == commands.CommandHeader(1, samples.GATEWAY, 7, 9, kind)
    assert read.body == body


def test_an_integer_is_read_as_the_float_it_stands_for() -> None:
    """A decision, not an oversight: see the contract's README."""
    vial = contents.Impurity("Lu-177m", 1.0, 0.5)
    plain = {**wire.to_named(vial), "activity_ratio": 1}
    read = wire.from_named(wire.read_payload(wire.encode_named(plain)), type(vial))
    assert repr(read) == repr(vial)


def test_samples_cover_every_kind() -> None:
    assert {type(body) for body in samples.BODIES} == set(records.BODIES.values())
    assert {type(body) for body in fact_samples.FACTS} == set(facts.BODIES.values())
    assert {type(body) for body in samples.COMMANDS} == set(commands.BODIES.values())


def test_keys_are_unique_and_without_holes() -> None:
    assert sorted(names.KEYS.values()) == list(range(len(names.KEYS)))
    assert len(names.NAMES) == len(names.KEYS)


def test_keys_are_what_they_were() -> None:
    rows = [f"{key} {names.NAMES[key]}\n" for key in range(LAST_KEY + 1)]
    assert hashlib.sha256("".join(rows).encode()).hexdigest() == KEYS


def test_a_name_without_a_key_is_refused() -> None:
    with pytest.raises(UnknownWordError, match="colour"):
        names.keyed({"colour": 1})


def test_an_unknown_key_is_shown_by_number() -> None:
    assert names.named({0: 1, 900: [{901: 2}]}) == {
        "version": 1,
        "#900": [{"#901": 2}],
    }


def test_two_vials_are_refused_by_name() -> None:
    second = msgspec.structs.replace(samples.CONTENTS, vial="V-2")
    with pytest.raises(MalformedError, match="V-1, V-2"):
        contents.check_contents((samples.CONTENTS, second))


def test_every_nuclide_of_the_samples_is_in_the_table() -> None:
    vial = samples.CONTENTS
    assert vial.nuclide in nuclides.table()
    assert all(line.nuclide in nuclides.table() for line in vial.impurities)
