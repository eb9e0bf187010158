"""Reports to bins: a minute each, what moved the source carried on to the next."""

import math
from pathlib import Path

import numpy as np
import pytest

from gateway.estimator.container import read_container
from gateway.journaling import BIN_NS, KEPT, ReportJournal
from schemas.records import (
    Conditions,
    DetectorSummary,
    Fingerprint,
    FingerprintStep,
    Report,
    SensorSummary,
)

NS = 10**9
FILE = Path(__file__).parents[2] / "hw" / "containers" / "inner-pair.toml"
MODEL = read_container(FILE.read_bytes(), str(FILE))
ORIGIN_NS = 1_790_000_000 * NS


def at(*, is_shocked: bool = False, is_alarmed: bool = False) -> Conditions:
    return Conditions(False, True, is_shocked, is_alarmed, ORIGIN_NS, NS)


def report(
    begin_s: float,
    end_s: float,
    counts: int = 100,
    temperature_c: float | None = 20.0,
    pressure_hpa: float | None = 1000.0,
    attitude: tuple[float, float, float] | None = None,
) -> Report:
    span_ns = round((end_s - begin_s) * NS)
    detector = DetectorSummary(
        "board/detector-0", counts, span_ns - 5, span_ns, 1, 1, temperature_c
    )
    pressure = SensorSummary(
        "board/pressure-0", "pressure_hpa", 1, 1, pressure_hpa, None, None, None
    )
    return Report(
        from_boot_ns=round(begin_s * NS),
        to_boot_ns=round(end_s * NS),
        sensors=() if pressure_hpa is None else (pressure,),
        detectors=(detector,),
        lines=(),
        attitude=attitude,
    )


def journal_of(*found: Report) -> ReportJournal:
    journal = ReportJournal(MODEL)
    for one in found:
        journal.take(one, at(), is_steady=True)
    return journal


def test_a_minute_is_a_bin_with_real_time_as_live_time() -> None:
    held = journal_of(report(0, 60), report(60, 120, temperature_c=None))
    found = held.journal(held.bins(), ORIGIN_NS, in_alarm=False)
    assert found.sensors == tuple(d.sensor for d in MODEL.detectors)
    assert found.begin_s.tolist() == [0.0, 60.0]
    assert found.width_s.tolist() == [60.0, 60.0]
    assert found.counts[:, 0].tolist() == [100.0, 100.0]
    # Dead time is not taken out: the model does that.
    assert found.live_s[:, 0].tolist() == [60.0, 60.0]
    assert np.isnan(found.counts[:, 1:]).all()
    assert found.temperature_c[0, 0] == 20.0
    assert math.isnan(found.temperature_c[1, 0])
    assert found.pressure_hpa.tolist() == [1000.0, 1000.0]


def test_short_reports_add_up_to_a_minute() -> None:
    short = [
        report(0, 20, 10, 20.0, 1000.0),
        report(20, 40, 11, None, None),
        report(40, 60, 12, 26.0, 1003.0),
        report(60, 80, 13),
    ]
    (found,) = journal_of(*short).bins()
    assert (found.from_boot_ns, found.to_boot_ns) == (0, BIN_NS)
    assert (found.counts[0], found.live_s[0]) == (33.0, 60.0)
    # Of what is known, by the time it stands for.
    assert found.pressure_hpa == pytest.approx((1000.0 * 40 + 1003.0 * 20) / 60)
    assert found.temperature_c[0] == pytest.approx((20.0 * 40 + 26.0 * 20) / 60)


def test_a_standstill_is_one_long_bin() -> None:
    (found,) = journal_of(report(0, 3600)).bins()
    assert found.live_s[0] == 3600.0


def test_what_moved_the_source_falls_on_the_next_steady_bin() -> None:
    held = ReportJournal(MODEL)
    for number, (is_steady, is_shocked) in enumerate(
        [(True, False), (False, False), (False, True), (True, False), (True, False)]
    ):
        one = report(60 * number, 60 * number + 60)
        held.take(one, at(is_shocked=is_shocked), is_steady=is_steady)
    found = held.bins()
    assert [b.from_boot_ns // BIN_NS for b in found] == [0, 3, 4]
    assert [b.is_shocked for b in found] == [False, True, False]
    # The last bins know of it too, for the fraction since the fingerprint.
    assert [b.is_shocked for b in held.recent(1)] == [True]
    assert [b.is_shocked for b in held.recent(3)] == [False, True, False]


def test_after_a_restart_the_source_may_have_been_moved() -> None:
    held = ReportJournal(MODEL)
    held.clear(moved_boot_ns=0)
    held.take(report(0, 60), at(), is_steady=True)
    assert held.recent(5)[0].is_shocked
    held.clear()
    held.take(report(60, 120), at(), is_steady=True)
    assert not held.recent(5)[0].is_shocked


def test_in_an_alarm_only_what_may_learns() -> None:
    held = ReportJournal(MODEL)
    held.take(report(0, 60), at(), is_steady=True)
    held.take(report(60, 120), at(is_alarmed=True), is_steady=True)
    bins = held.bins()
    strict = held.journal(bins, ORIGIN_NS, in_alarm=False)
    assert strict.is_learnt.tolist() == [True, False]
    assert held.journal(bins, ORIGIN_NS, in_alarm=True).is_learnt.all()


def test_tilt_is_from_the_reference() -> None:
    held = ReportJournal(MODEL)
    leaning = (math.sin(math.radians(10)), 0.0, -math.cos(math.radians(10)))
    held.reference = leaning
    held.take(report(0, 60, attitude=leaning), at(), is_steady=True)
    held.take(report(60, 120, attitude=(0.0, 0.0, -1.0)), at(), is_steady=True)
    assert [b.tilt_deg for b in held.bins()] == pytest.approx([0.0, -10.0])


def test_an_earlier_boots_fingerprint_is_placed_by_utc() -> None:
    """Its boot began an hour before this one: it ended 50 minutes before boot 0."""
    earlier = Conditions(False, True, False, False, ORIGIN_NS - 3600 * NS, NS)
    step = Fingerprint(FingerprintStep.LOADED, 1, 0, 600 * NS, report(0, 600).detectors)
    held = ReportJournal(MODEL)
    found = held.fingerprint(with_conditions(step, earlier), ORIGIN_NS)
    assert (found.from_boot_ns, found.to_boot_ns) == (-3600 * NS, -3000 * NS)


def with_conditions(step: Fingerprint, conditions: Conditions) -> Fingerprint:
    return Fingerprint(
        step.step,
        step.counter,
        step.from_boot_ns,
        step.to_boot_ns,
        step.detectors,
        conditions=conditions,
    )


def test_two_days_are_kept() -> None:
    held = journal_of(*(report(60 * n, 60 * n + 60) for n in range(KEPT + 5)))
    assert len(held.bins()) == KEPT
    assert held.bins()[0].from_boot_ns == 5 * BIN_NS
