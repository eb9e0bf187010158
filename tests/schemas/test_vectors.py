"""The golden vectors against the code, their own schema and a second decoder."""

import io
import json
from pathlib import Path
from typing import Any

import cbor2
import jsonschema
import pytest
from _pytest.mark import ParameterSet

from schemas import cbor, commands, envelope, facts, names, receipts, records, wire
from schemas.keys import Ed25519Signer
from tests import make_vectors
from tests.schemas import vectors
from tests.schemas.vectors import Json

SEALED = {"record", "fact", "command", "receipt"}


def _cases(kinds: set[str], *, taken: bool = False) -> list[ParameterSet]:
    return [
        pytest.param(content, vector, id=f"{vector['kind']}: {vector['name']}")
        for content, vector in vectors.every()
        if vector["kind"] in kinds and ("expect" in vector or not taken)
    ]


SCHEMA = json.loads((vectors.FOLDER / "vector.schema.json").read_text("utf-8"))


@pytest.mark.parametrize("path", vectors.files(), ids=lambda path: path.name)
def test_file_keeps_its_schema(path: Path) -> None:
    content = vectors.load(path)
    jsonschema.validate(content, SCHEMA)
    names_in_file = [vector["name"] for vector in content["vectors"]]
    assert len(set(names_in_file)) == len(names_in_file)
    used = {flag for vector in content["vectors"] for flag in vector["flags"]}
    assert used == set(content["flags"])


@pytest.mark.parametrize(
    ("content", "vector"), _cases(SEALED | {"cbor", "sequence", "key"})
)
def test_vector(content: Json, vector: Json) -> None:
    found = _judged(content, vector)
    if "refuse" in vector:
        assert isinstance(found, vectors.Refused), found
        assert found.stage == vector["refuse"]["stage"]
        if found.stage == "seal":
            assert found.reason == vector["refuse"]["reason"]
        return
    # Python's == takes 1 for 1.0: the text tells integers and floats apart.
    assert json.dumps(found) == json.dumps(vector.get("expect"))


@pytest.mark.parametrize(("content", "vector"), _cases(SEALED | {"cbor"}, taken=True))
def test_second_decoder_reads_the_same(content: Json, vector: Json) -> None:
    data = bytes.fromhex(vector["input_hex"])
    if vector["kind"] == "cbor":
        ours, theirs = cbor.decode(data), _cbor2(data)
    else:
        tag = _cbor2(data)
        assert isinstance(tag, cbor2.CBORTag)
        assert tag.tag == 18
        opened = envelope.open_envelope(data)
        assert list(tag.value) == [
            opened.protected,
            {},
            opened.payload,
            opened.signature,
        ]
        ours, theirs = cbor.decode(opened.payload), _cbor2(opened.payload)
    assert repr(ours) == repr(theirs)


def _judged(content: Json, vector: Json) -> Json | vectors.Refused:
    data = bytes.fromhex(vector["input_hex"])
    try:
        return vectors.judge(vector["kind"], data, vectors.keys_of(content))
    except vectors.Refused as refused:
        return refused


def _cbor2(data: bytes) -> object:
    stream = io.BytesIO(data)
    value: object = cbor2.load(stream)
    assert stream.read() == b""
    return value


def _signer(content: Json, kid: str) -> Ed25519Signer | None:
    for key in content["keys"]:
        if key["kid_hex"] == kid and key["algorithm"] == "EdDSA":
            return Ed25519Signer(bytes.fromhex(key["private_key_hex"]))
    return None


@pytest.mark.parametrize(("content", "vector"), _cases(SEALED, taken=True))
def test_sealing_again_gives_the_same_bytes(content: Json, vector: Json) -> None:
    data = bytes.fromhex(vector["input_hex"])
    payload = envelope.open_envelope(data).payload
    assert cbor.encode(cbor.decode(payload)) == payload
    signer = _signer(content, vector["expect"]["kid_hex"])
    if signer is not None:
        aad = vectors.aad_of(vector["kind"], payload)
        assert envelope.seal(payload, signer, aad) == data
    if "Good" in vector["flags"]:
        assert _written_again(vector["kind"], payload) == payload


def _written_again(kind: str, payload: bytes) -> bytes:
    """Return the payload through its types and back."""
    if kind == "receipt":
        return wire.to_payload(receipts.read_receipt(payload))
    value: Any = {
        "record": records.read_record,
        "fact": facts.read_fact,
        "command": commands.read_command,
    }[kind](payload)
    if kind == "record":
        return records.record_payload(value.header, value.body)
    plain = wire.read_payload(wire.to_payload(value.header))
    return wire.encode_named({**plain, "body": wire.read_payload(_body(value.body))})


def _body(body: Any) -> bytes:  # noqa: ANN401 - any body of the contract
    return wire.to_payload(body)


def test_there_is_a_vector_of_every_kind() -> None:
    seen: dict[str, set[object]] = {kind: set() for kind in SEALED}
    for _content, vector in vectors.every():
        if vector["kind"] in SEALED and "expect" in vector:
            seen[vector["kind"]].add(vector["expect"]["payload"]["kind"])
    assert set(records.BODIES) <= seen["record"]
    assert seen["fact"] == set(facts.BODIES)
    assert seen["command"] == set(commands.BODIES)


def test_every_field_of_the_contract_is_in_a_vector() -> None:
    """A key that no vector writes would be pinned by nothing."""
    seen: set[str] = set()
    for _content, vector in vectors.every():
        if vector["kind"] in SEALED and "expect" in vector:
            _collect(vector["expect"]["payload"], seen)
    assert set(names.KEYS) - seen == {*WITHOUT_VECTOR}


# Optional fields of an event that the one in the vectors does not have.
WITHOUT_VECTOR = ("expected_end_ns",)


def _collect(value: object, seen: set[str]) -> None:
    if isinstance(value, dict):
        seen.update(value)
        for item in value.values():
            _collect(item, seen)
    elif isinstance(value, list):
        for item in value:
            _collect(item, seen)


def test_generator_writes_no_file_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "key.json"
    assert make_vectors.main(["key", str(path)]) == 0
    written = path.read_bytes()
    assert make_vectors.main(["key", str(path)]) == 1
    assert "name a new file" in capsys.readouterr().err
    assert path.read_bytes() == written == (vectors.FOLDER / "key.json").read_bytes()
