"""What a gateway counts about itself, as a file for Prometheus' node_exporter.

Rules:

1. Labels are gateway, line, kind, reason and lane: closed sets. No position, no
   shipment, no name of a person, and nothing that a sensor measured.
2. The parts are measured from outside, where they are put together; they neither
   know nor wait for it.
3. What is not known is absent, never NaN and never 0 in its place.
4. A gateway opens no port: the text is renamed into place every ``PERIOD_S``.
   A file that cannot be written is said once and tried again.

Instants of boot are those of the clock that the gateway is given: under simulated
time the ages are simulated. Seconds of work are real.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.link import Connect, Link
from gateway.outbox import Outbox
from gateway.ports import Broker, BrokerMessage, Clock
from gateway.sealing import Sealer
from gateway.sensors import Decoder
from gateway.station import Statement, Station, StationPlan
from gateway.timekeeping import Timekeeper
from schemas.errors import MalformedError
from schemas.keys import Signer
from schemas.readings import Noise, NoiseReason, Reading
from schemas.records import BODIES, KINDS, Body, Report, TimeSource
from schemas.topics import UP, Lane, parse_topic
from schemas.units import NS_PER_S

PERIOD_S: Final = 10.0
PREFIX: Final = "dosetrail_gateway"
# From an interval without an estimate to a Pi that is short of everything.
_WORK_BUCKETS_S: Final = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# Noise that is counted in frames of its own.
_FRAMES: Final = frozenset({NoiseReason.LOST, NoiseReason.REPEATED})
# node_exporter is another user, and the service's umask lets nobody read.
_FILE_MODE: Final = 0o644

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """The parts whose state is read whenever the text is made."""

    clock: Clock
    timekeeper: Timekeeper
    station: Station
    outbox: Outbox
    link: Link


class Metrics:
    """The counters of one gateway; all methods belong to the event loop's thread."""

    def __init__(self, gateway: str, lines: Sequence[str], clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock
        self._heard_boot_ns: dict[str, int] = {}
        self._registry = CollectorRegistry()
        self._registry.register(_Heard(gateway, clock, self._heard_boot_ns))
        self._bytes = self._counter("line_bytes", "Bytes read.", "line")
        self._readings = self._counter("line_readings", "Readings.", "line")
        self._noise = self._counter(
            "line_noise", "Pieces of noise, by reason.", "line", "reason"
        )
        self._lost = self._counter("line_lost_frames", "Frames missing.", "line")
        self._repeated = self._counter(
            "line_repeated_frames", "Frames that came again.", "line"
        )
        self._records = self._counter("records_stated", "Records sealed.", "kind")
        self._messages = self._counter("messages", "Messages published.", "lane")
        self._work = Histogram(
            f"{PREFIX}_estimator_seconds",
            "Real seconds to close an interval, its estimate included.",
            ("gateway",),
            registry=None,
            buckets=_WORK_BUCKETS_S,
        )
        self._registry.register(_Undated(self._work))
        self._begin_at_zero(lines)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        known = ("gateway", *labels)
        counter = Counter(f"{PREFIX}_{name}", text, known, registry=None)
        self._registry.register(_Undated(counter))
        return counter

    def _begin_at_zero(self, lines: Sequence[str]) -> None:
        """Show each series from the start, so that its first increase is seen."""
        for line in lines:
            for counter in (self._bytes, self._readings, self._lost, self._repeated):
                counter.labels(self._gateway, line)
            for reason in NoiseReason:
                if reason not in _FRAMES:
                    self._noise.labels(self._gateway, line, reason)
        for kind in BODIES:
            self._records.labels(self._gateway, kind)
        for lane in UP:
            self._messages.labels(self._gateway, lane)
        self._work.labels(self._gateway)

    # Told by the parts that are wrapped

    def fed(self, line: str, size: int, items: Sequence[Reading | Noise]) -> None:
        """Count what a line's decoder made of ``size`` bytes."""
        self._bytes.labels(self._gateway, line).inc(size)
        readings = 0
        for item in items:
            if isinstance(item, Noise):
                self._take_noise(line, item)
            else:
                readings += 1
        if readings:
            self._readings.labels(self._gateway, line).inc(readings)
            self._heard_boot_ns[line] = self._clock.boot_ns()

    def _take_noise(self, line: str, noise: Noise) -> None:
        if noise.reason is NoiseReason.LOST:
            self._lost.labels(self._gateway, line).inc(noise.size)
        elif noise.reason is NoiseReason.REPEATED:
            self._repeated.labels(self._gateway, line).inc(noise.size)
        else:
            self._noise.labels(self._gateway, line, noise.reason).inc()

    def stated(self, kind: str) -> None:
        """Count a sealed record."""
        self._records.labels(self._gateway, kind).inc()

    def published(self, lane: Lane) -> None:
        """Count a message that the broker took."""
        self._messages.labels(self._gateway, lane).inc()

    def worked(self, seconds: float) -> None:
        """Note how long closing an interval took."""
        self._work.labels(self._gateway).observe(seconds)

    # Wrapping

    def decoder(self, line: str, decoder: Decoder) -> Decoder:
        """Return a decoder that counts what ``decoder`` says."""
        return _CountedDecoder(self, line, decoder)

    def connect(self, connect: Connect) -> Connect:
        """Return a way to connect whose published messages are counted."""

        @contextlib.asynccontextmanager
        async def counted() -> AsyncIterator[Broker]:
            async with connect() as broker:
                yield _CountedBroker(self, broker)

        return counted

    def watch(self, parts: Watched) -> None:
        """Show the state of these parts too."""
        self._registry.register(_State(self._gateway, parts))

    # The text

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)

    async def write_often(self, path: Path) -> None:
        """Keep ``path`` current; ends only by cancellation."""
        is_failing = False
        while True:
            try:
                await asyncio.to_thread(_replace, path, self.text())
            except OSError as error:
                if not is_failing:
                    _log.warning("event=metrics_lost path=%s reason=%s", path, error)
                is_failing = True
            else:
                is_failing = False
            await asyncio.sleep(PERIOD_S)


