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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.contents import Contents, Impurity, ProductionRoute
from schemas.nuclides import chain_terms, nuclide
from schemas.units import NS_PER_S

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


def source_of(contents: Contents) -> Source:
    """Return the source that a certificate describes.

    Raises:
        UnknownWordError: a nuclide is not in the table; the message lists them.
    """
    head = nuclide(contents.nuclide)
    impurities = _impurities(contents)
    terms = [*_terms(contents)]
    for impurity in impurities:
        terms += _impurity_terms(impurity, contents.nuclide)
    shares = [i.activity_ratio_u / i.activity_ratio for i in impurities]
    return Source(
        nuclide=contents.nuclide,
        activity_gbq=contents.activity_gbq,
        activity_u_ratio=contents.activity_u_ratio,
        reference_at_ns=contents.reference_at_ns,
        half_life_s=head.half_life_s,
        half_life_u_ratio=head.half_life_u_s / head.half_life_s,
        # The largest: the impurities share one scale.
        impurity_u_log=max(shares, default=0.0),
        terms=tuple(terms),
    )


def _terms(contents: Contents) -> Iterator[Term]:
    """Terms of the certified nuclide: 1 at the reference instant.

    A member's own term begins at the separation. Without one only the terms that
    outlive the head are left.
    """
    own = nuclide(contents.nuclide).decay_constant_per_s
    separated_s = None
    if contents.separated_at_ns is not None:
        separated_s = (contents.separated_at_ns - contents.reference_at_ns) / NS_PER_S
    for constant, by_emitter in _by_constant(contents.nuclide).items():
        if constant == own:
            yield Term(own, 0.0, False, True, tuple(by_emitter.items()))
        elif separated_s is not None:
            grown = math.exp(-own * separated_s)
            pairs = tuple((e, c * grown) for e, c in by_emitter.items())
            yield Term(constant, separated_s, False, False, pairs)
        elif constant < own:
            yield Term(constant, 0.0, False, False, tuple(by_emitter.items()))


def _impurity_terms(impurity: Impurity, main: str) -> Iterator[Term]:
    """Terms of an impurity with its progeny grown in.

    What it grows of the certified nuclide is in that one's certificate.
    """
    own = nuclide(impurity.nuclide).decay_constant_per_s
    for constant, by_emitter in _by_constant(impurity.nuclide).items():
        ratio = impurity.activity_ratio
        pairs = tuple((e, c * ratio) for e, c in by_emitter.items() if e != main)
        if constant <= own and pairs:
            yield Term(constant, 0.0, True, False, pairs)


def _by_constant(name: str) -> Mapping[float, Mapping[str, float]]:
    """Bateman coefficients of a chain, by decay constant, by emitter."""
    found: dict[float, dict[str, float]] = {}
    for emitter, weight, constant in chain_terms(name):
        by_emitter = found.setdefault(constant, {})
        by_emitter[emitter] = by_emitter.get(emitter, 0.0) + weight
    return found


def _impurities(contents: Contents) -> tuple[Impurity, ...]:
    if contents.impurities or contents.nuclide != "Lu-177":
        return contents.impurities
    ratio = _ISOMER_RATIO[contents.production_route]
    u_log = _ISOMER_U_LOG[contents.production_route]
    return (Impurity("Lu-177m", ratio, ratio * u_log),)
