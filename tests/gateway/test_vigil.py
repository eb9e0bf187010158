"""The one verdict: witnesses of different kinds, dose rate, restarts, words."""

import pytest

from gateway.estimator.container import read_container
from gateway.station import Station, StationPlan
from gateway.timekeeping import Timekeeper
from schemas.commands import Assign, TakeFingerprint
from schemas.contents import ProductLimits
from schemas.events import EventKind, Severity
from schemas.findings import Integrity, IntegrityVerdict, Place
from schemas.readings import (
    CountReading,
    Fix,
    Lid,
    OrientationReading,
    PositionReading,
    PressureReading,
)
from schemas.records import FingerprintStep, Position, Report
from tests.builders import CONTAINER_DIGEST, START_NS, contents
from tests.gateway.station_rig import (
    LYING,
    MODEL,
    NS,
    UPRIGHT,
    Rig,
    lid,
    place,
    warm,
)

MINUTE = 60.0
PLACES = (Place("dock", 45.4, 7.9, 300.0),)
CLEAN, SUSPECTED = IntegrityVerdict.NO_CHANGE_SEEN, IntegrityVerdict.SUSPECTED
UNKNOWN = IntegrityVerdict.UNKNOWN


class Memory:
    """A memory that is kept in a field."""

    def __init__(self) -> None:
        self.state: bytes | None = None

    def recall(self) -> bytes | None:
        return self.state

    def keep(self, state: bytes) -> None:
        self.state = state


