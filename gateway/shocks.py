"""Collects the parts of triggered waveforms until each is whole."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.events import Evidence
from schemas.readings import WaveformReading

# A board sends at most a few waveforms at a time; older incomplete ones are lost.
MAX_OPEN: Final = 8

_Key = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Shock:
    """One whole waveform with its peak magnitude."""

    sensor: str
    boot_ns: int
    peak_m_s2: float
    parts: tuple[WaveformReading, ...]
    started_boot_ns: int

    def evidence(self, event_sequence: int) -> list[Evidence]:
        """Return the evidence records that follow the event's record."""
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


class WaveformShelf:
    """Holds incomplete waveforms, the newest :data:`MAX_OPEN` of them."""

    def __init__(self) -> None:
        self._open: OrderedDict[_Key, dict[int, WaveformReading]] = OrderedDict()

    def take(self, reading: WaveformReading, boot_ns: int) -> Shock | None:
        """Take a part; return the shock when its waveform is whole."""
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
        peak_m_s2 = _peak_m_s2(ordered)
        return Shock(reading.sensor, boot_ns, peak_m_s2, ordered, started_boot_ns)


def _peak_m_s2(parts: tuple[WaveformReading, ...]) -> float:
    """Largest magnitude of the vector; the filter corner travels as evidence."""
    peaks = [
        np.linalg.norm(
            np.frombuffer(part.samples, "<i2").reshape(-1, 3) * part.scale_m_s2, axis=1
        ).max()
        for part in parts
        if part.samples
    ]
    return float(max(peaks, default=0.0))
