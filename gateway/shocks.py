"""Collects triggered waveforms until each is whole, and pairs those of one impact.

An impact is seen by two ranges: the low one shows the fall before it, the high one
the blow. A board sends the low range first (hw/serial-protocol.md, section 5), so a
high-range waveform that has no companion yet has none, and is told at once; a
low-range one waits for its high range for :data:`PAIR_NS`.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np

from gateway.estimator.drops import Ruggedness, Trace, assess
from gateway.estimator.kernels import Floats
from schemas.events import Event, EventKind, Evidence, Severity
from schemas.findings import Handling, ShockFinding
from schemas.readings import WaveformReading
from schemas.units import NS_PER_S, STANDARD_GRAVITY_M_S2

# A board sends at most a few waveforms at a time; older incomplete ones are lost.
MAX_OPEN: Final = 8
PAIR_NS: Final = 20 * NS_PER_S
LOW_RANGE: Final = "waveform-0"
# Without a damage boundary of the container: 100 g of a few ms is a drop of more than
# half a metre (half-sine, 6 ms: 0.7 m).
SHOCK_ALARM_M_S2: Final = 100 * STANDARD_GRAVITY_M_S2
# SSR-6 free drops of a Type A package: handling is noted, the test height is beyond
# what was proven. Source: DOMAIN 2.4.
NOTED_HEIGHT_M: Final = 0.3
TESTED_HEIGHT_M: Final = 1.2
# Fewer samples of a high range are no waveform: a blow lasts milliseconds.
FEWEST_SAMPLES: Final = 16
_COVERAGE: Final = 2.0

_Key = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Waveform:
    """One whole waveform; ``boot_ns`` is when its last part came."""

    sensor: str
    boot_ns: int
    started_boot_ns: int
    parts: tuple[WaveformReading, ...]

    @property
    def is_low(self) -> bool:
        """Whether this is the range of the fall."""
        return self.sensor.endswith(LOW_RANGE)

    @property
    def started_board_ns(self) -> int:
        """When the first sample was taken, by the board."""
        return self.parts[0].started_board_ns

    @property
    def ends_board_ns(self) -> int:
        """When the last sample was taken, by the board."""
        seconds = len(self.samples()) / self.parts[0].rate_hz
        return self.started_board_ns + round(seconds * NS_PER_S)

    def samples(self) -> Floats:
        """Return (n, 3) m/s2."""
        return np.concatenate(
            [
                np.frombuffer(part.samples, "<i2").reshape(-1, 3) * part.scale_m_s2
                for part in self.parts
            ]
        )

    def trace(self, origin_board_ns: int) -> Trace:
        """Return the samples with their time from an instant of the board."""
        head = self.parts[0]
        start_s = (self.started_board_ns - origin_board_ns) / NS_PER_S
        return Trace(self.samples(), head.rate_hz, head.filter_corner_hz, start_s)

    def evidence(self, event_sequence: int) -> list[Evidence]:
        """Return the evidence records of this waveform."""
        return [
            Evidence(
                event_sequence=event_sequence,
                part=reading.part,
                parts=reading.parts,
                sensor=reading.sensor,
                started_boot_ns=self.started_boot_ns,
                rate_hz=reading.rate_hz,
                filter_corner_hz=reading.filter_corner_hz,
                scale_m_s2=reading.scale_m_s2,
                samples=reading.samples,
            )
            for reading in self.parts
        ]


@dataclass(frozen=True, slots=True)
class Shock:
    """One impact: its high-range waveform, its low-range one, or both, low first."""

    waveforms: tuple[Waveform, ...]

    @property
    def main(self) -> Waveform:
        """The waveform of the blow, or what there is."""
        return self.waveforms[-1]

    @property
    def parts(self) -> int:
        """How many evidence records there are."""
        return sum(len(waveform.parts) for waveform in self.waveforms)

    @property
    def peak_m_s2(self) -> float:
        """Largest magnitude of the vector as the sensor reads it."""
        samples = self.main.samples()
        return float(np.linalg.norm(samples, axis=1).max()) if len(samples) else 0.0

    def evidence(self, event_sequence: int) -> list[Evidence]:
        """Return the evidence records that follow the event's record."""
        return [
            record
            for waveform in self.waveforms
            for record in waveform.evidence(event_sequence)
        ]

    def finding(self, rugged: Ruggedness) -> ShockFinding | None:
        """Return what the waveforms say; None without a whole high range."""
        high = self.main
        if high.is_low or len(high.samples()) < FEWEST_SAMPLES:
            return None
        origin_ns = high.started_board_ns
        low = self.waveforms[0].trace(origin_ns) if len(self.waveforms) > 1 else None
        return assess(high.trace(origin_ns), low, rugged)

    def event(self, rugged: Ruggedness) -> Event:
        """Return the event of this impact."""
        finding = self.finding(rugged)
        peak_m_s2 = self.peak_m_s2 if finding is None else finding.peak_m_s2
        reason = _grade(finding, peak_m_s2)
        head = self.main.parts[0]
        return Event(
            what=EventKind.SHOCK,
            severity=Severity.ALARM if reason in _ALARMS else Severity.WARNING,
            from_boot_ns=self.main.started_boot_ns,
            to_boot_ns=max(self.main.boot_ns, self.main.started_boot_ns),
            text=f"shock, {_words(finding)}peak {peak_m_s2:.0f} m/s2 below "
            f"{head.filter_corner_hz:.0f} Hz at {head.rate_hz:.0f} /s{_NEXT[reason]}",
            sensor=self.main.sensor,
            value=peak_m_s2,
            limit=rugged.critical_acceleration_m_s2 or SHOCK_ALARM_M_S2,
            unit="m/s2",
            reason=reason,
            evidence_parts=self.parts,
            shock=finding,
        )


