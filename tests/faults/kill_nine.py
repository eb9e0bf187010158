"""kill -9 of whole gateways, at any moment; a control must lose.

    .venv/bin/python -m tests.faults.kill_nine --kills 10000 --whole 500 [--json]

Real mosquitto, real ingestor, real serial line. ``--whole`` gateways are started as a
program and killed after a random time; ``--kills`` are forks of this process, made
after the imports, that run the same main; half of those kill themselves at a random
step around a write, its fdatasync, a change of names, a message or a receipt. In the
end a last gateway delivers what is left, and the ledger must hold every record that a
commit had returned for, as one chain without a gap. In the control a record counts as
promised when it is added, before its commit: the same rig must find losses.
"""

import contextlib
import os
import signal
import sys
import time
from collections import Counter
from random import Random
from typing import Final, NamedTuple

from gateway.estimator.warming import warm_up
from tests.faults.rig import (
    Finding,
    conclude,
    hush,
    print_progress,
    rig_folder,
    rig_parser,
)
from tests.faults.site import Judgement, Site, left_in, wait_until
from tests.faults.witness import (
    PHASES,
    Trace,
    forked,
    impatient,
    run_gateway,
    traced,
)

FULL_KILLS: Final = 10_000
FULL_WHOLE: Final = 500
LONGEST_LIFE_S: Final = 20.0
READY_S: Final = 240.0
PATIENCE_S: Final = 300.0
# A backlog makes every start slower; this many forks leave some hundred records.
DRAIN_EVERY: Final = 100


class Killed(NamedTuple):
    """What came of one campaign."""

    hits: Counter[str]
    acked: int
    judgement: Judgement


def _child(
    site: Site, kill_at: int, *, acks_at_add: bool = False, drain_s: float = 0.0
) -> None:
    """The gateway's main, in a fork that has the imports already."""
    hush()
    trace = Trace(site.folder / "trace")
    trace.kill_at = kill_at
    trace.enter("starting")
    log = os.open(site.folder / "forks.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    with traced(trace, acks_at_add=acks_at_add), impatient():
        run_gateway(site.world.config, drain_s)


def _feed(site: Site) -> None:
    # A pty that nobody reads is full after 4 KiB: the board goes on regardless.
    with contextlib.suppress(BlockingIOError, AssertionError):
        site.world.cable.warm()


def kill_fork(site: Site, rng: Random, hits: Counter[str], *, mutant: bool) -> None:
    """Let a fork run and die: by itself at a step, or by us after a random time."""
    by_step = rng.random() < 0.5
    kill_at = rng.randrange(3, 60) if by_step else -1
    starts = site.trace.starts
    pid = forked(lambda: _child(site, kill_at, acks_at_add=mutant))
    deadline_s = time.monotonic() + READY_S
    life_s = LONGEST_LIFE_S if by_step else _life_s(rng)
    if not by_step and rng.random() < 0.1:
        deadline_s = time.monotonic() + rng.uniform(0, 0.05)
    is_ready = False
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if not is_ready and site.trace.starts > starts:
            is_ready, deadline_s = True, time.monotonic() + life_s
        if time.monotonic() > deadline_s:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            break
        _feed(site)
        time.sleep(0.004)
    hits[site.trace.phase] += 1


def _life_s(rng: Random) -> float:
    """Some live until a receipt comes."""
    return rng.uniform(0, 0.9 if rng.random() < 0.05 else 0.06)


def kill_whole(site: Site, rng: Random, hits: Counter[str]) -> None:
    """Start the program, let it work for a while, and kill it."""
    starts = site.trace.starts
    program = site.start_gateway()
    wait_until(lambda: site.trace.starts > starts, "the gateway", READY_S)
    deadline_s = time.monotonic() + rng.uniform(0, 0.5)
    while time.monotonic() < deadline_s and program.poll() is None:
        _feed(site)
        time.sleep(0.005)
    site.kill("gateway")
    hits[site.trace.phase] += 1


def deliver_the_rest(site: Site) -> None:
    """Let a gateway that nobody kills bring the ledger up to date."""
    pid = forked(lambda: _child(site, -1, drain_s=PATIENCE_S))
    try:
        with site.ledger() as ledger:
            wait_until(lambda: site.is_drained(ledger), "the drain", PATIENCE_S)
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def kill(forks: int, whole: int, seed: int) -> Killed:
    """Kill gateways, deliver the rest, and judge."""
    rng, hits = Random(f"{seed}/kill"), Counter[str]()
    with rig_folder() as folder, Site(folder) as site:
        site.start_cloud()
        for number in range(whole):
            kill_whole(site, rng, hits)
            if number % 50 == 49:
                print_progress(f"{number + 1} whole gateways killed")
        for number in range(forks):
            kill_fork(site, rng, hits, mutant=False)
            if number % DRAIN_EVERY == DRAIN_EVERY - 1:
                deliver_the_rest(site)
            if number % 500 == 499:
                print_progress(f"{number + 1} forks killed")
        deliver_the_rest(site)
        acks = site.trace.acks()
        with site.ledger() as ledger:
            left = left_in(folder / "gateway" / "state" / "outbox")
            return Killed(hits, len(acks), Judgement(ledger, acks, left))


def lost_by_the_mutant(forks: int, seed: int) -> int:
    """Return what is lost of promises made before their commit."""
    rng, hits = Random(f"{seed}/kill-control"), Counter[str]()
    with rig_folder() as folder, Site(folder) as site:
        for _ in range(forks):
            kill_fork(site, rng, hits, mutant=True)
        left = left_in(folder / "gateway" / "state" / "outbox")
        return sum(left.get(one[:2]) != one.digest for one in site.trace.acks())


def find(forks: int, whole: int, seed: int) -> list[Finding]:
    """Kill, judge, and kill the mutant; one finding for forks, one for programs."""
    warm_up()
    mutant = lost_by_the_mutant(max(min(forks // 20, 200), 15), seed)
    findings = []
    if forks:
        killed = kill(forks, 0, seed)
        asked = "10,000 forks running the same main, hits by phase"
        findings.append(_finding("F1 forks", asked, killed, mutant, forks / FULL_KILLS))
    if whole:
        killed = kill(0, whole, seed)
        asked = "500 whole gateways"
        findings.append(_finding("F1 whole", asked, killed, mutant, whole / FULL_WHOLE))
    return findings


def _finding(
    figure: str, asked: str, killed: Killed, mutant: int, size: float
) -> Finding:
    found, hits = killed.judgement, killed.hits
    measured = (
        f"{hits.total():,} killed, {killed.acked:,} commits acknowledged, "
        f"{len(found.entries):,} records in the ledger: "
        f"{found.lost} lost, {found.missing} missing, {len(found.gaps)} gaps, "
        f"{found.twice} twice, {found.faults} altered. Hits: "
        + ", ".join(f"{phase} {hits[phase]:,}" for phase in PHASES if hits[phase])
        + f". Control, promised before the commit: {mutant} lost"
    )
    return Finding(
        figure,
        f"kill -9 of {asked}: 0 acknowledged lost, 0 gaps",
        measured,
        found.is_complete and mutant > 0,
        size >= 1,
    )


def main() -> int:
    """Kill, judge, print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--kills", type=int, default=FULL_KILLS)
    parser.add_argument("--whole", type=int, default=FULL_WHOLE)
    given = parser.parse_args()
    hush()
    return conclude(find(given.kills, given.whole, given.seed), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
