"""Every program killed five times, cables pulled five times: nothing is lost."""

import re

import pytest

from schemas.events import Event, EventKind
from schemas.records import Birth, Gap
from tests.journey.runs import Run, run_once

pytestmark = pytest.mark.journey

TIMES = 5


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    directory = tmp_path_factory.mktemp("disturbed") / "run"
    finished = run_once(directory, "--disturb", str(TIMES))
    assert finished.status == 0, finished.output
    return finished


def test_every_program_was_killed(run: Run) -> None:
    for name in ("gateway", "broker", "ingest", "project", "web"):
        assert len(re.findall(rf"kill {name}\b", run.output)) == TIMES
    assert len(re.findall(r"pull (board|gps)\b", run.output)) == TIMES
    assert len(run.bodies(Birth)) == TIMES + 1


def test_no_sequence_is_missing(run: Run) -> None:
    report = run.check(run.history)
    assert report.is_complete
    sequences = [record.header.sequence for record in run.records]
    assert sequences == list(range(len(sequences)))
    assert run.bodies(Gap) == []


def test_pulled_cables_are_stated(run: Run) -> None:
    lost = [e for e in run.bodies(Event) if e.what is EventKind.SENSOR_LOST]
    assert len(lost) >= 1
    found = [e for e in run.bodies(Event) if e.what is EventKind.SENSOR_FOUND]
    assert len(found) >= len(lost)
