"""The n-th call on the data directory or a socket fails once, for every n.

    .venv/bin/python -m tests.faults.calls_fail --calls 500 [--json]

A gateway at work, with broker and ingestor, in a fork of this process. From the moment
it is ready its calls are counted: every ``os`` call and every opened file below the
data directory, every call of a socket. The n-th fails once, with EIO and with ENOSPC
in turn. The gateway must go on and deliver everything, end with status 0, and state a
``storage_fault`` where a write or an fdatasync of the outbox failed; a small file of
state that could not be replaced is logged and replaced at the next turn.

The calls are replaced in the interpreter, not below it: all of the gateway's I/O is
Python's (the outbox's table of calls, ``os``, ``io.open``, ``socket.socket``), and so
the n-th call is the same one in every thread; ``strace -e inject`` counts each thread
by itself.
"""
# ruff: noqa: ANN401 - what is passed on is none of its business

import errno
import io
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway import agent
from gateway.estimator.warming import warm_up
from gateway.outbox import Outbox, OutboxLimits
from gateway.segment import Disk
from schemas.envelope import open_envelope
from schemas.events import Event, EventKind
from schemas.records import read_record
from tests.faults.patching import replaced
from tests.faults.rig import (
    Finding,
    conclude,
    hush,
    print_progress,
    rig_folder,
    rig_parser,
)
from tests.faults.site import Judgement, Site, left_in, wait_until
from tests.faults.witness import Trace, forked, impatient, run_gateway, traced
from tests.gateway.agent_rig import OWN_KEY

FULL_CALLS: Final = 500
ERRORS: Final = (errno.EIO, errno.ENOSPC)
READY_S: Final = 240.0
PATIENCE_S: Final = 120.0
# What the gateway does with a file or a name, and with a socket.
_WITH_DESCRIPTOR: Final = ("pwrite", "pread", "fdatasync", "fsync", "fstat")
_WITH_PATH: Final = ("open", "replace", "rename", "unlink", "statvfs", "stat")
_OF_SOCKETS: Final = ("connect", "connect_ex", "send", "sendall", "recv", "recv_into")
_STATED: Final = frozenset({"outbox.pwrite", "outbox.fdatasync"})


class Saboteur:
    """Counts the calls below ``folder`` and of sockets; lets one of them fail."""

    def __init__(self, folder: Path, fail_at: int, number: int, report: Path) -> None:
        self.is_armed = False
        self._folder = str(folder)
        self._left = fail_at
        self._number = number
        self._report = report

    def step(self, name: str) -> None:
        """Count a call; fail if it is the one.

        Raises:
            OSError: it is.
        """
        if not self.is_armed:
            return
        self._left -= 1
        if self._left == 0:
            text = f"{name} {errno.errorcode[self._number]}"
            self._report.write_text(text)
            raise OSError(self._number, os.strerror(self._number), name)

    def is_ours(self, where: object) -> bool:
        """Whether a path or descriptor is below the folder."""
        if isinstance(where, int):
            with suppress(OSError):
                found = Path(f"/proc/self/fd/{where}").readlink()
                return str(found).startswith(self._folder)
            return False
        if isinstance(where, str | os.PathLike):
            return os.fspath(where).startswith(self._folder)
        return False

    def wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``call``, counted where its first argument is ours."""

        def act(*arguments: Any, **options: Any) -> Any:
            if self.is_armed and arguments and self.is_ours(arguments[0]):
                self.step(name)
            return call(*arguments, **options)

        return act

    def socket_call(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method of a socket, counted where it is one of the network."""

        def act(one: socket.socket, *arguments: Any) -> Any:
            if one.family == socket.AF_INET:
                self.step(f"socket.{name}")
            return call(one, *arguments)

        return act

    @contextmanager
    def at_work(self) -> Iterator[Disk]:
        """Replace the calls; yields the outbox's table of them."""
        real = Disk()
        with ExitStack() as patches:
            for name in (*_WITH_DESCRIPTOR, *_WITH_PATH):
                call = self.wrapped(name, getattr(os, name))
                patches.enter_context(replaced(os, name, call))
            for name in _OF_SOCKETS:
                call = self.socket_call(name, getattr(socket.socket, name))
                # Inherited from C: laid over it, for as long as the fork lives.
                setattr(socket.socket, name, call)
            patches.enter_context(replaced(io, "open", self.wrapped("open", io.open)))
            yield self._outbox_disk(real)

    def _outbox_disk(self, real: Disk) -> Disk:
        """The outbox's table: its writes and syncs are those that must be stated."""
        return Disk(
            pwrite=self.wrapped("outbox.pwrite", real.pwrite),
            fdatasync=self.wrapped("outbox.fdatasync", real.fdatasync),
            rename=os.replace,
            unlink=os.unlink,
        )


class Case(NamedTuple):
    """One call that failed: which, and what became of the gateway."""

    failed: str
    status: int
    is_stated: bool

    @property
    def is_good(self) -> bool:
        """It ended well, and said so if the disk had refused to keep something."""
        return self.status == 0 and self.is_stated


