"""Scenarios: what ships is sound, what is wrong is said with file and key."""

from pathlib import Path

import msgspec
import pytest

from firmware_sim.chains import Contents
from firmware_sim.errors import ScenarioError
from firmware_sim.nuclear import nuclear_data
from firmware_sim.scenario import load_scenario, scenario_path, shipped_names, utc_ns

SHORT = scenario_path("short").read_text()


def test_what_ships() -> None:
    assert shipped_names() == [
        "ac225",
        "inner-pair",
        "pluvicto",
        "short",
        "thick-pot",
        "troubles",
    ]
    for name in shipped_names():
        assert load_scenario(scenario_path(name)).name == name


def test_the_journey_is_the_one_described() -> None:
    scenario = load_scenario(scenario_path("pluvicto"))
    hours = (scenario.ends_at_ns() - scenario.starts_at_ns()) / 3600e9
    assert hours == 30
    at_ns = {act.what: utc_ns(act.at) for act in scenario.acts}
    assert 26 <= (at_ns["arrive"] - at_ns["load"]) / 3600e9 <= 30
    appointment_ns = scenario.vial.calibrated_at_ns() + int(119.5 * 3600e9)
    left = Contents(nuclear_data(), scenario.vial).activities_gbq(appointment_ns)
    assert left[0] == pytest.approx(7.44, abs=0.005)
    handovers = [act for act in scenario.acts if act.what == "handover"]
    chain = [handovers[0].from_, *(act.to for act in handovers)]
    assert chain[0] == "producer"
    assert chain[-1] == "centre"
    assert [act.from_ for act in handovers] == chain[:-1]


def test_instants_are_exact() -> None:
    scenario = load_scenario(scenario_path("short"))
    assert scenario.starts_at_ns() == 1_795_618_800_000_000_000
    moved = msgspec.structs.replace(
        scenario, starts_at=scenario.starts_at.replace(microsecond=1)
    )
    assert moved.starts_at_ns() - scenario.starts_at_ns() == 1000


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("seed = 7", "seed = 7\npace = 3", "`pace`"),
        ("lead_mm = 10.0", "lead_mm = 10.0\ncolour = 1", "$.container.pot"),
        ("lead_mm = 10.0", "lead_mm = -1.0", "$.container.pot.lead_mm"),
        ("counts_s = 1", "counts_s = 0.5", "$.periods.counts_s"),
        ("calibrated_at = 2026-11-23T06:00:00+01:00",
         "calibrated_at = 2026-11-23T06:00:00", "$.vial.calibrated_at"),
        ('name = "short"', "", "name"),
        ("seed = 7", "seed = ", "line"),
        ('path = ["yard"]', 'path = ["moon"]', "legs[2].path"),
        ('path = ["dock", "yard"]', 'path = ["yard"]', "two or more for a road"),
        ('path = ["yard"]', 'path = ["dock"]', "does not begin where"),
        ("until = 2026-11-25T16:16:00+01:00",
         "until = 2026-11-25T16:09:00+01:00", "legs[1].until"),
        ("at = 2026-11-25T16:19:00+01:00",
         "at = 2026-11-25T18:19:00+01:00", "acts[6].at"),
        ("volume_ml = 12.5", "volume_ml = 125.0", "vial.volume_ml"),
        ("play_mm = 5.0", "play_mm = 9.0", "container.pot.play_mm"),
        ("position_mm = [150.0, 0.0, 0.0]",
         "position_mm = [30.0, 0.0, 0.0]", "container.detectors[0].position_mm"),
        ("height_m = 0.3", "", "events[1].height_m: needed by 'drop'"),
        ("height_m = 0.3", "height_m = 0.3\ntilt_deg = 3.0", "events[1].tilt_deg"),
        ('what = "drop"\nheight_m = 0.3',
         'what = "displace"\ndisplace_mm = 9.0', "has 5.0 mm of play"),
        ('what = "drop"\nheight_m = 0.3',
         'what = "fail"\ndetector = 3\nsensitivity_ratio = 0.0', "are 3, from 0"),
        ('what = "drop"\nheight_m = 0.3',
         'what = "lose"\nfor_s = 3.0', "lost_ratio: needed by 'lose'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    tmp_path: Path, was: str, becomes: str, says: str
) -> None:
    assert SHORT.count(was) >= 1
    broken = tmp_path / "broken.toml"
    broken.write_text(SHORT.replace(was, becomes, 1))
    with pytest.raises(ScenarioError) as refused:
        load_scenario(broken)
    assert str(broken) in str(refused.value)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_names_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"absent.toml: .*pluvicto"):
        load_scenario(tmp_path / "absent.toml")


def test_nuclear_data_of_another_shape_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "nuclear.toml"
    table.write_text("[lead]\nenergy_kev = []\n")
    with pytest.raises(ScenarioError, match=r"nuclear.toml: "):
        nuclear_data(table)
