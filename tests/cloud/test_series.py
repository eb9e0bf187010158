"""The series: one file, atomic, newest by order and never by arrival."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.adapters.series import SqliteSeries, open_series
from cloud.adapters.series_rows import (
    EventRow,
    LatestRow,
    Point,
    PointRow,
    PositionRow,
    RecordRow,
    Rows,
    SeriesError,
    decimate,
)
from cloud.errors import ConfigError

CHANNEL = ("gw-1", "board/temperature-0", "temperature_c")


@pytest.fixture
def series() -> SqliteSeries:
    return SqliteSeries(":memory:")


def point(at_ns: int, value: float, spread: float | None = None) -> PointRow:
    low, high = (None, None) if spread is None else (value - spread, value + spread)
    return PointRow(*CHANNEL, at_ns, b"epoch", value, low, high)


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


POINTS = st.lists(st.floats(-50, 50), max_size=200).map(
    lambda values: [Point(at, v, v - 1, v + 1) for at, v in enumerate(values)]
)


@given(POINTS, st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_decimation_keeps_extremes_and_order(points: list[Point], most: int) -> None:
    found = decimate(points, most)
    assert len(found) <= most
    assert [p.at_ns for p in found] == sorted(p.at_ns for p in found)
    assert min((p.minimum for p in found), default=0) == min(
        (p.minimum for p in points), default=0
    )
    assert max((p.maximum for p in found), default=0) == max(
        (p.maximum for p in points), default=0
    )
