"""How activities are written: in their label's unit, to two digits of uncertainty."""

import math
from typing import Final

from schemas.units import MBQ_PER_GBQ

_IN_MBQ: Final = ("Ra-", "Ac-", "Pb-")  # labels of these are in MBq


def unit_of(nuclide: str) -> str:
    """Return the unit of the nuclide's labels."""
    return "MBq" if nuclide.startswith(_IN_MBQ) else "GBq"


def in_unit(activity_gbq: float, nuclide: str) -> float:
    """Return an activity in the unit of the nuclide's labels."""
    return activity_gbq * (MBQ_PER_GBQ if unit_of(nuclide) == "MBq" else 1.0)


def decimals(uncertainty: float) -> int:
    """Return the decimals that show two digits of an uncertainty.

    >>> decimals(0.2085), decimals(12.0)
    (2, 0)
    """
    if uncertainty <= 0:
        return 2
    return max(0, 1 - math.floor(math.log10(uncertainty)))


def value_text(activity_gbq: float, expanded_u_gbq: float, nuclide: str) -> str:
    """Return an activity without unit, to the digits of its uncertainty."""
    digits = decimals(in_unit(expanded_u_gbq, nuclide))
    return f"{in_unit(activity_gbq, nuclide):.{digits}f}"


def u_text(expanded_u_gbq: float, nuclide: str) -> str:
    """Return an expanded uncertainty without unit, to two digits."""
    u = in_unit(expanded_u_gbq, nuclide)
    return f"{u:.{decimals(u)}f}"
