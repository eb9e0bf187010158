"""Streams of random numbers: one seed, one independent stream per noun."""

import zlib

import numpy as np


def stream(seed: int, noun: str) -> np.random.Generator:
    """Return the stream of one noun; adding a noun never changes another stream."""
    return np.random.default_rng([seed, zlib.crc32(noun.encode())])


class Wander:
    """A stationary Ornstein-Uhlenbeck walk about zero, exact for any step."""

    def __init__(
        self, rng: np.random.Generator, deviation: float, correlation_s: float
    ) -> None:
        self._rng = rng
        self._deviation = deviation
        self._correlation_s = correlation_s
        self.value = deviation * float(rng.standard_normal())

    def step(self, seconds: float) -> float:
        """Advance and return the value."""
        kept = float(np.exp(-seconds / self._correlation_s))
        fresh = self._deviation * (1.0 - kept * kept) ** 0.5
        self.value = kept * self.value + fresh * float(self._rng.standard_normal())
        return self.value
