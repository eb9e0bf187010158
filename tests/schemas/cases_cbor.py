"""Cases of the byte form: items that the contract allows, and CBOR that it refuses.

A case with a stage must be refused there; one without must be taken.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple


class Case(NamedTuple):
    """One vector before it is written; ``stage`` is where it is refused."""

    name: str
    why: str
    flags: str
    data: bytes
    stage: str = ""


# (name, bytes, flag, why): items that are CBOR to somebody, but not to us.
FOREIGN_CBOR: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("duplicate key", "a200010002", "Map", "two readers keep different values"),
    ("unsorted keys", "a201000001", "Map", "one map would have two byte forms"),
    ("text key", "a1616101", "Map", "keys are unsigned integers"),
    ("negative key", "a12001", "Map", "keys are unsigned integers"),
    ("integer key not minimal", "a1180001", "NonMinimal", "key 0 in two bytes"),
    ("integer 23 in two bytes", "1817", "NonMinimal", "not the shortest form"),
    ("integer 255 in three bytes", "1900ff", "NonMinimal", "not the shortest form"),
    ("integer 65535 in five", "1a0000ffff", "NonMinimal", "not the shortest form"),
    ("integer in nine", "1b00000000ffffffff", "NonMinimal", "not the shortest form"),
    ("negative not minimal", "3800", "NonMinimal", "not the shortest form"),
    ("length not minimal", "580101", "NonMinimal", "byte string of 1, length in two"),
    ("array length not minimal", "980100", "NonMinimal", "array of 1, length in two"),
    ("float 1.5 as single", "fa3fc00000", "NonMinimal", "a half holds 1.5"),
    ("float 1.5 as double", "fb3ff8000000000000", "NonMinimal", "a half holds 1.5"),
    ("float 1e5 as double", "fb40f86a0000000000", "NonMinimal", "a single holds it"),
    ("32768 as single", "fa47000000", "NonMinimal", "a half holds 32768"),
    ("65504 as single", "fa477fe000", "NonMinimal", "the largest half holds it"),
    ("2^63", "1b8000000000000000", "Range", "integers are signed, of 64 bits"),
    ("2^64 - 1", "1bffffffffffffffff", "Range", "integers are signed, of 64 bits"),
    ("-2^63 - 1", "3b8000000000000000", "Range", "integers are signed, of 64 bits"),
    ("-2^64", "3bffffffffffffffff", "Range", "integers are signed, of 64 bits"),
    ("key 2^63", "a11b800000000000000000", "Range", "keys are integers too"),
    ("NaN", "f97e00", "NotANumber", "a missing value is absent"),
    ("NaN with payload", "fa7fc00001", "NotANumber", "a missing value is absent"),
    ("NaN as double", "fb7ff8000000000000", "NotANumber", "a missing value is absent"),
    ("infinity", "f97c00", "NotANumber", "no sensor reads infinity"),
    ("minus infinity", "f9fc00", "NotANumber", "no sensor reads infinity"),
    ("null", "f6", "Simple", "a missing value is absent"),
    ("undefined", "f7", "Simple", "a missing value is absent"),
    ("simple value 16", "f0", "Simple", "unassigned"),
    ("simple value 255", "f8ff", "Simple", "unassigned"),
    ("false in two bytes", "f814", "Simple", "reserved by RFC 8949"),
    ("break without beginning", "ff", "Indefinite", "a stray break"),
    ("indefinite byte string", "5f4101ff", "Indefinite", "two byte forms of one value"),
    ("indefinite text", "7f6161ff", "Indefinite", "two byte forms of one value"),
    ("indefinite array", "9f00ff", "Indefinite", "two byte forms of one value"),
    ("indefinite map", "bf0001ff", "Indefinite", "two byte forms of one value"),
    ("reserved length 28", "1c", "Indefinite", "additional information 28"),
    ("date tag", "c11a00000000", "Tag", "general decoders make a date of it"),
    ("bignum tag", "c249010000000000000000", "Tag", "integers have at most 64 bits"),
    ("tag inside", "a100c100", "Tag", "only the seal has a tag"),
    ("self-described", "d9d9f700", "Tag", "only the seal has a tag"),
    ("trailing byte", "0000", "Length", "something is hidden behind the item"),
    ("empty", "", "Length", "there is no item"),
    ("head cut", "19ff", "Length", "ends in the middle"),
    ("string cut", "4201", "Length", "ends in the middle"),
    ("float cut", "fa3fc000", "Length", "ends in the middle"),
    ("huge string", "5b7fffffffffffffff", "Length", "claims 8 EiB: no allocation"),
    ("huge array", "9b7fffffffffffffff", "Length", "claims 2^63 items: no allocation"),
    ("huge map", "bb7fffffffffffffff", "Length", "claims 2^63 pairs: no allocation"),
    ("text that is no UTF-8", "62c328", "Text", "invalid sequence"),
    ("surrogate in text", "63eda080", "Text", "U+D800 has no UTF-8 form"),
    ("overlong text", "62c080", "Text", "two byte forms of U+0000"),
    ("nested deeper than 8", "81" * 9 + "00", "Depth", "bounded recursion"),
    ("maps deeper than 8", "a100" * 9 + "00", "Depth", "bounded recursion"),
    ("empty array 9 deep", "81" * 8 + "80", "Depth", "an empty one nests as well"),
    ("empty map 9 deep", "a100" * 8 + "a0", "Depth", "an empty one nests as well"),
    ("nested a thousand deep", "81" * 1000 + "00", "Depth", "bounded recursion"),
)

ALLOWED_CBOR: Final[tuple[tuple[str, str, str], ...]] = (
    ("zero", "00", "a reading of exactly 0 is a reading"),
    ("23", "17", "last one-byte integer"),
    ("24", "1818", "first two-byte integer"),
    ("255", "18ff", "last two-byte integer"),
    ("256", "190100", "first three-byte integer"),
    ("largest integer", "1b7fffffffffffffff", "2^63 - 1"),
    ("smallest integer", "3b7fffffffffffffff", "-2^63"),
    ("minus one", "20", "first negative"),
    ("float zero", "f90000", "0.0 is not the integer 0"),
    ("minus zero", "f98000", "sign kept"),
    ("half", "f93e00", "1.5"),
    ("half of a large value", "f97800", "32768.0, not a single"),
    ("largest half", "f97bff", "65504.0"),
    ("smallest subnormal half", "f90001", "2^-24"),
    ("single", "fa47c35000", "100000.0 needs a single"),
    ("smallest subnormal single", "fa00000001", "2^-149"),
    ("double", "fb3fb999999999999a", "0.1 needs a double"),
    ("largest double", "fb7fefffffffffffff", "largest finite"),
    ("false", "f4", "a flag"),
    ("true", "f5", "a flag"),
    ("empty bytes", "40", "empty"),
    ("empty text", "60", "empty"),
    ("text", "65c2b553762f", "micro sign in two bytes"),
    ("empty array", "80", "empty"),
    ("empty map", "a0", "empty"),
    ("keys of every length", "a4000018180119010002" + "1a0001000003", "ascending"),
    ("nested 8 deep", "81" * 8 + "00", "the deepest allowed"),
    ("empty array 8 deep", "81" * 7 + "80", "the deepest allowed"),
)


def cbor_cases() -> Iterator[Case]:
    """Yield items of the byte form, allowed and not."""
    for name, text, why in ALLOWED_CBOR:
        yield Case(name, why, "Good", bytes.fromhex(text))
    for name, text, flag, why in FOREIGN_CBOR:
        yield Case(name, why, flag, bytes.fromhex(text), "cbor")
