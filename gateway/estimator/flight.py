"""Is the container in the air? Two independent conditions decide, both ways.

Off the ground: the pressure fell by :data:`CLIMB_HPA` within :data:`CLIMB_S` (a
cabin climbs to 2,000 m in 20 minutes) *and* either the receiver shows a speed no
road vehicle has, or all of the fall came after its last fix. On the ground again: the
pressure has been level for :data:`LEVEL_S` at a value no jet's cabin has at cruise
*and* the receiver shows a road speed, or the cabin came down before and has been
level for longer still, or (a low cabin that never came down, or a mountain road
without a fix) it has been level for longer than such a leg lasts.

A fix is one of the last :data:`FIX_HOLDS_S`: a receiver that was unplugged says
nothing. A speed that is missing is neither fast nor slow. The numbers are wide on
purpose: a mountain road falls 9 hPa/min too, but with a fix and at road speed.
Source of the cabin profile: 75 to 80 kPa at cruise.
"""

from collections import deque
from enum import StrEnum
from typing import Final

from schemas.readings import Fix
from schemas.units import NS_PER_S

CLIMB_HPA: Final = 40.0
CLIMB_S: Final = 900
AIR_SPEED_M_S: Final = 60.0
ROAD_SPEED_M_S: Final = 45.0
LEVEL_S: Final = 600
LEVEL_WITHOUT_FIX_S: Final = 1800
LEVEL_WITHOUT_DESCENT_S: Final = 3 * 3600
DESCENT_HPA: Final = 10.0
FIX_HOLDS_S: Final = 60
LEVEL_HPA: Final = 3.0
# Highest airport pressure altitude served: 850 hPa is 1,450 m; cabins cruise below.
GROUND_HPA: Final = 850.0
_KEPT_S: Final = LEVEL_WITHOUT_DESCENT_S
# One pressure in this time is kept: slow enough to be cheap, fast against a climb.
_STEP_S: Final = 10
_LOOSE_S: Final = 60


class FlightChange(StrEnum):
    """What changed."""

    TOOK_OFF = "took-off"
    LANDED = "landed"


class FlightMonitor:
    """Follows pressure and fixes; says when the container leaves or regains ground."""

    def __init__(self) -> None:
        self.is_airborne = False
        self._pressures: deque[tuple[int, float]] = deque()
        self._lowest_hpa = 0.0
        self._speed_m_s: float | None = None
        self._fix_boot_ns: int | None = None
        self._has_fix = False

    def take_fix(self, boot_ns: int, fix: Fix, speed_m_s: float | None) -> None:
        """Take what the position receiver says."""
        self._has_fix = fix is not Fix.NONE
        if self._has_fix:
            self._fix_boot_ns = boot_ns
            self._speed_m_s = speed_m_s

    def take_pressure(self, boot_ns: int, pressure_hpa: float) -> FlightChange | None:
        """Take a pressure; return a change of state, if it brings one."""
        kept = self._pressures
        if not kept or boot_ns - kept[-1][0] >= _STEP_S * NS_PER_S:
            kept.append((boot_ns, pressure_hpa))
        while boot_ns - kept[0][0] > (_KEPT_S + _LOOSE_S) * NS_PER_S:
            kept.popleft()
        if not self.is_airborne:
            return self._take_off(boot_ns, pressure_hpa)
        self._lowest_hpa = min(self._lowest_hpa, pressure_hpa)
        if self._is_grounded(boot_ns, pressure_hpa):
            self.is_airborne = False
            return FlightChange.LANDED
        return None

    def _take_off(self, boot_ns: int, pressure_hpa: float) -> FlightChange | None:
        if not self._climbs(boot_ns, pressure_hpa):
            return None
        self.is_airborne = True
        self._lowest_hpa = pressure_hpa
        return FlightChange.TOOK_OFF

    def _fresh_fix(self, boot_ns: int) -> bool:
        if not self._has_fix or self._fix_boot_ns is None:
            return False
        return boot_ns - self._fix_boot_ns <= FIX_HOLDS_S * NS_PER_S

    def _climbs(self, boot_ns: int, pressure_hpa: float) -> bool:
        start_ns = boot_ns - CLIMB_S * NS_PER_S
        if self._fresh_fix(boot_ns):
            is_fast = self._speed_m_s is not None and self._speed_m_s > AIR_SPEED_M_S
            return is_fast and self._fell(start_ns, pressure_hpa)
        if self._fix_boot_ns is not None:
            start_ns = max(start_ns, self._fix_boot_ns)
        return self._fell(start_ns, pressure_hpa)

    def _fell(self, start_ns: int, pressure_hpa: float) -> bool:
        recent = self._since(start_ns)
        return max(recent, default=pressure_hpa) - pressure_hpa >= CLIMB_HPA

    def _is_grounded(self, boot_ns: int, pressure_hpa: float) -> bool:
        if pressure_hpa < GROUND_HPA:
            return False
        if self._fresh_fix(boot_ns) and self._speed_m_s is not None:
            is_slow = self._speed_m_s < ROAD_SPEED_M_S
            return is_slow and self._is_level(boot_ns, LEVEL_S, pressure_hpa)
        came_down = pressure_hpa - self._lowest_hpa >= DESCENT_HPA
        span_s = LEVEL_WITHOUT_FIX_S if came_down else LEVEL_WITHOUT_DESCENT_S
        return self._is_level(boot_ns, span_s, pressure_hpa)

    def _is_level(self, boot_ns: int, span_s: int, pressure_hpa: float) -> bool:
        start_ns = boot_ns - span_s * NS_PER_S
        if self._pressures[0][0] > start_ns + _LOOSE_S * NS_PER_S:
            return False
        values = [pressure_hpa, *self._since(start_ns)]
        return max(values) - min(values) < LEVEL_HPA

    def _since(self, start_ns: int) -> list[float]:
        """Return the pressures that were kept since ``start_ns``."""
        values = []
        for at_ns, value in reversed(self._pressures):
            if at_ns < start_ns:
                break
            values.append(value)
        return values
