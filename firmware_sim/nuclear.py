"""Photon lines, half-lives and coefficients of the simulator, from ``nuclear.toml``.

All curves are interpolated log-log in energy. The table is the simulator's own,
so that an error in the estimator's table shows as a disagreement.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware_sim.errors import ScenarioError

Floats = NDArray[np.float64]

TABLE: Final = Path(__file__).with_name("nuclear.toml")

# 1 GBq, 1 keV per decay, 1 cm2/g, at 1 m: 1e9 x 1.602e-16 J x 0.1 m2/kg / (4 pi),
# times 3600 s/h and 1e6 uGy/Gy.
_KERMA_UGY_M2_H_GBQ: Final = 1e9 * 1.602177e-16 * 0.1 / (4 * np.pi) * 3600e6


class Daughter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a part of the decays leads to."""

    nuclide: str
    branch: float


class Nuclide(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One nuclide: half-life and lines as (energy in keV, photons per decay)."""

    half_life_s: float
    lines: tuple[tuple[float, float], ...]
    daughters: tuple[Daughter, ...] = ()

    def energies_kev(self) -> Floats:
        """Return (n,) line energies, keV."""
        return np.array([line[0] for line in self.lines])

    def intensities(self) -> Floats:
        """Return (n,) photons per decay."""
        return np.array([line[1] for line in self.lines])


class _Lead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    energy_kev: list[float]
    mu_per_cm: list[float]


class _BuildUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    energy_kev: list[float]
    a: list[float]


class _Air(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    energy_kev: list[float]
    mu_en_cm2_g: list[float]
    ambient_sv_gy: list[float]


class _Tube(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    energy_kev: list[float]
    relative_response: list[float]


class NuclearData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in ``nuclear.toml``; energies go in as (n,) keV."""

    nuclides: dict[str, Nuclide]
    lead: _Lead
    build_up: _BuildUp
    air: _Air
    tube: _Tube

    def lead_mu_per_cm(self, energy_kev: Floats) -> Floats:
        """Return the linear attenuation of lead, 1/cm."""
        return _log_log(energy_kev, self.lead.energy_kev, self.lead.mu_per_cm)

    def build_up_slope(self, energy_kev: Floats) -> Floats:
        """Return a of B = 1 + a mu x, dimensionless."""
        return _log_log(energy_kev, self.build_up.energy_kev, self.build_up.a)

    def kerma_constants(self, nuclide: Nuclide) -> Floats:
        """Return (n,) air kerma of each line, uGy m2/(h GBq), bare point source."""
        energy_kev = nuclide.energies_kev()
        mu_en = _log_log(energy_kev, self.air.energy_kev, self.air.mu_en_cm2_g)
        return _KERMA_UGY_M2_H_GBQ * nuclide.intensities() * energy_kev * mu_en

    def ambient_sv_gy(self, energy_kev: Floats) -> Floats:
        """Return ambient dose equivalent per air kerma, Sv/Gy."""
        return _log_log(energy_kev, self.air.energy_kev, self.air.ambient_sv_gy)

    def tube_response(self, energy_kev: Floats) -> Floats:
        """Return the counts per air kerma relative to 662 keV."""
        return _log_log(energy_kev, self.tube.energy_kev, self.tube.relative_response)


def _log_log(at: Floats, x: Sequence[float], y: Sequence[float]) -> Floats:
    return np.asarray(np.exp(np.interp(np.log(at), np.log(x), np.log(y))))


@cache
def nuclear_data(table: Path = TABLE) -> NuclearData:
    """Return the table.

    Raises:
        ScenarioError: the file is missing or does not have the expected shape.
    """
    try:
        return msgspec.toml.decode(table.read_bytes(), type=NuclearData)
    except (OSError, msgspec.DecodeError) as error:
        raise ScenarioError(f"{table}: {error}") from error
