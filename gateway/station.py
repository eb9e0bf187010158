"""Readings in, statements out: the gateway's core, without I/O and without a clock.

The station is told what arrived on which line and at which boot time; it answers
with the statements (record bodies) that follow. It decides when an interval is
closed, runs the estimator on it, and carries out the commands that concern it.
"""

from dataclasses import dataclass
from typing import Final

from gateway.coalescing import EventLimiter
from gateway.estimator.container import ContainerModel
from gateway.interval import Interval
from gateway.ports import Memory
from gateway.shocks import Shock
from gateway.timekeeping import BoardTime, Timekeeper
from gateway.vigil import Vigil
from gateway.witnessing import Witnessing
from schemas.commands import Assign, TakeFingerprint
from schemas.events import Event, EventKind, Severity
from schemas.readings import (
    BoardReading,
    Fix,
    Noise,
    NoiseReason,
    PositionReading,
    Reading,
    WaveformReading,
)
from schemas.records import (
    Body,
    Conditions,
    Fingerprint,
    FingerprintStep,
    Report,
)
from schemas.units import NS_PER_S

# A line that is open and says nothing for this long has lost its sensor.
SILENT_LINE_NS: Final = 120 * NS_PER_S
# Noise that says that frames arrive well: they were lost before, or came twice.
_WHOLE_FRAMES: Final = frozenset({NoiseReason.LOST, NoiseReason.REPEATED})


@dataclass(frozen=True, slots=True)
class Statement:
    """A body to be sealed; a shock's evidence follows its event."""

    body: Body
    is_alarm: bool = False
    shock: Shock | None = None


@dataclass(frozen=True, slots=True)
class StationPlan:
    """What a station is built for."""

    model: ContainerModel
    lines: tuple[str, ...]
    report_interval_ns: int
    gps_sets_clock: bool
    memory: Memory | None = None


@dataclass(slots=True)
class _Line:
    is_open: bool = False
    is_silent: bool = False
    heard_boot_ns: int = 0
    noise_boot_ns: int | None = None


@dataclass(frozen=True, slots=True)
class _FingerprintRun:
    step: FingerprintStep
    counter: int
    until_boot_ns: int
    interval: Interval


