"""Custody: a fold that neither order of arrival nor repetition can change."""

import itertools

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.corrections import voided
from cloud.custody import ACTS, TRANSITIONS, Custody, Flag, State, fold
from schemas.custody import (
    Correction,
    CorrectionReason,
    Course,
    Diversion,
    HandoverManner,
    HandoverRole,
)
from schemas.custody import HandoverManner as Manner
from schemas.facts import Fact, FactHeader
from tests import builders
from tests.builders import START_NS

GIVER, RECEIVER = HandoverRole.GIVER, HandoverRole.RECEIVER


def scan(
    role: HandoverRole,
    minute: int,
    giver: str = "site",
    receiver: str = "courier",
    **changes: object,
) -> Fact:
    body = msgspec.structs.replace(
        builders.handover(role),
        giver=giver,
        receiver=receiver,
        handover=f"{giver}/{receiver}".encode().ljust(16)[:16],
        **changes,
    )
    author = giver if role is GIVER else receiver
    header = FactHeader(
        version=1,
        fact=f"{minute:04d}{author}".encode().ljust(16)[:16],
        author=author,
        sequence=minute,
        previous=bytes(32),
        utc_ns=START_NS + minute * 60 * 10**9,
        kind="handover",
        exercise=False,
    )
    return Fact(header, body)


def flags(custody: Custody) -> list[tuple[Flag, ...]]:
    return [step.flags for step in custody.steps]


def test_custody_passes_when_both_have_signed() -> None:
    first, second = scan(GIVER, 0), scan(RECEIVER, 1)
    assert fold([first]).holder is None
    custody = fold([first, second])
    assert custody.holder == "courier"
    assert custody.since_ns == second.header.utc_ns
    assert flags(custody) == [(), ()]


def test_a_receiver_who_signs_first_is_kept_and_flagged() -> None:
    custody = fold([scan(RECEIVER, 0), scan(GIVER, 1)])
    assert custody.holder == "courier"
    assert flags(custody) == [(Flag.RECEIVER_FIRST,), ()]


def test_a_second_signature_of_one_side_changes_nothing_and_is_flagged() -> None:
    custody = fold([scan(GIVER, 0), scan(GIVER, 1)])
    assert custody.holder is None
    assert [step.state for step in custody.steps] == [State.GIVEN, State.GIVEN]
    assert flags(custody)[1] == (Flag.REPEATED,)


def test_a_giver_who_is_not_the_holder_is_flagged() -> None:
    custody = fold(
        [
            scan(GIVER, 0),
            scan(RECEIVER, 1),
            scan(GIVER, 2, "stranger", "centre"),
            scan(RECEIVER, 3, "stranger", "centre"),
        ]
    )
    assert custody.holder == "centre"
    assert flags(custody)[2:] == [(Flag.NOT_HOLDER,), ()]


def test_sides_that_differ_and_seals_that_changed_are_flagged() -> None:
    told = scan(RECEIVER, 1, seal="OTHER", seal_intact=False)
    body = msgspec.structs.replace(told.body, receiver="somebody")
    custody = fold([scan(GIVER, 0), msgspec.structs.replace(told, body=body)])
    assert flags(custody)[1] == (Flag.SIDES_DIFFER, Flag.SEAL_CHANGED, Flag.SEAL_BROKEN)


def test_every_side_and_manner_has_an_act_and_every_state_a_row() -> None:
    assert set(ACTS) == set(itertools.product(HandoverRole, HandoverManner))
    assert set(TRANSITIONS) == set(State)
    assert TRANSITIONS[State.PASSED] == {}
    reached = {state for row in TRANSITIONS.values() for state in row.values()}
    assert reached == set(State) - {State.OPEN}


def test_a_refusal_and_an_empty_door_leave_it_with_the_giver() -> None:
    held = [scan(GIVER, 0), scan(RECEIVER, 1)]
    for manner, flag in (
        (Manner.REFUSED, Flag.REFUSED),
        (Manner.NOBODY_THERE, Flag.NOBODY_THERE),
    ):
        told = scan(GIVER, 2, "courier", "centre", manner=manner)
        custody = fold([*held, told])
        assert custody.holder == "courier"
        assert flags(custody)[2] == (flag,)
        again = [
            scan(GIVER, 9, "courier", "centre"),
            scan(RECEIVER, 10, "courier", "centre"),
        ]
        assert fold([*held, told, *again]).holder == "centre"


