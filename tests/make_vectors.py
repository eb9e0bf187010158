"""Write the golden vectors of one kind into a new file.

    python -m tests.make_vectors record /tmp/record.json

A file that exists is never written over: a vector that changes is a change of the
contract and belongs into a new version. ES256 signatures differ with each run.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from schemas.keys import PublicKey
from tests.schemas import cases_cbor, cases_record, cases_statement, samples, vectors
from tests.schemas.cases_cbor import Case
from tests.schemas.vectors import Json

CASES: Final[Mapping[str, Callable[[], Iterator[Case]]]] = {
    "cbor": cases_cbor.cbor_cases,
    "record": cases_record.record_cases,
    "fact": cases_statement.fact_cases,
    "command": cases_statement.command_cases,
    "receipt": cases_statement.receipt_cases,
    "sequence": cases_statement.sequence_cases,
    "key": cases_statement.key_cases,
}
KEYS: Final = (
    (samples.GATEWAY_KEY, 1),
    (samples.CLOUD_KEY, 2),
    (samples.PERSON_KEY, 3),
    (samples.AUTHOR_KEY, 5),
)
FLAGS: Final[Mapping[str, str]] = {
    "Good": "written by this version and taken by every reader",
    "Unknown": "from a later version: kept as it is and ignored, or kept unprojectable",
    "Map": "keys of maps: unsigned integers, ascending, each once",
    "NonMinimal": "an argument or float that is not in its shortest form",
    "Range": "an integer, a key or a length beyond signed 64 bits",
    "NotANumber": "NaN or infinity: a missing value is absent",
    "Simple": "null, undefined or another simple value: only false and true exist",
    "Indefinite": "indefinite or reserved lengths",
    "Tag": "a tag other than the seal's 18, or none where it is asked for",
    "Length": "cut off, or followed by more",
    "Text": "text that is not UTF-8",
    "Depth": "nested deeper than 8",
    "Size": "around the limit of 16 KiB",
    "Structure": "parts that are missing, too many or of the wrong type or size",
    "Header": "a protected header, or a header of the payload, that breaks its limits",
    "Seal": "a signature that is not this key's over these bytes for this purpose",
    "Es256": "concerns ES256 signatures or keys",
    "Contents": "what the container carries",
    "SmallOrder": "a public key with which one signature fits every message",
}


def _vector(kind: str, case: Case, keys: Mapping[bytes, PublicKey]) -> Json:
    entry: Json = {
        "name": case.name,
        "why": case.why,
        "flags": case.flags.split(),
        "kind": kind,
        "input_hex": case.data.hex(),
    }
    try:
        entry["expect"] = vectors.judge(kind, case.data, keys)
    except vectors.Refused as refused:
        entry["refuse"] = {"stage": refused.stage, "reason": refused.reason}
    meant, found = case.stage, entry.get("refuse", {}).get("stage", "")
    if meant != found:
        raise SystemExit(
            f"{kind} vector {case.name!r} is meant to be refused at {meant or 'none'}, "
            f"the code says {found or 'taken'}: nothing written"
        )
    return entry


def contents_of(kind: str) -> Json:
    """Return the file of one kind."""
    entries = [_vector(kind, case, samples.KEYS_BY_KID) for case in CASES[kind]()]
    used = {flag for entry in entries for flag in entry["flags"]}
    return {
        "format": "dosetrail-vectors-1",
        "contract_version": 1,
        "keys": [_key(key, seed) for key, seed in KEYS],
        "flags": {flag: FLAGS[flag] for flag in sorted(used)},
        "vectors": entries,
    }


def _key(key: PublicKey, seed: int) -> Json:
    return {
        "owner": key.owner,
        "kind": key.kind.value,
        "algorithm": key.algorithm.value,
        "kid_hex": key.kid.hex(),
        "public_key_hex": key.public_key.hex(),
        "private_key_hex": bytes([seed] * 32).hex(),
    }


def text_of(content: Json) -> str:
    """Return the file's text: one line for each key, flag and vector."""
    plain = ("format", "contract_version", "flags")
    lines = ["{", *(f'"{name}": {json.dumps(content[name])},' for name in plain)]
    for name in ("keys", "vectors"):
        rows = ",\n".join(json.dumps(row) for row in content[name])
        lines.append(f'"{name}": [\n{rows}\n]' + ("," if name == "keys" else ""))
    return "\n".join([*lines, "}"]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one new vector file."""
    parser = argparse.ArgumentParser(description="Write golden vectors of one kind.")
    parser.add_argument("kind", choices=sorted(CASES))
    parser.add_argument("file", type=Path, help="a name that does not exist yet")
    chosen = parser.parse_args(arguments)
    text = text_of(contents_of(chosen.kind))
    try:
        with chosen.file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        sys.stderr.write(
            f"{chosen.file}: exists and is not written over; name a new file\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
