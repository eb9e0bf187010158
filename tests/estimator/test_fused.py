"""When the fused number may be used, and what is stated when it may not."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gateway.estimator.consistency import amount
from gateway.estimator.fused import UNRESOLVED, Circumstances, Fused, fuse
from gateway.estimator.model import ForwardModel
from schemas.estimates import EstimateState, WitnessVerdict
from schemas.nuclides import decay_factor, nuclide
from tests.estimator.worlds import Floats, World, at_h, model

AT_NS = at_h(14.0)
SIX_H = 3600.0 + 6 * 3600.0


def step(size: float, at_s: float = SIX_H) -> Callable[[Floats], Floats]:
    return lambda t: np.where(t > at_s, size, 0.0)


def fused(world: World, seed: int = 3, known: ForwardModel | None = None) -> Fused:
    return fuse(known or model(), world.journal(seed), AT_NS)


def test_a_quiet_journey_is_valid_and_sharper_than_the_papers() -> None:
    found = fused(World(n=720))
    assert (found.state, found.reasons) == (EstimateState.VALID, ())
    u_ratio = found.activity_u_gbq / found.activity_gbq
    assert 0.0108 < u_ratio < 0.0114
    low, high = found.interval_95_gbq
    truth = 7.4 * decay_factor(nuclide("Lu-177").half_life_s, 14 * 3600)
    assert low < truth < high
    assert math.fsum(u * u for u in found.budget.values()) == pytest.approx(u_ratio**2)


def certified(found: Fused) -> bool:
    left = decay_factor(nuclide("Lu-177").half_life_s, 14 * 3600)
    return (
        found.activity_gbq == pytest.approx(7.4 * left, rel=1e-12)
        and found.budget["certificate"] == pytest.approx(0.025)
        and found.activity_u_gbq / found.activity_gbq
        == pytest.approx(math.hypot(0.025, found.budget.get(UNRESOLVED, 0.0)), rel=1e-4)
    )


@pytest.mark.parametrize("lost", [0.01, 0.05, 0.3, 1.0])
def test_what_is_held_covers_what_may_have_happened(lost: float) -> None:
    found = fused(World(n=370 if lost > 0.02 else 480, lost=step(lost)))
    assert found.state is EstimateState.HELD
    assert found.budget[UNRESOLVED] > 0.8 * lost
    left = decay_factor(nuclide("Lu-177").half_life_s, 14 * 3600)
    assert found.interval_95_gbq[0] < 7.4 * left * (1.0 - 0.99 * lost)
    alarmed = fuse(
        model(),
        World(n=360).journal(seed=1),
        AT_NS,
        Circumstances(alarms=("lid opened",)),
    )
    assert alarmed.budget[UNRESOLVED] < 0.005


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        (World(n=370, displacement_mm=step(5.0)), "departs from the model"),
        (World(n=370, lost=step(0.05)), "departs from the model"),
        (World(n=370, outer_extra_per_s=step(5.0)), "outer-1 departs"),
        (World(n=720, displacement_mm=step(0.5)), "scatters"),
        (World(n=720, lost=step(0.01)), "scatters"),
        (World(n=30, lost=np.ones_like), "see 0.00 of the certified activity"),
        (World(n=30, lost=lambda t: -np.ones_like(t)), "see 2.00 of the certified"),
    ],
)
def test_what_is_not_in_the_model_holds_the_number_within_ten_minutes(
    world: World, reason: str
) -> None:
    found = fused(world)
    assert found.state is EstimateState.HELD
    assert any(reason in r for r in found.reasons)
    assert certified(found)


@pytest.mark.parametrize("seed", range(4))
def test_a_shock_opens_the_displacement(seed: int) -> None:
    world = World(n=720, displacement_mm=step(3.0), shocks_at_s=(SIX_H,))
    found = fused(world, seed)
    assert found.state is EstimateState.VALID
    assert abs(found.posterior.log_ratio) < 0.0015
    assert found.posterior.displacement_mm[0] == pytest.approx(3.0, abs=0.7)


def test_a_neighbour_that_has_left_leaves_no_trace() -> None:
    world = World(
        n=720,
        outer_extra_per_s=lambda t: np.where(
            (t > SIX_H) & (t < SIX_H + 7200), 5.0, 0.0
        ),
    )
    found = fused(world)
    assert found.state is EstimateState.DEGRADED
    assert abs(found.posterior.log_ratio - fused(World(n=720)).posterior.log_ratio) < (
        0.05 * found.posterior.log_ratio_u
    )


def test_a_dead_detector_is_noticed_and_the_other_goes_on() -> None:
    journal = World(n=240).journal(seed=1)
    counts = journal.counts.copy()
    counts[120:, 1] = 0.0
    found = fuse(model(), replace(journal, counts=counts), AT_NS)
    assert found.state is EstimateState.DEGRADED
    assert found.reasons == ("inner-2 is dead",)
    counts[120:, 1] = np.nan
    found = fuse(model(), replace(journal, counts=counts), AT_NS)
    assert found.reasons == ("inner-2 is missing",)
    counts[120:, 0] = np.nan
    found = fuse(model(), replace(journal, counts=counts), AT_NS)
    assert found.state is EstimateState.HELD
    assert found.reasons == ("no watching detector is alive",)


def test_one_detector_alone_knows_less() -> None:
    journal = World(n=240).journal(seed=1)
    counts = journal.counts.copy()
    counts[:, 1] = np.nan
    alone = fuse(model(), replace(journal, counts=counts), AT_NS).posterior
    both = fuse(model(), journal, AT_NS).posterior
    assert 0.016 < alone.log_ratio_u < 0.019
    assert both.log_ratio_u < 0.0115


def test_a_gap_costs_nothing() -> None:
    journal = World(n=720).journal(seed=1)
    gap = (np.arange(720) < 300) | (np.arange(720) >= 420)
    with_gap = fuse(model(), journal.where(gap), AT_NS)
    assert with_gap.state is EstimateState.VALID
    assert with_gap.posterior.log_ratio_u == pytest.approx(
        fuse(model(), journal, AT_NS).posterior.log_ratio_u, rel=5e-3
    )


@pytest.mark.parametrize(
    ("circumstances", "reason"),
    [
        (Circumstances(alarms=("lid opened",)), "alarm unresolved: lid opened"),
        (
            Circumstances(is_in_attitude=False),
            "outside the fingerprinted attitude: the liquid has moved",
        ),
        (
            Circumstances(time_u_ns=900 * 10**9),
            "clock uncertain by more than 0.1 % of the activity",
        ),
    ],
)
def test_what_the_station_knows_holds_the_number(
    circumstances: Circumstances, reason: str
) -> None:
    found = fuse(model(), World(n=60).journal(seed=1), AT_NS, circumstances)
    assert (found.state, found.reasons) == (EstimateState.HELD, (reason,))


def test_a_saturated_detector_holds_the_number() -> None:
    known = model(600.0)
    found = fused(World(n=60, count_rate_per_s_gbq=600.0), known=known)
    assert found.state is EstimateState.HELD
    assert "dead time: n tau above 0.5" in found.reasons


def test_without_a_released_gain_nothing_is_fused() -> None:
    known = replace(model(), gain_reason="no released gain calibration")
    found = fused(World(n=60), known=known)
    assert found.state is EstimateState.NOT_OBSERVABLE
    assert found.reasons == ("no released gain calibration",)
    assert certified(found)


def test_a_pot_that_lets_nothing_out_is_not_observable() -> None:
    blind = tuple(replace(c, rates_per_s_gbq={}) for c in model().channels)
    found = fused(World(n=60), known=replace(model(), channels=blind))
    assert found.state is EstimateState.NOT_OBSERVABLE
    assert found.reasons == ("no detector sees Lu-177",)


def test_an_unknown_temperature_is_said_and_costs_its_share() -> None:
    journal = World(n=120).journal(seed=1)
    unknown = replace(journal, temperature_c=np.full_like(journal.counts, np.nan))
    found = fuse(model(), unknown, AT_NS)
    known = fuse(model(), journal, AT_NS)
    assert found.state is EstimateState.DEGRADED
    assert found.reasons == ("a temperature is unknown",)
    assert found.activity_u_gbq > known.activity_u_gbq


def test_an_alarm_keeps_bins_from_teaching_the_activity() -> None:
    world = World(n=720, lost=step(0.05))
    journal = world.journal(seed=3)
    taught = replace(journal, is_learnt=journal.begin_s < SIX_H)
    posterior = fuse(model(), taught, AT_NS).posterior
    assert posterior.n_used.tolist() == [360.0, 360.0, 360.0]
    assert abs(posterior.log_ratio) < 0.002


def test_without_a_bin_nothing_is_observable() -> None:
    journal = World(n=4).journal(seed=1)
    found = fuse(model(), journal.where(np.zeros(4, np.bool_)), AT_NS)
    assert found.state is EstimateState.NOT_OBSERVABLE
    assert certified(found)
    word = amount(model(), journal.where(np.zeros(4, np.bool_)))
    assert word.verdict is WitnessVerdict.NOT_OBSERVABLE


def test_a_minute_ago_is_a_good_place_to_begin() -> None:
    journal = World(n=241, shocks_at_s=(9000.0,)).journal(seed=2)
    before = fuse(model(), journal.where(np.arange(241) < 240), AT_NS)
    cold = fuse(model(), journal, AT_NS)
    warm = fuse(model(), journal, AT_NS, start=before.posterior)
    assert warm.activity_gbq == pytest.approx(cold.activity_gbq, rel=1e-8)
    assert warm.posterior.steps < cold.posterior.steps
