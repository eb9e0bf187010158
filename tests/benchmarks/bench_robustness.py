"""What the published activity does where the model is not true.

    python tests/benchmarks/bench_robustness.py [--runs 4000] [--only ROW] [--json]

The simulator's world, which shares no code with the estimator, is played for twelve
hours with a flight, at 7.4 and 12.5 GBq. Rows judged by an error or a coverage get
``--runs``, those judged by the state ten minutes after an event a tenth of it. What
is invisible to the detectors is said to be, with what catches it. The exit status is
1 if a row misses its gate or the clock's contract does not hold.
"""

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.holdout.situations import (  # noqa: E402
    FULL_RUNS,
    ROWS,
    Kind,
    Verdict,
    clock_contract_holds,
    judge,
    table,
)
from tests.holdout.unmatched import play  # noqa: E402


def as_json(verdicts: list[Verdict], *, clock_holds: bool, minutes: float) -> str:
    """Return one line."""
    rows = {
        one.case.situation.name: {
            "kind": one.case.kind,
            **{k: v for k, v in one._asdict().items() if k != "case"},
            "holds": one.holds(),
        }
        for one in verdicts
    }
    return json.dumps(
        {
            "rows": rows,
            "missed": missed(verdicts),
            "clock_contract_holds": clock_holds,
            "minutes": round(minutes, 2),
        }
    )


def missed(verdicts: list[Verdict]) -> list[str]:
    """Return the rows whose gate is missed."""
    return [one.case.situation.name for one in verdicts if not one.holds()]


def main() -> int:
    """Play the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=FULL_RUNS)
    parser.add_argument("--only", action="append", help="a row's name, repeatable")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    names = [case.situation.name for case in ROWS]
    chosen = [
        one for one in ROWS if asked.only is None or one.situation.name in asked.only
    ]
    if not chosen:
        parser.error("--only: there are " + ", ".join(names))
    started_s = time.monotonic()
    verdicts = []
    for case in chosen:
        print(f"{case.situation.name} ...", file=sys.stderr, flush=True)
        runs = asked.runs // 10 if case.kind is Kind.HELD else asked.runs
        verdicts.append(judge(case, max(runs, 10)))
    clock_holds = clock_contract_holds(next(play(ROWS[0].situation, 0)))
    minutes = (time.monotonic() - started_s) / 60
    if asked.json:
        print(as_json(verdicts, clock_holds=clock_holds, minutes=minutes))
    else:
        print("\n".join(table(verdicts)))
        said = "holds" if clock_holds else "**DOES NOT HOLD**"
        print(f"\nclock that may be an hour off is HELD, a good one is not: {said}")
        print(f"{minutes:.1f} min")
    return 0 if not missed(verdicts) and clock_holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
