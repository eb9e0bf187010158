"""Papers of producers, surveyors and centres: what they state and what is refused."""

from decimal import Decimal

import pytest

from cloud.paper_words import describe
from schemas import facts
from schemas.facts import Certificate
from schemas.units import instant_ns
from tests.paper_samples import read, refused, remarked


def test_a_survey_keeps_the_instrument_s_digits_in_either_unit() -> None:
    for change, expected in (
        (("surface_usv_h = 2.6 ", "surface_usv_h = 2.60 "), "2.60"),
        (("surface_usv_h = 2.6 ", "surface_msv_h = 0.0026 "), "2.6000"),
    ):
        body = read("survey", change)
        assert isinstance(body, facts.Survey)
        assert Decimal(body.surface_dose_rate_usv_h) == Decimal(expected)
    [said] = refused("survey", ("at_1_m_usv_h = 0.06 ", "at_1_m_usv = 0.06 "))[:1]
    assert "at_1_m_usv_h or at_1_m_msv_h must be written" in said


def test_a_certificate_without_a_zone_gets_the_one_that_a_person_picked() -> None:
    gone = ("2026-11-22T12:00:00+01:00", "2026-11-22T12:00")
    site, offset = ("# zone_site", "zone_site"), ("# zone_offset", "zone_offset")
    body = read("certificate", gone, site, offset)
    assert isinstance(body, Certificate)
    assert body.contents.reference_at_ns == instant_ns("2026-11-22T11:00:00Z")
    assert (body.contents.offset_minutes, body.contents.zone_site) == (60, "Ivrea")
    said = "\n".join(remarked("certificate", gone, site, offset))
    assert "that of Ivrea was picked; compare local time and UTC" in said
    words = "\n".join(describe(body))
    assert "12:00:00 +01:00 = 2026-11-22 11:00:00 UTC" in words
    assert "the zone was picked by a person, for Ivrea" in words


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ((("# zone_site", "zone_site"),), "go together"),
        ((("# zone_offset", "zone_offset"),), "go together"),
        (
            (("# zone_site", "zone_site"), ("# zone_offset", "zone_offset")),
            "has a zone of its own",
        ),
        (
            (
                ("12:00:00+01:00", "12:00"),
                ("# zone_site", "zone_site"),
                ('# zone_offset = "+01:00"', 'zone_offset = "CET"'),
            ),
            "an offset: write",
        ),
    ],
)
def test_a_picked_zone_is_whole_or_refused(
    changes: tuple[tuple[str, str], ...], why: str
) -> None:
    assert why in "\n".join(refused("certificate", *changes))


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("centre-profile", "Europe/Berlin", "Europe/Bonn", "unknown zone"),
        ("centre-profile", '"07:30"', '"7.30"', 'write "07:30"'),
        ("centre-profile", '"20:00"', '"07:00"', "closes is not after opens"),
        ("centre-profile", '"Mon", ', '"Monday", ', "write a list of Mon, Tue"),
        ("centre-profile", '"2026-12-25"', '"25.12."', "write 2026-12-25"),
        ("centre-profile", "stop_percent = 10", "stop_percent = 4", "below call"),
        ("survey", '"ssr6-2018" ', '"adr" ', "unknown rule set 'adr'"),
        ("survey", "= 2.6 ", "= -2.6 ", "surface_usv_h is -2.6"),
        ("survey", "= 2.6 ", "= 0.0000000000001 ", "more than 12 digits"),
        ("decision", "0190e6f2c4", "zz", "of_fact must be the fact's id"),
        ("decision", "gain_ratio_u = 0.016", "", "belong to a gain"),
        ("container-return", "UN2908", "UN2910", "write one of UN2908"),
        ("acceptance", "efficiency_percent = 32", "efficiency_percent = 0", "be 0"),
        ("acceptance", "[identity]", "[[identity]]", "must be a table"),
        ("consignment", "longitude_deg = 8.670\n", "", "go together"),
        ("consignment", "latitude_deg = 50.033", "latitude_deg = 95", "-90 to 90"),
    ],
)
def test_what_is_wrong_with_the_other_papers_is_said(
    name: str, old: str, new: str, why: str
) -> None:
    assert why in "\n".join(refused(name, (old, new)))
