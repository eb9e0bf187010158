"""The forward model: what each detector would count, and what is not known of it.

    n = exp(a + g + l + k dT + f1 (s + d) + f2 (s + d)^2 + change)
          * sum(W_k D_k(t) [exp(rho) if impurity])  +  c_t exp(b) + c_c exp(c) h(p)
    m = n t / (1 + n tau),   var = m / (1 + n tau)^2

with ``D_k`` the decay factor of a term averaged over the bin, ``dT`` in units of
10 K off 25 deg C, ``s`` the displacement of the source along the axis of the pair and
``d`` the shift of the liquid by tilt. ``t`` is the time in which the detector was
switched on; the non-paralysable dead time is taken out by the model.

Parameters, all 0 where everything is as the papers say (standard deviation a priori):

    0 activity      ln A / A_certificate          certificate's
    1 common gain   in standard deviations        1
    2 differential  in standard deviations        1
    3 temperature   in standard deviations        1
    4 dead time     in standard deviations        1
    5 impurity      ln r / r_nominal              certificate's or the route's
    6 leak          in standard deviations        1
    7 cosmic        ln of the scale               0.1
    8 half-life     ln T / T_table                table's; never learnt in flight
    9 change        ln of a change of activity    pinned to 0; see ``fraction``
    then one displacement per segment between shocks, mm, and the knots of the
    logarithm of the terrestrial background, a random walk.

A parameter in standard deviations acts on each detector by that detector's own
uncertainty: what the detectors share moves together and is never averaged away.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np

from gateway.estimator.journal import Floats, Journal, cosmic_growth
from gateway.estimator.source import Source
from schemas.units import NS_PER_S

CALIBRATION_TEMPERATURE_C: Final = 25.0
UNKNOWN_TEMPERATURE_U_10K: Final = 1.5
# A parameter that takes no part: its prior leaves it no room.
PINNED: Final = 1e-9


class Parameter(IntEnum):
    """Place of the common parameters in every vector of them."""

    ACTIVITY = 0
    COMMON_GAIN = 1
    DIFFERENTIAL_GAIN = 2
    TEMPERATURE = 3
    DEAD_TIME = 4
    IMPURITY = 5
    LEAK = 6
    COSMIC = 7
    HALF_LIFE = 8
    CHANGE = 9


N_COMMON: Final = len(Parameter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One detector. Uncertainties are standard (k = 1).

    Attributes:
        sensor: its name in the journal.
        side: +1 or -1 for the opposite pair that watches the activity (a single
            detector has +1), 0 for a detector that is there for something else.
        rates_per_s_gbq: count rate per activity, by emitter, dead time taken out.
        common_gain_u: relative, shared by all that watch the activity.
        differential_gain_u: relative, half the difference within the pair.
        leak_u: relative, shared by the detectors with side 0.
        temperature_per_10k: relative change of the signal for 10 K.
        temperature_u_per_10k: its uncertainty.
        dead_time_s: non-paralysable.
        dead_time_u_ratio: relative.
        displacement_per_mm: relative change of the signal for 1 mm, with sign.
        displacement_per_mm2: its quadratic part.
        terrestrial_rate_per_s: background at the calibration's place.
        cosmic_rate_per_s: cosmic background at sea level.
        tilt_u_per_deg: how much the moved liquid may change the signal, relative.
    """

    sensor: str
    side: int
    rates_per_s_gbq: Mapping[str, float]
    common_gain_u: float = 0.0
    differential_gain_u: float = 0.0
    leak_u: float = 0.0
    temperature_per_10k: float = 0.0
    temperature_u_per_10k: float = 0.0
    dead_time_s: float = 0.0
    dead_time_u_ratio: float = 0.0
    displacement_per_mm: float = 0.0
    displacement_per_mm2: float = 0.0
    terrestrial_rate_per_s: float = 0.0
    cosmic_rate_per_s: float = 0.0
    tilt_u_per_deg: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """Standard deviations a priori of what is not a detector's own.

    ``activity_u`` None means the certificate's. ``half_life_u`` None the table's.
    ``background_u_log`` is that of the first knot, after which the background walks
    by ``background_walk_u_log`` per ``background_knot_s``. A shock adds
    ``shock_u_mm`` to the displacement.
    """

    activity_u: float | None = None
    half_life_u: float | None = None
    displacement_u_mm: float = 1.0
    shock_u_mm: float = 5.0
    cosmic_u_log: float = 0.1
    background_u_log: float = 0.4
    background_walk_u_log: float = 0.15
    background_knot_s: float = 10_800.0
    change_u: float = PINNED


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardModel:
    """Source, detectors and priors of one vial in one container.

    ``gain_reason`` says why the gain is no released calibration of the container's
    own (then no activity is fused), None where it is one. ``liquid_mm_per_deg`` is
    how far the liquid's centre moves along the axis of the pair per degree of tilt.
    """

    source: Source
    channels: tuple[Channel, ...]
    priors: Priors = Priors()
    gain_reason: str | None = None
    liquid_mm_per_deg: float = 0.0

    @property
    def watching(self) -> tuple[int, ...]:
        """Columns of the detectors that watch the activity and see this source."""
        weight = self.weight()
        return tuple(
            i
            for i, channel in enumerate(self.channels)
            if channel.side != 0 and weight[i].any()
        )

    def with_priors(self, priors: Priors) -> "ForwardModel":
        """Return the model with other priors."""
        return replace(self, priors=priors)

    def widened(self, journal: Journal) -> "ForwardModel":
        """Return the model with what the journal leaves open in the common gain.

        A tilt within the tolerance may change the signal, and a detector whose
        temperature is not known in some bin is within 15 K of the calibration's.
        """
        known = journal.with_channels([channel.sensor for channel in self.channels])
        most_deg = float(np.abs(journal.tilt_deg).max(initial=0.0))
        is_there = ~np.isnan(known.counts)
        is_unknown = np.isnan(known.temperature_c) & is_there
        channels = []
        for i, channel in enumerate(self.channels):
            slope = np.hypot(channel.temperature_per_10k, channel.temperature_u_per_10k)
            parts = (
                channel.common_gain_u,
                channel.tilt_u_per_deg * most_deg,
                float(slope) * UNKNOWN_TEMPERATURE_U_10K * is_unknown[:, i].any(),
            )
            channels.append(replace(channel, common_gain_u=math.hypot(*parts)))
        return replace(self, channels=tuple(channels))

    def common_sd(self) -> Floats:
        """Return the standard deviations a priori of the common parameters, (10,)."""
        found = np.ones(N_COMMON)
        known = self.priors
        source = self.source
        certified = source.activity_u_ratio
        table = source.half_life_u_ratio
        found[Parameter.ACTIVITY] = (
            certified if known.activity_u is None else known.activity_u
        )
        found[Parameter.HALF_LIFE] = (
            table if known.half_life_u is None else known.half_life_u
        )
        found[Parameter.IMPURITY] = source.impurity_u_log
        found[Parameter.COSMIC] = known.cosmic_u_log
        found[Parameter.CHANGE] = known.change_u
        return np.maximum(found, PINNED)

    def weight(self) -> Floats:
        """Return the count rate of each term at its age 0, (c, k), 1/s."""
        rows = [
            [
                sum(x * channel.rates_per_s_gbq.get(e, 0.0) for e, x in t.coefficients)
                for t in self.source.terms
            ]
            for channel in self.channels
        ]
        shape = (len(self.channels), len(self.source.terms))
        return self.source.activity_gbq * np.array(rows, np.float64).reshape(shape)

    def term_table(self, origin_ns: int) -> Floats:
        """Return the terms for the kernels, (k, 4).

        Columns: decay constant 1/s, begin of the age in s after ``origin_ns``, 1 for
        an impurity, 1 for the head's own term.
        """
        reference_s = (self.source.reference_at_ns - origin_ns) / NS_PER_S
        return np.array(
            [
                (
                    t.constant_per_s,
                    t.origin_s + reference_s,
                    float(t.is_impurity),
                    float(t.is_head),
                )
                for t in self.source.terms
            ],
            np.float64,
        )

    def channel_table(self) -> Floats:
        """Return the detectors for the kernels, (c, 12 + k): see ``rate_kernels``."""
        rows = [
            (
                c.common_gain_u if c.side else 0.0,
                c.side * c.differential_gain_u,
                0.0 if c.side else c.leak_u,
                c.temperature_per_10k,
                c.temperature_u_per_10k,
                c.dead_time_s,
                c.dead_time_u_ratio,
                c.displacement_per_mm,
                c.displacement_per_mm2,
                c.terrestrial_rate_per_s,
                c.cosmic_rate_per_s,
                float(c.side),
            )
            for c in self.channels
        ]
        return np.hstack([np.array(rows, np.float64).reshape(-1, 12), self.weight()])

    def row_table(self, journal: Journal, change: Floats | None) -> Floats:
        """Return what all detectors share in each bin for the kernels, (n, 7).

        Columns: begin s, width s, growth of the cosmic rate, shift of the liquid mm,
        load of the change (1 where ``change`` applies), 1 for a shock, 1 where the
        activity may learn.
        """
        rows = np.zeros((len(journal), 7))
        rows[:, 0] = journal.begin_s
        rows[:, 1] = journal.width_s
        rows[:, 2] = cosmic_growth(journal.pressure_hpa)
        rows[:, 3] = journal.tilt_deg * self.liquid_mm_per_deg
        rows[:, 4] = 0.0 if change is None else change
        rows[:, 5] = journal.is_shocked
        rows[:, 6] = journal.is_learnt
        return rows

    def seen_table(self, journal: Journal) -> Floats:
        """Return what each detector saw in each bin for the kernels, (n, c, 3).

        Last axis: counts (NaN where missing), time switched on s, temperature off the
        calibration's in 10 K (0 where unknown).
        """
        own = journal.with_channels([channel.sensor for channel in self.channels])
        drift = (own.temperature_c - CALIBRATION_TEMPERATURE_C) / 10.0
        live_s = own.live_s
        counts = np.where(live_s > 0, own.counts, np.nan)
        return np.stack([counts, live_s, np.nan_to_num(drift, nan=0.0)], axis=2)