_NEXT: Final = {
    "beyond-tested-drop": "; a fall from above the tested 1.2 m cannot be excluded: "
    "quarantine and inspect",
    "beyond-damage-boundary": "; beyond the container's damage boundary: inspect",
    "beyond-range": "; beyond the sensor's range, in truth harder: inspect",
    "hard": "; harder than handling should be: inspect",
    "noted": "",
    "handling": "",
}
_ALARMS: Final = frozenset(_NEXT) - {"noted", "handling"}


def _grade(finding: ShockFinding | None, peak_m_s2: float) -> str:
    if finding is None:
        return "hard" if peak_m_s2 > SHOCK_ALARM_M_S2 else "handling"
    height_m = finding.drop_height_m or 0.0
    most_m = height_m + _COVERAGE * (finding.drop_height_u_m or 0.0)
    ratio = finding.damage_ratio
    judged = (
        (most_m > TESTED_HEIGHT_M, "beyond-tested-drop"),
        (ratio is not None and ratio >= 1.0, "beyond-damage-boundary"),
        (finding.is_clipped, "beyond-range"),
        (ratio is None and peak_m_s2 > SHOCK_ALARM_M_S2, "hard"),
        (height_m > NOTED_HEIGHT_M, "noted"),
    )
    return next((reason for holds, reason in judged if holds), "handling")


def _words(finding: ShockFinding | None) -> str:
    """Return how it came about, with what it is worth as a drop (k = 2)."""
    if finding is None or finding.drop_height_m is None:
        return ""
    expanded_m = _COVERAGE * (finding.drop_height_u_m or 0.0)
    height = f"{finding.drop_height_m:.2f} m +/- {expanded_m:.2f} m"
    if finding.handling is Handling.DROP:
        return f"drop of {height}, "
    name = "impact" if finding.handling is Handling.UNCLASSED else finding.handling
    return f"{name} of {finding.velocity_change_m_s:.1f} m/s like a drop of {height}, "


class WaveformShelf:
    """Holds incomplete waveforms, the newest :data:`MAX_OPEN` of them."""

    def __init__(self) -> None:
        self._open: OrderedDict[_Key, dict[int, WaveformReading]] = OrderedDict()

    def take(self, reading: WaveformReading, boot_ns: int) -> Waveform | None:
        """Take a part; return the waveform when it is whole."""
        # A board that boots again counts its waveforms from the same number.
        started_ns, count = reading.started_board_ns, reading.parts
        key = (reading.sensor, reading.waveform, started_ns, count)
        parts = self._open.setdefault(key, {})
        parts[reading.part] = reading
        if len(parts) < reading.parts:
            while len(self._open) > MAX_OPEN:
                self._open.popitem(last=False)
            return None
        del self._open[key]
        ordered = tuple(parts[number] for number in sorted(parts))
        sent_ns = started_ns if reading.board_ns is None else reading.board_ns
        started_boot_ns = min(boot_ns, max(0, boot_ns - (sent_ns - started_ns)))
        return Waveform(reading.sensor, boot_ns, started_boot_ns, ordered)


class ShockDesk:
    """Turns parts of waveforms into shocks."""

    def __init__(self) -> None:
        self._shelf = WaveformShelf()
        self._waiting: list[Waveform] = []

    def take(self, reading: WaveformReading, boot_ns: int) -> list[Shock]:
        """Take a part; return the shock that it makes whole, if any."""
        waveform = self._shelf.take(reading, boot_ns)
        if waveform is None:
            return []
        if waveform.is_low:
            self._waiting.append(waveform)
            surplus = self._waiting[:-MAX_OPEN]
            self._waiting = self._waiting[-MAX_OPEN:]
            return [Shock((low,)) for low in surplus]
        for low in self._waiting:
            if _is_one_impact(low, waveform):
                self._waiting.remove(low)
                return [Shock((low, waveform))]
        return [Shock((waveform,))]

    def due(self, boot_ns: int) -> list[Shock]:
        """Return those that have waited long enough for their other range."""
        late = [low for low in self._waiting if boot_ns - low.boot_ns >= PAIR_NS]
        self._waiting = [low for low in self._waiting if low not in late]
        return [Shock((low,)) for low in late]

    def rest(self) -> list[Shock]:
        """Return those that wait, for a stop."""
        waiting, self._waiting = self._waiting, []
        return [Shock((low,)) for low in waiting]


def _is_one_impact(low: Waveform, high: Waveform) -> bool:
    port = low.sensor.partition("/")[0]
    return (
        high.sensor.partition("/")[0] == port
        and low.started_board_ns <= high.ends_board_ns
        and high.started_board_ns <= low.ends_board_ns
    )
