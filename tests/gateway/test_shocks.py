"""Waveforms: whole when all parts are there, in any order, never mixed, bounded."""

import itertools

import msgspec
import numpy as np
import pytest

from firmware_sim import mishandling
from gateway.estimator.drops import Ruggedness
from gateway.shocks import MAX_OPEN, PAIR_NS, Shock, ShockDesk, Waveform, WaveformShelf
from schemas.events import Severity
from schemas.findings import Handling
from schemas.readings import WaveformReading

NS = 10**9
SCALE = 0.5
RUGGED = Ruggedness(0.25, 0.1, 980.0, 6.1)


def samples(*triples: tuple[int, int, int]) -> bytes:
    return np.array(triples, "<i2").tobytes()


def part(
    number: int,
    parts: int = 3,
    waveform: int = 7,
    started_ns: int = 100 * NS,
    data: bytes = samples((0, 0, 2)),
) -> WaveformReading:
    return WaveformReading(
        sensor="board/waveform-1",
        waveform=waveform,
        part=number,
        parts=parts,
        started_board_ns=started_ns,
        rate_hz=3200.0,
        filter_corner_hz=1600.0,
        scale_m_s2=SCALE,
        samples=data,
        board_ns=started_ns + 2 * NS,
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_whole_in_any_order(order: tuple[int, ...]) -> None:
    shelf = WaveformShelf()
    found = [shelf.take(part(n), 500 * NS) for n in order]
    assert found[:2] == [None, None]
    shock = found[2]
    assert isinstance(shock, Waveform)
    assert [p.part for p in shock.parts] == [0, 1, 2]
    assert (shock.boot_ns, shock.started_boot_ns) == (500 * NS, 498 * NS)


def test_peak_is_the_largest_vector() -> None:
    shelf = WaveformShelf()
    shelf.take(part(0, 2, data=samples((0, 0, -300), (3, 4, 0))), 0)
    shock = shelf.take(part(1, 2, data=samples((300, -400, 0))), 0)
    assert shock is not None
    assert Shock((shock,)).peak_m_s2 == pytest.approx(500 * SCALE)


def test_the_most_negative_sample_is_the_largest() -> None:
    shock = WaveformShelf().take(part(0, 1, data=samples((-32768, 0, 0))), 0)
    assert shock is not None
    assert Shock((shock,)).peak_m_s2 == 32768 * SCALE


def test_evidence_points_at_its_event() -> None:
    shelf = WaveformShelf()
    shelf.take(part(1, 2, data=samples((1, 2, 3))), 500 * NS)
    shock = shelf.take(part(0, 2), 500 * NS)
    assert shock is not None
    evidence = shock.evidence(42)
    assert [(e.event_sequence, e.part, e.parts) for e in evidence] == [
        (42, 0, 2),
        (42, 1, 2),
    ]
    assert evidence[1].samples == samples((1, 2, 3))
    assert evidence[0].started_boot_ns == 498 * NS
    assert (evidence[0].rate_hz, evidence[0].filter_corner_hz) == (3200.0, 1600.0)


def test_a_part_that_came_twice_is_one_part() -> None:
    shelf = WaveformShelf()
    assert [shelf.take(part(0), 0), shelf.take(part(0), 0)] == [None, None]
    assert shelf.take(part(1), 0) is None
    assert shelf.take(part(2), 0) is not None


def test_boots_of_a_board_are_not_mixed() -> None:
    shelf = WaveformShelf()
    shelf.take(part(0, 2), 0)
    again = shelf.take(part(1, 2, started_ns=5 * NS), 0)
    assert again is None


def test_at_most_some_are_open_and_the_newest_stay() -> None:
    shelf = WaveformShelf()
    for number in range(100):
        assert shelf.take(part(0, 2, waveform=number), 0) is None
    assert len(shelf._open) == MAX_OPEN
    assert shelf.take(part(1, 2, waveform=0), 0) is None
    assert shelf.take(part(1, 2, waveform=99), 0) is not None


def test_a_board_time_of_exactly_zero_is_a_time() -> None:
    reading = part(0, 1, started_ns=0)
    at_zero = WaveformReading(
        **{
            **{name: getattr(reading, name) for name in reading.__struct_fields__},
            "board_ns": 0,
        }
    )
    shock = WaveformShelf().take(at_zero, 9 * NS)
    assert shock is not None
    assert shock.started_boot_ns == 9 * NS


def test_a_start_before_this_boot_is_the_boot() -> None:
    shock = WaveformShelf().take(part(0, 1), NS)
    assert shock is not None
    assert shock.started_boot_ns == 0


# -- two ranges of one impact --------------------------------------------------------


def parts_of(
    recording: mishandling.Recording, channel: int, waveform: int, touch_ns: int
) -> list[WaveformReading]:
    """A recording as the board sends it, 34 samples to a part."""
    samples, sensor = recording.samples, recording.sensor
    cuts = range(0, len(samples), 34)
    started_ns = touch_ns + round(recording.start_s * NS)
    return [
        WaveformReading(
            sensor=f"board/waveform-{channel}",
            waveform=waveform,
            part=number,
            parts=len(cuts),
            started_board_ns=started_ns,
            rate_hz=float(sensor.rate_hz),
            filter_corner_hz=float(sensor.corner_hz),
            scale_m_s2=sensor.scale_um_s2 / 1e6,
            samples=samples[cut : cut + 34].astype("<i2").tobytes(),
            board_ns=touch_ns + 3 * NS,
        )
        for number, cut in enumerate(cuts)
    ]


def impact(mishap: mishandling.Mishap) -> tuple[list[WaveformReading], ...]:
    low, high = mishandling.record(mishap, np.random.default_rng(11))
    return parts_of(low, 0, 1, 100 * NS), parts_of(high, 1, 2, 100 * NS)


def test_low_and_high_range_of_one_impact_are_one_shock() -> None:
    low, high = impact(mishandling.drop(0.8, np.random.default_rng(4)))
    desk = ShockDesk()
    told = [
        shock for reading in [*low, *high] for shock in desk.take(reading, 200 * NS)
    ]
    (shock,) = told
    event = shock.event(RUGGED)
    finding = event.shock
    assert finding is not None
    assert finding.handling is Handling.DROP
    assert finding.drop_height_m == pytest.approx(0.8, rel=0.05)
    assert event.reason == "noted"
    assert event.severity is Severity.WARNING
    assert event.text.startswith("shock, drop of 0.8")
    assert event.evidence_parts == len(low) + len(high) == len(shock.evidence(1))
    assert {e.sensor for e in shock.evidence(1)} == {
        "board/waveform-0",
        "board/waveform-1",
    }


def test_a_fall_beyond_the_tested_height_is_an_alarm_that_says_what_to_do() -> None:
    low, high = impact(mishandling.drop(1.5, np.random.default_rng(4)))
    desk = ShockDesk()
    (shock,) = [s for reading in [*low, *high] for s in desk.take(reading, 0)]
    event = shock.event(Ruggedness())
    assert (event.severity, event.reason) == (Severity.ALARM, "beyond-tested-drop")
    assert "quarantine and inspect" in event.text


def test_a_high_range_without_companion_is_told_at_once_and_says_no_fall() -> None:
    _low, high = impact(mishandling.kick(2.0, np.random.default_rng(4)))
    desk = ShockDesk()
    (shock,) = [s for reading in high for s in desk.take(reading, 0)]
    finding = shock.finding(Ruggedness())
    assert finding is not None
    assert finding.handling is Handling.UNCLASSED
    assert finding.fall_s is None


def test_a_low_range_waits_for_its_high_range_and_then_speaks_alone() -> None:
    low, _high = impact(mishandling.drop(0.5, np.random.default_rng(4)))
    desk = ShockDesk()
    assert [s for reading in low for s in desk.take(reading, 0)] == []
    assert desk.due(PAIR_NS - 1) == []
    (shock,) = desk.due(PAIR_NS)
    assert shock.finding(Ruggedness()) is None
    assert shock.event(Ruggedness()).evidence_parts == len(low)
    assert desk.due(10 * PAIR_NS) == desk.rest() == []


def test_two_impacts_are_two_shocks() -> None:
    low, _first = impact(mishandling.drop(0.5, np.random.default_rng(4)))
    _low, later = impact(mishandling.drop(0.5, np.random.default_rng(5)))
    moved = [
        msgspec.structs.replace(part, started_board_ns=part.started_board_ns + 9 * NS)
        for part in later
    ]
    desk = ShockDesk()
    told = [s for reading in [*low, *moved] for s in desk.take(reading, 0)]
    assert [len(shock.waveforms) for shock in told] == [1]
    assert len(desk.rest()) == 1
