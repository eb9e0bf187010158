"""Webhooks: told at least once, signed, in order, through crashes and dead ends.

The receiver is a real HTTP server on loopback; time is moved by hand.
"""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.adapters.notify_queue import GIVE_UP_S, MAX_S, NotifyQueue, read_health_of
from cloud.alarm_rules import Audience
from cloud.config import WebhookConfig
from cloud.notifications import signature
from cloud.notify import LOOK_S, Crier, Messenger
from cloud.statements import Voice
from schemas.events import EventKind, Severity
from tests import builders
from tests.builders import SECOND_NS, SHIPMENT
from tests.journeys import CENTRE, DISPATCHED_NS, HOUR_NS
from tests.web_world import OPERATOR, StoppedClock, World

SECRET = "s3cret"  # noqa: S105 - of these tests


class Receiver:
    """What the other side got, and what it answers next (status, headers)."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.url = ""

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _headers, body in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.got.append((headers, body))
            status, more = receiver.answers.pop(0) if receiver.answers else (204, {})
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Scene:
    """A world with a shock, a queue, a real receiver and a clock for the queue."""

    def __init__(self, world: World, folder: Path, receiver: Receiver) -> None:
        self.world, self.folder, self.receiver = world, folder, receiver
        self.real = StoppedClock(1_800_000_000 * SECOND_NS)
        secret = folder / "secret"
        secret.touch(mode=0o600)
        secret.write_text(SECRET)
        self.hooks = (
            WebhookConfig(
                name="centre",
                url=receiver.url,
                secret_file=str(secret),
                audience=Audience.RECIPIENT,
                party=CENTRE,
            ),
        )
        self.open()

    def open(self) -> None:
        """Start anew, as after a crash."""
        self.queue = NotifyQueue(self.folder / "notify.sqlite", seed=1)
        voice = Voice("cloud", self.world.cast.cloud.signer, False)
        desk = self.world.desk
        self.crier = Crier(desk, self.queue, self.hooks, voice, self.real)
        self.messenger = Messenger(self.hooks[0], self.queue, self.real)

    def look(self) -> int:
        self.real.now_ns += SECOND_NS
        return self.crier.turn(self.real.now_ns / SECOND_NS + 10 * LOOK_S)

    def deliver(self) -> int:
        tries = 0
        while self.messenger.turn():
            tries += 1
        return tries

    def wait(self, seconds: float) -> None:
        self.real.now_ns += round(seconds * SECOND_NS)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    world = World(tmp_path, exercise=False)
    world.travel(2.5)
    shock = msgspec.structs.replace(
        builders.event(EventKind.SHOCK, Severity.ALARM),
        from_boot_ns=HOUR_NS,
        value=1270.0,
        limit=981.0,
        unit="m/s2",
    )
    world.tell([world.cast.record(shock, 2 * HOUR_NS)], lag_ns=HOUR_NS)
    world.clock.now_ns = DISPATCHED_NS + 3 * HOUR_NS + HOUR_NS // 12
    with receiving() as receiver:
        found = Scene(world, tmp_path, receiver)
        yield found
        found.queue.close()
    world.ledger.close()
    world.series.close()


def test_a_recipient_is_told_by_a_signed_cloud_event(scene: Scene) -> None:
    assert scene.look() == 1
    assert scene.deliver() == 1
    ((headers, body),) = scene.receiver.got
    event = json.loads(body)
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert (event["specversion"], event["id"]) == ("1.0", headers["webhook-id"])
    assert event["type"] == "dosetrail.alarm.raised.v1"
    assert event["subject"] == SHIPMENT
    assert event["exercise"] is False
    data = event["data"]
    assert (data["what"], data["value"], data["unit"]) == ("shock", 1270.0, "m/s2")
    assert data["is_late"] is True
    assert data["notice"] == f"late, happened at {data['happened_at']}"
    assert data["next_action"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    assert headers["webhook-signature"] == expected
    assert (scene.look(), scene.deliver()) == (0, 0)


def test_signature_is_that_of_standard_webhooks() -> None:
    found = signature("key", "msg_1", 1_614_265_330, b'{"test": 2432232314}')
    known = hmac.new(
        b"key", b'msg_1.1614265330.{"test": 2432232314}', hashlib.sha256
    ).digest()
    assert found == f"v1,{base64.b64encode(known).decode()}"


def test_no_position_goes_out(scene: Scene) -> None:
    for what in (EventKind.ROUTE_DEVIATION, EventKind.POSITION_DOUBT):
        told = builders.event(what, Severity.ALARM)
        at_ns = 2 * HOUR_NS + HOUR_NS // 3
        told = msgspec.structs.replace(
            told, text="off its way at 45.467, 7.877, Ivrea", from_boot_ns=at_ns
        )
        scene.world.tell([scene.world.cast.record(told, at_ns)])
    hook = WebhookConfig(
        name="control", url=scene.receiver.url, secret_file=scene.hooks[0].secret_file
    )
    scene.hooks = (hook,)
    scene.queue.close()
    scene.open()
    assert scene.look() >= 3
    scene.deliver()
    sent = b"".join(body for _headers, body in scene.receiver.got).decode()
    assert "route-deviation" in sent
    assert not [word for word in ("45.4", "7.87", "Ivrea", "Malpensa") if word in sent]


def test_who_is_away_is_told_later_and_in_order(scene: Scene) -> None:
    scene.receiver.answers = [(503, {}), (500, {}), (429, {"Retry-After": "120"})]
    scene.look()
    assert scene.deliver() == 1
    (alarm, *_) = [a for a in scene.world.get("/api/alarms") if a["what"] == "shock"]
    path = f"/api/alarms/{alarm['name']}/acknowledge"
    seen = {"by": "control-3", "remark": "driver called"}
    scene.world.call("POST", path, json=seen, headers=OPERATOR)
    assert scene.look() == 1
    tries = 0
    while scene.queue.health()[0].waiting and tries < 50:
        scene.wait(10)
        tries += scene.deliver()
    kinds = [event["type"].split(".")[2] for event in scene.receiver.events()]
    assert kinds == ["raised"] * 4 + ["acknowledged"]
    assert len({event["id"] for event in scene.receiver.events()}) == 2
    assert scene.receiver.events()[-1]["data"]["by"] == "control-3"
    assert scene.real.now_ns > (1_800_000_000 + 120) * SECOND_NS
    (health,) = scene.queue.health()
    assert (health.delivered, health.failures, health.is_dead) == (2, 0, False)


def test_a_crash_between_telling_and_noting_tells_twice_never_not(scene: Scene) -> None:
    scene.look()
    scene.queue.close()  # after the queue was filled, before anybody was told
    scene.open()
    assert scene.look() == 0
    message = scene.queue.due("centre", scene.real.now_ns / SECOND_NS)
    assert message is not None
    scene.deliver()
    scene.queue._db.execute("UPDATE messages SET state = 'waiting'")
    scene.queue.close()  # told, and the note was lost
    scene.open()
    scene.deliver()
    first, second = scene.receiver.events()
    assert first == second


def test_a_dead_end_is_seen_on_the_health_page(scene: Scene) -> None:
    scene.receiver.answers = [(503, {})] * 99
    scene.look()
    for _ in range(8):
        scene.deliver()
        scene.wait(MAX_S)
    scene.world.queue = str(scene.folder / "notify.sqlite")
    (told,) = scene.world.get("/api/health")["webhooks"]
    assert (told["name"], told["is_dead"], told["waiting"]) == ("centre", True, 1)
    assert told["error"] == "HTTP 503 Service Unavailable"
    page = scene.world.call("GET", "/health").text
    assert "dead" in page
    assert "by telephone" in page
    scene.wait(GIVE_UP_S)
    scene.deliver()
    (health,) = scene.queue.health()
    assert (health.given_up, health.waiting) == (1, 0)


def test_what_a_receiver_refuses_does_not_hold_up_the_next(scene: Scene) -> None:
    scene.receiver.answers = [(400, {})] * 5
    scene.look()
    for _ in range(5):
        scene.deliver()
        scene.wait(MAX_S)
    (health,) = scene.queue.health()
    assert (health.given_up, health.waiting) == (1, 0)


def test_a_redirect_is_not_followed(scene: Scene) -> None:
    scene.receiver.answers = [(302, {"Location": scene.receiver.url})]
    scene.look()
    scene.deliver()
    assert len(scene.receiver.got) == 1
    assert scene.queue.health()[0].error == "HTTP 302 Found"


def test_nobody_there_is_a_failure_like_any_other(scene: Scene) -> None:
    gone = msgspec.structs.replace(scene.hooks[0], url="http://127.0.0.1:9/hook")
    scene.look()
    messenger = Messenger(gone, scene.queue, scene.real)
    assert messenger.turn()
    (health,) = scene.queue.health()
    assert health.error is not None
    assert health.error.startswith("no answer")


def test_who_is_new_hears_what_is_open_and_not_what_is_over(scene: Scene) -> None:
    at_ns = 2 * HOUR_NS + HOUR_NS // 4
    lost = [
        msgspec.structs.replace(
            builders.event(EventKind.TAMPER, severity), from_boot_ns=at_ns + minute
        )
        for minute, severity in ((1, Severity.ALARM), (2, Severity.INFO))
    ]
    world = scene.world
    world.tell([world.cast.record(told, at_ns + n) for n, told in enumerate(lost)])
    scene.look()
    scene.deliver()
    assert [e["data"]["what"] for e in scene.receiver.events()] == ["shock"]


def test_an_empty_or_missing_queue_tells_of_nobody(tmp_path: Path) -> None:
    assert read_health_of(tmp_path / "none.sqlite") == []
    NotifyQueue(tmp_path / "empty.sqlite").close()
    assert read_health_of(tmp_path / "empty.sqlite") == []
