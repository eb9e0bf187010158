"""The simulator's world, which is richer than any model, played for the estimator.

Twelve hours of ``inner-pair`` with a flight: sources in a liquid, gains from geometry,
tubes off their nominal in gain, dead time (a part of it prolonged) and temperature,
lags, a ground that changes with the place, a sky of its own. What the estimator gets is
what a container has: a calibration (the nominal world's figures), a certificate, and
minutes of counts, on the ground only. Long minutes come from the renewal law.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware_sim.chains import Contents as TrueContents
from firmware_sim.detector import (
    REFERENCE_TEMPERATURE_C,
    DeadTime,
    TubeTruth,
    draw_tubes,
)
from firmware_sim.nuclear import nuclear_data
from firmware_sim.scenario import Event, Scenario, load_scenario, scenario_path, utc_ns
from firmware_sim.source import Field
from firmware_sim.world import Snapshot, World
from gateway.estimator.assembly import forward_model
from gateway.estimator.container import ContainerModel, read_container
from gateway.estimator.journal import Journal, journal
from gateway.estimator.model import ForwardModel
from schemas.contents import Contents, ProductionRoute, ReferenceKind
from tests.holdout.matched import Floats

Flags = NDArray[np.bool_]

SEED: Final = 20261126
NS_PER_S: Final = 1_000_000_000
WIDTH_S: Final = 60.0
VIALS: Final = 25
CERTIFIED_GBQ: Final = 7.4
CERTIFICATE_U: Final = 0.025
# Carrier added without a measured impurity: the route's ratio, good to a factor of 2.
ROUTE_RATIO: Final = 1.5e-4
ROUTE_U_LOG: Final = 0.7
EVENT_AT_S: Final = 8 * 3600.0
# A gateway knows that it flies some minutes after it does, on both sides.
TAKES_OFF_SEEN_S: Final = 480.0
LANDING_SEEN_S: Final = 900.0
CONTAINER: Final = Path(__file__).resolve().parents[2] / "hw/containers/inner-pair.toml"


@dataclass(frozen=True, slots=True)
class Situation:
    """What happens in the twelve hours; events come after eight."""

    name: str
    events: tuple[dict[str, object], ...] = ()
    start_mm: float | None = None
    gap_s: tuple[float, float] | None = None
    clock_s: float = 0.0
    gain_u: float = 0.0
    activity_gbq: float = CERTIFIED_GBQ

    @property
    def is_shocked(self) -> bool:
        """Whether the accelerometers see a blow with the event."""
        return any(event["what"] in ("drop", "kick") for event in self.events)


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """One journey as the estimator gets it, and the truth of it.

    ``true_log`` is ln A / A_certificate at the end of each bin, (n,), decay taken out.
    """

    model: ForwardModel
    entries: Journal
    true_log: Floats

    def until(self, end_s: float) -> tuple[Journal, float]:
        """Return the bins that end by ``end_s`` and the truth at the last."""
        keep = self.entries.end_s <= end_s
        return self.entries.where(keep), float(self.true_log[keep][-1])


@cache
def _scenario(activity_gbq: float) -> Scenario:
    scenario = load_scenario(scenario_path("inner-pair"))
    vial = msgspec.structs.replace(scenario.vial, activity_gbq=activity_gbq)
    return msgspec.structs.replace(scenario, vial=vial, acts=[])


@cache
def calibrated_container() -> ContainerModel:
    """Return the shipped container with the gains that a calibration gives here."""
    shipped = read_container(CONTAINER.read_bytes(), str(CONTAINER))
    names = ("Lu-177", "Lu-177m")
    field = Field(_scenario(CERTIFIED_GBQ), nuclear_data(), names)
    gains = field.counts_per_s_gbq(np.array([0.0, 0.0, -1.0]), 0.0)
    return replace_sensitivities(shipped, dict(zip(names, gains, strict=True)))


def replace_sensitivities(
    shipped: ContainerModel, gains: dict[str, Floats]
) -> ContainerModel:
    """Return the container with other count rates, uncertainties as they were."""
    detectors = []
    for number, detector in enumerate(shipped.detectors):
        lines = tuple(
            msgspec.structs.replace(
                line, count_rate_per_s_gbq=float(gains[line.nuclide][number])
            )
            for line in detector.sensitivities
            if line.nuclide in gains
        )
        detectors.append(msgspec.structs.replace(detector, sensitivities=lines))
    return msgspec.structs.replace(shipped, detectors=tuple(detectors))


def certificate(scenario: Scenario, activity_gbq: float) -> Contents:
    """Return the vial's paper."""
    return Contents(
        vial="holdout",
        product="lutetium",
        nuclide="Lu-177",
        activity_gbq=activity_gbq,
        activity_expanded_u_gbq=2 * CERTIFICATE_U * activity_gbq,
        coverage_factor=2.0,
        reference_at_ns=scenario.vial.calibrated_at_ns(),
        reference_kind=ReferenceKind.CALIBRATION,
        offset_minutes=60,
        volume_ml=scenario.vial.volume_ml,
        production_route=ProductionRoute.CARRIER_ADDED,
        standard="holdout",
    )