class Station:
    """The state of one container between its sensors and its records."""

    def __init__(
        self,
        plan: StationPlan,
        timekeeper: Timekeeper,
        started_boot_ns: int,
    ) -> None:
        lines = plan.lines
        self._timekeeper = timekeeper
        self._gps_sets_clock = plan.gps_sets_clock
        self._report_interval_ns = plan.report_interval_ns
        self._interval = Interval(started_boot_ns)
        self._lines = {line: _Line(heard_boot_ns=started_boot_ns) for line in lines}
        self._board_times = {line: BoardTime() for line in lines}
        self._vigil = Vigil(plan.model, plan.memory)
        self._limiter = EventLimiter()
        self._witnessing = Witnessing(plan.model)
        self._is_shocked = False
        self._fingerprints: list[_FingerprintRun] = []
        self.assignment: Assign | None = None
        self.is_loaded = False

    @property
    def is_airborne(self) -> bool:
        """Whether the radio must be silent."""
        return self._vigil.flight.is_airborne

    def follow(
        self,
        assignment: Assign | None,
        *,
        is_loaded: bool,
        loaded: Fingerprint | None = None,
    ) -> None:
        """Follow a shipment from now on, or none; ``loaded`` is of an earlier boot."""
        self.assignment = assignment
        self.is_loaded = is_loaded
        self._vigil.follow(assignment, is_loaded=is_loaded, loaded=loaded)
        self._witnessing.follow(
            () if assignment is None else assignment.contents,
            loaded,
            None if assignment is None else assignment.gain,
        )
        # A vial that was being counted is not the one that is followed now.
        self._fingerprints = [
            run for run in self._fingerprints if run.step is not FingerprintStep.LOADED
        ]

    def take_fingerprint(
        self, command: TakeFingerprint, counter: int, boot_ns: int
    ) -> None:
        """Begin a step of the dispatch fingerprint; it ends by itself."""
        until_ns = boot_ns + command.real_time_ns
        run = _FingerprintRun(command.step, counter, until_ns, Interval(boot_ns))
        self._fingerprints.append(run)

    def line_changed(
        self, line: str, boot_ns: int, *, is_open: bool, text: str
    ) -> list[Statement]:
        """Take that a line was lost or can be read again."""
        known = self._lines[line]
        if known.is_open == is_open:
            return []
        self._board_times[line].restart()
        known.is_open, known.is_silent, known.noise_boot_ns = is_open, False, None
        known.heard_boot_ns = boot_ns
        return self._events(
            [_line_event(line, boot_ns, text, is_found=is_open)], boot_ns
        )

    def take(
        self, line: str, item: Reading | Noise, arrived_boot_ns: int
    ) -> list[Statement]:
        """Take one reading or one piece of noise of a line."""
        if isinstance(item, Noise):
            self._interval.take_noise(line, item)
            if item.reason not in _WHOLE_FRAMES:
                self._lines[line].noise_boot_ns = arrived_boot_ns
            return []
        if isinstance(item, BoardReading):
            self._board_times[line].restart()
        board_ns = None if isinstance(item, PositionReading) else item.board_ns
        boot_ns = self._board_times[line].boot_ns(board_ns, arrived_boot_ns)
        statements = self._close_before(boot_ns)
        self._interval.take(line, item)
        for run in self._fingerprints:
            run.interval.take(line, item)
        statements += self._hear(line, boot_ns)
        statements += self._special(item, boot_ns)
        events = self._vigil.take(item, boot_ns, self._timekeeper.utc_ns(boot_ns))
        self._vigil.hear(item)
        statements += self._events(events, boot_ns)
        if self._report_interval_ns == 0:
            statements += self._close(max(boot_ns, self._interval.from_boot_ns))
        return statements

    def advance(self, boot_ns: int) -> list[Statement]:
        """Let time pass where no reading does it: silence, overdue intervals."""
        statements = self._close_before(boot_ns - self._report_interval_ns)
        for line, known in self._lines.items():
            is_late = boot_ns - known.heard_boot_ns > SILENT_LINE_NS
            if known.is_open and is_late and not known.is_silent:
                known.is_silent = True
                lost = _silent_event(line, known, boot_ns)
                statements += self._events([lost], boot_ns)
        statements += self._shocks(self._vigil.due(boot_ns), boot_ns)
        return statements + _coalesced(self._limiter.due(boot_ns))

    def finish(self, boot_ns: int) -> list[Statement]:
        """Close the open interval and state what was held back, for a stop."""
        statements = self._shocks(self._vigil.rest(), boot_ns)
        statements += self._close(max(boot_ns, self._interval.from_boot_ns))
        return statements + _coalesced(self._limiter.rest(boot_ns))

    def _hear(self, line: str, boot_ns: int) -> list[Statement]:
        known = self._lines[line]
        known.heard_boot_ns = boot_ns
        if not known.is_silent:
            return []
        known.is_silent = False
        found = _line_event(line, boot_ns, "speaks again", is_found=True)
        return self._events([found], boot_ns)

    def _special(self, item: Reading, boot_ns: int) -> list[Statement]:
        if isinstance(item, PositionReading):
            return self._take_date(item, boot_ns)
        if isinstance(item, WaveformReading):
            return self._shocks(self._vigil.take_waveform(item, boot_ns), boot_ns)
        return []

    def _shocks(
        self, found: list[tuple[Event, Shock]], boot_ns: int
    ) -> list[Statement]:
        self._is_shocked |= bool(found)
        return [
            Statement(event, event.severity is Severity.ALARM, shock)
            for event, shock in found
            if self._limiter.take(event, boot_ns) is not None
        ]

    def _take_date(self, reading: PositionReading, boot_ns: int) -> list[Statement]:
        measured_at_ns = reading.measured_at_ns
        if (
            reading.fix is Fix.NONE
            or measured_at_ns is None
            or not self._gps_sets_clock
        ):
            return []
        change = self._timekeeper.take_gps(measured_at_ns, boot_ns)
        return [] if change is None else [Statement(change)]

    def _events(self, events: list[Event], boot_ns: int) -> list[Statement]:
        passed = [self._limiter.take(event, boot_ns) for event in events]
        return [
            Statement(event, event.severity is Severity.ALARM)
            for event in passed
            if event is not None
        ]

    def _close_before(self, boot_ns: int) -> list[Statement]:
        """Close the interval if its end lies before ``boot_ns``."""
        if self._report_interval_ns == 0:
            return []
        span_ns = self._report_interval_ns
        end_ns = (self._interval.from_boot_ns // span_ns + 1) * span_ns
        if boot_ns <= end_ns:
            return []
        # After a standstill one report covers the whole of it.
        return self._close((boot_ns - 1) // span_ns * span_ns)

    def _close(self, to_boot_ns: int) -> list[Statement]:
        interval = self._interval
        self._interval = Interval(to_boot_ns)
        report = Report(
            from_boot_ns=interval.from_boot_ns,
            to_boot_ns=to_boot_ns,
            sensors=interval.sensors(),
            detectors=interval.detectors(),
            lines=interval.lines(
                {n: known.is_open for n, known in self._lines.items()}
            ),
            attitude=interval.attitude(),
            conditions=self._conditions(to_boot_ns),
        )
        self._is_shocked = False
        found, events = self._vigil.complete(
            self._witnessing.complete(report), self._timekeeper.utc_ns(to_boot_ns)
        )
        statements = [*self._events(events, to_boot_ns), Statement(found)]
        where = self._vigil.position(to_boot_ns)
        statements += [] if where is None else [Statement(where)]
        return statements + self._fingerprint_statement(to_boot_ns)

    def _conditions(self, boot_ns: int) -> Conditions:
        return Conditions(
            is_airborne=self.is_airborne,
            is_loaded=self.is_loaded,
            is_shocked=self._is_shocked,
            is_alarmed=self._vigil.is_alarmed,
            utc_minus_boot_ns=self._timekeeper.utc_minus_boot_ns(),
            time_u_ns=self._timekeeper.u_ns(boot_ns),
        )

    def _fingerprint_statement(self, boot_ns: int) -> list[Statement]:
        done = [run for run in self._fingerprints if run.until_boot_ns <= boot_ns]
        self._fingerprints = [run for run in self._fingerprints if run not in done]
        return [self._end_fingerprint(run, boot_ns) for run in done]

    def _end_fingerprint(self, run: _FingerprintRun, boot_ns: int) -> Statement:
        is_loaded = self.assignment is not None and run.step is FingerprintStep.LOADED
        if is_loaded:
            self.is_loaded = True
        body = Fingerprint(
            step=run.step,
            counter=run.counter,
            from_boot_ns=run.interval.from_boot_ns,
            to_boot_ns=boot_ns,
            detectors=run.interval.detectors(),
            attitude=run.interval.attitude(),
            pressure_hpa=run.interval.pressure_hpa(),
            conditions=self._conditions(boot_ns),
        )
        judged = self._witnessing.judge(body)
        if is_loaded:
            self._vigil.take_fingerprint(judged)
        return Statement(judged)


def _coalesced(event: Event | None) -> list[Statement]:
    if event is None:
        return []
    return [Statement(event, event.severity is Severity.ALARM)]


def _line_event(line: str, boot_ns: int, text: str, *, is_found: bool) -> Event:
    kind = EventKind.SENSOR_FOUND if is_found else EventKind.SENSOR_LOST
    return Event(
        what=kind,
        severity=Severity.INFO if is_found else Severity.WARNING,
        from_boot_ns=boot_ns,
        text=f"line {line}: {text}",
        sensor=line,
    )


def _silent_event(line: str, known: _Line, boot_ns: int) -> Event:
    """Bytes that never become a reading are another fault than no bytes."""
    heard_ns = known.noise_boot_ns
    if heard_ns is None or boot_ns - heard_ns > SILENT_LINE_NS:
        return _line_event(line, boot_ns, "says nothing", is_found=False)
    return Event(
        what=EventKind.SENSOR_DESYNCHRONISED,
        severity=Severity.WARNING,
        from_boot_ns=known.heard_boot_ns,
        text=f"line {line}: bytes arrive, no reading among them",
        sensor=line,
    )
