"""Watches the counts for a change that the model does not foresee, and names it.

Streams: the standardised innovations of the pair's sum and relative difference, and
the counts of each outer detector. Each is tested by :func:`changes.focus` for a rise
and a fall. Where a statistic passes its threshold, a change is open: it began some
bins ago, :func:`hypotheses.suspects` says what it may be, and until it is over the
caller must let the filter learn nothing (``is_learnt`` false), lest it learns the
change. Rules:

- A change is told when one cause stands out, or after five minutes without one.
- In the air nothing is tested: the cabin's pressure does not tell the cosmic rate.
- A change of the surroundings (cosmic, place) is no alarm: the tests begin anew, and
  the background with them.
- A change that is over after :data:`BACK` bins that look like before is closed; what
  was nearby was then a neighbour's package or a screening, and no breach.
- What concerns the dose stays open until a person clears it.

Thresholds belong to a container: they are set by simulation (``tests/detection``), for
a rate of false alarms over all its streams together.
"""

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from gateway.estimator import changes
from gateway.estimator.filtering import Innovations, LiveFilter
from gateway.estimator.hypotheses import (
    Circumstances,
    Suspect,
    Window,
    suspects,
)
from gateway.estimator.journal import Floats, Journal, cosmic_growth
from gateway.estimator.model import ForwardModel, Parameter
from schemas.findings import Cause

