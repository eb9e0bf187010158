"""The sensor board: what it measures in each step, and the frames it sends.

A board counts time from its own boot with its own crystal, starts its sequence at 0
with a HELLO, and knows of its tubes only the nominal dead time. Axes: z up; at rest
ACCELERATION reads +g on z (specific force) and ORIENTATION -1 on z (gravity).
"""

from collections import deque
from typing import Final

import numpy as np

from firmware_sim import shock, wire
from firmware_sim.detector import CountingTube
from firmware_sim.nuclear import Floats
from firmware_sim.randomness import stream
from firmware_sim.route import NS_PER_S
from firmware_sim.scenario import Scenario
from firmware_sim.wire import Type
from firmware_sim.world import Snapshot, World

POWER_ON: Final = 0
WATCHDOG: Final = 1
SOFTWARE: Final = 3

FIRMWARE: Final = (1, 2, 0)
BOOT_NS: Final = NS_PER_S // 2
HIGH_VOLTAGE_RISES_NS: Final = 3 * NS_PER_S
WAVEFORM_FRAMES_IN_A_ROW: Final = 4

HIGH_VOLTAGE_VALID: Final = 1
SATURATED: Final = 2
# Recorded rate times dead time above which a tube is over its range.
SATURATED_ABOVE: Final = 0.3

ACCELERATION_UNITS_PER_M_S2: Final = 200
UNIT_LENGTH: Final = 32767


class _Counter:
    """One tube and what the board has counted since it last reported."""

    def __init__(self, tube: CountingTube, nominal_dead_time_us: float) -> None:
        self._tube = tube
        self._nominal_dead_time_us = nominal_dead_time_us
        self.counts = 0

    def expose(self, rate_per_s: float, seconds: float) -> None:
        self.counts += self._tube.counts(rate_per_s, seconds)

    def take(self, real_us: int) -> tuple[int, int, bool]:
        """Return counts, live time in us and saturation, and start again."""
        counts, self.counts = self.counts, 0
        dead_us = round(counts * self._nominal_dead_time_us)
        is_saturated = dead_us > SATURATED_ABOVE * real_us
        return counts, max(0, real_us - dead_us), is_saturated


class _Shaken:
    """Acceleration summed up since it was last reported."""

    def __init__(self) -> None:
        self._sum = np.zeros(3)
        self._steps = 0
        self._min = np.inf
        self._max = 0.0

    def expose(self, snapshot: Snapshot) -> None:
        self._sum += snapshot.motion.mean_m_s2
        self._steps += 1
        self._min = min(self._min, snapshot.motion.min_m_s2)
        self._max = max(self._max, snapshot.motion.max_m_s2)
        for blow in snapshot.shocks:
            smallest, largest = shock.low_range_extremes(blow)
            self._min, self._max = min(self._min, smallest), max(self._max, largest)

    def body(self) -> bytes:
        x, y, z = _integers(self._sum / self._steps * ACCELERATION_UNITS_PER_M_S2)
        smallest = round(self._min * ACCELERATION_UNITS_PER_M_S2)
        largest = round(self._max * ACCELERATION_UNITS_PER_M_S2)
        return wire.acceleration(0, (x, y, z), smallest, largest)


