"""What is left: exemption and excepted packages, DOMAIN sections 2.2 and 6."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.remains import (
    excepted_after_s,
    exempt_after_s,
    exempt_concentration_after_s,
    inventory_bq,
    remains,
)
from schemas.contents import Contents, Impurity
from schemas.transport import rule_set
from tests import builders
from tests.builders import START_NS

DAY_S = 86_400.0
RULES = rule_set("ssr6-2018")


def lutetium(*impurities: Impurity) -> Contents:
    return msgspec.structs.replace(
        builders.contents(activity_gbq=7.4), impurities=impurities
    )


def days(seconds: float | None) -> float:
    assert seconds is not None
    return seconds / DAY_S


@pytest.mark.parametrize(
    ("ratio", "exempt_d", "excepted_d"),
    [(0.0, 63.4, 44.7), (1e-4, 996, 48), (2e-4, 1156, 53), (5e-4, 1368, 142)],
)
def test_a_full_dose_with_lu_177m(
    ratio: float, exempt_d: float, excepted_d: float
) -> None:
    impurities = (Impurity("Lu-177m", ratio, 0.0),) if ratio else ()
    inventory = inventory_bq(lutetium(*impurities), 7.4, START_NS)
    within = 0.1 if ratio == 0 else 0.6
    assert days(exempt_after_s(inventory, RULES)) == pytest.approx(exempt_d, abs=within)
    assert days(excepted_after_s(inventory, RULES)) == pytest.approx(
        excepted_d, abs=within
    )


def test_an_impurity_grows_on_the_way_and_counts_with_its_uncertainty() -> None:
    """Vector 15 of DOMAIN section 8: the ratio doubles in 7 days."""
    week_ns = START_NS + round(7 * DAY_S * 1e9)
    contents = lutetium(Impurity("Lu-177m", 1e-4, 0.0))
    found = inventory_bq(contents, 1.0, week_ns)
    assert found["Lu-177m"] / 1e9 == pytest.approx(2.01e-4, rel=0.003)
    doubtful = lutetium(Impurity("Lu-177m", 1e-4, 5e-5))
    assert inventory_bq(doubtful, 1.0, START_NS)["Lu-177m"] == pytest.approx(2e5)


def test_a_little_mass_is_exempt_by_concentration_only_if_either_is_enough() -> None:
    inventory = inventory_bq(lutetium(), 7.4, START_NS)
    heavy = exempt_concentration_after_s(inventory, 1e6, RULES)
    light = exempt_concentration_after_s(inventory, 10.0, RULES)
    assert days(heavy) < days(exempt_after_s(inventory, RULES)) < days(light)


def test_limits_from_memory_are_said_to_be_unverified() -> None:
    found = remains(lutetium(), 0.0, START_NS, "ssr6-2018")
    assert found.exempt_at_ns == START_NS
    assert not found.is_verified


def test_what_never_becomes_exempt_says_nothing() -> None:
    """1 TBq of Ac-227 in the sum outlives 200 years."""
    contents = msgspec.structs.replace(
        lutetium(Impurity("Ac-227", 1.0, 0.0)), activity_gbq=1000.0
    )
    found = remains(contents, 1000.0, START_NS, "ssr6-2018", mass_g=1.0)
    assert found.exempt_at_ns is None
    assert found.exempt_by_concentration_ns is None


@given(st.floats(1e-6, 100.0), st.floats(0, 1e-3), st.floats(1e-6, 1e-3))
@settings(max_examples=60, deadline=None)
def test_more_impurity_is_never_exempt_earlier(
    activity_gbq: float, ratio: float, more: float
) -> None:
    times = []
    for one in (ratio, ratio + more):
        contents = lutetium(Impurity("Lu-177m", one, 0.0))
        inventory = inventory_bq(contents, activity_gbq, START_NS)
        times.append(days(exempt_after_s(inventory, RULES)))
    assert times[0] <= times[1]
