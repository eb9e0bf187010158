"""Power budget of the gateway: watt-hours per leg, warming, transport limits.

Reads ``hw/power.toml`` and prints the table that ``hw/power.md`` shows, or with
``--json`` one line for machines. Arithmetic is decimal throughout, because the
limits of the transport rules are compared exactly.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

POWER_TOML = Path(__file__).parents[2] / "hw" / "power.toml"
J_PER_MEV = Decimal("1.602176634e-13")  # exact, SI 2019
BQ_PER_GBQ = Decimal(10) ** 9


class PowerBudgetError(Exception):
    """The input file cannot be used; the message names file, key and remedy."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of the journey, seen from the battery."""

    name: str
    hours: Decimal
    power_w: Decimal
    warming_k: Decimal

    @property
    def energy_wh(self) -> Decimal:
        """Energy that the leg takes out of the battery, Wh."""
        return self.hours * self.power_w


@dataclass(frozen=True, slots=True)
class Budget:
    """The whole journey and the battery it needs."""

    legs: tuple[Leg, ...]
    cell_wh: Decimal
    battery_wh: Decimal
    usable_wh: Decimal
    cold_usable_wh: Decimal
    lithium_metal_wh: Decimal
    decay_heat_w: Decimal
    product_limits_c: tuple[Decimal, ...]
    is_small_battery: bool

    @property
    def hours(self) -> Decimal:
        """Length of the journey with its reserve, h."""
        return sum((leg.hours for leg in self.legs), Decimal(0))

    @property
    def energy_wh(self) -> Decimal:
        """Energy of the journey with its reserve, Wh."""
        return sum((leg.energy_wh for leg in self.legs), Decimal(0))

    @property
    def mean_power_w(self) -> Decimal:
        """Mean power out of the battery, W."""
        return self.energy_wh / self.hours


def load(path: Path = POWER_TOML) -> Budget:
    """Read the inputs and do the sum.

    Raises:
        PowerBudgetError: the file cannot be read, a key is missing, a value is no
            number, or a load has no duty in a leg; mend what the message names.
    """
    try:
        text = path.read_text(encoding="utf-8")
        inputs = tomllib.loads(text, parse_float=Decimal)
        return _budget(inputs)
    except KeyError as error:
        message = f"{path}: key {error} is missing; add it, every load needs a duty"
        raise PowerBudgetError(message) from error
    except (TypeError, ArithmeticError) as error:
        message = f"{path}: a value is no number ({error}); write numbers unquoted"
        raise PowerBudgetError(message) from error
    except (OSError, ValueError) as error:
        raise PowerBudgetError(f"{path}: {error}; give a readable TOML file") from error


def _budget(inputs: Mapping[str, Any]) -> Budget:
    battery, limits = inputs["battery"], inputs["limits"]
    thermal = inputs["thermal"]
    cell_wh = Decimal(battery["cell_voltage_v"]) * battery["cell_capacity_ah"]
    battery_wh = cell_wh * battery["series"] * battery["parallel"]
    lithium_ah = limits["lithium_metal_g"] * limits["lithium_metal_ah_per_g"]
    decays_per_s = Decimal(thermal["activity_gbq"]) * BQ_PER_GBQ
    return Budget(
        legs=tuple(_leg(leg, inputs) for leg in inputs["legs"]),
        cell_wh=cell_wh,
        battery_wh=battery_wh,
        usable_wh=battery_wh * battery["usable_ratio"],
        cold_usable_wh=battery_wh * battery["cold_usable_ratio"],
        lithium_metal_wh=lithium_ah * limits["lithium_metal_voltage_v"],
        decay_heat_w=decays_per_s * thermal["decay_energy_mev"] * J_PER_MEV,
        product_limits_c=tuple(map(Decimal, thermal["product_limits_c"])),
        is_small_battery=battery_wh <= limits["battery_wh"]
        and cell_wh <= limits["cell_wh"],
    )


