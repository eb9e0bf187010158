"""How fast the estimator is, in the same run as filterpy, and what it costs.

``python tests/benchmarks/bench_estimator.py [--repeats 40] [--json]``: on one core

- scalar updates/s of the live filter over 36 h of 1-min bins of three detectors, the
  contrasts for change detection included, and of filterpy on the same model
- the fused number of the same 36 h: cold, and warm from a minute ago
- a fresh process with a warm cache: seconds to the first estimate, resident memory

Times are the best of the repeats: on a shared machine the others measure its load.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from filterpy.kalman import ExtendedKalmanFilter

from gateway.estimator import filter_kernels, rate_kernels
from gateway.estimator.filtering import LiveFilter
from gateway.estimator.fused import fuse
from gateway.estimator.fusion import fit
from tests.estimator.worlds import REFERENCE_NS, World, at_h, model

ROOT: Final = Path(__file__).resolve().parents[2]
TARGETS: Final = {
    "filter_updates_per_s": (">=", 1.5e6),
    "times_filterpy": (">=", 100.0),
    "refit_36h_ms": ("<=", 25.0),
    "first_estimate_s": ("<=", 2.0),
    "resident_mb": ("<=", 200.0),
}
FIRST: Final = """
import time
begin = time.perf_counter()
from gateway.estimator.warming import warm_up
warm_up()
print(time.perf_counter() - begin, time.process_time())
import gateway.composition
rows = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(*(int(rows[name].split()[0]) / 1024.0 for name in ("VmRSS", "VmHWM")))
"""


def best_s(call: Callable[[], object], repeats: int) -> float:
    """Return the shortest time of one call, s."""
    found = math.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        found = min(found, time.perf_counter() - begin)
    return found


def filter_figures(repeats: int) -> dict[str, float]:
    """Compare the kernel with filterpy, both given the same compiled model."""
    known = model()
    journal = World(n=2160).journal(seed=1)
    live = LiveFilter(known, REFERENCE_NS)
    term, channel = known.term_table(REFERENCE_NS), known.channel_table()
    row, seen = known.row_table(journal, None), known.seen_table(journal)
    noise = np.array([0.15**2 / 10_800.0, 25.0])
    out = np.empty((len(journal), 3 + 5 * 3))
    start, covariance = np.append(live.mean, np.nan), live.covariance

    def ours() -> None:
        filter_kernels.filter_bins(
            term, channel, row, seen, noise, start.copy(), covariance.copy(), out
        )

    def theirs() -> None:
        other = ExtendedKalmanFilter(dim_x=12, dim_z=1)
        other.x, other.P = live.mean[:, None], live.covariance
        other.Q = np.zeros((12, 12))
        decay, slope = np.empty((2, len(term))), np.empty(12)
        for t in range(200):
            other.predict()
            for i in range(3):
                x = other.x[:, 0].copy()
                rate_kernels.decayed(term, row[t], x, decay)
                n = rate_kernels.rate(
                    term, channel[i], row[t], seen[t, i, 2], decay, x, x[10:], slope
                )
                shut = 1.0 + n * 190e-6
                mean, h = n * 60.0 / shut, slope[None, :] * (60.0 / shut / shut)
                other.update(
                    np.array([[seen[t, i, 0]]]),
                    lambda _x, h=h: h,
                    lambda _x, m=mean: np.array([[m]]),
                    R=mean / shut / shut,
                )

    ours()
    theirs()
    fast = 3 * len(journal) / best_s(ours, repeats)
    slow = 600 / best_s(theirs, max(repeats // 8, 2))
    return {
        "filter_updates_per_s": fast,
        "filterpy_updates_per_s": slow,
        "times_filterpy": fast / slow,
    }


def refit_figures(repeats: int) -> dict[str, float]:
    """Time the fused number of 36 h with a shock, by itself and with all around it."""
    known = model()
    world = World(n=2160, shocks_at_s=(40_000.0,))
    journal = world.journal(seed=1)
    posterior = fit(known, journal)
    return {
        "parameters": float(posterior.mean.size),
        "steps": float(posterior.steps),
        "refit_36h_ms": 1e3 * best_s(lambda: fit(known, journal), repeats),
        "refit_36h_warm_ms": 1e3
        * best_s(lambda: fit(known, journal, start=posterior), repeats),
        "fused_36h_ms": 1e3 * best_s(lambda: fuse(known, journal, at_h(48)), repeats),
    }


def start_figures() -> dict[str, float]:
    """Start processes, of which all but the first find a warm cache; keep the best."""
    found = []
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-c", FIRST],
            cwd=ROOT,
            env={**os.environ, "NUMBA_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append([float(word) for word in done.stdout.split()])
    seconds, processor_s, resident, peak = np.array(found[1:]).min(0).tolist()
    return {
        "first_estimate_s": seconds,
        "first_estimate_processor_s": processor_s,
        "resident_mb": resident,
        "peak_resident_mb": peak,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The estimator's speed.")
    parser.add_argument("--json", action="store_true", help="one line for machines")
    parser.add_argument("--repeats", type=int, default=40)
    chosen = parser.parse_args()
    found = filter_figures(chosen.repeats) | refit_figures(chosen.repeats)
    found |= start_figures()
    if chosen.json:
        rounded = {name: round(value, 3) for name, value in found.items()}
        sys.stdout.write(json.dumps({"bench": "estimator", **rounded}) + "\n")
        return 0
    for name, value in found.items():
        sign, target = TARGETS.get(name, ("", math.nan))
        goal = f"   target {sign} {target:,.0f}" if sign else ""
        sys.stdout.write(f"{name:<28}{value:>16,.2f}{goal}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
