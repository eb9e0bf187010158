"""The container model: where the detectors are and what they see.

A model is a versioned file (``hw/containers/*.toml``) and static: nothing learns by
itself. Its digest travels with every assignment, so that anyone can recompute an
estimate with the very model that was used. All uncertainties are standard (k = 1).
"""

import hashlib
import math
import tomllib
from enum import StrEnum
from typing import Final

import msgspec

from gateway.errors import ConfigError
from schemas.errors import ContractError
from schemas.nuclides import nuclide
from schemas.records import Sensor
from schemas.units import instant_ns

_UNIT_LENGTH_TOLERANCE: Final = 1e-6
_POSITIVE: Final = ("dead_time_u_s", "background_rate_u_per_s")
_NOT_NEGATIVE: Final = (
    "dead_time_s",
    "temperature_coefficient_u_per_k",
    "background_rate_per_s",
    "cosmic_rate_per_s",
)


class Role(StrEnum):
    """What a detector is there for."""

    PACKAGE = "package"
    REFERENCE = "reference"


class Sensitivity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Count rate per activity of one nuclide, dead time taken out."""

    nuclide: str
    count_rate_per_s_gbq: float
    count_rate_u_per_s_gbq: float


class Detector(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One detector: place, dead time, temperature coefficient, background."""

    sensor: str
    role: Role
    model: str
    position_mm: tuple[float, float, float]
    dead_time_s: float
    dead_time_u_s: float
    temperature_coefficient_per_k: float
    temperature_coefficient_u_per_k: float
    background_rate_per_s: float
    background_rate_u_per_s: float
    cosmic_rate_per_s: float
    sensitivities: tuple[Sensitivity, ...]
    calibration_certificate: str | None = None
    calibrated_at: str | None = None
    calibration_due: str | None = None

    def sensitivity(self, nuclide_name: str) -> Sensitivity | None:
        """Return the sensitivity to a nuclide, if the model gives one."""
        for sensitivity in self.sensitivities:
            if sensitivity.nuclide == nuclide_name:
                return sensitivity
        return None

    def inventory(self) -> Sensor:
        """Return this detector as a line of the sensor inventory."""
        return Sensor(
            sensor=self.sensor,
            quantity="count",
            certificate=self.calibration_certificate,
            calibrated_at_ns=_optional_instant(self.calibrated_at),
            calibration_due_ns=_optional_instant(self.calibration_due),
        )


class ContainerModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One container: lead, the attitude in which it was calibrated, detectors."""

    name: str
    version: int
    description: str
    lead_mm: float
    attitude: tuple[float, float, float]
    attitude_tolerance_deg: float
    detectors: tuple[Detector, ...]

    @property
    def package_detectors(self) -> tuple[Detector, ...]:
        """The detectors that look at the package."""
        return tuple(d for d in self.detectors if d.role is Role.PACKAGE)

    def tilt_deg(self, attitude: tuple[float, float, float]) -> float:
        """Return the angle between ``attitude`` (any length > 0) and the model's."""
        length = math.hypot(*attitude)
        along = sum(a * b for a, b in zip(self.attitude, attitude, strict=True))
        cosine = along / length if length else -1.0
        return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def container_digest(text: bytes) -> bytes:
    """Return the SHA-256 of a container file as it lies on disk, 32 bytes."""
    return hashlib.sha256(text).digest()


def read_container(text: bytes, path: str) -> ContainerModel:
    """Read a container model.

    Args:
        text: the file's bytes.
        path: the file's name, for messages.

    Raises:
        ConfigError: the message names the file, the key and what is wrong with it.
    """
    try:
        model = msgspec.convert(tomllib.loads(text.decode("utf-8")), ContainerModel)
        _check(model)
    except (msgspec.ValidationError, ValueError, ContractError) as error:
        raise ConfigError(f"{path}: container model: {error}") from error
    return model


def _check(model: ContainerModel) -> None:
    _check_range("lead_mm", model.lead_mm, 0.0)
    # Not <=: a comparison with NaN is false.
    if not abs(math.hypot(*model.attitude) - 1.0) <= _UNIT_LENGTH_TOLERANCE:
        raise ValueError("attitude: not a unit vector")
    if not 0.0 < model.attitude_tolerance_deg <= 180.0:
        raise ValueError("attitude_tolerance_deg: not above 0 and up to 180")
    if not model.package_detectors:
        raise ValueError('detectors: none has role "package"')
    names = [detector.sensor for detector in model.detectors]
    if len(set(names)) != len(names):
        raise ValueError("detectors: two have the same sensor")
    for detector in model.detectors:
        _check_detector(detector)


def _check_detector(detector: Detector) -> None:
    where = f"of {detector.sensor}"
    _check_numbers(detector, where)
    for name in ("calibrated_at", "calibration_due"):
        try:
            _optional_instant(getattr(detector, name))
        except ContractError as error:
            raise ValueError(f"detectors: {name} {where}: {error}") from error
    names = [sensitivity.nuclide for sensitivity in detector.sensitivities]
    if len(set(names)) != len(names):
        raise ValueError(f"detectors: sensitivities {where}: a nuclide appears twice")
    for sensitivity in detector.sensitivities:
        _check_sensitivity(sensitivity, f"{where} for {sensitivity.nuclide}")


def _check_numbers(detector: Detector, where: str) -> None:
    for name in _POSITIVE:
        if not getattr(detector, name) > 0:
            raise ValueError(f"detectors: {name} {where} is not positive")
    for name in (*_POSITIVE, *_NOT_NEGATIVE):
        _check_range(f"detectors: {name} {where}", getattr(detector, name), 0.0)
    coefficient = detector.temperature_coefficient_per_k
    what = f"detectors: temperature_coefficient_per_k {where}"
    _check_range(what, coefficient, -math.inf)
    for value in detector.position_mm:
        _check_range(f"detectors: position_mm {where}", value, -math.inf)


def _check_sensitivity(sensitivity: Sensitivity, where: str) -> None:
    try:
        nuclide(sensitivity.nuclide)
    except ContractError as error:
        raise ValueError(f"detectors: sensitivities {where}: {error}") from error
    for name in ("count_rate_per_s_gbq", "count_rate_u_per_s_gbq"):
        value = getattr(sensitivity, name)
        if not value > 0:
            raise ValueError(
                f"detectors: {name} {where} is not positive; leave the nuclide out "
                "where nothing is seen of it"
            )
        _check_range(f"detectors: {name} {where}", value, 0.0)


def _check_range(what: str, value: float, least: float) -> None:
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f"{what} is {value}: not a number of at least {least:g}")


def _optional_instant(text: str | None) -> int | None:
    return None if text is None else instant_ns(text)
