"""Words for findings: what a person may act on, and never more than was seen."""

import msgspec
import pytest

from cloud.finding_words import (
    dose_text,
    gdp_text,
    integrity_text,
    shock_text,
    thermal_texts,
)
from schemas.findings import (
    DoseRatio,
    Handling,
    Integrity,
    IntegrityVerdict,
    ShockFinding,
    ThermalSummary,
)

MINUTE_NS = 60 * 10**9
SHOCK = ShockFinding(
    handling=Handling.DROP,
    peak_m_s2=612.4,
    rate_hz=3200.0,
    filter_corner_hz=1600.0,
    duration_s=0.0105,
    velocity_change_m_s=4.31,
    velocity_change_u_m_s=0.3,
    is_clipped=False,
    fall_s=0.3345,
    drop_height_m=0.548,
    drop_height_u_m=0.011,
    damage_ratio=0.62,
)
THERMAL = ThermalSummary(
    sensor="board/temperature-0",
    known_ns=26 * 60 * MINUTE_NS,
    gap_ns=0,
    certain_high_ns=0,
    possible_high_ns=0,
    certain_low_ns=0,
    possible_low_ns=0,
    is_gdp_valid=True,
    expanded_u_c=0.5,
    minimum_c=19.84,
    maximum_c=23.1,
    kinetic_c=21.53,
    kinetic_day_c=21.9,
)


def test_suspected_says_keep_away_and_whom_to_call() -> None:
    word = Integrity(IntegrityVerdict.SUSPECTED, True, ("lid opened", "shock"))
    text = integrity_text(word, "Basel, +41 61 000 00 00")
    assert text == (
        "Suspected by witnesses of different kinds: keep away, call Basel, "
        "+41 61 000 00 00. Seen: lid opened; shock."
    )
    alone = integrity_text(Integrity(IntegrityVerdict.SUSPECTED, False, ("x",)))
    assert alone.startswith("Suspected: keep away, call the radiation safety officer")


@pytest.mark.parametrize(
    "word",
    [
        Integrity(IntegrityVerdict.NO_CHANGE_SEEN, False),
        Integrity(IntegrityVerdict.UNKNOWN, False, ("in the air",)),
    ],
)
def test_no_verdict_promises_anything(word: Integrity) -> None:
    text = integrity_text(word)
    assert text.endswith("It replaces no look, survey or wipe.")
    for promise in ("intact", "safe", "unharmed", "fine"):
        assert promise not in text.lower()


def test_the_temperature_record_of_a_good_trip() -> None:
    assert thermal_texts(THERMAL) == (
        "19.8 to 23.1 \xb0C (\xb10.5 K, k = 2), known for 26 h 00 min",
        "At no known time out of the label's range",
        "Mean kinetic temperature 21.5 \xb0C, worst 24 h 21.9 \xb0C: information only",
        "The record is GDP-valid: calibrated, no gap above 15 min",
    )


def test_a_gap_is_never_in_range_and_an_expired_certificate_is_told() -> None:
    found = msgspec.structs.replace(
        THERMAL,
        gap_ns=19 * MINUTE_NS,
        certain_high_ns=12 * MINUTE_NS,
        possible_high_ns=5 * MINUTE_NS,
        is_gdp_valid=False,
        reasons=("calibration certificate C-1 has expired",),
    )
    lines = thermal_texts(found)
    assert "Out of the label's range: 12 min certainly above, 5 min possibly above" in (
        lines
    )
    assert "No reading for 19 min: not shown to be in range then" in lines
    assert gdp_text(found) == (
        "The record is not GDP-valid: calibration certificate C-1 has expired"
    )


def test_zero_degrees_is_a_temperature_and_none_is_none() -> None:
    at_zero = msgspec.structs.replace(THERMAL, minimum_c=0.0, maximum_c=0.0)
    assert thermal_texts(at_zero)[0].startswith("0.0 to 0.0")
    assert len(thermal_texts(None)) == 1


def test_a_shock_in_words() -> None:
    assert shock_text(SHOCK) == (
        "drop from 0.55 \xb1 0.02 m; 612 m/s\xb2 below 1600 Hz, 10 ms, velocity change "
        "4.3 m/s, 62 % of the damage boundary"
    )
    kick = msgspec.structs.replace(
        SHOCK, handling=Handling.KICK, is_clipped=True, damage_ratio=None
    )
    assert shock_text(kick).startswith("kick like a drop from 0.55")
    assert "at least 612" in shock_text(kick)
    unknown = msgspec.structs.replace(SHOCK, handling=Handling.UNCLASSED)
    assert shock_text(unknown).startswith("impact like a drop")


def test_a_dose_ratio_has_its_expanded_uncertainty() -> None:
    assert dose_text(DoseRatio("board/detector-0", 1.0312, 0.0204, 0, 1)) == (
        "board/detector-0: 103 \xb1 4 % of what is expected since the fingerprint "
        "(k = 2)"
    )
