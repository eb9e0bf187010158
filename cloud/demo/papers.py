"""The papers of the journey: order, certificate and consignment of one dose.

A Pluvicto vial of 12.5 GBq at calibration (12.5 mL at 1 GBq/mL) that holds 7.4 GBq
at the appointment, 119.5 hours later, from Ivrea to Heidelberg.
"""

import hashlib
from typing import Final, NamedTuple

from schemas.contents import Contents, Impurity, ProductionRoute, ReferenceKind
from schemas.facts import Certificate, Consignment, Leg, LegMode, Order
from schemas.units import instant_ns

SHIPMENT: Final = "S-2026-1147"
SEAL: Final = "DT-884213"


class Place(NamedTuple):
    """Where something is handed over."""

    name: str
    latitude_deg: float
    longitude_deg: float


PLACES: Final = {
    "ivrea": Place("production site, Ivrea", 45.467, 7.875),
    "malpensa": Place("Milan Malpensa, cargo", 45.630, 8.723),
    "frankfurt-airport": Place("Frankfurt airport, cargo", 50.033, 8.570),
    "heidelberg": Place("treatment centre, Heidelberg", 49.417, 8.670),
}
_CET_MINUTES: Final = 60


def order() -> Order:
    """Return the order of the dose."""
    return Order(
        shipment=SHIPMENT,
        order="HD-RLT-20417",
        product="pluvicto",
        centre=PLACES["heidelberg"].name,
        planned_at_ns=instant_ns("2026-11-27T11:30:00+01:00"),
        offset_minutes=_CET_MINUTES,
        prescribed_activity_gbq=7.4,
        tolerance_ratio=0.10,
    )


def certificate() -> Certificate:
    """Return the calibration certificate of the vial."""
    contents = Contents(
        vial="PLV-1147-01",
        product="pluvicto",
        nuclide="Lu-177",
        activity_gbq=12.5,
        activity_expanded_u_gbq=0.625,
        coverage_factor=2.0,
        reference_at_ns=instant_ns("2026-11-22T12:00:00+01:00"),
        reference_kind=ReferenceKind.CALIBRATION,
        offset_minutes=_CET_MINUTES,
        volume_ml=12.5,
        production_route=ProductionRoute.CARRIER_ADDED,
        standard="secondary standard, traceable to PTB",
        impurities=(Impurity("Lu-177m", 1.0e-4, 5.0e-5),),
        document=hashlib.sha256(b"certificate of PLV-1147-01").digest(),
    )
    return Certificate(SHIPMENT, contents)


def consignment(gateway: str, container: str, container_digest: bytes) -> Consignment:
    """Return the packing of the vial with its lane."""
    rows = (
        (LegMode.HOLD, "ivrea", "ivrea", "25T16:00", "25T18:00", "producer"),
        (LegMode.ROAD, "ivrea", "malpensa", "25T18:00", "25T19:30", "courier-road-a"),
        (LegMode.HOLD, "malpensa", "malpensa", "25T19:30", "26T03:50", "airline"),
        (LegMode.AIR, "malpensa", "frankfurt-airport", "26T03:50", "26T05:25", "air"),
        (
            LegMode.HOLD,
            "frankfurt-airport",
            "frankfurt-airport",
            "26T05:25",
            "26T16:30",
            "customs",
        ),
        (
            LegMode.ROAD,
            "frankfurt-airport",
            "heidelberg",
            "26T16:30",
            "26T18:50",
            "courier-road-b",
        ),
    )
    legs = tuple(
        Leg(
            mode=mode,
            origin=PLACES[origin].name,
            destination=PLACES[destination].name,
            departs_at_ns=instant_ns(f"2026-11-{departs}:00+01:00"),
            arrives_at_ns=instant_ns(f"2026-11-{arrives}:00+01:00"),
            carrier=carrier,
        )
        for mode, origin, destination, departs, arrives, carrier in rows
    )
    return Consignment(SHIPMENT, gateway, container, container_digest, SEAL, legs)