def _leg(leg: Mapping[str, Any], inputs: Mapping[str, Any]) -> Leg:
    off = leg.get("off", [])
    running = [load for load in inputs["loads"] if load["name"] not in off]
    drawn_w = sum((_mean_w(load, leg["duty"]) for load in running), Decimal(0))
    power_w = drawn_w / inputs["conversion"]["efficiency"]
    return Leg(
        name=leg["name"],
        hours=Decimal(leg["hours"]),
        power_w=power_w,
        warming_k=power_w * inputs["thermal"]["overpack_resistance_k_w"],
    )


def _mean_w(load: Mapping[str, Any], duty: Mapping[str, Any]) -> Decimal:
    active = Decimal(duty[load["name"]])
    active_w, idle_w = Decimal(load["active_w"]), Decimal(load["idle_w"])
    return active * active_w + (1 - active) * idle_w


def table(budget: Budget) -> str:
    """Return the Markdown table and the lines below it, as ``hw/power.md`` has them."""
    limits = budget.product_limits_c
    head = ["leg", "h", "W", "Wh", "warming K"]
    head += [f"highest ambient for {limit} degC" for limit in limits]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    rows += [_row(leg, limits) for leg in budget.legs]
    rows.append(
        ["**journey**", f"{budget.hours}", f"{budget.mean_power_w:.2f}"]
        + [f"**{budget.energy_wh:.1f}**"]
        + [""] * (1 + len(limits))
    )
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", *_notes(budget)])


def _row(leg: Leg, limits: Sequence[Decimal]) -> list[str]:
    cells = [leg.name, f"{leg.hours}", f"{leg.power_w:.2f}", f"{leg.energy_wh:.1f}"]
    cells.append(f"{leg.warming_k:.1f}")
    return cells + [f"{limit - leg.warming_k:.1f}" for limit in limits]


def _notes(budget: Budget) -> list[str]:
    word = "within" if budget.is_small_battery else "ABOVE"
    cold_hours = budget.cold_usable_wh / budget.mean_power_w
    usable_hours = budget.usable_wh / budget.mean_power_w
    return [
        f"- Battery {budget.battery_wh:.1f} Wh of {budget.cell_wh:.2f} Wh cells: "
        f"{word} the limits of a small lithium-ion battery.",
        f"- Usable {budget.usable_wh:.1f} Wh: {int(usable_hours)} h; the journey with "
        f"its reserve needs {budget.energy_wh:.1f} Wh.",
        f"- At -20 degC {budget.cold_usable_wh:.1f} Wh: {int(cold_hours)} h.",
        f"- A lithium-metal battery within its limit would hold at most "
        f"{budget.lithium_metal_wh:.1f} Wh.",
        f"- The dose itself heats with {1000 * budget.decay_heat_w:.2f} mW.",
    ]


def as_json(budget: Budget) -> str:
    """Return the budget as one line of JSON; decimals are strings."""
    legs = [
        {
            "name": leg.name,
            "hours": str(leg.hours),
            "power_w": f"{leg.power_w:.4f}",
            "energy_wh": f"{leg.energy_wh:.3f}",
            "warming_k": f"{leg.warming_k:.3f}",
        }
        for leg in budget.legs
    ]
    return json.dumps(
        {
            "benchmark": "power_budget",
            "legs": legs,
            "hours": str(budget.hours),
            "energy_wh": f"{budget.energy_wh:.3f}",
            "mean_power_w": f"{budget.mean_power_w:.4f}",
            "battery_wh": f"{budget.battery_wh:.3f}",
            "usable_wh": f"{budget.usable_wh:.3f}",
            "cold_usable_wh": f"{budget.cold_usable_wh:.3f}",
            "is_small_battery": budget.is_small_battery,
        }
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the budget; 1 when it does not close, 2 when it cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--input", type=Path, default=POWER_TOML)
    options = parser.parse_args(arguments)
    try:
        budget = load(options.input)
    except PowerBudgetError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write((as_json(budget) if options.json else table(budget)) + "\n")
    closes = budget.energy_wh <= budget.usable_wh and budget.is_small_battery
    return 0 if closes else 1


if __name__ == "__main__":
    sys.exit(main())
