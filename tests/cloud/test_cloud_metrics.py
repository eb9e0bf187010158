"""Metrics of web server and ingestor: what is counted, what is absent, who may ask."""

import asyncio
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cloud.adapters.ledger import SqlLedger, open_ledger
from cloud.adapters.mqtt import Received
from cloud.config import IngestConfig
from cloud.errors import ConfigError
from cloud.ingest import Ingestor, Parties
from cloud.metrics import IngestMetrics, served
from cloud.verification import Refusal, RefusalReason
from cloud.web import metrics as web_metrics
from cloud.web.app import create_app
from cloud.web.desk import Desk
from cloud.web.site import Site
from schemas.events import EventKind, Severity
from schemas.topics import Lane, topic
from tests import builders, journeys
from tests.builders import (
    GATEWAY,
    SHIPMENT,
    START_NS,
    Cloud,
    GatewayChain,
    birth,
    registry,
    report,
)
from tests.journeys import HOUR_NS
from tests.web_world import OPERATOR, StoppedClock, World

LABELS: Final = {"gateway", "kind", "reason", "severity", "route", "status", "le"}
LIVE: Final = topic(GATEWAY, Lane.LIVE)
Values = dict[tuple[str, ...], float]


def read(text: str) -> Values:
    """Return the samples by name and label values."""
    return {
        (sample.name.removeprefix("dosetrail_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def travelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """2 hours on the way, with a shock; tests that use it must not add to it."""
    found = World(tmp_path_factory.mktemp("world"))
    found.travel(2.0)
    shock = builders.event(EventKind.SHOCK, Severity.ALARM)
    found.tell([found.cast.record(shock, 2 * HOUR_NS)])
    yield found
    found.ledger.close()
    found.series.close()


def scraped(world: World) -> Values:
    return read(world.call("GET", "/metrics").text)


def test_the_ledger_and_its_projection(travelled: World) -> None:
    found = scraped(travelled)
    for kind, number in travelled.ledger.counts().items():
        assert found["cloud_ledger_entries", str(kind)] == number
    assert found["cloud_ledger_entries", "record"] > 10
    assert found["cloud_ledger_head_position",] == travelled.ledger.head()
    assert found["cloud_projection_cursor_position",] == travelled.series.position()
    assert found["cloud_projection_lag_entries",] == 0


def test_what_is_not_projected_is_the_lag(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.tell(journeys.papers(world.cast))
    world.series.clear()
    found = scraped(world)
    assert found["cloud_projection_lag_entries",] == world.ledger.head() > 0
    assert found["cloud_projection_cursor_position",] == 0
    world.ledger.close()
    world.series.close()


def test_each_gateway_says_what_its_page_says(travelled: World) -> None:
    found = scraped(travelled)
    health = travelled.desk.health(GATEWAY)
    assert health is not None
    assert health.last_record_at_ns is not None
    now_ns = travelled.clock.now_ns
    for name, value in (
        ("contiguous_sequence", health.watermark.contiguous),
        ("backlog_records", health.backlog),
        ("last_record_age_seconds", (now_ns - health.last_record_at_ns) / 10**9),
        ("last_received_age_seconds", (now_ns - health.last_received_at_ns) / 10**9),
    ):
        if value is None:
            assert (f"cloud_gateway_{name}", GATEWAY) not in found
        else:
            assert found[f"cloud_gateway_{name}", GATEWAY] == value, name


def test_ages_are_those_of_the_clock_that_the_server_is_given(
    travelled: World,
) -> None:
    before = scraped(travelled)
    travelled.clock.now_ns += HOUR_NS
    try:
        after = scraped(travelled)
    finally:
        travelled.clock.now_ns -= HOUR_NS
    for name in ("last_record_age_seconds", "last_received_age_seconds"):
        key = (f"cloud_gateway_{name}", GATEWAY)
        assert after[key] - before[key] == 3600.0
    assert before["cloud_is_exercise",] == 1


def test_open_alarms_are_those_of_the_pages(travelled: World) -> None:
    found = scraped(travelled)
    (shock,) = travelled.get(f"/api/shipments/{SHIPMENT}/events")
    assert (shock["state"], shock["severity"]) == ("raised", "alarm")
    for name in ("cloud_alarms_open", "cloud_alarms_unacknowledged"):
        assert found[name, "alarm"] == 1
        assert found[name, "warning"] == 0


def test_what_is_kept_in_quarantine_by_reason(tmp_path: Path) -> None:
    world = World(tmp_path)
    refusals = [Refusal(RefusalReason.NOT_SEALED, "noise", b"x")] * 3
    world.ledger.quarantine(refusals, START_NS)
    found = scraped(world)
    assert found["cloud_quarantine_items", "not-sealed"] == 3
    assert found["cloud_quarantine_items", "wrong-seal"] == 0
    world.ledger.close()
    world.series.close()


def test_labels_are_a_closed_set_without_shipment_or_position(
    travelled: World,
) -> None:
    app = app_of(travelled)
    text = asyncio.run(asked(app, f"/shipments/{SHIPMENT}", "/metrics"))[-1].text
    families = list(text_string_to_metric_families(text))
    samples = [sample for family in families for sample in family.samples]
    assert {label for sample in samples for label in sample.labels} <= LABELS
    assert SHIPMENT not in text
    assert "NaN" not in text
    assert "_created" not in text


def app_of(world: World) -> FastAPI:
    site = Site(
        world.desk, lambda: world.cast.registry, world.cast.cloud.signer, None, True
    )
    return create_app(site)


async def asked(app: FastAPI, *paths: str) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return [await client.get(path) for path in paths]


def test_requests_are_counted_by_the_template_of_their_route(
    travelled: World,
) -> None:
    app = app_of(travelled)
    page = f"/api/shipments/{SHIPMENT}"
    paths = (page, page, "/api/shipments/strange", "/wp-admin", "/static/nothing.css")
    found = read(asyncio.run(asked(app, *paths, "/metrics"))[-1].text)
    counted = {
        key[1:]: value
        for key, value in found.items()
        if key[0] == "cloud_http_requests_total"
    }
    assert counted["/api/shipments/{shipment}", "200"] == 2
    assert counted["/api/shipments/{shipment}", "404"] == 1
    assert counted[web_metrics.NO_ROUTE, "404"] == 2
    assert len(counted) == 3


def test_a_bug_is_counted_as_the_500_that_it_becomes(travelled: World) -> None:
    app = app_of(travelled)

    @app.get("/breaks")
    def breaks() -> None:
        raise ZeroDivisionError

    broken, answer = asyncio.run(asked(app, "/breaks", "/metrics"))
    assert broken.status_code == 500
    found = read(answer.text)
    assert found["cloud_http_requests_total", "/breaks", "500"] == 1


def test_two_applications_share_no_counters(travelled: World) -> None:
    first, second = app_of(travelled), app_of(travelled)
    asyncio.run(asked(first, "/api/gateways"))
    found = read(asyncio.run(asked(second, "/metrics"))[-1].text)
    assert ("cloud_http_requests_total", "/api/gateways", "200") not in found


def test_on_a_public_address_the_operators_token_is_asked_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.shows_positions = False
    assert world.call("GET", "/metrics").status_code == 403
    answer = world.call("GET", "/metrics", headers=OPERATOR)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    world.ledger.close()
    world.series.close()


def test_a_scrape_of_an_empty_server_answers(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    world = World(tmp_path)
    desk = Desk(ledger, world.series, StoppedClock(START_NS, exercise=False))
    text = web_metrics.expose(web_metrics.DeskCollector(desk)).decode()
    found = read(text)
    assert found["cloud_ledger_head_position",] == 0
    assert found["cloud_is_exercise",] == 0
    ledger.close()
    world.ledger.close()
    world.series.close()


class Line:
    """A line that brings what it is given and takes every answer."""

    def __init__(self) -> None:
        self.waiting: list[Received] = []
        self.is_connected = True

    def take(self, limit: int, wait_s: float) -> list[Received]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def acknowledge(self, message: Received) -> None:
        assert message not in self.waiting

    def publish(self, to: str, payload: bytes) -> bool:
        return self.is_connected


class Works:
    """An ingestor that counts, on a real ledger."""

    def __init__(self, ledger: SqlLedger) -> None:
        self.chain, self.line, self.metrics = GatewayChain(), Line(), IngestMetrics()
        server = Cloud()
        known = registry(self.chain, server)
        clock = StoppedClock(START_NS)
        parties = Parties(ledger, self.line, clock, server.signer, lambda: known)
        self.ingestor = Ingestor(
            parties, IngestConfig(), threading.Event(), self.metrics
        )

    def bring(self, payload: bytes, at_s: float) -> Values:
        self.line.waiting.append(Received(LIVE, payload, 1, 1))
        self.ingestor.step(at_s)
        return read(generate_latest(self.metrics.registry).decode())


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield opened
    opened.close()


def test_the_ingestor_counts_what_becomes_of_records(ledger: SqlLedger) -> None:
    works = Works(ledger)
    sealed = works.chain.append(birth()) + works.chain.append(report(1))
    works.bring(sealed, 0.0)
    found = works.bring(sealed + b"\xff", 10.0)
    assert found["ingest_records_added_total",] == 2
    assert found["ingest_duplicates_total",] == 2
    assert found["ingest_refusals_total", "not-sealed"] == 1
    assert found["ingest_refusals_total", "wrong-seal"] == 0
    assert found["ingest_receipts_sent_total",] == 2
    assert found["ingest_commit_seconds_count",] == 2
    assert 0 < found["ingest_commit_seconds_sum",] < 60


def test_a_conflict_with_what_is_held_is_a_refusal(ledger: SqlLedger) -> None:
    works = Works(ledger)
    works.bring(works.chain.append(birth()) + works.chain.append(report(1)), 0.0)
    other = GatewayChain()
    other.append(birth())
    found = works.bring(other.append(report(1, temperature_c=9.0)), 10.0)
    assert found["ingest_refusals_total", "equivocation"] == 1
    assert found["ingest_records_added_total",] == 2


def test_a_receipt_that_nobody_took_is_not_counted(ledger: SqlLedger) -> None:
    works = Works(ledger)
    works.line.is_connected = False
    found = works.bring(works.chain.append(birth()), 0.0)
    assert found["ingest_receipts_sent_total",] == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_the_ingestor_answers_on_this_machine_while_it_runs() -> None:
    metrics, port = IngestMetrics(), free_port()
    metrics.receipted(3)
    with (
        served(metrics, port),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        found = read(answer.read().decode())
    assert found["ingest_receipts_sent_total",] == 3
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_without_a_port_nothing_listens() -> None:
    before = threading.active_count()
    with served(IngestMetrics(), None):
        assert threading.active_count() == before


def test_a_port_that_is_taken_is_named_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=rf"ingest\.metrics_port {port}: .*choose"),
            served(IngestMetrics(), port),
        ):
            pytest.fail("two listen on one port")
