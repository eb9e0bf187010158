from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sensors.nmea import Decoder
from gateway.sensors.sentence import EXCERPT_SIZE, MAX_SENTENCE_SIZE
from schemas.readings import Fix, Noise, NoiseReason, PositionReading
from schemas.units import instant_ns
from tests.captures import sentence

PLACE = "4807.038,N,01131.324,E"
RMC = "GPRMC,{time},A," + PLACE + ",10.0,84.4,{date},,,A"
GGA = "GPGGA,{time}," + PLACE + ",1,08,0.9,545.4,M,46.9,M,,"
GOOD = sentence(RMC.format(time="123519", date="230324"))
AT_NS = instant_ns("2024-03-23T12:35:19Z")


def feed(*bodies: str) -> list[Any]:
    return Decoder().feed(b"".join(sentence(body) for body in bodies))


def last(*bodies: str) -> PositionReading:
    found = feed(*bodies)[-1]
    assert isinstance(found, PositionReading)
    return found


def rmc(time: str = "123519", date: str = "230324") -> str:
    return RMC.format(time=time, date=date)


def gga(time: str = "123519") -> str:
    return GGA.format(time=time)


def times(*bodies: str) -> list[int | None]:
    return [reading.measured_at_ns for reading in feed(*bodies)]


def test_an_epoch_merges_its_sentences() -> None:
    assert feed(gga(), rmc(), "GPGSA,A,3,01,02,03,04,,,,,,,,,1.8,1.1,1.5")[1:] == [
        PositionReading(
            "gps",
            Fix.FIX_3D,
            float(Fraction(48) + Fraction("7.038") / 60),
            float(Fraction(11) + Fraction("31.324") / 60),
            545.4,
            AT_NS,
            speed_m_s=10.0 * 1852 / 3600,
            track_deg=84.4,
            hdop=0.9,
            satellites=8,
        )
    ]


def test_nothing_of_an_epoch_goes_to_the_next() -> None:
    reading = last(gga(), rmc("123520"))
    assert reading.altitude_m is reading.hdop is reading.satellites is None
    assert reading.measured_at_ns == AT_NS + 1_000_000_000


def test_a_reading_comes_with_the_second_checksum_digit() -> None:
    decoder = Decoder()
    raw = sentence(rmc(), end="")
    assert decoder.feed(raw[:-1]) == []
    assert len(decoder.feed(raw[-1:])) == 1


def test_gsa_speaks_only_when_it_changes_the_epoch() -> None:
    gsa = "GNGSA,A,{},22,17,28,15,,,,,,,,,1.75,0.96,1.47"
    found = feed(rmc(), gga(), gsa.format(3), gsa.format(3))
    assert [item.fix for item in found] == [Fix.FIX_2D, Fix.FIX_3D]
    assert feed(gsa.format(3)) == []


def test_the_best_gsa_of_several_constellations_counts() -> None:
    found = last(gga(), "GNGSA,A,3,22,,", "GNGSA,A,1,,,")
    assert found.fix is Fix.FIX_3D


def test_a_receiver_without_time_may_gain_a_fix() -> None:
    none = "GPGGA,,,,,,0,,,,M,,M,,"
    found = feed(none, none, f"GPGGA,,{PLACE},1,05,1.0,5.0,M,,M,,")
    assert [item.fix for item in found] == [Fix.NONE, Fix.NONE, Fix.FIX_3D]
    assert {item.measured_at_ns for item in found} == {None}


@pytest.mark.parametrize("status", ["V", ""])
def test_rmc_status_denies(status: str) -> None:
    body = f"GPRMC,123519,{status},{PLACE},0.0,0.0,230324,,,A"
    assert last(body) == PositionReading("gps", Fix.NONE)


@pytest.mark.parametrize("mode", "NEMS")
def test_mode_indicators_deny(mode: str) -> None:
    for body in (
        f"GPRMC,123519,A,{PLACE},0.0,0.0,230324,,,{mode}",
        f"GPGLL,{PLACE},123519,A,{mode}",
        f"GNGNS,123519,{PLACE},{mode},09,1.0,5.0,2.0,,",
    ):
        assert last(body) == PositionReading(
            "gps", Fix.NONE, satellites=9 if "GNS" in body else None
        )


