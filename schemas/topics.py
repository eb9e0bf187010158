"""MQTT topics: ``dosetrail/1/<gateway>/<lane>``, built and parsed only here.

Up: ``alarm`` before ``live`` (newest) before ``bulk`` (oldest first). Down:
``receipt`` and ``command``. The message is a CBOR sequence of sealed items.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from schemas.contents import check_gateway_id
from schemas.errors import MalformedError

PREFIX: Final = "dosetrail/1"


class Lane(StrEnum):
    """The last word of a topic."""

    ALARM = "alarm"
    LIVE = "live"
    BULK = "bulk"
    RECEIPT = "receipt"
    COMMAND = "command"


UP: Final = (Lane.ALARM, Lane.LIVE, Lane.BULK)
DOWN: Final = (Lane.RECEIPT, Lane.COMMAND)


class Topic(NamedTuple):
    """A topic taken apart."""

    gateway: str
    lane: Lane


def topic(gateway: str, lane: Lane) -> str:
    """Return the topic of a gateway's lane.

    Raises:
        MalformedError: ``gateway`` is no gateway's name.
    """
    return f"{PREFIX}/{check_gateway_id(gateway)}/{lane}"


def parse_topic(text: str) -> Topic:
    """Take a topic apart.

    Raises:
        MalformedError: it is not one of ours.
    """
    head, _, rest = text.partition(f"{PREFIX}/")
    gateway, _, lane = rest.partition("/")
    if head or lane not in Lane.__members__.values():
        raise MalformedError(f"{text!r} is no topic of dosetrail")
    return Topic(check_gateway_id(gateway), Lane(lane))


def filters_up() -> tuple[str, ...]:
    """Return the subscriptions of an ingestor."""
    return tuple(f"{PREFIX}/+/{lane}" for lane in UP)


def filters_down(gateway: str) -> tuple[str, ...]:
    """Return the subscriptions of a gateway."""
    return tuple(topic(gateway, lane) for lane in DOWN)
