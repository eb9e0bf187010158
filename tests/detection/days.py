"""Container days for the change detectors: counts per minute of a whole day.

Richer than what is fitted to them, and sharing no code or data with it: every day
draws its own detectors, road, airport halls and flight; the air's pressure, the
cabin's, the temperature's lag behind the thermometer, places with more or less
natural radiation, rain, neighbours' packages, X-ray screening and blows. A day without
an :class:`Event` holds nothing that a gateway should name as a change of its package.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BIN_S: Final = 60.0
BINS: Final = 1440
LU177_S: Final = 6.6475 * 86_400.0
LU177M_S: Final = 160.4 * 86_400.0


class Event(StrEnum):
    """What is done to a package."""

    LOSS = "loss"
    DISPLACEMENT = "displacement"
    OUTER = "outer"


@dataclass(frozen=True, slots=True)
class Build:
    """A container as it really is on average; lists are by detector.

    ``gain`` in counts/s per GBq of Lu-177, ``gain_m`` of Lu-177m, ``side`` +1 and -1
    for the pair, ``along_mm`` how much 1 mm of displacement changes the source part,
    ``reach`` the smallest and largest share of a neighbour that gets to the detectors
    that are not next to it; ``exposed`` are those that one can stand next to.
    """

    sensors: tuple[str, ...]
    side: Sequence[float]
    gain: Sequence[float]
    gain_m: Sequence[float]
    ground: Sequence[float]
    along_mm: Sequence[float]
    common_u: float
    own_u: float
    drift_u: float
    reach: tuple[float, float]
    exposed: Sequence[int]
    dead_time_s: float = 190e-6
    square_mm: float = 3e-4

    @property
    def outer(self) -> list[int]:
        """Columns of the detectors that are not of the pair."""
        return [i for i, side in enumerate(self.side) if side == 0.0]


INNER_PAIR: Final = Build(
    sensors=tuple(f"board/detector-{i}" for i in range(4)),
    side=(1.0, -1.0, 0.0, 0.0),
    gain=(60.0, 60.0, 0.0063, 0.0063),
    gain_m=(1740.0, 1740.0, 45.0, 45.0),
    ground=(0.30, 0.30, 0.35, 0.35),
    along_mm=(0.02, -0.02, 0.0, 0.0),
    common_u=0.012,
    own_u=0.006,
    drift_u=0.003,
    reach=(0.01, 0.03),  # through 20 mm of lead
    exposed=(2, 3),
)
DEFAULT: Final = Build(
    sensors=tuple(f"board/detector-{i}" for i in range(3)),
    side=(1.0, -1.0, 0.0),
    gain=(0.28, 0.28, 0.065),
    gain_m=(486.0, 486.0, 174.0),
    ground=(0.35, 0.35, 0.35),
    along_mm=(0.0133, -0.0133, 0.0),
    common_u=0.20,
    own_u=0.05,
    drift_u=0.02,
    reach=(0.1, 0.5),  # past the pot
    exposed=(0, 1, 2),
    square_mm=4.4e-5,
)


@dataclass(slots=True)
class Day:
    """What a gateway is given: one row a minute, one column a detector.

    ``airborne`` is the flight detector's word, some minutes late. ``harmless`` marks
    minutes in which, or shortly before which, the surroundings changed: a neighbour,
    a screening, a flight.
    """

    counts: Floats
    temperature_c: Floats
    pressure_hpa: Floats
    airborne: Flags
    shocked: Flags
    nearby: Flags
    flight: Flags
    screening: Flags
    lit: Floats = field(repr=False)


def draw_day(
    build: Build,
    rng: np.random.Generator,
    activity_gbq: float,
    event: Event | None = None,
    size: float = 0.0,
    at: int = 720,
) -> Day:
    """Draw one day of a container.

    Args:
        build: the container.
        rng: seeded.
        activity_gbq: by certificate at the day's begin; the truth is 2.5 % off.
        event: what happens at bin ``at``, if anything.
        size: share lost, mm, or counts/s on the first outer detector.
        at: bin of the event.
    """
    detectors = len(build.sensors)
    pressure, altitude_km, airborne, flight = _flight(rng)
    ambient, own = _temperatures(rng)
    rate, nearby, screening = _surroundings(build, rng, altitude_km, flight)
    shocked = rng.random(BINS) < 24.0 / BINS
    source, shift = _source(build, rng, activity_gbq, own)
    if event is Event.LOSS:
        source[at:] *= 1.0 - size
    elif event is Event.DISPLACEMENT:
        shift[at:] += size
    elif event is Event.OUTER:
        rate[at:, build.outer[0]] += size
    moved = shift[:, None] * np.array(build.along_mm)
    pair = np.abs(np.array(build.side))
    source *= np.exp(moved + pair * build.square_mm * shift[:, None] ** 2)
    total = source + rate
    counts = _count(total, build.dead_time_s * rng.normal(1.0, 0.03), rng)
    missing = rng.random((BINS, detectors)) < 0.002
    counts[missing] = np.nan
    return Day(
        counts, ambient, pressure, airborne, shocked, nearby, flight, screening, total
    )


def _source(
    build: Build, rng: np.random.Generator, activity_gbq: float, own_c: Floats
) -> tuple[Floats, Floats]:
    """Return the source part (n, c) in 1/s, at its place, and the shift (n,) in mm."""
    seconds = (np.arange(BINS) + 0.5) * BIN_S
    truth = activity_gbq * np.exp(rng.normal(0.0, 0.025))
    ratio_m = 1e-4 * np.exp(rng.normal(0.0, 0.7))
    side = np.array(build.side)
    common = rng.normal(0.0, build.common_u) * np.abs(side)
    apart = rng.normal(0.0, build.own_u) * side
    leak = rng.normal(0.0, 0.2) * (side == 0.0)
    drift = rng.normal(0.0, build.drift_u) * np.abs(side)
    level = np.exp(common + apart + leak)
    decay = 2.0 ** (-seconds / LU177_S)
    decay_m = 2.0 ** (-seconds / LU177M_S)
    rates = truth * (
        decay[:, None] * np.array(build.gain)
        + ratio_m * decay_m[:, None] * np.array(build.gain_m)
    )
    warmth = (own_c[:, None] - 25.0) / 10.0
    shift = np.full(BINS, rng.normal(0.0, 0.5))
    return rates * level * (1.0 + drift * warmth), shift


def _temperatures(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return what the thermometer at the tube says, and the tube's own, (n,) deg C."""
    hours = np.arange(BINS) / 60.0
    room = 20.0 + rng.normal(0.0, 3.0) + rng.uniform(0.0, 4.0) * np.sin(hours / 3.8)
    for _ in range(rng.integers(0, 4)):
        begin, length = rng.integers(0, BINS), rng.integers(20, 120)
        room[begin : begin + length] += rng.normal(0.0, 8.0)
    own, shown = np.empty(BINS), np.empty(BINS)
    tube = thermometer = room[0]
    for i, around in enumerate(room):
        tube += (around - tube) / 25.0
        thermometer += (around - thermometer) / 20.0
        own[i], shown[i] = tube, thermometer
    return shown + rng.normal(0.0, 0.1, BINS), own


