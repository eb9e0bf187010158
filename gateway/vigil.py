"""Watches the readings for what a person must know of the package.

Lid, shock, temperature, place, flight, dose rate: each has a module of its own, this
one hears every reading, follows one shipment, and gives the one verdict. Nothing here
does I/O or looks at a clock; what a restart must not forget goes to a memory.
"""

from typing import Final

import msgspec

from gateway.contrasts import Contrasts, Noticed
from gateway.doses import Doses
from gateway.estimator.cold_chain import ThermalState
from gateway.estimator.container import ContainerModel, angle_deg
from gateway.estimator.flight import FlightChange, FlightMemory, FlightMonitor
from gateway.excursions import ProductTemperature
from gateway.integrity import LID_REASON, IntegrityState, IntegrityWatch, Kind
from gateway.ports import Memory
from gateway.shocks import Shock, ShockDesk
from gateway.whereabouts import Whereabouts
from schemas.commands import Assign
from schemas.contents import Contents, ReleasedGain
from schemas.events import Event, EventKind, Severity
from schemas.findings import Integrity
from schemas.readings import (
    BoardReading,
    Lid,
    LightReading,
    PositionReading,
    PressureReading,
    Reading,
    TemperatureReading,
    WaveformReading,
)
from schemas.records import Fingerprint, Position, Report
from schemas.units import NS_PER_S

# A longest leg of flight with its taxiing: silence beyond it is an alarm again.
LONGEST_SILENCE_NS: Final = 16 * 3600 * NS_PER_S
KEEP_EVERY_NS: Final = 60 * NS_PER_S
# A package that leans this far was laid down or fell over.
TILT_DEG: Final = 60.0


class VigilMemory(msgspec.Struct, frozen=True):
    """What a restart must not forget."""

    flight: FlightMemory
    shipment: str | None = None
    utc_ns: int | None = None
    thermal: ThermalState | None = None
    integrity: IntegrityState | None = None


