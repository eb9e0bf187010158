"""Every kernel once, so that the first estimate is not late.

A kernel is compiled for the types and layouts it is called with: what is called here
is what a report calls, on two bins of a made-up vial.
"""

import numpy as np

from gateway.estimator import changes, kernels, srs
from gateway.estimator.consistency import half_life
from gateway.estimator.fraction import fraction_remaining
from gateway.estimator.fused import fuse
from gateway.estimator.journal import journal
from gateway.estimator.model import ForwardModel, reference_design
from gateway.estimator.source import Source, Term

_LU_177_S = 6.6443 * 86_400.0


def warm_up() -> None:
    """Compile every kernel of the estimator, or load it from the cache."""
    kernels.warm_up()
    srs.warm_up()
    changes.warm_up()
    constant = float(np.log(2.0)) / _LU_177_S
    source = Source(
        nuclide="Lu-177",
        activity_gbq=7.4,
        activity_u_ratio=0.025,
        reference_at_ns=0,
        half_life_s=_LU_177_S,
        half_life_u_ratio=1e-4,
        impurity_u_log=0.0,
        terms=(Term(constant, 0.0, False, True, (("Lu-177", 1.0),)),),
    )
    model = ForwardModel(source=source, channels=reference_design())
    seen = journal(
        [channel.sensor for channel in model.channels],
        0,
        np.array([0.0, 60.0]),
        np.array([[24_600.0, 24_600.0, 25.0]] * 2),
        temperature_c=25.0,
        pressure_hpa=1013.25,
    )
    fuse(model, seen, 120)
    half_life(model, seen)
    first = np.array([True, False])
    fraction_remaining(model, seen, first, ~first)
