"""The machine's own clock: real time."""

import time
from typing import Final


class SystemClock:
    """Linux's boot clock and wall clock; a server's clock is kept by NTP."""

    exercise: Final = False

    def boot_ns(self) -> int:
        """Return nanoseconds since boot, sleep included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def utc_ns(self) -> int:
        """Return the wall clock, nanoseconds since the Unix epoch, UTC."""
        return time.clock_gettime_ns(time.CLOCK_REALTIME)
