"""The container model: where the detectors are and what they see.

A model is a versioned file (``hw/containers/*.toml``) and static: nothing learns by
itself. Its digest travels with every assignment, so that anyone can recompute an
estimate with the very model that was used. All uncertainties are standard (k = 1),
and a ratio is relative.
"""

import hashlib
import math
import tomllib
from enum import StrEnum
from typing import Final

import msgspec

from gateway.errors import ConfigError
from gateway.estimator.drops import Ruggedness
from gateway.estimator.fittings import (
    Thermometer,
    check_detection,
    check_fittings,
)
from gateway.estimator.watch import Thresholds
from schemas.errors import ContractError
from schemas.nuclides import nuclide
from schemas.records import Sensor
from schemas.units import instant_ns

_UNIT_LENGTH_TOLERANCE: Final = 1e-6
# Sources differ by 3 to 10 times: below this a chamber test has to be named.
UNTESTED_TEMPERATURE_U_PER_K: Final = 0.001
_POSITIVE: Final = (
    "dead_time_u_s",
    "background_rate_u_per_s",
    "temperature_coefficient_u_per_k",
    "cosmic_u_ratio",
)
_NOT_NEGATIVE: Final = (
    "lead_mm",
    "dead_time_s",
    "background_rate_per_s",
    "cosmic_rate_per_s",
    "displacement_per_mm2",
    "tilt_u_ratio_per_deg",
)
_FINITE: Final = ("temperature_coefficient_per_k", "displacement_per_mm")


class Role(StrEnum):
    """What a detector is there for."""

    PACKAGE = "package"
    REFERENCE = "reference"


class Sensitivity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Count rate per activity of one emitter, dead time taken out.

    The emitter is a nuclide of its own: a chain is the sum over its members. Members
    that live for seconds count with their parent. ``common_u_ratio`` is shared by all
    detectors that look through the same wall; ``differential_u_ratio`` is this
    detector's alone.
    """

    nuclide: str
    count_rate_per_s_gbq: float
    common_u_ratio: float
    differential_u_ratio: float

    @property
    def count_rate_u_per_s_gbq(self) -> float:
        """Standard uncertainty of the rate, common and differential together."""
        u_ratio = math.hypot(self.common_u_ratio, self.differential_u_ratio)
        return self.count_rate_per_s_gbq * u_ratio


class Detector(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One detector: place, what is before it, dead time, drift, background.

    ``lead_mm`` is the lead between vial and detector, 0 behind an aperture.
    ``displacement_per_mm`` is the relative change of its signal for 1 mm of the
    source along the axis of the package pair towards its first detector, with a
    quadratic part ``displacement_per_mm2`` that all share in sign.
    ``tilt_u_ratio_per_deg`` is how much the moved liquid may change the signal per
    degree off the model's attitude, beside the container's ``liquid_mm_per_deg``.
    ``chamber_test`` names the climate chamber test
    of this container that the temperature coefficient comes from.
    """

    sensor: str
    role: Role
    model: str
    position_mm: tuple[float, float, float]
    lead_mm: float
    dead_time_s: float
    dead_time_u_s: float
    temperature_coefficient_per_k: float
    temperature_coefficient_u_per_k: float
    background_rate_per_s: float
    background_rate_u_per_s: float
    cosmic_rate_per_s: float
    cosmic_u_ratio: float
    displacement_per_mm: float
    displacement_per_mm2: float
    tilt_u_ratio_per_deg: float
    sensitivities: tuple[Sensitivity, ...]
    chamber_test: str | None = None
    calibration_certificate: str | None = None
    calibrated_at: str | None = None
    calibration_due: str | None = None

    def sensitivity(self, nuclide_name: str) -> Sensitivity | None:
        """Return the sensitivity to an emitter, if the model gives one."""
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


class GainCalibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A released calibration of the package detectors' gain with a traceable source.

    It says that the sensitivities of this version to ``nuclides`` were measured in
    this container, against what standard, who released them, and until when. Only
    with it is a fused activity stated; without it the detectors are a witness.
    """

    certificate: str
    standard: str
    nuclides: tuple[str, ...]
    released_by: str
    released_at: str
    due_at: str

    @property
    def released_at_ns(self) -> int:
        """When the calibration was released, ns UTC."""
        return instant_ns(self.released_at)

    @property
    def due_at_ns(self) -> int:
        """When the calibration must have been repeated, ns UTC."""
        return instant_ns(self.due_at)


class ContainerModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One container: lead, the attitude in which it was calibrated, detectors.

    ``displacement_u_mm`` is how far the source may sit off its place at dispatch,
    ``liquid_mm_per_deg`` how far its centre moves per degree of tilt towards the side
    that gets lower. Without ``thermometers`` no temperature record is GDP-valid.
    ``detection`` says when the counts have changed.
    """

    name: str
    version: int
    description: str
    lead_mm: float
    attitude: tuple[float, float, float]
    attitude_tolerance_deg: float
    liquid_mm_per_deg: float
    displacement_u_mm: float
    detectors: tuple[Detector, ...]
    gain_calibration: GainCalibration | None = None
    thermometers: tuple[Thermometer, ...] = ()
    ruggedness: Ruggedness = Ruggedness()
    detection: Thresholds = Thresholds()

    @property
    def package_detectors(self) -> tuple[Detector, ...]:
        """The detectors that look at the package."""
        return tuple(d for d in self.detectors if d.role is Role.PACKAGE)

    def tilt_deg(self, attitude: tuple[float, float, float]) -> float:
        """Return the angle between ``attitude`` (any length > 0) and the model's."""
        return angle_deg(self.attitude, attitude)

    def why_not_released(self, nuclide_name: str, at_ns: int) -> str | None:
        """Return why no fused activity of a nuclide is stated, None if it may be."""
        calibration = self.gain_calibration
        if calibration is None:
            return "no released gain calibration of this container"
        if nuclide_name not in calibration.nuclides:
            return f"gain calibration not released for {nuclide_name}"
        if at_ns < calibration.released_at_ns:
            return f"gain calibration released only from {calibration.released_at}"
        if at_ns >= calibration.due_at_ns:
            return f"gain calibration was due {calibration.due_at}"
        return None


