"""A dose's papers on the pages and in JSON, from the real ledger and series."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.demo import papers
from cloud.demo.papers import FOLDER
from cloud.papers import read_paper
from schemas import facts
from schemas.centre import ContainerReturn, Disposal
from schemas.shipping import Decision, Subject
from tests import builders, journeys
from tests.builders import SECOND_NS, SHIPMENT, START_NS
from tests.journeys import APPOINTMENT_NS, CENTRE, DISPATCHED_NS, HOUR_NS
from tests.web_world import World

BASE = f"/api/shipments/{SHIPMENT}/dose"
PAGE = f"/shipments/{SHIPMENT}"


def paper(name: str, **changes: object) -> facts.FactBody:
    path = FOLDER / f"{name}.toml"
    body: Any = read_paper(path.read_bytes(), str(path))
    known = {key: changes[key] for key in changes if hasattr(body, key)}
    if hasattr(body, "shipment"):
        known["shipment"] = SHIPMENT
    found: facts.FactBody = msgspec.structs.replace(body, **known)
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A real dose, arrived and accepted, with everything that people state."""
    world = World(tmp_path_factory.mktemp("dose"), exercise=False)
    world.travel(18.5)
    cast, at_ns = world.cast, DISPATCHED_NS + round(18.5 * HOUR_NS)

    def say(author: builders.Author, body: facts.FactBody, later_s: float = 0) -> None:
        then_ns = at_ns + round(later_s * SECOND_NS)
        world.tell([cast.state(author, body, then_ns)])

    say(cast.desk, paper("centre-profile", centre=CENTRE))
    say(cast.producer, paper("confirmation"), 1)
    say(cast.producer, paper("survey", measured_at_ns=DISPATCHED_NS), 2)
    for number, role in enumerate(facts.HandoverRole):
        handed = msgspec.structs.replace(
            builders.handover(role),
            handover=b"the-last-handing"[:16],
            giver="airline",
            receiver=CENTRE,
            place=CENTRE,
        )
        say(cast.desk, handed, 3 + number)
    measured = {"activity_gbq": 9.4, "activity_expanded_u_gbq": 0.28}
    assay = paper("assay", vial="V-1", measured_at_ns=at_ns, **measured)
    say(cast.desk, assay, 600)
    accepted = papers.acceptance_at(at_ns + 700 * SECOND_NS)
    assert accepted.identity is not None
    identity = msgspec.structs.replace(
        accepted.identity, vial="V-1", calibrated_on_vial_ns=START_NS
    )
    say(
        cast.desk,
        msgspec.structs.replace(accepted, shipment=SHIPMENT, identity=identity),
        700,
    )
    world.clock.now_ns = at_ns + 800 * SECOND_NS
    return world


def test_json_says_what_the_papers_come_to(world: World) -> None:
    found = world.get(BASE)
    assert found["advisory"] == "advisory: not a dosage determination"
    assert found["confirming"]["answer"] == "confirmed"
    assert found["hold"] is None
    assert [step["name"] for step in found["dispatch"]] == [
        "association",
        "survey",
        "fingerprint",
        "seal",
    ]
    assert found["survey"]["transport_index"] == "0"
    assert found["survey"]["category"] == "I-WHITE"
    assert found["survey"]["limits_verified"] is True
    received = found["received"]
    assert received["outcome"] == "accepted"
    assert received["is_late"] is False
    assert received["wipes"][0]["bq_cm2"] == "0.0104"
    assert received["wipes"][0]["limit_verified"] is False
    assert received["remarks"] == []
    assert found["assay"]["off_ratio"] == pytest.approx(0.013, abs=0.001)
    assert found["assay"]["gain"]["gain_ratio"] == pytest.approx(0.99, abs=0.01)
    assert found["assay"]["gain"]["is_released"] is None
    assert found["remains"]["is_stated"] is False
    assert found["possible"] is None  # the centre has decided


def test_the_assay_replaces_the_volume_of_the_certificate(world: World) -> None:
    volume = world.get(f"/api/shipments/{SHIPMENT}/arrival")["volume"]
    assert volume["basis"] == "the centre's assay and decay"
    assert volume["withheld"] == []
    assert volume["volume_ml"] > 0
    assert volume["surplus_gbq"] > 0


def test_the_page_shows_them_in_the_centre_s_zone(world: World) -> None:
    page = world.call("GET", PAGE).text
    for words in (
        "in the centre's zone, Europe/Berlin",
        "transport index 0, I-WHITE",
        "(unverified)",
        "vial read by two people: V-1",
        "Activity cannot tell two vials of one plan apart",
        "A person releases it, or nobody: until then nothing uses it.",
        "Sum of fractions, impurities of the certificate included",
        "the centre&#39;s assay and decay",
    ):
        assert words in page, words