# Bins that are remembered: the longest a change may have gone unnoticed.
MEMORY: Final = 360
# A change is over when this many bins in a row speak for the state before it.
BACK: Final = 5
# Logarithm of the odds that they must give.
BACK_ODDS: Final = 7.0
# A cause is told when it is so much likelier than the second, or after this long; the
# judgement is final some bins later.
SURE_ODDS: Final = 20.0
PATIENCE_S: Final = 300.0
FINAL_S: Final = 900.0
# A blow this long before a change was noticed may have caused it.
SHORTLY_S: Final = 600.0


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Logarithms of likelihood ratios that open a change, by stream.

    They belong to a container and to a rate of false alarms, and come from simulation:
    ``python -m tests.detection.figures --calibrate NAME``.
    """

    total: float = 14.0
    difference: float = 14.0
    outer: float = 14.0


@dataclass(frozen=True, slots=True)
class Change:
    """A change in the counts: since when, in which stream, and who is suspected.

    Attributes:
        stream: ``sum``, ``difference`` or the name of an outer detector.
        begin_s: begin of the first bin it is in, s since the journals' origin.
        opened_s: end of the bin at which it passed the threshold.
        statistic: the log likelihood ratio there.
        suspects: causes, the most probable first; empty before it is judged.
        noticed_s: end of the bin at which it was told.
        is_told: a person has been told.
        is_over: it ended by itself.
    """

    stream: str
    begin_s: float
    opened_s: float
    statistic: float
    suspects: tuple[Suspect, ...] = ()
    noticed_s: float = math.nan
    is_told: bool = False
    is_over: bool = False

    @property
    def cause(self) -> Cause:
        """The most probable cause."""
        return self.suspects[0].cause

    def is_like(self, other: "Change") -> bool:
        """Whether both are laid to the same cause, so that one is told of."""
        mine, theirs = self.suspects[0], other.suspects[0]
        return (mine.cause, mine.sensor) == (theirs.cause, theirs.sensor)

    @property
    def odds(self) -> float:
        """Odds of the most probable cause against the second."""
        second = self.suspects[1].probability
        return self.suspects[0].probability / max(second, 1e-300)


@dataclass(frozen=True, slots=True, eq=False)
class _Bin:
    """What is remembered of one bin; arrays are (c,), ``seen`` NaN where missing."""

    begin_s: float
    end_s: float
    pressure_hpa: float
    seen: Floats
    expected: Floats
    deviation: Floats
    live_s: Floats


class ChangeWatch:
    """Watches one vial in one container, beside its :class:`LiveFilter`.

    Args:
        model: the forward model, the filter's own.
        thresholds: of this container.
    """

    def __init__(self, model: ForwardModel, thresholds: Thresholds) -> None:
        self._model = model
        self._side = np.array([float(channel.side) for channel in model.channels])
        self._sensors = tuple(channel.sensor for channel in model.channels)
        self._outer = [int(i) for i in np.flatnonzero(self._side == 0.0)]
        self._pair = [int(i) for i in np.flatnonzero(self._side)]
        outer = [self._sensors[i] for i in self._outer]
        self._streams = ("sum", "difference", *outer)
        limits = (thresholds.total, thresholds.difference)
        self._limits = (*limits, *(thresholds.outer for _ in outer))
        self._state = [changes.new_state() for _ in self._streams]
        self._memory: deque[_Bin] = deque(maxlen=MEMORY)
        self._shocked_s = -math.inf
        self.open: dict[str, Change] = {}

    @property
    def may_learn(self) -> bool:
        """Whether the filter may learn from the next bin."""
        return not self.open

    def clear(self) -> None:
        """Begin anew: a person has judged what was open, or the vial is another."""
        self.open.clear()
        self._restart()

    def take(
        self, journal: Journal, found: Innovations, live: LiveFilter, now: Circumstances
    ) -> list[Change]:
        """Take the newest bin, on the ground, and return what opened or ended with it.

        Args:
            journal: one bin, with the model's detectors as its columns.
            found: what the filter said of it.
            live: the filter.
            now: what else was noticed.
        """
        newest = _remember(journal, found)
        self._memory.append(newest)
        if journal.is_shocked[0]:
            self._shocked_s = newest.end_s
        is_shocked = newest.end_s - self._shocked_s <= SHORTLY_S
        now = replace(now, is_shocked=now.is_shocked or is_shocked)
        news = self._end_those_over()
        # Where all is as before again, the tests begin anew with the next bin.
        if self._memory:
            self._open_those_new(found)
            news += self._judge(live, now)
        return news

    def suspend(self) -> list[Change]:
        """Stop, in the air; return what was open and is not judged any more."""
        ended = [c for c in self.open.values() if not c.is_told or c.cause in _ENDS]
        for change in ended:
            del self.open[change.stream]
        self._restart()
        return [replace(change, is_over=True) for change in ended if change.is_told]

    # -- opening -----------------------------------------------------------------

    def _open_those_new(self, found: Innovations) -> None:
        for place, name in enumerate(self._streams):
            statistic, bins = self._test(place, found)
            if name not in self.open and statistic >= self._limits[place]:
                first = self._memory[-min(bins, len(self._memory))]
                newest_s = self._memory[-1].end_s
                self.open[name] = Change(name, first.begin_s, newest_s, statistic)

    def _test(self, place: int, found: Innovations) -> tuple[float, int]:
        """Return the larger statistic of a stream, and how many bins ago it began."""
        seen, expected, null = self._pair_of(place, found)
        statistic, begin = np.empty((1, 2)), np.empty((1, 2))
        state = self._state[place]
        changes.focus(seen, expected, null, state, statistic, begin)
        worse = int(statistic[0, 1] > statistic[0, 0])
        return float(statistic[0, worse]), int(state[0, 3] - begin[0, worse])

    def _pair_of(self, place: int, found: Innovations) -> tuple[Floats, Floats, float]:
        if place < 2:
            return found.contrasts[:, place].copy(), np.ones(1), changes.GAUSSIAN
        newest, column = self._memory[-1], self._outer[place - 2]
        seen, expected = newest.seen[column], newest.expected[column]
        if not expected > 0.0:
            return np.full(1, np.nan), np.ones(1), changes.POISSON
        pair = np.array([[seen], [expected]]) * expected / newest.deviation[column] ** 2
        return pair[0], pair[1], changes.POISSON

    # -- judging -----------------------------------------------------------------

    def _judge(self, live: LiveFilter, now: Circumstances) -> list[Change]:
        """Judge what is open by all bins since it began; return what is to be told."""
        news: list[Change] = []
        for name, known in list(self.open.items()):
            age = self._memory[-1].end_s - known.opened_s
            if age > FINAL_S:
                continue
            window = [one for one in self._memory if one.begin_s >= known.begin_s]
            found = tuple(suspects(self._window(window, live), now))
            change = replace(known, suspects=found, noticed_s=window[-1].end_s)
            is_sure = change.odds >= SURE_ODDS or age >= PATIENCE_S
            if is_sure and found[0].is_harmless:
                return [*news, self._accept(change, live)]
            is_told = known.is_told or is_sure
            if is_told and not known.is_told and not self._is_told_of(change):
                news.append(change)
            noticed_s = known.noticed_s if known.is_told else change.noticed_s
            self.open[name] = replace(change, is_told=is_told, noticed_s=noticed_s)
        return news

    def _accept(self, change: Change, live: LiveFilter) -> Change:
        """Take the surroundings as they are now: nothing of the package changed."""
        live.reopen_background()
        self.open.clear()
        self._restart()
        return replace(change, is_over=True)

    def _is_told_of(self, change: Change) -> bool:
        return any(one.is_told and one.is_like(change) for one in self.open.values())

    # -- ending ------------------------------------------------------------------

    def _end_those_over(self) -> list[Change]:
        ended = [c for c in self.open.values() if self._is_back(c)]
        for change in ended:
            del self.open[change.stream]
            self._state[self._streams.index(change.stream)] = changes.new_state()
        if ended and not self.open:
            self._restart()
        return [replace(change, is_over=True) for change in ended if change.is_told]

    def _is_back(self, change: Change) -> bool:
        """Whether the last bins speak for the state before against the change."""
        since = [one for one in self._memory if one.begin_s >= change.begin_s]
        if not change.suspects or change.cause not in _ENDS or len(since) <= BACK:
            return False
        is_outer = change.stream in self._sensors
        columns = [self._sensors.index(change.stream)] if is_outer else self._pair
        seen, expected = _sums(since[:-BACK], columns)
        if expected.sum() == 0.0:
            return False
        factor = max(float(seen.sum()), 0.5) / float(expected.sum())
        seen, expected = _sums(since[-BACK:], columns)
        odds = (factor - 1.0) * expected.sum() - seen.sum() * math.log(factor)
        return bool(odds > BACK_ODDS)

    def _restart(self) -> None:
        self._state = [changes.new_state() for _ in self._streams]
        self._memory.clear()

    # -- the window that is judged -------------------------------------------------

    def _window(self, bins: list[_Bin], live: LiveFilter) -> Window:
        is_seen = np.array([~np.isnan(one.seen) for one in bins])
        seen, expected = _sums(bins, list(range(len(self._sensors))))
        variance = np.nansum([one.deviation**2 for one in bins], axis=0, where=is_seen)
        live_s = np.sum([one.live_s for one in bins], axis=0, where=is_seen)
        keep = is_seen.any(axis=0)
        own = [self._model.channels[i] for i in np.flatnonzero(keep)]
        pressures = np.array([one.pressure_hpa for one in bins])
        growth = float(cosmic_growth(pressures).mean())
        terrestrial = np.array([c.terrestrial_rate_per_s for c in own]) * live_s[keep]
        cosmic = np.array([c.cosmic_rate_per_s for c in own]) * live_s[keep]
        terrestrial *= math.exp(live.background_log[0])
        cosmic *= math.exp(live.mean[Parameter.COSMIC]) * growth
        return Window(
            sensors=tuple(c.sensor for c in own),
            seen=seen[keep],
            expected=expected[keep],
            dispersion=variance[keep] / expected[keep],
            source=np.maximum(expected[keep] - terrestrial - cosmic, 0.0),
            terrestrial=terrestrial,
            cosmic=cosmic,
            live_s=live_s[keep],
            displacement_per_mm=np.array([c.displacement_per_mm for c in own]),
            displacement_per_mm2=np.array([c.displacement_per_mm2 for c in own]),
            side=self._side[keep],
        )


# Causes that can end by themselves.
_ENDS: Final = frozenset({Cause.NEARBY, Cause.COSMIC, Cause.PLACE, Cause.SATURATION})


def _remember(journal: Journal, found: Innovations) -> _Bin:
    is_there = journal.live_s[0] > 0.0
    return _Bin(
        begin_s=float(journal.begin_s[0]),
        end_s=float(journal.end_s[0]),
        pressure_hpa=float(journal.pressure_hpa[0]),
        seen=np.where(is_there, journal.counts[0], np.nan),
        expected=found.expected[0],
        deviation=found.deviation[0],
        live_s=journal.live_s[0],
    )


def _sums(bins: list[_Bin], columns: list[int]) -> tuple[Floats, Floats]:
    """Return counts and their expectation by detector, where there are counts."""
    seen = np.array([one.seen[columns] for one in bins])
    expected = np.array([one.expected[columns] for one in bins])
    is_seen = ~np.isnan(seen)
    return np.sum(seen, axis=0, where=is_seen), np.sum(expected, axis=0, where=is_seen)
