"""The dispatch fingerprint: what is accepted, what is refused, and why.

Counts are the expectation of the papers' own figures, rounded: a deviation is then
what was put in, not chance.
"""

import math
from pathlib import Path

import msgspec
import pytest

from gateway.estimator.container import ContainerModel, read_container
from gateway.estimator.fingerprint import REFUSED_ABOVE, fingerprint_result
from schemas.contents import Contents
from schemas.estimates import FingerprintResult, FingerprintVerdict
from schemas.records import (
    Conditions,
    DetectorSummary,
    Fingerprint,
    FingerprintStep,
)
from tests.builders import START_NS, contents

CONTAINERS = Path(__file__).parents[2] / "hw" / "containers"
NS = 10**9
LIVE_S = 600
GAIN = {"overpack-10mm": 0.28, "overpack-25mm": 0.00095, "inner-pair": 60.0}
BACKGROUND = {"overpack-10mm": 0.35, "overpack-25mm": 0.35, "inner-pair": 0.30}
UPRIGHT, LYING = (0.0, 0.0, -1.0), (1.0, 0.0, 0.0)
VIAL = contents(activity_gbq=7.4)
ACCEPTED, REFUSED = FingerprintVerdict.ACCEPTED, FingerprintVerdict.REFUSED


def model(name: str = "inner-pair") -> ContainerModel:
    path = CONTAINERS / f"{name}.toml"
    return read_container(path.read_bytes(), str(path))


def step(
    rates: tuple[float, float],
    kind: FingerprintStep = FingerprintStep.LOADED,
    attitude: tuple[float, float, float] | None = UPRIGHT,
) -> Fingerprint:
    return Fingerprint(
        step=kind,
        counter=1,
        from_boot_ns=0,
        to_boot_ns=LIVE_S * NS,
        detectors=tuple(
            DetectorSummary(
                f"board/detector-{i}",
                round(rate * LIVE_S),
                LIVE_S * NS,
                LIVE_S * NS,
                10,
                10,
                25.0,
            )
            for i, rate in enumerate(rates)
        ),
        attitude=attitude,
        pressure_hpa=1013.25,
        conditions=Conditions(False, True, False, False, START_NS, NS),
    )


def loaded(name: str, activity_gbq: float, asymmetry: float = 0.0) -> Fingerprint:
    """A step as the container would count; the pair differs by +/- ``asymmetry``."""
    net = GAIN[name] * activity_gbq
    return step(
        (
            net * math.exp(asymmetry) + BACKGROUND[name],
            net * math.exp(-asymmetry) + BACKGROUND[name],
        )
    )


def result(
    name: str, found: Fingerprint, vial: Contents = VIAL, known: bool = True
) -> FingerprintResult:
    background = step((BACKGROUND[name],) * 2, FingerprintStep.BACKGROUND)
    return fingerprint_result(model(name), vial, found, background if known else None)


@pytest.mark.parametrize("name", ["inner-pair", "overpack-10mm"])
@pytest.mark.parametrize("is_known", [True, False])
def test_the_vial_of_the_certificate_is_accepted(name: str, is_known: bool) -> None:
    found = result(name, loaded(name, 7.4), known=is_known)
    assert found.verdict is ACCEPTED
    assert found.reasons == ()
    assert found.ratio == pytest.approx(1.0, abs=0.01)
    assert [gain.sensor for gain in found.gains] == [
        "board/detector-0",
        "board/detector-1",
    ]
    for gain in found.gains:
        assert gain.ratio == pytest.approx(1.0, abs=0.01)
        # Certificate and common gain are shared: no part of a detector's own.
        assert gain.ratio_u < (found.ratio_u or 0.0) * 1.5


@pytest.mark.parametrize("factor", [0.90, 1.10, 0.5, 0.0])
def test_another_vial_is_refused_by_the_inner_pair(factor: float) -> None:
    found = result("inner-pair", loaded("inner-pair", 7.4 * factor))
    assert found.verdict is REFUSED
    assert (found.deviation or 0.0) > REFUSED_ABOVE
    assert "wrong vial, wrong container or wrong geometry" in found.reasons[0]


def test_refusal_begins_at_three_u() -> None:
    u = result("inner-pair", loaded("inner-pair", 7.4)).ratio_u or 0.0
    for size, verdict in ((2.8, ACCEPTED), (3.2, REFUSED)):
        for sign in (1, -1):
            vial = loaded("inner-pair", 7.4 * (1 + sign * size * u))
            assert result("inner-pair", vial).verdict is verdict, (size, sign)


def test_outside_the_lead_only_a_missing_vial_is_refused() -> None:
    assert result("overpack-10mm", loaded("overpack-10mm", 3.7)).verdict is ACCEPTED
    assert result("overpack-10mm", loaded("overpack-10mm", 0.0)).verdict is REFUSED


def test_behind_thick_lead_nothing_is_observable() -> None:
    found = result("overpack-25mm", loaded("overpack-25mm", 7.4))
    assert found.verdict is FingerprintVerdict.NOT_OBSERVABLE
    assert found.ratio is None
    assert found.reasons


def test_a_lying_container_is_refused() -> None:
    upright = loaded("inner-pair", 7.4)
    lying = msgspec.structs.replace(upright, attitude=LYING)
    found = result("inner-pair", lying)
    assert found.verdict is REFUSED
    assert "tilted by 90 degrees" in found.reasons[0]
    unknown = msgspec.structs.replace(upright, attitude=None)
    assert result("inner-pair", unknown).verdict is ACCEPTED


def test_a_vial_off_its_place_is_refused_though_the_sum_fits() -> None:
    """0.02 per mm and side: 2 mm are within 3 u of the 1 mm that it may be off."""
    assert result("inner-pair", loaded("inner-pair", 7.4, 0.04)).verdict is ACCEPTED
    found = result("inner-pair", loaded("inner-pair", 7.4, 0.12))
    assert found.verdict is REFUSED
    assert any("off its place" in reason for reason in found.reasons)


def test_the_background_of_this_place_counts() -> None:
    """A granite hall triples the background: with its step the ratio is unmoved."""
    name = "overpack-10mm"
    net, hall = GAIN[name] * 7.4, 1.05
    found = step((net + hall,) * 2)
    background = step((hall,) * 2, FingerprintStep.BACKGROUND)
    with_step = fingerprint_result(model(name), VIAL, found, background)
    without = fingerprint_result(model(name), VIAL, found, None)
    assert with_step.ratio == pytest.approx(1.0, abs=0.01)
    assert without.ratio == pytest.approx(1.0 + 0.7 / net, abs=0.01)


def test_without_utc_there_is_no_result() -> None:
    blind = msgspec.structs.replace(loaded("inner-pair", 7.4), conditions=None)
    with pytest.raises(ValueError, match="without UTC"):
        fingerprint_result(model(), VIAL, blind, None)
