"""The configuration: the sample loads; what is wrong is named by file, key, remedy."""

import hashlib
import stat
from pathlib import Path

import pytest

from gateway.adapters.key_file import load_signer, make_key
from gateway.config import load_config
from gateway.errors import ConfigError
from schemas.keys import Ed25519Signer, Es256Signer

SAMPLE = Path(__file__).parents[2] / "gateway" / "config.sample.toml"
TEXT = SAMPLE.read_text()


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return path


def message(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


def test_the_sample_loads() -> None:
    config, digest = load_config(SAMPLE)
    assert digest == hashlib.sha256(SAMPLE.read_bytes()).digest()
    assert config.gateway == "gw-ivrea-07"
    assert [port.protocol for port in config.ports] == ["board", "nmea"]
    assert [port.baud for port in config.ports] == [115200, 9600]
    assert config.report_interval_s == 60.0
    assert config.clock.gps_sets_clock
    # Relative paths are relative to the file, not to where one stands.
    assert Path(config.container).resolve().is_file()


def test_the_sample_shows_every_default() -> None:
    """A commented-out value is the default."""
    config, _ = load_config(SAMPLE)
    shown = [
        line.removeprefix("# ").split("#")[0].strip()
        for line in TEXT.splitlines()
        if line.startswith("# ") and " = " in line and '"' not in line.split("#")[1]
    ]
    assert len(shown) >= 7
    for line in shown:
        key, value = line.split(" = ")
        sections = (config, config.broker, config.ports[0], config.clock, config.outbox)
        found = [getattr(s, key) for s in sections if hasattr(s, key)]
        assert str(found[0]).lower() == value, key


def test_paths_are_absolute_and_beside_the_file(tmp_path: Path) -> None:
    text = TEXT.replace("/var/lib/dosetrail", "state").replace(
        '# simulated = "clock"', 'simulated = "clock"'
    )
    config, _ = load_config(write(tmp_path, text))
    assert config.directory == str(tmp_path / "state")
    assert config.clock.simulated == str(tmp_path / "clock")
    assert config.broker.tls_ca == "/etc/dosetrail/broker-ca.pem"
    assert config.broker.password_file is None


WRONG = {
    "unknown key": ("gateway =", "gateways =", ["gat", "sample"]),
    "unknown key in a section": ("tls_ca =", "tls_cs =", ["tls_cs", "$.broker"]),
    "missing key": ('gateway = "gw-ivrea-07"', "", ["gateway", "missing"]),
    "not a name": ('"gw-ivrea-07"                 #', '"GW 7" #', ["GW 7", "a-z"]),
    "wrong type": ("baud = 9600", 'baud = "9600"', ["ports[1].baud", "int"]),
    "wrong unit": ("baud = 9600", "baud = 9.6", ["ports[1].baud", "int"]),
    "slow baud": ("baud = 9600", "baud = 9", ["ports[1].baud", "1200"]),
    "protocol": ('"nmea"', '"nema"', ["ports[1].protocol", "nema"]),
    "port number": ("# port = 8883", "port = 88830", ["broker.port", "65535"]),
    "port name": ('name = "gps"', 'name = "G P S"', ["ports[1].name"]),
    "duplicate name": ('name = "gps"', 'name = "board"', ["ports", "own name"]),
    "duplicate path": ("usb-gnss-if00", "usb-dosetrail_board-if00", ["ports", "path"]),
    "milliseconds": (
        "# report_interval_s = 60.0", "report_interval_s = 60000", ["report_interval_s"]
    ),
    "fraction": (
        "# report_interval_s = 60.0", "report_interval_s = 0.01", ["report_interval_s"]
    ),
    "infinite": ("# max_mib = 256.0", "max_mib = inf", ["outbox.max_mib"]),
    "no number": ("# reserve_mib = 16.0", "reserve_mib = nan", ["outbox.reserve_mib"]),
    "negative": ("# reserve_mib = 16.0", "reserve_mib = -1", ["outbox.reserve_mib"]),
    "no heartbeat": (
        "# heartbeat_interval_s = 30.0", "heartbeat_interval_s = 0", ["heartbeat"]
    ),
    "half of a key pair": ("# tls_key", "tls_key", ["tls_certificate", "together"]),
    "no TOML": ("[broker]", "[broker", ["line"]),
    "not a table": ("[clock]", "clock = 3", ["clock"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, case: str) -> None:
    old, new, words = WRONG[case]
    assert old in TEXT
    text = message(write(tmp_path, TEXT.replace(old, new)))
    for word in words:
        assert word in text


def test_without_a_port(tmp_path: Path) -> None:
    text = TEXT[: TEXT.index("[broker]")] + 'ports = []\n[broker]\nhost = "b"\n'
    assert "ports" in message(write(tmp_path, text))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "No such file" in message(tmp_path / "none.toml")
    assert "directory" in message(tmp_path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(b"\xff\xfe\x00")
    message(path)


def test_a_report_per_reading_is_allowed(tmp_path: Path) -> None:
    text = TEXT.replace("# report_interval_s = 60.0", "report_interval_s = 0")
    assert load_config(write(tmp_path, text))[0].report_interval_s == 0


# -- the key -------------------------------------------------------------------------


def key_message(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_signer(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def key_file(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "gateway.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_new_key_is_for_its_user_only_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "gateway.key"
    made = make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = load_signer(path)
    assert isinstance(loaded, Ed25519Signer)
    assert loaded.kid == made.kid
    assert loaded.sign(b"x") == made.sign(b"x")


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    path = key_file(tmp_path, "precious")
    with pytest.raises(ConfigError, match="exists"):
        make_key(path)
    assert path.read_text() == "precious"


def test_a_p256_key_loads(tmp_path: Path) -> None:
    signer = load_signer(key_file(tmp_path, f"ES256 {'11' * 32}\n"))
    assert isinstance(signer, Es256Signer)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o644, 0o601])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, f"EdDSA {'11' * 32}", mode)
    assert f"chmod 600 {path}" in key_message(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "EdDSA",
        "EdDSA zz",
        "EdDSA 1122",
        f"RSA {'11' * 32}",
        f"ES256 {'00' * 32}",
        f"ES256 {'ff' * 32}",
        f"EdDSA {'11' * 33}",
        "\u00e9" * 20,
    ],
)
def test_what_is_no_key_is_refused_without_showing_it(
    tmp_path: Path, text: str
) -> None:
    found = key_message(key_file(tmp_path, text))
    assert "key" in found
    assert "1111" not in found


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    assert "No such file" in key_message(tmp_path / "none.key")
