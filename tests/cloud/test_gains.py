"""A container's gain: proposed by an assay, released by a person, used by a gateway."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.gains import gain_in_force, releases
from cloud.shipments import Shipments, read_entry
from gateway.command_desk import assigned
from gateway.orders import Orders, Refused, Taken
from schemas.commands import Assign, read_command
from schemas.contents import ReleasedGain
from schemas.custody import Correction, CorrectionReason
from schemas.envelope import open_envelope
from schemas.estimates import FUSED_METHOD
from schemas.facts import Assay, Certificate, FactBody, read_fact
from schemas.records import Report
from schemas.shipping import Decision, Subject
from tests import builders, journeys
from tests.builders import CONTAINER_DIGEST, GATEWAY, SECOND_NS, SHIPMENT, Author
from tests.gateway.station_rig import Rig
from tests.journeys import DISPATCHED_NS, HOUR_NS
from tests.web_world import OPERATOR, World

NEXT = "S-2026-1148"
YEAR_NS = 365 * 24 * HOUR_NS
ARRIVED_NS = DISPATCHED_NS + 18 * HOUR_NS
ASSAY = Assay(SHIPMENT, "V-1", 9.4, 0.28, 2.0, ARRIVED_NS, "CRC-55tR", "Lu-177", 9.1)


def decision(of_fact: bytes, **changes: object) -> Decision:
    body = Decision(
        SHIPMENT,
        Subject.CONTAINER_GAIN,
        of_fact,
        True,
        "mean of three assays",
        builders.consignment().container,
        1.06,
        0.02,
        1.0,
        ARRIVED_NS + YEAR_NS,
    )
    return msgspec.structs.replace(body, **changes)


def fact_of(sealed: bytes) -> bytes:
    return read_fact(open_envelope(sealed).payload).header.fact


def arrived(folder: Path, *, exercise: bool = False) -> tuple[World, bytes]:
    """A dose that was followed without a released gain, and its assay."""
    world = World(folder, exercise=exercise)
    world.travel(18.0)
    sealed = world.cast.state(world.cast.desk, ASSAY, ARRIVED_NS + SECOND_NS)
    world.tell([sealed])
    return world, fact_of(sealed)


def say(world: World, author: Author, body: FactBody, later_s: int) -> bytes:
    sealed = world.cast.state(author, body, ARRIVED_NS + later_s * SECOND_NS)
    world.tell([sealed])
    world.clock.now_ns = ARRIVED_NS + (later_s + 30) * SECOND_NS
    return fact_of(sealed)


def pack_next(world: World) -> None:
    """Order, certify and pack the next dose in the same container."""
    cast, at_ns = world.cast, world.clock.now_ns
    contents = msgspec.structs.replace(journeys.contents(), vial="V-2")
    for author, body in (
        (cast.desk, msgspec.structs.replace(builders.order(), shipment=NEXT)),
        (cast.producer, Certificate(NEXT, contents)),
        (cast.producer, msgspec.structs.replace(builders.consignment(), shipment=NEXT)),
    ):
        world.tell([cast.state(author, body, at_ns)])


def command(world: World, shipment: str = NEXT) -> bytes:
    """Tell the gateway to follow the dose; return what it is sent."""
    path = f"/api/shipments/{shipment}/assign"
    answer = world.call("POST", path, headers=OPERATOR)
    assert answer.status_code == 201, answer.text
    return world.ledger.commands()[-1].sealed


def carried(world: World) -> ReleasedGain | None:
    pack_next(world)
    body = read_command(open_envelope(command(world)).payload).body
    assert isinstance(body, Assign)
    return body.gain


def shown(world: World) -> dict[str, object]:
    gain = world.get(f"/api/shipments/{SHIPMENT}/dose")["assay"]["gain"]
    assert isinstance(gain, dict)
    return gain


def test_from_the_assay_to_the_gateway_s_second_line(tmp_path: Path) -> None:
    world, assay = arrived(tmp_path)
    proposed = shown(world)
    assert proposed["gain_ratio"] == pytest.approx(0.99, abs=0.01)
    assert (proposed["previous_gain_ratio"], proposed["in_force_ratio"]) == (1.0, None)
    released = say(world, world.cast.producer, decision(assay), 60)
    assert shown(world)["in_force_ratio"] == pytest.approx(1.06)
    assert shown(world)["not_used_because"] is None
    page = world.call("GET", f"/shipments/{SHIPMENT}").text
    assert "The next assignment of this container carries it: 1.060" in page
    assert "of the model's own, until 2027-09-24." in page
    look_at_the_trail(world)
    body = follow_the_next(world, tmp_path, released)
    assert body.gain is not None
    assert body.gain.standard == f"assay {assay.hex()}: CRC-55tR"
    second_line(world, body)


def look_at_the_trail(world: World) -> None:
    trail = world.get(f"/api/shipments/{SHIPMENT}/audit")
    (line,) = [one for one in trail if one["what"] == "decision"]
    changed = {one["name"]: one["after"] for one in line["changes"]}
    assert line["author"] == "producer"
    assert line["why"] == "mean of three assays"
    assert changed["decision.gain_ratio"] == "1.06"
    assert changed["decision.previous_gain_ratio"] == "1.0"
    assert "decision.due_at" in changed


def follow_the_next(world: World, folder: Path, released: bytes) -> Assign:
    """The next dose in this container: signed command, gateway, record, cloud."""
    pack_next(world)
    orders = Orders(folder, GATEWAY, world.cast.registry, CONTAINER_DIGEST)
    taken = orders.take(command(world), world.clock.now_ns)
    assert isinstance(taken, Taken), taken
    body = taken.command.body
    assert isinstance(body, Assign)
    assert body.gain is not None
    assert body.gain.of_fact == released
    assert (body.gain.released_by, body.gain.nuclide) == ("producer", "Lu-177")
    # Kept over a restart, and stated in the record that the cloud folds.
    orders.keep(taken)
    again = Orders(folder, GATEWAY, world.cast.registry, CONTAINER_DIGEST)
    assert again.assignment() == body
    answer = assigned(body, taken.command.header.counter)
    boot_ns = world.clock.now_ns - DISPATCHED_NS
    world.tell([world.cast.record(answer, boot_ns)])
    (line,) = [
        one
        for one in world.get(f"/api/shipments/{NEXT}/audit")
        if one["what"] == "record: assigned"
    ]
    assert any(
        one["after"].endswith("gain 1.06 released by producer")
        for one in line["changes"]
    )
    return body


def second_line(world: World, body: Assign) -> None:
    rig = Rig()
    rig.time.take_receipt(world.clock.now_ns, 0)
    rig.station.follow(body, is_loaded=True)
    for number in range(12):
        rig.minute(number, 9.5 * 1.06)
    estimates = rig.bodies(Report)[-1].estimates
    assert [one.method for one in estimates][1:] == [FUSED_METHOD]


def test_without_a_release_no_assignment_carries_a_gain(tmp_path: Path) -> None:
    world, assay = arrived(tmp_path)
    say(world, world.cast.producer, decision(assay, released=False), 60)
    assert shown(world)["is_released"] is False
    assert carried(world) is None


def test_a_correction_takes_it_back(tmp_path: Path) -> None:
    world, assay = arrived(tmp_path)
    fact = say(world, world.cast.producer, decision(assay), 60)
    wrong = Correction(SHIPMENT, fact, CorrectionReason.INCORRECT_DATA, "wrong meter")
    say(world, world.cast.producer, wrong, 120)
    assert carried(world) is None


def test_a_later_decision_not_to_release_takes_it_back(tmp_path: Path) -> None:
    world, assay = arrived(tmp_path)
    say(world, world.cast.producer, decision(assay), 60)
    say(world, world.cast.producer, decision(assay, released=False), 120)
    assert (shown(world)["is_released"], shown(world)["in_force_ratio"]) == (
        False,
        None,
    )
    assert "Not released, producer" in world.call("GET", f"/shipments/{SHIPMENT}").text
    assert carried(world) is None


class Told:
    """A dose that was followed with a gain, or none, and its assay: facts only."""

    def __init__(
        self, gain: ReleasedGain | None = None, *, exercise: bool = False
    ) -> None:
        self.cast = journeys.Cast(exercise=exercise)
        self.fold = Shipments()
        for sealed in journeys.papers(self.cast):
            self._take("fact", sealed)
        body = msgspec.structs.replace(builders.assigned(), gain=gain)
        self._take("record", self.cast.record(body, SECOND_NS))
        self.assay = self.say(self.cast.desk, ASSAY, 0)

    def say(self, author: Author, body: FactBody, later_s: int = 60) -> bytes:
        at_ns = ARRIVED_NS + later_s * SECOND_NS
        sealed = self.cast.state(author, body, at_ns)
        self._take("fact", sealed)
        return fact_of(sealed)

    def release(self, later_s: int = 60, **changes: Any) -> None:  # noqa: ANN401 - fields
        body = msgspec.structs.replace(decision(self.assay), **changes)
        self.say(self.cast.producer, body, later_s)

    def _take(self, kind: str, sealed: bytes) -> None:
        statement = read_entry(kind, sealed)
        assert statement is not None
        self.fold.take(statement)

    def ratio(self, nuclide: str = "Lu-177", later_ns: int = HOUR_NS) -> float | None:
        at_ns, packed = ARRIVED_NS + later_ns, builders.consignment()
        found = gain_in_force(self.fold.all(), packed, nuclide, at_ns)
        return None if found is None else found.gain_ratio

    def why_not(self) -> str | None:
        (found,) = releases(self.fold.all()[0])
        assert (found.gain is None) == (found.why_not is not None)
        return found.why_not


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"container": "CT-2"}, "for container CT-2"),
        ({"previous_gain_ratio": 1.1}, "previous_gain_ratio is 1.1"),
        ({"previous_gain_ratio": None}, "previous_gain_ratio is None"),
        ({"due_at_ns": None}, "due_at is missing"),
        ({"due_at_ns": ARRIVED_NS}, "not after released_at_ns"),
        ({"gain_ratio": 40.0}, "not within 0.2 and 5"),
        ({"of_fact": bytes(16)}, "not one of this shipment"),
    ],
)
def test_a_release_that_nothing_acts_on_says_why(
    changes: dict[str, Any], words: str
) -> None:
    told = Told()
    told.release(**changes)
    assert words in str(told.why_not())
    assert told.ratio() is None


def test_without_a_gateway_no_counts_stand_behind_it() -> None:
    cast, fold = journeys.Cast(exercise=False), Shipments()
    sealed = [*journeys.papers(cast), cast.state(cast.desk, ASSAY, ARRIVED_NS)]
    body = decision(fact_of(sealed[-1]))
    sealed.append(cast.state(cast.producer, body, ARRIVED_NS + SECOND_NS))
    for item in sealed:
        fold.take(read_fact(open_envelope(item).payload))
    (found,) = releases(fold.all()[0])
    assert "no counts stand behind it" in str(found.why_not)


def test_whoever_measured_does_not_release(tmp_path: Path) -> None:
    world, assay = arrived(tmp_path)
    say(world, world.cast.desk, decision(assay), 60)
    assert "a second person decides" in str(shown(world)["not_used_because"])
    assert "Nothing uses it" in world.call("GET", f"/shipments/{SHIPMENT}").text
    assert carried(world) is None


def test_an_exercise_s_gain_is_for_exercises() -> None:
    told = Told(exercise=True)
    told.release()
    known, packed = told.fold.all(), builders.consignment()
    at_ns = ARRIVED_NS + HOUR_NS
    assert told.ratio() is None
    assert gain_in_force(known, packed, "Lu-177", at_ns, exercise=True) is not None


def test_the_newest_release_holds_until_it_is_due_and_for_its_own() -> None:
    told = Told()
    told.release(120, gain_ratio=1.02)
    told.release(60)
    assert told.ratio() == pytest.approx(1.02)
    assert told.ratio(later_ns=90 * SECOND_NS) == pytest.approx(1.06)
    assert told.ratio(later_ns=30 * SECOND_NS) is None
    assert told.ratio(later_ns=YEAR_NS) is None
    assert told.ratio(nuclide="I-131") is None
    other = msgspec.structs.replace(builders.consignment(), container_digest=bytes(32))
    at_ns = ARRIVED_NS + HOUR_NS
    assert gain_in_force(told.fold.all(), other, "Lu-177", at_ns) is None


def test_a_refusal_takes_back_what_was_released_before_it_only() -> None:
    told = Told()
    told.release(60)
    told.release(120, released=False)
    assert told.ratio(later_ns=90 * SECOND_NS) == pytest.approx(1.06)
    assert told.ratio() is None
    told.release(180, gain_ratio=1.02)
    assert told.ratio() == pytest.approx(1.02)
    # What nothing acts on takes nothing back either.
    told.release(240, container="CT-2")
    assert told.ratio() == pytest.approx(1.02)


def test_a_gain_on_top_of_a_released_one_is_to_the_model_s_own() -> None:
    told = Told(
        ReleasedGain(
            bytes(16), "Lu-177", 1.2, 0.02, "assay", "qa", DISPATCHED_NS, ARRIVED_NS
        )
    )
    told.release(gain_ratio=0.9, previous_gain_ratio=1.2)
    (found,) = releases(told.fold.all()[0])
    assert found.gain is not None
    assert found.gain.gain_ratio == pytest.approx(1.08)
    assert found.gain.gain_ratio_u == pytest.approx(0.024)


def test_the_gateway_refuses_a_gain_for_another_nuclide(tmp_path: Path) -> None:
    told = Told()
    told.release()
    (found,) = releases(told.fold.all()[0])
    assert found.gain is not None
    wrong = msgspec.structs.replace(found.gain, nuclide="I-131")
    body = Assign(
        NEXT, (journeys.contents(),), builders.limits(), CONTAINER_DIGEST, gain=wrong
    )
    cloud, now_ns = builders.Cloud(), ARRIVED_NS + HOUR_NS
    orders = Orders(tmp_path, GATEWAY, builders.registry(cloud), CONTAINER_DIGEST)
    sealed = cloud.command(body, 7, expires_ns=now_ns + HOUR_NS)
    refused = orders.take(sealed, now_ns)
    assert isinstance(refused, Refused)
    assert "gain released for I-131" in refused.reason
