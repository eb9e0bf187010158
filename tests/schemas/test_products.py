"""The catalogue: every product computes, and Xofigo's table comes out."""

import pytest

from schemas.errors import UnknownWordError
from schemas.nuclides import nuclide
from schemas.products import Dosing, catalogue, edition, product

DAY_S = 86_400.0
CST_S = 7 * 3600.0


@pytest.mark.parametrize(
    ("day", "factor"),
    [(-14, 2.296), (-7, 1.502), (0, 0.982), (7, 0.643), (14, 0.420)],
)
def test_vector_2_the_xofigo_table(day: int, factor: float) -> None:
    """Volume = kg * 55 / (factor * 1,100), the factor for 12:00 US Central Time."""
    xofigo = product("xofigo")
    volume_ml = xofigo.volume_by_weight_ml(73.0, day * DAY_S + CST_S)
    assert volume_ml == pytest.approx(73.0 * 55 / (factor * 1100), rel=1.2e-3)
    assert 73.0 * 55 / (volume_ml * 1100) == pytest.approx(factor, abs=6e-4)


def test_what_is_not_drawn_by_weight_says_so() -> None:
    with pytest.raises(UnknownWordError, match="Pluvicto is not drawn by weight"):
        product("pluvicto").volume_by_weight_ml(70.0, 0.0)


@pytest.mark.parametrize("key", list(catalogue()))
def test_every_product_is_of_a_known_nuclide_and_near_its_half_life(key: str) -> None:
    one = product(key)
    half_life_d = nuclide(one.nuclide).half_life_s / DAY_S
    assert one.label_half_life_d == pytest.approx(half_life_d, rel=0.01)
    assert set(one.unverified) <= set(one.__struct_fields__)
    assert "memory" not in one.source or one.unverified
    assert "assumed" not in one.source or one.unverified


def test_labels_of_vials_agree_with_concentration_and_volume() -> None:
    for key, least_gbq, most_gbq in (
        ("lutathera", 7.585, 9.25),
        ("pluvicto", 7.5, 12.5),
        ("xofigo", 0.0066, 0.0066),
    ):
        one = product(key)
        assert one.concentration_gbq_per_ml is not None
        assert one.volume_min_ml is not None
        assert one.volume_max_ml is not None
        gbq_per_ml = one.concentration_gbq_per_ml
        assert one.volume_min_ml * gbq_per_ml == pytest.approx(least_gbq)
        assert one.volume_max_ml * gbq_per_ml == pytest.approx(most_gbq)


def test_an_unverified_value_carries_its_mark() -> None:
    assert product("lutathera").mark("tolerance_ratio") == " (unverified)"
    assert product("pluvicto").mark("tolerance_ratio") == ""
    assert product("xofigo").dosing is Dosing.WEIGHT
    assert edition() == "2026-11"
