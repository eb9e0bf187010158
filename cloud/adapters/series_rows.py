"""What a projection writes and pages read: rows, points, and the port of a store."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from cloud.errors import CloudError


class SeriesError(CloudError):
    """The series is locked, full or gone; nothing was written, try again later."""


class RecordRow(NamedTuple):
    """That a record was projected, with its place in the ledger."""

    gateway: str
    epoch: bytes
    sequence: int
    position: int
    kind: str
    received_at_ns: int
    exercise: bool


class PointRow(NamedTuple):
    """One value of one quantity of one sensor; extremes where it is a mean."""

    gateway: str
    sensor: str
    quantity: str
    at_ns: int
    epoch: bytes
    value: float
    minimum: float | None = None
    maximum: float | None = None


class PositionRow(NamedTuple):
    """One position; the digits are absent where there was no fix."""

    gateway: str
    at_ns: int
    epoch: bytes
    fix: str
    latitude_deg: float | None
    longitude_deg: float | None
    altitude_m: float | None


class EventRow(NamedTuple):
    """One event; ``event`` is its JSON, ``at_ns`` absent while undated."""

    gateway: str
    epoch: bytes
    sequence: int
    rank: int
    at_ns: int | None
    ended_ns: int | None
    received_at_ns: int
    exercise: bool
    event: bytes


class WitnessRow(NamedTuple):
    """The detectors' word of one report, as JSON, with the clock's state then."""

    gateway: str
    rank: int
    sequence: int
    at_ns: int | None
    received_at_ns: int
    time_source: str
    time_u_ns: int | None
    witness: bytes


class LatestRow(NamedTuple):
    """The newest statement of a name by a gateway, as JSON.

    Newer means a higher (rank of the epoch, sequence), never a later arrival.
    """

    gateway: str
    name: str
    rank: int
    sequence: int
    at_ns: int | None
    received_at_ns: int
    exercise: bool
    value: bytes


class AnswerRow(NamedTuple):
    """The record that answered a command; ``kind`` is the record's."""

    gateway: str
    counter: int
    kind: str
    epoch: bytes
    sequence: int
    received_at_ns: int


class BootRow(NamedTuple):
    """What dates the records of one boot that had no UTC of their own."""

    gateway: str
    boot_id: bytes
    utc_minus_boot_ns: int


class UndatedRow(NamedTuple):
    """A record that waits to be dated."""

    position: int
    gateway: str
    boot_id: bytes


@dataclass(slots=True)
class Rows:
    """What a batch of entries adds."""

    records: list[RecordRow] = field(default_factory=list)
    points: list[PointRow] = field(default_factory=list)
    positions: list[PositionRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    witnesses: list[WitnessRow] = field(default_factory=list)
    latest: list[LatestRow] = field(default_factory=list)
    answers: list[AnswerRow] = field(default_factory=list)
    boots: list[BootRow] = field(default_factory=list)
    undated: list[UndatedRow] = field(default_factory=list)
    dated: list[int] = field(default_factory=list)
    epochs: list[tuple[str, bytes, int]] = field(default_factory=list)


class Point(NamedTuple):
    """One drawn point of a series."""

    at_ns: int
    value: float
    minimum: float
    maximum: float


class Summary(NamedTuple):
    """The last point of a channel over a span, and its extremes."""

    last: Point
    lowest: float
    highest: float


class Channel(NamedTuple):
    """One quantity of one sensor, and how many points it has."""

    sensor: str
    quantity: str
    points: int


class Series(Protocol):
    """A store of the projection. Every write is one transaction."""

    def position(self) -> int:
        """Return the ledger position up to which everything is projected."""

    def commit(self, rows: Rows, position: int) -> None:
        """Add rows and move the cursor; what is there already stays as it is."""

    def clear(self) -> None:
        """Forget everything; the cursor returns to 0."""

    def ranks(self) -> dict[tuple[str, bytes], int]:
        """Return the rank of each epoch of each gateway."""

    def boots(self) -> dict[tuple[str, bytes], int]:
        """Return what is known of boots: UTC minus boot time, ns."""

    def undated(self, gateway: str, boot_id: bytes) -> list[int]:
        """Return the positions of records of a boot that wait to be dated."""

    def channels(self, gateway: str) -> list[Channel]:
        """Return the quantities that a gateway has points of."""

    def series(
        self, channel: tuple[str, str, str], span: tuple[int, int], max_points: int
    ) -> list[Point]:
        """Return a channel (gateway, sensor, quantity) over a span, ends included.

        Where there are more than ``max_points``, neighbours are merged: the value is
        their mean, and the smallest minimum and largest maximum are kept.
        """

    def summary(
        self, channel: tuple[str, str, str], span: tuple[int, int]
    ) -> Summary | None:
        """Return the last point and the extremes of a channel over a span."""

    def positions(self, gateway: str, from_ns: int, to_ns: int) -> list[PositionRow]:
        """Return positions with a fix over a span, oldest first."""

    def events(self, gateway: str, as_of_ns: int | None = None) -> list[EventRow]:
        """Return the events of a gateway as known at an instant, in their order."""

    def witness(
        self,
        gateway: str,
        span: tuple[int, int, int | None],
        as_of_ns: int | None = None,
    ) -> WitnessRow | None:
        """Return the newest word of the detectors as known at an instant.

        ``span`` is the rank of the epoch, the first and the last sequence.
        """

    def latest(self, gateway: str) -> dict[str, LatestRow]:
        """Return the newest statements of a gateway by name."""

    def answer(self, gateway: str, counter: int) -> AnswerRow | None:
        """Return the record that answered a command, if it has come."""

    def spans(self) -> list[int]:
        """Return the positions of all ``assigned`` and ``released`` records."""

    def exercise_between(
        self, gateway: str, epoch: bytes, first: int, last: int | None
    ) -> int | None:
        """Return the first sequence of a range that carries the exercise mark."""

    def received(self, gateway: str, epoch: bytes) -> int:
        """Return how many records of an epoch are projected."""


def decimate(points: list[Point], max_points: int) -> list[Point]:
    """Merge neighbours until at most ``max_points`` are left; extremes survive."""
    if len(points) <= max_points:
        return points
    size = -(-len(points) // max_points)
    return [_merged(points[at : at + size]) for at in range(0, len(points), size)]


def _merged(points: list[Point]) -> Point:
    return Point(
        points[len(points) // 2].at_ns,
        sum(point.value for point in points) / len(points),
        min(point.minimum for point in points),
        max(point.maximum for point in points),
    )
