"""What a projection writes and pages read: rows, points, and the port of a store.

A store has two parts. The *state* (cursor, ranks, boots, events, witnesses, latest,
answers, records, channels) is relational and always in the state file; the *time
series* proper (points and positions) is beside it, or in InfluxDB.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from cloud.errors import CloudError
from schemas.units import NS_PER_S

# Names of newest statements that are not a kind of record.
HALF_LIFE: Final = "half-life"
FINGERPRINT: Final = "fingerprint"


class SeriesError(CloudError):
    """The series is locked, full or gone; the cursor has not moved, try again later."""


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
    """One value of one quantity of one sensor; its extremes where it is a mean."""

    gateway: str
    sensor: str
    quantity: str
    at_ns: int
    epoch: bytes
    value: float
    minimum: float
    maximum: float


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
    """What one report says of a vial, as JSON, with the clock's state then."""

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


class RefusedRow(NamedTuple):
    """Points that a store will never take; the ledger still holds their records.

    ``position`` is the ledger position of the last batch that had such points,
    ``detail`` the store's own words then.
    """

    reason: str
    points: int
    position: int
    detail: str


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
    """One quantity of one sensor."""

    sensor: str
    quantity: str


class StoreHealth(NamedTuple):
    """Whether the series holds what the ledger holds.

    ``waiting`` says why nothing is projected now, and is absent while all is well.
    """

    store: str
    position: int
    waiting: str | None
    refused: tuple[RefusedRow, ...]


class Series(Protocol):
    """A store of the projection: state and time series.

    A commit is all or nothing as far as the cursor tells: where the time series is on
    another machine its points are written first, and written again, equal, after
    whatever happened in between. Methods that need that machine raise
    :class:`SeriesError` while it does not answer.
    """

    def close(self) -> None:
        """Close what is open; the store is not used again."""

    def prepare(self) -> None:
        """Make the store ready to be written; for the one process that projects.

        Where the time series of the cursor is not there (another store was configured
        or its database is gone), the cursor returns to 0.
        """

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

        Where there are more than ``max_points``, those of one bucket of
        :func:`bucket_s` are merged at its middle: the value is their mean, and the
        smallest minimum and largest maximum are kept.
        """

    def summary(
        self, channel: tuple[str, str, str], span: tuple[int, int]
    ) -> Summary | None:
        """Return the last point and the extremes of a channel over a span."""

    def positions(self, gateway: str, from_ns: int, to_ns: int) -> list[PositionRow]:
        """Return positions with a fix over a span, oldest first."""

    def last_position(
        self, gateway: str, from_ns: int, to_ns: int
    ) -> PositionRow | None:
        """Return the last position with a fix of a span; cheap, however long it is."""

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
        """Return positions of ``assigned``, ``released`` and ``fingerprint``."""

    def exercise_between(
        self, gateway: str, epoch: bytes, first: int, last: int | None
    ) -> int | None:
        """Return the first sequence of a range that carries the exercise mark."""

    def received(self, gateway: str, epoch: bytes) -> int:
        """Return how many records of an epoch are projected."""

    def say_waiting(self, reason: str | None) -> None:
        """Keep why nothing can be projected now, for people; None when it goes on."""

    def health(self) -> StoreHealth:
        """Return the state of the store, also while its time series is gone."""

    def state_rows(self, table: str) -> Iterator[tuple[object, ...]]:
        """Yield every row of a table of the state, in the order of its key."""

    def stored_points(self) -> Iterator[PointRow]:
        """Yield every point in the order of its key, its first five fields."""

    def stored_positions(self) -> Iterator[PositionRow]:
        """Yield every position, also without a fix, in the order of its key."""


_BUCKETS_S: Final = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400),
)


def bucket_s(span: tuple[int, int], max_points: int) -> int:
    """Return the width of buckets, s, that leaves at most ``max_points`` of a span.

    Buckets begin at multiples of their width since the Unix epoch and widths are few,
    so that a plot stays as it is while its span grows.
    """
    for width_s in _BUCKETS_S:
        if _buckets(span, width_s) <= max_points:
            return width_s
    width_s = _BUCKETS_S[-1]
    while _buckets(span, width_s) > max_points:
        width_s *= 2
    return width_s


def _buckets(span: tuple[int, int], width_s: int) -> int:
    width_ns = width_s * NS_PER_S
    return span[1] // width_ns - span[0] // width_ns + 1


def middle_ns(bucket: int, width_s: int, span: tuple[int, int]) -> int:
    """Return where the points of a bucket are drawn: its middle, within the span."""
    middle = bucket * width_s * NS_PER_S + width_s * NS_PER_S // 2
    return min(max(middle, span[0]), span[1])
