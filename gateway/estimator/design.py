"""From a container model and a certificate to the forward model, and back to gravity.

A container gives its gain by emitter; the forward model has one common and one
differential gain for a detector. They are the emitters' own, weighted by what each
gives of this vial's signal at the reference instant.
"""

import math
from statistics import fmean

from gateway.estimator.container import ContainerModel, Detector, Role, Sensitivity
from gateway.estimator.model import Channel, ForwardModel, Priors
from gateway.estimator.source import Source, source_of
from schemas.contents import Contents

_PER_10_K = 10.0


def forward_model(container: ContainerModel, contents: Contents) -> ForwardModel:
    """Return the forward model of a vial in a container.

    ``gain_reason`` of the model is why the container has no released gain for the
    nuclide at the certificate's reference instant; whoever publishes at another
    instant asks the container again.

    Raises:
        UnknownWordError: a nuclide is not in the table.
    """
    source = source_of(contents)
    sides = _sides(container)
    channels = tuple(
        _channel(detector, sides[detector.sensor], source)
        for detector in container.detectors
    )
    detectors = container.detectors
    return ForwardModel(
        source=source,
        channels=channels,
        priors=Priors(
            displacement_u_mm=container.displacement_u_mm,
            cosmic_u_log=max(detector.cosmic_u_ratio for detector in detectors),
            background_u_log=fmean(map(_background_u_log, detectors)),
        ),
        gain_reason=container.why_not_released(
            contents.nuclide, contents.reference_at_ns
        ),
        liquid_mm_per_deg=container.liquid_mm_per_deg,
    )


def tilt_along_pair_deg(
    container: ContainerModel,
    reference: tuple[float, float, float],
    attitude: tuple[float, float, float],
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


def _sides(container: ContainerModel) -> dict[str, int]:
    """Return +1 and -1 for the package pair, 0 for the others, by sensor."""
    found = dict.fromkeys((detector.sensor for detector in container.detectors), 0)
    for number, detector in enumerate(container.package_detectors):
        found[detector.sensor] = -1 if number % 2 else 1
    return found


def _channel(detector: Detector, side: int, source: Source) -> Channel:
    common_u, differential_u = _gain_u(detector, source)
    is_watching = detector.role is Role.PACKAGE
    cosmic = detector.cosmic_rate_per_s
    tau_s = detector.dead_time_s
    return Channel(
        sensor=detector.sensor,
        side=side,
        rates_per_s_gbq={
            known.nuclide: known.count_rate_per_s_gbq
            for known in detector.sensitivities
        },
        common_gain_u=common_u if is_watching else 0.0,
        differential_gain_u=differential_u if is_watching else 0.0,
        leak_u=0.0 if is_watching else math.hypot(common_u, differential_u),
        temperature_per_10k=_PER_10_K * detector.temperature_coefficient_per_k,
        temperature_u_per_10k=_PER_10_K * detector.temperature_coefficient_u_per_k,
        dead_time_s=tau_s,
        dead_time_u_ratio=detector.dead_time_u_s / tau_s if tau_s else 0.0,
        displacement_per_mm=detector.displacement_per_mm,
        displacement_per_mm2=detector.displacement_per_mm2,
        terrestrial_rate_per_s=max(detector.background_rate_per_s - cosmic, 0.0),
        cosmic_rate_per_s=cosmic,
    )


def _gain_u(detector: Detector, source: Source) -> tuple[float, float]:
    """Return common and differential gain u, weighted by the emitters' signal."""
    seen: list[tuple[float, Sensitivity]] = []
    for term in source.terms:
        for emitter, coefficient in term.coefficients:
            known = detector.sensitivity(emitter)
            if known is not None and not term.is_impurity:
                seen.append((coefficient * known.count_rate_per_s_gbq, known))
    total = math.fsum(signal for signal, _known in seen)
    if not total > 0.0:
        return 0.0, 0.0
    common = math.fsum(signal * known.common_u_ratio for signal, known in seen)
    own = math.fsum(signal * known.differential_u_ratio for signal, known in seen)
    return common / total, own / total


def _background_u_log(detector: Detector) -> float:
    terrestrial = detector.background_rate_per_s - detector.cosmic_rate_per_s
    return detector.background_rate_u_per_s / max(terrestrial, 1e-9)
