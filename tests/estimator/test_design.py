"""The forward model of the shipped containers, against the papers' figures by hand."""

import math
from pathlib import Path

import msgspec
import pytest

from gateway.estimator.container import ContainerModel, read_container
from gateway.estimator.design import forward_model, tilt_along_pair_deg
from schemas.nuclides import table
from tests.builders import contents

CONTAINERS = Path(__file__).parents[2] / "hw" / "containers"
NAMES = ("overpack-10mm", "overpack-25mm", "inner-pair")


def container(name: str) -> ContainerModel:
    path = CONTAINERS / f"{name}.toml"
    return read_container(path.read_bytes(), str(path))


def test_the_inner_pair_is_the_reference_design() -> None:
    model = forward_model(container("inner-pair"), contents(activity_gbq=7.4))
    first, second, *outer = model.channels
    assert [c.side for c in model.channels] == [1, -1, 0, 0]
    for channel in (first, second):
        assert channel.rates_per_s_gbq["Lu-177"] == 60.0
        assert channel.common_gain_u == pytest.approx(0.012)
        assert channel.differential_gain_u == pytest.approx(0.006)
        assert channel.temperature_u_per_10k == pytest.approx(0.003)
        assert channel.dead_time_u_ratio == pytest.approx(6 / 190)
        rate = channel.terrestrial_rate_per_s + channel.cosmic_rate_per_s
        assert rate == pytest.approx(0.30)
    assert first.displacement_per_mm == -second.displacement_per_mm == 0.02
    assert [c.leak_u for c in outer] == pytest.approx([math.hypot(0.2, 0.05)] * 2)
    assert model.priors.displacement_u_mm == 1.0
    assert model.priors.background_u_log == pytest.approx(0.447, abs=0.01)
    assert model.watching == (0, 1)
    assert model.gain_reason is None


def test_without_a_released_gain_the_model_says_why() -> None:
    model = forward_model(container("overpack-10mm"), contents())
    assert model.gain_reason == "no released gain calibration of this container"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("nuclide", sorted(table()))
def test_every_nuclide_has_a_model_in_every_container(name: str, nuclide: str) -> None:
    vial = msgspec.structs.replace(contents(), nuclide=nuclide)
    found = container(name)
    model = forward_model(found, vial)
    assert len(model.channels) == len(found.detectors)
    for channel in model.channels:
        assert 0.0 <= channel.common_gain_u < 1.0
        assert math.isfinite(channel.leak_u)


def test_chain_gain_is_the_emitters_weighted_by_their_signal() -> None:
    """All emitters but Lu-177 have 0.40 in the default container."""
    vial = msgspec.structs.replace(contents(activity_gbq=0.01), nuclide="Ac-225")
    model = forward_model(container("overpack-10mm"), vial)
    assert model.channels[0].common_gain_u == pytest.approx(0.40)


@pytest.mark.parametrize(
    ("attitude", "tilt_deg"),
    [
        ((0.0, 0.0, -1.0), 0.0),
        ((0.5, 0.0, -math.sqrt(0.75)), 30.0),
        ((-5.0, 0.0, -math.sqrt(75.0)), -30.0),
        ((0.0, 0.5, -math.sqrt(0.75)), 0.0),
        ((1.0, 0.0, 0.0), 90.0),
    ],
)
def test_tilt_is_towards_the_first_detector(
    attitude: tuple[float, float, float], tilt_deg: float
) -> None:
    found = tilt_along_pair_deg(container("inner-pair"), (0.0, 0.0, -1.0), attitude)
    assert found == pytest.approx(tilt_deg)