def test_a_night_drop_by_procedure_is_confirmed_in_the_morning() -> None:
    left = scan(
        GIVER,
        0,
        "courier",
        "centre",
        manner=Manner.UNATTENDED,
        procedure="HL-7, edition 3",
        lock="cage locked",
        photo=bytes(32),
    )
    night = fold([left])
    assert (night.holder, night.is_confirmed) == ("centre", False)
    assert flags(night) == [(Flag.LEFT_UNATTENDED,)]
    assert [step.signed for step in night.waiting] == [left]
    found = scan(RECEIVER, 400, "courier", "centre", manner=Manner.UNATTENDED)
    morning = fold([left, found])
    assert (morning.holder, morning.is_confirmed) == ("centre", True)
    assert morning.since_ns == left.header.utc_ns
    assert morning.waiting == ()
    refused = scan(RECEIVER, 400, "courier", "centre", manner=Manner.REFUSED)
    assert fold([left, refused]).holder == "courier"
    careless = scan(GIVER, 0, "courier", "centre", manner=Manner.UNATTENDED)
    assert Flag.PROCEDURE_INCOMPLETE in flags(fold([careless]))[0]


def test_an_airline_without_a_scan_takes_and_gives_by_its_waybill() -> None:
    by_air = {"manner": Manner.WAYBILL, "air_waybill": "020-12345675"}
    there = scan(GIVER, 0, "courier", "airline", **by_air)
    back = scan(RECEIVER, 300, "airline", "courier-b", **by_air)
    assert fold([there]).holder == "airline"
    custody = fold([there, back])
    assert custody.holder == "courier-b"
    assert flags(custody) == [(Flag.ONE_SIDED,), (Flag.ONE_SIDED,)]
    bare = scan(GIVER, 0, "courier", "airline", manner=Manner.WAYBILL)
    assert Flag.NO_DOCUMENT in flags(fold([bare]))[0]


def test_a_dead_phone_blocks_nothing_paper_is_entered_by_the_other_side() -> None:
    body = scan(RECEIVER, 1).body
    entered = msgspec.structs.replace(
        body,
        manner=Manner.PAPER,
        document=bytes(32),
        happened_at_ns=START_NS + 60 * 10**9,
    )
    late = scan(GIVER, 300)
    late = Fact(msgspec.structs.replace(late.header, fact=bytes(16)), entered)
    custody = fold([scan(GIVER, 0), late])
    assert custody.holder == "courier"
    assert custody.since_ns == START_NS + 60 * 10**9
    assert flags(custody)[1] == (Flag.ENTERED_LATER,)


def test_one_signer_for_both_sides_is_flagged() -> None:
    second = scan(RECEIVER, 1)
    forged = msgspec.structs.replace(second.header, author="site")
    custody = fold([scan(GIVER, 0), Fact(forged, second.body)])
    assert Flag.SAME_SIGNER in flags(custody)[1]


def turn(course: Course, destination: str, minute: int) -> Fact:
    like = scan(GIVER, minute, "control", "control").header
    said = Diversion(builders.SHIPMENT, course, destination, "snow on the A2")
    return Fact(msgspec.structs.replace(like, kind="diversion"), said)


def test_a_diversion_is_known_and_a_return_ends_where_it_goes() -> None:
    sent = [scan(GIVER, 0), scan(RECEIVER, 1)]
    diverted = fold([*sent, turn(Course.DIVERTED, "centre-bern", 2)])
    assert diverted.course is not None
    assert diverted.course.said.destination == "centre-bern"
    back = [turn(Course.RETURNING, "site", 3)]
    assert not fold([*sent, *back]).is_returned
    back += [scan(GIVER, 4, "courier", "site"), scan(RECEIVER, 5, "courier", "site")]
    assert fold([*sent, *back]).is_returned
    planned = turn(Course.PLANNED, "centre", 6)
    assert fold([*sent, *back, planned]).course is None


