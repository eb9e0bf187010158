"""From container model and certificate to the forward model.

The detectors that look at the package are the watching pair: the first has side +1,
those on the other side of the vial -1. The others have side 0. What the container
says of a sensitivity's common uncertainty becomes the common gain, of its
differential one half the difference within the pair; an impurity's common uncertainty
goes into the impurity's own scale.
"""

import math
from dataclasses import replace
from typing import Final

from gateway.estimator.container import ContainerModel, Detector, Role, Sensitivity
from gateway.estimator.model import Channel, ForwardModel, Priors
from gateway.estimator.source import Source, source_of
from schemas.contents import Contents
from schemas.nuclides import chain_terms

_K_PER_STEP: Final = 10.0
# No place is known better than this, whatever a survey of another one says.
_LEAST_BACKGROUND_U_LOG: Final = 0.05


def forward_model(
    container: ContainerModel, contents: Contents, at_ns: int
) -> ForwardModel:
    """Return the forward model of a vial in a container.

    Args:
        container: the container, as released.
        contents: the vial as certified.
        at_ns: instant at which a gain calibration must be in force, ns UTC.

    Raises:
        UnknownWordError: a nuclide is not in the table.
    """
    source = source_of(contents)
    impurities = {
        emitter for t in source.terms if t.is_impurity for emitter, _c in t.coefficients
    }
    detectors = container.detectors
    return ForwardModel(
        source=_with_impurity_gain(source, container, impurities),
        channels=tuple(
            _channel(detector, container, contents) for detector in detectors
        ),
        priors=Priors(
            displacement_u_mm=container.displacement_u_mm,
            cosmic_u_log=max(d.cosmic_u_ratio for d in detectors),
            background_u_log=max(_background_u_log(d) for d in detectors),
        ),
        gain_reason=container.why_not_released(contents.nuclide, at_ns),
        liquid_mm_per_deg=container.liquid_mm_per_deg,
    )


def _channel(
    detector: Detector, container: ContainerModel, contents: Contents
) -> Channel:
    common_u, differential_u = _gain_u(detector, contents)
    dead_time_u = 0.0
    if detector.dead_time_s > 0.0:
        dead_time_u = detector.dead_time_u_s / detector.dead_time_s
    kelvin = detector.temperature_coefficient_per_k
    terrestrial = detector.background_rate_per_s - detector.cosmic_rate_per_s
    return Channel(
        sensor=detector.sensor,
        side=_side(detector, container),
        rates_per_s_gbq={
            s.nuclide: s.count_rate_per_s_gbq for s in detector.sensitivities
        },
        common_gain_u=common_u,
        differential_gain_u=differential_u,
        leak_u=math.hypot(common_u, differential_u),
        temperature_per_10k=kelvin * _K_PER_STEP,
        temperature_u_per_10k=detector.temperature_coefficient_u_per_k * _K_PER_STEP,
        dead_time_s=detector.dead_time_s,
        dead_time_u_ratio=dead_time_u,
        displacement_per_mm=detector.displacement_per_mm,
        displacement_per_mm2=detector.displacement_per_mm2,
        terrestrial_rate_per_s=max(terrestrial, 0.0),
        cosmic_rate_per_s=detector.cosmic_rate_per_s,
        tilt_u_per_deg=detector.tilt_u_ratio_per_deg,
    )


def _side(detector: Detector, container: ContainerModel) -> int:
    """Return +1 for the first detector of the pair and its side, -1 opposite, or 0."""
    if detector.role is not Role.PACKAGE:
        return 0
    first = container.package_detectors[0].position_mm
    along = sum(a * b for a, b in zip(first, detector.position_mm, strict=True))
    return 1 if along >= 0.0 else -1


def _gain_u(detector: Detector, contents: Contents) -> tuple[float, float]:
    """Return common and differential uncertainty of the certified nuclide's signal."""
    seen = _seen(detector, contents.nuclide)
    total = math.fsum(s.count_rate_per_s_gbq for s in seen)
    if total == 0.0:
        return 0.0, 0.0
    return (
        math.fsum(s.count_rate_per_s_gbq * s.common_u_ratio for s in seen) / total,
        math.fsum(s.count_rate_per_s_gbq * s.differential_u_ratio for s in seen)
        / total,
    )


def _seen(detector: Detector, head: str) -> list[Sensitivity]:
    """Return the sensitivities to a nuclide and its progeny."""
    emitters = {term.emitter for term in chain_terms(head)}
    return [s for s in detector.sensitivities if s.nuclide in emitters]


def _background_u_log(detector: Detector) -> float:
    rate = max(detector.background_rate_per_s, 1e-3)
    return max(detector.background_rate_u_per_s / rate, _LEAST_BACKGROUND_U_LOG)


def _with_impurity_gain(
    source: Source, container: ContainerModel, impurities: set[str]
) -> Source:
    """Widen the impurities' scale by how well the detectors' view of them is known."""
    found = [
        s.common_u_ratio
        for detector in container.package_detectors
        for s in detector.sensitivities
        if s.nuclide in impurities
    ]
    if not found:
        return source
    u_log = math.hypot(source.impurity_u_log, max(found))
    return replace(source, impurity_u_log=u_log)
