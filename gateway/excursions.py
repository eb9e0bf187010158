"""What the product's thermometer says, as events and as a record of the trip."""

from typing import Final

from gateway.estimator.cold_chain import Calibration, ThermalMonitor, ThermalState
from gateway.estimator.excursion import Excursion, Stage
from schemas.contents import ProductLimits
from schemas.events import Event, EventKind, Severity
from schemas.findings import ThermalSummary
from schemas.units import NS_PER_S

PRODUCT_SIDE: Final = "temperature-0"
_SEVERITY: Final = {
    Stage.POSSIBLE: Severity.WARNING,
    Stage.CERTAIN: Severity.ALARM,
    Stage.OVER: Severity.INFO,
}


class ProductTemperature:
    """Follows the product's side of one container."""

    def __init__(self, calibrations: dict[str, Calibration]) -> None:
        self._calibrations = calibrations
        self._monitor: ThermalMonitor | None = None
        self._sensor: str | None = None

    @property
    def state(self) -> ThermalState | None:
        """What a restart must not forget, while a shipment is followed."""
        return None if self._monitor is None else self._monitor.state

    def follow(self, limits: ProductLimits | None) -> None:
        """Follow a product's limits from now on, or none."""
        self._sensor = None
        self._monitor = None
        if limits is not None:
            self._monitor = ThermalMonitor(limits, Calibration())

    def resume(self, state: ThermalState) -> None:
        """Go on where the followed shipment's record ended."""
        if self._monitor is not None:
            self._monitor.resume(state)

    def was_away(self, away_ns: int) -> None:
        """Take how long nothing was recorded before the record was resumed."""
        if self._monitor is not None:
            self._monitor.was_away(away_ns)

    def take(self, sensor: str, boot_ns: int, temperature_c: float) -> list[Event]:
        """Take a value of any thermometer; the product's side is followed."""
        if self._monitor is None or not sensor.endswith(PRODUCT_SIDE):
            return []
        if self._sensor is None:
            self._sensor = sensor
            known = self._calibrations.get(sensor)
            self._monitor.calibration = known or self._monitor.calibration
        found = self._monitor.take(boot_ns, temperature_c)
        return [_event(sensor, one) for one in found]

    def summary(self, boot_ns: int, utc_ns: int | None) -> ThermalSummary | None:
        """Return the record of the trip so far, while a shipment is followed."""
        if self._monitor is None or self._sensor is None:
            return None
        return self._monitor.summary(self._sensor, boot_ns, utc_ns)


def _event(sensor: str, found: Excursion) -> Event:
    is_over = found.stage is Stage.OVER
    side = "above" if found.is_high else "below"
    beyond = f"{found.extreme_c:.1f} C, limit {found.limit_c:.1f} C"
    minutes = found.certain_ns / 60 / NS_PER_S
    told = {
        Stage.POSSIBLE: f"possibly {side} the limit: {beyond}",
        Stage.CERTAIN: f"certainly {side} the limit for {minutes:.0f} min: {beyond}",
        Stage.OVER: f"over: {beyond}, {minutes:.0f} min certainly {side}, "
        f"{found.degree_minutes:.0f} degree minutes",
    }
    return Event(
        what=EventKind.TEMPERATURE_EXCURSION,
        severity=_SEVERITY[found.stage],
        from_boot_ns=found.from_boot_ns,
        to_boot_ns=found.to_boot_ns if is_over else None,
        text=f"temperature {told[found.stage]}",
        sensor=sensor,
        value=found.extreme_c,
        limit=found.limit_c,
        unit="Cel",
        reason=found.stage.value,
    )
