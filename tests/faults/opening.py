"""How soon a full outbox takes records again after a power cut.

    .venv/bin/python -m tests.faults.opening --mib 256 [--json]

An outbox of that size is filled with records of about 2 KiB, its last segment is torn,
and it is opened again: the time until the first new record is durable, for two
segments and for all of them.
"""

import sys
import time
from pathlib import Path
from typing import Final

from gateway.outbox import Outbox, OutboxLimits
from gateway.segment import HEADER_BYTES, SEGMENT_BYTES
from tests.faults.rig import Finding, conclude, hush, rig_folder, rig_parser
from tests.gateway.outbox_chain import OWN_KEY, add, add_gap, filler

FULL_MIB: Final = 256
ASKED_S: Final = 1.0
_BODY_BYTES: Final = 2048
_TORN: Final = b"\xd2\x84" + bytes(range(1, 200))


def _open(folder: Path) -> Outbox:
    limits = OutboxLimits(max_bytes=1 << 30, reserve_bytes=0)
    return Outbox.open(folder, limits, own_key=OWN_KEY)


def fill(folder: Path, segments: int) -> None:
    """Fill that many segments, and leave a torn record behind the last one."""
    outbox = _open(folder)
    while outbox.size_bytes < segments * SEGMENT_BYTES or outbox.next_sequence < 20:
        for _ in range(20):
            add(outbox, filler(_BODY_BYTES))
        outbox.commit()
    outbox.close()
    newest = max(folder.glob("*.seg"))
    data = newest.read_bytes()
    end = max(len(data.rstrip(b"\0")), HEADER_BYTES) + 64
    with newest.open("r+b") as file:
        file.seek(end)
        file.write(_TORN)


def first_record_s(folder: Path) -> tuple[float, int]:
    """Open it and commit a record; return the seconds, and how many were held."""
    started_s = time.perf_counter()
    outbox = _open(folder)
    for dropped in outbox.take_gaps():
        add_gap(outbox, dropped)
    add(outbox, filler(_BODY_BYTES))
    outbox.commit()
    took_s = time.perf_counter() - started_s
    held = outbox.pending_receipt
    outbox.close()
    return took_s, held


def find(mib: int) -> list[Finding]:
    """Measure with two segments and with ``mib``."""
    with rig_folder() as root:
        fill(root / "two", 2)
        two_s, _ = first_record_s(root / "two")
        fill(root / "all", (mib << 20) // SEGMENT_BYTES)
        all_s, held = first_record_s(root / "all")
    measured = (
        f"two segments: first new record durable after {two_s:.2f} s; "
        f"{mib} MiB with {held:,} records: {all_s:.2f} s, all of them read before"
    )
    return [
        Finding(
            "F21",
            "the newest two segments ready in under 1 s, the rest in the background",
            measured,
            two_s < ASKED_S and all_s < ASKED_S,
            mib >= FULL_MIB,
        )
    ]


def main() -> int:
    """Measure and print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--mib", type=int, default=FULL_MIB)
    given = parser.parse_args()
    hush()
    return conclude(find(given.mib), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