class Vigil:
    """Follows the readings of one container."""

    def __init__(self, model: ContainerModel, memory: Memory | None) -> None:
        self._model = model
        self._memory = memory
        self._recalled = _recall(memory)
        self.flight = FlightMonitor()
        if self._recalled is not None:
            self.flight.resume(self._recalled.flight)
        self.is_sealed = False
        self._shipment: str | None = None
        self._contents: Contents | None = None
        self._gain: ReleasedGain | None = None
        self._attitude: tuple[float, float, float] | None = None
        self._temperature = ProductTemperature(
            {one.sensor: one.calibration() for one in model.thermometers}
        )
        self._doses = Doses(model)
        self._contrasts = Contrasts(model)
        self._whereabouts = Whereabouts()
        self._integrity = IntegrityWatch()
        self._desk = ShockDesk()
        self._lid = Lid.UNKNOWN
        self._pressure_hpa: float | None = None
        self._board_boots: dict[str, int] = {}
        self._heard: set[str] = set()
        self._kept_boot_ns: int | None = None
        self._resumed: tuple[int, int | None] | None = None

    @property
    def is_alarmed(self) -> bool:
        """Whether the dose rate or the counts are not what they should be now."""
        return self._doses.is_exceeded or self._contrasts.is_open

    def follow(
        self,
        assignment: Assign | None,
        *,
        is_loaded: bool,
        loaded: Fingerprint | None = None,
    ) -> None:
        """Follow a shipment from now on, or none; ``loaded`` is of an earlier boot."""
        self.is_sealed = is_loaded
        self._shipment = None if assignment is None else assignment.shipment
        self._temperature.follow(None if assignment is None else assignment.limits)
        vials = () if assignment is None else assignment.contents
        self._doses.follow(vials[0] if vials else None, loaded)
        self._attitude = None if loaded is None else loaded.attitude
        self._contents = vials[0] if vials else None
        self._gain = None if assignment is None else assignment.gain
        self._contrasts.follow(self._contents, self._attitude, self._gain)
        self._whereabouts.follow(assignment)
        self._integrity.follow()
        recalled, self._recalled = self._recalled, None
        if recalled is not None and assignment is not None:
            self._go_on(recalled)

    def take_fingerprint(self, loaded: Fingerprint) -> None:
        """Take the loaded step of the dispatch fingerprint: the package is sealed."""
        self.is_sealed = True
        self._attitude = loaded.attitude
        self._doses.take_fingerprint(loaded)
        self._contrasts.follow(self._contents, self._attitude, self._gain)

    def take(self, reading: Reading, boot_ns: int, utc_ns: int | None) -> list[Event]:
        """Take one reading; return what happened."""
        if self._resumed is not None and self._resumed[0] < 0:
            self._resumed = (boot_ns, self._resumed[1])
        events = self._take(reading, boot_ns, utc_ns)
        self._note(events)
        return events

    def hear(self, reading: Reading) -> None:
        """Note that a board speaks: a HELLO of it from now on is a reboot."""
        self._heard.add(reading.sensor.partition("/")[0])

    def take_waveform(
        self, reading: WaveformReading, boot_ns: int
    ) -> list[tuple[Event, Shock]]:
        """Take a part of a waveform; return the shocks that it makes whole."""
        return self._shocks(self._desk.take(reading, boot_ns))

    def due(self, boot_ns: int) -> list[tuple[Event, Shock]]:
        """Return shocks that have waited long enough for their other range."""
        return self._shocks(self._desk.due(boot_ns))

    def rest(self) -> list[tuple[Event, Shock]]:
        """Return shocks that still wait, for a stop."""
        return self._shocks(self._desk.rest())

    def position(self, boot_ns: int) -> Position | None:
        """Return the latest position since the last one was asked for."""
        return self._whereabouts.position(boot_ns)

    def complete(
        self, report: Report, utc_ns: int | None
    ) -> tuple[Report, list[Event]]:
        """Return a report with what was found out, and the events that this brings."""
        self._date_resumption(report.to_boot_ns, utc_ns)
        ratios, events = self._doses.take(report)
        is_opened = self.is_sealed and self._lid is Lid.OPEN
        noticed = Noticed(is_opened, self._integrity.is_corroborated)
        events += self._contrasts.take(report, noticed)
        self._note(events)
        self._look_for_tilt(report)
        found = msgspec.structs.replace(
            report,
            thermal=self._temperature.summary(report.to_boot_ns, utc_ns),
            doses=ratios or (),
            integrity=self._verdict(report, is_judged=ratios is not None),
        )
        if self._is_due(report.to_boot_ns):
            self._keep(report.to_boot_ns, utc_ns)
        return found, events

    def _take(self, reading: Reading, boot_ns: int, utc_ns: int | None) -> list[Event]:
        match reading:
            case TemperatureReading(sensor=sensor, temperature_c=float(value)):
                return self._temperature.take(sensor, boot_ns, value)
            case PressureReading(pressure_hpa=float(value)):
                return self._pressure(value, boot_ns, utc_ns)
            case PositionReading(fix=fix, speed_m_s=speed):
                self.flight.take_fix(boot_ns, fix, speed)
                pressure_hpa, is_airborne = self._pressure_hpa, self.flight.is_airborne
                return self._whereabouts.take(
                    reading, boot_ns, pressure_hpa, is_airborne=is_airborne
                )
            case LightReading():
                return self._light(reading, boot_ns)
            case BoardReading():
                return self._board(reading, boot_ns)
            case _:
                return []

    def _pressure(self, value: float, boot_ns: int, utc_ns: int | None) -> list[Event]:
        self._pressure_hpa = value
        change = self.flight.take_pressure(boot_ns, value)
        if change is None:
            return []
        self._keep(boot_ns, utc_ns)
        return [_silence(change, boot_ns, utc_ns)]

    def _shocks(self, found: list[Shock]) -> list[tuple[Event, Shock]]:
        told = [(shock.event(self._model.ruggedness), shock) for shock in found]
        self._note([event for event, _shock in told])
        return told

    def _note(self, events: list[Event]) -> None:
        if self.is_sealed and self._shipment is not None:
            for event in events:
                self._integrity.take(event)

    def _look_for_tilt(self, report: Report) -> None:
        upright = self._attitude or self._model.attitude
        if not self.is_sealed or report.attitude is None:
            return
        tilt_deg = angle_deg(upright, report.attitude)
        if tilt_deg > TILT_DEG:
            self._integrity.see(Kind.TILT, f"lay at {tilt_deg:.0f} degrees")

    def _verdict(self, report: Report, *, is_judged: bool) -> Integrity | None:
        if self._shipment is None or not self.is_sealed:
            return None
        unheard = [
            f"line {line.line} says nothing"
            for line in report.lines
            if not line.is_open or line.readings == 0
        ]
        if self.flight.is_airborne:
            unheard.append("in the air: the detectors cannot judge")
        elif not is_judged:
            unheard.append("the detectors cannot be compared with the fingerprint now")
        is_blind = is_judged and not self._doses.can_see
        notes = ("the detectors cannot see this dose: lid, shock and tilt only",)
        return self._integrity.verdict(tuple(unheard), notes if is_blind else ())

    def _go_on(self, recalled: VigilMemory) -> None:
        """Go on with the shipment that the run before followed."""
        if recalled.shipment != self._shipment:
            return
        if recalled.thermal is not None:
            self._temperature.resume(recalled.thermal)
            self._resumed = (-1, recalled.utc_ns)
        if recalled.integrity is not None:
            self._integrity.state = recalled.integrity

    def _date_resumption(self, boot_ns: int, utc_ns: int | None) -> None:
        """Say how long nothing was recorded, once the date of now is known."""
        if self._resumed is None or utc_ns is None or self._resumed[0] < 0:
            return
        resumed_ns, left_utc_ns = self._resumed
        self._resumed = None
        if left_utc_ns is not None:
            away_ns = utc_ns - left_utc_ns - (boot_ns - resumed_ns)
            self._temperature.was_away(max(0, away_ns))

    def _is_due(self, boot_ns: int) -> bool:
        kept_ns = self._kept_boot_ns
        return kept_ns is None or boot_ns - kept_ns >= KEEP_EVERY_NS

    def _keep(self, boot_ns: int, utc_ns: int | None) -> None:
        self._kept_boot_ns = boot_ns
        state = VigilMemory(
            flight=self.flight.memory,
            shipment=self._shipment,
            utc_ns=utc_ns,
            thermal=self._temperature.state,
            integrity=self._integrity.state,
        )
        if self._memory is not None:
            self._memory.keep(msgspec.json.encode(state))

    def _light(self, reading: LightReading, boot_ns: int) -> list[Event]:
        if reading.lid is Lid.UNKNOWN:
            return []
        before, self._lid = self._lid, reading.lid
        is_open = reading.lid is Lid.OPEN
        is_alarm = is_open and self.is_sealed
        # A sealed lid that is open at first sight was opened while nobody looked.
        is_first = before is Lid.UNKNOWN and not is_alarm
        if reading.lid is before or is_first:
            return []
        return [
            Event(
                what=EventKind.TAMPER,
                severity=Severity.ALARM if is_alarm else Severity.INFO,
                from_boot_ns=boot_ns,
                text="lid opened" if is_open else "lid closed",
                sensor=reading.sensor,
                value=reading.illuminance_lx,
                unit="lx",
                reason=LID_REASON if is_open else "lid-closed",
            )
        ]

    def _board(self, reading: BoardReading, boot_ns: int) -> list[Event]:
        before = self._board_boots.get(reading.sensor)
        self._board_boots[reading.sensor] = reading.boot_count
        is_first = reading.sensor.partition("/")[0] not in self._heard
        if is_first or before == reading.boot_count:
            return []
        return [
            Event(
                what=EventKind.BOARD_REBOOTED,
                severity=Severity.INFO,
                from_boot_ns=boot_ns,
                text=f"sensor board {reading.serial} booted again",
                sensor=reading.sensor,
                reason=reading.reset_cause,
                count=reading.boot_count,
            )
        ]


def _recall(memory: Memory | None) -> VigilMemory | None:
    kept = None if memory is None else memory.recall()
    if kept is None:
        return None
    try:
        return msgspec.json.decode(kept, type=VigilMemory)
    except msgspec.MsgspecError:
        # Of another version, or damaged: begin as a new gateway does.
        return None


def _silence(change: FlightChange, boot_ns: int, utc_ns: int | None) -> Event:
    if change is FlightChange.LANDED:
        return Event(
            what=EventKind.RADIO_SILENCE_ENDS,
            severity=Severity.INFO,
            from_boot_ns=boot_ns,
            text="on the ground again: radio on",
            reason="flight",
        )
    return Event(
        what=EventKind.RADIO_SILENCE_BEGINS,
        severity=Severity.INFO,
        from_boot_ns=boot_ns,
        text="in the air: radio off until the ground",
        reason="flight",
        expected_end_ns=None if utc_ns is None else utc_ns + LONGEST_SILENCE_NS,
    )
