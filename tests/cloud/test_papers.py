"""Papers as files: what they state and what is refused."""

import hashlib
import tomllib
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.demo import papers as demo
from cloud.demo import stage
from cloud.paper_checks import remarks
from cloud.paper_sheet import MAX_PAPER_BYTES, PaperError
from cloud.paper_words import describe
from cloud.papers import KINDS, read_paper
from schemas import facts
from schemas.facts import (
    Acceptance,
    Assay,
    Certificate,
    FactBody,
    Order,
    Reschedule,
)
from schemas.products import catalogue
from schemas.units import instant_ns, instant_text
from tests.builders import Author
from tests.paper_samples import SAMPLES, read, refused, remarked, sample

# -- the samples -----------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_sample_that_can_be_sealed(kind: str) -> None:
    body = read(kind)
    assert facts.KINDS[type(body)] == kind
    assert facts.read_fact(facts_payload(body)).body == body
    assert remarked(kind) == ()


def facts_payload(body: FactBody) -> bytes:
    from schemas.envelope import open_envelope

    return open_envelope(Author("somebody").state(body)).payload


def test_the_order_says_what_the_file_says() -> None:
    assert read("order") == Order(
        shipment="S-2026-1147",
        order="HD-RLT-20417",
        product="pluvicto",
        centre="treatment centre, Heidelberg",
        planned_at_ns=instant_ns("2026-11-27T10:30:00Z"),
        offset_minutes=60,
        prescribed_activity_gbq=7.4,
        tolerance_ratio=0.1,
        contact="hot lab, +49 6221 555 0100",
    )


def test_the_certificate_says_what_the_file_says() -> None:
    body = read("certificate")
    assert isinstance(body, Certificate)
    vial = body.contents
    assert (vial.activity_gbq, vial.activity_expanded_u_gbq) == (12.5, 0.625)
    assert vial.reference_at_ns == instant_ns("2026-11-22T11:00:00Z")
    assert vial.offset_minutes == 60
    assert vial.impurities[0].activity_ratio == 1e-4
    assert vial.impurities[0].activity_ratio_u == 5e-5
    document = (SAMPLES / "PLV-1147-01.txt").read_bytes()
    assert vial.document == hashlib.sha256(document).digest()


def test_the_demo_signs_these_files() -> None:
    _gateway, _container, digest = stage.packing()
    packed = demo.consignment(*stage.packing())
    assert packed == read("consignment")
    assert packed.container_digest == digest
    assert (demo.order(), demo.certificate()) == (read("order"), read("certificate"))
    assert demo.acceptance() == read("acceptance")
    assert (packed.shipment, packed.seal) == (demo.SHIPMENT, demo.SEAL)
    places = {place.name for place in demo.PLACES.values()}
    assert {leg.origin for leg in packed.legs} < places
    assert packed.legs[-1].destination == demo.order().centre


# -- instants --------------------------------------------------------------------


@pytest.mark.parametrize("quote", ['"', ""])
def test_an_instant_without_zone_is_refused_with_its_reason(quote: str) -> None:
    zoned = '"2026-11-22T12:00:00+01:00"'
    zoneless = f"{quote}2026-11-22T12:00:00{quote}"
    assert refused(
        "certificate", (f"reference_at = {zoned}", f"reference_at = {zoneless}")
    ) == [
        "certificate.toml: reference_at has no zone: write 2026-11-22T12:00:00+01:00; "
        "one hour is 0.43 % of a Lu-177 activity"
    ]


@pytest.mark.parametrize(
    "text", ["2026-11-27", '"2026-11-27"', "11:30:00", '"2026-11-27 11:30"']
)
def test_half_an_instant_is_refused(text: str) -> None:
    [said] = refused("order", ('"2026-11-27T11:30:00+01:00"', text))
    assert said.startswith("order.toml: planned_at has no zone: write 2026-11-2")
    assert "T1" in said
    assert "+01:00" in said


def test_a_toml_instant_with_zone_is_as_good_as_a_text() -> None:
    bare = ('"2026-11-27T11:30:00+01:00"', "2026-11-27T11:30:00+01:00")
    assert read("order", bare) == read("order")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('"tomorrow"', "is no instant"),
        ('"2026-02-30T12:00:00Z"', "is no instant"),
        ('"1026-11-27T12:00:00Z"', "a year from 2000"),
        ('"2026-11-27T12:00:00+15:00"', "zones go from"),
        ("17", "is 17"),
    ],
)
def test_what_is_no_instant_is_refused(text: str, why: str) -> None:
    [said] = refused("order", ('"2026-11-27T11:30:00+01:00"', text))
    assert why in said


