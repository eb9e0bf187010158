"""Spans of integers, ends included: united, and what is missing between them."""

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
