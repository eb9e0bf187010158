"""Rate, filter and mode kernels equal their plain twins, compiled and interpreted."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.estimator import filter_kernels, mode_kernels, rate_kernels
from gateway.estimator.filtering import LiveFilter
from gateway.estimator.fusion import fit
from gateway.estimator.model import ForwardModel, Parameter
from tests import naive_fusion as naive
from tests.estimator.worlds import Floats, World, model

ROOT = Path(__file__).resolve().parents[2]


def local(seed: int) -> Floats:
    """Parameters at random, about as far off as they may be."""
    sd = np.append(model().common_sd(), [1.0, 0.4])
    sd[Parameter.CHANGE] = 0.3
    sd[Parameter.HALF_LIFE] = 0.2
    drawn: Floats = np.random.default_rng(seed).normal(0.0, sd)
    return drawn


def complex_(values: Floats) -> naive.Complex:
    return values.astype(np.complex128)


def tables(world: World, known: ForwardModel) -> tuple[Floats, ...]:
    journal = world.journal(seed=2)
    row = known.row_table(journal, np.linspace(0.0, 1.0, len(journal)))
    row[:, 3] = np.linspace(-0.3, 0.4, len(journal))
    return (
        known.term_table(journal.origin_ns),
        known.channel_table(),
        row,
        known.seen_table(journal),
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count_rate", [1.2, 60.0, 600.0])
def test_rate_and_gradient_are_their_twins(count_rate: float, seed: int) -> None:
    world = World(n=3, width_s=600.0, temperature_c=38.0, pressure_hpa=400.0)
    term, channel, row, seen = tables(world, model(count_rate))
    common = local(seed)
    decay, gradient = np.empty((2, len(term))), np.empty(12)
    for t in range(3):
        rate_kernels.decayed(term, row[t], common, decay)
        for i in range(3):
            n = rate_kernels.rate(
                term,
                channel[i],
                row[t],
                seen[t, i, 2],
                decay,
                common,
                common[10:],
                gradient,
            )
            plain = naive.rate(
                term, channel[i], row[t], seen[t, i, 2], complex_(common)
            )
            assert n == pytest.approx(plain.real, rel=1e-12)
            tau = rate_kernels.dead_time(channel[i], common)
            factor = seen[t, i, 1] / (1.0 + n * tau) ** 2
            slope = naive.slope(term, channel[i], row[t], seen[t, i], common)
            np.testing.assert_allclose(
                gradient * factor, slope, rtol=1e-9, atol=1e-9 * abs(slope).max()
            )


def test_a_half_life_of_minutes_is_averaged_over_the_bin() -> None:
    term = np.array([[math.log(2) / 183.0, -100.0, 0.0, 1.0]])
    row = np.array([50.0, 600.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    out = np.empty((2, 1))
    rate_kernels.decayed(term, row, np.zeros(12), out)
    constant = term[0, 0]
    whole = (math.exp(-constant * 150) - math.exp(-constant * 750)) / (600 * constant)
    assert out[0, 0] == pytest.approx(whole, rel=1e-13)


@pytest.mark.parametrize("count_rate", [60.0, 600.0])
def test_the_filter_is_its_twin(count_rate: float) -> None:
    known = model(count_rate)
    world = World(
        n=25, temperature_c=31.0, shocks_at_s=(4500.0,), count_rate_per_s_gbq=count_rate
    )
    journal = world.journal(seed=5)
    journal.counts[3, 0] = math.nan
    journal.counts[9, 2] = math.nan
    journal.is_learnt[14] = False
    live = LiveFilter(known, journal.origin_ns)
    noise = np.array([0.15**2 / 10_800.0, 25.0])
    x, p, shown = naive.filter_bins(
        known.term_table(journal.origin_ns),
        known.channel_table(),
        known.row_table(journal, None),
        known.seen_table(journal),
        noise,
        live.mean,
        live.covariance,
    )
    found = live.take(journal)
    sd = np.sqrt(np.diag(p))
    np.testing.assert_allclose(live.mean / sd, x / sd, atol=1e-9)
    np.testing.assert_allclose(
        live.covariance / np.outer(sd, sd), p / np.outer(sd, sd), atol=1e-9
    )
    np.testing.assert_allclose(found.channels, shown, atol=1e-9)


def test_the_contrasts_are_standardised_by_their_joint_variance() -> None:
    known = model()
    journal = World(n=1).journal(seed=5)
    live = LiveFilter(known, journal.origin_ns)
    term, channel = known.term_table(journal.origin_ns), known.channel_table()
    row, seen = known.row_table(journal, None)[0], known.seen_table(journal)[0]
    zero = np.zeros(12)
    slopes = [naive.slope(term, channel[i], row, seen[i], zero) for i in range(3)]
    means = np.array(
        [
            naive.mean_counts(term, channel[i], row, seen[i], complex_(zero)).real
            for i in range(3)
        ]
    )
    own = [naive.variance(means[i], channel[i], seen[i], zero) for i in range(3)]
    h = np.array(slopes)
    joint = h @ live.covariance @ h.T + np.diag(own)
    miss = seen[:, 0] - means
    loads = np.array(
        [[1.0, 1.0, 0.0], [1 / means[0], -1 / means[1], 0.0], [0.0, 0.0, 1.0]]
    )
    expected = [w @ miss / math.sqrt(w @ joint @ w) for w in loads]
    np.testing.assert_allclose(live.take(journal).contrasts[0], expected, rtol=1e-9)


@pytest.mark.parametrize("count_rate", [1.2, 60.0, 600.0])
def test_the_mode_is_its_twin(count_rate: float) -> None:
    known = model(count_rate)
    world = World(
        n=15,
        width_s=1800.0,
        activity=0.03,
        temperature_c=35.0,
        shocks_at_s=(15_000.0,),
        count_rate_per_s_gbq=count_rate,
    )
    journal = world.journal(seed=6)
    journal.counts[4, 1] = math.nan
    posterior = fit(known, journal)
    n_knots = posterior.mean.size - 10 - posterior.n_segments
    middle = journal.begin_s + journal.width_s / 2
    along = (middle - journal.begin_s[0]) / 10_800.0
    segment = np.cumsum(journal.is_shocked)
    lower = np.floor(along)
    place = np.column_stack(
        [10 + segment, 10 + posterior.n_segments + lower, along - lower]
    )
    assert n_knots == lower[-1] + 2
    mode, covariance = naive.find_mode(
        known.term_table(journal.origin_ns),
        known.channel_table(),
        known.row_table(journal, None),
        known.seen_table(journal),
        place.astype(np.float64),
        posterior.precision,
    )
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(posterior.mean / sd, mode / sd, atol=1e-5)
    np.testing.assert_allclose(
        posterior.covariance / np.outer(sd, sd),
        covariance / np.outer(sd, sd),
        atol=1e-6,
    )


def test_the_loss_is_its_twin() -> None:
    known = model()
    journal = World(n=40).journal(seed=6)
    journal.counts[7, 2] = 0.0
    posterior = fit(known, journal)
    total = 0.0
    for t in range(40):
        for i, channel in enumerate(known.channels):
            z = posterior.value(Parameter.DEAD_TIME)[0]
            tau = channel.dead_time_s * math.exp(channel.dead_time_u_ratio * z)
            mean = posterior.expected[t, i]
            n = mean / (60.0 - mean * tau)
            total += naive.log_loss(journal.counts[t, i], n, 60.0, tau)
    assert posterior.log_loss == pytest.approx(total, rel=1e-9)


def test_the_factor_and_its_inverse() -> None:
    rng = np.random.default_rng(1)
    root = rng.normal(size=(24, 24))
    matrix = root @ root.T + np.diag(10.0 ** rng.uniform(-4, 8, 24))
    factor, inverse = np.zeros_like(matrix), np.empty_like(matrix)
    assert mode_kernels.factorise(matrix, factor)
    mode_kernels.invert(factor, inverse)
    np.testing.assert_allclose(factor, np.linalg.cholesky(matrix), rtol=1e-9)
    np.testing.assert_allclose(inverse @ matrix, np.eye(24), atol=1e-6)
    assert not mode_kernels.factorise(-matrix, factor)


SCRIPT = """
import json
import numpy as np
from gateway.estimator import mode_kernels
from gateway.estimator.fused import fuse
from gateway.estimator.consistency import amount
from gateway.estimator.fraction import fraction_remaining
from tests.estimator.worlds import World, model, at_h
journal = World(n=120, temperature_c=31.0, shocks_at_s=(6000.0,)).journal(seed=11)
found = fuse(model(), journal, at_h(5.0))
early, late = np.arange(120) < 20, np.arange(120) > 90
numbers = [
    found.activity_gbq, found.activity_u_gbq, *found.budget.values(),
    *found.posterior.mean, *found.posterior.covariance.ravel(),
    *np.nan_to_num(found.innovations.contrasts).ravel(),
    amount(model(), journal).ratio,
    fraction_remaining(model(), journal, early, late).ratio,
]
print(json.dumps([
    hasattr(mode_kernels.find_mode, "signatures"), [float(x).hex() for x in numbers]
]))
"""


def computed(disable_jit: str) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": disable_jit},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[Any] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(300)
def test_two_hours_are_the_same_bits_compiled_and_interpreted() -> None:
    compiled, plain = computed("0"), computed("1")
    assert [compiled[0], plain[0]] == [True, False]
    assert compiled[1] == plain[1]


def test_every_kernel_has_one_signature() -> None:
    model_now = model()
    journal = World(n=20).journal(seed=1)
    fit(model_now, journal)
    LiveFilter(model_now, journal.origin_ns).take(journal)
    for module in (rate_kernels, filter_kernels, mode_kernels):
        for name, found in vars(module).items():
            if hasattr(found, "signatures") and found.__module__ == module.__name__:
                assert len(found.signatures) <= 1, name