@given(
    minutes=st.integers(-12 * 60, 14 * 60),
    at_s=st.integers(
        instant_ns("2001-01-01T00:00:00Z") // 10**9,
        instant_ns("2199-01-01T00:00:00Z") // 10**9,
    ),
    quote=st.sampled_from(['"', ""]),
)
@settings(max_examples=50)
def test_the_zone_written_is_the_zone_kept(minutes: int, at_s: int, quote: str) -> None:
    text = instant_text(at_s * 10**9, offset_minutes=minutes)
    body = read("reschedule", ('"2026-11-27T09:00:00+01:00"', quote + text + quote))
    assert isinstance(body, Reschedule)
    assert (body.planned_at_ns, body.offset_minutes) == (at_s * 10**9, minutes)


# -- activities ------------------------------------------------------------------


@given(mbq=st.decimals(min_value=Decimal("0.001"), max_value=10**6, places=4))
@settings(max_examples=50)
def test_mbq_is_exactly_a_thousandth_of_gbq(mbq: Decimal) -> None:
    keys = ("prescribed_activity_gbq = 7.4", f"prescribed_activity_mbq = {mbq:f}")
    body = read("order", keys)
    assert isinstance(body, Order)
    assert body.prescribed_activity_gbq == float(mbq.scaleb(-3))


@pytest.mark.parametrize(
    "line", ["activity_expanded_u_gbq = 0.625", "activity_expanded_u_mbq = 625"]
)
def test_an_uncertainty_may_be_an_activity(line: str) -> None:
    assert read("certificate", ("activity_expanded_u_percent = 5", line)) == read(
        "certificate"
    )


@pytest.mark.parametrize("suffix", ["mci", "bq", "kbq"])
def test_another_unit_is_refused_naming_the_known_ones(suffix: str) -> None:
    line = ("\nactivity_gbq = 12.5", f"\nactivity_{suffix} = 12.5")
    assert refused("certificate", line) == [
        f"certificate.toml: activity_{suffix} names no known unit: "
        "write activity_gbq or activity_mbq"
    ]


def test_an_activity_without_unit_is_refused() -> None:
    [said] = refused("certificate", ("\nactivity_gbq = 12.5", "\nactivity = 12.5"))
    assert "activity names no known unit: write activity_gbq or activity_mbq" in said


def test_two_units_are_one_too_many() -> None:
    both = ("\nactivity_gbq = 12.5", "\nactivity_gbq = 12.5\nactivity_mbq = 12500")
    [said] = refused("certificate", both)
    assert "activity_gbq and activity_mbq are given: write exactly one" in said


@pytest.mark.parametrize(
    "number",
    [
        *("0", "-7.4", "nan", "inf", "1e400", "1e-400", '"7.4"', "true", "[7.4]"),
        *("1e99999999999999999999", "1" + "0" * 400),
    ],
)
def test_what_is_no_positive_number_is_refused(number: str) -> None:
    line = ("prescribed_activity_gbq = 7.4", f"prescribed_activity_gbq = {number}")
    [said] = refused("order", line)
    assert said.startswith("order.toml: prescribed_activity_gbq is ")


def test_a_coverage_factor_below_1_is_refused() -> None:
    [said] = refused("certificate", ("coverage_factor = 2", "coverage_factor = 0.95"))
    assert "coverage_factor is 0.95" in said


# -- everything at once ----------------------------------------------------------


def test_all_problems_are_said_at_once() -> None:
    assert refused(
        "order",
        ('product = "pluvicto"', 'product = "plu"\ncolour = "blue"'),
        ("planned_at =", "planed_at ="),
        ("tolerance_percent = 10 ", 'tolerance_percent = "10 %" '),
    ) == [
        "order.toml: planned_at is missing: write planned_at = "
        '"2026-11-22T12:00:00+01:00"',
        "order.toml: product cannot be taken: unknown product 'plu', "
        f"known: {', '.join(catalogue())}",
        "order.toml: tolerance_percent is '10 %': write a number, without quotes",
        *(
            f"order.toml: {key} is not known; known are paper, planned_at, shipment, "
            "order, product, centre, prescribed_activity_gbq, prescribed_activity_mbq, "
            "tolerance_percent, needs_approval, contact"
            for key in ("colour", "planed_at")
        ),
    ]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"Lu-177"', '"Y-90"', "nuclide is Y-90: Pluvicto has Lu-177"),
        ('"Lu-177"', '"Lu177"', "nuclide cannot be taken: unknown nuclide"),
        ('"Lu-177m"', '"Xx-1"', "impurities[1].nuclide cannot be taken"),
        ('"calibration"', '"noon"', "reference_kind is 'noon': write one of calibr"),
        ('"PLV-1147-01.txt"', '"gone.pdf"', "there is no such file; the path counts"),
        ('"PLV-1147-01"', '""', "vial must be one line of 1 to 200 characters"),
        ('"PLV-1147-01"', '"a\\nb"', "vial must be one line"),
        ('"PLV-1147-01"', "17", 'vial is no text: write vial = "17"'),
    ],
)
def test_what_is_wrong_with_a_certificate(old: str, new: str, why: str) -> None:
    [said] = refused("certificate", (f"= {old}", f"= {new}"))
    assert why in said


