"""Waveforms: whole when all parts are there, in any order, never mixed, bounded."""

import itertools

import numpy as np
import pytest

from gateway.shocks import MAX_OPEN, Shock, WaveformShelf
from schemas.readings import WaveformReading

NS = 10**9
SCALE = 0.5


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
    assert isinstance(shock, Shock)
    assert [p.part for p in shock.parts] == [0, 1, 2]
    assert (shock.boot_ns, shock.started_boot_ns) == (500 * NS, 498 * NS)


def test_peak_is_the_largest_vector() -> None:
    shelf = WaveformShelf()
    shelf.take(part(0, 2, data=samples((0, 0, -300), (3, 4, 0))), 0)
    shock = shelf.take(part(1, 2, data=samples((300, -400, 0))), 0)
    assert shock is not None
    assert shock.peak_m_s2 == pytest.approx(500 * SCALE)


def test_the_most_negative_sample_is_the_largest() -> None:
    shock = WaveformShelf().take(part(0, 1, data=samples((-32768, 0, 0))), 0)
    assert shock is not None
    assert shock.peak_m_s2 == 32768 * SCALE


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
