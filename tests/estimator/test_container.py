"""Container models: the shipped ones load, a broken one is refused by file and key."""

import hashlib
import math
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.estimator.container import (
    ContainerModel,
    Role,
    container_digest,
    read_container,
)
from schemas.units import instant_ns

CONTAINERS = Path(__file__).parents[2] / "hw" / "containers"
SHIPPED = ("inner-pair", "overpack-10mm", "overpack-25mm")
TEXT = (CONTAINERS / "overpack-10mm.toml").read_text()
PATH = "/etc/dosetrail/pot.toml"


def load(name: str) -> ContainerModel:
    path = CONTAINERS / f"{name}.toml"
    return read_container(path.read_bytes(), str(path))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_load(name: str) -> None:
    model = load(name)
    assert model.name == name
    assert len(model.package_detectors) == 2
    assert {d.role for d in model.detectors} == {Role.PACKAGE, Role.REFERENCE}
    for detector in model.detectors:
        assert detector.sensitivity("Lu-177") is not None
        assert detector.sensitivity("Ac-225") is None


def test_every_shipped_model_is_tested() -> None:
    assert sorted(path.stem for path in CONTAINERS.glob("*.toml")) == sorted(SHIPPED)


def test_inventory_carries_the_calibration() -> None:
    sensor = load("overpack-10mm").detectors[0].inventory()
    assert (sensor.sensor, sensor.quantity) == ("board/detector-0", "count")
    assert sensor.certificate == "EXAMPLE-GM-0001"
    assert sensor.calibrated_at_ns == instant_ns("2026-03-02T09:00:00Z")
    assert sensor.calibration_due_ns == instant_ns("2027-03-02T09:00:00Z")


def test_digest_is_of_the_bytes_as_they_lie() -> None:
    assert container_digest(b"a\r\n") == hashlib.sha256(b"a\r\n").digest()


@pytest.mark.parametrize(
    ("attitude", "tilt_deg"),
    [
        ((0.0, 0.0, -1.0), 0.0),
        ((0.0, 0.0, -9.81), 0.0),
        ((1.0, 0.0, 0.0), 90.0),
        ((0.0, 0.0, 2.0), 180.0),
        ((0.0, 1.0, -1.0), 45.0),
        ((0.0, 0.0, 0.0), 180.0),
    ],
)
def test_tilt(attitude: tuple[float, float, float], tilt_deg: float) -> None:
    assert load("overpack-10mm").tilt_deg(attitude) == pytest.approx(tilt_deg)


def test_tilt_of_a_rounded_unit_vector_is_a_number() -> None:
    tilt_deg = load("overpack-10mm").tilt_deg((1e-9, 0.0, -1.0000000001))
    assert math.isfinite(tilt_deg)


# What is replaced in the shipped file, by what, and the words of the message.
BROKEN = {
    "unknown key": ("lead_mm =", "led_mm =", "led_mm"),
    "missing key": ('name = "overpack-10mm"', "", "name"),
    "wrong type": ("lead_mm = 10.0", 'lead_mm = "ten"', "lead_mm"),
    "lead not a number": ("lead_mm = 10.0", "lead_mm = nan", "lead_mm"),
    "no TOML": ("[[detectors]]", "[[detectors]", "line"),
    "attitude": (
        "attitude = [0.0, 0.0, -1.0]",
        "attitude = [0.0, 1.0, -1.0]",
        "attitude",
    ),
    "attitude nan": ("[0.0, 0.0, -1.0]", "[nan, 0.0, -1.0]", "attitude"),
    "tolerance": ("_deg = 15.0", "_deg = nan", "attitude_tolerance_deg"),
    "tolerance zero": ("_deg = 15.0", "_deg = 0.0", "attitude_tolerance_deg"),
    "role": ('role = "package"', 'role = "parcel"', "role"),
    "no package": ('role = "package"', 'role = "reference"', "package"),
    "twice": ('"board/detector-1"', '"board/detector-0"', "sensor"),
    "dead time": ("dead_time_s = 190e-6", "dead_time_s = -1e-6", "dead_time_s"),
    "dead time u": ("dead_time_u_s = 6e-6", "dead_time_u_s = 0.0", "dead_time_u_s"),
    "background": ("rate_per_s = 0.35", "rate_per_s = -0.35", "background_rate_per_s"),
    "background u": ("u_per_s = 0.10", "u_per_s = 0.0", "background_rate_u_per_s"),
    "background inf": ("u_per_s = 0.10", "u_per_s = inf", "background_rate_u_per_s"),
    "cosmic": (
        "cosmic_rate_per_s = 0.12",
        "cosmic_rate_per_s = nan",
        "cosmic_rate_per_s",
    ),
    "temperature u": (
        "u_per_k = 0.002",
        "u_per_k = -0.1",
        "temperature_coefficient_u_per_k",
    ),
    "temperature": ("t_per_k = 0.0", "t_per_k = inf", "temperature_coefficient_per_k"),
    "position": ("[150.0, 0.0, 0.0]", "[nan, 0.0, 0.0]", "position_mm"),
    "position short": ("[150.0, 0.0, 0.0]", "[150.0, 0.0]", "position_mm"),
    "nuclide": ('nuclide = "Lu-177"', 'nuclide = "Lu-999"', "nuclide"),
    "nuclide twice": ('nuclide = "Lu-177m"', 'nuclide = "Lu-177"', "sensitivities"),
    "rate": ("s_gbq = 0.28", "s_gbq = 0.0", "count_rate_per_s_gbq"),
    "rate inf": ("s_gbq = 0.28", "s_gbq = inf", "count_rate_per_s_gbq"),
    "rate u": ("u_per_s_gbq = 0.056", "u_per_s_gbq = 0.0", "count_rate_u_per_s_gbq"),
    "instant": ('"2026-03-02T09:00:00Z"', '"2026-03-02"', "calibrated_at"),
    "due": ('"2027-03-02T09:00:00Z"', '"2027-03-02T09:00:00"', "calibration_due"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_model_is_refused_in_one_message(case: str) -> None:
    old, new, key = BROKEN[case]
    assert old in TEXT
    with pytest.raises(ConfigError) as caught:
        read_container(TEXT.replace(old, new).encode(), PATH)
    message = str(caught.value)
    assert message.startswith(f"{PATH}: ")
    assert key in message
    assert "\n" not in message


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"name = 1", b"\x00"])
def test_what_is_no_model_is_refused_by_file(text: bytes) -> None:
    with pytest.raises(ConfigError, match=PATH):
        read_container(text, PATH)
