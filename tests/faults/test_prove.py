"""How the campaign is put together: what runs beside what, and what ends a rig."""

import json
import sys
import threading
from pathlib import Path

import pytest

from tests.faults import prove
from tests.faults.campaign import GROUPS, RIGS, Rig
from tests.faults.rig import CANNOT_RUN
from tests.faults.side_by_side import fits, in_order, run_all, run_limited

ALONE = Rig("alone", (), minutes=1.0, is_timed=True)
LONG = Rig("long", (), minutes=30.0)
SHORT = Rig("short", (), minutes=2.0)
IDLE = Rig("idle", (), minutes=31.0, cores=0.1)


def test_what_measures_time_runs_alone_and_first() -> None:
    rigs = in_order([SHORT, LONG, ALONE, IDLE])
    assert rigs == [ALONE, IDLE, LONG, SHORT]
    assert not fits(ALONE, [IDLE], 2.0)
    assert not fits(IDLE, [ALONE], 2.0)
    assert fits(SHORT, [IDLE], 2.0)
    assert not fits(SHORT, [IDLE, LONG], 2.0)


def test_rigs_run_side_by_side_as_they_fit() -> None:
    together, known = threading.Barrier(2, timeout=30.0), list[str]()

    def run(rig: Rig) -> bool:
        if rig in (IDLE, LONG):
            together.wait()
        known.append(rig.called)
        return rig is not SHORT

    said = run_all([SHORT, LONG, ALONE, IDLE], run, 1.5)
    assert sorted(said) == [False, True, True, True]
    assert known[0] == "alone"
    assert known[-1] == "short"


def test_a_rig_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    grandchild = "import time; time.sleep(600)"
    program = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {grandchild!r}])\n"
        "time.sleep(600)"
    )
    words = [sys.executable, "-c", program]
    # The pipe is read to its end only when all who hold it are gone.
    assert run_limited(words, tmp_path, 1.0) == (None, "")


def test_a_rig_that_fails_gives_a_row() -> None:
    rig = Rig("power_cuts", ())
    for status, printed, words in (
        (3, "", "ended with status 3"),
        (0, "no figures", "printed what are no figures"),
        (0, "{}", "ended with status 0"),
        (CANNOT_RUN, "", "cannot run on this machine"),
        (None, "", "was given up"),
    ):
        (found,) = prove._findings(rig, status, printed, is_full=True)
        assert not found.is_held
        assert words in found.measured


def test_a_rig_that_answers_gives_its_own() -> None:
    row = {
        "figure": "F0",
        "asked": "a",
        "measured": "b",
        "is_held": True,
        "is_full": True,
    }
    printed = "progress\n" + json.dumps({"findings": [row]})
    (found,) = prove._findings(Rig("any", ()), 1, printed, is_full=True)
    assert found.figure == "F0"


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_has_a_plan(group: str) -> None:
    rigs = [rig for rig in RIGS if rig.group == group]
    assert len({rig.called for rig in rigs}) == len(rigs)
    assert len(prove.plan(rigs).splitlines()) == len(rigs) + 1


def test_the_campaign_against_faults_fits_into_an_hour() -> None:
    rigs = [rig for rig in RIGS if rig.group == "faults"]
    alone = sum(rig.minutes for rig in rigs if rig.is_timed)
    busy = sum(rig.minutes * rig.cores for rig in rigs if not rig.is_timed)
    assert alone + busy / 2 < 60
