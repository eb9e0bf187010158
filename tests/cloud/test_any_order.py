"""The same statements in any order of arrival: the same custody, alarms, estimate.

And: the series forgotten and projected again is the same, byte for byte.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.adapters.ledger import open_ledger
from cloud.adapters.series import SqliteSeries
from cloud.adapters.series_state import STATE_TABLES
from cloud.ports import LedgerEntry
from cloud.projection import project_all
from cloud.verification import VerifiedFact, VerifiedRecord, verify_fact, verify_record
from cloud.web.desk import Desk
from tests.builders import SHIPMENT
from tests.service import populated
from tests.web_world import StoppedClock, World

BASE = f"/api/shipments/{SHIPMENT}"
ASKED = ("custody", "events", "arrival")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = populated(tmp_path_factory.mktemp("told"))
    yield world
    world.ledger.close()
    world.series.close()


def answers(world: World) -> dict[str, str]:
    """Return what is answered, as text: equal texts are equal answers."""
    return {what: json.dumps(world.get(f"{BASE}/{what}")) for what in ASKED}


def retold(world: World, entries: list[LedgerEntry]) -> World:
    """Return a world in memory that got the same entries in another order."""
    other = World.__new__(World)
    other.cast, other.clock = world.cast, StoppedClock(world.clock.now_ns)
    other.clock.exercise = world.clock.exercise
    other.ledger, other.series = open_ledger("sqlite://"), SqliteSeries(":memory:")
    other.shows_positions, other.queue = True, None
    other.desk = Desk(other.ledger, other.series, other.clock)
    for entry in entries:
        found = verify_record(entry.sealed, world.cast.registry)
        if isinstance(found, VerifiedRecord):
            other.ledger.append_records([found], entry.received_at_ns)
            continue
        fact = verify_fact(entry.sealed, world.cast.registry)
        assert isinstance(fact, VerifiedFact)
        other.ledger.append_fact(fact, entry.received_at_ns)
    project_all(other.ledger, other.series)
    return other


@given(st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_any_order_of_arrival_gives_the_same_answers(
    told: World, random: object
) -> None:
    entries = told.ledger.entries_after(0, 10_000)
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' Random
    other = retold(told, [*shuffled, *shuffled[:5]])
    try:
        assert answers(other) == answers(told)
    finally:
        other.ledger.close()
        other.series.close()


def dump(series: SqliteSeries) -> bytes:
    """Return every row of a series, in the order of its keys."""
    rows = [
        (table, *row)
        for table in STATE_TABLES
        if table != "cursor"
        for row in series.state_rows(table)
    ]
    rows += [("points", *row) for row in series.stored_points()]
    rows += [("positions", *row) for row in series.stored_positions()]
    return repr(rows).encode()


def test_a_forgotten_series_is_rebuilt_byte_for_byte(
    told: World, tmp_path: Path
) -> None:
    before, said = dump(told.series), answers(told)
    assert len(before) > 10_000
    anew = SqliteSeries(tmp_path / "anew.sqlite")
    project_all(told.ledger, anew)
    assert dump(anew) == before
    told.desk.series = anew
    try:
        assert answers(told) == said
        assert dump(told.series) == before
    finally:
        told.desk.series = told.series
        anew.close()
