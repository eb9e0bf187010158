"""The machine's own clock: real time."""

import re
import time
from pathlib import Path
from typing import Final

from gateway.errors import ConfigError

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class SystemClock:
    """Linux's boot clock, wall clock and boot id.

    ``boot_id_file`` holds the UUID that the kernel draws at every boot.

    Raises:
        ConfigError: ``boot_id_file`` cannot be read or holds no UUID.
    """

    exercise: Final = False

    def __init__(self, boot_id_file: Path = _BOOT_ID) -> None:
        self._boot_id = _read_boot_id(boot_id_file)

    def boot_id(self) -> bytes:
        """Return the kernel's boot id, 16 bytes."""
        return self._boot_id

    def boot_ns(self) -> int:
        """Return nanoseconds since boot, sleep included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def system_utc_ns(self) -> int:
        """Return the wall clock, nanoseconds since the Unix epoch, UTC."""
        return time.clock_gettime_ns(time.CLOCK_REALTIME)


def _read_boot_id(path: Path) -> bytes:
    try:
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot read the boot id ({error}); mount /proc"
        ) from error
    if _UUID.fullmatch(text) is None:
        raise ConfigError(f"{path}: {text[:40]!r} is no boot id; mount Linux's /proc")
    return bytes.fromhex(text.replace("-", ""))
