"""Ports: what the gateway needs of the machines around it.

A port exists only where the far side is a machine. Each names the errors that
escape; adapters in ``gateway/adapters/`` translate everything else.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.errors import LostReason


class Clock(Protocol):
    """The machine's time, or the simulator's."""

    @property
    def exercise(self) -> bool:
        """True where time is simulated: all that is recorded is an exercise."""

    def boot_id(self) -> bytes:
        """Return the 16 bytes that name this boot."""

    def boot_ns(self) -> int:
        """Return nanoseconds since this boot, sleep included; never goes back."""

    def system_utc_ns(self) -> int:
        """Return the wall clock, nanoseconds since the Unix epoch, UTC.

        Not to be trusted until a time source vouches for it: a gateway without
        a battery wakes up in 1970.
        """


class Memory(Protocol):
    """One small state that outlives a restart; keeping it is best effort."""

    def recall(self) -> bytes | None:
        """Return what was kept last; None without it or where it cannot be read."""

    def keep(self, state: bytes) -> None:
        """Keep a state in place of the one before; nothing is raised."""


class NtpTime(NamedTuple):
    """UTC as NTP has it, and the largest error that it admits."""

    utc_ns: int
    largest_error_ns: int


class SerialLine(Protocol):
    """One open serial line."""

    async def read(self) -> bytes:
        """Wait for bytes and return what has arrived, at least one byte.

        Raises:
            LineLostError: the cable is gone; close this line, open another.
        """

    def close(self) -> None:
        """Give the line back; may be called more than once."""


@dataclass(frozen=True, slots=True)
class LineOpened:
    """A serial line can be read from here on; ``device`` is what it is now."""

    device: str


@dataclass(frozen=True, slots=True)
class LineLost:
    """A serial line cannot be read from here on; ``text`` says why, for people."""

    reason: LostReason
    text: str


LineChange = LineOpened | LineLost


class LineSource(Protocol):
    """A serial line that may come and go, for as long as the gateway runs."""

    def chunks(self) -> AsyncGenerator[bytes | LineChange, None]:
        """Yield bytes while the line is there, and each change of its state."""


class BrokerMessage(NamedTuple):
    """A message from the broker."""

    topic: str
    payload: bytes


class Broker(Protocol):
    """One connection to an MQTT broker; it is not made again by itself."""

    async def subscribe(self, topic: str) -> None:
        """Ask for the messages of a topic, QoS 1.

        Raises:
            BrokerLostError: the connection is gone or the broker refused.
        """

    async def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message to the broker, QoS 1; its word means nothing for delivery.

        Raises:
            BrokerLostError: the broker did not take it in time.
        """

    def messages(self) -> AsyncIterator[BrokerMessage]:
        """Yield what arrives, as long as the connection lasts.

        Raises:
            BrokerLostError: the connection is gone.
        """
