"""The main job with its points in a real InfluxDB."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journey.runs import ROOT, run_once
from tests.servers import influxd, running

pytestmark = pytest.mark.journey


def test_a_journey_whose_points_are_in_influxdb(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    project = [sys.executable, "-m", "cloud", "project"]
    with running(influxd(tmp_path / "influxd")) as server:
        run = run_once(directory, "--influx-url", server.url)
        assert run.status == 0, run.output
        assert run.check(run.history).is_complete
        compared = subprocess.run(
            [*project, "--compare", "--config", str(directory / "cloud.toml")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert compared.stdout.startswith("equal: "), compared.stdout + compared.stderr
        counted = server.query('SELECT count(fix) FROM "dosetrail"..position')
        assert b'"count"' in counted
    with sqlite3.connect(directory / "series.sqlite") as db:
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    db.close()
    assert not {"points", "positions"} & names
