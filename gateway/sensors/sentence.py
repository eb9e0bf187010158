r"""Sentences of the NMEA 0183 form, cut out of any bytes, and their common fields.

Layout::

    $ <address> , <field> , ... , <field> * <hh> CR LF
    |           '----- data fields -----'   |    '---' line end: any of CR, LF, or none
    |                                       exclusive-or of every byte between $ and *
    start; a $ inside a sentence starts the next one

Rules:

1. A sentence is complete with its second checksum digit, so the last one of a
   stream needs no line end. Digits may be lower case. CzechRad firmware drops a
   leading zero (``*C`` for ``*0C``): one digit counts when a line end follows it.
2. Line ends around sentences are free. Every other byte outside a sentence
   (headers, comments, binary) belongs to a run of noise, reported once, as
   ``framing``, when the next ``$`` ends it or it reaches :data:`MAX_SENTENCE_SIZE`.
3. A sentence that ends without a right checksum is noise: ``checksum``; one cut
   off by the next ``$``: ``framing``; one that does not end: ``length``.
4. What comes out depends on the bytes alone, never on how they were cut.

Source: NMEA 0183 version 4.10 section 5.3.
"""

import re
from collections.abc import Iterator
from functools import reduce
from operator import xor
from typing import Final, NamedTuple

from schemas.readings import Noise, NoiseReason

MAX_SENTENCE_SIZE: Final = 1024
"""Longest sentence, in bytes, without its line end.

The standard says 82; a Trimble BX-960 sends a GGA of 91 and a Skytraq S2525F8 a PSTI
of 100 (gpsd's NMEA_MAX). The longest that must not become noise is u-blox's PUBX,03,
about 21 bytes for each of up to 40 satellites.
"""

EXCERPT_SIZE: Final = 32

_END: Final = re.compile(rb"\*[0-9A-Fa-f]{2}|[\r\n$]")
_CHECKSUM: Final = re.compile(rb"[0-9A-Fa-f]{1,2}")
_ANGLE: Final = re.compile(r"([0-9]{0,5})(?:\.([0-9]{0,15}))?")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})")
_COUNT: Final = re.compile(r"[0-9]{1,18}")


class Sentence(NamedTuple):
    """A sentence with a right checksum; ``fields[0]`` is the address."""

    raw: bytes
    fields: tuple[str, ...]


class Place(NamedTuple):
    """Degrees north and east."""

    latitude_deg: float
    longitude_deg: float


