"""The broker between gateways and cloud: it acknowledges, and then it forgets."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from tests.faults.schedule import Schedule


class Publication(NamedTuple):
    """A message under its topic."""

    topic: str
    payload: bytes


@dataclass
class Weather:
    """How bad the network is now; chances are per message."""

    loss: float = 0.0
    repetition: float = 0.0
    reordering: float = 0.0
    delay_s: float = 0.05
    queue_limit: int = 1000


class Broker:
    """Up to the ingestor through a limited queue, down to who is connected."""

    def __init__(self, schedule: Schedule, rng: Random) -> None:
        self.is_up = True
        self.weather = Weather()
        self.forgotten = self.crashes = 0
        self.queue: deque[Publication] = deque()
        self.wake_ingestor: Callable[[], None] = lambda: None
        self.on_seen: Callable[[Publication], None] = lambda _one: None
        self.listeners: dict[str, Callable[[Publication], None]] = {}
        self._schedule = schedule
        self._rng = rng

    def take_up(self, message: Publication) -> None:
        """Take a message that has been acknowledged to its sender already."""
        self.on_seen(message)
        weather = self.weather
        for _ in range(1 + (self._rng.random() < weather.repetition)):
            is_lost = self._rng.random() < weather.loss
            if not self.is_up or is_lost or len(self.queue) >= weather.queue_limit:
                self.forgotten += 1
                continue
            at = len(self.queue)
            if self._rng.random() < weather.reordering:
                at = self._rng.randint(0, at)
            self.queue.insert(at, message)
        self.wake_ingestor()

    def take_down(self, message: Publication) -> bool:
        """Take a message of the cloud; false without a connection."""
        if not self.is_up:
            return False
        self.on_seen(message)
        for _ in range(1 + (self._rng.random() < self.weather.repetition)):
            if self._rng.random() < self.weather.loss:
                self.forgotten += 1
                continue
            delay_s = self._rng.uniform(0, 2 * self.weather.delay_s)
            if self._rng.random() < self.weather.reordering:
                delay_s += self._rng.uniform(0, 30)
            self._schedule.after(delay_s, lambda: self.hand_down(message))
        return True

    def hand_down(self, message: Publication) -> None:
        """Give a message to who listens to its topic, if anyone is connected."""
        for gateway, listener in list(self.listeners.items()):
            if f"/{gateway}/" in message.topic:
                listener(message)

    def crash(self) -> None:
        """Forget everything."""
        self.crashes += 1
        self.is_up = False
        self.forgotten += len(self.queue)
        self.queue.clear()
        self.listeners.clear()
