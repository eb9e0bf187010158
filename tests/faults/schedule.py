"""Simulated seconds: acts in the order of their time, ties in that of their making."""

import heapq
from collections.abc import Callable

Act = Callable[[], None]


class Schedule:
    """A queue of acts; nothing here waits."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._heap: list[tuple[float, int, Act]] = []
        self._count = 0

    def after(self, delay_s: float, act: Act) -> None:
        """Do ``act`` in ``delay_s`` seconds."""
        self._count += 1
        heapq.heappush(self._heap, (self.now_s + delay_s, self._count, act))

    def run_until(
        self, end_s: float, is_done: Callable[[], bool] | None = None
    ) -> None:
        """Do what is due up to ``end_s``, or until ``is_done`` says so."""
        while self._heap and self._heap[0][0] <= end_s:
            self.now_s, _, act = heapq.heappop(self._heap)
            act()
            if is_done is not None and is_done():
                return
        self.now_s = end_s
