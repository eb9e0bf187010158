"""World and board together: what comes out of a journey, byte by byte."""

import datetime as dt
import struct
from collections import Counter
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from firmware_sim.control import Command
from firmware_sim.scenario import (
    Event,
    Faults,
    Periods,
    Scenario,
    load_scenario,
    scenario_path,
)
from firmware_sim.simulation import Simulation, Step
from firmware_sim.wire import Type
from tests.firmware_sim.unframing import Frame, frames

SHORT = load_scenario(scenario_path("short"))
# No faults, no people: the vial is there from the start.
QUIET = msgspec.structs.replace(SHORT, faults=Faults(), acts=[], events=[])
MINUTE = dt.timedelta(minutes=1)


def happening(**event: object) -> Scenario:
    at = QUIET.starts_at + MINUTE
    entry = msgspec.convert({"at": at, **event}, Event)
    return msgspec.structs.replace(QUIET, events=[entry])


def steps_of(scenario: Scenario, count: int, seed: int = 7) -> list[Step]:
    simulation = Simulation(scenario, seed, {})
    return [simulation.step() for _ in range(count)]


def board_frames(steps: list[Step]) -> list[Frame]:
    return frames(b"".join(step.sent["board"] for step in steps))


def bodies(found: list[Frame], kind: Type, layout: str) -> list[tuple[Any, ...]]:
    return [struct.unpack(layout, f.body) for f in found if f.kind == kind]


@cache
def quiet() -> list[Frame]:
    return board_frames(steps_of(QUIET, 121))


def test_one_seed_gives_the_same_bytes() -> None:
    first, second = (steps_of(SHORT, 150) for _ in range(2))
    other = steps_of(SHORT, 150, seed=8)
    for port in ("board", "gps"):
        sent = [
            b"".join(step.sent[port] for step in run) for run in (first, second, other)
        ]
        assert sent[0] == sent[1]
        assert sent[0] != sent[2]
    assert [s.notices for s in first] == [s.notices for s in second]


def test_the_board_greets_once_and_counts_its_frames() -> None:
    found = quiet()
    assert found[0].kind == Type.HELLO
    assert [f.sequence for f in found] == list(range(len(found)))
    times = [f.board_us for f in found]
    assert times == sorted(times)
    kinds = Counter(f.kind for f in found)
    assert kinds == {
        Type.HELLO: 1,
        Type.COUNTS: 363,
        Type.ACCELERATION: 121,
        Type.ORIENTATION: 121,
        Type.TEMPERATURE: 26,
        Type.PRESSURE: 13,
        Type.LIGHT: 13,
        Type.SUPPLY: 13,
    }
    protocol, cause, boots = struct.unpack("<BBI", found[0].body[:6])
    assert (protocol, cause, boots, len(found[0].body)) == (1, 0, 1, 21)


def test_values_keep_the_page() -> None:
    found = quiet()
    for detector, _n, live, real, flags, centi_c in bodies(
        found, Type.COUNTS, "<BIIIBh"
    ):
        assert detector in (0, 1, 2)
        assert 0 < live <= real
        assert flags in (0, 1)
        assert 1500 < centi_c < 2500
    for vector in bodies(found, Type.ORIENTATION, "<3h"):
        assert np.linalg.norm(vector) / 32767 == pytest.approx(1.0, abs=1e-3)
    for _channel, x, y, z, low, high in bodies(found, Type.ACCELERATION, "<B3h2H"):
        size = np.linalg.norm((x, y, z))
        assert low <= size <= high
        assert size * 0.005 == pytest.approx(9.81, abs=0.1)
    for _channel, deci_pa in bodies(found, Type.PRESSURE, "<BI"):
        assert 950_000 < deci_pa < 1_010_000


def test_live_time_is_real_time_less_the_nominal_dead_time() -> None:
    for _d, counted, live, real, _f, _t in bodies(quiet(), Type.COUNTS, "<BIIIBh"):
        assert real - live == 190 * counted


def test_the_rates_are_those_of_the_world() -> None:
    simulation = Simulation(QUIET, 7, {})
    done = [simulation.step() for _ in range(600)]
    true = np.sum([step.snapshot.rates_per_s for step in done], axis=0)
    counted = np.zeros(3)
    for detector, count, *_rest in bodies(board_frames(done), Type.COUNTS, "<BIIIBh"):
        counted[detector] += count
    assert np.all(np.abs(counted - true) < 4 * true**0.5)
    # 9.7 GBq of 0.28 /s each, and background
    assert true[0] / 600 == pytest.approx(9.7 * 0.28 + 0.5, rel=0.4)
    assert true[2] / 600 == pytest.approx(0.4, rel=0.4)


def test_before_loading_there_is_background_only() -> None:
    steps = steps_of(SHORT, 240)
    before, after = steps[60].snapshot, steps[200].snapshot
    assert before.activity_gbq == 0.0
    assert max(before.rates_per_s) < 0.6
    assert after.activity_gbq == pytest.approx(9.71, abs=0.01)
    assert after.rates_per_s[0] > 2.0


def test_acts_are_told_when_they_are_due() -> None:
    acts = [
        notice
        for step in steps_of(SHORT, 1201)
        for notice in step.notices
        if notice["kind"] == "act"
    ]
    assert [act["what"] for act in acts] == [act.what for act in SHORT.acts]
    assert acts[3]["from"] == "producer"
    assert acts[3]["at"] == "2026-11-25T16:09:00+01:00"
    assert acts[3]["utc_ns"] == 1_795_619_340_000_000_000


