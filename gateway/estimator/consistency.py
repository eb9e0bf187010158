"""Do the detectors agree with the papers: the amount, and the half-life?

Both questions are put to the same forward model with the prior of the thing in
question opened: the detectors answer alone. What they could have noticed is computed
before a count is looked at, from the expected information at the papers' values.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from gateway.estimator.filter_kernels import GATED, USED
from gateway.estimator.filtering import LiveFilter
from gateway.estimator.fusion import fit, spread
from gateway.estimator.journal import Flags, Journal
from gateway.estimator.model import ForwardModel, Parameter
from schemas.estimates import WitnessVerdict
from schemas.nuclides import table

COVERAGE_FACTOR: Final = 2.0
# An error must be smaller than the thing itself to be called noticeable.
_LARGEST_NOTICEABLE: Final = 1.0
# Wide enough for an empty vial and for ten times too much, and no wider: the search
# must not run away where there is nothing to see.
_OPEN: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The detectors' word on one thing that the papers say.

    Attributes:
        verdict: agrees, low, high, or not observable.
        ratio: what the detectors say over what the papers say; NaN if nothing.
        ratio_u: standard uncertainty (k = 1) at the papers' value, theirs included.
        noticeable_ratio: size of a relative error that would have been noticed.
        nuclides: for a half-life, those of the table that would fit (k = 2).
        reasons: why it is not observable.
    """

    verdict: WitnessVerdict
    ratio: float = math.nan
    ratio_u: float = math.nan
    noticeable_ratio: float = math.nan
    nuclides: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def amount(model: ForwardModel, journal: Journal) -> Agreement:
    """Return whether the detectors agree with the certified amount.

    In a container with a released calibration this is the wrong-vial check to a few
    per cent; in one without it finds gross errors only, and says so.
    """
    if not model.watching:
        return _blind(model)
    widened = model.widened(journal)
    opened = widened.with_priors(replace(widened.priors, activity_u=_OPEN))
    place = int(Parameter.ACTIVITY)
    own = math.sqrt(spread(opened, journal)[place, place])
    u = math.hypot(own, model.source.activity_u_ratio)
    if COVERAGE_FACTOR * u > _LARGEST_NOTICEABLE:
        return Agreement(
            verdict=WitnessVerdict.NOT_OBSERVABLE,
            reasons=("the source is lost in the background",),
        )
    found = fit(opened, journal, keep=_without_strays(widened, journal))
    return _judged(math.exp(found.log_ratio), u)


def half_life(model: ForwardModel, journal: Journal) -> Agreement:
    """Return whether the counts fall with the half-life on the certificate."""
    if not model.watching:
        return _blind(model)
    widened = model.widened(journal)
    priors = replace(widened.priors, activity_u=_OPEN, half_life_u=_OPEN)
    opened = widened.with_priors(priors)
    place = int(Parameter.HALF_LIFE)
    u = math.sqrt(spread(opened, journal)[place, place])
    if COVERAGE_FACTOR * u > _LARGEST_NOTICEABLE:
        return Agreement(
            verdict=WitnessVerdict.NOT_OBSERVABLE,
            reasons=("too short a time to see the decay",),
        )
    keep = _without_strays(widened, journal)
    found, found_u = fit(opened, journal, keep=keep).value(Parameter.HALF_LIFE)
    word = _judged(math.exp(found), u)
    return replace(word, nuclides=_fitting(model, found, max(u, found_u)))


def _without_strays(model: ForwardModel, journal: Journal) -> Flags:
    """Return which counts to use, (n, c).

    A watching detector's count is used also where it is far off the papers: that is
    the question. Another detector's is not.
    """
    fate = LiveFilter(model, journal.origin_ns).take(journal).fate
    is_watching = np.array([channel.side != 0 for channel in model.channels])
    keep: Flags = (fate == USED) | ((fate == GATED) & is_watching)
    return keep


def _judged(ratio: float, u: float) -> Agreement:
    noticeable = COVERAGE_FACTOR * u
    verdict = WitnessVerdict.LOW if ratio < 1.0 else WitnessVerdict.HIGH
    if abs(ratio - 1.0) <= noticeable:
        verdict = WitnessVerdict.AGREES
    return Agreement(
        verdict=verdict, ratio=ratio, ratio_u=u, noticeable_ratio=noticeable
    )


def _fitting(model: ForwardModel, log_ratio: float, u: float) -> tuple[str, ...]:
    own = model.source.half_life_s
    return tuple(
        name
        for name, known in table().items()
        if abs(math.log(known.half_life_s / own) - log_ratio) <= COVERAGE_FACTOR * u
    )


def _blind(model: ForwardModel) -> Agreement:
    return Agreement(
        verdict=WitnessVerdict.NOT_OBSERVABLE,
        reasons=(f"no detector sees {model.source.nuclide}",),
    )
