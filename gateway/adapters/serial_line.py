"""Serial lines that come and go.

:class:`SerialPort` is what the gateway reads: bytes while the line is there, one
:class:`~gateway.ports.LineLost` when it goes, one
:class:`~gateway.ports.LineOpened` when it is back. Rules:

- A gateway starts with its cables unplugged: a missing path is a lost line.
- The path is resolved anew at every attempt, so that a symlink may lead to another
  device after each replug.
- Attempts are 0.1 s apart, then twice as far, at most 1 s, in real time. The pause
  is short again only after bytes have come, so that a line that opens and fails at
  once is not tried in a busy loop.
- While a line is lost, its state is repeated only if the reason changes.
- Nothing is read ahead: the consumer's speed decides, the kernel's buffer is the
  only queue.
"""

import asyncio
import errno
import os
import termios
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import serial

from gateway.errors import LineLostError, LostReason
from gateway.ports import LineChange, LineLost, LineOpened

READ_BYTES: Final = 4096
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0

# EIO, ENXIO, ENODEV: the node is still there, the device behind it is not.
_ABSENT: Final = frozenset({errno.ENOENT, errno.EIO, errno.ENXIO, errno.ENODEV})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})
_NOT_SERIAL: Final = frozenset(
    {errno.ENOTTY, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EINVAL}
)


class OpenLine:
    """One open serial line, 8N1, no flow control.

    What was waiting in the kernel at the moment of opening is dropped: it may have
    been collected at another speed. DTR and RTS are raised where the line has them.
    ``device`` is where ``path`` led.

    Raises:
        LineLostError: the path cannot be opened as a serial line now.
    """

    def __init__(self, path: Path, baud: int) -> None:
        self._path = path
        self.device = os.path.realpath(path)
        try:
            # pyserial passes over lines without DTR and RTS (ENOTTY on a pty).
            self._serial = serial.Serial(
                self.device, baudrate=baud, timeout=0, exclusive=False
            )
        except (OSError, ValueError, termios.error) as error:
            raise _lost(path, error) from error

    async def read(self) -> bytes:
        """Wait for bytes and return what has arrived, 1 to 4096 bytes.

        Raises:
            LineLostError: the cable is gone; close this line, open another.
        """
        while True:
            fd = self._serial.fileno()
            await _readable(fd)
            try:
                data = os.read(fd, READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise _lost(self._path, error) from error
            if data:
                return data
            raise LineLostError(LostReason.ABSENT, f"{self._path}: unplugged")

    def close(self) -> None:
        """Give the line back; may be called more than once."""
        self._serial.close()


class SerialPort:
    """The serial line at ``path``, opened again whenever it is there.

    ``path`` may be a symlink or missing. One consumer at a time.
    ``first_pause_s`` and ``longest_pause_s`` bound the pauses between attempts.
    """

    def __init__(
        self,
        path: Path,
        baud: int = 115_200,
        *,
        first_pause_s: float = FIRST_PAUSE_S,
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        self._path = path
        self._baud = baud
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s

    async def chunks(self) -> AsyncGenerator[bytes | LineChange, None]:
        """Yield bytes and changes of the line, for ever.

        Close the iterator (``contextlib.aclosing``) to give the line back. A wait
        that is cancelled closes it too: put a time-out around a task that consumes
        it, not around a single step.
        """
        reason: LostReason | None = None
        pause_s = self._first_pause_s
        while True:
            try:
                line = OpenLine(self._path, self._baud)
                try:
                    yield LineOpened(line.device)
                    reason = None
                    while True:
                        yield await line.read()
                        pause_s = self._first_pause_s
                finally:
                    line.close()
            except LineLostError as error:
                if error.reason is not reason:
                    reason = error.reason
                    yield LineLost(reason, str(error))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._longest_pause_s)


async def _readable(fd: int) -> None:
    """Wait until a read of ``fd`` has something to say, be it that it is gone."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(fd, wake)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _lost(path: Path, error: OSError | ValueError | termios.error) -> LineLostError:
    number = _errno(error)
    if number in _ABSENT:
        text = f"{path}: not there or unplugged"
        return LineLostError(LostReason.ABSENT, text)
    if number in _FORBIDDEN:
        text = f"{path}: no permission; add this user to the group that owns it"
        return LineLostError(LostReason.FORBIDDEN, text)
    if number in _NOT_SERIAL:
        text = f"{path}: not a serial line; correct the port's path"
        return LineLostError(LostReason.NOT_SERIAL, text)
    return LineLostError(LostReason.FAILED, f"{path}: {error}")


def _errno(error: BaseException) -> int | None:
    """Return the system's error number; pyserial keeps some only in the context."""
    if isinstance(error, termios.error):
        number: int = error.args[0]
        return number
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    return None if error.__context__ is None else _errno(error.__context__)
