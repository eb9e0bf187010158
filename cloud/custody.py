"""Custody: who has the container, as a pure fold over signed facts.

A handover has two sides, and custody passes when both have signed. What each side can
say is an :class:`Act`; what it leads to stands in :data:`TRANSITIONS`::

    OPEN --gives--> GIVEN --takes--> PASSED
    OPEN --takes--> TAKEN --gives--> PASSED      (flagged: out of order)
    OPEN --sends, collects--> PASSED             (a carrier that scans nothing)
    OPEN --leaves--> LEFT --finds, takes--> PASSED
    any but PASSED --refuses--> REFUSED, --misses--> UNMET: the giver keeps it

Facts are folded in the order in which things happened by their authors' clocks,
whatever the order in which they arrived, and each counts once however often it is
sent (uuid). A word that the table does not allow, or that contradicts what is known,
is kept and flagged. No word of a gateway is needed: a dead one blocks nothing, and a
dead phone neither, since the other side, or somebody later, enters what was signed on
paper (``happened_at_ns``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from cloud.corrections import Voided, in_order
from schemas.custody import Course, Diversion, HandoverManner
from schemas.facts import Fact, Handover, HandoverRole


class State(StrEnum):
    """How far a handover has come."""

    OPEN = "open"
    GIVEN = "given"
    TAKEN = "taken"
    LEFT = "left"
    REFUSED = "refused"
    UNMET = "unmet"
    PASSED = "passed"


class Act(StrEnum):
    """What one side says."""

    GIVES = "gives"
    TAKES = "takes"
    SENDS = "sends"
    COLLECTS = "collects"
    LEAVES = "leaves"
    FINDS = "finds"
    REFUSES = "refuses"
    MISSES = "misses"


_G, _R, _M = HandoverRole.GIVER, HandoverRole.RECEIVER, HandoverManner
ACTS: Final[Mapping[tuple[HandoverRole, HandoverManner], Act]] = {
    (_G, _M.IN_PERSON): Act.GIVES,
    (_G, _M.PAPER): Act.GIVES,
    (_G, _M.WAYBILL): Act.SENDS,
    (_G, _M.UNATTENDED): Act.LEAVES,
    (_G, _M.REFUSED): Act.REFUSES,
    (_G, _M.NOBODY_THERE): Act.MISSES,
    (_R, _M.IN_PERSON): Act.TAKES,
    (_R, _M.PAPER): Act.TAKES,
    (_R, _M.WAYBILL): Act.COLLECTS,
    (_R, _M.UNATTENDED): Act.FINDS,
    (_R, _M.REFUSED): Act.REFUSES,
    (_R, _M.NOBODY_THERE): Act.MISSES,
}

_FRESH: Final[Mapping[Act, State]] = {
    Act.GIVES: State.GIVEN,
    Act.TAKES: State.TAKEN,
    Act.SENDS: State.PASSED,
    Act.COLLECTS: State.PASSED,
    Act.LEAVES: State.LEFT,
    Act.FINDS: State.TAKEN,
    Act.REFUSES: State.REFUSED,
    Act.MISSES: State.UNMET,
}
TRANSITIONS: Final[Mapping[State, Mapping[Act, State]]] = {
    State.OPEN: _FRESH,
    State.GIVEN: {
        Act.TAKES: State.PASSED,
        Act.COLLECTS: State.PASSED,
        Act.FINDS: State.PASSED,
        Act.LEAVES: State.LEFT,
        Act.REFUSES: State.REFUSED,
        Act.MISSES: State.UNMET,
    },
    State.TAKEN: {
        Act.GIVES: State.PASSED,
        Act.SENDS: State.PASSED,
        Act.LEAVES: State.PASSED,
    },
    State.LEFT: {
        Act.TAKES: State.PASSED,
        Act.COLLECTS: State.PASSED,
        Act.FINDS: State.PASSED,
        Act.REFUSES: State.REFUSED,
    },
    # Tried again under the same number.
    State.REFUSED: _FRESH,
    State.UNMET: _FRESH,
    State.PASSED: {},
}


class Flag(StrEnum):
    """What is unusual about a word; a closed set."""

    RECEIVER_FIRST = "the receiver signed before the giver"
    REPEATED = "this side had signed before"
    NOT_ALLOWED = "the handover had come further than this allows"
    NOT_HOLDER = "the giver was not the holder"
    SIDES_DIFFER = "the two sides do not tell the same"
    SAME_SIGNER = "one signer for both sides"
    ONE_SIDED = "one side only, by the carrier's document"
    NO_DOCUMENT = "on paper or by waybill, and no document named"
    LEFT_UNATTENDED = "left unattended, not confirmed yet"
    PROCEDURE_INCOMPLETE = "left without procedure, lock and photo"
    REFUSED = "refused: it stays with the giver"
    NOBODY_THERE = "nobody was there to sign"
    ENTERED_LATER = "entered later than it happened"
    SEAL_CHANGED = "the seal has another number than before"
    SEAL_BROKEN = "the seal was reported broken"


@dataclass(frozen=True, slots=True)
class Step:
    """One side's word and what came of it.

    ``correction`` is there where the word does not hold any more: it did nothing.
    """

    signed: Fact
    said: Handover
    act: Act
    state: State
    flags: tuple[Flag, ...] = ()
    correction: Fact | None = None

    @property
    def at_ns(self) -> int:
        """When it happened, by the author's clock."""
        return _happened_ns(self.signed, self.said.happened_at_ns)


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of course and who said it."""

    signed: Fact
    said: Diversion

    @property
    def at_ns(self) -> int:
        """When it happened, by the author's clock."""
        return _happened_ns(self.signed, self.said.happened_at_ns)


