"""What papers say in plain words, and what a person should look at."""

import math

import msgspec
import pytest

from cloud.paper_checks import remarks
from cloud.paper_together import together
from cloud.paper_words import both_times, describe
from cloud.papers import open_paper
from schemas.facts import Consignment
from schemas.units import instant_ns
from tests.paper_samples import SAMPLES, read, refused, remarked, sample

# -- what a person should look at --------------------------------------------------


def test_activity_is_compared_with_volume_and_concentration() -> None:
    [said] = remarked("certificate", ("volume_ml = 12.5", "volume_ml = 10.5"))
    assert said.startswith("volume_ml times the stated concentration is 10.5 GBq")
    assert "+19.0 % off, more than 5 %" in said


def test_without_a_concentration_the_labels_is_used() -> None:
    gone = ("concentration_gbq_per_ml = 1.0", "")
    assert remarked("certificate", gone) == ()
    [said] = remarked("certificate", gone, ("volume_ml = 12.5", "volume_ml = 25"))
    assert "the label's concentration is 25 GBq" in said


def test_a_stated_tolerance_of_the_concentration_is_used() -> None:
    volume = ("volume_ml = 12.5", "volume_ml = 12")
    stated = "concentration_tolerance_percent = "
    assert remarked("certificate", volume) == ()
    tight = (f"# {stated}5", f"{stated}2")
    assert "more than 2 %" in remarked("certificate", volume, tight)[0]
    mbq = ("concentration_gbq_per_ml = 1.0", "concentration_mbq_per_ml = 1000")
    assert remarked("certificate", mbq) == ()


def test_of_two_expiries_the_earlier_one_is_used() -> None:
    old, new = '# expires_at = "2026-11-27T12', 'expires_at = "2026-11-{}T12'
    assert remarked("certificate", (old, new.format(27))) == ()
    [said] = remarked("certificate", (old, new.format(26)))
    assert "is 24 h before the end of the shelf life, 120 h after" in said
    assert "the earlier one is used" in said
    [said] = refused("certificate", (old, new.format(21)))
    assert "expires_at is not after reference_at" in said
    [said] = remarked("certificate", (old, new.format(28)))
    assert "the label's shelf life is used" in said


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("order", "_gbq = 7.4", "_gbq = 7400", "1e+03 times that of a dose"),
        ("order", "percent = 10", "percent = 20", "the label of Pluvicto says 10 %"),
        ("certificate", "u_percent = 5", "u_gbq = 5", "is 40 % of the activity"),
        ("certificate", '"Lu-177m"', '"I-131"', "without an [[vials.impurities]]"),
        ("consignment", "25T19:30", "25T19:40", ""),
        ("consignment", '"2026-11-25T18:00', '"2026-11-25T18:00', ""),
        ("acceptance", "passed = true\nvalue", "passed = false\nvalue", "the pot"),
        ("order", "_gbq = 7.4", "_gbq = 5.9", "a reduced dose: 80 %"),
        ("confirmation", "confirmed = true", "confirmed = false", "is declined"),
        ("survey", "= 2.6 ", "= 5.1 ", "II-YELLOW measured, the label says I-WHITE"),
        ("container-return", "removed = true", "removed = false", "labels are still"),
    ],
)
def test_what_a_person_should_look_at(name: str, old: str, new: str, why: str) -> None:
    found = "\n".join(remarked(name, (old, new)))
    assert why in found
    assert bool(found) == bool(why)


def test_a_broken_lane_is_remarked_on() -> None:
    body = read("consignment")
    assert isinstance(body, Consignment)
    turned = msgspec.structs.replace(body, legs=body.legs[::-1])
    found = remarks(turned)
    assert "legs[2] departs before legs[1] arrives" in found
    assert any("legs[2] begins at Frankfurt airport" in one for one in found)
    text = sample("consignment").partition(b"[[legs]]")[0]
    assert open_paper(text, str(SAMPLES / "x.toml")).remarks == (
        "legs are not given: no arrival will be expected",
    )


def opened(*names: str, **changes: tuple[str, str]) -> list[str]:
    papers = [
        open_paper(
            sample(name, *([changes[name]] if name in changes else [])),
            str(SAMPLES / f"{name}.toml"),
        )
        for name in names
    ]
    finding = together(papers)
    return [*finding.lines, *(f"LOOK {remark}" for remark in finding.remarks)]


def test_order_and_certificate_give_the_activity_at_the_infusion() -> None:
    said = opened("order", "certificate")
    by_hand = 12.5 * math.exp2(-119.5 / 24 / 6.6443)
    assert f"  {by_hand:.2f} GBq \N{PLUS-MINUS SIGN} 0.37 GBq (k = 2)" in said[1]
    assert said[0] == (
        "at the planned infusion, 2026-11-27 11:30:00 +01:00 = 2026-11-27 10:30:00 UTC:"
    )
    assert "100.5 % of the prescribed 7.4 GBq" in said[1]
    assert "advisory: not a dosage determination" in said[1]
    assert said[-1] == (
        "  the shelf life ends 2026-11-27 12:00:00 +01:00 = 2026-11-27 11:00:00 UTC"
    )


