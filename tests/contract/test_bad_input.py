"""What a person gives wrongly is answered with one message: file, key and remedy.

Every case runs the real program as a person would. The message is on standard error,
the exit status says that it failed, and there is no traceback.
"""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.adapters.key_file import add_key, make_key
from firmware_sim.scenario import scenario_path
from schemas.keys import OwnerKind, PublicKey

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "hw" / "containers" / "overpack-10mm.toml"
PROGRAMS = {"gateway": "gateway", "cloud": "cloud", "sim": "firmware_sim"}
EXIT_REFUSED = 2


class Site:
    """A folder in which everything is right, until a test spoils it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gateway = folder / "gateway.toml"
        self.cloud = folder / "cloud.toml"
        self.container = folder / "container.toml"
        self.keys = folder / "keys.json"
        self.container.write_text(CONTAINER.read_text())
        self._make_keys()
        self.gateway.write_text(
            'gateway = "gw-test"\ndirectory = "state"\ncontainer = "container.toml"\n'
            'key = "gateway.key"\ncloud_keys = "keys.json"\n'
            "report_interval_s = 60.0\n"
            '[broker]\nhost = "127.0.0.1"\nport = 1883\n'
            '[[ports]]\nname = "board"\npath = "board"\nprotocol = "board"\n'
        )
        self.cloud.write_text(
            '[ledger]\nurl = "sqlite:///ledger.sqlite"\n'
            '[series]\npath = "series.sqlite"\n'
            '[keys]\nregistry = "keys.json"\ncloud_key = "cloud.key"\n'
        )

    def _make_keys(self) -> None:
        owners = {"gw-test": ("gateway", OwnerKind.GATEWAY)}
        owners["cloud"] = ("cloud", OwnerKind.CLOUD)
        for owner, (name, kind) in owners.items():
            signer = make_key(self.folder / f"{name}.key")
            key = PublicKey(owner, kind, signer.algorithm, signer.public_key)
            add_key(self.keys, key)

    def spoil(self, path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        module = PROGRAMS[program]
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def refusal(self, program: str, *arguments: str) -> str:
        """Return the one message that a program ends with."""
        done = self.run(program, *arguments)
        said = done.stderr.strip()
        assert done.returncode == EXIT_REFUSED, done.stdout + done.stderr
        assert "Traceback" not in said
        assert said.startswith(f"dosetrail-{program}: "), said
        assert len(said.splitlines()) == 1, said
        return said

    def check(self) -> str:
        return self.refusal("gateway", "check", "--config", str(self.gateway))

    def ingest(self) -> str:
        return self.refusal("cloud", "ingest", "--config", str(self.cloud))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def board(site: Site) -> Iterator[Path]:
    """A real serial line where the configuration looks for the board."""
    master, line = pty.openpty()
    path = site.folder / "board"
    path.symlink_to(os.ttyname(line))
    yield path
    os.close(line)
    os.close(master)


def contains(said: str, *words: str) -> None:
    missing = [word for word in words if word not in said]
    assert missing == [], said


# -- gateway -------------------------------------------------------------------------


def test_a_gateway_in_order_passes_the_check(site: Site, board: Path) -> None:
    done = site.run("gateway", "check", "--config", str(site.gateway))
    assert (done.returncode, done.stderr) == (0, "")
    contains(done.stdout, "gw-test", f"board (board) on {board}")
    assert "warning" not in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("report_interval_s = 60.0", "report_interval_min = 1.0", ["interval_min"]),
        ("report_interval_s = 60.0", 'report_interval_s = "1 min"', ["interval_s"]),
        ("port = 1883", 'port = "1883"', ["broker.port", "int"]),
        ('"board"\nprotocol', '"board"\nbauds = 9600\nprotocol', ["ports[0]", "bauds"]),
    ],
)
def test_a_wrong_key_type_or_unit_of_a_gateway(
    site: Site, old: str, new: str, words: list[str]
) -> None:
    site.spoil(site.gateway, old, new)
    contains(site.check(), str(site.gateway), "config.sample.toml", *words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lead_mm =", "lead_cm =", ["lead_cm"]),
        ("background_rate_per_s =", "background_rate_cpm =", ["background_rate"]),
        ("dead_time_s = ", "dead_time_s = -", ["dead_time_s"]),
        ('role = "package"', 'role = "parcel"', ["parcel"]),
    ],
)
def test_a_wrong_key_type_or_unit_of_a_container(
    site: Site, old: str, new: str, words: list[str]
) -> None:
    site.spoil(site.container, old, new)
    contains(site.check(), str(site.container), *words)


def test_a_port_that_is_not_there_is_a_warning(site: Site) -> None:
    done = site.run("gateway", "check", "--config", str(site.gateway))
    assert (done.returncode, done.stderr) == (0, "")
    contains(done.stdout, "warning", str(site.folder / "board"), "plug in its cable")


@pytest.mark.parametrize("kind", ["file", "folder", "device"])
def test_a_port_that_is_no_serial_line(site: Site, kind: str) -> None:
    path = site.folder / "board"
    match kind:
        case "file":
            path.write_text("x")
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to(os.devnull)
    contains(site.check(), str(site.gateway), "ports[0].path", str(path), "serial line")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_port_that_is_not_permitted(site: Site, board: Path) -> None:
    board.resolve().chmod(0)
    contains(site.check(), "ports[0].path", str(board), "group that owns it")


def test_two_bad_ports_are_both_named(site: Site) -> None:
    (site.folder / "board").mkdir()
    (site.folder / "gps").mkdir()
    with site.gateway.open("a") as file:
        file.write('[[ports]]\nname = "gps"\npath = "gps"\nprotocol = "nmea"\n')
    done = site.run("gateway", "check", "--config", str(site.gateway))
    assert done.returncode == EXIT_REFUSED
    contains(done.stderr, "ports[0].path", "ports[1].path")


def test_a_wrong_key_file_of_a_gateway(site: Site) -> None:
    key = site.folder / "gateway.key"
    key.write_text("not a key\n")
    contains(site.check(), str(key), "EdDSA <64 hexadecimal digits>")
    key.chmod(0o644)
    contains(site.check(), str(key), f"chmod 600 {key}")
    key.unlink()
    contains(site.check(), str(key), "No such file")


def test_a_registry_without_a_key_of_the_cloud(site: Site) -> None:
    site.keys.unlink()
    signer = make_key(site.folder / "other.key")
    key = PublicKey("gw-test", OwnerKind.GATEWAY, signer.algorithm, signer.public_key)
    add_key(site.keys, key)
    contains(site.check(), str(site.keys), "cloud_keys", "copy the cloud's registry")


def test_a_container_that_is_none(site: Site) -> None:
    site.spoil(site.gateway, "container.toml", "keys.json")
    contains(site.check(), str(site.keys), "container model")
    site.spoil(site.gateway, "keys.json", "none.toml")
    contains(site.check(), str(site.folder / "none.toml"), "container model")


def test_state_that_cannot_be_written(site: Site) -> None:
    site.spoil(site.gateway, '"state"', '"keys.json/state"')
    said = site.refusal("gateway", "run", "--config", str(site.gateway))
    contains(said, str(site.gateway), "directory", str(site.keys / "state"))


# -- cloud ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('path = "series', 'paths = "series', ["series.paths", "known are"]),
        ("[keys]", "[ingest]\nresend_after_min = 1\n[keys]", ["resend_after_min"]),
        ("[keys]", '[web]\nport = "http"\n[keys]', ["web.port", "65535"]),
        ("sqlite:///", "mysql://", ["ledger.url", "sqlite:///"]),
    ],
)
def test_a_wrong_key_type_or_unit_of_the_cloud(
    site: Site, old: str, new: str, words: list[str]
) -> None:
    site.spoil(site.cloud, old, new)
    done = site.run("cloud", "ingest", "--config", str(site.cloud))
    assert done.returncode == EXIT_REFUSED
    assert "Traceback" not in done.stderr
    contains(done.stderr, f"{site.cloud}: ", *words)


def test_a_wrong_key_file_of_the_cloud(site: Site) -> None:
    key = site.folder / "cloud.key"
    key.write_text("not a key\n")
    contains(site.ingest(), str(key), "dosetrail-cloud keys new")
    key.unlink()
    contains(site.ingest(), str(key), "No such file")


def test_no_registry_at_the_cloud(site: Site) -> None:
    site.keys.unlink()
    contains(site.ingest(), str(site.keys), "dosetrail-cloud keys add")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "99999"], ["--port 99999", "65535"]),
        (["--speed", "-3"], ["--speed -3", "above 0"]),
        (["--seed", "-1"], ["--seed -1"]),
        (["--disturb", "-1"], ["--disturb -1"]),
        (["--replay", "/nowhere"], ["--replay /nowhere", "gps/*.log"]),
        (["--directory", "README.md"], ["--directory README.md", "folder"]),
        (["--directory", "tests"], ["--directory tests", "not empty", "new folder"]),
    ],
)
def test_a_journey_that_cannot_begin(
    site: Site, options: list[str], words: list[str]
) -> None:
    if "--directory" not in options:
        options = [*options, "--directory", str(site.folder / "run")]
    contains(site.refusal("cloud", "demo", "--once", *options), *words)
    assert not (site.folder / "run").exists()


# -- simulator -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("volume_ml = -> volume_cm3 =", ["volume_cm3"]),
        ("seed = 7 -> seed = 7.5", ["seed"]),
        ("[vial] -> colour = 1\n[vial]", ["colour"]),
    ],
)
def test_a_wrong_key_type_or_unit_of_a_scenario(
    site: Site, change: str, words: list[str]
) -> None:
    path = site.folder / "mine.toml"
    path.write_text(scenario_path("short").read_text())
    site.spoil(path, *change.split(" -> "))
    lines = str(site.folder / "lines")
    said = site.refusal("sim", "run", str(path), "--directory", lines)
    contains(said, str(path), *words)
