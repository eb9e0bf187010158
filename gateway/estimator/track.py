"""Where the container is: fixes through a constant-velocity filter, with doubts.

State: east, north and their rates on a plane through the first fix, moved along with
it; white acceleration :data:`ACCELERATION_M_S2`. A fix is taken when its distance
from the prediction is within the 99.9 % ellipse; five in a row that are not are a
jump: the filter begins anew where they are, and the jump is stated. After hours
without a fix the prediction is so wide that any fix is taken: that is no jump.

Doubts are indicators, never proof: a date that does not go on as boot time does, a
speed that no vehicle on the ground has, a signal that is too good or too even, an
altitude that the barometer does not share. Source of the gate: chi-square with two
degrees of freedom, 13.82.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.estimator.geofence import Point, east_north_m
from schemas.readings import Fix, PositionReading
from schemas.units import NS_PER_S

ACCELERATION_M_S2: Final = 1.5
# Standard error of a fix by axis at a dilution of 1, and where no dilution is given.
RANGE_ERROR_M: Final = 5.0
UNKNOWN_HDOP: Final = 2.0
LEAST_HDOP: Final = 0.6
GATE: Final = 13.82
REJECTIONS: Final = 5
FIRST_SPEED_M_S: Final = 40.0
# A train; only an aircraft is faster, and it is silent about it.
FASTEST_ON_GROUND_M_S: Final = 90.0
# A date may be this late behind boot time, by buffers and busy machines.
CLOCK_STEP_S: Final = 60.0
# Barometer and receiver may part by weather and by what altitude a receiver has.
ALTITUDE_STEP_M: Final = 150.0
_M_PER_HPA: Final = 8.3
_PLANE_M: Final = 20_000.0


@dataclass(frozen=True, slots=True)
class Jump:
    """The fixes went on somewhere else."""

    distance_m: float
    speed_m_s: float


@dataclass(frozen=True, slots=True)
class Step:
    """What one fix did: where the container is now, and what speaks against it."""

    point: Point
    is_taken: bool
    doubts: tuple[str, ...]
    jump: Jump | None = None


class Track:
    """Follows the fixes of one receiver."""

    def __init__(self) -> None:
        self._origin: Point | None = None
        self._east = [0.0, 0.0]
        self._north = [0.0, 0.0]
        self._p = [0.0, 0.0, 0.0]
        self._at_s = 0.0
        self._rejected = 0
        self._clock: tuple[int, int] | None = None
        self._dated: tuple[int, float] | None = None
        self._is_stepped = False
        self._heights: tuple[float, float] | None = None

    @property
    def point(self) -> Point | None:
        """Where the filter last was; absent before the first fix."""
        return None if self._origin is None else self._point()

    def take(
        self, reading: PositionReading, boot_ns: int, pressure_hpa: float | None
    ) -> Step | None:
        """Take a fix; None where the reading has none.

        Args:
            reading: of the receiver.
            boot_ns: when it was heard.
            pressure_hpa: ambient pressure; absent where it says nothing of altitude,
                as in a cabin.
        """
        latitude_deg, longitude_deg = reading.latitude_deg, reading.longitude_deg
        if reading.fix is Fix.NONE or latitude_deg is None or longitude_deg is None:
            return None
        doubts = [*self._doubt_time(reading, boot_ns), *_doubt_signal(reading)]
        doubts += self._doubt_altitude(reading, pressure_hpa)
        hdop = UNKNOWN_HDOP if reading.hdop is None else max(reading.hdop, LEAST_HDOP)
        fix = Point(latitude_deg, longitude_deg, RANGE_ERROR_M * hdop)
        at_s = self._instant_s(reading, boot_ns)
        if self._origin is None:
            self._begin(fix, at_s)
            return Step(self._point(), True, tuple(doubts))
        return self._go_on(fix, at_s, [*doubts, *_doubt_speed(reading)])

    def _instant_s(self, reading: PositionReading, boot_ns: int) -> float:
        """Return when the fix was taken: by its own date where that goes on well.

        Bytes arrive late, never early, and a vehicle moves meanwhile.
        """
        if reading.measured_at_ns is None or self._is_stepped:
            self._dated = None
            return boot_ns / NS_PER_S
        if self._dated is None:
            self._dated = (reading.measured_at_ns, max(self._at_s, boot_ns / NS_PER_S))
        began_ns, began_s = self._dated
        return began_s + (reading.measured_at_ns - began_ns) / NS_PER_S

    def _go_on(self, fix: Point, at_s: float, doubts: list[str]) -> Step:
        elapsed_s = max(at_s - self._at_s, 0.0)
        self._predict(elapsed_s)
        self._at_s = max(at_s, self._at_s)
        east, north = self._seen(fix)
        away = (east - self._east[0], north - self._north[0])
        spread = self._p[0] + fix.u_m**2
        if (away[0] ** 2 + away[1] ** 2) / spread <= GATE:
            self._rejected = 0
            self._update(away, spread)
            self._move_plane()
            return Step(self._point(), True, tuple(doubts))
        self._rejected += 1
        if self._rejected < REJECTIONS:
            return Step(self._point(), False, (*doubts, "off the track"))
        distance_m = math.hypot(*away)
        jump = Jump(distance_m, distance_m / max(elapsed_s * REJECTIONS, 1e-3))
        self._begin(fix, at_s)
        return Step(self._point(), True, (*doubts, "jump"), jump)

    def _begin(self, fix: Point, at_s: float) -> None:
        self._origin, self._at_s, self._rejected = fix, at_s, 0
        self._east, self._north = [0.0, 0.0], [0.0, 0.0]
        self._p = [fix.u_m**2, 0.0, FIRST_SPEED_M_S**2]

    def _predict(self, dt: float) -> None:
        """P = F P F' + Q with Q of white acceleration; both axes share P."""
        for axis in (self._east, self._north):
            axis[0] += axis[1] * dt
        p00, p01, p11 = self._p
        q = ACCELERATION_M_S2**2
        self._p = [
            p00 + 2 * dt * p01 + dt**2 * p11 + q * dt**3 / 3,
            p01 + dt * p11 + q * dt**2 / 2,
            p11 + q * dt,
        ]

    def _update(self, away: tuple[float, float], spread: float) -> None:
        p00, p01, p11 = self._p
        gain, rate_gain = p00 / spread, p01 / spread
        for axis, error in zip((self._east, self._north), away, strict=True):
            axis[0] += gain * error
            axis[1] += rate_gain * error
        self._p = [(1 - gain) * p00, (1 - gain) * p01, p11 - rate_gain * p01]

    def _seen(self, fix: Point) -> tuple[float, float]:
        origin = self._origin or fix
        return east_north_m(fix.latitude_deg, fix.longitude_deg, origin)

    def _move_plane(self) -> None:
        """Keep the plane near: its error grows with the square of the distance."""
        if math.hypot(self._east[0], self._north[0]) > _PLANE_M:
            self._origin = self._point()
            self._east[0] = self._north[0] = 0.0

    def _point(self) -> Point:
        origin = self._origin or Point(0.0, 0.0, 0.0)
        latitude, longitude = _degrees(origin, self._east[0], self._north[0])
        return Point(latitude, longitude, math.sqrt(self._p[0]))

    def _doubt_time(self, reading: PositionReading, boot_ns: int) -> Iterable[str]:
        measured_ns = reading.measured_at_ns
        if measured_ns is None:
            return
        before, self._clock = self._clock, (measured_ns, boot_ns)
        if before is None:
            return
        went_on_ns = (measured_ns - before[0]) - (boot_ns - before[1])
        # A clock may be set slowly: a part in a thousand of the time in between.
        allowed_ns = CLOCK_STEP_S * NS_PER_S + abs(boot_ns - before[1]) / 1000
        self._is_stepped = abs(went_on_ns) > allowed_ns
        if self._is_stepped:
            yield f"the date stepped by {went_on_ns / NS_PER_S:+.0f} s"

    def _doubt_altitude(
        self, reading: PositionReading, pressure_hpa: float | None
    ) -> Iterable[str]:
        height_m = reading.altitude_m
        if pressure_hpa is None or height_m is None or reading.fix is not Fix.FIX_3D:
            self._heights = None
            return
        here = (height_m, (1013.25 - pressure_hpa) * _M_PER_HPA)
        if self._heights is None:
            self._heights = here
            return
        parted_m = (here[0] - self._heights[0]) - (here[1] - self._heights[1])
        if abs(parted_m) > ALTITUDE_STEP_M + abs(here[1] - self._heights[1]) / 4:
            self._heights = here
            yield f"altitude and barometer part by {parted_m:+.0f} m"


