"""One verdict on the package, from witnesses of different kinds.

- "no change seen": every witness is heard and none has seen one. Never more than that.
- "suspected": one has. It stays so until the shipment is released: nothing that was
  seen is unseen. Confirmed - only then may a page be red - when a witness of another
  kind agrees: shock, lid, tilt or a second detector.
- "unknown": nothing was seen, and not everything could be looked at.

It replaces no look, survey or wipe, and cancels no dose by itself.
"""

from enum import StrEnum
from typing import Final

import msgspec

from schemas.events import Event, EventKind, Severity
from schemas.findings import Cause, Integrity, IntegrityVerdict

LID_REASON: Final = "lid-open"
# What a neighbour explains is no change of this package.
DOSE_REASONS: Final = frozenset({"exceeded", "raised", "lowered"})


class Kind(StrEnum):
    """A kind of witness."""

    DOSE_RATE = "dose rate"
    COUNTS = "counts"
    SECOND_DETECTOR = "second detector"
    LID = "lid"
    SHOCK = "shock"
    TILT = "tilt"


# What makes a suspicion by itself; the others only confirm one.
_SUSPICIOUS: Final = frozenset(
    {Kind.DOSE_RATE, Kind.COUNTS, Kind.SECOND_DETECTOR, Kind.LID}
)
# Changes of the counts that are about the package, and not about what is near it.
_OF_THE_PACKAGE: Final = frozenset({Cause.DISPLACEMENT, Cause.LOSS, Cause.GROWTH})
_CORROBORATING: Final = frozenset({Kind.LID, Kind.SHOCK, Kind.TILT})


class IntegrityState(msgspec.Struct):
    """What was seen since the shipment was assigned; plain data for a restart."""

    seen: dict[Kind, str] = msgspec.field(default_factory=dict)
    hard_shock: str | None = None


class IntegrityWatch:
    """Collects what the witnesses of one shipment have seen."""

    def __init__(self) -> None:
        self.state = IntegrityState()

    def follow(self) -> None:
        """Begin a shipment."""
        self.state = IntegrityState()

    def take(self, event: Event) -> None:
        """Take an event that this gateway states of a sealed package."""
        match event.what:
            case EventKind.SHOCK if event.severity is Severity.ALARM:
                self.state.hard_shock = self.state.hard_shock or event.text
                self.see(Kind.SHOCK, event.text)
            case EventKind.SHOCK if event.reason != "handling":
                self.see(Kind.SHOCK, event.text)
            case EventKind.TAMPER if event.severity is Severity.ALARM:
                self.see(Kind.LID, event.text)
            case EventKind.DOSE_RATE if event.reason in DOSE_REASONS:
                is_other = self._is_other_detector(event)
                kind = Kind.SECOND_DETECTOR if is_other else Kind.DOSE_RATE
                self.see(kind, f"{event.text} ({event.sensor})")
            case EventKind.INTEGRITY if event.severity is not Severity.INFO:
                if event.change is not None and event.change.cause in _OF_THE_PACKAGE:
                    self.see(Kind.COUNTS, event.text)
            case _:
                pass

    @property
    def is_corroborated(self) -> bool:
        """Whether lid, shock or tilt has seen something."""
        return not _CORROBORATING.isdisjoint(self.state.seen)

    def see(self, kind: Kind, words: str) -> None:
        """Note what a witness saw; the first time counts."""
        self.state.seen.setdefault(kind, words)

    def verdict(
        self, unheard: tuple[str, ...], notes: tuple[str, ...] = ()
    ) -> Integrity:
        """Return the verdict so far.

        Args:
            unheard: what could not be looked at now.
            notes: what this container can never look at.
        """
        seen = self.state.seen
        suspicious = [kind for kind in seen if kind in _SUSPICIOUS]
        is_hard = self.state.hard_shock is not None
        if suspicious or is_hard:
            # Dose rate and counts are the same detectors' word.
            kinds = {Kind.DOSE_RATE if k is Kind.COUNTS else k for k in seen}
            is_confirmed = bool(suspicious) and len(kinds) >= 2
            return Integrity(
                IntegrityVerdict.SUSPECTED, is_confirmed, tuple(seen.values())
            )
        if unheard:
            return Integrity(IntegrityVerdict.UNKNOWN, False, unheard)
        return Integrity(IntegrityVerdict.NO_CHANGE_SEEN, False, notes)

    def _is_other_detector(self, event: Event) -> bool:
        first = self.state.seen.get(Kind.DOSE_RATE)
        return first is not None and f"({event.sensor})" not in first
