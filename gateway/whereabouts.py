"""Where the container is, as position records and events."""

from collections.abc import Iterable
from typing import Final

from gateway.estimator.geofence import Crossing, Fences, Point
from gateway.estimator.track import Step, Track
from schemas.commands import Assign
from schemas.events import Event, EventKind, Severity
from schemas.readings import Fix, PositionReading
from schemas.records import Position
from schemas.units import NS_PER_S

# A doubt that goes on is stated again after this long, not with every fix.
DOUBT_EVERY_NS: Final = 600 * NS_PER_S


class Whereabouts:
    """Follows one receiver: the track, the doubts, places and route."""

    def __init__(self) -> None:
        self._track = Track()
        self._fences = Fences((), ())
        self._heard: tuple[PositionReading, int] | None = None
        self._step: Step | None = None
        self._believed: tuple[Point, int] | None = None
        self._doubted: dict[str, int] = {}

    def follow(self, assignment: Assign | None) -> None:
        """Follow the places and the route of a shipment, or none."""
        places, route = (
            ((), ())
            if assignment is None
            else (
                assignment.places,
                assignment.route,
            )
        )
        self._fences = Fences(places, route)

    def take(
        self,
        reading: PositionReading,
        boot_ns: int,
        pressure_hpa: float | None,
        *,
        is_airborne: bool,
    ) -> list[Event]:
        """Take what the receiver says; return what happened."""
        # Where the fix was lost, the last place of the interval stays, with its age.
        if self._heard is None or reading.fix is not Fix.NONE:
            self._heard = (reading, boot_ns)
        ambient_hpa = None if is_airborne else pressure_hpa
        step = self._track.take(reading, boot_ns, ambient_hpa)
        if step is None or is_airborne:
            return []
        self._step = step
        if not step.is_taken:
            return list(self._doubts(reading.sensor, step, boot_ns))
        self._believed = (step.point, boot_ns)
        crossings = self._fences.take(step.point, boot_ns)
        events = [_crossing(reading.sensor, one, boot_ns) for one in crossings]
        return [*self._doubts(reading.sensor, step, boot_ns), *events]

    def position(self, boot_ns: int) -> Position | None:
        """Return the latest position since the last one was asked for."""
        if self._heard is None:
            return None
        reading, heard_ns = self._heard
        self._heard = None
        age_ns = max(0, boot_ns - heard_ns)
        if reading.fix is Fix.NONE:
            return self._without_fix(reading, age_ns, boot_ns)
        step, self._step = self._step, None
        return Position(
            sensor=reading.sensor,
            fix=reading.fix,
            age_ns=age_ns,
            latitude_deg=reading.latitude_deg,
            longitude_deg=reading.longitude_deg,
            altitude_m=reading.altitude_m,
            measured_at_ns=reading.measured_at_ns,
            speed_m_s=reading.speed_m_s,
            track_deg=reading.track_deg,
            hdop=reading.hdop,
            satellites=reading.satellites,
            position_u_m=None if step is None else step.point.u_m,
            doubts=() if step is None else step.doubts,
            places=self._fences.inside,
            dwell_ns=self._fences.dwell_ns(boot_ns),
        )

    def _without_fix(
        self, reading: PositionReading, age_ns: int, boot_ns: int
    ) -> Position:
        """Without a fix there is no place, whatever digits the receiver printed."""
        last, at_ns = self._believed or (None, boot_ns)
        return Position(
            sensor=reading.sensor,
            fix=reading.fix,
            age_ns=age_ns,
            measured_at_ns=reading.measured_at_ns,
            satellites=reading.satellites,
            last_latitude_deg=None if last is None else last.latitude_deg,
            last_longitude_deg=None if last is None else last.longitude_deg,
            last_fix_age_ns=None if last is None else max(0, boot_ns - at_ns),
        )

    def _doubts(self, sensor: str, step: Step, boot_ns: int) -> Iterable[Event]:
        if step.jump is not None:
            yield _jump(sensor, step, boot_ns)
        for doubt in step.doubts:
            # A single fix off the track is noise; five are a jump. What follows the
            # first three words of a doubt are its figures.
            kind = " ".join(doubt.split()[:3])
            if doubt in ("jump", "off the track") or not self._is_news(kind, boot_ns):
                continue
            yield Event(
                what=EventKind.POSITION_DOUBT,
                severity=Severity.WARNING,
                from_boot_ns=boot_ns,
                text=f"position in doubt: {doubt}",
                sensor=sensor,
                reason="indicator",
            )

    def _is_news(self, kind: str, boot_ns: int) -> bool:
        before_ns = self._doubted.get(kind)
        if before_ns is not None and boot_ns - before_ns < DOUBT_EVERY_NS:
            return False
        self._doubted[kind] = boot_ns
        return True


def _jump(sensor: str, step: Step, boot_ns: int) -> Event:
    jump = step.jump
    distance_m = 0.0 if jump is None else jump.distance_m
    return Event(
        what=EventKind.POSITION_DOUBT,
        severity=Severity.WARNING,
        from_boot_ns=boot_ns,
        text=f"position jumped by {distance_m:.0f} m: five fixes in a row are off "
        "the track",
        sensor=sensor,
        value=distance_m,
        unit="m",
        reason="jump",
    )


def _crossing(sensor: str, crossing: Crossing, boot_ns: int) -> Event:
    is_route = crossing.name == "route"
    verb = "back on the" if is_route else "entered"
    if not crossing.is_inside:
        verb = "off the" if is_route else "left"
    is_off = is_route and not crossing.is_inside
    return Event(
        what=EventKind.ROUTE_DEVIATION if is_route else EventKind.PLACE,
        severity=Severity.WARNING if is_off else Severity.INFO,
        from_boot_ns=boot_ns,
        text=f"{verb} {crossing.name}",
        sensor=sensor if is_route else crossing.name,
        value=crossing.distance_m,
        limit=crossing.limit_m,
        unit="m",
        reason="inside" if crossing.is_inside else "outside",
    )
