"""The truth: what the source, the route and the surroundings do to the sensors.

One call of :meth:`World.step` per step of simulated time. Everything that happens
to the container comes in as an :class:`Act` or :class:`Event`, from the scenario or
from the control line, and takes effect in the step that contains it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from firmware_sim import environment, shock
from firmware_sim.atmosphere import cosmic_per_s
from firmware_sim.chains import Contents
from firmware_sim.detector import TubeTruth, draw_tubes
from firmware_sim.nuclear import Floats, NuclearData
from firmware_sim.randomness import stream
from firmware_sim.route import NS_PER_S, Position, Route
from firmware_sim.scenario import Act, Event, Scenario
from firmware_sim.source import Field

# The tube's own radioactivity: what is left in a lead castle.
OWN_PER_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One step as the sensors are exposed to it.

    ``rates_per_s`` are the true rates of the real tubes; ``down`` the direction of
    gravity in the container frame; ``supply`` mV, mA and percent. A burst adds rates
    for less than the step. ``activity_gbq`` is that of the nuclide in the pot.
    """

    begin_ns: int
    end_ns: int
    position: Position
    air: environment.Air
    motion: environment.Motion
    down: Floats
    rates_per_s: tuple[float, ...]
    illuminance_lx: float
    is_lid_open: bool
    supply: tuple[int, int, int]
    shocks: tuple[shock.Shock, ...]
    activity_gbq: float
    bursts: tuple["Burst", ...] = ()


@dataclass(frozen=True, slots=True)
class Burst:
    """Rates that come on top for a part of a step: X-ray screening."""

    rates_per_s: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Neighbour:
    until_ns: int
    rates_per_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Failure:
    until_ns: float
    detector: int
    sensitivity_ratio: float
    noise_per_s: float


