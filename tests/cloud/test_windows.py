"""Windows and volumes: decide-by, assays, expiries, and any zone of the world."""

from dataclasses import replace

import msgspec
import pytest

from cloud.arrival import arrival
from cloud.volumes import Basis, Doubt, volume_to_draw
from cloud.windows import Centre, activity_at, whole_vial_window
from cloud.zones import offset_minutes_at
from schemas.estimates import WitnessVerdict
from schemas.facts import Assay
from schemas.nuclides import decay_factor
from schemas.units import instant_ns, instant_text
from tests.builders import START_NS
from tests.vials import HOUR_NS, LABEL_S, hours, question, vial, witness


def test_surely_by_volume_ends_before_by_volume() -> None:
    found = arrival(question(vial(9.25, expanded_u=0.05), 24))
    assert found.by_volume is not None
    assert found.surely_by_volume is not None
    assert hours(found.by_volume.to_ns) == pytest.approx(51.36, abs=0.006)
    # 5 % of activity are 6.647 d * log2(1 / 0.95) = 11.80 h.
    assert hours(found.surely_by_volume.to_ns) == pytest.approx(39.56, abs=0.02)


def test_decide_by_is_preparation_and_survey_before_the_appointment() -> None:
    centre = Centre(preparation_s=5400, survey_s=1200, is_assumed=False)
    found = arrival(question(vial(12.5), 60, centre=centre))
    assert hours(found.decide_by_ns) == pytest.approx(60 - 110 / 60)
    assert found.arrive_by_ns == found.decide_by_ns


def assay(measured_h: float, off_ratio: float = 0.0, **changes: object) -> Assay:
    at_ns = START_NS + round(measured_h * HOUR_NS)
    due = activity_at(vial(12.5), at_ns, 7.4).activity_gbq
    measured = due * (1 + off_ratio)
    body = Assay("S", "V-1", measured, 0.03 * measured, 2.0, at_ns, "m", "Lu-177", 12.4)
    return msgspec.structs.replace(body, **changes)


def test_an_assay_replaces_the_volume_and_the_doubts_of_the_way() -> None:
    doubtful = witness(WitnessVerdict.LOW)
    measured = assay(58, off_ratio=0.04)
    found = volume_to_draw(question(vial(12.5), 60, statement=doubtful, assay=measured))
    assert found.basis is Basis.ASSAY
    then = measured.activity_gbq * decay_factor(LABEL_S, 2 * 3600)
    assert found.volume_ml == pytest.approx(12.4 * 7.4 / then, rel=1e-12)
    assert found.surplus_gbq == pytest.approx(then - 7.4, rel=1e-12)


@pytest.mark.parametrize(
    ("measured", "doubt"),
    [
        (assay(58, off_ratio=0.11), Doubt.ASSAY_STOP),
        (assay(58, off_ratio=-0.11), Doubt.ASSAY_STOP),
        (assay(58, vial="V-2"), Doubt.ASSAY_REMARK),
        (assay(58, nuclide_setting="Tc-99m"), Doubt.ASSAY_REMARK),
        (assay(58, calibration_due_ns=START_NS), Doubt.ASSAY_REMARK),
        (assay(-2), Doubt.ASSAY_REMARK),
    ],
)
def test_an_assay_that_a_person_must_look_at_gives_no_volume(
    measured: Assay, doubt: Doubt
) -> None:
    found = volume_to_draw(question(vial(12.5), 60, assay=measured))
    assert found.volume_ml is None
    assert doubt in found.withheld


def test_an_assay_in_an_exercise_gives_no_volume() -> None:
    found = volume_to_draw(question(vial(12.5), 60, assay=assay(58), exercise=True))
    assert found.withheld == (Doubt.EXERCISE,)


def test_an_expiry_on_the_vial_rules_if_it_is_earlier() -> None:
    for printed_h, expected_h in ((100, 100), (130, 120)):
        contents = msgspec.structs.replace(
            vial(12.5), expires_at_ns=START_NS + printed_h * HOUR_NS
        )
        assert hours(arrival(question(contents, 60)).expires_at_ns) == expected_h


@pytest.mark.parametrize("key", ["lutathera", "pluvicto"])
@pytest.mark.parametrize(
    ("zone", "offset"),
    [("Europe/Berlin", 60), ("America/New_York", -240), ("Asia/Kathmandu", 345)],
)
def test_windows_do_not_move_with_the_zone_nor_a_change_of_the_clock(
    key: str, zone: str, offset: int
) -> None:
    """Calibrated before the change, given after it: to the minute the same instants."""
    reference_ns = instant_ns("2026-10-24T10:00:00Z")
    activity_gbq = 9.25 if key == "lutathera" else 12.5
    contents = msgspec.structs.replace(
        vial(activity_gbq, key=key),
        reference_at_ns=reference_ns,
        offset_minutes=offset_minutes_at(reference_ns, zone, 0),
    )
    planned_ns = reference_ns + 48 * HOUR_NS
    asked = replace(question(contents, 0), appointment_ns=planned_ns)
    window = whole_vial_window(asked)
    assert window is not None
    expected_h = {"lutathera": (29.42, 72.0), "pluvicto": (98.72, 120.0)}[key]
    for at_ns, h in zip((window.from_ns, window.to_ns), expected_h, strict=True):
        minutes = (at_ns - reference_ns) / HOUR_NS * 60
        assert minutes == pytest.approx(h * 60, abs=0.6)
    # On the wall the zone's own offset holds at each end.
    late = offset_minutes_at(window.to_ns, zone, 0)
    assert late == offset


def test_the_whole_window_of_lutathera_to_the_minute_across_a_change() -> None:
    """25.0 mL calibrated Sat 28 Mar 2026 18:00 CET: the clock goes forward at 02:00."""
    reference_ns = instant_ns("2026-03-28T18:00:00+01:00")
    contents = msgspec.structs.replace(
        vial(9.25, key="lutathera"), reference_at_ns=reference_ns, offset_minutes=60
    )
    asked = replace(question(contents, 0), appointment_ns=reference_ns + 51 * HOUR_NS)
    window = whole_vial_window(asked)
    assert window is not None
    offset = offset_minutes_at(window.from_ns, "Europe/Rome", 60)
    assert instant_text(window.from_ns, offset_minutes=offset)[:16] == (
        "2026-03-30T00:25"
    )
    assert offset == 120
    assert instant_text(window.to_ns, offset_minutes=offset)[:16] == "2026-03-31T19:00"
