"""A sheet of a paper: one TOML table, read key by key, in people's terms.

- Everything that is wrong is noted, with its key and its remedy, and reading goes on
  with a placeholder; nobody sees a placeholder, because a sheet with problems gives
  no paper (:meth:`Sheet.close`).
- Numbers are read as decimals, so that 7400 MBq is 7.4 GBq to the last digit.
- A unit is part of the key. An instant carries its zone.
- A key that nobody asked for is a problem: a misspelt key must not be left out
  silently.
"""

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from cloud.errors import CloudError
from schemas.errors import ContractError
from schemas.units import instant_ns

MAX_PAPER_BYTES: Final = 64 * 1024
MAX_TEXT: Final = 200
_ONE: Final = Decimal(1)
_MILLI: Final = Decimal("0.001")
_PERCENT: Final = Decimal("0.01")
_LEAST, _MOST = Decimal("1e-12"), Decimal("1e12")
_EXAMPLE: Final = "2026-11-22T12:00:00+01:00"
_WHY_ZONE: Final = "one hour is 0.43 % of a Lu-177 activity"
_ZONELESS: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?", re.ASCII
)
_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)\Z", re.ASCII)
_ZONES_MINUTES: Final = range(-12 * 60, 14 * 60 + 1)
_FROM_NS, _TO_NS = (
    instant_ns("2000-01-01T00:00:00Z"),
    instant_ns("2200-01-01T00:00:00Z"),
)

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


class PaperError(CloudError):
    """A paper cannot be taken; one line for each problem: file, key, remedy."""


class Instant(NamedTuple):
    """An instant, and the zone in which it was written."""

    at_ns: int
    offset_minutes: int


@dataclass(frozen=True, slots=True)
class Notes:
    """What was found in a file.

    ``problems`` refuse it; a person must have seen the ``remarks``.
    """

    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


