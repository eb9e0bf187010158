"""What a gateway process has promised and where it was when it died.

A rig runs the gateway's own main in a process of its own, with the product's calls
wrapped so that they leave a trace in files that outlive the process: every commit that
has returned (epoch, sequence and digest of the head), and the phase it is in. The
process can also be told to kill itself at its n-th step, so that the moments between
a write and the end of its fdatasync are hit as often as the long idle ones.

    .venv/bin/python -m tests.faults.witness --config gateway.toml --trace FOLDER
"""
# ruff: noqa: ANN401 - what is passed on is none of its business

import argparse
import asyncio
import contextlib
import dataclasses
import mmap
import os
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import gateway.__main__
import gateway.adapters.daemon_threads  # noqa: F401 - what the main imports late
from gateway.adapters.mqtt import MqttBroker
from gateway.delivery import Delivery
from gateway.link import Link, LinkTimes
from gateway.outbox import Outbox
from gateway.segment import Disk
from schemas.receipts import Receipt
from tests.faults import gateway_mutants
from tests.faults.patching import replaced

PHASES: Final = (
    "starting",
    "recovery",
    "idle",
    "before a write",
    "written, not synced",
    "in fdatasync",
    "synced, not told",
    "names",
    "publishing",
    "receipt",
)
Patched = contextlib.AbstractContextManager[None]
_ACK: Final = struct.Struct(">8sq32s")


class Ack(NamedTuple):
    """The head of the chain when a commit returned."""

    epoch: bytes
    sequence: int
    digest: bytes


