"""Drops, kicks and tosses of a rigid, tumbling package, as two accelerometers see them.

Richer than :mod:`firmware_sim.shock`: the accelerometers sit off the centre of mass,
so that a spin shows as centripetal acceleration; a hand lets go over milliseconds, an
edge over tens of them; a toss is pushed before it flies; an impact off the centre
turns the package; pulses are lopsided and ring; filters and offsets are those of real
parts.

    drop    released at rest, falls h
    kick    struck while it rests, then slides
    toss    pushed, flies up and down, lands lower with what is left of its way

The mix and the sizes are those of parcels (1,187 events of 25 round trips): 44 %
drops, 95 % of them below 0.81 m and none above 1.84 m; 32 % kicks, 95 % below 4.8 m/s;
24 % tosses, spinning up to 2 turns a second.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.nuclear import Floats
from firmware_sim.shock import RANGES, Range
from schemas.units import STANDARD_GRAVITY_M_S2 as G_M_S2

FINE_HZ: Final = 12_800
PRETRIGGER_S: Final = 1.2
HIGH_PRETRIGGER_S: Final = 0.025
POSTTRIGGER_S: Final = 0.06
KINDS: Final = ("drop", "kick", "toss")
SHARES: Final = (0.44, 0.32, 0.24)
RESTITUTION: Final = (0.25, 0.05)
_HAND_S: Final = (0.003, 0.015)
# Where the accelerometers sit, from the centre of mass: on the wall of the overpack.
OFFSET_M: Final = (0.09, 0.03, -0.06)
# Noise and offset (k = 1), m/s2: a +-16 g part of low noise, a +-200 g part.
_NOISE_M_S2: Final = (0.05, 1.0)
_ZERO_M_S2: Final = (0.3, 5.0)


@dataclass(frozen=True, slots=True)
class Mishap:
    """What truly happened."""

    kind: str
    height_m: float
    fall_s: float
    velocity_change_m_s: float
    spin_rad_s: float
    push_m_s2: float = 0.0
    push_s: float = 0.0
    letting_go_s: float = 0.005
    lean: float = 1.0


@dataclass(frozen=True, slots=True)
class Recording:
    """What one accelerometer kept: (n, 3) int16, and when it began, s from touch."""

    samples: np.ndarray[tuple[int, int], np.dtype[np.int16]]
    sensor: Range
    start_s: float


def draw(rng: np.random.Generator) -> Mishap:
    """Return one event of the published mix."""
    kind = str(rng.choice(KINDS, p=SHARES))
    if kind == "drop":
        return drop(float(np.clip(rng.lognormal(np.log(0.3), 0.604), 0.05, 1.84)), rng)
    if kind == "kick":
        return kick(float(np.clip(rng.lognormal(np.log(2.0), 0.532), 0.5, 8.0)), rng)
    return toss(rng)


def drop(height_m: float, rng: np.random.Generator) -> Mishap:
    """Return a drop that was not thrown; it may tumble off an edge."""
    velocity = float(np.sqrt(2 * G_M_S2 * height_m))
    change = (1 + _restitution(rng)) * velocity
    spin = float(min(abs(rng.normal(0.0, 1.5)), 5.0))
    is_off_an_edge = rng.random() < 0.3
    letting_go_s = float(rng.uniform(*((0.015, 0.05) if is_off_an_edge else _HAND_S)))
    lean = float(rng.uniform(0.6, 1.6))
    # While the support goes, 1 - support is the distribution of a moment of release
    # with mean m and deviation s: the way fallen is g ((t - m)^2 + s^2) / 2.
    _mean, deviation = _release(letting_go_s, lean)
    fall_s = float(np.sqrt(max(2 * height_m / G_M_S2 - deviation**2, 0.0)))
    return Mishap(
        "drop", height_m, fall_s, change, spin, letting_go_s=letting_go_s, lean=lean
    )


def kick(speed_m_s: float, rng: np.random.Generator) -> Mishap:
    """Return a blow to a package at rest."""
    return Mishap("kick", 0.0, 0.0, speed_m_s, float(rng.uniform(0, 1)))


def toss(rng: np.random.Generator) -> Mishap:
    """Return a throw: pushed up and forward, landing at or below the hand."""
    up, forward = float(rng.uniform(0.5, 2.5)), float(rng.uniform(0.5, 3.0))
    height_m = float(rng.uniform(0.3, 1.2))
    down = float(np.sqrt(up**2 + 2 * G_M_S2 * height_m))
    stopped = float(rng.uniform(0.3, 0.7)) * forward
    change = float(np.hypot((1 + _restitution(rng)) * down, stopped))
    push_s = float(rng.uniform(0.12, 0.25))
    push = float(np.hypot(up, forward)) / push_s
    spin = float(rng.uniform(0.0, 4 * np.pi))
    fall_s = (up + down) / G_M_S2
    return Mishap("toss", height_m, fall_s, change, spin, push, push_s)


def _restitution(rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(*RESTITUTION), 0.1, 0.5))


def record(mishap: Mishap, rng: np.random.Generator) -> tuple[Recording, Recording]:
    """Return what the low and the high range kept of an event."""
    seconds = PRETRIGGER_S + POSTTRIGGER_S
    times_s = np.arange(round(seconds * FINE_HZ)) / FINE_HZ - PRETRIGGER_S
    force = _before(mishap, times_s, rng) + _impact(mishap, times_s, rng)
    low = _sample(force, 0, PRETRIGGER_S, rng)
    return low, _sample(force, 1, HIGH_PRETRIGGER_S, rng)


def _unit(rng: np.random.Generator) -> Floats:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def _before(mishap: Mishap, times_s: Floats, rng: np.random.Generator) -> Floats:
    """Held, let go, in flight; a kicked package lies still on something that shakes."""
    up = _unit(rng) if mishap.kind != "kick" else np.array([0.0, 0.0, 1.0])
    held = G_M_S2 * up + _sway(times_s, rng)
    if mishap.kind == "kick":
        return held
    flight = _centripetal(mishap.spin_rad_s, times_s, rng)
    middle_s, _deviation = _release(mishap.letting_go_s, mishap.lean)
    since_s = times_s + mishap.fall_s + middle_s
    loose = _loose(since_s / mishap.letting_go_s, mishap.lean)[:, None]
    pushed_from_s = -mishap.fall_s - mishap.push_s
    pushing = (times_s > pushed_from_s) & (times_s <= 0)
    push = np.where(pushing[:, None], mishap.push_m_s2 * _throw(up, rng), 0.0)
    return np.asarray((1 - loose) * (held + push) + loose * flight)


def _loose(part: Floats, lean: float) -> Floats:
    """Share of the support that is gone: 0 to 1 while ``part`` goes from 0 to 1."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(part, 0.0, 1.0) ** lean))


