"""Which InfluxDB a run writes to: one's own, or one that was fetched for tests.

One's own is named by its address (1.x without a password), or described by a file
with the section ``[series.influx]`` of a cloud configuration. Without one, the InfluxDB
that ``requirements/servers.sh`` unpacks below ``.servers/`` is started for the run, on
loopback and a free port, with its data in the run's folder.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloud.demo.options import JourneyOptions
from cloud.demo.programs import ProgramError
from cloud.demo.stage import free_port, project_root

_FETCHED: Final = Path(".servers/usr/bin/influxd")
_CONFIGURATION: Final = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{data}/meta"
[data]
dir = "{data}/data"
wal-dir = "{data}/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[monitor]
store-enabled = false
"""

HINT: Final = """\
points are kept in InfluxDB; to use your own:
         1.x        make run ARGS="--influx-url http://127.0.0.1:8086"
         2.x, 3.x   make run ARGS="--influx-config FILE", FILE with [series.influx]"""


@dataclass(frozen=True, slots=True)
class InfluxChoice:
    """The section of the configuration, and how a server of the run's own starts."""

    section: str
    command: list[str] | None = None


def choose(directory: Path, options: JourneyOptions) -> InfluxChoice:
    """Return one's own InfluxDB, or the fetched one with its data in ``directory``.

    Raises:
        ProgramError: none is named and none was fetched, or the file has no section.
    """
    if options.influx_config is not None:
        return InfluxChoice(_section_of(options.influx_config))
    if options.influx_url is not None:
        return InfluxChoice(_section(options.influx_url))
    server = project_root() / _FETCHED
    if not server.exists():
        raise ProgramError(
            "no InfluxDB here: run requirements/servers.sh to fetch one (Debian 12), "
            "or name your own with --influx-url http://127.0.0.1:8086"
        )
    folder = directory / "influx"
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    configuration = folder / "influxd.conf"
    configuration.write_text(
        _CONFIGURATION.format(port=port, rpc_port=free_port(), data=folder / "data")
    )
    command = [str(server), "-config", str(configuration)]
    return InfluxChoice(_section(f"http://127.0.0.1:{port}"), command)


def _section(url: str) -> str:
    return f'[series.influx]\nurl = "{url}"\ndatabase = "dosetrail"\n'


def _section_of(path: Path) -> str:
    """Return a file's section; its own checks are the cloud's at start."""
    try:
        text = path.read_text("utf-8")
        plain = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ProgramError(f"{path}: no TOML that can be read: {error}") from error
    if list(plain) != ["series"] or list(plain["series"]) != ["influx"]:
        raise ProgramError(f"{path}: give [series.influx] and nothing else")
    return text
