"""Faults, replay, control lines and shocks."""

from pathlib import Path

import numpy as np
import pytest

from firmware_sim import shock
from firmware_sim.control import STOP, Command, Complaint, parse
from firmware_sim.errors import ScenarioError
from firmware_sim.faults import Damage, FaultyLine
from firmware_sim.randomness import stream
from firmware_sim.replay import groups, playbacks
from firmware_sim.scenario import FaultRates
from tests.captures import capture_dir

FRAMES = [bytes([0, *([number + 1] * 8), 0]) for number in range(5)]


def carry(rates: FaultRates, steps: int = 1) -> tuple[list[bytes], list[Damage]]:
    line = FaultyLine(rates, stream(1, "faults"))
    carried = [line.carry(FRAMES) for _ in range(steps)]
    return [data for data, _ in carried], [damage for _, damage in carried]


def test_a_good_line_changes_nothing() -> None:
    data, damage = carry(FaultRates(), 3)
    assert data == [b"".join(FRAMES)] * 3
    assert damage == [Damage()] * 3


def test_certain_faults() -> None:
    assert carry(FaultRates(lost_per_frame=1.0))[0] == [b""]
    twice = b"".join(frame + frame for frame in FRAMES)
    assert carry(FaultRates(duplicate_per_frame=1.0))[0] == [twice]
    flipped, damage = carry(FaultRates(flip_per_byte=1.0))
    assert flipped[0] != b"".join(FRAMES)
    assert damage[0].flipped == 50


def test_late_bytes_keep_their_order() -> None:
    data, damage = carry(FaultRates(late_per_frame=1.0), 4)
    # each step is cut in its first frame; the rest leads the next step
    assert data[0] == FRAMES[0][:5]
    whole = b"".join(FRAMES)
    assert b"".join(data) == (whole * 4)[: len(whole) * 3 + 5]
    assert [d.late for d in damage] == [1] * 4


def test_rates_are_kept() -> None:
    rates = FaultRates(
        flip_per_byte=1e-3, lost_per_frame=0.02, duplicate_per_frame=0.01
    )
    line = FaultyLine(rates, stream(2, "faults"))
    damage = [line.carry(FRAMES)[1] for _ in range(4000)]
    assert sum(d.lost for d in damage) == pytest.approx(400, rel=0.2)
    assert sum(d.duplicated for d in damage) == pytest.approx(196, rel=0.3)
    assert sum(d.flipped for d in damage) == pytest.approx(198, rel=0.3)
    assert Damage(lost=2, late=1).counts() == {"lost": 2, "late": 1}


def test_groups_leave_the_header_out() -> None:
    log = b"# head\n$GPGGA,1\r\n$GPRMC,1\r\n# more\n$GPGGA,2\r\n"
    log += b"\xff\x00$GPRMC,2\r\n$GPGGA"
    assert list(groups(log)) == [
        b"$GPGGA,1\r\n$GPRMC,1\r\n",
        b"$GPGGA,2\r\n\xff\x00$GPRMC,2\r\n",
        b"$GPGGA",
    ]


@pytest.mark.captures
def test_real_captures_play_in_a_loop_byte_for_byte() -> None:
    captures = capture_dir()
    for port, folder in (("gps", "gps"), ("dose", "dose_rate")):
        lines = [
            line
            for log in sorted((captures / folder).glob("*.log"))
            for line in log.read_bytes().splitlines(keepends=True)
            if not line.startswith(b"#")
        ]
        whole = b"".join(lines)
        playback = playbacks(captures)[port]
        played = b""
        while len(played) < 2 * len(whole):
            played += playback.step()
        assert played == whole + whole


def test_replay_says_which_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"/gps: no such folder"):
        playbacks(tmp_path)
    (tmp_path / "gps").mkdir()
    with pytest.raises(ScenarioError, match=r"/gps: no captures"):
        playbacks(tmp_path)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b'{"speed":1400}', Command(speed=1400.0)),
        (b'{"speed":0}', Command(speed=0.0)),
        (b'{"unplug":"board","for_s":120}', Command(unplug="board", for_s=120.0)),
        (b'{"reboot":"board"}', Command(reboot="board")),
        (b'{"lid":"open"}', Command(lid="open")),
        (b'{"drop_height_m":0.8}', Command(drop_height_m=0.8)),
        (b'{"displace_mm":-3}', Command(displace_mm=-3.0)),
        (b'{"stop":true}', STOP),
    ],
)
def test_control_lines(line: bytes, command: Command) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    "line",
    [b"{}", b"hello", b"\xff", b'{"fly":1}', b'{"speed":-1}', b'{"unplug":"board"}',
     b'{"for_s":3}', b'{"stop":false}', b'{"lid":"open","speed":3}',
     b'{"lid":"ajar"}', b"[]", b'{"speed":1e999}'],
)  # fmt: skip
def test_control_lines_that_are_answered(line: bytes) -> None:
    assert isinstance(parse(line), Complaint)


def test_a_drop_as_physics_has_it() -> None:
    # DOMAIN 4.1: 0.762 m: 394 ms of free fall, dV 5.03 m/s at e = 0.3
    blow = shock.drop(0.762, np.random.default_rng(1))
    assert blow.fall_s == pytest.approx(0.394, abs=0.001)
    assert blow.velocity_change_m_s == pytest.approx(5.03, abs=0.01)
    # DOMAIN test vector 12: 495 ms is 1.20 m
    assert shock.drop(1.2, np.random.default_rng(1)).fall_s == pytest.approx(
        0.495, 1e-3
    )


def test_half_sine_test_vector() -> None:
    # DOMAIN test vector 13: half-sine 50 g 11 ms has dV 3.434 m/s
    blow = shock.Shock(0.0, 3.434, 0.011, (0.0, 0.0, 1.0))
    assert blow.peak_m_s2 / 9.80665 == pytest.approx(50.0, abs=0.02)


def test_the_waveform_holds_the_fall_and_the_blow() -> None:
    rng = np.random.default_rng(2)
    blow = shock.drop(0.5, rng)
    high = shock.waveform(blow, shock.HIGH, rng)
    size = np.linalg.norm(high.samples * 98_066e-6, axis=1)
    assert size.max() == pytest.approx(blow.peak_m_s2, rel=0.03)
    low = shock.waveform(blow, shock.LOW, rng)
    still = np.linalg.norm(low.samples * 0.005, axis=1) < 2.0
    assert still.sum() / 400 == pytest.approx(blow.fall_s, abs=0.012)
    # the low range is clipped at 16 g
    assert np.abs(low.samples).max() * 0.005 == pytest.approx(156.9, abs=0.01)


def test_a_kick_has_no_free_fall() -> None:
    blow = shock.kick(1.1, np.random.default_rng(3))
    assert blow.fall_s == 0.0
    assert abs(blow.direction[2]) < 0.3
    assert shock.low_range_extremes(blow)[0] == pytest.approx(9.80665)