def reference_design(count_rate_per_s_gbq: float = 60.0) -> tuple[Channel, ...]:
    """Return the published reference design: two inner detectors and an outer one.

    Constants of a plausible pot, 20 mm of lead, GM tubes behind apertures; the ones
    that the measured figures of the theory page hold for. Background: 1 unit at the
    ground, and 0.35 of it cosmic at sea level.

    Args:
        count_rate_per_s_gbq: of each inner detector for Lu-177: 60 nominal, 1.2 low
            count, 600 heavy with dead time (n tau = 0.84 at 7.4 GBq).
    """
    inner = [
        Channel(
            sensor=f"inner-{number}",
            side=side,
            rates_per_s_gbq={
                "Lu-177": count_rate_per_s_gbq,
                "Lu-177m": count_rate_per_s_gbq * 29.0,
            },
            common_gain_u=0.012,
            differential_gain_u=0.006,
            temperature_u_per_10k=0.003,
            dead_time_s=190e-6,
            dead_time_u_ratio=0.03,
            displacement_per_mm=0.02 * side,
            displacement_per_mm2=0.0003,
            terrestrial_rate_per_s=0.30,
            cosmic_rate_per_s=0.30 * 0.35,
        )
        for number, side in ((1, 1), (2, -1))
    ]
    outer = Channel(
        sensor="outer-1",
        side=0,
        rates_per_s_gbq={"Lu-177": 0.0063, "Lu-177m": 45.0},
        leak_u=0.2,
        dead_time_s=190e-6,
        dead_time_u_ratio=0.03,
        terrestrial_rate_per_s=0.35,
        cosmic_rate_per_s=0.35 * 0.35,
    )
    return (*inner, outer)
