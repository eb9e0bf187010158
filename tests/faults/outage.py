"""Three days without a link: bytes on disk, time to drain, a live value meanwhile.

    .venv/bin/python -m tests.faults.outage --hours 72 [--json]

The simulator's boards stand in a yard on simulated time; a whole gateway reads them by
two ptys, with a report a minute and a heartbeat every 30 s, and nobody to send to.
Then time is slowed to real, the link comes up, and what is measured is real time from
the gateway's connection: until the ledger holds all that was there, and until it holds
the newest report. In a second run, of a sixth of the outage, the link has 128 kbit/s
and the backlog takes minutes.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

from cloud.adapters.ledger import SqlLedger
from tests.faults.rig import (
    Finding,
    conclude,
    hush,
    print_progress,
    rig_folder,
    rig_parser,
)
from tests.faults.site import Site, wait_until
from tests.faults.slow_link import SlowLink
from tests.gateway.agent_rig import GATEWAY, ROOT
from tests.gateway.outbox_chain import opened
from tests.servers import free_port

FULL_HOURS: Final = 72.0
SPEED: Final = 3600.0
PATIENCE_S: Final = 900.0
MOST_MIB: Final = 12.0
MOST_DRAIN_S: Final = 60.0
MOST_LIVE_S: Final = 10.0
SEGMENT_BYTES: Final = 256 * 1024
Seen = list[tuple[float, int]]
# The newest report is among the last so many records.
_NEAR: Final = 64
_CUT: Final = re.compile(r"\n\[\[(acts|events|legs)\]\].*", re.DOTALL)


def scenario(hours: float) -> str:
    """Return the short scenario as days in a yard where nothing happens."""
    text = (ROOT / "firmware_sim" / "scenarios" / "short.toml").read_text()
    text = _CUT.sub("\n", text)
    for old, new in (
        ("counts_s = 1", "counts_s = 10"),
        ("motion_s = 1", "motion_s = 10"),
        ("slow_s = 10", "slow_s = 60"),
        ("gnss_s = 1", "gnss_s = 10"),
    ):
        text = text.replace(old, new)
    days, rest = divmod(hours + 6 + 16, 24)
    until = f"2026-11-{25 + int(days)}T{int(rest):02}:59:00+01:00"
    return text + (
        f'\n[[legs]]\nname = "yard"\nkind = "rest"\npath = ["yard"]\nuntil = {until}\n'
        "temperature_c = 18.0\n"
    )


class Simulator:
    """The boards as a process; what it says, and what it is told."""

    def __init__(self, folder: Path, hours: float) -> None:
        file = folder / "yard.toml"
        file.write_text(scenario(hours))
        words = ["run", str(file), "--directory", str(folder / "lines"), "--speed", "0"]
        with (folder / "simulator.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "firmware_sim", *words],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def tell(self, speed: float) -> None:
        """Give it a speed."""
        self._pipe(self._process.stdin).write(f'{{"speed": {speed}}}\n'.encode())
        self._pipe(self._process.stdin).flush()

    def listen(self) -> Iterator[dict[str, object]]:
        """Yield what it says."""
        for line in self._pipe(self._process.stdout):
            yield json.loads(line)

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        if pipe is None:
            raise RuntimeError("the simulator has no pipe")
        return pipe

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Outcome(NamedTuple):
    """What one outage and its end showed."""

    records: int
    sealed_bytes: int
    disk_bytes: int
    drained_s: float
    live_s: float
    link_share: float


def _configure(site: Site, folder: Path, port: int) -> None:
    lines = folder / "lines"
    gps = f'[[ports]]\nname = "gps"\npath = "{lines / "gps"}"\nprotocol = "nmea"\n'
    site.configure(
        ("report_interval_s = 0", "report_interval_s = 60"),
        ("heartbeat_interval_s = 1", "heartbeat_interval_s = 30"),
        ('path = "board"', f'path = "{lines / "board"}"'),
        (f"port = {site.broker.port}", f"port = {port}"),
        ("[outbox]", f"{gps}[outbox]"),
    )
    clock = f'[clock]\nsimulated = "{lines / "clock"}"\n'
    for file in (site.world.config, site.cloud_config):
        file.write_text(file.read_text() + clock)


def _pass_time(simulator: Simulator, site: Site, hours: float) -> None:
    """Let simulated time pass as fast as the gateway takes the bytes."""
    starts_ns, told_h = None, 0.0
    for news in simulator.listen():
        if news["kind"] == "ready":
            starts_ns = int(str(news["starts_at_ns"]))
            site.start_gateway("--drain-s", "0", "--impatient")
            simulator.tell(SPEED)
        elif news["kind"] == "time" and starts_ns is not None:
            passed_h = (int(str(news["utc_ns"])) - starts_ns) / 3.6e12
            if passed_h >= hours:
                simulator.tell(1.0)
                return
            if passed_h >= told_h + 6:
                told_h = passed_h
                print_progress(f"{passed_h:.0f} h without a link")
    raise RuntimeError("the simulator ended")


def _on_disk(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


def _highest(ledger: SqlLedger, epoch: bytes, head: int) -> int:
    near = ledger.entries_of(GATEWAY, epoch, max(head - _NEAR, 0), head + _NEAR)
    return near[-1].sequence if near else -1


def _watch(site: Site, epoch: bytes, head: int) -> tuple[float, Seen]:
    """Return when all was held, and when how new a record was, from the link-up on."""
    wait_until(lambda: "broker connected" in site.log("gateway"), "the link", 300.0)
    began_s = time.monotonic()
    seen: Seen = []
    with site.ledger() as ledger:
        while time.monotonic() - began_s < PATIENCE_S:
            now_s = time.monotonic() - began_s
            highest = _highest(ledger, epoch, head)
            if not seen or highest > seen[-1][1]:
                seen.append((now_s, highest))
            if (ledger.watermark(GATEWAY, epoch).contiguous or -1) >= head:
                return now_s, seen
            time.sleep(0.02)
    raise TimeoutError("the backlog does not drain")


def live_through(hours: float, bytes_per_s: float | None = None) -> Outcome:
    """Live through an outage of ``hours``, and watch its end."""
    with rig_folder() as folder, Site(folder) as site:
        site.world.cable.pull()
        rate, port = bytes_per_s or 1e9, free_port()
        _configure(site, folder, port)
        simulator = Simulator(folder, hours)
        try:
            _pass_time(simulator, site, hours)
            time.sleep(1.0)
            last = site.trace.acks()[-1]
            disk_bytes = _on_disk(site.world.outbox)
            # The cloud is there before the link is.
            site.start_cloud()
            is_up = lambda: "mqtt=connected" in site.log("ingest")  # noqa: E731
            wait_until(is_up, "the ingestor")
            with SlowLink(port, site.broker.port, rate) as link:
                drained_s, seen = _watch(site, last.epoch, last.sequence)
                passed = link.passed_bytes
        finally:
            simulator.end()
        return _outcome(site, last.epoch, last.sequence, disk_bytes)._replace(
            drained_s=drained_s,
            live_s=_live_s(site, last.epoch, last.sequence, seen),
            link_share=passed / rate / drained_s,
        )


def _outcome(site: Site, epoch: bytes, head: int, disk_bytes: int) -> Outcome:
    with site.ledger() as ledger:
        sizes = [len(e.sealed) for e in ledger.entries_of(GATEWAY, epoch, 0, head)]
    return Outcome(len(sizes), sum(sizes), disk_bytes, 0.0, 0.0, 0.0)


def _live_s(site: Site, epoch: bytes, head: int, seen: Seen) -> float:
    """Return when the newest report of the time of link-up was held."""
    with site.ledger() as ledger:
        near = ledger.entries_of(GATEWAY, epoch, max(head - _NEAR, 0), head)
    kinds = {e.sequence: opened(e.sealed).header.kind for e in near}
    newest = max(s for s, kind in kinds.items() if kind == "report")
    return next(at_s for at_s, highest in seen if highest >= newest)


def find(hours: float) -> list[Finding]:
    """Live through the outage, and through one whose link is slow."""
    fast = live_through(hours)
    slow = live_through(hours / 6, 16_000.0)
    bound = 1.05 * fast.sealed_bytes + 2 * SEGMENT_BYTES
    mib = fast.disk_bytes / 2**20
    is_full = hours >= FULL_HOURS
    return [
        Finding(
            "F6 outage",
            "72 h offline at 60 s reports and 30 s heartbeats: at most 12 MiB on disk "
            "and 1.05 x sealed + 2 segments; drained in at most 60 s on loopback; a "
            "live value within 10 s of link-up",
            f"{hours:g} h, {fast.records:,} records, "
            f"{fast.sealed_bytes / 2**20:.2f} MiB sealed, {mib:.2f} MiB on disk "
            f"(bound {bound / 2**20:.2f}); drained in "
            f"{fast.drained_s:.1f} s, newest report after {fast.live_s:.1f} s",
            mib <= MOST_MIB
            and fast.disk_bytes <= bound
            and fast.drained_s <= MOST_DRAIN_S
            and fast.live_s <= MOST_LIVE_S,
            is_full,
        ),
        Finding(
            "F6 slow link",
            "at 128 kbit/s: at least 90 % of the link used, a live value within 10 s "
            "while the backlog drains",
            f"{hours / 6:g} h, {slow.sealed_bytes / 1e6:.2f} MB: drained in "
            f"{slow.drained_s:.0f} s, {slow.link_share:.0%} of the link used; newest "
            f"report after {slow.live_s:.1f} s",
            slow.link_share >= 0.9 and slow.live_s <= MOST_LIVE_S,
            is_full,
        ),
    ]


def main() -> int:
    """Live through it, print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--hours", type=float, default=FULL_HOURS)
    given = parser.parse_args()
    hush()
    return conclude(find(given.hours), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
