"""A container's gain that a person released: what it does to a gateway's estimates."""

import msgspec
import pytest

from gateway.estimator.container import read_container
from gateway.estimator.gains import with_gain
from gateway.recompute import recompute
from schemas.contents import ReleasedGain, check_gain
from schemas.envelope import open_envelope
from schemas.errors import MalformedError
from schemas.estimates import FUSED_METHOD, EstimateState, WitnessVerdict
from schemas.events import Event, EventKind
from schemas.records import Assigned, Body, Report, read_record
from tests.builders import START_NS, registry
from tests.gateway.export_rig import Journey
from tests.gateway.station_rig import MODEL

DAY_NS = 86_400 * 10**9
# What stands in the vial in these worlds, over what the certificate says.
OFF = 1.06
GAIN = ReleasedGain(
    of_fact=bytes(range(16)),
    nuclide="Lu-177",
    gain_ratio=OFF,
    gain_ratio_u=0.02,
    standard="assay 00: CRC-55tR",
    released_by="physicist-2",
    released_at_ns=START_NS - DAY_NS,
    due_at_ns=START_NS + 300 * DAY_NS,
)


def played(gain: ReleasedGain | None, minutes: int = 45) -> Journey:
    """A container that sees 6 % more than its model says."""
    journey = Journey()
    journey.assign(gain)
    journey.fingerprint(7.4 * OFF)
    journey.play(minutes, 7.4 * OFF)
    return journey


def last(journey: Journey) -> Report:
    return [body for body in bodies(journey) if isinstance(body, Report)][-1]


def bodies(journey: Journey) -> list[Body]:
    return [
        read_record(open_envelope(item).payload).body for item in journey.chain.sealed
    ]


@pytest.fixture(scope="module")
def released() -> Journey:
    return played(GAIN)


@pytest.fixture(scope="module")
def unreleased() -> Journey:
    return played(None)


def test_only_with_a_released_gain_there_is_a_second_line(
    released: Journey, unreleased: Journey
) -> None:
    with_it, without = last(released), last(unreleased)
    assert len(without.estimates) == 1
    first, second = with_it.estimates
    assert second.method == FUSED_METHOD
    assert second.state is EstimateState.VALID
    # The first is the certificate's, untouched; the second by the new gain beside it.
    assert first.activity_gbq == pytest.approx(7.4, rel=0.02)
    assert second.activity_gbq == pytest.approx(first.activity_gbq, rel=0.03)
    assert second.activity_u_gbq < first.activity_u_gbq


def test_the_witness_is_held_against_the_released_gain(
    released: Journey, unreleased: Journey
) -> None:
    (word,) = last(released).witnesses
    assert word.verdict is WitnessVerdict.AGREES
    assert word.ratio == pytest.approx(1.0, abs=0.06)
    (before,) = last(unreleased).witnesses
    assert before.ratio == pytest.approx(OFF, abs=0.06)
    # 20 % of this model's gain go, 2 % of the released one come.
    assert word.ratio_u is not None
    assert before.ratio_u is not None
    assert word.ratio_u < before.ratio_u / 2


def test_what_a_new_gain_would_inherit_is_without_the_old_one(
    released: Journey, unreleased: Journey
) -> None:
    (word,) = last(released).witnesses
    (before,) = last(unreleased).witnesses
    assert word.counted_u is not None
    assert before.counted_u is not None
    assert before.ratio_u is not None
    assert before.counted_u < 0.1 < before.ratio_u
    assert word.counted_u == pytest.approx(before.counted_u / OFF, rel=0.05)


def test_the_export_says_by_which_gain_and_comes_out_again(released: Journey) -> None:
    text = released.file.read_bytes()
    model = read_container(text, str(released.file))
    keys = registry(released.chain)
    found = recompute(released.export(), model, released.digest, keys)
    assert found.is_same, found.differences
    assert found.last is not None
    assert len(found.last.estimates) == 2
    # Without the gain in the record nobody could compute the second line again.
    forgotten = Journey()
    for body in bodies(released)[1:]:
        assert not isinstance(body, Assigned) or body.gain == GAIN
        without = {"gain": None} if isinstance(body, Assigned) else {}
        forgotten.chain.append(msgspec.structs.replace(body, **without))
    other = recompute(forgotten.export(), model, released.digest, None)
    assert other.different["activity"] > 0


def test_a_wrong_gain_is_no_alarm_of_a_lost_vial(released: Journey) -> None:
    told = [body for body in bodies(released) if isinstance(body, Event)]
    assert not [one for one in told if one.what is EventKind.INTEGRITY]


def test_it_holds_from_its_release_until_it_is_due() -> None:
    text = MODEL.read_bytes()
    model = with_gain(read_container(text, str(MODEL)), GAIN)
    assert model.why_not_released("Lu-177", GAIN.released_at_ns) is None
    assert "was due" in str(model.why_not_released("Lu-177", GAIN.due_at_ns))
    early = model.why_not_released("Lu-177", GAIN.released_at_ns - 10**9)
    assert "only from" in str(early)
    assert "not released for I-131" in str(model.why_not_released("I-131", START_NS))


def test_it_changes_what_looks_at_the_package_and_nothing_else() -> None:
    before = read_container(MODEL.read_bytes(), str(MODEL))
    after = with_gain(before, GAIN)
    for old, new in zip(before.detectors, after.detectors, strict=True):
        is_package = old in before.package_detectors
        for one, other in zip(old.sensitivities, new.sensitivities, strict=True):
            ratio = other.count_rate_per_s_gbq / one.count_rate_per_s_gbq
            assert ratio == pytest.approx(OFF if is_package else 1.0)
            measured = is_package and one.nuclide == "Lu-177"
            u_ratio = 0.02 / OFF if measured else one.common_u_ratio
            assert other.common_u_ratio == pytest.approx(u_ratio)
            assert other.differential_u_ratio == one.differential_u_ratio
    assert with_gain(before, None) is before


def test_the_next_shipment_begins_with_the_model_s_own_again() -> None:
    journey = Journey()
    journey.assign(GAIN)
    journey.release()
    journey.assign()
    journey.fingerprint()
    journey.play(3)
    assert len(last(journey).estimates) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nuclide": "I-131"}, "released for I-131, the vial is Lu-177"),
        ({"gain_ratio": 0.1}, "gain_ratio 0.1 is not within 0.2 and 5"),
        ({"gain_ratio": float("nan")}, "gain_ratio nan is not within"),
        ({"gain_ratio_u": 0.0}, "gain_ratio_u 0 is not above 0"),
        ({"gain_ratio_u": 0.2}, "up to 10% of gain_ratio"),
        ({"due_at_ns": GAIN.released_at_ns}, "not after released_at_ns"),
    ],
)
def test_a_gain_that_no_estimate_may_rest_on(
    changes: dict[str, object], words: str
) -> None:
    check_gain(GAIN, "Lu-177")
    with pytest.raises(MalformedError, match=words):
        check_gain(msgspec.structs.replace(GAIN, **changes), "Lu-177")
