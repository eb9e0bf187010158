"""Transport rules: DOMAIN section 8, vectors 6 to 8, and what must always hold."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UnknownWordError
from schemas.transport import (
    Category,
    Limit,
    category,
    is_higher,
    rule_set,
    rule_sets,
    transport_index,
)

RATES = st.decimals("0", "50", places=5)


@pytest.mark.parametrize(
    ("rate", "index"),
    [
        ("0.0113", "1.2"),
        ("0.011", "1.1"),
        ("0.007", "0.7"),
        ("0.029", "2.9"),
        ("0.0005", "0"),
        ("0.00051", "0.1"),
    ],
)
def test_vector_6_transport_index(rate: str, index: str) -> None:
    assert transport_index(Decimal(rate)) == Decimal(index)


@pytest.mark.parametrize(
    ("index", "surface", "expected"),
    [
        ("0.8", "0.6", Category.YELLOW_3),
        ("0", "0.006", Category.YELLOW_2),
        ("0", "0.005", Category.WHITE),
        ("0.1", "0.001", Category.YELLOW_2),
        ("1", "0.5", Category.YELLOW_2),
        ("1.1", "0.5", Category.YELLOW_3),
        ("10", "2", Category.YELLOW_3),
        ("10.1", "2", Category.EXCLUSIVE),
        ("3", "2.1", Category.EXCLUSIVE),
        ("3", "10.1", Category.BEYOND),
    ],
)
def test_vectors_7_and_8_category(index: str, surface: str, expected: Category) -> None:
    for rules in rule_sets():
        assert category(Decimal(index), Decimal(surface), rules) is expected


@given(RATES)
def test_the_index_is_the_least_tenth_that_is_not_below(rate: Decimal) -> None:
    index = transport_index(rate)
    exact = Fraction(rate) * 100
    if exact <= Fraction(1, 20):
        assert index == 0
        return
    assert Fraction(index) >= exact
    assert Fraction(index) - exact < Fraction(1, 10)
    assert index == index.quantize(Decimal("0.1"))


@given(RATES, RATES, RATES)
def test_more_dose_rate_never_lowers_the_category(
    index: Decimal, surface: Decimal, more: Decimal
) -> None:
    lower = category(index, surface)
    assert not is_higher(lower, category(index + more, surface))
    assert not is_higher(lower, category(index, surface + more))


def test_a_nuclide_that_an_edition_does_not_list_has_its_generic_values() -> None:
    us = rule_set("49cfr-2004")
    assert us.of("Tb-161") is us.generic
    assert rule_set("ssr6-2018").of("Tb-161").a2_tbq == Decimal("0.7")
    assert rule_set("ssr6-2018").of("Lu-177m").exempt_bq == 10_000


def test_every_value_has_a_source_and_memory_is_no_verification() -> None:
    for rules in rule_sets().values():
        limits = [
            getattr(rules.limits, name) for name in rules.limits.__struct_fields__
        ]
        for line in (*limits, rules.generic, *rules.nuclides.values()):
            assert line.source
            assert not (line.verified and "memory" in line.source), line


def test_an_unverified_limit_says_so() -> None:
    assert Limit(Decimal(4), "from memory", verified=False).mark == " (unverified)"
    assert Limit(Decimal(4), "a text", verified=True).mark == ""


def test_alpha_emitters_have_a_tenth_of_the_contamination() -> None:
    rules = rule_set("ssr6-2018")
    assert rules.contamination("Ac-225").value == Decimal("0.4")
    assert rules.contamination("Lu-177").value == Decimal(4)
    assert rules.contamination("Pb-212").value == Decimal(4)


def test_an_unknown_rule_set_is_named() -> None:
    with pytest.raises(UnknownWordError, match="known: ssr6-2018, 49cfr-2004"):
        rule_set("adr-1999")