class SensorBoard:
    """One board on its line."""

    def __init__(self, scenario: Scenario, world: World, seed: int) -> None:
        self._periods = scenario.periods
        self._starts_ns = scenario.starts_at_ns()
        self._noise = stream(seed, "board noise")
        crystal = stream(seed, "crystal").standard_normal()
        self._pace = 1.0 + 1e-6 * scenario.container.spread.clock_ppm * float(crystal)
        self._serial = f"DT-{seed % 100_000:05d}"
        self._counters = [
            _Counter(
                CountingTube(truth.dead_time, stream(seed, f"counts {number}")),
                detector.dead_time_us,
            )
            for number, (truth, detector) in enumerate(
                zip(world.tubes, scenario.container.detectors, strict=True)
            )
        ]
        self._boot_count = 0
        self.reboot(self._starts_ns - scenario.periods.step_s() * NS_PER_S, POWER_ON)

    def reboot(self, at_ns: int, cause: int) -> None:
        """Start anew: time, sequence and everything not yet sent are lost."""
        self._booted_ns = at_ns
        self._cause = cause
        self._boot_count += 1
        self._sequence = 0
        self._must_greet = True
        self._waveform = 0
        self._parts: deque[bytes] = deque()
        self._shaken = _Shaken()
        self._since_ns = at_ns + BOOT_NS
        for counter in self._counters:
            counter.counts = 0

    def step(self, snapshot: Snapshot) -> list[bytes]:
        """Measure over one step and return the frames sent at its end, in order."""
        begin_ns = max(snapshot.begin_ns, self._booted_ns + BOOT_NS)
        if begin_ns >= snapshot.end_ns:
            return []
        frames = []
        if self._must_greet:
            self._must_greet = False
            frames.append(self._hello(begin_ns))
        self._measure(snapshot, (snapshot.end_ns - begin_ns) / NS_PER_S)
        frames += [
            self._frame(kind, snapshot.end_ns, body)
            for kind, body in self._periodic(snapshot)
        ]
        return frames + self._waveform_frames(snapshot.end_ns)

    def _hello(self, at_ns: int) -> bytes:
        body = wire.hello(self._cause, self._boot_count, FIRMWARE, self._serial)
        return self._frame(Type.HELLO, at_ns, body)

    def _frame(self, kind: Type, at_ns: int, body: bytes) -> bytes:
        sequence = self._sequence
        self._sequence = (sequence + 1) % wire.SEQUENCE_MODULUS
        return wire.frame(kind, sequence, self._board_us(at_ns), body)

    def _board_us(self, at_ns: int) -> int:
        return round((at_ns - self._booted_ns) * self._pace / 1000)

    def _measure(self, snapshot: Snapshot, seconds: float) -> None:
        bursts_s = sum(burst.seconds for burst in snapshot.bursts)
        for number, counter in enumerate(self._counters):
            rate = snapshot.rates_per_s[number]
            counter.expose(rate, max(seconds - bursts_s, 0.0))
            for burst in snapshot.bursts:
                counter.expose(rate + burst.rates_per_s[number], burst.seconds)
        self._shaken.expose(snapshot)
        length_ns = snapshot.end_ns - snapshot.begin_ns
        for number, blow in enumerate(snapshot.shocks, start=1):
            at_ns = snapshot.begin_ns + length_ns * number // (len(snapshot.shocks) + 1)
            if at_ns >= self._booted_ns + BOOT_NS:
                self._record(blow, at_ns)

    def _is_due(self, at_ns: int, period_s: int) -> bool:
        return (at_ns - self._starts_ns) % (period_s * NS_PER_S) == 0

    def _periodic(self, snapshot: Snapshot) -> list[tuple[Type, bytes]]:
        bodies: list[tuple[Type, bytes]] = []
        at_ns = snapshot.end_ns
        if self._is_due(at_ns, self._periods.counts_s):
            bodies += [(Type.COUNTS, body) for body in self._counts(snapshot)]
        if self._is_due(at_ns, self._periods.motion_s):
            bodies.append((Type.ACCELERATION, self._shaken.body()))
            self._shaken = _Shaken()
            bodies.append((Type.ORIENTATION, self._orientation(snapshot)))
        if self._is_due(at_ns, self._periods.slow_s):
            bodies += self._slow(snapshot)
        return bodies

    def _counts(self, snapshot: Snapshot) -> list[bytes]:
        real_us = self._board_us(snapshot.end_ns) - self._board_us(self._since_ns)
        rising_until_ns = self._booted_ns + HIGH_VOLTAGE_RISES_NS
        is_valid = self._since_ns >= rising_until_ns
        self._since_ns = snapshot.end_ns
        bodies = []
        for number, counter in enumerate(self._counters):
            counted, live_us, is_saturated = counter.take(real_us)
            flags = HIGH_VOLTAGE_VALID * is_valid + SATURATED * is_saturated
            centi_c = self._centi_c(snapshot.air.tube_c)
            bodies.append(
                wire.counts(number, counted, live_us, real_us, flags, centi_c)
            )
        return bodies

    def _orientation(self, snapshot: Snapshot) -> bytes:
        noisy = snapshot.down + self._noise.normal(0.0, 0.002, 3)
        return wire.orientation(*_integers(noisy / np.linalg.norm(noisy) * UNIT_LENGTH))

    def _slow(self, snapshot: Snapshot) -> list[tuple[Type, bytes]]:
        air = snapshot.air
        deci_pa = round(air.pressure_hpa * 1000 + float(self._noise.normal(0.0, 15.0)))
        milli_lx = round(snapshot.illuminance_lx * 1000)
        return [
            (Type.TEMPERATURE, wire.temperature(0, self._centi_c(air.product_c))),
            (Type.TEMPERATURE, wire.temperature(1, self._centi_c(air.ambient_c))),
            (Type.PRESSURE, wire.pressure(0, deci_pa)),
            (Type.LIGHT, wire.light(0, milli_lx, int(snapshot.is_lid_open))),
            (Type.SUPPLY, wire.supply(*snapshot.supply)),
        ]

    def _centi_c(self, temperature_c: float) -> int:
        return round(100 * (temperature_c + float(self._noise.normal(0.0, 0.03))))

    def _record(self, blow: shock.Shock, at_ns: int) -> None:
        for channel in (shock.LOW, shock.HIGH):
            self._keep(shock.waveform(blow, channel, self._noise), at_ns)

    def _keep(self, kept: shock.Waveform, at_ns: int) -> None:
        sensor = shock.RANGES[kept.channel]
        start_us = max(0, self._board_us(at_ns - round(kept.lead_s * NS_PER_S)))
        size = wire.MAX_WAVEFORM_SAMPLES
        parts = -(-len(kept.samples) // size)
        for part in range(parts):
            head = (
                *(kept.channel, self._waveform, part, parts),
                *(start_us, sensor.rate_hz, sensor.corner_hz, sensor.scale_um_s2),
            )
            samples = kept.samples[part * size : (part + 1) * size]
            self._parts.append(wire.waveform(head, samples.astype("<i2").tobytes()))
        self._waveform = (self._waveform + 1) % (1 << 16)

    def _waveform_frames(self, at_ns: int) -> list[bytes]:
        count = min(WAVEFORM_FRAMES_IN_A_ROW, len(self._parts))
        return [
            self._frame(Type.WAVEFORM, at_ns, self._parts.popleft())
            for _ in range(count)
        ]


def _integers(vector: Floats) -> tuple[int, int, int]:
    x, y, z = (round(float(part)) for part in np.clip(vector, -32767, 32767))
    return x, y, z
