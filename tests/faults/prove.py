"""Runs the rigs at full size and writes their figures into PROOF.md.

    make prove        or: .venv/bin/python -m tests.faults.prove [--scale 0.1]

The table stands between two markers of PROOF.md; what is outside is left alone.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.faults.rig import print_progress

ROOT: Final = Path(__file__).resolve().parents[2]
PROOF: Final = ROOT / "PROOF.md"
BEGIN: Final = "<!-- figures begin: written by make prove -->"
END: Final = "<!-- figures end -->"


class Run(NamedTuple):
    """One rig's run: its command, what it printed, how long, and whether it held."""

    command: str
    figures: object
    minutes: float
    is_good: bool


def run_rig(module: str, *arguments: str) -> Run:
    """Run one rig, its progress on our standard error."""
    command = ["-m", f"tests.faults.{module}", *arguments]
    print_progress("== " + " ".join(command))
    started_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, *command, "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    minutes = (time.monotonic() - started_s) / 60
    shown = "python " + " ".join(command)
    return Run(shown, json.loads(done.stdout), minutes, done.returncode == 0)


def machine() -> str:
    """Say on what this was measured."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores, python = os.cpu_count(), platform.python_version()
    return f"{cores} cores ({model}), {platform.machine()}, Python {python}"


def _number(figures: object, *path: str) -> int:
    for name in path:
        figures = figures.get(name, 0) if isinstance(figures, dict) else 0
    return figures if isinstance(figures, int) else 0


def power_row(run: Run) -> str:
    """Return the row of F2."""
    real = [_number(run.figures, "real", name) for name in _POWER]
    lost = _number(run.figures, "control", "lost")
    cuts = _number(run.figures, "control", "cuts")
    found = (
        "{:,} cuts and {:,} more during recovery; {:,} records acknowledged, ".format(
            *real[:3]
        )
    )
    found += "{:,} lost, {:,} folders that did not open".format(*real[3:])
    found += f"; control without fdatasync: {lost:,} lost in {cuts:,} cuts"
    asked = "F2: 10,000 simulated power cuts, torn and reordered: 0 lost, 0 unopenable"
    return _row(asked, found, run)


_POWER: Final = ("cuts", "cuts-in-recovery", "acknowledged", "lost", "unopenable")
_SIMULATED: Final = (
    "seeds",
    "sealed",
    "promised",
    "power-cut",
    "kill",
    "broker-crash",
    "ingestor-crash",
    "hostile",
    "eio",
    "enospc",
    "clock-step",
    "explained",
)


def simulation_row(run: Run) -> str:
    """Return the row of F5's first half."""
    parts = [f"{name} {_number(run.figures, name):,}" for name in _SIMULATED]
    failed = _number(run.figures, "seeds-failed")
    found = f"{', '.join(parts)}; seeds with a violation: {failed}"
    return _row("F5: 1,000 seeds of the simulation: the invariants hold", found, run)


def order_row(run: Run) -> str:
    """Return the row of F10's half that the simulation measures."""
    steps, boots = (_number(run.figures, name) for name in ("clock-step", "boot"))
    found = f"{steps:,} steps of the clock, {boots:,} boots in 1970, order kept in all"
    asked = "F10, order only: steps of years, 1970 boots: order exact"
    return _row(asked, found, run)


def mutant_row(run: Run) -> str:
    """Return the row of F5's second half."""
    catches = _catches(run)
    caught = [one for one in catches if one["seed"] is not None]
    found = f"{len(caught)} of {len(catches)} caught"
    run = run._replace(is_good=len(caught) == len(catches))
    return _row("F5: each of >= 20 mutants dead within 50 seeds", found, run)


def _catches(run: Run) -> list[dict[str, object]]:
    return run.figures if isinstance(run.figures, list) else []


def mutant_table(run: Run) -> Iterator[str]:
    """Yield the table of mutants."""
    yield "| mutant | caught at seed | by the invariants |"
    yield "|---|---|---|"
    for one in _catches(run):
        seed = "**not caught**" if one["seed"] is None else one["seed"]
        names = one["invariants"]
        by = ", ".join(names) if isinstance(names, list) else ""
        yield f"| {one['mutant']} | {seed} | {by} |"


def _row(asked: str, found: str, run: Run) -> str:
    verdict = "held at this size" if run.is_good else "**NOT HELD**"
    minutes = f"{run.minutes:.1f} min"
    return f"| {asked} | {found} | {verdict} | `{run.command}` ({minutes}) |"


def write(lines: list[str]) -> None:
    """Put ``lines`` between the markers."""
    text = PROOF.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PROOF.write_text("\n".join([before + BEGIN, "", *lines, "", END]) + after, "utf-8")


def main() -> int:
    """Run all rigs and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="part of full size")
    scale: float = parser.parse_args().scale
    cuts, seeds = str(round(10_000 * scale)), str(max(round(100 * scale), 1))
    power = run_rig("power_cuts", "--cuts", cuts)
    simulated = run_rig("simulation", "--seeds", seeds)
    mutants = run_rig("mutants", "--seeds", str(max(round(50 * scale), 1)))
    today = time.strftime("%Y-%m-%d", time.gmtime())
    rows = [power_row(power), simulation_row(simulated), order_row(simulated)]
    write(
        [
            f"Measured {today} on {machine()}.",
            "",
            "| asked | measured | verdict | command |",
            "|---|---|---|---|",
            *rows,
            mutant_row(mutants),
            "",
            *mutant_table(mutants),
        ]
    )
    return int(not all(one.is_good for one in (power, simulated, mutants)))


if __name__ == "__main__":
    sys.exit(main())