class World:
    """The container on its way, as nobody in it can know it."""

    def __init__(self, scenario: Scenario, data: NuclearData, seed: int) -> None:
        self._scenario = scenario
        self._route = Route(scenario)
        self._contents = Contents(data, scenario.vial)
        self._field = Field(scenario, data, self._contents.nuclides)
        self.tubes: list[TubeTruth] = draw_tubes(scenario.container, seed)
        self._air = environment.Surroundings(seed, scenario.legs[0].temperature_c)
        self._battery = environment.Battery(stream(seed, "battery"))
        self._vibration = stream(seed, "vibration")
        self._shocks = stream(seed, "shocks")
        self._attitude = stream(seed, "attitude")
        self._pending: list[shock.Shock] = []
        self._neighbours: list[_Neighbour] = []
        self._bursts: list[tuple[Floats, float]] = []
        self._failures: list[_Failure] = []
        self._kept_ratio = 1.0
        self._view_ratios = np.zeros(len(self.tubes))
        self._is_loaded = all(act.what != "load" for act in scenario.acts)
        self._is_lid_open = False
        self._displacement_mm = 0.0
        self._tilt_rad = 0.0
        self._upright_again_ns = 0

    def step(self, begin_ns: int, end_ns: int) -> Snapshot:
        """Advance over one step and return what the sensors were exposed to."""
        seconds = (end_ns - begin_ns) / NS_PER_S
        position = self._route.position((begin_ns + end_ns) // 2)
        air = self._air.step(position, seconds)
        down = self._down(end_ns)
        shocks, self._pending = tuple(self._pending), []
        inside_gbq = self._inside_gbq((begin_ns + end_ns) // 2)
        bursts = self._burst(air, seconds)
        return Snapshot(
            begin_ns=begin_ns,
            end_ns=end_ns,
            position=position,
            air=air,
            motion=environment.vibration(position, down, self._vibration),
            down=down,
            rates_per_s=self._rates(position, air, down, inside_gbq),
            illuminance_lx=self._illuminance_lx(),
            is_lid_open=self._is_lid_open,
            supply=self._battery.step(seconds),
            shocks=shocks,
            activity_gbq=float(inside_gbq[0]),
            bursts=bursts,
        )

    def act(self, act: Act) -> None:
        """Let people do what changes the container; the rest is for the ledger."""
        if act.what == "load":
            self._is_loaded = True
        elif act.what in ("close", "seal"):
            self.move_lid("closed")
        elif act.what == "open":
            self.move_lid("open")

    def suffer(self, event: Event, at_ns: int) -> None:
        """Let something happen to the container.

        Cables, boards and clocks are not the world's: such events are ignored here.
        """
        until_ns = at_ns + round((event.for_s or 0.0) * NS_PER_S)
        if event.height_m is not None:
            self.drop(event.height_m)
        elif event.speed_m_s is not None:
            self._pending.append(shock.kick(event.speed_m_s, self._shocks))
        elif event.tilt_deg is not None:
            self._tilt_rad = float(np.radians(event.tilt_deg))
            self._upright_again_ns = until_ns
        elif event.displace_mm is not None:
            self.displace(event.displace_mm)
        elif event.lost_ratio is not None:
            self._kept_ratio *= 1.0 - event.lost_ratio
        else:
            self._suffer_at_detectors(event, until_ns)

    def _suffer_at_detectors(self, event: Event, until_ns: int) -> None:
        if event.what == "neighbour":
            self._neighbours.append(
                _Neighbour(until_ns, tuple(event.rates_per_s or ()))
            )
        elif event.what == "screening":
            self._bursts.append((self._per_tube(event.rates_per_s), event.for_s or 0.0))
        elif event.detector is not None and event.view_ratio is not None:
            self._view_ratios[event.detector] += event.view_ratio
        elif event.detector is not None and event.sensitivity_ratio is not None:
            self._failures.append(
                _Failure(
                    until_ns if event.for_s else np.inf,
                    event.detector,
                    event.sensitivity_ratio,
                    event.noise_per_s or 0.0,
                )
            )

    def move_lid(self, lid: Literal["open", "closed"]) -> None:
        """Open or close the overpack."""
        self._is_lid_open = lid == "open"

    def drop(self, height_m: float) -> None:
        """Drop the container in the next step."""
        self._pending.append(shock.drop(height_m, self._shocks))

    def displace(self, displacement_mm: float) -> str | None:
        """Move the vial in its pot to this place along x; say why it cannot."""
        play_mm = self._scenario.container.pot.play_mm
        if abs(displacement_mm) > play_mm:
            return f"displace_mm: the vial has {play_mm} mm of play"
        self._displacement_mm = displacement_mm
        return None

    def _down(self, at_ns: int) -> Floats:
        if at_ns >= self._upright_again_ns:
            self._tilt_rad = 0.0
        sine, cosine = np.sin(self._tilt_rad), np.cos(self._tilt_rad)
        steady = np.array([sine, 0.0, -cosine])
        swaying = steady + self._attitude.normal(0.0, 0.002, 3)
        return np.asarray(swaying / np.linalg.norm(swaying))

    def _inside_gbq(self, at_ns: int) -> Floats:
        if not self._is_loaded:
            return np.zeros(len(self._contents.nuclides))
        return self._kept_ratio * self._contents.activities_gbq(at_ns)

    def _rates(
        self,
        position: Position,
        air: environment.Air,
        down: Floats,
        inside_gbq: Floats,
    ) -> tuple[float, ...]:
        nominal = np.full(len(self.tubes), OWN_PER_S)
        nominal += cosmic_per_s(position.altitude_m)
        nominal += position.terrestrial_per_s * air.terrestrial_factor
        if self._is_loaded:
            nominal += inside_gbq @ self._gains(down)
        for neighbour in self._neighbours:
            nominal += self._per_tube(neighbour.rates_per_s)
        rates = [
            tube.rate_per_s(float(rate), air.tube_c)
            for tube, rate in zip(self.tubes, nominal, strict=True)
        ]
        for failure in self._failures:
            rate = rates[failure.detector] * failure.sensitivity_ratio
            rates[failure.detector] = rate + failure.noise_per_s
        return tuple(rates)

    def _gains(self, down: Floats) -> Floats:
        gains = self._field.counts_per_s_gbq(down, self._displacement_mm)
        if self._view_ratios.any():
            bare = self._field.bare_counts_per_s_gbq(down, self._displacement_mm)
            gains = gains + self._view_ratios * bare
        return gains

    def _per_tube(self, rates_per_s: Sequence[float] | None) -> Floats:
        total = np.zeros(len(self.tubes))
        given = np.array(rates_per_s or ())[: len(total)]
        total[: len(given)] = given
        return total

    def _burst(self, air: environment.Air, seconds: float) -> tuple[Burst, ...]:
        """Return this step's part of the bursts under way, in turn."""
        parts = []
        while self._bursts and seconds > 0.0:
            rates, left_s = self._bursts.pop(0)
            now_s = min(left_s, seconds)
            seconds -= now_s
            if left_s > now_s:
                self._bursts.insert(0, (rates, left_s - now_s))
            real = [
                tube.rate_per_s(float(rate), air.tube_c)
                for tube, rate in zip(self.tubes, rates, strict=True)
            ]
            parts.append(Burst(tuple(real), now_s))
        return tuple(parts)

    def forget(self, at_ns: int) -> None:
        """Let neighbours leave and failures end whose time is over."""
        self._neighbours = [n for n in self._neighbours if n.until_ns > at_ns]
        self._failures = [f for f in self._failures if f.until_ns > at_ns]

    def _illuminance_lx(self) -> float:
        lux = environment.OPEN_LUX if self._is_lid_open else environment.CLOSED_LUX
        return float(lux * np.exp(0.05 * self._attitude.standard_normal()))