def _release(letting_go_s: float, lean: float) -> tuple[float, float]:
    """Return mean and deviation of the moment of release, s from its beginning."""
    part = (np.arange(1000) + 0.5) / 1000
    weight = np.diff(_loose(np.arange(1001) / 1000, lean))
    mean = float(weight @ part)
    deviation = float(np.sqrt(weight @ (part - mean) ** 2))
    return letting_go_s * mean, letting_go_s * deviation


def _throw(up: Floats, rng: np.random.Generator) -> Floats:
    vector = up + rng.uniform(0.5, 1.5) * _unit(rng)
    return np.asarray(vector / np.linalg.norm(vector))


def _sway(times_s: Floats, rng: np.random.Generator) -> Floats:
    """Steps, hands and conveyor: a few slow waves of some tenths of m/s2."""
    total = np.zeros((times_s.size, 3))
    for _ in range(4):
        wave = np.sin(2 * np.pi * rng.uniform(1.0, 25.0) * times_s + rng.uniform(0, 6))
        total += np.outer(wave, rng.normal(0.0, 0.3, 3))
    return total


def _centripetal(spin: float, times_s: Floats, rng: np.random.Generator) -> Floats:
    """W x (w x r) + dw/dt x r of a free symmetric top, and a little drag."""
    tilt = float(rng.uniform(0.0, 0.6))
    nutation = 0.3 * spin * np.cos(tilt)
    phase = nutation * times_s + rng.uniform(0, 6)
    side, along = spin * np.sin(tilt), spin * np.cos(tilt)
    turn = np.stack([side * np.cos(phase), side * np.sin(phase), 0 * phase + along], 1)
    change = nutation * np.stack([-turn[:, 1], turn[:, 0], 0 * phase], 1)
    r = np.broadcast_to(np.array(OFFSET_M), turn.shape)
    drag = 0.006 * (G_M_S2 * np.maximum(times_s - times_s[0], 0.0)) ** 2 / 9.0
    swing = np.cross(turn, np.cross(turn, r)) + np.cross(change, r)
    return np.asarray(swing + np.outer(drag, [0.0, 0.0, 1.0]))


