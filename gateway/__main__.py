"""``dosetrail-gateway``: run a gateway, make its key, warm up its kernels."""

import asyncio
import logging
import os
import signal
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.errors import ConfigError, GatewayError
from schemas.errors import ContractError
from schemas.units import instant_ns

if TYPE_CHECKING:
    from gateway.config import Config

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
ConfigOption = Annotated[Path, typer.Option("--config", help="the gateway's TOML file")]

# The kernels' cache is code: it lies with the gateway's own state, never in /tmp.
_CACHE_VARIABLE = "NUMBA_CACHE_DIR"


@app.callback()
def about() -> None:
    """Reads sensors over serial, seals what they say, and delivers it to the cloud."""


@app.command()
def run(
    config: ConfigOption,
    drain_s: Annotated[
        float, typer.Option(help="real seconds to deliver the rest at a stop")
    ] = 10.0,
) -> None:
    """Run until SIGTERM or SIGINT; what is committed is delivered first."""
    logging.basicConfig(
        level=logging.INFO, format="%(levelname)s %(name)s %(message)s", force=True
    )
    from gateway.config import load_config  # noqa: PLC0415

    loaded, digest = load_config(config)
    directory = Path(loaded.directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{config}: directory {directory}: {error.strerror or error}; "
            "name one that this user may write to"
        ) from error
    os.environ.setdefault(_CACHE_VARIABLE, str(directory / "numba-cache"))
    asyncio.run(_run(loaded, digest, drain_s))


async def _run(config: "Config", digest: bytes, drain_s: float) -> None:
    # Only now: importing numba reads the variable of its cache.
    from gateway.adapters.daemon_threads import DaemonThreads  # noqa: PLC0415
    from gateway.composition import compose  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # A look-up of the broker's name that hangs must not hold up the end.
    loop.set_default_executor(DaemonThreads())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    agent = compose(config, digest)
    await asyncio.sleep(0)  # a signal that came meanwhile is heard now
    await agent.run(stop, 0.0 if stop.is_set() else drain_s)


@app.command()
def key(path: Annotated[Path, typer.Argument(help="file to make")]) -> None:
    """Draw a new record key and print what the cloud's registry needs of it."""
    from gateway.adapters.key_file import make_key  # noqa: PLC0415

    signer = make_key(path)
    typer.echo(f"EdDSA {signer.public_key.hex()}")


@app.command()
def check(config: ConfigOption) -> None:
    """Check a configuration and everything it names, without starting.

    A port that is not there is only told: cables may be unplugged. One that leads to
    something else, or is not permitted, is an error.
    """
    from gateway.config import load_config  # noqa: PLC0415

    loaded, _digest = load_config(config)
    # Only now: it takes a second, and most mistakes are in the configuration.
    from gateway.composition import check_files, make_clock  # noqa: PLC0415

    for line in check_files(loaded):
        typer.echo(line)
    make_clock(loaded)
    problems = []
    for number, port in enumerate(loaded.ports):
        try:
            if (warning := _look_at(Path(port.path))) is not None:
                typer.echo(f"warning    {port.name}: {warning}")
        except ConfigError as error:
            problems.append(f"{config}: ports[{number}].path: {error}")
    if problems:
        raise ConfigError("\n".join(problems))


def _look_at(path: Path) -> str | None:
    """Return why a port cannot be used now, None if it can.

    Raises:
        ConfigError: it will not come by plugging in a cable.
    """
    wrong = ConfigError(f"{path}: not a serial line; correct the path")
    try:
        if not stat.S_ISCHR(path.stat().st_mode):
            raise wrong
        # Not for long, and without becoming this process's terminal.
        line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except FileNotFoundError:
        return f"{path} is not there; plug in its cable, or correct the path"
    except PermissionError as error:
        raise ConfigError(
            f"{path}: not permitted; add this user to the group that owns it "
            "(Debian: dialout)"
        ) from error
    except OSError as error:
        return f"{path}: {error.strerror}; is its device plugged in?"
    try:
        if not os.isatty(line):
            raise wrong
    finally:
        os.close(line)
    return None


@app.command("warm-up")
def warm_up() -> None:
    """Compile the kernels into their cache, for an installation."""
    from gateway.estimator.warming import warm_up as warm  # noqa: PLC0415

    warm()
    typer.echo("kernels are compiled")


@app.command()
def estimate(
    export: Annotated[Path, typer.Argument(help="a .dosetrail file of the cloud")],
    container: Annotated[
        Path, typer.Option(help="the container model that the gateway had")
    ],
    keys: Annotated[
        Path | None, typer.Option(help="key registry; seals are checked with it")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="activity then too, as 2026-11-24T08:00:00Z")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="relative; 0 is bit for bit, on one kind of machine")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="one line of JSON")] = False,
) -> None:
    """Compute every estimate of an export again, and compare.

    Exit status 0: all that could be judged is the same; 1: something differs or is
    altered; 2: this cannot be computed, and why.
    """
    from gateway.recompute_files import recompute_file  # noqa: PLC0415
    from gateway.recompute_text import as_json as to_json  # noqa: PLC0415
    from gateway.recompute_text import lines  # noqa: PLC0415

    at_ns = None if at is None else instant_ns(at)
    found, name = recompute_file(export, container, keys, tolerance)
    if as_json:
        typer.echo(to_json(found, name, at_ns))
    else:
        for line in lines(found, name, at_ns):
            typer.echo(line)
    if not found.is_same:
        raise typer.Exit(1)


def main() -> None:
    """Entry point: one clear message and status 2 where a person must act."""
    try:
        app()
    except (GatewayError, ContractError) as error:
        sys.stderr.write(f"dosetrail-gateway: {error}\n")
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
