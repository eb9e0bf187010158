"""A position receiver: NMEA 0183 sentences RMC, GGA, GSA with talker GN.

``$GNRMC,hhmmss.ss,A,ddmm.mmmmm,N,dddmm.mmmmm,E,knots,course,ddmmyy,,,A*hh``

Date and time are true UTC and go on without a fix, as in a receiver with a clock of
its own. Positions err by metres and wander.
"""

from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import xor
from typing import Final

import numpy as np

from firmware_sim.randomness import Wander, stream
from firmware_sim.route import NS_PER_S, Position
from firmware_sim.scenario import Periods

KNOTS_PER_M_S: Final = 3600.0 / 1852.0
METRES_PER_DEGREE: Final = 111_195.0
GEOID_M: Final = 47.5
REACQUISITION_S: Final = 6.0
COLD_REACQUISITION_S: Final = 35.0
LONG_OUTAGE_S: Final = 600.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SATELLITES: Final = (2, 5, 7, 9, 13, 15, 16, 20, 27, 29, 30, 34)


def sentence(text: str) -> bytes:
    """Return a sentence with dollar sign, checksum and line end.

    Source: NMEA 0183, XOR of the characters between $ and *.
    """
    body = text.encode("ascii")
    return b"$%s*%02X\r\n" % (body, reduce(xor, body, 0))


def angle(degrees: float, width: int) -> str:
    """Return (d)ddmm.mmmmm of a magnitude; ``width`` digits of degrees."""
    whole, units = divmod(round(abs(degrees) * 6_000_000), 6_000_000)
    minutes, fraction = divmod(units, 100_000)
    return f"{whole:0{width}d}{minutes:02d}.{fraction:05d}"


class Receiver:
    """One receiver on its line."""

    def __init__(self, periods: Periods, starts_ns: int, seed: int) -> None:
        self._period_ns = periods.gnss_s * NS_PER_S
        self._starts_ns = starts_ns
        self._rng = stream(seed, "gnss")
        self._north_m, self._east_m = (Wander(self._rng, 2.0, 300.0) for _ in range(2))
        self._up_m = Wander(self._rng, 4.0, 300.0)
        self._blind_since_ns: int | None = starts_ns
        self._fix_from_ns = starts_ns

    def step(self, position: Position, end_ns: int, seconds: float) -> list[bytes]:
        """Return the sentences of the epoch that ends a step, if one is due."""
        self._watch_sky(position.has_sky, end_ns)
        errors = [wander.step(seconds) for wander in (self._north_m, self._east_m)]
        up_m = self._up_m.step(seconds)
        if (end_ns - self._starts_ns) % self._period_ns:
            return []
        if not position.has_sky or end_ns < self._fix_from_ns:
            return _without_fix(end_ns)
        return self._with_fix(position, end_ns, (errors[0], errors[1], up_m))

    def _watch_sky(self, has_sky: bool, at_ns: int) -> None:
        if not has_sky:
            self._blind_since_ns = self._blind_since_ns or at_ns
        elif self._blind_since_ns is not None:
            blind_s = (at_ns - self._blind_since_ns) / NS_PER_S
            wait_s = (
                COLD_REACQUISITION_S if blind_s > LONG_OUTAGE_S else REACQUISITION_S
            )
            self._fix_from_ns = at_ns + round(wait_s * NS_PER_S)
            self._blind_since_ns = None

    def _with_fix(
        self, position: Position, at_ns: int, error_m: tuple[float, float, float]
    ) -> list[bytes]:
        north_m, east_m, up_m = error_m
        lat = position.latitude_deg + north_m / METRES_PER_DEGREE
        shrink = float(np.cos(np.radians(position.latitude_deg)))
        lon = position.longitude_deg + east_m / METRES_PER_DEGREE / shrink
        where = f"{angle(lat, 2)},{'N' if lat >= 0 else 'S'}"
        where += f",{angle(lon, 3)},{'E' if lon >= 0 else 'W'}"
        count = int(self._rng.integers(8, 13))
        hdop = 0.6 + 4.0 / count + 0.1 * float(self._rng.random())
        speed = position.speed_m_s + abs(float(self._rng.normal(0.0, 0.05)))
        clock, date = _clock_and_date(at_ns)
        used = ",".join(f"{number:02d}" for number in _SATELLITES[:count])
        empty = "," * (12 - count)
        height = position.altitude_m + up_m
        return [
            sentence(
                f"GNRMC,{clock},A,{where},{speed * KNOTS_PER_M_S:.3f},"
                f"{position.track_deg:.2f},{date},,,A"
            ),
            sentence(
                f"GNGGA,{clock},{where},1,{count:02d},{hdop:.2f},{height:.1f},M,"
                f"{GEOID_M:.1f},M,,"
            ),
            sentence(
                f"GNGSA,A,3,{used}{empty},{1.6 * hdop:.2f},{hdop:.2f},{1.25 * hdop:.2f}"
            ),
        ]


def _clock_and_date(at_ns: int) -> tuple[str, str]:
    whole = _EPOCH + timedelta(microseconds=at_ns // 1000)
    hundredths = whole.microsecond // 10_000
    return whole.strftime("%H%M%S") + f".{hundredths:02d}", whole.strftime("%d%m%y")


def _without_fix(at_ns: int) -> list[bytes]:
    clock, date = _clock_and_date(at_ns)
    return [
        sentence(f"GNRMC,{clock},V,,,,,,,{date},,,N"),
        sentence(f"GNGGA,{clock},,,,,0,00,99.99,,M,,M,,"),
        sentence("GNGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99"),
    ]
