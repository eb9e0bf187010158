"""Half-lives with uncertainty and source, decay, and decay chains.

The table is ours (``nuclides.toml``) because the popular packages differ by more
than the timing budget of a delivery: Ac-225 by 0.8 %, Tb-161 by 1 %. Members of a
chain that live for seconds are taken to be in equilibrium with their parent and
have no line in the table.

Source of the chain solution: Bateman (1910), Proc. Cambridge Phil. Soc. 15, 423.
"""

import math
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

import msgspec

from schemas.errors import MalformedError, UnknownWordError
from schemas.units import S_PER_DAY, S_PER_HOUR

_UNIT_S: Final = {"d": S_PER_DAY, "h": S_PER_HOUR, "min": 60.0, "s": 1.0}


class Daughter(msgspec.Struct, frozen=True):
    """A daughter nuclide and the fraction of decays that lead to it."""

    nuclide: str
    branch: float


class Nuclide(msgspec.Struct, frozen=True):
    """Half-life with standard uncertainty (k = 1) and source."""

    name: str
    half_life_s: float
    half_life_u_s: float
    source: str
    daughters: tuple[Daughter, ...]

    @property
    def decay_constant_per_s(self) -> float:
        """Decay constant ln 2 / T."""
        return math.log(2) / self.half_life_s


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    half_life: float
    half_life_u: float
    unit: str
    source: str
    daughters: tuple[Daughter, ...]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    edition: str
    nuclides: dict[str, _Line]


@cache
def table() -> Mapping[str, Nuclide]:
    """Return the nuclides by name, such as ``Lu-177``."""
    text = resources.files("schemas").joinpath("nuclides.toml").read_text("utf-8")
    lines = msgspec.convert(tomllib.loads(text), _Table).nuclides
    return {
        name: Nuclide(
            name,
            line.half_life * _UNIT_S[line.unit],
            line.half_life_u * _UNIT_S[line.unit],
            line.source,
            line.daughters,
        )
        for name, line in lines.items()
    }


def nuclide(name: str) -> Nuclide:
    """Return one nuclide.

    Raises:
        UnknownWordError: the table has no such nuclide; the message lists them.
    """
    try:
        return table()[name]
    except KeyError as error:
        known = ", ".join(table())
        raise UnknownWordError(f"unknown nuclide {name!r}, known: {known}") from error


def decay_factor(half_life_s: float, elapsed_s: float) -> float:
    """Return 2^(-t/T), also for negative times.

    >>> round(decay_factor(6.647 * 86400, 24 * 3600), 5)
    0.90097
    """
    return math.exp2(-elapsed_s / half_life_s)


class ChainTerm(NamedTuple):
    """One exponential of a member of a chain: ``weight * exp(-constant t)``."""

    emitter: str
    weight: float
    constant_per_s: float


def chain_terms(parent: str) -> tuple[ChainTerm, ...]:
    """Return the activities of a freshly separated parent and its progeny as terms.

    The activity of a member at t >= 0, for 1 of the parent at 0 and nothing else, is
    the sum over its terms. Shortly after the separation the terms cancel: there
    :func:`chain_activities` loses digits, and so does every sum of them.

    Raises:
        UnknownWordError: a nuclide of the chain is not in the table.
    """
    return tuple(_terms((nuclide(parent),), 1.0))


def _terms(path: tuple[Nuclide, ...], branch: float) -> Iterator[ChainTerm]:
    constants = [member.decay_constant_per_s for member in path]
    made = branch * math.prod(constants[1:])
    for i, own in enumerate(constants):
        others = math.prod(c - own for j, c in enumerate(constants) if j != i)
        yield ChainTerm(path[-1].name, made / others, own)
    for daughter in path[-1].daughters:
        yield from _terms((*path, nuclide(daughter.nuclide)), branch * daughter.branch)


def chain_activities(
    parent: str, activity: float, elapsed_s: float
) -> Mapping[str, float]:
    """Return the activities of a freshly separated parent and its progeny.

    Args:
        parent: head of the chain; nothing else is there at time 0.
        activity: of the parent at time 0, any unit; the result has the same.
        elapsed_s: time since the separation, >= 0.

    Raises:
        UnknownWordError: a nuclide of the chain is not in the table.
        MalformedError: the time is before the separation.
    """
    if elapsed_s < 0:
        raise MalformedError(f"{-elapsed_s} s before the separation nothing is known")
    found: dict[str, float] = {}
    for emitter, weight, constant_per_s in chain_terms(parent):
        share = activity * weight * math.exp(-constant_per_s * elapsed_s)
        found[emitter] = found.get(emitter, 0.0) + share
    # The terms cancel shortly after the separation: rounding is no activity.
    return {name: max(0.0, value) for name, value in found.items()}
