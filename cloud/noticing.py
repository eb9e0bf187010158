"""What the cloud notices about gateways, as signed facts that people see as alarms.

- silence that was not announced, and its end
- a gap that stays, and its end
- two histories of one gateway: an old memory was put back, or its key is stolen
- records that are dated later than they came

Each condition is said once when it begins and once when it is over, also across
restarts: what was said is in the ledger.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from cloud.attendance import Attendance
from cloud.errors import LedgerError
from cloud.ports import Chain, Clock, EntryKind, Ledger, LedgerEntry
from cloud.receipting import StandingGap
from cloud.signing import Author, ChainEnd
from cloud.verification import Refusal, RefusalReason, VerifiedRecord, own_fact
from schemas.commands import Assign, Release, read_command
from schemas.custody import Notice, NoticeKind
from schemas.envelope import open_envelope
from schemas.errors import ContractError
from schemas.events import Severity
from schemas.facts import read_fact
from schemas.records import read_record
from schemas.units import NS_PER_S

# Clocks of servers differ; a gateway's own uncertainty comes on top, three times.
AHEAD_NS: Final = 60 * NS_PER_S
_LOOKED_AT: Final = 200
_REMEMBERED_NS: Final = 24 * 3600 * NS_PER_S
_TRIES: Final = 3

_log: Final = logging.getLogger(__name__)


class _Key(NamedTuple):
    what: NoticeKind
    gateway: str
    epoch: bytes | None = None
    from_sequence: int | None = None


class Noticer:
    """States what it is shown; one per process that ingests."""

    def __init__(
        self, ledger: Ledger, clock: Clock, author: Author, silent_after_s: float
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._author = author
        self._attendance = Attendance(silent_after_s)
        self._open: dict[_Key, Notice] = {}
        self._end: ChainEnd | None = None
        self._conflicts: list[Refusal] = []
        self._gaps: dict[Chain, StandingGap | None] = {}
        self._dates: dict[Chain, VerifiedRecord] = {}

    # What happened

    def accepted(
        self,
        records: Iterable[VerifiedRecord],
        grown: Iterable[Chain],
        conflicts: Iterable[Refusal],
        now_s: float,
    ) -> None:
        """Take what was appended: records, the chains that grew, and conflicts."""
        now_ns = self._clock.utc_ns()
        for gateway, _epoch in grown:
            self._attendance.hear(gateway, now_ns, now_s)
        taken = tuple(records)
        self._attendance.note_announcements(taken, now_ns)
        for record in taken:
            chain = Chain(record.header.gateway, record.header.epoch)
            latest = self._dates.get(chain)
            if latest is None or latest.header.sequence < record.header.sequence:
                self._dates[chain] = record
        self._conflicts += conflicts

    def watch_gap(self, chain: Chain, gap: StandingGap | None) -> None:
        """Take the gap of an epoch that stays; None: there is none."""
        self._gaps[chain] = gap

    # What is said

    def say(self, now_s: float) -> None:
        """State what has begun and what is over.

        Raises:
            LedgerError: try again later; nothing is forgotten.
        """
        if self._end is None:
            self._remember(now_s)
        now_ns = self._clock.utc_ns()
        self._say_silences(now_ns, now_s)
        while self._conflicts:
            self._say_conflict(self._conflicts[0], now_ns)
            del self._conflicts[0]
        for chain in list(self._dates):
            self._say_date(self._dates[chain], now_ns)
            del self._dates[chain]
        for chain in list(self._gaps):
            self._say_gap(chain, self._gaps[chain], now_ns)
            del self._gaps[chain]

    def _say_silences(self, now_ns: int, now_s: float) -> None:
        silent = dict(self._attendance.silent(now_ns, now_s))
        for gateway, since_ns in silent.items():
            key = _Key(NoticeKind.GATEWAY_SILENT, gateway)
            if key not in self._open:
                is_assigned = _is_assigned(self._ledger.commands(gateway))
                severity = Severity.ALARM if is_assigned else Severity.WARNING
                self._begin(key, severity, since_ns, "nothing new of it has come")
        for key in self._of(NoticeKind.GATEWAY_SILENT):
            begun_ns = self._open[key].at_ns
            if self._attendance.is_heard_since(key.gateway, begun_ns):
                self._finish(key, now_ns, "it is heard again")

    def _say_conflict(self, refusal: Refusal, now_ns: int) -> None:
        try:
            header = read_record(open_envelope(refusal.sealed).payload).header
        except ContractError:
            return
        key = _Key(NoticeKind.CHAIN_FORKED, header.gateway, header.epoch)
        if key not in self._open:
            is_other = refusal.reason is RefusalReason.EQUIVOCATION
            how = "is held with another content" if is_other else "has another past"
            text = f"sequence {header.sequence} {how}: {refusal.detail}"
            self._begin(key, Severity.ALARM, now_ns, text)

    def _say_date(self, record: VerifiedRecord, now_ns: int) -> None:
        header = record.header
        key = _Key(NoticeKind.CLOCK_IMPLAUSIBLE, header.gateway, header.epoch)
        if header.utc_ns is None:
            return
        ahead_ns = header.utc_ns - now_ns
        if ahead_ns > AHEAD_NS + 3 * (header.time_u_ns or 0):
            if key not in self._open:
                text = f"its time by {header.time_source} is {_span(ahead_ns)} ahead"
                self._begin(key, Severity.WARNING, now_ns, text)
        elif key in self._open:
            self._finish(key, now_ns, "its time can be right again")

    def _say_gap(self, chain: Chain, gap: StandingGap | None, now_ns: int) -> None:
        for key in self._of(NoticeKind.RECORDS_MISSING):
            is_same = gap is not None and gap.first == key.from_sequence
            if (key.gateway, key.epoch) == chain and not is_same:
                self._finish(
                    key, now_ns, "they have come, or a signed gap says why not"
                )
        if gap is None or not gap.is_standing:
            return
        key = _Key(NoticeKind.RECORDS_MISSING, *chain, gap.first)
        if key not in self._open:
            text = f"sequences {gap.first} to {gap.last} do not come"
            self._begin(key, Severity.ALARM, now_ns, text, gap.last)

    def _of(self, what: NoticeKind) -> list[_Key]:
        return [key for key in self._open if key.what is what]

    def _begin(
        self,
        key: _Key,
        severity: Severity,
        at_ns: int,
        text: str,
        to_sequence: int | None = None,
    ) -> None:
        notice = Notice(
            what=key.what,
            severity=severity,
            at_ns=at_ns,
            text=text,
            gateway=key.gateway,
            epoch=key.epoch,
            from_sequence=key.from_sequence,
            to_sequence=to_sequence,
        )
        self._state(notice)
        self._open[key] = notice

    def _finish(self, key: _Key, at_ns: int, text: str) -> None:
        begun = self._open[key]
        notice = Notice(
            what=key.what,
            severity=begun.severity,
            at_ns=at_ns,
            text=text,
            gateway=key.gateway,
            epoch=key.epoch,
            from_sequence=key.from_sequence,
            to_sequence=begun.to_sequence,
            is_over=True,
        )
        self._state(notice)
        del self._open[key]

    def _state(self, notice: Notice) -> None:
        for _ in range(_TRIES):
            end = self._end or self._find_end()
            now_ns = self._clock.utc_ns()
            sealed, behind = self._author.say(notice, now_ns, end)
            result = self._ledger.append_fact(own_fact(sealed), now_ns)
            if not result.conflicts:
                self._end = behind
                _log.warning(
                    "notice=%s gateway=%s over=%s text=%r",
                    notice.what,
                    notice.gateway,
                    notice.is_over,
                    notice.text,
                )
                return
            self._end = None  # another process spoke with this key: behind it
        raise LedgerError(f"{self._author.name}: its chain of facts moves on and on")

    # What was said before

    def _mine(self) -> Iterator[LedgerEntry]:
        kid = self._author.signer.kid
        return (one for one in self._ledger.facts() if one.epoch == kid)

    def _find_end(self) -> ChainEnd:
        last = max(self._mine(), key=lambda one: one.sequence, default=None)
        return ChainEnd() if last is None else ChainEnd(last.sequence + 1, last.digest)

    def _remember(self, now_s: float) -> None:
        self._open.clear()
        for entry in self._mine():
            notice = read_fact(open_envelope(entry.sealed).payload).body
            if not isinstance(notice, Notice) or notice.gateway is None:
                continue
            place = (notice.gateway, notice.epoch, notice.from_sequence)
            key = _Key(notice.what, *place)
            if notice.is_over:
                self._open.pop(key, None)
            else:
                self._open[key] = notice
        for gateway in self._ledger.gateways():
            self._remember_gateway(gateway, now_s)
        self._end = self._find_end()

    def _remember_gateway(self, gateway: str, now_s: float) -> None:
        """Follow a gateway that was heard lately, or that travels with a shipment."""
        epoch = self._ledger.epochs(gateway)[-1].epoch
        held = self._ledger.watermark(gateway, epoch)
        top = held.ranges[-1][1] if held.ranges else held.contiguous or 0
        latest = self._ledger.entries_of(gateway, epoch, top - _LOOKED_AT, top)
        last_ns = max((one.received_at_ns for one in latest), default=0)
        is_fresh = self._clock.utc_ns() - last_ns < _REMEMBERED_NS
        if not is_fresh and not _is_assigned(self._ledger.commands(gateway)):
            return
        self._attendance.hear(gateway, last_ns, now_s)
        for entry in latest:
            record = read_record(open_envelope(entry.sealed).payload)
            self._attendance.note_announcements([record], entry.received_at_ns)


def _is_assigned(commands: Iterable[LedgerEntry]) -> bool:
    assigned = False
    for entry in commands:
        if entry.kind is EntryKind.COMMAND:
            body = read_command(open_envelope(entry.sealed).payload).body
            if isinstance(body, Assign | Release):
                assigned = isinstance(body, Assign)
    return assigned


def _span(ns: int) -> str:
    minutes = ns // (60 * NS_PER_S)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
