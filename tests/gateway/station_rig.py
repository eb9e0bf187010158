"""A station with its lines open, and short names for what a board says."""

from pathlib import Path
from typing import TypeVar

import numpy as np

from gateway.estimator.container import read_container
from gateway.station import Statement, Station, StationPlan
from gateway.timekeeping import Timekeeper
from schemas.commands import Assign
from schemas.estimates import Witness
from schemas.events import Event, EventKind
from schemas.readings import (
    CountReading,
    Fix,
    Lid,
    LightReading,
    Noise,
    OrientationReading,
    PositionReading,
    PressureReading,
    Reading,
    TemperatureReading,
    WaveformReading,
)
from schemas.records import (
    Body,
    Report,
)
from tests.builders import CONTAINER_DIGEST, START_NS, contents, limits

NS = 10**9
MINUTE_NS = 60 * NS
CONTAINERS = Path(__file__).parents[2] / "hw" / "containers"
MODEL = CONTAINERS / "overpack-10mm.toml"
# Rate per GBq of Lu-177 and background of the package detectors, 1/s; dead time, s.
SEEN = {"overpack-10mm": (0.28, 0.35), "inner-pair": (60.0, 0.30)}
DEAD_TIME_S = 190e-6
UPRIGHT, LYING = (0.0, 0.0, -1.0), (1.0, 0.0, 0.0)
B = TypeVar("B", bound=Body)


class Rig:
    """A station with its lines open; ``said`` holds all that it stated."""

    def __init__(
        self,
        interval_s: int = 60,
        started_ns: int = 0,
        container: str = "overpack-10mm",
    ) -> None:
        self.time = Timekeeper(START_NS - 10**18)
        path = CONTAINERS / f"{container}.toml"
        model = read_container(path.read_bytes(), str(path))
        self.seen = SEEN[container]
        plan = StationPlan(model, ("board", "gps"), interval_s * NS, True)
        self.station = Station(plan, self.time, started_ns)
        self.said: list[Statement] = []
        self.rng = np.random.default_rng(5)
        for line in ("board", "gps"):
            self.open(line, started_ns)
        self.said.clear()

    def open(self, line: str, boot_ns: int, is_open: bool = True) -> None:
        self.said += self.station.line_changed(line, boot_ns, is_open=is_open, text="x")

    def take(self, item: Reading | Noise, at_s: float, line: str = "board") -> None:
        self.said += self.station.take(line, item, round(at_s * NS))

    def advance(self, at_s: float) -> None:
        self.said += self.station.advance(round(at_s * NS))

    def bodies(self, kind: type[B]) -> list[B]:
        return [s.body for s in self.said if isinstance(s.body, kind)]

    def events(self, *kinds: EventKind) -> list[Event]:
        return [e for e in self.bodies(Event) if not kinds or e.what in kinds]

    def set_clock(self) -> None:
        self.time.take_receipt(START_NS, 0)

    def assign(self, *, is_loaded: bool) -> None:
        body = Assign("SH-1", (contents(),), limits(), CONTAINER_DIGEST)
        self.station.follow(body, is_loaded=is_loaded)

    def minute(
        self,
        number: int,
        activity_gbq: float = 7.4,
        pressure_hpa: float = 1013.0,
        attitude: tuple[float, float, float] = UPRIGHT,
    ) -> None:
        """One minute of board readings, the last of them just inside it."""
        base_s = number * 60.0
        for second in (10.0, 30.0, 50.0):
            at_s = base_s + second
            self.take(PressureReading("board/pressure-0", pressure_hpa), at_s)
            self.take(OrientationReading("board/orientation-0", *attitude), at_s)
        gain, background = self.seen
        for detector in (0, 1):
            counts = self.counts(gain * activity_gbq + background)
            reading = CountReading(
                f"board/detector-{detector}",
                counts,
                MINUTE_NS,
                MINUTE_NS - round(counts * DEAD_TIME_S * NS),
                temperature_c=25.0,
            )
            self.take(reading, base_s + 59.0)

    def counts(self, rate_per_s: float) -> int:
        """A minute of a non-paralysable detector: its mean and its variance."""
        busy = 1.0 + rate_per_s * DEAD_TIME_S
        mean = 60.0 * rate_per_s / busy
        if mean < 1000.0:
            return int(self.rng.poisson(mean))
        return round(float(self.rng.normal(mean, mean**0.5 / busy)))

    def witnesses(self) -> list[Witness]:
        return [w for report in self.bodies(Report) for w in report.witnesses]


def warm(value: float | None = 20.0) -> TemperatureReading:
    return TemperatureReading("board/temperature-0", value)


def lid(state: Lid) -> LightReading:
    return LightReading("board/light-0", 0.0, state)


def place(fix: Fix = Fix.FIX_3D, **values: float | None) -> PositionReading:
    return PositionReading(
        "gps/position",
        fix,
        latitude_deg=45.4,
        longitude_deg=7.9,
        altitude_m=250.0,
        speed_m_s=values.get("speed_m_s", 5.0),
    )


def waveform(number: int, part: int = 0, parts: int = 1) -> WaveformReading:
    samples = np.array([[0, 0, 3000]], "<i2").tobytes()
    return WaveformReading(
        "board/waveform-1", number, part, parts, 0, 3200.0, 1600.0, 0.5, samples
    )