def _replace(path: Path, text: bytes) -> None:
    # The collector reads what ends in .prom: never the half of a file.
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(text)
    fresh.chmod(_FILE_MODE)
    fresh.replace(path)


class CountedSealer(Sealer):
    """A sealer whose records are counted."""

    def __init__(
        self,
        gateway: str,
        outbox: Outbox,
        signer: Signer,
        clock: Clock,
        timekeeper: Timekeeper,
        metrics: Metrics,
    ) -> None:
        super().__init__(gateway, outbox, signer, clock, timekeeper)
        self._metrics = metrics

    def state(self, body: Body, *, is_alarm: bool = False) -> int:
        """See :meth:`gateway.sealing.Sealer.state`."""
        sequence = super().state(body, is_alarm=is_alarm)
        self._metrics.stated(KINDS[type(body)])
        return sequence


class TimedStation(Station):
    """A station that says how long it took to close an interval."""

    def __init__(
        self,
        plan: StationPlan,
        timekeeper: Timekeeper,
        started_boot_ns: int,
        metrics: Metrics,
    ) -> None:
        super().__init__(plan, timekeeper, started_boot_ns)
        self._metrics = metrics

    def take(
        self, line: str, item: Reading | Noise, arrived_boot_ns: int
    ) -> list[Statement]:
        """See :meth:`gateway.station.Station.take`."""
        began_s = time.perf_counter()
        return self._timed(began_s, super().take(line, item, arrived_boot_ns))

    def advance(self, boot_ns: int) -> list[Statement]:
        """See :meth:`gateway.station.Station.advance`."""
        began_s = time.perf_counter()
        return self._timed(began_s, super().advance(boot_ns))

    def _timed(self, began_s: float, statements: list[Statement]) -> list[Statement]:
        if any(isinstance(one.body, Report) for one in statements):
            self._metrics.worked(time.perf_counter() - began_s)
        return statements


class _CountedDecoder:
    def __init__(self, metrics: Metrics, line: str, decoder: Decoder) -> None:
        self._metrics = metrics
        self._line = line
        self._decoder = decoder

    def feed(self, data: bytes) -> list[Reading | Noise]:
        items = self._decoder.feed(data)
        self._metrics.fed(self._line, len(data), items)
        return items


class _CountedBroker:
    def __init__(self, metrics: Metrics, broker: Broker) -> None:
        self._metrics = metrics
        self._broker = broker

    async def subscribe(self, topic: str) -> None:
        await self._broker.subscribe(topic)

    async def publish(self, topic: str, payload: bytes) -> None:
        await self._broker.publish(topic, payload)
        with contextlib.suppress(MalformedError):
            self._metrics.published(parse_topic(topic).lane)

    def messages(self) -> AsyncIterator[BrokerMessage]:
        return self._broker.messages()


