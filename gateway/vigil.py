"""Watches single readings for what a person must know: lid, shock, heat, flight.

Each method takes one reading and returns the events it brings; nothing here does
I/O or looks at a clock.
"""

from typing import Final

from gateway.estimator.excursion import Excursion, ExcursionMonitor
from gateway.estimator.flight import FlightChange, FlightMonitor
from gateway.shocks import Shock
from schemas.contents import ProductLimits
from schemas.events import Event, EventKind, Severity
from schemas.readings import (
    BoardReading,
    Lid,
    LightReading,
    PositionReading,
    PressureReading,
    Reading,
    TemperatureReading,
)
from schemas.units import NS_PER_S, STANDARD_GRAVITY_M_S2

# 100 g of a few ms is a drop of more than half a metre (half-sine, 6 ms: 0.7 m).
SHOCK_ALARM_M_S2: Final = 100 * STANDARD_GRAVITY_M_S2
# A longest leg of flight with its taxiing: silence beyond it is an alarm again.
LONGEST_SILENCE_NS: Final = 16 * 3600 * NS_PER_S
PRODUCT_SIDE: Final = "temperature-0"


class Vigil:
    """Follows the readings of one container."""

    def __init__(self) -> None:
        self.flight = FlightMonitor()
        self.is_sealed = False
        self._excursions: ExcursionMonitor | None = None
        self._lid = Lid.UNKNOWN
        self._board_boots: dict[str, int] = {}
        self._heard: set[str] = set()

    def follow(self, limits: ProductLimits | None) -> None:
        """Follow a product's limits from now on, or none."""
        self._excursions = None if limits is None else ExcursionMonitor(limits)

    def take(self, reading: Reading, boot_ns: int, utc_ns: int | None) -> list[Event]:
        """Take one reading; return what happened."""
        match reading:
            case TemperatureReading(sensor=sensor, temperature_c=float(value)):
                return self._temperature(sensor, boot_ns, value)
            case PressureReading(pressure_hpa=float(value)):
                change = self.flight.take_pressure(boot_ns, value)
                return [] if change is None else [_silence(change, boot_ns, utc_ns)]
            case PositionReading(fix=fix, speed_m_s=speed):
                self.flight.take_fix(boot_ns, fix, speed)
                return []
            case LightReading():
                return self._light(reading, boot_ns)
            case BoardReading():
                return self._board(reading, boot_ns)
            case _:
                return []

    def hear(self, reading: Reading) -> None:
        """Note that a board speaks: a HELLO of it from now on is a reboot."""
        self._heard.add(reading.sensor.partition("/")[0])

    def shock(self, shock: Shock) -> Event:
        """Return the event of one whole waveform."""
        is_alarm = shock.peak_m_s2 > SHOCK_ALARM_M_S2
        corner_hz = shock.parts[0].filter_corner_hz
        return Event(
            what=EventKind.SHOCK,
            severity=Severity.ALARM if is_alarm else Severity.WARNING,
            from_boot_ns=shock.started_boot_ns,
            to_boot_ns=shock.boot_ns,
            text=f"shock, peak {shock.peak_m_s2:.0f} m/s2 below {corner_hz:.0f} Hz",
            sensor=shock.sensor,
            value=shock.peak_m_s2,
            limit=SHOCK_ALARM_M_S2,
            unit="m/s2",
            evidence_parts=len(shock.parts),
        )

    def _temperature(self, sensor: str, boot_ns: int, value: float) -> list[Event]:
        if self._excursions is None or not sensor.endswith(PRODUCT_SIDE):
            return []
        found = self._excursions.take(boot_ns, value)
        return [] if found is None else [_excursion(sensor, found)]

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
                reason="lid-open" if is_open else "lid-closed",
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


def _excursion(sensor: str, found: Excursion) -> Event:
    state = "over" if found.is_over else "certain for 10 minutes"
    beyond = f"{found.extreme_c:.1f} C beyond {found.limit_c:.1f} C"
    return Event(
        what=EventKind.TEMPERATURE_EXCURSION,
        severity=Severity.INFO if found.is_over else Severity.ALARM,
        from_boot_ns=found.from_boot_ns,
        to_boot_ns=found.to_boot_ns if found.is_over else None,
        text=f"temperature {beyond}, {state}",
        sensor=sensor,
        value=found.extreme_c,
        limit=found.limit_c,
        unit="Cel",
        reason="over" if found.is_over else "certain",
    )


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
