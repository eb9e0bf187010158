"""World, boards and faults together: one step of time in, bytes per port out.

Nothing here waits, reads a clock or opens a file. Two simulations with one scenario
and one seed give the same bytes, whatever the speed.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from firmware_sim.boards import SOFTWARE, WATCHDOG, SensorBoard
from firmware_sim.control import Command
from firmware_sim.faults import FaultyLine
from firmware_sim.gnss import Receiver
from firmware_sim.nuclear import nuclear_data
from firmware_sim.randomness import stream
from firmware_sim.replay import Playback
from firmware_sim.route import NS_PER_S
from firmware_sim.scenario import Act, Event, Scenario, utc_ns
from firmware_sim.world import Snapshot, World

# JSON object for stdout.
Notice = dict[str, Any]
Entry = TypeVar("Entry", Act, Event)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step gave."""

    snapshot: Snapshot
    sent: dict[str, bytes]
    notices: list[Notice]
    unplugged_s: dict[str, float]
    clock_step_s: float = 0.0


class Simulation:
    """A journey that can be stepped."""

    def __init__(
        self, scenario: Scenario, seed: int, played: dict[str, Playback]
    ) -> None:
        self._step_ns = scenario.periods.step_s() * NS_PER_S
        self.next_ns = scenario.starts_at_ns()
        self._world = World(scenario, nuclear_data(), seed)
        self._board = SensorBoard(scenario, self._world, seed)
        self._receiver = Receiver(scenario.periods, self.next_ns, seed)
        self._played = played
        rates = {"board": scenario.faults.board, "gps": scenario.faults.gps}
        self._lines = {
            port: FaultyLine(rate, stream(seed, f"faults {port}"))
            for port, rate in rates.items()
        }
        self._acts = sorted(scenario.acts, key=lambda act: act.at)
        self._events = sorted(scenario.events, key=lambda event: event.at)

    @property
    def ports(self) -> list[str]:
        """Names of the ports."""
        return sorted({"board", "gps", *self._played})

    @property
    def step_ns(self) -> int:
        """Length of a step."""
        return self._step_ns

    def step(self) -> Step:
        """Advance to ``next_ns`` and return what is sent at that instant."""
        end_ns = self.next_ns
        begin_ns = end_ns - self._step_ns
        self.next_ns += self._step_ns
        self._world.forget(begin_ns)
        notices = [self._play(act) for act in _taken(self._acts, end_ns)]
        unplugged_s: dict[str, float] = {}
        clock_step_s = 0.0
        for event in _taken(self._events, end_ns):
            notices.append(self._strike(event))
            if event.port is not None and event.for_s is not None:
                unplugged_s[event.port] = event.for_s
            clock_step_s += event.step_s or 0.0
        snapshot = self._world.step(begin_ns, end_ns)
        sent = self._transmit(snapshot, notices)
        return Step(snapshot, sent, notices, unplugged_s, clock_step_s)

    def _play(self, act: Act) -> Notice:
        self._world.act(act)
        entry = {**msgspec.to_builtins(act), "utc_ns": utc_ns(act.at)}
        return {"kind": "act", **entry}

    def _strike(self, event: Event) -> Notice:
        at_ns = utc_ns(event.at)
        self._world.suffer(event, at_ns)
        if event.what == "reboot":
            self._board.reboot(at_ns, WATCHDOG)
        is_fault = event.what in ("reboot", "unplug", "clock", "fail")
        kind = "fault" if is_fault else "event"
        return {"kind": kind, **msgspec.to_builtins(event), "utc_ns": at_ns}

    def _transmit(self, snapshot: Snapshot, notices: list[Notice]) -> dict[str, bytes]:
        seconds = self._step_ns / NS_PER_S
        fixes = self._receiver.step(snapshot.position, snapshot.end_ns, seconds)
        sent = {port: playback.step() for port, playback in self._played.items()}
        for port, frames in (("board", self._board.step(snapshot)), ("gps", fixes)):
            if port in self._played:
                continue
            sent[port], damage = self._lines[port].carry(frames)
            notices += [
                {
                    "kind": "fault",
                    "what": what,
                    "port": port,
                    "count": count,
                    "utc_ns": snapshot.end_ns,
                }
                for what, count in damage.counts().items()
            ]
        return sent

    def obey(self, command: Command) -> str | None:
        """Let a control line happen to the container at the next step.

        Returns what is wrong with it, or nothing.
        """
        now_ns = self.next_ns
        if command.reboot is not None:
            self._board.reboot(now_ns - self._step_ns, SOFTWARE)
        elif command.lid is not None:
            self._world.move_lid(command.lid)
        elif command.drop_height_m is not None:
            self._world.drop(command.drop_height_m)
        elif command.displace_mm is not None:
            return self._world.displace(command.displace_mm)
        return None


def _taken(agenda: list[Entry], until_ns: int) -> list[Entry]:
    taken = []
    while agenda and utc_ns(agenda[0].at) <= until_ns:
        taken.append(agenda.pop(0))
    return taken
