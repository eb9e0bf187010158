"""How often the watch is wrong, how soon it tells, and whether it names the cause.

    .venv/bin/python -m tests.detection.figures --days 5000 --trials 400
    .venv/bin/python -m tests.detection.figures --calibrate overpack-10mm --days 2000

``--calibrate`` prints, for a container, the false alarms at several thresholds: what a
container's file should say. Thresholds are in ``hw/containers``.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from gateway.estimator.watch import Thresholds
from schemas.findings import Cause
from tests.detection.days import Event
from tests.detection.trials import (
    SETTINGS,
    Setting,
    Trial,
    delay_task,
    each,
    false_alarm_task,
)
from tests.faults.rig import Finding, conclude, print_progress, rig_parser

# 62 in 5,000 days: one in 100, and what chance adds to it.
MOST_PER_100_DAYS: Final = 100 * 62 / 5000
ASKED_MIN: Final = (
    (Trial(Event.LOSS, 0.01, Cause.LOSS), 10.0),
    (Trial(Event.LOSS, 0.005, Cause.LOSS), 40.0),
    (Trial(Event.DISPLACEMENT, 0.5, Cause.DISPLACEMENT), 10.0),
    (Trial(Event.OUTER, 0.5, Cause.NEARBY), 10.0),
)

# At twice the size that is asked to be noticed the name must be right.
NAMED: Final = (
    Trial(Event.LOSS, 0.01, Cause.LOSS),
    Trial(Event.DISPLACEMENT, 1.0, Cause.DISPLACEMENT),
    Trial(Event.OUTER, 1.0, Cause.NEARBY),
)
LEAST_NAMED: Final = 0.95
FULL_DAYS: Final = 5000
FULL_TRIALS: Final = 400


def count_false_alarms(
    setting: Setting, thresholds: Thresholds, days: range, processes: int
) -> Counter[str]:
    """Return false alarms by what they were called, on these days."""
    found: Counter[str] = Counter()
    task = false_alarm_task(setting, thresholds)
    for number, wrong in enumerate(each(task, days, processes), start=1):
        found.update(f"{one.stream}: {one.cause}" for one in wrong)
        if number % 500 == 0:
            print_progress(f"{setting.name}: {number} days, {found.total()} false")
    return found


def measure(
    setting: Setting, thresholds: Thresholds, trial: Trial, seeds: range, processes: int
) -> tuple[np.ndarray, float, int]:
    """Return the delays in minutes, the share of right names, and how many days."""
    task = delay_task(setting, thresholds, trial)
    found = [one for one in each(task, seeds, processes) if one is not None]
    minutes = np.array([delay for delay, _cause in found])
    right = [cause is trial.cause for _delay, cause in found if cause is not None]
    return minutes, float(np.mean(right)) if right else 0.0, len(found)


def findings(
    setting: Setting, thresholds: Thresholds, days: int, trials: int, processes: int
) -> Iterator[Finding]:
    """Yield what was found out about one container."""
    name, is_judged = setting.name, setting.name == "inner-pair"
    wrong = count_false_alarms(setting, thresholds, range(days), processes)
    rate = 100 * wrong.total() / days
    yield Finding(
        f"false alarms {name}",
        f"at most 62 in {FULL_DAYS:,} container-days",
        f"{wrong.total()} in {days:,} days ({rate:.2f} per 100): {dict(wrong)}",
        rate <= MOST_PER_100_DAYS or not is_judged,
        days >= FULL_DAYS,
    )
    for trial, asked_min in ASKED_MIN:
        minutes, _share, n = measure(
            setting, thresholds, trial, range(trials), processes
        )
        median = float(np.median(minutes))
        seen = float(np.isfinite(minutes).mean())
        yield Finding(
            f"delay {name}, {trial}",
            f"median at most {asked_min:g} min",
            f"{median:.1f} min, noticed {seen:.3f} of {n} days",
            median <= asked_min or not is_judged,
            trials >= FULL_TRIALS,
        )
    for trial in NAMED:
        _minutes, share, n = measure(
            setting, thresholds, trial, range(trials), processes
        )
        yield Finding(
            f"name {name}, {trial}",
            f"the right cause on top in at least {LEAST_NAMED:.0%}",
            f"{share:.3f} of {n} days",
            share >= LEAST_NAMED or not is_judged,
            trials >= FULL_TRIALS,
        )


def calibrate(setting: Setting, days: int, processes: int) -> None:
    """Print the false alarms by stream at several common thresholds."""
    for limit in (11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 18.0, 20.0):
        thresholds = Thresholds(limit, limit, limit)
        wrong = count_false_alarms(setting, thresholds, range(days), processes)
        rate = 100 * wrong.total() / days
        print(f"{limit:5.1f}  {rate:6.2f} per 100 days  {dict(wrong)}", flush=True)


def main() -> int:
    """Run the rig."""
    parser = rig_parser(__doc__)
    parser.add_argument("--days", type=int, default=FULL_DAYS)
    parser.add_argument("--trials", type=int, default=FULL_TRIALS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--container", choices=sorted(SETTINGS), action="append")
    parser.add_argument("--calibrate", choices=sorted(SETTINGS))
    given = parser.parse_args()
    if given.calibrate:
        calibrate(SETTINGS[given.calibrate], given.days, given.processes)
        return 0
    found: list[Finding] = []
    for name in given.container or sorted(SETTINGS):
        setting = SETTINGS[name]
        found += findings(
            setting, setting.thresholds(), given.days, given.trials, given.processes
        )
    return conclude(found, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
