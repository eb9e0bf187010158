"""Is the container in the air? Two independent conditions decide, both ways.

Off the ground: the pressure falls as a cabin's does *and* either the receiver shows a
speed no road vehicle has, or all of the fall came after its last fix. A cabin's fall
is :data:`CLIMB_HPA` within :data:`CLIMB_S`, or earlier a steady one:
:data:`STEADY_HPA` in each quarter of :data:`STEADY_S` (a jet's cabin falls 11 hPa a
minute; a lift stops before, a tunnel climbs a third of that). With the speed of an
aircraft :data:`FAST_HPA` in that time is enough.

A gateway that starts again goes on with what it remembers: in the air it stays in the
air; one that remembers the ground and finds the pressure of a cabin, far below the
ground's, without a fix, is in the air.

On the ground again: the pressure has been level for :data:`LEVEL_S` *and* the
receiver shows a road speed; or, at a value that no jet's cabin has at cruise, the
cabin came down before and has been level for longer still, or (a low cabin that never
came down, or a mountain road without a fix) it has been level for longer than such a
leg lasts; or the longest flight there is has passed.

A fix is one of the last :data:`FIX_HOLDS_S`: a receiver that was unplugged says
nothing. A speed that is missing is neither fast nor slow. The numbers are wide on
purpose: a mountain road falls 9 hPa/min too, but with a fix and at road speed.
Source of the cabin profile: 75 to 80 kPa at cruise.
"""

from collections import deque
from enum import StrEnum
from itertools import pairwise
from typing import Final

import msgspec

from schemas.readings import Fix
from schemas.units import NS_PER_S

CLIMB_HPA: Final = 40.0
CLIMB_S: Final = 900
STEADY_HPA: Final = 3.0
STEADY_S: Final = 120
FAST_HPA: Final = 10.0
LONGEST_FLIGHT_S: Final = 18 * 3600
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


class FlightMemory(msgspec.Struct, frozen=True):
    """What a restart must not forget."""

    is_airborne: bool = False
    lowest_hpa: float = 0.0
    latest_hpa: float | None = None


class FlightMonitor:
    """Follows pressure and fixes; says when the container leaves or regains ground."""

    def __init__(self) -> None:
        self.is_airborne = False
        self._pressures: deque[tuple[int, float]] = deque()
        self._lowest_hpa = 0.0
        self._since_ns: int | None = None
        self._remembered_hpa: float | None = None
        self._speed_m_s: float | None = None
        self._fix_boot_ns: int | None = None
        self._has_fix = False

    @property
    def memory(self) -> FlightMemory:
        """What to go on with after a restart."""
        latest = self._pressures[-1][1] if self._pressures else self._remembered_hpa
        return FlightMemory(self.is_airborne, self._lowest_hpa, latest)

    def resume(self, memory: FlightMemory) -> None:
        """Go on where another run ended, before the first reading."""
        self.is_airborne = memory.is_airborne
        self._lowest_hpa = memory.lowest_hpa
        self._remembered_hpa = memory.latest_hpa

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
        if self._since_ns is None:
            self._since_ns = boot_ns
        if self._is_grounded(boot_ns, pressure_hpa):
            self.is_airborne = False
            self._since_ns = None
            return FlightChange.LANDED
        return None

    def _take_off(self, boot_ns: int, pressure_hpa: float) -> FlightChange | None:
        woke = self._woke_in_a_cabin(boot_ns, pressure_hpa)
        if not woke and not self._climbs(boot_ns, pressure_hpa):
            return None
        self.is_airborne, self._since_ns = True, boot_ns
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
            soon_ns = boot_ns - STEADY_S * NS_PER_S
            return is_fast and (
                self._fell(soon_ns, pressure_hpa, FAST_HPA)
                or self._fell(start_ns, pressure_hpa, CLIMB_HPA)
            )
        if self._fix_boot_ns is not None:
            start_ns = max(start_ns, self._fix_boot_ns)
        return self._fell(start_ns, pressure_hpa, CLIMB_HPA) or self._falls_steadily(
            boot_ns, pressure_hpa
        )

    def _fell(self, start_ns: int, pressure_hpa: float, least_hpa: float) -> bool:
        recent = self._since(start_ns)
        return max(recent, default=pressure_hpa) - pressure_hpa >= least_hpa

    def _falls_steadily(self, boot_ns: int, pressure_hpa: float) -> bool:
        """Say whether each quarter of the last minutes fell, all after the last fix."""
        quarter_ns = STEADY_S * NS_PER_S // 4
        start_ns = boot_ns - STEADY_S * NS_PER_S
        if self._fix_boot_ns is not None and self._fix_boot_ns > start_ns:
            return False
        marks = [self._at(boot_ns - k * quarter_ns) for k in (4, 3, 2, 1)]
        steps = pairwise((*marks, pressure_hpa))
        return all(
            a is not None and b is not None and a - b >= STEADY_HPA for a, b in steps
        )

    def _woke_in_a_cabin(self, boot_ns: int, pressure_hpa: float) -> bool:
        """Say whether this run began in the air and the one before on the ground."""
        ground_hpa = self._remembered_hpa
        if ground_hpa is None:
            return False
        if self._has_fix or pressure_hpa >= GROUND_HPA:
            self._remembered_hpa = None
            return False
        waited_ns = boot_ns - self._pressures[0][0]
        is_low = ground_hpa - pressure_hpa >= CLIMB_HPA
        return is_low and waited_ns >= STEADY_S * NS_PER_S

    def _is_grounded(self, boot_ns: int, pressure_hpa: float) -> bool:
        if self._fresh_fix(boot_ns) and self._speed_m_s is not None:
            is_slow = self._speed_m_s < ROAD_SPEED_M_S
            return is_slow and self._is_level(boot_ns, LEVEL_S, pressure_hpa)
        if boot_ns - (self._since_ns or boot_ns) > LONGEST_FLIGHT_S * NS_PER_S:
            return True
        if pressure_hpa < GROUND_HPA:
            return False
        came_down = pressure_hpa - self._lowest_hpa >= DESCENT_HPA
        span_s = LEVEL_WITHOUT_FIX_S if came_down else LEVEL_WITHOUT_DESCENT_S
        return self._is_level(boot_ns, span_s, pressure_hpa)

    def _is_level(self, boot_ns: int, span_s: int, pressure_hpa: float) -> bool:
        start_ns = boot_ns - span_s * NS_PER_S
        if self._pressures[0][0] > start_ns + _LOOSE_S * NS_PER_S:
            return False
        values = [pressure_hpa, *self._since(start_ns)]
        return max(values) - min(values) < LEVEL_HPA

    def _at(self, at_ns: int) -> float | None:
        """Return the pressure that was kept last before an instant."""
        for kept_ns, value in reversed(self._pressures):
            if kept_ns <= at_ns:
                is_near = at_ns - kept_ns <= _LOOSE_S * NS_PER_S
                return value if is_near else None
        return None

    def _since(self, start_ns: int) -> list[float]:
        """Return the pressures that were kept since ``start_ns``."""
        values = []
        for at_ns, value in reversed(self._pressures):
            if at_ns < start_ns:
                break
            values.append(value)
        return values
