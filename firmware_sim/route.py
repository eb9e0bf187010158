"""Where the container is: legs over way points, on great circles.

A leg starts and ends at rest and is driven at one speed between; a flight taxies,
climbs, cruises and descends. Speeds follow from distance and time: a scenario
gives instants.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from firmware_sim.nuclear import Floats
from firmware_sim.scenario import Leg, Place, Scenario, utc_ns

EARTH_RADIUS_M: Final = 6_371_008.8
NS_PER_S: Final = 1_000_000_000
TAXI_OUT_S: Final = 600.0
TAXI_IN_S: Final = 480.0
CLIMB_S: Final = 1200.0
DESCENT_S: Final = 1500.0
TUNNEL_S_PER_MIN: Final = 60.0


@dataclass(frozen=True, slots=True)
class Position:
    """One instant of the journey, as it truly is."""

    leg: Leg
    place: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    ground_altitude_m: float
    speed_m_s: float
    track_deg: float
    terrestrial_per_s: float
    has_sky: bool
    is_airborne: bool


def distance_m(first: Place, second: Place) -> float:
    """Return the great-circle distance on the mean sphere (haversine)."""
    lat1, lat2 = np.radians(first.latitude_deg), np.radians(second.latitude_deg)
    half = np.radians(second.longitude_deg - first.longitude_deg) / 2
    root = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * (
        np.sin(half) ** 2
    )
    return float(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(root)))


def between(first: Place, second: Place, part: float) -> tuple[float, float]:
    """Return (latitude, longitude) degrees at ``part`` of the great circle."""
    start, end = _unit(first), _unit(second)
    angle = float(np.arccos(np.clip(start @ end, -1.0, 1.0)))
    if angle < 1e-9:
        return first.latitude_deg, first.longitude_deg
    weights = np.sin(angle * np.array([1.0 - part, part])) / np.sin(angle)
    x, y, z = weights[0] * start + weights[1] * end
    return float(np.degrees(np.arcsin(z))), float(np.degrees(np.arctan2(y, x)))


def _unit(place: Place) -> Floats:
    lat, lon = np.radians(place.latitude_deg), np.radians(place.longitude_deg)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def travelled(elapsed_s: float, total_s: float, ramp_s: float) -> tuple[float, float]:
    """Return part of the way (0 to 1) and speed in parts per second: a trapezoid."""
    ramp_s = min(ramp_s, total_s / 3)
    top = 1.0 / (total_s - ramp_s)
    if elapsed_s <= 0 or elapsed_s >= total_s:
        return (0.0 if elapsed_s <= 0 else 1.0), 0.0
    if elapsed_s < ramp_s:
        return top * elapsed_s**2 / (2 * ramp_s), top * elapsed_s / ramp_s
    if elapsed_s > total_s - ramp_s:
        left_s = total_s - elapsed_s
        return 1.0 - top * left_s**2 / (2 * ramp_s), top * left_s / ramp_s
    return top * (elapsed_s - ramp_s / 2), top


class _Way:
    """One leg with its way points and lengths worked out."""

    def __init__(self, leg: Leg, starts_ns: int, places: dict[str, Place]) -> None:
        self.leg = leg
        self.starts_ns = starts_ns
        self.lasts_s = (utc_ns(leg.until) - starts_ns) / NS_PER_S
        self.stops = [places[name] for name in leg.path]
        lengths = [distance_m(a, b) for a, b in pairwise(self.stops)]
        self.ends_m = np.concatenate(([0.0], np.cumsum(lengths)))

    def elapsed_s(self, at_ns: int) -> float:
        return (at_ns - self.starts_ns) / NS_PER_S

    def progress(self, elapsed_s: float) -> tuple[float, float]:
        """Return metres along the leg and metres per second."""
        length = float(self.ends_m[-1])
        if self.leg.kind == "flight":
            part, speed = travelled(
                elapsed_s - TAXI_OUT_S,
                self.lasts_s - TAXI_OUT_S - TAXI_IN_S,
                CLIMB_S / 2,
            )
        else:
            part, speed = travelled(elapsed_s, self.lasts_s, 60.0)
        return part * length, speed * length

    def section(self, along_m: float) -> tuple[int, float]:
        """Return the section between two stops and the part of it done."""
        last = len(self.stops) - 2
        found = int(np.searchsorted(self.ends_m, along_m, side="right")) - 1
        number = min(max(found, 0), last)
        length = self.ends_m[number + 1] - self.ends_m[number]
        part = (along_m - self.ends_m[number]) / length if length else 0.0
        return number, float(min(max(part, 0.0), 1.0))

    def height_m(self, elapsed_s: float) -> float:
        """Return height above the ground."""
        if self.leg.kind != "flight":
            return 0.0
        left_s = self.lasts_s - TAXI_IN_S - elapsed_s
        part = min((elapsed_s - TAXI_OUT_S) / CLIMB_S, left_s / DESCENT_S, 1.0)
        return max(part, 0.0) * self.leg.cruise_altitude_m

    def has_sky(self, elapsed_s: float) -> bool:
        """Say whether the receiver sees enough sky."""
        if self.leg.kind == "flight" or self.leg.sky == "none":
            return False
        if self.leg.sky == "poor" and elapsed_s % 900.0 >= 300.0:
            return False
        return not any(
            0 <= elapsed_s - TUNNEL_S_PER_MIN * tunnel.after_min < tunnel.for_s
            for tunnel in self.leg.tunnels
        )


class Route:
    """The whole way of a scenario; before and after it the container rests."""

    def __init__(self, scenario: Scenario) -> None:
        starts = [scenario.starts_at_ns(), *(utc_ns(x.until) for x in scenario.legs)]
        self._ways = [
            _Way(leg, at, scenario.places)
            for leg, at in zip(scenario.legs, starts, strict=False)
        ]
        self._starts_ns = starts[:-1]

    def position(self, at_ns: int) -> Position:
        """Return the true position at an instant."""
        number = int(np.searchsorted(self._starts_ns, at_ns, side="right")) - 1
        way = self._ways[max(number, 0)]
        elapsed_s = min(max(way.elapsed_s(at_ns), 0.0), way.lasts_s)
        if len(way.stops) == 1:
            return _at_rest(way, elapsed_s)
        return _on_the_way(way, elapsed_s)


def _at_rest(way: _Way, elapsed_s: float) -> Position:
    stop = way.stops[0]
    return Position(
        leg=way.leg,
        place=way.leg.path[0],
        latitude_deg=stop.latitude_deg,
        longitude_deg=stop.longitude_deg,
        altitude_m=stop.altitude_m,
        ground_altitude_m=stop.altitude_m,
        speed_m_s=0.0,
        track_deg=0.0,
        terrestrial_per_s=stop.terrestrial_per_s,
        has_sky=way.has_sky(elapsed_s),
        is_airborne=False,
    )


def _on_the_way(way: _Way, elapsed_s: float) -> Position:
    along_m, speed_m_s = way.progress(elapsed_s)
    number, part = way.section(along_m)
    first, second = way.stops[number], way.stops[number + 1]
    latitude_deg, longitude_deg = between(first, second, part)
    ground_m = first.altitude_m + part * (second.altitude_m - first.altitude_m)
    height_m = way.height_m(elapsed_s)
    ground_per_s = first.terrestrial_per_s + part * (
        second.terrestrial_per_s - first.terrestrial_per_s
    )
    return Position(
        leg=way.leg,
        place=way.leg.path[number + round(part)],
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        altitude_m=ground_m + height_m,
        ground_altitude_m=ground_m,
        speed_m_s=speed_m_s,
        track_deg=_course_deg(latitude_deg, longitude_deg, second),
        # 100 m of air take most of the ground's photons away.
        terrestrial_per_s=ground_per_s * float(np.exp(-height_m / 100.0)),
        has_sky=way.has_sky(elapsed_s),
        is_airborne=height_m > 0.0,
    )


def _course_deg(latitude_deg: float, longitude_deg: float, to: Place) -> float:
    lat1, lat2 = np.radians(latitude_deg), np.radians(to.latitude_deg)
    delta = np.radians(to.longitude_deg - longitude_deg)
    east = np.sin(delta) * np.cos(lat2)
    north = np.cos(lat1) * np.sin(lat2) - np.sin(lat1) * np.cos(lat2) * np.cos(delta)
    return float(np.degrees(np.arctan2(east, north)) % 360.0)
