"""What the ingestor counts about itself, for Prometheus, on this machine only.

Rules, for these metrics and those of :mod:`cloud.web.metrics`:

1. Labels are gateway, kind, reason, severity, route and status: closed sets, but for
   gateways, which are registered. No position, no shipment, no person's name.
2. What is not known is absent, never NaN and never 0 in its place.
3. A registry belongs to who made it; nothing is kept by the process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from cloud.errors import ConfigError
from cloud.ports import AppendResult
from cloud.verification import RefusalReason

LOOPBACK: Final = "127.0.0.1"
PREFIX: Final = "dosetrail_ingest"
# From one record on a good disk to a disk that is dying.
_COMMIT_BUCKETS_S: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class Undated(Collector):
    """A counter without the instant of its making, which says nothing to anybody."""

    def __init__(self, counter: Counter | Histogram) -> None:
        self._counter = counter

    def collect(self) -> Iterator[Metric]:
        """Yield the counter's samples."""
        for metric in self._counter.collect():
            metric.samples = [
                one for one in metric.samples if not one.name.endswith("_created")
            ]
            yield metric


class IngestMetrics:
    """The counters of one ingestor; safe for several threads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._added = Counter(
            f"{PREFIX}_records_added", "Records taken into the ledger.", registry=None
        )
        self._duplicates = Counter(
            f"{PREFIX}_duplicates", "Records that were held already.", registry=None
        )
        self._refusals = Counter(
            f"{PREFIX}_refusals", "Items refused.", ("reason",), registry=None
        )
        self._receipts = Counter(
            f"{PREFIX}_receipts_sent", "Receipts given to the broker.", registry=None
        )
        self._commit = Histogram(
            f"{PREFIX}_commit_seconds",
            "Real seconds of one commit of records to the ledger.",
            registry=None,
            buckets=_COMMIT_BUCKETS_S,
        )
        for reason in RefusalReason:
            self._refusals.labels(reason)
        counts = (self._added, self._duplicates, self._refusals, self._receipts)
        for counter in (*counts, self._commit):
            self.registry.register(Undated(counter))

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Time one commit; what fails is timed too."""
        with self._commit.time():
            yield

    def appended(self, result: AppendResult) -> None:
        """Count what became of a batch; its conflicts are refusals of their own."""
        self._added.inc(result.added)
        self._duplicates.inc(result.duplicates)

    def refused(self, reason: RefusalReason) -> None:
        """Count something that is not believed."""
        self._refusals.labels(reason).inc()

    def receipted(self, number: int) -> None:
        """Count receipts that were given to the broker."""
        self._receipts.inc(number)


@contextmanager
def served(metrics: IngestMetrics, port: int | None) -> Iterator[None]:
    """Answer scrapes on this machine's ``port`` meanwhile; None: nobody asks.

    Raises:
        ConfigError: the port cannot be used.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, LOOPBACK, metrics.registry)
    except OSError as error:
        raise ConfigError(
            f"ingest.metrics_port {port}: {error.strerror or error}; "
            "choose a port that is free"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
