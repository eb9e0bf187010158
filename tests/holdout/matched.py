"""The published forward model with a drawn truth, in numpy and nothing else.

It shares no code and no number with the estimator: constants and equations are those
of the physics page, written out again. Where the estimator's model is right, its
numbers must follow this truth as closely as any could (:mod:`tests.holdout.bound`).

    A     = A_c exp(a) [ D(t) + m r exp(rho) D_m(t) ]          averaged over the bin
    n_i   = G A exp(g +- d + kappa (T - 25)/10 +- k1 s + k2 s^2) + B_i
    n_o   = A_c exp(a + l) [ q D(t) + q_m r exp(rho) D_m(t) ] + B_o
    B     = t exp(b(t)) + c exp(c') h(altitude)
    m     = n w / (1 + n tau),    var = m / (1 + n tau)^2
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY_S: Final = 86_400.0
HOUR_S: Final = 3600.0
KNOT_S: Final = 3 * HOUR_S
REFERENCE_C: Final = 25.0

# Parameters of the truth, in the order of every vector; knots of the background follow.
PARAMETERS: Final = (
    "activity",
    "common gain",
    "differential gain",
    "temperature",
    "dead time",
    "impurity",
    "leak",
    "cosmic",
    "half-life",
    "displacement",
)
ACTIVITY, COMMON, DIFFERENTIAL, KAPPA, DEAD, IMPURITY, LEAK, COSMIC, LIFE, SHIFT = (
    range(len(PARAMETERS))
)


@dataclass(frozen=True, slots=True)
class Design:
    """Constants of the pot and standard deviations of what is not known of it.

    Two inner detectors of ``gain`` each and one outer; rates are 1/s, 1/s per GBq.
    """

    gain: float = 60.0
    activity_gbq: float = 7.4
    half_life_s: float = 6.6443 * DAY_S
    impurity_half_life_s: float = 160.4 * DAY_S
    impurity_signal: float = 0.0029
    outer_gain: float = 0.0063
    outer_impurity_gain: float = 0.0045
    terrestrial: tuple[float, float, float] = (0.195, 0.195, 0.2275)
    cosmic: tuple[float, float, float] = (0.105, 0.105, 0.1225)
    per_mm: float = 0.02
    per_mm2: float = 0.0003
    dead_time_s: float = 190e-6
    certificate_u: float = 0.025
    common_u: float = 0.012
    differential_u: float = 0.006
    kappa_u: float = 0.003
    dead_time_u: float = 0.03
    impurity_u_log: float = 0.7
    leak_u: float = 0.20
    cosmic_u_log: float = 0.10
    half_life_u: float = 0.0009 / 6.6443
    displacement_u_mm: float = 1.0
    background_u_log: float = 0.4
    walk_u_log: float = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """When counts are taken, in what air; all (n,), seconds after calibration."""

    begin_s: Floats
    width_s: Floats
    temperature_c: Floats
    altitude_m: Floats

    @property
    def lasts_s(self) -> float:
        """Length of the whole."""
        return float(self.begin_s[-1] + self.width_s[-1] - self.begin_s[0])


def bins(hours: float, width_s: float, flight_h: tuple[float, float] | None) -> Bins:
    """Return bins that begin six hours after calibration.

    Args:
        hours: length of the journey.
        width_s: width of a bin.
        flight_h: begin and end of a flight, hours into the journey; half an hour of
            climb and as much of descent are part of it.
    """
    count = round(hours * HOUR_S / width_s)
    at_s = width_s * np.arange(count, dtype=np.float64)
    at_h = (at_s + width_s / 2) / HOUR_S
    altitude_m = np.zeros(count)
    if flight_h is not None:
        climbed = np.minimum(at_h - flight_h[0], flight_h[1] - at_h) / 0.5
        altitude_m = 11_000.0 * np.clip(climbed, 0.0, 1.0)
    temperature_c = 20.0 + 6.0 * np.sin(2 * np.pi * at_h / 24.0)
    width = np.full(count, width_s)
    return Bins(6 * HOUR_S + at_s, width, temperature_c, altitude_m)


def pressure_hpa(altitude_m: Floats) -> Floats:
    """Return the pressure of the standard atmosphere below 11 km. Source: ISO 2533."""
    return np.asarray(1013.25 * (1.0 - 2.25577e-5 * altitude_m) ** 5.25588)


def cosmic_growth(altitude_m: Floats) -> Floats:
    """Return the cosmic rate over that at sea level: 71 at 11 km.

    Source: UNSCEAR 2000 Annex B, equation 2 (directly ionising), to the power 0.9 by
    which GM tubes on flights fall short of it.
    """
    z = altitude_m / 1000.0
    return np.asarray((0.21 * np.exp(-1.649 * z) + 0.79 * np.exp(0.4528 * z)) ** 0.9)


def decayed(begin_s: Floats, width_s: Floats, half_life_s: float) -> Floats:
    """Return the decay factor averaged over each bin, (n,)."""
    constant = np.log(2) / half_life_s
    passed = -np.expm1(-constant * width_s) / (constant * width_s)
    return np.asarray(np.exp(-constant * begin_s) * passed)


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """One design over some bins: priors, rates and mean counts for any parameters."""

    design: Design
    bins: Bins
    sd: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Work out the standard deviations a priori, (p,)."""
        d = self.design
        common = (
            *(d.certificate_u, d.common_u, d.differential_u, d.kappa_u, d.dead_time_u),
            *(d.impurity_u_log, d.leak_u, d.cosmic_u_log, d.half_life_u),
            *(d.displacement_u_mm, d.background_u_log),
        )
        steps = int(np.ceil(self.bins.lasts_s / KNOT_S))
        object.__setattr__(self, "sd", np.array([*common, *[d.walk_u_log] * steps]))

    def draw(self, rng: np.random.Generator) -> Floats:
        """Return (p,) parameters drawn from the priors."""
        return np.asarray(self.sd * rng.standard_normal(len(self.sd)))

    def rates(self, drawn: Floats) -> Floats:
        """Return (3, n) true count rates, 1/s, before dead time."""
        return np.asarray(self._signal(drawn) + self._background(drawn))

    def _signal(self, drawn: Floats) -> Floats:
        d, b = self.design, self.bins
        head = decayed(b.begin_s, b.width_s, d.half_life_s * np.exp(drawn[LIFE]))
        isomer = decayed(b.begin_s, b.width_s, d.impurity_half_life_s)
        isomer = isomer * np.exp(drawn[IMPURITY])
        activity = d.activity_gbq * np.exp(drawn[ACTIVITY])
        inner = d.gain * activity * (head + d.impurity_signal * isomer)
        inner = inner * np.exp(
            drawn[COMMON]
            + drawn[KAPPA] * (b.temperature_c - REFERENCE_C) / 10.0
            + d.per_mm2 * drawn[SHIFT] ** 2
        )
        lean = drawn[DIFFERENTIAL] + d.per_mm * drawn[SHIFT]
        outer = activity * (d.outer_gain * head + d.outer_impurity_gain * isomer)
        outer = outer * np.exp(drawn[LEAK])
        return np.array([inner * np.exp(lean), inner * np.exp(-lean), outer])

    def _background(self, drawn: Floats) -> Floats:
        d, b = self.design, self.bins
        knots = np.cumsum(drawn[len(PARAMETERS) :])
        places = b.begin_s[0] + KNOT_S * np.arange(len(knots))
        ground = np.exp(np.interp(b.begin_s + b.width_s / 2, places, knots))
        sky = np.exp(drawn[COSMIC]) * cosmic_growth(b.altitude_m)
        return np.outer(d.terrestrial, ground) + np.outer(d.cosmic, sky)

    def dead_time_s(self, drawn: Floats) -> float:
        """Return the true dead time."""
        return float(self.design.dead_time_s * np.exp(drawn[DEAD]))

    def mean_and_variance(self, drawn: Floats) -> tuple[Floats, Floats]:
        """Return (3, n) mean counts and their variance. Source: renewal theory."""
        rates = self.rates(drawn)
        loaded = 1.0 + rates * self.dead_time_s(drawn)
        mean = rates * self.bins.width_s / loaded
        return mean, mean / loaded**2
