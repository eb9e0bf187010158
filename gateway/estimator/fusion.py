"""The posterior of everything that is not known, given all bins at once.

The mode is found by Fisher scoring over all bins (``mode_kernels``), its covariance is
the inverse of the expected information there (Laplace). Between shocks the
displacement is one number; the background is a walk with a knot every three hours.
Missing bins are simply absent, and the order of bins does not matter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from gateway.estimator import mode_kernels as kernels
from gateway.estimator.journal import Flags, Floats, Journal
from gateway.estimator.model import N_COMMON, ForwardModel, Parameter
from schemas.units import NS_PER_S

# Shares of the uncertainty budget and the parameters that make them up.
_SHARES: Final[Mapping[str, tuple[Parameter, ...]]] = {
    "certificate": (Parameter.ACTIVITY,),
    "gain": (Parameter.COMMON_GAIN, Parameter.DIFFERENTIAL_GAIN),
    "temperature": (Parameter.TEMPERATURE,),
    "dead time": (Parameter.DEAD_TIME,),
    "impurity": (Parameter.IMPURITY,),
    "leak": (Parameter.LEAK,),
    "half-life": (Parameter.HALF_LIFE,),
}


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Mode and Laplace covariance of the parameters of a model.

    Attributes:
        model: the model that was fitted.
        origin_ns: origin of the journal, ns UTC.
        mean: (p,) mode: the ten common parameters, one displacement per segment
            between shocks mm, the knots of the logarithm of the background.
        covariance: (p, p) at the mode.
        precision: (p, p) inverse covariance a priori; the mean a priori is 0.
        n_segments: number of displacements.
        steps: steps of the search; negative where it did not converge.
        residuals: (n, c) counts less expected, in standard deviations; NaN where a
            count is missing or was left out.
        expected: (n, c) expected counts; NaN likewise.
        paralysis: (n, c) rate times dead time; NaN likewise.
        log_loss: minus the logarithm of the likelihood at the mode, 0 where all counts
            are as expected.
    """

    model: ForwardModel
    origin_ns: int
    mean: Floats
    covariance: Floats
    precision: Floats
    n_segments: int
    steps: int
    residuals: Floats
    expected: Floats
    paralysis: Floats
    log_loss: float

    @property
    def is_converged(self) -> bool:
        """Whether the search came to its end."""
        return self.steps > 0

    def value(self, parameter: Parameter) -> tuple[float, float]:
        """Return a common parameter and its standard uncertainty."""
        variance = self.covariance[parameter, parameter]
        return float(self.mean[parameter]), float(np.sqrt(variance))

    @property
    def log_ratio(self) -> float:
        """Logarithm of activity over the certificate's, at the reference instant."""
        return float(self.mean[Parameter.ACTIVITY])

    @property
    def log_ratio_u(self) -> float:
        """Standard uncertainty of :attr:`log_ratio`."""
        return self.value(Parameter.ACTIVITY)[1]

    @property
    def displacement_mm(self) -> tuple[float, float]:
        """Displacement since the last shock and its standard uncertainty, mm."""
        i = N_COMMON + self.n_segments - 1
        return float(self.mean[i]), float(np.sqrt(self.covariance[i, i]))

    @property
    def log_energy(self) -> float:
        """Minus the logarithm of the posterior at the mode, constants left out."""
        prior = 0.5 * self.mean @ self.precision @ self.mean
        return float(self.log_loss + prior)

    def activity_gbq(self, at_ns: int) -> tuple[float, float]:
        """Return the activity at an instant and its standard uncertainty, GBq."""
        budget = self.budget(at_ns)
        elapsed_s = (at_ns - self.model.source.reference_at_ns) / NS_PER_S
        left = self.model.source.activity_ratio(elapsed_s)
        # The half-life is known to the table only: its mode stays that of the table.
        certified = self.model.source.activity_gbq * left
        value = float(certified * np.exp(self._along(at_ns) @ self.mean))
        return value, value * float(np.sqrt(sum(u * u for u in budget.values())))

    def _along(self, at_ns: int) -> Floats:
        """Gradient of the logarithm of the activity at an instant, (p,)."""
        elapsed_s = (at_ns - self.model.source.reference_at_ns) / NS_PER_S
        along = np.zeros(self.mean.size)
        along[Parameter.ACTIVITY] = 1.0
        constant = np.log(2.0) / self.model.source.half_life_s
        along[Parameter.HALF_LIFE] = constant * elapsed_s
        return along

    def budget(self, at_ns: int, time_u_ns: int = 0) -> Mapping[str, float]:
        """Return the shares of the relative standard uncertainty of the activity.

        The posterior covariance C = (L + I)^-1 of prior precision L and information
        I splits exactly: c' C c = sum of c' C L_q C c over the priors q, and the rest
        is the counts'. The shares add in squares.

        Args:
            at_ns: instant of the activity, ns UTC.
            time_u_ns: standard uncertainty of that instant, ns.
        """
        pulled = self.covariance @ self._along(at_ns)
        shares = {}
        for name, members in _SHARES.items():
            part = np.array(members)
            shares[name] = _norm(pulled[part], self.precision[np.ix_(part, part)])
        first, last = N_COMMON, N_COMMON + self.n_segments
        ground = np.r_[int(Parameter.COSMIC), last : self.mean.size]
        for name, part in (
            ("displacement", np.arange(first, last)),
            ("background", ground),
        ):
            shares[name] = _norm(pulled[part], self.precision[np.ix_(part, part)])
        total = float(self._along(at_ns) @ pulled)
        explained = sum(u * u for u in shares.values())
        change = int(Parameter.CHANGE)
        explained += float(pulled[change] ** 2 * self.precision[change, change])
        shares["counts"] = float(np.sqrt(max(total - explained, 0.0)))
        constant_per_ns = np.log(2.0) / self.model.source.half_life_s / NS_PER_S
        shares["clock"] = float(constant_per_ns * time_u_ns)
        return shares

    @property
    def reduced_chi2(self) -> Floats:
        """Reduced chi squared of each detector, (c,); NaN where it has no count."""
        return _mean_square(self.residuals)

    @property
    def n_used(self) -> Floats:
        """Number of bins of each detector that were fitted, (c,)."""
        used: Floats = (~np.isnan(self.residuals)).sum(0).astype(np.float64)
        return used


