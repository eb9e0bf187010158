"""Projection: from the ledger to the series, in a process of its own.

Rules:

1. The ledger is read in its order, from the cursor that the series keeps; rows and
   cursor move in one transaction. Starting again from 0 gives the same rows.
2. An instant is a pure function of ledger data: the record's UTC in whole
   milliseconds, and below them its sequence modulo 1e6, so that two records of one
   millisecond never share a point.
3. A record without UTC waits; the first ``clock`` record of its boot dates it, and
   every later one of that boot: UTC = boot time + ``utc_minus_boot_ns``.
4. An unprojectable record counts as received and adds nothing else.
5. Newer means a higher (rank of the epoch, sequence); the rank of an epoch is the
   ledger position of its first record.
"""

import logging
import math
import time
from collections.abc import Iterator
from typing import Final

import msgspec

from cloud.adapters.ledger import open_ledger
from cloud.adapters.series import open_series
from cloud.adapters.series_rows import (
    AnswerRow,
    BootRow,
    EventRow,
    LatestRow,
    PointRow,
    PositionRow,
    RecordRow,
    Rows,
    Series,
    SeriesError,
    UndatedRow,
    WitnessRow,
)
from cloud.config import Config
from cloud.errors import LedgerError
from cloud.ports import EntryKind, Ledger, LedgerEntry
from cloud.shipments import read_entry
from schemas.estimates import Witness
from schemas.events import Event
from schemas.records import (
    Birth,
    ClockChange,
    Header,
    Heartbeat,
    Position,
    Record,
    Report,
    Unprojectable,
)
from schemas.units import NS_PER_S

_log = logging.getLogger(__name__)
BATCH: Final = 500
POLL_S: Final = 0.25
_MS: Final = 1_000_000
_STATES: Final = (Heartbeat, Birth, Report)


class Projection:
    """Projects a ledger into a series, batch by batch."""

    def __init__(self, ledger: Ledger, series: Series) -> None:
        self._ledger = ledger
        self._series = series
        self._position = series.position()
        self._ranks = series.ranks()
        self._boots = series.boots()

    @property
    def position(self) -> int:
        """Ledger position up to which everything is projected."""
        return self._position

    def step(self, limit: int = BATCH) -> int:
        """Project the next entries and return how many there were.

        Raises:
            LedgerError: the ledger cannot be read now; try again later.
            SeriesError: the series took nothing; try again later.
        """
        entries = self._ledger.entries_after(self._position, limit)
        rows = Rows()
        for entry in entries:
            if entry.kind is EntryKind.RECORD:
                self._project(entry, rows)
        if entries:
            self._commit(rows, entries[-1].position)
        return len(entries)

    def _commit(self, rows: Rows, position: int) -> None:
        try:
            self._series.commit(rows, position)
        except SeriesError:
            # What was learned from this batch is not in the series: forget it.
            self._ranks = self._series.ranks()
            self._boots = self._series.boots()
            raise
        self._position = position

    def _project(self, entry: LedgerEntry, rows: Rows) -> None:
        record = read_entry(entry.kind, entry.sealed)
        if not isinstance(record, Record):
            return
        header = record.header
        rank = self._rank(entry, rows)
        rows.records.append(_record_row(entry, header))
        if isinstance(record.body, ClockChange):
            self._date_boot(header, record.body, rows)
        utc_ns = self._utc_ns(header)
        if utc_ns is None:
            boot = (header.gateway, header.boot_id)
            rows.undated.append(UndatedRow(entry.position, *boot))
        _add_rows(Placed(entry, record, rank, utc_ns), rows)

    def _rank(self, entry: LedgerEntry, rows: Rows) -> int:
        key = (entry.subject, entry.epoch)
        if key not in self._ranks:
            self._ranks[key] = entry.position
            rows.epochs.append((*key, entry.position))
        return self._ranks[key]

    def _utc_ns(self, header: Header) -> int | None:
        if header.utc_ns is not None:
            return header.utc_ns
        offset_ns = self._boots.get((header.gateway, header.boot_id))
        return None if offset_ns is None else header.boot_ns + offset_ns

    def _date_boot(self, header: Header, body: ClockChange, rows: Rows) -> None:
        boot = (header.gateway, header.boot_id)
        if boot in self._boots:
            return
        self._boots[boot] = body.utc_minus_boot_ns
        rows.boots.append(BootRow(*boot, body.utc_minus_boot_ns))
        pending = [row.position for row in rows.undated if row[1:] == boot]
        rows.undated = [row for row in rows.undated if row[1:] != boot]
        stored = self._series.undated(*boot)
        rows.dated.extend(stored)
        for position in [*stored, *pending]:
            self._project_dated(position, rows)

    def _project_dated(self, position: int, rows: Rows) -> None:
        entry = self._ledger.entries_after(position - 1, 1)[0]
        record = read_entry(entry.kind, entry.sealed)
        if isinstance(record, Record):
            rank = self._ranks[entry.subject, entry.epoch]
            utc_ns = self._utc_ns(record.header)
            _add_rows(Placed(entry, record, rank, utc_ns), rows)


