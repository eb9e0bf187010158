"""The temperature record of one shipment: time in, out of and without range.

Excursions by :mod:`~gateway.estimator.excursion`, means by
:mod:`~gateway.estimator.kinetic`. The state is plain data, so that legs and restarts
add up to one trip.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.estimator.excursion import (
    EXPANDED_U_C,
    LONGEST_STEP_NS,
    Excursion,
    Side,
    sides,
)
from gateway.estimator.kinetic import KineticMean, WorstDay
from schemas.contents import ProductLimits
from schemas.findings import ThermalSummary
from schemas.units import NS_PER_S

# The longest recording interval that cold-chain recorders have on a day's transport.
LONGEST_GAP_NS: Final = 900 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of a thermometer; the certificate's end in ns UTC."""

    expanded_u_c: float = EXPANDED_U_C
    certificate: str | None = None
    due_ns: int | None = None


class ThermalState(msgspec.Struct):
    """Everything that a restart must not forget."""

    sides: list[Side]
    mean: KineticMean = msgspec.field(default_factory=KineticMean)
    day: WorstDay = msgspec.field(default_factory=WorstDay)
    known_ns: int = 0
    gap_ns: int = 0
    longest_gap_ns: int = 0
    latest_boot_ns: int | None = None
    is_gap_unknown: bool = False
    minimum_c: float | None = None
    maximum_c: float | None = None


class ThermalMonitor:
    """Follows one thermometer against one product's limits."""

    def __init__(self, limits: ProductLimits, calibration: Calibration) -> None:
        self.calibration = calibration
        self.state = ThermalState(sides(limits))

    def resume(self, state: ThermalState) -> None:
        """Go on where a state of the same shipment ended, after a gap."""
        self.state = state
        state.latest_boot_ns = None
        state.is_gap_unknown = True
        for side in state.sides:
            side.from_boot_ns = None if side.from_boot_ns is None else 0

    def was_away(self, away_ns: int) -> None:
        """Take how long nothing was recorded before the record was resumed."""
        self.state.is_gap_unknown = False
        self._gap(away_ns)

    def take(self, boot_ns: int, temperature_c: float) -> list[Excursion]:
        """Take a value; return what is to be stated of excursions."""
        state = self.state
        step_ns = self._step(boot_ns)
        for name, pick in (("minimum_c", min), ("maximum_c", max)):
            before = getattr(state, name)
            best = temperature_c if before is None else pick(before, temperature_c)
            setattr(state, name, best)
        state.known_ns += step_ns
        seconds = step_ns / NS_PER_S
        state.mean.add(temperature_c, seconds)
        state.day.add(state.known_ns + state.gap_ns, temperature_c, seconds)
        u_c = self.calibration.expanded_u_c
        found = [s.take(boot_ns, step_ns, temperature_c, u_c) for s in state.sides]
        # What ends is stated before what begins.
        stated = [excursion for excursion in found if excursion is not None]
        return sorted(stated, key=lambda excursion: excursion.stage != "over")

    def summary(self, sensor: str, boot_ns: int, utc_ns: int | None) -> ThermalSummary:
        """Return the record so far; what is missing since the last value is a gap."""
        state = self.state
        latest_ns = boot_ns if state.latest_boot_ns is None else state.latest_boot_ns
        open_ns = max(0, boot_ns - latest_ns)
        reasons = self._why_not_valid(utc_ns, open_ns)
        high, low = (_total(state.sides, is_high=high) for high in (True, False))
        return ThermalSummary(
            sensor=sensor,
            known_ns=state.known_ns,
            gap_ns=state.gap_ns + (open_ns if open_ns > LONGEST_STEP_NS else 0),
            certain_high_ns=high[0],
            possible_high_ns=high[1],
            certain_low_ns=low[0],
            possible_low_ns=low[1],
            is_gdp_valid=not reasons,
            expanded_u_c=self.calibration.expanded_u_c,
            minimum_c=state.minimum_c,
            maximum_c=state.maximum_c,
            kinetic_c=state.mean.temperature_c,
            kinetic_day_c=state.day.temperature_c,
            reasons=reasons,
        )

    def _step(self, boot_ns: int) -> int:
        latest_ns, state = self.state.latest_boot_ns, self.state
        state.latest_boot_ns = boot_ns if latest_ns is None else max(boot_ns, latest_ns)
        if latest_ns is None:
            return 0
        elapsed_ns = max(boot_ns - latest_ns, 0)
        step_ns = min(elapsed_ns, LONGEST_STEP_NS)
        self._gap(elapsed_ns - step_ns)
        return step_ns

    def _gap(self, gap_ns: int) -> None:
        self.state.gap_ns += gap_ns
        self.state.longest_gap_ns = max(self.state.longest_gap_ns, gap_ns)

    def _why_not_valid(self, utc_ns: int | None, open_ns: int) -> tuple[str, ...]:
        state, calibration = self.state, self.calibration
        longest_ns = max(state.longest_gap_ns, open_ns)
        expired = calibration.due_ns is not None and utc_ns is not None
        judged = (
            (calibration.certificate is None, "no calibration certificate"),
            (
                calibration.certificate is not None and calibration.due_ns is None,
                "the calibration certificate names no end",
            ),
            (
                expired and (utc_ns or 0) > (calibration.due_ns or 0),
                f"calibration certificate {calibration.certificate} has expired",
            ),
            (
                utc_ns is None and calibration.due_ns is not None,
                "the date is not known: the certificate cannot be judged",
            ),
            (
                longest_ns > LONGEST_GAP_NS,
                f"a gap of {longest_ns / 60 / NS_PER_S:.0f} min without a reading",
            ),
            (state.is_gap_unknown, "a restart of unknown length"),
        )
        return tuple(reason for holds, reason in judged if holds)


def _total(found: list[Side], *, is_high: bool) -> tuple[int, int]:
    """Return certain and possible time beyond the limits of one direction."""
    alike = [side for side in found if side.is_high is is_high]
    certain_ns = sum(side.certain_total_ns for side in alike)
    return certain_ns, sum(side.possible_total_ns for side in alike) - certain_ns