@dataclass(frozen=True, slots=True)
class Custody:
    """Who has it since when, where it is bound, and every word, oldest first.

    ``handovers`` is how far each handover has come. ``is_confirmed`` is false while it
    lies where somebody left it and nobody has found it yet.
    """

    holder: str | None = None
    since_ns: int | None = None
    place: str | None = None
    is_confirmed: bool = True
    seal: str | None = None
    steps: tuple[Step, ...] = ()
    turns: tuple[Turn, ...] = ()
    handovers: Mapping[bytes, State] = field(default_factory=dict)

    @property
    def whereabouts(self) -> tuple[str, ...]:
        """The holder and the place of the last handover that passed."""
        if self.holder is None or self.place is None:
            return ()
        return (self.holder, self.place)

    @property
    def course(self) -> Turn | None:
        """The change of course that holds; absent while it is bound as planned."""
        last = self.turns[-1] if self.turns else None
        return None if last is None or last.said.course is Course.PLANNED else last

    @property
    def is_returned(self) -> bool:
        """True once it is back where it was returning to."""
        course = self.course
        if course is None or course.said.course is not Course.RETURNING:
            return False
        is_there = course.said.destination in self.whereabouts
        return is_there and (self.since_ns or 0) >= course.at_ns

    @property
    def waiting(self) -> tuple[Step, ...]:
        """The last word of each handover that waits for its other side."""
        half = (State.GIVEN, State.TAKEN, State.LEFT)
        last = {s.said.handover: s for s in self.steps if s.correction is None}
        return tuple(step for step in last.values() if step.state in half)


def _happened_ns(fact: Fact, happened_at_ns: int | None) -> int:
    return fact.header.utc_ns if happened_at_ns is None else happened_at_ns


def fold(facts: Iterable[Fact], voided: Voided = MappingProxyType({})) -> Custody:
    """Return the custody that the facts of one shipment lead to.

    Args:
        facts: in any order, repeated or not; other kinds are ignored.
        voided: the corrections that hold, by the fact that does not.
    """
    custody = Custody()
    for fact in sorted(in_order(facts), key=_order):
        if isinstance(fact.body, Handover):
            correction = voided.get(fact.header.fact)
            custody = _apply(custody, fact, fact.body, correction)
        elif isinstance(fact.body, Diversion) and fact.header.fact not in voided:
            turns = (*custody.turns, Turn(fact, fact.body))
            custody = replace(custody, turns=turns)
    return custody


