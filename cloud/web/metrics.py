"""What the server knows of itself and its gateways, for Prometheus: ``/metrics``.

The rules are those of :mod:`cloud.metrics`. All but the requests is read from ledger
and series when it is asked for, by the server's clock: under simulated time, ages
are simulated. Answered on this machine, elsewhere to bearers of the operators' token.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from typing import Final

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.adapters.ledger_quarantine import KEPT_PER_REASON
from cloud.metrics import Undated
from cloud.verification import RefusalReason
from cloud.web.desk import Desk, Health
from cloud.web.site import may_see_positions, site_of
from schemas.events import Severity
from schemas.units import NS_PER_S

PREFIX: Final = "dosetrail_cloud"
# What no route answers has one name: paths that strangers try are no label.
NO_ROUTE: Final = "none"
_ALARMING: Final = (Severity.WARNING, Severity.ALARM)

router: Final = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Count the requests of ``app`` and answer its ``/metrics``."""
    requests = Counter(
        f"{PREFIX}_http_requests",
        "Requests, by the template of their route.",
        ("route", "status"),
        registry=None,
    )
    app.state.requests = requests
    app.add_middleware(_Counting, requests=requests)
    app.include_router(router)


@router.get("/metrics")
def read_metrics(request: Request) -> Response:
    """Return all metrics in Prometheus' text format; 403 to strangers."""
    if not may_see_positions(request):
        raise HTTPException(403, "metrics are shown to operators only")
    requests = Undated(request.app.state.requests)
    text = expose(requests, DeskCollector(site_of(request).desk))
    return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def expose(*collectors: Collector) -> bytes:
    """Return what collectors say in Prometheus' text format 0.0.4."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


class _Counting:
    """Counts each request once its status is known; a stream is not waited for."""

    def __init__(self, app: ASGIApp, requests: Counter) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            # A bug: the answer is made further out.
            self._count(scope, 500)
            raise

    def _count(self, scope: Scope, status: int) -> None:
        path = getattr(scope.get("route"), "path", None)
        self._requests.labels(path or NO_ROUTE, str(status)).inc()


class DeskCollector(Collector):
    """What ledger, series and desk say when they are asked."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        """Yield everything as it stands.

        Raises:
            CloudError: ledger, series or clock cannot be read now.
        """
        yield from self._ledger()
        yield from self._gateways()
        yield from self._alarms()
        exercise = float(self._desk.clock.exercise)
        yield _single("is_exercise", "1 under simulated time.", exercise)

    def _ledger(self) -> Iterator[Metric]:
        ledger, cursor = self._desk.ledger, self._desk.series.position()
        head = ledger.head()
        counts = {str(kind): float(count) for kind, count in ledger.counts().items()}
        yield _gauge("ledger_entries", "Entries held.", counts, "kind")
        yield _single("ledger_head_position", "Position of the last entry.", head)
        text = "Position up to which everything is projected."
        yield _single("projection_cursor_position", text, cursor)
        lag = max(0, head - cursor)
        yield _single("projection_lag_entries", "Entries not projected.", lag)
        known = ledger.quarantined(KEPT_PER_REASON * len(RefusalReason))
        held = Tally(one.reason for one in known)
        text = f"Refused items that are kept, at most {KEPT_PER_REASON} of a reason."
        kept = {str(reason): float(held[reason]) for reason in RefusalReason}
        yield _gauge("quarantine_items", text, kept, "reason")

    def _gateways(self) -> Iterator[Metric]:
        known = [self._desk.health(name) for name in self._desk.ledger.gateways()]
        healths = [health for health in known if health is not None]
        now_ns = self._desk.clock.utc_ns()
        for name, text, values in (
            (
                "gateway_contiguous_sequence",
                "All of the newest epoch up to here is held.",
                [health.watermark.contiguous for health in healths],
            ),
            (
                "gateway_backlog_records",
                "Sealed by its last heartbeat, not held.",
                [health.backlog for health in healths],
            ),
            (
                "gateway_last_record_age_seconds",
                "Since the newest record was made; absent while it is undated.",
                [_age_s(now_ns, health.last_record_at_ns) for health in healths],
            ),
            (
                "gateway_last_received_age_seconds",
                "Since the newest record came.",
                [_age_s(now_ns, health.last_received_at_ns) for health in healths],
            ),
        ):
            yield _gauge(name, text, _by_gateway(healths, values), "gateway")

    def _alarms(self) -> Iterator[Metric]:
        alarms = [
            alarm
            for situation in self._desk.situations()
            for alarm in situation.alarms.open_worst_first
        ]
        opened = Tally(alarm.severity for alarm in alarms)
        unseen = Tally(alarm.severity for alarm in alarms if alarm.is_unseen)
        for name, text, counts in (
            ("alarms_open", "Open alarms of all shipments.", opened),
            ("alarms_unacknowledged", "Open, and no person has said so.", unseen),
        ):
            values = {str(severity): float(counts[severity]) for severity in _ALARMING}
            yield _gauge(name, text, values, "severity")


def _age_s(now_ns: int, then_ns: int | None) -> float | None:
    return None if then_ns is None else max(0, now_ns - then_ns) / NS_PER_S


def _by_gateway(
    healths: Iterable[Health], values: Iterable[float | None]
) -> dict[str, float]:
    return {
        health.gateway: value
        for health, value in zip(healths, values, strict=True)
        if value is not None
    }


def _single(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value)


def _gauge(name: str, text: str, values: dict[str, float], label: str) -> Metric:
    gauge = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=(label,))
    for where, value in values.items():
        gauge.add_metric((where,), value)
    return gauge
