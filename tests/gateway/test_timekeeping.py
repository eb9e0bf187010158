"""UTC as a map from boot time: late dates, wrong dates, better sources, drift."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.timekeeping import (
    DRIFT_RATIO,
    GPS_U_NS,
    RECEIPT_U_NS,
    BoardTime,
    Timekeeper,
)
from schemas.records import ClockChange, TimeSource

NS = 10**9
HOUR_NS = 3600 * NS
YEAR_NS = 365 * 24 * HOUR_NS
FLOOR_NS = 1_793_000_000 * NS
# Boot was at this instant.
TRUE_NS = 1_795_000_000 * NS


def keeper() -> Timekeeper:
    return Timekeeper(FLOOR_NS)


def feed(
    time: Timekeeper, start_s: int, count: int, error_ns: int = 0, late_ns: int = 0
) -> list[ClockChange]:
    """One date a second, that many ns wrong, arriving that late."""
    changes = [
        time.take_gps(TRUE_NS + second * NS + error_ns, second * NS + late_ns)
        for second in range(start_s, start_s + count)
    ]
    return [change for change in changes if change is not None]


def error_ns(time: Timekeeper, at_s: int) -> int:
    utc_ns = time.utc_ns(at_s * NS)
    assert utc_ns is not None
    return utc_ns - (TRUE_NS + at_s * NS)


def test_nothing_is_known_at_first() -> None:
    time = keeper()
    assert time.source is TimeSource.NONE
    assert time.utc_ns(5) is time.u_ns(5) is time.utc_minus_boot_ns() is None


def test_two_dates_must_agree() -> None:
    time = keeper()
    assert feed(time, 10, 1) == []
    assert time.source is TimeSource.NONE
    (change,) = feed(time, 11, 1)
    assert change == ClockChange(TimeSource.NONE, TimeSource.GPS, TRUE_NS, GPS_U_NS)
    assert error_ns(time, 500) == 0
    assert feed(time, 12, 100) == []


def test_late_dates_do_not_pull_the_clock_back() -> None:
    time = keeper()
    rng = random.Random(7)
    for second in range(300):
        late_ns = rng.randint(0, 900_000_000)
        time.take_gps(TRUE_NS + second * NS, second * NS + late_ns)
    assert abs(error_ns(time, 300)) <= GPS_U_NS


@pytest.mark.parametrize("wrong_s", [-50, 18, 45, 3600, 10 * 365 * 86400, -86400])
def test_one_wrong_date_moves_nothing(wrong_s: int) -> None:
    time = keeper()
    feed(time, 0, 50)
    assert feed(time, 50, 1, error_ns=wrong_s * NS) == []
    assert feed(time, 51, 50) == []
    assert error_ns(time, 200) == 0


@pytest.mark.parametrize("wrong_s", [45, 3600, 10 * 365 * 86400])
def test_a_wrong_first_date_is_not_believed(wrong_s: int) -> None:
    time = keeper()
    feed(time, 0, 1, error_ns=wrong_s * NS)
    feed(time, 1, 20)
    assert abs(error_ns(time, 200)) <= GPS_U_NS


@pytest.mark.parametrize("years", [10, -10, 19])
def test_a_receiver_that_jumps_by_years_is_not_followed(years: int) -> None:
    time = keeper()
    feed(time, 0, 600)
    assert feed(time, 600, 300, error_ns=years * YEAR_NS) == []
    assert error_ns(time, 1000) == 0
    assert feed(time, 900, 10) == []


def test_a_receiver_that_was_wrong_when_it_started_is_followed_back() -> None:
    time = keeper()
    feed(time, 0, 20, error_ns=5 * YEAR_NS)
    assert error_ns(time, 20) == 5 * YEAR_NS
    (change,) = feed(time, 20, 40)
    assert change.previous_source is change.time_source is TimeSource.GPS
    assert error_ns(time, 100) == 0


def test_a_receipt_confirms_a_jump_at_once() -> None:
    time = keeper()
    feed(time, 0, 600, error_ns=5 * YEAR_NS)
    assert feed(time, 600, 5) == []
    # Behind the receiver's date it may only be late: it moves nothing by itself.
    assert time.take_receipt(TRUE_NS + 605 * NS, 606 * NS) is None
    assert len(feed(time, 610, 2)) == 1
    assert error_ns(time, 700) == 0


def test_a_receipt_proves_that_a_receiver_is_slow() -> None:
    time = keeper()
    feed(time, 0, 600, error_ns=-HOUR_NS)
    change = time.take_receipt(TRUE_NS + 600 * NS, 602 * NS)
    assert change is not None
    assert change.time_source is TimeSource.RECEIPT
    assert feed(time, 603, 50, error_ns=-HOUR_NS) == []
    assert abs(error_ns(time, 700)) <= RECEIPT_U_NS


def test_receipt_then_gps() -> None:
    time = keeper()
    change = time.take_receipt(TRUE_NS + 5 * NS, 9 * NS)
    assert change == ClockChange(
        TimeSource.NONE, TimeSource.RECEIPT, TRUE_NS - 4 * NS, RECEIPT_U_NS
    )
    (better,) = feed(time, 20, 5)
    assert better.previous_source is TimeSource.RECEIPT
    assert better.time_source is TimeSource.GPS
    assert error_ns(time, 100) == 0
    assert time.take_receipt(TRUE_NS + 200 * NS, 203 * NS) is None
    assert time.source is TimeSource.GPS


def test_a_receipt_that_lay_in_a_broker_moves_nothing() -> None:
    time = keeper()
    time.take_receipt(TRUE_NS + 100 * NS, 101 * NS)
    assert time.take_receipt(TRUE_NS + 120 * NS, 500 * NS) is None
    assert error_ns(time, 500) == -1 * NS


def test_a_fresh_receipt_corrects_one_that_was_old() -> None:
    time = keeper()
    time.take_receipt(TRUE_NS - 50 * HOUR_NS, 5 * NS)
    change = time.take_receipt(TRUE_NS + 9 * NS, 10 * NS)
    assert change is not None
    assert error_ns(time, 10) == -1 * NS


def test_the_floor() -> None:
    time = keeper()
    assert time.take_receipt(FLOOR_NS - 1, 10) is None
    for second in range(100):
        assert (
            time.take_gps(FLOOR_NS - 7000 * HOUR_NS + second * NS, second * NS) is None
        )
    assert time.source is TimeSource.NONE
    assert time.take_receipt(FLOOR_NS, 10) is not None


def test_uncertainty_grows_with_drift_in_both_directions() -> None:
    time = keeper()
    feed(time, 0, 5)
    at_ns = 4 * NS
    assert time.u_ns(at_ns) == GPS_U_NS
    after = time.u_ns(at_ns + 72 * HOUR_NS)
    assert after == GPS_U_NS + round(72 * HOUR_NS * DRIFT_RATIO)
    assert time.u_ns(at_ns - 72 * HOUR_NS) == after
    assert 13 * NS < (after or 0) < 15 * NS


def test_slow_drift_is_followed_within_the_stated_uncertainty() -> None:
    time = keeper()
    for second in range(0, 200_000, 10):
        boot_ns = round(second * NS * (1 + 40e-6))
        time.take_gps(TRUE_NS + second * NS, boot_ns)
        if second > 10:
            utc_ns, u_ns = time.utc_ns(boot_ns), time.u_ns(boot_ns)
            assert utc_ns is not None
            assert u_ns is not None
            assert abs(utc_ns - (TRUE_NS + second * NS)) <= 2 * u_ns


sources = st.lists(
    st.tuples(
        st.sampled_from(["gps", "receipt"]),
        st.integers(1, 300),
        st.integers(0, 800_000_000),
        st.sampled_from([0, 0, 0, 0, -YEAR_NS, 20 * YEAR_NS, 3600 * NS]),
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(sources)
def test_lone_wrong_dates_never_break_the_stated_uncertainty(
    steps: list[tuple[str, int, int, int]],
) -> None:
    time, second, last_wrong = keeper(), 0, False
    for kind, wait_s, late_ns, wrong_ns in steps:
        second += wait_s
        boot_ns = second * NS + late_ns
        if kind == "receipt":
            time.take_receipt(TRUE_NS + second * NS, boot_ns)
        else:
            wrong = 0 if last_wrong else wrong_ns
            last_wrong = wrong != 0
            time.take_gps(TRUE_NS + second * NS + wrong, boot_ns)
        utc_ns, u_ns = time.utc_ns(boot_ns), time.u_ns(boot_ns)
        assert (utc_ns is None) == (time.source is TimeSource.NONE)
        if utc_ns is not None and u_ns is not None:
            assert abs(utc_ns - TRUE_NS - boot_ns) <= 2 * u_ns
            assert u_ns >= GPS_U_NS


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(1, 5 * NS), st.integers(0, 3 * NS)),
        min_size=1,
        max_size=300,
    )
)
def test_board_time_is_never_later_than_the_arrival(
    steps: list[tuple[int, int]],
) -> None:
    board, boot0_ns, board_ns = BoardTime(), 77 * NS, 0
    best_ns = 10 * NS
    for step_ns, late_ns in steps:
        board_ns += step_ns
        best_ns = min(best_ns, late_ns)
        arrived_ns = boot0_ns + board_ns + late_ns
        found_ns = board.boot_ns(board_ns, arrived_ns)
        assert found_ns <= arrived_ns
        assert found_ns >= boot0_ns + board_ns
        if len(steps) <= 128:
            assert found_ns - boot0_ns - board_ns == best_ns


def test_a_board_that_boots_again_starts_anew() -> None:
    board = BoardTime()
    assert board.boot_ns(100 * NS, 1000 * NS) == 1000 * NS
    assert board.boot_ns(1 * NS, 1010 * NS) == 1010 * NS
    assert board.boot_ns(2 * NS, 1012 * NS) == 1011 * NS


def test_a_board_that_boots_unseen_must_be_said_to() -> None:
    board = BoardTime()
    board.boot_ns(10 * NS, 1000 * NS)
    # It was off the line, booted at 1500 and is 200 s old.
    board.restart()
    assert board.boot_ns(200 * NS, 1700 * NS) == 1700 * NS


def test_a_line_without_board_time_has_the_arrival() -> None:
    board = BoardTime()
    board.boot_ns(10 * NS, 12 * NS)
    assert board.boot_ns(None, 50 * NS) == 50 * NS
