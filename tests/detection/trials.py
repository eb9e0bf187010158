"""What one simulated day gives, for a false alarm or for a change that is there."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec
import numpy as np

from gateway.estimator.assembly import forward_model
from gateway.estimator.container import ContainerModel, read_container
from gateway.estimator.model import ForwardModel
from gateway.estimator.watch import Change, Thresholds
from schemas.contents import ProductionRoute
from schemas.findings import Cause
from tests import builders
from tests.detection.campaign import Gateway, journal_of
from tests.detection.days import BIN_S, DEFAULT, INNER_PAIR, Build, Day, Event, draw_day

T = TypeVar("T")
ROOT: Final = Path(__file__).resolve().parents[2]
# An event in a trial comes at noon, after a morning in which the filter has learned.
EVENT_BIN: Final = 720
# The truth may begin this many bins before a change is thought to begin, or after.
SLACK_BINS: Final = 5
# The pressure of a cabin falls for so long before the flight is known.
CLIMB_BINS: Final = 30


class Setting(NamedTuple):
    """A container of the product, and how it really is."""

    name: str
    build: Build
    activity_gbq: float = 7.4

    @property
    def container(self) -> ContainerModel:
        path = ROOT / "hw" / "containers" / f"{self.name}.toml"
        return read_container(path.read_bytes(), str(path))

    def thresholds(self) -> Thresholds:
        """What the container's file says."""
        return self.container.detection

    def model(self) -> ForwardModel:
        contents = msgspec.structs.replace(
            builders.contents(activity_gbq=self.activity_gbq),
            reference_at_ns=0,
            activity_expanded_u_gbq=0.05 * self.activity_gbq,
            production_route=ProductionRoute.CARRIER_ADDED,
        )
        return forward_model(self.container, contents, contents.reference_at_ns)


SETTINGS: Final = {
    "inner-pair": Setting("inner-pair", INNER_PAIR),
    "overpack-10mm": Setting("overpack-10mm", DEFAULT),
}


class Trial(NamedTuple):
    """A change that is there: what, how large, and the cause that is its name."""

    event: Event
    size: float
    cause: Cause

    def __str__(self) -> str:
        match self.event:
            case Event.LOSS:
                return f"activity loss {100 * self.size:g} %"
            case Event.DISPLACEMENT:
                return f"displacement {self.size:g} mm"
            case Event.OUTER:
                return f"outer +{self.size:g} counts/s"


def false_alarms(setting: Setting, thresholds: Thresholds, seed: int) -> list[Change]:
    """Return what was told on a day without a change of the package, and is wrong.

    A change that is rightly laid to a neighbour, a screening or a flight is none.
    """
    rng = np.random.default_rng([20261125, seed])
    day = draw_day(setting.build, rng, setting.activity_gbq)
    told = watched(setting, thresholds, day)
    return [change for change in told if not is_rightly_named(change, day)]


def is_rightly_named(change: Change, day: Day) -> bool:
    """Whether the surroundings did what a change is laid to."""
    first = max(0, round(change.begin_s / BIN_S) - SLACK_BINS)
    last = round(change.noticed_s / BIN_S)
    if change.cause is Cause.COSMIC:
        return bool(day.flight[max(0, first - CLIMB_BINS) : last + SLACK_BINS].any())
    is_near = day.nearby[first:last] | day.screening[first:last]
    return change.cause is Cause.NEARBY and bool(is_near.any())


def delay(
    setting: Setting, thresholds: Thresholds, trial: Trial, seed: int
) -> tuple[float, Cause | None] | None:
    """Return minutes until a change was told, and its name; None for an unfit day.

    A day is unfit where the gateway is in the air at the event or soon after, where
    the surroundings change then, or where a blow comes with it: after a blow the
    filter follows the vial. Where nothing was told the minutes are infinite and there
    is no name.
    """
    rng = np.random.default_rng([7, seed])
    day = draw_day(
        setting.build, rng, setting.activity_gbq, trial.event, trial.size, EVENT_BIN
    )
    soon = slice(EVENT_BIN - 10, EVENT_BIN + 90)
    with_it = slice(EVENT_BIN - 10, EVENT_BIN + 20)
    moving = day.airborne | day.flight | day.nearby | day.screening
    if moving[soon].any() or day.shocked[with_it].any():
        return None
    event_s = EVENT_BIN * BIN_S
    for change in watched(setting, thresholds, day):
        if change.noticed_s > event_s:
            return (change.noticed_s - event_s) / BIN_S, change.cause
    return np.inf, None


def watched(setting: Setting, thresholds: Thresholds, day: Day) -> list[Change]:
    """Return what opened on a day."""
    bins = journal_of(setting.build, day)
    return Gateway(setting.model(), thresholds, bins, day).watch().opened


def each(task: Callable[[int], T], seeds: Iterable[int], processes: int) -> Iterator[T]:
    """Yield a task's results by seed, in order, in so many processes."""
    if processes == 1:
        yield from map(task, seeds)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(task, seeds, chunksize=8)


def false_alarm_task(
    setting: Setting, thresholds: Thresholds
) -> Callable[[int], list[Change]]:
    """Return :func:`false_alarms` for one container, to be called with seeds."""
    return partial(false_alarms, setting, thresholds)


def delay_task(
    setting: Setting, thresholds: Thresholds, trial: Trial
) -> Callable[[int], tuple[float, Cause | None] | None]:
    """Return :func:`delay` for one container and change, to be called with seeds."""
    return partial(delay, setting, thresholds, trial)
