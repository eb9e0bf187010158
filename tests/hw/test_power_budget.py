"""The power page shows what the power command prints, and the budget closes."""

import csv
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.benchmarks import power_budget

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, str(ROOT / "tests" / "benchmarks" / "power_budget.py")]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False
    )


def test_page_shows_what_the_command_prints() -> None:
    printed = _run()
    page = (ROOT / "hw" / "power.md").read_text(encoding="utf-8")
    shown = page.split("<!-- power_budget: begin -->\n")[1]
    assert printed.returncode == 0
    assert shown.split("<!-- power_budget: end -->")[0] == printed.stdout


def test_json_is_one_line_and_adds_up() -> None:
    lines = _run("--json").stdout.splitlines()
    assert len(lines) == 1
    budget = json.loads(lines[0])
    legs = sum(Decimal(leg["energy_wh"]) for leg in budget["legs"])
    assert legs == pytest.approx(Decimal(budget["energy_wh"]), abs=Decimal("0.01"))


def test_every_leg_of_the_journey_is_there() -> None:
    names = " ".join(leg.name for leg in power_budget.load().legs)
    for leg in ("loading", "road", "hold", "flight", "customs", "centre", "reserve"):
        assert leg in names


def test_one_leg_by_hand() -> None:
    flight = next(leg for leg in power_budget.load().legs if "flight" in leg.name)
    computer = 0.08 * 1.30 + 0.92 * 0.45
    by_hand = (computer + 0.05 + 0.10 + 0.06) / 0.88
    assert float(flight.power_w) == pytest.approx(by_hand, rel=1e-12)
    assert float(flight.energy_wh) == pytest.approx(11 * by_hand, rel=1e-12)


def _changed(tmp_path: Path, old: str, new: str) -> Path:
    text = power_budget.POWER_TOML.read_text(encoding="utf-8")
    assert old in text
    changed = tmp_path / "power.toml"
    changed.write_text(text.replace(old, new), encoding="utf-8")
    return changed


def test_limit_is_exact(tmp_path: Path) -> None:
    at_limit = _changed(tmp_path, "battery_wh = 100 ", "battery_wh = 92.16 ")
    assert power_budget.load(at_limit).is_small_battery
    below = _changed(tmp_path, "battery_wh = 100 ", "battery_wh = 92.1599 ")
    assert not power_budget.load(below).is_small_battery


def test_budget_that_does_not_close_exits_1(tmp_path: Path) -> None:
    changed = _changed(tmp_path, "hours = 24", "hours = 96")
    assert power_budget.main(["--input", str(changed)]) == 1


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("hours = 24", "", "hours"),
        ("modem = 0.50, ", "", "modem"),
        ("active_w = 1.30", 'active_w = "much"', "unquoted"),
        ("[battery]", "[battery", "TOML"),
    ],
)
def test_bad_input_is_one_message_without_a_traceback(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    done = _run("--input", str(_changed(tmp_path, old, new)))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "power.toml" in done.stderr
    assert named in done.stderr


def test_parts_draw_what_the_budget_says() -> None:
    with (ROOT / "hw" / "bom.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    parts_w = sum(int(row["quantity"]) * float(row["power_mw"]) for row in rows) / 1000
    mean_w = float(power_budget.load().mean_power_w)
    assert parts_w == pytest.approx(mean_w, rel=0.02)
