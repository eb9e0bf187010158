from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sensors.bgeigie import Decoder
from gateway.sensors.sentence import EXCERPT_SIZE, MAX_SENTENCE_SIZE
from schemas.readings import CountReading, Fix, Noise, NoiseReason, PositionReading
from schemas.units import instant_ns
from tests.captures import sentence

HEAD = "204,2015-11-24T08:31:04Z,21,3,214,A"
PLACE = "3534.0828,N,13924.0841,E"
GOOD = sentence(f"BMRDD,{HEAD},{PLACE},109.80,A,1.5,1")

# Lines that devices wrote, checksums included, and (satellites, hdop) in them.
REAL = {
    b"$BNXRDD,300,2012-12-16T17:58:31Z,30,1,116,A,"
    b"4618.9612,N,00658.4831,E,443.7,A,5,1.28,1*1D": (5, 1.28),
    b"$BNRDD,2408,2022-03-20T15:30:42Z,34,4,42,A,"
    b"5003.1563,N,01430.9260,E,242.80,A,4,210*4B": (4, 2.1),
    b"$CZRA1,0007,2025-01-25T15:13:18Z,26,3,867,A,"
    b"5003.2222,N,01430.9257,E,284.32,A,5,826*1a": (5, 8.26),
}


def both(data: bytes) -> tuple[CountReading, PositionReading]:
    count, place = Decoder().feed(data)
    assert isinstance(count, CountReading)
    assert isinstance(place, PositionReading)
    return count, place


@pytest.mark.parametrize("line", REAL)
def test_real_lines_of_every_version(line: bytes) -> None:
    count, place = both(line)
    assert count.is_valid
    assert place.fix is Fix.FIX_3D
    assert (place.satellites, place.hdop) == REAL[line]


@pytest.mark.parametrize("tag", ["BGRDD", "BMRDD", "BNRDD", "BNXRDD", "CZRDD", "CZRA1"])
def test_every_tag(tag: str) -> None:
    count, place = both(sentence(f"{tag},{HEAD},{PLACE},109.80,A,4,231"))
    at_ns = instant_ns("2015-11-24T08:31:04Z")
    assert count == CountReading(
        "dose/detector-0",
        3,
        5_000_000_000,
        measured_at_ns=at_ns,
        counts_per_minute=21,
        total_counts=214,
    )
    assert place.latitude_deg == pytest.approx(35 + 34.0828 / 60, abs=1e-12)
    assert place.longitude_deg == pytest.approx(139 + 24.0841 / 60, abs=1e-12)
    assert place.altitude_m == 109.8
    assert place.measured_at_ns == at_ns


@pytest.mark.parametrize(
    ("tail", "satellites", "hdop"),  # tail: tag, then what follows the flag
    [
        ("BMRDD 1.5,1", None, 1.5),
        ("BMRDD 0.0,0", None, None),  # no dilution, not a perfect one
        ("BMRDD ,0", None, None),
        ("BNRDD 4,231", 4, 2.31),
        ("BNRDD 0,9999", None, None),  # 99.99 marks a missing one
        ("BNRDD 1.28,", None, 1.28),
        ("BNRDD 4,", 4, None),
        ("BNRDD 5,1.28", 5, 1.28),
        ("CZRA1 6,164", 6, 1.64),
        ("BNXRDD 77.2,1", None, 77.2),
        ("BNXRDD 6,1.27,1", 6, 1.27),
    ],
)
def test_quality_by_version(
    tail: str, satellites: int | None, hdop: float | None
) -> None:
    tag, quality = tail.split(" ")
    place = both(sentence(f"{tag},{HEAD},{PLACE},109.80,A,{quality}"))[1]
    assert (place.satellites, place.hdop) == (satellites, hdop)


@pytest.mark.parametrize(
    ("altitude", "flag", "fix"),
    [
        ("10.0", "A", Fix.FIX_3D),
        ("", "A", Fix.FIX_2D),
        ("1000000.00", "A", Fix.FIX_2D),
        ("10.0", "V", Fix.NONE),
        ("10.0", "", Fix.NONE),
    ],
)
def test_the_flag_decides_over_the_digits(altitude: str, flag: str, fix: Fix) -> None:
    place = both(sentence(f"BMRDD,{HEAD},{PLACE},{altitude},{flag},1.5,1"))[1]
    assert place.fix is fix
    assert (place.latitude_deg is None) == (fix is Fix.NONE)
    assert (place.altitude_m is None) == (fix is not Fix.FIX_3D)


def test_a_void_count_is_not_valid() -> None:
    head = HEAD.replace("214,A", "214,V")
    count, place = both(sentence(f"BMRDD,{head},{PLACE},109.80,A,1.5,1"))
    assert not count.is_valid
    assert place.fix is Fix.FIX_3D


def test_a_count_without_position_fields() -> None:
    line = b"$BMRDD,153,2015-02-25T20:52:06Z,40,4,40,V,,,,,,V,,0*60\r\n"
    count, place = both(line)
    assert (count.counts, count.is_valid) == (4, False)
    assert place.fix is Fix.NONE


