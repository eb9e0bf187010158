"""The vial: a liquid with an activity, that flows when the vial is tilted.

Container frame: z up, origin at the middle of the liquid's column when upright,
x towards detector 0. The free surface is level, so the liquid fills the vial from
its lowest point along gravity.
"""

from functools import lru_cache
from typing import Final

import msgspec
import numpy as np

from firmware_sim.nuclear import Floats, NuclearData
from firmware_sim.scenario import Detector, Pot, Scenario, Vial
from firmware_sim.shielding import line_kerma

POINTS: Final = 800
MM3_PER_ML: Final = 1000.0

# What fixes the scale: counts per second of the nominal tube per uGy/h of 662 keV
# photons, chosen once so that the shipped 10 mm pot gives 0.28 /s per GBq. The
# figure of merit of an SBM-20 (18 /s per mR/h of Cs-137) is 2.05.
COUNTS_PER_UGY_H: Final = 2.432

# What a tube of the SBM-20 class shows to the vial, beside its length.
TUBE_WIDTH_MM: Final = 10.0


def vial_points_mm(vial: Vial, count: int) -> Floats:
    """Return (count, 3) points that fill the whole vial evenly.

    Source: additive recurrence of Roberts' R3 sequence, low discrepancy.
    """
    golden = 1.2207440846057596  # positive root of x^4 = x + 1
    steps = np.array([golden**-1, golden**-2, golden**-3])
    unit = (0.5 + np.outer(np.arange(1, count + 1), steps)) % 1.0
    radius = vial.radius_mm * np.sqrt(unit[:, 0])
    angle = 2 * np.pi * unit[:, 1]
    z = unit[:, 2] * vial.height_mm - _column_mm(vial) / 2
    return np.column_stack((radius * np.cos(angle), radius * np.sin(angle), z))


def _column_mm(vial: Vial) -> float:
    return vial.volume_ml * MM3_PER_ML / (np.pi * vial.radius_mm**2)


def liquid_points_mm(vial: Vial, down: Floats, count: int = POINTS) -> Floats:
    """Return (count, 3) points of the liquid, the vial standing at the origin.

    Args:
        vial: inner size and filling.
        down: (3,) direction of gravity in the container frame, unit length.
        count: number of points of liquid, not of the vial.
    """
    filled = _column_mm(vial) / vial.height_mm
    points = vial_points_mm(vial, round(count / filled))
    lowest_first = np.argsort(-(points @ down), kind="stable")
    return np.asarray(points[lowest_first[:count]])


class Field:
    """Count rates of the nominal detectors per GBq, for any attitude and place."""

    def __init__(
        self, scenario: Scenario, data: NuclearData, nuclides: tuple[str, ...]
    ) -> None:
        self._vial = scenario.vial
        self._container = scenario.container
        self._data = data
        self._nuclides = nuclides
        self._at = lru_cache(maxsize=512)(self._compute)

    def counts_per_s_gbq(self, down: Floats, displacement_mm: float) -> Floats:
        """Return (nuclides, detectors) 1/s per GBq.

        The attitude is taken to 1/50 and the displacement (along x) to 0.05 mm.
        """
        return self._at(*_rounded(down), round(20 * displacement_mm), is_bare=False)

    def bare_counts_per_s_gbq(self, down: Floats, displacement_mm: float) -> Floats:
        """Return (nuclides, detectors) 1/s per GBq of a tube that no lead covers."""
        return self._at(*_rounded(down), round(20 * displacement_mm), is_bare=True)

    def _compute(self, x: int, y: int, z: int, shift: int, *, is_bare: bool) -> Floats:
        down = np.array([x, y, z], dtype=np.float64)
        points = liquid_points_mm(self._vial, down / np.linalg.norm(down))
        points = points + np.array([shift / 20, 0.0, 0.0])
        seen = self._bare if is_bare else self._seen
        return np.array(
            [
                [seen(name, points, tube) for tube in self._container.detectors]
                for name in self._nuclides
            ]
        )

    def _seen(self, name: str, points_mm: Floats, tube: Detector) -> float:
        through_lead = self._counts(name, points_mm, tube, self._container.pot)
        if not tube.aperture_mm:
            return through_lead
        bore_mm2 = np.pi * tube.aperture_mm**2 / 4
        bore = msgspec.structs.replace(tube, length_mm=1e-3)
        part = bore_mm2 / (tube.length_mm * TUBE_WIDTH_MM)
        return through_lead + part * self._bare(name, points_mm, bore)

    def _bare(self, name: str, points_mm: Floats, tube: Detector) -> float:
        return self._counts(name, points_mm, tube, None)

    def _counts(
        self, name: str, points_mm: Floats, tube: Detector, pot: Pot | None
    ) -> float:
        nuclide = self._data.nuclides[name]
        if not nuclide.lines:
            return 0.0
        response = self._data.tube_response(nuclide.energies_kev())
        kerma = line_kerma(self._data, nuclide, points_mm, tube, pot)
        return COUNTS_PER_UGY_H * float(response @ kerma)


def _rounded(down: Floats) -> tuple[int, int, int]:
    x, y, z = (round(50 * float(part)) for part in down)
    return x, y, z
