"""The shock response spectrum beside its peers: same numbers, how much faster.

    python tests/benchmarks/bench_srs.py [--json]

Runs in .peers (made by requirements/peers.sh at the first run): the kernel, pyyeti and
endaq in one process on one core, 32,000 samples and 66 oscillators, best of several.
Ends with an error where the kernel differs from pyyeti by more than 1e-10 or from
endaq by more than 1e-9, relative, or makes less than 150 M oscillator-samples a second.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".peers" / "bin" / "python"
RATE_HZ = 3200.0
QUALITY = 10.0
ASKED_M_PER_S, ASKED_PYYETI, ASKED_ENDAQ = 150.0, 1e-10, 1e-9


def into_the_peers() -> None:
    """Start again in the venv of the peers."""
    if Path(sys.prefix) == PEERS.parents[1]:
        return
    subprocess.run([str(ROOT / "requirements" / "peers.sh")], check=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    # One core each: pyyeti would start processes, BLAS threads.
    environment |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    again = [str(PEERS), *sys.argv]
    sys.exit(subprocess.run(again, env=environment, check=False).returncode)


def best_s(step: Callable[[], object], times: int) -> float:
    """Return the shortest time of several runs."""
    found = []
    for _ in range(times):
        began = perf_counter()
        step()
        found.append(perf_counter() - began)
    return min(found)


def measured() -> dict[str, float]:
    """Return differences and rates by name."""
    warnings.simplefilter("ignore")
    import endaq.calc.shock  # type: ignore[import-not-found]
    import numpy as np
    import pandas as pd  # type: ignore[import-untyped]
    import pyyeti.srs  # type: ignore[import-not-found]

    from gateway.estimator import srs

    frequencies = srs.frequencies_hz()
    rng = np.random.default_rng(7)
    times_s = np.arange(640) / RATE_HZ - 0.02
    inside = (times_s > 0) & (times_s < 0.011)
    shock = np.where(inside, 981 * np.sin(np.pi * times_s / 0.011), 0.0)
    shock = np.concatenate((shock + rng.normal(0, 3, 640), np.zeros(640)))
    noise = rng.normal(0.0, 1.0, 32_000)
    out = np.empty((3, frequencies.size))

    def framed(samples: Any) -> Any:  # noqa: ANN401 - pandas is not among the types here
        index = pd.Index(np.arange(samples.size) / RATE_HZ, name="time")
        return pd.DataFrame({"a": samples}, index=index)

    def ours(samples: Any) -> Any:  # noqa: ANN401 - as above
        srs.respond(samples, RATE_HZ, frequencies, QUALITY, out)
        return out[srs.MAXIMAX].copy()

    def by_pyyeti(samples: Any) -> Any:  # noqa: ANN401 - as above
        return pyyeti.srs.srs(
            samples,
            RATE_HZ,
            frequencies,
            QUALITY,
            ic="zero",
            rolloff="none",
            time="primary",
            parallel="no",
        )

    def by_endaq(frame: Any) -> Any:  # noqa: ANN401 - as above
        found = endaq.calc.shock.shock_spectrum(
            frame, freqs=frequencies, damp=0.5 / QUALITY, mode="srs"
        )
        return found["a"].to_numpy()

    mine = ours(shock)
    work, frame = noise.size * frequencies.size / 1e6, framed(noise)
    return {
        "pyyeti_difference": float(np.abs(by_pyyeti(shock) / mine - 1).max()),
        "endaq_difference": float(np.abs(by_endaq(framed(shock)) / mine - 1).max()),
        "kernel_m_per_s": work / best_s(lambda: ours(noise), 7),
        "pyyeti_m_per_s": work / best_s(lambda: by_pyyeti(noise), 3),
        "endaq_m_per_s": work / best_s(lambda: by_endaq(frame), 2),
    }


def findings(found: dict[str, float]) -> list[dict[str, object]]:
    """Return the rows of PROOF.md."""
    pyyeti, endaq = found["pyyeti_difference"], found["endaq_difference"]
    rates = [found[f"{name}_m_per_s"] for name in ("kernel", "pyyeti", "endaq")]
    return [
        {
            "figure": "SRS peers",
            "asked": "spectrum within 1e-10 of pyyeti and 1e-9 of endaq",
            "measured": f"{pyyeti:.1e} of pyyeti, {endaq:.1e} of endaq, relative",
            "is_held": pyyeti <= ASKED_PYYETI and endaq <= ASKED_ENDAQ,
            "is_full": True,
        },
        {
            "figure": "SRS rate",
            "asked": "at least 150 M oscillator-samples a second on one core",
            "measured": "{:.0f} M; pyyeti {:.0f} M, endaq {:.0f} M".format(*rates),
            "is_held": rates[0] >= ASKED_M_PER_S,
            "is_full": True,
        },
    ]


def main() -> int:
    """Print the table, or one line of JSON; 1 where something asked is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one line for machines")
    arguments = parser.parse_args()
    into_the_peers()
    found = measured()
    if arguments.json:
        print(json.dumps({"bench": "srs", **found, "findings": findings(found)}))
    else:
        print("largest relative difference of the maximax spectrum")
        print(f"  to pyyeti  {found['pyyeti_difference']:.1e}   asked 1e-10")
        print(f"  to endaq   {found['endaq_difference']:.1e}   asked 1e-9")
        print("million oscillator-samples a second, one core")
        for name in ("kernel", "pyyeti", "endaq"):
            rate = found[f"{name}_m_per_s"]
            print(f"  {name:7s} {rate:7.0f}" + "   asked 150" * (name == "kernel"))
    return int(not all(row["is_held"] for row in findings(found)))


if __name__ == "__main__":
    sys.exit(main())
