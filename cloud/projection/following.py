"""Follows the ledger: batch by batch, for ever, or once from the beginning."""

import logging
import time
from typing import Final

from cloud.adapters.ledger import open_ledger
from cloud.adapters.series import open_series
from cloud.adapters.series_rows import BootRow, Rows, Series, SeriesError, UndatedRow
from cloud.adapters.series_state import hold_alone
from cloud.config import Config
from cloud.errors import LedgerError
from cloud.ports import EntryKind, Ledger, LedgerEntry
from cloud.projection.placing import Placed, add_rows, record_row
from cloud.shipments import read_entry
from schemas.records import ClockChange, Header, Record

_log = logging.getLogger(__name__)
BATCH: Final = 500
POLL_S: Final = 0.25
BACKOFF_MAX_S: Final = 5.0
MAX_POSITION: Final = 2**63 - 1


class Projection:
    """Projects a ledger into a series, batch by batch."""

    def __init__(self, ledger: Ledger, series: Series) -> None:
        self._ledger = ledger
        self._series = series
        self.resume()

    def resume(self) -> None:
        """Begin again from what the series holds, made ready where it is not.

        Raises:
            SeriesError: the series does not answer; try again later.
        """
        self._series.prepare()
        self._reload()

    def _reload(self) -> None:
        self._position = self._series.position()
        self._ranks = self._series.ranks()
        self._boots = self._series.boots()

    @property
    def position(self) -> int:
        """Ledger position up to which everything is projected."""
        return self._position

    def step(self, limit: int = BATCH, until: int = MAX_POSITION) -> int:
        """Project the next entries up to a position; return how many there were.

        Raises:
            LedgerError: the ledger cannot be read now; try again later.
            SeriesError: the series took nothing; try again later.
        """
        found = self._ledger.entries_after(self._position, limit)
        entries = [entry for entry in found if entry.position <= until]
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
            self._reload()
            raise
        self._position = position

    def _project(self, entry: LedgerEntry, rows: Rows) -> None:
        record = read_entry(entry.kind, entry.sealed)
        if not isinstance(record, Record):
            return
        header = record.header
        rank = self._rank(entry, rows)
        rows.records.append(record_row(entry, header))
        if isinstance(record.body, ClockChange):
            self._date_boot(header, record.body, rows)
        utc_ns = self._utc_ns(header)
        if utc_ns is None:
            boot = (header.gateway, header.boot_id)
            rows.undated.append(UndatedRow(entry.position, *boot))
        add_rows(Placed(entry, record, rank, utc_ns), rows)

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
            add_rows(Placed(entry, record, rank, utc_ns), rows)


def project_all(ledger: Ledger, series: Series) -> int:
    """Forget the series and project the whole ledger; return how many entries.

    Raises:
        LedgerError: the ledger cannot be read now.
        SeriesError: the series took nothing; what is projected by then stays.
    """
    series.prepare()
    series.clear()
    projection = Projection(ledger, series)
    total = 0
    while (projected := projection.step()) > 0:
        total += projected
    return total


def rebuild(config: Config) -> int:
    """Project the configured ledger again from its beginning; return the entries.

    Raises:
        ConfigError: a store cannot be opened, or another process projects into it.
        LedgerError: the ledger cannot be read now.
        SeriesError: the series took nothing.
    """
    ledger = open_ledger(config.ledger.url)
    series = open_series(config.series.path, config.series.influx)
    with hold_alone(config.series.path):
        return project_all(ledger, series)


def run(config: Config) -> None:
    """Project the configured ledger for ever; poll in real time.

    Raises:
        ConfigError: a store cannot be opened, or another process projects into it.
    """
    ledger = open_ledger(config.ledger.url)
    series = open_series(config.series.path, config.series.influx)
    with hold_alone(config.series.path):
        Follower(ledger, series).follow()


class Follower:
    """Projects what comes; waits, ever longer, for what does not answer."""

    def __init__(self, ledger: Ledger, series: Series) -> None:
        self._ledger = ledger
        self._series = series
        self._projection: Projection | None = None
        self._is_stuck = False
        self._wait_s = POLL_S

    def follow(self) -> None:
        """Project for ever."""
        while True:
            if self.turn() < BATCH:
                time.sleep(self._wait_s)

    def turn(self) -> int:
        """Project the next batch, or wait longer; return how many there were."""
        try:
            projected = self._step()
        except (LedgerError, SeriesError) as error:
            self._stick(str(error))
            return 0
        if self._is_stuck:
            _log.info("projection goes on")
        self._is_stuck, self._wait_s = False, POLL_S
        return projected

    def _step(self) -> int:
        if self._projection is None:
            self._projection = Projection(self._ledger, self._series)
            _log.info("projecting from position=%d", self._projection.position)
        elif self._is_stuck:
            self._projection.resume()
        projected = self._projection.step()
        self._series.say_waiting(None)
        return projected

    def _stick(self, reason: str) -> None:
        _log.warning("projection waits: %s", reason)
        self._is_stuck, self._wait_s = True, min(2 * self._wait_s, BACKOFF_MAX_S)
        try:
            self._series.say_waiting(reason)
        except SeriesError:
            _log.warning("the state of the series is locked too")