def test_a_void_position_may_hold_nonsense() -> None:
    count, place = both(
        sentence(f"CZRA1,{HEAD},6027.4121,N,-04210.9048,W,16107.92,V,0,9999")
    )
    assert count.counts == 3
    assert place.fix is Fix.NONE


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("6027.4121,N,-04210.9048,W", NoiseReason.SYNTAX),
        ("9000.0001,N,00000.0000,E", NoiseReason.SANITY),
        ("4060.0000,N,00000.0000,E", NoiseReason.SANITY),
    ],
)
def test_a_position_that_cannot_be_leaves_the_count(
    place: str, reason: NoiseReason
) -> None:
    raw = sentence(f"BMRDD,{HEAD},{place},16107.92,A,1.0,1", end="")
    count, noise = Decoder().feed(raw)
    assert isinstance(count, CountReading)
    assert noise == Noise("dose", reason, len(raw), raw[:EXCERPT_SIZE])


@pytest.mark.parametrize("utc", ["2012-00-00T00:00:00Z", "2015-02-30T00:00:00Z"])
def test_a_clock_that_was_never_set_gives_no_time(utc: str) -> None:
    line = sentence(f"BMRDD,028,{utc},5,5,5,V,{PLACE},29.1,A,1.4,1")
    count, place = both(line)
    assert count.measured_at_ns is None
    assert place.measured_at_ns is None


@pytest.mark.parametrize(
    "body",
    [
        f"BMRDD,100,20SI-P- T23:47:04Z,65,5,147602,A,{PLACE},1.0,A,1.0,1",
        f"BMRDD,100,2015-11-24T08:31:04Z,21,,214,A,{PLACE},1.0,A,1.0,1",
        f"BMRDD,100,2015-11-24T08:31:04Z,21,-3,214,A,{PLACE},1.0,A,1.0,1",
        f"BMRDD,100,2015-11-24T08:31:04Z,21,\xb2,214,A,{PLACE},1.0,A,1.0,1",
        f"BMRDD,100,2015-11-24T08:31:04Z,21,3,214,,{PLACE},1.0,A,1.0,1",
        f"BMRDD,{HEAD},{PLACE},1.0,A,1.0",
        f"BMRDD,{HEAD},{PLACE},1.0,A,1.0,1,1,1",
    ],
)
def test_checked_bytes_that_do_not_parse_are_noise(body: str) -> None:
    raw = sentence(body, end="")
    assert Decoder().feed(raw) == [
        Noise("dose", NoiseReason.SYNTAX, len(raw), raw[:EXCERPT_SIZE])
    ]


@pytest.mark.parametrize("body", ["BNXSTS,300,2012-12-16T17:58:24Z", "GPGGA,,,,,,0"])
def test_other_sentences_are_ignored(body: str) -> None:
    assert Decoder().feed(sentence(body)) == []


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_checksum_of_one_digit_in_lower_case(end: str) -> None:
    line = sentence(
        "CZRA1,0007,2025-01-25T15:13:18Z,5,3,67,A,"
        "5003.2222,S,01430.9257,E,84.3,A,5,826",
        end="",
    )
    assert line.endswith(b"*0E")
    short = line[:-2] + b"e"
    assert Decoder().feed(short) == []  # a second digit may follow
    assert both(short + end.encode())[0].counts == 3


def test_a_wrong_or_missing_checksum_is_noise() -> None:
    flipped = GOOD.replace(b",21,", b",22,")
    for raw in (flipped, GOOD[:-5] + b"\n"):
        found: list[Any] = Decoder().feed(raw)
        assert [item.reason for item in found] == [NoiseReason.CHECKSUM]


pieces = st.lists(
    st.one_of(
        st.sampled_from([GOOD, GOOD[:-6], b"$", b"*", b"\n", b"# x\n", *REAL]),
        st.binary(max_size=40),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(pieces, st.integers(1, 40))
def test_cuts_do_not_matter(parts: list[bytes], step: int) -> None:
    data = b"".join(parts)
    whole = Decoder().feed(data)
    for size in (1, step):
        decoder = Decoder()
        cut = [data[at : at + size] for at in range(0, len(data), size)]
        assert [item for piece in cut for item in decoder.feed(piece)] == whole


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=4))
def test_any_bytes_in_bounded_memory_and_the_next_sentence_is_found(
    parts: list[bytes],
) -> None:
    decoder = Decoder()
    for part in parts:
        decoder.feed(part)
        assert decoder.buffered <= MAX_SENTENCE_SIZE + EXCERPT_SIZE
    assert decoder.feed(GOOD)[-2:] == Decoder().feed(GOOD)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 90 * 600_000),
    st.sampled_from("NS"),
    st.integers(0, 180 * 600_000),
    st.sampled_from("EW"),
)
def test_positions_round_trip(lat: int, ns: str, lon: int, ew: str) -> None:
    """In ten-thousandths of a minute."""
    text = [
        f"{value // 600_000:0{width}d}{value % 600_000 / 10_000:07.4f}"
        for value, width in ((lat, 2), (lon, 3))
    ]
    line = f"BNRDD,{HEAD},{text[0]},{ns},{text[1]},{ew},1.0,A,4,231"
    place = both(sentence(line))[1]
    assert place.latitude_deg == float(Fraction(lat, 600_000)) * (-1) ** (ns == "S")
    assert place.longitude_deg == float(Fraction(lon, 600_000)) * (-1) ** (ew == "W")
