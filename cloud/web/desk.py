"""The desk: what is known about shipments, put together from ledger and series.

Everything is read when it is asked for; only the fold of the facts is kept, until
the ledger has more of them. With ``as_of_ns`` the answer is what the ledger held then.
What a gateway says is used for a shipment only within its assignments: neither the
positions nor the detectors of the next shipment are ever shown for the last one.
"""

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from cloud import alarms as alarming
from cloud.adapters.series_rows import EventRow, PositionRow, Series, SeriesError
from cloud.alarms import Alarms, Watch
from cloud.arrival import Arrival
from cloud.conditions import Happened
from cloud.hearing import Heard, hear
from cloud.lane import Eta, Sighting
from cloud.ports import Clock, EntryKind, Ledger, LedgerEntry, Watermark
from cloud.shipments import Assignment, Shipment, Shipments
from cloud.watch import stages, started_ns
from cloud.web.estimating import Unknown, estimate, eta_of
from cloud.web.last_word import last_word
from cloud.windows import Statement
from schemas.envelope import open_envelope
from schemas.events import Event
from schemas.records import Heartbeat, Report, TimeSource, read_record
from schemas.units import NS_PER_S

_log: Final = logging.getLogger(__name__)
_PACE_NS: Final = 2 * NS_PER_S
_STANDING: Final = 0.5  # a simulated clock that is slower stands
DELIVERY_S: Final = 10.0  # real time that a value may be on its way


@dataclass(frozen=True, slots=True)
class Health:
    """How complete the history of a gateway's newest epoch is."""

    gateway: str
    epoch: bytes
    watermark: Watermark
    heartbeat: Heartbeat | None
    heartbeat_at_ns: int | None
    last_record_at_ns: int | None
    last_received_at_ns: int
    clock: Statement

    @property
    def received(self) -> int:
        """Records that the ledger holds, or that a signed gap explains."""
        contiguous = self.watermark.contiguous
        complete = 0 if contiguous is None else contiguous + 1
        return complete + sum(last - first + 1 for first, last in self._above)

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """Holes below what is held, first and last sequence, lowest first."""
        contiguous = self.watermark.contiguous
        ends = [-1 if contiguous is None else contiguous, *(b for _a, b in self._above)]
        starts = [first for first, _last in self._above]
        return tuple(
            (end + 1, start - 1) for end, start in zip(ends, starts, strict=False)
        )

    @property
    def _above(self) -> tuple[tuple[int, int], ...]:
        return self.watermark.ranges

    @property
    def backlog(self) -> int | None:
        """Records that the gateway has sealed and the ledger does not hold yet."""
        if self.heartbeat is None:
            return None
        return max(0, self.heartbeat.head_sequence + 1 - self.received)


@dataclass(frozen=True, slots=True)
class Situation:
    """One shipment as it stands at ``now_ns``."""

    shipment: Shipment
    arrival: Arrival | Unknown
    statement: Statement
    alarms: Alarms
    health: Health | None
    fix: PositionRow | None
    now_ns: int
    eta: Eta | None = None


class Pace:
    """How fast the server's clock runs against real time; 1 unless simulated."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._anchor = (time.monotonic_ns(), clock.utc_ns())
        self._speed = 0.0 if clock.exercise else 1.0
        self._fastest = 0.0

    def read(self) -> tuple[int, float]:
        """Return now, ns UTC, and simulated seconds per second of real time."""
        now_ns, real_ns = self._clock.utc_ns(), time.monotonic_ns()
        elapsed_ns = real_ns - self._anchor[0]
        if self._clock.exercise and elapsed_ns >= _PACE_NS:
            self._speed = (now_ns - self._anchor[1]) / elapsed_ns
            self._anchor = (real_ns, now_ns)
            self._fastest = max(self._fastest, self._speed)
        return now_ns, self._speed

    def late_after_ns(self) -> int | None:
        """Return what ordinary delivery may take; absent while no pace was seen."""
        if not self._clock.exercise:
            return alarming.LATE_AFTER_NS
        if self._fastest < _STANDING:
            return None
        return max(alarming.LATE_AFTER_NS, round(self._fastest * DELIVERY_S * NS_PER_S))

    def haste(self) -> float | None:
        """Return seconds of this clock for one of people's; absent while unknown."""
        if not self._clock.exercise:
            return 1.0
        return None if self._fastest < _STANDING else max(1.0, self._fastest)