class VigilRig(Rig):
    """A station whose package is sealed after a fingerprint of ten minutes."""

    def __init__(self, memory: Memory | None = None) -> None:
        super().__init__()
        self.memory = memory or Memory()
        model = read_container(MODEL.read_bytes(), str(MODEL))
        plan = StationPlan(model, ("board", "gps"), 60 * NS, False, self.memory)
        self.time = Timekeeper(START_NS - 10**18)
        self.station = Station(plan, self.time, 0)
        for line in ("board", "gps"):
            self.open(line, 0)
        self.set_clock()
        self.said.clear()

    def follow(self) -> Assign:
        limits = ProductLimits(25.0, 0.0)
        body = Assign("SH-1", (contents(),), limits, CONTAINER_DIGEST, PLACES)
        self.station.follow(body, is_loaded=False)
        return body

    def load(self) -> None:
        command = TakeFingerprint(FingerprintStep.LOADED, 600 * NS)
        self.station.take_fingerprint(command, 5, 0)
        for minute in range(11):
            self.expose(minute)

    def expose(
        self,
        minute: int,
        factors: tuple[float, float, float] = (1.0, 1.0, 1.0),
        attitude: tuple[float, float, float] = UPRIGHT,
        extra_per_s: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        """One minute in which each detector sees so much of what it should."""
        at_s = minute * MINUTE
        self.take(place(), at_s + 5, "gps")
        self.take(PressureReading("board/pressure-0", 1013.0), at_s + 10)
        self.take(OrientationReading("board/orientation-0", *attitude), at_s + 10)
        self.take(warm(20.0), at_s + 10)
        self.take(lid(Lid.CLOSED), at_s + 10)
        for number, rate in enumerate((0.28, 0.28, 0.065)):
            per_s = rate * 7.4 * factors[number] + 0.35 + extra_per_s[number]
            reading = CountReading(
                f"board/detector-{number}",
                round(per_s * 60),
                60 * NS,
                60 * NS,
                temperature_c=25.0,
            )
            self.take(reading, at_s + 59)

    def word(self) -> Integrity:
        self.advance(self.bodies(Report)[-1].to_boot_ns / NS + 121)
        found = self.bodies(Report)[-1].integrity
        assert found is not None
        return found


@pytest.fixture
def rig() -> VigilRig:
    rig = VigilRig()
    rig.follow()
    rig.load()
    return rig


def play(rig: VigilRig, begin: int, minutes: int, **values: object) -> Integrity:
    for minute in range(begin, begin + minutes):
        rig.expose(minute, **values)  # type: ignore[arg-type]  # as expose has them
    rig.take(warm(20.0), (begin + minutes) * MINUTE + 1)
    found = rig.bodies(Report)[-1].integrity
    assert found is not None
    return found


def test_before_the_vial_is_in_place_there_is_no_verdict() -> None:
    rig = VigilRig()
    rig.follow()
    for minute in range(3):
        rig.expose(minute)
    assert {report.integrity for report in rig.bodies(Report)} == {None}


def test_nothing_seen_is_no_change_seen_and_never_more(rig: VigilRig) -> None:
    assert play(rig, 11, 20) == Integrity(CLEAN, False)
    ratios = rig.bodies(Report)[-1].doses
    assert [dose.sensor[-1] for dose in ratios][:2] == ["0", "1"]
    assert all(abs(dose.ratio - 1) < 2 * dose.ratio_u for dose in ratios)
    assert rig.events(EventKind.DOSE_RATE) == []


def test_above_1_20_at_one_detector_is_the_design_criterion(rig: VigilRig) -> None:
    word = play(rig, 11, 15, factors=(1.6, 1.0, 1.0))
    assert (word.verdict, word.is_confirmed) == (SUSPECTED, False)
    alarm = rig.events(EventKind.DOSE_RATE)[-1]
    assert (alarm.severity, alarm.sensor) == (Severity.ALARM, "board/detector-0")
    assert 1.2 < (alarm.value or 0.0) < 1.7
    assert (alarm.limit, alarm.unit) == (1.2, "1")
    assert "keep away" in alarm.text
    assert rig.bodies(Report)[-1].conditions is not None


def test_while_the_criterion_is_exceeded_no_activity_is_learnt(rig: VigilRig) -> None:
    play(rig, 11, 15, factors=(1.6, 1.6, 1.0))
    at = rig.bodies(Report)[-1].conditions
    assert at is not None
    assert at.is_alarmed


def test_a_second_detector_confirms(rig: VigilRig) -> None:
    word = play(rig, 11, 15, factors=(1.6, 1.6, 1.0))
    assert (word.verdict, word.is_confirmed) == (SUSPECTED, True)
    rates = [words for words in word.reasons if words.startswith("dose rate")]
    assert len(rates) == 2


def test_a_neighbour_that_the_outward_detector_sees_is_no_breach(
    rig: VigilRig,
) -> None:
    word = play(rig, 11, 15, extra_per_s=(1.0, 1.0, 1.6))
    assert word.verdict is CLEAN
    told = rig.events(EventKind.DOSE_RATE)
    assert told
    assert {event.severity for event in told} == {Severity.WARNING}
    assert all("neighbour" in event.text for event in told)
    play(rig, 26, 15)
    over = rig.events(EventKind.DOSE_RATE)[-1]
    assert (over.severity, over.reason) == (Severity.INFO, "as-expected")


def test_less_than_expected_is_told_too(rig: VigilRig) -> None:
    play(rig, 11, 15, factors=(0.3, 0.3, 1.0))
    told = {event.reason for event in rig.events(EventKind.DOSE_RATE)}
    assert "lowered" in told


def test_an_opened_lid_is_suspected_and_a_tilt_confirms_it(rig: VigilRig) -> None:
    rig.take(lid(Lid.OPEN), 11 * MINUTE + 5)
    word = play(rig, 12, 2)
    assert (word.verdict, word.is_confirmed) == (SUSPECTED, False)
    assert word.reasons == ("lid opened",)
    word = play(rig, 14, 3, attitude=LYING)
    assert word.is_confirmed
    # What was seen stays seen.
    assert play(rig, 17, 15).verdict is SUSPECTED


def test_in_another_attitude_nothing_is_compared(rig: VigilRig) -> None:
    word = play(rig, 11, 3, attitude=LYING)
    assert word.verdict is UNKNOWN
    assert "cannot be compared" in word.reasons[0]


def test_a_silent_line_makes_the_verdict_unknown(rig: VigilRig) -> None:
    play(rig, 11, 2)
    rig.open("gps", 13 * 60 * NS, is_open=False)
    for minute in (14, 15):
        rig.take(warm(20.0), minute * MINUTE + 1)
    found = rig.bodies(Report)[-1].integrity
    assert found is not None
    assert found.verdict is UNKNOWN
    assert "line gps says nothing" in found.reasons


def test_release_forgets_the_suspicion(rig: VigilRig) -> None:
    rig.take(lid(Lid.OPEN), 11 * MINUTE + 5)
    rig.follow()
    play_end = 14
    for minute in range(12, play_end):
        rig.expose(minute)
    assert rig.bodies(Report)[-1].integrity is None


# -- temperature and place in the records --------------------------------------------


def test_the_report_carries_the_temperature_of_the_trip(rig: VigilRig) -> None:
    play(rig, 11, 3)
    thermal = rig.bodies(Report)[-1].thermal
    assert thermal is not None
    assert thermal.sensor == "board/temperature-0"
    assert (thermal.minimum_c, thermal.maximum_c) == (20.0, 20.0)
    assert thermal.kinetic_c == pytest.approx(20.0)
    assert thermal.gap_ns == 0
    # The simulated date is before the certificate of the model ends.
    assert (thermal.is_gdp_valid, thermal.reasons) == (True, ())


def test_places_and_dwell_are_in_the_position(rig: VigilRig) -> None:
    play(rig, 11, 3)
    (entered,) = rig.events(EventKind.PLACE)
    assert (entered.text, entered.severity) == ("entered dock", Severity.INFO)
    where = rig.bodies(Position)[-1]
    assert where.places == ("dock",)
    assert (where.dwell_ns or 0) > 600 * NS
    assert 0 < (where.position_u_m or 0) < 10


def test_the_last_fix_and_its_age_outlive_the_fix(rig: VigilRig) -> None:
    rig.take(PositionReading("gps/position", Fix.NONE), 12 * MINUTE, "gps")
    rig.take(warm(20.0), 13 * MINUTE + 1)
    where = rig.bodies(Position)[-1]
    assert (where.fix, where.latitude_deg) == (Fix.NONE, None)
    assert where.last_latitude_deg == pytest.approx(45.4, abs=1e-4)
    assert (where.last_fix_age_ns or 0) > 60 * NS


# -- restarts ------------------------------------------------------------------------


def test_suspicion_and_temperature_survive_a_restart(rig: VigilRig) -> None:
    rig.take(lid(Lid.OPEN), 11 * MINUTE + 5)
    play(rig, 12, 5)
    again = VigilRig(rig.memory)
    body = Assign("SH-1", (contents(),), ProductLimits(25.0, 0.0), CONTAINER_DIGEST)
    again.station.follow(body, is_loaded=True)
    for minute in range(3):
        again.expose(minute)
    report = again.bodies(Report)[-1]
    assert report.integrity is not None
    assert report.integrity.verdict is SUSPECTED
    assert report.thermal is not None
    assert report.thermal.known_ns > 15 * 60 * NS


def test_another_shipment_is_not_suspected_for_the_one_before(rig: VigilRig) -> None:
    rig.take(lid(Lid.OPEN), 11 * MINUTE + 5)
    play(rig, 12, 5)
    again = VigilRig(rig.memory)
    body = Assign("SH-2", (contents(),), ProductLimits(25.0, 0.0), CONTAINER_DIGEST)
    again.station.follow(body, is_loaded=True)
    for minute in range(3):
        again.expose(minute)
    report = again.bodies(Report)[-1]
    assert report.integrity is not None
    assert report.integrity.verdict is not SUSPECTED


def test_silence_survives_a_restart_of_the_gateway_in_flight() -> None:
    rig = VigilRig()
    for second in range(0, 1200, 10):
        pressure = 1013.0 - max(0, second - 300) * 0.18
        rig.take(PressureReading("board/pressure-0", pressure), second)
    assert rig.station.is_airborne
    assert VigilRig(rig.memory).station.is_airborne


@pytest.mark.parametrize("state", [b"", b"{", b'{"flight": 3}', b"\xff"])
def test_a_damaged_memory_is_no_memory(state: bytes) -> None:
    memory = Memory()
    memory.state = state
    assert not VigilRig(memory).station.is_airborne
