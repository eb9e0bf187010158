"""What the station says about the activity: reports in, reports with estimates out.

All that an estimate follows from is in the sealed reports and fingerprints of the
shipment: counts, live times, covariates, and the conditions that the station knew.
So the same class recomputes them from an export (``recompute``) and gets the same
numbers. Rules:

- The certificate and decay are the activity, in every report that knows UTC.
- The detectors are the witness. They are silent before the vial is in place, in the
  air, and outside the fingerprinted attitude, because the liquid moves.
- A fused activity is a second estimate, in every report of a container with a released
  gain calibration. Held, it is the certificate's again.
- A fingerprint is judged once, against container and certificate; an accepted one
  gives the attitude, and the counts that the fraction remaining is held against. Its
  gain is never in an activity.
- The half-life is asked for once an hour.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from gateway.estimator.activity import CLOCK_SHARE, certificate_estimate
from gateway.estimator.assembly import forward_model
from gateway.estimator.consistency import half_life
from gateway.estimator.container import ContainerModel, angle_deg
from gateway.estimator.fingerprint import fingerprint_result
from gateway.estimator.fraction import fraction_remaining
from gateway.estimator.fused import Circumstances, fuse
from gateway.estimator.fusion import Posterior
from gateway.estimator.gains import with_gain
from gateway.estimator.model import ForwardModel
from gateway.estimator.statements import (
    fused_estimate,
    half_life_statement,
    held_estimate,
    remaining_statement,
)
from gateway.estimator.witness import Bin as WitnessBin
from gateway.estimator.witness import WitnessWindow, silent
from gateway.interval import pressure_hpa
from gateway.journaling import ReportJournal
from schemas.contents import Contents, ReleasedGain
from schemas.estimates import (
    REMAINING_METHOD,
    Estimate,
    EstimateState,
    FingerprintVerdict,
    HalfLifeCheck,
    Remaining,
    Witness,
)
from schemas.nuclides import nuclide
from schemas.records import Conditions, Fingerprint, FingerprintStep, Report
from schemas.units import NS_PER_S

WINDOW_NS: Final = 3600 * NS_PER_S
RECENT_BINS: Final = 60
ALARM: Final = "integrity"


@dataclass(frozen=True, slots=True)
class _Moment:
    """When and under what conditions a report was closed."""

    report: Report
    at: Conditions
    utc_minus_boot_ns: int
    time_u_ns: int
    why_silent: str | None
    is_in_attitude: bool

    @property
    def at_ns(self) -> int:
        return self.report.to_boot_ns + self.utc_minus_boot_ns

    @property
    def is_steady(self) -> bool:
        return self.is_in_attitude and not self.at.is_airborne

    @property
    def is_full_hour(self) -> bool:
        begin_ns, end_ns = self.report.from_boot_ns, self.report.to_boot_ns
        return begin_ns // WINDOW_NS != end_ns // WINDOW_NS

    def is_clock_uncertain(self, contents: Contents) -> bool:
        constant = nuclide(contents.nuclide).decay_constant_per_s
        return constant * self.time_u_ns / NS_PER_S > CLOCK_SHARE


class Witnessing:
    """Follows one shipment's vials through their reports and fingerprints."""

    def __init__(self, model: ContainerModel) -> None:
        self._released = self._model = model
        self._contents: tuple[Contents, ...] = ()
        self._window = WitnessWindow(model, WINDOW_NS)
        self._journal = ReportJournal(model)
        self._posterior: Posterior | None = None
        self._background: Fingerprint | None = None
        self._loaded: Fingerprint | None = None

    def follow(
        self,
        contents: tuple[Contents, ...],
        loaded: Fingerprint | None = None,
        gain: ReleasedGain | None = None,
    ) -> None:
        """Follow these vials from now on, or none.

        Args:
            contents: the vials of the shipment; empty without one.
            loaded: the fingerprint of an earlier boot, as :meth:`judge` returned it.
            gain: the container's released gain, where the assignment has one.
        """
        self._contents = contents
        self._model = with_gain(self._released, gain)
        self._window = WitnessWindow(self._model, WINDOW_NS)
        self._background = None
        self._load(loaded)
        if loaded is not None:
            # What an earlier boot's shocks did to the source is not known here.
            self._journal.clear(moved_boot_ns=0)

    def judge(self, step: Fingerprint) -> Fingerprint:
        """Return a finished step of the fingerprint, a loaded one with its result."""
        if step.step is FingerprintStep.BACKGROUND:
            self._background = step
            return step
        at = step.conditions
        if self._contents and at is not None and at.utc_minus_boot_ns is not None:
            result = fingerprint_result(
                self._model, self._contents[0], step, self._background
            )
            step = msgspec.structs.replace(step, result=result)
        self._load(step)
        return step

    def _load(self, loaded: Fingerprint | None) -> None:
        """Begin with a vial in place, or none: what was counted before is another's."""
        self._loaded = loaded
        self._posterior = None
        self._window.clear()
        self._journal.clear()
        is_known = loaded is not None and _is_accepted(loaded) and loaded.attitude
        self._journal.reference = is_known or self._model.attitude

    def complete(self, report: Report) -> Report:
        """Return a report with the estimates that follow from it and those before.

        Estimates that it has are replaced.
        """
        bare = msgspec.structs.replace(
            report, estimates=(), witnesses=(), remaining=(), half_lives=()
        )
        moment = self._moment(bare)
        if not self._contents or moment is None:
            return bare
        certified = [
            certificate_estimate(vial, moment.at_ns, moment.time_u_ns)
            for vial in self._contents
        ]
        counted = bare
        if moment.at.is_loaded:
            self._journal.take(bare, moment.at, is_steady=moment.is_steady)
            counted = self._counted(moment, self._contents[0])
        return msgspec.structs.replace(
            counted,
            estimates=(*certified, *counted.estimates),
            witnesses=tuple(self._words(moment)),
        )

    def _moment(self, report: Report) -> _Moment | None:
        at = report.conditions
        if at is None or at.utc_minus_boot_ns is None or at.time_u_ns is None:
            return None
        is_in_attitude = self._tilt_deg(report) <= self._model.attitude_tolerance_deg
        why_silent = None
        if not at.is_loaded:
            why_silent = "the vial is not in place yet"
        elif at.is_airborne:
            why_silent = "in the air"
        elif not is_in_attitude:
            why_silent = "tilted: the liquid has moved"
        return _Moment(
            report, at, at.utc_minus_boot_ns, at.time_u_ns, why_silent, is_in_attitude
        )

    def _tilt_deg(self, report: Report) -> float:
        """Return the angle to the fingerprinted attitude, or to the model's."""
        if report.attitude is None:
            return 0.0
        return angle_deg(self._journal.reference, report.attitude)

    def _words(self, moment: _Moment) -> list[Witness]:
        report, reason = moment.report, moment.why_silent
        if reason is not None:
            self._window.clear()
            begin_ns, end_ns = report.from_boot_ns, report.to_boot_ns
            return [silent(v, reason, begin_ns, end_ns) for v in self._contents]
        self._window.add(_bins(report))
        offset_ns = moment.utc_minus_boot_ns
        return [self._window.word(vial, offset_ns) for vial in self._contents]

    def _counted(self, moment: _Moment, contents: Contents) -> Report:
        """Return the report with what follows from the counts of the journey."""
        model = forward_model(self._model, contents, moment.at_ns)
        return msgspec.structs.replace(
            moment.report,
            estimates=self._fused(moment, contents, model),
            remaining=self._remaining(moment, contents, model),
            half_lives=self._half_lives(moment, contents, model),
        )

    def _fused(
        self, moment: _Moment, contents: Contents, model: ForwardModel
    ) -> tuple[Estimate, ...]:
        bins = self._journal.bins()
        if self._model.gain_calibration is None or not bins:
            return ()
        if moment.at.is_airborne:
            held, why = EstimateState.HELD, ("in the air",)
            u_ns = moment.time_u_ns
            return (held_estimate(contents, moment.at_ns, u_ns, held, why),)
        found = fuse(
            model,
            self._journal.journal(bins, moment.utc_minus_boot_ns, in_alarm=False),
            moment.at_ns,
            Circumstances(
                alarms=(ALARM,) if moment.at.is_alarmed else (),
                is_in_attitude=moment.is_in_attitude,
                time_u_ns=moment.time_u_ns,
            ),
            self._posterior,
        )
        self._posterior = found.posterior
        return (fused_estimate(contents, found, moment.time_u_ns),)

    def _remaining(
        self, moment: _Moment, contents: Contents, model: ForwardModel
    ) -> tuple[Remaining, ...]:
        loaded, recent = self._loaded, self._journal.recent(RECENT_BINS)
        if loaded is None or not _is_accepted(loaded) or not recent:
            return ()
        vial, since_ns = contents.vial, _middle_ns(loaded)
        origin_ns = moment.utc_minus_boot_ns
        first = self._journal.fingerprint(loaded, origin_ns)
        why = moment.why_silent
        if why is None and recent[0].from_boot_ns < first.to_boot_ns:
            why = "by the clock the fingerprint is later than this: it has stepped"
        if why is not None:
            held = EstimateState.HELD
            return (Remaining(vial, REMAINING_METHOD, held, since_ns, reasons=(why,)),)
        journal = self._journal.journal((first, *recent), origin_ns, in_alarm=True)
        is_dispatch = np.arange(len(journal)) == 0
        found = fraction_remaining(model, journal, is_dispatch, ~is_dispatch)
        reasons: tuple[str, ...] = ()
        if moment.at.is_alarmed:
            reasons += (f"alarm unresolved: {ALARM}",)
        if moment.is_clock_uncertain(contents):
            reasons += ("clock uncertain",)
        return (remaining_statement(vial, since_ns, found, reasons),)

    def _half_lives(
        self, moment: _Moment, contents: Contents, model: ForwardModel
    ) -> tuple[HalfLifeCheck, ...]:
        bins = self._journal.bins()
        if moment.why_silent is not None or not bins or not moment.is_full_hour:
            return ()
        journal = self._journal.journal(bins, moment.utc_minus_boot_ns, in_alarm=False)
        return (half_life_statement(contents, half_life(model, journal)),)


def _is_accepted(step: Fingerprint) -> bool:
    result = step.result
    return result is not None and result.verdict is FingerprintVerdict.ACCEPTED


def _middle_ns(step: Fingerprint) -> int:
    offset_ns = 0 if step.conditions is None else step.conditions.utc_minus_boot_ns
    return (step.from_boot_ns + step.to_boot_ns) // 2 + (offset_ns or 0)


def _bins(report: Report) -> list[WitnessBin]:
    pressure = pressure_hpa(report.sensors)
    return [
        WitnessBin(
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