class Sheet:
    """One table of a paper.

    Args:
        values: the table as TOML has it, floats as :class:`decimal.Decimal`.
        folder: where paths in the paper count from.
        notes: where problems and remarks of the file are collected.
        place: how messages call the table, such as ``legs[2].``; empty at the top.
    """

    def __init__(
        self, values: Mapping[str, object], folder: Path, notes: Notes, place: str = ""
    ) -> None:
        self._values = values
        self._folder = folder
        self._place = place
        self._asked: list[str] = []
        self.notes = notes

    @property
    def is_good(self) -> bool:
        """True while no problem was found in the file."""
        return not self.notes.problems

    def problem(self, key: str, text: str) -> None:
        """Note what is wrong with a key; ``text`` goes on from the key's name."""
        self.notes.problems.append(f"{self._place}{key} {text}")

    def remark(self, key: str, text: str) -> None:
        """Note what a person should look at."""
        self.notes.remarks.append(f"{self._place}{key} {text}")

    def has(self, key: str) -> bool:
        """Say whether an optional key is there; it counts as asked for."""
        if key not in self._asked:
            self._asked.append(key)
        return key in self._values

    def _take(self, key: str, wanted: str) -> object | None:
        if not self.has(key):
            self.problem(key, f"is missing: write {key} = {wanted}")
            return None
        return self._values[key]

    # -- words -------------------------------------------------------------------

    def text(self, key: str) -> str:
        """Return a text of one line that is not empty."""
        value = self._take(key, '"..."')
        if value is None:
            return ""
        if not isinstance(value, str):
            self.problem(key, f'is no text: write {key} = "{value}"')
            return ""
        if not value.strip() or len(value) > MAX_TEXT or not value.isprintable():
            self.problem(key, f"must be one line of 1 to {MAX_TEXT} characters")
        return value.strip()

    def text_if_any(self, key: str) -> str | None:
        """Return a text, None where the key is absent."""
        return self.text(key) if self.has(key) else None

    def word(self, key: str, kind: type[E]) -> E:
        """Return one of the words of ``kind``."""
        known = tuple(kind)
        found = self.choice(key, known)
        return known[0] if found is None else kind(found)

    def choice(self, key: str, known: Iterable[str]) -> str | None:
        """Return one of the known words; None, with a problem, for any other."""
        value = self._take(key, " | ".join(f'"{word}"' for word in known))
        if isinstance(value, str) and value in tuple(known):
            return value
        if value is not None:
            self.problem(key, f"is {value!r}: write one of {', '.join(known)}")
        return None

    def known(self, key: str, find: Callable[[str], T]) -> tuple[str, T | None]:
        """Return a text and what ``find`` knows about it."""
        text = self.text(key)
        try:
            return text, find(text) if text else None
        except ContractError as error:
            self.problem(key, f"cannot be taken: {error}")
            return text, None

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self._take(key, "true | false")
        if value is not None and not isinstance(value, bool):
            self.problem(key, f"is {value!r}: write true or false, without quotes")
        return value is True

    # -- numbers -----------------------------------------------------------------

    def number(self, key: str, *, least: Decimal = _LEAST) -> Decimal:
        """Return a number, by default a positive one."""
        value = self._take(key, "a number")
        if value is None:
            return _ONE
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self.problem(key, f"is {value!r}: write a number, without quotes")
            return _ONE
        number = Decimal(value)
        if not number.is_finite() or not least <= number <= _MOST:
            wanted = "a positive number" if least > 0 else "a number that makes sense"
            self.problem(key, f"is {value}: write {wanted}")
            return _ONE
        return number

    def number_if_any(self, key: str, *, least: Decimal = _LEAST) -> Decimal | None:
        """Return a number, None where the key is absent."""
        return self.number(key, least=least) if self.has(key) else None

    def percent(self, key: str) -> Decimal:
        """Return a share that is written in percent, as a ratio."""
        return self.number(key) * _PERCENT

    def activity_gbq(self, stem: str) -> Decimal:
        """Return an activity, written in GBq or MBq, in GBq."""
        return self._one_of(stem, {f"{stem}_gbq": _ONE, f"{stem}_mbq": _MILLI})

    def expanded_u_gbq(self, stem: str, activity_gbq: Decimal) -> Decimal:
        """Return an expanded uncertainty, also in percent of the activity, in GBq."""
        scales = {f"{stem}_gbq": _ONE, f"{stem}_mbq": _MILLI}
        return self._one_of(stem, scales | {f"{stem}_percent": activity_gbq * _PERCENT})

    def concentration_gbq_per_ml(self) -> Decimal | None:
        """Return the activity concentration in GBq/mL where the paper states one."""
        stem = "concentration"
        scales = {f"{stem}_gbq_per_ml": _ONE, f"{stem}_mbq_per_ml": _MILLI}
        is_stated = [self.has(key) for key in scales]
        return self._one_of(stem, scales) if any(is_stated) else None

    def _one_of(self, stem: str, scales: Mapping[str, Decimal]) -> Decimal:
        given = [key for key in scales if self.has(key)]
        if len(given) == 1:
            return self.number(given[0]) * scales[given[0]]
        known = " or ".join(scales)
        if given:
            self.problem(" and ".join(given), f"are given: write exactly one, {known}")
            return _ONE
        other = re.compile(rf"{stem}(_[^_]*)?")
        strange = [key for key in self._values if other.fullmatch(key)]
        for key in strange:
            self.has(key)
            self.problem(key, f"names no known unit: write {known}")
        if not strange:
            self.problem(stem, f"is missing: write {known}")
        return _ONE

    # -- instants, files, tables -------------------------------------------------

    def instant(self, key: str) -> Instant:
        """Return an instant that was written with its zone."""
        value = self._take(key, f'"{_EXAMPLE}"')
        found = None if value is None else self._instant(key, value)
        return found or Instant(_FROM_NS, 0)

    def instant_if_any(self, key: str) -> Instant | None:
        """Return an instant, None where the key is absent."""
        return self.instant(key) if self.has(key) else None

    def _instant(self, key: str, value: object) -> Instant | None:
        is_date = isinstance(value, date | time)
        text = value.isoformat() if isinstance(value, date | time) else value
        if not isinstance(text, str):
            self.problem(key, f'is {value!r}: write "{_EXAMPLE}"')
            return None
        if _ZONELESS.fullmatch(text) or (is_date and not isinstance(value, datetime)):
            self.problem(key, f"has no zone: write {_zoned(text)}; {_WHY_ZONE}")
            return None
        try:
            found = Instant(instant_ns(text), _offset_minutes(text))
        except ContractError as error:
            self.problem(key, f"is no instant: {error}")
            return None
        if not _FROM_NS <= found.at_ns < _TO_NS:
            self.problem(key, f"is {text}: write a year from 2000 to 2199")
        if found.offset_minutes not in _ZONES_MINUTES:
            self.problem(key, f"is {text}: zones go from -12:00 to +14:00")
        return found

    def file_digest(self, key: str) -> bytes:
        """Return the SHA-256 of a file; its path counts from the paper's folder."""
        name = self.text(key)
        path = self._folder / name
        try:
            if not name:
                return bytes(32)
            if path.is_file():
                with path.open("rb") as file:
                    return hashlib.file_digest(file, "sha256").digest()
            why = "there is no such file"
        except (OSError, ValueError) as error:
            why = str(error)
        self.problem(
            key, f"names {path}: {why}; the path counts from the folder of the paper"
        )
        return bytes(32)

    def tables(self, key: str) -> list["Sheet"]:
        """Return the tables ``[[key]]``, an empty list where there are none."""
        value = self._values[key] if self.has(key) else []
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            self.problem(key, f"must be tables: write [[{key}]] above each")
            return []
        return [
            Sheet(one, self._folder, self.notes, f"{self._place}{key}[{number}].")
            for number, one in enumerate(value, 1)
        ]

    def renamed(self, place: str) -> "Sheet":
        """Return the same table under another name in messages."""
        return Sheet(self._values, self._folder, self.notes, place)

    def nothing(self) -> "Sheet":
        """Return an empty table for placeholders; its problems are nobody's."""
        return Sheet({}, self._folder, Notes())

    def close(self) -> None:
        """Note every key that nobody asked for."""
        for key in self._values:
            if key not in self._asked:
                self.problem(key, f"is not known; known are {', '.join(self._asked)}")


def open_sheet(text: bytes, path: str) -> Sheet:
    """Return the top table of a paper.

    Raises:
        PaperError: it is too large or no TOML.
    """
    if len(text) > MAX_PAPER_BYTES:
        raise PaperError(f"{path}: {len(text)} bytes: a paper has {MAX_PAPER_BYTES}")
    try:
        # Some editors begin a file with a byte order mark.
        values = tomllib.loads(text.decode("utf-8-sig"), parse_float=_decimal)
    except (ValueError, RecursionError) as error:
        raise PaperError(f"{path}: no TOML: {error}") from error
    return Sheet(values, Path(path).parent, Notes())


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        return Decimal("NaN")


def _zoned(text: str) -> str:
    """Return the instant with a zone, as an example of what to write."""
    if "T" not in text.upper() and " " not in text:
        return _EXAMPLE
    text = text.upper().replace(" ", "T")
    return f"{text}:00+01:00" if len(text) == 16 else f"{text}+01:00"


def _offset_minutes(text: str) -> int:
    match = _OFFSET.search(text)
    if match is None:
        return 0
    minutes = int(match[2]) * 60 + int(match[3])
    return -minutes if match[1] == "-" else minutes
