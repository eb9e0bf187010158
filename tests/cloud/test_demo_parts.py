"""The parts of the main job that need no journey: plan, folder, people, screen."""

import asyncio
import fcntl
import os
import socket
import stat
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.adapters.key_file import load_registry, load_signer, read_secret
from cloud.config import load_config
from cloud.demo import stage
from cloud.demo.disturbance import KILLED, Blow, Disturbance, plan
from cloud.demo.papers import acceptance, certificate, order
from cloud.demo.people import Person
from cloud.demo.programs import ProgramError
from cloud.demo.screen import Screen, shown
from cloud.verification import VerifiedFact, verify_fact
from gateway.config import load_config as load_gateway_config
from schemas.envelope import ZERO_DIGEST, digest
from schemas.facts import FactBody
from schemas.keys import Algorithm, OwnerKind
from tests.builders import START_NS

# -- disturbance ---------------------------------------------------------------------


@given(seed=st.integers(0, 2**32), times=st.integers(0, 20))
def test_a_plan_deals_each_blow_as_often_as_asked(seed: int, times: int) -> None:
    blows = plan(seed, times)
    counted = Counter((blow.what, blow.target) for blow in blows)
    for name in KILLED:
        assert counted["kill", name] == times
    assert counted["pull", "board"] + counted["pull", "gps"] == times
    assert len(blows) == (len(KILLED) + 1) * times
    shares = [blow.progress for blow in blows]
    assert shares == sorted(shares)
    assert all(0.08 <= share <= 0.97 for share in shares)


def test_a_plan_is_its_seed() -> None:
    assert plan(1, 5) == plan(1, 5)
    assert plan(1, 5) != plan(2, 5)


def test_blows_are_dealt_once_when_they_are_due() -> None:
    killed: list[str] = []
    told: list[dict[str, object]] = []
    first, second = Blow(0.2, "kill", "web"), Blow(0.5, "pull", "gps")
    disturbance = Disturbance([first, second], killed.append, told.append)
    assert disturbance.progress(0.1) == []
    assert disturbance.progress(0.2) == [first]
    assert disturbance.progress(0.9) == [second]
    assert disturbance.progress(1.0) == []
    assert killed == ["web"]
    assert told == [{"unplug": "gps", "for_s": 180.0}]
    assert disturbance.dealt == [first, second]
    asyncio.run(disturbance.settle(0.0))


# -- stage ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> stage.Stage:
    # Folders of people have blanks, umlauts and brackets.
    folder = tmp_path_factory.mktemp("stage") / "eine Reise [ä 🚚]"
    folder.mkdir()
    return stage.set_up(folder, None, with_dose=True)


def test_the_cloud_reads_its_configuration(run: stage.Stage) -> None:
    config = load_config(run.cloud_config)
    assert (config.broker.port, config.web.port) == (run.broker_port, run.web_port)
    token = config.web.operator_token_file
    assert token is not None
    assert read_secret(Path(token)) == run.operator_token
    signer = load_signer(Path(config.keys.cloud_key))
    key = load_registry(Path(config.keys.registry)).find(signer.kid)
    assert key is not None
    assert key.kind is OwnerKind.CLOUD


def test_the_gateway_reads_its_configuration(run: stage.Stage) -> None:
    config, _digest = load_gateway_config(run.gateway_config)
    assert config.gateway == stage.GATEWAY
    assert config.broker.port == run.broker_port
    assert Path(config.container).is_file()
    assert [port.protocol for port in config.ports] == ["board", "nmea", "bgeigie"]
    assert not config.clock.gps_sets_clock


def test_every_key_is_another_and_registered(run: stage.Stage) -> None:
    registry = load_registry(run.directory / "keys.json")
    assert Counter(key.kind for key in registry.keys) == {
        OwnerKind.CLOUD: 1,
        OwnerKind.GATEWAY: 1,
        OwnerKind.PERSON: len(stage.PEOPLE),
    }
    files = sorted(run.directory.glob("*.key"))
    assert len(files) == len(registry.keys) == len(stage.PEOPLE) + 2
    signers = [load_signer(path) for path in files]
    assert len({path.read_bytes() for path in files}) == len(files)
    assert {one.kid for one in signers} == {key.kid for key in registry.keys}
    assert all(one.algorithm is Algorithm.ES256 for one in run.people.values())


