"""Tilt along the package pair, by hand."""

import math
from pathlib import Path

import pytest

from gateway.estimator.attitude import tilt_along_pair_deg
from gateway.estimator.container import ContainerModel, read_container

CONTAINERS = Path(__file__).parents[2] / "hw" / "containers"


def container(name: str) -> ContainerModel:
    path = CONTAINERS / f"{name}.toml"
    return read_container(path.read_bytes(), str(path))


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