class Placed(msgspec.Struct, frozen=True):
    """A record with its ledger entry, the rank of its epoch, and its UTC."""

    entry: LedgerEntry
    record: Record
    rank: int
    utc_ns: int | None

    def instant_ns(self) -> int | None:
        """Return the instant of its points: rule 2."""
        if self.utc_ns is None:
            return None
        return self.utc_ns // _MS * _MS + self.record.header.sequence % _MS

    def utc_of(self, boot_ns: int | None) -> int | None:
        """Return the UTC of an instant of the record's boot."""
        if self.utc_ns is None or boot_ns is None:
            return None
        return self.utc_ns - (self.record.header.boot_ns - boot_ns)

    def latest(self, name: str, value: object) -> LatestRow:
        """Return the row that says that this is the newest of its name."""
        return LatestRow(
            self.record.header.gateway,
            name,
            self.rank,
            self.record.header.sequence,
            self.utc_ns,
            self.entry.received_at_ns,
            self.record.header.exercise,
            msgspec.json.encode(value),
        )


def _record_row(entry: LedgerEntry, header: Header) -> RecordRow:
    return RecordRow(
        header.gateway,
        header.epoch,
        header.sequence,
        entry.position,
        header.kind,
        entry.received_at_ns,
        header.exercise,
    )


def _add_rows(placed: Placed, rows: Rows) -> None:
    """Add what a record says; what needs a date is added once it has one."""
    body = placed.record.body
    rows.latest.append(placed.latest("record", _clock_state(placed.record.header)))
    if isinstance(body, Unprojectable):
        return
    counter = getattr(body, "counter", None)
    if isinstance(counter, int):
        rows.answers.append(_answer_row(placed, counter))
    if isinstance(body, _STATES):
        rows.latest.append(placed.latest(placed.record.header.kind, body))
    if isinstance(body, Event):
        # An alarm does not wait for a clock: undated first, dated when it can be.
        rows.events.append(_event_row(placed, body))
    at_ns = placed.instant_ns()
    if at_ns is None:
        return
    if isinstance(body, Report):
        rows.points.extend(_report_points(placed, body, at_ns))
        rows.witnesses.extend(_witness_row(placed, w) for w in body.witnesses)
    elif isinstance(body, Position):
        _add_position(placed, body, at_ns, rows)


def _clock_state(header: Header) -> dict[str, object]:
    return {
        "epoch": header.epoch.hex(),
        "boot_ns": header.boot_ns,
        "time_source": header.time_source,
        "time_u_ns": header.time_u_ns,
    }


def _answer_row(placed: Placed, counter: int) -> AnswerRow:
    header, received_at_ns = placed.record.header, placed.entry.received_at_ns
    place = (header.kind, header.epoch, header.sequence)
    return AnswerRow(header.gateway, counter, *place, received_at_ns)


