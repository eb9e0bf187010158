"""Framing against an encoder of its own, and under every kind of noise."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.framing import MAX_ENCODED_BYTES, NOISE_PIECE_BYTES, Frame, FrameDecoder
from schemas.readings import Noise, NoiseReason
from tests.gateway.board_encoder import (
    GOOD_BODIES,
    TEMPERATURE,
    cobs,
    crc32_bitwise,
    encoded,
    frame,
)

FRAMES = st.builds(
    Frame,
    kind=st.integers(0, 0xFF),
    sequence=st.integers(0, 0xFFFF),
    board_us=st.integers(0, 2**64 - 1),
    body=st.binary(max_size=232) | st.binary(max_size=3).map(lambda b: b * 77),
)
WIRE = FRAMES.map(lambda f: frame(f.kind, f.body, f.sequence, f.board_us))
# Mostly noise, some zeros, some frames and some frames that lost their end.
STREAM = st.lists(
    st.binary(max_size=40) | WIRE | WIRE.map(lambda w: w[: len(w) // 2]), max_size=8
).map(b"".join)


def decode(data: bytes) -> list[Frame | Noise]:
    return FrameDecoder("line").feed(data)


def noise(reason: NoiseReason, data: bytes) -> Noise:
    return Noise("line", reason, len(data), data[:32])


def test_encoder_agrees_with_published_values() -> None:
    assert crc32_bitwise(b"123456789") == 0xCBF43926
    assert cobs(b"\x00") == b"\x01\x01"
    assert cobs(b"\x11\x22\x00\x33") == b"\x03\x11\x22\x02\x33"


def test_one_frame_byte_by_byte() -> None:
    # 21.56 degC on channel 0, sequence 1, one second after boot (0x0F4240 us).
    content = bytes.fromhex("02 0100 40420f0000000000 00 6c08")
    crc = crc32_bitwise(content).to_bytes(4, "little")
    wire = (
        bytes.fromhex("00 03 02 01 04 40 42 0f 01 01 01 01 01 07 6c 08")
        + crc
        + bytes(1)
    )
    assert 0 not in crc
    assert decode(wire) == [Frame(2, 1, 1_000_000, bytes.fromhex("00 6c 08"))]


@given(FRAMES)
@settings(max_examples=100)
def test_round_trip(sent: Frame) -> None:
    wire = frame(sent.kind, sent.body, sent.sequence, sent.board_us)
    assert decode(wire) == [sent]


@given(STREAM, st.lists(st.integers(0, 400), max_size=12))
@settings(max_examples=60)
def test_chunking_does_not_matter(stream: bytes, cuts: list[int]) -> None:
    whole = decode(stream)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    cut, single = FrameDecoder("line"), FrameDecoder("line")
    assert [e for a, b in pairwise(edges) for e in cut.feed(stream[a:b])] == whole
    assert [e for byte in stream for e in single.feed(bytes([byte]))] == whole


@given(STREAM, FRAMES)
@settings(max_examples=60)
def test_frame_after_noise_is_found(stream: bytes, sent: Frame) -> None:
    wire = frame(sent.kind, sent.body, sent.sequence, sent.board_us)
    assert decode(stream + wire)[-1] == sent


@given(st.lists(st.binary(max_size=300), max_size=20))
@settings(max_examples=100)
def test_any_bytes_are_counted_in_bounded_memory(chunks: list[bytes]) -> None:
    decoder = FrameDecoder("line")
    events = []
    for chunk in [*chunks, b"\x00"]:
        events += decoder.feed(chunk)
        assert len(decoder._pending) <= MAX_ENCODED_BYTES + 1
    sizes = [e.size for e in events if isinstance(e, Noise)]
    frames = [e for e in events if isinstance(e, Frame)]
    taken = sum(len(f.content()) + 5 for f in frames) + sum(sizes)
    assert taken == sum(len(chunk) - chunk.count(0) for chunk in chunks)


def test_line_that_never_sends_a_zero_is_still_counted() -> None:
    decoder = FrameDecoder("line")
    stuck = b"\xff" * 1000
    events = [event for _ in range(20) for event in decoder.feed(stuck)]
    assert events == [noise(NoiseReason.LENGTH, b"\xff" * NOISE_PIECE_BYTES)] * 4
    assert decoder.feed(b"\x00") == [
        noise(NoiseReason.LENGTH, b"\xff" * (20_000 - 4 * NOISE_PIECE_BYTES))
    ]
    assert decoder._pending == b""
    # What is left of such a run is never a frame, not even if it looks like one.
    tail = encoded(TEMPERATURE, GOOD_BODIES[TEMPERATURE])
    events = decode(b"\xff" * NOISE_PIECE_BYTES + tail + b"\x00")
    assert [e.reason for e in events if isinstance(e, Noise)] == [
        NoiseReason.LENGTH
    ] * 2
    assert len(events) == 2


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_run_of_about_one_piece_leaves_nothing_behind(extra: int) -> None:
    size = NOISE_PIECE_BYTES + extra
    *before, last = decode(b"\xff" * size + frame(TEMPERATURE, b"\x07"))
    assert last == Frame(TEMPERATURE, 0, 0, b"\x07")
    assert sum(event.size for event in before if isinstance(event, Noise)) == size


def test_every_bit_flip_is_refused() -> None:
    for kind, body in GOOD_BODIES.items():
        wire = frame(kind, body, sequence=513, board_us=5_000_000)
        for bit in range(8 * len(wire)):
            flipped = bytearray(wire)
            flipped[bit // 8] ^= 1 << bit % 8
            events = decode(bytes(flipped) + b"\x00")
            assert events
            assert all(isinstance(event, Noise) for event in events), (kind, bit)


def test_lengths() -> None:
    longest = encoded(TEMPERATURE, b"\x01" * 232)
    assert len(longest) == 248
    assert isinstance(decode(longest + b"\x00")[0], Frame)
    too_long = encoded(TEMPERATURE, b"\x01" * 233)
    assert len(too_long) == MAX_ENCODED_BYTES
    for wrong in (too_long, b"\x02" * 250, cobs(b"\x05" * 14), b"\x01"):
        assert decode(wrong + b"\x00") == [noise(NoiseReason.LENGTH, wrong)]


def test_shortest_frame_has_no_body() -> None:
    assert decode(frame(TEMPERATURE, b"")) == [Frame(TEMPERATURE, 0, 0, b"")]


def test_reasons_come_in_the_order_of_judgement() -> None:
    good = encoded(TEMPERATURE, GOOD_BODIES[TEMPERATURE])
    beyond = bytes([255]) + good[1:]
    assert decode(beyond + b"\x00") == [noise(NoiseReason.FRAMING, beyond)]
    assert decode(good[:-1] + b"\x00") == [noise(NoiseReason.FRAMING, good[:-1])]
    changed = good[:-1] + bytes([good[-1] ^ 1])
    assert decode(changed + b"\x00") == [noise(NoiseReason.CHECKSUM, changed)]


def test_empty_frames_are_skipped() -> None:
    assert decode(bytes(1000)) == []
    assert FrameDecoder("line").feed(b"") == []
    wire = frame(TEMPERATURE, GOOD_BODIES[TEMPERATURE])
    assert len(decode(bytes(5) + wire + bytes(5) + wire)) == 2


def test_receiver_joins_in_the_middle() -> None:
    one = frame(TEMPERATURE, GOOD_BODIES[TEMPERATURE], sequence=1)
    two = frame(TEMPERATURE, GOOD_BODIES[TEMPERATURE], sequence=2)
    [first, second] = decode(one[9:] + two)
    assert isinstance(first, Noise)
    assert isinstance(second, Frame)
    assert second.sequence == 2
