"""The decimated journal: what the detectors counted, bin by bin, with what bore on it.

A bin is a sufficient statistic: counts and the time in which they could be counted,
together with temperature, pressure and tilt of the same interval. Everything the
estimators use is in it, so that the same journal gives the same number anywhere.
Missing is NaN, here and nowhere on the wire.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SEA_LEVEL_HPA: Final = 1013.25
_TROPOPAUSE_HPA: Final = 226.32
# A GM tube counts particles, not dose: its rate grows 71 times up to 11 km (0.35 to
# 25 units of the ground level), the dose rate 115 times.
_GM_EXPONENT: Final = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Journal:
    """Bins in the order of time; no two overlap.

    Attributes:
        sensors: (c,) names of the detectors, in the order of the columns.
        origin_ns: the instant ``begin_s`` counts from, ns UTC.
        begin_s: (n,) begin of the bin, s since the origin.
        width_s: (n,) real length of the bin, s, > 0.
        counts: (n, c) counts; NaN where the detector is missing.
        live_s: (n, c) time in which the detector was switched on, s. The dead time
            that each count costs is *not* taken out of it: the model does that.
        temperature_c: (n, c) at the detector, deg C; NaN where unknown.
        pressure_hpa: (n,) of the free air, hPa; NaN where unknown. The pressure of a
            pressurised cabin is none: leave it out and give the altitude's.
        tilt_deg: (n,) rotation off the fingerprinted attitude in the plane of the
            detector pair, positive when the liquid moves to the positive detector.
        is_shocked: (n,) a shock came within the bin or right before it.
        is_learnt: (n,) false where an alarm is unresolved or the attitude is not the
            fingerprinted one: the activity learns nothing from such a bin.
    """

    sensors: tuple[str, ...]
    origin_ns: int
    begin_s: Floats
    width_s: Floats
    counts: Floats
    live_s: Floats
    temperature_c: Floats
    pressure_hpa: Floats
    tilt_deg: Floats
    is_shocked: Flags
    is_learnt: Flags

    def __post_init__(self) -> None:
        n, c = self.begin_s.size, len(self.sensors)
        for name in ("begin_s", "width_s", "pressure_hpa", "tilt_deg"):
            _check_shape(name, getattr(self, name), (n,))
        for name in ("is_shocked", "is_learnt"):
            _check_shape(name, getattr(self, name), (n,))
        for name in ("counts", "live_s", "temperature_c"):
            _check_shape(name, getattr(self, name), (n, c))
        if n and not (np.diff(self.begin_s) > 0).all():
            raise ValueError("begin_s does not grow: sort the bins, drop duplicates")
        if not (self.width_s > 0).all():
            raise ValueError("width_s: a bin has no length")

    def __len__(self) -> int:
        return int(self.begin_s.size)

    @property
    def end_s(self) -> Floats:
        """End of the bins, (n,), s since the origin."""
        return self.begin_s + self.width_s

    def where(self, keep: Flags | slice) -> "Journal":
        """Return the bins for which ``keep`` (n,) is true, or a slice of them."""
        chosen = {name: getattr(self, name)[keep] for name in _BY_BIN}
        return replace(self, **chosen)

    def since(self, begin_s: float) -> "Journal":
        """Return the bins that begin at ``begin_s`` or later."""
        return self.where(self.begin_s >= begin_s)

    def with_channels(self, sensors: Sequence[str]) -> "Journal":
        """Return the journal with these columns; an unknown detector is all missing."""
        n = len(self)
        column = {name: i for i, name in enumerate(self.sensors)}
        blocks: dict[str, Any] = {}
        for name in _BY_CHANNEL:
            old = getattr(self, name)
            new = np.full((n, len(sensors)), np.nan)
            for i, sensor in enumerate(sensors):
                if sensor in column:
                    new[:, i] = old[:, column[sensor]]
            blocks[name] = new
        return replace(self, sensors=tuple(sensors), **blocks)


_BY_CHANNEL: Final = ("counts", "live_s", "temperature_c")
_BY_BIN: Final = (
    "begin_s",
    "width_s",
    *_BY_CHANNEL,
    "pressure_hpa",
    "tilt_deg",
    "is_shocked",
    "is_learnt",
)


def journal(  # noqa: PLR0913 - the columns of a journal, all but four optional
    sensors: Sequence[str],
    origin_ns: int,
    begin_s: Floats,
    counts: Floats,
    *,
    width_s: Floats | float = 60.0,
    live_s: Floats | None = None,
    temperature_c: Floats | float = np.nan,
    pressure_hpa: Floats | float = np.nan,
    tilt_deg: Floats | float = 0.0,
    is_shocked: Flags | None = None,
    is_learnt: Flags | None = None,
) -> Journal:
    """Return a journal; what is left out is as if nothing had happened.

    Args:
        sensors: (c,) names of the detectors.
        origin_ns: the instant ``begin_s`` counts from, ns UTC.
        begin_s: (n,) begin of the bins, s, growing.
        counts: (n, c) counts, NaN where missing.
        width_s: length of the bins, one or (n,), s.
        live_s: (n, c) as in :class:`Journal`; the whole bin where left out.
        temperature_c: (n, c), (n,) or one, deg C; unknown where left out.
        pressure_hpa: (n,) or one, hPa; unknown where left out.
        tilt_deg: (n,) or one, deg.
        is_shocked: (n,), false where left out.
        is_learnt: (n,), true where left out.

    Raises:
        ValueError: shapes do not fit or the bins are not in order.
    """
    n, c = begin_s.size, len(sensors)
    width = np.array(np.broadcast_to(np.asarray(width_s, np.float64), (n,)))
    temperature = np.asarray(temperature_c, np.float64)
    if temperature.ndim == 1:
        temperature = temperature[:, None]
    return Journal(
        sensors=tuple(sensors),
        origin_ns=origin_ns,
        begin_s=np.asarray(begin_s, np.float64),
        width_s=width,
        counts=np.asarray(counts, np.float64),
        live_s=np.repeat(width[:, None], c, 1) if live_s is None else live_s,
        temperature_c=np.array(np.broadcast_to(temperature, (n, c))),
        pressure_hpa=np.array(np.broadcast_to(pressure_hpa, (n,)), np.float64),
        tilt_deg=np.array(np.broadcast_to(tilt_deg, (n,)), np.float64),
        is_shocked=np.zeros(n, np.bool_) if is_shocked is None else is_shocked,
        is_learnt=np.ones(n, np.bool_) if is_learnt is None else is_learnt,
    )


def join(parts: Sequence[Journal]) -> Journal:
    """Return one journal of several with the same detectors and origin.

    Parts may overlap, come late or twice: bins are sorted, and of two that begin at
    the same instant the first part's is kept.

    Raises:
        ValueError: no part, or the parts differ in detectors or origin.
    """
    if not parts or len({(part.sensors, part.origin_ns) for part in parts}) != 1:
        raise ValueError("journals to join must have the same detectors and origin")
    begin_s = np.concatenate([part.begin_s for part in parts])
    _values, first = np.unique(begin_s, return_index=True)
    blocks: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])[first]
        for name in _BY_BIN
    }
    return replace(parts[0], **blocks)


def cosmic_growth(pressure_hpa: Floats) -> Floats:
    """Return the cosmic count rate of a GM tube over that at sea level, (n,).

    1 at 1013.25 hPa, 71 at 11 km; sea level where the pressure is NaN. Shape:
    0.21 exp(-1.649 z) + 0.79 exp(0.4528 z) with z in km, to a power that brings 11 km
    to what tubes show on flights. Source: UNSCEAR 2000 Annex B equation 2 (directly
    ionising component), altitude of the ICAO standard atmosphere.
    """
    known = np.where(np.isnan(pressure_hpa), SEA_LEVEL_HPA, pressure_hpa)
    bounded = np.clip(known, _TROPOPAUSE_HPA / 2, 1100.0)
    altitude_km = 44.3308 * (1.0 - (bounded / SEA_LEVEL_HPA) ** 0.190263)
    dose = 0.21 * np.exp(-1.649 * altitude_km) + 0.79 * np.exp(0.4528 * altitude_km)
    grown: Floats = dose**_GM_EXPONENT
    return grown


def _check_shape(name: str, found: Floats | Flags, expected: tuple[int, ...]) -> None:
    if found.shape != expected:
        raise ValueError(f"{name} has shape {found.shape}, not {expected}")
