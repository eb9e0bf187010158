"""Dashboards and provisioning: well formed, and asking for what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cloud.adapters.influx_lines import LineMaker
from cloud.adapters.ledger import open_ledger
from cloud.adapters.series import SqliteSeries
from cloud.adapters.series_rows import PointRow, PositionRow, Rows
from cloud.config import load_config
from cloud.metrics import IngestMetrics
from cloud.projection import Projection
from cloud.web.desk import Desk
from cloud.web.metrics import DeskCollector, expose
from gateway.delivery import Delivery
from gateway.estimator.activity import certificate_estimate
from gateway.estimator.container import read_container
from gateway.interval import scalar_values
from gateway.link import Link, LinkEvents
from gateway.metrics import Metrics, Watched
from gateway.outbox import Outbox, OutboxLimits
from gateway.station import Station, StationPlan
from gateway.timekeeping import Timekeeper
from schemas import readings
from schemas.products import product
from tests import builders, journeys
from tests.builders import START_NS
from tests.gateway.outbox_chain import CLOUD_KEY, GATEWAY
from tests.journeys import Cast
from tests.web_world import StoppedClock

DEPLOY: Final = Path(__file__).parents[2] / "hw" / "deploy"
GRAFANA: Final = DEPLOY / "grafana"
DASHBOARDS: Final = sorted((GRAFANA / "dashboards").glob("*.json"))
NAME: Final = re.compile(r"\bdosetrail_[a-z0-9_]+")
AS: Final = re.compile(r'\s+AS\s+"[^"]+"')
LINE: Final = re.compile(r"(\w+),(\S+) (\S+) \d+")
SELECT: Final = re.compile(
    r'SELECT (?P<select>.+) FROM "(?P<measurement>\w+)" WHERE (?P<where>.+?)'
    r"( GROUP BY (?P<group>.+?))?( fill\((null|none)\))?"
)


def _board(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _panels(path: Path) -> list[dict[str, Any]]:
    return [panel for panel in _board(path)["panels"] if panel["type"] != "row"]


def _targets(kind: str) -> Iterator[tuple[str, str]]:
    """Yield (title, what is asked) of every target of a kind of source."""
    for path in DASHBOARDS:
        for panel in _panels(path):
            for target in panel["targets"]:
                if target["datasource"]["type"] == kind:
                    asked = target.get("query") or target["expr"]
                    yield f"{path.stem}: {panel['title']}", asked


def _yaml(path: Path) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load(path.read_text("utf-8"))


def _sources() -> dict[str, str]:
    file = GRAFANA / "provisioning" / "datasources" / "dosetrail.yaml"
    return {one["uid"]: one["type"] for one in _yaml(file)["datasources"]}


def test_there_is_a_fleet_and_a_container() -> None:
    assert [path.stem for path in DASHBOARDS] == ["container", "fleet"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Path) -> None:
    board = _board(path)
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert board["uid"] == f"dosetrail-{path.stem}"
    known = _sources()
    for panel in _panels(path):
        assert panel["targets"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]
        for target in panel["targets"]:
            source = target["datasource"]
            assert known[source["uid"]] == source["type"], panel["title"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_do_not_lie_upon_each_other(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in _board(path)["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def _written() -> dict[str, tuple[set[str], set[str]]]:
    """Return tags and fields of each measurement, as the projection writes them."""
    rows = Rows(
        points=[PointRow("gw-a", "s", "q", 1, b"e", 1.0, 1.0, 1.0)],
        positions=[PositionRow("gw-a", 1, b"e", "3d", 45.0, 7.0, 250.0)],
    )
    found = {}
    for line in LineMaker().lines(rows):
        whole = LINE.fullmatch(line)
        assert whole is not None, line
        tags, fields = (
            {part.split("=")[0] for part in whole[at].split(",")} for at in (2, 3)
        )
        found[whole[1]] = tags, fields
    return found


@pytest.mark.parametrize(("title", "query"), list(_targets("influxdb")))
def test_influxql_asks_for_what_the_projection_writes(title: str, query: str) -> None:
    """Identifiers stand in double quotes, words in single ones, in every query."""
    found = SELECT.fullmatch(query)
    assert found is not None, title
    known_tags, known_fields = _written()[found["measurement"]]
    selected = re.findall(r'"(\w+)"', AS.sub("", found["select"]))
    assert selected
    assert set(selected) <= known_fields
    conditions = found["where"].split(" AND ")
    assert "$timeFilter" in conditions
    where = [re.match(r'"(\w+)" (=|=~|!~) ', one) for one in conditions]
    tags = {one[1] for one in where if one is not None}
    assert len([one for one in where if one is not None]) == len(conditions) - 1
    grouped = [one for one in (found["group"] or "").split(", ") if one]
    tags |= {one.strip('"') for one in grouped if one != "time($__interval)"}
    assert tags <= known_tags


@pytest.fixture(scope="module")
def quantities(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What points are made of: the reports' scalars, and what the cloud derives."""
    folder = tmp_path_factory.mktemp("series")
    cast, ledger = Cast(), open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
    series = SqliteSeries(folder / "series.sqlite")
    journeys.take(ledger, cast, journeys.papers(cast))
    journeys.take(ledger, cast, journeys.telemetry(cast, 1.0))
    estimate = certificate_estimate(journeys.contents(), START_NS, 0)
    report = msgspec.structs.replace(builders.report(120), estimates=(estimate,))
    journeys.take(ledger, cast, [cast.record(report, report.to_boot_ns)])
    projection = Projection(ledger, series)
    while projection.step():
        pass
    found = {
        channel.quantity
        for gateway in ledger.gateways()
        for channel in series.channels(gateway)
    }
    ledger.close()
    series.close()
    said = (
        readings.TemperatureReading("a", 1.0),
        readings.PressureReading("a", 1.0),
        readings.SupplyReading("a", 1.0, 1.0, 1.0),
        readings.LightReading("a", 1.0, readings.Lid.OPEN),
        readings.AccelerationReading("a", 0.0, 0.0, 0.0, 0.0, 0.0),
    )
    return found | {name for reading in said for name, _ in scalar_values(reading)}


