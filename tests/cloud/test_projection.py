"""Projection: a pure function of the ledger, however it is cut into batches."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.adapters.ledger import SqlLedger, open_ledger
from cloud.adapters.series import SqliteSeries
from cloud.projection import Projection, project_all
from schemas.records import ClockChange, TimeSource
from tests import builders, journeys
from tests.builders import BOOT_ID, GATEWAY, SECOND_NS, START_NS
from tests.journeys import Cast

TEMPERATURE = (GATEWAY, "board-t1", "temperature_c")
EVER = (0, 2**62)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    found = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield found
    found.close()


@pytest.fixture
def series() -> SqliteSeries:
    return SqliteSeries(":memory:")


def undated(cast: Cast) -> None:
    """A boot without a clock: three reports and an event, then a clock appears."""
    chain = cast.chain
    none = {"utc_ns": None, "time_u_ns": None, "time_source": TimeSource.NONE}
    chain.append(builders.birth(), **none)
    for minute in range(3):
        chain.append(builders.report(minute, 5.0 + minute), **none)
    chain.append(builders.event(), **none)
    change = ClockChange(TimeSource.NONE, TimeSource.GPS, START_NS, SECOND_NS)
    chain.append(change)
    chain.append(builders.report(6, 9.0), **none)


def test_incremental_equals_rebuilt(ledger: SqlLedger, series: SqliteSeries) -> None:
    cast = Cast()
    told = journeys.telemetry(cast, 3.0)
    random.Random(3).shuffle(told)
    projection = Projection(ledger, series)
    journeys.take(ledger, cast, journeys.papers(cast))
    for at in range(0, len(told), 7):
        journeys.take(ledger, cast, told[at : at + 7])
        while projection.step(limit=3):
            pass
    rebuilt = SqliteSeries(":memory:")
    assert project_all(ledger, rebuilt) == ledger.head()
    assert series.dump() == rebuilt.dump()
    assert len(series.dump()["points"]) > 100
    assert len(series.dump()["records"]) == len(told)


def test_records_without_utc_are_projected_once_dated(
    ledger: SqlLedger, series: SqliteSeries
) -> None:
    cast = Cast(exercise=False)
    undated(cast)
    projection = Projection(ledger, series)
    journeys.take(ledger, cast, cast.chain.sealed[:5])
    projection.step()
    assert series.series(TEMPERATURE, EVER, 100) == []
    assert len(series.undated(GATEWAY, BOOT_ID)) == 5
    (event,) = series.events(GATEWAY)
    assert event.at_ns is None
    journeys.take(ledger, cast, cast.chain.sealed[5:])
    projection.step()
    assert [p.value for p in series.series(TEMPERATURE, EVER, 100)] == [5, 6, 7, 9]
    assert series.undated(GATEWAY, BOOT_ID) == []
    (event,) = series.events(GATEWAY)
    assert event.at_ns == START_NS + 30 * SECOND_NS


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_dating_is_the_same_in_any_batches(ledger: SqlLedger, limit: int) -> None:
    cast = Cast()
    undated(cast)
    told = cast.chain.sealed[:]
    random.Random(limit).shuffle(told)
    journeys.take(ledger, cast, told)
    by_steps, at_once = SqliteSeries(":memory:"), SqliteSeries(":memory:")
    projection = Projection(ledger, by_steps)
    while projection.step(limit):
        pass
    project_all(ledger, at_once)
    assert by_steps.dump() == at_once.dump()


def test_two_records_of_one_millisecond_are_two_points(
    ledger: SqlLedger, series: SqliteSeries
) -> None:
    cast = Cast()
    for minute in range(3):
        cast.chain.append(builders.report(minute), utc_ns=START_NS + 7)
    journeys.take(ledger, cast, cast.chain.sealed)
    project_all(ledger, series)
    points = series.series(TEMPERATURE, EVER, 100)
    assert [p.at_ns for p in points] == [START_NS, START_NS + 1, START_NS + 2]


def test_a_restart_goes_on_where_it_was(
    ledger: SqlLedger, series: SqliteSeries
) -> None:
    cast = Cast()
    journeys.take(ledger, cast, journeys.telemetry(cast, 1.0))
    Projection(ledger, series).step(limit=5)
    again = Projection(ledger, series)
    assert again.position == 5
    while again.step():
        pass
    rebuilt = SqliteSeries(":memory:")
    project_all(ledger, rebuilt)
    assert series.dump() == rebuilt.dump()


def test_answers_to_commands_are_found(ledger: SqlLedger, series: SqliteSeries) -> None:
    cast = Cast()
    journeys.take(ledger, cast, journeys.telemetry(cast, 0.2))
    project_all(ledger, series)
    found = series.answer(GATEWAY, 1)
    assert found is not None
    assert (found.kind, found.sequence) == ("assigned", 1)
    assert series.answer(GATEWAY, 3) is None


def test_the_expected_rate_is_a_line_beside_the_seen_one(
    ledger: SqlLedger, series: SqliteSeries
) -> None:
    cast = Cast()
    journeys.take(ledger, cast, journeys.telemetry(cast, 1.0))
    project_all(ledger, series)
    vial = (GATEWAY, "vial/V-1")
    seen = series.series((*vial, "count_rate_per_s"), EVER, 100)
    expected = series.series((*vial, "expected_count_rate_per_s"), EVER, 100)
    assert len(seen) == len(expected) == 6
    assert seen[0].value == pytest.approx(expected[0].value, rel=0.005)
