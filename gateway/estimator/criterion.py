"""Measured over expected dose rate since the dispatch fingerprint, by detector.

Type A packages must keep the rise of the dose rate at their surface within 20 % in
the tests of normal transport (SSR-6, para 648). So a net rate above 1.20 times the
expected one, at any detector, is the design criterion exceeded; a significant rise
below it is told too. Expected is what this trip's loaded fingerprint saw, decayed:

    R = (N / t - B) / ((N0 / t0 - B0) D)
    u_R^2 = [ (N + 1) / t^2 + u_B^2 + R^2 D^2 ((N0 + 1) / t0^2 + u_B^2) ] / S^2
            + R^2 [ (u_kappa dT)^2 + (k u_s)^2 ]

with S the expected net rate and D the decay of what this detector sees, impurities
and progeny in their own time; dT the detector's change of temperature, whose known
part is taken out, and k u_s what a vial that sits u_s elsewhere changes. Gain,
geometry and certificate cancel. The background may differ from place to place by its
own uncertainty; its cosmic part follows the barometer. Only the fingerprinted attitude
is judged: in another the liquid has moved.
Where the expected net rate does not stand out of the background nothing is said.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from gateway.estimator.container import ContainerModel, Detector, Role, angle_deg
from gateway.estimator.expected import source_rate_per_s
from schemas.contents import Contents
from schemas.findings import DoseRatio
from schemas.records import DetectorSummary, Fingerprint, Report
from schemas.units import NS_PER_S

CRITERION: Final = 1.20
# A rise is significant beyond three u of everything, and beyond this many of the
# counts: they are tested every minute, three would be a false alarm every other trip.
SIGNIFICANT: Final = 3.0
SIGNIFICANT_COUNTS: Final = 4.5
# The expected net rate must be this many u above nothing to be a yardstick.
YARDSTICK: Final = 5.0
WINDOW_NS: Final = 600 * NS_PER_S
SEA_LEVEL_HPA: Final = 1013.25
COSMIC_SCALE_HPA: Final = 135.0
# Where a detector does not say how warm it is (k = 1).
UNKNOWN_DRIFT_K: Final = 10.0


@dataclass(frozen=True, slots=True)
class Judged:
    """One detector's ratio, and what it amounts to.

    Where the expected rate is no ``is_yardstick``, only the excess over it counts.
    """

    ratio: DoseRatio
    is_yardstick: bool
    is_exceeded: bool
    is_raised: bool
    is_lowered: bool
    excess_per_s: float


@dataclass(frozen=True, slots=True)
class _Rate:
    """A net rate; counts are drawn anew every minute, the background stays a while."""

    per_s: float
    u_counts: float
    u_background: float

    @property
    def u(self) -> float:
        return math.hypot(self.u_counts, self.u_background)


class DoseCriterion:
    """Compares the reports of one shipment with its loaded fingerprint."""

    def __init__(self, model: ContainerModel) -> None:
        self._model = model
        self._contents: Contents | None = None
        self._loaded: Fingerprint | None = None
        self._reports: deque[Report] = deque()

    def follow(self, contents: Contents | None, loaded: Fingerprint | None) -> None:
        """Follow a vial from now on, or none; ``loaded`` is of an earlier boot."""
        self._contents, self._loaded = contents, loaded
        self._reports.clear()

    def take_fingerprint(self, loaded: Fingerprint) -> None:
        """Take the loaded step of this trip's fingerprint."""
        self._loaded = loaded
        self._reports.clear()

    def take(self, report: Report) -> list[Judged] | None:
        """Take a closed interval; return what the last minutes amount to.

        None: nothing can be judged now, by attitude, flight, clock or fingerprint.
        """
        decay_from = self._decay_from(report)
        if decay_from is None:
            self._reports.clear()
            return None
        self._reports.append(report)
        oldest_ns = report.to_boot_ns - WINDOW_NS
        while self._reports[0].from_boot_ns < min(oldest_ns, report.from_boot_ns):
            self._reports.popleft()
        found = [self._judge(d, *decay_from) for d in self._model.detectors]
        return [judged for judged in found if judged is not None]

    def _decay_from(self, report: Report) -> tuple[Contents, Fingerprint, int] | None:
        loaded, contents, at = self._loaded, self._contents, report.conditions
        if contents is None or loaded is None or loaded.conditions is None:
            return None
        if at is None or at.is_airborne or not at.is_loaded:
            return None
        first_ns = loaded.conditions.utc_minus_boot_ns
        offset_ns = at.utc_minus_boot_ns
        if first_ns is None or offset_ns is None:
            return None
        if report.attitude is not None and loaded.attitude is not None:
            tilt_deg = angle_deg(loaded.attitude, report.attitude)
            if tilt_deg > self._model.attitude_tolerance_deg:
                return None
        return contents, loaded, offset_ns

    def _judge(
        self,
        detector: Detector,
        contents: Contents,
        loaded: Fingerprint,
        offset_ns: int,
    ) -> Judged | None:
        first = _of(detector.sensor, loaded.detectors)
        counts, live_s, background = self._measured(detector)
        decay = self._decay(detector, contents, loaded, offset_ns)
        if first is None or decay is None or min(live_s, first.live_time_ns) <= 0:
            return None
        drift_k, first_s = self._drift_k(detector, first), first.live_time_ns / NS_PER_S
        decay *= 1.0 + detector.temperature_coefficient_per_k * drift_k
        u_b = detector.background_rate_u_per_s
        net = _Rate(counts / live_s - background, math.sqrt(counts + 1) / live_s, u_b)
        there = _background(detector, loaded.pressure_hpa)
        expected = _Rate(
            (first.counts / first_s - there) * decay,
            math.sqrt(first.counts + 1) / first_s * decay,
            u_b * decay,
        )
        moved = detector.displacement_per_mm * self._model.displacement_u_mm
        drifted = detector.temperature_coefficient_u_per_k * drift_k
        begin, end = self._reports[0].from_boot_ns, self._reports[-1].to_boot_ns
        return _compared(
            DoseRatio(detector.sensor, 1.0, 1.0, begin, end),
            net,
            expected,
            math.hypot(moved, drifted),
        )

    def _decay(
        self,
        detector: Detector,
        contents: Contents,
        loaded: Fingerprint,
        offset_ns: int,
    ) -> float | None:
        """Return what is left of the signal since the fingerprint; None for none."""
        at = loaded.conditions
        middle_ns = (loaded.from_boot_ns + loaded.to_boot_ns) // 2
        first_ns = middle_ns + ((at.utc_minus_boot_ns if at else None) or 0)
        begin, end = self._reports[0].from_boot_ns, self._reports[-1].to_boot_ns
        ages_s = [
            (instant_ns - contents.reference_at_ns) / NS_PER_S
            for instant_ns in (first_ns, (begin + end) // 2 + offset_ns)
        ]
        before, now = (source_rate_per_s(detector, contents, age) for age in ages_s)
        return now / before if before > 0.0 else None

    def _drift_k(self, detector: Detector, first: DetectorSummary) -> float:
        """Return how much warmer the detector is than it was at the fingerprint."""
        seen = [_of(detector.sensor, report.detectors) for report in self._reports]
        known = [one.temperature_c for one in seen if one is not None]
        warm = [value for value in known if value is not None]
        if first.temperature_c is None or not warm:
            return UNKNOWN_DRIFT_K
        return math.fsum(warm) / len(warm) - first.temperature_c

    def _measured(self, detector: Detector) -> tuple[int, float, float]:
        """Return counts, live time and mean background rate of the window."""
        counts, live_s, weighted = 0, 0.0, 0.0
        for report in self._reports:
            found = _of(detector.sensor, report.detectors)
            if found is None:
                continue
            seconds = found.live_time_ns / NS_PER_S
            counts, live_s = counts + found.counts, live_s + seconds
            weighted += seconds * _background(detector, _pressure_hpa(report))
        return counts, live_s, weighted / live_s if live_s else 0.0


def is_neighbour(model: ContainerModel, found: list[Judged]) -> bool:
    """Say whether an outward detector rose so much that a neighbour explains it all."""
    outward = {d.sensor for d in model.detectors if d.role is Role.REFERENCE}
    rises = [j for j in found if j.is_raised]
    inward = [j.excess_per_s for j in rises if j.ratio.sensor not in outward]
    outside = [j.excess_per_s for j in rises if j.ratio.sensor in outward]
    return bool(outside) and max(outside) >= max(inward, default=0.0)


def _compared(
    word: DoseRatio, net: _Rate, expected: _Rate, own_u_ratio: float
) -> Judged:
    """Return what a net rate amounts to; ``own_u_ratio`` is of the detector."""
    excess = net.per_s - expected.per_s
    by_counts = math.hypot(net.u_counts, expected.u_counts)
    own = own_u_ratio * max(net.per_s, expected.per_s)
    u = math.hypot(by_counts, net.u_background, expected.u_background, own)
    least = max(SIGNIFICANT * u, SIGNIFICANT_COUNTS * by_counts)
    is_yardstick = expected.per_s >= YARDSTICK * expected.u
    if is_yardstick:
        ratio = net.per_s / expected.per_s
        spread = math.hypot(net.u, ratio * expected.u) / expected.per_s
        ratio_u = math.hypot(spread, ratio * own_u_ratio)
        word = DoseRatio(
            word.sensor, ratio, ratio_u, word.from_boot_ns, word.to_boot_ns
        )
    is_raised = excess > least
    return Judged(
        ratio=word,
        is_yardstick=is_yardstick,
        is_exceeded=is_yardstick and is_raised and word.ratio > CRITERION,
        is_raised=is_raised,
        is_lowered=is_yardstick and -excess > least,
        excess_per_s=excess,
    )


def _of(sensor: str, found: tuple[DetectorSummary, ...]) -> DetectorSummary | None:
    return next((one for one in found if one.sensor == sensor), None)


def _pressure_hpa(report: Report) -> float | None:
    means = [one.mean for one in report.sensors if one.quantity == "pressure_hpa"]
    return means[0] if means else None


def _background(detector: Detector, hpa: float | None) -> float:
    if hpa is None:
        return detector.background_rate_per_s
    growth = math.exp((SEA_LEVEL_HPA - hpa) / COSMIC_SCALE_HPA)
    return detector.background_rate_per_s + detector.cosmic_rate_per_s * (growth - 1.0)
