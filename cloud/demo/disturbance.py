"""Kills programs and pulls cables at seeded random times of a journey."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

KILLED: Final = ("gateway", "broker", "ingest", "project", "web")
# Between these shares of the journey: not before the papers are in, not after it.
_FIRST, _LAST = 0.08, 0.97
_PULL_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class Blow:
    """One thing that is done to the journey, at a share of its way."""

    progress: float
    what: str
    target: str


def plan(seed: int, times: int, programs: tuple[str, ...] = KILLED) -> list[Blow]:
    """Return ``times`` kills of each program and ``times`` cable pulls, in order."""
    rng = random.Random(seed)
    wanted = [("kill", name) for name in programs for _ in range(times)]
    wanted += [("pull", rng.choice(("board", "gps"))) for _ in range(times)]
    blows = [Blow(rng.uniform(_FIRST, _LAST), what, name) for what, name in wanted]
    return sorted(blows, key=lambda blow: blow.progress)


class Disturbance:
    """Deals the blows of a plan as the journey goes on."""

    def __init__(
        self,
        blows: list[Blow],
        kill: Callable[[str], None],
        tell: Callable[[dict[str, object]], None],
    ) -> None:
        self._blows = blows
        self._kill = kill
        self._tell = tell
        self.dealt: list[Blow] = []

    def progress(self, share: float) -> list[Blow]:
        """Deal what is due at this share of the journey; return it."""
        due = []
        while self._blows and self._blows[0].progress <= share:
            blow = self._blows.pop(0)
            if blow.what == "kill":
                self._kill(blow.target)
            else:
                self._tell({"unplug": blow.target, "for_s": _PULL_S})
            due.append(blow)
        self.dealt += due
        return due

    async def settle(self, pause_s: float = 1.0) -> None:
        """Give what was killed last a moment to be back."""
        if self.dealt:
            await asyncio.sleep(pause_s)
