"""Temperature against the label's limits, by the sensor's uncertainty.

A value is certainly beyond a limit when it is so by more than the expanded
uncertainty U, possibly when U does not let it be excluded. An excursion is stated as
possible, then as certain, each after its dwell, and as over when the value is
surely inside again by the hysteresis::

              possible       certain
    ----------+------|-------+---------->  T
            limit-U limit  limit+U

Cold at a limit near freezing does not wait ten minutes: what froze once has frozen.
Time out of range adds up over all legs. A gap is neither in nor out of range: of the
time between two values at most :data:`LONGEST_STEP_NS` counts, the rest is a gap.

Source of dwell and hysteresis: practice of cold-chain recorders (10 min, 0.5 K).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from schemas.contents import ProductLimits
from schemas.units import NS_PER_S

DWELL_NS: Final = 600 * NS_PER_S
FREEZE_DWELL_NS: Final = 60 * NS_PER_S
FREEZE_C: Final = 2.0
LONGEST_STEP_NS: Final = 60 * NS_PER_S
HYSTERESIS_C: Final = 0.5
# Class of the board's thermometer: +/- 0.5 K over its range, k = 2.
EXPANDED_U_C: Final = 0.5


class Stage(StrEnum):
    """What is stated of an excursion."""

    POSSIBLE = "possible"
    CERTAIN = "certain"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Excursion:
    """An excursion at a stage: since when, how far, beyond which limit."""

    stage: Stage
    from_boot_ns: int
    to_boot_ns: int
    extreme_c: float
    limit_c: float
    is_high: bool
    certain_ns: int
    degree_minutes: float


class Side(msgspec.Struct):
    """One limit: what was spent beyond it in all, and the spell that goes on.

    It is plain data, so that it outlives a restart.
    """

    limit_c: float
    is_high: bool
    certain_total_ns: int = 0
    possible_total_ns: int = 0
    stated: Stage | None = None
    from_boot_ns: int | None = None
    extreme_c: float = 0.0
    certain_ns: int = 0
    possible_ns: int = 0
    degree_minutes: float = 0.0

    @property
    def dwell_ns(self) -> int:
        """How long a value must stay beyond before it is stated."""
        is_freezing = not self.is_high and self.limit_c <= FREEZE_C
        return FREEZE_DWELL_NS if is_freezing else DWELL_NS

    def take(
        self, boot_ns: int, step_ns: int, value_c: float, expanded_u_c: float
    ) -> Excursion | None:
        """Take a value that stood for ``step_ns``; return what is to be stated."""
        beyond_c = value_c - self.limit_c if self.is_high else self.limit_c - value_c
        if beyond_c + expanded_u_c <= 0.0:
            is_inside = beyond_c <= -HYSTERESIS_C
            return self._inside(boot_ns) if is_inside or self.stated is None else None
        if self.from_boot_ns is None:
            self._begin(boot_ns, value_c)
        pick = max if self.is_high else min
        self.extreme_c = pick(self.extreme_c, value_c)
        self.possible_ns += step_ns
        self.possible_total_ns += step_ns
        if beyond_c > expanded_u_c:
            self.certain_ns += step_ns
            self.certain_total_ns += step_ns
            self.degree_minutes += beyond_c * step_ns / (60 * NS_PER_S)
        return self._outside(boot_ns)

    def _begin(self, boot_ns: int, value_c: float) -> None:
        self.from_boot_ns, self.extreme_c, self.stated = boot_ns, value_c, None
        self.certain_ns = self.possible_ns = 0
        self.degree_minutes = 0.0

    def _outside(self, boot_ns: int) -> Excursion | None:
        if self.certain_ns >= self.dwell_ns and self.stated is not Stage.CERTAIN:
            self.stated = Stage.CERTAIN
        elif self.possible_ns >= self.dwell_ns and self.stated is None:
            self.stated = Stage.POSSIBLE
        else:
            return None
        return self._excursion(self.stated, boot_ns)

    def _inside(self, boot_ns: int) -> Excursion | None:
        """End the spell: it is stated as over where it was stated at all."""
        over = None
        if self.stated is not None:
            over = self._excursion(Stage.OVER, boot_ns)
        self.from_boot_ns = self.stated = None
        return over

    def _excursion(self, stage: Stage, boot_ns: int) -> Excursion:
        from_ns = self.from_boot_ns or 0
        return Excursion(
            stage=stage,
            from_boot_ns=from_ns,
            to_boot_ns=max(boot_ns, from_ns),
            extreme_c=self.extreme_c,
            limit_c=self.limit_c,
            is_high=self.is_high,
            certain_ns=self.certain_ns,
            degree_minutes=self.degree_minutes,
        )


def sides(limits: ProductLimits) -> list[Side]:
    """Return the limits to follow: the upper one, and the lower one if there is one."""
    found = [Side(limits.temperature_max_c, True)]
    if limits.temperature_min_c is not None:
        found.append(Side(limits.temperature_min_c, False))
    return found
