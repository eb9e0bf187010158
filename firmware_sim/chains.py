"""What a vial holds at any time: the nuclide, its impurities and all their daughters.

A vial is purified once: at that instant it holds the nuclide and its long-lived
impurities and nothing else. Activities are given at calibration, which may be
earlier or later; the daughters grow in from the purification.

Source: Bateman (1910), with one term per path from an ancestor to a descendant.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.errors import ScenarioError
from firmware_sim.nuclear import Floats, NuclearData
from firmware_sim.scenario import Vial, utc_ns

NS_PER_S: Final = 1_000_000_000

# A path: nuclides from an ancestor to a descendant, and the product of its branches.
Path = tuple[tuple[str, ...], float]


def paths(data: NuclearData, start: str) -> Iterator[Path]:
    """Yield every path of decays that begins at ``start``, itself included."""
    yield (start,), 1.0
    for daughter in data.nuclides[start].daughters:
        for names, branch in paths(data, daughter.nuclide):
            yield (start, *names), daughter.branch * branch


def path_terms(data: NuclearData, names: tuple[str, ...]) -> Floats:
    """Return (n,) c of A_last(t) = A_first(0) sum_i c_i exp(-lambda_i t).

    The decay constants are those of ``names`` in their order.
    """
    rates = np.log(2) / np.array([data.nuclides[n].half_life_s for n in names])
    terms = []
    for number, rate in enumerate(rates):
        others = np.delete(rates, number)
        # One factor lambda_k per daughter k: atoms grow in, activities are wanted.
        terms.append(np.prod(rates[1:] / (others - rate)) if len(others) else 1.0)
    return np.array(terms)


@dataclass(frozen=True, slots=True)
class _Term:
    member: int
    start_gbq: float
    coefficients: Floats
    rates_per_s: Floats


class Contents:
    """The activities of one vial."""

    def __init__(self, data: NuclearData, vial: Vial) -> None:
        """Work out the chain terms.

        Raises:
            ScenarioError: a nuclide is not in the simulator's table.
        """
        starts = {vial.nuclide: 1.0, **vial.impurities}
        for name in starts:
            if name not in data.nuclides:
                known = ", ".join(sorted(data.nuclides))
                raise ScenarioError(f"vial: no nuclide {name!r}; there are: {known}")
        found = [path for name in starts for path in paths(data, name)]
        members = list(dict.fromkeys([*starts, *(names[-1] for names, _ in found)]))
        self.nuclides: tuple[str, ...] = tuple(members)
        self._separated_ns = utc_ns(vial.separated_at or vial.calibrated_at)
        early_s = (vial.calibrated_at_ns() - self._separated_ns) / NS_PER_S
        self._terms = []
        for names, branch in found:
            half_lives = np.array([data.nuclides[n].half_life_s for n in names])
            grown = 2.0 ** (early_s / half_lives[0])
            start = vial.activity_gbq * starts[names[0]] * grown * branch
            self._terms.append(
                _Term(
                    members.index(names[-1]),
                    float(start),
                    path_terms(data, names),
                    np.log(2) / half_lives,
                )
            )

    def activities_gbq(self, at_ns: int) -> Floats:
        """Return (nuclides,) GBq in the order of ``nuclides``.

        Before the purification there is nothing to say about daughters: they are 0.
        """
        since_s = (at_ns - self._separated_ns) / NS_PER_S
        total = np.zeros(len(self.nuclides))
        for term in self._terms:
            if since_s < 0 and len(term.rates_per_s) > 1:
                continue
            decayed = term.coefficients @ np.exp(-term.rates_per_s * since_s)
            total[term.member] += max(term.start_gbq * float(decayed), 0.0)
        return total
