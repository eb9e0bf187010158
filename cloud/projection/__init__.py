"""Projection: from the ledger to the series, in a process of its own.

Rules:

1. The ledger is read in its order, from the cursor that the series keeps; rows and
   cursor move in one transaction, but points on another machine, which are written
   before it: what is written twice is equal. Starting again from 0 gives the same.
2. An instant is a pure function of ledger data: the record's UTC in whole
   milliseconds, and below them its sequence modulo 1e6, so that two records of one
   millisecond never share a point.
3. A record without UTC waits; the first ``clock`` record of its boot dates it, and
   every later one of that boot: UTC = boot time + ``utc_minus_boot_ns``.
4. An unprojectable record counts as received and adds nothing else.
5. Newer means a higher (rank of the epoch, sequence); the rank of an epoch is the
   ledger position of its first record.
6. Where a record states a sensor and quantity twice, the first counts.
7. A point that the store will never take is counted and named, and the cursor moves
   on; whatever may pass is waited for, and the cursor stays.
"""

from cloud.projection.comparing import Comparison, compare, compare_with_ledger
from cloud.projection.following import Projection, project_all, rebuild, run

__all__ = [
    "Comparison",
    "Projection",
    "compare",
    "compare_with_ledger",
    "project_all",
    "rebuild",
    "run",
]
