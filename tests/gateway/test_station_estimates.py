"""Readings in, statements out: flight, estimate, witness and fingerprint."""

import msgspec
import pytest

from schemas.commands import TakeFingerprint
from schemas.estimates import FingerprintVerdict, WitnessVerdict
from schemas.events import EventKind, Severity
from schemas.readings import (
    Lid,
)
from schemas.records import (
    Fingerprint,
    FingerprintStep,
    Report,
)
from tests.builders import START_NS
from tests.gateway.station_rig import (
    LYING,
    MINUTE_NS,
    NS,
    UPRIGHT,
    Rig,
    lid,
    waveform,
)

# -- flight --------------------------------------------------------------------------


def fly(rig: Rig, first: int) -> None:
    for number in range(15):
        rig.minute(first + number, pressure_hpa=1013.0 - 12 * number)


def test_radio_silence_is_announced_with_its_end_even_in_a_flood() -> None:
    rig = Rig()
    rig.set_clock()
    for number in range(60):
        rig.take(waveform(number), 1.0)
    fly(rig, 0)
    (event,) = rig.events(EventKind.RADIO_SILENCE_BEGINS)
    assert rig.station.is_airborne
    assert event.expected_end_ns is not None
    assert event.expected_end_ns > START_NS


def test_without_utc_silence_has_no_expected_end() -> None:
    rig = Rig()
    fly(rig, 0)
    (event,) = rig.events(EventKind.RADIO_SILENCE_BEGINS)
    assert event.expected_end_ns is None


# -- estimate and witness ------------------------------------------------------------


def test_without_utc_or_shipment_nothing_is_estimated() -> None:
    rig = Rig()
    rig.assign(is_loaded=True)
    rig.minute(0)
    rig.set_clock()
    rig.minute(1)
    rig.station.follow(None, is_loaded=False)
    for number in (2, 3, 4):
        rig.minute(number)
    reports = rig.bodies(Report)
    assert [len(r.estimates) for r in reports] == [1, 0, 0, 0]
    assert [len(r.detectors) for r in reports] == [2, 2, 2, 2]


def test_the_estimate_is_the_certificates_and_the_witness_agrees() -> None:
    rig = Rig()
    rig.set_clock()
    rig.assign(is_loaded=True)
    for number in range(62):
        rig.minute(number)
    report = rig.bodies(Report)[-1]
    (estimate,) = report.estimates
    left = 2 ** (-3660 / (6.6443 * 86400))
    assert estimate.activity_gbq == pytest.approx(7.4 * left, rel=1e-9)
    assert report.witnesses[0].verdict is WitnessVerdict.AGREES
    assert report.attitude == UPRIGHT


def test_a_vial_that_is_gone_is_noticed() -> None:
    rig = Rig()
    rig.set_clock()
    rig.assign(is_loaded=True)
    for number in range(140):
        rig.minute(number, activity_gbq=7.4 if number < 20 else 0.0)
    verdicts = [w.verdict for w in rig.witnesses()]
    assert verdicts[18] is WitnessVerdict.AGREES
    assert verdicts[-1] is WitnessVerdict.LOW
    # What is used stays the certificate's: a witness withdraws no dose.
    assert rig.bodies(Report)[-1].estimates[0].activity_gbq > 7.2


@pytest.mark.parametrize(
    ("is_loaded", "attitude", "reason"),
    [(False, UPRIGHT, "not in place"), (True, LYING, "tilted")],
)
def test_the_witness_is_silent(
    is_loaded: bool, attitude: tuple[float, float, float], reason: str
) -> None:
    rig = Rig()
    rig.set_clock()
    rig.assign(is_loaded=is_loaded)
    for number in range(3):
        rig.minute(number, attitude=attitude)
    first, second = rig.witnesses()
    assert second.verdict is first.verdict is WitnessVerdict.NOT_OBSERVABLE
    assert reason in first.reasons[0]
    assert (second.from_boot_ns, second.to_boot_ns) == (MINUTE_NS, 2 * MINUTE_NS)
    assert (first.ratio, first.noticeable_ratio) == (None, None)


def test_the_witness_is_silent_in_the_air() -> None:
    rig = Rig()
    rig.set_clock()
    rig.assign(is_loaded=True)
    fly(rig, 0)
    assert rig.witnesses()[0].verdict is WitnessVerdict.AGREES
    assert rig.witnesses()[-1].reasons == ("in the air",)


