"""How near the fused activity comes to the bound, against a truth of its own.

    python tests/benchmarks/bench_activity.py [--runs 4000] [--only "6 h"] [--json]

One row per scenario of the feasibility table at 7.4 and 12.5 GBq: root mean square
error of ln A in percent [over the expected local bound] (coverage of the 95 %
interval) for the fused number and for what is done without it; and the control, a
gain from the vial's own fingerprint taken for a calibration, which must fail. The
exit status is 1 if a row misses its gate or the control meets it.
"""

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.holdout.rows import (  # noqa: E402
    COVERAGE_LIMITS,
    ENOUGH_RUNS,
    FULL_RUNS,
    JUDGED,
    ROWS,
    SLACK,
    Outcome,
    Score,
    campaign,
    fingerprint_control,
    monte_carlo_errors,
    table,
)


def control_fails(control: Score) -> bool:
    """Say whether the control misses the gate, as it must."""
    return not COVERAGE_LIMITS[0] <= control.coverage <= COVERAGE_LIMITS[1]


def as_json(outcomes: list[Outcome], control: Score, minutes: float) -> str:
    """Return one line."""
    rows = {
        outcome.row.name: {
            "bound": outcome.bound,
            "van_trees": outcome.van_trees,
            **{name: one._asdict() for name, one in outcome.scores.items()},
        }
        for outcome in outcomes
    }
    return json.dumps(
        {
            "runs": outcomes[0].runs,
            "rows": rows,
            "worst_ratio": max(one.scores[JUDGED].ratio for one in outcomes),
            "coverage": [
                min(one.scores[JUDGED].coverage for one in outcomes),
                max(one.scores[JUDGED].coverage for one in outcomes),
            ],
            "control_coverage": control.coverage,
            "missed": missed(outcomes),
            "minutes": round(minutes, 2),
        }
    )


def missed(outcomes: list[Outcome]) -> list[str]:
    """Return the rows whose gate is missed."""
    return [one.row.name for one in outcomes if not one.scores[JUDGED].holds(one.runs)]


def show(outcomes: list[Outcome], control: Score, minutes: float) -> None:
    """Print for people."""
    runs = outcomes[0].runs
    ratio_error, coverage_error = monte_carlo_errors(runs)
    print("\n".join(table(outcomes)))
    print(
        f"\n{runs} runs a row: a ratio is known to {ratio_error:.3f}, a coverage to "
        f"{coverage_error:.4f}; {minutes:.1f} min"
    )
    if runs < ENOUGH_RUNS:
        print(f"gates widened by {SLACK:.0f} of these errors: too few runs to judge")
    verdict = "fails, as it must" if control_fails(control) else "**MEETS THE GATE**"
    print(
        f"control, fingerprint for a gain: coverage {control.coverage:.3f}, {verdict}"
    )


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=FULL_RUNS)
    parser.add_argument("--only", action="append", help="a row's name, repeatable")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    chosen = [row for row in ROWS if asked.only is None or row.name in asked.only]
    if not chosen:
        parser.error("--only: there are " + ", ".join(row.name for row in ROWS))
    started_s = time.monotonic()
    outcomes = []
    for row in chosen:
        print(f"{row.name} ...", file=sys.stderr, flush=True)
        outcomes.append(campaign(row, asked.runs))
    control = fingerprint_control(max(asked.runs // 10, 100))
    minutes = (time.monotonic() - started_s) / 60
    if asked.json:
        print(as_json(outcomes, control, minutes))
    else:
        show(outcomes, control, minutes)
    return 0 if not missed(outcomes) and control_fails(control) else 1


if __name__ == "__main__":
    raise SystemExit(main())
