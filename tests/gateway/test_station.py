"""Readings in, statements out: intervals, lines, events, position, clock."""

import itertools

import numpy as np
import pytest

from gateway.station import SILENT_LINE_NS
from schemas.events import Event, EventKind, Severity
from schemas.readings import (
    BoardReading,
    Fix,
    Lid,
    Noise,
    NoiseReason,
    PositionReading,
    TemperatureReading,
)
from schemas.records import (
    ClockChange,
    Position,
    Report,
)
from tests.builders import START_NS
from tests.gateway.station_rig import (
    MINUTE_NS,
    NS,
    Rig,
    lid,
    place,
    warm,
    waveform,
)

# -- intervals -----------------------------------------------------------------------


def test_intervals_close_at_multiples_of_the_span() -> None:
    rig = Rig(started_ns=12_300_000_000)
    for second in range(13, 200, 7):
        rig.take(warm(), second)
    spans = [(r.from_boot_ns, r.to_boot_ns) for r in rig.bodies(Report)]
    assert spans == [
        (12_300_000_000, MINUTE_NS),
        (MINUTE_NS, 2 * MINUTE_NS),
        (2 * MINUTE_NS, 3 * MINUTE_NS),
    ]
    # 13 to 55 s, 62 to 118 s, 125 to 174 s: a short first interval takes no more.
    assert [r.sensors[0].count for r in rig.bodies(Report)] == [7, 9, 8]


def test_a_reading_at_the_boundary_belongs_to_the_interval_that_ends() -> None:
    rig = Rig()
    rig.take(warm(20.0), 60)
    assert rig.bodies(Report) == []
    rig.take(warm(30.0), 60.000001)
    (report,) = rig.bodies(Report)
    assert [s.maximum for s in report.sensors] == [20.0]


def test_after_a_standstill_one_report_covers_all_of_it() -> None:
    rig = Rig()
    rig.take(warm(), 30)
    rig.take(warm(), 7265)
    (report,) = rig.bodies(Report)
    assert (report.from_boot_ns, report.to_boot_ns) == (0, 7260 * NS)
    assert report.sensors[0].count == 1


def test_time_alone_closes_an_interval_a_span_later() -> None:
    rig = Rig()
    for tick in range(600):
        rig.advance(tick / 5)
    assert rig.bodies(Report) == []
    rig.advance(120.2)
    (report,) = rig.bodies(Report)
    assert (report.from_boot_ns, report.to_boot_ns) == (0, MINUTE_NS)
    assert (report.sensors, report.detectors) == ((), ())


def test_reports_join_without_gap_whatever_arrives() -> None:
    rig = Rig()
    rng = np.random.default_rng(3)
    at_s = 0.0
    for _ in range(400):
        at_s += float(rng.exponential(20.0))
        if rng.random() < 0.5:
            rig.advance(at_s)
        else:
            rig.take(warm(), at_s)
    rig.said += rig.station.finish(round(at_s * NS))
    reports = rig.bodies(Report)
    assert reports[0].from_boot_ns == 0
    assert reports[-1].to_boot_ns == round(at_s * NS)
    for before, after in itertools.pairwise(reports):
        assert before.from_boot_ns < before.to_boot_ns == after.from_boot_ns


def test_a_report_per_reading() -> None:
    rig = Rig(interval_s=0)
    rig.assign(is_loaded=True)
    rig.set_clock()
    for second in (1.0, 2.5, 2.5, 9.0):
        rig.take(warm(), second)
    rig.advance(500.0)
    spans = [(r.from_boot_ns / NS, r.to_boot_ns / NS) for r in rig.bodies(Report)]
    assert spans == [(0.0, 1.0), (1.0, 2.5), (2.5, 2.5), (2.5, 9.0)]


def test_a_report_never_ends_before_it_begins() -> None:
    rig = Rig(interval_s=0)
    # The second arrives with less delay, which dates it before the first.
    for board_s, at_s in ((1.0, 16.0), (1.5, 12.0)):
        reading = TemperatureReading("board/temperature-0", 1.0, round(board_s * NS))
        rig.take(reading, at_s)
    for report in rig.bodies(Report):
        assert report.from_boot_ns <= report.to_boot_ns


