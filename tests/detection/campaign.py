"""Gives simulated days to the product's filter and watch."""

import copy
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from gateway.estimator.filtering import Innovations, LiveFilter
from gateway.estimator.hypotheses import Circumstances
from gateway.estimator.journal import Journal, journal
from gateway.estimator.model import ForwardModel
from gateway.estimator.watch import Change, ChangeWatch, Thresholds
from tests.detection.days import BIN_S, BINS, Build, Day

# Bins that the filter may run ahead of the watch; it is set back where that matters.
CHUNK: Final = 20
CLIMB_HPA: Final = 8.0


@dataclass(slots=True)
class Run:
    """What the watch told on one day: changes that opened, and that ended."""

    opened: list[Change] = field(default_factory=list)
    ended: list[Change] = field(default_factory=list)

    def note(self, told: list[Change]) -> None:
        for change in told:
            (self.ended if change.is_over else self.opened).append(change)


def journal_of(build: Build, day: Day) -> Journal:
    """Return the day as the gateway decimates it."""
    return journal(
        build.sensors,
        0,
        np.arange(BINS, dtype=np.float64) * BIN_S,
        day.counts,
        temperature_c=day.temperature_c,
        pressure_hpa=day.pressure_hpa,
        is_shocked=day.shocked,
    )


class Gateway:
    """Filter and watch over one day.

    The filter runs ahead of the watch by a chunk of bins; where the watch tells of
    something, the filter is set back and takes the chunk's bins up to there again, so
    that it learns what it would have learned bin by bin.
    """

    def __init__(
        self, model: ForwardModel, thresholds: Thresholds, bins: Journal, day: Day
    ) -> None:
        self._model = model
        self._live = LiveFilter(model, 0)
        self._watch = ChangeWatch(model, thresholds)
        self._bins, self._day = bins, day
        self.run = Run()

    def watch(self) -> Run:
        """Watch the whole day."""
        at = 0
        while at < BINS:
            at = self._chunk(at, at + 1 if self._watch.open else min(at + CHUNK, BINS))
        return self.run

    def _chunk(self, first: int, last: int) -> int:
        before = copy.deepcopy(self._live, {id(self._model): self._model})
        chunk = self._bins.where(slice(first, last))
        chunk.is_learnt[:] = self._watch.may_learn & ~self._day.airborne[first:last]
        found = self._live.take(chunk)
        for i in range(last - first):
            might_learn = self._watch.may_learn
            told = self._bin(chunk, found, i, first + i)
            self.run.note(told)
            if not told and self._watch.may_learn == might_learn:
                continue
            if first + i + 1 < last:
                self._live = before
                self._live.take(chunk.where(slice(0, i + 1)))
                if any(change.suspects[0].is_harmless for change in told):
                    self._live.reopen_background()
                return first + i + 1
        return last

    def _bin(self, chunk: Journal, found: Innovations, i: int, at: int) -> list[Change]:
        if self._day.airborne[at]:
            return self._watch.suspend()
        pressure = self._day.pressure_hpa
        fall = pressure[max(0, at - 10)] - pressure[at]
        one = slice(i, i + 1)
        now = Circumstances(is_climbing=bool(fall > CLIMB_HPA))
        return self._watch.take(chunk.where(one), found.where(one), self._live, now)