def test_the_centre_s_page_has_its_doses_and_nobody_else_s(world: World) -> None:
    page = world.call("GET", f"/centres/{CENTRE}").text
    assert "Europe/Berlin; 30 min of survey and 1 h of preparation" in page
    assert f'href="/shipments/{SHIPMENT}"' in page
    assert "by the centre" in page
    nobody = world.call("GET", "/centres/nowhere")
    assert nobody.status_code == 404
    assert "No dose has been ordered" in nobody.text
    assert SHIPMENT not in nobody.text


def test_a_person_releases_a_gain_and_what_is_left_is_dated(world: World) -> None:
    fact = bytes.fromhex(world.get(BASE)["assay"]["fact"])
    release = Decision(
        SHIPMENT, Subject.CONTAINER_GAIN, fact, True, "three assays", "CT-1", 0.95, 0.02
    )
    cast, at_ns = world.cast, world.clock.now_ns
    told = (release, paper("disposal", vial="V-1"), paper("container-return"))
    assert isinstance(told[1], Disposal)
    assert isinstance(told[2], ContainerReturn)
    world.tell(
        [cast.state(cast.producer, body, at_ns + n) for n, body in enumerate(told)]
    )
    found = world.get(BASE)
    assert found["assay"]["gain"]["released_by"] == "producer"
    assert found["remains"]["disposal"] == "stored"
    assert found["remains"]["exempt_by_concentration_at"] is not None
    assert found["returned"]["un_number"] == "UN2908"
    assert found["returned"]["wipes"][0]["limit_bq_cm2"] == "400"
    page = world.call("GET", PAGE).text
    assert "Released by producer: three assays" in page
    assert "UN2908" in page


def test_what_would_be_possible_is_asked_and_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.travel(4.0)
    first = world.get(BASE)["possible"]
    assert first["cannot"][0].startswith("the vial has left")
    assert first["whole_vial"]["contains_appointment"] is True
    later = world.get(BASE, params={"appointment": "2026-09-27T13:00:00Z"})["possible"]
    assert later["whole_vial"]["contains_appointment"] is False
    assert world.get(BASE)["possible"] == first
    far = world.call("GET", f"{BASE}?appointment=2199-01-01T00:00:00Z")
    assert far.status_code == 422
    assert world.call("GET", "/api/shipments/none/dose").status_code == 404


def test_a_held_certificate_needs_somebody_and_tracking_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    cast = world.cast
    little = msgspec.structs.replace(journeys.contents(), activity_gbq=10.0)
    world.tell(journeys.papers(cast))
    world.tell(
        [
            cast.state(
                cast.producer,
                facts.Certificate(SHIPMENT, little),
                DISPATCHED_NS - HOUR_NS // 2,
            )
        ]
    )
    world.tell(journeys.telemetry(cast, 2.0))
    world.clock.now_ns = DISPATCHED_NS + 2 * HOUR_NS
    hold = world.get(BASE)["hold"]
    assert hold["is_open"] is True
    assert hold["then_gbq"] == pytest.approx(5.95, abs=0.01)
    assert hold["least_gbq"] == pytest.approx(6.66)
    page = world.call("GET", PAGE).text
    assert "A named person decides" in page
    assert "the certificate is held for a person" in world.call("GET", "/").text
    assert world.get(f"/api/shipments/{SHIPMENT}/events") is not None
    release = Decision(
        SHIPMENT, Subject.CERTIFICATE, bytes.fromhex(hold["fact"]), True, "reduced dose"
    )
    world.tell([cast.state(cast.desk, release, world.clock.now_ns)])
    assert world.get(BASE)["hold"]["decided_by"] == "order-desk"
    assert "released a certificate that gives" in world.call("GET", PAGE).text


def test_facts_in_any_order_give_the_same_arrival_report(tmp_path: Path) -> None:
    answers = []
    for number, turn in enumerate((1, -1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        world = World(folder, exercise=False)
        cast = world.cast
        told = [*journeys.papers(cast), *journeys.handovers(cast)]
        plan = facts.Reschedule(SHIPMENT, APPOINTMENT_NS - 2 * HOUR_NS, 120, "earlier")
        told += [
            cast.state(cast.desk, plan, DISPATCHED_NS),
            cast.state(cast.producer, paper("confirmation"), DISPATCHED_NS + 5),
            cast.state(cast.producer, paper("survey"), DISPATCHED_NS + 6),
            cast.state(cast.producer, paper("assay", vial="V-1"), DISPATCHED_NS + 7),
        ]
        for sealed in told[::turn]:
            world.tell([sealed])
        world.tell(journeys.telemetry(cast, 4.0))
        world.clock.now_ns = DISPATCHED_NS + 5 * HOUR_NS
        arrival = world.get(f"/api/shipments/{SHIPMENT}/arrival")
        answers.append((arrival, world.get(BASE)))
    assert answers[0] == answers[1]
