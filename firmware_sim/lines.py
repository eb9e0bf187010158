"""Serial lines as pseudo-terminals: a port is a symbolic link to the far side.

The simulator keeps the far side open itself, so that a gateway may come, go and be
killed; what it has not read yet stays readable and is seen here as not taken.
A pulled cable closes both sides and takes the link away; plugged in again, the port
is another pseudo-terminal and the link is put in place in one step.
"""

import contextlib
import fcntl
import os
import struct
import termios
import tty
from pathlib import Path
from typing import Final

from firmware_sim.errors import SimulatorError

_READ_BYTES: Final = 4096


class PtyLine:
    """One port of the simulator."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self._near: int | None = None
        self._far: int | None = None
        self._unsent = b""
        self.plug()

    @property
    def is_plugged(self) -> bool:
        """Whether there is a port at the moment."""
        return self._near is not None

    def plug(self) -> None:
        """Open a new pseudo-terminal, raw, and put the link in place.

        Raises:
            SimulatorError: the folder takes no symbolic link.
        """
        if self.is_plugged:
            return
        near, far = os.openpty()
        tty.setraw(far, termios.TCSANOW)
        os.set_blocking(near, False)
        self._near, self._far = near, far
        fresh = self.link.with_name(self.link.name + ".new")
        try:
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(os.ttyname(far))
            fresh.replace(self.link)
        except OSError as error:
            raise SimulatorError(
                f"{self.link}: {error.strerror}; give --directory a folder of its own"
            ) from error

    def unplug(self) -> None:
        """Pull the cable: unread bytes are lost and the port is gone."""
        # A link to a closed terminal may soon name another program's one.
        with contextlib.suppress(OSError):
            self.link.unlink(missing_ok=True)
        for side in (self._near, self._far):
            if side is not None:
                os.close(side)
        self._near = self._far = None
        self._unsent = b""

    def send(self, data: bytes) -> None:
        """Hand over bytes; while unplugged they are lost, as in the world."""
        if self._near is not None:
            self._unsent += data

    def is_taken(self) -> bool:
        """Push bytes on, and say whether the far side has read everything."""
        if self._near is None or self._far is None:
            return True
        self._listen(self._near)
        if self._unsent:
            with contextlib.suppress(BlockingIOError):
                sent = os.write(self._near, self._unsent)
                self._unsent = self._unsent[sent:]
        return not self._unsent and _unread(self._far) == 0

    def _listen(self, near: int) -> None:
        # Whatever a gateway writes is taken and forgotten, or it would block there.
        with contextlib.suppress(BlockingIOError):
            os.read(near, _READ_BYTES)


def _unread(far: int) -> int:
    packed = fcntl.ioctl(far, termios.FIONREAD, struct.pack("i", 0))
    count: int = struct.unpack("i", packed)[0]
    return count
