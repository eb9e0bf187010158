"""Gravity to tilt: how far a container leans along its package pair."""

import math

from gateway.estimator.container import ContainerModel

Vector = tuple[float, float, float]


def tilt_along_pair_deg(
    container: ContainerModel,
    reference: Vector,
    attitude: Vector,
) -> float:
    """Return the tilt in the plane of the package pair, degrees.

    Positive where the side of the first detector gets lower than in ``reference``.

    Args:
        container: the container; with fewer than two package detectors it is 0.
        reference: gravity in the attitude that counts, any length > 0.
        attitude: gravity now, any length > 0.
    """
    pair = container.package_detectors
    if len(pair) != 2:
        return 0.0
    first, second = (detector.position_mm for detector in pair)
    axis = tuple(a - b for a, b in zip(first, second, strict=True))
    return _dip_deg(axis, attitude) - _dip_deg(axis, reference)


def _dip_deg(axis: tuple[float, ...], gravity: tuple[float, ...]) -> float:
    length = math.hypot(*axis) * math.hypot(*gravity)
    along = sum(a * g for a, g in zip(axis, gravity, strict=True))
    return math.degrees(math.asin(max(-1.0, min(1.0, along / length))))
