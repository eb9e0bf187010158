"""Places, dwell and route: where the container surely is, and for how long.

Distances are on a plane that touches the mean sphere at the point in question: exact
to 0.1 % for 100 km, so the points of a route lie closer than that. Every border has
the width of the uncertainty: inside when the whole of 2 sigma is, outside again when
none of it is, and what it was before in between.
"""

import math
from dataclasses import dataclass
from typing import Final

from schemas.findings import Place

EARTH_RADIUS_M: Final = 6_371_008.8
DWELL_RADIUS_M: Final = 150.0
SIGMAS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Point:
    """A place on the globe with its horizontal uncertainty by axis (k = 1)."""

    latitude_deg: float
    longitude_deg: float
    u_m: float


def east_north_m(
    latitude_deg: float, longitude_deg: float, here: Point | Place
) -> tuple[float, float]:
    """Return (east, north) of a point as seen from ``here``, m."""
    turn = (longitude_deg - here.longitude_deg + 180.0) % 360.0 - 180.0
    middle = math.radians((latitude_deg + here.latitude_deg) / 2)
    east = math.radians(turn) * math.cos(middle) * EARTH_RADIUS_M
    return east, math.radians(latitude_deg - here.latitude_deg) * EARTH_RADIUS_M


def distance_m(point: Point, place: Place | Point) -> float:
    """Return the distance of a point from a place."""
    return math.hypot(*east_north_m(point.latitude_deg, point.longitude_deg, place))


@dataclass(frozen=True, slots=True)
class Crossing:
    """A place was entered or left, or the route was."""

    name: str
    is_inside: bool
    distance_m: float
    limit_m: float


class Fences:
    """Follows the places and the route of one assignment."""

    def __init__(self, places: tuple[Place, ...], route: tuple[Place, ...]) -> None:
        self._places = places
        self._route = route
        self._inside: set[str] = set()
        self._is_on_route = True
        self._anchor: Point | None = None
        self._anchored_boot_ns = 0

    @property
    def inside(self) -> tuple[str, ...]:
        """The places that the container is surely in, in order of name."""
        return tuple(sorted(self._inside))

    def dwell_ns(self, boot_ns: int) -> int | None:
        """Return for how long it has stayed within 150 m; absent before a fix."""
        if self._anchor is None:
            return None
        return max(0, boot_ns - self._anchored_boot_ns)

    def take(self, point: Point, boot_ns: int) -> list[Crossing]:
        """Take where the container is; return what it entered and left."""
        self._stay(point, boot_ns)
        found = [self._cross(place, point) for place in self._places]
        found.append(self._follow_route(point))
        return [crossing for crossing in found if crossing is not None]

    def _stay(self, point: Point, boot_ns: int) -> None:
        anchor = self._anchor
        radius_m = DWELL_RADIUS_M + SIGMAS * point.u_m
        if anchor is None or distance_m(point, anchor) > radius_m:
            self._anchor, self._anchored_boot_ns = point, boot_ns

    def _cross(self, place: Place, point: Point) -> Crossing | None:
        away_m, margin_m = distance_m(point, place), SIGMAS * point.u_m
        was_inside = place.name in self._inside
        if not was_inside and away_m + margin_m < place.radius_m:
            self._inside.add(place.name)
        elif was_inside and away_m - margin_m > place.radius_m:
            self._inside.remove(place.name)
        else:
            return None
        return Crossing(place.name, not was_inside, away_m, place.radius_m)

    def _follow_route(self, point: Point) -> Crossing | None:
        if len(self._route) < 2:
            return None
        away_m, corridor_m = self._off_route_m(point)
        margin_m = SIGMAS * point.u_m
        is_off = away_m - margin_m > corridor_m
        is_on = away_m + margin_m < corridor_m
        if not (is_off if self._is_on_route else is_on):
            return None
        self._is_on_route = is_on
        return Crossing("route", is_on, away_m, corridor_m)

    def _off_route_m(self, point: Point) -> tuple[float, float]:
        """Return the distance from the route and the corridor of its nearest leg."""
        seen = [
            east_north_m(stop.latitude_deg, stop.longitude_deg, point)
            for stop in self._route
        ]
        legs = zip(seen, seen[1:], self._route, strict=False)
        return min(
            (_from_origin_m(first, second), stop.radius_m)
            for first, second, stop in legs
        )


def _from_origin_m(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the distance of (0, 0) from the line between two points."""
    along = (second[0] - first[0], second[1] - first[1])
    length = along[0] ** 2 + along[1] ** 2
    part = -(first[0] * along[0] + first[1] * along[1]) / length if length else 0.0
    part = min(max(part, 0.0), 1.0)
    return math.hypot(first[0] + part * along[0], first[1] + part * along[1])
