"""The rigs in a small profile; `make prove` runs them at full size."""

import subprocess
import sys

import pytest

from tests.faults.mutants import MUTANTS, hunt
from tests.faults.patching import Patch
from tests.faults.power_cuts import cut_power
from tests.faults.rig import hush_within
from tests.faults.simulation import simulate

DAYS = 0.2


@pytest.mark.parametrize("seed", range(20))
def test_the_invariants_hold(seed: int) -> None:
    with hush_within():
        assert simulate(seed, DAYS).violations == ()


def test_a_seed_is_a_history() -> None:
    with hush_within():
        here = simulate(7, DAYS).digest
    program = (
        "from tests.faults.rig import hush; hush();"
        "from tests.faults.simulation import simulate;"
        f"print(simulate(7, {DAYS}).digest, simulate(8, {DAYS}).digest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    same, other = done.stdout.split()
    assert same == here
    assert other != here


# The first seed that catches each, of 50, where it is not one of the first two.
CATCHING_SEEDS = {
    "receipt_before_commit": 3,
    "fsync_retried": 3,
    "alarm_dropped": 3,
    "torn_tail_accepted": 3,
    "memory_reserves_nothing": 20,
    "memory_forgets": 4,
    "receipt_seal_unchecked": 6,
    "enospc_swallowed": 11,
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.__name__)
def test_each_mutant_is_caught(mutant: Patch) -> None:
    first = CATCHING_SEEDS.get(mutant.__name__, 0)
    with hush_within():
        assert hunt(mutant, range(first, first + 10)).seed is not None


def test_a_power_cut_loses_nothing() -> None:
    counts = cut_power(200)
    assert counts["cuts"] >= 200
    assert counts["compared"] > 1000
    assert counts["lost"] == counts["foreign"] == counts["unopenable"] == 0


def test_without_fsync_it_loses() -> None:
    assert cut_power(20, is_control=True)["lost"] > 0
