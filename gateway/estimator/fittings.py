"""What a container has beside detectors: thermometers, and what it bears of shocks."""

import math

import msgspec

from gateway.estimator.cold_chain import Calibration
from gateway.estimator.drops import Ruggedness
from gateway.estimator.excursion import EXPANDED_U_C
from gateway.estimator.watch import Thresholds
from schemas.errors import ContractError
from schemas.records import Sensor
from schemas.units import instant_ns


class Thermometer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thermometer with its certificate; without one no record is GDP-valid."""

    sensor: str
    expanded_u_c: float = EXPANDED_U_C
    calibration_certificate: str | None = None
    calibrated_at: str | None = None
    calibration_due: str | None = None

    def calibration(self) -> Calibration:
        """Return what the temperature record needs to know of it."""
        due = self.calibration_due
        return Calibration(
            self.expanded_u_c,
            self.calibration_certificate,
            None if due is None else instant_ns(due),
        )

    def inventory(self) -> Sensor:
        """Return this thermometer as a line of the sensor inventory."""
        at, due = self.calibrated_at, self.calibration_due
        return Sensor(
            sensor=self.sensor,
            quantity="temperature_c",
            certificate=self.calibration_certificate,
            calibrated_at_ns=None if at is None else instant_ns(at),
            calibration_due_ns=None if due is None else instant_ns(due),
        )


def check_detection(detection: Thresholds) -> None:
    """Refuse thresholds that cannot be.

    Raises:
        ValueError: the message names the key and what is wrong with it.
    """
    for name in detection.__struct_fields__:
        value = getattr(detection, name)
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"detection: {name} is not positive")


def check_fittings(thermometers: tuple[Thermometer, ...], rugged: Ruggedness) -> None:
    """Refuse what cannot be.

    Raises:
        ValueError: the message names the key and what is wrong with it.
    """
    names = [one.sensor for one in thermometers]
    if len(set(names)) != len(names):
        raise ValueError("thermometers: two have the same sensor")
    for one in thermometers:
        if not (math.isfinite(one.expanded_u_c) and one.expanded_u_c > 0):
            raise ValueError(f"thermometers: expanded_u_c of {one.sensor} is no number")
        for key in ("calibrated_at", "calibration_due"):
            text = getattr(one, key)
            try:
                _ = None if text is None else instant_ns(text)
            except ContractError as error:
                what = f"thermometers: {key} of {one.sensor}: {error}"
                raise ValueError(what) from error
    _check_ruggedness(rugged)


def _check_ruggedness(rugged: Ruggedness) -> None:
    for name in ("restitution", "restitution_u"):
        if not 0.0 <= getattr(rugged, name) < 1.0:
            raise ValueError(f"ruggedness: {name} is not from 0 to 1")
    names = ("critical_acceleration_m_s2", "critical_velocity_change_m_s")
    values = [getattr(rugged, name) for name in names]
    if (values[0] is None) != (values[1] is None):
        raise ValueError(f"ruggedness: {' and '.join(names)} go together; give both")
    for name, value in zip(names, values, strict=True):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"ruggedness: {name} is not positive")
