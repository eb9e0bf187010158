"""The fraction that remains of what was there at dispatch.

Two sets of bins are compared, those of the dispatch fingerprint and those of now. Gain
and certificate are the same in both and cancel, so that the answer needs neither, is
five to ten times sharper than the activity, and says nothing about it: a gain fixed
by a fingerprint with this vial is this vial's certificate over again.

What does not cancel is in the interval: counts, temperature, tilt, displacement
between shocks, background, dead time, impurity.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from gateway.estimator.fusion import Posterior, fit, spread
from gateway.estimator.journal import Flags, Floats, Journal
from gateway.estimator.model import ForwardModel, Parameter

# So wide that neither certificate nor prior of the change has a say.
_OPEN: Final = 30.0
_COVERAGE_FACTOR: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Fraction:
    """What remains since dispatch, decay taken out.

    Attributes:
        ratio: 1 where nothing but decay happened.
        ratio_u: standard uncertainty (k = 1), as the counts should give it.
        noticeable_ratio: the smallest loss that would have been noticed (k = 2).
        with_decay: fraction of the activity at dispatch that is there at the end of
            the recent bins, decay included.
        reasons: why nothing can be said; then ``ratio`` is NaN.
        posterior: the fit, None without one.
    """

    ratio: float
    ratio_u: float
    noticeable_ratio: float
    with_decay: float
    reasons: tuple[str, ...] = ()
    posterior: Posterior | None = None

    @property
    def interval_95(self) -> tuple[float, float]:
        """The 95 % interval of the ratio: normal in its logarithm."""
        width = 1.96 * self.ratio_u / self.ratio
        return self.ratio * math.exp(-width), self.ratio * math.exp(width)


def fraction_remaining(
    model: ForwardModel, journal: Journal, dispatch: Flags, recent: Flags
) -> Fraction:
    """Return the fraction that remains between two sets of bins.

    Args:
        model: the forward model; neither its certificate nor its gain is used.
        journal: the bins.
        dispatch: (n,) the bins of the fingerprint.
        recent: (n,) the bins of now, all of them later.

    Raises:
        ValueError: the two sets are not apart, or not in the order of time.
    """
    if (dispatch & recent).any() or _last(dispatch) > _first(recent):
        raise ValueError("dispatch and recent: the bins are not in order")
    chosen = _kept(journal, dispatch | recent)
    load = recent[dispatch | recent].astype(np.float64)
    open_model = _opened(model)
    if not model.watching or not _is_seen(model, chosen, load):
        return _nothing("no watching detector has counts of then and of now")
    posterior = fit(open_model, chosen, change=load)
    change, counted_u = posterior.value(Parameter.CHANGE)
    place = int(Parameter.CHANGE)
    expected = spread(open_model, chosen, change=load)[place, place]
    own = _own_u(model, chosen)
    u = math.hypot(counted_u, own)
    papers = math.hypot(math.sqrt(expected), own)
    if _COVERAGE_FACTOR * papers > 1.0 or not posterior.is_converged:
        return _nothing("the source is lost in the background")
    ratio = math.exp(change)
    apart_s = float(chosen.end_s[-1] - chosen.begin_s[0])
    return Fraction(
        ratio=ratio,
        ratio_u=ratio * u,
        noticeable_ratio=-math.expm1(-_COVERAGE_FACTOR * papers),
        with_decay=ratio * model.source.activity_ratio(apart_s),
        posterior=posterior,
    )


def _opened(model: ForwardModel) -> ForwardModel:
    priors = replace(model.priors, activity_u=_OPEN, change_u=_OPEN)
    return model.with_priors(priors)


def _kept(journal: Journal, keep: Flags) -> Journal:
    """Return the bins to keep; a shock in between falls on the next one."""
    shocks = np.cumsum(journal.is_shocked)[keep]
    before = np.concatenate([[0], shocks[:-1]])
    return replace(journal.where(keep), is_shocked=shocks > before)


def _is_seen(model: ForwardModel, chosen: Journal, load: Floats) -> bool:
    own = chosen.with_channels([c.sensor for c in model.channels])
    is_there = ~np.isnan(own.counts) & (own.live_s > 0) & own.is_learnt[:, None]
    then, now = is_there[load == 0.0].any(0), is_there[load == 1.0].any(0)
    return any(bool(then[i] and now[i]) for i in model.watching)


def _own_u(model: ForwardModel, chosen: Journal) -> float:
    """Return what does not cancel though it looks like gain: tilt, no thermometer."""
    widened = model.widened(chosen).channels
    most = 0.0
    for i in model.watching:
        own = model.channels[i].common_gain_u
        most = max(most, widened[i].common_gain_u ** 2 - own**2)
    return math.sqrt(most)


def _nothing(reason: str) -> Fraction:
    return Fraction(math.nan, math.nan, math.nan, math.nan, (reason,))


def _last(flags: Flags) -> int:
    found = np.flatnonzero(flags)
    return int(found[-1]) if found.size else -1


def _first(flags: Flags) -> int:
    found = np.flatnonzero(flags)
    return int(found[0]) if found.size else flags.size
