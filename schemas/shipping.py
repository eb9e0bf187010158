"""What people state about a dose and its way to the centre.

A confirmation is due 24 h after the order; not where an approval takes longer
(``needs_approval``) and not where the infusion is more than two weeks ahead.
"""

from enum import StrEnum

import msgspec

from schemas.contents import Contents
from schemas.records import Digest, FactId, Latitude, Longitude
from schemas.units import DecimalText


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """A dose is ordered; the reference is pseudonymous, no patient data.

    ``planned_at_ns`` is the planned infusion, ``offset_minutes`` the centre's zone
    then. ``tolerance_ratio`` is the allowed deviation from the prescribed activity.
    """

    shipment: str
    order: str
    product: str
    centre: str
    planned_at_ns: int
    offset_minutes: int
    prescribed_activity_gbq: float
    tolerance_ratio: float
    needs_approval: bool = False
    contact: str | None = None


class Confirmation(msgspec.Struct, frozen=True, omit_defaults=True):
    """The producer's answer to an order."""

    shipment: str
    confirmed: bool
    remark: str | None = None


class Certificate(msgspec.Struct, frozen=True):
    """The calibration certificate of the vial."""

    shipment: str
    contents: Contents


class LegMode(StrEnum):
    """How a leg is travelled."""

    ROAD = "road"
    AIR = "air"
    HOLD = "hold"


class Leg(msgspec.Struct, frozen=True, omit_defaults=True):
    """One leg of the lane as planned.

    Latitude and longitude are those of the destination. After ``cut_off_ns`` the
    carrier takes nothing for this leg. ``arrives_u_s`` is the standard uncertainty of
    the arrival, k = 1.
    """

    mode: LegMode
    origin: str
    destination: str
    departs_at_ns: int
    arrives_at_ns: int
    carrier: str | None = None
    contact: str | None = None
    air_waybill: str | None = None
    flight: str | None = None
    cut_off_ns: int | None = None
    arrives_u_s: float | None = None
    latitude_deg: Latitude | None = None
    longitude_deg: Longitude | None = None


class Consignment(msgspec.Struct, frozen=True):
    """The vial is packed: container, gateway and seal that travel, and the lane."""

    shipment: str
    gateway: str
    container: str
    container_digest: Digest
    seal: str
    legs: tuple[Leg, ...]


class Reschedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """The infusion is planned for another time; the order's earlier plan stays."""

    shipment: str
    planned_at_ns: int
    offset_minutes: int
    remark: str | None = None


class Occasion(StrEnum):
    """When a package is surveyed."""

    DISPATCH = "dispatch"
    ARRIVAL = "arrival"
    RETURN = "return"


class Survey(msgspec.Struct, frozen=True, omit_defaults=True):
    """Dose rates outside the package, by a person with an instrument.

    The largest ones found on the surface and at 1 m, in the instrument's digits;
    ``rules`` is the rule set by which they are judged. What the label says stands
    beside: it is compared, never taken over.
    """

    shipment: str
    occasion: Occasion
    surface_dose_rate_usv_h: DecimalText
    dose_rate_at_1_m_usv_h: DecimalText
    rules: str
    instrument: str
    measured_at_ns: int
    calibration_due_ns: int | None = None
    label_transport_index: DecimalText | None = None
    label_category: str | None = None
    label_activity_gbq: float | None = None
    remark: str | None = None


class Subject(StrEnum):
    """What a decision is about."""

    CERTIFICATE = "certificate"
    CONTAINER_GAIN = "container-gain"


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named person releases what was held, or does not, and says why.

    ``of_fact`` is the certificate that was held, or the assay that a new gain of the
    container comes from. A gain is the ratio to the one in use, with k = 1, and that
    one, ``previous_gain_ratio``, is the ratio to the container model's own: 1 where
    none was released before. The new one holds until ``due_at_ns``.
    """

    shipment: str
    about: Subject
    of_fact: FactId
    released: bool
    remark: str
    container: str | None = None
    gain_ratio: float | None = None
    gain_ratio_u: float | None = None
    previous_gain_ratio: float | None = None
    due_at_ns: int | None = None
