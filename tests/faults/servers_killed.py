"""kill -9 of broker, ingestor and store under load; a control must lose.

    .venv/bin/python -m tests.faults.servers_killed --broker 100 --ingest 100 \\
        --influx 50 [--seed 0] [--json]

A whole gateway with readings all the time, a mosquitto that queues 100 messages and
forgets the others, the real ingestor, projection and InfluxDB. One is killed, comes
back after a moment, and the next blow waits until the ledger has grown. In the end the
ledger must hold every promised record once, and InfluxDB what the ledger says. The
control lets go of records when the broker has taken them: it must lose some.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from cloud.adapters.influx_series import InfluxSeries
from cloud.adapters.ledger import SqlLedger
from cloud.config import InfluxConfig
from cloud.projection import compare
from tests.faults.rig import (
    Finding,
    conclude,
    hush,
    print_progress,
    rig_folder,
    rig_parser,
)
from tests.faults.site import Judgement, Site, left_in, wait_until
from tests.servers import Server, influxd

QUEUE_LIMIT: Final = 100
FULL: Final = {"broker": 100, "ingest": 100, "influx": 50}
PATIENCE_S: Final = 300.0
PRUNING: Final = "prune_on_puback"


class Outcome(NamedTuple):
    """What the ledger says, and the store."""

    judgement: Judgement
    rows: int
    is_equal: bool
    took_s: float


@contextmanager
def loaded(site: Site, rate_hz: float = 40.0) -> Iterator[None]:
    """Send readings all the time; what the line does not take is lost, as it is."""
    stop = threading.Event()

    def feed() -> None:
        while not stop.wait(1 / rate_hz):
            with suppress(BlockingIOError, AssertionError):
                site.world.cable.warm()

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        stop.set()
        feeder.join()


class Blows:
    """Who is killed when, and what must have come back before the next."""

    def __init__(self, site: Site, influx: Server | None, rng: Random) -> None:
        self._site = site
        self._influx = influx
        self._rng = rng

    def fall(self, counts: dict[str, int]) -> None:
        """Kill every one as often as asked, in a drawn order."""
        whom = [name for name, count in counts.items() for _ in range(count)]
        self._rng.shuffle(whom)
        with self._site.ledger() as ledger:
            for number, name in enumerate(whom):
                self._kill(name)
                self._wait_for_growth(ledger)
                if number % 25 == 24:
                    print_progress(f"{number + 1} of {len(whom)} killed")

    def _kill(self, name: str) -> None:
        down_s = self._rng.uniform(0, 0.5)
        if name == "ingest":
            self._site.kill("ingest")
            time.sleep(down_s)
            self._site.start_cloud()
            return
        server = self._site.broker if name == "broker" else self._influx
        if server is not None:
            server.kill()
            time.sleep(down_s)
            server.start()

    def _wait_for_growth(self, ledger: SqlLedger) -> None:
        before = ledger.head()
        wait_until(lambda: ledger.head() > before, "the ledger to grow", PATIENCE_S)
        time.sleep(self._rng.uniform(0, 0.3))


def strike(counts: dict[str, int], seed: int) -> Outcome:
    """Kill servers under load, let everything come to rest, and judge."""
    began_s = time.monotonic()
    with rig_folder() as folder:
        influx = influxd(folder / "influx")
        influx.start()
        try:
            with Site(folder, QUEUE_LIMIT, influx.url) as site:
                for name in ("ingest", "project"):
                    site.start_cloud(name)
                site.start_gateway("--drain-s", str(PATIENCE_S))
                with loaded(site):
                    _wait_for_records(site)
                    Blows(site, influx, Random(f"{seed}/servers")).fall(counts)
                site.end("gateway")
                return _judge(site, influx, time.monotonic() - began_s)
        finally:
            influx.kill()


def _wait_for_records(site: Site) -> None:
    with site.ledger() as ledger:
        wait_until(lambda: ledger.head() > 20, "the first records", PATIENCE_S)


def _judge(site: Site, influx: Server, took_s: float) -> Outcome:
    state = site.folder / "series.sqlite"
    with site.ledger() as ledger:
        series = InfluxSeries(state, InfluxConfig(url=influx.url))
        try:
            wait_until(
                lambda: series.position() >= ledger.head(), "the projection", PATIENCE_S
            )
            site.end("project")
            found = compare(ledger, series)
        finally:
            series.close()
        left = left_in(_outbox(site.folder))
        judgement = Judgement(ledger, site.trace.acks(), left)
    return Outcome(judgement, found.rows, found.is_equal, took_s)


def _outbox(folder: Path) -> Path:
    return folder / "gateway" / "state" / "outbox"


def lost_by_pruning(kills: int, seed: int) -> int:
    """Return what a gateway loses that lets go of what the broker has taken."""
    with rig_folder() as folder, Site(folder, QUEUE_LIMIT) as site:
        site.start_cloud()
        site.start_gateway("--mutant", PRUNING)
        with loaded(site):
            _wait_for_records(site)
            Blows(site, None, Random(f"{seed}/pruning")).fall({"ingest": kills})
        site.end("gateway")
        with site.ledger() as ledger:
            wait_until(lambda: _is_still(ledger), "the ledger to rest", PATIENCE_S)
            judgement = Judgement(ledger, site.trace.acks(), left_in(_outbox(folder)))
        return judgement.missing


def _is_still(ledger: SqlLedger) -> bool:
    before = ledger.head()
    time.sleep(1.0)
    return ledger.head() == before


def find(counts: dict[str, int], seed: int) -> list[Finding]:
    """Strike, and strike the control."""
    found = strike(counts, seed)
    pruned = lost_by_pruning(max(counts["ingest"] // 10, 1), seed)
    judged = found.judgement
    measured = (
        f"{counts['broker']} x broker, {counts['ingest']} x ingestor, "
        f"{counts['influx']} x influxd killed in {found.took_s:.0f} s; "
        f"{judged.acked:,} commits, {len(judged.entries):,} records in the ledger: "
        f"{judged.lost} lost, {judged.missing} missing, {judged.twice} twice, "
        f"{len(judged.gaps)} gaps; InfluxDB is "
        f"{'' if found.is_equal else 'NOT '}the projection of the ledger "
        f"({found.rows:,} rows). Control, let go on PUBACK: {pruned} missing"
    )
    return [
        Finding(
            "F9",
            "100 broker, 100 ingestor and 50 InfluxDB kill -9 under load, broker queue "
            "100: 0 lost, 0 twice, InfluxDB equal; pruning on PUBACK must lose",
            measured,
            judged.is_complete and found.is_equal and pruned > 0,
            all(counts[name] >= count for name, count in FULL.items()),
        )
    ]


def main() -> int:
    """Strike, judge, print."""
    parser = rig_parser(__doc__)
    for name, count in FULL.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    given = parser.parse_args()
    hush()
    counts = {name: getattr(given, name) for name in FULL}
    return conclude(find(counts, given.seed), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
