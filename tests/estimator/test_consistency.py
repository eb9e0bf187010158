"""The fraction that remains, the certified amount, the half-life."""

import math
from dataclasses import replace

import numpy as np
import pytest

from gateway.estimator.consistency import amount, half_life
from gateway.estimator.fraction import fraction_remaining
from gateway.estimator.journal import Journal
from gateway.estimator.source import source_of
from schemas.estimates import WitnessVerdict
from tests.estimator.test_fused import SIX_H, step
from tests.estimator.worlds import World, contents, model

N = 720
DISPATCH = np.arange(N) < 20
RECENT = np.arange(N) >= N - 30


def test_the_fraction_remaining_needs_neither_certificate_nor_gain() -> None:
    journal = World(n=N, activity=0.1, common_gain=0.05).journal(seed=1)
    found = fraction_remaining(model(), journal, DISPATCH, RECENT)
    other = replace(
        model(), source=source_of(contents(activity_gbq=5.0)), gain_reason="none"
    )
    again = fraction_remaining(other, journal, DISPATCH, RECENT)
    assert found.ratio == pytest.approx(1.0, abs=3 * found.ratio_u)
    assert found.ratio_u < 0.002
    assert again.ratio == pytest.approx(found.ratio, abs=0.2 * found.ratio_u)


@pytest.mark.parametrize("lost", [0.02, 0.05, 0.5])
def test_a_loss_is_found_with_its_size(lost: float) -> None:
    journal = World(n=N, lost=step(lost)).journal(seed=2)
    found = fraction_remaining(model(), journal, DISPATCH, RECENT)
    low, high = found.interval_95
    assert low < 1.0 - lost < high
    assert found.noticeable_ratio < 0.004
    left = math.exp2(-12 / (6.6443 * 24))
    assert found.with_decay == pytest.approx(found.ratio * left, rel=1e-9)


def test_the_interval_of_the_fraction_holds_what_it_says() -> None:
    inside = 0
    for seed in range(300):
        rng = np.random.default_rng([seed, 5])
        world = World(
            n=120,
            activity=rng.normal(0, 0.025),
            common_gain=rng.normal(0, 0.012),
            differential_gain=rng.normal(0, 0.006),
            isomer_ratio=1e-4 * math.exp(rng.normal(0, 0.7)),
        )
        low, high = fraction_remaining(
            model(), world.journal(seed), DISPATCH[:120], np.arange(120) >= 90
        ).interval_95
        inside += low < 1.0 < high
    assert 0.91 < inside / 300 < 0.985


def test_a_shock_in_between_opens_the_displacement() -> None:
    moved = World(n=N, displacement_mm=step(3.0), shocks_at_s=(SIX_H,))
    found = fraction_remaining(model(), moved.journal(seed=3), DISPATCH, RECENT)
    assert abs(found.ratio - 1.0) < 3 * found.ratio_u
    quiet = fraction_remaining(model(), World(n=N).journal(seed=3), DISPATCH, RECENT)
    assert found.ratio_u > quiet.ratio_u


def test_an_unknown_temperature_does_not_cancel() -> None:
    journal = World(n=N).journal(seed=3)
    blind = replace(journal, temperature_c=np.full_like(journal.counts, np.nan))
    known = fraction_remaining(model(), journal, DISPATCH, RECENT)
    found = fraction_remaining(model(), blind, DISPATCH, RECENT)
    # 15 K at 0.3 % per 10 K.
    own = math.sqrt(found.ratio_u**2 - known.ratio_u**2)
    assert own == pytest.approx(0.0045, rel=0.02)
    assert found.noticeable_ratio > known.noticeable_ratio


def test_a_detector_must_have_counted_then_and_now() -> None:
    journal = World(n=N).journal(seed=1)
    counts = journal.counts.copy()
    counts[:100, 0] = np.nan
    counts[600:, 1] = np.nan
    found = fraction_remaining(
        model(), replace(journal, counts=counts), DISPATCH, RECENT
    )
    assert math.isnan(found.ratio)
    assert found.reasons == ("no watching detector has counts of then and of now",)


def test_now_comes_after_dispatch() -> None:
    journal = World(n=N).journal(seed=1)
    with pytest.raises(ValueError, match="not in order"):
        fraction_remaining(model(), journal, RECENT, DISPATCH)


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (0.0, WitnessVerdict.LOW),
        (0.9, WitnessVerdict.LOW),
        (1.0, WitnessVerdict.AGREES),
        (1.03, WitnessVerdict.AGREES),
        (12.5 / 7.4, WitnessVerdict.HIGH),
    ],
)
def test_a_wrong_vial_is_found(ratio: float, verdict: WitnessVerdict) -> None:
    journal = World(n=30, lost=lambda t: np.full_like(t, 1.0 - ratio)).journal(seed=1)
    found = amount(model(), journal)
    assert found.verdict is verdict
    assert found.ratio == pytest.approx(ratio, abs=0.01)
    assert 0.055 < found.noticeable_ratio < 0.057


def test_what_would_have_been_noticed_is_known_before_a_count() -> None:
    journal = World(n=30).journal(seed=1)
    other = replace(journal, counts=journal.counts * 0.7)
    assert (
        amount(model(), other).noticeable_ratio
        == amount(model(), journal).noticeable_ratio
    )


def test_counts_lost_in_the_background_say_nothing() -> None:
    faint = World(n=30, count_rate_per_s_gbq=1e-4)
    known = model(1e-4)
    pair = replace(known, channels=known.channels[:2])
    found = amount(pair, faint.journal(seed=1))
    assert found.verdict is WitnessVerdict.NOT_OBSERVABLE
    assert math.isnan(found.ratio)


def iodine(journal: Journal) -> Journal:
    """The counts that a half-life of 8.0252 d would have given."""
    t = journal.begin_s + 30.0
    stretch = np.exp(math.log(2) / 86_400 * t * (1 / 6.6443 - 1 / 8.0252))
    counts = journal.counts * np.column_stack([stretch, stretch, np.ones_like(t)])
    return replace(journal, counts=np.rint(counts))


def test_the_half_life_on_the_certificate_is_recognised() -> None:
    found = half_life(model(), World(n=N).journal(seed=1))
    assert found.verdict is WitnessVerdict.AGREES
    assert found.nuclides == ("Lu-177",)
    assert found.noticeable_ratio < 0.03


def test_another_nuclide_is_recognised_by_its_half_life() -> None:
    found = half_life(model(), iodine(World(n=N).journal(seed=1)))
    assert found.verdict is WitnessVerdict.HIGH
    assert "I-131" in found.nuclides
    assert "Lu-177" not in found.nuclides


def test_ten_minutes_say_nothing_about_the_half_life() -> None:
    found = half_life(model(), World(n=10).journal(seed=1))
    assert found.verdict is WitnessVerdict.NOT_OBSERVABLE
    assert found.reasons == ("too short a time to see the decay",)
