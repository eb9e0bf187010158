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

What was corrected never gets here. Of several releases the one signed last holds, for
the same container model and nuclide only, from its signing until before it is due. A
later decision not to release takes back what was released after the same assay.
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
    """What a decision about a gain comes to: the gain, or why nothing acts on it.

    It is neither where the person did not release the gain.
    """

    fact: Fact
    decision: Decision
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
        gain
        for shipment in shipments
        if exercise or not shipment.exercise
        if _is_same_container(shipment.consignment, packed)
        for gain in _standing(shipment, at_ns)
        if gain.nuclide == nuclide
    ]
    newest = max(holding, key=_order, default=None)
    return newest if newest and at_ns < newest.due_at_ns else None


def releases(shipment: Shipment) -> tuple[Release, ...]:
    """Return every decision about a gain after an assay, in order of signing."""
    return tuple(
        _judge(shipment, fact, fact.body)
        for fact in shipment.facts
        if isinstance(fact.body, Decision) and fact.body.about is Subject.CONTAINER_GAIN
    )


def previous_ratio(shipment: Shipment) -> float | None:
    """Return the gain of a shipment's assignment, 1 for the model's; None: none yet."""
    if not shipment.assignments:
        return None
    gain = shipment.assignments[-1].gain
    return 1.0 if gain is None else gain.gain_ratio


def _standing(shipment: Shipment, at_ns: int) -> Iterable[ReleasedGain]:
    """Return what was released after each assay and not taken back, at an instant."""
    found: dict[bytes, ReleasedGain] = {}
    for release in releases(shipment):
        if release.fact.header.utc_ns > at_ns:
            break
        if release.gain is not None:
            found[release.decision.of_fact] = release.gain
        elif not release.decision.released:
            found.pop(release.decision.of_fact, None)
    return found.values()


def _order(gain: ReleasedGain) -> tuple[int, bytes]:
    return (gain.released_at_ns, gain.of_fact)


def _is_same_container(known: Consignment | None, packed: Consignment) -> bool:
    return (
        known is not None
        and known.container == packed.container
        and known.container_digest == packed.container_digest
    )


def _judge(shipment: Shipment, fact: Fact, decision: Decision) -> Release:
    if not decision.released:
        return Release(fact, decision)
    try:
        gain = _gain(shipment, fact, decision)
    except MalformedError as error:
        return Release(fact, decision, why_not=str(error))
    return Release(fact, decision, gain)


def _gain(shipment: Shipment, fact: Fact, decision: Decision) -> ReleasedGain:
    """Return what is released, by the rules above; MalformedError says which fails."""
    assay = _assay(shipment, decision.of_fact)
    if assay is None:
        raise MalformedError("its assay is not one of this shipment")
    if assay.header.author == fact.header.author:
        raise MalformedError(
            "released by the author of the assay: a second person decides"
        )
    previous = _replaced(shipment, decision)
    ratio, ratio_u = decision.gain_ratio, decision.gain_ratio_u
    if ratio is None or ratio_u is None or decision.due_at_ns is None:
        raise MalformedError("gain_ratio, gain_ratio_u or due_at is missing")
    if shipment.contents is None:
        raise MalformedError("the vial has no certificate")
    gain = ReleasedGain(
        of_fact=fact.header.fact,
        nuclide=shipment.contents.nuclide,
        gain_ratio=ratio * previous,
        gain_ratio_u=ratio_u * previous,
        standard=_standard(assay),
        released_by=fact.header.author,
        released_at_ns=fact.header.utc_ns,
        due_at_ns=decision.due_at_ns,
    )
    check_gain(gain, gain.nuclide)
    return gain


def _replaced(shipment: Shipment, decision: Decision) -> float:
    """Return the gain that is replaced; MalformedError where it is another's."""
    packed, previous = shipment.consignment, previous_ratio(shipment)
    stated = decision.previous_gain_ratio
    if packed is None or decision.container != packed.container:
        there = "none" if packed is None else packed.container
        raise MalformedError(
            f"for container {decision.container}, the dose was packed in {there}"
        )
    if previous is None:
        raise MalformedError("no gateway was assigned: no counts stand behind it")
    if stated is None or abs(stated / previous - 1.0) > _SAME_RATIO:
        raise MalformedError(
            f"previous_gain_ratio is {stated}, the dose was followed with {previous}"
        )
    return previous


def _assay(shipment: Shipment, name: bytes) -> Fact | None:
    for fact in shipment.facts:
        if fact.header.fact == name and isinstance(fact.body, Assay):
            return fact
    return None


def _standard(assay: Fact) -> str:
    meter = assay.body.meter if isinstance(assay.body, Assay) else "unknown meter"
    return f"assay {assay.header.fact.hex()}: {meter}"
