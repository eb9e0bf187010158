"""The fused number: corner cases with a known answer, and what must change nothing."""

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.estimator import filter_kernels, mode_kernels
from gateway.estimator.filtering import LiveFilter
from gateway.estimator.fusion import Posterior, fit
from gateway.estimator.journal import Floats, Journal, join
from gateway.estimator.model import Channel, ForwardModel, Parameter, Priors
from gateway.estimator.source import source_of
from tests.estimator.worlds import REFERENCE_NS, World, at_h, contents, model

ROOT = Path(__file__).resolve().parents[2]


def test_the_cache_of_the_kernels_sees_a_change_of_what_they_call() -> None:
    text = (ROOT / "gateway/estimator/rate_kernels.py").read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    assert digest == filter_kernels.RATE_KERNELS_SHA256
    assert digest == mode_kernels.RATE_KERNELS_SHA256


def test_without_a_count_the_certificate_is_returned() -> None:
    journal = World(n=10).journal()
    empty = replace(journal, counts=np.full_like(journal.counts, math.nan))
    posterior = fit(model(), empty)
    assert posterior.log_ratio == 0.0
    assert posterior.log_ratio_u == pytest.approx(0.025, rel=1e-12)


def single(common_gain_u: float, activity_u: float) -> ForwardModel:
    channel = Channel(
        sensor="inner-1",
        side=1,
        rates_per_s_gbq={"Lu-177": 60.0},
        common_gain_u=common_gain_u,
    )
    return ForwardModel(
        source=source_of(contents(impurities=(), nuclide="Y-90")),
        channels=(replace(channel, rates_per_s_gbq={"Y-90": 60.0}),),
        priors=Priors(activity_u=activity_u, half_life_u=1e-9),
    )


def one_channel(n: int) -> Journal:
    return World(n=n, width_s=60.0).journal(seed=4).with_channels(["inner-1"])


def test_one_detector_and_no_certificate_is_counts_over_exposure() -> None:
    known = single(0.012, 50.0)
    journal = one_channel(30)
    posterior = fit(known, journal)
    constant = math.log(2) / known.source.half_life_s
    exposure = sum(
        60.0
        * 7.4
        * (math.exp(-constant * t) - math.exp(-constant * (t + 60)))
        / constant
        for t in journal.begin_s
    )
    counts = float(journal.counts.sum())
    assert posterior.log_ratio == pytest.approx(math.log(counts / exposure), abs=1e-6)
    assert posterior.log_ratio_u == pytest.approx(
        math.sqrt(1.0 / counts + 0.012**2), rel=1e-4
    )


def test_a_gain_that_nobody_knows_leaves_the_certificate() -> None:
    posterior = fit(single(10.0, 0.025), one_channel(30))
    assert posterior.log_ratio == pytest.approx(0.0, abs=1e-3)
    assert posterior.log_ratio_u == pytest.approx(0.025, rel=1e-3)


@pytest.mark.parametrize("activity", [-0.04, 0.0, 0.05])
def test_the_mode_is_the_precision_weighted_mean_of_papers_and_detectors(
    activity: float,
) -> None:
    posterior = fit(model(), World(n=360, activity=activity).journal())
    gain = 0.025**2 / (0.025**2 + 0.012**2)
    assert posterior.is_converged
    assert posterior.log_ratio == pytest.approx(activity * gain, abs=0.0012)
    assert 0.0105 < posterior.log_ratio_u < 0.0118


def test_the_truth_is_found_again_without_noise() -> None:
    truth = World(n=720, displacement_mm=lambda t: np.full_like(t, 0.4))
    posterior = fit(model(), truth.journal())
    assert posterior.log_ratio == pytest.approx(0.0, abs=2e-4)
    assert posterior.displacement_mm[0] == pytest.approx(0.4, abs=0.05)
    np.testing.assert_allclose(posterior.reduced_chi2, 0.0, atol=0.01)


def sd_apart(first: Posterior, second: Posterior) -> float:
    return abs(first.log_ratio - second.log_ratio) / first.log_ratio_u


