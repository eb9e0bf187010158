import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.__main__ import app, main
from cloud.adapters.key_file import add_key, load_registry
from cloud.adapters.ledger import open_ledger
from cloud.verification import VerifiedRecord, verify_record
from tests.builders import (
    GATEWAY,
    START_NS,
    GatewayChain,
    birth,
    position,
    registry,
    report,
)

ROOT = Path(__file__).parents[2]
RUNNER = CliRunner()


class Office:
    """A folder with a configuration, keys and a ledger of a few records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys.json"
        self.config = folder / "cloud.toml"
        self.out = folder / "history.dosetrail"
        self.config.write_text(
            '[ledger]\nurl = "sqlite:///ledger.sqlite"\n'
            '[series]\npath = "series.sqlite"\n'
            '[keys]\nregistry = "keys.json"\ncloud_key = "cloud.key"\n'
        )
        self.run("keys", "new", str(folder / "cloud.key"))
        key = ["--private-file", str(folder / "cloud.key")]
        self.run(
            "keys", "add", str(self.keys), "--owner", "cloud", "--kind", "cloud", *key
        )
        chain = GatewayChain()
        add_key(self.keys, chain.key)
        chain.extend(birth(), report(0), position(), report(1))
        found = [verify_record(one, registry(chain)) for one in chain.sealed]
        ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
        records = [one for one in found if isinstance(one, VerifiedRecord)]
        ledger.append_records(records, START_NS)
        ledger.close()

    def run(self, *arguments: str) -> str:
        result = RUNNER.invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    def export(self, *options: str) -> str:
        return self.run(
            "export",
            "--config",
            str(self.config),
            "--gateway",
            GATEWAY,
            "--out",
            str(self.out),
            *options,
        )


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_an_export_verifies(office: Office) -> None:
    office.export()
    said = office.run("verify", str(office.out), "--keys", str(office.keys))
    first, *rest = said.splitlines()
    assert first == (
        f"complete: 4 records of {GATEWAY}, 100.00 % of the time covered, 0 gaps"
    )
    assert "  a receipt proves the end at 3" in rest


def test_positions_can_be_withheld(office: Office) -> None:
    office.export("--withhold-positions")
    said = office.run("verify", str(office.out), "--keys", str(office.keys))
    assert "  1 withheld by digest" in said.splitlines()


def test_an_altered_export_exits_with_1(office: Office) -> None:
    office.export()
    data = bytearray(office.out.read_bytes())
    data[-1] ^= 1
    office.out.write_bytes(data)
    arguments = ["verify", str(office.out), "--keys", str(office.keys)]
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 1
    assert result.output.startswith("altered at item 5 (byte ")


def test_keys_are_shown(office: Office) -> None:
    said = office.run("keys", "show", str(office.keys))
    assert GATEWAY in said
    assert "gateway" in said


def test_a_lost_gateway_is_trusted_up_to_a_sequence(office: Office) -> None:
    chain = GatewayChain()
    office.run(
        "keys",
        "add",
        str(office.keys),
        "--owner",
        GATEWAY,
        "--kind",
        "gateway",
        "--public",
        chain.key.public_key.hex(),
        "--to-sequence",
        "7",
    )
    found = load_registry(office.keys).find(chain.key.kid)
    assert found is not None
    assert found.to_sequence == 7
    assert len(load_registry(office.keys).keys) == 2


def test_a_new_p256_key(office: Office) -> None:
    path = office.folder / "phone.key"
    said = office.run("keys", "new", str(path), "--es256")
    assert said.startswith("ES256 kid=")
    assert path.read_text().startswith("ES256 ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "none.dosetrail", "--keys", "keys.json"], "none.dosetrail"),
        (["ingest", "--config", "none.toml"], "--config"),
        (["export", "--out", "x.dosetrail"], "either --gateway NAME or --shipment"),
        (["keys", "show", "none.json"], "keys add"),
        (["keys", "add", "k.json", "--owner", "x", "--kind", "person"], "--public"),
        (
            [
                "keys",
                "add",
                "k.json",
                "--owner",
                "x",
                "--kind",
                "person",
                "--public",
                "00",
            ],
            "hexadecimal",
        ),
        (
            [
                "keys",
                "add",
                "k.json",
                "--owner",
                "UPPER",
                "--kind",
                "gateway",
                "--public",
                "11" * 32,
            ],
            "no gateway name",
        ),
    ],
)
def test_an_error_is_one_message_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["dosetrail-cloud", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("dosetrail-cloud: ")
    assert said in error
    assert "Traceback" not in error


def test_the_broker_serves_this_machine_only(tmp_path: Path) -> None:
    config = tmp_path / "cloud.toml"
    config.write_text(
        '[broker]\nhost = "0.0.0.0"\n[ledger]\nurl = "sqlite:///l"\n'
        '[series]\npath = "s"\n[keys]\nregistry = "k"\ncloud_key = "c"\n'
    )
    command = [sys.executable, "-m", "cloud", "broker", "--config", str(config)]
    found = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 2
    assert "broker.host 0.0.0.0" in found.stderr
    assert "Traceback" not in found.stderr


def test_every_program_is_a_command() -> None:
    said = RUNNER.invoke(app, ["--help"]).output
    programs = (
        "broker",
        "ingest",
        "project",
        "web",
        "demo",
        "verify",
        "export",
        "keys",
    )
    assert all(f" {name} " in said for name in programs)
