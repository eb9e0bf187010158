"""Logs of real dose-rate loggers against a naive reading of their text."""

import random
from datetime import datetime

import pytest

from gateway.sensors.bgeigie import Decoder
from schemas.readings import CountReading, Fix, Noise, PositionReading, Reading
from tests.captures import capture, capture_dir, capture_names, random_cuts

pytestmark = pytest.mark.captures

# valid counts, void counts, valid positions, void positions, sum of the counts:
# counted with awk over fields 7, 13 and 5.
TALLIES = {
    "safecast-bgeigie": (12, 11, 0, 23, 73),
    "safecast-bgeigie_nyc": (17, 12, 21, 8, 97),
}


def names() -> list[str]:
    return capture_names("dose_rate")


def rows(name: str) -> list[list[str]]:
    lines = capture("dose_rate", name).decode("ascii").splitlines()
    return [
        line[: line.index("*")].split(",") for line in lines if line.startswith("$")
    ]


def decoded(name: str) -> tuple[list[CountReading], list[PositionReading]]:
    found = Decoder().feed(capture("dose_rate", name))
    counts = [item for item in found if isinstance(item, CountReading)]
    return counts, [item for item in found if isinstance(item, PositionReading)]


def readings(found: list[Reading | Noise]) -> list[Reading]:
    return [item for item in found if not isinstance(item, Noise)]


def naive_ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000_000


def naive_deg(text: str, hemisphere: str) -> float:
    point = text.index(".")
    degrees = float(text[: point - 2]) + float(text[point - 2 :]) / 60
    return -degrees if hemisphere in "SW" else degrees


@pytest.mark.parametrize("name", names())
def test_tallies(name: str) -> None:
    capture_dir()
    counts, places = decoded(name)
    valid = sum(c.is_valid for c in counts)
    fixed = sum(p.fix is not Fix.NONE for p in places)
    assert TALLIES[name] == (
        valid,
        len(counts) - valid,
        fixed,
        len(places) - fixed,
        sum(c.counts for c in counts),
    )


@pytest.mark.parametrize("name", names())
def test_counts_are_the_text(name: str) -> None:
    for row, count in zip(rows(name), decoded(name)[0], strict=True):
        assert count == CountReading(
            "dose/detector-0",
            counts=int(row[4]),
            real_time_ns=5_000_000_000,
            is_valid=row[6] == "A",
            measured_at_ns=naive_ns(row[2]),
            counts_per_minute=int(row[3]),
            total_counts=int(row[5]),
        )


@pytest.mark.parametrize("name", names())
def test_positions_are_the_text(name: str) -> None:
    for row, place in zip(rows(name), decoded(name)[1], strict=True):
        assert place.sensor == "dose"
        assert place.measured_at_ns == naive_ns(row[2])
        if row[12] == "V":
            assert place.fix is Fix.NONE
            assert place.latitude_deg is place.longitude_deg is place.altitude_m is None
        else:
            assert place.fix is Fix.FIX_3D
            assert place.latitude_deg == pytest.approx(naive_deg(row[7], row[8]), 1e-12)
            assert place.longitude_deg == pytest.approx(
                naive_deg(row[9], row[10]), 1e-12
            )
            assert place.altitude_m == float(row[11])
            assert place.hdop == float(row[13])


@pytest.mark.parametrize("name", names())
def test_only_the_header_is_noise(name: str) -> None:
    data = capture("dose_rate", name)
    noise = [item for item in Decoder().feed(data) if isinstance(item, Noise)]
    assert [item.size for item in noise] == [data.index(b"$")]


@pytest.mark.parametrize("name", names())
def test_cuts_do_not_matter(name: str) -> None:
    data = capture("dose_rate", name)
    whole = Decoder().feed(data)
    for pieces in ([bytes([b]) for b in data], list(random_cuts(data, seed=6))):
        decoder = Decoder()
        assert [item for piece in pieces for item in decoder.feed(piece)] == whole


@pytest.mark.parametrize("name", names())
def test_garbage_before_does_not_matter(name: str) -> None:
    data = capture("dose_rate", name)
    decoder = Decoder()
    assert readings(decoder.feed(random.Random(7).randbytes(5_000))) == []
    assert readings(decoder.feed(data)) == readings(Decoder().feed(data))