@pytest.mark.parametrize("quality", ["", *"0678"])
def test_gga_qualities_without_a_fix(quality: str) -> None:
    body = f"GPGGA,123519,{PLACE},{quality},00,1.0,545.4,M,46.9,M,,"
    assert last(body) == PositionReading("gps", Fix.NONE, satellites=0)


@pytest.mark.parametrize("quality", "12345")
def test_gga_qualities_with_a_fix(quality: str) -> None:
    body = f"GPGGA,123519,{PLACE},{quality},07,1.0,545.4,M,46.9,M,,"
    assert last(body).fix is Fix.FIX_3D


def test_a_denial_holds_for_its_epoch_only() -> None:
    void = f"GPGGA,123519,{PLACE},0,00,,,M,,M,,"
    found = feed(void, rmc(), rmc("123520"))
    assert [item.fix for item in found] == [Fix.NONE, Fix.NONE, Fix.FIX_2D]


@pytest.mark.parametrize(
    ("bodies", "fix"),
    [
        ([gga()], Fix.FIX_3D),
        ([gga(), "GPGSA,A,2,01,02,03,,,"], Fix.FIX_2D),
        ([gga(), "GPGSA,A,1,,,"], Fix.NONE),
        ([f"GPGGA,123519,{PLACE},1,03,1.0,545.4,M,,M,,"], Fix.FIX_2D),
        ([f"GPGGA,123519,{PLACE},1,08,1.0,,M,,M,,"], Fix.FIX_2D),
        ([f"GPGGA,123519,{PLACE},1,,1.0,545.4,M,,M,,"], Fix.FIX_3D),
        ([rmc()], Fix.FIX_2D),
        (["GPGSA,A,3,01,02,03,04,,", rmc()], Fix.FIX_3D),
        (["GPGSA,A,1,,,", gga()], Fix.FIX_3D),  # it was of the epoch before
        (["GPRMC,123519,A,,,,,,,230324,,,A"], Fix.NONE),
        ([f"GNGNS,123519,{PLACE},NAN,06,1.0,5.0,2.0,,"], Fix.FIX_3D),
        ([f"QZGNS,123519,{PLACE},NNN,00,1.0,5.0,2.0,,"], Fix.NONE),
        ([f"GPGLL,{PLACE},123519,A"], Fix.FIX_2D),
        ([f"GPGLL,{PLACE},123519,V"], Fix.NONE),
    ],
)
def test_fix(bodies: list[str], fix: Fix) -> None:
    found = last(*bodies)
    assert found.fix is fix
    assert (found.latitude_deg is None) == (fix is Fix.NONE)


def test_a_gll_without_status_says_nothing() -> None:
    assert feed(f"GPGLL,{PLACE}") == []


@pytest.mark.parametrize(
    ("time", "date", "at"),
    [
        ("000000", "010180", "1980-01-01T00:00:00Z"),
        ("235959.999", "311299", "1999-12-31T23:59:59.999Z"),
        ("123519.1", "010179", "2079-01-01T12:35:19.1Z"),
        ("123519.123456789", "290224", "2024-02-29T12:35:19.123456789Z"),
        ("123519.1234567899", "290224", "2024-02-29T12:35:19.123456789Z"),
        ("519", "10324", "2024-03-01T00:05:19Z"),
        ("235960", "311216", "2017-01-01T00:00:00Z"),
    ],
)
def test_instants(time: str, date: str, at: str) -> None:
    assert times(rmc(time, date)) == [instant_ns(at)]


def test_midnight_between_the_date_and_a_time() -> None:
    midnight = instant_ns("2024-12-31T00:00:00Z")
    assert times(rmc("235959", "301224"), gga("000000"), gga("000001")) == [
        midnight - 1_000_000_000,
        midnight,
        midnight + 1_000_000_000,
    ]


def test_a_time_before_midnight_after_a_date_of_the_new_day() -> None:
    midnight = instant_ns("2024-12-31T00:00:00Z")
    late = f"GPGLL,{PLACE},235959,A,A"
    assert times(rmc("000000", "311224"), late, gga("000000")) == [
        midnight,
        midnight - 1_000_000_000,
        midnight,
    ]


def test_days_pass_without_another_date() -> None:
    hours = [gga(f"{hour % 24:02d}0000") for hour in range(1, 50)]
    first = instant_ns("2024-03-23T00:00:00Z")
    found = times(rmc("000000"), *hours)
    assert found == [first + hour * 3600 * 10**9 for hour in range(50)]


