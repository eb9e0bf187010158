"""Alarms as control sees them, acknowledgements, and the audit trail."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest

from cloud.statements import Voice
from schemas import facts
from schemas.custody import (
    Correction,
    CorrectionReason,
    Course,
    Diversion,
    Notice,
    NoticeKind,
)
from schemas.envelope import open_envelope
from schemas.events import EventKind, Severity
from schemas.facts import Acknowledgement, read_fact
from tests import builders
from tests.builders import GATEWAY, SECOND_NS, SHIPMENT
from tests.journeys import DISPATCHED_NS, HOUR_NS
from tests.web_world import OPERATOR, TOKEN, World

BASE = f"/api/shipments/{SHIPMENT}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path, exercise=False)
    found.travel(4.0)
    shock = msgspec.structs.replace(
        builders.event(EventKind.SHOCK, Severity.ALARM),
        from_boot_ns=3 * HOUR_NS,
        value=1270.0,
        limit=981.0,
        unit="m/s2",
    )
    found.tell([found.cast.record(shock, 3 * HOUR_NS)])
    yield found
    found.ledger.close()
    found.series.close()


def notice(world: World, body: Notice) -> bytes:
    voice = Voice("cloud", world.cast.cloud.signer, False)
    return voice.state(world.ledger, body, world.clock.now_ns).fact.header.fact


def test_an_alarm_says_what_to_do_and_whom_to_call(world: World) -> None:
    (alarm,) = world.get("/api/alarms")
    assert (alarm["what"], alarm["state"]) == ("shock", "escalated")
    assert alarm["shipment"] == SHIPMENT
    assert [change["state"] for change in alarm["history"]] == ["raised", "escalated"]
    assert alarm["told"] == ["control", "distributor", "recipient"]
    assert "1.2 m" in alarm["next_action"]
    page = world.call("GET", "/alarms").text
    assert "escalated: nobody has seen it" in page
    assert alarm["next_action"].split(";")[0] in page


def test_an_operator_acknowledges_and_the_cloud_signs_it(world: World) -> None:
    (alarm,) = world.get("/api/alarms")
    path = f"/api/alarms/{alarm['name']}/acknowledge"
    seen = {"by": "control-3", "remark": "driver called, box is well"}
    refused = world.call("POST", path, json=seen)
    assert (refused.status_code, refused.json()["reason"]) == (401, "token-missing")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["www-authenticate"] == "Bearer"
    taken = world.call("POST", path, json=seen, headers=OPERATOR)
    assert taken.status_code == 201
    (alarm,) = world.get("/api/alarms")
    assert (alarm["state"], alarm["acknowledged_by"]) == ("acknowledged", "control-3")
    body = read_fact(open_envelope(world.ledger.facts()[-1].sealed).payload).body
    assert isinstance(body, Acknowledgement)
    assert body.on_behalf_of == "control-3"
    elsewhere = f"/api/alarms/{'0' * 32}/acknowledge"
    assert world.call("POST", elsewhere, json=seen, headers=OPERATOR).status_code == 404
    empty = {"by": "", "remark": "x"}
    assert world.call("POST", path, json=empty, headers=OPERATOR).status_code == 422


def test_the_form_of_the_page_needs_the_token_and_words(world: World) -> None:
    (alarm,) = world.get("/api/alarms")
    path = f"/alarms/{alarm['name']}/acknowledge"

    def post(**fields: str) -> tuple[int, str]:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        answer = world.call("POST", path, content=urlencode(fields), headers=kind)
        return answer.status_code, answer.text

    words = {"by": "control-3", "remark": "r\u00e9veill\u00e9 <b>"}
    assert post(**words, token="guess")[0] == 403  # noqa: S106 - a wrong one
    assert post(by="", remark="x", token=TOKEN)[0] == 422
    assert world.get("/api/alarms")[0]["acknowledged_by"] is None
    assert post(**words, token=TOKEN)[0] == 303
    page = world.call("GET", "/alarms").text
    assert "r\u00e9veill\u00e9 &lt;b&gt;" in page
    assert "<b>" not in page


def test_what_the_cloud_notices_is_an_alarm_of_shipment_or_fleet(world: World) -> None:
    now_ns = world.clock.now_ns
    silent = Notice(
        NoticeKind.GATEWAY_SILENT, Severity.ALARM, now_ns, "silent", gateway=GATEWAY
    )
    other = msgspec.structs.replace(silent, gateway="gw-other")
    fact = notice(world, silent)
    notice(world, other)
    alarms = {alarm["name"]: alarm for alarm in world.get("/api/alarms")}
    assert alarms[fact.hex()]["shipment"] == SHIPMENT
    assert {alarm["shipment"] for alarm in alarms.values()} == {SHIPMENT, None}
    path = f"/api/alarms/{fact.hex()}/acknowledge"
    seen = {"by": "control-3", "remark": "in a tunnel"}
    assert world.call("POST", path, json=seen, headers=OPERATOR).status_code == 201
    over = msgspec.structs.replace(silent, is_over=True, at_ns=now_ns + SECOND_NS)
    notice(world, over)
    states = {a["name"]: a["state"] for a in world.get(f"{BASE}/events")}
    assert states[fact.hex()] == "cleared"


def test_one_side_that_never_signs_becomes_an_alarm(world: World) -> None:
    half = builders.handover(
        facts.HandoverRole.GIVER,
    )
    half = msgspec.structs.replace(
        half, giver="airline", receiver="courier-road-b", handover=bytes(16)
    )
    at_ns = DISPATCHED_NS + 5 * HOUR_NS
    world.tell([world.cast.state(world.cast.airline, half, at_ns)])
    world.clock.now_ns = at_ns + 29 * 60 * SECOND_NS
    assert len(world.get("/api/alarms")) == 1
    world.clock.now_ns = at_ns + 31 * 60 * SECOND_NS
    (_shock, late) = world.get("/api/alarms")
    assert late["what"] == "handover-unconfirmed"
    assert "courier-road-b" in late["text"]


def test_the_trail_says_who_when_before_after_and_why(world: World) -> None:
    cast, now_ns = world.cast, world.clock.now_ns
    trail = world.get(f"{BASE}/audit")
    assert [line["position"] for line in trail] == sorted(
        line["position"] for line in trail
    )
    assert {"order", "certificate", "consignment", "handover"} <= {
        line["what"] for line in trail
    }
    plan = facts.Reschedule(
        SHIPMENT, DISPATCHED_NS + 70 * HOUR_NS, 60, "the scanner is free earlier"
    )
    world.tell([cast.state(cast.desk, plan, now_ns)])
    line = world.get(f"{BASE}/audit")[-1]
    changed = {one["name"]: (one["before"], one["after"]) for one in line["changes"]}
    assert line["author"] == "order-desk"
    assert line["why"] == "the scanner is free earlier"
    before, after = changed["appointment"]
    assert (before, after) == ("2026-09-26T13:43:20Z", "2026-09-26T14:13:20Z")
    said = bytes.fromhex(line["fact"])
    wrong = Correction(SHIPMENT, said, CorrectionReason.INCORRECT_DATA, "wrong day")
    world.tell([cast.state(cast.desk, wrong, now_ns + SECOND_NS)])
    (*_, voided, correction) = world.get(f"{BASE}/audit")
    assert voided["corrected_by"] == correction["fact"]
    back = {one["name"]: one["after"] for one in correction["changes"]}
    assert back["appointment"] == before
    page = world.call("GET", f"/shipments/{SHIPMENT}/audit").text
    assert "does not hold" in page
    assert "wrong day" in page
    assert world.call("GET", "/shipments/none/audit").status_code == 404


def test_acknowledgements_stand_in_the_trail_of_their_shipment(world: World) -> None:
    (alarm,) = world.get("/api/alarms")
    path = f"/api/alarms/{alarm['name']}/acknowledge"
    seen = {"by": "control-3", "remark": "driver called"}
    world.call("POST", path, json=seen, headers=OPERATOR)
    line = world.get(f"{BASE}/audit")[-1]
    assert line["author"] == "control-3, through cloud"
    assert line["why"] == "driver called"
    assert line["what"] == "acknowledgement"


def test_a_diverted_shipment_says_so(world: World) -> None:
    said = Diversion(SHIPMENT, Course.DIVERTED, "centre-bern", "snow on the A2")
    world.tell([world.cast.state(world.cast.desk, said, world.clock.now_ns)])
    custody = world.get(f"{BASE}/custody")
    assert (custody["course"], custody["destination"]) == ("diverted", "centre-bern")
    assert "snow on the A2" in world.call("GET", f"/shipments/{SHIPMENT}").text


def test_every_error_is_a_problem(world: World) -> None:
    for method, path, status, reason in (
        ("GET", "/api/shipments/none", 404, "not-found"),
        ("GET", "/api/nothing", 404, "not-found"),
        ("DELETE", "/api/shipments", 405, "method-not-allowed"),
        ("GET", f"{BASE}/series?max_points=x", 422, "invalid"),
        ("GET", f"{BASE}/arrival?as_of=now", 422, "invalid"),
        ("GET", f"/api/gateways/{GATEWAY}/commands/{10**40}", 422, "invalid"),
        ("POST", f"{BASE}/assign", 401, "token-missing"),
        ("POST", "/api/facts", 422, "not-sealed"),
    ):
        answer = world.call(method, path)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["reason"] == reason
        assert answer.json()["type"] == f"urn:dosetrail:problem:{reason}"
        assert answer.json()["status"] == status