class Desk:
    """Answers about shipments; ``authorities`` may correct what others stated."""

    def __init__(
        self,
        ledger: Ledger,
        series: Series,
        clock: Clock,
        authorities: Collection[str] = (),
    ) -> None:
        self.authorities = authorities
        self.ledger = ledger
        self.series = series
        self.clock = clock
        self.pace = Pace(clock)
        self._kept: tuple[tuple[int, int], Heard] | None = None

    def version(self) -> tuple[int, int]:
        """Return a value that changes whenever there is anything new to show."""
        return self.series.position(), self.ledger.counts()[EntryKind.FACT]

    def situations(self) -> list[Situation]:
        """Return every shipment as it stands."""
        heard = self._hear()
        return [self._situation(s, heard) for s in heard.shipments.all()]

    def shipments(self) -> tuple[Shipment, ...]:
        """Return every shipment, without what its gateway says."""
        return self._hear().shipments.all()

    def situation(self, shipment: str, as_of_ns: int | None = None) -> Situation | None:
        """Return one shipment as it stood at an instant, by default now."""
        heard = self._hear(as_of_ns)
        found = heard.shipments.find(shipment)
        return None if found is None else self._situation(found, heard, as_of_ns)

    def fleet_alarms(self) -> Alarms:
        """Return the alarms of gateways that travel with no shipment."""
        heard, now_ns = self._hear(), self.clock.utc_ns()
        elsewhere = heard.conditions_elsewhere(heard.shipments.all())
        judge = Watch(now_ns, haste=self.pace.haste())
        late_ns = self.pace.late_after_ns()
        return alarming.fold(elsewhere, heard.words, late_ns, judge)

    def _hear(self, as_of_ns: int | None = None) -> Heard:
        spans = self.series.spans()
        version = (self.ledger.counts()[EntryKind.FACT], len(spans))
        if as_of_ns is None and self._kept is not None and self._kept[0] == version:
            heard = self._kept[1]
        else:
            entries = self.ledger.facts() + [self._entry(at) for at in spans]
            heard = hear(entries, as_of_ns, self.authorities)
            if as_of_ns is None:
                self._kept = (version, heard)
        self._mark_exercises(heard.shipments)
        return heard

    def entries(self) -> list[LedgerEntry]:
        """Return facts, commands and assignments in the order of their acceptance."""
        spans = [self._entry(at) for at in self.series.spans()]
        found = [*self.ledger.facts(), *self.ledger.commands(), *spans]
        return sorted(found, key=lambda entry: entry.position)

    def _entry(self, position: int) -> LedgerEntry:
        return self.ledger.entries_after(position - 1, 1)[0]

    def _mark_exercises(self, shipments: Shipments) -> None:
        for shipment in shipments.all():
            for span in () if shipment.exercise else shipment.assignments:
                marked = self.series.exercise_between(
                    span.gateway, span.epoch, span.from_sequence, span.to_sequence
                )
                if marked is not None:
                    shipments.mark_exercise(span.gateway, span.epoch, marked)

    def _situation(
        self,
        shipment: Shipment,
        heard: Heard,
        as_of_ns: int | None = None,
    ) -> Situation:
        now_ns = self.clock.utc_ns() if as_of_ns is None else as_of_ns
        alarms = alarming.fold(
            [*self.events_of(shipment, as_of_ns), *heard.conditions(shipment)],
            heard.words,
            self.pace.late_after_ns(),
            Watch(now_ns, stages(shipment), started_ns(shipment), self.pace.haste()),
        )
        statement = self._statement(shipment, as_of_ns)
        gateway = shipment.gateway
        fix = self._last_fix(shipment, now_ns)
        eta = eta_of(shipment, now_ns, _sighting(fix))
        return Situation(
            shipment,
            estimate(shipment, statement, alarms, now_ns, eta),
            statement,
            alarms,
            None if gateway is None else self.health(gateway),
            fix,
            now_ns,
            eta,
        )

    def events_of(
        self, shipment: Shipment, as_of_ns: int | None = None
    ) -> list[Happened]:
        """Return the events of a shipment as known at an instant."""
        gateways = sorted({span.gateway for span in shipment.assignments})
        return [
            _happened(row)
            for gateway in gateways
            for row in self.series.events(gateway, as_of_ns)
            if _is_covered(shipment.assignments, row)
        ]

    def span_ns(self, shipment: Shipment) -> tuple[int, int] | None:
        """Return from when to when the gateway spoke for the shipment."""
        spans = [span for span in shipment.assignments if span.from_ns is not None]
        if not spans or spans[-1].from_ns is None:
            return None
        to_ns = spans[-1].to_ns
        return spans[-1].from_ns, self.clock.utc_ns() if to_ns is None else to_ns

    def positions(self, shipment: Shipment) -> list[PositionRow]:
        """Return the fixes of a shipment, oldest first."""
        span = self.span_ns(shipment)
        if span is None or shipment.gateway is None:
            return []
        return self.series.positions(shipment.gateway, *span)

    def _last_fix(self, shipment: Shipment, now_ns: int) -> PositionRow | None:
        span = self.span_ns(shipment)
        if span is None or shipment.gateway is None:
            return None
        until_ns = min(span[1], now_ns)
        try:
            return self.series.last_position(shipment.gateway, span[0], until_ns)
        except SeriesError as error:
            # The list and the estimate do not wait for the store of the points.
            _log.warning("last fix unknown: %s", error)
            return None

    def _statement(self, shipment: Shipment, as_of_ns: int | None) -> Statement:
        ranks = self.series.ranks()
        for span in reversed(shipment.assignments):
            rank = ranks.get((span.gateway, span.epoch))
            if rank is None:
                continue
            place = (rank, span.from_sequence, span.to_sequence)
            row = self.series.witness(span.gateway, place, as_of_ns)
            if row is not None:
                report = self._report(span, row.sequence)
                latest = self.series.latest(span.gateway)
                return replace(
                    last_word(row, latest, place, as_of_ns),
                    integrity=None if report is None else report.integrity,
                    thermal=None if report is None else report.thermal,
                    doses=() if report is None else report.doses,
                    contact=_contact(shipment),
                )
        return Statement()

    def _report(self, span: Assignment, sequence: int) -> Report | None:
        """Return the report that a witness's word came with."""
        entries = self.ledger.entries_of(span.gateway, span.epoch, sequence, sequence)
        bodies = [read_record(open_envelope(e.sealed).payload).body for e in entries]
        return next((body for body in bodies if isinstance(body, Report)), None)

    def health(self, gateway: str) -> Health | None:
        """Return how complete the history of a gateway is; None if unheard."""
        latest = self.series.latest(gateway)
        record = latest.get("record")
        if record is None:
            return None
        state = msgspec.json.decode(record.value)
        epoch = bytes.fromhex(state["epoch"])
        beat = latest.get("heartbeat")
        if beat is not None and beat.rank != record.rank:
            beat = None  # of an epoch that is over
        return Health(
            gateway,
            epoch,
            self.ledger.watermark(gateway, epoch),
            None if beat is None else msgspec.json.decode(beat.value, type=Heartbeat),
            None if beat is None else beat.at_ns,
            record.at_ns,
            record.received_at_ns,
            Statement(
                None,
                record.at_ns,
                TimeSource(state["time_source"]),
                state["time_u_ns"],
            ),
        )


def _contact(shipment: Shipment) -> str | None:
    """Return whom to call about a suspected package: the papers' first contact."""
    order, consignment = shipment.order, shipment.consignment
    if order is not None and order.contact is not None:
        return f"{order.centre}, {order.contact}"
    legs = consignment.legs if consignment else ()
    known = [leg for leg in legs if leg.contact is not None]
    return f"{known[0].carrier or 'the carrier'}, {known[0].contact}" if known else None


def _happened(row: EventRow) -> Happened:
    return Happened(
        row.gateway,
        row.epoch,
        row.rank,
        row.sequence,
        row.received_at_ns,
        msgspec.json.decode(row.event, type=Event),
        row.exercise,
        row.at_ns,
        row.ended_ns,
    )


def _is_covered(spans: tuple[Assignment, ...], row: EventRow) -> bool:
    return any(
        span.gateway == row.gateway and span.covers(row.epoch, row.sequence)
        for span in spans
    )


def _sighting(fix: PositionRow | None) -> Sighting | None:
    if fix is None or fix.latitude_deg is None or fix.longitude_deg is None:
        return None
    return Sighting(fix.at_ns, fix.latitude_deg, fix.longitude_deg)