def angle_deg(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> float:
    """Return the angle between two vectors; 180 where one has no direction."""
    length = math.hypot(*first) * math.hypot(*second)
    along = sum(a * b for a, b in zip(first, second, strict=True))
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
    _check_range("liquid_mm_per_deg", model.liquid_mm_per_deg, 0.0)
    _check_positive("displacement_u_mm", model.displacement_u_mm)
    # Not <=: a comparison with NaN is false.
    if not abs(math.hypot(*model.attitude) - 1.0) <= _UNIT_LENGTH_TOLERANCE:
        raise ValueError("attitude: not a unit vector")
    if not 0.0 < model.attitude_tolerance_deg <= 180.0:
        raise ValueError("attitude_tolerance_deg: not above 0 and up to 180")
    check_fittings(model.thermometers, model.ruggedness)
    check_detection(model.detection)
    if not model.package_detectors:
        raise ValueError('detectors: none has role "package"')
    names = [detector.sensor for detector in model.detectors]
    if len(set(names)) != len(names):
        raise ValueError("detectors: two have the same sensor")
    for detector in model.detectors:
        _check_detector(detector)
    if model.gain_calibration is not None:
        _check_calibration(model, model.gain_calibration)


def _check_calibration(model: ContainerModel, released: GainCalibration) -> None:
    where = "gain_calibration"
    for name in ("certificate", "standard", "released_by"):
        if not getattr(released, name).strip():
            raise ValueError(f"{where}: {name} is empty; name it, or leave {where} out")
    try:
        if not released.released_at_ns < released.due_at_ns:
            raise ValueError(f"{where}: due_at is not after released_at")
    except ContractError as error:
        raise ValueError(f"{where}: released_at or due_at: {error}") from error
    if not released.nuclides:
        raise ValueError(f"{where}: nuclides: none; leave {where} out")
    for name in released.nuclides:
        unseen = [d for d in model.package_detectors if d.sensitivity(name) is None]
        if unseen:
            raise ValueError(
                f"{where}: nuclides: {unseen[0].sensor} has no sensitivity to {name}"
            )


def _check_detector(detector: Detector) -> None:
    where = f"of {detector.sensor}"
    _check_numbers(detector, where)
    for name in ("calibrated_at", "calibration_due"):
        try:
            _optional_instant(getattr(detector, name))
        except ContractError as error:
            raise ValueError(f"detectors: {name} {where}: {error}") from error
    u_per_k = detector.temperature_coefficient_u_per_k
    if detector.chamber_test is None and u_per_k < UNTESTED_TEMPERATURE_U_PER_K:
        raise ValueError(
            f"detectors: temperature_coefficient_u_per_k {where} is {u_per_k:g}, "
            f"below {UNTESTED_TEMPERATURE_U_PER_K:g}, without a chamber_test; "
            "name the test, or widen it"
        )
    names = [sensitivity.nuclide for sensitivity in detector.sensitivities]
    if len(set(names)) != len(names):
        raise ValueError(f"detectors: sensitivities {where}: a nuclide appears twice")
    for sensitivity in detector.sensitivities:
        _check_sensitivity(sensitivity, f"{where} for {sensitivity.nuclide}")


def _check_numbers(detector: Detector, where: str) -> None:
    for name in _POSITIVE:
        _check_positive(f"detectors: {name} {where}", getattr(detector, name))
    for name in _NOT_NEGATIVE:
        _check_range(f"detectors: {name} {where}", getattr(detector, name), 0.0)
    for name in _FINITE:
        _check_range(f"detectors: {name} {where}", getattr(detector, name), -math.inf)
    for value in detector.position_mm:
        _check_range(f"detectors: position_mm {where}", value, -math.inf)


def _check_sensitivity(sensitivity: Sensitivity, where: str) -> None:
    try:
        nuclide(sensitivity.nuclide)
    except ContractError as error:
        raise ValueError(f"detectors: sensitivities {where}: {error}") from error
    rate = sensitivity.count_rate_per_s_gbq
    if not rate > 0:
        raise ValueError(
            f"detectors: count_rate_per_s_gbq {where} is not positive; leave the "
            "nuclide out where nothing is seen of it"
        )
    _check_range(f"detectors: count_rate_per_s_gbq {where}", rate, 0.0)
    for name in ("common_u_ratio", "differential_u_ratio"):
        _check_positive(f"detectors: {name} {where}", getattr(sensitivity, name))


def _check_positive(what: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{what} is not positive")
    _check_range(what, value, 0.0)


def _check_range(what: str, value: float, least: float) -> None:
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f"{what} is {value}: not a number of at least {least:g}")


def _optional_instant(text: str | None) -> int | None:
    return None if text is None else instant_ns(text)
