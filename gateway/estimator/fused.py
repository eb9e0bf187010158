"""The fused number, and whether it may be used.

Certificate and counts together, for a container with a released gain calibration of
its own. The live filter says which counts are no part of the model; all the others go
into the posterior. Where the number may not be used it is not the last good one that
is stated but the certificate's: HELD returns to the certificate.

States, the first that applies:

- NOT OBSERVABLE: no released gain calibration, no detector that sees the nuclide, or
  counts that tell nothing beyond the certificate;
- HELD: an alarm is unresolved, the attitude is not the fingerprinted one, the clock is
  off by more than 0.1 % of the activity, a detector departs from the model or scatters
  more than its counts allow, n tau is above 0.5, or no watching detector is alive;
- DEGRADED: one of the watching detectors is dead or missing, a temperature or the
  pressure is unknown, or more than 1 % of the counts were set aside;
- VALID otherwise.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from gateway.estimator.activity import CLOCK_SHARE
from gateway.estimator.consistency import amount
from gateway.estimator.filter_kernels import GATED, MISSING, SILENT, USED
from gateway.estimator.filtering import CHANGED_AFTER, Innovations, LiveFilter
from gateway.estimator.fusion import Posterior, fit, spread
from gateway.estimator.journal import Journal
from gateway.estimator.model import ForwardModel, Parameter
from gateway.estimator.unresolved import unresolved_u
from schemas.estimates import EstimateState, WitnessVerdict
from schemas.units import NS_PER_S

PARALYSIS_LIMIT: Final = 0.5
# The budget's share of what may have happened to the dose and is not resolved.
UNRESOLVED: Final = "unresolved change"
_SCATTERS: Final = "scatters"
_USABLE: Final = (EstimateState.VALID, EstimateState.DEGRADED)
# A detector is alive with one used count among this many last bins.
_ALIVE_BINS: Final = 10
_SET_ASIDE: Final = 0.01
# Counts that take less than this off the certificate's uncertainty tell nothing.
_TELLS: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the station knows beside the counts.

    ``alarms`` are unresolved alarms in words; ``time_u_ns`` is the standard
    uncertainty of the clock.
    """

    alarms: tuple[str, ...] = ()
    is_in_attitude: bool = True
    time_u_ns: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """Activity at an instant with state, reasons and budget.

    ``activity_gbq`` and its standard uncertainty (k = 1) are the fused ones where the
    state is VALID or DEGRADED, and the certificate's with decay otherwise. HELD for an
    alarm or for counts that depart from the model, the uncertainty is wider by the
    change that the counts would speak for: share :data:`UNRESOLVED` of the budget.
    ``budget`` is relative, in shares that add in squares. ``posterior`` is there in
    any state, for plots and for change detection.
    """

    state: EstimateState
    reasons: tuple[str, ...]
    at_ns: int
    activity_gbq: float
    activity_u_gbq: float
    budget: Mapping[str, float]
    posterior: Posterior
    innovations: Innovations

    @property
    def is_fused(self) -> bool:
        """Whether the activity is the fused one."""
        return self.state in _USABLE

    @property
    def interval_95_gbq(self) -> tuple[float, float]:
        """The 95 % interval of the activity: normal in its logarithm."""
        width = 1.96 * self.activity_u_gbq / self.activity_gbq
        return self.activity_gbq * math.exp(-width), self.activity_gbq * math.exp(width)


def fuse(
    model: ForwardModel,
    journal: Journal,
    at_ns: int,
    circumstances: Circumstances | None = None,
    start: Posterior | None = None,
) -> Fused:
    """Return the fused number of a vial at an instant.

    Args:
        model: the forward model.
        journal: all bins since the vial is in its place.
        at_ns: instant the activity is wanted at, ns UTC.
        circumstances: what the station knows beside the counts.
        start: the posterior of a minute ago, to begin the search at.
    """
    known = circumstances or Circumstances()
    widened = model.widened(journal)
    live = LiveFilter(widened, journal.origin_ns)
    innovations = live.take(journal)
    keep = innovations.fate == USED
    posterior = fit(widened, journal, keep=keep, start=start)
    for state, reasons in (
        (EstimateState.NOT_OBSERVABLE, _why_not_observable(widened, journal)),
        (
            EstimateState.HELD,
            _why_held(widened, journal, known, live, posterior, innovations),
        ),
        (EstimateState.DEGRADED, _why_degraded(widened, journal, live, innovations)),
        (EstimateState.VALID, []),
    ):
        if reasons or state is EstimateState.VALID:
            break
    stated = posterior if state in _USABLE else _papers(model, journal)
    value, _u = stated.activity_gbq(at_ns)
    budget = dict(stated.budget(at_ns, known.time_u_ns))
    if state is EstimateState.HELD and (known.alarms or _is_departing(live, reasons)):
        budget[UNRESOLVED] = unresolved_u(widened, journal, innovations.fate)
    u_ratio = math.sqrt(math.fsum(u * u for u in budget.values()))
    return Fused(
        state=state,
        reasons=tuple(reasons),
        at_ns=at_ns,
        activity_gbq=value,
        activity_u_gbq=value * u_ratio,
        budget=budget,
        posterior=posterior,
        innovations=innovations,
    )


