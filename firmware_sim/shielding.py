"""Point kernel through a cylindrical lead pot.

The pot is a lead tube along z, closed far above and below; the source points lie
inside it and the detectors outside. A photon's path in lead is the part of the
straight line between the two radii, plus a flat backing behind a detector.
"""

from typing import Final

import numpy as np

from firmware_sim.nuclear import Floats, NuclearData, Nuclide
from firmware_sim.scenario import Detector, Pot

MM_PER_CM: Final = 10.0
MM_PER_M: Final = 1000.0

# Gauss-Legendre nodes: a tube of 90 mm is not a point at 150 mm.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(3)


def lead_path_cm(points_mm: Floats, detector_mm: Floats, pot: Pot) -> Floats:
    """Return the way through the pot's wall from each point to one point outside.

    Args:
        points_mm: (n, 3) points inside the pot.
        detector_mm: (3,) point outside the pot.
        pot: radii of the lead tube.

    Returns:
        (n,) cm.
    """
    ray = detector_mm - points_mm
    flat = np.hypot(ray[:, 0], ray[:, 1])
    along = (points_mm[:, 0] * ray[:, 0] + points_mm[:, 1] * ray[:, 1]) / flat
    miss = points_mm[:, 0] ** 2 + points_mm[:, 1] ** 2 - along**2
    outer_mm = pot.inner_radius_mm + pot.lead_mm
    wall = np.sqrt(outer_mm**2 - miss) - np.sqrt(pot.inner_radius_mm**2 - miss)
    slant = np.linalg.norm(ray, axis=1) / flat
    return np.asarray(wall * slant / MM_PER_CM)


def transmission(path_cm: Floats, mu_per_cm: Floats, slope: Floats) -> Floats:
    """Return the transmitted part of the air kerma with build-up, (n, lines).

    Source: narrow beam exp(-mu x) times the linear build-up 1 + a mu x.
    """
    depth = np.outer(path_cm, mu_per_cm)
    return np.asarray((1.0 + slope * depth) * np.exp(-depth))


def line_kerma(
    data: NuclearData,
    nuclide: Nuclide,
    points_mm: Floats,
    detector: Detector,
    pot: Pot | None,
) -> Floats:
    """Return (lines,) air kerma rate over the tube's length, uGy/h per GBq.

    Args:
        data: coefficients.
        nuclide: the emitter, spread evenly over the points.
        points_mm: (n, 3) points of the liquid.
        detector: place, length (along z) and lead behind it.
        pot: the lead around the source; nothing for a free view.
    """
    energy_kev = nuclide.energies_kev()
    mu_per_cm = data.lead_mu_per_cm(energy_kev)
    slope = data.build_up_slope(energy_kev)
    total = np.zeros(len(energy_kev))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        centre = np.array(detector.position_mm)
        centre[2] += node * detector.length_mm / 2
        path_cm = np.full(len(points_mm), detector.backing_mm / MM_PER_CM)
        if pot is not None:
            path_cm += lead_path_cm(points_mm, centre, pot)
        square_m2 = np.sum((centre - points_mm) ** 2, axis=1) / MM_PER_M**2
        passed = transmission(path_cm, mu_per_cm, slope)
        total += weight / 2 * np.mean(passed / square_m2[:, None], axis=0)
    return np.asarray(data.kerma_constants(nuclide) * total)
