"""Runs the rigs at full size and keeps what they found in PROOF.md.

    make prove                                   the campaign against faults
    make prove ARGS="--only estimates"           another group: of the estimates
    make prove ARGS="--only ext4_cuts mutants"   some rigs; the others keep their rows
    make prove ARGS="--scale 0.1"                a taste
    make prove ARGS=--plan                       what would run, and for how long

Rigs that measure time run alone and first, then the others as they fit on two cores.
Every rig's newest finding is kept in ``tests/faults/figures.json`` with its date,
commit, machine and load as soon as the rig has ended, so that a campaign that was
broken off loses nothing; the table between the two markers of PROOF.md is written from
there. A rig that fails, or hangs, costs its own figures only.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final

from tests.faults.campaign import GROUPS, RIGS, Rig
from tests.faults.rig import CANNOT_RUN, Finding, print_progress
from tests.faults.side_by_side import CORES, in_order, limit_s, run_all, run_limited

ROOT: Final = Path(__file__).resolve().parents[2]
PROOF: Final = ROOT / "PROOF.md"
FIGURES: Final = ROOT / "tests" / "faults" / "figures.json"
BEGIN: Final = "<!-- figures begin: written by make prove -->"
END: Final = "<!-- figures end -->"
# Above this many busy processes besides two rigs a figure of time is not a good one.
BUSY_LOAD: Final = 2.5

_writing = Lock()
Row = dict[str, Any]


def machine() -> str:
    """Say on what this was measured."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores, python = os.cpu_count(), platform.python_version()
    return f"{cores} cores ({model}), {platform.machine()}, Python {python}"


def commit() -> str:
    """Return the short name of the commit that is measured."""
    words = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.check_output(words, text=True).strip()


def run_rig(rig: Rig, scale: float) -> bool:
    """Run one rig, its progress on standard error; keep its findings."""
    words = rig.arguments(scale)
    print_progress("== python " + " ".join(words))
    started_s, load = time.monotonic(), os.getloadavg()[0]
    done = run_limited([sys.executable, *words, "--json"], ROOT, limit_s(rig))
    row: Row = {
        "command": "python " + " ".join(words),
        "minutes": round((time.monotonic() - started_s) / 60, 1),
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "commit": commit(),
        "load": round(max(load, os.getloadavg()[0]), 1),
        "machine": machine(),
    }
    findings = _findings(rig, *done, is_full=scale >= 1)
    keep({one.figure: row | one._asdict() for one in findings}, instead_of=rig.called)
    for one in findings:
        print_progress(f"{one.figure}: {'held' if one.is_held else 'NOT HELD'}")
    return all(one.is_held for one in findings)


def _findings(
    rig: Rig, status: int | None, printed: str, *, is_full: bool
) -> list[Finding]:
    lines = printed.strip().splitlines()
    what = f"ended with status {status} and no figures"
    if lines and status in (0, 1):
        try:
            found = rig.findings(json.loads(lines[-1]), is_full=is_full)
        except (ValueError, KeyError, TypeError) as error:
            what = f"printed what are no figures: {error!r}"
        else:
            if found:
                return found
    elif status == CANNOT_RUN:
        what = "cannot run on this machine"
    elif status is None:
        what = f"was given up after {limit_s(rig) / 60:.0f} min"
    asked = f"the rig {rig.module}"
    return [Finding(rig.called, asked, what, is_held=False, is_full=False)]


def keep(rows: dict[str, Row], instead_of: str = "") -> None:
    """Put rows into the file of figures and write the table anew.

    ``instead_of`` is the rig: that it once gave no figures is forgotten.
    """
    with _writing:
        known: dict[str, Row] = {}
        if FIGURES.exists():
            known = json.loads(FIGURES.read_text("utf-8"))
        known.pop(instead_of, None)
        known = dict(sorted((known | rows).items(), key=lambda one: _order(one[0])))
        text = json.dumps(known, indent=1, ensure_ascii=False)
        FIGURES.write_text(text + "\n", "utf-8")
        write(list(table(known.values())))


def _order(figure: str) -> tuple[int, str]:
    digits = "".join(c for c in figure.split(" ", maxsplit=1)[0] if c.isdigit())
    return int(digits or "999"), figure


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of the table, oldest figure first."""
    yield "| figure | asked | measured | verdict | command, when, commit |"
    yield "|---|---|---|---|---|"
    machines: dict[str, None] = {}
    for row in rows:
        machines[row["machine"]] = None
        when = f"{row['minutes']} min, {row['date']}Z, `{row['commit']}`"
        if row["load"] > BUSY_LOAD:
            when += f", loaded machine ({row['load']} busy)"
        cells = (row["figure"], row["asked"], row["measured"], verdict(row))
        yield f"| {' | '.join(cells)} | `{row['command']}` ({when}) |"
    yield ""
    yield f"Measured on {'; '.join(machines)}."


def verdict(row: Row) -> str:
    """Return the verdict on a row."""
    if not row["is_held"]:
        return "**NOT HELD**"
    return "held" if row["is_full"] else "held at this size"


def write(lines: list[str]) -> None:
    """Put ``lines`` between the markers."""
    text = PROOF.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PROOF.write_text("\n".join([before + BEGIN, "", *lines, "", END]) + after, "utf-8")


def plan(rigs: Sequence[Rig]) -> str:
    """Say what runs, in order, and for how long on two idle cores."""
    rows = [
        f"{rig.called:18}{rig.minutes:6.1f} min  "
        + ("alone" if rig.is_timed else f"{rig.cores:.1f} cores")
        for rig in in_order(rigs)
    ]
    alone = sum(rig.minutes for rig in rigs if rig.is_timed)
    busy = sum(rig.minutes * rig.cores for rig in rigs if not rig.is_timed)
    total = f"{alone:.0f} min alone and {busy:.0f} min of one core"
    return "\n".join([*rows, f"{total}: {alone + busy / 2:.0f} min at best"])


def main() -> int:
    """Run all rigs, or some, and write what they found."""
    names = [rig.called for rig in RIGS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0, help="part of full size")
    parser.add_argument(
        "--only", nargs="+", choices=[*GROUPS, *names], default=["faults"]
    )
    parser.add_argument("--one-at-a-time", action="store_true", help="a busy machine")
    parser.add_argument("--plan", action="store_true", help="only say what would run")
    parser.add_argument("--table", action="store_true", help="only write the table")
    given = parser.parse_args()
    if given.table:
        keep({})
        return 0
    chosen = [rig for rig in RIGS if {rig.called, rig.group} & set(given.only)]
    print_progress(plan(chosen))
    if given.plan:
        return 0
    run = partial(run_rig, scale=given.scale)
    held = run_all(chosen, run, 0.0 if given.one_at_a_time else CORES)
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
