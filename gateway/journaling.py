"""Reports to the estimator's journal: one bin a minute, the last two days.

Bins are kept in boot time, which does not jump; a journal counts from the instant
that boot time 0 was, as UTC is known now. Reports that are shorter than a minute are
added up to one. Older bins than :data:`KEPT` are let go: after a minute it is the
calibration that limits an activity, not the counts.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from gateway.estimator.attitude import Vector, tilt_along_pair_deg
from gateway.estimator.container import ContainerModel
from gateway.estimator.journal import Journal
from gateway.interval import pressure_hpa
from schemas.records import Conditions, DetectorSummary, Fingerprint, Report
from schemas.units import NS_PER_S

BIN_NS: Final = 60 * NS_PER_S
KEPT: Final = 2 * 24 * 60


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin: by detector counts, live time and temperature, and what all share.

    ``live_s`` is the time switched on, dead time included; 0 where nothing was
    counted. ``is_steady``: on the ground and in the attitude that counts. What is not
    known is NaN.
    """

    from_boot_ns: int
    to_boot_ns: int
    counts: tuple[float, ...]
    live_s: tuple[float, ...]
    temperature_c: tuple[float, ...]
    pressure_hpa: float
    tilt_deg: float
    is_shocked: bool
    is_steady: bool
    is_alarmed: bool


class ReportJournal:
    """The bins of the vial that is followed.

    ``reference`` is gravity in the attitude that counts.
    """

    def __init__(self, container: ContainerModel) -> None:
        self._container = container
        self._bins: deque[Bin] = deque(maxlen=KEPT)
        self._part: Bin | None = None
        self._moved_boot_ns: int | None = None
        self.reference: Vector = container.attitude

    def clear(self, moved_boot_ns: int | None = None) -> None:
        """Forget all bins.

        Args:
            moved_boot_ns: since when the source may have been moved; None if it
                was not.
        """
        self._bins.clear()
        self._part = None
        self._moved_boot_ns = moved_boot_ns

    def take(self, report: Report, at: Conditions, *, is_steady: bool) -> Bin | None:
        """Take a report with its conditions; return the bin that it makes whole."""
        new = replace(
            self._bin(report, pressure_hpa(report.sensors)),
            is_shocked=at.is_shocked,
            is_steady=is_steady,
            is_alarmed=at.is_alarmed,
        )
        part = new if self._part is None else _sum(self._part, new)
        is_whole = part.to_boot_ns - part.from_boot_ns >= BIN_NS
        self._part = None if is_whole else part
        if not is_whole:
            return None
        self._bins.append(part)
        if self._moved_boot_ns is None and (part.is_shocked or not part.is_steady):
            self._moved_boot_ns = part.from_boot_ns
        return part

    def fingerprint(self, step: Fingerprint, origin_ns: int) -> Bin:
        """Return a step of the fingerprint as a bin in this boot's time."""
        at = step.conditions
        offset_ns = 0 if at is None else (at.utc_minus_boot_ns or 0) - origin_ns
        found = self._bin(step, step.pressure_hpa)
        return replace(
            found,
            from_boot_ns=step.from_boot_ns + offset_ns,
            to_boot_ns=step.to_boot_ns + offset_ns,
        )

    def _bin(self, found: Report | Fingerprint, pressure: float | None) -> Bin:
        by_sensor = {summary.sensor: summary for summary in found.detectors}
        names = [detector.sensor for detector in self._container.detectors]
        seen = [_seen(by_sensor.get(name)) for name in names]
        return Bin(
            from_boot_ns=found.from_boot_ns,
            to_boot_ns=found.to_boot_ns,
            counts=tuple(one[0] for one in seen),
            live_s=tuple(one[1] for one in seen),
            temperature_c=tuple(one[2] for one in seen),
            pressure_hpa=np.nan if pressure is None else pressure,
            tilt_deg=self._tilt_deg(found.attitude),
            is_shocked=False,
            is_steady=True,
            is_alarmed=False,
        )

    def _tilt_deg(self, attitude: Vector | None) -> float:
        if attitude is None:
            return 0.0
        return tilt_along_pair_deg(self._container, self.reference, attitude)

    def bins(self) -> tuple[Bin, ...]:
        """Return the steady bins, oldest first.

        What was in between, a flight or a fall onto the side, may have moved the
        source: the bin after it counts as shocked.
        """
        found: list[Bin] = []
        is_moved = False
        for one in self._bins:
            is_moved = is_moved or one.is_shocked or not one.is_steady
            if one.is_steady:
                found.append(replace(one, is_shocked=is_moved))
                is_moved = False
        return tuple(found)

    def recent(self, most: int) -> tuple[Bin, ...]:
        """Return the last steady bins, the first of them with all shocks before."""
        found = self.bins()[-most:]
        if not found or self._moved_boot_ns is None:
            return found
        first = replace(found[0], is_shocked=self._moved_boot_ns < found[0].to_boot_ns)
        return (first, *found[1:])

    def journal(
        self, bins: Sequence[Bin], origin_ns: int, *, in_alarm: bool
    ) -> Journal:
        """Return bins as a journal.

        Args:
            bins: in the order of time.
            origin_ns: UTC at boot time 0, ns.
            in_alarm: whether something may be learnt while an alarm is unresolved.
        """
        sensors = tuple(detector.sensor for detector in self._container.detectors)
        begin_ns = np.array([b.from_boot_ns for b in bins], np.float64)
        end_ns = np.array([b.to_boot_ns for b in bins], np.float64)
        shape = (len(bins), len(sensors))
        return Journal(
            sensors=sensors,
            origin_ns=origin_ns,
            begin_s=begin_ns / NS_PER_S,
            width_s=(end_ns - begin_ns) / NS_PER_S,
            counts=np.array([b.counts for b in bins], np.float64).reshape(shape),
            live_s=np.array([b.live_s for b in bins], np.float64).reshape(shape),
            temperature_c=np.array([b.temperature_c for b in bins], np.float64).reshape(
                shape
            ),
            pressure_hpa=np.array([b.pressure_hpa for b in bins], np.float64),
            tilt_deg=np.array([b.tilt_deg for b in bins], np.float64),
            is_shocked=np.array([b.is_shocked for b in bins], np.bool_),
            is_learnt=np.array([in_alarm or not b.is_alarmed for b in bins], np.bool_),
        )


