"""Temperature against the label's limits, by the sensor's uncertainty.

An excursion is certain when every value is beyond the limit by more than the expanded
uncertainty for at least the dwell; it ends when the value is back inside by the
hysteresis. A gap is neither in nor out of range: of the time between two values at
most :data:`LONGEST_STEP_NS` counts.

Source of dwell and hysteresis: practice of cold-chain recorders (10 min, 0.5 K).
"""

from dataclasses import dataclass
from typing import Final

from schemas.contents import ProductLimits
from schemas.units import NS_PER_S

DWELL_NS: Final = 600 * NS_PER_S
LONGEST_STEP_NS: Final = 60 * NS_PER_S
HYSTERESIS_C: Final = 0.5
# Class of the board's thermometer: +/- 0.5 K over its range, k = 2.
EXPANDED_U_C: Final = 0.5


@dataclass(frozen=True, slots=True)
class Excursion:
    """A certain excursion: since when, how far, beyond which limit."""

    from_boot_ns: int
    to_boot_ns: int
    extreme_c: float
    limit_c: float
    is_over: bool


@dataclass(slots=True)
class _Spell:
    """Values beyond one limit, from the first one on."""

    from_boot_ns: int
    limit_c: float
    is_high: bool
    extreme_c: float
    latest_boot_ns: int
    seen_ns: int = 0
    is_stated: bool = False

    def add(self, boot_ns: int, temperature_c: float) -> None:
        step_ns = min(max(boot_ns - self.latest_boot_ns, 0), LONGEST_STEP_NS)
        self.seen_ns += step_ns
        self.latest_boot_ns = max(boot_ns, self.latest_boot_ns)
        pick = max if self.is_high else min
        self.extreme_c = pick(self.extreme_c, temperature_c)

    def excursion(self, boot_ns: int, *, is_over: bool) -> Excursion:
        return Excursion(
            from_boot_ns=self.from_boot_ns,
            to_boot_ns=max(boot_ns, self.from_boot_ns),
            extreme_c=self.extreme_c,
            limit_c=self.limit_c,
            is_over=is_over,
        )


class ExcursionMonitor:
    """Follows one temperature sensor against one product's limits."""

    def __init__(self, limits: ProductLimits) -> None:
        self._limits = limits
        self._spell: _Spell | None = None

    def take(self, boot_ns: int, temperature_c: float) -> Excursion | None:
        """Take a value; return an excursion when it becomes certain or ends."""
        above_c = temperature_c - self._limits.temperature_max_c - EXPANDED_U_C
        lowest_c = self._limits.temperature_min_c
        below_c = float("-inf")
        if lowest_c is not None:
            below_c = lowest_c - temperature_c - EXPANDED_U_C
        ended = self._end(boot_ns, above_c, below_c)
        if max(above_c, below_c) <= 0.0:
            return ended
        if self._spell is None:
            is_high = lowest_c is None or above_c > 0.0
            limit_c = self._limits.temperature_max_c
            if not is_high and lowest_c is not None:
                limit_c = lowest_c
            self._spell = _Spell(boot_ns, limit_c, is_high, temperature_c, boot_ns)
        return ended or self._outside(self._spell, boot_ns, temperature_c)

    def _end(self, boot_ns: int, above_c: float, below_c: float) -> Excursion | None:
        """End the spell, if the value does: at once while it is not yet certain."""
        spell = self._spell
        if spell is None:
            return None
        beyond_c = above_c if spell.is_high else below_c
        is_inside = beyond_c <= -(EXPANDED_U_C + HYSTERESIS_C)
        if beyond_c > 0.0 or (spell.is_stated and not is_inside):
            return None
        self._spell = None
        return spell.excursion(boot_ns, is_over=True) if spell.is_stated else None

    def _outside(
        self, spell: _Spell, boot_ns: int, temperature_c: float
    ) -> Excursion | None:
        spell.add(boot_ns, temperature_c)
        if spell.is_stated or spell.seen_ns < DWELL_NS:
            return None
        spell.is_stated = True
        return spell.excursion(boot_ns, is_over=False)
