"""Estimators that a product must beat: what is done without a model of the pot."""

import numpy as np

from tests.holdout.matched import Bins, Design, Floats, decayed
from tests.holdout.product import Estimate


def decay_only(design: Design) -> Estimate:
    """Return the certificate, decayed."""
    return Estimate(0.0, design.certificate_u)


def counts_over_gain(design: Design, bins: Bins, counts: Floats) -> Estimate:
    """Return net counts of the pair over gain and decay, dead time taken out."""
    live_s = np.maximum(bins.width_s - counts[:2] * design.dead_time_s, 1e-3)
    ground = np.array(design.terrestrial[:2]) + np.array(design.cosmic[:2])
    net = np.sum(counts[:2] - ground[:, None] * live_s)
    due = np.sum(_due_per_gbq(design, bins) * live_s)
    u = float(np.sum(counts[:2]) / max(net, 1.0) ** 2) ** 0.5
    ratio = max(net, 1.0) / (design.activity_gbq * due)
    return Estimate(float(np.log(ratio)), float(np.hypot(u, design.common_u)))


def gamma_poisson(design: Design, bins: Bins, counts: Floats) -> Estimate:
    """Return the exact filter of one unknown: gain and all else taken for known.

    alpha += N, beta += g D (w - N tau), from a gamma prior with the certificate's
    relative deviation; the background is taken off the counts.
    """
    live_s = np.maximum(bins.width_s - counts[:2] * design.dead_time_s, 1e-3)
    ground = np.array(design.terrestrial[:2]) + np.array(design.cosmic[:2])
    net = float(np.sum(counts[:2] - ground[:, None] * live_s))
    due = float(np.sum(_due_per_gbq(design, bins) * live_s))
    alpha = design.certificate_u**-2
    beta = alpha / design.activity_gbq
    alpha, beta = max(alpha + net, 1.0), beta + due
    ratio = alpha / beta / design.activity_gbq
    return Estimate(float(np.log(ratio)), float(alpha**-0.5))


def _due_per_gbq(design: Design, bins: Bins) -> Floats:
    head = decayed(bins.begin_s, bins.width_s, design.half_life_s)
    isomer = decayed(bins.begin_s, bins.width_s, design.impurity_half_life_s)
    return np.asarray(design.gain * (head + design.impurity_signal * isomer))
