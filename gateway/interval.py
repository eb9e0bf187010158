"""One closed interval of boot time: readings in, the parts of a report out."""

import math
from collections import Counter
from dataclasses import dataclass, field

from schemas.readings import (
    AccelerationReading,
    CountReading,
    LightReading,
    Noise,
    NoiseReason,
    OrientationReading,
    PressureReading,
    Reading,
    SupplyReading,
    TemperatureReading,
)
from schemas.records import DetectorSummary, LineQuality, SensorSummary

Value = tuple[str, float | None]


def scalar_values(reading: Reading) -> tuple[Value, ...]:
    """Return the (quantity, value) pairs of a reading that a report summarises."""
    match reading:
        case TemperatureReading(temperature_c=value):
            return (("temperature_c", value),)
        case PressureReading(pressure_hpa=value):
            return (("pressure_hpa", value),)
        case LightReading(illuminance_lx=value):
            return (("illuminance_lx", value),)
        case SupplyReading(voltage_v=volts, current_a=amperes, charge_ratio=charge):
            return (
                ("voltage_v", volts),
                ("current_a", amperes),
                ("charge_ratio", charge),
            )
        case AccelerationReading(min_m_s2=least, max_m_s2=most):
            return (("min_acceleration_m_s2", least), ("max_acceleration_m_s2", most))
        case _:
            return ()


@dataclass(slots=True)
class _Scalar:
    count: int = 0
    valid: int = 0
    total: float = 0.0
    least: float = 0.0
    most: float = 0.0
    latest: float = 0.0

    def add(self, value: float | None) -> None:
        self.count += 1
        if value is None or not math.isfinite(value):
            return
        self.least = value if self.valid == 0 else min(self.least, value)
        self.most = value if self.valid == 0 else max(self.most, value)
        self.valid += 1
        self.total += value
        self.latest = value

    @property
    def mean(self) -> float:
        # A rounded sum of equal values divides to just beyond them.
        return min(max(self.total / self.valid, self.least), self.most)

    def summary(self, sensor: str, quantity: str) -> SensorSummary:
        if self.valid == 0:
            return SensorSummary(sensor, quantity, self.count, 0)
        return SensorSummary(
            sensor=sensor,
            quantity=quantity,
            count=self.count,
            valid=self.valid,
            mean=self.mean,
            minimum=self.least,
            maximum=self.most,
            latest=self.latest,
        )


@dataclass(slots=True)
class _Counts:
    counts: int = 0
    live_time_ns: int = 0
    real_time_ns: int = 0
    intervals: int = 0
    valid: int = 0
    temperatures_c: list[float] = field(default_factory=list)

    def add(self, reading: CountReading) -> None:
        self.intervals += 1
        if reading.temperature_c is not None:
            self.temperatures_c.append(reading.temperature_c)
        if not reading.is_valid or reading.is_saturated:
            return
        self.valid += 1
        self.counts += reading.counts
        self.real_time_ns += reading.real_time_ns
        live_ns = reading.live_time_ns
        self.live_time_ns += reading.real_time_ns if live_ns is None else live_ns

    def summary(self, sensor: str) -> DetectorSummary:
        known = self.temperatures_c
        return DetectorSummary(
            sensor=sensor,
            counts=self.counts,
            live_time_ns=self.live_time_ns,
            real_time_ns=self.real_time_ns,
            intervals=self.intervals,
            valid=self.valid,
            temperature_c=sum(known) / len(known) if known else None,
        )


class Interval:
    """Collects what was read between two boundaries of boot time."""

    def __init__(self, from_boot_ns: int) -> None:
        self.from_boot_ns = from_boot_ns
        self._scalars: dict[tuple[str, str], _Scalar] = {}
        self._counts: dict[str, _Counts] = {}
        self._gravity: list[tuple[float, float, float]] = []
        self._readings: Counter[str] = Counter()
        self._noise: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._repeated: Counter[str] = Counter()

    def take(self, line: str, reading: Reading) -> None:
        """Take one reading of a line."""
        self._readings[line] += 1
        if isinstance(reading, CountReading):
            self._counts.setdefault(reading.sensor, _Counts()).add(reading)
        elif isinstance(reading, OrientationReading):
            self._gravity.append((reading.x, reading.y, reading.z))
        for quantity, value in scalar_values(reading):
            key = (reading.sensor, quantity)
            self._scalars.setdefault(key, _Scalar()).add(value)

    def take_noise(self, line: str, noise: Noise) -> None:
        """Take one piece of noise of a line; it is counted by what it cost."""
        if noise.reason is NoiseReason.LOST:
            self._lost[line] += noise.size
        elif noise.reason is NoiseReason.REPEATED:
            self._repeated[line] += noise.size
        else:
            self._noise[line] += 1

    def sensors(self) -> tuple[SensorSummary, ...]:
        """Return the summaries of all scalar quantities, in order of name."""
        return tuple(self._scalars[key].summary(*key) for key in sorted(self._scalars))

    def detectors(self) -> tuple[DetectorSummary, ...]:
        """Return the summaries of all detectors, in order of name."""
        return tuple(self._counts[name].summary(name) for name in sorted(self._counts))

    def lines(self, open_lines: dict[str, bool]) -> tuple[LineQuality, ...]:
        """Return how well each line worked; ``open_lines`` says which are open now."""
        return tuple(
            LineQuality(
                line=line,
                is_open=is_open,
                readings=self._readings[line],
                noise=self._noise[line],
                lost=self._lost[line],
                repeated=self._repeated[line],
            )
            for line, is_open in open_lines.items()
        )

    def attitude(self) -> tuple[float, float, float] | None:
        """Return the mean direction of gravity, not normalised, if any was read."""
        if not self._gravity:
            return None
        n = len(self._gravity)
        x, y, z = (sum(g[axis] for g in self._gravity) / n for axis in range(3))
        return (x, y, z)

    def pressure_hpa(self) -> float | None:
        """Return the mean pressure of the interval: a container has one barometer."""
        return pressure_hpa(self.sensors())

    def mean(self, sensor: str, quantity: str) -> float | None:
        """Return the mean of a quantity over the interval, if there is one."""
        found = self._scalars.get((sensor, quantity))
        return None if found is None or found.valid == 0 else found.mean


def pressure_hpa(sensors: tuple[SensorSummary, ...]) -> float | None:
    """Return the mean pressure of a container's one barometer, if it was read."""
    means = [found.mean for found in sensors if found.quantity == "pressure_hpa"]
    return means[0] if means else None
