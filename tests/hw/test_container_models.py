"""Container models: strict schema, units of attitude, uncertainties, instants."""

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.units import instant_ns

CONTAINERS = Path(__file__).parents[2] / "hw" / "containers"
MODELS = sorted(CONTAINERS.glob("*.toml"))

MODEL_KEYS: dict[str, type] = {
    "name": str,
    "version": int,
    "description": str,
    "lead_mm": float,
    "attitude": list,
    "attitude_tolerance_deg": float,
    "liquid_mm_per_deg": float,
    "displacement_u_mm": float,
    "detectors": list,
    "thermometers": list,
    "ruggedness": dict,
    "detection": dict,
}
DETECTION_KEYS: dict[str, type] = dict.fromkeys(("total", "difference", "outer"), float)
CALIBRATION_KEYS: dict[str, type] = {
    "certificate": str,
    "standard": str,
    "nuclides": list,
    "released_by": str,
    "released_at": str,
    "due_at": str,
}
DETECTOR_KEYS: dict[str, type] = {
    "sensor": str,
    "role": str,
    "model": str,
    "position_mm": list,
    "lead_mm": float,
    "dead_time_s": float,
    "dead_time_u_s": float,
    "temperature_coefficient_per_k": float,
    "temperature_coefficient_u_per_k": float,
    "background_rate_per_s": float,
    "background_rate_u_per_s": float,
    "cosmic_rate_per_s": float,
    "cosmic_u_ratio": float,
    "displacement_per_mm": float,
    "displacement_per_mm2": float,
    "tilt_u_ratio_per_deg": float,
    "calibration_certificate": str,
    "calibrated_at": str,
    "calibration_due": str,
    "sensitivities": list,
}
THERMOMETER_KEYS: dict[str, type] = {
    "sensor": str,
    "expanded_u_c": float,
    "calibration_certificate": str,
    "calibrated_at": str,
    "calibration_due": str,
}
RUGGEDNESS_KEYS: dict[str, type] = {
    "restitution": float,
    "restitution_u": float,
    "critical_acceleration_m_s2": float,
    "critical_velocity_change_m_s": float,
}
SENSITIVITY_KEYS: dict[str, type] = {
    "nuclide": str,
    "count_rate_per_s_gbq": float,
    "common_u_ratio": float,
    "differential_u_ratio": float,
}


