"""Released gains: what a named person released for a container, and whether it holds.

An assay proposes, a person decides (``Decision`` about a container's gain), and the
next assignment of that container carries it to the gateway. A decision is acted on
only if

1. it is about an assay of its own shipment, and not by the assay's author;
2. the container is the one the shipment was packed in;
3. the shipment was assigned, and ``previous_gain_ratio`` is the gain it was assigned
   with: the counts behind the proposal were judged by that one;
4. it says until when it holds, and the new gain is within the contract's bounds;
5. it is no exercise's, unless what is assigned is one.

What was corrected never gets here. Of several decisions the one signed last holds, for
the same container model and nuclide only, from its signing until before it is due.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cloud.shipments import Shipment
from schemas.contents import ReleasedGain, check_gain
from schemas.errors import MalformedError
from schemas.facts import Assay, Consignment, Decision, Fact
from schemas.shipping import Subject

# Digits of a ratio may be lost on paper, a whole step of it may not.
_SAME_RATIO: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Release:
    """A released gain with the container it is for, or why nothing acts on it."""

    decision: Fact
    consignment: Consignment | None = None
    gain: ReleasedGain | None = None
    why_not: str | None = None


def gain_in_force(
    shipments: Iterable[Shipment],
    packed: Consignment,
    nuclide: str,
    at_ns: int,
    *,
    exercise: bool = False,
) -> ReleasedGain | None:
    """Return the gain that holds for a container and a nuclide; None: the model's.

    Args:
        shipments: all there are, in any order.
        packed: names the container and its model.
        nuclide: of the vial.
        at_ns: instant at which it must hold, ns UTC.
        exercise: whether what is assigned is an exercise.
    """
    holding = [
        (release.gain.released_at_ns, release.gain.of_fact, release.gain)
        for shipment in shipments
        if exercise or not shipment.exercise
        for release in releases(shipment)
        if release.gain is not None
        and release.consignment is not None
        and release.consignment.container == packed.container
        and release.consignment.container_digest == packed.container_digest
        and release.gain.nuclide == nuclide
        and release.gain.released_at_ns <= at_ns
    ]
    newest = max(holding, key=lambda one: one[:2], default=None)
    return newest[2] if newest and at_ns < newest[2].due_at_ns else None


def releases(shipment: Shipment) -> tuple[Release, ...]:
    """Return every gain that was released after an assay of this shipment."""
    return tuple(
        _judge(shipment, fact, fact.body)
        for fact in shipment.facts
        if isinstance(fact.body, Decision)
        and fact.body.about is Subject.CONTAINER_GAIN
        and fact.body.released
    )


def previous_ratio(shipment: Shipment) -> float | None:
    """Return the gain of a shipment's assignment, 1 for the model's; None: none yet."""
    if not shipment.assignments:
        return None
    gain = shipment.assignments[-1].gain
    return 1.0 if gain is None else gain.gain_ratio


def _judge(shipment: Shipment, fact: Fact, decision: Decision) -> Release:
    assay = _assay(shipment, decision.of_fact)
    why = _why_not(shipment, fact, decision, assay)
    packed, contents = shipment.consignment, shipment.contents
    given = (decision.gain_ratio, decision.gain_ratio_u, decision.due_at_ns)
    ratio, ratio_u, due_ns = given
    previous = previous_ratio(shipment)
    if ratio is None or ratio_u is None or due_ns is None:
        why = why or "gain_ratio, gain_ratio_u or due_at is missing"
        return Release(fact, why_not=why)
    if why or assay is None or packed is None or contents is None or previous is None:
        return Release(fact, why_not=why or "never packed, certified and assigned")
    gain = ReleasedGain(
        of_fact=fact.header.fact,
        nuclide=contents.nuclide,
        gain_ratio=ratio * previous,
        gain_ratio_u=ratio_u * previous,
        standard=_standard(assay),
        released_by=fact.header.author,
        released_at_ns=fact.header.utc_ns,
        due_at_ns=due_ns,
    )
    try:
        check_gain(gain, contents.nuclide)
    except MalformedError as error:
        return Release(fact, why_not=str(error))
    return Release(fact, packed, gain)


def _assay(shipment: Shipment, name: bytes) -> Fact | None:
    for fact in shipment.facts:
        if fact.header.fact == name and isinstance(fact.body, Assay):
            return fact
    return None


def _why_not(
    shipment: Shipment, fact: Fact, decision: Decision, assay: Fact | None
) -> str | None:
    packed, previous = shipment.consignment, previous_ratio(shipment)
    stated = decision.previous_gain_ratio
    if assay is None:
        return "its assay is not one of this shipment"
    if assay.header.author == fact.header.author:
        return "released by the author of the assay: a second person decides"
    if packed is None or decision.container != packed.container:
        there = "none" if packed is None else packed.container
        return f"for container {decision.container}, the dose was packed in {there}"
    if previous is None:
        return "no gateway was assigned: no counts stand behind it"
    if stated is None or abs(stated / previous - 1.0) > _SAME_RATIO:
        return f"previous_gain_ratio is {stated}, the dose was followed with {previous}"
    return None


def _standard(assay: Fact) -> str:
    meter = assay.body.meter if isinstance(assay.body, Assay) else "unknown meter"
    return f"assay {assay.header.fact.hex()}: {meter}"
