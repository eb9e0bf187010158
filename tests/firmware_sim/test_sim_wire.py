"""The encoder against bytes worked out by hand and against slow twins."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim import wire
from firmware_sim.wire import Type
from tests.firmware_sim.board_capture import CAPTURES, NAME, capture
from tests.firmware_sim.unframing import crc_bitwise, frames, unstuff


def test_the_twin_crc_has_the_catalogue_check_value() -> None:
    assert crc_bitwise(b"123456789") == 0xCBF43926


@pytest.mark.parametrize(
    ("plain", "stuffed"),
    [
        ("", "01"),
        ("00", "0101"),
        ("0000", "010101"),
        ("11220033", "0311220233"),
        ("11223344", "0511223344"),
        ("11000000", "0211010101"),
    ],
)
def test_cobs_examples(plain: str, stuffed: str) -> None:
    assert wire.cobs(bytes.fromhex(plain)).hex() == stuffed


def test_cobs_long_runs() -> None:
    run_254 = bytes(range(1, 255))
    assert wire.cobs(run_254) == b"\xff" + run_254
    assert wire.cobs(run_254 + b"\xff") == b"\xff" + run_254 + b"\x02\xff"
    assert wire.cobs(b"\x00" + run_254) == b"\x01\xff" + run_254
    assert wire.cobs(run_254 + b"\x00") == b"\xff" + run_254 + b"\x01\x01"
    assert wire.cobs(run_254[1:] + b"\x00\x01") == b"\xfe" + run_254[1:] + b"\x02\x01"


@given(st.binary(max_size=600) | st.lists(st.just(7), max_size=600).map(bytes))
def test_cobs_round_trip(data: bytes) -> None:
    stuffed = wire.cobs(data)
    assert 0 not in stuffed
    assert unstuff(stuffed) == data
    assert len(stuffed) <= len(data) + 1 + len(data) // 254


@pytest.mark.parametrize(
    ("body", "by_hand"),
    [
        # protocol 1, watchdog 1, boots 258 = 02 01 00 00, 1.2.3, "DT-1" and 8 spaces
        (
            wire.hello(1, 258, (1, 2, 3), "DT-1"),
            "0101" "02010000" "010203" "44542d31" "2020202020202020",
        ),
        # 21.37 degC = 2137 = 0x0859
        (wire.temperature(0, 2137), "00" "5908"),
        # -18.50 degC = -1850 = 0xf8c6
        (wire.temperature(1, -1850), "01" "c6f8"),
        (wire.temperature(0, wire.SENSOR_FAULT), "00" "ff7f"),
        (wire.temperature(0, wire.NOT_CONNECTED), "00" "0080"),
        # x 0, y -256 = ff00, z 1961 = 07a9, min 1950 = 079e, max 1972 = 07b4
        (
            wire.acceleration(0, (0, -256, 1961), 1950, 1972),
            "00" "0000" "00ff" "a907" "9e07" "b407",
        ),
        # 4277 = 10b5, -32487 = 8119
        (wire.orientation(0, 4277, -32487), "0000" "b510" "1981"),
        # 38 = 26, 9492780 = 90d92c, 9500000 = 90f560, valid, 20.13 degC = 07dd
        (
            wire.counts(2, 38, 9_492_780, 9_500_000, 1, 2013),
            "02" "26000000" "2cd99000" "60f59000" "01" "dd07",
        ),
        # 1013.25 hPa = 1013250 tenths of Pa = 0f7602
        (wire.pressure(0, 1_013_250), "00" "02760f00"),
        (wire.pressure(0, wire.VALUE_FAULT_U32), "00" "ffffffff"),
        # 320 lx = 320000 = 04e200, open
        (wire.light(0, 320_000, 1), "00" "00e20400" "01"),
        # 13274 = 33da, -1500 = fa24, charge unknown
        (wire.supply(13_274, -1500, wire.CHARGE_UNKNOWN), "da33" "24fa" "ff"),
        # shock, number 258, part 1 of 2, start 12345678 = bc614e, 3200 = 0c80,
        # 1600 = 0640, 98066 = 017f12, one sample (1, -1, 256)
        (
            wire.waveform(
                (1, 258, 1, 2, 12_345_678, 3200, 1600, 98_066),
                struct.pack("<3h", 1, -1, 256),
            ),
            "01" "0201" "01" "02" "4e61bc0000000000" "800c" "4006" "127f0100" "01"
            "0100" "ffff" "0001",
        ),
    ],
)  # fmt: skip
def test_bodies_by_hand(body: bytes, by_hand: str) -> None:
    assert body.hex() == by_hand


def test_a_frame_by_hand() -> None:
    # type 2, sequence 0x0102, board time 10 s = 10,000,000 us = 0x989680
    plain = bytes.fromhex("02" "0201" "8096980000000000" "00" "5908")  # fmt: skip
    sent = wire.frame(Type.TEMPERATURE, 0x0102, 10_000_000, wire.temperature(0, 2137))
    assert sent[0] == sent[-1] == 0
    # the first zero is byte 6 of the board time: the code byte counts 6 bytes + 1
    assert sent[1:8].hex() == "07020201809698"
    assert sent[8:13].hex() == "0101010101"
    assert unstuff(sent[1:-1]) == plain + crc_bitwise(plain).to_bytes(4, "little")


@given(
    st.sampled_from(Type),
    st.integers(0, 1 << 20),
    st.integers(0, (1 << 64) - 1),
    st.binary(max_size=wire.MAX_BODY_BYTES),
)
def test_frames_keep_the_limits_of_the_page(
    kind: Type, sequence: int, board_us: int, body: bytes
) -> None:
    sent = wire.frame(kind, sequence, board_us, body)
    assert sent.count(0) == 2
    assert len(sent) <= 248 + 2
    content = unstuff(sent[1:-1])
    assert 15 <= len(content) <= 247
    head = struct.unpack("<BHQ", content[:11])
    assert head == (kind, sequence % 65536, board_us)
    assert content[11:-4] == body
    assert crc_bitwise(content[:-4]).to_bytes(4, "little") == content[-4:]


def test_a_body_that_does_not_fit_is_a_bug() -> None:
    with pytest.raises(ValueError, match="at most 232"):
        wire.frame(Type.WAVEFORM, 0, 0, bytes(233))


def test_the_golden_capture_is_what_the_encoder_writes() -> None:
    data, expected = capture()
    assert (CAPTURES / f"{NAME}.bin").read_bytes() == data
    lines = (CAPTURES / f"{NAME}.expected.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == expected
    assert {entry["type"] for entry in expected} == {kind.name for kind in Type}


def test_the_golden_capture_takes_apart() -> None:
    data = (CAPTURES / f"{NAME}.bin").read_bytes()
    lines = (CAPTURES / f"{NAME}.expected.jsonl").read_text().splitlines()
    said = [json.loads(line) for line in lines]
    heads = [(Type(f.kind).name, f.sequence, f.board_us) for f in frames(data)]
    assert heads == [(e["type"], e["sequence"], e["board_time"]) for e in said]
