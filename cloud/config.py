"""Configuration of the cloud: one TOML file, one frozen :class:`Config`.

Unknown keys are refused, and all that is wrong is said at once, each with file, key
and remedy. Relative paths count from the folder of the file. Secrets are not in the
file but in files of their own, named by it.
"""

import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from cloud.alarm_rules import Audience
from cloud.errors import ConfigError

SQLITE_PREFIX: Final = "sqlite:///"
_LOCAL_NAMES: Final = ("localhost",)

Port = Annotated[int, Meta(ge=1, le=65535, description="a TCP port, 1 to 65535")]
Host = Annotated[str, Meta(min_length=1, description="a host name or address")]
Name = Annotated[str, Meta(min_length=1, description="a text that is not empty")]
File = Annotated[str, Meta(min_length=1, description="the path of a file")]
Seconds = Annotated[float, Meta(gt=0, description="seconds, above 0")]
Url = Annotated[
    str,
    Meta(
        pattern="^sqlite:///.",
        description="sqlite:/// and the path of a file (no other store as yet)",
    ),
]

HttpUrl = Annotated[
    str,
    Meta(
        pattern="^https?://[^/?#]+/?$",
        description="http:// or https:// with host and port, and no path",
    ),
]


HookUrl = Annotated[
    str,
    Meta(pattern="^https?://[^/?#]+(/.*)?$", description="http:// or https://"),
]


class BrokerConfig(Struct, frozen=True, kw_only=True):
    """The MQTT broker; with ``ca_file`` the connection is TLS."""

    host: Host = "127.0.0.1"
    port: Port = 1883
    client_id: Name = "dosetrail-ingest"
    username: Name | None = None
    password_file: File | None = None
    ca_file: File | None = None
    certificate_file: File | None = None
    key_file: File | None = None

    @property
    def is_loopback(self) -> bool:
        """True where nobody outside this machine can connect."""
        return is_loopback(self.host)


class LedgerConfig(Struct, frozen=True, kw_only=True):
    """The ledger's store."""

    url: Url


class InfluxConfig(Struct, frozen=True, kw_only=True):
    """An InfluxDB: by user and password up to 1.x, by token and bucket from 2.0 on.

    ``bucket`` is that of ``database`` unless it has another name.
    """

    url: HttpUrl
    database: Name = "dosetrail"
    username: Name | None = None
    password_file: File | None = None
    token_file: File | None = None
    org: Name | None = None
    bucket: Name | None = None


class SeriesConfig(Struct, frozen=True, kw_only=True):
    """The projection's state, a SQLite file, and where its points are.

    Without ``influx`` they are in the file too. All of it can be rebuilt from the
    ledger.
    """

    path: File
    influx: InfluxConfig | None = None


class KeysConfig(Struct, frozen=True, kw_only=True):
    """The registry of public keys and the cloud's own private key."""

    registry: File
    cloud_key: File


class IngestConfig(Struct, frozen=True, kw_only=True):
    """How the ingestor behaves; all in real time."""

    receipt_interval_s: Seconds = 0.5
    resend_after_s: Seconds = 30.0
    silent_after_s: Seconds = 90.0
    command_interval_s: Seconds = 3.0
    metrics_port: Port | None = None


class WebConfig(Struct, frozen=True, kw_only=True):
    """Where pages are served, and the token of the operators."""

    host: Host = "127.0.0.1"
    port: Port = 8080
    operator_token_file: File | None = None
    operator_token: Name | None = None


class ContactConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody to call; ``reach`` is a telephone number or another way."""

    who: Name
    audience: Audience
    reach: Name


class AlarmsConfig(Struct, frozen=True, kw_only=True):
    """Whom to call, and who may correct what others stated."""

    contacts: tuple[ContactConfig, ...] = ()
    authorities: tuple[Name, ...] = ()


class WebhookConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told by HTTP: as ``audience``, of all or of one ``party`` only."""

    name: Name
    url: HookUrl
    secret_file: File
    audience: Audience = Audience.CONTROL
    party: Name | None = None


class NotifyConfig(Struct, frozen=True, kw_only=True):
    """The queue of notifications, a SQLite file, and who gets them."""

    path: File = "notify.sqlite"
    webhooks: tuple[WebhookConfig, ...] = ()


class ClockConfig(Struct, frozen=True, kw_only=True):
    """``simulated`` is the simulator's page of time; absent: the system's clock."""

    simulated: File | None = None


class Config(Struct, frozen=True, kw_only=True):
    """All of the cloud's configuration, paths absolute."""

    ledger: LedgerConfig
    series: SeriesConfig
    keys: KeysConfig
    broker: BrokerConfig = BrokerConfig()
    ingest: IngestConfig = IngestConfig()
    web: WebConfig = WebConfig()
    clock: ClockConfig = ClockConfig()
    alarms: AlarmsConfig = AlarmsConfig()
    notify: NotifyConfig = NotifyConfig()


