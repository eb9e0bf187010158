"""The simulator's clock, read from the page of :mod:`schemas.simulated_time`.

The page is read under its sequence lock: turn, copy, turn again. A copy counts if
both turns are the same and even.
"""

import mmap
import time
from pathlib import Path
from typing import Final

from cloud.adapters.system_clock import SystemClock
from cloud.config import ClockConfig
from cloud.errors import ClockLostError, ConfigError
from cloud.ports import Clock
from schemas.errors import MalformedError
from schemas.simulated_time import (
    PAGE_BYTES,
    SimulatedInstant,
    page_turn,
    unpack_page,
)

# The writer holds the lock for microseconds unless it is preempted; a second
# outlasts any preemption of a writer that is alive.
_QUICK_TRIES: Final = 100
_SLOW_TRIES: Final = 1000
_PAUSE_S: Final = 0.001


class SharedClock:
    """Simulated time: everything that happens under it is an exercise.

    ``tries`` bounds the pauses of 1 ms that a read waits for a writer.

    Raises:
        ConfigError: ``path`` cannot be mapped or is no page of simulated time.
        ClockLostError: from every reading method, if the page is left half written.
    """

    exercise: Final = True

    def __init__(self, path: Path, tries: int = _SLOW_TRIES) -> None:
        self._path = path
        self._tries = tries
        self._page = _map(path)
        try:
            unpack_page(self._page[:])
        except MalformedError as error:
            raise ConfigError(
                f"{path}: {error}; clock.simulated is the file of the simulator"
            ) from error

    def boot_ns(self) -> int:
        """Return simulated nanoseconds since boot."""
        return self._instant().boot_ns

    def utc_ns(self) -> int:
        """Return simulated nanoseconds since the Unix epoch, UTC."""
        return self._instant().utc_ns

    def _instant(self) -> SimulatedInstant:
        for attempt in range(_QUICK_TRIES + self._tries):
            if attempt >= _QUICK_TRIES:
                time.sleep(_PAUSE_S)
            turn = page_turn(self._page[:])
            page = self._page[:]
            if turn % 2 == 0 and turn == page_turn(self._page[:]):
                return self._unpack(page)
        raise ClockLostError(
            f"{self._path}: the simulated clock stays half written; "
            "its simulator has ended: start the exercise again"
        )

    def _unpack(self, page: bytes) -> SimulatedInstant:
        try:
            return unpack_page(page)
        except MalformedError as error:
            raise ClockLostError(f"{self._path}: {error} any more") from error


def open_clock(config: ClockConfig) -> Clock:
    """Return the clock that the configuration names.

    Raises:
        ConfigError: the page of simulated time cannot be read.
    """
    if config.simulated is None:
        return SystemClock()
    return SharedClock(Path(config.simulated))


def _map(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), PAGE_BYTES, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: cannot map the simulated clock ({error}); clock.simulated is "
            "the file of a simulator that has started"
        ) from error