def test_a_corrected_word_does_nothing_and_stays_in_sight() -> None:
    wrong = [
        scan(GIVER, 2, "courier", "stranger"),
        scan(RECEIVER, 3, "courier", "stranger"),
    ]
    told = [scan(GIVER, 0), scan(RECEIVER, 1), *wrong]
    assert fold(told).holder == "stranger"
    corrections = [correction(of, 10) for of in wrong]
    custody = fold(told, voided([*told, *corrections]))
    assert custody.holder == "courier"
    assert [step.correction is None for step in custody.steps] == [
        True,
        True,
        False,
        False,
    ]
    # Nobody corrects the word of another, but those who may.
    meddling = [correction(of, 10, author="meddler") for of in wrong]
    assert voided([*told, *meddling]) == {}
    assert set(voided([*told, *meddling], {"meddler"})) == {
        of.header.fact for of in wrong
    }


def correction(of: Fact, minute: int, author: str | None = None) -> Fact:
    said = Correction(
        builders.SHIPMENT, of.header.fact, CorrectionReason.DID_NOT_OCCUR, "not given"
    )
    header = msgspec.structs.replace(
        of.header,
        fact=b"c" + of.header.fact[1:],
        author=author or of.header.author,
        utc_ns=START_NS + minute * 60 * 10**9,
        kind="correction",
    )
    return Fact(header, said)


def test_a_correction_may_be_corrected_and_none_acts_backwards() -> None:
    word = scan(GIVER, 0)
    first = correction(word, 1)
    second = correction(first, 2)
    second = Fact(msgspec.structs.replace(second.header, fact=bytes(16)), second.body)
    assert set(voided([word, first])) == {word.header.fact}
    assert set(voided([second, first, word])) == {first.header.fact}
    early = correction(scan(GIVER, 5), 1)
    assert voided([scan(GIVER, 5), early]) == {}


SCANS = [
    scan(GIVER, 0),
    scan(RECEIVER, 1),
    scan(RECEIVER, 2, "courier", "airline"),
    scan(GIVER, 3, "courier", "airline"),
    scan(GIVER, 4, "airline", "courier-b", manner=Manner.NOBODY_THERE),
    scan(RECEIVER, 5, "airline", "courier-b", manner=Manner.WAYBILL),
    turn(Course.DIVERTED, "centre-bern", 6),
    scan(GIVER, 7, "courier-b", "centre", manner=Manner.REFUSED),
    scan(GIVER, 8, "courier-b", "centre", manner=Manner.UNATTENDED),
    turn(Course.RETURNING, "site", 9),
    scan(RECEIVER, 10, "courier-b", "centre"),
]
ALL = [*SCANS, *(correction(SCANS[at], 20 + at) for at in (2, 6, 8))]


@given(st.permutations(ALL), st.lists(st.sampled_from(ALL), max_size=5))
@settings(max_examples=60, deadline=None)
def test_neither_order_nor_repetition_matters(
    order: list[Fact], again: list[Fact]
) -> None:
    told = [*order, *again]
    assert fold(told, voided(told)) == fold(ALL, voided(ALL))


@given(st.lists(st.sampled_from(SCANS), unique_by=lambda f: f.header.fact))
@settings(max_examples=60, deadline=None)
def test_no_word_is_ever_dropped(some: list[Fact]) -> None:
    custody = fold(some)
    kept = {step.signed.header.fact for step in custody.steps}
    kept |= {turn.signed.header.fact for turn in custody.turns}
    assert kept == {fact.header.fact for fact in some}


@given(
    st.lists(
        st.tuples(st.sampled_from(HandoverRole), st.sampled_from(HandoverManner)),
        max_size=8,
    )
)
@settings(max_examples=200, deadline=None)
def test_custody_passes_only_along_the_table(
    words: list[tuple[HandoverRole, HandoverManner]],
) -> None:
    facts = [
        scan(role, minute, manner=manner) for minute, (role, manner) in enumerate(words)
    ]
    custody, state = fold(facts), State.OPEN
    for step, (role, manner) in zip(custody.steps, words, strict=True):
        following = TRANSITIONS[state].get(ACTS[role, manner])
        assert step.state is (following or state)
        assert (following is None) == bool(
            {Flag.REPEATED, Flag.NOT_ALLOWED} & set(step.flags)
        )
        state = step.state
    has_it = state in (State.PASSED, State.LEFT)
    came_back = State.LEFT in {step.state for step in custody.steps}
    assert (custody.holder == "courier") == has_it or came_back
