"""Which InfluxDB a run writes to: one's own, or one that was fetched for tests.

One's own is named by its address. Without one, the InfluxDB that
``requirements/servers.sh`` unpacks below ``.servers/`` is started for the run, on
loopback and a free port, with its data in the run's folder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

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
  The points of this run are in InfluxDB. To use your own, name it:
    1.x        make run ARGS="--influx-url http://127.0.0.1:8086"
    2.x, 3.x   write [series.influx] with token_file, org and bucket into a cloud.toml
               of your own, see cloud/config.sample.toml"""


@dataclass(frozen=True, slots=True)
class InfluxChoice:
    """The address of an InfluxDB, and how it is started if it is the run's own."""

    url: str
    command: list[str] | None = None

    def section(self) -> str:
        """Return the lines for the cloud's configuration."""
        return f'\n[series.influx]\nurl = "{self.url}"\ndatabase = "dosetrail"\n'


def choose(directory: Path, url: str | None) -> InfluxChoice:
    """Return one's own InfluxDB, or the fetched one with its data in ``directory``.

    Raises:
        ProgramError: none is named and none was fetched.
    """
    if url is not None:
        return InfluxChoice(url)
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
    return InfluxChoice(f"http://127.0.0.1:{port}", command)
