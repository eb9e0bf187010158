"""What happens to the container shows in the rates, and nowhere it should not."""

import datetime as dt
from pathlib import Path

import msgspec
import numpy as np
import pytest

from firmware_sim.clock import ClockPage
from firmware_sim.nuclear import Floats
from firmware_sim.scenario import Event, Scenario, load_scenario, scenario_path
from firmware_sim.simulation import Simulation, Step
from schemas.simulated_time import unpack_page

CALM = msgspec.structs.replace(load_scenario(scenario_path("inner-pair")), acts=[])
AT = CALM.starts_at + dt.timedelta(minutes=5)


def steps(*events: dict[str, object], count: int = 90) -> list[Step]:
    entries = [msgspec.convert({"at": AT, **event}, Event) for event in events]
    scenario: Scenario = msgspec.structs.replace(CALM, events=entries)
    simulation = Simulation(scenario, 3, {})
    return [simulation.step() for _ in range(count)]


def change(*events: dict[str, object]) -> tuple[Floats, Floats]:
    """Return mean rates at the four tubes before and after the events."""
    rates = np.array([step.snapshot.rates_per_s for step in steps(*events)])
    return rates[:30].mean(axis=0), rates[32:60].mean(axis=0)


def test_a_loss_shows_in_the_pair() -> None:
    before, after = change({"what": "lose", "lost_ratio": 0.05})
    assert after[:2] / before[:2] == pytest.approx([0.95, 0.95], abs=0.002)
    activity = [
        s.snapshot.activity_gbq for s in steps({"what": "lose", "lost_ratio": 0.05})
    ]
    assert activity[40] / activity[20] == pytest.approx(0.95, abs=1e-3)


def test_a_breach_shows_on_its_side_only() -> None:
    before, after = change({"what": "breach", "detector": 2, "view_ratio": 1e-3})
    # ESTIMATOR 3.4: a void over 1e-3 of the view gives +2.8 /s; a tube that
    # over-responds below 120 keV sees up to twice that.
    assert 2.0 < after[2] - before[2] < 5.6
    assert after[[0, 1]] == pytest.approx(before[[0, 1]], rel=0.002)
    assert after[3] == pytest.approx(before[3], rel=0.15)


def test_a_silent_tube_comes_back() -> None:
    event = {"what": "fail", "detector": 1, "sensitivity_ratio": 0.0, "for_s": 120.0}
    rates = np.array([step.snapshot.rates_per_s[1] for step in steps(event)])
    assert rates[29] > 300
    assert np.all(rates[31:42] == 0.0)
    assert np.all(rates[45:] > 300)


def test_a_noisy_tube_counts_what_is_not_there() -> None:
    before, after = change(
        {"what": "fail", "detector": 3, "sensitivity_ratio": 1.0, "noise_per_s": 6.0}
    )
    assert after[3] - before[3] == pytest.approx(6.0, abs=0.1)
    assert after[2] == pytest.approx(before[2], rel=0.15)


def test_screening_is_a_burst_within_its_steps() -> None:
    flash = {"what": "screening", "rates_per_s": [9e3, 7e3, 3e4, 2e4], "for_s": 13.0}
    played = steps(flash)
    bursts = [b.seconds for step in played for b in step.snapshot.bursts]
    assert bursts == [10.0, 3.0]
    calm = [np.mean([s.snapshot.rates_per_s for s in played[k]], axis=0)
            for k in (slice(0, 30), slice(40, 60))]  # fmt: skip
    assert calm[1] == pytest.approx(calm[0], rel=0.2)


def test_a_step_of_the_clock_moves_utc_and_not_time_since_boot(tmp_path: Path) -> None:
    stepped = [s.clock_step_s for s in steps({"what": "clock", "step_s": 3600.0})]
    assert sum(stepped) == stepped[30] == 3600.0
    start_ns = CALM.starts_at_ns()
    with ClockPage(tmp_path / "clock", 3, start_ns) as clock:
        clock.step_utc(3600.0)
        clock.advance(start_ns + 10**9)
        shown = unpack_page((tmp_path / "clock").read_bytes())
        assert shown.utc_ns == start_ns + 3601 * 10**9
        assert shown.boot_ns == clock.boot_ns
        assert clock.utc_ns == start_ns + 10**9


@pytest.mark.parametrize("name", ["troubles", "ac225"])
def test_what_ships_can_be_played_to_its_end(name: str) -> None:
    scenario = load_scenario(scenario_path(name))
    coarse = msgspec.convert(
        dict.fromkeys(("counts_s", "motion_s", "slow_s", "gnss_s"), 60),
        type(scenario.periods),
    )
    simulation = Simulation(msgspec.structs.replace(scenario, periods=coarse), 5, {})
    played = [simulation.step() for _ in range(720)]
    said = [
        n["what"] for s in played for n in s.notices if n["kind"] in ("event", "fault")
    ]
    assert [e.what for e in scenario.events] == said
    assert played[-1].snapshot.activity_gbq > 0
