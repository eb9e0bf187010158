"""A container's gain that a person released after an assay, put into its model.

What was measured is the ratio of all that the package detectors saw of a vial to what
the model led to expect, so that it multiplies their sensitivity to every emitter. Its
uncertainty replaces the common one of the nuclide and its progeny; an impurity keeps
the model's, because an assay of one vial says little of it. What one detector has of
its own stays.
"""

import msgspec

from gateway.estimator.container import (
    ContainerModel,
    Detector,
    GainCalibration,
    Role,
    Sensitivity,
)
from schemas.contents import ReleasedGain
from schemas.nuclides import chain_terms
from schemas.units import instant_text


def with_gain(model: ContainerModel, gain: ReleasedGain | None) -> ContainerModel:
    """Return the model with a released gain; the model itself without one.

    Raises:
        UnknownWordError: the gain's nuclide is not in the table.
    """
    if gain is None:
        return model
    emitters = frozenset(term.emitter for term in chain_terms(gain.nuclide))
    return msgspec.structs.replace(
        model,
        detectors=tuple(_detector(one, gain, emitters) for one in model.detectors),
        gain_calibration=GainCalibration(
            certificate=f"decision {gain.of_fact.hex()}",
            standard=gain.standard,
            nuclides=(gain.nuclide,),
            released_by=gain.released_by,
            released_at=instant_text(gain.released_at_ns),
            due_at=instant_text(gain.due_at_ns),
        ),
    )


def _detector(
    detector: Detector, gain: ReleasedGain, emitters: frozenset[str]
) -> Detector:
    if detector.role is not Role.PACKAGE:
        return detector
    return msgspec.structs.replace(
        detector,
        sensitivities=tuple(
            _sensitivity(one, gain, is_measured=one.nuclide in emitters)
            for one in detector.sensitivities
        ),
    )


def _sensitivity(
    seen: Sensitivity, gain: ReleasedGain, *, is_measured: bool
) -> Sensitivity:
    u_ratio = gain.gain_ratio_u / gain.gain_ratio
    return msgspec.structs.replace(
        seen,
        count_rate_per_s_gbq=seen.count_rate_per_s_gbq * gain.gain_ratio,
        common_u_ratio=u_ratio if is_measured else seen.common_u_ratio,
    )
