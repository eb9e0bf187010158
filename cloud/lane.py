"""When a shipment will arrive: from the legs as planned and where it was last seen.

- Seen within 5 km of where a moving leg ends, the leg is behind it. Seen elsewhere, it
  is on the moving leg that the place is least out of the way of.
- What is left of that leg is driven at the leg's planned speed.
- A hold absorbs lateness: the next leg departs as planned, or when the shipment is
  there, whichever is later. A flight whose cut-off is missed leaves without it, and
  from then on the arrival is only "not before".
- Not seen for half an hour, the plan holds, but never an arrival in the past.
- Uncertainty is standard (k = 1): of each leg that is left, the stated one or a tenth
  of its duration, at least 10 min on the road and 30 min in the air, in quadrature.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from schemas.facts import Leg, LegMode
from schemas.units import NS_PER_S

NEAR_KM: Final = 5.0
OFF_LANE_KM: Final = 50.0
SEEN_NS: Final = 1800 * NS_PER_S
AT_RISK: Final = 0.05
LIKELY: Final = 0.5
_EARTH_KM: Final = 6371.0
_LEAST_U_S: Final = {LegMode.ROAD: 600.0, LegMode.AIR: 1800.0, LegMode.HOLD: 0.0}


class Sighting(NamedTuple):
    """Where the shipment was at an instant."""

    at_ns: int
    latitude_deg: float
    longitude_deg: float


class EtaKind(StrEnum):
    """What an expected arrival rests on."""

    PLANNED = "planned"
    BY_POSITION = "by position"
    NOT_BEFORE = "not before"
    ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class Eta:
    """An expected arrival; ``u_s`` is its standard uncertainty, k = 1."""

    at_ns: int
    u_s: float
    kind: EtaKind
    planned_ns: int
    remarks: tuple[str, ...] = ()

    def late_risk(self, arrive_by_ns: int) -> float:
        """Return the probability of an arrival after ``arrive_by_ns``."""
        late_s = (self.at_ns - arrive_by_ns) / NS_PER_S
        if self.u_s == 0:
            return float(late_s > 0)
        return 0.5 * math.erfc(-late_s / (self.u_s * math.sqrt(2)))


class _Place(NamedTuple):
    """How far along the lane: legs before ``leg`` are behind; when it will be over."""

    leg: int
    over_ns: int
    share_left: float
    remarks: tuple[str, ...]


def risk_word(risk: float) -> str:
    """Return a risk of being late in words.

    >>> risk_word(0.02), risk_word(0.3), risk_word(0.9)
    ('on time', 'at risk', 'likely late')
    """
    if risk > LIKELY:
        return "likely late"
    return "at risk" if risk > AT_RISK else "on time"


def distance_km(from_deg: tuple[float, float], to_deg: tuple[float, float]) -> float:
    """Return the great-circle distance of two places (latitude, longitude).

    Source: haversine formula on a sphere of 6371 km, good to 0.6 %.
    """
    (lat1, lon1), (lat2, lon2) = (
        tuple(map(math.radians, p)) for p in (from_deg, to_deg)
    )
    north = math.sin((lat2 - lat1) / 2) ** 2
    east = math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(math.sqrt(min(1.0, north + east)))


def expected_arrival(
    legs: Sequence[Leg], now_ns: int, sighting: Sighting | None = None
) -> Eta | None:
    """Return when the last leg will be over; None without legs."""
    if not legs:
        return None
    planned_ns = legs[-1].arrives_at_ns
    is_seen = sighting is not None and now_ns - sighting.at_ns <= SEEN_NS
    place = _locate(legs, sighting) if sighting is not None and is_seen else None
    if place is None:
        return _by_plan(legs, now_ns, planned_ns)
    at_ns, remarks = _onward(legs, place)
    kind = EtaKind.NOT_BEFORE if remarks else EtaKind.BY_POSITION
    u_s = _u_s(legs, place.leg, place.share_left)
    return Eta(at_ns, u_s, kind, planned_ns, place.remarks + remarks)


def _by_plan(legs: Sequence[Leg], now_ns: int, planned_ns: int) -> Eta:
    ahead = [at for at, leg in enumerate(legs) if leg.arrives_at_ns > now_ns]
    first = ahead[0] if ahead else len(legs) - 1
    remarks = () if ahead else ("the planned arrival has passed",)
    u_s = _u_s(legs, first, 1.0)
    return Eta(max(planned_ns, now_ns), u_s, EtaKind.PLANNED, planned_ns, remarks)


def _ends(legs: Sequence[Leg]) -> list[tuple[float, float] | None]:
    return [
        None
        if leg.latitude_deg is None or leg.longitude_deg is None
        else (leg.latitude_deg, leg.longitude_deg)
        for leg in legs
    ]


def _locate(legs: Sequence[Leg], seen: Sighting) -> _Place | None:
    """Return how far along it is; None where the lane has too few coordinates."""
    here, ends = (seen.latitude_deg, seen.longitude_deg), _ends(legs)
    if None in ends:
        return None
    places = [end for end in ends if end is not None]
    there = [
        at
        for at, leg in enumerate(legs)
        if leg.mode is not LegMode.HOLD and distance_km(here, places[at]) <= NEAR_KM
    ]
    if there:
        at = min(there, key=lambda i: abs(legs[i].arrives_at_ns - seen.at_ns))
        return _Place(at + 1, seen.at_ns, 0.0, ())
    if distance_km(here, places[0]) <= NEAR_KM and legs[0].mode is LegMode.HOLD:
        return _Place(0, max(seen.at_ns, legs[0].arrives_at_ns), 1.0, ())
    return _on_the_way(legs, places, seen)


def _on_the_way(
    legs: Sequence[Leg], places: list[tuple[float, float]], seen: Sighting
) -> _Place | None:
    here = (seen.latitude_deg, seen.longitude_deg)
    found = []
    for at, (origin, end) in enumerate(pairwise(places), 1):
        if legs[at].mode is LegMode.HOLD or distance_km(origin, end) < 1:
            continue
        whole_km, left_km = distance_km(origin, end), distance_km(here, end)
        detour_km = distance_km(origin, here) + left_km - whole_km
        found.append((detour_km, at, min(1.0, left_km / whole_km)))
    if not found:
        return None
    detour_km, at, share = min(found)
    duration_ns = legs[at].arrives_at_ns - legs[at].departs_at_ns
    over_ns = seen.at_ns + round(share * duration_ns)
    off = detour_km > OFF_LANE_KM
    remarks = (f"{detour_km:.0f} km out of the way of the lane",) if off else ()
    return _Place(at, over_ns, share, remarks)


def _onward(legs: Sequence[Leg], place: _Place) -> tuple[int, tuple[str, ...]]:
    """Return when the last leg is over, and what was missed on the way there."""
    over_ns, remarks = place.over_ns, []
    first = place.leg if place.share_left == 0 else place.leg + 1
    for leg in legs[first:]:
        if leg.mode is LegMode.HOLD:
            continue
        if leg.cut_off_ns is not None and over_ns > leg.cut_off_ns:
            what = leg.flight or f"{leg.mode} to {leg.destination}"
            remarks.append(f"the cut-off of {what} is missed: a person must act")
        departs_ns = max(leg.departs_at_ns, over_ns)
        over_ns = departs_ns + leg.arrives_at_ns - leg.departs_at_ns
    return over_ns, tuple(remarks)


def _u_s(legs: Sequence[Leg], first: int, share_left: float) -> float:
    total = 0.0
    for at, leg in enumerate(legs[first:]):
        duration_s = (leg.arrives_at_ns - leg.departs_at_ns) / NS_PER_S
        u_s = leg.arrives_u_s
        if u_s is None:
            is_hold = leg.mode is LegMode.HOLD
            u_s = 0.0 if is_hold else max(_LEAST_U_S[leg.mode], 0.1 * duration_s)
        share = share_left if at == 0 and share_left > 0 else 1.0
        total += share * u_s**2
    return math.sqrt(total)
