"""The simulator as a process: its lines of news, and what it is told."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.demo.programs import ProgramError, tied

News = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """Which scenario is simulated, where its lines lie, and with which seed."""

    scenario: str
    directory: Path
    log: Path
    seed: int | None
    replay: Path | None

    def command(self) -> list[str]:
        """Return the command line of the simulator, paused at the start."""
        command = [sys.executable, "-m", "firmware_sim", "run", self.scenario]
        command += ["--directory", str(self.directory), "--speed", "0"]
        if self.seed is not None:
            command += ["--seed", str(self.seed)]
        if self.replay is not None:
            command += ["--replay", str(self.replay)]
        return command


class World:
    """One running simulator."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, scene: Scene) -> "World":
        """Start the simulator; it stands still until it is given a speed."""
        scene.directory.mkdir(parents=True, exist_ok=True)
        with scene.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *tied(scene.command()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        return cls(process, scene.log)

    @property
    def pid(self) -> int:
        """The simulator's pid."""
        return self._process.pid

    async def news(self) -> AsyncIterator[News]:
        """Yield what the simulator says, until it ends.

        Raises:
            ProgramError: it ended with an error.
        """
        if self._process.stdout is None:
            return
        async for line in self._process.stdout:
            yield json.loads(line)
        if await self._process.wait() != 0:
            lines = self._log.read_text(errors="replace").splitlines()
            last = lines[-1] if lines else "it said nothing"
            raise ProgramError(f"{last} (see {self._log})")

    def tell(self, command: News) -> None:
        """Send one control line."""
        if self._process.stdin is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def stop(self) -> None:
        """End the simulator."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(5.0):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
