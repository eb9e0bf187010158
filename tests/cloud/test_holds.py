"""Confirmation, a held certificate and the steps of a dispatch, as folds of facts."""

import itertools
import random

import msgspec
import pytest

from cloud.holds import Answer, Confirming, Hold, certificate_hold, confirming
from cloud.packing import StepName, dispatch_steps
from cloud.shipments import Shipment, Shipments, read_entry
from schemas.facts import (
    Certificate,
    Confirmation,
    Consignment,
    Decision,
    FactBody,
    HandoverRole,
    Order,
    Reschedule,
    Survey,
)
from schemas.records import Fingerprint, FingerprintStep, Record
from schemas.shipping import Occasion, Subject
from tests import builders
from tests.builders import SECOND_NS, SHIPMENT, START_NS, Author, GatewayChain

HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS


def fold(sealed: list[bytes], records: list[bytes] | None = None) -> Shipment:
    shipments = Shipments()
    entries = [("fact", one) for one in sealed]
    for kind, one in entries + [("record", one) for one in records or []]:
        statement = read_entry(kind, one)
        assert statement is not None
        shipments.take(statement)
    found = shipments.find(SHIPMENT)
    assert found is not None
    return found


def order(**changes: object) -> Order:
    return msgspec.structs.replace(builders.order(), **changes)


def stated(*bodies: FactBody) -> Shipment:
    desk = Author("desk")
    return fold([desk.state(body) for body in bodies])


def answer(shipment: Shipment, hours: float) -> Confirming:
    found = confirming(shipment, START_NS + round(hours * HOUR_NS))
    assert found is not None
    return found


def test_a_confirmation_is_due_a_day_after_the_order() -> None:
    shipment = stated(order())
    assert answer(shipment, 23.9).answer is Answer.DUE
    assert answer(shipment, 23.9).due_ns == START_NS + DAY_NS
    assert answer(shipment, 24.1).answer is Answer.OVERDUE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"needs_approval": True}, Answer.NEEDS_APPROVAL),
        ({"planned_at_ns": START_NS + 14 * DAY_NS + 1}, Answer.FAR_AHEAD),
        ({"planned_at_ns": START_NS + 14 * DAY_NS}, Answer.OVERDUE),
    ],
)
def test_the_two_exceptions_have_no_deadline(
    changes: dict[str, object], expected: Answer
) -> None:
    assert answer(stated(order(**changes)), 48).answer is expected


@pytest.mark.parametrize(
    ("confirmed", "expected"), [(True, Answer.CONFIRMED), (False, Answer.DECLINED)]
)
def test_the_answer_names_who_gave_it(*, confirmed: bool, expected: Answer) -> None:
    shipment = stated(order(), Confirmation(SHIPMENT, confirmed, "batch 48"))
    found = answer(shipment, 48)
    assert (found.answer, found.by, found.remark) == (expected, "desk", "batch 48")
    assert confirming(stated(builders.certificate()), START_NS) is None


def certified(activity_gbq: float) -> Certificate:
    return Certificate(SHIPMENT, builders.contents(activity_gbq=activity_gbq))


def hold_of(*sealed: bytes) -> Hold | None:
    return certificate_hold(fold(list(sealed)))


def test_a_certificate_that_gives_enough_is_not_held() -> None:
    desk, producer = Author("desk"), Author("producer")
    ordered = desk.state(order())
    # 7.4 GBq less 10 %, a day earlier: 6.66 / 0.90097.
    assert hold_of(ordered, producer.state(certified(7.40))) is None
    found = hold_of(ordered, producer.state(certified(7.39)))
    assert found is not None
    assert found.is_open
    assert found.then_gbq == pytest.approx(6.658, abs=1e-3)
    assert found.least_gbq == pytest.approx(6.66)


def test_somebody_else_than_its_author_releases_a_held_certificate() -> None:
    desk, producer, physicist = Author("desk"), Author("producer"), Author("physicist")
    told = [desk.state(order()), producer.state(certified(6.0))]
    fact = fold(told).newest(Certificate)
    assert fact is not None
    release = Decision(
        SHIPMENT, Subject.CERTIFICATE, fact.header.fact, True, "a reduced dose"
    )
    own = hold_of(*told, producer.state(release))
    assert own is not None
    assert own.is_open
    told.append(physicist.state(release, utc_ns=START_NS + HOUR_NS))
    other = hold_of(*told)
    assert other is not None
    assert not other.is_open
    assert other.decided_by == "physicist"
    back = msgspec.structs.replace(release, released=False)
    again = hold_of(*told, physicist.state(back, utc_ns=START_NS + 2 * HOUR_NS))
    assert again is not None
    assert again.is_open