def _seen(summary: DetectorSummary | None) -> tuple[float, float, float]:
    if summary is None or summary.real_time_ns == 0:
        return np.nan, 0.0, np.nan
    known_c = summary.temperature_c
    return (
        float(summary.counts),
        summary.real_time_ns / NS_PER_S,
        np.nan if known_c is None else known_c,
    )


def _sum(first: Bin, second: Bin) -> Bin:
    """Return two bins as one; a mean is weighted by the time it stands for."""
    spans = (
        float(first.to_boot_ns - first.from_boot_ns),
        float(second.to_boot_ns - second.from_boot_ns),
    )
    return Bin(
        from_boot_ns=first.from_boot_ns,
        to_boot_ns=second.to_boot_ns,
        counts=_added(first.counts, second.counts),
        live_s=_added(first.live_s, second.live_s),
        temperature_c=tuple(
            _mean(pair, spans)
            for pair in zip(first.temperature_c, second.temperature_c, strict=True)
        ),
        pressure_hpa=_mean((first.pressure_hpa, second.pressure_hpa), spans),
        tilt_deg=_mean((first.tilt_deg, second.tilt_deg), spans),
        is_shocked=first.is_shocked or second.is_shocked,
        is_steady=first.is_steady and second.is_steady,
        is_alarmed=first.is_alarmed or second.is_alarmed,
    )


def _added(first: tuple[float, ...], second: tuple[float, ...]) -> tuple[float, ...]:
    """Return the sums; what one of the two does not know counts as nothing."""
    return tuple(
        b if np.isnan(a) else a if np.isnan(b) else a + b
        for a, b in zip(first, second, strict=True)
    )


def _mean(pair: tuple[float, float], spans: tuple[float, float]) -> float:
    known = [(v, s) for v, s in zip(pair, spans, strict=True) if not np.isnan(v)]
    total = sum(span for _value, span in known)
    if not known or total == 0.0:
        return known[0][0] if known else np.nan
    return sum(value * span for value, span in known) / total
