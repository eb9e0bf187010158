"""What makes an alarm of a condition, who must know, and what to do: data.

Severity comes from whoever stated the condition; these tables say for how long it
must hold (persistence), how much of it counts where (the stage of the journey), who
is told, after what time somebody else is (escalation), and the next action in words
that a person can follow at night. Label limits are the product's and are not here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.custody import NoticeKind
from schemas.events import EventKind, Severity
from schemas.units import NS_PER_S

Kind = EventKind | NoticeKind
_MINUTE_NS: Final = 60 * NS_PER_S


class Stage(StrEnum):
    """Where in its journey a shipment is, for what an alarm means there."""

    ORIGIN = "origin"
    TRANSIT = "transit"
    DESTINATION = "destination"
    OVER = "over"


class Audience(StrEnum):
    """Who is told."""

    CONTROL = "control"
    CARRIER = "carrier"
    DISTRIBUTOR = "distributor"
    RECIPIENT = "recipient"


PERSISTENCE_NS: Final[Mapping[Kind, int]] = {
    EventKind.SENSOR_LOST: _MINUTE_NS,
    EventKind.SENSOR_DESYNCHRONISED: _MINUTE_NS,
    NoticeKind.HANDOVER_UNCONFIRMED: 30 * _MINUTE_NS,
}
"""A condition that is over sooner was brief, and is kept as such; else at once."""

GRACE_NS: Final = 10 * _MINUTE_NS
GRACED: Final[frozenset[Kind]] = frozenset(
    {
        EventKind.SENSOR_LOST,
        EventKind.SENSOR_DESYNCHRONISED,
        EventKind.TEMPERATURE_EXCURSION,
        NoticeKind.GATEWAY_SILENT,
    }
)
"""What a container that is just being set up shows; it counts if it goes on."""

_NO_ALARM, _AT_MOST_WARNING = Severity.INFO, Severity.WARNING
_PACKING: Final[Mapping[Stage, Severity]] = {
    Stage.ORIGIN: _NO_ALARM,
    Stage.OVER: _NO_ALARM,
}
GATES: Final[Mapping[Kind, Mapping[Stage, Severity]]] = {
    # Before dispatch the container is open on purpose, and again once it is accepted.
    EventKind.TAMPER: _PACKING,
    EventKind.INTEGRITY: _PACKING,
    EventKind.DOSE_RATE: _PACKING,
    EventKind.SHOCK: {Stage.OVER: _AT_MOST_WARNING},
    EventKind.ROUTE_DEVIATION: _PACKING,
    EventKind.TEMPERATURE_EXCURSION: {Stage.OVER: _NO_ALARM},
    EventKind.SENSOR_LOST: {Stage.OVER: _NO_ALARM},
    EventKind.SENSOR_DESYNCHRONISED: {Stage.OVER: _NO_ALARM},
    NoticeKind.GATEWAY_SILENT: {
        Stage.ORIGIN: _AT_MOST_WARNING,
        Stage.OVER: _NO_ALARM,
    },
    NoticeKind.ARRIVAL_LATE: {
        Stage.DESTINATION: _NO_ALARM,
        Stage.OVER: _NO_ALARM,
    },
}
"""The most that counts of a condition at a stage; as stated where nothing is said."""

ESCALATION_NS: Final[Mapping[Severity, int]] = {
    Severity.ALARM: 15 * _MINUTE_NS,
    Severity.WARNING: 60 * _MINUTE_NS,
}
"""Unacknowledged for so long after it was known, it goes to the next in line."""

# GDP 9.2: distributor and recipient learn of an excursion or of damage.
_EXCURSIONS: Final[frozenset[Kind]] = frozenset(
    {
        EventKind.TEMPERATURE_EXCURSION,
        EventKind.SHOCK,
        EventKind.TAMPER,
        EventKind.INTEGRITY,
        EventKind.DOSE_RATE,
    }
)
_BOTH: Final = (Audience.DISTRIBUTOR, Audience.RECIPIENT)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do next, and whom to call first."""

    action: str
    call: tuple[Audience, ...]


