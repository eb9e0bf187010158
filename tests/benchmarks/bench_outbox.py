"""Speed of the outbox: committed records a second, and how long a commit takes.

Prints a table, or with ``--json`` one line for machines. The folder matters more
than the program: give one on the disk in question.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from gateway.outbox import Outbox, OutboxLimits
from tests.gateway.outbox_chain import add, filler

GROUPS = (1, 12, 60)


def measure(folder: Path, group: int, records: int, size: int) -> dict[str, float]:
    """Commit ``records`` of about ``size`` bytes in groups; return the figures.

    Sealing is not counted: only add and commit.
    """
    outbox = Outbox.open(folder, OutboxLimits(reserve_bytes=0))
    latencies_s: list[float] = []
    sealed_bytes = 0
    busy_s = 0.0
    for _ in range(records // group):
        sealed_bytes += sum(len(add(outbox, filler(size))) for _ in range(group))
        start_s = time.perf_counter()
        outbox.commit()
        latencies_s.append(time.perf_counter() - start_s)
        busy_s += latencies_s[-1]
    size_bytes = outbox.size_bytes
    outbox.close()
    start_s = time.perf_counter()
    Outbox.open(folder, OutboxLimits(reserve_bytes=0)).close()
    opened_s = time.perf_counter() - start_s
    cuts = statistics.quantiles(latencies_s, n=100)
    count = len(latencies_s) * group
    return {
        "group": group,
        "records_per_s": round(count / busy_s),
        "sealed_bytes_per_record": round(sealed_bytes / count),
        "disk_bytes_per_record": round(size_bytes / count),
        "commit_p50_ms": round(cuts[49] * 1e3, 3),
        "commit_p99_ms": round(cuts[98] * 1e3, 3),
        "open_us_per_record": round(opened_s / count * 1e6, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--records", type=int, default=2400)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    rows = []
    for group in GROUPS:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            rows.append(measure(Path(folder), group, given.records, given.size))
    if given.json:
        print(json.dumps({"outbox": rows}))
        return
    print(" ".join(f"{name:>24}" for name in rows[0]))
    for row in rows:
        print(" ".join(f"{value:>24}" for value in row.values()))


if __name__ == "__main__":
    main()