def _degrees(origin: Point, east_m: float, north_m: float) -> tuple[float, float]:
    """Return the point that :func:`east_north_m` would see there."""
    radius_m = 6_371_008.8
    latitude = origin.latitude_deg + math.degrees(north_m / radius_m)
    shrink = math.cos(math.radians((latitude + origin.latitude_deg) / 2))
    turn = math.degrees(east_m / radius_m / max(shrink, 1e-9))
    longitude = (origin.longitude_deg + turn + 180.0) % 360.0 - 180.0
    return min(max(latitude, -90.0), 90.0), longitude


def _doubt_speed(reading: PositionReading) -> Iterable[str]:
    speed = reading.speed_m_s
    if speed is not None and speed > FASTEST_ON_GROUND_M_S:
        yield f"a speed of {speed:.0f} m/s"


def _doubt_signal(reading: PositionReading) -> Iterable[str]:
    """A fix that its own satellites cannot give."""
    satellites = reading.satellites
    needed = 4 if reading.fix is Fix.FIX_3D else 3
    if satellites is not None and 0 < satellites < needed:
        yield f"a {reading.fix} fix from {satellites} satellites"
    if reading.hdop is not None and 0 < reading.hdop < 0.3:
        yield f"a dilution of {reading.hdop:g}, better than any sky gives"