class _Undated(Collector):
    """A counter without the instant of its making: that clock is not to be trusted."""

    def __init__(self, counter: Counter | Histogram) -> None:
        self._counter = counter

    def collect(self) -> Iterator[Metric]:
        for metric in self._counter.collect():
            metric.samples = [
                one for one in metric.samples if not one.name.endswith("_created")
            ]
            yield metric


class _Heard(Collector):
    def __init__(
        self, gateway: str, clock: Clock, heard_boot_ns: dict[str, int]
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._heard_boot_ns = heard_boot_ns

    def collect(self) -> Iterator[Metric]:
        name = f"{PREFIX}_line_last_reading_seconds"
        text = "Seconds of boot time since the last reading; absent before the first."
        gauge = GaugeMetricFamily(name, text, labels=("gateway", "line"))
        now_ns = self._clock.boot_ns()
        for line, heard_ns in self._heard_boot_ns.items():
            gauge.add_metric((self._gateway, line), (now_ns - heard_ns) / NS_PER_S)
        yield gauge


class _State(Collector):
    """The state of the parts, read when it is asked for."""

    def __init__(self, gateway: str, parts: Watched) -> None:
        self._gateway = gateway
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        yield from self._outbox(self._parts.outbox)
        yield from self._link(self._parts.link)
        yield from self._clock()
        airborne = self._parts.station.is_airborne
        yield self._gauge("is_airborne", "1 under radio silence.", float(airborne))

    def _outbox(self, outbox: Outbox) -> Iterator[Metric]:
        head, mark = outbox.head_sequence, outbox.watermark
        known = head if head >= 0 else None
        yield self._gauge("outbox_head_sequence", "Newest committed record.", known)
        known = mark if mark >= 0 else None
        text = "All up to here is receipted."
        yield self._gauge("outbox_watermark_sequence", text, known)
        yield self._gauge("outbox_bytes", "Bytes on disk.", outbox.size_bytes)
        free_bytes = _free_bytes(outbox)
        yield self._gauge("outbox_free_bytes", "Bytes free on its disk.", free_bytes)
        text = "1 while records lie in memory only."
        yield self._gauge("outbox_is_volatile", text, float(outbox.is_volatile))
        faults = outbox.storage_faults
        yield self._total("outbox_storage_faults", "Writes that failed.", faults)

    def _link(self, link: Link) -> Iterator[Metric]:
        counts = link.counts
        text = "Committed, and not known to be held by the cloud."
        yield self._gauge("backlog_records", text, link.backlog)
        connected = float(link.is_connected)
        yield self._gauge("link_is_connected", "1 with a broker.", connected)
        text = "Connections made to a broker."
        yield self._total("link_connections", text, counts.connections)
        yield self._total("receipts", "Genuine receipts taken.", counts.receipts)
        text = "Messages from the broker that were refused."
        yield self._total("link_refusals", text, counts.refusals)

    def _clock(self) -> Iterator[Metric]:
        clock, timekeeper = self._parts.clock, self._parts.timekeeper
        source = GaugeMetricFamily(
            f"{PREFIX}_clock_source",
            "1 for where UTC comes from.",
            labels=("gateway", "kind"),
        )
        for kind in TimeSource:
            is_it = float(kind is timekeeper.source)
            source.add_metric((self._gateway, kind), is_it)
        yield source
        u_ns = timekeeper.u_ns(clock.boot_ns())
        yield self._gauge(
            "clock_uncertainty_seconds",
            "Standard uncertainty of UTC; absent while it is unknown.",
            None if u_ns is None else u_ns / NS_PER_S,
        )
        exercise = float(clock.exercise)
        yield self._gauge("is_exercise", "1 under simulated time.", exercise)

    def _gauge(self, name: str, text: str, value: float | None) -> Metric:
        gauge = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=("gateway",))
        if value is not None:
            gauge.add_metric((self._gateway,), value)
        return gauge

    def _total(self, name: str, text: str, value: float) -> Metric:
        total = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=("gateway",))
        total.add_metric((self._gateway,), value)
        return total


def _free_bytes(outbox: Outbox) -> float | None:
    try:
        return outbox.free_bytes()
    except OSError:
        return None
