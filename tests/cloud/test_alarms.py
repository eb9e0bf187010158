"""Alarms: a fold in event time; late data is told as late and undoes nothing."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from cloud.alarms import (
    LATE_AFTER_NS,
    Acknowledged,
    Happened,
    State,
    fold,
    impacts,
    silence_until_ns,
)
from schemas.events import Event, EventKind, Severity
from tests.builders import EPOCH, GATEWAY, START_NS

MINUTE_NS = 60 * 10**9


def happened(
    sequence: int,
    what: EventKind,
    severity: Severity = Severity.WARNING,
    sensor: str | None = "board/temperature-0",
    expected_end_ns: int | None = None,
    lag_ns: int = 0,
) -> Happened:
    at_ns = START_NS + sequence * MINUTE_NS
    event = Event(
        what,
        severity,
        sequence * MINUTE_NS,
        what.value,
        sensor=sensor,
        expected_end_ns=expected_end_ns,
    )
    place = (GATEWAY, EPOCH, 1, sequence)
    return Happened(*place, at_ns + lag_ns, event, False, at_ns)


def told(one: Happened) -> Event:
    assert isinstance(one.event, Event)
    return one.event


LOST = happened(1, EventKind.SENSOR_LOST)
FOUND = happened(5, EventKind.SENSOR_FOUND, Severity.INFO)
OPENED = happened(2, EventKind.TAMPER, Severity.ALARM, "board/light-0")
CLOSED = happened(3, EventKind.TAMPER, Severity.INFO, "board/light-0")
SHOCKS = [happened(n, EventKind.SHOCK, Severity.WARNING, "board/1") for n in (6, 7)]
SILENCE = happened(
    8,
    EventKind.RADIO_SILENCE_BEGINS,
    Severity.INFO,
    None,
    expected_end_ns=START_NS + 60 * MINUTE_NS,
)
HEARD = happened(9, EventKind.RADIO_SILENCE_ENDS, Severity.INFO, None)
ALL = [LOST, FOUND, OPENED, CLOSED, *SHOCKS, SILENCE, HEARD]


def states(*events: Happened) -> list[State]:
    return [alarm.state for alarm in fold(events).alarms]


def test_a_sensor_lost_is_raised_and_cleared_when_it_is_found() -> None:
    assert states(LOST) == [State.RAISED]
    cleared = fold([LOST, FOUND]).alarms[0]
    assert cleared.state is State.CLEARED
    assert cleared.cleared_at_ns == FOUND.at_ns


def test_another_sensor_found_clears_nothing() -> None:
    other = happened(5, EventKind.SENSOR_FOUND, Severity.INFO, "board/pressure-0")
    assert states(LOST, other) == [State.RAISED]


def test_an_event_of_grade_info_says_that_it_is_over() -> None:
    assert states(OPENED, CLOSED) == [State.CLEARED]


def test_what_states_its_end_is_over_then_and_not_before() -> None:
    begun = happened(2, EventKind.TEMPERATURE_EXCURSION, Severity.ALARM)
    over = happened(2, EventKind.TEMPERATURE_EXCURSION, Severity.INFO)
    ended = replace(over, sequence=4, ended_ns=START_NS + 9 * MINUTE_NS)
    assert states(replace(begun, ended_ns=START_NS + 5 * MINUTE_NS)) == [State.RAISED]
    (alarm,) = fold([begun, ended]).alarms
    assert alarm.state is State.CLEARED
    assert alarm.cleared_at_ns == START_NS + 9 * MINUTE_NS


def test_a_late_clearing_is_no_newer_than_what_came_after_it() -> None:
    again = happened(4, EventKind.TAMPER, Severity.ALARM, "board/light-0")
    assert states(OPENED, again, CLOSED) == [State.CLEARED, State.RAISED]


def test_every_shock_is_an_alarm_of_its_own() -> None:
    assert states(*SHOCKS) == [State.RAISED, State.RAISED]


def test_going_on_is_one_alarm_with_the_worst_grade() -> None:
    worse = happened(4, EventKind.TAMPER, Severity.ALARM, "board/light-0")
    weak = happened(2, EventKind.TAMPER, Severity.WARNING, "board/light-0")
    (alarm,) = fold([weak, worse]).alarms
    assert (alarm.severity, alarm.repeats) == (Severity.ALARM, 1)
    assert alarm.happened == weak


def test_an_acknowledgement_is_seen_but_clears_nothing() -> None:
    word = Acknowledged(GATEWAY, EPOCH, 1, START_NS, "control", "driver called")
    (alarm,) = fold([LOST], [word]).alarms
    assert alarm.state is State.ACKNOWLEDGED
    assert alarm.is_open
    assert alarm.acknowledged == word
    elsewhere = Acknowledged("gw-other", EPOCH, 1, START_NS, "control", "seen")
    assert fold([LOST], [elsewhere]).alarms[0].state is State.RAISED


def test_a_late_alarm_is_marked_late() -> None:
    in_time = happened(1, EventKind.SHOCK, lag_ns=LATE_AFTER_NS)
    late = happened(1, EventKind.SHOCK, lag_ns=LATE_AFTER_NS + 1)
    assert not fold([in_time]).alarms[0].is_late
    assert fold([late]).alarms[0].is_late


def test_lateness_is_judged_by_what_delivery_may_take() -> None:
    shock = happened(1, EventKind.SHOCK, lag_ns=2 * LATE_AFTER_NS)
    for allowed_ns in (None, 2 * LATE_AFTER_NS):
        assert not fold([shock], late_after_ns=allowed_ns).alarms[0].is_late


def test_what_happened_in_radio_silence_is_late_whatever_the_pace() -> None:
    shock = happened(9, EventKind.SHOCK, lag_ns=LATE_AFTER_NS + 1)
    after = happened(11, EventKind.SHOCK, lag_ns=LATE_AFTER_NS + 1)
    over = replace(HEARD, sequence=10)
    told = fold([SILENCE, shock, over, after], late_after_ns=None).alarms
    assert [alarm.is_late for alarm in told] == [True, False]


def test_what_two_sensors_felt_at_once_is_one_impact() -> None:
    weak, strong = (
        replace(shock, event=structs.replace(told(shock), sensor=sensor, value=value))
        for shock, sensor, value in zip(
            SHOCKS, ("b/0", "b/1"), (161.0, 436.0), strict=True
        )
    )
    strong = replace(strong, at_ns=weak.at_ns)
    (one,) = impacts(fold([weak, strong, LOST]).alarms)
    assert one.happened == strong
    again = replace(strong, event=weak.event)
    assert len(impacts(fold([weak, again]).alarms)) == 2
    assert len(impacts(fold(SHOCKS).alarms)) == 2


def test_radio_silence_is_announced_until_its_end_or_its_expected_end() -> None:
    now_ns = START_NS + 10 * MINUTE_NS
    assert silence_until_ns(fold([SILENCE]), now_ns) == START_NS + 60 * MINUTE_NS
    assert silence_until_ns(fold([SILENCE]), START_NS + 61 * MINUTE_NS) is None
    assert silence_until_ns(fold([SILENCE, HEARD]), now_ns) is None
    assert fold([SILENCE]).alarms == ()


def test_the_worst_unseen_comes_first() -> None:
    word = Acknowledged(GATEWAY, EPOCH, 2, START_NS, "control", "seen")
    shown = fold([LOST, OPENED, *SHOCKS], [word]).open_worst_first
    assert [alarm.happened for alarm in shown] == [LOST, *SHOCKS, OPENED]


@given(st.permutations(ALL), st.lists(st.sampled_from(ALL), max_size=4))
@settings(max_examples=60, deadline=None)
def test_the_order_of_arrival_plays_no_part(
    order: list[Happened], again: list[Happened]
) -> None:
    assert fold([*order, *again]) == fold(ALL)
