"""What the waveforms of an impact say: drop, kick or toss, how far, how hard.

Two accelerometers see one impact. The high range gives the blow: its touch, peak,
velocity change, duration and spectrum. The low range gives the fall before it.

Free fall is not zero: off the centre of mass a spin shows as an acceleration that
hardly changes, up to more than g. So the fall is the longest stretch before the touch
that goes on as it ended, and it begins where a support was let go: half way between
the level before and the level of the fall. A stretch at the level of g in one
direction is rest and no fall.

    h = g t^2 / 2        u_h = g t u_t
    R = dV / (g t)       drop: 1 + e;  toss: less, for a part of t it flew upwards;
                         kick: no fall, or far more than the fall can give

A drop's height is that of its fall. For a kick or a toss it is the height of the drop
that would change the velocity as much, with the container's restitution e::

    h = (dV / (1 + e))^2 / 2g

Source: drop-height recorders (two channels, pre-trigger); free fall and impact as in
any textbook; the three classes and their shares from a study of parcels.
"""

import math
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from gateway.estimator import srs
from gateway.estimator.kernels import Floats
from schemas.findings import Handling, ShockFinding
from schemas.units import STANDARD_GRAVITY_M_S2 as G_M_S2

# A fall shorter than this is a step over a kerb: 31 mm.
SHORTEST_FALL_S: Final = 0.08
# A change from one low-range sample to what the fall goes on as, beyond noise: m/s2.
LET_GO_M_S2: Final = 2.0
# Level and direction of rest: within this of g, turning less than this on the way.
REST_M_S2: Final = 1.0
REST_TURN: Final = 0.15
# A hand that throws adds this to g, on average over what can be seen of it.
PUSH_M_S2: Final = 3.5
PUSH_S: Final = 0.1
# The velocity changes by up to this many times that of the fall: elastic is 2.
MOST_OF_A_FALL: Final = 2.0
# How exactly a letting go is dated (k = 1), s: it takes a hand 3 to 15 ms.
LET_GO_U_S: Final = 0.003
# Filter, turning about the centre, gravity in the blow: share of dV (k = 1).
VELOCITY_U_RATIO: Final = 0.08
THRESHOLD: Final = 0.1
_LEAD: Final = 4
# The rate at which falls are looked at; a faster low range is averaged down to it.
FALL_RATE_HZ: Final = 400.0
_FITTED: Final = 16
_APART: Final = 8
# Letting go is looked for in this many samples around where the fall seems to begin.
_LET_GO_SAMPLES: Final = 24


