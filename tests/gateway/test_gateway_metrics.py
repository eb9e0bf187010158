"""The gateway's metrics: what is counted, what is absent, and the file."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from functools import reduce
from operator import xor
from pathlib import Path
from random import Random
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.adapters.key_file import make_key
from gateway.composition import compose
from gateway.config import load_config
from gateway.delivery import Delivery
from gateway.errors import BrokerLostError, ConfigError
from gateway.estimator.container import read_container
from gateway.link import Link, LinkEvents
from gateway.metrics import CountedSealer, Metrics, TimedStation, Watched
from gateway.outbox import Outbox, OutboxLimits
from gateway.ports import Broker, BrokerMessage
from gateway.sensors import nmea
from gateway.station import StationPlan
from gateway.timekeeping import Timekeeper
from schemas.keys import KeyRegistry
from schemas.readings import Noise, NoiseReason
from schemas.topics import Lane, topic
from tests.builders import START_NS
from tests.gateway.outbox_chain import CLOUD_KEY, GATEWAY, HEARTBEAT, OWN_KEY, SIGNER
from tests.gateway.station_rig import MODEL, NS, place, warm

PREFIX: Final = "dosetrail_gateway_"
LABELS: Final = {"gateway", "line", "kind", "reason", "lane"}
GGA: Final = b"$GNGGA,120000.00,4523.9,N,00752.1,E,1,09,0.9,250.0,M,48.0,M,,*"
GOOD: Final = GGA + b"%02X\r\n" % reduce(xor, GGA[1:-1])
BAD: Final = GGA + b"00\r\n"
PATIENCE_S: Final = 20.0


class FakeClock:
    """A clock that stands where it is put."""

    exercise = False

    def __init__(self) -> None:
        self.now_ns = 0

    def boot_id(self) -> bytes:
        return bytes(16)

    def boot_ns(self) -> int:
        return self.now_ns

    def system_utc_ns(self) -> int:
        return 0


class FakeBroker:
    """A broker that takes what it is given until it breaks."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.is_broken = False

    async def subscribe(self, topic: str) -> None:
        self.taken.append(topic)

    async def publish(self, topic: str, payload: bytes) -> None:
        if self.is_broken:
            raise BrokerLostError("gone")
        self.taken.append(topic)

    async def messages(self) -> AsyncIterator[BrokerMessage]:
        yield BrokerMessage("a", b"b")


