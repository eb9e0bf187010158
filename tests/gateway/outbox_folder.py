"""An outbox in a folder with small segments, and what tests look at in it."""

from pathlib import Path

from gateway.outbox import Outbox, OutboxLimits
from gateway.segment import Disk
from tests.gateway.outbox_chain import OWN_KEY

SEGMENT_BYTES = 20 * 1024
SMALL = OutboxLimits(reserve_bytes=0, segment_bytes=SEGMENT_BYTES)
FOUR = OutboxLimits(
    max_bytes=4 * SEGMENT_BYTES,
    reserve_bytes=0,
    memory_bytes=3 * SEGMENT_BYTES,
    segment_bytes=SEGMENT_BYTES,
)


def open_outbox(
    folder: Path, limits: OutboxLimits = SMALL, disk: Disk | None = None
) -> Outbox:
    def draw_epoch() -> bytes:
        return b"epoch%03d" % len(list(folder.iterdir()))

    return Outbox.open(folder, limits, draw_epoch, OWN_KEY, disk or Disk())


def sequences(outbox: Outbox) -> list[int]:
    found: list[int] = []
    while records := outbox.read(found[-1] + 1 if found else 0):
        found += [record.sequence for record in records]
    return found


def segments(folder: Path, lane: str = "*") -> list[Path]:
    return sorted(folder.glob(f"*-{lane}.seg"))