def _papers(model: ForwardModel, journal: Journal) -> Posterior:
    """Return what is known without a count: certificate and decay."""
    return fit(model, journal.where(np.zeros(len(journal), np.bool_)))


def _why_not_observable(model: ForwardModel, journal: Journal) -> list[str]:
    reasons = []
    if model.gain_reason is not None:
        reasons.append(model.gain_reason)
    if not model.watching:
        reasons.append(f"no detector sees {model.source.nuclide}")
    elif _expected_u(model, journal) > (1.0 - _TELLS) * model.source.activity_u_ratio:
        reasons.append("the counts tell nothing beyond the certificate")
    return reasons


def _expected_u(model: ForwardModel, journal: Journal) -> float:
    """Return how well the activity would be known if all is as the papers say."""
    return math.sqrt(spread(model, journal)[Parameter.ACTIVITY, Parameter.ACTIVITY])


def _why_held(
    model: ForwardModel,
    journal: Journal,
    known: Circumstances,
    live: LiveFilter,
    posterior: Posterior,
    innovations: Innovations,
) -> list[str]:
    reasons = [f"alarm unresolved: {alarm}" for alarm in known.alarms]
    if not known.is_in_attitude:
        reasons.append("outside the fingerprinted attitude: the liquid has moved")
    if _clock_share(model, known.time_u_ns) > CLOCK_SHARE:
        reasons.append("clock uncertain by more than 0.1 % of the activity")
    if not alive(model, innovations):
        reasons.append("no watching detector is alive")
    reasons += _why_wrong_vial(model, journal, innovations)
    reasons += [f"{sensor} departs from the model" for sensor in live.changed]
    reasons += _why_scattered(model, posterior)
    paralysis = posterior.paralysis[~np.isnan(posterior.paralysis)]
    if paralysis.size and paralysis.max() > PARALYSIS_LIMIT:
        reasons.append(f"dead time: n tau above {PARALYSIS_LIMIT:g}")
    if not posterior.is_converged:
        reasons.append("no set of parameters explains the counts")
    return reasons


def _why_wrong_vial(
    model: ForwardModel, journal: Journal, innovations: Innovations
) -> list[str]:
    """Where no count ever fitted the certificate: what the detectors see of it."""
    fate = innovations.fate[:, list(model.watching)]
    if (fate == USED).any() or (fate == GATED).sum() < CHANGED_AFTER:
        return []
    word = amount(model, journal)
    if word.verdict not in {WitnessVerdict.LOW, WitnessVerdict.HIGH}:
        return []
    return [f"the detectors see {word.ratio:.2f} of the certified activity"]


def _is_departing(live: LiveFilter, reasons: list[str]) -> bool:
    """Whether HELD is for what the counts say, and not for the clock alone."""
    return bool(live.changed) or any(_SCATTERS in reason for reason in reasons)


def _why_scattered(model: ForwardModel, posterior: Posterior) -> list[str]:
    reasons = []
    rows = zip(model.channels, posterior.reduced_chi2, posterior.n_used, strict=True)
    for channel, chi2, n in rows:
        if n and chi2 > 1.0 + 5.0 * math.sqrt(2.0 / n):
            reasons.append(
                f"{channel.sensor} {_SCATTERS} {math.sqrt(chi2):.2f} times as much as "
                "its counts allow"
            )
    return reasons


def _why_degraded(
    model: ForwardModel, journal: Journal, live: LiveFilter, found: Innovations
) -> list[str]:
    dead = live.dead
    awake = alive(model, found)
    reasons = [f"{sensor} is dead" for sensor in dead]
    for i in model.watching:
        sensor = model.channels[i].sensor
        if i not in awake and sensor not in dead:
            reasons.append(f"{sensor} is missing")
    own = journal.with_channels([channel.sensor for channel in model.channels])
    is_there = ~np.isnan(own.counts)
    if (np.isnan(own.temperature_c) & is_there)[:, list(model.watching)].any():
        reasons.append("a temperature is unknown")
    if np.isnan(journal.pressure_hpa).any():
        reasons.append("the pressure is unknown")
    n_there = int((found.fate != MISSING).sum())
    n_aside = int((found.fate == GATED).sum())
    if n_aside > _SET_ASIDE * n_there:
        reasons.append(f"{n_aside} of {n_there} counts were set aside")
    return reasons


def alive(model: ForwardModel, innovations: Innovations) -> tuple[int, ...]:
    """Return the watching detectors that have counted among the last ten bins."""
    last = innovations.fate[-_ALIVE_BINS:]
    is_counting = ((last != MISSING) & (last != SILENT)).any(0)
    return tuple(i for i in model.watching if is_counting[i])


def _clock_share(model: ForwardModel, time_u_ns: int) -> float:
    return math.log(2.0) / model.source.half_life_s * time_u_ns / NS_PER_S
