"""Counting tubes: what differs from the nominal, dead time, and the statistics.

After a count a tube is blind for ``fixed_s`` whatever comes, and then until nothing
has come for ``prolonged_s``: a hybrid of the two textbook tubes. Up to ten minutes
counts are drawn one by one; longer intervals come from the renewal normal law.

With x = n prolonged_s, a gap between counts has (Laplace transform, both tubes)::

    mean      mu  = fixed_s + exp(x) / n
    variance  s^2 = (exp(2x) - 2 x exp(x)) / n^2

and the counts in T, a count having just been made, have mean
T/mu + (s^2/mu^2 - 1)/2 and variance T s^2/mu^3.

Source: Lee and Gardner (2000), Appl. Radiat. Isot. 53, 731 (hybrid model); Cox,
Renewal Theory (1962), section 4 (asymptotic moments).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.nuclear import Floats
from firmware_sim.randomness import stream
from firmware_sim.scenario import Container

ONE_BY_ONE_UP_TO_S: Final = 600.0
REFERENCE_TEMPERATURE_C: Final = 25.0
US_PER_S: Final = 1e6
# Counts drawn at once; a burst of screening stays within a few megabytes.
_CHUNK: Final = 200_000


@dataclass(frozen=True, slots=True)
class DeadTime:
    """Blindness after a count, seconds."""

    fixed_s: float
    prolonged_s: float = 0.0

    def gap_moments(self, rate_per_s: Floats) -> tuple[Floats, Floats]:
        """Return mean (s) and variance (s2) of the time between counts, any shape."""
        x = rate_per_s * self.prolonged_s
        mean_s = self.fixed_s + np.exp(x) / rate_per_s
        variance_s2 = (np.exp(2 * x) - 2 * x * np.exp(x)) / rate_per_s**2
        return np.asarray(mean_s), np.asarray(variance_s2)

    def count_moments(
        self, rate_per_s: Floats, seconds: float
    ) -> tuple[Floats, Floats]:
        """Return mean and variance of the counts in ``seconds``, many gaps long."""
        mean_s, variance_s2 = self.gap_moments(rate_per_s)
        scatter = variance_s2 / mean_s**2
        mean = seconds / mean_s
        return mean + (scatter - 1.0) / 2, scatter * mean


@dataclass(frozen=True, slots=True)
class TubeTruth:
    """One real tube: factors on the nominal, unknown to everybody else."""

    sensitivity: float
    dead_time: DeadTime
    temperature_per_k: float

    def rate_per_s(self, nominal_per_s: float, temperature_c: float) -> float:
        """Return the true rate of this tube where the nominal one has another."""
        drift = self.temperature_per_k * (temperature_c - REFERENCE_TEMPERATURE_C)
        return float(nominal_per_s * self.sensitivity * np.exp(drift))


def draw_tubes(container: Container, seed: int) -> list[TubeTruth]:
    """Draw one tube per detector from the container's spread."""
    rng, together = stream(seed, "tubes"), stream(seed, "apertures")
    spread = container.spread
    common = spread.common_ratio * float(together.standard_normal())
    tubes = []
    for detector in container.detectors:
        own = spread.sensitivity_ratio * float(rng.standard_normal())
        tau_s = detector.dead_time_us / US_PER_S
        tau_s *= float(np.exp(spread.dead_time_ratio * rng.standard_normal()))
        prolonged_s = spread.paralysable_ratio * tau_s
        tubes.append(
            TubeTruth(
                sensitivity=float(np.exp(own + common * bool(detector.aperture_mm))),
                dead_time=DeadTime(tau_s - prolonged_s, prolonged_s),
                temperature_per_k=spread.temperature_per_k
                * float(rng.standard_normal()),
            )
        )
    return tubes


class CountingTube:
    """Draw the counts of one tube, interval after interval."""

    def __init__(self, dead_time: DeadTime, rng: np.random.Generator) -> None:
        self._dead_time = dead_time
        self._rng = rng
        self._blind_s = 0.0

    def counts(self, rate_per_s: float, seconds: float) -> int:
        """Return the counts in the next interval at a constant true rate."""
        if rate_per_s <= 0.0:
            self._blind_s = max(0.0, self._blind_s - seconds)
            return 0
        if seconds <= ONE_BY_ONE_UP_TO_S:
            return self._one_by_one(rate_per_s, seconds)
        return self._by_renewal_law(rate_per_s, seconds)

    def _one_by_one(self, rate_per_s: float, seconds: float) -> int:
        at_s, counts = self._blind_s, 0
        while True:
            left = max(seconds - at_s, 0.0) * rate_per_s
            size = min(int(left + 4 * left**0.5 + 10), _CHUNK)
            waits = self._rng.exponential(1.0 / rate_per_s, size)
            blind = self._blindness(rate_per_s, size)
            # ends[k] is when the tube sees again after count k.
            ends = at_s + np.cumsum(waits + blind)
            inside = int(np.searchsorted(ends - blind, seconds))
            counts += inside
            at_s = float(ends[inside - 1]) if inside else at_s
            if inside < size:
                self._blind_s = max(0.0, at_s - seconds)
                return counts

    def _blindness(self, rate_per_s: float, size: int) -> Floats:
        """Return (size,) seconds of blindness after as many counts."""
        fixed_s, prolonged_s = self._dead_time.fixed_s, self._dead_time.prolonged_s
        blind = np.full(size, fixed_s + prolonged_s)
        if prolonged_s:
            # Each further particle within prolonged_s starts that time anew.
            free = float(np.exp(-rate_per_s * prolonged_s))
            again = self._rng.geometric(free, size) - 1
            uniform = self._rng.random(int(again.sum()))
            added = -np.log1p(-uniform * (1.0 - free)) / rate_per_s
            np.add.at(blind, np.repeat(np.arange(size), again), added)
        return blind

    def _by_renewal_law(self, rate_per_s: float, seconds: float) -> int:
        mean, variance = self._dead_time.count_moments(np.array(rate_per_s), seconds)
        drawn = round(float(self._rng.normal(mean, variance**0.5)))
        self._blind_s = 0.0
        return int(np.clip(drawn, 0, seconds / self._dead_time.fixed_s))
