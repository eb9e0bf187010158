"""Spans of integers, ends included: united, and what is missing between them."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple


class Span(NamedTuple):
    """The integers from ``first`` to ``last``, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many integers there are in it."""
        return self.last - self.first + 1


def united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return ascending spans that neither overlap nor touch."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.first <= found[-1].last + 1:
            found[-1] = Span(found[-1].first, max(found[-1].last, span.last))
        else:
            found.append(span)
    return tuple(found)


def missing(expected: Iterable[Span], known: Iterable[Span]) -> tuple[Span, ...]:
    """Return what is in ``expected`` and not in ``known``, as ascending spans."""
    held = united(known)
    found = []
    for span in united(expected):
        at = span.first
        for one in held:
            if one.last < at or one.first > span.last:
                continue
            if one.first > at:
                found.append(Span(at, one.first - 1))
            at = one.last + 1
        if at <= span.last:
            found.append(Span(at, span.last))
    return tuple(found)


class Runs:
    """Whole numbers, kept as runs; memory grows with the holes only.

    >>> runs = Runs()
    >>> for number in (3, 1, 2, 9): runs.add(number)
    >>> runs.meets(4, 8), runs.meets(3, 4)
    (False, True)
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, number: int) -> None:
        """Take a number; one that is there already changes nothing."""
        at = bisect_right(self._starts, number)
        if at and number <= self._ends[at - 1]:
            return
        joins_left = at > 0 and self._ends[at - 1] == number - 1
        joins_right = at < len(self._starts) and self._starts[at] == number + 1
        if joins_left and joins_right:
            self._ends[at - 1] = self._ends[at]
            del self._starts[at], self._ends[at]
        elif joins_left:
            self._ends[at - 1] = number
        elif joins_right:
            self._starts[at] = number
        else:
            self._starts.insert(at, number)
            self._ends.insert(at, number)

    def meets(self, first: int, last: int | None) -> bool:
        """Say whether any number lies in first to last, ends included."""
        at = bisect_right(self._ends, first - 1)
        if at == len(self._starts):
            return False
        return last is None or self._starts[at] <= last
