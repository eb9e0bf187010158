"""What a station says of the activity over a journey, for each kind of container.

The rig's vial does not decay within a journey of an hour or two: 0.43 % an hour.
"""

import math
from itertools import pairwise

import msgspec
import pytest

from gateway.estimator.container import ContainerModel, read_container
from gateway.witnessing import Witnessing
from schemas.estimates import (
    CERTIFICATE_METHOD,
    FUSED_METHOD,
    Estimate,
    EstimateState,
    FingerprintVerdict,
    WitnessVerdict,
    projected,
)
from schemas.records import Conditions, Fingerprint, Report
from tests.gateway.export_rig import VIAL, Journey, whole
from tests.gateway.station_rig import LYING
from tests.gateway.test_recompute import records


def reports(journey: Journey) -> list[Report]:
    bodies = [record.body for record in records(journey.export())]
    return [body for body in bodies if isinstance(body, Report)]


def fused(report: Report) -> Estimate:
    (found,) = [e for e in report.estimates if e.method == FUSED_METHOD]
    return found


@pytest.fixture(scope="module")
def inner() -> Journey:
    return whole("inner-pair", minutes=62)


@pytest.fixture(scope="module")
def default() -> Journey:
    return whole("overpack-10mm", minutes=62)


def test_a_fused_number_is_a_second_line_and_sharper(inner: Journey) -> None:
    last = reports(inner)[-1]
    first, second = last.estimates
    assert (first.method, second.method) == (CERTIFICATE_METHOD, FUSED_METHOD)
    assert second.state is EstimateState.VALID
    u_ratio = second.activity_u_gbq / second.activity_gbq
    assert 0.008 < u_ratio < 0.0135
    assert u_ratio < first.activity_u_gbq / first.activity_gbq
    assert second.activity_gbq == pytest.approx(7.4, rel=0.03)
    shares = {share.name: share.u_ratio for share in second.budget}
    assert {"certificate", "gain", "counts", "half-life", "clock"} <= shares.keys()
    assert math.hypot(*shares.values()) == pytest.approx(u_ratio)


def test_anyone_can_project_what_was_stated(inner: Journey) -> None:
    for estimate in reports(inner)[-1].estimates:
        value, u = projected(estimate, estimate.at_ns)
        assert value == pytest.approx(estimate.activity_gbq, rel=1e-9)
        assert u == pytest.approx(estimate.activity_u_gbq, rel=1e-3)
        later, later_u = projected(estimate, estimate.at_ns + 5 * 86_400 * 10**9)
        assert later == pytest.approx(value * 2 ** (-5 / 6.6443), rel=1e-4)
        assert later_u / later >= u / value


def test_without_a_released_gain_there_is_no_fused_number(default: Journey) -> None:
    found = reports(default)
    assert {e.method for report in found for e in report.estimates} == {
        CERTIFICATE_METHOD
    }
    assert found[-1].remaining


def test_a_fingerprints_gain_is_never_in_an_activity(inner: Journey) -> None:
    """With a fingerprint, with another one, without any: the same activities."""
    text = inner.file.read_bytes()
    bodies = [record.body for record in records(inner.export())]
    loaded = [body for body in bodies if isinstance(body, Fingerprint)][-1]
    assert loaded.result is not None
    assert loaded.result.verdict is FingerprintVerdict.ACCEPTED
    doubled = tuple(
        msgspec.structs.replace(d, counts=2 * d.counts) for d in loaded.detectors
    )
    others = (None, msgspec.structs.replace(loaded, detectors=doubled))
    told = [
        after(read_container(text, ""), loaded_or_none, reports(inner))
        for loaded_or_none in (loaded, *others)
    ]
    for one, other in pairwise(told):
        assert [r.estimates for r in one] == [r.estimates for r in other]
        assert [r.witnesses for r in one] == [r.witnesses for r in other]
    assert told[0][-1].remaining != told[2][-1].remaining
    assert told[1][-1].remaining == ()


def after(
    model: ContainerModel, loaded: Fingerprint | None, found: list[Report]
) -> list[Report]:
    witnessing = Witnessing(model)
    witnessing.follow((VIAL,), loaded)
    there = [r for r in found if r.conditions and r.conditions.is_loaded]
    return [witnessing.complete(report) for report in there[:20]]


@pytest.mark.parametrize("name", ["inner", "default"])
def test_nothing_but_decay_happened(name: str, request: pytest.FixtureRequest) -> None:
    last = reports(request.getfixturevalue(name))[-1]
    (remaining,) = last.remaining
    assert remaining.state is EstimateState.VALID
    # The rig's vial does not decay: within the hour 0.43 % too much, on average.
    excess = (remaining.ratio or 0.0) - 1.003
    assert abs(excess) < 3 * (remaining.ratio_u or 0.0)
    assert (remaining.ratio_u or 9.0) < (0.003 if name == "inner" else 0.04)


