"""bGeigie dose-rate loggers and their family: a count and a position every 5 s.

Layout (sentences as in :mod:`gateway.sensors.sentence`)::

     0       1   2                    3   4  5   6   7         8 9          10
    $BGRDD,002,2011-07-05T13:52:42Z,34, 2, 38, A, 3538.5284, N, 13943.1506, E,
     tag    id  UTC                  cpm 5s total |  latitude    longitude
                                                  A|V: the count is valid
     11    12  13   14      13   14       13   14   15
     93.0, V, 16.0, 0    |  4,  231   |   5,  1.28, 1   *hh
     alt,  |  hdop, quality   sats, hdop/100  sats, hdop, quality
           A|V: the position is valid

The end differs: bGeigie and Mini (``$BGRDD``, ``$BMRDD``) and the first NX
(``$BNXRDD``) write dilution and quality; Nano (``$BNRDD``) and CzechRad
(``$CZRDD``, ``$CZRA1``) satellites and the dilution in hundredths, or, in one
version of the Nano, the dilution with its point and nothing; later NX
(``$BNXRDD``) all three.

Rules:

1. A sentence gives a count, then a position. The count is as valid as its flag; it
   is taken however the position is.
2. The position's own flag decides: V is no fix, whatever its digits; A is 3D with an
   altitude and 2D without.  Digits of an A that cannot be a position are noise,
   after the count.
3. UTC that is no date (``2012-00-00``: the clock was never set) is absent.
4. Other sentences (status, ``$BNXSTS``) are ignored.

Source: Safecast bGeigieMini README (data log file format), bGeigieNano.ino,
CzechRad LOG format.
"""

import re
from typing import Final

from gateway.sensors.sentence import (
    Sentence,
    Splitter,
    count,
    decimal,
    dilution,
    position,
)
from schemas.errors import MalformedError
from schemas.readings import (
    CountReading,
    Fix,
    Noise,
    NoiseReason,
    PositionReading,
    Reading,
)
from schemas.units import NS_PER_S, instant_ns

COUNTING_INTERVAL_NS: Final = 5 * NS_PER_S
"""The family counts over 5 s; the sentences do not repeat it."""

_NANO: Final = frozenset({"BNRDD", "CZRDD", "CZRA1"})
_TAGS: Final = _NANO | {"BGRDD", "BMRDD", "BNXRDD"}
_FIELD_COUNTS: Final = (15, 16)
_UTC: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
# TinyGPS writes 1000000.00 for an altitude that it does not have.
_HIGHEST_M: Final = 100_000.0


class Decoder:
    """Decodes one logger; ``source`` names it in readings and noise."""

    def __init__(self, source: str = "dose") -> None:
        self._source = source
        self._splitter = Splitter(source)

    @property
    def buffered(self) -> int:
        """Bytes held; bounded, whatever was fed."""
        return self._splitter.buffered

    def feed(self, data: bytes) -> list[Reading | Noise]:
        """Return what ``data`` completes, in order; any bytes, cut anywhere."""
        found: list[Reading | Noise] = []
        for item in self._splitter.feed(data):
            found += [item] if isinstance(item, Noise) else self._decode(item)
        return found

    def _decode(self, sentence: Sentence) -> list[Reading | Noise]:
        fields = sentence.fields
        if fields[0] not in _TAGS:
            return []
        counted = self._count(fields)
        if isinstance(counted, NoiseReason):
            return [self._splitter.noise(sentence.raw, counted)]
        placed = self._position(fields, counted.measured_at_ns)
        if isinstance(placed, NoiseReason):
            return [counted, self._splitter.noise(sentence.raw, placed)]
        return [counted, placed]

    def _count(self, fields: tuple[str, ...]) -> CountReading | NoiseReason:
        if len(fields) not in _FIELD_COUNTS or not _UTC.fullmatch(fields[2]):
            return NoiseReason.SYNTAX
        counts = count(fields[4])
        if counts is None or fields[6] not in {"A", "V"}:
            return NoiseReason.SYNTAX
        return CountReading(
            f"{self._source}/detector-0",
            counts,
            COUNTING_INTERVAL_NS,
            is_valid=fields[6] == "A",
            measured_at_ns=_utc_ns(fields[2]),
            counts_per_minute=count(fields[3]),
            total_counts=count(fields[5]),
        )

    def _position(
        self, fields: tuple[str, ...], measured_at_ns: int | None
    ) -> PositionReading | NoiseReason:
        satellites, hdop = _quality(fields)
        place = position(fields[7:11]) if fields[12] == "A" else None
        if isinstance(place, NoiseReason):
            return place
        if place is None:
            return PositionReading(
                self._source,
                Fix.NONE,
                measured_at_ns=measured_at_ns,
                satellites=satellites,
            )
        altitude_m = decimal(fields[11])
        if altitude_m is not None and abs(altitude_m) > _HIGHEST_M:
            altitude_m = None
        return PositionReading(
            self._source,
            Fix.FIX_2D if altitude_m is None else Fix.FIX_3D,
            *place,
            altitude_m=altitude_m,
            measured_at_ns=measured_at_ns,
            hdop=hdop,
            satellites=satellites,
        )


def _quality(fields: tuple[str, ...]) -> tuple[int | None, float | None]:
    """Return satellites and dilution as this version of the sentence gives them."""
    if len(fields) == 16:
        return _satellites(fields[13]), dilution(decimal(fields[14]))
    if fields[0] not in _NANO or "." in fields[13]:
        return None, dilution(decimal(fields[13]))
    hundredths = decimal(fields[14])
    if hundredths is None:
        return _satellites(fields[13]), None
    hdop = hundredths if "." in fields[14] else hundredths / 100.0
    return _satellites(fields[13]), dilution(hdop)


def _satellites(text: str) -> int | None:
    """Return a number of satellites; the Nano writes 0 where it knows none."""
    return count(text) or None


def _utc_ns(text: str) -> int | None:
    try:
        return instant_ns(text)
    except MalformedError:
        return None
