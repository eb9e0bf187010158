"""Mean kinetic temperature: the one temperature that ages a product as much.

    T_K = (dH/R) / -ln( sum_i w_i exp(-dH / (R T_i)) / sum_i w_i )

with the time for which each value stood as its weight w. The exponentials are taken
relative to 20 degC, so that the sums stay near the time itself: two numbers are exact
for any number of values. Information only: no release rests on it.

Source: USP <1160>; dH = 83.144 kJ/mol, R = 8.3144e-3 kJ/(mol K).
"""

import math
from typing import Final

import msgspec

from schemas.units import NS_PER_S

DH_PER_R_K: Final = 83.144 / 8.3144e-3
ZERO_C_K: Final = 273.15
_REFERENCE_K: Final = ZERO_C_K + 20.0
BUCKET_NS: Final = 600 * NS_PER_S
BUCKETS_PER_DAY: Final = 144


def _ageing(temperature_c: float) -> float:
    """Rate of ageing relative to 20 degC."""
    kelvin = temperature_c + ZERO_C_K
    return math.exp(DH_PER_R_K * (1.0 / _REFERENCE_K - 1.0 / kelvin))


def _temperature_c(ageing: float) -> float:
    return 1.0 / (1.0 / _REFERENCE_K - math.log(ageing) / DH_PER_R_K) - ZERO_C_K


class KineticMean(msgspec.Struct):
    """The mean over everything that was added."""

    aged_s: float = 0.0
    seconds: float = 0.0

    def add(self, temperature_c: float, seconds: float) -> None:
        """Add a temperature that stood for some time, above -273.15 degC."""
        self.aged_s += _ageing(temperature_c) * seconds
        self.seconds += seconds

    @property
    def temperature_c(self) -> float | None:
        """The mean kinetic temperature; absent while nothing was added."""
        if self.seconds <= 0.0:
            return None
        return _temperature_c(self.aged_s / self.seconds)


class WorstDay(msgspec.Struct):
    """The highest mean of any 24 h, which move on in steps of ten minutes.

    Of a trip shorter than a day it is the mean of the trip.
    """

    buckets: list[KineticMean] = msgspec.field(default_factory=list)
    began_at_ns: int | None = None
    worst_c: float | None = None

    def add(self, at_ns: int, temperature_c: float, seconds: float) -> None:
        """Add a temperature that stood until ``at_ns`` of any clock that only grows."""
        if self.began_at_ns is None:
            self.began_at_ns = at_ns
        while not self.buckets or at_ns - self.began_at_ns >= BUCKET_NS:
            self._move_on(at_ns)
        self.buckets[-1].add(temperature_c, seconds)

    @property
    def temperature_c(self) -> float | None:
        """The worst mean so far."""
        here = self._here()
        known = [value for value in (self.worst_c, here) if value is not None]
        if self.worst_c is None or len(self.buckets) >= BUCKETS_PER_DAY:
            return max(known, default=None)
        return self.worst_c

    def _move_on(self, at_ns: int) -> None:
        if self.buckets and self.began_at_ns is not None:
            self.began_at_ns += BUCKET_NS
        if len(self.buckets) >= BUCKETS_PER_DAY:
            here = self._here()
            if here is not None:
                self.worst_c = here if self.worst_c is None else max(here, self.worst_c)
            del self.buckets[0]
        if at_ns - (self.began_at_ns or 0) > BUCKETS_PER_DAY * BUCKET_NS:
            # After a gap of days nothing is left of the window.
            self.began_at_ns, self.buckets = at_ns, []
        self.buckets.append(KineticMean())

    def _here(self) -> float | None:
        total = KineticMean(
            sum(bucket.aged_s for bucket in self.buckets),
            sum(bucket.seconds for bucket in self.buckets),
        )
        return total.temperature_c
