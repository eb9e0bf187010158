"""Captures of real receivers against what gpsd says of them."""

import json
import random
from typing import Any

import pytest

from gateway.sensors.nmea import Decoder
from schemas.readings import Fix, Noise, NoiseReason, PositionReading, Reading
from schemas.units import instant_ns, instant_text
from tests.captures import capture, capture_dir, capture_names, random_cuts

pytestmark = pytest.mark.captures

MODES = {Fix.NONE: 1, Fix.FIX_2D: 2, Fix.FIX_3D: 3}

# Every difference from gpsd: (capture, time, what) and why it is right to differ.
DIFFERENCES = {
    ("haicom-305N", "2007-04-08T09:53:07.801Z", "mode"): (
        "the receiver's GSA of this second says 2D; gpsd keeps the 3D of the second "
        "before because 4 satellites are used"
    ),
    ("haicom-305N", "2007-04-08T09:53:04.802Z", "only here"): (
        "the first fix: its GGA comes before any date; gpsd reports the same position "
        "(mode 2) without a time, here the RMC of the same second dates it"
    ),
}


def names() -> list[str]:
    return capture_names("gps")


def expected(name: str) -> list[dict[str, Any]]:
    text = (capture_dir() / "gps" / f"{name}.expected.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def expected_fixes(name: str) -> dict[int, dict[str, Any]]:
    """gpsd's last word on every instant that has a fix."""
    return {
        instant_ns(fix["time"]): fix
        for fix in expected(name)
        if "time" in fix and fix["mode"] >= 2
    }


def positions(found: list[Reading | Noise]) -> list[PositionReading]:
    return [item for item in found if isinstance(item, PositionReading)]


def fixes(name: str) -> dict[int, PositionReading]:
    """The decoder's last word on every instant; without what has no fix."""
    found = positions(Decoder().feed(capture("gps", name)))
    last = {p.measured_at_ns: p for p in found if p.measured_at_ns is not None}
    return {at: p for at, p in last.items() if p.fix is not Fix.NONE}


def faults(ours: PositionReading | None, gpsd: dict[str, Any]) -> list[str]:
    if ours is None:
        return ["missing"]
    wrong = []
    if MODES[ours.fix] != gpsd["mode"]:
        wrong.append("mode")
    if ours.latitude_deg is None or abs(ours.latitude_deg - gpsd["lat"]) > 1e-7:
        wrong.append("latitude")
    if ours.longitude_deg is None or abs(ours.longitude_deg - gpsd["lon"]) > 1e-7:
        wrong.append("longitude")
    altitude_m = ours.altitude_m
    if "altMSL" in gpsd and (
        altitude_m is None or abs(altitude_m - gpsd["altMSL"]) > 0.01
    ):
        wrong.append("altitude")
    return wrong


def differences(name: str) -> set[tuple[str, str, str]]:
    ours, gpsd = fixes(name), expected_fixes(name)
    of_gpsd = {
        (name, instant_text(at), fault)
        for at, fix in gpsd.items()
        for fault in faults(ours.get(at), fix)
    }
    only_here = {(name, instant_text(at), "only here") for at in ours.keys() - gpsd}
    return of_gpsd | only_here


@pytest.mark.parametrize("name", names())
def test_fixes_are_those_of_gpsd_but_for_the_table(name: str) -> None:
    capture_dir()
    listed = {key for key in DIFFERENCES if key[0] == name}
    assert {(n, _text(at), what) for n, at, what in differences(name)} == {
        (n, _text(at), what) for n, at, what in listed
    }


def _text(at: str) -> str:
    return instant_text(instant_ns(at))


def test_the_table_is_short_and_the_fixes_are_392() -> None:
    capture_dir()
    assert sum(len(expected_fixes(name)) for name in names()) == 392
    assert len(DIFFERENCES) <= 0.02 * 392


def test_the_undated_fix_of_the_table_is_gpsds_too() -> None:
    ours = fixes("haicom-305N")[instant_ns("2007-04-08T09:53:04.802Z")]
    gpsd = next(fix for fix in expected("haicom-305N") if fix["mode"] == 2)
    assert faults(ours, gpsd) == []


def test_a_simulated_position_is_no_fix() -> None:
    found = positions(Decoder().feed(capture("gps", "garmin-geko201")))
    assert len(found) == 18 * 3  # RMC, GGA and GLL of 18 epochs
    assert {p.fix for p in found} == {Fix.NONE}
    assert {p.latitude_deg for p in found} == {None}


@pytest.mark.parametrize("name", names())
def test_undated_fixes_lie_where_a_fix_of_gpsd_does(name: str) -> None:
    undated = [
        p
        for p in positions(Decoder().feed(capture("gps", name)))
        if p.measured_at_ns is None and p.fix is not Fix.NONE
    ]
    places = [(f["lat"], f["lon"]) for f in expected(name) if "lat" in f]
    for p in undated:
        assert p.latitude_deg is not None
        assert p.longitude_deg is not None
        assert any(
            abs(p.latitude_deg - lat) < 1e-7 and abs(p.longitude_deg - lon) < 1e-7
            for lat, lon in places
        )


@pytest.mark.parametrize("name", names())
def test_speed_is_the_receivers(name: str) -> None:
    rmc = [
        line.split(",")
        for line in capture("gps", name).decode("latin-1").splitlines()
        if line[3:6] == "RMC" and line.split(",")[2] == "A"
    ]
    knots = {float(fields[7]) for fields in rmc if fields[7]}
    speeds = {p.speed_m_s for p in fixes(name).values()} - {None}
    assert {round(s / 1852 * 3600, 6) for s in speeds if s is not None} <= knots


@pytest.mark.parametrize("name", names())
def test_only_the_header_is_noise(name: str) -> None:
    data = capture("gps", name)
    noise = [item for item in Decoder().feed(data) if isinstance(item, Noise)]
    header = Noise("gps", NoiseReason.FRAMING, data.index(b"$"), data[:32])
    # This one capture was cut off in the middle of its last sentence but one.
    torn = [("checksum", 15)] if name == "garmin-geko201" else []
    assert noise[0] == header
    assert [(item.reason, item.size) for item in noise[1:]] == torn


@pytest.mark.parametrize("name", names())
def test_cuts_do_not_matter(name: str) -> None:
    data = capture("gps", name)
    whole = Decoder().feed(data)
    for pieces in ([bytes([b]) for b in data], list(random_cuts(data, seed=4))):
        decoder = Decoder()
        assert [item for piece in pieces for item in decoder.feed(piece)] == whole


@pytest.mark.parametrize("name", names())
def test_garbage_before_does_not_matter(name: str) -> None:
    data = capture("gps", name)
    decoder = Decoder()
    assert positions(decoder.feed(random.Random(5).randbytes(5_000))) == []
    assert positions(decoder.feed(data)) == positions(Decoder().feed(data))
