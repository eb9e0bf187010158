"""What the station says about the activity: reports in, reports with estimates out.

All that an estimate follows from is in the sealed reports and fingerprints of the
shipment: counts, live times, covariates, and the conditions that the station knew.
So the same class recomputes them from an export (``recompute``) and gets the same
numbers. Rules:

- The certificate and decay are the activity, in every report that knows UTC.
- The detectors are the witness. They are silent before the vial is in place, in the
  air, and outside the fingerprinted attitude, because the liquid moves.
- A fingerprint is judged once, against container and certificate; an accepted one
  gives the attitude and the gain of this trip for the fraction remaining.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.estimator.activity import certificate_estimate
from gateway.estimator.container import ContainerModel, angle_deg
from gateway.estimator.fingerprint import fingerprint_result
from gateway.estimator.witness import Bin, WitnessWindow, silent
from gateway.interval import pressure_hpa
from schemas.contents import Contents
from schemas.estimates import FingerprintVerdict
from schemas.records import Conditions, Fingerprint, FingerprintStep, Report
from schemas.units import NS_PER_S

WINDOW_NS: Final = 3600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class _Clock:
    """The map from boot time to UTC that a report was closed with."""

    utc_minus_boot_ns: int
    u_ns: int


class Witnessing:
    """Follows one shipment's vials through their reports and fingerprints."""

    def __init__(self, model: ContainerModel) -> None:
        self._model = model
        self._contents: tuple[Contents, ...] = ()
        self._window = WitnessWindow(model, WINDOW_NS)
        self._background: Fingerprint | None = None
        self._loaded: Fingerprint | None = None

    def follow(
        self, contents: tuple[Contents, ...], loaded: Fingerprint | None = None
    ) -> None:
        """Follow these vials from now on, or none.

        Args:
            contents: the vials of the shipment; empty without one.
            loaded: the fingerprint of an earlier boot, as :meth:`judge` returned it.
        """
        self._contents = contents
        self._background = None
        self._loaded = loaded
        self._window.clear()

    def judge(self, step: Fingerprint) -> Fingerprint:
        """Return a finished step of the fingerprint, a loaded one with its result."""
        if step.step is FingerprintStep.BACKGROUND:
            self._background = step
            return step
        self._window.clear()
        if not self._contents or _clock(step.conditions) is None:
            self._loaded = step
            return step
        result = fingerprint_result(
            self._model, self._contents[0], step, self._background
        )
        self._loaded = msgspec.structs.replace(step, result=result)
        return self._loaded

    def complete(self, report: Report) -> Report:
        """Return a report with the estimates that follow from it and those before.

        ``report.conditions`` must be there; estimates that it has are replaced.
        """
        clock = _clock(report.conditions)
        if not self._contents or clock is None or report.conditions is None:
            return _without_estimates(report)
        at_ns = report.to_boot_ns + clock.utc_minus_boot_ns
        reason = self._why_silent(report, report.conditions)
        if reason is None:
            self._window.add(_bins(report))
            offset_ns = clock.utc_minus_boot_ns
            words = [self._window.word(vial, offset_ns) for vial in self._contents]
        else:
            self._window.clear()
            begin_ns, end_ns = report.from_boot_ns, report.to_boot_ns
            words = [silent(v, reason, begin_ns, end_ns) for v in self._contents]
        return msgspec.structs.replace(
            _without_estimates(report),
            estimates=tuple(
                certificate_estimate(vial, at_ns, clock.u_ns) for vial in self._contents
            ),
            witnesses=tuple(words),
        )

    def _why_silent(self, report: Report, at: Conditions) -> str | None:
        if not at.is_loaded:
            return "the vial is not in place yet"
        if at.is_airborne:
            return "in the air"
        if self._tilt_deg(report) > self._model.attitude_tolerance_deg:
            return "tilted: the liquid has moved"
        return None

    def _tilt_deg(self, report: Report) -> float:
        """Return the angle to the fingerprinted attitude, or to the model's."""
        if report.attitude is None:
            return 0.0
        loaded = self._loaded
        if loaded is None or loaded.attitude is None or not _is_accepted(loaded):
            return self._model.tilt_deg(report.attitude)
        return angle_deg(loaded.attitude, report.attitude)


def _is_accepted(step: Fingerprint) -> bool:
    result = step.result
    return result is not None and result.verdict is FingerprintVerdict.ACCEPTED


def _clock(at: Conditions | None) -> _Clock | None:
    if at is None or at.utc_minus_boot_ns is None or at.time_u_ns is None:
        return None
    return _Clock(at.utc_minus_boot_ns, at.time_u_ns)


def _without_estimates(report: Report) -> Report:
    return msgspec.structs.replace(
        report, estimates=(), witnesses=(), remaining=(), half_lives=()
    )


def _bins(report: Report) -> list[Bin]:
    pressure = pressure_hpa(report.sensors)
    return [
        Bin(
            sensor=found.sensor,
            from_boot_ns=report.from_boot_ns,
            to_boot_ns=report.to_boot_ns,
            counts=found.counts,
            live_time_ns=found.live_time_ns,
            temperature_c=found.temperature_c,
            pressure_hpa=pressure,
        )
        for found in report.detectors
    ]
