"""The places that a gateway is told with its assignment."""

import msgspec

from cloud.web.intake import PLACE_RADIUS_M, places_of
from schemas.findings import Place
from tests import builders


def test_ends_of_legs_that_the_papers_place_are_told_once_each() -> None:
    packed = builders.consignment()
    (leg,) = packed.legs
    assert places_of(packed) == ()
    airport = msgspec.structs.replace(
        leg, destination="airport", latitude_deg=0.0, longitude_deg=8.723
    )
    # Held where it arrived: one place.
    lane = msgspec.structs.replace(packed, legs=(airport, airport, leg))
    assert places_of(lane) == (Place("airport", 0.0, 8.723, PLACE_RADIUS_M),)