def fit(
    model: ForwardModel,
    journal: Journal,
    *,
    keep: Flags | None = None,
    change: Floats | None = None,
    start: Posterior | None = None,
) -> Posterior:
    """Return the posterior of a model given a journal.

    Args:
        model: the forward model; its priors are used as they are.
        journal: the bins. Bins that are not learnt are left out.
        keep: (n, c) in the model's order of detectors: which counts to use; all
            where left out.
        change: (n,) load of the parameter ``change`` in each bin: 1 where the
            activity may have changed by it; 0 everywhere where left out.
        start: an earlier posterior of the same model, to begin at.
    """
    seen = model.seen_table(journal)
    seen[~journal.is_learnt, :, 0] = np.nan
    if keep is not None:
        seen[:, :, 0] = np.where(keep, seen[:, :, 0], np.nan)
    term = model.term_table(journal.origin_ns)
    channel = model.channel_table()
    row = model.row_table(journal, change)
    place, n_segments, n_knots = _place(model, journal)
    precision = _precision(model, journal, n_segments, n_knots)
    parameters = _start(precision.shape[0], n_segments, start)
    covariance = np.empty_like(precision)
    steps = kernels.find_mode(
        term, channel, row, seen, place, precision, parameters, covariance
    )
    shown = np.full((len(journal), len(model.channels), 3), np.nan)
    loss = kernels.misfit(term, channel, row, seen, place, parameters, shown)
    return Posterior(
        model=model,
        origin_ns=journal.origin_ns,
        mean=parameters,
        covariance=covariance,
        precision=precision,
        n_segments=n_segments,
        steps=int(steps),
        residuals=shown[:, :, 0],
        expected=shown[:, :, 1],
        paralysis=shown[:, :, 2],
        log_loss=float(loss),
    )


