"""What is left of a vial: when it is exempt, and when an excepted package carries it.

Each nuclide's activity over its limit, summed: the material is exempt while the sum is
at most 1 for the consignment's activity, or for the concentration: either is enough.
An impurity that lives longer decides: 1e-4 of Lu-177m keeps a Lu-177 residue from
exemption for years. Its certified uncertainty is on the safe side here (ratio + 2 u).

Source: SSR-6 (Rev. 1) 402 to 405; ADR 2.2.7; DOMAIN sections 2.2 and 6.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from schemas.contents import Contents
from schemas.nuclides import decay_factor, nuclide
from schemas.transport import NuclideLimits, RuleSet, rule_set
from schemas.units import NS_PER_S

BQ_PER_GBQ: Final = 1e9
BQ_PER_TBQ: Final = Decimal(10) ** 12
LONGEST_S: Final = 200 * 365.25 * 86_400.0

Inventory = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Remains:
    """When what is left may go which way; absent where not within 200 years.

    ``is_verified`` is False where a limit that decides is unverified.
    """

    exempt_at_ns: int | None
    excepted_at_ns: int | None
    exempt_by_concentration_ns: int | None
    is_verified: bool


def inventory_bq(contents: Contents, activity_gbq: float, at_ns: int) -> Inventory:
    """Return the activities when the main nuclide's is ``activity_gbq``, in Bq.

    The impurities follow from the certificate: their ratio is at the reference
    instant and grows with the difference of the half-lives.
    """
    elapsed_s = (at_ns - contents.reference_at_ns) / NS_PER_S
    main = nuclide(contents.nuclide)
    found = {contents.nuclide: activity_gbq * BQ_PER_GBQ}
    for impurity in contents.impurities:
        grown = decay_factor(
            nuclide(impurity.nuclide).half_life_s, elapsed_s
        ) / decay_factor(main.half_life_s, elapsed_s)
        ratio = impurity.activity_ratio + 2 * impurity.activity_ratio_u
        found[impurity.nuclide] = activity_gbq * BQ_PER_GBQ * ratio * grown
    return found


def sum_of_fractions(
    inventory: Inventory,
    limit_bq: Callable[[NuclideLimits], Decimal],
    rules: RuleSet,
    elapsed_s: float = 0.0,
) -> float:
    """Return the sum of activity over limit after ``elapsed_s``."""
    return sum(
        activity_bq
        * decay_factor(nuclide(name).half_life_s, elapsed_s)
        / float(limit_bq(rules.of(name)))
        for name, activity_bq in inventory.items()
    )


def when_below_s(fraction: Callable[[float], float]) -> float | None:
    """Return after how many seconds a falling sum is at most 1; None within reach."""
    if fraction(0.0) <= 1:
        return 0.0
    low, high = 0.0, 86_400.0
    while fraction(high) > 1:
        low, high = high, 2 * high
        if high > LONGEST_S:
            return None
    while high - low > 1.0:
        middle = (low + high) / 2
        low, high = (middle, high) if fraction(middle) > 1 else (low, middle)
    return high


def exempt_after_s(inventory: Inventory, rules: RuleSet) -> float | None:
    """Return when the consignment's activity is exempt."""
    return when_below_s(
        lambda s: sum_of_fractions(inventory, lambda one: one.exempt_bq, rules, s)
    )


def excepted_after_s(inventory: Inventory, rules: RuleSet) -> float | None:
    """Return when a liquid may go in an excepted package, by its activity."""
    share = rules.limits.excepted_liquid_a2_ratio.value

    def limit_bq(one: NuclideLimits) -> Decimal:
        return one.a2_tbq * BQ_PER_TBQ * share

    return when_below_s(lambda s: sum_of_fractions(inventory, limit_bq, rules, s))


def exempt_concentration_after_s(
    inventory: Inventory, mass_g: float, rules: RuleSet
) -> float | None:
    """Return when the concentration is exempt."""
    mass = Decimal(repr(mass_g))

    def limit_bq(one: NuclideLimits) -> Decimal:
        return one.exempt_bq_per_g * mass

    return when_below_s(lambda s: sum_of_fractions(inventory, limit_bq, rules, s))


def remains(
    contents: Contents,
    activity_gbq: float,
    at_ns: int,
    rules: str,
    mass_g: float | None = None,
) -> Remains:
    """Return when what is left at ``at_ns`` may go which way.

    Raises:
        UnknownWordError: an unknown nuclide or rule set.
    """
    known = rule_set(rules)
    inventory = inventory_bq(contents, activity_gbq, at_ns)

    def instant(elapsed_s: float | None) -> int | None:
        return None if elapsed_s is None else at_ns + round(elapsed_s * NS_PER_S)

    by_mass_s = (
        None
        if mass_g is None
        else exempt_concentration_after_s(inventory, mass_g, known)
    )
    is_share_verified = known.limits.excepted_liquid_a2_ratio.verified
    return Remains(
        instant(exempt_after_s(inventory, known)),
        instant(excepted_after_s(inventory, known)),
        instant(by_mass_s),
        is_share_verified and all(known.of(name).verified for name in inventory),
    )
