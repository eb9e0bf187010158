"""Each kernel equals its plain twin, and is the same compiled and interpreted."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.estimator import kernels
from gateway.estimator.warming import warm_up
from tests import naive

ROOT = Path(__file__).resolve().parents[2]

counts = st.one_of(
    st.just(math.nan), st.integers(0, 2_000_000).map(float), st.just(0.0)
)
bins = st.lists(
    st.tuples(
        counts,
        st.floats(0.0, 3600.0),
        st.floats(-1e6, 1e7),
        st.floats(0.0, 100.0),
    ),
    max_size=40,
)
nuclides = st.lists(
    st.tuples(st.floats(0.0, 1e6), st.floats(1e-9, 3e-4)), min_size=0, max_size=3
)


def columns(rows: list[tuple[float, ...]], width: int) -> list[kernels.Floats]:
    return list(np.array(rows, np.float64).reshape(-1, width).T.copy())


def run(
    rows: list[tuple[float, ...]], sources: list[tuple[float, ...]]
) -> kernels.Floats:
    out = np.full(3, math.nan)
    counted, live_s, age_s, background_per_s = columns(rows, 4)
    rates, constants = columns(sources, 2)
    kernels.expected_sums(
        counted, live_s, age_s, background_per_s, rates, constants, out
    )
    return out


@settings(max_examples=100, deadline=None, derandomize=True)
@given(bins, nuclides)
def test_expected_sums_is_its_twin(
    rows: list[tuple[float, float, float, float]],
    sources: list[tuple[float, float]],
) -> None:
    plain = naive.expected_sums(
        *(list(column) for column in columns([*rows], 4)),
        *(list(column) for column in columns([*sources], 2)),
    )
    np.testing.assert_allclose(run([*rows], [*sources]), plain, rtol=1e-12)


def test_missing_bins_are_left_out_of_all_sums() -> None:
    rows = [(10.0, 60.0, 0.0, 0.5), (math.nan, 60.0, 0.0, 0.5)]
    assert run([*rows], [(2.0, 1e-6)]).tolist() == [10.0, 120.0, 30.0]


def test_a_count_of_zero_is_a_count() -> None:
    rows = [(0.0, 60.0, 0.0, 0.5), (0.0, 60.0, 0.0, 0.5)]
    assert run([*rows], [(2.0, 1e-6)]).tolist() == [0.0, 240.0, 60.0]


def test_nothing_at_all_sums_to_zero() -> None:
    assert run([], []).tolist() == [0.0, 0.0, 0.0]


SCRIPT = """
import json, math, sys
import numpy as np
from gateway.estimator import kernels
from gateway.estimator.warming import warm_up
rng = np.random.default_rng(20261123)
outs = []
for n in (1, 7, 60, 512):
    counts = rng.poisson(140.0, n).astype(np.float64)
    counts[rng.random(n) < 0.1] = math.nan
    out = np.empty(3)
    kernels.expected_sums(
        counts, rng.uniform(50, 60, n), np.sort(rng.uniform(-1e5, 6e5, n)),
        rng.uniform(0.1, 0.9, n), np.array([2.07, 0.36]),
        np.array([1.2074e-6, 5.0016e-8]), out,
    )
    outs += [value.hex() for value in out.tolist()]
compiled = hasattr(kernels.expected_sums, "signatures")
print(json.dumps([compiled, outs]))
"""


def interpreted(disable_jit: str) -> list[object]:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": disable_jit}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[object] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(120)
def test_compiled_and_interpreted_agree_bit_for_bit() -> None:
    compiled, plain = interpreted("0"), interpreted("1")
    assert [compiled[0], plain[0]] == [True, False]
    assert compiled[1] == plain[1]


def test_warm_up_leaves_the_kernels_usable() -> None:
    warm_up()
    assert run([(1.0, 1.0, 1.0, 1.0)], [(1.0, 1.0)])[1] == pytest.approx(math.exp(-1.0))