def test_secrets_are_for_their_user_only(run: stage.Stage) -> None:
    for path in (*run.directory.glob("*.key"), run.directory / "operator.token"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_second_run_does_not_write_over_a_first(run: stage.Stage) -> None:
    before = {path: path.read_bytes() for path in run.directory.glob("*.key")}
    with pytest.raises(ProgramError, match="not empty"):
        stage.claim(run.directory)
    assert before == {path: path.read_bytes() for path in run.directory.glob("*.key")}


def test_a_wanted_port_is_taken_or_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ProgramError, match=f"port {port} is taken.* --port"):
            stage.free_port(port)
        assert stage.free_port() != port


def test_two_runs_never_get_one_port() -> None:
    first, second = stage.web_port(), stage.web_port()
    assert first != second
    with pytest.raises(ProgramError, match=f"port {first} is taken by another run"):
        stage.web_port(first)


def test_runs_are_numbered_and_the_oldest_go(tmp_path: Path) -> None:
    made = [stage.new_directory(tmp_path / "runs") for _ in range(7)]
    assert [path.name for path in made] == [f"{n:04d}" for n in range(1, 8)]
    assert [path.exists() for path in made] == [False] * 2 + [True] * 5


def test_a_finished_run_outlives_those_that_were_broken_off(tmp_path: Path) -> None:
    finished = stage.new_directory(tmp_path)
    (finished / "S-1.dosetrail").touch()
    for _ in range(9):
        stage.new_directory(tmp_path)
    assert finished.is_dir()
    assert len(list(tmp_path.iterdir())) == 6


def test_the_folder_of_a_run_that_goes_on_stays(tmp_path: Path) -> None:
    first = stage.new_directory(tmp_path)
    lock = stage.claim(first)
    later = [stage.new_directory(tmp_path) for _ in range(6)]
    assert first.is_dir()
    assert not later[0].exists()
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)
    stage.new_directory(tmp_path)
    assert not first.exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for make in (stage.claim, stage.new_directory):
        with pytest.raises(ProgramError, match="directory"):
            make(tmp_path / "file" / "run")


# -- people --------------------------------------------------------------------------


def test_what_a_person_says_is_a_chain(run: stage.Stage) -> None:
    name = "centre"
    person = Person(name, run.people[name], run.directory / f"{name}.key")
    registry = load_registry(run.directory / "keys.json")
    said: tuple[FactBody, ...] = (order(), certificate(), acceptance())
    sealed = [person.say(body, START_NS + number) for number, body in enumerate(said)]
    facts = [verify_fact(one, registry) for one in sealed]
    headers = []
    for found in facts:
        assert isinstance(found, VerifiedFact)
        headers.append(found.fact.header)
    assert [header.sequence for header in headers] == [0, 1, 2]
    assert headers[0].previous == ZERO_DIGEST
    assert all(header.exercise and header.author == name for header in headers)
    assert len({header.fact for header in headers}) == 3
    for before, header in pairwise([*zip(sealed, headers, strict=True)]):
        assert header[1].previous == digest(before[0])


# -- screen --------------------------------------------------------------------------


def test_the_screen_shows_what_happens(
    run: stage.Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen(run)
    screen.page()
    screen.act({"what": "open"}, START_NS)
    screen.act(
        {"what": "handover", "from": "airline-handling", "to": "courier-road-b"},
        START_NS,
    )
    screen.note("simulator: [bold] is not understood")
    screen.command("verify", f"{shown(run.directory)}/x", "--keys", "k" * 70)
    said = capsys.readouterr().out
    assert run.address in said
    assert shown(run.directory) in said
    assert "the lid is opened" in said
    assert "handover: airline-handling to courier-road-b" in said
    assert "[bold] is not understood" in said
    assert " \\\n    --keys " in said


def test_progress_ends_with_the_arrival(
    run: stage.Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen(run)
    for share in (0.0, 0.05, 0.12, 0.95, 1.0, 1.0, 1.0):
        screen.progress(share, "customs Frankfurt", START_NS)
    lines = capsys.readouterr().out.splitlines()
    shares = [word for line in lines for word in line.split() if word.endswith("%")]
    assert shares == ["0%", "12%", "95%", "100%"]
    assert all(len(line) <= 80 for line in lines)


def test_paths_are_shown_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "var" / "runs") == "var/runs"
    assert shown(Path("/x")) == "/x"