def test_a_missing_temperature_is_absent_and_zero_is_zero() -> None:
    rig = Rig()
    rig.take(warm(None), 1)
    rig.said += rig.station.finish(2 * NS)
    rig.take(warm(0.0), 3)
    rig.said += rig.station.finish(4 * NS)
    absent, zero = (r.sensors[0] for r in rig.bodies(Report))
    assert (absent.count, absent.valid, absent.mean) == (1, 0, None)
    assert (zero.valid, zero.mean, zero.latest) == (1, 0.0, 0.0)


# -- lines ---------------------------------------------------------------------------


def test_lines_lost_and_found_are_stated_once() -> None:
    rig = Rig()
    rig.open("gps", NS, is_open=False)
    rig.open("gps", 2 * NS, is_open=False)
    rig.open("gps", 3 * NS)
    kinds = [(e.what, e.sensor, e.severity) for e in rig.events()]
    assert kinds == [
        (EventKind.SENSOR_LOST, "gps", Severity.WARNING),
        (EventKind.SENSOR_FOUND, "gps", Severity.INFO),
    ]


def test_a_silent_line_is_stated_once_and_when_it_speaks_again() -> None:
    rig = Rig()
    rig.open("gps", 0, is_open=False)
    silent_s = SILENT_LINE_NS // NS
    for tick in range(1, 5 * silent_s):
        rig.advance(tick)
    lost = [e for e in rig.events(EventKind.SENSOR_LOST) if e.sensor == "board"]
    assert [e.from_boot_ns for e in lost] == [(silent_s + 1) * NS]
    rig.take(warm(), 5 * silent_s)
    rig.take(warm(), 5 * silent_s + 1)
    assert len(rig.events(EventKind.SENSOR_FOUND)) == 1


def test_a_line_that_only_makes_noise_is_out_of_step() -> None:
    rig = Rig()
    for second in range(0, 200, 2):
        rig.take(Noise("board", NoiseReason.CHECKSUM, 30), second)
        rig.advance(second)
    (event,) = rig.events(EventKind.SENSOR_DESYNCHRONISED)
    assert (event.sensor, event.severity) == ("board", Severity.WARNING)
    report = rig.bodies(Report)[0]
    assert report.lines[0].noise > 0


def test_a_board_that_comes_back_after_a_boot_is_dated_right() -> None:
    rig = Rig()
    rig.take(TemperatureReading("board/temperature-0", 1.0, 5 * NS), 1000.0)
    rig.open("board", 1100 * NS, is_open=False)
    rig.open("board", 1700 * NS)
    rig.take(TemperatureReading("board/temperature-0", 1.0, 200 * NS), 1750.0)
    assert rig.bodies(Report)[-1].to_boot_ns == 1740 * NS


def test_a_board_that_boots_is_an_event() -> None:
    rig = Rig()
    for count in (4, 5):
        hello = BoardReading("board/board-0", "B1", "1.0.0", count, "watchdog", 1)
        rig.take(hello, count)
    (event,) = rig.events(EventKind.BOARD_REBOOTED)
    assert (event.reason, event.count) == ("watchdog", 5)


# -- lid, shock, floods --------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_loaded", "severity"), [(True, Severity.ALARM), (False, Severity.INFO)]
)
def test_tamper_is_an_alarm_only_when_sealed(
    is_loaded: bool, severity: Severity
) -> None:
    rig = Rig()
    rig.assign(is_loaded=is_loaded)
    for second, state in enumerate((Lid.CLOSED, Lid.OPEN, Lid.OPEN, Lid.CLOSED)):
        rig.take(lid(state), second)
    opened, closed = rig.events(EventKind.TAMPER)
    assert (opened.severity, opened.reason) == (severity, "lid-open")
    assert (closed.severity, closed.reason) == (Severity.INFO, "lid-closed")
    assert [s.is_alarm for s in rig.said] == [is_loaded, False]