def test_the_order_in_which_bins_arrive_changes_nothing() -> None:
    journal = World(n=90).journal(seed=7)
    odd = np.arange(90) % 2 == 1
    mixed = join([journal.where(odd), journal.where(~odd), journal.where(odd)])
    assert fit(model(), mixed).mean.tolist() == fit(model(), journal).mean.tolist()


def halved(journal: Journal, first: Floats) -> Journal:
    halves = [
        replace(journal, counts=first, width_s=journal.width_s / 2),
        replace(
            journal,
            counts=journal.counts - first,
            begin_s=journal.begin_s + journal.width_s / 2,
            width_s=journal.width_s / 2,
        ),
    ]
    return join([replace(half, live_s=half.live_s / 2) for half in halves])


def test_splitting_bins_leaves_the_mode() -> None:
    journal = World(n=60).journal(seed=8)
    whole = fit(model(), journal)
    assert sd_apart(whole, fit(model(), halved(journal, journal.counts / 2))) < 1e-6
    # At random the halves tell a little more of how the rate falls within a bin.
    rng = np.random.default_rng(9)
    first = rng.binomial(journal.counts.astype(int), 0.5).astype(np.float64)
    assert sd_apart(whole, fit(model(), halved(journal, first))) < 1e-4


def test_shifting_all_instants_together_changes_nothing() -> None:
    journal = World(n=60).journal(seed=3)
    shift_ns = 77 * 86_400 * 10**9
    later = contents(reference_at_ns=REFERENCE_NS + shift_ns)
    shifted = fit(
        replace(model(), source=source_of(later)),
        replace(journal, origin_ns=journal.origin_ns + shift_ns),
    )
    assert shifted.mean.tolist() == fit(model(), journal).mean.tolist()


def test_another_detector_never_adds_variance() -> None:
    journal = World(n=120).journal(seed=5)
    full = model()
    for keep in ([0], [0, 1], [0, 2], [1, 2]):
        part = replace(full, channels=tuple(full.channels[i] for i in keep))
        assert fit(part, journal).log_ratio_u >= fit(full, journal).log_ratio_u


def test_scaling_the_certificate_scales_the_activity() -> None:
    journal = World(n=60).journal(seed=6)
    free = model(activity_u=1e5)
    double = contents(activity_gbq=14.8, activity_expanded_u_gbq=0.74)
    scaled = replace(free, source=source_of(double))
    first, _u = fit(free, journal).activity_gbq(at_h(3.0))
    second, _u = fit(scaled, journal).activity_gbq(at_h(3.0))
    assert second == pytest.approx(first, rel=1e-8)


def test_the_budget_adds_up_in_squares() -> None:
    posterior = fit(model(), World(n=360).journal(seed=1))
    at_ns = at_h(48.0)
    budget = posterior.budget(at_ns)
    value, u = posterior.activity_gbq(at_ns)
    assert math.fsum(u * u for u in budget.values()) == pytest.approx(
        (u / value) ** 2, rel=1e-12
    )
    assert budget["gain"] > budget["certificate"] > budget["counts"]
    minute = posterior.budget(at_ns, time_u_ns=60 * 10**9)["clock"]
    assert minute == pytest.approx(7.24e-5, rel=1e-2)


def test_the_filter_comes_to_the_same_activity() -> None:
    journal = World(n=360, activity=0.02).journal(seed=2)
    live = LiveFilter(model(), journal.origin_ns)
    live.take(journal)
    posterior = fit(model(), journal)
    assert abs(live.log_ratio - posterior.log_ratio) < 0.3 * posterior.log_ratio_u
    assert live.log_ratio_u == pytest.approx(posterior.log_ratio_u, rel=0.05)


def test_the_half_life_is_not_learnt_in_flight() -> None:
    posterior = fit(model(), World(n=2160).journal(seed=2))
    _value, u = posterior.value(Parameter.HALF_LIFE)
    assert u == pytest.approx(0.0009 / 6.6443, rel=1e-2)
