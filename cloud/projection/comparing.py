"""Compares the series, row by row, with what the ledger says it must be."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from cloud.adapters.ledger import open_ledger
from cloud.adapters.series import SqliteSeries, open_series
from cloud.adapters.series_rows import Series
from cloud.adapters.series_state import STATE_TABLES
from cloud.config import Config
from cloud.ports import Ledger
from cloud.projection.following import Projection

Row = tuple[object, ...]
_POINT_KEY: Final = 5
_POSITION_KEY: Final = 3


class Comparison(NamedTuple):
    """How the series differs from the ledger's projection up to its own cursor.

    ``refused`` points were refused by the store, and are among the missing.
    """

    position: int
    rows: int
    missing: int
    surplus: int
    different: int
    refused: int
    first: str | None

    @property
    def is_equal(self) -> bool:
        """True where no row is missing, surplus or different."""
        return not (self.missing or self.surplus or self.different)

    def __str__(self) -> str:
        whole = f"{self.rows:,} rows up to position {self.position:,}"
        if self.is_equal:
            return f"equal: {whole}"
        return (
            f"not equal: {whole}; {self.missing:,} missing ({self.refused:,} points "
            f"were refused), {self.surplus:,} surplus, {self.different:,} different; "
            f"first {self.first}"
        )


def compare_with_ledger(config: Config) -> Comparison:
    """Compare the configured series with the configured ledger.

    Raises:
        ConfigError: a store cannot be opened.
        LedgerError: the ledger cannot be read now.
        SeriesError: the series does not answer now.
    """
    series = open_series(config.series.path, config.series.influx)
    return compare(open_ledger(config.ledger.url), series)


def compare(ledger: Ledger, series: Series) -> Comparison:
    """Compare a series with the projection of a ledger; nothing may be projecting.

    Raises:
        LedgerError: the ledger cannot be read now.
        SeriesError: the series does not answer now.
    """
    with tempfile.TemporaryDirectory() as folder:
        twin = SqliteSeries(Path(folder) / "twin.sqlite")
        try:
            position = series.position()
            projection = Projection(ledger, twin)
            while projection.step(until=position):
                pass
            tally = _Tally()
            for table, mine, theirs, key in _pairs(series, twin):
                tally.merge(table, mine, theirs, key)
        finally:
            twin.close()
    refused = sum(row.points for row in series.health().refused)
    return tally.result(position, refused)


_Key = Callable[[Row], Row]


def _pairs(
    series: Series, twin: Series
) -> Iterator[tuple[str, Iterator[Row], Iterator[Row], _Key]]:
    for table, order in STATE_TABLES.items():
        if table != "cursor":
            mine, theirs = series.state_rows(table), twin.state_rows(table)
            yield table, mine, theirs, _leading(order.count(",") + 1)
    points = (iter(series.stored_points()), iter(twin.stored_points()))
    yield "points", *points, _leading(_POINT_KEY)
    positions = (iter(series.stored_positions()), iter(twin.stored_positions()))
    yield "positions", *positions, _leading(_POSITION_KEY)


def _leading(width: int) -> _Key:
    return lambda row: row[:width]


@dataclass(slots=True)
class _Tally:
    rows: int = 0
    missing: int = 0
    surplus: int = 0
    different: int = 0
    first: str | None = None

    def merge(
        self, table: str, mine: Iterator[Row], theirs: Iterator[Row], key: _Key
    ) -> None:
        """Count along two sorted streams of rows."""
        here, wanted = next(mine, None), next(theirs, None)
        while here is not None or wanted is not None:
            if here is None or (wanted is not None and _before(key, wanted, here)):
                self._note("missing", table, wanted)
                wanted = next(theirs, None)
            elif wanted is None or _before(key, here, wanted):
                self._note("surplus", table, here)
                here = next(mine, None)
            else:
                self._note("rows" if here == wanted else "different", table, here)
                here, wanted = next(mine, None), next(theirs, None)

    def _note(self, what: str, table: str, row: Row | None) -> None:
        setattr(self, what, getattr(self, what) + 1)
        if what != "rows" and self.first is None:
            self.first = f"{what}: {table} {tuple(row or ())}"

    def result(self, position: int, refused: int) -> Comparison:
        counts = (self.rows, self.missing, self.surplus, self.different)
        return Comparison(position, *counts, refused, self.first)


def _before(key: _Key, one: Row, other: Row) -> bool:
    return bool(key(one) < key(other))
