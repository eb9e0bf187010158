"""Every product nuclide in the simulator's world, without noise, for the estimator.

Chains, half-lives and branches of the simulator are its own. With the gains of the
nominal world and counts at their mean, the fused activity must be the certificate's:
what is left is how far two tables and two Bateman solutions differ.
"""

import datetime as dt
from typing import Final

import msgspec
import numpy as np

from firmware_sim.chains import Contents as TrueContents
from firmware_sim.detector import DeadTime, TubeTruth
from firmware_sim.nuclear import NuclearData, nuclear_data
from firmware_sim.scenario import Scenario, Vial, load_scenario, scenario_path, utc_ns
from firmware_sim.source import Field
from firmware_sim.world import World
from gateway.estimator.assembly import forward_model
from gateway.estimator.container import ContainerModel, Sensitivity, read_container
from gateway.estimator.journal import Journal, journal
from gateway.estimator.model import ForwardModel
from schemas.contents import Contents
from tests.holdout.matched import Floats
from tests.holdout.unmatched import CONTAINER, certificate

UPRIGHT: Final = np.array([0.0, 0.0, -1.0])
NS_PER_S: Final = 1_000_000_000
WIDTH_S: Final = 60.0
BINS: Final = 180
TRUE_RATE_PER_S: Final = 400.0
# So sure of the gain that the certificate's prior does not matter.
SURE: Final = 1e-4
QUICK_S: Final = 600.0


def scenario_of(nuclide: str, separated_h: float) -> Scenario:
    """Return three calm hours from calibration, the vial purified so long before."""
    paper = load_scenario(scenario_path("inner-pair"))
    at = paper.vial.calibrated_at
    vial = Vial(
        calibrated_at=at,
        activity_gbq=1.0,
        volume_ml=paper.vial.volume_ml,
        nuclide=nuclide,
        separated_at=at - dt.timedelta(hours=separated_h),
    )
    # At rest where the journey begins, long before its first leg's end.
    calm = msgspec.structs.replace(paper, vial=vial, acts=[], starts_at=at)
    gains, _ = _gains(calm, nuclear_data())
    now = TrueContents(nuclear_data(), vial).activities_gbq(
        vial.calibrated_at_ns() + round(BINS * WIDTH_S / 2 * NS_PER_S)
    )
    activity = TRUE_RATE_PER_S / float(now @ gains[:, 0])
    fitted = msgspec.structs.replace(vial, activity_gbq=activity)
    return msgspec.structs.replace(calm, vial=fitted)


def _gains(scenario: Scenario, data: NuclearData) -> tuple[Floats, tuple[str, ...]]:
    names = TrueContents(data, scenario.vial).nuclides
    return Field(scenario, data, names).counts_per_s_gbq(UPRIGHT, 0.0), names


def folded(
    scenario: Scenario, data: NuclearData, known: frozenset[str]
) -> dict[str, Floats]:
    """Return gains of the emitters that a container knows, (detectors,) each.

    A member that the container's table does not have counts with the ancestor that it
    comes from, by its branch, if it lives for minutes; otherwise it is not there yet.
    """
    gains, names = _gains(scenario, data)
    own = dict(zip(names, gains, strict=True))

    def with_progeny(name: str) -> Floats:
        total = own[name]
        for daughter in data.nuclides[name].daughters:
            half_life_s = data.nuclides[daughter.nuclide].half_life_s
            if daughter.nuclide not in known and half_life_s < QUICK_S:
                total = total + daughter.branch * with_progeny(daughter.nuclide)
        return np.asarray(total)

    return {name: with_progeny(name) for name in names if name in known}


def container_for(gains: dict[str, Floats]) -> ContainerModel:
    """Return the inner pair with these gains, known without doubt."""
    shipped = read_container(CONTAINER.read_bytes(), str(CONTAINER))
    detectors = [
        msgspec.structs.replace(
            detector,
            sensitivities=tuple(
                Sensitivity(
                    nuclide=name,
                    count_rate_per_s_gbq=float(rates[number]),
                    common_u_ratio=SURE,
                    differential_u_ratio=SURE,
                )
                for name, rates in gains.items()
            ),
        )
        for number, detector in enumerate(shipped.detectors)
    ]
    return msgspec.structs.replace(shipped, detectors=tuple(detectors))


def papers(scenario: Scenario, separated_h: float) -> Contents:
    """Return the certificate; the separation is what it says, true or not."""
    vial = scenario.vial
    said = certificate(scenario, vial.activity_gbq)
    early_ns = round(separated_h * 3600 * NS_PER_S)
    return msgspec.structs.replace(
        said,
        nuclide=vial.nuclide,
        separated_at_ns=vial.calibrated_at_ns() - early_ns,
    )


def noiseless(scenario: Scenario) -> Journal:
    """Return the mean counts of nominal tubes, minute by minute."""
    world = World(scenario, nuclear_data(), 1)
    dead_time = DeadTime(190e-6)
    world.tubes = [TubeTruth(1.0, dead_time, 0.0) for _ in world.tubes]
    step_ns = round(WIDTH_S * NS_PER_S)
    begin_ns = utc_ns(scenario.starts_at)
    played = [
        world.step(begin_ns + k * step_ns, begin_ns + (k + 1) * step_ns)
        for k in range(BINS)
    ]
    rates = np.array([one.rates_per_s for one in played])
    mean, _ = dead_time.count_moments(rates, WIDTH_S)
    return journal(
        [f"board/detector-{number}" for number in range(rates.shape[1])],
        begin_ns,
        WIDTH_S * np.arange(BINS, dtype=np.float64),
        mean,
        width_s=WIDTH_S,
        temperature_c=25.0,
        pressure_hpa=1013.25,
    )


def model_of(scenario: Scenario, separated_h: float) -> ForwardModel:
    """Return the product's model of this vial, as its papers say."""
    shipped = read_container(CONTAINER.read_bytes(), str(CONTAINER))
    known = frozenset(
        line.nuclide for one in shipped.detectors for line in one.sensitivities
    )
    gains = folded(scenario, nuclear_data(), known)
    contents = papers(scenario, separated_h)
    return forward_model(
        container_for(gains), contents, scenario.vial.calibrated_at_ns()
    )