class Trace:
    """Files of one gateway: ``acks`` grows with every commit, ``page`` is the phase."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._acks = os.open(folder / "acks", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        page = os.open(folder / "page", os.O_RDWR | os.O_CREAT)
        os.ftruncate(page, mmap.PAGESIZE)
        self._page = mmap.mmap(page, mmap.PAGESIZE)
        os.close(page)
        self.kill_at = -1

    def enter(self, phase: str) -> None:
        """Note the phase; die here if the step has come."""
        self._page[0] = PHASES.index(phase)
        if self.kill_at >= 0:
            self.kill_at -= 1
            if self.kill_at < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    @property
    def phase(self) -> str:
        """The phase that was noted last, by whatever process."""
        return PHASES[self._page[0]]

    @property
    def starts(self) -> int:
        """How many gateways were ready."""
        return int.from_bytes(self._page[8:16], "little")

    def ready(self) -> None:
        """Note that a gateway has begun to work."""
        self._page[8:16] = (self.starts + 1).to_bytes(8, "little")

    def note(self, ack: Ack) -> None:
        """Note a commit that has returned; whole, or not at all."""
        os.write(self._acks, _ACK.pack(*ack))

    def acks(self) -> list[Ack]:
        """Return all commits that have returned."""
        size = os.fstat(self._acks).st_size // _ACK.size * _ACK.size
        data = os.pread(self._acks, size, 0)
        return [Ack(*one) for one in _ACK.iter_unpack(data)]

    def last(self) -> Ack | None:
        """Return the commit that returned last."""
        size = os.fstat(self._acks).st_size // _ACK.size * _ACK.size
        if not size:
            return None
        return Ack(*_ACK.unpack(os.pread(self._acks, _ACK.size, size - _ACK.size)))

    def close(self) -> None:
        """Give the files back."""
        os.close(self._acks)
        self._page.close()


def traced_disk(trace: Trace, disk: Disk) -> Disk:
    """Return the same calls, each of which says when it begins and ends."""

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        trace.enter("before a write")
        written = disk.pwrite(descriptor, data, offset)
        trace.enter("written, not synced")
        return written

    def fdatasync(descriptor: int) -> None:
        trace.enter("in fdatasync")
        disk.fdatasync(descriptor)
        trace.enter("synced, not told")

    def named(call: Callable[..., None]) -> Callable[..., None]:
        def act(*paths: Path) -> None:
            trace.enter("names")
            call(*paths)

        return act

    return dataclasses.replace(
        disk,
        pwrite=pwrite,
        fdatasync=fdatasync,
        rename=named(disk.rename),
        unlink=named(disk.unlink),
        sync_folder=named(disk.sync_folder),
    )


@contextlib.contextmanager
def traced(
    trace: Trace, disk: Disk | None = None, *, acks_at_add: bool = False
) -> Iterator[None]:
    """Let the gateway in this process leave a trace; ``disk`` replaces its calls.

    With ``acks_at_add`` a record counts as promised before its commit: a mutant, for
    the control of a rig.
    """
    patches = [*_traced_outbox(trace, disk or Disk()), *_traced_link(trace)]
    if acks_at_add:
        patches.append(_promised_early(trace))
    with contextlib.ExitStack() as entered:
        for patch in patches:
            entered.enter_context(patch)
        yield


def _traced_outbox(trace: Trace, disk: Disk) -> list[Patched]:
    calls = traced_disk(trace, disk)
    opened, commit = Outbox.__dict__["open"].__func__, Outbox.commit

    def open_traced(cls: type[Outbox], *arguments: Any, **options: Any) -> Outbox:
        trace.enter("recovery")
        outbox: Outbox = opened(cls, *arguments, **options, disk=calls)
        trace.enter("idle")
        trace.ready()
        return outbox

    def commit_traced(self: Outbox) -> None:
        commit(self)
        if not self.is_volatile and self._head[0] >= 0:
            trace.note(Ack(self.epoch, *self._head))
        trace.enter("idle")

    return [
        replaced(Outbox, "open", classmethod(open_traced)),
        replaced(Outbox, "commit", commit_traced),
    ]


def _traced_link(trace: Trace) -> list[Patched]:
    publish, take = MqttBroker.publish, Delivery.take_receipt

    async def publish_traced(self: MqttBroker, *arguments: Any) -> None:
        trace.enter("publishing")
        await publish(self, *arguments)

    def take_traced(self: Delivery, receipt: Receipt, now_s: float) -> Any:
        trace.enter("receipt")
        return take(self, receipt, now_s)

    return [
        replaced(MqttBroker, "publish", publish_traced),
        replaced(Delivery, "take_receipt", take_traced),
    ]


def _promised_early(trace: Trace) -> Patched:
    add = Outbox.add

    def add_traced(self: Outbox, *arguments: Any) -> None:
        add(self, *arguments)
        trace.note(Ack(self.epoch, self.next_sequence - 1, self.head_digest))

    return replaced(Outbox, "add", add_traced)


@contextlib.contextmanager
def impatient() -> Iterator[None]:
    """Connect at once: a process that lives for a tenth of a second has no time."""
    defaults = Link.__init__.__kwdefaults__, Link.__init__.__defaults__
    quick = LinkTimes(first_pause_s=0.02, longest_pause_s=0.2)
    replaced_defaults = tuple(
        quick if isinstance(one, LinkTimes) else one for one in defaults[1] or ()
    )
    Link.__init__.__defaults__ = replaced_defaults
    try:
        yield
    finally:
        Link.__init__.__defaults__ = defaults[1]


def run_gateway(config: Path, drain_s: float = 0.0) -> None:
    """Run the gateway's own main in this process."""
    from gateway.__main__ import run

    run(config, drain_s)


def forked(work: Callable[[], None]) -> int:
    """Do ``work`` in a fork of this process and end it there; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 3
    try:
        asyncio.set_event_loop(None)
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 3
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Run a gateway that leaves a trace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--trace", type=Path, required=True)
    parser.add_argument("--kill-at", type=int, default=-1)
    parser.add_argument("--drain-s", type=float, default=10.0)
    parser.add_argument("--impatient", action="store_true", help="reconnect at once")
    parser.add_argument("--mutant", help="of tests.faults.gateway_mutants")
    given = parser.parse_args()
    trace = Trace(given.trace)
    trace.kill_at = given.kill_at
    trace.enter("starting")
    bug: Patched = contextlib.nullcontext()
    if given.mutant is not None:
        bug = getattr(gateway_mutants, given.mutant)()
    pace: Patched = impatient() if given.impatient else contextlib.nullcontext()
    with traced(trace), bug, pace:
        run_gateway(given.config, given.drain_s)


if __name__ == "__main__":
    main()
