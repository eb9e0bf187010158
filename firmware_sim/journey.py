"""The loop that gives time: bytes out, wait until they are taken, move the clock.

Per step: the frames of the interval that ends now are written; nothing moves until
the far sides have read them; then the clock page runs to the next step at the
chosen speed. A gateway that does not read therefore stops time and loses nothing.
A pulled cable does not hold time up: its bytes are lost, as in the world.
"""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from firmware_sim.clock import ClockPage
from firmware_sim.control import Command, Complaint, ControlLine
from firmware_sim.lines import PtyLine
from firmware_sim.route import NS_PER_S
from firmware_sim.scenario import Scenario
from firmware_sim.simulation import Notice, Simulation, Step
from firmware_sim.world import Snapshot

SPEED_AFTER_THE_END: Final = 60.0
SAY_EVERY_S: Final = 0.5
# How finely the clock page moves between two steps.
SLICE_S: Final = 0.02
FIRST_POLL_S: Final = 0.0002
LONGEST_POLL_S: Final = 0.005
# Real time that may be caught up after the far side kept the simulator waiting.
CREDIT_S: Final = 0.1


def say(notice: Notice) -> None:
    """Write one JSON line to standard output at once."""
    sys.stdout.buffer.write(msgspec.json.encode(notice) + b"\n")
    sys.stdout.buffer.flush()


@dataclass(frozen=True, slots=True)
class Stage:
    """What the journey is played on: lines by port, the clock, the control line."""

    lines: Mapping[str, PtyLine]
    clock: ClockPage
    control: ControlLine


class Journey:
    """Play one scenario against real serial lines."""

    def __init__(
        self, scenario: Scenario, simulation: Simulation, stage: Stage, speed: float
    ) -> None:
        self._simulation = simulation
        self._lines = stage.lines
        self._clock = stage.clock
        self._control = stage.control
        self._starts_ns = scenario.starts_at_ns()
        self._ends_ns = scenario.ends_at_ns()
        self._speed = speed
        self._credit_ns = 0.0
        self._last_s = time.monotonic()
        self._said_s = float("-inf")
        self._plug_at_ns: dict[str, int] = {}
        self._has_ended = False
        self._is_stopped = False
        self._snapshot: Snapshot | None = None

    def stop(self) -> None:
        """End the journey at the next opportunity."""
        self._is_stopped = True

    def run(self) -> None:
        """Play until stopped; after the last leg time flows on at the destination."""
        while not self._is_stopped:
            step = self._simulation.step()
            self._snapshot = step.snapshot
            self._put_out(step)
            self._wait_until_taken()
            self._let_time_pass(self._simulation.next_ns)

    def _put_out(self, step: Step) -> None:
        now_ns = step.snapshot.end_ns
        for port, for_s in step.unplugged_s.items():
            self._unplug(port, now_ns + round(for_s * NS_PER_S))
        for port in [p for p, at_ns in self._plug_at_ns.items() if at_ns <= now_ns]:
            del self._plug_at_ns[port]
            self._lines[port].plug()
            self._report("fault", what="plug", port=port)
        self._clock.step_utc(step.clock_step_s)
        for port, data in step.sent.items():
            self._lines[port].send(data)
        for notice in step.notices:
            say(notice)
        if now_ns >= self._ends_ns and not self._has_ended:
            self._has_ended = True
            self._report("end")

    def _unplug(self, port: str, until_ns: int) -> None:
        self._lines[port].unplug()
        self._plug_at_ns[port] = until_ns

    def _wait_until_taken(self) -> None:
        # The kernel hands bytes over a moment after the write, so that "nothing
        # unread" counts only when it is seen twice.
        seen, pause_s = 0, FIRST_POLL_S
        while seen < 2 and not self._is_stopped:
            taken = [line.is_taken() for line in self._lines.values()]
            seen = seen + 1 if all(taken) else 0
            if seen < 2:
                self._serve(pause_s)
                pause_s = min(1.5 * pause_s, LONGEST_POLL_S)

    def _let_time_pass(self, until_ns: int) -> None:
        while not self._is_stopped and self._clock.utc_ns < until_ns:
            speed = self._current_speed()
            self._earn(speed)
            move_ns = min(self._credit_ns, until_ns - self._clock.utc_ns)
            self._credit_ns -= move_ns
            self._clock.advance(self._clock.utc_ns + round(move_ns))
            left_s = (until_ns - self._clock.utc_ns) / NS_PER_S
            if left_s > 0:
                self._serve(min(SLICE_S, left_s / speed) if speed else SLICE_S)
        self._serve(0.0)

    def _earn(self, speed: float) -> None:
        now_s = time.monotonic()
        earned_ns = (now_s - self._last_s) * speed * NS_PER_S
        self._last_s = now_s
        self._credit_ns = min(self._credit_ns + earned_ns, CREDIT_S * speed * NS_PER_S)

    def _current_speed(self) -> float:
        return min(self._speed, SPEED_AFTER_THE_END) if self._has_ended else self._speed

    def _serve(self, seconds: float) -> None:
        for command in self._control.wait(seconds):
            if isinstance(command, Complaint):
                say({"kind": "error", "message": command.message})
            else:
                self._obey(command)
        now_s = time.monotonic()
        if now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            self._tell_time()

    def _obey(self, command: Command) -> None:
        if command.stop:
            self.stop()
        elif command.speed is not None:
            self._speed = command.speed
        elif command.unplug is not None and command.for_s is not None:
            self._pull(command.unplug, command.for_s)
        else:
            problem = self._simulation.obey(command)
            if problem is not None:
                say({"kind": "error", "message": problem})
            elif command.reboot is not None:
                self._report("fault", what="reboot", port=command.reboot)

    def _pull(self, port: str, for_s: float) -> None:
        if port not in self._lines:
            message = f"unplug: no port {port!r}, there are {sorted(self._lines)}"
            say({"kind": "error", "message": message})
            return
        self._unplug(port, self._clock.utc_ns + round(for_s * NS_PER_S))
        self._report("fault", what="unplug", port=port, for_s=for_s)

    def _report(self, kind: str, **entry: object) -> None:
        say({"kind": kind, **entry, "utc_ns": self._clock.utc_ns})

    def _tell_time(self) -> None:
        if self._snapshot is None:
            return
        now_ns, position = self._clock.utc_ns, self._snapshot.position
        done = (now_ns - self._starts_ns) / (self._ends_ns - self._starts_ns)
        say(
            {
                "kind": "time",
                "utc_ns": now_ns,
                "boot_ns": self._clock.boot_ns,
                "leg": position.leg.name,
                "place": position.place,
                "progress": round(min(max(done, 0.0), 1.0), 6),
                "activity_gbq": round(self._snapshot.activity_gbq, 6),
            }
        )


def announce(scenario: Scenario, seed: int, directory: Path, ports: list[str]) -> None:
    """Say where everything is, once, when it is there."""
    say(
        {
            "kind": "ready",
            "ports": {port: str(directory / port) for port in ports},
            "clock": str(directory / "clock"),
            "seed": seed,
            "scenario": scenario.name,
            "starts_at_ns": scenario.starts_at_ns(),
            "ends_at_ns": scenario.ends_at_ns(),
        }
    )