# -- fingerprint ---------------------------------------------------------------------


def test_fingerprint_steps() -> None:
    rig = Rig()
    rig.set_clock()
    rig.assign(is_loaded=False)
    background = TakeFingerprint(FingerprintStep.BACKGROUND, 3 * MINUTE_NS)
    rig.station.take_fingerprint(background, 2, 0)
    for number in range(5):
        rig.minute(number, activity_gbq=0.0)
    (found,) = rig.bodies(Fingerprint)
    assert (found.step, found.counter) == (FingerprintStep.BACKGROUND, 2)
    assert (found.from_boot_ns, found.to_boot_ns) == (0, 3 * MINUTE_NS)
    assert [d.intervals for d in found.detectors] == [3, 3]
    assert not rig.station.is_loaded
    loaded = TakeFingerprint(FingerprintStep.LOADED, 2 * MINUTE_NS)
    rig.station.take_fingerprint(loaded, 3, 5 * MINUTE_NS)
    for number in range(5, 10):
        rig.minute(number)
    assert rig.bodies(Fingerprint)[-1].counter == 3
    assert rig.station.is_loaded
    assert rig.witnesses()[-1].verdict is WitnessVerdict.AGREES
    rig.take(lid(Lid.CLOSED), 601)
    rig.take(lid(Lid.OPEN), 602)
    assert rig.events(EventKind.TAMPER)[-1].severity is Severity.ALARM


def fingerprinted(rig: Rig, activity_gbq: float) -> Fingerprint:
    """A shipment whose background and vial were counted; minute 10 comes next."""
    rig.set_clock()
    rig.assign(is_loaded=False)
    for counter, step in ((2, FingerprintStep.BACKGROUND), (3, FingerprintStep.LOADED)):
        first = 5 * (counter - 2)
        command = TakeFingerprint(step, 4 * MINUTE_NS)
        rig.station.take_fingerprint(command, counter, first * MINUTE_NS)
        for number in range(first, first + 5):
            rig.minute(number, activity_gbq if counter == 3 else 0.0)
    rig.minute(10, activity_gbq)
    return rig.bodies(Fingerprint)[-1]


def test_a_fingerprint_states_its_result() -> None:
    accepted = fingerprinted(Rig(), 7.4).result
    assert accepted is not None
    assert accepted.verdict is FingerprintVerdict.ACCEPTED
    assert accepted.ratio == pytest.approx(1.0, abs=0.1)
    refused = fingerprinted(Rig(), 0.0).result
    assert refused is not None
    assert refused.verdict is FingerprintVerdict.REFUSED
    assert "wrong vial" in refused.reasons[0]


def test_the_fingerprinted_attitude_is_the_one_that_counts() -> None:
    """10 degrees off at dispatch and 10 to the other side are 20 apart."""
    rig = Rig()
    found = fingerprinted(rig, 7.4)
    leaning = msgspec.structs.replace(found, attitude=(0.1736, 0.0, -0.9848))
    assign = rig.station.assignment
    rig.station.follow(assign, is_loaded=True, loaded=leaning)
    for number, x in ((11, -0.1736), (12, 0.1736), (13, 0.1736)):
        rig.minute(number, attitude=(x, 0.0, -0.9848))
    verdicts = [word.verdict for word in rig.witnesses()[-2:]]
    assert verdicts == [WitnessVerdict.NOT_OBSERVABLE, WitnessVerdict.AGREES]
    assert rig.witnesses()[-2].reasons == ("tilted: the liquid has moved",)


def test_two_fingerprints_at_once_are_both_answered() -> None:
    rig = Rig()
    step = TakeFingerprint(FingerprintStep.BACKGROUND, MINUTE_NS)
    rig.station.take_fingerprint(step, 2, 0)
    rig.station.take_fingerprint(step, 3, 30 * NS)
    for number in range(4):
        rig.minute(number)
    assert [f.counter for f in rig.bodies(Fingerprint)] == [2, 3]


def test_a_fingerprint_of_a_released_vial_loads_nothing() -> None:
    rig = Rig()
    rig.assign(is_loaded=False)
    step = TakeFingerprint(FingerprintStep.LOADED, MINUTE_NS)
    rig.station.take_fingerprint(step, 2, 0)
    rig.station.follow(None, is_loaded=False)
    for number in range(4):
        rig.minute(number)
    assert rig.bodies(Fingerprint) == []
    assert not rig.station.is_loaded
