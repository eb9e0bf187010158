"""Air, light, vibration and supply around the container, step by step."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim import atmosphere
from firmware_sim.nuclear import Floats
from firmware_sim.randomness import Wander, stream
from firmware_sim.route import Position
from schemas.units import STANDARD_GRAVITY_M_S2

# Time constants of the first-order lags: a van's or hall's air, the tubes in their
# foam, the product behind lead and insulation.
ROOM_LAG_S: Final = 900.0
TUBE_LAG_S: Final = 1500.0
PRODUCT_LAG_S: Final = 7200.0

# Root mean square of the vibration that the low range sees, m/s2.
_VIBRATION_M_S2: Final = {"rest": 0.02, "road": 0.6, "flight": 0.25}
_CREST: Final = 3.2

OPEN_LUX: Final = 320.0
CLOSED_LUX: Final = 0.004

BATTERY_MAH: Final = 12_000.0
DRAW_MA: Final = 320.0


@dataclass(frozen=True, slots=True)
class Air:
    """Temperatures and pressure at the end of a step."""

    ambient_c: float
    tube_c: float
    product_c: float
    pressure_hpa: float
    terrestrial_factor: float


class Surroundings:
    """What the air does: lags and slow random walks."""

    def __init__(self, seed: int, first_c: float) -> None:
        self._draught_c = Wander(stream(seed, "draught"), 0.4, 1800.0)
        self._weather_hpa = Wander(stream(seed, "weather"), 6.0, 86_400.0)
        self._ground = Wander(stream(seed, "ground"), 0.06, 1200.0)
        self._room_c = self._tube_c = self._product_c = first_c

    def step(self, position: Position, seconds: float) -> Air:
        """Advance by a step during which the container is at ``position``."""
        self._room_c = _lag(
            self._room_c, position.leg.temperature_c, seconds / ROOM_LAG_S
        )
        ambient_c = self._room_c + self._draught_c.step(seconds)
        self._tube_c = _lag(self._tube_c, ambient_c, seconds / TUBE_LAG_S)
        self._product_c = _lag(self._product_c, ambient_c, seconds / PRODUCT_LAG_S)
        return Air(
            ambient_c=ambient_c,
            tube_c=self._tube_c,
            product_c=self._product_c,
            pressure_hpa=self._pressure_hpa(position, seconds),
            terrestrial_factor=float(np.exp(self._ground.step(seconds))),
        )

    def _pressure_hpa(self, position: Position, seconds: float) -> float:
        felt_m = atmosphere.cabin_altitude_m(
            position.altitude_m,
            position.ground_altitude_m + position.leg.cruise_altitude_m,
            position.ground_altitude_m,
        )
        sea_level = atmosphere.SEA_LEVEL_HPA + self._weather_hpa.step(seconds)
        return atmosphere.pressure_hpa(felt_m, sea_level)


def _lag(value: float, towards: float, steps: float) -> float:
    return towards + (value - towards) * float(np.exp(-steps))


@dataclass(frozen=True, slots=True)
class Motion:
    """Specific force over a step, m/s2: mean vector and extremes of magnitude."""

    mean_m_s2: Floats
    min_m_s2: float
    max_m_s2: float


def vibration(position: Position, down: Floats, rng: np.random.Generator) -> Motion:
    """Return one step's summary of gravity and vibration, without shocks."""
    moving = position.speed_m_s > 0.5 or position.leg.kind == "rest"
    rms = _VIBRATION_M_S2[position.leg.kind] if moving else 0.05
    peak = rms * (_CREST + 0.4 * abs(float(rng.standard_normal())))
    # The mean over a step hides all but a thousandth of the vibration's power.
    mean = -STANDARD_GRAVITY_M_S2 * down + rng.normal(0.0, 0.01 + 0.03 * rms, 3)
    rest = float(np.linalg.norm(mean))
    return Motion(mean, max(rest - peak, 0.0), rest + peak)


class Battery:
    """A lithium iron phosphate pack: flat voltage, steady draw."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._used_mah = 0.0

    def step(self, seconds: float) -> tuple[int, int, int]:
        """Return voltage in mV, current in mA and charge in percent."""
        current_ma = DRAW_MA + float(self._rng.normal(0.0, 15.0))
        self._used_mah = min(BATTERY_MAH, self._used_mah + current_ma * seconds / 3600)
        left = 1.0 - self._used_mah / BATTERY_MAH
        knee = 900.0 * float(np.exp(-left / 0.06))
        voltage_mv = 13_050 + 250.0 * left - knee - 0.08 * current_ma
        return round(voltage_mv), round(current_ma), round(100 * left)
