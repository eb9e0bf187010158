"""The CDDL text against the table of keys, the vectors and the readers.

The validator (pycddl) mistakes maps that hold an extension point, choices of maps
and ``.cbor`` inside arrays. So it is given the text with the extension points cut
out, one rule at a time, and the wrapped bytes apart.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
import msgspec
import pycddl
import pytest
from _pytest.mark import ParameterSet

from schemas import cbor, commands, envelope, facts, names, receipts, records
from schemas.errors import MalformedError
from tests.schemas import vectors
from tests.schemas.vectors import Json

FOLDER = Path(__file__).parents[2] / "schemas" / "cddl"
TEXT = "\n".join(
    (FOLDER / f"{name}.cddl").read_text("utf-8")
    for name in ("dosetrail", "statements", "findings")
)
CLOSED = re.sub(r"(?m)^more = .*$|\bmore\b,?", "", TEXT)
Path_ = tuple[int, ...]


@cache
def _schema(rule: str) -> pycddl.Schema:
    return pycddl.Schema(f"start = {rule}\n{CLOSED}")


def _conforms(rule: str, data: bytes) -> bool:
    try:
        _schema(rule).validate_cbor(data)
    except pycddl.ValidationError:
        return False
    return True


def _rule(vector: Json) -> str:
    kind = vector["expect"]["payload"]["kind"]
    return "receipt" if kind == "receipt" else f"{kind}-{vector['kind']}"


def _sealed(flag: str) -> list[ParameterSet]:
    kinds = ("record", "fact", "command", "receipt")
    return [
        pytest.param(vector, id=f"{vector['kind']}: {vector['name']}")
        for _content, vector in vectors.every()
        if vector["kind"] in kinds and "expect" in vector and flag in vector["flags"]
    ]


def _payload(vector: Json) -> bytes:
    return envelope.open_envelope(bytes.fromhex(vector["input_hex"])).payload


def test_the_whole_text_compiles() -> None:
    pycddl.Schema(TEXT)


def test_keys_have_the_names_of_the_table() -> None:
    seen: set[str] = set()
    for line in TEXT.partition("; --- Words")[2].splitlines():
        code, _, comment = line.partition(";")
        keys = [int(key) for key in re.findall(r"(?:^|[{,?])\s*(\d+): ", code)]
        words = comment.strip().split(": ")[0].split(", ") if keys else []
        assert [names.NAMES[key] for key in keys] == words, line
        seen.update(words)
    assert seen == _field_names() | {"body"}


def _field_names() -> set[str]:
    """Return every field name that a type of the contract writes."""
    found: set[str] = set()
    heads = (records.Header, facts.FactHeader, commands.CommandHeader, receipts.Receipt)
    bodies = (records.BODIES, facts.BODIES, commands.BODIES)
    waiting: list[Any] = [
        *heads,
        *(kind for table in bodies for kind in table.values()),
    ]
    while waiting:
        info = msgspec.inspect.type_info(waiting.pop())
        for struct in _structs(info):
            for field in struct.fields:
                found.add(field.encode_name)
                waiting.extend(inner.cls for inner in _structs(field.type))
    return found


def _structs(info: msgspec.inspect.Type) -> Iterator[msgspec.inspect.StructType]:
    match info:
        case msgspec.inspect.StructType():
            yield info
        case msgspec.inspect.VarTupleType(item_type=inner):
            yield from _structs(inner)
        case msgspec.inspect.UnionType(types=inner_types):
            for inner in inner_types:
                yield from _structs(inner)


@pytest.mark.parametrize("vector", _sealed("Good"))
def test_valid_payloads_conform(vector: Json) -> None:
    _schema(_rule(vector)).validate_cbor(_payload(vector))


@pytest.mark.parametrize("vector", _sealed("Good"))
def test_valid_envelopes_conform(vector: Json) -> None:
    data = bytes.fromhex(vector["input_hex"])
    opened = envelope.open_envelope(data)
    aad = vectors.aad_of(vector["kind"], opened.payload)
    # bstr .cbor in an array is beyond the validator: any bytes there, then inside.
    plain = re.sub(r"bstr \.cbor [\w-]+", "bstr", CLOSED)
    pycddl.Schema(f"start = sealed-item\n{plain}").validate_cbor(data)
    assert _conforms("protected-header", opened.protected)
    assert _conforms("external-aad", aad)
    signed = cbor2.dumps(["Signature1", opened.protected, aad, opened.payload])
    pycddl.Schema(f"start = sig-structure\n{plain}").validate_cbor(signed)


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("protected-header", "a2012604480102030405060708"),
        ("protected-header", "a2012704480102030405060708"),
        ("withheld", "5820" + "00" * 32),
        ("padding", "00"),
        ("natural", "00"),
        ("natural", "1b7fffffffffffffff"),
        ("instant", "1b7fffffffffffffff"),
        ("instant", "3b7fffffffffffffff"),
        ("range", "820101"),
        ("range", "82011b7fffffffffffffff"),
        ("epoch", "48" + "00" * 8),
        ("external-aad", "83667265636f7264016267770a"[:-2]),
    ],
)
def test_small_rules_take(rule: str, data: str) -> None:
    assert _conforms(rule, bytes.fromhex(data))


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("protected-header", "a2013204480102030405060708"),
        ("protected-header", "a20127044701020304050607"),
        ("protected-header", "a30127033a000004480102030405060708"),
        ("protected-header", "a10127"),
        ("withheld", "581f" + "00" * 31),
        ("padding", "01"),
        ("natural", "20"),
        ("natural", "f90000"),
        ("natural", "1b8000000000000000"),
        ("instant", "1b8000000000000000"),
        ("instant", "3b8000000000000000"),
        ("range", "820001"),
        ("range", "821b800000000000000001"),
        ("range", "8101"),
        ("epoch", "47" + "00" * 7),
        ("external-aad", "8366726563756d6401626777"),
        ("external-aad", "82667265636f726401"),
    ],
)
def test_small_rules_refuse(rule: str, data: str) -> None:
    assert not _conforms(rule, bytes.fromhex(data))


def _is_read(kind: str, payload: bytes) -> bool:
    """Say whether the reader takes payload and body."""
    readers = {
        "record": records.read_record,
        "fact": facts.read_fact,
        "command": commands.read_command,
        "receipt": receipts.read_receipt,
    }
    try:
        value = readers[kind](payload)
    except MalformedError:
        return False
    body = getattr(value, "body", None)
    return not isinstance(body, records.Unprojectable)


def _places(item: object, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every value below ``item``."""
    pairs: Iterator[tuple[int, object]] = iter(())
    if isinstance(item, dict):
        pairs = iter(item.items())
    elif isinstance(item, list):
        pairs = iter(enumerate(item))
    for key, value in pairs:
        yield (*path, key)
        yield from _places(value, (*path, key))


