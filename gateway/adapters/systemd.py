"""Telling systemd that the gateway is ready, and that it still works.

Messages go to the socket that ``NOTIFY_SOCKET`` names; outside of systemd there is none
and nothing is told. With ``WatchdogSec=`` in the unit systemd kills and restarts a
program that does not speak in time: it is told only while data are fresh.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from typing import Final

# Of the time that systemd allows, so that two messages may be late.
_SHARE: Final = 3
_UNWATCHED_S: Final = 10.0


class Systemd:
    """The service manager, as the environment describes it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._path = environment.get("NOTIFY_SOCKET", "")
        self._every_s = _UNWATCHED_S
        allowed_us = environment.get("WATCHDOG_USEC", "")
        is_ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        if allowed_us.isdecimal() and is_ours:
            self._every_s = int(allowed_us) / 1e6 / _SHARE

    def tell(self, message: str) -> None:
        """Send one message, such as ``STOPPING=1``; nobody there is no error."""
        if not self._path:
            return
        # A path that begins with @ is a name in the abstract space.
        address = "\0" + self._path[1:] if self._path[0] == "@" else self._path
        with contextlib.suppress(OSError):
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            with socket.socket(socket.AF_UNIX, kind) as sender:
                sender.sendto(message.encode(), address)

    async def watch(self, is_fresh: Callable[[], bool]) -> None:
        """Say that it is ready when data are fresh for the first time, and go on."""
        is_ready = False
        while True:
            if is_fresh():
                self.tell("WATCHDOG=1" if is_ready else "READY=1\nWATCHDOG=1")
                is_ready = True
            # What is not ready yet is looked at often: others wait for it.
            await asyncio.sleep(self._every_s if is_ready else min(1, self._every_s))