def test_quantities_are_those_that_are_projected(quantities: set[str]) -> None:
    asked = {
        word
        for _, query in _targets("influxdb")
        for word in re.findall(r'"quantity" = \'(\w+)\'', query)
    }
    assert {"temperature_c", "activity_gbq", "pressure_hpa", "voltage_v"} <= asked
    assert asked <= quantities


def _names(text: bytes) -> set[str]:
    names = set()
    for family in text_string_to_metric_families(text.decode()):
        parts = {
            "counter": ("_total",),
            "histogram": ("_bucket", "_sum", "_count"),
        }.get(family.type, ("",))
        names |= {family.name + part for part in parts}
    return names


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all that gateway, ingestor and web server expose."""
    folder = tmp_path_factory.mktemp("metrics")
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
    series = SqliteSeries(folder / "series.sqlite")
    web = expose(DeskCollector(Desk(ledger, series, StoppedClock(0))))
    ledger.close()
    series.close()
    return (
        _names(_gateway_text(folder))
        | _names(generate_latest(IngestMetrics().registry))
        | _names(web)
        | {"dosetrail_cloud_http_requests_total"}
    )


def _gateway_text(folder: Path) -> bytes:
    class Clock(StoppedClock):
        def boot_id(self) -> bytes:
            return bytes(16)

        def system_utc_ns(self) -> int:
            return 0

    clock, time = Clock(0), Timekeeper(0)
    metrics = Metrics(GATEWAY, ("board",), clock)
    outbox = Outbox.open(folder / "outbox", OutboxLimits(reserve_bytes=0))
    path = DEPLOY.parent / "containers" / "overpack-10mm.toml"
    plan = StationPlan(read_container(path.read_bytes(), str(path)), (), 0, True)
    events = LinkEvents(lambda _: None, lambda *_: None)
    delivery = Delivery(outbox, GATEWAY, Random(1))
    link = Link(
        delivery, lambda: pytest.fail("connects"), [CLOUD_KEY], events, Random(1)
    )
    metrics.watch(Watched(clock, time, Station(plan, time, 0), outbox, link))
    text = metrics.text()
    outbox.close()
    return text


def test_promql_asks_for_what_is_exposed(exposed: set[str]) -> None:
    asked = list(_targets("prometheus"))
    assert len(asked) > 30
    for title, expression in asked:
        names = NAME.findall(expression)
        assert names, title
        assert set(names) <= exposed, title


def test_counters_are_asked_for_their_rate() -> None:
    for title, expression in _targets("prometheus"):
        for name in NAME.findall(expression):
            if name.endswith(("_total", "_bucket", "_sum", "_count")):
                assert re.search(rf"(rate|increase)\({name}\b", expression), title


def test_positions_are_on_the_container_only() -> None:
    """Need to know: the fleet shows none, and no label of a metric is one."""
    for path in DASHBOARDS:
        text = path.read_text("utf-8")
        assert ("latitude_deg" in text) == (path.stem == "container")
    for _, expression in _targets("prometheus"):
        assert not re.search(r"latitude|longitude|shipment|order", expression)


def test_the_limits_begin_at_those_of_a_product() -> None:
    known = product("pluvicto")
    container = _board(GRAFANA / "dashboards" / "container.json")
    variables = {one["name"]: one["query"] for one in container["templating"]["list"]}
    assert variables["gateway"] == 'SHOW TAG VALUES FROM "reading" WITH KEY = "gateway"'
    assert float(variables["temperature_min_c"]) == known.temperature_min_c
    assert float(variables["temperature_max_c"]) == known.temperature_max_c


def test_variables_are_known() -> None:
    for path in DASHBOARDS:
        board = _board(path)
        known = {one["name"] for one in board["templating"]["list"]}
        text = json.dumps(board["panels"])
        assert set(re.findall(r"\$\{(\w+)\}", text)) <= known


def test_provisioning_names_sources_and_folder() -> None:
    assert _sources() == {
        "dosetrail-series": "influxdb",
        "dosetrail-metrics": "prometheus",
    }
    file = GRAFANA / "provisioning" / "datasources" / "dosetrail.yaml"
    influx = _yaml(file)["datasources"][0]
    assert influx["jsonData"]["dbName"] == "dosetrail"
    assert influx["secureJsonData"] == {"password": "$INFLUX_PASSWORD"}
    file = GRAFANA / "provisioning" / "dashboards" / "dosetrail.yaml"
    (provider,) = _yaml(file)["providers"]
    assert provider["type"] == "file"


def test_prometheus_asks_where_the_programs_answer(tmp_path: Path) -> None:
    jobs = {one["job_name"]: one for one in _scrapes()}
    (web,) = jobs["dosetrail-web"]["static_configs"][0]["targets"]
    (ingest,) = jobs["dosetrail-ingest"]["static_configs"][0]["targets"]
    sample = DEPLOY.parents[1] / "cloud" / "config.sample.toml"
    shown = sample.read_text("utf-8").replace("# metrics_port", "metrics_port")
    path = tmp_path / "cloud.toml"
    path.write_text(shown)
    config = load_config(path)
    assert web == f"{config.web.host}:{config.web.port}"
    assert ingest == f"127.0.0.1:{config.ingest.metrics_port}"


def _scrapes() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _yaml(DEPLOY / "prometheus.yml")["scrape_configs"]
    return found