def _changed(payload: bytes, path: Path_, *, drop: bool) -> bytes:
    """Return the payload without the value at ``path``, or with one of wrong type."""
    whole: Any = cbor.decode(payload)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = 0 if isinstance(inner[path[-1]], bool) else True
    return cbor.encode(whole)


@pytest.mark.parametrize("vector", _sealed("Good"))
def test_a_missing_key_is_refused_where_the_reader_refuses(vector: Json) -> None:
    payload = _payload(vector)
    dropped = 0
    for path in _places(cbor.decode(payload)):
        changed = _changed(payload, path, drop=True)
        taken = _is_read(vector["kind"], changed)
        text = f"without {'/'.join(names.NAMES.get(key, str(key)) for key in path)}"
        if not taken and path[-1] not in PAIRED and not _is_unseen(path):
            assert not _conforms(_rule(vector), changed), text
            dropped += 1
        elif taken and not _is_element(payload, path):
            assert _conforms(_rule(vector), changed), text
    assert dropped >= 5


# Fields that come in pairs, which CDDL does not say.
PAIRED = {names.KEYS["contiguous"], names.KEYS["digest"]}
RANGES = names.KEYS["ranges"]


def _is_unseen(path: Path_) -> bool:
    """Say whether the validator passes over the value: in a range after the first."""
    return path[0] == RANGES and len(path) > 1


def _is_element(payload: bytes, path: Path_) -> bool:
    """Say whether the value is an array's; the text is stricter about their number."""
    inner: Any = cbor.decode(payload)
    for key in path[:-1]:
        inner = inner[key]
    return isinstance(inner, list)


@pytest.mark.parametrize("vector", _sealed("Good"))
def test_a_wrong_type_is_refused(vector: Json) -> None:
    payload = _payload(vector)
    for path in _places(cbor.decode(payload)):
        changed = _changed(payload, path, drop=False)
        text = "/".join(names.NAMES.get(key, str(key)) for key in path)
        if not _is_unseen(path):
            assert not _conforms(_rule(vector), changed), text
        assert not _is_read(vector["kind"], changed), text


def test_unknown_keys_are_no_words_of_the_closed_text() -> None:
    for param in _sealed("Unknown"):
        vector: Any = param.values[0]
        if "unprojectable" in vector["expect"] and "unknown" not in vector["name"]:
            payload = _payload(vector)
            assert not _conforms("heartbeat-record", payload)
            assert not _is_read("record", payload)