def test_a_reboot_starts_anew() -> None:
    found = board_frames(steps_of(happening(what="reboot"), 70))
    hellos = [k for k, f in enumerate(found) if f.kind == Type.HELLO]
    assert len(hellos) == 2
    again = found[hellos[1]]
    assert (again.sequence, again.body[1], again.body[2]) == (0, 1, 2)
    assert again.board_us < 1_000_000
    # the high voltage is not up yet
    counts = [f for f in found[hellos[1] :] if f.kind == Type.COUNTS]
    assert [f.body[13] & 1 for f in counts[:12]] == [0] * 9 + [1] * 3


def test_a_drop_is_seen_in_both_accelerometers() -> None:
    found = board_frames(steps_of(happening(what="drop", height_m=0.8), 70))
    shaken = bodies(found, Type.ACCELERATION, "<B3h2H")
    assert min(entry[4] for entry in shaken) * 0.005 < 0.2
    assert max(entry[5] for entry in shaken) * 0.005 == pytest.approx(156.9, abs=0.1)
    parts = [f for f in found if f.kind == Type.WAVEFORM]
    heads = [struct.unpack("<BHBBQHHIB", f.body[:22]) for f in parts]
    for waveform, channel in ((0, 0), (1, 1)):
        mine = [head for head in heads if head[1] == waveform]
        assert [head[2] for head in mine] == list(range(mine[0][3]))
        assert {head[0] for head in mine} == {channel}
        assert len({head[4] for head in mine}) == 1
    # 16 g and 200 g: never more than four in a row
    row = longest = 0
    for frame in found:
        row = row + 1 if frame.kind == Type.WAVEFORM else 0
        longest = max(longest, row)
    assert longest == 4


def test_a_shift_of_the_vial_shows_in_the_difference() -> None:
    steps = steps_of(happening(what="displace", displace_mm=4.0), 70)
    before, after = (steps[k].snapshot.rates_per_s for k in (30, 69))
    assert after[0] / before[0] > 1.01
    assert after[1] / before[1] < 0.99


def test_a_tilt_ends() -> None:
    steps = steps_of(happening(what="tilt", tilt_deg=30.0, for_s=20.0), 100)
    tilts = [float(step.snapshot.down[0]) for step in steps]
    assert tilts[70] == pytest.approx(0.5, abs=0.02)
    assert tilts[95] == pytest.approx(0.0, abs=0.02)


def test_a_neighbour_comes_and_goes() -> None:
    steps = steps_of(
        happening(what="neighbour", rates_per_s=[5.0, 0.5, 1.0], for_s=20.0), 100
    )
    rates = [step.snapshot.rates_per_s for step in steps]
    assert rates[70][0] - rates[40][0] == pytest.approx(5.0, rel=0.4)
    assert rates[70][1] - rates[40][1] == pytest.approx(0.5, rel=0.5)
    assert rates[95][0] == pytest.approx(rates[40][0], rel=0.15)


def test_control_lines_change_the_world() -> None:
    simulation = Simulation(QUIET, 7, {})
    simulation.step()
    assert simulation.obey(Command(lid="open")) is None
    opened = simulation.step().snapshot
    assert opened.is_lid_open
    assert opened.illuminance_lx > 200
    assert simulation.obey(Command(lid="closed")) is None
    assert simulation.obey(Command(drop_height_m=0.5)) is None
    dropped = simulation.step().snapshot
    assert not dropped.is_lid_open
    assert len(dropped.shocks) == 1
    assert simulation.obey(Command(displace_mm=40.0)) == (
        "displace_mm: the vial has 5.0 mm of play"
    )
    assert simulation.obey(Command(reboot="board")) is None
    assert frames(simulation.step().sent["board"])[0].kind == Type.HELLO


def test_periods_of_their_own() -> None:
    periods = Periods(counts_s=5, motion_s=10, slow_s=30, gnss_s=15)
    assert periods.step_s() == 5
    steps = steps_of(msgspec.structs.replace(QUIET, periods=periods), 61)
    kinds = Counter(f.kind for f in board_frames(steps))
    assert kinds[Type.COUNTS] == 3 * 61
    assert kinds[Type.ACCELERATION] == 31
    assert kinds[Type.PRESSURE] == 11
    assert b"".join(s.sent["gps"] for s in steps).count(b"RMC") == 21
    real = [entry[3] for entry in bodies(board_frames(steps), Type.COUNTS, "<BIIIBh")]
    assert real[-1] == pytest.approx(5_000_000, abs=500)


@cache
def flight() -> dict[str, list[tuple[float, ...]]]:
    """The whole journey in steps of a minute: rates by leg."""
    scenario = load_scenario(scenario_path("pluvicto"))
    coarse = Periods(counts_s=60, motion_s=60, slow_s=60, gnss_s=60)
    rates: dict[str, list[tuple[float, ...]]] = {}
    for step in steps_of(msgspec.structs.replace(scenario, periods=coarse), 1200):
        leg = step.snapshot.position.leg.name
        rates.setdefault(leg, []).append(step.snapshot.rates_per_s)
    return rates


def test_the_reference_sees_the_flight() -> None:
    outward = {leg: np.array(rates)[:, 2] for leg, rates in flight().items()}
    rise = outward["flight to Frankfurt"].max() / outward["cargo hall Malpensa"].mean()
    assert 17 < rise < 25