def _impact(mishap: Mishap, times_s: Floats, rng: np.random.Generator) -> Floats:
    """A lopsided pulse of the given impulse, off the centre, with its ringing."""
    last_s = float(rng.uniform(0.007, 0.016))
    inside = (times_s >= 0) & (times_s < last_s)
    lean = float(rng.uniform(0.75, 1.35))
    part = np.clip(times_s / last_s, 0.0, 1.0) ** lean
    pulse = np.where(inside, np.sin(np.pi * part), 0.0)
    pulse *= mishap.velocity_change_m_s / (pulse.sum() / FINE_HZ)
    after = np.maximum(times_s - last_s, 0.0)
    tone_hz, share = rng.uniform(90, 300), rng.uniform(0.03, 0.15)
    fading = np.exp(-after / rng.uniform(0.004, 0.012)) * (after > 0)
    ringing = share * pulse.max() * fading * np.sin(2 * np.pi * tone_hz * after)
    blow = _blow(mishap, rng)
    # Struck off the centre the package turns: the wall gets more or less than the rest.
    turning = np.cross(rng.normal(0.0, 1.0, 3), np.array(OFFSET_M))
    return np.outer(pulse + ringing, blow + turning)


def _blow(mishap: Mishap, rng: np.random.Generator) -> Floats:
    if mishap.kind != "kick":
        return _unit(rng)
    angle = rng.uniform(0, 2 * np.pi)
    blow = np.array([np.cos(angle), np.sin(angle), rng.normal(0.0, 0.15)])
    return np.asarray(blow / np.linalg.norm(blow))


def _sample(
    force: Floats, channel: int, lead_s: float, rng: np.random.Generator
) -> Recording:
    """Filter (two poles), add noise and offset, clip and round; any sampling phase."""
    sensor = RANGES[channel]
    smooth = _low_pass(force, sensor.corner_hz)
    step = FINE_HZ // sensor.rate_hz
    first = round((PRETRIGGER_S - lead_s) * FINE_HZ) + int(rng.integers(0, step))
    taken = smooth[first::step]
    taken = taken + rng.normal(0.0, _NOISE_M_S2[channel], taken.shape)
    taken = taken + rng.normal(0.0, _ZERO_M_S2[channel], 3)
    clipped = np.clip(taken, -sensor.limit_m_s2, sensor.limit_m_s2)
    units = np.rint(clipped * 1e6 / sensor.scale_um_s2).astype(np.int16)
    return Recording(units, sensor, first / FINE_HZ - PRETRIGGER_S)


def _low_pass(force: Floats, corner_hz: float) -> Floats:
    """Butterworth of second order, by its frequency response; edges held."""
    padded = np.concatenate((force, force[:1].repeat(256, axis=0)))
    s = 1j * np.fft.rfftfreq(len(padded), 1 / FINE_HZ) / corner_hz
    response = 1 / (1 + np.sqrt(2) * s + s**2)
    spectrum = np.fft.rfft(padded, axis=0) * response[:, None]
    return np.asarray(np.fft.irfft(spectrum, len(padded), axis=0)[: len(force)])
