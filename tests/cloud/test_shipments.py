"""Shipments: what was said, whatever the order in which it came."""

import random

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cloud.shipments import Phase, Shipment, Shipments, read_entry
from cloud.spans import Runs
from schemas import facts
from schemas.records import Body, Record
from tests import builders, journeys
from tests.builders import SHIPMENT, START_NS, Author, GatewayChain
from tests.journeys import Cast

Statement = Record | facts.Fact


def fold(statements: list[Statement]) -> Shipments:
    shipments = Shipments()
    for statement in statements:
        shipments.take(statement)
    return shipments


def the(statements: list[Statement]) -> Shipment:
    found = fold(statements).find(SHIPMENT)
    assert found is not None
    return found


def read(sealed: list[bytes], kind: str) -> list[Statement]:
    found = [read_entry(kind, item) for item in sealed]
    assert all(found)
    return [item for item in found if item is not None]


@pytest.fixture(scope="module")
def journey() -> list[Statement]:
    cast = Cast(exercise=False)
    told = [*journeys.papers(cast), *journeys.handovers(cast)]
    return read(told, "fact") + read(journeys.telemetry(cast, 1.0), "record")


def test_a_journey_builds_a_shipment(journey: list[Statement]) -> None:
    found = the(journey)
    assert found.order is not None
    assert found.order.order == "PO-77"
    assert found.contents == journeys.contents()
    assert found.gateway == builders.GATEWAY
    assert found.phase is Phase.IN_TRANSIT
    assert found.custody.holder == "airline"
    assert found.eta_ns == journeys.DISPATCHED_NS + round(18.2 * journeys.HOUR_NS)
    assert [a.from_sequence for a in found.assignments] == [1]
    assert not found.exercise


def test_neither_order_nor_repetition_matters(journey: list[Statement]) -> None:
    shuffled = [*journey, *journey[:9]]
    random.Random(7).shuffle(shuffled)
    assert the(shuffled) == the(journey)


def test_a_reschedule_is_a_new_version_of_the_plan() -> None:
    desk = Author("order-desk")
    later_ns = START_NS + 30 * 3600 * 10**9
    told = [
        desk.state(builders.order()),
        desk.state(facts.Reschedule(SHIPMENT, later_ns, 60, "scanner down")),
    ]
    found = the(read(told[::-1], "fact"))
    assert [plan.version for plan in found.plans] == [1, 2]
    assert found.plan is not None
    assert (found.plan.planned_at_ns, found.plan.remark) == (later_ns, "scanner down")


def test_phases_follow_what_is_stated() -> None:
    author = Author("anybody")
    outcomes: list[facts.FactBody] = [
        builders.order(),
        builders.consignment(),
        builders.handover(facts.HandoverRole.GIVER),
        builders.handover(facts.HandoverRole.RECEIVER),
        msgspec.structs.replace(
            builders.handover(facts.HandoverRole.GIVER),
            handover=bytes(15) + b"2",
            giver="courier-1",
            receiver="reception",
            place=builders.CENTRE,
        ),
        msgspec.structs.replace(
            builders.handover(facts.HandoverRole.RECEIVER),
            handover=bytes(15) + b"2",
            giver="courier-1",
            receiver="reception",
            place=builders.CENTRE,
        ),
        facts.Acceptance(SHIPMENT, facts.Outcome.REFUSED, ()),
    ]
    told = read([author.state(body) for body in outcomes], "fact")
    phases = [the(told[: n + 1]).phase for n in range(len(told))]
    assert phases == [
        Phase.ORDERED,
        Phase.PACKED,
        Phase.PACKED,
        Phase.IN_TRANSIT,
        Phase.IN_TRANSIT,
        Phase.ARRIVED,
        Phase.REFUSED,
    ]


def test_records_belong_from_assigned_to_released() -> None:
    chain = GatewayChain()
    chain.extend(
        builders.birth(), builders.assigned(), builders.report(0), builders.released()
    )
    (span,) = the(read(chain.sealed, "record")).assignments
    assert (span.from_sequence, span.to_sequence) == (1, 3)
    covered = [span.covers(chain.epoch, n) for n in range(5)]
    assert covered == [False, True, True, True, False]
    assert not span.covers(bytes(8), 2)


def test_one_exercise_record_marks_the_shipment_for_good() -> None:
    marked = []
    for at in range(6):
        chain = GatewayChain()
        bodies: list[Body] = [builders.birth(), builders.assigned()]
        bodies += [builders.report(0), builders.report(1)]
        bodies += [builders.released(), builders.report(2)]
        for index, body in enumerate(bodies):
            chain.append(body, exercise=index == at)
        statements = read(chain.sealed, "record")
        marked.append(the(statements[::-1]).exercise)
        assert the(statements).exercise is marked[-1]
    assert marked == [False, True, True, True, True, False]


def test_one_exercise_fact_marks_the_shipment_for_good() -> None:
    author = Author("anybody")
    told = [
        author.state(builders.order(), exercise=True),
        author.state(builders.certificate()),
    ]
    assert the(read(told, "fact")).exercise


@given(
    st.lists(st.integers(0, 30)),
    st.integers(0, 32),
    st.integers(0, 32) | st.none(),
)
@settings(max_examples=100, deadline=None)
def test_runs_are_a_set_of_numbers(
    numbers: list[int], first: int, last: int | None
) -> None:
    assume(last is None or first <= last)
    runs = Runs()
    for number in numbers:
        runs.add(number)
    expected = any(first <= n <= (99 if last is None else last) for n in numbers)
    assert runs.meets(first, last) is expected
