"""The one place that introduces the gateway's parts to each other."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import gateway
from gateway.adapters.kernel_time import KernelTime
from gateway.adapters.key_file import load_signer
from gateway.adapters.memory_file import MemoryFile
from gateway.adapters.mqtt import MqttBroker, MqttSettings
from gateway.adapters.serial_line import SerialPort
from gateway.adapters.shared_clock import SharedClock
from gateway.adapters.system_clock import SystemClock
from gateway.adapters.systemd import Systemd
from gateway.adapters.tls import ReadTime, TimeBounds, TlsFiles, tls_context
from gateway.agent import Agent, Line, Parts
from gateway.config import BrokerConfig, Config, PortConfig, read_file
from gateway.delivery import Delivery, DeliveryTimes
from gateway.duties import Duty
from gateway.errors import ConfigError
from gateway.estimator.container import (
    ContainerModel,
    container_digest,
    read_container,
)
from gateway.estimator.warming import warm_up
from gateway.link import Link, LinkEvents
from gateway.metrics import CountedSealer, Metrics, TimedStation, Watched
from gateway.orders import Orders
from gateway.outbox import Outbox, OutboxLimits
from gateway.ports import Clock, NtpTime
from gateway.sensors import DECODERS, Decoder
from gateway.station import StationPlan
from gateway.timekeeping import Timekeeper
from schemas.envelope import open_envelope
from schemas.errors import ContractError
from schemas.keys import KeyRegistry, OwnerKind, PublicKey
from schemas.records import Birth, TimeSource, read_record
from schemas.units import NS_PER_S, instant_ns

DAY_NS = 86_400 * NS_PER_S
# UTC cannot be before this software was written.
FLOOR_NS = instant_ns("2026-11-01T00:00:00Z")
# Receipts come twice a second: until then one commit after the other is on its way.
DELIVERY_TIMES = DeliveryTimes(window=32)


def load_cloud_keys(path: Path) -> KeyRegistry:
    """Return the cloud's keys of a registry file.

    Raises:
        ConfigError: unreadable, broken, or without a key of the cloud.
    """
    try:
        registry = KeyRegistry.from_json(read_file(path, "key registry"))
    except ContractError as error:
        raise ConfigError(f"{path}: {error}") from error
    keys = tuple(key for key in registry.keys if key.kind is OwnerKind.CLOUD)
    if not keys:
        raise ConfigError(
            f"{path}: cloud_keys: no key of kind cloud, so that no receipt could be "
            "believed; copy the cloud's registry here"
        )
    return KeyRegistry(keys)


def load_container(config: Config) -> tuple[ContainerModel, bytes]:
    """Return the container model and its digest.

    Raises:
        ConfigError: unreadable or broken.
    """
    text = read_file(Path(config.container), "container model")
    return read_container(text, config.container), container_digest(text)


def make_clock(config: Config) -> Clock:
    """Return the machine's clock, or the simulator's."""
    if config.clock.simulated is None:
        return SystemClock()
    return SharedClock(Path(config.clock.simulated))


def compose(config: Config, configuration_digest: bytes) -> Agent:
    """Build the agent that a configuration describes.

    Raises:
        ConfigError: a file that the configuration names is missing or wrong.
    """
    model, model_digest = load_container(config)
    signer = load_signer(Path(config.key))
    keys = load_cloud_keys(Path(config.cloud_keys))
    clock = make_clock(config)
    warm_up()
    directory = Path(config.directory)
    outbox = Outbox.open(
        directory / "outbox",
        OutboxLimits(
            max_bytes=round(config.outbox.max_mib * 2**20),
            reserve_bytes=round(config.outbox.reserve_mib * 2**20),
        ),
        own_key=PublicKey(
            config.gateway, OwnerKind.GATEWAY, signer.algorithm, signer.public_key
        ),
    )
    timekeeper = Timekeeper(floor_ns(outbox))
    names = tuple(port.name for port in config.ports)
    metrics = Metrics(config.gateway, names, clock)
    plan = StationPlan(
        model=model,
        lines=names,
        report_interval_ns=round(config.report_interval_s * NS_PER_S),
        gps_sets_clock=config.clock.gps_sets_clock,
        memory=MemoryFile(directory / "vigil.json"),
    )
    orders = Orders(directory, config.gateway, keys, model_digest)
    orders.refuse_up_to(outbox.command_counter)
    parts = Parts(
        clock=clock,
        timekeeper=timekeeper,
        station=TimedStation(plan, timekeeper, clock.boot_ns(), metrics),
        outbox=outbox,
        sealer=CountedSealer(
            config.gateway, outbox, signer, clock, timekeeper, metrics
        ),
        orders=orders,
        lines=tuple(_line(port, metrics) for port in config.ports),
        birth=Birth(
            software=f"dosetrail {gateway.VERSION}",
            configuration_digest=configuration_digest,
            container=f"{model.name} {model.version}",
            container_digest=model_digest,
            sensors=(
                *(detector.inventory() for detector in model.detectors),
                *(thermometer.inventory() for thermometer in model.thermometers),
            ),
        ),
        heartbeat_interval_ns=round(config.heartbeat_interval_s * NS_PER_S),
        duties=_duties(config, metrics),
        watch=Systemd(os.environ).watch,
        max_age_ns=round(config.outbox.max_age_days * DAY_NS),
        read_ntp=_ntp_reader(config, clock),
    )
    return Agent(parts, _link_maker(config, parts, keys.keys, metrics))


def _ntp_reader(config: Config, clock: Clock) -> Callable[[], NtpTime | None]:
    if clock.exercise or not config.clock.ntp_sets_clock:
        return lambda: None
    return KernelTime().read


def floor_ns(outbox: Outbox) -> int:
    """Return an instant that UTC cannot be before: this software's, the last record's.

    A receiver's date that was wrong by years would be a floor that nothing reaches, and
    an exercise has a time of its own: only what a receipt or NTP stands for counts.
    """
    for record in outbox.latest():
        header = read_record(open_envelope(record.sealed).payload).header
        is_vouched = header.time_source in (TimeSource.RECEIPT, TimeSource.NTP)
        if header.utc_ns is not None and is_vouched and not header.exercise:
            return max(FLOOR_NS, header.utc_ns - 3 * (header.time_u_ns or 0))
    return FLOOR_NS


def _duties(config: Config, metrics: Metrics) -> tuple[Duty, ...]:
    textfile = config.metrics.textfile
    return () if textfile is None else (partial(metrics.write_often, Path(textfile)),)


def _line(port: PortConfig, metrics: Metrics) -> Line:
    def new_decoder() -> Decoder:
        return metrics.decoder(port.name, DECODERS[port.protocol](port.name))

    return Line(port.name, SerialPort(Path(port.path), port.baud), new_decoder)


def _link_maker(
    config: Config,
    parts: Parts,
    cloud_keys: tuple[PublicKey, ...],
    metrics: Metrics,
) -> Callable[[Agent], Link]:
    settings = _mqtt_settings(config, _time_reader(parts.clock, parts.timekeeper))

    def make(agent: Agent) -> Link:
        link = Link(
            Delivery(parts.outbox, config.gateway, Random(), DELIVERY_TIMES),
            metrics.connect(lambda: MqttBroker(settings)),
            cloud_keys,
            LinkEvents(on_command=agent.take_command, on_receipt=agent.take_receipt),
            Random(),
        )
        metrics.watch(
            Watched(parts.clock, parts.timekeeper, parts.station, parts.outbox, link)
        )
        return link

    return make


def _time_reader(clock: Clock, timekeeper: Timekeeper) -> ReadTime:
    def read() -> TimeBounds:
        boot_ns = clock.boot_ns()
        utc_ns, u_ns = timekeeper.utc_ns(boot_ns), timekeeper.u_ns(boot_ns)
        if utc_ns is None or u_ns is None:
            return TimeBounds(timekeeper.floor_ns, None)
        return TimeBounds(utc_ns - 3 * u_ns, utc_ns + 3 * u_ns)

    return read


def _mqtt_settings(config: Config, read_time: ReadTime) -> MqttSettings:
    broker = config.broker
    tls = None
    if broker.tls_ca is not None:
        tls = TlsFiles(
            Path(broker.tls_ca),
            None if broker.tls_certificate is None else Path(broker.tls_certificate),
            None if broker.tls_key is None else Path(broker.tls_key),
        )
        tls_context(tls, read_time)  # said now, not at the first connection
    return MqttSettings(
        host=broker.host,
        port=broker.port,
        client_id=config.gateway,
        username=broker.username,
        password=_password(broker),
        tls=tls,
        read_time=read_time,
    )


def _password(broker: BrokerConfig) -> str | None:
    if broker.password_file is None:
        return None
    path = Path(broker.password_file)
    try:
        return read_file(path, "broker password").decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: password_file: no UTF-8 text; write the password as one line"
        ) from error


def check_files(config: Config) -> list[str]:
    """Load everything a configuration names; return what was found, for a person.

    Raises:
        ConfigError: a file is missing or wrong.
    """
    model, _digest = load_container(config)
    signer = load_signer(Path(config.key))
    keys = load_cloud_keys(Path(config.cloud_keys))
    _mqtt_settings(config, lambda: TimeBounds(FLOOR_NS, None))
    ports = [f"{p.name} ({p.protocol}) on {p.path}" for p in config.ports]
    return [
        f"gateway    {config.gateway}, key {signer.kid.hex()}",
        f"container  {model.name} version {model.version}",
        f"cloud      {', '.join(key.owner for key in keys.keys)}",
        f"broker     {config.broker.host}:{config.broker.port}",
        *(f"port       {port}" for port in ports),
    ]
