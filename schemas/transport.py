"""Rules of radioactive transport: transport index, category, limits by edition.

Everything here is decimal, from the instrument's own digits to the comparison: binary
fractions make 0.8 of a transport index of 0.7. Rules:

- The transport index is the largest dose rate at 1 m in mSv/h times 100, rounded up
  to the first decimal; 0.05 or less may be 0.
- The category is the higher one of what transport index and surface ask for.
- A limit has its source, and is *unverified* while the primary text has not been read.
  Who shows it shows that word.
- A nuclide that an edition does not list has that edition's generic values.

Source: SSR-6 (Rev. 1) 523 and table 8; 49 CFR 172.403; DOMAIN section 2.
"""

import tomllib
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from schemas.errors import UnknownWordError

USUAL_RULES: Final = "ssr6-2018"
UNVERIFIED: Final = "unverified"
_PER_MSV_H: Final = 100
_TENTH: Final = Decimal("0.1")
_NEGLIGIBLE: Final = Decimal("0.05")


class Category(StrEnum):
    """Category of a package, lowest first."""

    WHITE = "I-WHITE"
    YELLOW_2 = "II-YELLOW"
    YELLOW_3 = "III-YELLOW"
    EXCLUSIVE = "III-YELLOW, exclusive use"
    BEYOND = "beyond every category"


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number of a rule, and where it stands."""

    value: Decimal
    source: str
    verified: bool

    @property
    def mark(self) -> str:
        """What is shown behind the number: nothing, or that it is unverified."""
        return "" if self.verified else f" ({UNVERIFIED})"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits for packages of one rule set; the unit is the name's end."""

    package_surface_msv_h: Limit
    package_transport_index: Limit
    exclusive_surface_msv_h: Limit
    white_surface_msv_h: Limit
    yellow_2_surface_msv_h: Limit
    yellow_2_transport_index: Limit
    passenger_aircraft_transport_index: Limit
    vehicle_transport_index: Limit
    excepted_surface_msv_h: Limit
    excepted_solid_a2_ratio: Limit
    excepted_liquid_a2_ratio: Limit
    contamination_bq_cm2: Limit
    contamination_alpha_bq_cm2: Limit
    contamination_area_cm2: Limit
    empty_inside_ratio: Limit


class NuclideLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A2 and exemption of one nuclide; ``is_alpha``: not of low toxicity."""

    a2_tbq: Decimal
    exempt_bq_per_g: Decimal
    exempt_bq: Decimal
    source: str
    verified: bool
    is_alpha: bool = False

    @property
    def mark(self) -> str:
        """What is shown behind the numbers: nothing, or that they are unverified."""
        return "" if self.verified else f" ({UNVERIFIED})"


class RuleSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of one authority in one edition."""

    name: str
    edition: str
    limits: Limits
    generic: NuclideLimits
    nuclides: dict[str, NuclideLimits]

    def of(self, nuclide: str) -> NuclideLimits:
        """Return a nuclide's values, the generic ones where it is not listed."""
        return self.nuclides.get(nuclide, self.generic)

    def contamination(self, nuclide: str) -> Limit:
        """Return the limit of non-fixed contamination outside, in Bq/cm2."""
        if self.of(nuclide).is_alpha:
            return self.limits.contamination_alpha_bq_cm2
        return self.limits.contamination_bq_cm2


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    edition: str
    rule_sets: dict[str, RuleSet]


@cache
def rule_sets() -> Mapping[str, RuleSet]:
    """Return the rule sets by their key, such as ``ssr6-2018``."""
    text = resources.files("schemas").joinpath("transport.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Tables).rule_sets


def rule_set(key: str) -> RuleSet:
    """Return one rule set.

    Raises:
        UnknownWordError: there is no such rule set; the message lists them.
    """
    try:
        return rule_sets()[key]
    except KeyError as error:
        known = ", ".join(rule_sets())
        raise UnknownWordError(f"unknown rule set {key!r}, known: {known}") from error


def transport_index(largest_at_1_m_msv_h: Decimal) -> Decimal:
    """Return the transport index of the largest dose rate at 1 m.

    >>> transport_index(Decimal("0.0113")), transport_index(Decimal("0.0005"))
    (Decimal('1.2'), Decimal('0'))
    """
    index = largest_at_1_m_msv_h * _PER_MSV_H
    if index <= _NEGLIGIBLE:
        return Decimal(0)
    return index.quantize(_TENTH, rounding=ROUND_CEILING)


def category(
    index: Decimal, surface_msv_h: Decimal, rules: str = USUAL_RULES
) -> Category:
    """Return the category that transport index and surface dose rate ask for.

    Raises:
        UnknownWordError: there is no such rule set.

    >>> category(Decimal("0.8"), Decimal("0.6")).value
    'III-YELLOW'
    """
    limits = rule_set(rules).limits
    steps = (
        (Category.WHITE, Decimal(0), limits.white_surface_msv_h.value),
        (
            Category.YELLOW_2,
            limits.yellow_2_transport_index.value,
            limits.yellow_2_surface_msv_h.value,
        ),
        (
            Category.YELLOW_3,
            limits.package_transport_index.value,
            limits.package_surface_msv_h.value,
        ),
        (Category.EXCLUSIVE, None, limits.exclusive_surface_msv_h.value),
    )
    for found, most_index, most_msv_h in steps:
        fits = most_index is None or index <= most_index
        if fits and surface_msv_h <= most_msv_h:
            return found
    return Category.BEYOND


def is_higher(one: Category, other: Category) -> bool:
    """Say whether ``one`` is a higher category than ``other``."""
    order = list(Category)
    return order.index(one) > order.index(other)
