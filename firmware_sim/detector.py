"""Counting tubes: what differs from the nominal, dead time, and the statistics.

A non-paralysable tube at true rate n is blind for tau after every count, so the
gap between counts is tau plus an exponential of mean 1/n. Few counts are drawn gap
by gap; many come from the renewal normal law with mean nT/(1 + n tau) and variance
nT/(1 + n tau)^3.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.randomness import stream
from firmware_sim.scenario import Container

# Above this many expected counts the normal law is drawn; its skewness is then
# below 1/40 of a standard deviation.
GAP_BY_GAP_BELOW: Final = 2000.0
REFERENCE_TEMPERATURE_C: Final = 25.0
US_PER_S: Final = 1e6


@dataclass(frozen=True, slots=True)
class TubeTruth:
    """One real tube: factors on the nominal, unknown to everybody else."""

    sensitivity: float
    dead_time_s: float
    temperature_per_k: float

    def rate_per_s(self, nominal_per_s: float, temperature_c: float) -> float:
        """Return the true rate of this tube where the nominal one has another."""
        drift = self.temperature_per_k * (temperature_c - REFERENCE_TEMPERATURE_C)
        return float(nominal_per_s * self.sensitivity * np.exp(drift))


def draw_tubes(container: Container, seed: int) -> list[TubeTruth]:
    """Draw one tube per detector from the container's spread."""
    rng = stream(seed, "tubes")
    spread = container.spread
    return [
        TubeTruth(
            sensitivity=float(np.exp(spread.sensitivity_ratio * rng.standard_normal())),
            dead_time_s=detector.dead_time_us
            / US_PER_S
            * float(np.exp(spread.dead_time_ratio * rng.standard_normal())),
            temperature_per_k=spread.temperature_per_k * float(rng.standard_normal()),
        )
        for detector in container.detectors
    ]


class CountingTube:
    """Draw the counts of one tube, interval after interval."""

    def __init__(self, dead_time_s: float, rng: np.random.Generator) -> None:
        self._dead_time_s = dead_time_s
        self._rng = rng
        self._blind_s = 0.0

    def counts(self, rate_per_s: float, seconds: float) -> int:
        """Return the counts in the next interval at a constant true rate."""
        if rate_per_s <= 0.0:
            self._blind_s = max(0.0, self._blind_s - seconds)
            return 0
        if rate_per_s * seconds < GAP_BY_GAP_BELOW:
            return self._by_gaps(rate_per_s, seconds)
        return self._by_renewal_law(rate_per_s, seconds)

    def _by_gaps(self, rate_per_s: float, seconds: float) -> int:
        expected = rate_per_s * seconds
        at_s, counts = self._blind_s, 0
        while True:
            gaps = self._rng.exponential(1.0 / rate_per_s, int(expected + 10))
            ends = at_s + np.cumsum(gaps + self._dead_time_s)
            # ends[k] is when the tube sees again after count k.
            inside = int(np.searchsorted(ends - self._dead_time_s, seconds))
            counts += inside
            at_s = float(ends[inside - 1]) if inside else at_s
            if inside < len(gaps):
                self._blind_s = max(0.0, at_s - seconds)
                return counts

    def _by_renewal_law(self, rate_per_s: float, seconds: float) -> int:
        loaded = 1.0 + rate_per_s * self._dead_time_s
        mean = rate_per_s * seconds / loaded
        deviation = (mean / loaded**2) ** 0.5
        drawn = round(self._rng.normal(mean, deviation))
        self._blind_s = 0.0
        return int(np.clip(drawn, 0, seconds / self._dead_time_s))
