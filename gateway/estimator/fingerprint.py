"""The dispatch fingerprint: is this the vial, in this container, in its place?

The loaded step's counts are held against container calibration and certificate, as
the witness holds a report's, with the background that the background step measured
here instead of the container's. More than :data:`REFUSED_ABOVE` standard
uncertainties off is a refusal: wrong vial, wrong container or wrong geometry.

The gain that an accepted fingerprint fixes is the certificate's over again. It goes
into the fraction remaining since dispatch and into nothing else.
"""

import math
from typing import Final

import msgspec

from gateway.estimator.container import ContainerModel, Detector
from gateway.estimator.witness import Bin, WitnessWindow
from schemas.contents import Contents
from schemas.estimates import (
    FINGERPRINT_METHOD,
    DetectorGain,
    FingerprintResult,
    FingerprintVerdict,
)
from schemas.records import DetectorSummary, Fingerprint
from schemas.units import NS_PER_S

REFUSED_ABOVE: Final = 3.0
WRONG: Final = "wrong vial, wrong container or wrong geometry"


def fingerprint_result(
    model: ContainerModel,
    contents: Contents,
    loaded: Fingerprint,
    background: Fingerprint | None,
) -> FingerprintResult:
    """Return what the loaded step says of a vial as certified.

    Args:
        model: the container.
        contents: the vial.
        loaded: the loaded step, with conditions that know UTC.
        background: the background step before it, if one was taken.

    Raises:
        ValueError: the loaded step does not know UTC.
    """
    at = loaded.conditions
    if at is None or at.utc_minus_boot_ns is None:
        raise ValueError(f"fingerprint {loaded.counter}: without UTC no activity")
    known = model if background is None else _with_background(model, background)
    gains = _gains(known, contents, loaded, at.utc_minus_boot_ns)
    window = _window(known, loaded)
    word = window.word(contents, at.utc_minus_boot_ns)
    if word.ratio is None or word.ratio_u is None:
        return FingerprintResult(
            method=FINGERPRINT_METHOD,
            verdict=FingerprintVerdict.NOT_OBSERVABLE,
            reasons=word.reasons,
        )
    deviation = abs(word.ratio - 1.0) / word.ratio_u
    reasons = _why_refused(model, loaded, gains, word.ratio, deviation)
    is_refused = bool(reasons)
    return FingerprintResult(
        method=FINGERPRINT_METHOD,
        verdict=(
            FingerprintVerdict.REFUSED if is_refused else FingerprintVerdict.ACCEPTED
        ),
        gains=gains,
        ratio=word.ratio,
        ratio_u=word.ratio_u,
        deviation=deviation,
        reasons=reasons,
    )


def _why_refused(
    model: ContainerModel,
    loaded: Fingerprint,
    gains: tuple[DetectorGain, ...],
    ratio: float,
    deviation: float,
) -> tuple[str, ...]:
    found = []
    if deviation > REFUSED_ABOVE:
        seen = f"{100 * ratio:.0f} % of what this vial should give"
        found.append(f"{seen}, {deviation:.1f} u off: {WRONG}")
    if loaded.attitude is not None:
        tilt_deg = model.tilt_deg(loaded.attitude)
        if tilt_deg > model.attitude_tolerance_deg:
            found.append(
                f"tilted by {tilt_deg:.0f} degrees, calibrated up to "
                f"{model.attitude_tolerance_deg:.0f}: wrong geometry"
            )
    if (apart := _pair_deviation(model, gains)) > REFUSED_ABOVE:
        found.append(
            f"the pair differs by {apart:.1f} u: the vial is off its place, "
            "wrong geometry"
        )
    return tuple(found)


def _pair_deviation(model: ContainerModel, gains: tuple[DetectorGain, ...]) -> float:
    """Return by how many u two opposite detectors differ; 0 where there is no pair."""
    if len(gains) != 2 or min(gain.ratio for gain in gains) <= 0.0:
        return 0.0
    first, second = gains
    slopes = {d.sensor: d.displacement_per_mm for d in model.detectors}
    by_place = slopes[first.sensor] - slopes[second.sensor]
    u = math.hypot(
        first.ratio_u / first.ratio,
        second.ratio_u / second.ratio,
        by_place * model.displacement_u_mm,
    )
    return abs(math.log(first.ratio / second.ratio)) / u


def _gains(
    model: ContainerModel,
    contents: Contents,
    loaded: Fingerprint,
    utc_minus_boot_ns: int,
) -> tuple[DetectorGain, ...]:
    """Return the gain of each package detector that sees the vial.

    Their uncertainties leave out what all of them share: certificate, common gain.
    """
    found = []
    for detector in model.package_detectors:
        alone = msgspec.structs.replace(model, detectors=(_own(detector),))
        exact = msgspec.structs.replace(contents, activity_expanded_u_gbq=1e-12)
        word = _window(alone, loaded).word(exact, utc_minus_boot_ns)
        if word.ratio is not None and word.ratio_u is not None:
            found.append(DetectorGain(detector.sensor, word.ratio, word.ratio_u))
    return tuple(found)


def _own(detector: Detector) -> Detector:
    """Return the detector with the uncertainty of its gain that is its own."""
    return msgspec.structs.replace(
        detector,
        sensitivities=tuple(
            msgspec.structs.replace(known, common_u_ratio=1e-12)
            for known in detector.sensitivities
        ),
    )


def _with_background(model: ContainerModel, step: Fingerprint) -> ContainerModel:
    """Return the model with the background that was counted here.

    What it knew of the background before is no longer needed: a detector that was
    not counted keeps it.
    """
    counted = {summary.sensor: summary for summary in step.detectors}
    return msgspec.structs.replace(
        model,
        detectors=tuple(
            detector
            if (summary := counted.get(detector.sensor)) is None
            or summary.live_time_ns == 0
            else _counted(detector, summary)
            for detector in model.detectors
        ),
    )


def _counted(detector: Detector, summary: DetectorSummary) -> Detector:
    live_s = summary.live_time_ns / NS_PER_S
    return msgspec.structs.replace(
        detector,
        background_rate_per_s=summary.counts / live_s,
        # One count more: none seen is no proof that there are none.
        background_rate_u_per_s=math.sqrt(summary.counts + 1.0) / live_s,
        cosmic_rate_per_s=0.0,
    )


def _window(model: ContainerModel, step: Fingerprint) -> WitnessWindow:
    window = WitnessWindow(model, step.to_boot_ns - step.from_boot_ns + 1)
    window.add(
        [
            Bin(
                sensor=summary.sensor,
                from_boot_ns=step.from_boot_ns,
                to_boot_ns=step.to_boot_ns,
                counts=summary.counts,
                live_time_ns=summary.live_time_ns,
                temperature_c=summary.temperature_c,
                pressure_hpa=step.pressure_hpa,
            )
            for summary in step.detectors
        ]
    )
    return window
