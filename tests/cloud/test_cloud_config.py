from pathlib import Path

import pytest

import cloud
from cloud.adapters.key_file import (
    RegistryFile,
    add_key,
    load_registry,
    load_signer,
    make_key,
    read_secret,
)
from cloud.adapters.shared_clock import SharedClock, open_clock
from cloud.adapters.system_clock import SystemClock
from cloud.config import ClockConfig, Config, is_loopback, load_config
from cloud.errors import ClockLostError, ConfigError
from schemas.keys import Algorithm, Ed25519Signer
from schemas.simulated_time import SimulatedInstant, pack_page
from tests.builders import START_NS, Cloud, GatewayChain

NEEDED = """
[ledger]
url = "sqlite:///ledger.sqlite"
[series]
path = "series.sqlite"
[keys]
registry = "keys.json"
cloud_key = "cloud.key"
"""


def loaded(folder: Path, text: str) -> Config:
    path = folder / "cloud.toml"
    path.write_text(text)
    return load_config(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return str(caught.value)


def test_the_sample_loads_and_shows_the_defaults(tmp_path: Path) -> None:
    sample = Path(cloud.__file__).with_name("config.sample.toml").read_text()
    shown = loaded(tmp_path, sample)
    assert shown == loaded(tmp_path, NEEDED)
    lines = [line.removeprefix("# ") for line in sample.splitlines()]
    defaults = [line for line in lines if line.startswith(("host", "port = 1883"))]
    assert len(defaults) == 3


def test_every_key_of_the_configuration_is_in_the_sample() -> None:
    sample = Path(cloud.__file__).with_name("config.sample.toml").read_text()
    for section in Config.__struct_fields__:
        assert f"[{section}]" in sample
        kind = Config.__annotations__[section]
        for name in kind.__struct_fields__:
            if name != "operator_token":
                assert f"{name} = " in sample


def test_paths_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    found = loaded(tmp_path, NEEDED + '[clock]\nsimulated = "/run/page"\n')
    assert found.ledger.url == f"sqlite:///{tmp_path}/ledger.sqlite"
    assert found.keys.cloud_key == f"{tmp_path}/cloud.key"
    assert found.clock.simulated == "/run/page"


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    said = refusal(
        tmp_path,
        '[broker]\nport = "x"\nhots = "h"\n[ledger]\nurl = "mysql://x"\n[extra]\n'
        '[series]\n[keys]\nregistry = ""\ncloud_key = "k"\n[web]\nport = 0\n',
    )
    path = str(tmp_path / "cloud.toml")
    assert all(line.startswith(path) for line in said.splitlines())
    for part in (
        "broker.port: Expected `int`, got `str`; expected a TCP port, 1 to 65535",
        "broker.hots: unknown key; known are host, port,",
        "ledger.url:",
        "extra: unknown key",
        "series.path: missing; expected the path of a file",
        "keys.registry:",
        "web.port:",
    ):
        assert part in said
    assert len(said.splitlines()) == 7


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[broker]\nusername = "u"', "broker.username"),
        ('[broker]\nkey_file = "k"', "broker.certificate_file"),
        ('[broker]\ncertificate_file = "c"\nkey_file = "k"', "broker.ca_file"),
        ('[web]\noperator_token = "t"\noperator_token_file = "f"', "web.operator"),
        ('[web]\noperator_token = "t"\nhost = "0.0.0.0"', "web.operator_token"),
    ],
)
def test_what_does_not_fit_together_is_said(
    tmp_path: Path, text: str, key: str
) -> None:
    assert f"cloud.toml: {key}" in refusal(tmp_path, NEEDED + text)


def test_a_file_that_is_missing_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config"):
        load_config(tmp_path / "none.toml")
    assert "no TOML" in refusal(tmp_path, "[")
    assert "write [web]" in refusal(tmp_path, "web = 1\n" + NEEDED)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("broker.example", False),
    ],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_new_key_is_read_back(tmp_path: Path, algorithm: Algorithm) -> None:
    path = tmp_path / "new.key"
    made = make_key(path, algorithm)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_signer(path).public_key == made.public_key
    with pytest.raises(ConfigError, match="File exists"):
        make_key(path)


def test_a_raw_key_is_read(tmp_path: Path) -> None:
    path = tmp_path / "raw.key"
    path.write_bytes(b"k" * 32)
    path.chmod(0o600)
    assert load_signer(path).kid == Ed25519Signer(b"k" * 32).kid


@pytest.mark.parametrize("text", ["", "EdDSA zz", "RSA " + "0" * 64, "EdDSA 00"])
def test_no_key_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="no key"):
        load_signer(path)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_secret_open_to_others_is_refused_with_its_remedy(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "open"
    path.write_text("EdDSA " + "1" * 64)
    path.chmod(mode)
    for read in (load_signer, read_secret):
        with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
            read(path)


def test_a_secret_is_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(" word \nsecond\n")
    path.chmod(0o600)
    assert read_secret(path) == "word"
    path.write_text("\n")
    with pytest.raises(ConfigError, match="empty"):
        read_secret(path)


def test_a_registry_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    chain, server = GatewayChain(), Cloud()
    add_key(path, chain.key)
    file = RegistryFile(path)
    assert file.current().find(server.key.kid) is None
    add_key(path, server.key)
    assert file.current().find(server.key.kid) == server.key
    assert [key.owner for key in load_registry(path).keys] == [chain.gateway, "cloud"]
    path.unlink()
    with pytest.raises(ConfigError):
        file.current()


def test_no_registry_is_said_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keys add"):
        load_registry(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"bad\.json"):
        load_registry(tmp_path / "bad.json")


def test_the_simulated_clock_is_read(tmp_path: Path) -> None:
    page = tmp_path / "clock.page"
    page.write_bytes(pack_page(2, SimulatedInstant(bytes(16), 5, START_NS)))
    clock = open_clock(ClockConfig(simulated=str(page)))
    assert (clock.exercise, clock.boot_ns(), clock.utc_ns()) == (True, 5, START_NS)
    stuck = SharedClock(page, tries=1)
    page.write_bytes(pack_page(3, SimulatedInstant(bytes(16), 6, START_NS)))
    with pytest.raises(ClockLostError, match="start the exercise again"):
        stuck.utc_ns()
    page.write_bytes(bytes(64))
    with pytest.raises(ClockLostError, match="any more"):
        stuck.utc_ns()


@pytest.mark.parametrize("data", [None, b"", bytes(64)])
def test_a_page_that_is_none_is_said(tmp_path: Path, data: bytes | None) -> None:
    page = tmp_path / "clock.page"
    if data is not None:
        page.write_bytes(data)
    with pytest.raises(ConfigError, match=r"clock\.simulated"):
        SharedClock(page)


def test_the_system_clock_goes_on() -> None:
    clock = open_clock(ClockConfig())
    assert isinstance(clock, SystemClock)
    first = (clock.boot_ns(), clock.utc_ns())
    assert first < (clock.boot_ns() + 1, clock.utc_ns() + 1)
    assert not clock.exercise
