"""The gateway's configuration: one TOML file, read once, refused as a whole.

Unknown keys, wrong types and impossible values are refused with a message that
names the file, the key and the remedy. Relative paths are relative to the file.
``config.sample.toml`` is the sample of the README and an input of the tests.
"""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from gateway.errors import ConfigError
from schemas.contents import check_gateway_id
from schemas.errors import ContractError

# Bounds of what is sane; without them "inf" would be taken.
Mebibytes = Annotated[float, msgspec.Meta(ge=1, le=1_000_000)]
Reserve = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Interval = Annotated[float, msgspec.Meta(ge=0, le=3600)]
Period = Annotated[float, msgspec.Meta(ge=1, le=3600)]
Days = Annotated[float, msgspec.Meta(ge=1, le=10_000)]
PortNumber = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class BrokerConfig(_Section, frozen=True):
    """Where the broker is; with ``tls_ca`` the connection is TLS."""

    host: str
    port: PortNumber = 8883
    username: str | None = None
    password_file: str | None = None
    tls_ca: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None


class PortConfig(_Section, frozen=True):
    """One serial port: the name its sensors carry, the device, what is spoken."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,16}$")]
    path: str
    protocol: Literal["board", "nmea", "bgeigie"]
    baud: Annotated[int, msgspec.Meta(ge=1200)] = 115200


class ClockConfig(_Section, frozen=True):
    """``simulated`` names the simulator's clock page; all is an exercise then.

    ``ntp_sets_clock`` believes the kernel's clock while NTP vouches for it: for a
    gateway whose NTP is authenticated (NTS), or comes from a server of its own.
    """

    simulated: str | None = None
    gps_sets_clock: bool = True
    ntp_sets_clock: bool = False


class OutboxConfig(_Section, frozen=True):
    """Bounds of what is kept until the cloud has it."""

    max_mib: Mebibytes = 256.0
    reserve_mib: Reserve = 16.0
    max_age_days: Days = 90.0


class MetricsConfig(_Section, frozen=True):
    """``textfile`` is what node_exporter's textfile collector reads; absent: none."""

    textfile: str | None = None


class Config(_Section, frozen=True):
    """Everything a gateway is told before it starts."""

    gateway: str
    directory: str
    container: str
    key: str
    cloud_keys: str
    broker: BrokerConfig
    ports: tuple[PortConfig, ...]
    report_interval_s: Interval = 60.0
    heartbeat_interval_s: Period = 30.0
    clock: ClockConfig = ClockConfig()
    outbox: OutboxConfig = OutboxConfig()
    metrics: MetricsConfig = MetricsConfig()


def load_config(path: Path) -> tuple[Config, bytes]:
    """Read a configuration file; return it with the file's SHA-256 digest.

    Paths in the result are absolute.

    Raises:
        ConfigError: the message names the file, the key and the remedy.
    """
    text = read_file(path, "configuration")
    try:
        plain = tomllib.loads(text.decode("utf-8"))
        config = msgspec.convert(plain, Config)
        check_gateway_id(config.gateway)
    except (msgspec.ValidationError, ValueError, ContractError) as error:
        raise ConfigError(f"{path}: {error}; see gateway/config.sample.toml") from error
    _check(path, config)
    return _absolute(config, path.resolve().parent), hashlib.sha256(text).digest()


def _check(path: Path, config: Config) -> None:
    names = [port.name for port in config.ports]
    if len(set(names)) != len(names) or not names:
        raise ConfigError(f"{path}: ports: give each of at least one port its own name")
    paths = [port.path for port in config.ports]
    if len(set(paths)) != len(paths):
        raise ConfigError(f"{path}: ports: two have one path; give each its own device")
    if 0 < config.report_interval_s < 1:
        raise ConfigError(
            f"{path}: report_interval_s is below 1; 0 makes one report per reading"
        )
    textfile = config.metrics.textfile
    if textfile is not None and not textfile.endswith(".prom"):
        raise ConfigError(
            f"{path}: metrics: textfile must end in .prom; node_exporter reads no other"
        )
    broker = config.broker
    if (broker.tls_certificate is None) != (broker.tls_key is None):
        raise ConfigError(
            f"{path}: broker: tls_certificate and tls_key go together; give both"
        )


def read_file(path: Path, what: str) -> bytes:
    """Return a file's bytes.

    Raises:
        ConfigError: it cannot be read; the message names it and why.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"{path}: cannot read the {what}: {reason}") from error


def _absolute(config: Config, base: Path) -> Config:
    def at(text: str | None) -> str | None:
        return None if text is None else str(base / text)

    broker = msgspec.structs.replace(
        config.broker,
        password_file=at(config.broker.password_file),
        tls_ca=at(config.broker.tls_ca),
        tls_certificate=at(config.broker.tls_certificate),
        tls_key=at(config.broker.tls_key),
    )
    return msgspec.structs.replace(
        config,
        directory=str(base / config.directory),
        container=str(base / config.container),
        key=str(base / config.key),
        cloud_keys=str(base / config.cloud_keys),
        broker=broker,
        ports=tuple(
            msgspec.structs.replace(port, path=str(base / port.path))
            for port in config.ports
        ),
        clock=msgspec.structs.replace(
            config.clock, simulated=at(config.clock.simulated)
        ),
        metrics=MetricsConfig(textfile=at(config.metrics.textfile)),
    )
