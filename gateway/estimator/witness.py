"""The detectors as witness: do they agree with certificate and decay?

For each package detector the net counts of a window are compared with what the
container model expects of the certified activity. The ratio of the two, combined
over the detectors, is 1 within its uncertainty when all is as the papers say. The
witness also says how large an error it would have noticed (k = 2); where even a
missing dose would not be noticed, the answer is "not observable".

    r_i = (N_i - B_i) / S_i
    u_i^2 = c_i^2 + b_i^2 + g_i^2 + k_i^2 + d_i^2 + m_i^2
    c_i = sqrt(S_i + B_i) / S_i    counts, as expected
    b_i = t_i u_b / S_i            background
    g_i                            gain of the nuclides, weighted by what each gives
    k_i                            temperature: coefficient, and the unknown one
    d_i = N_i / t_i u_tau          dead time
    m_i                            impurity ratios of the certificate
    ratio = sum(w_i r_i) with w_i = u_i^-2 / sum(u_j^-2)
    u^2 = sum((w_i c_i)^2) + sum over b, g, k, d, m of (sum(w_i x_i))^2 + u_cert^2

Only the counts are independent between detectors: the wall of the pot, the place of
the vial, masonry, a method of calibration and a certificate are common to all, so
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
from schemas.contents import Contents
from schemas.estimates import WITNESS_METHOD, Witness, WitnessVerdict
from schemas.nuclides import decay_factor, nuclide
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
    u_counts: float
    u_common: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return (self.counts - self.background) / self.source

    @property
    def u_ratio(self) -> float:
        return math.hypot(self.u_counts, *self.u_common)


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
            return self._silent(contents, "no detector can see the vial")
        weights = _weights(sums)
        pairs = list(zip(weights, sums, strict=True))
        ratio = math.fsum(w * found.ratio for w, found in pairs)
        u_ratio = math.hypot(_combined_u(pairs), contents.activity_u_ratio)
        noticeable = COVERAGE_FACTOR * u_ratio
        if noticeable > NOT_OBSERVABLE_ABOVE:
            return self._silent(contents, "the source is lost in the background")
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
        )

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
        sensitivity = detector.sensitivity(contents.nuclide)
        if not bins or sensitivity is None:
            return None
        rates, constants = _source_rates(detector, contents)
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
        return _budget(detector, contents, bins, out, origin_ns)


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
    contents: Contents,
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
    u_gain, u_impurity = _gain_u(detector, contents, middle_ns / NS_PER_S)
    u_kappa = detector.temperature_coefficient_u_per_k
    common = (
        live_s * detector.background_rate_u_per_s / source,
        u_gain,
        math.hypot(math.hypot(drift_k, drift_u_k) * u_kappa, kappa * drift_u_k),
        counts / live_s * detector.dead_time_u_s,
        u_impurity,
    )
    u_counts = math.sqrt(source + max(background, 0.0)) / source
    return _Sums(counts, source, background, live_s, u_counts, common)


def _weights(sums: list[_Sums]) -> list[float]:
    raw = [found.u_ratio**-2 for found in sums]
    total = math.fsum(raw)
    return [weight / total for weight in raw]


def _combined_u(pairs: list[tuple[float, _Sums]]) -> float:
    common = zip(*(found.u_common for _w, found in pairs), strict=True)
    weights = [w for w, _found in pairs]
    return math.hypot(
        *(w * found.u_counts for w, found in pairs),
        *(math.fsum(map(mul, weights, share)) for share in common),
    )


def _gain_u(
    detector: Detector, contents: Contents, age_s: float
) -> tuple[float, float]:
    """Return the relative uncertainty of the source counts: by gain, by impurity.

    The gains of two nuclides share the wall that both shine through.
    """
    main = detector.sensitivity(contents.nuclide)
    shares = [] if main is None else [(contents.nuclide, 1.0, 0.0, main)]
    for found in contents.impurities:
        sensitivity = detector.sensitivity(found.nuclide)
        if sensitivity is not None:
            ratio, u_ratio = found.activity_ratio, found.activity_ratio_u
            shares.append((found.nuclide, ratio, u_ratio, sensitivity))
    total, by_gain, by_ratio = 0.0, 0.0, 0.0
    for name, ratio, u_ratio, sensitivity in shares:
        left = decay_factor(nuclide(name).half_life_s, age_s)
        total += left * ratio * sensitivity.count_rate_per_s_gbq
        by_gain += left * ratio * sensitivity.count_rate_u_per_s_gbq
        by_ratio = math.hypot(
            by_ratio, left * u_ratio * sensitivity.count_rate_per_s_gbq
        )
    return by_gain / total, by_ratio / total


def _source_rates(
    detector: Detector, contents: Contents
) -> tuple[kernels.Floats, kernels.Floats]:
    shares = [(contents.nuclide, 1.0)]
    shares += [(i.nuclide, i.activity_ratio) for i in contents.impurities]
    rates, constants = [], []
    for name, share in shares:
        sensitivity = detector.sensitivity(name)
        if sensitivity is not None:
            activity_gbq = contents.activity_gbq * share
            rates.append(activity_gbq * sensitivity.count_rate_per_s_gbq)
            constants.append(nuclide(name).decay_constant_per_s)
    return np.array(rates), np.array(constants)


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
