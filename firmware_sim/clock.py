"""The page of shared memory that tells simulated time; see schemas/simulated_time.py.

Gateway and cloud map the file and read it; only the simulator writes, with an odd
turn while it does.
"""

import mmap
from pathlib import Path
from typing import Final, Self

from firmware_sim.randomness import stream
from schemas.simulated_time import (
    PAGE_BYTES,
    TURN_OFFSET,
    SimulatedInstant,
    pack_page,
)

NS_PER_S: Final = 1_000_000_000
# The gateway has been up for hours when the journey begins.
HOUR_NS: Final = 3600 * NS_PER_S
BOOTED_BEFORE_NS: Final = 3 * HOUR_NS


class ClockPage:
    """The writer of one page."""

    def __init__(self, path: Path, seed: int, starts_ns: int) -> None:
        rng = stream(seed, "clock")
        self._boot_id = rng.bytes(16)
        self._booted_ns = starts_ns - BOOTED_BEFORE_NS - int(rng.integers(HOUR_NS))
        self._turn = 0
        self.utc_ns = starts_ns
        self._wrong_by_ns = 0
        self.path = path
        first = path.with_name(path.name + ".new")
        first.write_bytes(pack_page(0, self._instant()))
        with first.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), PAGE_BYTES)
        first.replace(path)

    def _instant(self) -> SimulatedInstant:
        shown_ns = self.utc_ns + self._wrong_by_ns
        return SimulatedInstant(self._boot_id, self.boot_ns, shown_ns)

    @property
    def boot_ns(self) -> int:
        """Simulated nanoseconds since the simulated boot."""
        return self.utc_ns - self._booted_ns

    def step_utc(self, seconds: float) -> None:
        """Let the UTC that readers see jump; time since boot and truth do not."""
        self._wrong_by_ns += round(seconds * NS_PER_S)

    def advance(self, utc_ns: int) -> None:
        """Move simulated time on; never back."""
        self.utc_ns = max(self.utc_ns, utc_ns)
        page = pack_page(self._turn + 2, self._instant())
        odd = (self._turn + 1).to_bytes(8, "little")
        self._page[TURN_OFFSET : TURN_OFFSET + 8] = odd
        self._page[TURN_OFFSET + 8 :] = page[TURN_OFFSET + 8 :]
        self._page[TURN_OFFSET : TURN_OFFSET + 8] = page[TURN_OFFSET : TURN_OFFSET + 8]
        self._turn += 2

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exit_info: object) -> None:
        self._page.close()
