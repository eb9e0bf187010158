"""The control line: JSON objects on standard input, one per line.

::

    {"speed": 1400}                     simulated seconds per second; 0 pauses
    {"unplug": "board", "for_s": 120}   pull a cable for simulated seconds
    {"reboot": "board"}
    {"lid": "open"}                     or "closed"
    {"drop_height_m": 0.8}
    {"displace_mm": 3}
    {"stop": true}

The end of input means stop. What is not understood is answered, never fatal.
"""

import os
import select
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from firmware_sim.scenario import Positive

_READ_BYTES: Final = 4096
MAX_LINE_BYTES: Final = 4096
MAX_SPEED: Final = 1e6


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One control line; exactly one thing is asked for."""

    speed: Annotated[float, Meta(ge=0, le=MAX_SPEED)] | None = None
    unplug: Literal["board", "gps", "dose"] | None = None
    for_s: Positive | None = None
    reboot: Literal["board"] | None = None
    lid: Literal["open", "closed"] | None = None
    drop_height_m: Annotated[float, Meta(gt=0, le=10)] | None = None
    displace_mm: float | None = None
    stop: Literal[True] | None = None


class Complaint(msgspec.Struct, frozen=True):
    """A control line that was not understood."""

    message: str


STOP: Final = Command(stop=True)


def parse(line: bytes) -> Command | Complaint:
    """Return the command of one line, or what is wrong with it."""
    try:
        command = msgspec.json.decode(line, type=Command)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Complaint(f"{error}: {line[:80].decode(errors='replace')}")
    asked = [
        name
        for name in Command.__struct_fields__
        if name != "for_s" and getattr(command, name) is not None
    ]
    if len(asked) != 1:
        return Complaint(f"one command per line, not {asked}")
    if (command.for_s is None) != (command.unplug is None):
        return Complaint("unplug and for_s go together")
    return command


class ControlLine:
    """Read commands from a file descriptor without ever blocking on it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # A person at a terminal stops with the interrupt key.
        self._is_open = not os.isatty(descriptor)
        self._pending = b""

    def wait(self, seconds: float) -> list[Command | Complaint]:
        """Return the commands that came in; wait for the first at most so long."""
        watched = [self._descriptor] if self._is_open else []
        ready, _, _ = select.select(watched, [], [], seconds)
        if not ready:
            return []
        data = os.read(self._descriptor, _READ_BYTES)
        if not data:
            self._is_open = False
            return [STOP]
        *lines, self._pending = (self._pending + data).split(b"\n")
        if len(self._pending) > MAX_LINE_BYTES:
            self._pending = b""
            return [Complaint(f"a control line is at most {MAX_LINE_BYTES} bytes")]
        return [parse(line) for line in lines if line.strip()]
