"""The published activity in the simulator's world: bench_robustness in small."""

import numpy as np
import pytest

from tests.holdout.situations import ROWS, Kind, clock_contract_holds, judge
from tests.holdout.unmatched import EVENT_AT_S, Situation, calibrated_container, play

BY_NAME = {case.situation.name: case for case in ROWS}


@pytest.mark.parametrize("name", ["nominal", "3 mm after a shock, 12.5 GBq"])
def test_what_is_published_is_as_good_as_it_says(name: str) -> None:
    # 100 runs: the gates are widened by three Monte Carlo errors.
    verdict = judge(BY_NAME[name], 100)
    assert verdict.holds(), verdict
    assert verdict.held_ratio <= 0.03


@pytest.mark.parametrize(
    ("name", "change"),
    [("5 mm without a shock", 0.005), ("5 % lost", 0.05), ("neighbour +5 /s", 0.0)],
)
def test_what_is_not_in_the_model_is_held_within_ten_minutes(
    name: str, change: float
) -> None:
    verdict = judge(BY_NAME[name], 40)
    assert verdict.held_ratio == 1.0
    assert verdict.holds(), verdict


def test_what_counts_cannot_tell_is_said_to_be_caught_elsewhere() -> None:
    invisible = [case for case in ROWS if case.kind is Kind.INVISIBLE]
    assert len(invisible) == 4
    assert all(case.caught_by for case in invisible)
    verdict = judge(BY_NAME["clock +1 h"], 60)
    assert verdict.held_ratio == 0.0
    assert verdict.worst_chi2 == pytest.approx(1.0, abs=0.15)
    # 1 h of decay: 0.43 %, with 1.1 % / sqrt(60) of noise in the mean.
    assert verdict.bias == pytest.approx(0.0043, abs=0.0045)
    assert clock_contract_holds(next(play(BY_NAME["nominal"].situation, 0)))


def test_the_calibration_is_the_nominal_worlds() -> None:
    found = calibrated_container().detectors
    rates = [one.sensitivities[0].count_rate_per_s_gbq for one in found]
    assert rates[:2] == pytest.approx([59.6, 59.7], abs=0.2)
    assert {one.nuclide for one in found[0].sensitivities} == {"Lu-177", "Lu-177m"}


def test_a_played_journey_holds_what_a_gateway_would_take() -> None:
    played = next(play(Situation("a gap", gap_s=(32_400.0, 39_600.0)), 3))
    begins = played.entries.begin_s
    # No bins on the flight (4 h 40 to 6 h after the start) nor in the gap.
    assert not np.any((begins > 18_000.0) & (begins < 21_500.0))
    assert not np.any((begins >= 32_400.0) & (begins < 39_600.0))
    # The first after the flight may have been moved; the gap moves nothing.
    assert np.flatnonzero(played.entries.is_shocked).tolist() == [
        int(np.flatnonzero(begins > 21_500.0)[0])
    ]
    early, truth = played.until(EVENT_AT_S)
    assert early.end_s[-1] == EVENT_AT_S
    assert abs(truth) < 0.1


def test_a_loss_is_in_the_truth() -> None:
    played = next(play(BY_NAME["5 % lost"].situation, 1))
    _, before = played.until(EVENT_AT_S)
    _, after = played.until(EVENT_AT_S + 600)
    assert after - before == pytest.approx(np.log(0.95), abs=1e-3)
