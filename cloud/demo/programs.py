"""The processes of the main job: started, supervised, started again, stopped.

Each program is a process in a session of its own, with its output in a log file.
One that ends by itself is started again after a moment, as a service manager would.
The kernel ends them if this process is killed, where ``setpriv`` is there to ask it.
The pids are kept in ``pids.json`` beside the logs, for whoever wants to disturb.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cloud.errors import CloudError

RESTART_S: Final = 0.3
STOP_S: Final = 15.0
# A program that ends this often within the time below will not come back.
MAX_ENDS: Final = 5
ENDS_WITHIN_S: Final = 60.0
# Status of a program that a person must help: configuration or environment.
_NEEDS_A_PERSON: Final = 2


class ProgramError(CloudError):
    """A program of the main job does not run; the message says where its log is."""


@dataclass(slots=True)
class Program:
    """One program: how it is started, and its process while it runs."""

    name: str
    command: list[str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    ends_at_s: list[float] = field(default_factory=list)


def tied(command: list[str]) -> list[str]:
    """Return the command so that it ends with the process that starts it."""
    setpriv = shutil.which("setpriv")
    return command if setpriv is None else [setpriv, "--pdeathsig", "TERM", *command]


class Supervisor:
    """Keeps programs running until they are stopped."""

    def __init__(self, directory: Path, on_failure: Callable[[str], None]) -> None:
        self._directory = directory
        self._on_failure = on_failure
        self._programs: dict[str, Program] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._adopted: dict[str, int] = {}
        (directory / "logs").mkdir(parents=True, exist_ok=True)

    async def start(self, name: str, command: list[str]) -> None:
        """Start a program and keep it running."""
        log = self._directory / "logs" / f"{name}.log"
        program = Program(name, command, log)
        self._programs[name] = program
        await self._spawn(program)
        self._watches[name] = asyncio.create_task(self._watch(program))

    def adopt(self, name: str, pid: int) -> None:
        """List the pid of a process that somebody else started."""
        self._adopted[name] = pid

    def kill(self, name: str) -> None:
        """Send SIGKILL to a program; it is started again unless it was stopped."""
        program = self._programs.get(name)
        if program is not None and program.process is not None:
            with contextlib.suppress(ProcessLookupError):
                program.process.kill()

    def starts(self) -> dict[str, int]:
        """Return how often each program was started."""
        return {name: program.starts for name, program in self._programs.items()}

    async def stop(self, name: str) -> int:
        """Stop a program for good; return its exit status."""
        program = self._programs.pop(name)
        watch = self._watches.pop(name)
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        process = program.process
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                return await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            return await process.wait()

    async def stop_all(self) -> None:
        """Stop all programs, the last started first."""
        for name in reversed(list(self._programs)):
            await self.stop(name)

    async def _spawn(self, program: Program) -> None:
        with program.log.open("ab") as log:
            program.process = await asyncio.create_subprocess_exec(
                *tied(program.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        program.starts += 1
        self._write_pids()

    def _write_pids(self) -> None:
        pids = self._adopted | {
            name: program.process.pid
            for name, program in self._programs.items()
            if program.process is not None
        }
        partial = self._directory / "pids.part"
        partial.write_text(json.dumps(pids))
        os.replace(partial, self._directory / "pids.json")  # noqa: PTH105 - atomic

    async def _watch(self, program: Program) -> None:
        loop = asyncio.get_running_loop()
        while program.process is not None:
            status = await program.process.wait()
            # Killed from outside is what this is for; ending by itself is not.
            if status != -signal.SIGKILL:
                program.ends_at_s.append(loop.time())
                recent = [
                    at for at in program.ends_at_s if loop.time() - at < ENDS_WITHIN_S
                ]
                if len(recent) >= MAX_ENDS or status == _NEEDS_A_PERSON:
                    self._on_failure(self._obituary(program, status))
                    return
            await asyncio.sleep(RESTART_S)
            await self._spawn(program)

    @staticmethod
    def _obituary(program: Program, status: int) -> str:
        lines = program.log.read_text(errors="replace").splitlines()
        last = lines[-1] if lines else "(it said nothing)"
        return f"{program.name} ended with status {status}: {last} (see {program.log})"
