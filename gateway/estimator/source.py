"""The source as a sum of exponentials: single nuclides, impurities, decay chains.

Every emitter's activity is a sum of terms ``coefficient * exp(-constant * age)``: one
for a single nuclide, one per member for a chain (Bateman). A term belongs to the
certified nuclide or to its impurities, and the head's own term moves when the
half-life does.

Where the separation time of a chain is not given, the progeny is taken to be in
transient equilibrium with its head. Source: Bateman (1910), Proc. Cambridge Phil.
Soc. 15, 423.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from schemas.contents import Contents, Impurity, ProductionRoute
from schemas.nuclides import Nuclide, nuclide
from schemas.units import NS_PER_S

Lookup = Callable[[str], Nuclide]

# Lu-177m over Lu-177 at the reference instant, where the certificate is silent:
# carrier added 0.01-0.02 % at end of irradiation; the other route has none of note.
_ISOMER_RATIO: Final = {
    ProductionRoute.CARRIER_ADDED: 1.5e-4,
    ProductionRoute.NO_CARRIER_ADDED: 1e-6,
    ProductionRoute.UNKNOWN: 3e-5,
}
_ISOMER_U_LOG: Final = {
    ProductionRoute.CARRIER_ADDED: 0.7,
    ProductionRoute.NO_CARRIER_ADDED: 0.7,
    ProductionRoute.UNKNOWN: 1.5,
}


@dataclass(frozen=True, slots=True)
class Term:
    """One exponential of the source.

    ``coefficients`` gives, by emitter, the activity per certified activity at age 0
    of the term; the age is counted from ``origin_s`` after the reference instant.
    """

    constant_per_s: float
    origin_s: float
    is_impurity: bool
    is_head: bool
    coefficients: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A vial as the model needs it; times are ns UTC, ratios relative.

    ``impurity_u_log`` is the standard uncertainty of the logarithm of the impurities'
    ratio, 0 where there is none.
    """

    nuclide: str
    activity_gbq: float
    activity_u_ratio: float
    reference_at_ns: int
    half_life_s: float
    half_life_u_ratio: float
    impurity_u_log: float
    terms: tuple[Term, ...]

    def activity_ratio(self, elapsed_s: float) -> float:
        """Return the certified nuclide's activity over that at the reference."""
        return math.exp2(-elapsed_s / self.half_life_s)


def source_of(contents: Contents, lookup: Lookup = nuclide) -> Source:
    """Return the source that a certificate describes.

    Raises:
        UnknownWordError: a nuclide is not in the table; the message lists them.
    """
    head = lookup(contents.nuclide)
    separated_s = None
    if contents.separated_at_ns is not None:
        separated_s = (contents.separated_at_ns - contents.reference_at_ns) / NS_PER_S
    terms = [*_terms(head, separated_s, lookup)]
    impurities = _impurities(contents)
    for impurity in impurities:
        terms += _impurity_terms(lookup(impurity.nuclide), impurity, lookup)
    return Source(
        nuclide=contents.nuclide,
        activity_gbq=contents.activity_gbq,
        activity_u_ratio=contents.activity_u_ratio,
        reference_at_ns=contents.reference_at_ns,
        half_life_s=head.half_life_s,
        half_life_u_ratio=head.half_life_u_s / head.half_life_s,
        impurity_u_log=_impurity_u_log(contents),
        terms=tuple(terms),
    )


def chain_terms(head: Nuclide, lookup: Lookup) -> dict[str, dict[str, float]]:
    """Return the Bateman coefficients of a freshly separated chain.

    Returns:
        By the nuclide whose constant the term has, by emitter: the activity per
        activity of the head at age 0.
    """
    found: dict[str, dict[str, float]] = {}
    for path, branch in _paths((head,), 1.0, lookup):
        constants = [member.decay_constant_per_s for member in path]
        made = branch * math.prod(constants[1:])
        for i, member in enumerate(path):
            others = math.prod(c - constants[i] for c in _without(constants, i))
            by_emitter = found.setdefault(member.name, {})
            tip = path[-1].name
            by_emitter[tip] = by_emitter.get(tip, 0.0) + made / others
    return found


def _terms(head: Nuclide, separated_s: float | None, lookup: Lookup) -> Iterator[Term]:
    """Terms of the certified nuclide: scaled to 1 at the reference instant."""
    for name, by_emitter in chain_terms(head, lookup).items():
        if name == head.name:
            pairs = tuple(by_emitter.items())
            yield Term(head.decay_constant_per_s, 0.0, False, True, pairs)
        elif separated_s is not None:
            grown = math.exp(-head.decay_constant_per_s * separated_s)
            pairs = tuple((e, c * grown) for e, c in by_emitter.items())
            constant = lookup(name).decay_constant_per_s
            yield Term(constant, separated_s, False, False, pairs)


def _impurity_terms(
    head: Nuclide, impurity: Impurity, lookup: Lookup
) -> Iterator[Term]:
    """Terms of an impurity: its progeny at the reference is the certificate's."""
    for name, by_emitter in chain_terms(head, lookup).items():
        ratio = impurity.activity_ratio
        pairs = tuple((e, c * ratio) for e, c in by_emitter.items())
        yield Term(lookup(name).decay_constant_per_s, 0.0, True, False, pairs)


def _impurities(contents: Contents) -> tuple[Impurity, ...]:
    if contents.impurities or contents.nuclide != "Lu-177":
        return contents.impurities
    ratio = _ISOMER_RATIO[contents.production_route]
    u_log = _ISOMER_U_LOG[contents.production_route]
    return (Impurity("Lu-177m", ratio, ratio * u_log),)


def _impurity_u_log(contents: Contents) -> float:
    """Relative uncertainty of the impurities, the largest: they share one scale."""
    found = [i.activity_ratio_u / i.activity_ratio for i in _impurities(contents)]
    return max(found, default=0.0)


def _paths(
    path: tuple[Nuclide, ...], branch: float, lookup: Lookup
) -> Iterator[tuple[tuple[Nuclide, ...], float]]:
    yield path, branch
    for daughter in path[-1].daughters:
        further = (*path, lookup(daughter.nuclide))
        yield from _paths(further, branch * daughter.branch, lookup)


def _without(values: list[float], index: int) -> list[float]:
    return values[:index] + values[index + 1 :]
