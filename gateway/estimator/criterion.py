"""Measured over expected dose rate since the dispatch fingerprint, by detector.

Type A packages must keep the rise of the dose rate at their surface within 20 % in
the tests of normal transport (SSR-6, para 648). So a net rate above 1.20 times the
expected one, at any detector, is the design criterion exceeded; a significant rise
below it is told too. Expected is what this trip's loaded fingerprint saw, decayed:

    R = (N / t - B) / ((N0 / t0 - B0) D)
    u_R^2 = [ (N + 1) / t^2 + u_B^2 + R^2 D^2 ((N0 + 1) / t0^2 + u_B^2) ] / S^2

with S the expected net rate and D the decay of what this detector sees, impurities
and progeny in their own time. Gain, geometry and certificate cancel. The background
may differ from place to place by its own uncertainty; its cosmic part follows the
barometer. Only the fingerprinted attitude is judged: in another the liquid has moved.
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
# A rise is significant beyond this many u. At one test a minute, of windows that
# overlap, three would be a false alarm every other trip.
SIGNIFICANT: Final = 4.5
# The expected net rate must be this many u above nothing to be a yardstick.
YARDSTICK: Final = 5.0
WINDOW_NS: Final = 600 * NS_PER_S
SEA_LEVEL_HPA: Final = 1013.25
COSMIC_SCALE_HPA: Final = 135.0


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
    excess_u_per_s: float


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
        at = loaded.conditions
        if first is None or live_s <= 0.0 or first.live_time_ns <= 0 or at is None:
            return None
        middle_ns = (loaded.from_boot_ns + loaded.to_boot_ns) // 2
        first_ns = middle_ns + (at.utc_minus_boot_ns or 0) - contents.reference_at_ns
        begin, end = self._reports[0].from_boot_ns, self._reports[-1].to_boot_ns
        now_ns = (begin + end) // 2 + offset_ns - contents.reference_at_ns
        before = source_rate_per_s(detector, contents, first_ns / NS_PER_S)
        if before <= 0.0:
            return None
        decay = source_rate_per_s(detector, contents, now_ns / NS_PER_S) / before
        first_s = first.live_time_ns / NS_PER_S
        first_net = first.counts / first_s - _background(detector, loaded.pressure_hpa)
        u_b = detector.background_rate_u_per_s
        expected = first_net * decay
        expected_u = decay * math.hypot(math.sqrt(first.counts + 1) / first_s, u_b)
        net = counts / live_s - background
        net_u = math.hypot(math.sqrt(counts + 1) / live_s, u_b)
        excess, excess_u = net - expected, math.hypot(net_u, expected_u)
        if expected < YARDSTICK * expected_u:
            word = DoseRatio(detector.sensor, 1.0, 1.0, begin, end)
            return _rose(word, excess, excess_u)
        ratio = net / expected
        u = math.hypot(net_u, ratio * expected_u) / expected
        word = DoseRatio(detector.sensor, ratio, u, begin, end)
        return _amounts_to(word, excess, excess_u)

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


def _rose(word: DoseRatio, excess: float, excess_u: float) -> Judged:
    """Return what can be said without a yardstick: whether there is more than was."""
    is_raised = excess > SIGNIFICANT * excess_u
    return Judged(word, False, False, is_raised, False, excess, excess_u)


def _amounts_to(word: DoseRatio, excess: float, excess_u: float) -> Judged:
    is_raised = word.ratio - 1.0 > SIGNIFICANT * word.ratio_u
    return Judged(
        ratio=word,
        is_yardstick=True,
        is_exceeded=is_raised and word.ratio > CRITERION,
        is_raised=is_raised,
        is_lowered=1.0 - word.ratio > SIGNIFICANT * word.ratio_u,
        excess_per_s=excess,
        excess_u_per_s=excess_u,
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
