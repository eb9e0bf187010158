"""What becomes of a condition: the table, persistence, grace, gates, escalation."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.alarm_rules import (
    ADVICE,
    ESCALATION_NS,
    GRACE_NS,
    Audience,
    Stage,
    advice,
    audiences,
    gated,
)
from cloud.alarms import (
    TRANSITIONS,
    Acknowledged,
    Alarm,
    Input,
    Stages,
    State,
    Watch,
    fold,
)
from cloud.conditions import Condition, Happened
from schemas.custody import NoticeKind
from schemas.events import EventKind, Severity
from tests.builders import EPOCH, GATEWAY, START_NS
from tests.cloud.test_alarms import ALL, CLOSED, LOST, MINUTE_NS, OPENED, happened, told

HOUR_NS = 60 * MINUTE_NS
SILENT = Happened(
    "gw-other",
    b"",
    0,
    0,
    START_NS + 4 * MINUTE_NS,
    Condition(NoticeKind.GATEWAY_SILENT, Severity.WARNING, "silent", "gw-other"),
    False,
    START_NS + 4 * MINUTE_NS,
    fact=b"0123456789abcdef",
)


def alarm_at(now_ns: int, *events: Happened, **watch: object) -> Alarm:
    judge = Watch(now_ns=now_ns, **watch)  # type: ignore[arg-type]  # any of its fields
    (alarm,) = fold(events, watch=judge).alarms
    return alarm


def word(at_ns: int, sequence: int | None = 2, of: bytes | None = None) -> Acknowledged:
    return Acknowledged(GATEWAY, EPOCH, sequence, at_ns, "control", "driver called", of)


def history(alarm: Alarm) -> list[tuple[State, int]]:
    return [(change.state, change.at_ns) for change in alarm.history]


def test_every_state_has_a_row_and_what_never_was_an_alarm_leads_nowhere() -> None:
    assert set(TRANSITIONS) == set(State)
    assert TRANSITIONS[State.BRIEF] == TRANSITIONS[State.GATED] == {}
    assert TRANSITIONS[State.CLEARED] == {Input.ACKNOWLEDGED: State.CLEARED}


def test_nobody_in_time_and_the_next_is_called_until_somebody_speaks() -> None:
    raised_ns = START_NS + 2 * MINUTE_NS
    due_ns = raised_ns + ESCALATION_NS[Severity.ALARM]
    assert alarm_at(due_ns - 1, OPENED).state is State.RAISED
    late = alarm_at(due_ns, OPENED)
    assert history(late) == [(State.RAISED, raised_ns), (State.ESCALATED, due_ns)]
    judge = Watch(now_ns=due_ns + HOUR_NS)
    (seen,) = fold([OPENED], [word(due_ns + 5)], watch=judge).alarms
    assert [change.state for change in seen.history] == [
        State.RAISED,
        State.ESCALATED,
        State.ACKNOWLEDGED,
    ]
    assert seen.history[-1].author == "control"
    (soon,) = fold([OPENED], [word(raised_ns + 1)], watch=judge).alarms
    assert [change.state for change in soon.history] == [
        State.RAISED,
        State.ACKNOWLEDGED,
    ]


def test_people_are_not_late_for_what_could_not_be_known() -> None:
    lag_ns = 3 * HOUR_NS
    late = happened(2, EventKind.TAMPER, Severity.ALARM, lag_ns=lag_ns)
    due_ns = START_NS + 2 * MINUTE_NS + lag_ns + ESCALATION_NS[Severity.ALARM]
    assert alarm_at(due_ns - 1, late).state is State.RAISED
    assert alarm_at(due_ns, late).state is State.ESCALATED
    # In simulated time people are given their own time, where its pace is known.
    assert alarm_at(due_ns, late, haste=60.0).state is State.RAISED
    assert alarm_at(due_ns + 99 * HOUR_NS, late, haste=None).state is State.RAISED


def test_what_ends_before_it_persisted_was_brief_and_no_alarm() -> None:
    now_ns = START_NS + HOUR_NS
    found = happened(1, EventKind.SENSOR_FOUND, Severity.INFO)
    early = msgspec.structs.replace(told(found), from_boot_ns=30 * 10**9)
    back = Happened(
        *(GATEWAY, EPOCH, 1, 2), now_ns, early, False, LOST.known_ns + 30 * 10**9
    )
    brief = alarm_at(now_ns, LOST, back)
    assert brief.state is State.BRIEF
    assert not brief.is_open
    pending = alarm_at(LOST.known_ns + 59 * 10**9, LOST)
    assert (pending.state, pending.is_open) == (State.PENDING, False)
    assert alarm_at(LOST.known_ns + 60 * 10**9, LOST).state is State.RAISED


def test_a_container_that_is_being_set_up_has_time() -> None:
    started_ns = START_NS
    watch = {"started_ns": started_ns}
    end_ns = started_ns + GRACE_NS
    assert alarm_at(end_ns - 1, LOST, **watch).state is State.PENDING
    assert alarm_at(end_ns, LOST, **watch).state is State.RAISED
    # A lid is no matter of setting up.
    assert alarm_at(end_ns - 1, OPENED, **watch).state is State.RAISED


@pytest.mark.parametrize(
    ("stage", "what", "expected"),
    [
        (Stage.ORIGIN, EventKind.TAMPER, Severity.INFO),
        (Stage.TRANSIT, EventKind.TAMPER, Severity.ALARM),
        (Stage.DESTINATION, EventKind.TAMPER, Severity.ALARM),
        (Stage.OVER, EventKind.TAMPER, Severity.INFO),
        (Stage.ORIGIN, EventKind.SHOCK, Severity.ALARM),
        (Stage.OVER, EventKind.SHOCK, Severity.WARNING),
        (Stage.ORIGIN, NoticeKind.GATEWAY_SILENT, Severity.WARNING),
        (Stage.OVER, EventKind.TEMPERATURE_EXCURSION, Severity.INFO),
    ],
)
def test_what_counts_depends_on_where_it_is(
    stage: Stage, what: EventKind | NoticeKind, expected: Severity
) -> None:
    assert gated(what, Severity.ALARM, stage) is expected
    assert gated(what, Severity.WARNING, stage) is not Severity.ALARM


def test_a_lid_that_opens_while_packing_is_kept_and_no_alarm() -> None:
    stages = Stages(START_NS + HOUR_NS, START_NS + 2 * HOUR_NS, START_NS + 3 * HOUR_NS)
    packing = alarm_at(START_NS + 9 * HOUR_NS, OPENED, CLOSED, stages=stages)
    assert (packing.state, packing.stage) == (State.GATED, Stage.ORIGIN)
    assert [stages.at(START_NS + n * HOUR_NS) for n in range(4)] == list(Stage)


def test_a_notice_is_an_alarm_by_its_fact_and_over_by_its_like() -> None:
    assert SILENT.fact is not None
    seen = word(START_NS + 5 * MINUTE_NS, None, SILENT.fact)
    judge = Watch(now_ns=START_NS + 6 * MINUTE_NS)
    (alarm,) = fold([SILENT], [seen], watch=judge).alarms
    assert alarm.state is State.ACKNOWLEDGED
    assert alarm.happened.name == SILENT.fact.hex()
    over = Condition(NoticeKind.GATEWAY_SILENT, Severity.INFO, "heard", "gw-other")
    at_ns = START_NS + 9 * MINUTE_NS
    heard = Happened("gw-other", b"", 0, 0, at_ns, over, False, at_ns, fact=bytes(16))
    (cleared,) = fold([heard, SILENT], [seen]).alarms
    assert (cleared.state, cleared.cleared_at_ns) == (State.CLEARED, at_ns)


def test_both_ends_learn_of_an_excursion_and_control_of_everything() -> None:
    both = {Audience.CONTROL, Audience.DISTRIBUTOR, Audience.RECIPIENT}
    assert set(audiences(EventKind.TEMPERATURE_EXCURSION)) == both
    assert set(audiences(EventKind.SHOCK)) == both
    assert audiences(NoticeKind.RECORDS_MISSING) == (Audience.CONTROL,)


def test_every_kind_that_can_be_an_alarm_says_what_to_do() -> None:
    for what in NoticeKind:
        assert what in ADVICE
    for other in EventKind:
        assert advice(other).action
        assert advice(other).call


WORDS = [
    word(START_NS + 9 * MINUTE_NS, 2),
    word(START_NS + 4 * MINUTE_NS, 1),
    word(START_NS + 8 * MINUTE_NS, None, SILENT.fact),
]


@given(
    st.permutations([*ALL, SILENT]),
    st.permutations(WORDS),
    st.integers(0, 200),
)
@settings(max_examples=80, deadline=None)
def test_the_history_is_the_same_in_any_order(
    events: list[Happened], words: list[Acknowledged], minute: int
) -> None:
    judge = Watch(now_ns=START_NS + minute * MINUTE_NS, started_ns=START_NS)
    found = fold([*events, *events[:3]], [*words, *words[:1]], watch=judge)
    assert found == fold([*ALL, SILENT], WORDS, watch=judge)


@given(st.integers(0, 300), st.integers(0, 300))
@settings(max_examples=80, deadline=None)
def test_later_questions_only_add_to_the_history(one: int, other: int) -> None:
    first, later = sorted((one, other))
    before, after = (
        fold(ALL, watch=Watch(now_ns=START_NS + minute * MINUTE_NS)).alarms
        for minute in (first, later)
    )
    for early, late in zip(before, after, strict=True):
        until_ns = START_NS + first * MINUTE_NS
        known = [change for change in late.history if change.at_ns <= until_ns]
        assert list(early.history)[: len(known)] == known