def test_a_new_plan_is_judged_anew() -> None:
    desk, producer = Author("desk"), Author("producer")
    told = [desk.state(order()), producer.state(certified(8.0))]
    assert hold_of(*told) is None
    later = Reschedule(SHIPMENT, START_NS + 3 * DAY_NS, 60)
    assert hold_of(*told, desk.state(later)) is not None


def survey(at_ns: int) -> Survey:
    return Survey(SHIPMENT, Occasion.DISPATCH, "7.0", "0.51", "ssr6-2018", "AD6", at_ns)


def fingerprint(step: FingerprintStep) -> Fingerprint:
    return Fingerprint(step, 1, 0, 60 * SECOND_NS, ())


def dispatched(chain: GatewayChain, survey_ns: int) -> tuple[list[bytes], list[bytes]]:
    producer = Author("producer")
    facts = [
        producer.state(builders.consignment()),
        producer.state(survey(survey_ns)),
        producer.state(
            builders.handover(HandoverRole.GIVER), utc_ns=START_NS + HOUR_NS
        ),
    ]
    bodies = (
        builders.birth(),
        builders.assigned(),
        fingerprint(FingerprintStep.BACKGROUND),
        fingerprint(FingerprintStep.LOADED),
    )
    return facts, chain.extend(*bodies)


def test_the_steps_are_answered_in_their_order() -> None:
    told, records = dispatched(GatewayChain(), START_NS + 90 * SECOND_NS)
    steps = dispatch_steps(fold(told, records))
    assert [step.name for step in steps] == list(StepName)
    assert all(step.is_answered for step in steps)
    assert all(step.flags == () for step in steps)
    assert "transport index 0.1, II-YELLOW" in steps[1].word


def test_what_came_before_its_turn_is_flagged_and_kept() -> None:
    told, records = dispatched(GatewayChain(), START_NS + 5 * HOUR_NS)
    steps = dispatch_steps(fold(told, records))
    assert steps[2].flags == ("answered before the survey",)
    assert steps[3].flags == ("answered before the survey",)
    assert all(step.is_answered for step in steps)


def test_nothing_is_answered_by_itself() -> None:
    steps = dispatch_steps(stated(builders.consignment()))
    assert not any(step.is_answered for step in steps)
    assert "the gateway has not answered" in steps[0].word
    assert "not read at a handover yet" in steps[3].word
    assert not any(s.is_answered for s in dispatch_steps(stated(order())))


def test_another_seal_than_packed_is_flagged() -> None:
    packed = msgspec.structs.replace(builders.consignment(), seal="SEAL-1")
    steps = dispatch_steps(stated(packed, builders.handover(HandoverRole.GIVER)))
    assert "packed was SEAL-1, read was SEAL-9" in steps[3].flags


def test_fingerprints_before_the_assignment_are_not_the_shipment_s() -> None:
    chain = GatewayChain()
    records = chain.extend(
        builders.birth(), fingerprint(FingerprintStep.LOADED), builders.assigned()
    )
    assert fold([], records).fingerprints == ()


def test_any_order_of_arrival_gives_the_same_shipment() -> None:
    told, records = dispatched(GatewayChain(), START_NS + 90 * SECOND_NS)
    desk = Author("desk")
    told += [desk.state(order()), desk.state(Confirmation(SHIPMENT, confirmed=True))]
    told.append(Author("producer-2").state(certified(6.0)))
    entries: list[tuple[str, bytes]] = [("fact", one) for one in told]
    entries += [("record", one) for one in records]
    randomly = random.Random(11)
    wanted = None
    for _turn in range(30):
        shipments = Shipments()
        randomly.shuffle(entries)
        for kind, one in itertools.chain(entries, entries[:3]):
            statement = read_entry(kind, one)
            assert statement is not None
            shipments.take(statement)
        found = shipments.find(SHIPMENT)
        assert found is not None
        state = (
            found,
            dispatch_steps(found),
            certificate_hold(found),
            confirming(found, START_NS + DAY_NS),
        )
        wanted = wanted or state
        assert state == wanted
    assert isinstance(read_entry("record", records[0]), Record)
    assert wanted is not None
    assert isinstance(wanted[0].consignment, Consignment)
