"""The product's estimators fed with the holdout's counts, by their public functions.

Only numbers cross: the design's constants go in as a container and a certificate would
give them, counts as a journal; an estimate of ln A / A_certificate comes out.
"""

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from gateway.estimator.filtering import LiveFilter
from gateway.estimator.fraction import fraction_remaining
from gateway.estimator.fusion import fit
from gateway.estimator.journal import Journal, journal
from gateway.estimator.model import Channel, ForwardModel
from gateway.estimator.source import Source, Term
from tests.holdout.matched import Bins, Design, Floats, pressure_hpa

SENSORS: Final = ("inner-0", "inner-1", "outer-0")
HEAD: Final = "Lu-177"
IMPURITY: Final = "Lu-177m"
NOMINAL_RATIO: Final = 1e-4


class Estimate(NamedTuple):
    """ln A / A_certificate and its standard uncertainty."""

    log_ratio: float
    u: float


def source(design: Design) -> Source:
    """Return the vial as its certificate says."""
    terms = (
        Term(np.log(2) / design.half_life_s, 0.0, False, True, ((HEAD, 1.0),)),
        Term(
            np.log(2) / design.impurity_half_life_s,
            0.0,
            True,
            False,
            ((IMPURITY, NOMINAL_RATIO),),
        ),
    )
    return Source(
        nuclide=HEAD,
        activity_gbq=design.activity_gbq,
        activity_u_ratio=design.certificate_u,
        reference_at_ns=0,
        half_life_s=design.half_life_s,
        half_life_u_ratio=design.half_life_u,
        impurity_u_log=design.impurity_u_log,
        terms=terms,
    )


def forward_model(design: Design) -> ForwardModel:
    """Return the container as its released calibration says."""
    inner_gains = {
        HEAD: design.gain,
        IMPURITY: design.gain * design.impurity_signal / NOMINAL_RATIO,
    }
    outer_gains = {
        HEAD: design.outer_gain,
        IMPURITY: design.outer_impurity_gain / NOMINAL_RATIO,
    }
    inner = [
        Channel(
            sensor=SENSORS[number],
            side=side,
            rates_per_s_gbq=inner_gains,
            common_gain_u=design.common_u,
            differential_gain_u=design.differential_u,
            temperature_u_per_10k=design.kappa_u,
            dead_time_s=design.dead_time_s,
            dead_time_u_ratio=design.dead_time_u,
            displacement_per_mm=side * design.per_mm,
            displacement_per_mm2=design.per_mm2,
            terrestrial_rate_per_s=design.terrestrial[number],
            cosmic_rate_per_s=design.cosmic[number],
        )
        for number, side in enumerate((1, -1))
    ]
    outer = Channel(
        sensor=SENSORS[2],
        side=0,
        rates_per_s_gbq=outer_gains,
        leak_u=design.leak_u,
        dead_time_s=design.dead_time_s,
        dead_time_u_ratio=design.dead_time_u,
        terrestrial_rate_per_s=design.terrestrial[2],
        cosmic_rate_per_s=design.cosmic[2],
    )
    return ForwardModel(source=source(design), channels=(*inner, outer))


def with_fingerprint_gain(model: ForwardModel, factor: float) -> ForwardModel:
    """Return the model with the gain that this vial's own dispatch gave: a trap.

    The factor holds this vial's certificate; a model that takes it for a gain of its
    own counts that certificate twice.
    """
    channels = tuple(
        replace(
            channel,
            rates_per_s_gbq={
                name: rate * factor for name, rate in channel.rates_per_s_gbq.items()
            },
        )
        if channel.side
        else channel
        for channel in model.channels
    )
    return replace(model, channels=channels)


def as_journal(bins: Bins, counts: Floats) -> Journal:
    """Return (3, n) counts as the gateway's journal would hold them."""
    return journal(
        SENSORS,
        0,
        bins.begin_s,
        np.ascontiguousarray(counts.T),
        width_s=bins.width_s,
        temperature_c=bins.temperature_c,
        pressure_hpa=pressure_hpa(bins.altitude_m),
    )


def fused(model: ForwardModel, entries: Journal) -> Estimate:
    """Return the number that is published: the mode over all bins."""
    posterior = fit(model, entries)
    return Estimate(posterior.log_ratio, posterior.log_ratio_u)


def followed(model: ForwardModel, entries: Journal) -> Estimate:
    """Return what the live filter has come to."""
    live = LiveFilter(model, 0)
    live.take(entries)
    return Estimate(live.log_ratio, live.log_ratio_u)


def remaining(model: ForwardModel, entries: Journal, bins_each: int) -> Estimate:
    """Return ln of the fraction that the last bins have of the first ones."""
    number = np.arange(len(entries.begin_s))
    said = fraction_remaining(
        model,
        entries,
        number < bins_each,
        number >= len(number) - bins_each,
    )
    return Estimate(float(np.log(said.ratio)), said.ratio_u / said.ratio)
