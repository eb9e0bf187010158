"""NMEA 0183 position receivers, whatever their talker id.

Layout (``tt`` is the talker, sentences as in :mod:`gateway.sensors.sentence`)::

          1       2        3       4       5       6      7     8    9    10
    $ttRMC,time,status,  lat,     N|S,    lon,    E|W,  knots,track,date,..,..,faa
    $ttGGA,time,lat,     N|S,     lon,    E|W,  quality, sats,hdop,alt, M, ...
    $ttGNS,time,lat,     N|S,     lon,    E|W,  faa...,  sats,hdop,alt, ...
    $ttGLL,lat, N|S,     lon,     E|W,    time, status,  faa
    $ttGSA,A|M, mode,    satellites...          (1 none, 2 2D, 3 3D)
    $ttZDA,time,day,     month,   year, ...

Rules:

1. An epoch is what has one time of day. Each RMC, GGA, GNS and GLL gives a reading
   of all that its epoch is known to hold; a later reading of an epoch supersedes the
   earlier. GSA and ZDA give one only if they change it. Nothing waits for more.
2. There is a fix if a sentence of the epoch claims one and none denies it. Denials:
   RMC and GLL status other than A or D; quality 0, 6 (estimated), 7 (manual), 8
   (simulated) or none; mode indicators N, E, M, S; a GSA of mode 1. Without a fix there
   is no position.
3. 2D or 3D is what the epoch's GSA says (the best one, where each constellation has
   its own); else 3D where GGA or GNS has an altitude and not fewer than 4 satellites;
   else, where neither was sent, what the last GSA said; else 2D. GSA has no time: it
   is taken to belong to the epoch before it. Altitude is that of GGA or GNS of the
   same epoch; with a 2D fix it is the one the receiver assumed, as gpsd gives it too.
4. A date comes from a ZDA, or from an RMC with a fix (receivers print bogus dates
   while they warn). Times of day that follow it take the nearest day, so midnight is
   passed in either direction. Without a date there is no ``measured_at_ns``.
5. Sentences of other kinds and proprietary ones (``$P...``) are ignored.

Source: NMEA 0183 version 4.10; field by field as gpsd reads them
(driver_nmea0183.c), which the captures are compared with.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from gateway.sensors.sentence import (
    Place,
    Sentence,
    Splitter,
    count,
    decimal,
    dilution,
    position,
)
from schemas.readings import Fix, Noise, NoiseReason, PositionReading, Reading
from schemas.units import NS_PER_S

_M_S_PER_KNOT: Final = 1852.0 / 3600.0
_DAY_NS: Final = 86_400 * NS_PER_S
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()

_ADDRESS: Final = re.compile("[A-OQ-Z0-9][A-Z0-9](RMC|GGA|GNS|GLL|GSA|ZDA)")
_TIME: Final = re.compile(r"([0-9]{1,6})(?:\.([0-9]*))?")
_DATE: Final = re.compile("[0-9]{5,6}")

# Number of the field (the address is 0) of the time and of the latitude.
_TIME_FIELD: Final = {"RMC": 1, "GGA": 1, "GNS": 1, "GLL": 5, "ZDA": 1}
_PLACE_FIELD: Final = {"RMC": 3, "GGA": 2, "GNS": 2, "GLL": 1}
# Fewer fields than this are a truncation, not an old version of the sentence.
_FEWEST_FIELDS: Final = {"RMC": 10, "GGA": 11, "GNS": 10, "GLL": 5, "GSA": 3, "ZDA": 5}
_MOST_FIELDS: Final = 15

_FIX_QUALITIES: Final = frozenset("123459")  # 9: SBAS, of some NovAtel receivers
_NO_FIX_MODES: Final = frozenset("NEMS")
_FIXES: Final = {1: Fix.NONE, 2: Fix.FIX_2D, 3: Fix.FIX_3D}


@dataclass(slots=True)
class _Epoch:
    """What the sentences of one time of day have said."""

    time_ns: int | None = None
    kinds: set[str] = field(default_factory=set)
    is_denied: bool = False
    place: Place | None = None
    has_height_sentence: bool = False
    altitude_m: float | None = None
    gsa_mode: int | None = None
    satellites: int | None = None
    hdop: float | None = None
    speed_m_s: float | None = None
    track_deg: float | None = None

    def fix(self, last_gsa_mode: int | None) -> Fix:
        """Apply rules 2 and 3."""
        if self.is_denied or self.place is None:
            return Fix.NONE
        if self.gsa_mode is not None:
            return _FIXES[self.gsa_mode]
        if self.has_height_sentence:
            few = self.satellites is not None and self.satellites < 4
            return Fix.FIX_2D if few or self.altitude_m is None else Fix.FIX_3D
        return Fix.FIX_3D if last_gsa_mode == 3 else Fix.FIX_2D


class Decoder:
    """Decodes one receiver; ``source`` names it in readings and noise."""

    def __init__(self, source: str = "gps") -> None:
        self._source = source
        self._splitter = Splitter(source)
        self._epoch = _Epoch()
        self._last_gsa_mode: int | None = None
        self._day: int | None = None  # days since 1970 of the newest time of day
        self._day_time_ns = 0
        self._last: PositionReading | None = None

    @property
    def buffered(self) -> int:
        """Bytes held; bounded, whatever was fed."""
        return self._splitter.buffered

    def feed(self, data: bytes) -> list[Reading | Noise]:
        """Return what ``data`` completes, in order; any bytes, cut anywhere."""
        found: list[Reading | Noise] = []
        for item in self._splitter.feed(data):
            said = item if isinstance(item, Noise) else self._decode(item)
            if said is not None:
                found.append(said)
        return found

    def _decode(self, sentence: Sentence) -> Reading | Noise | None:
        match = _ADDRESS.fullmatch(sentence.fields[0])
        if match is None:
            return None
        said = self._apply(match[1], sentence.fields)
        if isinstance(said, NoiseReason):
            return self._splitter.noise(sentence.raw, said)
        return said

    def _apply(
        self, kind: str, fields: tuple[str, ...]
    ) -> PositionReading | NoiseReason | None:
        if len(fields) < _FEWEST_FIELDS[kind]:
            return NoiseReason.SYNTAX
        fields += ("",) * (_MOST_FIELDS - len(fields))
        if kind == "GLL" and not fields[6]:
            return None  # NMEA 1.5 had no status: a position that nobody vouches for
        if kind == "GSA":
            self._apply_gsa(fields[2])
        elif (fault := self._apply_timed(kind, fields)) is not None:
            return fault
        if kind not in _PLACE_FIELD and not self._is_news():
            return None
        self._last = self._reading()
        return self._last

    def _apply_timed(self, kind: str, fields: tuple[str, ...]) -> NoiseReason | None:
        time_ns = _time_of_day_ns(fields[_TIME_FIELD[kind]])
        if isinstance(time_ns, NoiseReason):
            return time_ns
        if kind == "ZDA":
            return self._apply_zda(time_ns, fields)
        start = _PLACE_FIELD[kind]
        place = position(fields[start : start + 4])
        if isinstance(place, NoiseReason):
            return place
        self._enter(kind, time_ns)
        if not _CLAIMS[kind](fields):
            self._epoch.is_denied = True
        elif place is not None:
            self._epoch.place = place
        if kind == "RMC":
            self._apply_rmc(fields)
        elif kind != "GLL":
            self._apply_height(fields)
        return None

    def _apply_rmc(self, fields: tuple[str, ...]) -> None:
        knots = decimal(fields[7])
        if knots is not None and knots >= 0.0:
            self._epoch.speed_m_s = knots * _M_S_PER_KNOT
        track = decimal(fields[8])
        if track is not None and 0.0 <= track <= 360.0:
            self._epoch.track_deg = track
        if _CLAIMS["RMC"](fields):
            self._set_day(_day_of_ddmmyy(fields[9]))

    def _apply_height(self, fields: tuple[str, ...]) -> None:
        self._epoch.has_height_sentence = True
        self._epoch.satellites = count(fields[7])
        self._epoch.hdop = dilution(decimal(fields[8]))
        self._epoch.altitude_m = decimal(fields[9])

    def _apply_gsa(self, mode: str) -> None:
        if mode in {"1", "2", "3"}:
            best = max(int(mode), self._epoch.gsa_mode or 0)
            self._epoch.gsa_mode = self._last_gsa_mode = best

    def _apply_zda(
        self, time_ns: int | None, fields: tuple[str, ...]
    ) -> NoiseReason | None:
        if time_ns is None or not all(fields[2:5]):
            return None
        day, month, year = (count(text) for text in fields[2:5])
        if day is None or month is None or year is None:
            return NoiseReason.SYNTAX
        self._enter("ZDA", time_ns)
        self._set_day(_day(year, month, day))
        return None

    def _enter(self, kind: str, time_ns: int | None) -> None:
        """Make the epoch of ``time_ns`` the current one.

        A receiver that knows no time sends every kind once per epoch.
        """
        repeats = time_ns is None and kind in self._epoch.kinds
        if time_ns != self._epoch.time_ns or repeats:
            self._epoch = _Epoch(time_ns)
        self._epoch.kinds.add(kind)
        if time_ns is None:
            return
        if self._day is not None:
            step_ns = time_ns - self._day_time_ns
            self._day += (2 * step_ns < -_DAY_NS) - (2 * step_ns > _DAY_NS)
        self._day_time_ns = time_ns

    def _set_day(self, day: int | None) -> None:
        if day is not None and self._epoch.time_ns is not None:
            self._day = day

    def _is_news(self) -> bool:
        """Whether a reading of the current epoch was given and is now another."""
        has_position_kind = not self._epoch.kinds.isdisjoint(_PLACE_FIELD)
        return has_position_kind and self._reading() != self._last

    def _reading(self) -> PositionReading:
        epoch = self._epoch
        fix = epoch.fix(self._last_gsa_mode)
        measured_at_ns = None
        if self._day is not None and epoch.time_ns is not None:
            measured_at_ns = self._day * _DAY_NS + epoch.time_ns
        if fix is Fix.NONE or epoch.place is None:
            return PositionReading(
                self._source,
                Fix.NONE,
                measured_at_ns=measured_at_ns,
                satellites=epoch.satellites,
            )
        return PositionReading(
            self._source,
            fix,
            *epoch.place,
            altitude_m=epoch.altitude_m,
            measured_at_ns=measured_at_ns,
            speed_m_s=epoch.speed_m_s,
            track_deg=epoch.track_deg,
            hdop=epoch.hdop,
            satellites=epoch.satellites,
        )


def _rmc_claims(fields: tuple[str, ...]) -> bool:
    return fields[2] in {"A", "D"} and fields[12] not in _NO_FIX_MODES


def _gga_claims(fields: tuple[str, ...]) -> bool:
    return fields[6] in _FIX_QUALITIES


def _gns_claims(fields: tuple[str, ...]) -> bool:
    """One letter for each constellation: one that has a fix is enough."""
    return not _NO_FIX_MODES.issuperset(fields[6])


def _gll_claims(fields: tuple[str, ...]) -> bool:
    return fields[6] in {"A", "D"} and fields[7] not in _NO_FIX_MODES


_CLAIMS: Final[dict[str, Callable[[tuple[str, ...]], bool]]] = {
    "RMC": _rmc_claims,
    "GGA": _gga_claims,
    "GNS": _gns_claims,
    "GLL": _gll_claims,
}


def _time_of_day_ns(text: str) -> int | NoiseReason | None:
    """Return nanoseconds since midnight of ``hhmmss.s``; ``None`` for no time.

    Leading zeros may be missing; digits below the nanosecond are cut off.
    """
    if not text:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        return NoiseReason.SYNTAX
    hour, rest = divmod(int(match[1]), 10_000)
    minute, second = divmod(rest, 100)
    if hour > 23 or minute > 59 or second > 60:  # 60: a leap second
        return NoiseReason.SANITY
    fraction_ns = int((match[2] or "")[:9].ljust(9, "0"))
    return (hour * 3600 + minute * 60 + second) * NS_PER_S + fraction_ns


def _day_of_ddmmyy(text: str) -> int | None:
    """Return days since 1970; ``None`` where the digits are no date."""
    if not _DATE.fullmatch(text):
        return None
    day, rest = divmod(int(text), 10_000)
    month, year = divmod(rest, 100)
    return _day(year + (1900 if year >= 80 else 2000), month, day)


def _day(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None  # receivers print 000000 until they know better