class Splitter:
    """Cuts bytes into sentences and noise; holds one sentence at most.

    ``source`` names the line in its :class:`Noise`.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._open = bytearray()  # the sentence being read, from its $
        self._run_size = 0
        self._run_excerpt = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes held, at most ``MAX_SENTENCE_SIZE + EXCERPT_SIZE``."""
        return len(self._open) + len(self._run_excerpt)

    def feed(self, data: bytes) -> Iterator[Sentence | Noise]:
        """Yield what ``data`` completes; the caller must exhaust the iterator."""
        at = 0
        while at < len(data):
            if self._open:
                taken, item = self._collect(data, at)
                at += taken
                if item is not None:
                    yield item
                continue
            start = data.find(b"$", at)
            yield from self._skip(data[at : start if start >= 0 else len(data)])
            if start < 0:
                return
            if self._run_size:
                yield self._end_run()
            self._open += b"$"
            at = start + 1

    def noise(self, raw: bytes, reason: NoiseReason) -> Noise:
        """Return the noise that ``raw`` is."""
        return Noise(self._source, reason, len(raw), bytes(raw[:EXCERPT_SIZE]))

    def _collect(self, data: bytes, at: int) -> tuple[int, Sentence | Noise | None]:
        """Take bytes into the open sentence, up to and including its end."""
        held = len(self._open)
        self._open += data[at : at + MAX_SENTENCE_SIZE - held]
        # The end mark is three bytes long, two of them may be here already.
        end = _END.search(self._open, max(1, held - 2))
        if end is None:
            taken = len(self._open) - held
            if len(self._open) < MAX_SENTENCE_SIZE:
                return taken, None
            return taken, self.noise(self._take(len(self._open)), NoiseReason.LENGTH)
        # The match looks into the buffer: read it before the buffer is emptied.
        mark = end[0]
        raw = self._take(end.end() if mark[:1] == b"*" else end.start())
        # The line end or $ is left where it is: it begins what follows.
        taken = len(raw) - held
        if mark == b"$":
            return taken, self.noise(raw, NoiseReason.FRAMING)
        return taken, self._checked(raw)

    def _take(self, size: int) -> bytes:
        raw = bytes(self._open[:size])
        self._open.clear()
        return raw

    def _checked(self, raw: bytes) -> Sentence | Noise:
        body, _, checksum = raw[1:].partition(b"*")
        is_hex = _CHECKSUM.fullmatch(checksum) is not None
        if not is_hex or reduce(xor, body, 0) != int(checksum, 16):
            return self.noise(raw, NoiseReason.CHECKSUM)
        return Sentence(raw, tuple(body.decode("latin-1").split(",")))

    def _skip(self, text: bytes) -> Iterator[Noise]:
        if not self._run_size:
            text = text.lstrip(b"\r\n")
        while text:
            piece = text[: MAX_SENTENCE_SIZE - self._run_size]
            self._run_excerpt += piece[: EXCERPT_SIZE - len(self._run_excerpt)]
            self._run_size += len(piece)
            text = text[len(piece) :]
            if self._run_size == MAX_SENTENCE_SIZE:
                yield self._end_run()
                text = text.lstrip(b"\r\n")

    def _end_run(self) -> Noise:
        excerpt = bytes(self._run_excerpt)
        noise = Noise(self._source, NoiseReason.FRAMING, self._run_size, excerpt)
        self._run_size = 0
        self._run_excerpt.clear()
        return noise


def position(fields: tuple[str, ...]) -> Place | NoiseReason | None:
    """Return the place in the four fields ``ddmm.mm,N,dddmm.mm,E``.

    ``None`` when one of them is empty. Leading zeros may be missing.
    """
    if not all(fields):
        return None
    latitude = _degrees(fields[0], "NS".find(fields[1]), limit=90)
    longitude = _degrees(fields[2], "EW".find(fields[3]), limit=180)
    if isinstance(latitude, NoiseReason):
        return latitude
    if isinstance(longitude, NoiseReason):
        return longitude
    return Place(latitude, longitude)


def _degrees(text: str, hemisphere: int, limit: int) -> float | NoiseReason:
    """Return signed degrees; ``hemisphere`` is 0 for plus, 1 for minus, -1 for none."""
    match = _ANGLE.fullmatch(text)
    if match is None or hemisphere < 0 or not any(match.groups()):
        return NoiseReason.SYNTAX
    fraction = match[2] or ""
    whole_deg, whole_min = divmod(int(match[1] or "0"), 100)
    # One division of integers: the double nearest to the digits, no drift.
    scale = 60 * int(10 ** len(fraction))
    minutes = int(f"{whole_min}{fraction}")
    scaled = whole_deg * scale + minutes
    if whole_min >= 60 or scaled > limit * scale:
        return NoiseReason.SANITY
    return (-scaled if hemisphere else scaled) / scale


def decimal(text: str) -> float | None:
    """Return a decimal number, ``None`` where the field is empty or is none."""
    return float(text) if _DECIMAL.fullmatch(text) else None


def count(text: str) -> int | None:
    """Return a number of things, ``None`` where the field is empty or is none."""
    return int(text) if _COUNT.fullmatch(text) else None


def dilution(value: float | None) -> float | None:
    """Return a dilution of precision, without the values that mark a missing one.

    Receivers print 0 or 99.99 when they have none.
    """
    return value if value is not None and 0.0 < value < 99.0 else None
