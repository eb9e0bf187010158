"""``dosetrail-sim``: play a scenario on pseudo-terminals, on simulated time."""

import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from firmware_sim.clock import ClockPage
from firmware_sim.control import ControlLine
from firmware_sim.errors import SimulatorError
from firmware_sim.journey import Journey, Stage, announce
from firmware_sim.lines import PtyLine
from firmware_sim.replay import playbacks
from firmware_sim.scenario import Scenario, load_scenario, scenario_path, shipped_names
from firmware_sim.simulation import Simulation

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Plays a scenario on pseudo-terminals, on simulated time.",
)


@app.command()
def scenarios() -> None:
    """List the scenarios that come with the simulator."""
    for name in shipped_names():
        typer.echo(name)


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="TOML file, or a shipped name")],
    directory: Annotated[Path, typer.Option(help="where ports and clock appear")],
    speed: Annotated[
        float, typer.Option(min=0.0, max=1e6, help="simulated seconds per second")
    ] = 1.0,
    seed: Annotated[int | None, typer.Option(min=0, help="default: scenario's")] = None,
    replay: Annotated[
        Path | None, typer.Option(help="folder with gps/*.log and dose_rate/*.log")
    ] = None,
) -> None:
    """Play SCENARIO; control lines on standard input, JSON lines on standard output."""
    try:
        loaded = load_scenario(scenario_path(scenario))
        used = loaded.seed if seed is None else seed
        simulation = Simulation(loaded, used, playbacks(replay) if replay else {})
        _play(loaded, simulation, _folder(directory), (used, speed))
    except SimulatorError as error:
        typer.echo(f"dosetrail-sim: {error}", err=True)
        raise typer.Exit(2) from error
    except BrokenPipeError:
        # Whoever listened has gone: nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _folder(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SimulatorError(f"--directory {directory}: {error.strerror}") from error
    return directory.resolve()


def _play(
    scenario: Scenario, simulation: Simulation, folder: Path, how: tuple[int, float]
) -> None:
    seed, speed = how
    with contextlib.ExitStack() as stack:
        clock = ClockPage(folder / "clock", seed, scenario.starts_at_ns())
        stack.enter_context(clock)
        lines = {port: PtyLine(folder / port) for port in simulation.ports}
        for line in lines.values():
            stack.callback(line.unplug)
        stage = Stage(lines, clock, ControlLine(sys.stdin.fileno()))
        journey = Journey(scenario, simulation, stage, speed)

        def end(_number: int, _frame: FrameType | None) -> None:
            journey.stop()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        announce(scenario, seed, folder, simulation.ports)
        journey.run()


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
