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
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from cloud.errors import CloudError
from cloud.paper_instants import (
    EXAMPLE,
    NO_INSTANT,
    Instant,
    picked_instant,
    zoned_instant,
)
from schemas.errors import ContractError

MAX_PAPER_BYTES: Final = 64 * 1024
MAX_TEXT: Final = 200
MAX_DIGITS: Final = 12
_ONE: Final = Decimal(1)
_MILLI: Final = Decimal("0.001")
_PERCENT: Final = Decimal("0.01")
_LEAST, _MOST = Decimal("1e-12"), Decimal("1e12")
E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


class PaperError(CloudError):
    """A paper cannot be taken; one line for each problem: file, key, remedy."""


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

    def digits(self, scales: Mapping[str, Decimal]) -> str:
        """Return a number in the digits it was written in, scaled exactly.

        Args:
            scales: the known keys, each with what leads to the fact's unit.
        """
        given = [key for key in scales if self.has(key)]
        if len(given) != 1:
            known = " or ".join(scales)
            self.problem(known, "must be written, exactly one of them")
            return "0"
        number = self.number(given[0], least=Decimal(0)) * scales[given[0]]
        text = f"{number:f}"
        whole, _, rest = text.partition(".")
        if len(whole) > MAX_DIGITS or len(rest) > MAX_DIGITS:
            self.problem(given[0], f"has more than {MAX_DIGITS} digits on one side")
            return "0"
        return text

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
        value = self._take(key, f'"{EXAMPLE}"')
        return NO_INSTANT if value is None else self._noted(key, zoned_instant(value))

    def instant_in(self, key: str, zone_key: str) -> Instant:
        """Return an instant that is written without a zone, in one that was picked.

        ``zone_key`` holds the offset, such as ``+01:00``.
        """
        value, offset = self._take(key, f'"{EXAMPLE[:16]}"'), self.text(zone_key)
        if value is None:
            return NO_INSTANT
        return self._noted(key, picked_instant(value, offset, zone_key))

    def _noted(self, key: str, found: Instant | str) -> Instant:
        if isinstance(found, str):
            self.problem(key, found)
            return NO_INSTANT
        return found

    def instant_if_any(self, key: str) -> Instant | None:
        """Return an instant, None where the key is absent."""
        return self.instant(key) if self.has(key) else None

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

    def table_if_any(self, key: str) -> "Sheet | None":
        """Return the table ``[key]``, None where there is none."""
        if not self.has(key):
            return None
        value = self._values[key]
        if not isinstance(value, dict):
            self.problem(key, f"must be a table: write [{key}] above its lines")
            return self.nothing()
        return Sheet(value, self._folder, self.notes, f"{self._place}{key}.")

    def texts_if_any(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty where the key is absent."""
        value = self._values[key] if self.has(key) else []
        if not isinstance(value, list) or any(not isinstance(v, str) for v in value):
            self.problem(key, f"is {value!r}: write a list of texts in quotes")
            return ()
        return tuple(value)

    def words(self, key: str, known: Iterable[str]) -> tuple[str, ...]:
        """Return a list of known words."""
        known = tuple(known)
        value = self._take(key, f'["{known[0]}"]')
        if value is None:
            return ()
        if not isinstance(value, list) or any(word not in known for word in value):
            self.problem(key, f"is {value!r}: write a list of {', '.join(known)}")
            return ()
        return tuple(value)

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
