"""Half-lives with uncertainty and source, decay, and decay chains.

The table is ours (``nuclides.toml``) because the popular packages differ by more
than the timing budget of a delivery: Ac-225 by 0.8 %, Tb-161 by 1 %. Members of a
chain that live for seconds are taken to be in equilibrium with their parent and
have no line in the table.

Source of the chain solution: Bateman (1910), Proc. Cambridge Phil. Soc. 15, 423.
"""

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

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
    _walk((nuclide(parent),), 1.0, activity, elapsed_s, found)
    return found


def _walk(
    path: tuple[Nuclide, ...],
    branch: float,
    activity: float,
    elapsed_s: float,
    found: dict[str, float],
) -> None:
    tip = path[-1]
    share = branch * activity * _bateman(path, elapsed_s)
    found[tip.name] = found.get(tip.name, 0.0) + share
    for daughter in tip.daughters:
        further = (*path, nuclide(daughter.nuclide))
        _walk(further, branch * daughter.branch, activity, elapsed_s, found)


def _bateman(path: tuple[Nuclide, ...], elapsed_s: float) -> float:
    """Activity of the last of a chain over the first one's at time 0."""
    if elapsed_s == 0:
        return 1.0 if len(path) == 1 else 0.0
    constants = [member.decay_constant_per_s for member in path]
    total = 0.0
    for i, own in enumerate(constants):
        others = math.prod(c - own for j, c in enumerate(constants) if j != i)
        total += math.exp(-own * elapsed_s) / others
    # The terms cancel shortly after the separation: rounding is no activity.
    return max(0.0, math.prod(constants[1:]) * total)
