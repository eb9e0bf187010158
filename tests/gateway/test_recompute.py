"""Estimates computed again from sealed records: the same, or said where not."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from gateway.__main__ import main
from gateway.errors import GatewayError
from gateway.estimator.container import read_container
from gateway.recompute import Recomputation, recompute
from schemas.commands import Assign
from schemas.envelope import Withheld, open_envelope, split_sequence, withheld
from schemas.keys import KeyRegistry
from schemas.readings import Fix
from schemas.records import (
    Conditions,
    Fingerprint,
    Position,
    Record,
    Report,
    read_record,
    seal_record,
)
from schemas.units import instant_text
from tests.builders import (
    START_NS,
    Author,
    Cloud,
    GatewayChain,
    handover,
    limits,
    registry,
)
from tests.gateway.export_rig import SHIPMENT, VIAL, Journey, whole
from tests.gateway.station_rig import LYING


@pytest.fixture(scope="module")
def journey() -> Journey:
    return whole()


def again(
    journey: Journey, data: bytes | None = None, keys: KeyRegistry | None = None
) -> Recomputation:
    text = journey.file.read_bytes()
    model = read_container(text, str(journey.file))
    export = journey.export() if data is None else data
    return recompute(export, model, journey.digest, keys)


def records(data: bytes) -> list[Record]:
    return [
        read_record(open_envelope(item).payload)
        for item in split_sequence(data)
        if not isinstance(item, Withheld)
    ]


def test_all_that_was_stated_comes_out_again(journey: Journey) -> None:
    found = again(journey, keys=registry(journey.chain))
    assert found.is_same
    assert found.is_checked
    assert (found.missing, found.altered, found.differences) == (0, [], [])
    assert found.same["activity"] == found.same["witness"] > 55
    assert found.same["fingerprint"] == 1
    assert found.last is not None
    assert found.last.estimates[0].activity_gbq == pytest.approx(7.4, rel=0.01)


def test_what_is_no_record_is_passed_over(journey: Journey) -> None:
    cloud = Cloud()
    receipt = cloud.receipt(journey.chain)
    fact = Author("courier-1")
    data = receipt + journey.export() + fact.state(handover())
    found = again(journey, data)
    assert found.is_same
    assert found.records == len(journey.chain.sealed)


def changed(journey: Journey, kind: type[Report], **changes: object) -> bytes:
    """The export with the last report sealed with other values."""
    items = list(journey.chain.sealed)
    for at in range(len(items) - 1, -1, -1):
        record = read_record(open_envelope(items[at]).payload)
        if isinstance(record.body, kind):
            body = msgspec.structs.replace(record.body, **changes)
            items[at] = seal_record(record.header, body, journey.chain.signer)
            return b"".join(items)
    raise AssertionError(kind)


def test_a_number_that_was_not_computed_is_found(journey: Journey) -> None:
    last = records(journey.export())[-1].body
    assert isinstance(last, Report)
    better = msgspec.structs.replace(
        last.estimates[0], activity_gbq=last.estimates[0].activity_gbq * (1 + 1e-12)
    )
    data = changed(journey, Report, estimates=(better,))
    found = again(journey, data, registry(journey.chain))
    assert not found.is_same
    assert found.different == {"activity": 1}
    (difference,) = found.differences
    assert difference.sequence == len(journey.chain.sealed) - 1
    assert "activity_gbq stated 7." in difference.text
    text = journey.file.read_bytes()
    model = read_container(text, str(journey.file))
    assert recompute(data, model, journey.digest, None, 1e-9).is_same


def test_counts_that_were_changed_are_found(journey: Journey) -> None:
    last = records(journey.export())[-1].body
    assert isinstance(last, Report)
    first, *others = last.detectors
    more = msgspec.structs.replace(first, counts=first.counts + 1)
    found = again(journey, changed(journey, Report, detectors=(more, *others)))
    assert found.different["witness"] == 1


def test_a_broken_seal_is_left_out_and_told(journey: Journey) -> None:
    items = list(journey.chain.sealed)
    broken = bytearray(items[-1])
    broken[-1] ^= 1
    items[-1] = bytes(broken)
    keys = registry(journey.chain)
    found = again(journey, b"".join(items), keys)
    assert not found.is_same
    assert "seal is not good" in found.altered[0]
    assert not found.different
    with pytest.raises(GatewayError, match=r"key that is not known.*give the key"):
        again(journey, keys=registry(Author("nobody")))


def test_after_missing_records_nothing_is_called_different(journey: Journey) -> None:
    items = list(journey.chain.sealed)
    del items[40:50]
    found = again(journey, b"".join(items))
    assert found.missing == 10
    assert not found.different
    assert found.unjudged["witness"] > 0
    # The certificate's value needs no history.
    assert found.unjudged["activity"] == 0


def test_withheld_positions_are_not_missing() -> None:
    journey = Journey()
    journey.assign()
    for _ in range(5):
        journey.play(2)
        journey.chain.append(Position("gps/position", Fix.NONE, 0))
    kept = [
        withheld(item)
        if isinstance(read_record(open_envelope(item).payload).body, Position)
        else item
        for item in journey.chain.sealed
    ]
    found = again(journey, b"".join(kept))
    assert (found.missing, found.is_same) == (0, True)


def test_a_restart_knows_the_fingerprint_and_no_counts(journey: Journey) -> None:
    first = whole(minutes=5)
    second = Journey()
    second.chain = first.chain
    second.chain.boot_id = bytes(16)
    second.chain.append(second.birth())
    second.rig.time.take_receipt(START_NS + 7200 * 10**9, 0)
    bodies = [r.body for r in records(first.export())]
    loaded = [body for body in bodies if isinstance(body, Fingerprint)][-1]
    second.rig.station.follow(
        Assign(SHIPMENT, (VIAL,), limits(), second.digest),
        is_loaded=True,
        loaded=loaded,
    )
    second.play(5)
    second.play(3, attitude=LYING)
    found = again(second)
    assert found.is_same
    assert found.same["fingerprint"] == 1
    assert found.same["fraction remaining"] > 10


def test_a_new_epoch_within_a_boot_forgets_nothing(journey: Journey) -> None:
    other = whole(minutes=20)
    bodies = [record.body for record in records(other.export())]
    first, second = GatewayChain(), GatewayChain(epoch=bytes(range(8)))
    half = len(bodies) - 10
    first.extend(*bodies[:half])
    assigned = bodies[1]
    second.extend(bodies[0], assigned, *bodies[half:])
    found = again(other, b"".join([*first.sealed, *second.sealed]))
    assert found.is_same


def test_another_container_model_is_an_error(journey: Journey) -> None:
    text = journey.file.read_bytes()
    model = read_container(text, str(journey.file))
    with pytest.raises(GatewayError, match=r"give the file that the gateway had"):
        recompute(journey.export(), model, bytes(32), None)


@pytest.mark.parametrize("data", [b"", b"\x00" * 9, b"no export", b"\xd2\x84\x01"])
def test_what_is_no_export_is_an_error(journey: Journey, data: bytes) -> None:
    with pytest.raises(GatewayError, match=r"no records|no export"):
        again(journey, data)


def test_reports_without_conditions_are_not_compared() -> None:
    journey = Journey()
    report = Report(0, 1, (), (), ())
    journey.chain.append(report)
    journey.chain.append(
        msgspec.structs.replace(
            report, conditions=Conditions(False, False, False, False)
        )
    )
    found = again(journey)
    assert not found.is_same
    assert sum(found.different.values()) == 0


# -- the command -----------------------------------------------------------------------


class Done(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    def call(*arguments: object) -> Done:
        argv = ["dosetrail-gateway", "estimate", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr()
        return Done(int(caught.value.code or 0), said.out, said.err)

    return call


def test_the_command_says_it_in_words_and_in_json(
    journey: Journey, tmp_path: Path, run: Callable[..., Done]
) -> None:
    export, keys = tmp_path / "S.dosetrail", tmp_path / "keys.json"
    export.write_bytes(journey.export())
    keys.write_bytes(registry(journey.chain).to_json())
    at = instant_text(START_NS + 86_400 * 10**9)
    options = ("--container", journey.file, "--keys", keys, "--at", at)
    done = run(export, *options)
    assert (done.status, done.err) == (0, "")
    assert "the same:" in done.out
    assert "seals checked" in done.out
    assert "fingerprint         accepted" in done.out
    assert max(map(len, done.out.splitlines())) <= 120
    # 7.4 GBq a day later, and 3 % of it.
    assert f"at {at}\ncertificate, decay  6.67 ± 0.20 GBq (k = 2)" in done.out
    told = json.loads(run(export, *options, "--json").out)
    assert told["is_same"] is True
    assert told["different"] == {}
    assert told["at"][0]["activity_gbq"] == pytest.approx(7.4 * 2 ** (-1 / 6.6443))


def test_the_command_fails_by_status(
    journey: Journey, tmp_path: Path, run: Callable[..., Done]
) -> None:
    export = tmp_path / "S.dosetrail"
    export.write_bytes(changed(journey, Report, witnesses=()))
    done = run(export, "--container", journey.file)
    assert done.status == 1
    assert "DIFFERENT: 1 statements" in done.out
    assert "seals not checked" in done.out
    for arguments, words in (
        ((export, "--container", tmp_path / "none.toml"), "none.toml"),
        ((tmp_path / "none", "--container", journey.file), "none: "),
        ((journey.file, "--container", journey.file), "no export"),
        ((export, "--container", journey.file, "--keys", export), "S.dosetrail"),
        ((export, "--container", journey.file, "--at", "noon"), "noon"),
    ):
        done = run(*arguments)
        assert done.status == 2, arguments
        assert words in done.err
        assert "Traceback" not in done.err
