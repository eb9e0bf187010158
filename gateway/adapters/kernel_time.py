"""Whether the kernel's clock is disciplined by NTP, and how wrong it may be.

chrony and systemd-timesyncd tell the kernel; it counts the largest possible error up
from there, and calls itself unsynchronised when nobody has told it for long.

Source: adjtimex(2); called with ``modes`` 0 it only reads, and needs no privilege.
"""

import ctypes
import time
from collections.abc import Callable
from typing import Final

from gateway.ports import NtpTime

_STA_UNSYNC: Final = 0x0040
_TIME_ERROR: Final = 5
_NS_PER_US: Final = 1000


class Timex(ctypes.Structure):
    """``struct timex`` as far as it is read; the kernel writes 208 bytes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("_rest", ctypes.c_char * 256),
    )


Adjtimex = Callable[["ctypes._Pointer[Timex]"], int]


def _adjtimex() -> Adjtimex | None:
    return getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)


class KernelTime:
    """Reads the kernel's clock; without a kernel that answers nothing is known."""

    def __init__(self, adjtimex: Adjtimex | None = None) -> None:
        self._adjtimex = adjtimex or _adjtimex()

    def read(self) -> NtpTime | None:
        """Return UTC and its largest error, None while NTP does not vouch for it."""
        if self._adjtimex is None:
            return None
        found = Timex()
        state = self._adjtimex(ctypes.pointer(found))
        if state in (-1, _TIME_ERROR) or found.status & _STA_UNSYNC:
            return None
        utc_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        return NtpTime(utc_ns, found.maxerror * _NS_PER_US)
