"""The journey with real captures played over the serial lines."""

import pytest

from schemas.readings import Fix
from schemas.records import ClockChange, Position, Report, TimeSource
from schemas.units import instant_ns
from tests.captures import capture_dir
from tests.journey.runs import Run, run_once

pytestmark = [pytest.mark.journey, pytest.mark.captures]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    directory = tmp_path_factory.mktemp("replay") / "run"
    finished = run_once(directory, "--replay", str(capture_dir()))
    assert finished.status == 0, finished.output
    return finished


def test_history_of_a_replay_is_complete_and_an_exercise(run: Run) -> None:
    assert run.check(run.history).is_complete
    assert all(record.header.exercise for record in run.records)


def test_receiver_dates_are_kept_and_never_a_clock(run: Run) -> None:
    fixes = [p for p in run.bodies(Position) if p.fix is not Fix.NONE]
    dates = [p.measured_at_ns for p in fixes if p.measured_at_ns is not None]
    assert dates
    assert max(dates) < instant_ns("2021-01-01T00:00:00Z")
    assert {c.time_source for c in run.bodies(ClockChange)} == {TimeSource.RECEIPT}
    dated = [r.header.utc_ns for r in run.records if r.header.utc_ns is not None]
    assert min(dated) > instant_ns("2026-11-25T00:00:00Z")


def test_real_dose_rate_counts_are_in_the_reports(run: Run) -> None:
    counted = [
        found
        for report in run.bodies(Report)
        for found in report.detectors
        if found.sensor == "dose/detector-0"
    ]
    assert sum(found.counts for found in counted) > 0
    # The loggers call their first readings void: kept as such, never counted.
    assert sum(found.intervals - found.valid for found in counted) > 0
