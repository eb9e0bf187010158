"""The change detectors are their plain twins, in any cut, compiled or not."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.estimator import changes
from gateway.estimator.kernels import Floats
from tests import naive_changes

ROOT = Path(__file__).resolve().parents[2]
seeds = st.integers(0, 2**32 - 1)


def stream(seed: int, is_poisson: bool) -> tuple[Floats, Floats]:
    """Draw a stream whose level changes once, or never, with bins missing."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 90))
    if is_poisson:
        expected = rng.uniform(0.05, 30.0, n)
        factor = np.where(np.arange(n) < n // 2, 1.0, rng.uniform(0.0, 2.0))
        seen = rng.poisson(expected * factor).astype(np.float64)
    else:
        expected = np.ones(n)
        seen = rng.normal(rng.normal(0.0, 0.5), 1.0, n)
    seen[rng.random(n) < 0.05] = np.nan
    return seen, expected


def run(
    seen: Floats, expected: Floats, is_poisson: bool, cuts: tuple[int, ...] = ()
) -> tuple[Floats, Floats]:
    state = changes.new_state()
    statistic, begin = np.empty((seen.size, 2)), np.empty((seen.size, 2))
    null = changes.POISSON if is_poisson else changes.GAUSSIAN
    edges = [0, *cuts, seen.size]
    for first, last in pairwise(edges):
        part = slice(first, last)
        changes.focus(
            seen[part], expected[part], null, state, statistic[part], begin[part]
        )
    return statistic, begin


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seeds, st.booleans())
def test_focus_is_the_search_over_every_beginning(seed: int, is_poisson: bool) -> None:
    seen, expected = stream(seed, is_poisson)
    statistic, _begin = run(seen, expected, is_poisson)
    plain = naive_changes.focus(list(seen), list(expected), is_poisson=is_poisson)
    np.testing.assert_allclose(
        statistic, np.array(plain).reshape(-1, 2), rtol=1e-9, atol=1e-9
    )


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seeds, st.booleans(), st.integers(0, 90))
def test_focus_goes_on_where_it_stood(seed: int, is_poisson: bool, cut: int) -> None:
    seen, expected = stream(seed, is_poisson)
    at = min(cut, seen.size)
    whole = run(seen, expected, is_poisson)
    parts = run(seen, expected, is_poisson, (at,))
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_array_equal(whole[1], parts[1])


def test_focus_says_where_the_change_begins() -> None:
    seen = np.array([20.0] * 30 + [35.0] * 10)
    statistic, begin = run(seen, np.full(40, 20.0), is_poisson=True)
    assert begin[-1, 0] == 30.0
    assert statistic[-1, 1] == 0.0


def test_a_long_quiet_stream_needs_few_beginnings() -> None:
    """The hull has about ln n corners; its bound is never met, nothing is dropped."""
    rng = np.random.default_rng(20261125)
    state = changes.new_state()
    out = np.empty((100_000, 2))
    changes.focus(
        rng.normal(size=100_000), np.ones(100_000), 0.0, state, out, np.empty_like(out)
    )
    assert state[:, 0].max() < changes.HULL / 2


def test_a_hull_that_is_full_drops_the_oldest() -> None:
    """An ever steeper rise makes every beginning a corner."""
    seen = np.arange(1.0, 3.0 * changes.HULL)
    statistic, begin = run(seen, np.ones(seen.size), is_poisson=False)
    assert np.isfinite(statistic).all()
    assert begin[-1, 0] >= seen.size - changes.HULL


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seeds)
def test_the_banks_of_page_are_their_twins(seed: int) -> None:
    seen, expected = stream(seed, is_poisson=True)
    sizes = np.array([0.5, 0.9, 1.1, 2.0])
    out = np.empty(seen.size)
    changes.cusum(seen, expected, sizes, np.zeros(4), out)
    plain = naive_changes.cusum(list(seen), list(expected), list(sizes))
    np.testing.assert_allclose(out, plain, rtol=1e-12, atol=1e-12)
    seen, _ones = stream(seed, is_poisson=False)
    sizes = np.array([-1.0, 0.25, 1.0, 4.0])
    out = np.empty(seen.size)
    changes.cusum_gaussian(seen, sizes, np.zeros(4), out)
    plain = naive_changes.cusum_gaussian(list(seen), list(sizes))
    np.testing.assert_allclose(out, plain, rtol=1e-12, atol=1e-12)


SCRIPT = """
import json
import numpy as np
from gateway.estimator import changes
rng = np.random.default_rng(1)
out, begin = np.empty((300, 2)), np.empty((300, 2))
words = []
streams = ((1.0, rng.poisson(9.0, 300) * 1.0), (0.0, rng.normal(size=300)))
for null, seen in streams:
    expected = np.full(300, 9.0 if null else 1.0)
    changes.focus(seen, expected, null, changes.new_state(), out, begin)
    words += [value.hex() for value in out.ravel().tolist()]
print(json.dumps([hasattr(changes.focus, "signatures"), words]))
"""


@pytest.mark.timeout(120)
def test_compiled_and_interpreted_agree_bit_for_bit() -> None:
    found = []
    for is_off in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=ROOT,
            env={**os.environ, "NUMBA_DISABLE_JIT": is_off},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    assert [found[0][0], found[1][0]] == [True, False]
    assert found[0][1] == found[1][1]
