"""Custody: who has the container, as a pure fold over handover facts.

A handover has two sides, and custody passes when both have signed::

    OPEN --giver--> GIVEN --receiver--> PASSED
    OPEN --receiver--> TAKEN --giver--> PASSED     (flagged: out of order)

Facts are folded in the order in which they were signed, whatever the order in which
they arrived, and each counts once however often it is sent (uuid). A scan that the
table does not allow, or that contradicts what is known, is kept and flagged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from schemas.facts import Fact, Handover, HandoverRole


class State(StrEnum):
    """How far a handover has come."""

    OPEN = "open"
    GIVEN = "given"
    TAKEN = "taken"
    PASSED = "passed"


TRANSITIONS: Final[Mapping[State, Mapping[HandoverRole, State]]] = {
    State.OPEN: {
        HandoverRole.GIVER: State.GIVEN,
        HandoverRole.RECEIVER: State.TAKEN,
    },
    State.GIVEN: {HandoverRole.RECEIVER: State.PASSED},
    State.TAKEN: {HandoverRole.GIVER: State.PASSED},
    State.PASSED: {},
}


class Flag(StrEnum):
    """What is unusual about a scan; a closed set."""

    RECEIVER_FIRST = "the receiver signed before the giver"
    REPEATED = "this side had signed before"
    NOT_HOLDER = "the giver was not the holder"
    SIDES_DIFFER = "the two sides do not tell the same"
    SEAL_CHANGED = "the seal has another number than before"
    SEAL_BROKEN = "the seal was reported broken"


@dataclass(frozen=True, slots=True)
class Step:
    """One side's scan and what came of it."""

    fact: bytes
    handover: bytes
    at_ns: int
    author: str
    role: HandoverRole
    giver: str
    receiver: str
    place: str
    condition: str
    seal: str
    state: State
    flags: tuple[Flag, ...] = ()
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Custody:
    """Who has it since when, and every scan, oldest first."""

    holder: str | None = None
    since_ns: int | None = None
    seal: str | None = None
    steps: tuple[Step, ...] = ()

    @property
    def whereabouts(self) -> tuple[str, ...]:
        """The holder and the place of the last handover that passed."""
        passed = [step for step in self.steps if step.state is State.PASSED]
        return (passed[-1].receiver, passed[-1].place) if passed else ()

    @property
    def is_flagged(self) -> bool:
        """True if any scan was unusual."""
        return any(step.flags for step in self.steps)


def fold(facts: Iterable[Fact]) -> Custody:
    """Return the custody that the handover facts of one shipment lead to.

    Facts of other kinds are ignored.
    """
    once = {fact.header.fact: fact for fact in facts}
    ordered = sorted(once.values(), key=lambda f: (f.header.utc_ns, f.header.fact))
    custody = Custody()
    for fact in ordered:
        if isinstance(fact.body, Handover):
            custody = _apply(custody, fact, fact.body)
    return custody


def _apply(custody: Custody, fact: Fact, body: Handover) -> Custody:
    former = [s for s in custody.steps if s.handover == body.handover]
    state = former[-1].state if former else State.OPEN
    following = TRANSITIONS[state].get(body.role)
    step = _step(fact, body, following or state)
    flags = _flags(custody, former, body, following)
    custody = replace(
        custody,
        seal=body.seal,
        steps=(*custody.steps, replace(step, flags=flags)),
    )
    if following is not State.PASSED:
        return custody
    return replace(custody, holder=body.receiver, since_ns=fact.header.utc_ns)


def _step(fact: Fact, body: Handover, state: State) -> Step:
    return Step(
        fact=fact.header.fact,
        handover=body.handover,
        at_ns=fact.header.utc_ns,
        author=fact.header.author,
        role=body.role,
        giver=body.giver,
        receiver=body.receiver,
        place=body.place,
        condition=body.condition,
        seal=body.seal,
        state=state,
        latitude_deg=body.latitude_deg,
        longitude_deg=body.longitude_deg,
        remark=body.remark,
    )


def _flags(
    custody: Custody, former: list[Step], body: Handover, following: State | None
) -> tuple[Flag, ...]:
    parties = {(step.giver, step.receiver) for step in former}
    judged = (
        (following is None, Flag.REPEATED),
        (following is State.TAKEN, Flag.RECEIVER_FIRST),
        (bool(parties - {(body.giver, body.receiver)}), Flag.SIDES_DIFFER),
        (
            not former and custody.holder not in (None, body.giver),
            Flag.NOT_HOLDER,
        ),
        (custody.seal not in (None, body.seal), Flag.SEAL_CHANGED),
        (not body.seal_intact, Flag.SEAL_BROKEN),
    )
    return tuple(flag for holds, flag in judged if holds)
