"""Commands: every reason to refuse, replays, power cuts, and the file that stays."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from gateway.orders import Orders, Refused, Repeated, Taken
from schemas import wire
from schemas.commands import (
    KINDS,
    Assign,
    CommandBody,
    CommandHeader,
    Configure,
    Release,
    Resend,
    TakeFingerprint,
    command_aad,
    seal_command,
)
from schemas.contents import Contents, Impurity
from schemas.envelope import open_envelope, seal
from schemas.estimates import (
    FINGERPRINT_METHOD,
    FingerprintResult,
    FingerprintVerdict,
)
from schemas.keys import KeyRegistry
from schemas.records import (
    Conditions,
    DetectorSummary,
    Fingerprint,
    FingerprintStep,
)
from tests.builders import (
    CONTAINER_DIGEST,
    GATEWAY,
    SECOND_NS,
    START_NS,
    Author,
    Cloud,
    contents,
    limits,
)

CLOUD = Cloud()
KEYS = KeyRegistry((CLOUD.key, Author("courier-1").key))
NOW_NS = START_NS
EXPIRES_NS = START_NS + 3600 * SECOND_NS


def orders(directory: Path, keys: KeyRegistry = KEYS) -> Orders:
    return Orders(directory, GATEWAY, keys, CONTAINER_DIGEST)


def assign(*vials: Contents, digest: bytes = CONTAINER_DIGEST) -> Assign:
    return Assign("SH-1", vials or (contents(),), limits(), digest)


def fingerprint(step: FingerprintStep = FingerprintStep.LOADED) -> TakeFingerprint:
    return TakeFingerprint(step, 600 * SECOND_NS)


def taken(found: Taken | Repeated | Refused) -> Taken:
    assert isinstance(found, Taken), found
    return found


def give(to: Orders, body: CommandBody, counter: int) -> bytes:
    sealed = CLOUD.command(body, counter)
    to.keep(taken(to.take(sealed, NOW_NS)))
    return sealed


def unchecked(body: CommandBody, counter: int, version: int = 1) -> bytes:
    """Seal a command as a cloud would that checks nothing."""
    header = CommandHeader(version, GATEWAY, counter, EXPIRES_NS, KINDS[type(body)])
    payload = wire.to_payload(header, body)
    return seal(payload, CLOUD.signer, command_aad(version, GATEWAY))


def test_a_version_that_is_not_known(tmp_path: Path) -> None:
    found = reason(orders(tmp_path), unchecked(Release("SH-1"), 1, version=9))
    assert "version" in found.reason


def reason(to: Orders, sealed: bytes, utc_ns: int | None = NOW_NS) -> Refused:
    found = to.take(sealed, utc_ns)
    assert isinstance(found, Refused), found
    return found


@pytest.mark.parametrize(
    "body",
    [assign(), Release("SH-1"), fingerprint(), Resend(bytes(8), 0, 5), Configure(())],
)
def test_every_command_is_taken(tmp_path: Path, body: CommandBody) -> None:
    to = orders(tmp_path)
    found = taken(to.take(CLOUD.command(body, 1), NOW_NS))
    assert found.command.body == body
    # Nothing is remembered of a command that is not carried out.
    assert to.counter == 0
    to.keep(found)
    assert to.counter == 1


@pytest.mark.parametrize("sealed", [b"", b"\x00", b"\xd2\x84", bytes(range(256))])
def test_bytes_that_are_no_command(tmp_path: Path, sealed: bytes) -> None:
    found = reason(orders(tmp_path), sealed)
    assert found.reason.startswith("not a command")
    assert found.counter is None


def test_every_single_byte_matters(tmp_path: Path) -> None:
    to, sealed = orders(tmp_path), CLOUD.command(Release("SH-1"), 1)
    for at in range(len(sealed)):
        bad = bytearray(sealed)
        bad[at] ^= 1
        found = reason(to, bytes(bad))
        assert found.counter is None, at
    taken(to.take(sealed, NOW_NS))


def test_signed_by_a_stranger_or_by_a_person(tmp_path: Path) -> None:
    to = orders(tmp_path)
    for signer in (Cloud("another").signer, Author("courier-1").signer):
        sealed = seal_command(GATEWAY, 1, EXPIRES_NS, Release("SH-1"), signer)
        assert reason(to, sealed) == Refused("signed by no pinned cloud key")


def test_sealed_for_another_purpose(tmp_path: Path) -> None:
    payload = open_envelope(CLOUD.command(Release("SH-1"), 1)).payload
    sealed = seal(payload, CLOUD.signer, command_aad(1, "gw-other-1"))
    assert reason(orders(tmp_path), sealed) == Refused("the seal is wrong")


def test_for_another_gateway_has_no_answer(tmp_path: Path) -> None:
    sealed = CLOUD.command(Release("SH-1"), 7, gateway="gw-other-1")
    found = reason(orders(tmp_path), sealed)
    assert found == Refused("for another gateway: gw-other-1")


def test_expiry_is_judged_only_when_utc_is_known(tmp_path: Path) -> None:
    to, sealed = orders(tmp_path), CLOUD.command(Release("SH-1"), 1)
    taken(to.take(sealed, None))
    taken(to.take(sealed, EXPIRES_NS))
    assert reason(to, sealed, EXPIRES_NS + 1) == Refused("expired", 1)


def test_a_key_out_of_force(tmp_path: Path) -> None:
    key = msgspec.structs.replace(CLOUD.key, from_ns=NOW_NS, to_ns=NOW_NS + 9)
    to, sealed = orders(tmp_path, KeyRegistry((key,))), CLOUD.command(Release("S"), 1)
    for utc_ns in (NOW_NS - 1, NOW_NS + 10):
        assert "not in force" in reason(to, sealed, utc_ns).reason
    for inside_ns in (NOW_NS, NOW_NS + 9, None):
        taken(to.take(sealed, inside_ns))


def test_another_container_model(tmp_path: Path) -> None:
    sealed = CLOUD.command(assign(digest=hashlib.sha256(b"other").digest()), 1)
    found = reason(orders(tmp_path), sealed)
    assert found == Refused("made for another container model", 1)


def impure(*impurities: Impurity) -> Contents:
    return msgspec.structs.replace(contents(), impurities=impurities)


@pytest.mark.parametrize(
    ("vials", "words"),
    [
        ((contents("V-1"), contents("V-2")), ["V-1, V-2", "one vial"]),
        ((contents(activity_gbq=0.0),), ["activity_gbq", "V-1"]),
        ((msgspec.structs.replace(contents(), nuclide="Zz-1"),), ["Zz-1"]),
        ((impure(Impurity("Zz-1", 1e-4, 1e-5)),), ["Zz-1"]),
        ((impure(Impurity("Lu-177m", 0.0, 1e-5)),), ["Lu-177m", "not positive"]),
        ((impure(Impurity("Lu-177m", 1e-4, -1.0)),), ["Lu-177m"]),
        ((impure(Impurity("Lu-177", 1e-4, 1e-5)),), ["twice"]),
        (
            (msgspec.structs.replace(contents(), reference_at_ns=START_NS * 3),),
            ["reference_at_ns", "V-1"],
        ),
    ],
)
def test_contents_that_cannot_be_followed(
    tmp_path: Path, vials: tuple[Contents, ...], words: list[str]
) -> None:
    found = reason(orders(tmp_path), unchecked(assign(*vials), 1))
    assert found.counter == 1
    for word in words:
        assert word in found.reason


def test_no_vial_at_all(tmp_path: Path) -> None:
    body = Assign("SH-1", (), limits(), CONTAINER_DIGEST)
    assert "none" in reason(orders(tmp_path), unchecked(body, 1)).reason


def test_a_refusal_is_stated_once(tmp_path: Path) -> None:
    to, sealed = orders(tmp_path), CLOUD.command(assign(digest=bytes(32)), 4)
    assert reason(to, sealed).counter == 4
    assert [to.take(sealed, NOW_NS) for _ in range(100)] == [Repeated(4)] * 100
    assert to.counter == 0


def test_a_thousand_old_commands_have_no_effect(tmp_path: Path) -> None:
    to = orders(tmp_path)
    old = [give(to, Release(f"SH-{n}"), n) for n in range(1, 31)]
    give(to, assign(), 31)
    file = tmp_path / "orders.json"
    before = (file.read_bytes(), file.stat().st_mtime_ns, to.counter)
    for restarted in (to, orders(tmp_path)):
        for turn in range(500):
            found = restarted.take(old[turn % 30], NOW_NS)
            assert isinstance(found, Refused)
            assert found.counter is None
        assert restarted.assignment() == assign()
    assert (file.read_bytes(), file.stat().st_mtime_ns, to.counter) == before


def test_the_last_command_is_answered_once(tmp_path: Path) -> None:
    to = orders(tmp_path)
    sealed = give(to, assign(), 1)
    assert [to.take(sealed, NOW_NS) for _ in range(50)] == [Repeated(1)] * 50


def test_power_cut_between_keeping_and_answering(tmp_path: Path) -> None:
    sealed = give(orders(tmp_path), assign(), 1)
    again = orders(tmp_path)
    assert taken(again.take(sealed, NOW_NS)).command.body == assign()
    assert again.take(sealed, NOW_NS) == Repeated(1)


def test_the_last_command_is_not_done_again_once_it_has_expired(tmp_path: Path) -> None:
    sealed = give(orders(tmp_path), fingerprint(), 1)
    assert orders(tmp_path).take(sealed, EXPIRES_NS + 1) == Repeated(1)


LOADED = Fingerprint(
    step=FingerprintStep.LOADED,
    counter=2,
    from_boot_ns=0,
    to_boot_ns=60,
    detectors=(DetectorSummary("board/detector-0", 9, 59, 60, 1, 1, 21.125),),
    attitude=(0.1, 0.0, -0.995),
    conditions=Conditions(False, True, False, False, 17, 3),
    result=FingerprintResult(
        FINGERPRINT_METHOD, FingerprintVerdict.ACCEPTED, (), 1.0625, 0.21, 0.3
    ),
)


def test_the_shipment_outlives_a_power_cut(tmp_path: Path) -> None:
    to = orders(tmp_path)
    give(to, assign(), 1)
    give(to, fingerprint(), 2)
    to.keep_loaded(LOADED)
    after = orders(tmp_path)
    assert (after.assignment(), after.is_loaded, after.counter) == (assign(), True, 2)
    assert after.loaded == LOADED
    give(after, Release("SH-1"), 3)
    released = orders(tmp_path)
    assert (released.assignment(), released.is_loaded) == (None, False)


def test_a_new_shipment_is_not_loaded(tmp_path: Path) -> None:
    to = orders(tmp_path)
    give(to, assign(), 1)
    to.keep_loaded(LOADED)
    give(to, assign(contents("V-9")), 2)
    assert not orders(tmp_path).is_loaded
    assert orders(tmp_path).loaded is None


def test_nothing_is_loaded_without_a_shipment(tmp_path: Path) -> None:
    to = orders(tmp_path)
    give(to, fingerprint(), 1)
    to.keep_loaded(LOADED)
    assert not to.is_loaded


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\x00" * 64,
        b"{",
        b'{"counter": "x"}',
        b'{"counter": 3, "assign": "AAAA"}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_file_is_kept_aside(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "orders.json").write_bytes(damage)
    to = orders(tmp_path)
    assert (to.counter, to.assignment()) == (0, None)
    assert (tmp_path / "orders.damaged").read_bytes() == damage
    give(to, assign(), 5)
    assert orders(tmp_path).assignment() == assign()


def test_a_half_written_file_is_passed_over(tmp_path: Path) -> None:
    give(orders(tmp_path), assign(), 1)
    (tmp_path / "orders.part").write_bytes(b'{"coun')
    assert orders(tmp_path).assignment() == assign()


def test_what_could_not_be_written_was_not_taken(tmp_path: Path) -> None:
    to = orders(tmp_path)
    sealed = CLOUD.command(assign(), 1)
    found = taken(to.take(sealed, NOW_NS))
    # A folder in its place: the system refuses to write, whoever the user is.
    (tmp_path / "orders.part").mkdir()
    with pytest.raises(OSError, match="directory"):
        to.keep(found)
    assert (to.counter, to.assignment()) == (0, None)
    (tmp_path / "orders.part").rmdir()
    to.keep(taken(to.take(sealed, NOW_NS)))
    assert orders(tmp_path).assignment() == assign()
