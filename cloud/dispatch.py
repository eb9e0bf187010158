"""Commands on their way down: issued into the ledger, sent until they are answered.

A command is in the ledger before it is sent. It is answered by a record that states
its counter. A gateway refuses a counter below the last one it took, so that only
the lowest unanswered command of each gateway is on its way, and the next follows
its answer or its expiry. Sending again backs off, because an answer may take long:
a fingerprint counts for minutes.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cloud.ports import EntryKind, Ledger, LedgerEntry
from cloud.verification import own_command
from schemas.commands import CommandBody, read_command, seal_command
from schemas.envelope import open_envelope
from schemas.errors import ContractError
from schemas.keys import Signer
from schemas.records import read_record
from schemas.topics import Lane, topic

_ENTRIES_AT_ONCE: Final = 500
_INTERVAL_MAX_S: Final = 60.0

_log: Final = logging.getLogger(__name__)

Publish = Callable[[str, bytes], bool]


def issue(
    ledger: Ledger,
    signer: Signer,
    gateway: str,
    body: CommandBody,
    now_ns: int,
    ttl_ns: int,
) -> bytes:
    """Seal a command with the gateway's next counter into the ledger; return it.

    The ingestor finds it there and sends it. ``ttl_ns`` counts in the clock of the
    gateway: simulated time passes faster.

    Raises:
        LedgerError: nothing was issued; try again later.
        MalformedError: the body has no form on the wire.
    """
    while True:
        counter = ledger.next_counter(gateway)
        sealed = seal_command(gateway, counter, now_ns + ttl_ns, body, signer)
        if ledger.append_command(own_command(sealed), now_ns):
            return sealed


@dataclass(slots=True)
class _Pending:
    """One command that waits for its answer."""

    gateway: str
    counter: int
    kind: str
    sealed: bytes
    expires_ns: int
    send_at_s: float
    interval_s: float


class Dispatcher:
    """Follows the ledger and sends what is pending, by repeated :meth:`poll`."""

    def __init__(self, ledger: Ledger, publish: Publish, interval_s: float) -> None:
        self._ledger = ledger
        self._publish = publish
        self._interval_s = interval_s
        self._pending: dict[tuple[str, int], _Pending] = {}
        self._cursor: int | None = None

    @property
    def pending(self) -> list[tuple[str, int]]:
        """Gateways and counters of the commands that wait for their answer."""
        return sorted(self._pending)

    def poll(self, now_ns: int, now_s: float) -> None:
        """Read what is new in the ledger and send what is due.

        Args:
            now_ns: the clock's UTC, by which commands expire.
            now_s: real monotonic time, by which they are sent again.

        Raises:
            LedgerError: try again later.
        """
        self._follow(now_ns, now_s)
        for key, command in list(self._pending.items()):
            if command.expires_ns <= now_ns:
                _log_change(command, "expired")
                del self._pending[key]
        for command in self._lowest():
            if command.send_at_s <= now_s:
                self._send(command, now_s)

    def _lowest(self) -> list[_Pending]:
        lowest: dict[str, _Pending] = {}
        for (gateway, _counter), command in sorted(self._pending.items()):
            lowest.setdefault(gateway, command)
        return list(lowest.values())

    def _send(self, command: _Pending, now_s: float) -> None:
        if self._publish(topic(command.gateway, Lane.COMMAND), command.sealed):
            command.send_at_s = now_s + command.interval_s
            command.interval_s = min(2 * command.interval_s, _INTERVAL_MAX_S)

    def _follow(self, now_ns: int, now_s: float) -> None:
        if self._cursor is None:
            self._cursor = self._start(now_ns)
        while entries := self._ledger.entries_after(self._cursor, _ENTRIES_AT_ONCE):
            for entry in entries:
                self._take(entry, now_s)
            self._cursor = entries[-1].position

    def _start(self, now_ns: int) -> int:
        """Return the position before the oldest command that may be pending."""
        for entry in self._ledger.commands():
            header = read_command(open_envelope(entry.sealed).payload).header
            if header.expires_ns > now_ns:
                return entry.position - 1
        return self._ledger.head()

    def _take(self, entry: LedgerEntry, now_s: float) -> None:
        if entry.kind is EntryKind.COMMAND:
            header = read_command(open_envelope(entry.sealed).payload).header
            command = _Pending(
                header.gateway,
                header.counter,
                header.kind,
                entry.sealed,
                header.expires_ns,
                now_s,
                self._interval_s,
            )
            self._pending[header.gateway, header.counter] = command
            _log_change(command, "issued")
        elif entry.kind is EntryKind.RECORD and self._waits_for(entry.subject):
            self._answer(entry)

    def _waits_for(self, gateway: str) -> bool:
        return any(gateway == waiting for waiting, _counter in self._pending)

    def _answer(self, entry: LedgerEntry) -> None:
        counter = _answered_counter(entry.sealed)
        if counter is None:
            return
        command = self._pending.pop((entry.subject, counter), None)
        if command is not None:
            _log_change(command, "answered")


def _answered_counter(sealed: bytes) -> int | None:
    try:
        body = read_record(open_envelope(sealed).payload).body
    except ContractError:
        return None
    counter = getattr(body, "counter", None)
    return counter if isinstance(counter, int) else None


def _log_change(command: _Pending, change: str) -> None:
    _log.info(
        "command=%s gateway=%s counter=%d kind=%s",
        change,
        command.gateway,
        command.counter,
        command.kind,
    )
