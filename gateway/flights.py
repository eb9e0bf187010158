"""What is under way and what the cloud is known to hold, of one epoch."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from schemas.topics import Lane

MAX_HELD: Final = 256


@dataclass(slots=True)
class Flight:
    """A message that no receipt covers yet; what it still has to bring."""

    lane: Lane
    sequences: set[int]
    attempt: int
    due_s: float


@dataclass(slots=True)
class Progress:
    """What is known of one epoch's delivery.

    ``cursor`` is the first sequence that the bulk lane has not sent; ``held`` are
    ranges above the watermark that need not be sent, in order and apart; ``live`` are
    the records of the last live message, ``live_head`` the head at that time, and
    ``live_tries`` how often they were sent.
    """

    epoch: bytes
    cursor: int = 0
    held: tuple[tuple[int, int], ...] = ()
    resends: list[tuple[int, int]] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)
    is_mismatched: bool = False
    live: tuple[int, ...] = ()
    live_head: int = -1
    live_tries: int = 0

    def end_of_held(self, sequence: int) -> int | None:
        """Return the end of the held range that ``sequence`` is in."""
        at = bisect_right(self.held, (sequence, 2**64)) - 1
        if at >= 0 and self.held[at][0] <= sequence <= self.held[at][1]:
            return self.held[at][1]
        return None

    def wanted(self, sequences: Iterable[int], watermark: int) -> Iterator[int]:
        """Yield those that the cloud is not known to hold."""
        for sequence in sequences:
            if sequence > watermark and self.end_of_held(sequence) is None:
                yield sequence

    def behind_held(self, sequence: int) -> int:
        """Return ``sequence``, or what follows the held range that it is in."""
        end = self.end_of_held(sequence)
        return sequence if end is None else end + 1

    def flying(self, lane: Lane) -> list[Flight]:
        """Return what is under way in a lane."""
        return [one for one in self.flights if one.lane is lane]

    def rewind(self) -> None:
        """Nothing is under way and nothing is known to be held."""
        self.flights.clear()
        self.held = ()
        self.cursor = 0
        self.live, self.live_head = (), -1


def merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the ranges in order, those that touch as one."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(high, found[-1][1])
        elif low <= high:
            found.append((low, high))
    return tuple(found[:MAX_HELD])