def play(situation: Situation, number: int) -> Iterator[Played]:
    """Yield the journeys of :data:`VIALS` vials that one world has on one day.

    They share ground, air, place in the pot and impurity; each has its own tubes,
    certificate and counts.
    """
    rng = np.random.default_rng([SEED, sum(situation.name.encode()), number])
    paper = _scenario(situation.activity_gbq)
    scenario = _truth(paper, situation, rng)
    world = World(scenario, nuclear_data(), int(rng.integers(2**31)))
    # Nominal tubes: the real ones are put to the nominal rates of this world below.
    world.tubes = [TubeTruth(1.0, DeadTime(190e-6), 0.0) for _ in world.tubes]
    snapshots = _snapshots(world, scenario)
    kept = _kept(situation, snapshots)
    passed = _passed(paper, snapshots)
    for _ in range(VIALS):
        said = float(np.exp(CERTIFICATE_U * rng.standard_normal()))
        counts = _counts(_tubes(situation, paper, rng), snapshots, rng)
        contents = certificate(paper, situation.activity_gbq / said)
        begin_ns = scenario.starts_at_ns()
        model = forward_model(calibrated_container(), contents, begin_ns)
        entries = _journal(situation, snapshots, counts, begin_ns)
        yield Played(model, _reopened(entries, kept), passed[kept] + np.log(said))


def _tubes(
    situation: Situation, paper: Scenario, rng: np.random.Generator
) -> list[TubeTruth]:
    off = float(np.exp(situation.gain_u * rng.standard_normal()))
    drawn = draw_tubes(paper.container, int(rng.integers(2**31)))
    return [replace(tube, sensitivity=tube.sensitivity * off) for tube in drawn]


def _truth(paper: Scenario, situation: Situation, rng: np.random.Generator) -> Scenario:
    impurity_error, place = rng.standard_normal(2)
    ratio = ROUTE_RATIO * float(np.exp(ROUTE_U_LOG * impurity_error))
    vial = msgspec.structs.replace(paper.vial, impurities={"Lu-177m": ratio})
    start_mm = situation.start_mm
    if start_mm is None:
        # The insert lets the vial sit a millimetre off, and an event may add to it.
        start_mm = float(np.clip(place, -2.5, 2.5))
    at = paper.starts_at + dt.timedelta(seconds=EVENT_AT_S)
    events = [_event(paper.starts_at, {"what": "displace", "displace_mm": start_mm})]
    for event in situation.events:
        moved = dict(event)
        if "displace_mm" in moved:
            # Away from the wall: the insert leaves 6 mm on either side.
            by_mm = float(str(moved["displace_mm"]))
            moved["displace_mm"] = start_mm - float(np.copysign(by_mm, start_mm))
        events.append(_event(at, moved))
    return msgspec.structs.replace(paper, vial=vial, events=events)


def _event(at: dt.datetime, event: dict[str, object]) -> Event:
    return msgspec.convert({"at": at, **event}, Event)


