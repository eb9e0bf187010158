"""Drops and kicks as accelerometers see them, and the waveform a trigger keeps.

Free fall lasts t = sqrt(2h/g); the impact changes the velocity by (1 + e) v and is a
half sine of duration D and amplitude pi dV / (2D), followed by a damped ringing.
Low range (free fall): +-16 g at 400 Hz. High range (shock): +-200 g at 3,200 Hz.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_sim.nuclear import Floats
from schemas.units import STANDARD_GRAVITY_M_S2 as G_M_S2

RESTITUTION: Final = 0.3
LOW: Final = 0
HIGH: Final = 1
SETTLE_S: Final = 0.05
# What the low range keeps before the touch: falls from 7 m and the hand before them.
PRETRIGGER_S: Final = 1.2


@dataclass(frozen=True, slots=True)
class Range:
    """One accelerometer: how it samples."""

    rate_hz: int
    corner_hz: int
    scale_um_s2: int
    limit_m_s2: float


RANGES: Final = {
    LOW: Range(400, 200, 5_000, 16 * G_M_S2),
    HIGH: Range(3200, 1600, 98_066, 200 * G_M_S2),
}


@dataclass(frozen=True, slots=True)
class Shock:
    """A fall (perhaps of no height) and the blow that ends it.

    ``direction`` is the unit vector of the blow on the container, its frame.
    """

    fall_s: float
    velocity_change_m_s: float
    duration_s: float
    direction: tuple[float, float, float]

    @property
    def peak_m_s2(self) -> float:
        """Amplitude of the half sine: dV = (2/pi) A D."""
        return np.pi * self.velocity_change_m_s / (2 * self.duration_s)


@dataclass(frozen=True, slots=True)
class Waveform:
    """Samples of one accelerometer around a shock.

    ``samples`` is (n, 3) int16; ``lead_s`` is how long before the blow it begins.
    """

    channel: int
    lead_s: float
    samples: NDArray[np.int16]


def drop(height_m: float, rng: np.random.Generator) -> Shock:
    """Return a drop from a height, on the base or near it."""
    velocity = (2 * G_M_S2 * height_m) ** 0.5
    return Shock(
        fall_s=(2 * height_m / G_M_S2) ** 0.5,
        velocity_change_m_s=(1 + RESTITUTION) * velocity,
        duration_s=float(rng.uniform(0.009, 0.013)),
        direction=_near(np.array([0.0, 0.0, 1.0]), rng),
    )


def kick(speed_m_s: float, rng: np.random.Generator) -> Shock:
    """Return a blow from the side without free fall."""
    angle = rng.uniform(0, 2 * np.pi)
    side = np.array([np.cos(angle), np.sin(angle), 0.0])
    duration_s = float(rng.uniform(0.008, 0.016))
    return Shock(0.0, speed_m_s, duration_s, _near(side, rng))


def _near(axis: Floats, rng: np.random.Generator) -> tuple[float, float, float]:
    vector = axis + rng.normal(0.0, 0.08, 3)
    x, y, z = vector / np.linalg.norm(vector)
    return float(x), float(y), float(z)


def specific_force(shock: Shock, times_s: Floats) -> Floats:
    """Return (n, 3) m/s2 at times relative to the first touch."""
    up = np.array([0.0, 0.0, G_M_S2])
    falling = (times_s >= -shock.fall_s) & (times_s < 0)
    force = np.where(falling[:, None], 0.0, up)
    inside = (times_s >= 0) & (times_s < shock.duration_s)
    blow = np.where(inside, np.sin(np.pi * times_s / shock.duration_s), 0.0)
    after = np.maximum(times_s - shock.duration_s, 0.0)
    ringing = np.where(
        after > 0, -0.12 * np.exp(-after / 0.008) * np.sin(2 * np.pi * 110 * after), 0.0
    )
    return np.asarray(
        force + shock.peak_m_s2 * np.outer(blow + ringing, shock.direction)
    )


def waveform(shock: Shock, channel: int, rng: np.random.Generator) -> Waveform:
    """Return what one accelerometer records of a shock, clipped at its range."""
    sensor = RANGES[channel]
    lead_s = PRETRIGGER_S if channel == LOW else SETTLE_S / 2
    count = int((lead_s + shock.duration_s + SETTLE_S) * sensor.rate_hz)
    times_s = np.arange(count) / sensor.rate_hz - lead_s
    force = specific_force(shock, times_s) + rng.normal(0.0, 0.15, (count, 3))
    clipped = np.clip(force, -sensor.limit_m_s2, sensor.limit_m_s2)
    units = np.rint(clipped * 1e6 / sensor.scale_um_s2)
    return Waveform(channel, lead_s, units.astype(np.int16))


def low_range_extremes(shock: Shock) -> tuple[float, float]:
    """Return smallest and largest magnitude that the low range reports, m/s2."""
    smallest = 0.1 if shock.fall_s > 0 else G_M_S2
    return smallest, min(shock.peak_m_s2, RANGES[LOW].limit_m_s2)
