"""What a treatment centre states: its own figures, acceptance, assay, what is left."""

from enum import StrEnum

import msgspec

from schemas.records import Unsigned
from schemas.units import DecimalText


class CentreProfile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A centre's hours, times and limits; the newest one holds.

    ``time_zone`` is an IANA name. The hours are minutes since midnight there, on
    ``working_days`` (0 is Monday) that are no ``holidays`` (ISO dates). An assay off
    by more than ``call_ratio`` is to be reported, by more than ``stop_ratio`` the dose
    waits for a person. ``preparation_s`` and ``survey_s`` are what the centre usually
    takes; that a survey is due within 3 h is a deadline, not a duration.
    """

    centre: str
    time_zone: str
    rules: str
    preparation_s: float
    survey_s: float
    opens_minutes: Unsigned
    closes_minutes: Unsigned
    working_days: tuple[Unsigned, ...]
    call_ratio: float
    stop_ratio: float
    holidays: tuple[str, ...] = ()
    contact: str | None = None


class Outcome(StrEnum):
    """What a centre decides about a parcel."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class CheckResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the receipt checklist."""

    name: str
    passed: bool
    value: float | None = None
    unit: str | None = None


class VialIdentity(msgspec.Struct, frozen=True):
    """What two people read from the vial itself.

    Activity cannot tell two vials of one plan apart; only this can.
    """

    vial: str
    lot: str
    calibrated_on_vial_ns: int
    expires_at_ns: int
    second_person: str


class Wipe(msgspec.Struct, frozen=True):
    """One wipe test, in the counter's digits.

    ``efficiency`` is counts per decay, ``removal`` the share of the contamination
    that the wipe takes up.
    """

    place: str
    gross_cpm: DecimalText
    background_cpm: DecimalText
    efficiency: DecimalText
    removal: DecimalText
    area_cm2: DecimalText


class Acceptance(msgspec.Struct, frozen=True, omit_defaults=True):
    """The centre's decision at arrival, with its checklist."""

    shipment: str
    outcome: Outcome
    checks: tuple[CheckResult, ...]
    remark: str | None = None
    rules: str | None = None
    received_at_ns: int | None = None
    surveyed_at_ns: int | None = None
    identity: VialIdentity | None = None
    wipes: tuple[Wipe, ...] = ()


class Assay(msgspec.Struct, frozen=True, omit_defaults=True):
    """The centre measured the vial in its activity meter.

    ``activity_gbq`` is the result, with ``meter_factor`` for vial and volume applied
    and ``background_gbq`` taken off.
    """

    shipment: str
    vial: str
    activity_gbq: float
    activity_expanded_u_gbq: float
    coverage_factor: float
    measured_at_ns: int
    meter: str
    nuclide_setting: str
    volume_ml: float | None = None
    meter_factor: float | None = None
    background_gbq: float | None = None
    calibration_due_ns: int | None = None


class ContainerReturn(msgspec.Struct, frozen=True, omit_defaults=True):
    """The empty container goes back."""

    shipment: str
    container: str
    seal: str
    un_number: str
    labels_removed: bool
    rules: str
    destination: str
    departs_at_ns: int
    wipes: tuple[Wipe, ...] = ()
    carrier: str | None = None
    remark: str | None = None


class DisposalRoute(StrEnum):
    """Where what is left goes."""

    STORED = "stored"
    EXEMPT = "exempt"
    RETURNED = "returned"
    HANDED_OVER = "handed-over"


class Disposal(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is left of a vial, and where it goes.

    ``mass_g`` is the mass in which the activity is; without it an exempt
    concentration cannot be judged.
    """

    shipment: str
    vial: str
    activity_gbq: float
    measured_at_ns: int
    place: str
    disposal: DisposalRoute
    rules: str
    mass_g: float | None = None
    remark: str | None = None