def test_a_lid_that_opens_behind_an_unknown_is_seen() -> None:
    rig = Rig()
    rig.assign(is_loaded=True)
    for second, state in enumerate((Lid.CLOSED, Lid.UNKNOWN, Lid.OPEN)):
        rig.take(lid(state), second)
    assert [e.severity for e in rig.events(EventKind.TAMPER)] == [Severity.ALARM]


def test_a_sealed_lid_that_is_open_at_first_sight_is_an_alarm() -> None:
    rig = Rig()
    rig.take(lid(Lid.OPEN), 0)
    assert rig.events() == []
    rig = Rig()
    rig.assign(is_loaded=True)
    rig.take(lid(Lid.OPEN), 0)
    assert [e.severity for e in rig.events(EventKind.TAMPER)] == [Severity.ALARM]


def test_a_shock_is_an_event_with_its_evidence() -> None:
    rig = Rig()
    rig.take(waveform(1, 1, 2), 5)
    rig.take(waveform(1, 0, 2), 6)
    (statement,) = rig.said
    event = statement.body
    assert isinstance(event, Event)
    assert (event.what, event.severity) == (EventKind.SHOCK, Severity.ALARM)
    assert (event.value, event.unit, event.evidence_parts) == (1500.0, "m/s2", 2)
    assert statement.is_alarm
    assert statement.shock is not None
    evidence = statement.shock.evidence(77)
    assert [(e.event_sequence, e.part) for e in evidence] == [(77, 0), (77, 1)]


def test_a_flood_is_coalesced_with_its_count_and_flushed_at_a_stop() -> None:
    rig = Rig()
    for number in range(40):
        rig.take(waveform(number), 1 + number / 100)
    assert len(rig.events(EventKind.SHOCK)) == 10
    rig.advance(62.0)
    (coalesced,) = rig.events(EventKind.COALESCED)
    assert (coalesced.count, coalesced.severity) == (30, Severity.ALARM)
    for number in range(40, 60):
        rig.take(waveform(number), 70)
    rig.said += rig.station.finish(71 * NS)
    assert [e.count for e in rig.events(EventKind.COALESCED)] == [30, 10]


def test_an_excursion_is_an_alarm_of_the_product_side_only() -> None:
    rig = Rig()
    rig.assign(is_loaded=True)
    for second in range(0, 700, 30):
        rig.take(warm(40.0), second)
        rig.take(TemperatureReading("board/temperature-1", 60.0), second)
    (event,) = rig.events(EventKind.TEMPERATURE_EXCURSION)
    assert (event.severity, event.sensor) == (Severity.ALARM, "board/temperature-0")
    assert (event.from_boot_ns, event.limit) == (0, 30.0)


# -- position and clock --------------------------------------------------------------


def test_the_last_position_of_an_interval_is_stated_with_its_age() -> None:
    rig = Rig()
    for second in (10, 40):
        rig.take(place(), second, "gps")
    rig.take(warm(), 61)
    rig.take(warm(), 121)
    (found,) = rig.bodies(Position)
    assert (found.age_ns, found.latitude_deg) == (20 * NS, 45.4)


def test_a_lost_fix_keeps_the_last_place_of_the_interval() -> None:
    rig = Rig()
    rig.take(place(), 10, "gps")
    rig.take(place(Fix.NONE), 50, "gps")
    rig.take(warm(), 61)
    (found,) = rig.bodies(Position)
    assert (found.fix, found.age_ns) == (Fix.FIX_3D, 50 * NS)


def test_without_a_fix_no_digits_are_shown() -> None:
    rig = Rig()
    rig.take(place(Fix.NONE), 50, "gps")
    rig.take(warm(), 61)
    (found,) = rig.bodies(Position)
    assert found.fix is Fix.NONE
    assert found.latitude_deg is found.longitude_deg is found.altitude_m is None


@pytest.mark.parametrize(("fix", "changes"), [(Fix.FIX_2D, 1), (Fix.NONE, 0)])
def test_a_date_with_a_fix_sets_the_clock(fix: Fix, changes: int) -> None:
    rig = Rig()
    for second in (5, 6, 7):
        reading = PositionReading(
            "gps/position", fix, measured_at_ns=START_NS + second * NS
        )
        rig.take(reading, second, "gps")
    assert len(rig.bodies(ClockChange)) == changes
