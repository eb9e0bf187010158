"""The detectors as witness: do they agree with certificate and decay?

For each package detector the net counts of a window are compared with what the
container model expects of the certified activity. The ratio of the two, combined
over the detectors, is 1 within its uncertainty when all is as the papers say. The
witness also says how large an error it would have noticed (k = 2); where even a
missing dose would not be noticed, the answer is "not observable".

    r_i = (N_i - B_i) / S_i
    u_i^2 = c_i^2 + e_i^2 + b_i^2 + g_i^2 + k_i^2 + d_i^2 + m_i^2
    c_i = sqrt(S_i + B_i) / S_i    counts, as expected
    e_i, g_i                       differential and common gain of the emitters,
                                   weighted by what each gives
    b_i = t_i u_b / S_i            background
    k_i                            temperature: coefficient, and the unknown one
    d_i = N_i / t_i u_tau          dead time
    m_i                            impurity ratios of the certificate
    ratio = sum(w_i r_i) with w_i = u_i^-2 / sum(u_j^-2)
    u^2 = sum(w_i^2 (c_i^2 + e_i^2)) + u_cert^2
          + sum over b, g, k, d, m of (sum(w_i x_i))^2

Counts and differential gain are independent between detectors: the wall of the pot,
masonry, a method of calibration and a certificate are common to all, so
their shares are added as if fully correlated and never averaged away. The counts'
share is that of the expected counts: with the observed ones a detector that is low
by chance would weigh more. Source: GUM (JCGM 100:2008) sections 5.1 and 5.2.
"""

import math
from collections import deque
from dataclasses import dataclass
from operator import mul
from typing import Final

import numpy as np

from gateway.estimator import kernels
from gateway.estimator.container import ContainerModel, Detector
from gateway.estimator.expected import Term, source_terms
from schemas.contents import Contents
from schemas.estimates import WITNESS_METHOD, Witness, WitnessVerdict
from schemas.units import NS_PER_S

COVERAGE_FACTOR: Final = 2.0
# An error must be smaller than the dose itself to be called noticeable.
NOT_OBSERVABLE_ABOVE: Final = 1.0
CALIBRATION_TEMPERATURE_C: Final = 25.0
SEA_LEVEL_HPA: Final = 1013.25
# Cosmic rate grows by e for each fall of the pressure by this much near the ground.
COSMIC_SCALE_HPA: Final = 135.0
# A detector whose temperature is not known is within this of the calibration's (k = 1).
UNKNOWN_TEMPERATURE_U_K: Final = 15.0
# Beyond this n tau the correction is larger than what is counted.
SATURATED_ABOVE: Final = 0.5
# Less than one count expected in this many windows: the source has decayed.
_NO_SOURCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Bin:
    """Counts of one detector over one bin, with what bore on them."""

    sensor: str
    from_boot_ns: int
    to_boot_ns: int
    counts: int
    live_time_ns: int
    temperature_c: float | None
    pressure_hpa: float | None


@dataclass(frozen=True, slots=True)
class _Sums:
    counts: float
    source: float
    background: float
    live_s: float
    dead_time_s: float
    u_own: float
    u_common: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return (self.counts - self.background) / self.source

    @property
    def is_saturated(self) -> bool:
        """Whether the rate, as counted or as expected, is beyond the detector."""
        most = max(self.counts, self.source + self.background)
        return most / self.live_s * self.dead_time_s > SATURATED_ABOVE

    @property
    def u_ratio(self) -> float:
        return math.hypot(self.u_own, *self.u_common)


