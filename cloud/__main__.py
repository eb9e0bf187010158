"""``dosetrail-cloud``: every program of the cloud under one command."""

import importlib
import logging
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from cloud.config import Config, load_config
from cloud.errors import CloudError, ConfigError
from cloud.key_commands import keys_app
from cloud.paper_commands import paper_app
from schemas.errors import ContractError

EXIT_INCOMPLETE: Final = 1
EXIT_REFUSED: Final = 2
_LOG_FORMAT: Final = "time=%(asctime)s level=%(levelname)s from=%(name)s %(message)s"

app = typer.Typer(
    help="dosetrail's cloud: ledger, receipts, pages, and the offline check.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keys_app, name="keys")
app.add_typer(paper_app, name="paper")

ConfigOption = Annotated[
    Path, typer.Option("--config", help="Configuration, see config.sample.toml.")
]
_DEFAULT_CONFIG: Final = Path("cloud.toml")


def _start(path: Path) -> Config:
    config = load_config(path)
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stderr)
    return config


def _program(module: str, name: str) -> Any:  # noqa: ANN401 - a program's entry
    """Import a program only when it is asked for: a server needs not all of them."""
    return getattr(importlib.import_module(module), name)


@app.command()
def broker(config: ConfigOption = _DEFAULT_CONFIG) -> None:
    """Run the embedded MQTT broker, for this machine only."""
    settings = _start(config)
    _program("cloud.adapters.broker", "run_broker")(settings.broker)


@app.command()
def ingest(config: ConfigOption = _DEFAULT_CONFIG) -> None:
    """Take records from the broker into the ledger and send receipts."""
    _program("cloud.ingest", "run")(_start(config))


@app.command()
def project(
    config: ConfigOption = _DEFAULT_CONFIG,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Forget the series; project all again.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Is the series what the ledger says?")
    ] = False,
) -> None:
    """Project the ledger into the time series, for ever unless asked for one thing."""
    settings = _start(config)
    if rebuild:
        projected = _program("cloud.projection", "rebuild")(settings)
        typer.echo(f"projected again: {projected:,} entries of the ledger")
    if compare:
        comparison = _program("cloud.projection", "compare_with_ledger")(settings)
        typer.echo(str(comparison))
        raise typer.Exit(0 if comparison.is_equal else EXIT_INCOMPLETE)
    if not rebuild:
        _program("cloud.projection", "run")(settings)


@app.command()
def web(config: ConfigOption = _DEFAULT_CONFIG) -> None:
    """Serve the pages."""
    _program("cloud.web.app", "serve")(_start(config))


@app.command()
def notify(config: ConfigOption = _DEFAULT_CONFIG) -> None:
    """Tell control, distributors and centres of alarms, by webhooks."""
    _program("cloud.notify", "run")(_start(config))


_Once = Annotated[bool, typer.Option("--once", help="One fast journey, then end.")]
_Replay = Annotated[
    Path | None, typer.Option(help="Captures: a folder of gps/ and dose_rate/.")
]
_Directory = Annotated[
    Path | None, typer.Option(help="A new folder for all files, else var/runs/NUMBER.")
]
_Speed = Annotated[float | None, typer.Option(help="Simulated seconds per second.")]
_Port = Annotated[int | None, typer.Option(help="Port of the pages, else from 8800.")]
_Seed = Annotated[int | None, typer.Option(help="Seed of the journey, else its own.")]
_Scenario = Annotated[str, typer.Option(help="A journey, see dosetrail-sim scenarios.")]
_Disturb = Annotated[
    int, typer.Option(help="Kill every program and pull cables, this often each.")
]


_Influx = Annotated[bool, typer.Option("--influx", help="Keep the points in InfluxDB.")]
_InfluxUrl = Annotated[
    str | None, typer.Option(help="Your own InfluxDB 1.x; implies --influx.")
]
_InfluxConfig = Annotated[
    Path | None, typer.Option(help="A file with [series.influx]; implies --influx.")
]


_Webhook = Annotated[
    str | None, typer.Option(help="Tell this address of this machine of alarms.")
]


@app.command()
def demo(  # noqa: PLR0913 - one parameter per option
    *,
    once: _Once = False,
    replay: _Replay = None,
    directory: _Directory = None,
    speed: _Speed = None,
    port: _Port = None,
    seed: _Seed = None,
    scenario: _Scenario = "pluvicto",
    disturb: _Disturb = 0,
    influx: _Influx = False,
    influx_url: _InfluxUrl = None,
    influx_config: _InfluxConfig = None,
    webhook: _Webhook = None,
) -> None:
    """Run the main job: simulator, gateway, broker, ledger and pages."""
    options = _program("cloud.demo.options", "JourneyOptions")(
        once=once,
        replay=replay,
        directory=directory,
        speed=speed,
        port=port,
        seed=seed,
        scenario=scenario,
        disturb=disturb,
        influx=influx or influx_url is not None or influx_config is not None,
        influx_url=influx_url,
        influx_config=influx_config,
        webhook=webhook,
    )
    raise typer.Exit(_program("cloud.demo.journey", "run")(options))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A history, *.dosetrail.")],
    keys: Annotated[Path, typer.Option(help="The registry of public keys.")],
) -> None:
    """Check a history offline: complete, gap, or altered, and where."""
    from cloud.adapters.key_file import load_registry  # noqa: PLC0415 - see _program
    from cloud.history import check_history  # noqa: PLC0415
    from cloud.verdict import details, verdict  # noqa: PLC0415

    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot read it: {error.strerror}") from error
    report = check_history(data, load_registry(keys))
    style = "bold green" if report.is_complete else "bold red"
    console = Console(highlight=False, soft_wrap=True)
    console.print(verdict(report), style=style, markup=False)
    for line in details(report):
        console.print(line, markup=False)
    raise typer.Exit(0 if report.is_complete else EXIT_INCOMPLETE)


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The file to write, *.dosetrail.")],
    config: ConfigOption = _DEFAULT_CONFIG,
    gateway: Annotated[str | None, typer.Option(help="All of a gateway.")] = None,
    shipment: Annotated[str | None, typer.Option(help="One shipment.")] = None,
    withhold_positions: Annotated[
        bool, typer.Option("--withhold-positions", help="Positions by digest only.")
    ] = False,
) -> None:
    """Write a history that anyone with the public keys can check."""
    from cloud.adapters.key_file import load_signer  # noqa: PLC0415 - see _program
    from cloud.adapters.ledger import open_ledger  # noqa: PLC0415
    from cloud.adapters.shared_clock import open_clock  # noqa: PLC0415
    from cloud.export import Issuer, Scope, export_history  # noqa: PLC0415

    if (gateway is None) == (shipment is None):
        raise ConfigError("export: give either --gateway NAME or --shipment NAME")
    settings = _start(config)
    ledger = open_ledger(settings.ledger.url)
    signer = load_signer(Path(settings.keys.cloud_key))
    issuer = Issuer(signer, open_clock(settings.clock).utc_ns())
    scope = Scope(gateway, shipment, withhold_positions)
    data = export_history(ledger, scope, issuer)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise ConfigError(f"{out}: cannot write it: {error.strerror}") from error
    typer.echo(f"{out}: {len(data):,} bytes")


def main() -> None:
    """Run the command line; an error is one message and exit code 2."""
    try:
        app()
    except (CloudError, ContractError) as error:
        print(f"dosetrail-cloud: {error}", file=sys.stderr)
        sys.exit(EXIT_REFUSED)


if __name__ == "__main__":
    main()
