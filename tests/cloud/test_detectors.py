"""What the detectors say beside the certificate: words, JSON, page, plots, as of."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cloud.detectors import (
    LOOK,
    fingerprint_word,
    fused_word,
    half_life_word,
    remaining_word,
)
from schemas.estimates import EstimateState, FingerprintVerdict, WitnessVerdict
from tests import journey_estimates, journeys
from tests.builders import SHIPMENT
from tests.journeys import APPOINTMENT_NS, DISPATCHED_NS, HOUR_NS
from tests.web_world import World

BASE = f"/api/shipments/{SHIPMENT}"
VIAL = journeys.contents()
FUSED = journey_estimates.estimates(VIAL, DISPATCHED_NS, flying=False)[1]
HELD = journey_estimates.estimates(VIAL, DISPATCHED_NS, flying=True)[1]
FINGERPRINT = journey_estimates.fingerprint()


@pytest.fixture(scope="module")
def travelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """18 hours on the way."""
    found = World(tmp_path_factory.mktemp("world"))
    found.travel(18.0)
    yield found
    found.ledger.close()
    found.series.close()


def test_a_fused_activity_is_for_information() -> None:
    # 12.5 GBq x 1.004 after 50 h, u = 1.1 %.
    assert fused_word(FUSED, "Lu-177") == (
        "Certificate and counts together: 10.10 \N{PLUS-MINUS SIGN} 0.22 GBq (k = 2), "
        "by the gain calibration of this container. For information: the "
        "certificate's value is used."
    )
    doubtful = msgspec.structs.replace(
        FUSED, state=EstimateState.DEGRADED, reasons=("board/detector-1 is dead",)
    )
    assert " Degraded: board/detector-1 is dead. " in fused_word(doubtful, "Lu-177")


def test_held_states_no_number() -> None:
    assert fused_word(HELD, "Lu-177") == (
        "Held (in the air): the certificate and decay are all there is."
    )
    blind = msgspec.structs.replace(
        HELD, state=EstimateState.NOT_OBSERVABLE, reasons=("calibration was due",)
    )
    assert fused_word(blind, "Lu-177") == "Not stated: calibration was due."


def test_the_fraction_that_remains_has_its_interval() -> None:
    known = journey_estimates.remaining("V-1", 0, flying=False)
    assert remaining_word(known) == (
        "99.91 \N{PLUS-MINUS SIGN} 0.32 % (k = 2) of what decay leaves of it is there."
    )
    coarse = msgspec.structs.replace(known, ratio_u=0.026)
    assert remaining_word(coarse).startswith("99.9 \N{PLUS-MINUS SIGN} 5.2 %")
    assert remaining_word(journey_estimates.remaining("V-1", 0, flying=True)) == (
        "Held: in the air."
    )


@pytest.mark.parametrize(
    ("verdict", "start"),
    [
        (FingerprintVerdict.ACCEPTED, "Accepted: 100.4 \N{PLUS-MINUS SIGN} 5.6 %"),
        (FingerprintVerdict.REFUSED, "Refused: wrong vial."),
        (FingerprintVerdict.NOT_OBSERVABLE, "Not observable: wrong vial."),
    ],
)
def test_a_fingerprint_says_what_became_of_it(
    verdict: FingerprintVerdict, start: str
) -> None:
    why = () if verdict is FingerprintVerdict.ACCEPTED else ("wrong vial",)
    result = msgspec.structs.replace(FINGERPRINT, verdict=verdict, reasons=why)
    word = fingerprint_word(result)
    assert word.startswith(start)
    assert (LOOK in word) == (verdict is FingerprintVerdict.REFUSED)


def test_a_half_life_that_does_not_fit_is_for_a_person() -> None:
    good = journey_estimates.half_life(VIAL)
    assert half_life_word(good).startswith("Agrees: 6.71 \N{PLUS-MINUS SIGN} 0.27 d")
    other = msgspec.structs.replace(
        good, verdict=WitnessVerdict.HIGH, reasons=("would fit: I-131",)
    )
    assert half_life_word(other).endswith(f"Would fit: I-131. {LOOK}")
    early = msgspec.structs.replace(
        good, half_life_s=None, half_life_u_s=None, reasons=("too short a time",)
    )
    assert half_life_word(early) == "Not observable: too short a time."


def test_the_interface_answers_all_of_it(travelled: World) -> None:
    found = travelled.get(f"{BASE}/arrival")
    said = found["detectors"]
    fused, then = said["fused"], found["at_appointment"]["activity_gbq"]
    assert fused["state"] == "valid"
    assert fused["at_appointment_gbq"] == pytest.approx(1.004 * then, rel=1e-9)
    assert fused["at_appointment_expanded_u_gbq"] == pytest.approx(
        2 * 0.011 * 1.004 * then, rel=1e-3
    )
    assert fused["now_gbq"] > fused["at_eta_gbq"] > fused["at_appointment_gbq"]
    assert [share["name"] for share in fused["budget"]] == [
        "gain",
        "certificate",
        "counts",
    ]
    assert said["remaining"]["ratio"] == 0.9991
    assert said["remaining"]["ratio_expanded_u"] == 0.0032
    assert said["half_life"]["verdict"] == "agrees"
    assert said["fingerprint"]["verdict"] == "accepted"
    # The number itself stays the certificate's.
    assert found["method"] == "certificate-1"


def test_what_was_not_known_then_is_not_said(travelled: World) -> None:
    flying = travelled.get(f"{BASE}/arrival", params={"as_of": "2026-09-24T02:43:30Z"})
    fused = flying["detectors"]["fused"]
    assert (fused["state"], fused["now_gbq"], fused["budget"]) == ("held", None, [])
    assert flying["detectors"]["remaining"]["ratio"] is None
    # A later half-life is not known then; the fingerprint of the dispatch is.
    assert flying["detectors"]["half_life"] is None
    assert flying["detectors"]["fingerprint"]["verdict"] == "accepted"


def test_the_page_labels_the_second_line(travelled: World) -> None:
    page = travelled.call("GET", f"/shipments/{SHIPMENT}").text
    assert "Fused with the counts <small>second opinion, k = 2</small>" in page
    assert "Certificate and counts together" in page
    assert "Still there since dispatch" in page
    assert "Uncertainty budget, k = 1" in page
    assert 'data-plot="activity"' in page
    assert 'data-plot="remaining"' in page


def test_held_activities_are_not_drawn(travelled: World) -> None:
    asked = "quantity=fused_activity_gbq&quantity=activity_gbq&quantity=remaining_ratio"
    series = travelled.get(f"{BASE}/series?{asked}")["series"]
    drawn = {one["quantity"]: len(one["at_s"]) for one in series}
    assert drawn["fused_activity_gbq"] == drawn["remaining_ratio"]
    assert drawn["fused_activity_gbq"] < drawn["activity_gbq"] == 18 * 6
    (fused,) = [one for one in series if one["quantity"] == "fused_activity_gbq"]
    for value, low, high in zip(
        fused["value"], fused["minimum"], fused["maximum"], strict=True
    ):
        # The series are rounded for drawing.
        assert high - value == pytest.approx(value - low, rel=0.01)
        assert high - value == pytest.approx(0.022 * value, rel=0.01)


def test_without_a_released_gain_nothing_is_shown(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.travel(0.1)
    page = world.call("GET", f"/shipments/{SHIPMENT}").text
    assert "second opinion" not in page
    world.ledger.close()
    world.series.close()


def test_appointment_is_after_the_last_report() -> None:
    assert APPOINTMENT_NS > DISPATCHED_NS + 18 * HOUR_NS
