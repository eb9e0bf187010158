"""Air pressure, the cabin, and what the sky adds to a counting tube."""

from typing import Final

import numpy as np

SEA_LEVEL_HPA: Final = 1013.25

# Cabins hold 75 to 80 kPa at cruise: a cabin altitude of about 2,200 m.
CABIN_CEILING_M: Final = 2200.0

# Counts per second of the nominal tube from cosmic rays. Calibrated so that a tube
# with 0.35 /s on the ground has 20 to 25 times that at 11 km.
_ALTITUDE_M: Final = (0.0, 2000.0, 4000.0, 6000.0, 8000.0, 10_000.0, 11_000.0, 12_500.0)
_COSMIC_PER_S: Final = (0.12, 0.25, 0.75, 1.9, 4.0, 6.6, 8.0, 9.2)


def pressure_hpa(altitude_m: float, sea_level_hpa: float = SEA_LEVEL_HPA) -> float:
    """Return the outside pressure below 11 km.

    Source: ISO 2533 standard atmosphere, troposphere.
    """
    return float(sea_level_hpa * (1.0 - 2.25577e-5 * altitude_m) ** 5.25588)


def cabin_altitude_m(altitude_m: float, cruise_m: float, ground_m: float) -> float:
    """Return the altitude whose pressure a cabin has, while climbing or descending.

    The cabin climbs in proportion to the aircraft, from the ground to the ceiling.
    """
    ceiling_m = max(ground_m, CABIN_CEILING_M)
    part = (altitude_m - ground_m) / max(cruise_m - ground_m, 1.0)
    return ground_m + min(max(part, 0.0), 1.0) * (ceiling_m - ground_m)


def cosmic_per_s(altitude_m: float) -> float:
    """Return the cosmic count rate of the nominal tube at a true altitude."""
    return float(np.exp(np.interp(altitude_m, _ALTITUDE_M, np.log(_COSMIC_PER_S))))
