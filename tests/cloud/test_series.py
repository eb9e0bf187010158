"""The series: one file, atomic, newest by order and never by arrival."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.adapters.series import SqliteSeries, open_series
from cloud.adapters.series_rows import (
    Channel,
    EventRow,
    LatestRow,
    Point,
    PointRow,
    PositionRow,
    RecordRow,
    RefusedRow,
    Rows,
    SeriesError,
    bucket_s,
    middle_ns,
)
from cloud.adapters.series_state import StateFile, hold_alone
from cloud.errors import ConfigError

CHANNEL = ("gw-1", "board/temperature-0", "temperature_c")


@pytest.fixture
def series() -> SqliteSeries:
    return SqliteSeries(":memory:")


def point(at_ns: int, value: float, spread: float = 0.0) -> PointRow:
    return PointRow(*CHANNEL, at_ns, b"epoch", value, value - spread, value + spread)


def latest(rank: int, sequence: int, value: bytes) -> LatestRow:
    return LatestRow("gw-1", "report", rank, sequence, sequence, 0, False, value)


def test_rows_and_cursor_move_together(series: SqliteSeries) -> None:
    assert series.position() == 0
    series.commit(Rows(points=[point(1, 20.0)]), 17)
    assert series.position() == 17
    broken = Rows(points=[point(2, 21.0)], boots=[("gw",)])  # type: ignore[list-item] # wrong on purpose
    with pytest.raises(Exception, match="binding"):
        series.commit(broken, 18)
    assert series.position() == 17
    assert series.series(CHANNEL, (0, 9), 10) == [Point(1, 20.0, 20.0, 20.0)]


def test_projecting_the_same_again_changes_nothing(series: SqliteSeries) -> None:
    rows = Rows(points=[point(1, 20.0)], latest=[latest(1, 1, b"1")])
    series.commit(rows, 1)
    before = series.dump()
    series.commit(rows, 1)
    assert series.dump() == before


def test_late_data_never_overwrites_newer_state(series: SqliteSeries) -> None:
    for rank, sequence, value in ((1, 9, b"new"), (1, 3, b"late"), (0, 99, b"old")):
        series.commit(Rows(latest=[latest(rank, sequence, value)]), 1)
    assert series.latest("gw-1")["report"].value == b"new"
    series.commit(Rows(latest=[latest(2, 0, b"next epoch")]), 2)
    assert series.latest("gw-1")["report"].value == b"next epoch"


def test_as_of_leaves_out_what_came_later(series: SqliteSeries) -> None:
    rows = [
        EventRow("gw-1", b"e", n, 1, n, None, received, False, b"{}")
        for n, received in ((1, 10), (2, 30), (3, 20))
    ]
    series.commit(Rows(events=rows), 1)
    assert [row.sequence for row in series.events("gw-1", 20)] == [1, 3]
    assert [row.sequence for row in series.events("gw-1")] == [1, 2, 3]


def test_only_positions_with_a_fix_are_a_route(series: SqliteSeries) -> None:
    rows = [
        PositionRow("gw-1", 1, b"e", "3d", 45.0, 7.0, None),
        PositionRow("gw-1", 2, b"e", "none", None, None, None),
    ]
    series.commit(Rows(positions=rows), 1)
    assert [row.at_ns for row in series.positions("gw-1", 0, 9)] == [1]


def test_the_exercise_mark_is_found_in_a_range(series: SqliteSeries) -> None:
    rows = [RecordRow("gw-1", b"e", n, n, "report", 0, n == 5) for n in range(10)]
    series.commit(Rows(records=rows), 9)
    assert series.exercise_between("gw-1", b"e", 3, None) == 5
    assert series.exercise_between("gw-1", b"e", 6, None) is None
    assert series.exercise_between("gw-1", b"e", 0, 4) is None
    assert series.received("gw-1", b"e") == 10


def test_a_summary_has_the_last_point_and_the_extremes(series: SqliteSeries) -> None:
    series.commit(Rows(points=[point(1, 20.0, 3.0), point(2, 21.0, 0.5)]), 1)
    found = series.summary(CHANNEL, (0, 9))
    assert found is not None
    assert (found.last.value, found.lowest, found.highest) == (21.0, 17.0, 23.0)
    assert series.summary(CHANNEL, (5, 9)) is None


def test_a_locked_file_is_an_error_to_retry(tmp_path: Path) -> None:
    holder = SqliteSeries(tmp_path / "series.sqlite")
    other = SqliteSeries(tmp_path / "series.sqlite")
    other._db.execute("PRAGMA busy_timeout = 0")
    holder._db.execute("BEGIN IMMEDIATE")
    with pytest.raises(SeriesError):
        other.commit(Rows(), 1)
    holder._db.execute("ROLLBACK")
    other.commit(Rows(), 1)
    assert holder.position() == 1


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"series\.path .*create its folder"):
        open_series(str(tmp_path / "nowhere" / "series.sqlite"))


VALUES = st.lists(st.floats(-50, 50), min_size=1, max_size=200)


@given(VALUES, st.integers(2, 50), st.integers(1, 10**12))
@settings(max_examples=40, deadline=None)
def test_merged_points_keep_extremes_and_order(
    values: list[float], most: int, step_ns: int
) -> None:
    series = SqliteSeries(":memory:")
    rows = [point(at * step_ns, value, 1.0) for at, value in enumerate(values)]
    series.commit(Rows(points=rows), 1)
    found = series.series(CHANNEL, (0, len(values) * step_ns), most)
    series.close()
    assert 0 < len(found) <= most
    assert [p.at_ns for p in found] == sorted({p.at_ns for p in found})
    assert min(p.minimum for p in found) == min(row.minimum for row in rows)
    assert max(p.maximum for p in found) == max(row.maximum for row in rows)
    if len(values) <= most:
        assert found == [Point(row.at_ns, *row[5:]) for row in rows]


@given(st.integers(0, 2**61), st.integers(0, 2**60), st.integers(2, 2000))
@settings(max_examples=100, deadline=None)
def test_buckets_are_few_and_no_wider_than_they_must(
    from_ns: int, length_ns: int, most: int
) -> None:
    span = (from_ns, from_ns + length_ns)
    width_s = bucket_s(span, most)
    first, last = (at // (width_s * 10**9) for at in span)
    assert last - first < most
    assert width_s == 1 or length_ns > width_s / 2.5 * 10**9 * (most - 2)
    for bucket in (first, last):
        assert from_ns <= middle_ns(bucket, width_s, span) <= span[1]


def test_a_plot_stays_as_it_is_while_its_span_grows(series: SqliteSeries) -> None:
    rows = [point(at * 10**9, at % 7) for at in range(1000)]
    series.commit(Rows(points=rows), 1)
    before = series.series(CHANNEL, (0, 990 * 10**9), 100)
    after = series.series(CHANNEL, (0, 995 * 10**9), 100)
    assert len(before) > 60
    assert after[: len(before) - 1] == before[:-1]


def test_the_last_position_of_a_span(series: SqliteSeries) -> None:
    rows = [PositionRow("gw-1", n, b"e", "3d", 45.0, 7.0 + n, None) for n in range(5)]
    lost = PositionRow("gw-1", 3, b"f", "none", None, None, None)
    series.commit(Rows(positions=[*rows, lost]), 1)
    assert series.last_position("gw-1", 0, 3) == rows[3]
    assert series.last_position("gw-1", 9, 12) is None
    assert list(series.stored_positions())[4] == lost


def test_channels_are_those_that_have_points(series: SqliteSeries) -> None:
    other = PointRow("gw-1", "a", "voltage_v", 1, b"e", 1.0, 1.0, 1.0)
    series.commit(Rows(points=[point(1, 1.0), other, point(2, 1.0)]), 1)
    assert series.channels("gw-1") == [
        Channel("board/temperature-0", "temperature_c"),
        Channel("a", "voltage_v"),
    ]
    assert series.channels("gw-2") == []


def test_a_state_of_another_store_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "series.sqlite"
    series = SqliteSeries(path)
    series.prepare()
    series.commit(Rows(points=[point(1, 1.0)], latest=[latest(1, 1, b"1")]), 7)
    series.close()
    again = SqliteSeries(path)
    again.prepare()
    assert again.position() == 7
    again.close()
    elsewhere = StateFile(path, "points on another machine")
    elsewhere.prepare()
    assert elsewhere.position() == 0
    assert elsewhere.latest("gw-1") == {}
    elsewhere.close()


def test_what_waits_and_what_was_refused_is_told(series: SqliteSeries) -> None:
    series.say_waiting("the disk is full")
    series._count_refused([RefusedRow("type-conflict", 2, 5, "one")])
    series._count_refused([RefusedRow("type-conflict", 3, 9, "two")])
    health = series.health()
    assert health.waiting == "the disk is full"
    assert health.refused == (RefusedRow("type-conflict", 5, 9, "two"),)
    series.commit(Rows(), 1)
    assert series.health().waiting is None
    series.clear()
    assert series.health().refused == ()


def test_only_one_process_projects_into_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "series.sqlite")
    with hold_alone(path), pytest.raises(ConfigError, match="another process"):
        hold_alone(path)
    hold_alone(path).close()
    with pytest.raises(ConfigError, match="create its folder"):
        hold_alone(str(tmp_path / "nowhere" / "series.sqlite"))
