"""``dosetrail-cloud paper`` from a file to the ledger of a running web server."""

import http.server
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner, Result

from cloud.__main__ import app
from cloud.adapters.chain_file import chain_path, read_end
from cloud.adapters.key_file import load_signer
from cloud.demo import papers as demo
from cloud.demo.papers import FOLDER
from cloud.demo.people import Person
from cloud.errors import ConfigError
from cloud.paper_sheet import PaperError
from cloud.signing import Author
from schemas.envelope import ZERO_DIGEST, digest, open_envelope
from schemas.facts import Fact, read_fact

ROOT = Path(__file__).parents[2]
RUNNER = CliRunner()
WAIT_S = 60.0
SHIPMENT = "S-2026-1147"


def run(*arguments: str | Path) -> Result:
    return RUNNER.invoke(app, ["paper", *map(str, arguments)])


def fact(path: Path) -> Fact:
    return read_fact(open_envelope(path.read_bytes()).payload)


class Desk:
    """A folder of somebody with a key and papers to sign."""

    def __init__(self, folder: Path, name: str = "order-desk") -> None:
        self.folder, self.name = folder, name
        self.key = folder / f"{name}.key"
        result = RUNNER.invoke(app, ["keys", "new", str(self.key), "--es256"])
        assert result.exit_code == 0, result.output
        self.chain = chain_path(self.key)

    def sign(self, out: str, *options: str, paper: str = "order") -> Result:
        who = ("--key", self.key, "--author", self.name)
        to = ("--out", self.folder / out)
        return run("sign", FOLDER / f"{paper}.toml", *who, *to, *options)

    def signed(self, out: str, *options: str, paper: str = "order") -> Path:
        result = self.sign(out, *options, paper=paper)
        assert result.exit_code == 0, result.output
        return self.folder / out


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# -- check ---------------------------------------------------------------------


def test_check_says_what_the_papers_say() -> None:
    result = run("check", FOLDER / "order.toml", FOLDER / "certificate.toml")
    assert result.exit_code == 0
    assert "order HD-RLT-20417: Pluvicto (Lu-177)" in result.output
    assert "7.44 GBq \N{PLUS-MINUS SIGN} 0.37 GBq (k = 2)" in result.output


def test_check_exits_with_1_when_a_person_must_look(tmp_path: Path) -> None:
    text = (FOLDER / "order.toml").read_text().replace("_gbq = 7.4", "_gbq = 7400")
    (tmp_path / "order.toml").write_text(text)
    result = run("check", tmp_path / "order.toml")
    assert result.exit_code == 1
    assert "LOOK: the prescribed activity is 1e+03 times" in result.output


