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
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.faults.rig import Finding  # noqa: E402
from tests.holdout.rows import (  # noqa: E402
    COVERAGE_LIMITS,
    ENOUGH_RUNS,
    FULL_RUNS,
    JUDGED,
    RATIO_LIMIT,
    ROWS,
    SLACK,
    Outcome,
    Score,
    campaign,
    fingerprint_control,
    fraction_campaign,
    monte_carlo_errors,
    table,
)


class Report(NamedTuple):
    """Everything that one run of the bench found."""

    outcomes: list[Outcome]
    control: Score
    fraction: Score
    side_runs: int
    minutes: float

    @property
    def runs(self) -> int:
        """Number of truths in each row."""
        return self.outcomes[0].runs

    @property
    def missed(self) -> list[str]:
        """Rows whose gate is missed."""
        return [
            one.row.name
            for one in self.outcomes
            if not one.scores[JUDGED].holds(one.runs)
        ]

    @property
    def control_fails(self) -> bool:
        """Whether the control misses the gate, as it must."""
        low, high = COVERAGE_LIMITS
        return not low <= self.control.coverage <= high

    @property
    def is_good(self) -> bool:
        """Whether everything is as it must be."""
        is_fraction_good = self.fraction.holds(self.side_runs)
        return not self.missed and self.control_fails and is_fraction_good


def findings(report: Report) -> list[Finding]:
    """Return the rows of PROOF.md."""
    judged = {one.row.name: one.scores[JUDGED] for one in report.outcomes}
    is_full = report.runs >= FULL_RUNS and len(judged) == len(ROWS)
    ratio_error, coverage_error = monte_carlo_errors(report.runs)
    worst = max(judged, key=lambda name: judged[name].ratio)
    covered = [one.coverage for one in judged.values()]
    size = f"{len(judged)} rows of {report.runs:,} truths"
    bound = f"{size}: at most {judged[worst].ratio:.3f} ({worst}), +-{ratio_error:.3f}"
    covers = f"{min(covered):.4f} to {max(covered):.4f}, +-{coverage_error:.4f}"
    fraction = (
        f"error {100 * report.fraction.rmse:.2f} % after 6 h, "
        f"{report.fraction.ratio:.3f} of what is said; coverage "
        f"{report.fraction.coverage:.3f} ({report.side_runs:,} truths)"
    )
    ratios = [one.ratio for one in judged.values()]
    return [
        Finding(
            "S3.2 bound",
            "RMSE of ln A at most 1.05 of the expected local bound in every row",
            bound,
            max(ratios) <= RATIO_LIMIT,
            is_full,
        ),
        Finding(
            "S3.2 coverage",
            "95 % interval covers 0.935 to 0.965 of the truths in every row",
            f"{size}: {covers}",
            not report.missed,
            is_full,
        ),
        Finding(
            "S3.2 control",
            "a gain from the vial's own fingerprint, fused, must miss the coverage",
            f"coverage {report.control.coverage:.3f} ({report.side_runs:,} truths)",
            report.control_fails,
            is_full,
        ),
        Finding(
            "S3.2 fraction",
            "the fraction remaining since dispatch errs as it says",
            fraction,
            report.fraction.holds(report.side_runs),
            is_full,
        ),
    ]


def as_json(report: Report) -> str:
    """Return one line."""
    rows = {
        one.row.name: {
            "bound": one.bound,
            "van_trees": one.van_trees,
            **{name: score._asdict() for name, score in one.scores.items()},
        }
        for one in report.outcomes
    }
    return json.dumps(
        {
            "runs": report.runs,
            "side_runs": report.side_runs,
            "rows": rows,
            "control": report.control._asdict(),
            "fraction": report.fraction._asdict(),
            "missed": report.missed,
            "minutes": round(report.minutes, 2),
            "findings": [one._asdict() for one in findings(report)],
        }
    )


def show(report: Report) -> None:
    """Print for people."""
    ratio_error, coverage_error = monte_carlo_errors(report.runs)
    print("\n".join(table(report.outcomes)))
    print(
        f"\n{report.runs} runs a row: a ratio is known to {ratio_error:.3f}, a "
        f"coverage to {coverage_error:.4f}; {report.minutes:.1f} min"
    )
    if report.runs < ENOUGH_RUNS:
        print(f"gates widened by {SLACK:.0f} of these errors: too few runs to judge")
    for one in findings(report):
        verdict = "holds" if one.is_held else "**DOES NOT HOLD**"
        print(f"{one.figure}: {one.asked}: {one.measured}: {verdict}")


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
    side_runs = max(asked.runs, 100)
    control, fraction = fingerprint_control(side_runs), fraction_campaign(side_runs)
    minutes = (time.monotonic() - started_s) / 60
    report = Report(outcomes, control, fraction, side_runs, minutes)
    if asked.json:
        print(as_json(report))
    else:
        show(report)
    return 0 if report.is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