def spread(
    model: ForwardModel, journal: Journal, *, change: Floats | None = None
) -> Floats:
    """Return the covariance that the counts should give, (p, p), looking at none.

    It is the inverse of the expected information at the papers' values, with the
    live times and covariates of the journal: what could be noticed, before the fact.
    Which counts there are is looked at, what they are is not.

    Args:
        model: the forward model.
        journal: the bins.
        change: (n,) as in :func:`fit`.
    """
    seen = model.seen_table(journal)
    seen[~journal.is_learnt, :, 0] = np.nan
    seen[:, :, 0] = np.where(np.isnan(seen[:, :, 0]), np.nan, 0.0)
    place, n_segments, n_knots = _place(model, journal)
    precision = _precision(model, journal, n_segments, n_knots)
    papers = np.zeros(precision.shape[0])
    information = precision.copy()
    kernels.score(
        model.term_table(journal.origin_ns),
        model.channel_table(),
        model.row_table(journal, change),
        seen,
        place,
        papers,
        np.zeros_like(papers),
        information,
    )
    covariance = np.empty_like(precision)
    factor = np.zeros_like(precision)
    kernels.factorise(information, factor)
    kernels.invert(factor, covariance)
    return covariance


def _place(model: ForwardModel, journal: Journal) -> tuple[Floats, int, int]:
    """Return where each bin finds displacement and background; how many of each."""
    place = np.zeros((len(journal), 3))
    if not len(journal):
        return place, 1, 1
    segment = np.cumsum(journal.is_shocked) - journal.is_shocked[0]
    n_segments = int(segment[-1]) + 1
    middle_s = journal.begin_s + 0.5 * journal.width_s
    knot_s = model.priors.background_knot_s
    along = (middle_s - journal.begin_s[0]) / knot_s
    lower: Floats = np.floor(along)
    n_knots = int(lower[-1]) + (2 if along[-1] > lower[-1] else 1)
    place[:, 0] = N_COMMON + segment
    place[:, 1] = N_COMMON + n_segments + lower
    place[:, 2] = along - lower
    return place, n_segments, n_knots


def _precision(
    model: ForwardModel, journal: Journal, n_segments: int, n_knots: int
) -> Floats:
    """Return the inverse covariance a priori, (p, p)."""
    priors = model.priors
    p = N_COMMON + n_segments + n_knots
    found = np.zeros((p, p))
    common = np.arange(N_COMMON)
    found[common, common] = model.common_sd() ** -2.0
    first_u_mm = priors.displacement_u_mm
    if len(journal) and journal.is_shocked[0]:
        first_u_mm = float(np.hypot(first_u_mm, priors.shock_u_mm))
    _walk(found, N_COMMON, first_u_mm, np.full(n_segments - 1, priors.shock_u_mm))
    steps = np.full(n_knots - 1, priors.background_walk_u_log)
    _walk(found, N_COMMON + n_segments, priors.background_u_log, steps)
    return found


def _walk(precision: Floats, first: int, u: float, steps: Floats) -> None:
    """Add a random walk: the first by itself, each other by its step."""
    precision[first, first] += u**-2.0
    for i, step in enumerate(steps, start=first):
        weight = step**-2.0
        precision[i, i] += weight
        precision[i + 1, i + 1] += weight
        precision[i, i + 1] -= weight
        precision[i + 1, i] -= weight


def _start(p: int, n_segments: int, start: Posterior | None) -> Floats:
    """Return where the search begins: at an earlier mode as far as it reaches."""
    found = np.zeros(p)
    if start is None:
        return found
    found[:N_COMMON] = start.mean[:N_COMMON]
    old = start.mean[N_COMMON : N_COMMON + start.n_segments]
    n = min(n_segments, old.size)
    found[N_COMMON : N_COMMON + n] = old[:n]
    knots = start.mean[N_COMMON + start.n_segments :]
    n = min(knots.size, p - N_COMMON - n_segments)
    first = N_COMMON + n_segments
    found[first : first + n] = knots[:n]
    found[first + n :] = knots[n - 1]
    return found


def _norm(part: Floats, precision: Floats) -> float:
    return math.sqrt(max(float(part @ precision @ part), 0.0))


def _mean_square(residuals: Floats) -> Floats:
    count = (~np.isnan(residuals)).sum(0)
    total = np.nansum(residuals**2, axis=0)
    found: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found
