"""Golden vectors: where they lie, and what the code says about each.

:func:`judge` takes a vector's bytes through the contract in the order in which a
receiver does, and returns what it holds or raises :class:`Refused` with the stage.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from schemas import cbor, commands, envelope, facts, names, receipts, records
from schemas.contents import check_contents
from schemas.errors import ContractError
from schemas.keys import Algorithm, OwnerKind, PublicKey, check_public_key

FOLDER: Final = Path(__file__).parents[2] / "schemas" / "vectors"
Json = dict[str, Any]
V = TypeVar("V")


class Refused(Exception):  # noqa: N818 - a verdict, not a failure
    """The contract refuses the bytes at ``stage``."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage
        self.reason = reason


def files() -> list[Path]:
    """Return the vector files, by name."""
    found = sorted(FOLDER.glob("*.json"))
    return [path for path in found if path.name != "vector.schema.json"]


def load(path: Path) -> Json:
    """Return one vector file."""
    content: Json = json.loads(path.read_text("utf-8"))
    return content


def every() -> Iterator[tuple[Json, Json]]:
    """Yield (file, vector) of every file."""
    for path in files():
        content = load(path)
        for vector in content["vectors"]:
            yield content, vector


def keys_of(content: Json) -> Mapping[bytes, PublicKey]:
    """Return the public keys of a file, by kid."""
    keys = [
        PublicKey(
            key["owner"],
            OwnerKind(key["kind"]),
            Algorithm(key["algorithm"]),
            bytes.fromhex(key["public_key_hex"]),
        )
        for key in content["keys"]
    ]
    return {key.kid: key for key in keys}


def rendered(value: object) -> object:
    """Return ``value`` as JSON: bytes as ``h'..'``, map keys as text."""
    if isinstance(value, bytes):
        return f"h'{value.hex()}'"
    if isinstance(value, dict):
        return {str(key): rendered(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rendered(item) for item in value]
    return value


def judge(kind: str, data: bytes, keys: Mapping[bytes, PublicKey]) -> Json:
    """Return what a vector of ``kind`` holds.

    Raises:
        Refused: the contract refuses the bytes.
    """
    if kind == "cbor":
        return {"value": rendered(_stage("cbor", cbor.decode, data))}
    if kind == "sequence":
        return {"items": _stage("sequence", _sequence, data)}
    if kind == "key":
        return _key(data)
    opened = _stage("envelope", envelope.open_envelope, data)
    read, aad_of = _READERS[kind]
    value = _stage("payload", read, opened.payload)
    key = keys.get(opened.kid)
    if key is None:
        raise Refused("seal", "unknown-key")
    verdict = envelope.check(opened, key, aad_of(value))
    if verdict is not envelope.SealCheck.GOOD:
        raise Refused("seal", verdict.value)
    return _held(data, opened, value)


def _stage(stage: str, step: Callable[[bytes], V], data: bytes) -> V:
    try:
        return step(data)
    except ContractError as error:
        raise Refused(stage, str(error)) from error


def _held(data: bytes, opened: envelope.Envelope, value: object) -> Json:
    found: Json = {
        "kid_hex": opened.kid.hex(),
        "digest_hex": envelope.digest(data).hex(),
        "payload": rendered(names.named(cbor.decode(opened.payload))),
    }
    match value:
        case records.Record(body=records.Unprojectable(reason)):
            found["unprojectable"] = reason
        case commands.Command(body=commands.Assign(contents=contents)):
            _stage("contents", lambda _: check_contents(contents), data)
    return found


def _sequence(data: bytes) -> list[Json]:
    found: list[Json] = []
    for item, start, end in envelope.split_with_offsets(data):
        if isinstance(item, envelope.Withheld):
            found.append({"from": start, "to": end, "withheld_hex": item.digest.hex()})
        else:
            held = envelope.digest(item).hex()
            found.append({"from": start, "to": end, "digest_hex": held})
    return found


def _key(data: bytes) -> Json:
    algorithm = Algorithm.EDDSA if len(data) <= 32 else Algorithm.ES256
    key = PublicKey("key", OwnerKind.PERSON, algorithm, data)
    _stage("key", lambda _: check_public_key(key), data)
    return {"kid_hex": key.kid.hex()}


def _record_aad(value: records.Record) -> bytes:
    return records.record_aad(value.header.version, value.header.gateway)


def _fact_aad(value: facts.Fact) -> bytes:
    return facts.fact_aad(value.header.version, value.header.author)


def _command_aad(value: commands.Command) -> bytes:
    return commands.command_aad(value.header.version, value.header.gateway)


def _receipt_aad(value: receipts.Receipt) -> bytes:
    return receipts.receipt_aad(value.version, value.gateway)


_READERS: Final[Mapping[str, tuple[Callable[[bytes], Any], Callable[[Any], bytes]]]] = {
    "record": (records.read_record, _record_aad),
    "fact": (facts.read_fact, _fact_aad),
    "command": (commands.read_command, _command_aad),
    "receipt": (receipts.read_receipt, _receipt_aad),
}


def aad_of(kind: str, payload: bytes) -> bytes:
    """Return the external data that a payload's own header asks for."""
    read, aad = _READERS[kind]
    return aad(read(payload))
