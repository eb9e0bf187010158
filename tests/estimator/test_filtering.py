"""The live filter: bins as they come, gates, the dead, the late; and the journal."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.estimator import filter_kernels
from gateway.estimator.filtering import LiveFilter
from gateway.estimator.journal import Journal, cosmic_growth, join, journal
from tests.estimator.worlds import REFERENCE_NS, World, model

ROOT = Path(__file__).resolve().parents[2]


def bins(first: int, last: int, whole: Journal) -> Journal:
    index = np.arange(len(whole))
    return whole.where((index >= first) & (index < last))


def test_bin_by_bin_is_all_at_once() -> None:
    whole = World(n=90, shocks_at_s=(6000.0,)).journal(seed=1)
    at_once, one_by_one = (LiveFilter(model(), REFERENCE_NS) for _ in range(2))
    expected = at_once.take(whole).contrasts
    found = [one_by_one.take(bins(i, i + 1, whole)).contrasts for i in range(90)]
    np.testing.assert_array_equal(np.vstack(found), expected)
    np.testing.assert_array_equal(one_by_one.mean, at_once.mean)


def test_late_and_repeated_bins_are_counted_and_left_out() -> None:
    whole = World(n=60).journal(seed=1)
    straight, disturbed = (LiveFilter(model(), REFERENCE_NS) for _ in range(2))
    straight.take(bins(0, 20, whole))
    straight.take(bins(30, 60, whole))
    disturbed.take(bins(0, 20, whole))
    disturbed.take(bins(10, 20, whole))
    disturbed.take(bins(30, 60, whole))
    disturbed.take(bins(20, 30, whole))
    assert disturbed.late_bins == 20
    assert straight.late_bins == 0
    np.testing.assert_array_equal(disturbed.mean, straight.mean)


def test_another_origin_is_refused() -> None:
    live = LiveFilter(model(), REFERENCE_NS)
    with pytest.raises(ValueError, match="origin"):
        live.take(replace(World(n=3).journal(seed=1), origin_ns=1))


def test_innovations_are_white_while_the_model_holds() -> None:
    live = LiveFilter(model(), REFERENCE_NS)
    found = live.take(World(n=2160).journal(seed=2)).contrasts
    np.testing.assert_allclose(found.mean(0), 0.0, atol=0.08)
    np.testing.assert_allclose(found.std(0), 1.0, atol=0.05)
    after = (found[1:] * found[:-1]).mean(0)
    np.testing.assert_allclose(after, 0.0, atol=0.08)


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (0, {"lost": lambda t: np.where(t > 14_400.0, 0.01, 0.0)}),
        (1, {"displacement_mm": lambda t: np.where(t > 14_400.0, 0.5, 0.0)}),
        (2, {"outer_extra_per_s": lambda t: np.where(t > 14_400.0, 0.5, 0.0)}),
    ],
)
def test_a_change_shows_in_its_own_contrast(column: int, what: dict) -> None:  # type: ignore[type-arg] # fields of World
    live = LiveFilter(model(), REFERENCE_NS)
    journal = World(n=200, **what).journal(seed=3)
    shown = np.abs(live.take(journal).contrasts[181:].sum(0)) / np.sqrt(19)
    assert shown.argmax() == column
    assert shown[column] > 4.0


def test_outliers_teach_nothing() -> None:
    quiet = World(n=120).journal(seed=4)
    burst = replace(quiet, counts=quiet.counts.copy())
    burst.counts[60] *= 3.0
    first, second = (LiveFilter(model(), REFERENCE_NS) for _ in range(2))
    first.take(quiet)
    fate = second.take(burst).fate
    assert (fate[60] == filter_kernels.GATED).all()
    assert (fate[:60] == filter_kernels.USED).all()
    assert abs(first.log_ratio - second.log_ratio) < 0.02 * first.log_ratio_u
    assert second.changed == ()


def test_five_outliers_in_a_row_are_a_change_and_three_silences_a_death() -> None:
    whole = World(n=60).journal(seed=5)
    counts = whole.counts.copy()
    counts[50:, 0] *= 1.2
    counts[50:, 2] = 0.0
    live = LiveFilter(model(), REFERENCE_NS)
    broken = replace(whole, counts=counts)
    live.take(bins(0, 52, broken))
    assert (live.changed, live.dead) == ((), ())
    live.take(bins(52, 53, broken))
    assert (live.changed, live.dead) == ((), ("outer-1",))
    live.take(bins(53, 55, broken))
    assert (live.changed, live.dead) == (("inner-1",), ("outer-1",))
    live.take(bins(55, 60, whole))
    assert (live.changed, live.dead) == ((), ())


def test_a_shock_opens_the_displacement_in_flight() -> None:
    moved = World(
        n=240,
        displacement_mm=lambda t: np.where(t > 10_800.0, 3.0, 0.0),
        shocks_at_s=(10_800.0,),
    ).journal(seed=6)
    live = LiveFilter(model(), REFERENCE_NS)
    live.take(moved)
    value, u = live.displacement_mm
    assert value == pytest.approx(3.0, abs=3 * u)
    assert abs(live.log_ratio) < 0.2 * live.log_ratio_u
    blind = LiveFilter(model(), REFERENCE_NS)
    blind.take(replace(moved, is_shocked=np.zeros(240, np.bool_)))
    assert blind.changed == ("inner-1", "inner-2")


def test_the_cosmic_rate_grows_as_on_a_flight() -> None:
    pressures = np.array([1013.25, 226.32, 800.0, np.nan])
    found = cosmic_growth(pressures)
    assert found[[0, 3]].tolist() == [1.0, 1.0]
    assert found[1] == pytest.approx(25 / 0.35, rel=0.03)
    assert 1.0 < found[2] < 3.0
    assert (np.diff(cosmic_growth(np.linspace(230.0, 1010.0, 99))) < 0).all()


def test_columns_are_found_by_name() -> None:
    known = World(n=5).journal(seed=1)
    other = known.with_channels(["outer-1", "nobody", "inner-1"])
    np.testing.assert_array_equal(other.counts[:, 0], known.counts[:, 2])
    np.testing.assert_array_equal(other.counts[:, 2], known.counts[:, 0])
    assert np.isnan(other.counts[:, 1]).all()


@pytest.mark.parametrize(
    ("begin_s", "counts", "message"),
    [
        ([0.0, 60.0], [[1.0], [1.0], [1.0]], "counts has shape"),
        ([60.0, 0.0], [[1.0], [1.0]], "does not grow"),
        ([0.0, 0.0], [[1.0], [1.0]], "does not grow"),
    ],
)
def test_a_journal_out_of_order_is_refused(
    begin_s: list[float], counts: list[list[float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        journal(["a"], 0, np.array(begin_s), np.array(counts))
    with pytest.raises(ValueError, match="has no length"):
        journal(["a"], 0, np.zeros(1), np.ones((1, 1)), width_s=0.0)
    with pytest.raises(ValueError, match="same detectors"):
        join([])


COVERED = """
import json
from gateway.estimator import filter_kernels, kernels, mode_kernels
from gateway.estimator.warming import warm_up
warm_up()
called = [
    kernels.expected_sums, filter_kernels.filter_bins, mode_kernels.find_mode,
    mode_kernels.misfit, mode_kernels.score, mode_kernels.factorise,
    mode_kernels.invert,
]
before = [len(f.signatures) for f in called]
from gateway.estimator.fused import fuse
from gateway.estimator.consistency import amount, half_life
from gateway.estimator.fraction import fraction_remaining
from tests.estimator.worlds import World, model, at_h
import numpy as np
bins = World(n=40, shocks_at_s=(5000.0,)).journal(seed=1)
fuse(model(), bins, at_h(2.0))
amount(model(), bins), half_life(model(), bins)
early = np.arange(40) < 10
fraction_remaining(model(), bins, early, ~early)
print(json.dumps([before, [len(f.signatures) for f in called]]))
"""


@pytest.mark.timeout(300)
def test_the_warm_up_leaves_nothing_to_compile() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COVERED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = json.loads(done.stdout)
    assert before == after == [1] * 7