def test_a_reschedule_replaces_the_plan() -> None:
    said = opened("order", "certificate", "reschedule")
    assert "2026-11-27 09:00:00 +01:00" in said[0]
    assert "101.6 %" in said[1]


PLANNED = "2026-11-27T11:30:00+01:00"


@pytest.mark.parametrize(
    ("planned", "why"),
    [
        ("2026-11-22T11:30:00+01:00", "before the certificate's reference"),
        ("2026-11-27T12:30:00+01:00", "after the end of the shelf life"),
        ("2026-11-29T11:30:00+01:00", "then the vial holds too little: 81.6 %"),
        ("2026-11-24T11:30:00+01:00", "then the whole vial is too much, 137.4 %"),
        ("2026-11-26T18:30:00+01:00", "the last leg arrives after the planned"),
        ("2126-11-27T11:30:00+01:00", "years from the reference"),
    ],
)
def test_a_plan_that_does_not_fit_is_remarked_on(planned: str, why: str) -> None:
    papers = ("order", "certificate", "consignment")
    said = opened(*papers, order=(PLANNED, planned))
    assert any(why in line for line in said if line.startswith("LOOK"))
    assert not any(line.startswith("LOOK") for line in opened(*papers))


def test_papers_that_do_not_belong_together() -> None:
    said = opened("order", "certificate", order=("S-2026-1147", "S-2026-1148"))
    assert said[-1] == (
        "LOOK the papers are for different shipments: S-2026-1147, S-2026-1148"
    )
    said = opened("order", "certificate", order=('"pluvicto"', '"lutathera"'))
    assert said == ["LOOK ordered is lutathera, not pluvicto"]
    said = opened("order", "consignment", order=("centre, H", "center, H"))
    assert "it will not count as arrived" in said[0]


def test_an_assay_is_compared_with_certificate_and_decay() -> None:
    assert opened("certificate", "assay") == [
        "assay: +0.3 % \N{PLUS-MINUS SIGN} 5.8 % (k = 2) off what "
        "certificate and decay say; within the centre's limits (assumed limits)"
    ]
    both = opened("certificate", "assay", "centre-profile")
    assert both[0].endswith("within the centre's limits")
    said = opened("certificate", "assay", assay=("_mbq = 7990", "_mbq = 7290"))
    assert said[-1].startswith("LOOK the assay is -8.")
    said = opened("certificate", "assay", assay=("PLV-1147-01", "PLV-1147-07"))
    assert said[-1] == "LOOK measured was vial PLV-1147-07, certified is PLV-1147-01"


def test_papers_are_described_in_both_times() -> None:
    said = "\n".join(describe(read("certificate")))
    assert "12.50 GBq" in said
    assert "2026-11-22 12:00:00 +01:00 = 2026-11-22 11:00:00 UTC (calibration)" in said
    assert both_times(instant_ns("2026-11-22T11:00:00.75Z"), -210) == (
        "2026-11-22 07:30:00 -03:30 = 2026-11-22 11:00:00 UTC"
    )
    assert both_times(0, 0) == "1970-01-01 00:00:00 UTC"


def test_small_activities_are_described_in_mbq() -> None:
    body = read(
        "order",
        ('"pluvicto"', '"xofigo"'),
        ("prescribed_activity_gbq = 7.4", "prescribed_activity_mbq = 6.6"),
    )
    assert "prescribed 6.6 MBq" in "\n".join(describe(body))
    assert remarks(body) == ()


def test_the_vial_s_identity_and_the_timer_are_compared() -> None:
    papers = ("certificate", "acceptance", "centre-profile")
    said = opened(*papers)
    assert "monitoring due 2026-11-26 20:55:00 UTC" in said
    assert "activity cannot tell two vials of one plan apart" in "\n".join(said)
    assert "wipe outside, lid: 0.0104 Bq/cm2, below the limit of 4 Bq/cm2" in (
        "\n".join(said)
    )
    assert not any(line.startswith("LOOK") for line in said)
    other = opened(*papers, acceptance=('lot = "26-48-1"', 'lot = "26-47-3"'))
    assert "LOOK the lot on the vial is 26-47-3, certified is 26-48-1" in other
    late = opened(*papers, acceptance=("26T19:25", "26T21:56"))
    assert "LOOK monitored later than the rule allows" in late


def test_what_is_left_is_dated_with_its_impurities_and_unverified_limits() -> None:
    said = opened("certificate", "disposal")
    assert "exempt by its activity from 2027-05-06" in said[1]
    assert all(line.endswith("(unverified)") for line in said)
    early = opened("certificate", "disposal", disposal=('"stored"', '"exempt"'))
    assert early[-1] == "LOOK disposed of as exempt, which it is not yet"


def test_order_certificate_and_lane_say_what_is_possible() -> None:
    said = "\n".join(opened("order", "certificate", "consignment", "centre-profile"))
    assert "there and decided by: 2026-11-27 10:00:00 +01:00" in said
    assert "leaves by: 2026-11-26 07:10:00 +01:00" in said
    assert "a vial of 12.44 mL would hold the dose then" in said
    assert "more than prescribed: withdraw 99.5 % of the vial" in said
