"""What people and the cloud state about the way: handovers, alarms, corrections."""

from enum import StrEnum

import msgspec

from schemas.estimates import WitnessVerdict
from schemas.events import Severity
from schemas.records import Digest, Epoch, FactId, Latitude, Longitude, Unsigned
from schemas.units import DecimalText


class HandoverRole(StrEnum):
    """Which side of a handover signs."""

    GIVER = "giver"
    RECEIVER = "receiver"


class HandoverManner(StrEnum):
    """How a side signs; nothing that happens at a door is without a word.

    ``paper``: that side signed on paper and somebody enters it. ``waybill``: a carrier
    that scans nothing took or gave it by its document. ``unattended``: left, or found,
    by written procedure. ``refused`` and ``nobody-there``: it did not change hands.
    """

    IN_PERSON = "in-person"
    PAPER = "paper"
    WAYBILL = "waybill"
    UNATTENDED = "unattended"
    REFUSED = "refused"
    NOBODY_THERE = "nobody-there"


class Handover(msgspec.Struct, frozen=True, omit_defaults=True):
    """One side's word on a handover; custody passes when both have signed.

    Both sides name the same ``handover`` (uuid, 16 bytes). ``happened_at_ns`` is given
    where the word is entered later than it happened. ``signer`` is a badge, not a
    name. ``verdict`` is what the gateway said at that second, absent where it did not
    answer: a handover never waits for it. ``photo`` and ``document`` are SHA-256.
    """

    shipment: str
    handover: FactId
    role: HandoverRole
    giver: str
    receiver: str
    place: str
    condition: str
    seal: str
    seal_intact: bool
    latitude_deg: Latitude | None = None
    longitude_deg: Longitude | None = None
    remark: str | None = None
    manner: HandoverManner = HandoverManner.IN_PERSON
    happened_at_ns: int | None = None
    offset_minutes: int | None = None
    signer: str | None = None
    label_transport_index: DecimalText | None = None
    verdict: WitnessVerdict | None = None
    air_waybill: str | None = None
    procedure: str | None = None
    lock: str | None = None
    photo: Digest | None = None
    document: Digest | None = None


class Course(StrEnum):
    """Where a shipment is bound."""

    PLANNED = "planned"
    DIVERTED = "diverted"
    RETURNING = "returning"


class Diversion(msgspec.Struct, frozen=True, omit_defaults=True):
    """From now on the shipment is bound elsewhere, back, or as planned again."""

    shipment: str
    course: Course
    destination: str
    remark: str
    happened_at_ns: int | None = None


class Acknowledgement(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody has seen an alarm and says what is done about it.

    Of a gateway's event it names gateway, epoch and sequence; of the cloud's notice
    ``of_fact``. ``on_behalf_of`` is the person for whom the cloud signs.
    """

    remark: str
    gateway: str | None = None
    epoch: Epoch | None = None
    event_sequence: Unsigned | None = None
    of_fact: FactId | None = None
    on_behalf_of: str | None = None


class NoticeKind(StrEnum):
    """What the cloud notices by itself."""

    GATEWAY_SILENT = "gateway-silent"
    RECORDS_MISSING = "records-missing"
    CHAIN_FORKED = "chain-forked"
    CLOCK_IMPLAUSIBLE = "clock-implausible"
    ARRIVAL_LATE = "arrival-late"
    HANDOVER_FLAGGED = "handover-flagged"
    HANDOVER_UNCONFIRMED = "handover-unconfirmed"


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """The cloud noticed a condition, or that it is over; it began at ``at_ns``.

    One condition is one kind at one gateway, epoch, first sequence, shipment and
    handover (``of_fact`` is its uuid).
    """

    what: NoticeKind
    severity: Severity
    at_ns: int
    text: str
    gateway: str | None = None
    epoch: Epoch | None = None
    from_sequence: Unsigned | None = None
    to_sequence: Unsigned | None = None
    shipment: str | None = None
    of_fact: FactId | None = None
    is_over: bool = False


class CorrectionReason(StrEnum):
    """Why a fact does not hold; the words of EPCIS 2.0."""

    DID_NOT_OCCUR = "did-not-occur"
    INCORRECT_DATA = "incorrect-data"


class Correction(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fact does not hold; it stays in the ledger and in sight.

    ``corrective`` is the fact that holds in its place.
    """

    shipment: str
    of_fact: FactId
    reason: CorrectionReason
    remark: str
    corrective: FactId | None = None