def _order(fact: Fact) -> tuple[int, bytes]:
    happened_at_ns = getattr(fact.body, "happened_at_ns", None)
    return (_happened_ns(fact, happened_at_ns), fact.header.fact)


def _apply(
    custody: Custody, fact: Fact, body: Handover, correction: Fact | None
) -> Custody:
    act = ACTS[body.role, body.manner]
    state = custody.handovers.get(body.handover, State.OPEN)
    if correction is not None:
        step = Step(fact, body, act, state, (), correction)
        return replace(custody, steps=(*custody.steps, step))
    following = TRANSITIONS[state].get(act)
    step = Step(fact, body, act, following or state)
    step = replace(step, flags=_flags(custody, step, state, following))
    custody = replace(
        custody,
        seal=body.seal,
        steps=(*custody.steps, step),
        handovers={**custody.handovers, body.handover: following or state},
    )
    return _moved(custody, step, state, following)


def _moved(
    custody: Custody, step: Step, state: State, following: State | None
) -> Custody:
    body = step.said
    if following in (State.PASSED, State.LEFT):
        since_ns = custody.since_ns if state is State.LEFT else step.at_ns
        return replace(
            custody,
            holder=body.receiver,
            since_ns=since_ns,
            place=body.place,
            is_confirmed=following is State.PASSED,
        )
    if following is State.REFUSED and state is State.LEFT:
        return replace(
            custody, holder=body.giver, since_ns=step.at_ns, is_confirmed=True
        )
    return custody


def _flags(
    custody: Custody, step: Step, state: State, following: State | None
) -> tuple[Flag, ...]:
    body = step.said
    former = [
        one
        for one in custody.steps
        if one.said.handover == body.handover and one.correction is None
    ]
    judged = (
        *_order_flags(step, former, following),
        *_manner_flags(step, state, following),
        (
            not former and custody.holder not in (None, body.giver),
            Flag.NOT_HOLDER,
        ),
        (custody.seal not in (None, body.seal), Flag.SEAL_CHANGED),
        (not body.seal_intact, Flag.SEAL_BROKEN),
    )
    return tuple(flag for holds, flag in judged if holds)


def _order_flags(
    step: Step, former: list[Step], following: State | None
) -> Iterable[tuple[bool, Flag]]:
    body = step.said
    parties = {(one.said.giver, one.said.receiver) for one in former}
    others = {
        one.signed.header.author for one in former if one.said.role is not body.role
    }
    is_repeated = any(one.said.role is body.role for one in former)
    return (
        (following is None and is_repeated, Flag.REPEATED),
        (following is None and not is_repeated, Flag.NOT_ALLOWED),
        (following is State.TAKEN, Flag.RECEIVER_FIRST),
        (bool(parties - {(body.giver, body.receiver)}), Flag.SIDES_DIFFER),
        (
            step.signed.header.author in others
            and body.manner is not HandoverManner.PAPER,
            Flag.SAME_SIGNER,
        ),
    )


def _manner_flags(
    step: Step, state: State, following: State | None
) -> Iterable[tuple[bool, Flag]]:
    body, act = step.said, step.act
    by_document = body.manner in (HandoverManner.PAPER, HandoverManner.WAYBILL)
    named = body.air_waybill or body.document
    is_complete = body.procedure and body.lock and body.photo
    carries = act in (Act.SENDS, Act.COLLECTS) and following is State.PASSED
    is_alone = carries and state in (State.OPEN, State.REFUSED, State.UNMET)
    return (
        (is_alone, Flag.ONE_SIDED),
        (by_document and named is None, Flag.NO_DOCUMENT),
        (following is State.LEFT, Flag.LEFT_UNATTENDED),
        (act is Act.LEAVES and not is_complete, Flag.PROCEDURE_INCOMPLETE),
        (following is State.REFUSED, Flag.REFUSED),
        (following is State.UNMET, Flag.NOBODY_THERE),
        (body.happened_at_ns is not None, Flag.ENTERED_LATER),
    )