def _flight(rng: np.random.Generator) -> tuple[Floats, Floats, Flags, Flags]:
    """Return pressure at the container, altitude km, the detector's word, the truth."""
    altitude_km = np.full(BINS, rng.uniform(0.0, 0.5))
    flight = np.zeros(BINS, np.bool_)
    airborne = np.zeros(BINS, np.bool_)
    cabin_km = altitude_km.copy()
    if rng.random() < 0.6:
        length = int(rng.integers(60, 540))
        begin = int(rng.integers(60, BINS - length - 60))
        end = begin + length
        climb = np.minimum(np.arange(length), np.arange(length)[::-1]) / 25.0
        altitude_km[begin:end] += np.minimum(1.0, climb) * rng.uniform(9.0, 11.5)
        cabin_km[begin:end] += np.minimum(1.0, climb) * rng.uniform(1.6, 2.3)
        flight[begin:end] = True
        airborne[begin + int(rng.integers(2, 9)) : end + int(rng.integers(0, 9))] = True
    pressure = 1013.25 * (1.0 - 0.0225577 * cabin_km) ** 5.25588
    weather = rng.normal(0.0, 6.0) + rng.normal(0.0, 2.0) * np.arange(BINS) / BINS
    shown: Floats = pressure + weather
    return shown, altitude_km, airborne, flight


def _surroundings(
    build: Build, rng: np.random.Generator, altitude_km: Floats, flight: Flags
) -> tuple[Floats, Flags, Flags]:
    """Return the background (n, c) in 1/s and the minutes of neighbours, screenings."""
    ground = np.array(build.ground)
    place = np.exp(rng.normal(0.0, 0.25)) * np.ones(BINS)
    for begin in rng.integers(0, BINS, rng.integers(2, 7)):
        place[begin:] *= np.exp(rng.normal(0.0, 0.12))  # a hall, a road, a bridge
    if rng.random() < 0.2:
        begin = int(rng.integers(0, BINS - 180))  # rain washes radon's progeny down
        place[begin : begin + 180] *= 1.0 + rng.uniform(0.1, 0.5) * np.hanning(180)
    cosmic = np.exp(altitude_km / 3.55) * np.exp(rng.normal(0.0, 0.1))
    open_share = np.where(flight, 0.1, 1.0)
    rate = ground * (0.65 * place * open_share + 0.35 * cosmic)[:, None]
    outer = build.outer
    nearby = np.zeros(BINS, np.bool_)
    for _ in range(rng.poisson(1.2)):
        begin = int(rng.integers(0, BINS - 10))
        end = begin + int(rng.uniform(0.1, 3.0) * 60.0)
        strength = float(np.exp(rng.uniform(np.log(0.2), np.log(5.0))))
        near = int(rng.choice(build.exposed))
        reach = rng.uniform(*build.reach)
        for i in range(len(ground)):
            share = 1.0 if i == near else reach if build.side[i] else 0.15
            rate[begin:end, i] += strength * share
        nearby[begin:end] = True
    screening = np.zeros(BINS, np.bool_)
    if flight.any():
        at = max(0, int(np.argmax(flight)) - int(rng.integers(30, 90)))
        rate[at, outer] += rng.uniform(2.0, 40.0)
        screening[at] = True
    return rate, nearby, screening


def _count(rate: Floats, dead_time_s: float, rng: np.random.Generator) -> Floats:
    """Count with a non-paralysable dead time; the renewal process's normal limit."""
    load = 1.0 + rate * dead_time_s
    mean = rate * BIN_S / load
    few = rng.poisson(mean).astype(np.float64)
    many = np.rint(rng.normal(mean, np.sqrt(mean) / load))
    counted: Floats = np.where(mean < 200.0, few, np.maximum(many, 0.0))
    return counted