def test_a_second_vial_is_refused_by_name() -> None:
    second = sample("certificate").decode().partition("[[vials]]")[2]
    second = "[[vials]]" + second.replace("PLV-1147-01", "PLV-1147-02")
    text = sample("certificate") + second.encode()
    with pytest.raises(PaperError) as caught:
        read_paper(text, "certificate.toml")
    assert str(caught.value) == (
        "certificate.toml: vials: a container carries exactly one vial in this "
        "version, got PLV-1147-01, PLV-1147-02"
    )


def test_no_vial_is_refused() -> None:
    text = b'paper = "certificate"\nshipment = "S"\n'
    with pytest.raises(PaperError, match=r"got none: write \[\[vials\]\]"):
        read_paper(text, "certificate.toml")


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("consignment", '"gw-ivrea-07"', '"GW 7"', "gateway cannot be taken"),
        ("consignment", '"air"', '"ship"', "legs[4].mode is 'ship'"),
        ("consignment", "26T05:25", "26T03:25", "legs[4].arrives_at is before"),
        (
            "acceptance",
            "passed = true\nvalue",
            'passed = "yes"\nvalue',
            "checks[3].pas",
        ),
        ("acceptance", 'unit = "Cel"', "", "checks[3].unit and value go together"),
        ("acceptance", '"accepted"', '"maybe"', "write one of accepted, refused"),
        ("acceptance", "[[checks]]", "[checks]", "no TOML"),
        ("assay", "meter =", "metre =", "meter is missing"),
        ("order", '"order"\n\n', '"invoice"\n\n', "paper is 'invoice': write one of"),
        ("order", 'paper = "order"', "", "paper is missing"),
    ],
)
def test_what_is_wrong_with_other_papers(
    name: str, old: str, new: str, why: str
) -> None:
    assert why in "\n".join(refused(name, (old, new)))


def test_one_table_where_several_may_be_is_explained() -> None:
    text = b'paper = "acceptance"\nshipment = "S"\noutcome = "accepted"\n[checks]\n'
    with pytest.raises(PaperError, match=r"must be tables: write \[\[checks\]\] above"):
        read_paper(text, "acceptance.toml")


@pytest.mark.parametrize(
    "text",
    [
        *(b"\xff", b"paper =", b"a = " + b"[" * 60_000, b"a = 1" + b"0" * 5000),
        b"#" * (MAX_PAPER_BYTES + 1),
    ],
    ids=["binary", "cut", "nested", "digits", "large"],
)
def test_what_is_no_paper_is_refused_in_one_line(text: bytes) -> None:
    with pytest.raises(PaperError) as caught:
        read_paper(text, "x.toml")
    assert str(caught.value).startswith("x.toml: ")
    assert "\n" not in str(caught.value)


def test_a_file_of_another_editor_is_read() -> None:
    text = b"\xef\xbb\xbf" + sample("order").replace(b"\n", b"\r\n")
    assert read_paper(text, "order.toml") == read("order")


_PLAIN = st.recursive(
    st.one_of(
        st.text(max_size=8),
        st.integers(),
        st.floats(),
        st.booleans(),
        st.sampled_from(["Lu-177", "pluvicto", "2026-11-22T12:00:00Z", "road"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["name", "mode", "nuclide"]), inner, max_size=2
        ),
    ),
    max_leaves=4,
)


@given(kind=st.sampled_from(list(KINDS)), data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_values_give_a_paper_or_a_refusal(kind: str, data: st.DataObject) -> None:
    values = tomllib.loads((SAMPLES / f"{kind}.toml").read_text())
    for key in data.draw(st.sets(st.sampled_from(sorted(values)))) - {"paper"}:
        values[key] = data.draw(_PLAIN)
    text = "\n".join(f"{key} = {_toml(value)}" for key, value in values.items())
    path = str(SAMPLES / f"{kind}.toml")
    try:
        body = read_paper(text.encode(), path)
    except PaperError as error:
        lines = str(error).splitlines()
    else:
        lines = []
        assert facts.read_fact(facts_payload(body)).body == body
        assert describe(body)
        remarks(body)
    assert all(line.startswith(f"{path}: ") for line in lines)


def _toml(value: object) -> str:
    """Write a value as TOML has it, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, str):
        escaped = "".join(
            c
            if c.isascii() and c.isprintable() and c not in '"\\'
            else f"\\U{ord(c):08x}"
            for c in value
        )
        return f'"{escaped}"'
    return str(value).lower()


def test_the_whole_of_acceptance_and_assay_is_read() -> None:
    accepted, assay = read("acceptance"), read("assay")
    assert isinstance(accepted, Acceptance)
    assert accepted.checks[2] == facts.CheckResult(
        "temperature in the pot", True, 21.5, "Cel"
    )
    assert isinstance(assay, Assay)
    assert (assay.activity_gbq, assay.activity_expanded_u_gbq) == (7.99, 0.2397)
