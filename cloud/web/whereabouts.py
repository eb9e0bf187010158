"""Where a shipment is: the last handover that both signed, and the lane as planned.

A handover is what people signed; a leg is a plan and is named so. What a centre has
received has no leg and nothing ahead.
"""

from dataclasses import dataclass
from typing import Final

from cloud.shipments import Phase, Shipment
from schemas.facts import Leg, LegMode

_THERE: Final = (Phase.ARRIVED, Phase.ACCEPTED, Phase.REFUSED, Phase.RETURNED)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where custody passed last and since when; the leg now and those ahead by plan."""

    place: str | None
    since_ns: int | None
    leg: Leg | None
    ahead: tuple[Leg, ...]


def whereabouts(shipment: Shipment, now_ns: int) -> Whereabouts:
    """Return where a shipment is, as signed and as planned."""
    place, since_ns = shipment.custody.place, shipment.custody.since_ns
    legs = shipment.consignment.legs if shipment.consignment else ()
    if shipment.phase in _THERE:
        return Whereabouts(place, since_ns, None, ())
    on = [leg for leg in legs if leg.departs_at_ns <= now_ns < leg.arrives_at_ns]
    ahead = tuple(leg for leg in legs if leg.departs_at_ns > now_ns)
    return Whereabouts(place, since_ns, on[-1] if on else None, ahead)


def leg_text(leg: Leg) -> str:
    """Return a leg in words, without its times."""
    if leg.mode is LegMode.HOLD:
        return f"held at {leg.destination}"
    return f"{leg.mode} to {leg.destination}"