def test_half_life_is_asked_for_by_the_hour(inner: Journey) -> None:
    asked = [r for r in reports(inner) if r.half_lives]
    assert len(asked) == 1
    (check,) = asked[0].half_lives
    assert check.verdict is WitnessVerdict.NOT_OBSERVABLE
    assert check.reasons == ("too short a time to see the decay",)


def test_five_percent_lost_is_in_the_fraction_not_in_the_activity() -> None:
    journey = whole("inner-pair", minutes=5)
    journey.play(70, activity_gbq=7.4 * 0.95)
    last = reports(journey)[-1]
    (remaining,) = last.remaining
    assert remaining.ratio == pytest.approx(0.955, abs=0.006)
    held = fused(last)
    assert held.state is EstimateState.HELD
    words = " ".join(held.reasons)
    assert any(why in words for why in ("alarm unresolved", "scatters", "departs"))
    certificate = last.estimates[0]
    assert held.activity_gbq == certificate.activity_gbq
    # Wider than the certificate's by what may have happened and is not resolved.
    (share,) = held.budget
    assert share.name == "unresolved change"
    assert share.u_ratio == pytest.approx(0.047, abs=0.01)
    assert held.activity_u_gbq == pytest.approx(
        math.hypot(certificate.activity_u_gbq, held.activity_gbq * share.u_ratio)
    )


def test_outside_the_fingerprinted_attitude_all_is_held(inner: Journey) -> None:
    journey = whole("inner-pair", minutes=5)
    journey.play(3, attitude=LYING)
    last = reports(journey)[-1]
    assert fused(last).state is EstimateState.HELD
    assert "attitude" in fused(last).reasons[0]
    assert fused(last).activity_gbq == last.estimates[0].activity_gbq
    (remaining,) = last.remaining
    assert (remaining.state, remaining.ratio) == (EstimateState.HELD, None)
    assert last.witnesses[0].verdict is WitnessVerdict.NOT_OBSERVABLE
    journey.play(3)
    assert fused(reports(journey)[-1]).state is EstimateState.VALID


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ({"is_airborne": True}, EstimateState.HELD, "in the air"),
        ({"is_alarmed": True}, EstimateState.HELD, "alarm unresolved"),
        ({"time_u_ns": 3600 * 10**9}, EstimateState.HELD, "clock uncertain"),
        (
            {"utc_minus_boot_ns": 1_900_000_000 * 10**9},
            EstimateState.NOT_OBSERVABLE,
            "gain calibration was due",
        ),
    ],
)
def test_conditions_hold_the_fused_number(
    inner: Journey, change: dict[str, object], state: EstimateState, reason: str
) -> None:
    there = [r for r in reports(inner) if r.conditions and r.conditions.is_loaded]
    witnessing = Witnessing(read_container(inner.file.read_bytes(), ""))
    witnessing.follow((VIAL,))
    for report in there[:5]:
        assert fused(witnessing.complete(report)).state is EstimateState.VALID
    assert isinstance(there[5].conditions, Conditions)
    changed = msgspec.structs.replace(there[5].conditions, **change)
    found = witnessing.complete(msgspec.structs.replace(there[5], conditions=changed))
    assert fused(found).state is state
    assert reason in fused(found).reasons[0]
    assert fused(found).activity_gbq == found.estimates[0].activity_gbq


def test_one_detector_less_degrades(inner: Journey) -> None:
    there = [r for r in reports(inner) if r.conditions and r.conditions.is_loaded]
    witnessing = Witnessing(read_container(inner.file.read_bytes(), ""))
    witnessing.follow((VIAL,))
    one = [msgspec.structs.replace(r, detectors=r.detectors[:1]) for r in there[:15]]
    found = [witnessing.complete(report) for report in one][-1]
    assert fused(found).state is EstimateState.DEGRADED
    assert "board/detector-1 is missing" in fused(found).reasons
    none = [msgspec.structs.replace(r, detectors=()) for r in there[15:30]]
    found = [witnessing.complete(report) for report in none][-1]
    assert fused(found).state is EstimateState.HELD
    assert "no watching detector is alive" in fused(found).reasons


def test_a_refused_fingerprint_gives_no_fraction() -> None:
    journey = Journey("inner-pair")
    journey.assign()
    journey.fingerprint(activity_gbq=3.7)
    journey.play(3, activity_gbq=3.7)
    assert reports(journey)[-1].remaining == ()