def _snapshots(world: World, scenario: Scenario) -> list[Snapshot]:
    step_ns = round(WIDTH_S * NS_PER_S)
    agenda = list(scenario.events)
    found = []
    for begin_ns in range(scenario.starts_at_ns(), scenario.ends_at_ns(), step_ns):
        world.forget(begin_ns)
        while agenda and utc_ns(agenda[0].at) <= begin_ns:
            world.suffer(agenda.pop(0), begin_ns)
        found.append(world.step(begin_ns, begin_ns + step_ns))
    return found


def _counts(
    tubes: list[TubeTruth], snapshots: list[Snapshot], rng: np.random.Generator
) -> Floats:
    """Return (n, c) counts of real tubes where nominal ones see the snapshots."""
    nominal = np.array([one.rates_per_s for one in snapshots])
    warm_k = np.array([one.air.tube_c for one in snapshots]) - REFERENCE_TEMPERATURE_C
    columns = []
    for number, tube in enumerate(tubes):
        drift = np.exp(tube.temperature_per_k * warm_k)
        rates = nominal[:, number] * tube.sensitivity * drift
        columns.append(_minutes(tube.dead_time, rates, rng))
    return np.column_stack(columns)


def _minutes(dead_time: DeadTime, rates: Floats, rng: np.random.Generator) -> Floats:
    """Return (n,) counts of one tube by the renewal law, Poisson's where few."""
    mean, variance = dead_time.count_moments(rates, WIDTH_S)
    few = rng.poisson(np.clip(mean, 0.0, 1000.0)).astype(np.float64)
    many = np.rint(rng.normal(mean, np.sqrt(variance)))
    return np.where(mean < 1000.0, few, many)


def _journal(
    situation: Situation, snapshots: list[Snapshot], counts: Floats, begin_ns: int
) -> Journal:
    at_s = WIDTH_S * np.arange(len(snapshots), dtype=np.float64)
    shocked = (at_s == EVENT_AT_S) & situation.is_shocked
    return journal(
        [f"board/detector-{number}" for number in range(counts.shape[1])],
        # A clock that is ahead dates every bin later than it was.
        begin_ns + round(situation.clock_s * NS_PER_S),
        at_s,
        counts,
        width_s=WIDTH_S,
        temperature_c=np.array([one.air.tube_c for one in snapshots], np.float64),
        pressure_hpa=np.array([one.air.pressure_hpa for one in snapshots], np.float64),
        is_shocked=shocked,
    )


def _kept(situation: Situation, snapshots: list[Snapshot]) -> Flags:
    """Return (n,) whether a gateway takes the bin: on the ground, as it knows it."""
    at_s = WIDTH_S * np.arange(len(snapshots))
    airborne = at_s[np.array([one.position.is_airborne for one in snapshots])]
    off_s, on_s = airborne[0] + TAKES_OFF_SEEN_S, airborne[-1] + LANDING_SEEN_S
    kept = (at_s < off_s) | (at_s > on_s)
    if situation.gap_s is not None:
        kept &= (at_s < situation.gap_s[0]) | (at_s >= situation.gap_s[1])
    return np.asarray(kept)


def _reopened(entries: Journal, keep: Flags) -> Journal:
    """Return the kept bins; one that follows a flight may be displaced: shocked."""
    begins = np.flatnonzero(keep)
    after = begins[1:][np.diff(begins) > 1]
    shocked = entries.is_shocked.copy()
    shocked[after[:1]] = True
    return replace(entries, is_shocked=shocked).where(keep)


def _passed(paper: Scenario, snapshots: list[Snapshot]) -> Floats:
    """Return (n,) ln of the activity over what decay alone would have left."""
    certified = TrueContents(nuclear_data(), paper.vial)
    middles = [(one.begin_ns + one.end_ns) // 2 for one in snapshots]
    due = np.array([float(certified.activities_gbq(at_ns)[0]) for at_ns in middles])
    held = np.array([one.activity_gbq for one in snapshots])
    return np.asarray(np.log(held / due))
