"""The programming interface and the pages, over the real ledger and series."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from cloud.adapters.ledger import open_ledger
from cloud.adapters.series_rows import PositionRow
from cloud.ports import EntryKind
from cloud.web import live
from cloud.web.api import thin
from cloud.web.app import HEADERS
from schemas import facts
from schemas.commands import Assign, read_command
from schemas.envelope import open_envelope
from schemas.events import EventKind, Severity
from tests import builders, journeys
from tests.builders import GATEWAY, SECOND_NS, SHIPMENT, Author
from tests.journeys import DISPATCHED_NS, HOUR_NS
from tests.web_world import OPERATOR, World

BASE = f"/api/shipments/{SHIPMENT}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.ledger.close()
    found.series.close()


@pytest.fixture(scope="module")
def travelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """18 hours on the way; tests that use it must not add to it."""
    found = World(tmp_path_factory.mktemp("world"))
    found.travel(18.0)
    yield found
    found.ledger.close()
    found.series.close()


def test_the_arrival_estimate_says_all_that_it_must(travelled: World) -> None:
    found = travelled.get(f"{BASE}/arrival")
    assert found["advisory"] == "advisory: not a dosage determination"
    assert found["exercise"] is True
    assert found["as_of"] == "2026-09-24T10:13:40Z"
    assert found["now"]["activity_gbq"] == pytest.approx(
        12.5 * 2 ** -((68 * 3600 + 20) / (6.6443 * 86_400)), rel=1e-9
    )
    assert found["now"]["activity_expanded_u_gbq"] == pytest.approx(0.46505, abs=2e-5)
    percent = found["at_appointment"]["percent_of_prescribed"]
    assert percent == pytest.approx(100.48, abs=0.005)
    assert found["whole_vial"]["contains_appointment"] is True
    assert found["surely_inside"]["to_at"] == found["expires_at"]
    assert found["volume"]["volume_ml"] is None
    assert found["volume"]["withheld"] == ["this is an exercise: no volume is given"]
    assert found["volume"]["exercise"] is True
    assert found["detectors"]["verdict"] == "agrees"
    assert found["detectors"]["noticeable_ratio"] == 0.056
    assert found["certificate"]["reference_at"].endswith("+01:00")
    assert found["package"] == "No change seen."
    assert "a leak that stays inside the pot" in found["not_seen"]


def test_at_asks_for_another_instant(travelled: World) -> None:
    found = travelled.get(f"{BASE}/arrival", params={"at": "2026-09-21T15:13:20+01:00"})
    assert found["at"]["activity_gbq"] == 12.5


def test_as_of_answers_with_what_the_ledger_held_then(travelled: World) -> None:
    flying = "2026-09-24T02:43:30Z"
    found = travelled.get(f"{BASE}/arrival", params={"as_of": flying})
    assert found["as_of"] == flying
    assert found["detectors"]["verdict"] == "not-observable"
    too_early = travelled.call("GET", f"{BASE}/arrival?as_of=2026-09-21T14:30:00Z")
    assert too_early.status_code == 409
    assert "certificate" in too_early.json()["detail"]


@pytest.mark.parametrize("text", ["2026-09-24", "2026-09-24T10:00:00", "now"])
def test_an_instant_without_a_zone_is_refused(travelled: World, text: str) -> None:
    response = travelled.call("GET", f"{BASE}/arrival", params={"as_of": text})
    assert response.status_code == 422
    assert "zone" in response.json()["detail"]


def test_what_nobody_spoke_of_is_not_found(travelled: World) -> None:
    for path in ("/api/shipments/none", "/shipments/none", "/api/gateways/gw-none"):
        assert travelled.call("GET", path).status_code == 404


def test_health_says_complete_up_to_and_backlog(world: World) -> None:
    told = journeys.telemetry(world.cast, 1.0)
    world.tell(told[:5] + told[7:])
    (found,) = world.get("/api/gateways")
    assert found == world.get(f"/api/gateways/{GATEWAY}")
    assert found["contiguous"] == 4
    assert found["ranges_above"] == [[7, len(told) - 1]]
    assert found["missing"] == [[5, 6]]
    page = world.call("GET", f"/shipments/{SHIPMENT}").text
    assert "not complete" in page
    assert "5 to 6" in page
    assert found["received"] == len(told) - 2
    # The heartbeat names the record before it, so it is one more than its head.
    assert found["backlog"] == max(0, found["head_sequence"] + 1 - found["received"])
    world.tell(told)
    found = world.get(f"/api/gateways/{GATEWAY}")
    assert (found["backlog"], found["missing"]) == (0, [])
    assert found["received"] == found["contiguous"] + 1 == len(told)


def test_series_have_limits_gaps_and_silences(travelled: World) -> None:
    found = travelled.get(f"{BASE}/series", params={"quantity": "temperature_c"})
    assert [s["sensor"] for s in found["series"]] == [
        "board/temperature-0",
        "board/temperature-1",
    ]
    assert (found["temperature_min_c"], found["temperature_max_c"]) == (0.0, 30.0)
    assert found["gap_s"] == 1800.0
    (silence,) = found["silences"]
    assert silence[1] - silence[0] == pytest.approx(1.6 * 3600)
    assert len(found["series"][0]["at_s"]) == 108
    asked = f"{BASE}/series?quantity=ratio&quantity=pressure_hpa"
    drawn = {s["quantity"] for s in travelled.get(asked)["series"]}
    assert drawn == {"ratio", "pressure_hpa"}
    few = travelled.get(f"{BASE}/series?max_points=10")
    assert all(len(s["at_s"]) <= 10 for s in few["series"])
    assert travelled.call("GET", f"{BASE}/series?max_points=9999").status_code == 422


def test_a_thinned_route_keeps_its_gaps_and_its_end() -> None:
    instants = [n * 60 for n in range(1000)] + [90_000 + n * 60 for n in range(1000)]
    rows = [
        PositionRow("gw-1", at_s * SECOND_NS, b"e", "3d", 45.0, 7.0, None)
        for at_s in instants
    ]
    kept = thin(rows)
    assert len(kept) <= 505
    assert {rows[0], rows[999], rows[1000], rows[-1]} <= set(kept)
    assert thin(rows[:400]) == rows[:400]


def test_custody_and_events_are_told(travelled: World) -> None:
    custody = travelled.get(f"{BASE}/custody")
    assert custody["holder"] == "airline"
    assert custody["steps"][2]["flags"] == ["the receiver signed before the giver"]
    (event,) = travelled.get(f"{BASE}/events")
    assert (event["what"], event["state"]) == ("sensor-lost", "cleared")


def test_a_late_alarm_is_told_as_late(tmp_path: Path) -> None:
    world = World(tmp_path, exercise=False)
    world.travel(2.0)
    late = world.cast.record(
        msgspec.structs.replace(
            builders.event(EventKind.SHOCK, Severity.ALARM), from_boot_ns=HOUR_NS
        ),
        2 * HOUR_NS,
    )
    world.tell([late], lag_ns=HOUR_NS)
    (event,) = world.get(f"{BASE}/events")
    assert (event["is_late"], event["state"]) == (True, "raised")
    page = world.call("GET", f"/shipments/{SHIPMENT}").text
    assert "late, happened at" in page
    assert "act now" in page
    assert "A change was seen: shock" in page
    world.ledger.close()
    world.series.close()


def test_a_simulated_clock_makes_no_delivery_late(world: World) -> None:
    world.travel(2.0)
    shock = msgspec.structs.replace(
        builders.event(EventKind.SHOCK, Severity.WARNING),
        from_boot_ns=HOUR_NS,
        value=140.2,
        limit=980.665,
        unit="m/s2",
    )
    world.tell([world.cast.record(shock, 2 * HOUR_NS)], lag_ns=HOUR_NS)
    assert world.get(f"{BASE}/events")[0]["is_late"] is False
    found = world.get(f"{BASE}/arrival")
    told = (
        "1 shock of 140 m/s\N{SUPERSCRIPT TWO} on Wed 23 Sep 18:13 UTC+1 "
        "(below the alarm of 981 m/s\N{SUPERSCRIPT TWO})"
    )
    assert found["handling"] == told
    assert found["changes"] == []
    assert found["package"] == f"No change seen. Handling: {told}."
    page = world.call("GET", f"/shipments/{SHIPMENT}").text
    assert f"</span> {told}" in page
    assert "shock: shock" not in page


def test_a_lid_that_opened_and_closed_is_still_to_be_looked_at(world: World) -> None:
    world.travel(2.0)
    for minute, severity in ((1, Severity.ALARM), (2, Severity.INFO)):
        told = builders.event(EventKind.TAMPER, severity)
        boot_ns = 2 * HOUR_NS + minute * 60 * SECOND_NS
        told = msgspec.structs.replace(told, from_boot_ns=boot_ns)
        world.tell([world.cast.record(told, boot_ns)])
    assert world.get(f"{BASE}/events")[0]["state"] == "cleared"
    page = world.call("GET", f"/shipments/{SHIPMENT}").text
    assert "over by now, nobody has looked: tamper" in page
    assert "A change was seen: tamper" in page
    (row, *_) = world.ledger.entries_of(GATEWAY, world.cast.chain.epoch, 0, 0)
    seen = facts.Acknowledgement(
        "looked at it", GATEWAY, row.epoch, world.cast.chain.sequence - 2
    )
    world.tell([world.cast.state(world.cast.desk, seen, world.clock.now_ns)])
    page = world.call("GET", f"/shipments/{SHIPMENT}").text
    assert "over by now" not in page
    assert "seen by order-desk: looked at it" in page


def test_the_most_urgent_shipment_comes_first(world: World) -> None:
    world.travel(1.0)
    order = msgspec.structs.replace(builders.order(), shipment="SH-0000")
    world.tell([world.cast.state(world.cast.desk, order, DISPATCHED_NS)])
    found = world.get("/api/shipments")
    assert [s["shipment"] for s in found["shipments"]] == [SHIPMENT, "SH-0000"]
    assert found["shipments"][1]["no_estimate_because"] is not None


def test_the_next_shipment_of_a_gateway_is_not_shown_for_the_last(world: World) -> None:
    world.travel(1.0)
    chain = world.cast.chain
    world.tell([world.cast.record(builders.released(), HOUR_NS + 10**10)])
    before = world.get(f"{BASE}/route")
    world.tell(
        [
            world.cast.record(builders.position(10.0, 10.0), 2 * HOUR_NS),
            world.cast.record(journeys._report(2 * HOUR_NS), 2 * HOUR_NS + 1),
        ]
    )
    world.clock.now_ns += 5 * HOUR_NS
    assert world.get(f"{BASE}/route") == before
    assert "10.000" not in world.call("GET", f"/shipments/{SHIPMENT}").text
    assert world.get(f"{BASE}/arrival")["detectors"]["at"] == "2026-09-23T17:13:20Z"
    assert chain.sequence == world.get(f"/api/gateways/{GATEWAY}")["received"]


def test_positions_are_shown_to_those_who_may(world: World) -> None:
    world.travel(1.0)
    world.shows_positions = False
    refused = world.call("GET", f"{BASE}/route")
    assert refused.status_code == 403
    page = world.call("GET", f"/shipments/{SHIPMENT}").text
    assert "Positions are shown to operators only." in page
    assert "45.467" not in page + refused.text
    assert len(world.get(f"{BASE}/route", headers=OPERATOR)["fixes"]) == 6


def test_facts_are_taken_once_and_refused_with_a_reason(world: World) -> None:
    (order, *_) = journeys.papers(world.cast)
    post: Callable[[bytes], httpx.Response] = lambda data: world.call(  # noqa: E731
        "POST", "/api/facts", content=data
    )
    taken, again = post(order), post(order)
    assert (taken.status_code, taken.json()["outcome"]) == (201, "taken")
    assert (again.status_code, again.json()["outcome"]) == (200, "held already")
    altered = bytes([*order[:-1], order[-1] ^ 1])
    stranger = Author("stranger").state(builders.order())
    refusals = [post(altered), post(stranger), post(b"x"), post(bytes(70_000))]
    assert [r.status_code for r in refusals] == [422] * 4
    reasons = [r.json()["reason"] for r in refusals]
    assert reasons == ["wrong-seal", "unknown-key", "not-sealed", "too-large"]
    assert world.ledger.counts()[EntryKind.FACT] == 1


def test_a_rewritten_fact_is_refused(world: World) -> None:
    first = world.cast.state(world.cast.desk, builders.order(), DISPATCHED_NS)
    double = Author("order-desk").state(builders.certificate(), utc_ns=DISPATCHED_NS)
    assert world.call("POST", "/api/facts", content=first).status_code == 201
    refused = world.call("POST", "/api/facts", content=double)
    assert (refused.status_code, refused.json()["reason"]) == (422, "equivocation")


def test_commands_need_the_token_and_a_packed_shipment(world: World) -> None:
    order, certificate, packed = journeys.papers(world.cast)
    world.tell([order])
    assert world.call("POST", f"{BASE}/assign").status_code == 401
    wrong = {"authorization": "Bearer guess"}
    assert world.call("POST", f"{BASE}/assign", headers=wrong).status_code == 401
    too_early = world.call("POST", f"{BASE}/assign", headers=OPERATOR)
    assert (too_early.status_code, "not packed" in too_early.text) == (409, True)
    world.tell([certificate, packed])
    issued = world.call("POST", f"{BASE}/assign", headers=OPERATOR)
    assert issued.json() == {"gateway": GATEWAY, "counter": 1}
    (entry,) = world.ledger.commands(GATEWAY)
    body = read_command(open_envelope(entry.sealed).payload).body
    assert isinstance(body, Assign)
    assert body.contents == (journeys.contents(),)
    assert body.limits.temperature_max_c == 30.0
    assert body.limits.expires_at_ns == builders.START_NS + 120 * HOUR_NS


def test_a_fingerprint_is_ordered_and_its_answer_awaited(world: World) -> None:
    world.tell(journeys.papers(world.cast))
    order = {"step": "background", "real_time_s": 300}
    path = f"{BASE}/fingerprint"
    issued = world.call("POST", path, headers=OPERATOR, json=order)
    assert issued.status_code == 201
    answer = f"/api/gateways/{GATEWAY}/commands/1"
    assert world.get(answer)["answer"] is None
    world.tell(journeys.telemetry(world.cast, 0.1))
    assert world.get(answer)["answer"]["kind"] == "assigned"
    bad = world.call("POST", path, headers=OPERATOR, json={"step": "guess"})
    assert bad.status_code == 422


def test_pages_carry_the_defences_and_no_inline_code(travelled: World) -> None:
    for path in ("/", f"/shipments/{SHIPMENT}", "/shipments/none", "/api/shipments"):
        response = travelled.call("GET", path)
        for name, value in HEADERS.items():
            assert response.headers[name] == value
        text = response.text
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style", text)
        assert not re.search(r"(src|href)=\"(https?:)?//", text)


def test_what_people_type_is_text(world: World) -> None:
    evil = "<script>alert(1)</script>"
    order = msgspec.structs.replace(builders.order(), centre=evil)
    world.tell([world.cast.state(world.cast.desk, order, DISPATCHED_NS)])
    for path in ("/", f"/shipments/{SHIPMENT}"):
        page = world.call("GET", path).text
        assert evil not in page
        assert "&lt;script&gt;" in page


def test_an_empty_page_says_what_to_do(world: World) -> None:
    page = world.call("GET", "/").text
    assert "No shipment yet" in page
    assert "POST /api/facts" in page


def test_exercise_is_marked_on_everything(travelled: World, tmp_path: Path) -> None:
    for path in ("/", f"/shipments/{SHIPMENT}"):
        assert "EXERCISE - simulated" in travelled.call("GET", path).text
    real = World(tmp_path, exercise=False)
    real.travel(0.5)
    for path in ("/", f"/shipments/{SHIPMENT}"):
        assert "EXERCISE" not in real.call("GET", path).text
    real.ledger.close()
    real.series.close()


@pytest.mark.parametrize("planned_at_ns", [2**63 - 1, -(2**63), 0])
def test_an_absurd_instant_breaks_no_page(world: World, planned_at_ns: int) -> None:
    order = msgspec.structs.replace(builders.order(), planned_at_ns=planned_at_ns)
    certificate = facts.Certificate(SHIPMENT, journeys.contents())
    producer = world.cast.producer
    world.tell([world.cast.state(producer, order, DISPATCHED_NS)])
    world.tell([world.cast.state(producer, certificate, DISPATCHED_NS)])
    for path in ("/", f"/shipments/{SHIPMENT}"):
        page = world.call("GET", path)
        assert page.status_code == 200
        assert "years from the certificate" in page.text
    assert world.call("GET", f"{BASE}/arrival").status_code == 409


def test_an_absurd_at_is_refused(travelled: World) -> None:
    response = travelled.call("GET", f"{BASE}/arrival?at=9999-01-01T00:00:00Z")
    assert response.status_code == 422


def test_live_tells_the_clock_at_once(travelled: World) -> None:
    async def first() -> list[str]:
        found: list[str] = []
        async for text in live.events(travelled.desk):
            found.append(text)
            if len(found) == 2:
                break
        return found

    retry, event = asyncio.run(first())
    assert retry == "retry: 2000\n\n"
    fields = dict(line.split(": ", 1) for line in event.strip().split("\n"))
    assert fields["event"] == "state"
    assert json.loads(fields["data"])["now"] == "2026-09-24T10:13:40Z"
    assert json.loads(fields["data"])["exercise"] is True


def test_a_locked_ledger_is_busy_and_not_broken(world: World) -> None:
    world.travel(0.5)
    world.ledger.close()
    broken = open_ledger("sqlite://")
    broken.create()
    with broken._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE entries")
    world.desk.ledger = broken
    assert world.call("GET", "/api/shipments").status_code == 503