def problems(model: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a container model; empty when nothing is."""
    released = model.get("gain_calibration")
    found = _shape(_without(model, "gain_calibration"), MODEL_KEYS, "model")
    for thermometer in model.get("thermometers", []):
        found += _shape(thermometer, THERMOMETER_KEYS, "thermometers")
        found += _calibration_problems(thermometer, thermometer["sensor"])
    found += _shape(model.get("ruggedness", {}), RUGGEDNESS_KEYS, "ruggedness")
    found += _shape(model.get("detection", {}), DETECTION_KEYS, "detection")
    if released is not None:
        found += _shape(released, CALIBRATION_KEYS, "gain_calibration")
    if found:
        return found
    if not _is_unit_vector(model["attitude"]):
        found.append("attitude is no unit vector")
    if not 0.0 < model["attitude_tolerance_deg"] < 90.0 or model["lead_mm"] <= 0.0:
        found.append("lead or attitude tolerance out of range")
    sensors = [detector.get("sensor") for detector in model["detectors"]]
    if len(set(sensors)) != len(sensors) or not sensors:
        found.append("sensors are not unique")
    for detector in model["detectors"]:
        found += _detector_problems(detector)
    return found


def _without(table: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != key}


def _shape(table: dict[str, Any], keys: dict[str, type], where: str) -> list[str]:
    if table.keys() != keys.keys():
        return [f"{where}: keys {sorted(table.keys() ^ keys.keys())}"]
    return [
        f"{where}: {key} is no {kind.__name__}"
        for key, kind in keys.items()
        if type(table[key]) is not kind
    ]


def _detector_problems(detector: dict[str, Any]) -> list[str]:
    where = str(detector.get("sensor"))
    tested = detector.get("chamber_test")
    found = _shape(_without(detector, "chamber_test"), DETECTOR_KEYS, where)
    if found:
        return found
    if tested is None and detector["temperature_coefficient_u_per_k"] < 0.001:
        found.append(f"{where}: chamber test")
    uncertain = [key for key in detector if "_u_" in key]
    found += [f"{where}: {key} not > 0" for key in uncertain if not detector[key] > 0.0]
    if detector["role"] not in {"package", "reference"}:
        found.append(f"{where}: role")
    if not 0.0 < detector["cosmic_rate_per_s"] < detector["background_rate_per_s"]:
        found.append(f"{where}: cosmic rate is a part of the background")
    if len(detector["position_mm"]) != 3:
        found.append(f"{where}: position")
    found += _calibration_problems(detector, where)
    for sensitivity in detector["sensitivities"]:
        found += _sensitivity_problems(sensitivity, where)
    nuclides = [s.get("nuclide") for s in detector["sensitivities"]]
    if not nuclides or len(set(nuclides)) != len(nuclides):
        found.append(f"{where}: nuclides are not unique")
    return found


def _calibration_problems(detector: dict[str, Any], where: str) -> list[str]:
    calibrated = instant_ns(detector["calibrated_at"])
    due = instant_ns(detector["calibration_due"])
    ok = bool(detector["calibration_certificate"]) and calibrated < due
    return [] if ok else [f"{where}: calibration"]


def _sensitivity_problems(sensitivity: dict[str, Any], where: str) -> list[str]:
    found = _shape(sensitivity, SENSITIVITY_KEYS, where)
    if found:
        return found
    common, own = sensitivity["common_u_ratio"], sensitivity["differential_u_ratio"]
    is_good = sensitivity["count_rate_per_s_gbq"] > 0.0 and 0.0 < own < common < 1.0
    return [] if is_good else [f"{where}: sensitivity uncertainty"]


def _is_unit_vector(vector: list[float]) -> bool:
    return len(vector) == 3 and abs(sum(x * x for x in vector) - 1.0) < 1e-9


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((CONTAINERS / name).read_text(encoding="utf-8"))


def _sensitivity(model: dict[str, Any], role: str, nuclide: str) -> float:
    detector = next(d for d in model["detectors"] if d["role"] == role)
    found = next(s for s in detector["sensitivities"] if s["nuclide"] == nuclide)
    return float(found["count_rate_per_s_gbq"])


def test_the_three_models_are_there() -> None:
    assert {path.stem for path in MODELS} == {
        "inner-pair",
        "overpack-10mm",
        "overpack-25mm",
    }


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_model_follows_the_schema(path: Path) -> None:
    model = _load(path.name)
    assert problems(model) == []
    assert model["name"] == path.stem


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_package_detectors_are_an_opposite_pair_at_mid_height(path: Path) -> None:
    model = _load(path.name)
    first, second = (d for d in model["detectors"] if d["role"] == "package")
    assert first["position_mm"] == [-x for x in second["position_mm"]]
    assert first["position_mm"][2] == 0.0


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_calibration_is_yearly_at_most(path: Path) -> None:
    for detector in _load(path.name)["detectors"]:
        start = datetime.fromisoformat(detector["calibrated_at"])
        due = datetime.fromisoformat(detector["calibration_due"])
        assert (due - start).days <= 366


def test_default_sees_what_the_transmission_table_says() -> None:
    default = _load("overpack-10mm.toml")
    lu177 = _sensitivity(default, "package", "Lu-177")
    lu177m = _sensitivity(default, "package", "Lu-177m")
    assert 7.4 * lu177 == pytest.approx(2.08, rel=0.005)
    assert 7.4 * lu177 + 7.4e-4 * lu177m == pytest.approx(2.44, rel=0.005)
    assert 7.4 * lu177 + 3.7e-3 * lu177m == pytest.approx(3.88, rel=0.005)


def test_thick_pot_stays_below_the_doubt_of_the_background() -> None:
    thick = _load("overpack-25mm.toml")
    doubt = thick["detectors"][0]["background_rate_u_per_s"]
    assert 12.5 * _sensitivity(thick, "package", "Lu-177") < doubt / 5


def test_inner_pair_keeps_dead_time_correctable_at_the_largest_vial() -> None:
    model = _load("inner-pair.toml")
    rate = 12.5 * _sensitivity(model, "package", "Lu-177")
    assert rate * model["detectors"][0]["dead_time_s"] == pytest.approx(0.143, abs=1e-3)


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("dead_time_u_s", 0.0, "not > 0"),
        ("temperature_coefficient_u_per_k", -0.1, "not > 0"),
        ("role", "outer", "role"),
        ("cosmic_rate_per_s", 0.5, "cosmic"),
        ("background_rate_per_s", 1, "is no float"),
        ("surprise", 1.0, "surprise"),
    ],
)
def test_schema_check_refuses_a_bad_detector(
    key: str, value: object, complaint: str
) -> None:
    model = _load("overpack-10mm.toml")
    model["detectors"][1][key] = value
    assert any(complaint in problem for problem in problems(model))


def test_schema_check_refuses_a_missing_key_and_a_long_attitude() -> None:
    model = _load("overpack-10mm.toml")
    model["attitude"] = [0.0, 0.6, -1.0]
    del model["detectors"][0]["model"]
    assert len(problems(model)) == 2