def test_what_is_wrong_with_several_files_is_one_message(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text('paper = "order"\ncolour = 1\n')
    command = [sys.executable, "-m", "cloud", "paper", "check"]
    files = [str(tmp_path / f"{name}.toml") for name in ("a", "b", "gone")]
    done = subprocess.run(
        [*command, *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("dosetrail-cloud: ")
    for file in files[:2]:
        assert f"{file}: colour is not known" in done.stderr
    assert f"{files[2]}: cannot read it: No such file" in done.stderr


# -- sign ----------------------------------------------------------------------


def test_facts_of_one_author_are_a_chain(desk: Desk) -> None:
    first = desk.signed("1.cose")
    second = desk.signed("2.cose", "--exercise", paper="reschedule")
    a, b = fact(first).header, fact(second).header
    assert (a.author, a.sequence, a.previous) == ("order-desk", 0, ZERO_DIGEST)
    assert (b.sequence, b.previous) == (1, digest(first.read_bytes()))
    assert (a.exercise, b.exercise) == (False, True)
    assert a.fact != b.fact
    assert json.loads(desk.chain.read_text()) == {
        "author": "order-desk",
        "kid": load_signer(desk.key).kid.hex(),
        "sequence": 2,
        "previous": digest(second.read_bytes()).hex(),
    }


def test_a_chain_may_lie_elsewhere(desk: Desk, tmp_path: Path) -> None:
    elsewhere = tmp_path / "state.json"
    desk.signed("1.cose", "--chain", str(elsewhere))
    assert elsewhere.exists()
    assert not desk.chain.exists()


def test_a_signed_fact_is_never_written_over(desk: Desk) -> None:
    before = desk.signed("1.cose").read_bytes()
    with pytest.raises(ConfigError, match="exists; give another --out"):
        raise desk.sign("1.cose").exception or AssertionError
    assert (desk.folder / "1.cose").read_bytes() == before
    assert fact(desk.signed("2.cose")).header.sequence == 1


def test_a_fact_that_was_signed_but_not_finished_is_kept(desk: Desk) -> None:
    # As a crash between the chain and the rename leaves it.
    desk.signed("1.cose").rename(desk.folder / "1.cose.new")
    result = desk.sign("1.cose")
    assert "waits: rename it and send it" in str(result.exception)
    assert fact(desk.folder / "1.cose.new").header.sequence == 0


def test_a_fact_that_never_entered_the_chain_is_written_over(desk: Desk) -> None:
    # As a crash before the chain leaves it: its place is still free.
    desk.signed("1.cose").rename(desk.folder / "2.cose.new")
    desk.chain.unlink()
    assert fact(desk.signed("2.cose")).header.sequence == 0


def test_a_person_of_the_demo_and_the_command_share_a_chain(desk: Desk) -> None:
    person = Person(desk.name, load_signer(desk.key), desk.key)
    first = person.say(demo.order(), 17)
    second = desk.signed("2.cose")
    assert fact(second).header.previous == digest(first)
    third = read_fact(open_envelope(person.say(demo.order(), 18)).payload).header
    assert (third.sequence, third.previous) == (2, digest(second.read_bytes()))


def test_the_chain_of_another_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.signed("1.cose")
    other = Desk(tmp_path, "centre")
    result = other.sign("3.cose", "--chain", str(desk.chain))
    assert isinstance(result.exception, ConfigError)
    assert "the chain of order-desk with key" in str(result.exception)
    assert not (tmp_path / "3.cose").exists()


@pytest.mark.parametrize("text", ["", "{}", '{"author": 1}', "[]"])
def test_a_broken_chain_is_refused(desk: Desk, text: str) -> None:
    desk.chain.write_text(text)
    result = desk.sign("1.cose")
    assert isinstance(result.exception, ConfigError)
    assert f"{desk.chain}: no chain" in str(result.exception)


def test_where_nothing_can_be_written_nothing_is_signed(desk: Desk) -> None:
    result = desk.sign("no-such-folder/1.cose")
    assert isinstance(result.exception, ConfigError)
    author = Author("order-desk", load_signer(desk.key), exercise=False)
    assert read_end(desk.chain, author).sequence == 0


def test_what_has_remarks_is_signed_only_knowingly(desk: Desk, tmp_path: Path) -> None:
    text = (FOLDER / "order.toml").read_text().replace("_gbq = 7.4", "_gbq = 7400")
    (tmp_path / "order.toml").write_text(text)
    who = ("--key", desk.key, "--author", desk.name, "--out", tmp_path / "1.cose")
    result = run("sign", tmp_path / "order.toml", *who)
    assert result.exit_code == 1
    assert "not signed" in result.output
    assert not (tmp_path / "1.cose").exists()
    result = run("sign", tmp_path / "order.toml", *who, "--despite-remarks")
    assert result.exit_code == 0
    assert (tmp_path / "1.cose").exists()


def test_a_paper_too_large_to_seal_is_refused(desk: Desk, tmp_path: Path) -> None:
    text = (FOLDER / "acceptance.toml").read_text()
    check = f'\n[[checks]]\nname = "{"x" * 190}"\npassed = true\n'
    (tmp_path / "long.toml").write_text(text + 100 * check)
    who = ("--key", desk.key, "--author", desk.name, "--out", tmp_path / "1.cose")
    result = run("sign", tmp_path / "long.toml", *who)
    assert isinstance(result.exception, PaperError)
    assert "at most 16 KiB" in str(result.exception)
    assert not desk.chain.exists()


# -- send ----------------------------------------------------------------------


class Server:
    """The real web server with its own ledger, as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.keys = folder, folder / "keys.json"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.admit("cloud", Desk(folder, "cloud").key, "cloud")
        (folder / "cloud.toml").write_text(
            '[ledger]\nurl = "sqlite:///ledger.sqlite"\n'
            '[series]\npath = "series.sqlite"\n'
            '[keys]\nregistry = "keys.json"\ncloud_key = "cloud.key"\n'
            f"[web]\nport = {self.port}\n"
        )
        config = ["--config", str(folder / "cloud.toml")]
        with (folder / "web.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cloud", "web", *config],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def admit(self, name: str, key: Path, kind: str = "person") -> None:
        whose = ["--owner", name, "--kind", kind, "--private-file", str(key)]
        result = RUNNER.invoke(app, ["keys", "add", str(self.keys), *whose])
        assert result.exit_code == 0, result.output

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        with urllib.request.urlopen(self.url + path, timeout=WAIT_S) as response:  # noqa: S310
            return json.load(response)

    def wait(self) -> None:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                self.get("/api/shipments")
            except OSError:
                log = (self.folder / "web.log").read_text()
                assert self.process.poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.05)
            else:
                return


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("site"))
    try:
        found.wait()
        yield found
    finally:
        found.process.terminate()
        found.process.wait(timeout=WAIT_S)


def test_papers_become_a_shipment(server: Server, desk: Desk) -> None:
    server.admit(desk.name, desk.key)
    kinds = ("order", "certificate", "consignment", "reschedule")
    for kind in kinds:
        signed = desk.signed(f"{kind}.cose", paper=kind)
        result = run("send", signed, "--url", server.url)
        assert result.exit_code == 0, result.output
        assert result.output.endswith(f"{kinds.index(kind)}: taken\n")
        again = run("send", signed, "--url", f"{server.url}/")
        assert again.exit_code == 0
        assert again.output.endswith(": held already\n")
    found = server.get(f"/api/shipments/{SHIPMENT}")
    assert found["order"] == "HD-RLT-20417"
    assert [plan["version"] for plan in found["plans"]] == [1, 2]
    assert found["appointment"] == "2026-11-27T08:00:00Z"
    assert len(found["legs"]) == 6
    due_gbq = 12.5 * 2 ** (-117 / 24 / 6.6443)
    assert found["at_appointment"]["activity_gbq"] == pytest.approx(due_gbq)


def test_a_stranger_is_refused_with_a_remedy(server: Server, tmp_path: Path) -> None:
    stranger = Desk(tmp_path, "stranger")
    result = run("send", stranger.signed("1.cose"), "--url", server.url)
    assert result.exit_code == 2
    assert "refused: unknown-key" in result.output
    assert "dosetrail-cloud keys add" in result.output


def test_another_name_than_the_keys_is_refused(server: Server, tmp_path: Path) -> None:
    centre = Desk(tmp_path, "centre")
    server.admit("hospital", centre.key)
    result = run("send", centre.signed("1.cose"), "--url", server.url)
    assert result.exit_code == 2
    assert "refused: wrong-owner" in result.output


def test_an_old_copy_of_a_chain_is_found_out(server: Server, tmp_path: Path) -> None:
    planner = Desk(tmp_path, "planner")
    server.admit("planner", planner.key)
    run("send", planner.signed("1.cose"), "--url", server.url)
    shutil.copy(planner.chain, tmp_path / "old.json")
    run("send", planner.signed("2.cose"), "--url", server.url)
    shutil.copy(tmp_path / "old.json", planner.chain)
    result = run("send", planner.signed("3.cose"), "--url", server.url)
    assert result.exit_code == 2
    assert "refused: equivocation" in result.output
    assert "draw a new key" in result.output


def test_what_is_no_fact_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "1.cose").write_bytes(b"hello")
    result = run("send", tmp_path / "1.cose", "--url", "http://127.0.0.1:1")
    assert isinstance(result.exception, PaperError)
    assert "no signed fact" in str(result.exception)


def test_nobody_answers(desk: Desk) -> None:
    result = run("send", desk.signed("1.cose"), "--url", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "nobody answers" in result.output


def test_only_web_addresses_are_used(desk: Desk) -> None:
    result = run("send", desk.signed("1.cose"), "--url", "file:///etc/passwd")
    assert isinstance(result.exception, ConfigError)
    assert "write http://HOST:PORT" in str(result.exception)


class _Other(http.server.BaseHTTPRequestHandler):
    """Some other server, which answers everything with what it is told to."""

    answer: ClassVar[tuple[int, bytes]] = (200, b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def other() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Other)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, b"<html>Welcome</html>"), "answered 200 and is no dosetrail cloud"),
        ((201, b'{"outcome": "taken", "digest": "00"}'), "answered 201 and is no"),
        ((503, b'{"reason": "busy", "detail": "try again"}'), "503 try again"),
        ((404, b'{"detail": "Not Found"}'), "answered 404 Not Found"),
    ],
)
def test_only_the_clouds_word_counts_as_taken(
    desk: Desk, other: str, answer: tuple[int, bytes], why: str
) -> None:
    _Other.answer = answer
    result = run("send", desk.signed("1.cose"), "--url", other)
    assert result.exit_code == 1
    assert why in result.output
    assert "sending it again is safe" in result.output
