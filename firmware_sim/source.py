"""The vial: a liquid with an activity, that flows when the vial is tilted.

Container frame: z up, origin at the middle of the liquid's column when upright,
x towards detector 0. The free surface is level, so the liquid fills the vial from
its lowest point along gravity.
"""

from functools import lru_cache
from typing import Final

import numpy as np

from firmware_sim.nuclear import Floats, NuclearData
from firmware_sim.scenario import Scenario, Vial
from firmware_sim.shielding import line_kerma

POINTS: Final = 800
NS_PER_S: Final = 1_000_000_000
MM3_PER_ML: Final = 1000.0
LU177: Final = "lu177"
LU177M: Final = "lu177m"

# What fixes the scale: counts per second of the nominal tube per uGy/h of 662 keV
# photons, chosen once so that the shipped 10 mm pot gives 0.28 /s per GBq. The
# figure of merit of an SBM-20 (18 /s per mR/h of Cs-137) is 2.05.
COUNTS_PER_UGY_H: Final = 2.432


def activities_gbq(data: NuclearData, vial: Vial, utc_ns: int) -> dict[str, float]:
    """Return the activity of each nuclide in the vial.

    Source: A(t) = A0 2^(-(t - t0)/T); the Lu-177m ratio holds at calibration.
    """
    since_s = (utc_ns - vial.calibrated_at_ns()) / NS_PER_S
    start_gbq = {
        LU177: vial.activity_gbq,
        LU177M: vial.activity_gbq * vial.lu177m_ratio,
    }
    return {
        name: float(start * 2.0 ** (-since_s / data.nuclides[name].half_life_s))
        for name, start in start_gbq.items()
    }


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

    def __init__(self, scenario: Scenario, data: NuclearData) -> None:
        self._scenario = scenario
        self._data = data
        self._at = lru_cache(maxsize=512)(self._compute)

    def counts_per_s_gbq(self, down: Floats, displacement_mm: float) -> Floats:
        """Return (nuclides, detectors) 1/s per GBq: Lu-177 first, then Lu-177m.

        The attitude is taken to 1/50 and the displacement (along x) to 0.05 mm.
        """
        x, y, z = (round(50 * float(part)) for part in down)
        return self._at(x, y, z, round(20 * displacement_mm))

    def _compute(self, x: int, y: int, z: int, shift: int) -> Floats:
        down = np.array([x, y, z], dtype=np.float64)
        points = liquid_points_mm(self._scenario.vial, down / np.linalg.norm(down))
        points = points + np.array([shift / 20, 0.0, 0.0])
        return np.array([self._rates(name, points) for name in (LU177, LU177M)])

    def _rates(self, name: str, points_mm: Floats) -> list[float]:
        nuclide = self._data.nuclides[name]
        response = self._data.tube_response(nuclide.energies_kev())
        container = self._scenario.container
        return [
            COUNTS_PER_UGY_H
            * float(
                response
                @ line_kerma(self._data, nuclide, points_mm, detector, container.pot)
            )
            for detector in container.detectors
        ]