def test_zda_gives_the_date_and_the_reading_again() -> None:
    zda = "GPZDA,123519.00,23,03,2024,00,00"
    assert times(gga(), zda, gga("123520")) == [None, AT_NS, AT_NS + 1_000_000_000]
    assert times(zda, gga()) == [AT_NS]
    assert feed(zda) == []


@pytest.mark.parametrize("date", ["", "000000", "310224", "ABCDEF"])
def test_without_a_date_there_is_no_instant(date: str) -> None:
    found = last(rmc(date=date))
    assert found.fix is Fix.FIX_2D
    assert found.measured_at_ns is None


def test_the_date_of_a_receiver_that_warns_is_not_believed() -> None:
    warned = f"GPRMC,123519,V,{PLACE},,,010100,,,N"
    assert times(warned, gga("123520")) == [None, None]


@pytest.mark.parametrize("talker", ["GP", "GN", "GL", "GA", "GB", "BD", "QZ"])
def test_any_talker(talker: str) -> None:
    assert last(talker + rmc()[2:]).measured_at_ns == AT_NS


@pytest.mark.parametrize(
    ("place", "latitude", "longitude"),
    [
        ("0000.0000,S,00000.0000,W", "0", "0"),
        ("9000,N,18000,W", "90", "-180"),
        ("7.5,S,31.324,E", "-0.125", "0.5220666666666667"),
        ("107.5,N,.6,E", "1.125", "0.01"),
        ("4134.498212291,N,09345.1,W", "41.57497020485", "-93.75166666666667"),
    ],
)
def test_coordinates(place: str, latitude: str, longitude: str) -> None:
    found = last(f"GPGLL,{place},123519,A,A")
    assert found.latitude_deg == pytest.approx(float(latitude), abs=1e-12)
    assert found.longitude_deg == pytest.approx(float(longitude), abs=1e-12)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("GPGLL,9000.0001,N,01131.324,E,123519,A,A", NoiseReason.SANITY),
        ("GPGLL,4807.038,N,18000.001,E,123519,A,A", NoiseReason.SANITY),
        ("GPGLL,4860.000,N,01131.324,E,123519,A,A", NoiseReason.SANITY),
        (rmc("240000"), NoiseReason.SANITY),
        (rmc("126000"), NoiseReason.SANITY),
        (rmc("120061"), NoiseReason.SANITY),
        ("GPGLL,4807.038,E,01131.324,E,123519,A,A", NoiseReason.SYNTAX),
        ("GPGLL,48O7.038,N,01131.324,E,123519,A,A", NoiseReason.SYNTAX),
        ("GPGLL,-807.038,N,01131.324,E,123519,A,A", NoiseReason.SYNTAX),
        ("GPGLL,.,N,01131.324,E,123519,A,A", NoiseReason.SYNTAX),
        ("GPGLL,48\xb2,N,01131.324,E,123519,A,A", NoiseReason.SYNTAX),
        (rmc("12:35:19"), NoiseReason.SYNTAX),
        ("GPZDA,123519,xx,03,2024,,", NoiseReason.SYNTAX),
        ("GPRMC,123519,A", NoiseReason.SYNTAX),
    ],
)
def test_checked_bytes_that_are_no_reading(body: str, reason: NoiseReason) -> None:
    raw = sentence(body, end="")
    assert Decoder("left").feed(raw) == [
        Noise("left", reason, len(raw), raw[:EXCERPT_SIZE])
    ]


def test_an_odd_side_field_costs_only_itself() -> None:
    body = f"GPRMC,123519,A,{PLACE},nan,-,230324,,,A"
    found = last(f"GPGGA,123519,{PLACE},1,x,99.99,inf,M,,M,,", body)
    assert found.measured_at_ns == AT_NS
    assert found.speed_m_s is found.track_deg is found.hdop is None
    assert found.altitude_m is found.satellites is None


def test_a_slow_speed_is_a_speed() -> None:
    found = last(f"GPRMC,123519,A,{PLACE},0.36,0,230324,,,A")
    assert found.speed_m_s == pytest.approx(0.1852)
    assert found.track_deg == 0


def test_altitude_below_the_sea() -> None:
    assert last(f"GPGGA,1,{PLACE},1,08,1.0,-31.25,M,,M,,").altitude_m == -31.25