def _child(site: Site, fail_at: int, number: int) -> None:
    hush()
    trace = Trace(site.folder / "trace")
    trace.enter("starting")
    state = site.world.directory / "state"
    saboteur = Saboteur(state, fail_at, number, site.folder / "failed")
    run = agent.Agent.run

    async def run_armed(self: agent.Agent, *arguments: Any) -> None:
        saboteur.is_armed = True
        await run(self, *arguments)

    log = os.open(site.folder / "forks.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    with ExitStack() as patches:
        disk = patches.enter_context(saboteur.at_work())
        patches.enter_context(replaced(agent.Agent, "run", run_armed))
        patches.enter_context(replaced(agent, "GROUP_S", 0.002))
        patches.enter_context(traced(trace, disk))
        patches.enter_context(impatient())
        run_gateway(site.world.config, 0.0)


def run_case(site: Site, fail_at: int, number: int) -> Case:
    """Run a gateway of which call ``fail_at`` fails once with ``number``."""
    failed = site.folder / "failed"
    failed.unlink(missing_ok=True)
    known = len(site.trace.acks())
    pid = forked(lambda: _child(site, fail_at, number))
    status = _live(site, pid, failed)
    what = failed.read_text() if failed.exists() else "never reached"
    if what.split(" ")[0] not in _STATED or status:
        return Case(what, status, is_stated=True)
    first = site.trace.acks()[known].sequence
    return Case(what, status, _is_stated(site, first))


def _live(site: Site, pid: int, failed: Path) -> int:
    """Feed it until its call has failed and a little longer; return its status."""
    deadline_s = time.monotonic() + READY_S
    is_asked = False
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        with suppress(BlockingIOError, AssertionError):
            site.world.cable.warm()
        time.sleep(0.002)
        if failed.exists() and not is_asked:
            is_asked, deadline_s = True, time.monotonic() + PATIENCE_S
            os.kill(pid, signal.SIGTERM)
        if time.monotonic() > deadline_s:
            os.kill(pid, signal.SIGKILL)


def _is_stated(site: Site, first: int) -> bool:
    """Whether a fault of the storage is stated from sequence ``first`` on."""
    outbox = Outbox.open(
        site.world.directory / "state" / "outbox",
        OutboxLimits(reserve_bytes=0),
        own_key=OWN_KEY,
    )
    try:
        at, found = first, False
        while not found and (records := outbox.read(at)):
            at = records[-1].sequence + 1
            found = any(_is_fault(one.sealed) for one in records)
        return found
    finally:
        outbox.close()


def _is_fault(sealed: bytes) -> bool:
    body = read_record(open_envelope(sealed).payload).body
    return isinstance(body, Event) and body.what is EventKind.STORAGE_FAULT


def drain(site: Site) -> None:
    """Let a gateway whose calls all work deliver what is left."""
    pid = forked(lambda: _child(site, -1, 0))
    try:
        with site.ledger() as ledger:
            wait_until(lambda: site.is_drained(ledger), "the drain", PATIENCE_S)
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def sweep(calls: int, stride: int) -> tuple[list[Case], Judgement]:
    """Let every ``stride``-th of the first calls fail with each error, and judge."""
    cases: list[Case] = []
    with rig_folder() as folder, Site(folder) as site:
        site.start_cloud()
        for fail_at in range(1, calls + 1, stride):
            cases += [run_case(site, fail_at, number) for number in ERRORS]
            if len(cases) % 40 == 0:
                drain(site)
                print_progress(f"call {fail_at} of {calls}")
        drain(site)
        with site.ledger() as ledger:
            left = left_in(site.world.directory / "state" / "outbox")
            return cases, Judgement(ledger, site.trace.acks(), left)


def find(calls: int, stride: int) -> list[Finding]:
    """Sweep, and say what failed."""
    warm_up()
    cases, judged = sweep(calls, stride)
    failed = Counter(one.failed.split(" ")[0] for one in cases)
    bad = Counter(
        f"{one.failed} status {one.status}" for one in cases if not one.is_good
    )
    stated = sum(one.failed.split(" ")[0] in _STATED and one.is_good for one in cases)
    measured = (
        f"{len(cases):,} runs of one failed call each ("
        + ", ".join(f"{name} {count}" for name, count in failed.most_common())
        + f"); {judged.acked:,} commits: {judged.lost} lost, {judged.missing} missing, "
        f"{judged.twice} twice, {judged.faults} altered, {len(judged.gaps)} gaps; "
        f"fault record after each of "
        f"{stated} failed writes and syncs; crashes or silence: {sum(bad.values())}"
        + "".join(f"; {what}" for what in bad)
    )
    wrong = judged.lost + judged.missing + judged.twice + judged.faults
    wrong += len(judged.gaps)
    is_reached = failed["never"] == 0
    return [
        Finding(
            "F4",
            "each of the first 500 calls on the data directory and sockets fails once "
            "with EIO and once with ENOSPC: no loss, no crash, fault record",
            measured,
            not wrong and not bad and is_reached and judged.acked > 0,
            calls >= FULL_CALLS and stride == 1,
        )
    ]


def main() -> int:
    """Sweep, judge, print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--calls", type=int, default=FULL_CALLS)
    parser.add_argument("--stride", type=int, default=1, help="every n-th call only")
    given = parser.parse_args()
    hush()
    return conclude(find(given.calls, given.stride), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
