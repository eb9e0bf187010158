"""One line of configuration puts the points into InfluxDB; commands and health."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cloud
from cloud.adapters.ledger import open_ledger
from cloud.adapters.series import open_series
from cloud.config import InfluxConfig, load_config
from cloud.errors import ConfigError
from tests import journeys
from tests.journeys import Cast
from tests.servers import ROOT, Server, free_port, influxd, running
from tests.web_world import World

NEEDED = """
[ledger]
url = "sqlite:///ledger.sqlite"
[series]
path = "series.sqlite"
{influx}
[keys]
registry = "keys.json"
cloud_key = "cloud.key"
"""
PROJECT = [sys.executable, "-m", "cloud", "project"]
WAIT_S = 60.0


def configured(folder: Path, influx: str) -> Path:
    path = folder / "cloud.toml"
    path.write_text(NEEDED.format(influx=influx))
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(influxd(tmp_path_factory.mktemp("influxd"))) as found:
        yield found


def project(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROJECT, "--config", str(config), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )


def test_one_line_names_the_server(tmp_path: Path) -> None:
    path = configured(tmp_path, 'influx = { url = "http://127.0.0.1:8086" }')
    found = load_config(path).series.influx
    assert found == InfluxConfig(url="http://127.0.0.1:8086", database="dosetrail")
    assert load_config(configured(tmp_path, "")).series.influx is None


def test_secrets_are_files_beside_the_configuration(tmp_path: Path) -> None:
    text = '[series.influx]\nurl = "https://db:8086"\ntoken_file = "influx.token"'
    found = load_config(configured(tmp_path, text)).series.influx
    assert found is not None
    assert found.token_file == str(tmp_path / "influx.token")


@pytest.mark.parametrize(
    ("influx", "said"),
    [
        ("influx = 1", "series.influx: Expected"),
        ("influx = {}", "series.influx.url: missing; expected http://"),
        ('influx = { url = "db:8086" }', "series.influx.url:"),
        ('influx = { url = "http://db:8086/x" }', "series.influx.url:"),
        ('influx = { url = "http://db", tokn = "x" }', "series.influx.tokn: unknown"),
        ('influx = { url = "http://db", username = "u" }', "series.influx.username:"),
        (
            'influx = { url = "http://db", username = "u", password_file = "p", '
            'token_file = "t" }',
            "series.influx.token_file: give username",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, influx: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(configured(tmp_path, influx))
    assert f"cloud.toml: {said}" in str(caught.value)


def test_every_key_is_in_the_sample() -> None:
    sample = Path(cloud.__file__).with_name("config.sample.toml").read_text()
    for name in InfluxConfig.__struct_fields__:
        assert f"# {name} = " in sample


def test_a_process_projects_and_commands_compare_and_rebuild(
    server: Server, tmp_path: Path
) -> None:
    cast = Cast()
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    journeys.take(ledger, cast, journeys.telemetry(cast, 3.0))
    line = f'influx = {{ url = "{server.url}", database = "cli" }}'
    path = configured(tmp_path, line)
    series = open_series(
        str(tmp_path / "series.sqlite"), load_config(path).series.influx
    )
    with subprocess.Popen([*PROJECT, "--config", str(path)], cwd=ROOT) as process:
        wait_for_head(series.position, ledger.head())
        refused = project(path, "--rebuild")
        assert "another process projects into it; stop that first" in refused.stderr
        assert refused.returncode == 2
        process.kill()
    assert project(path, "--compare").stdout.startswith("equal: ")
    status, body = server.post("/query?db=cli&q=DROP+MEASUREMENT+position")
    assert status == 200, body
    different = project(path, "--compare")
    assert different.returncode == 1
    assert "not equal: " in different.stdout
    both = project(path, "--rebuild", "--compare")
    assert both.returncode == 0, both.stderr
    assert "projected again" in both.stdout
    series.close()
    ledger.close()


def wait_for_head(position: Callable[[], int], head: int) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while position() < head:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_a_server_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    line = f'influx = {{ url = "http://127.0.0.1:{free_port()}" }}'
    done = project(configured(tmp_path, line), "--rebuild")
    assert done.returncode == 2
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_health_is_told_without_the_server(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.travel(0.5)
    found = world.get("/api/health")
    assert found["behind"] == 0
    assert found["position"] == world.ledger.head()
    assert (found["waiting"], found["refused"]) == (None, [])
    world.series.say_waiting("the disk is full")
    assert world.get("/api/health")["waiting"] == "the disk is full"
    described = world.get("/api/openapi.json")["paths"]
    assert "/api/health" in described
    world.series.close()
    world.ledger.close()
