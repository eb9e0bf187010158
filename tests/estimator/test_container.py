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
        assert detector.sensitivity("Ac-227") is None
    pair = model.package_detectors
    assert pair[0].displacement_per_mm == -pair[1].displacement_per_mm > 0


def test_only_the_inner_pair_has_a_released_gain() -> None:
    due_ns = instant_ns("2027-03-02T12:00:00Z")
    from_ns = instant_ns("2026-03-02T12:00:00Z")
    inner = load("inner-pair")
    assert inner.why_not_released("Lu-177", from_ns) is None
    assert inner.why_not_released("Lu-177", due_ns - 1) is None
    assert "was due 2027" in str(inner.why_not_released("Lu-177", due_ns))
    assert "only from 2026" in str(inner.why_not_released("Lu-177", from_ns - 1))
    assert "for I-131" in str(inner.why_not_released("I-131", from_ns))
    for name in ("overpack-10mm", "overpack-25mm"):
        assert "no released" in str(load(name).why_not_released("Lu-177", from_ns))


def test_common_and_differential_gain_are_separate_figures() -> None:
    found = load("inner-pair").detectors[0].sensitivity("Lu-177")
    assert found is not None
    assert (found.common_u_ratio, found.differential_u_ratio) == (0.012, 0.006)
    assert found.count_rate_u_per_s_gbq == pytest.approx(60 * math.hypot(0.012, 0.006))


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
    "common u": ("common_u_ratio = 0.20", "common_u_ratio = 0.0", "common_u_ratio"),
    "own u": ("differential_u_ratio = 0.05", "differential_u_ratio = nan", "ntial_u"),
    "no chamber test": ("u_per_k = 0.002", "u_per_k = 0.0009", "chamber_test"),
    "displacement": ("per_mm = 0.0133", "per_mm = inf", "displacement_per_mm"),
    "displacement u": ("u_mm = 3.0", "u_mm = 0.0", "displacement_u_mm"),
    "tilt": ("per_deg = 0.001", "per_deg = -0.001", "tilt_u_ratio_per_deg"),
    "liquid": ("mm_per_deg = 0.07", "mm_per_deg = -0.1", "liquid_mm_per_deg"),
    "cosmic u": ("cosmic_u_ratio = 0.10", "cosmic_u_ratio = 0.0", "cosmic_u_ratio"),
    "detector lead": ("]\nlead_mm = 10.0", "]\nlead_mm = -1.0", "lead_mm"),
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


CALIBRATION = (CONTAINERS / "inner-pair.toml").read_text()
BROKEN_CALIBRATION = {
    "nobody": (
        'released_by = "EXAMPLE: a named person of the maker"',
        'released_by = " "',
        "released_by",
    ),
    "no standard": ("standard = ", "standards = ", "standard"),
    "due first": ('due_at = "2027-03-02T12', 'due_at = "2025-03-02T12', "due_at"),
    "no instant": ('due_at = "2027-03-02T12:00:00Z"', 'due_at = "soon"', "due_at"),
    "no nuclide": ('nuclides = ["Lu-177"]', "nuclides = []", "nuclides"),
    "unseen nuclide": ('nuclides = ["Lu-177"]', 'nuclides = ["Ac-227"]', "Ac-227"),
}


@pytest.mark.parametrize("case", BROKEN_CALIBRATION)
def test_a_broken_gain_calibration_is_refused(case: str) -> None:
    old, new, key = BROKEN_CALIBRATION[case]
    assert old in CALIBRATION
    with pytest.raises(ConfigError, match=key):
        read_container(CALIBRATION.replace(old, new).encode(), PATH)


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"name = 1", b"\x00"])
def test_what_is_no_model_is_refused_by_file(text: bytes) -> None:
    with pytest.raises(ConfigError, match=PATH):
        read_container(text, PATH)
