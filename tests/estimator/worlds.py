"""Small worlds for the tests of filter and fused number: known truth, seeded counts.

The means here come from the formulas of the model's documents, written out once more
with numpy; nothing is imported from the kernels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.estimator.journal import Journal, cosmic_growth, journal
from gateway.estimator.model import ForwardModel, Priors, reference_design
from gateway.estimator.source import source_of
from schemas.contents import Contents, Impurity, ProductionRoute, ReferenceKind
from schemas.nuclides import nuclide
from schemas.units import NS_PER_S, S_PER_HOUR

Floats = NDArray[np.float64]

REFERENCE_NS = 1_795_000_000 * NS_PER_S
LU177 = nuclide("Lu-177")
LU177M = nuclide("Lu-177m")


def contents(**changes: object) -> Contents:
    fields: dict[str, object] = {
        "vial": "V-1",
        "product": "P",
        "nuclide": "Lu-177",
        "activity_gbq": 7.4,
        "activity_expanded_u_gbq": 0.37,
        "coverage_factor": 2.0,
        "reference_at_ns": REFERENCE_NS,
        "reference_kind": ReferenceKind.CALIBRATION,
        "offset_minutes": 60,
        "volume_ml": 20.5,
        "production_route": ProductionRoute.CARRIER_ADDED,
        "standard": "S",
        "impurities": (Impurity("Lu-177m", 1e-4, 0.7e-4),),
    }
    return Contents(**{**fields, **changes})  # type: ignore[arg-type] # keyed above


def model(count_rate_per_s_gbq: float = 60.0, **priors: float) -> ForwardModel:
    return ForwardModel(
        source=source_of(contents()),
        channels=reference_design(count_rate_per_s_gbq),
        priors=Priors(**priors),
    )


@dataclass
class World:
    """The truth: deviations as in the table of parameters, by bin where a function."""

    n: int = 60
    width_s: float = 60.0
    start_s: float = 3600.0
    count_rate_per_s_gbq: float = 60.0
    activity: float = 0.0
    common_gain: float = 0.0
    differential_gain: float = 0.0
    temperature_per_10k: float = 0.0
    dead_time_s: float = 190e-6
    isomer_ratio: float = 1e-4
    temperature_c: float = 25.0
    pressure_hpa: float = 1013.25
    displacement_mm: Callable[[Floats], Floats] = np.zeros_like
    lost: Callable[[Floats], Floats] = np.zeros_like
    outer_extra_per_s: Callable[[Floats], Floats] = np.zeros_like
    shocks_at_s: tuple[float, ...] = ()
    faults: Mapping[int, float] = field(default_factory=dict)

    def begin_s(self) -> Floats:
        return self.start_s + self.width_s * np.arange(self.n, dtype=np.float64)

    def rates_per_s(self) -> Floats:
        """True rates, (n, 3), 1/s."""
        middle = self.begin_s() + 0.5 * self.width_s
        main = 7.4 * np.exp(self.activity) * (1.0 - self.lost(middle))
        left = np.exp(-LU177.decay_constant_per_s * middle)
        left_m = np.exp(-LU177M.decay_constant_per_s * middle)
        ground = 1.0 + 0.35 * cosmic_growth(np.full(self.n, self.pressure_hpa))
        s = self.displacement_mm(middle)
        drift = (self.temperature_c - 25.0) / 10.0 * self.temperature_per_10k
        inner = (
            main
            * self.count_rate_per_s_gbq
            * (left + 29.0 * self.isomer_ratio * left_m)
        )
        columns = [
            inner
            * np.exp(
                self.common_gain
                + side * self.differential_gain
                + drift
                + side * 0.02 * s
                + 0.0003 * s * s
            )
            + 0.30 * ground
            for side in (1.0, -1.0)
        ]
        leak = main * (0.0063 * left + 45.0 * self.isomer_ratio * left_m)
        columns.append(leak + 0.35 * ground + self.outer_extra_per_s(middle))
        stacked: Floats = np.stack(columns, axis=1)
        return stacked

    def means(self) -> tuple[Floats, Floats]:
        """Mean and variance of the counts, (n, 3) each."""
        rates = self.rates_per_s()
        shut = 1.0 + rates * self.dead_time_s
        mean = rates * self.width_s / shut
        return mean, mean / shut**2

    def journal(self, seed: int | None = None) -> Journal:
        """Counts drawn with a seed, or the means themselves."""
        mean, variance = self.means()
        counts = mean
        if seed is not None:
            rng = np.random.default_rng(seed)
            normal = np.rint(rng.normal(mean, np.sqrt(variance)))
            counts = np.where(mean < 200.0, rng.poisson(mean), normal)
        begin = self.begin_s()
        shocked = np.zeros(self.n, np.bool_)
        for at_s in self.shocks_at_s:
            shocked[np.searchsorted(begin, at_s)] = True
        return journal(
            [c.sensor for c in reference_design()],
            REFERENCE_NS,
            begin,
            counts.astype(np.float64),
            width_s=self.width_s,
            temperature_c=self.temperature_c,
            pressure_hpa=self.pressure_hpa,
            is_shocked=shocked,
        )


def at_h(hours: float) -> int:
    return REFERENCE_NS + int(hours * S_PER_HOUR) * NS_PER_S