def _event_row(placed: Placed, event: Event) -> EventRow:
    header = placed.record.header
    return EventRow(
        header.gateway,
        header.epoch,
        header.sequence,
        placed.rank,
        placed.utc_of(event.from_boot_ns),
        placed.utc_of(event.to_boot_ns),
        placed.entry.received_at_ns,
        header.exercise,
        msgspec.json.encode(event),
    )


def _witness_row(placed: Placed, witness: Witness) -> WitnessRow:
    header = placed.record.header
    return WitnessRow(
        header.gateway,
        placed.rank,
        header.sequence,
        placed.utc_of(witness.to_boot_ns),
        placed.entry.received_at_ns,
        header.time_source,
        header.time_u_ns,
        msgspec.json.encode(witness),
    )


def _add_position(placed: Placed, body: Position, at_ns: int, rows: Rows) -> None:
    header = placed.record.header
    rows.positions.append(
        PositionRow(
            header.gateway,
            at_ns,
            header.epoch,
            body.fix,
            body.latitude_deg,
            body.longitude_deg,
            body.altitude_m,
        )
    )
    if body.latitude_deg is not None:
        rows.latest.append(placed.latest("position", body))


def _report_points(placed: Placed, report: Report, at_ns: int) -> Iterator[PointRow]:
    gateway, epoch = placed.record.header.gateway, placed.record.header.epoch
    for sensor in report.sensors:
        if sensor.mean is not None:
            key = (gateway, sensor.sensor, sensor.quantity, at_ns, epoch)
            yield PointRow(*key, sensor.mean, sensor.minimum, sensor.maximum)
    for detector in report.detectors:
        if detector.live_time_ns:
            rate = detector.counts / (detector.live_time_ns / NS_PER_S)
            spread = math.sqrt(detector.counts) / (detector.live_time_ns / NS_PER_S)
            key = (gateway, detector.sensor, "count_rate_per_s", at_ns, epoch)
            yield PointRow(*key, rate, rate - spread, rate + spread)
    for witness in report.witnesses:
        for quantity, value, u in _witness_values(witness):
            key = (gateway, f"vial/{witness.vial}", quantity, at_ns, epoch)
            yield PointRow(*key, value, value - 2 * u, value + 2 * u)
    for estimate in report.estimates:
        value, u = estimate.activity_gbq, estimate.activity_u_gbq
        key = (gateway, f"vial/{estimate.vial}", "activity_gbq", at_ns, epoch)
        yield PointRow(*key, value, value - 2 * u, value + 2 * u)


def _witness_values(witness: Witness) -> Iterator[tuple[str, float, float]]:
    """Yield quantity, value and standard uncertainty of what a witness says."""
    if witness.ratio is not None:
        yield "ratio", witness.ratio, witness.ratio_u or 0.0
    live_s = witness.live_time_ns / NS_PER_S
    if witness.expected_counts is None or not live_s:
        return
    # Both are gross counts of the same detectors over the same window.
    yield "expected_count_rate_per_s", witness.expected_counts / live_s, 0.0
    u = math.sqrt(witness.counts) / live_s
    yield "count_rate_per_s", witness.counts / live_s, u


def project_all(ledger: Ledger, series: Series) -> int:
    """Forget the series and project the whole ledger; return how many entries.

    Raises:
        LedgerError: the ledger cannot be read now.
    """
    series.clear()
    projection = Projection(ledger, series)
    total = 0
    while (projected := projection.step()) > 0:
        total += projected
    return total


def run(config: Config) -> None:
    """Project the configured ledger for ever; poll in real time.

    Raises:
        ConfigError: the ledger or the series cannot be opened.
    """
    ledger = open_ledger(config.ledger.url)
    projection = Projection(ledger, open_series(config.series.path))
    _log.info("projecting from position=%d", projection.position)
    while True:
        try:
            projected = projection.step()
        except (LedgerError, SeriesError) as error:
            _log.warning("projection waits: %s", error)
            projected = 0
        if projected < BATCH:
            time.sleep(POLL_S)