class Bench:
    """Metrics and the parts that they watch, on a real outbox."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.broker = FakeBroker()
        self.metrics = Metrics(GATEWAY, ("board", "gps"), self.clock)
        self.time = Timekeeper(START_NS - 10**18)
        limits = OutboxLimits(reserve_bytes=0)
        self.outbox = Outbox.open(folder / "outbox", limits, own_key=OWN_KEY)
        model = read_container(MODEL.read_bytes(), str(MODEL))
        plan = StationPlan(model, ("board", "gps"), 60 * NS, True)
        self.station = TimedStation(plan, self.time, 0, self.metrics)
        self.sealer = CountedSealer(
            GATEWAY, self.outbox, SIGNER, self.clock, self.time, self.metrics
        )

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Broker]:
        yield self.broker

    def watch(self) -> None:
        events = LinkEvents(lambda _: None, lambda *_: None)
        delivery = Delivery(self.outbox, GATEWAY, Random(1))
        link = Link(delivery, self.connect, [CLOUD_KEY], events, Random(2))
        self.metrics.watch(
            Watched(self.clock, self.time, self.station, self.outbox, link)
        )

    def values(self) -> dict[tuple[str, ...], float]:
        return read(self.metrics.text())


def read(text: bytes) -> dict[tuple[str, ...], float]:
    """Return the samples by name and label values, the gateway's name left out."""
    return {
        (sample.name.removeprefix(PREFIX), *list(sample.labels.values())[1:]): (
            sample.value
        )
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    yield found
    found.outbox.close()


def test_a_decoder_is_counted_by_what_it_says(bench: Bench) -> None:
    plain, counted = nmea.Decoder("gps"), nmea.Decoder("gps")
    wrapped = bench.metrics.decoder("gps", counted)
    lines = (BAD, GOOD, b"$GN", BAD, GOOD)
    said = [item for data in lines for item in wrapped.feed(data)]
    assert said == [item for data in lines for item in plain.feed(data)]
    noise = [item.reason for item in said if isinstance(item, Noise)]
    found = bench.values()
    assert found["line_bytes_total", "gps"] == sum(map(len, lines))
    assert found["line_readings_total", "gps"] == len(said) - len(noise)
    for reason in ("checksum", "syntax", "framing"):
        assert found["line_noise_total", "gps", reason] == noise.count(
            NoiseReason(reason)
        )
    assert len(said) > len(noise) > 0
    assert found["line_readings_total", "board"] == 0


def test_lost_and_repeated_frames_are_counted_by_their_number(bench: Bench) -> None:
    items = [
        Noise("board", NoiseReason.LOST, 7),
        Noise("board", NoiseReason.REPEATED, 2),
        Noise("board", NoiseReason.CHECKSUM, 30),
    ]
    bench.metrics.fed("board", 64, items)
    found = bench.values()
    assert found["line_lost_frames_total", "board"] == 7
    assert found["line_repeated_frames_total", "board"] == 2
    assert found["line_noise_total", "board", "checksum"] == 1
    assert ("line_noise_total", "board", "lost") not in found


def test_the_age_of_a_line_is_absent_until_it_has_said_something(bench: Bench) -> None:
    bench.clock.now_ns = 5 * NS
    bench.metrics.fed("gps", 9, [Noise("gps", NoiseReason.SYNTAX, 9)])
    assert ("line_last_reading_seconds", "gps") not in bench.values()
    bench.metrics.fed("gps", 9, [place()])
    bench.clock.now_ns = 65 * NS
    found = bench.values()
    assert found["line_last_reading_seconds", "gps"] == 60.0
    assert ("line_last_reading_seconds", "board") not in found


def test_records_are_counted_by_kind_and_intervals_are_timed(bench: Bench) -> None:
    bench.sealer.state(HEARTBEAT)
    bench.sealer.state(HEARTBEAT)
    assert bench.station.take("board", warm(), 10 * NS) == []
    assert len(bench.station.take("board", warm(), 61 * NS)) == 1
    assert len(bench.station.advance(181 * NS)) == 1
    found = bench.values()
    assert found["records_stated_total", "heartbeat"] == 2
    assert found["records_stated_total", "report"] == 0
    assert found["estimator_seconds_count",] == 2
    assert found["estimator_seconds_sum",] > 0


def test_the_state_of_the_parts_is_read_when_it_is_asked_for(bench: Bench) -> None:
    bench.watch()
    before = bench.values()
    absent = {
        ("outbox_head_sequence",),
        ("outbox_watermark_sequence",),
        ("clock_uncertainty_seconds",),
    }
    assert not absent & set(before)
    assert before["clock_source", "none"] == 1
    assert before["is_airborne",] == before["outbox_is_volatile",] == 0
    for _ in range(3):
        bench.sealer.state(HEARTBEAT)
    bench.outbox.commit()
    digest = bench.outbox.digest_at(0)
    assert digest is not None
    bench.outbox.release(0)
    bench.time.take_receipt(START_NS, 0)
    bench.clock.now_ns = 1000 * NS
    after = bench.values()
    assert after["outbox_head_sequence",] == 2
    assert after["outbox_watermark_sequence",] == 0
    assert after["backlog_records",] == 2
    assert after["outbox_bytes",] == bench.outbox.size_bytes > 0
    assert after["outbox_free_bytes",] > 0
    assert after["clock_source", "receipt"] == 1
    assert after["clock_source", "none"] == 0
    assert after["clock_uncertainty_seconds",] == pytest.approx(10.05)
    assert after["link_is_connected",] == after["receipts_total",] == 0


def test_messages_are_counted_by_lane_once_the_broker_has_them(bench: Bench) -> None:
    async def play() -> None:
        async with bench.metrics.connect(bench.connect)() as broker:
            await broker.subscribe(topic(GATEWAY, Lane.RECEIPT))
            await broker.publish(topic(GATEWAY, Lane.ALARM), b"")
            await broker.publish(topic(GATEWAY, Lane.BULK), b"")
            bench.broker.is_broken = True
            with pytest.raises(BrokerLostError):
                await broker.publish(topic(GATEWAY, Lane.BULK), b"")
            assert [one async for one in broker.messages()] == [("a", b"b")]

    asyncio.run(play())
    assert len(bench.broker.taken) == 3
    found = bench.values()
    assert [found["messages_total", lane] for lane in ("alarm", "live", "bulk")] == [
        1,
        0,
        1,
    ]


def test_labels_are_a_closed_set_and_nothing_dates_from_the_wall_clock(
    bench: Bench,
) -> None:
    bench.watch()
    bench.metrics.fed("gps", 9, [place()])
    text = bench.metrics.text().decode()
    samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
    assert {label for sample in samples for label in sample.labels} == LABELS | {"le"}
    assert {sample.labels["gateway"] for sample in samples} == {GATEWAY}
    assert all(sample.name.startswith(PREFIX) for sample in samples)
    assert "_created" not in text
    assert "NaN" not in text
    assert "45.4" not in text


def test_two_gateways_in_one_process_share_nothing(tmp_path: Path) -> None:
    one, two = (Metrics(name, ("gps",), FakeClock()) for name in ("gw-a", "gw-b"))
    one.stated("birth")
    assert read(one.text())["records_stated_total", "birth"] == 1
    assert read(two.text())["records_stated_total", "birth"] == 0


async def until_there(path: Path) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - a file says nothing
            await asyncio.sleep(0.005)


def test_the_file_is_whole_and_others_may_read_it(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "gateway.prom"

    async def play() -> None:
        writing = asyncio.create_task(bench.metrics.write_often(path))
        await until_there(path)
        writing.cancel()

    asyncio.run(play())
    assert path.read_bytes() == bench.metrics.text()
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.glob("gateway.prom*")] == ["gateway.prom"]


def test_a_file_that_cannot_be_written_is_said_once_and_tried_again(
    bench: Bench,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "run" / "gateway.prom"
    monkeypatch.setattr("gateway.metrics.PERIOD_S", 0.001)

    async def play() -> None:
        writing = asyncio.create_task(bench.metrics.write_often(path))
        await asyncio.sleep(0.05)
        path.parent.mkdir()
        await until_there(path)
        writing.cancel()

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    assert [str(path) in one.getMessage() for one in caplog.records] == [True]


CONFIG: Final = """
gateway = "gw-test"
directory = "state"
container = "{model}"
key = "gateway.key"
cloud_keys = "keys.json"
broker = {{ host = "127.0.0.1", port = 1 }}
ports = [{{ name = "gps", path = "no-such-line", protocol = "nmea" }}]
{metrics}
"""


def configured(folder: Path, metrics: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(CONFIG.format(model=MODEL, metrics=metrics))
    return path


def test_metrics_are_off_unless_a_file_is_named(tmp_path: Path) -> None:
    config, _ = load_config(configured(tmp_path, ""))
    assert config.metrics.textfile is None


def test_a_file_that_the_collector_would_not_read_is_refused(tmp_path: Path) -> None:
    path = configured(tmp_path, '[metrics]\ntextfile = "metrics.txt"')
    with pytest.raises(ConfigError, match=r"metrics: textfile must end in \.prom"):
        load_config(path)


def test_a_composed_gateway_writes_what_it_does(tmp_path: Path) -> None:
    make_key(tmp_path / "gateway.key")
    (tmp_path / "keys.json").write_bytes(KeyRegistry((CLOUD_KEY,)).to_json())
    named = configured(tmp_path, '[metrics]\ntextfile = "gateway.prom"')
    config, digest = load_config(named)
    path = tmp_path / "gateway.prom"

    async def play() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(compose(config, digest).run(stop, 0.0))
        await until_there(path)
        stop.set()
        await running

    asyncio.run(play())
    found = read(path.read_bytes())
    assert found["records_stated_total", "birth"] == 1
    assert found["link_is_connected",] == 0
    assert found["line_readings_total", "gps"] == 0
    assert found["estimator_seconds_count",] == 0
