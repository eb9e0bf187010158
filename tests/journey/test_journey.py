"""One dose, end to end: the main job and what can be said of its history."""

import re

import pytest

from schemas.envelope import open_envelope
from schemas.estimates import WitnessVerdict
from schemas.events import Event, EventKind
from schemas.records import (
    Assigned,
    ClockChange,
    Fingerprint,
    Heartbeat,
    Position,
    Released,
    Report,
    TimeSource,
    read_record,
)
from tests.journey.runs import Run, pids, run_once

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    finished = run_once(tmp_path_factory.mktemp("once") / "a run with spaces")
    assert finished.status == 0, finished.output
    return finished


def test_says_what_a_treatment_centre_asks(run: Run) -> None:
    text = re.sub(r"\s+", " ", run.output)
    assert re.search(r"appointment 7\.4\d \S 0\.37 GBq", text), run.output
    assert "advisory: not a dosage determination" in text
    assert "detectors agree" in text
    assert "EXERCISE" in text
    assert "intact" not in text


def test_programs_are_processes_of_their_own(run: Run) -> None:
    found = pids(run.directory)
    assert set(found) == {
        "simulator",
        "gateway",
        "broker",
        "ingest",
        "project",
        "web",
    }
    assert len(set(found.values())) == len(found)
    assert "more than once: none" in run.output


def test_history_is_complete(run: Run) -> None:
    assert re.search(r"^complete: [\d,]+ records of gw-ivrea-07", run.output, re.M)
    assert run.check(run.history).is_complete
    sequences = [record.header.sequence for record in run.records]
    assert sequences == list(range(len(sequences)))
    assert len(sequences) > 5000


def test_everything_carries_the_exercise_mark(run: Run) -> None:
    assert all(record.header.exercise for record in run.records)


def test_journey_has_its_milestones(run: Run) -> None:
    assert len(run.bodies(Assigned)) == len(run.bodies(Released)) == 1
    assert [f.step for f in run.bodies(Fingerprint)] == ["background", "loaded"]
    kinds = [event.what for event in run.bodies(Event)]
    assert kinds.count(EventKind.RADIO_SILENCE_BEGINS) == 1
    assert kinds.count(EventKind.RADIO_SILENCE_ENDS) == 1
    assert EventKind.SHOCK in kinds
    assert EventKind.BOARD_REBOOTED in kinds
    assert len(run.bodies(Heartbeat)) > 3000
    assert len(run.bodies(Position)) > 1000


def test_clock_comes_from_the_receiver(run: Run) -> None:
    assert run.bodies(ClockChange)[-1].time_source is TimeSource.GPS


def test_activity_decays_and_the_witness_follows(run: Run) -> None:
    reports = [report for report in run.bodies(Report) if report.estimates]
    first, last = reports[0].estimates[0], reports[-1].estimates[0]
    half_life_s = 6.6443 * 86400
    elapsed_s = (last.at_ns - first.at_ns) / 1e9
    assert last.activity_gbq == pytest.approx(
        first.activity_gbq * 2 ** (-elapsed_s / half_life_s), rel=1e-9
    )
    verdicts = [word.verdict for report in reports for word in report.witnesses]
    agreeing = verdicts.count(WitnessVerdict.AGREES)
    assert agreeing > 0.8 * len(verdicts)
    assert WitnessVerdict.LOW not in verdicts


def test_radio_is_silent_in_the_air(run: Run) -> None:
    words = [w for report in run.bodies(Report) for w in report.witnesses]
    assert any(w.reasons == ("in the air",) and w.ratio is None for w in words)


def test_one_changed_byte_is_found_where_it_is(run: Run) -> None:
    data = bytearray(run.history)
    middle = len(data) // 2
    data[middle] ^= 0x01
    report = run.check(bytes(data))
    assert not report.is_complete
    start, end = _item_around(run, middle)
    assert start <= report.faults[0].offset < end
    assert report.faults[0].item == 1 + _number_of(run, middle)


def test_one_removed_record_is_found_where_it_was(run: Run) -> None:
    for number, item in enumerate(run.items):
        if number > len(run.items) // 3 and _is_record(item):
            break
    removed = read_record(open_envelope(item).payload).header.sequence
    report = run.check(run.history.replace(item, b"", 1))
    assert not report.is_complete
    spans = [tuple(span) for chain in report.chains for span in chain.missing]
    assert spans == [(removed, removed)]


def _is_record(item: bytes) -> bool:
    try:
        read_record(open_envelope(item).payload)
    except Exception:
        return False
    return True


def _number_of(run: Run, offset: int) -> int:
    lengths = [len(item) for item in run.items]
    return next(n for n in range(len(lengths)) if sum(lengths[: n + 1]) > offset)


def _item_around(run: Run, offset: int) -> tuple[int, int]:
    start = 0
    for item in run.items:
        if start <= offset < start + len(item):
            return start, start + len(item)
        start += len(item)
    raise AssertionError(offset)