class Ruggedness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the container bears, from its drop qualification; restitution with u."""

    restitution: float = 0.25
    restitution_u: float = 0.1
    critical_acceleration_m_s2: float | None = None
    critical_velocity_change_m_s: float | None = None

    def damage_ratio(self, peak_m_s2: float, change_m_s: float) -> float | None:
        """Return severity over the damage boundary: both must be beyond it.

        Source: ASTM D3332, damage boundary by critical acceleration and velocity.
        """
        acceleration = self.critical_acceleration_m_s2
        velocity = self.critical_velocity_change_m_s
        if acceleration is None or velocity is None:
            return None
        return min(peak_m_s2 / acceleration, change_m_s / velocity)


@dataclass(frozen=True, slots=True)
class Trace:
    """One accelerometer around an impact: (n, 3) m/s2, first sample at ``start_s``."""

    samples: Floats
    rate_hz: float
    corner_hz: float
    start_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Blow:
    touch_s: float
    peak_m_s2: float
    duration_s: float
    change: Floats
    along: Floats
    is_clipped: bool

    @property
    def change_m_s(self) -> float:
        return float(np.linalg.norm(self.change))


@dataclass(frozen=True, slots=True)
class _Fall:
    seconds: float
    u_s: float
    is_pushed: bool


def assess(high: Trace, low: Trace | None, rugged: Ruggedness) -> ShockFinding:
    """Return what the waveforms of one impact say.

    Args:
        high: the high range, its first samples before the touch.
        low: the low range on the same time base; absent where it was not kept, then
            nothing is said of a fall.
        rugged: the container.
    """
    blow = _blow(high)
    fall = None if low is None else _fall(low, blow.touch_s)
    handling = _handling(low, fall, blow, rugged)
    height_m, height_u_m = _height(handling, fall, blow, rugged)
    spectra = srs.spectrum(blow.along, high.rate_hz)
    return ShockFinding(
        handling=handling,
        peak_m_s2=blow.peak_m_s2,
        rate_hz=high.rate_hz,
        filter_corner_hz=high.corner_hz,
        duration_s=blow.duration_s,
        velocity_change_m_s=blow.change_m_s,
        velocity_change_u_m_s=VELOCITY_U_RATIO * blow.change_m_s,
        is_clipped=blow.is_clipped,
        fall_s=None if fall is None else fall.seconds,
        drop_height_m=height_m,
        drop_height_u_m=height_u_m,
        damage_ratio=rugged.damage_ratio(blow.peak_m_s2, blow.change_m_s),
        srs_maximax_m_s2=_short(spectra[srs.MAXIMAX]),
        srs_positive_m_s2=_short(spectra[srs.POSITIVE]),
        srs_negative_m_s2=_short(spectra[srs.NEGATIVE]),
    )


def _short(values: Floats) -> tuple[float, ...]:
    """Round to what a half-precision float holds: 0.05 %, three bytes on the wire."""
    held = np.clip(values, 0.0, float(np.finfo(np.float16).max))
    return tuple(float(value) for value in held.astype(np.float16))


def _blow(high: Trace) -> _Blow:
    """Find the blow; its baseline is what the part reads just before the touch."""
    raw = high.samples
    first = _touch(np.linalg.norm(raw - np.median(raw[:8], axis=0), axis=1))
    # Without a stretch before the touch nothing is known of the part's zero.
    force = raw - raw[:first].mean(axis=0) if first >= _LEAD else raw
    size = np.linalg.norm(force, axis=1)
    top = int(size.argmax())
    direction = force[top] / max(float(size[top]), 1e-9)
    along = force @ direction
    end = _end(along, top)
    change = force[first : end + 1].sum(axis=0) / high.rate_hz
    return _Blow(
        touch_s=high.start_s + first / high.rate_hz,
        peak_m_s2=float(size[top]),
        duration_s=(end - first) / high.rate_hz,
        change=change,
        along=along,
        is_clipped=_is_clipped(raw),
    )


def _touch(size: Floats) -> int:
    """Return the last sample before the peak that is below 10 % of it."""
    top = int(size.argmax())
    below = np.flatnonzero(size[:top] < THRESHOLD * size[top])
    return int(below[-1]) if below.size else 0


def _end(along: Floats, top: int) -> int:
    below = np.flatnonzero(along[top:] < THRESHOLD * along[top])
    return top + int(below[0]) if below.size else len(along) - 1


def _is_clipped(raw: Floats) -> bool:
    """Say whether an axis stands at its own extreme for three samples in a row."""
    for axis in range(3):
        values = raw[:, axis]
        for extreme in (values.max(), values.min()):
            at = np.flatnonzero(values == extreme)
            if at.size >= 3 and abs(extreme) > 100.0 and (np.diff(at, n=2) == 0).any():
                return True
    return False


def _fall(low: Trace, touch_s: float) -> _Fall | None:
    """Return the fall that ends at the touch, if there is one."""
    low = _averaged(low)
    # A filter smears the blow over a sample or two before it.
    last = int((touch_s - low.start_s) * low.rate_hz) - 1
    if last < _FITTED + _APART:
        return None
    first, expected = _goes_on_since(low.samples, min(last, len(low.samples) - 1))
    if first is None:
        return None
    let_go_s = low.start_s + _let_go(low.samples, first, expected) / low.rate_hz
    is_pushed = _is_pushed(low, first)
    is_rest = not is_pushed and _is_rest(low.samples[first:last])
    if touch_s - let_go_s < SHORTEST_FALL_S or is_rest:
        return None
    u_s = math.hypot(LET_GO_U_S, 1 / low.rate_hz / math.sqrt(12))
    return _Fall(touch_s - let_go_s, u_s, is_pushed)


def _averaged(low: Trace) -> Trace:
    """Return a trace of about 400 Hz, by means of neighbours."""
    group = max(1, round(low.rate_hz / FALL_RATE_HZ))
    count = len(low.samples) // group
    means = low.samples[: count * group].reshape(count, group, 3).mean(axis=1)
    middle_s = low.start_s + (group - 1) / 2 / low.rate_hz
    return Trace(means, low.rate_hz / group, low.corner_hz, middle_s)


def _goes_on_since(samples: Floats, last: int) -> tuple[int | None, Floats]:
    """Return the first sample of the stretch that ends at ``last``, and its level.

    Going back in time each sample is compared with the straight line through samples
    that follow it at some distance, so that a support that goes slowly is seen too;
    two in a row off it end the stretch. None: it began before.
    """
    steps = np.arange(_FITTED) - (_FITTED - 1) / 2
    off = 0
    for k in range(last - _APART - _FITTED, -1, -1):
        begin = k + _APART + off
        following = samples[begin : begin + _FITTED]
        slope = steps @ following / (steps @ steps)
        expected = following.mean(axis=0) - slope * (begin - k - steps[0])
        off = off + 1 if np.linalg.norm(samples[k] - expected) > LET_GO_M_S2 else 0
        if off == 2:
            return k + 2, expected
    return None, samples[0]


def _let_go(samples: Floats, first: int, free: Floats) -> float:
    """Return where the support was half gone, in samples from the start."""
    earliest = max(0, first - _LET_GO_SAMPLES)
    before = samples[max(0, earliest - _APART) : earliest + 4].mean(axis=0)
    whole = float(np.linalg.norm(before - free))
    if whole < LET_GO_M_S2:
        return float(first)
    support = (samples - free) @ ((before - free) / whole**2)
    for k in range(min(first + _APART, len(samples) - 2), earliest, -1):
        if support[k] >= 0.5 > support[k + 1]:
            return k + float((support[k] - 0.5) / (support[k] - support[k + 1]))
    return float(first)


def _is_rest(fall: Floats) -> bool:
    """Say whether a stretch is a package that lies still: g, from one side."""
    level = fall.mean(axis=0)
    size = float(np.linalg.norm(level))
    if abs(size - G_M_S2) > REST_M_S2:
        return False
    half = len(fall) // 2
    turned = fall[:half].mean(axis=0) - fall[half:].mean(axis=0)
    return float(np.linalg.norm(turned)) < REST_TURN * G_M_S2


def _is_pushed(low: Trace, first: int) -> bool:
    """Say whether a hand pushed before it let go: more than g, for a while."""
    span = round(PUSH_S * low.rate_hz)
    before = low.samples[max(0, first - 6 - span) : max(0, first - 6)]
    if len(before) < span // 2:
        return False
    return float(np.linalg.norm(before, axis=1).mean()) > G_M_S2 + PUSH_M_S2


def _handling(
    low: Trace | None, fall: _Fall | None, blow: _Blow, rugged: Ruggedness
) -> Handling:
    if low is None:
        return Handling.UNCLASSED
    if fall is None:
        return Handling.KICK
    ratio = blow.change_m_s / (G_M_S2 * fall.seconds)
    if blow.is_clipped:
        return Handling.TOSS if fall.is_pushed else Handling.DROP
    if ratio > MOST_OF_A_FALL:
        return Handling.KICK
    least = 1.0 + rugged.restitution - 3 * rugged.restitution_u
    if fall.is_pushed or ratio < least:
        return Handling.TOSS
    return Handling.DROP


def _height(
    handling: Handling, fall: _Fall | None, blow: _Blow, rugged: Ruggedness
) -> tuple[float, float]:
    if handling is Handling.DROP and fall is not None:
        height = G_M_S2 * fall.seconds**2 / 2
        return height, G_M_S2 * fall.seconds * fall.u_s
    speed = blow.change_m_s / (1 + rugged.restitution)
    height = speed**2 / (2 * G_M_S2)
    by_rest = rugged.restitution_u / (1 + rugged.restitution)
    return height, 2 * height * math.hypot(VELOCITY_U_RATIO, by_rest)
