"""Custody: a fold that neither order of arrival nor repetition can change."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.custody import TRANSITIONS, Custody, Flag, State, fold
from schemas.facts import Fact, FactHeader, Handover, HandoverRole
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


def test_the_table_has_every_state_and_leads_nowhere_from_passed() -> None:
    assert set(TRANSITIONS) == set(State)
    assert TRANSITIONS[State.PASSED] == {}


SCANS = [
    scan(GIVER, 0),
    scan(RECEIVER, 1),
    scan(RECEIVER, 2, "courier", "airline"),
    scan(GIVER, 3, "courier", "airline"),
    scan(GIVER, 4, "airline", "centre"),
    scan(GIVER, 5, "airline", "centre"),
    scan(RECEIVER, 6, "airline", "centre"),
]


@given(st.permutations(SCANS), st.lists(st.sampled_from(SCANS), max_size=5))
@settings(max_examples=60, deadline=None)
def test_neither_order_nor_repetition_matters(
    order: list[Fact], again: list[Fact]
) -> None:
    assert fold([*order, *again]) == fold(SCANS)


@given(st.lists(st.sampled_from(SCANS), unique_by=lambda f: f.header.fact))
@settings(max_examples=60, deadline=None)
def test_no_scan_is_ever_dropped(some: list[Fact]) -> None:
    kept = {step.fact for step in fold(some).steps}
    assert kept == {fact.header.fact for fact in some}
    assert all(isinstance(fact.body, Handover) for fact in some)
