"""The simulator's clock, read from the page of :mod:`schemas.simulated_time`.

The page is read under its sequence lock: turn, copy, turn again. A copy counts if
both turns are the same and even. Whoever writes the page must not truncate the
file: the readers have it mapped.

A simulator that ended leaves its page: time stands still, and a gateway waits and
delivers what it has. One that was started again made a new page: that is another
boot, and the exercise has to be started again.
"""

import mmap
import time
from pathlib import Path
from typing import Final

from gateway.errors import ClockLostError, ConfigError
from schemas.errors import MalformedError
from schemas.simulated_time import (
    PAGE_BYTES,
    SimulatedInstant,
    page_turn,
    unpack_page,
)

# The writer holds the lock for microseconds unless it is preempted; a thousand
# pauses of a millisecond outlast any preemption of a writer that is alive.
_QUICK_TRIES: Final = 100
_SLOW_TRIES: Final = 1000
_PAUSE_S: Final = 0.001
# Real seconds between two looks at whether the file is still the mapped one.
_LOOK_EVERY_S: Final = 0.5


class SharedClock:
    """Simulated time: everything recorded under it is an exercise.

    ``tries`` bounds the pauses of 1 ms that a read waits for a writer.

    Raises:
        ConfigError: ``path`` cannot be mapped or is no page of simulated time.
        ClockLostError: from every reading method, if the simulator left the page
            half written, overwrote it or began another; end the exercise.
    """

    exercise: Final = True

    def __init__(self, path: Path, tries: int = _SLOW_TRIES) -> None:
        self._path = path
        self._tries = tries
        self._page = _map(path)
        self._file = _identity(path)
        self._looked_s = time.monotonic()
        try:
            unpack_page(self._page[:])
        except MalformedError as error:
            self.close()
            raise ConfigError(
                f"{path}: {error}; give the clock file that the simulator printed"
            ) from error

    def boot_id(self) -> bytes:
        """Return the 16 bytes that name this simulated boot."""
        return self._instant().boot_id

    def boot_ns(self) -> int:
        """Return simulated nanoseconds since boot."""
        return self._instant().boot_ns

    def system_utc_ns(self) -> int:
        """Return the simulated wall clock, nanoseconds since the Unix epoch, UTC."""
        return self._instant().utc_ns

    def close(self) -> None:
        """Unmap the page; may be called more than once."""
        self._page.close()

    def _instant(self) -> SimulatedInstant:
        self._check_file()
        try:
            return unpack_page(self._copy())
        except MalformedError as error:
            raise ClockLostError(f"{self._path}: {error} any more") from error

    def _check_file(self) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        if _identity(self._path) not in (None, self._file):
            raise ClockLostError(
                f"{self._path}: the simulator began another page: "
                "its simulated boot is over, start the exercise again"
            )

    def _copy(self) -> bytes:
        for attempt in range(_QUICK_TRIES + self._tries):
            if attempt >= _QUICK_TRIES:
                time.sleep(_PAUSE_S)
            turn = page_turn(self._page[:])
            page = self._page[:]
            if turn % 2 == 0 and turn == page_turn(self._page[:]):
                return page
        raise ClockLostError(
            f"{self._path}: the simulated clock stays half written; "
            "its simulator has ended or hangs: start the exercise again"
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _map(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), PAGE_BYTES, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: cannot map the simulated clock ({error}); "
            "start the simulator first"
        ) from error
