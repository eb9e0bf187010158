"""What a serial line does to bytes: loses, flips, repeats and delays them.

Every line has its own stream of random numbers, so that the faults of one line
never move those of another.
"""

from dataclasses import dataclass, field

import numpy as np

from firmware_sim.scenario import FaultRates


@dataclass(slots=True)
class Damage:
    """What was done to the frames of one step."""

    lost: int = 0
    duplicated: int = 0
    late: int = 0
    flipped: int = 0

    def counts(self) -> dict[str, int]:
        """Return the kinds of damage that happened, with their numbers."""
        named = {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "late": self.late,
            "flipped": self.flipped,
        }
        return {name: count for name, count in named.items() if count}


@dataclass(slots=True)
class FaultyLine:
    """Carry frames of one line, with faults."""

    rates: FaultRates
    rng: np.random.Generator
    _delayed: bytes = field(default=b"")

    def carry(self, frames: list[bytes]) -> tuple[bytes, Damage]:
        """Return the bytes that come out in this step, and what was done to them.

        Bytes that are late come out at the head of the next step: a line never
        changes the order of bytes.
        """
        damage = Damage()
        out, self._delayed = bytearray(self._delayed), b""
        draws = self.rng.random((len(frames), 3))
        for frame, (lost, duplicate, late) in zip(frames, draws, strict=True):
            carried = bytearray()
            if lost < self.rates.lost_per_frame:
                damage.lost += 1
                continue
            carried += frame
            if duplicate < self.rates.duplicate_per_frame:
                damage.duplicated += 1
                carried += frame
            if late < self.rates.late_per_frame and not self._delayed:
                damage.late += 1
                self._delayed = bytes(carried[len(frame) // 2 :])
                out += carried[: len(frame) // 2]
            elif self._delayed:
                self._delayed += bytes(carried)
            else:
                out += carried
        damage.flipped = self._flip(out)
        return bytes(out), damage

    def _flip(self, out: bytearray) -> int:
        count = int(self.rng.binomial(len(out), self.rates.flip_per_byte)) if out else 0
        for _ in range(count):
            place = int(self.rng.integers(len(out)))
            out[place] ^= 1 << int(self.rng.integers(8))
        return count