class WitnessWindow:
    """Keeps the bins of the last window and gives the witness's word on them."""

    def __init__(self, model: ContainerModel, window_ns: int) -> None:
        self._model = model
        self._window_ns = window_ns
        self._bins: deque[Bin] = deque()

    def add(self, bins: list[Bin]) -> None:
        """Take the newest bins; those that leave the window are forgotten."""
        self._bins.extend(bins)
        if self._bins:
            oldest = self._bins[-1].to_boot_ns - self._window_ns
            # The newest bin stays, also one that is longer than the window.
            newest = self._bins[-1].from_boot_ns
            while self._bins[0].from_boot_ns < min(oldest, newest):
                self._bins.popleft()

    def clear(self) -> None:
        """Forget all bins: what they saw is no longer there."""
        self._bins.clear()

    def word(self, contents: Contents, utc_minus_boot_ns: int) -> Witness:
        """Return the witness's word on the vial as certified.

        Args:
            contents: the vial as certified.
            utc_minus_boot_ns: what to add to boot time for UTC, ns.
        """
        sums = [
            found
            for detector in self._model.package_detectors
            if (found := self._sums(detector, contents, utc_minus_boot_ns)) is not None
        ]
        if not sums:
            return self._silent(contents, self._why_blind(contents))
        if any(found.is_saturated for found in sums):
            return self._silent(contents, "too much for the detectors: saturated")
        weights = _weights(sums)
        pairs = list(zip(weights, sums, strict=True))
        ratio = math.fsum(w * found.ratio for w, found in pairs)
        counted_u, u_gain = _combined_u(pairs)
        u_ratio = math.hypot(counted_u, u_gain, contents.activity_u_ratio)
        noticeable = COVERAGE_FACTOR * u_ratio
        if noticeable > NOT_OBSERVABLE_ABOVE:
            return self._silent(contents, _why_lost(sums))
        return Witness(
            vial=contents.vial,
            method=WITNESS_METHOD,
            verdict=_verdict(ratio, noticeable),
            from_boot_ns=self._bins[0].from_boot_ns,
            to_boot_ns=self._bins[-1].to_boot_ns,
            counts=int(sum(found.counts for found in sums)),
            live_time_ns=int(sum(found.live_s for found in sums) * NS_PER_S),
            ratio=ratio,
            ratio_u=u_ratio,
            noticeable_ratio=noticeable,
            expected_counts=sum(found.source + found.background for found in sums),
            counted_u=counted_u,
        )

    def _why_blind(self, contents: Contents) -> str:
        seeing = [
            detector
            for detector in self._model.package_detectors
            if source_terms(detector, contents)
        ]
        if not seeing:
            return f"nothing is seen of {contents.nuclide} in this container"
        return "no detector can see the vial"

    def _silent(self, contents: Contents, reason: str) -> Witness:
        package = {detector.sensor for detector in self._model.package_detectors}
        seen = [b for b in self._bins if b.sensor in package]
        return Witness(
            vial=contents.vial,
            method=WITNESS_METHOD,
            verdict=WitnessVerdict.NOT_OBSERVABLE,
            from_boot_ns=self._bins[0].from_boot_ns if self._bins else 0,
            to_boot_ns=self._bins[-1].to_boot_ns if self._bins else 0,
            counts=sum(b.counts for b in seen),
            live_time_ns=sum(b.live_time_ns for b in seen),
            reasons=(reason,),
        )

    def _sums(
        self, detector: Detector, contents: Contents, utc_minus_boot_ns: int
    ) -> _Sums | None:
        bins = [b for b in self._bins if b.sensor == detector.sensor and b.live_time_ns]
        terms = source_terms(detector, contents)
        if not bins or not terms:
            return None
        rates = np.array([one.rate_per_s for one in terms])
        constants = np.array([one.constant_per_s for one in terms])
        origin_ns = utc_minus_boot_ns - contents.reference_at_ns
        middle_ns = [(b.from_boot_ns + b.to_boot_ns) // 2 + origin_ns for b in bins]
        out = np.empty(3)
        kernels.expected_sums(
            np.array([b.counts for b in bins], np.float64),
            np.array([b.live_time_ns / NS_PER_S for b in bins]),
            np.array([m / NS_PER_S for m in middle_ns]),
            np.array([_background_per_s(detector, b) for b in bins]),
            rates,
            constants,
            out,
        )
        return _budget(detector, terms, bins, out, origin_ns)


def silent(
    contents: Contents, reason: str, from_boot_ns: int, to_boot_ns: int
) -> Witness:
    """Return a word on an interval that says only why nothing can be said."""
    return Witness(
        vial=contents.vial,
        method=WITNESS_METHOD,
        verdict=WitnessVerdict.NOT_OBSERVABLE,
        from_boot_ns=from_boot_ns,
        to_boot_ns=to_boot_ns,
        counts=0,
        live_time_ns=0,
        reasons=(reason,),
    )


def _budget(
    detector: Detector,
    terms: list[Term],
    bins: list[Bin],
    out: kernels.Floats,
    origin_ns: int,
) -> _Sums | None:
    """Return the sums of one detector with the shares of its uncertainty."""
    live_s = sum(b.live_time_ns for b in bins) / NS_PER_S
    drift_k, drift_u_k = _drift_k(bins)
    kappa = detector.temperature_coefficient_per_k
    source = float(out[1]) * (1.0 + kappa * drift_k)
    counts, background = float(out[0]), float(out[2])
    if not source > _NO_SOURCE:
        return None
    middle_ns = (bins[0].from_boot_ns + bins[-1].to_boot_ns) // 2 + origin_ns
    u_gain, u_own, u_impurity = _gain_u(terms, middle_ns / NS_PER_S)
    u_kappa = detector.temperature_coefficient_u_per_k
    common = (
        live_s * detector.background_rate_u_per_s / source,
        u_gain,
        math.hypot(math.hypot(drift_k, drift_u_k) * u_kappa, kappa * drift_u_k),
        counts / live_s * detector.dead_time_u_s,
        u_impurity,
    )
    u_counts = math.sqrt(source + max(background, 0.0)) / source
    own = math.hypot(u_counts, u_own)
    dead_time_s = detector.dead_time_s
    return _Sums(counts, source, background, live_s, dead_time_s, own, common)


def _why_lost(sums: list[_Sums]) -> str:
    """Return which share makes even a missing vial go unnoticed."""
    best = min(sums, key=lambda found: found.u_ratio)
    by_background, by_gain, *_rest = best.u_common
    if by_gain > math.hypot(by_background, best.u_own):
        return "the sensitivity of this container is too uncertain"
    return "the source is lost in the background"


def _weights(sums: list[_Sums]) -> list[float]:
    raw = [found.u_ratio**-2 for found in sums]
    total = math.fsum(raw)
    return [weight / total for weight in raw]


def _combined_u(pairs: list[tuple[float, _Sums]]) -> tuple[float, float]:
    """Return the u of the ratio without the common gain's share, and that share."""
    common = zip(*(found.u_common for _w, found in pairs), strict=True)
    weights = [w for w, _found in pairs]
    background, gain, *others = (math.fsum(map(mul, weights, u)) for u in common)
    own = (w * found.u_own for w, found in pairs)
    return math.hypot(background, *others, *own), gain


def _gain_u(terms: list[Term], age_s: float) -> tuple[float, float, float]:
    """Return the u of the source counts by gain, shared and own, and by impurity.

    The gains of two emitters share the wall that both shine through.
    """
    total, common, own, impurity = 0.0, 0.0, 0.0, 0.0
    for term in terms:
        rate = term.rate_per_s * math.exp(-term.constant_per_s * age_s)
        total += rate
        common += rate * term.common_u_ratio
        own += rate * term.differential_u_ratio
        impurity = math.hypot(impurity, rate * term.impurity_u_ratio)
    return common / total, own / total, impurity / total


def _background_per_s(detector: Detector, found: Bin) -> float:
    if found.pressure_hpa is None:
        return detector.background_rate_per_s
    growth = math.exp((SEA_LEVEL_HPA - found.pressure_hpa) / COSMIC_SCALE_HPA)
    return detector.background_rate_per_s + detector.cosmic_rate_per_s * (growth - 1.0)


def _drift_k(bins: list[Bin]) -> tuple[float, float]:
    """Return how far the bins were from the calibration's temperature, and its u."""
    known = [b.temperature_c for b in bins if b.temperature_c is not None]
    if not known:
        return 0.0, UNKNOWN_TEMPERATURE_U_K
    return math.fsum(known) / len(known) - CALIBRATION_TEMPERATURE_C, 0.0


def _verdict(ratio: float, noticeable: float) -> WitnessVerdict:
    if abs(ratio - 1.0) <= noticeable:
        return WitnessVerdict.AGREES
    return WitnessVerdict.LOW if ratio < 1.0 else WitnessVerdict.HIGH