_MOVE: Final = Advice(
    "Ask the carrier to move it to its label's temperature; do not open it. Quality "
    "at the distributor decides about the dose; the centre must know before it "
    "prepares a patient.",
    (Audience.CARRIER, Audience.DISTRIBUTOR, Audience.RECIPIENT),
)
_QUARANTINE: Final = Advice(
    "Ask who has it to put it down, keep people away and look at the outside only. "
    "Nobody opens it. Radiation protection surveys it before it goes on.",
    (Audience.CARRIER, Audience.DISTRIBUTOR, Audience.RECIPIENT),
)
ADVICE: Final[Mapping[Kind, Advice]] = {
    EventKind.TEMPERATURE_EXCURSION: _MOVE,
    EventKind.SHOCK: Advice(
        "Ask who has it whether it fell and how the outside looks. A fall above 1.2 m "
        "is more than the package was tested for: it waits for a survey.",
        (Audience.CARRIER, Audience.DISTRIBUTOR, Audience.RECIPIENT),
    ),
    EventKind.TAMPER: Advice(
        "Ask who has it whether the lid or the seal was touched and have the seal's "
        "number read out; compare it with the papers.",
        (Audience.CARRIER, Audience.DISTRIBUTOR),
    ),
    EventKind.INTEGRITY: _QUARANTINE,
    EventKind.DOSE_RATE: _QUARANTINE,
    EventKind.POSITION_DOUBT: Advice(
        "Do not go by the map: ask the carrier where it is.", (Audience.CARRIER,)
    ),
    EventKind.ROUTE_DEVIATION: Advice(
        "Ask the carrier why it is off its way, and compare with the time to decide.",
        (Audience.CARRIER,),
    ),
    EventKind.SENSOR_LOST: Advice(
        "Nothing to do on the way; what this sensor would have seen is not known. "
        "Have the gateway looked at when it is back.",
        (Audience.DISTRIBUTOR,),
    ),
    EventKind.STORAGE_FAULT: Advice(
        "The gateway cannot keep its records: have the carrier note temperature and "
        "condition by hand at each stop.",
        (Audience.CARRIER, Audience.DISTRIBUTOR),
    ),
    NoticeKind.GATEWAY_SILENT: Advice(
        "Compare with the lane: is it in a place without signal? If not, ask the "
        "carrier where it is and whether the gateway's light is on.",
        (Audience.CARRIER,),
    ),
    NoticeKind.RECORDS_MISSING: Advice(
        "The cloud has asked the gateway again. Until they come, nobody can say that "
        "nothing happened in between.",
        (Audience.CONTROL,),
    ),
    NoticeKind.CHAIN_FORKED: Advice(
        "Two histories of one gateway: an old memory was put back, or somebody has "
        "its key. Do not rely on its records; keep the gateway for examination.",
        (Audience.DISTRIBUTOR, Audience.CONTROL),
    ),
    NoticeKind.CLOCK_IMPLAUSIBLE: Advice(
        "Do not go by the times of this gateway until its clock is set by GPS or "
        "network; the activity is by certificate and the server's clock.",
        (Audience.CONTROL,),
    ),
    NoticeKind.ARRIVAL_LATE: Advice(
        "Call the carrier for a time, then the centre with the time to decide and "
        "what the window still allows. The centre decides about the appointment.",
        (Audience.CARRIER, Audience.RECIPIENT, Audience.DISTRIBUTOR),
    ),
    NoticeKind.HANDOVER_FLAGGED: Advice(
        "Call both sides of the handover and have seal number and condition read "
        "out. What was entered wrongly is corrected by its author.",
        (Audience.CARRIER,),
    ),
    NoticeKind.HANDOVER_UNCONFIRMED: Advice(
        "Only one side has signed. Call the other side: has it the container in "
        "hand? If its phone is dead, enter the paper.",
        (Audience.CARRIER, Audience.RECIPIENT),
    ),
}
_OTHERWISE: Final = Advice(
    "Look at the shipment; ask who has it if anything is unclear.",
    (Audience.CARRIER,),
)


def persistence_ns(what: Kind) -> int:
    """Return for how long a condition must hold before it counts."""
    return PERSISTENCE_NS.get(what, 0)


def gated(what: Kind, severity: Severity, stage: Stage) -> Severity:
    """Return what counts of a severity at a stage; info is no alarm."""
    most = GATES.get(what, {}).get(stage, Severity.ALARM)
    return min(severity, most, key=RANK.__getitem__)


def audiences(what: Kind) -> tuple[Audience, ...]:
    """Return who is told: control always, and both ends of an excursion."""
    both = what in _EXCURSIONS or what is NoticeKind.ARRIVAL_LATE
    return (Audience.CONTROL, *(_BOTH if both else ()))


def advice(what: Kind) -> Advice:
    """Return what to do next, and whom to call."""
    return ADVICE.get(what, _OTHERWISE)


RANK: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ALARM: 2}
