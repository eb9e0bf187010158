"""What a detector sees of a vial: one exponential after the other.

The rate of a source is a sum of exponentials: one for the nuclide, one for each
impurity, and for a chain one for each pair of a member and an ancestor of it.

Source: Bateman (1910), as :func:`schemas.nuclides.chain_terms` has it.
"""

import math
from dataclasses import dataclass

from gateway.estimator.container import Detector
from schemas.contents import Contents
from schemas.nuclides import chain_terms, nuclide
from schemas.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Term:
    """One exponential of one emitter: ``rate * exp(-constant t)`` after t0."""

    rate_per_s: float
    constant_per_s: float
    common_u_ratio: float
    differential_u_ratio: float
    impurity_u_ratio: float


def source_terms(detector: Detector, contents: Contents) -> list[Term]:
    """Return what a detector sees of a vial, chains by their members.

    Where the certificate does not say when the parent was separated, its progeny is
    taken to have grown in.
    """
    known = [(contents.nuclide, 1.0, 0.0)]
    known += [
        (i.nuclide, i.activity_ratio, i.activity_ratio_u / i.activity_ratio)
        for i in contents.impurities
    ]
    found = []
    for name, ratio, ratio_u in known:
        own = nuclide(name).decay_constant_per_s
        for emitter, weight, constant in chain_terms(name):
            sensitivity = detector.sensitivity(emitter)
            # What an impurity grows of the nuclide itself is in its certificate.
            is_counted = emitter == contents.nuclide and name != contents.nuclide
            grown = _grown(own, constant, contents)
            if sensitivity is None or is_counted or grown == 0.0:
                continue
            activity_gbq = contents.activity_gbq * ratio * weight * grown
            found.append(
                Term(
                    rate_per_s=activity_gbq * sensitivity.count_rate_per_s_gbq,
                    constant_per_s=constant,
                    common_u_ratio=sensitivity.common_u_ratio,
                    differential_u_ratio=sensitivity.differential_u_ratio,
                    impurity_u_ratio=ratio_u,
                )
            )
    return found


def source_rate_per_s(detector: Detector, contents: Contents, age_s: float) -> float:
    """Return the rate expected of a vial ``age_s`` after its reference instant."""
    return math.fsum(
        term.rate_per_s * math.exp(-term.constant_per_s * age_s)
        for term in source_terms(detector, contents)
    )


def _grown(parent_per_s: float, own_per_s: float, contents: Contents) -> float:
    """Return what is left at t0 of a term that began at the separation."""
    if own_per_s <= parent_per_s:
        return 1.0
    if contents.separated_at_ns is None:
        return 0.0
    since_s = (contents.reference_at_ns - contents.separated_at_ns) / NS_PER_S
    return math.exp((parent_per_s - own_per_s) * since_s)
