"""Errors of the gateway, by what the caller can do.

::

    GatewayError             anything the gateway cannot go on from by itself
    +-- ConfigError          a person must change a file, a path or a permission
    +-- LineLostError        a serial line is gone; open it again later
    +-- BrokerLostError      no connection to the broker; connect again later
    +-- OutboxError          the outbox was used against its rules: a bug
    +-- ClockLostError       the simulated clock stopped; end the exercise

Bytes from a sensor are never an error: bad ones are :class:`schemas.readings.Noise`.
"""

from enum import StrEnum


class LostReason(StrEnum):
    """Why a serial line cannot be read; a closed set."""

    ABSENT = "absent"  # unplugged, or never plugged in
    FORBIDDEN = "forbidden"  # it is there, this user may not open it
    NOT_SERIAL = "not-serial"  # the path leads to something else
    FAILED = "failed"  # the system refused for another reason, see the text


class GatewayError(Exception):
    """The gateway cannot do what it was asked; the message says what and why."""


class ConfigError(GatewayError):
    """The configuration or its environment is wrong: file, key and remedy."""


class LineLostError(GatewayError):
    """A serial line is gone or cannot be opened.

    ``reason`` is for programs, the message for people.
    """

    def __init__(self, reason: LostReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class ClockLostError(GatewayError):
    """The page of simulated time is left half written or is no page any more."""


class BrokerLostError(GatewayError):
    """The broker cannot be reached or the connection is gone; connect again later."""


class OutboxError(GatewayError):
    """The outbox was used against its rules, such as a sequence out of turn."""