@pytest.mark.parametrize(
    "body",
    [
        "GPGSV,1,1,00",
        "GPTXT,01,01,02,\xb5-blox",
        "PGRMC,A,218.8,100,6378137,298",  # Garmin's own, not an RMC of talker PG
        "PUBX,03," + "1,U,045,30,44,064," * 45,
    ],
)
def test_other_sentences_are_ignored(body: str) -> None:
    assert feed(body) == []


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\n\r", "", "\r\n\r\n"])
def test_line_ends(end: str) -> None:
    raw = sentence(rmc(), end) + sentence(gga(), end)
    assert [type(item) for item in Decoder().feed(raw)] == [PositionReading] * 2


def test_checksums_in_lower_case() -> None:
    raw = next(
        line for n in range(100) if (line := sentence(rmc(f"0000{n:02d}"), ""))[-1] > 64
    )
    assert Decoder().feed(raw[:-2] + raw[-2:].lower()) == Decoder().feed(raw)


@pytest.mark.parametrize(
    ("raw", "reason", "size"),
    [
        (GOOD.replace(b"12", b"13"), NoiseReason.CHECKSUM, len(GOOD) - 2),
        (GOOD[:-5] + b"\r\n", NoiseReason.CHECKSUM, len(GOOD) - 5),
        (GOOD[:-4] + b"ZZ\r\n", NoiseReason.CHECKSUM, len(GOOD) - 2),
        (GOOD[:40], NoiseReason.FRAMING, 40),
        (b"# a comment\n# another\r\n", NoiseReason.FRAMING, 23),
        (b"\r\n\n\xb5\x62\x00", NoiseReason.FRAMING, 3),
        (b"$" + b"x" * (MAX_SENTENCE_SIZE - 1), NoiseReason.LENGTH, MAX_SENTENCE_SIZE),
    ],
)
def test_noise_is_counted_once_and_the_next_sentence_found(
    raw: bytes, reason: NoiseReason, size: int
) -> None:
    noise, reading = Decoder().feed(raw + GOOD)
    assert isinstance(noise, Noise)
    assert (noise.source, noise.reason, noise.size) == ("gps", reason, size)
    assert noise.excerpt == raw.lstrip(b"\r\n")[: min(size, EXCERPT_SIZE)]
    assert [reading] == Decoder().feed(GOOD)


def test_noise_without_end_is_reported_as_it_comes() -> None:
    found: list[Any] = Decoder().feed(b"\xff" * (3 * MAX_SENTENCE_SIZE + 5) + GOOD)
    sizes = [item.size for item in found[:-1]]
    assert sizes == [MAX_SENTENCE_SIZE] * 3 + [5]


pieces = st.lists(
    st.one_of(
        st.sampled_from(
            [
                GOOD,
                GOOD[:30],
                sentence(gga()),
                sentence("GPGSA,A,2,01,02,03,,,", "\n"),
                *(b"$", b"*", b"\r", b"# x\n", b"$GPRMC,1*2\n", b"y" * 1100),
            ]
        ),
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
    assert decoder.feed(GOOD)[-1:] == Decoder().feed(GOOD)


@settings(max_examples=60, deadline=None)
@given(pieces)
def test_every_byte_is_a_sentence_a_line_end_or_noise(parts: list[bytes]) -> None:
    data = b"".join(parts).replace(b"$", b"#")  # no sentence: all of it is noise
    found: list[Any] = Decoder().feed(data + GOOD)
    line_ends = data.count(b"\r") + data.count(b"\n")
    counted = sum(item.size for item in found[:-1])
    assert len(data) - line_ends <= counted <= len(data)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 9))
def test_positions_round_trip(data: st.DataObject, digits: int) -> None:
    unit = 60 * 10**digits
    words, values = [], []
    for limit, width, signs in ((90, 2, "NS"), (180, 3, "EW")):
        scaled = data.draw(st.integers(0, limit * unit))
        sign = data.draw(st.sampled_from(signs))
        degrees, minutes = divmod(scaled, unit)
        whole, fraction = divmod(minutes, 10**digits)
        words.append(f"{degrees:0{width}d}{whole:02d}.{fraction:0{digits}d},{sign}")
        values.append(float(Fraction(scaled, unit)) * (-1 if sign in "SW" else 1))
    found = last(f"GNGNS,123519,{','.join(words)},A,09,1.0,5.0,2.0,,")
    assert [found.latitude_deg, found.longitude_deg] == values