def load_config(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: it cannot be read or something in it is wrong; the message
            gives file, key and remedy for everything that is.
    """
    try:
        plain = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give --config FILE") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no TOML: {error}") from error
    problems = _section_problems(plain)
    if not problems:
        config = msgspec.convert(_with_paths(plain, path.resolve().parent), Config)
        problems = _cross_problems(config)
    if problems:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    return config


def is_loopback(host: str) -> bool:
    """Say whether ``host`` is this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in _LOCAL_NAMES


def _sections() -> dict[str, Any]:
    return {field.name: field for field in msgspec.structs.fields(Config)}


def _section_problems(plain: dict[str, Any]) -> list[str]:
    sections = _sections()
    problems = _unknown("", plain, tuple(sections))
    for name, field in sections.items():
        given = plain.get(name, {})
        if isinstance(given, dict):
            problems += _key_problems(name, given, field.type)
        else:
            problems.append(f"{name}: must be a section, write [{name}]")
    return problems


def _key_problems(section: str, given: dict[str, Any], kind: type[Struct]) -> list[str]:
    fields = msgspec.structs.fields(kind)
    problems = _unknown(f"{section}.", given, tuple(field.name for field in fields))
    for field in fields:
        key = f"{section}.{field.name}"
        if field.name not in given:
            if field.required:
                problems.append(f"{key}: missing; expected {_expected(field.type)}")
        elif (part := _part(field.type)) and isinstance(given[field.name], dict):
            problems += _key_problems(key, given[field.name], part)
        elif (problem := _value_problem(given[field.name], field.type)) is not None:
            problems.append(f"{key}: {problem}; expected {_expected(field.type)}")
    return problems


def _part(kind: Any) -> type[Struct] | None:  # noqa: ANN401 - a type
    """Return the type of a section within a section."""
    parts = [k for k in get_args(kind) if isinstance(k, type) and issubclass(k, Struct)]
    return parts[0] if parts else None


def _unknown(prefix: str, given: dict[str, Any], known: tuple[str, ...]) -> list[str]:
    return [
        f"{prefix}{name}: unknown key; known are {', '.join(known)}"
        for name in given
        if name not in known
    ]


def _value_problem(value: object, kind: Any) -> str | None:  # noqa: ANN401 - a type
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _expected(kind: Any) -> str:  # noqa: ANN401 - a type
    for part in (kind, *get_args(kind)):
        if get_origin(part) is Annotated:
            return str(part.__metadata__[0].description)
    return str(kind) if _part(kind) is None else "a section of its own"


def _with_paths(plain: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the plain configuration with absolute paths."""
    resolved = {}
    for name, section in _sections().items():
        resolved[name] = _resolved(plain.get(name, {}), section.type, folder)
    notify = resolved["notify"].setdefault("path", "notify.sqlite")
    resolved["notify"]["path"] = str(folder / notify)
    file = resolved["ledger"]["url"].removeprefix(SQLITE_PREFIX)
    resolved["ledger"]["url"] = f"{SQLITE_PREFIX}{folder / file}"
    return resolved


def _resolved(
    plain: dict[str, Any], kind: type[Struct], folder: Path
) -> dict[str, Any]:
    values = dict(plain)
    for field in msgspec.structs.fields(kind):
        if field.name not in values:
            continue
        if _is_path(field.type):
            values[field.name] = str(folder / values[field.name])
        elif (part := _part(field.type)) is not None:
            given = values[field.name]
            values[field.name] = (
                [_resolved(one, part, folder) for one in given]
                if isinstance(given, list)
                else _resolved(given, part, folder)
            )
    return values


def _is_path(kind: Any) -> bool:  # noqa: ANN401 - a type
    return File in (kind, *get_args(kind))


def _cross_problems(config: Config) -> list[str]:
    broker, web = config.broker, config.web
    problems = []
    if (broker.username is None) != (broker.password_file is None):
        problems.append("broker.username: give username and password_file together")
    if (broker.certificate_file is None) != (broker.key_file is None):
        problems.append(
            "broker.certificate_file: give certificate_file and key_file together"
        )
    if broker.certificate_file is not None and broker.ca_file is None:
        problems.append("broker.ca_file: missing; a client certificate needs TLS")
    if web.operator_token is not None and web.operator_token_file is not None:
        problems.append(
            "web.operator_token: give operator_token or operator_token_file, not both"
        )
    if not is_loopback(web.host) and web.operator_token is not None:
        problems.append(
            "web.operator_token: on a public address the token belongs into a file "
            "of mode 0600, named by operator_token_file"
        )
    problems += _hook_problems(config.notify.webhooks)
    return problems + _influx_problems(config.series.influx)


def _hook_problems(webhooks: tuple[WebhookConfig, ...]) -> list[str]:
    names = [hook.name for hook in webhooks]
    doubled = sorted({name for name in names if names.count(name) > 1})
    problems = [
        f"notify.webhooks: {name!r} is there twice; the name tells them apart"
        for name in doubled
    ]
    for hook in webhooks:
        host = urlsplit(hook.url).hostname or ""
        if hook.url.startswith("http://") and not is_loopback(host):
            problems.append(
                f"notify.webhooks: {hook.name!r} goes in the clear to {host}; "
                "use https://, http:// is for this machine only"
            )
    return problems


def _influx_problems(influx: InfluxConfig | None) -> list[str]:
    if influx is None:
        return []
    problems = []
    if (influx.username is None) != (influx.password_file is None):
        problems.append(
            "series.influx.username: give username and password_file together"
        )
    if influx.username is not None and influx.token_file is not None:
        problems.append(
            "series.influx.token_file: give username and password_file or token_file, "
            "not both"
        )
    return problems
