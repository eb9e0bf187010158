"""UTC as a map from boot time, with its source and its uncertainty.

A gateway without a battery clock wakes up in 1970. Everything is recorded in boot
time; UTC is boot time plus an offset, once a source has given one:

- ``gps``: a receiver's date. It arrives late, never early, so the largest of the
  last offsets is the best one, and the second largest the best that one wrong date
  cannot spoil.
- ``ntp``: the kernel's clock while NTP vouches for it, with the largest error.
- ``receipt``: the instant the cloud signed. It may have lain in a broker, so it
  arrives late too: it says what UTC cannot be before.

Rules:

1. A date before the floor is refused.
2. Two dates of a receiver must agree before the first is believed.
3. A better source replaces a worse one; the same source refines, or follows drift.
4. Boot time does not jump. A receiver that jumps is believed when a receipt says the
   same, or when it has stood by the new date for longer than it upheld the old one.
5. A receipt is younger than what it covers: where it covers a record of this boot, UTC
   was at most the receipt's instant when the record was sealed. What is ahead of that
   is refused, and a map that is ahead is replaced by the receipt.
6. A receiver's date before a receipt is refused, and a map that a receipt proves to
   be slow is replaced by it. A receipt that is late moves nothing.

The uncertainty grows with the oscillator's drift, in both directions of time.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from schemas.records import ClockChange, TimeSource
from schemas.units import NS_PER_S

DRIFT_RATIO: Final = 50e-6  # uncompensated oscillator of a single-board computer
GPS_U_NS: Final = NS_PER_S  # serial transport and the receiver's own latency
# Below this a disciplined clock that is slewed would be news again and again.
NTP_U_NS: Final = NS_PER_S // 20
RECEIPT_U_NS: Final = 10 * NS_PER_S
# Dates that are further apart contradict each other.
AGREEMENT_NS: Final = 60 * NS_PER_S
_KEPT: Final = 16
_RANK: Final = {source: rank for rank, source in enumerate(TimeSource)}


@dataclass(frozen=True, slots=True)
class _Map:
    source: TimeSource
    utc_minus_boot_ns: int
    u_ns: int
    at_boot_ns: int


class Timekeeper:
    """Holds the best map from boot time to UTC.

    ``floor_ns`` is an instant that UTC cannot be before: a date below it is refused.
    """

    def __init__(self, floor_ns: int) -> None:
        self.floor_ns = floor_ns
        self._map: _Map | None = None
        self._offsets: deque[int] = deque(maxlen=_KEPT)
        self._offsets_from_ns = 0
        self._upheld_from_ns = 0
        self._upheld_to_ns = 0
        self._receipt_offset_ns: int | None = None
        self._latest_offset_ns: int | None = None

    @property
    def source(self) -> TimeSource:
        """Where UTC comes from."""
        return TimeSource.NONE if self._map is None else self._map.source

    def utc_ns(self, boot_ns: int) -> int | None:
        """Return UTC at a boot time, if it is known."""
        return None if self._map is None else boot_ns + self._map.utc_minus_boot_ns

    def utc_minus_boot_ns(self) -> int | None:
        """Return what to add to boot time for UTC, if it is known."""
        return None if self._map is None else self._map.utc_minus_boot_ns

    def u_ns(self, boot_ns: int) -> int | None:
        """Return the standard uncertainty of UTC at a boot time, if it is known."""
        if self._map is None:
            return None
        away_ns = abs(boot_ns - self._map.at_boot_ns)
        return self._map.u_ns + round(away_ns * DRIFT_RATIO)

    def take_gps(self, measured_at_ns: int, boot_ns: int) -> ClockChange | None:
        """Take a receiver's date; return a change worth a record."""
        offset_ns = measured_at_ns - boot_ns
        if measured_at_ns < self.floor_ns or self._is_refuted(offset_ns):
            return None
        if not self._offsets or abs(offset_ns - self._offsets[-1]) > AGREEMENT_NS:
            self._offsets.clear()
            self._offsets_from_ns = boot_ns
        self._offsets.append(offset_ns)
        if len(self._offsets) < 2:
            return None
        best_ns = sorted(self._offsets)[-2]
        if not self._is_believed(best_ns, boot_ns):
            return None
        return self._take(_Map(TimeSource.GPS, best_ns, GPS_U_NS, boot_ns))

    def _is_refuted(self, offset_ns: int) -> bool:
        """Whether receipts say that UTC cannot be that: rules 5 and 6."""
        known_ns = self._receipt_offset_ns
        is_before = known_ns is not None and offset_ns < known_ns - AGREEMENT_NS
        return is_before or self._is_ahead(offset_ns)

    def _is_ahead(self, offset_ns: int) -> bool:
        latest_ns = self._latest_offset_ns
        return latest_ns is not None and offset_ns > latest_ns + AGREEMENT_NS

    def _is_believed(self, offset_ns: int, boot_ns: int) -> bool:
        """Apply rule 4; keep how long the receiver has upheld what is believed."""
        held = self._map
        if held is not None and held.source is TimeSource.GPS:
            if abs(offset_ns - held.utc_minus_boot_ns) <= AGREEMENT_NS:
                self._upheld_to_ns = boot_ns
                return True
            upheld_ns = self._upheld_to_ns - self._upheld_from_ns
            stood_by_ns = boot_ns - self._offsets_from_ns
            if stood_by_ns <= upheld_ns and not self._is_confirmed(offset_ns):
                return False
        self._upheld_from_ns, self._upheld_to_ns = self._offsets_from_ns, boot_ns
        return True

    def _is_confirmed(self, offset_ns: int) -> bool:
        known_ns = self._receipt_offset_ns
        return known_ns is not None and abs(offset_ns - known_ns) <= AGREEMENT_NS

    def take_ntp(
        self, utc_ns: int, largest_error_ns: int, boot_ns: int
    ) -> ClockChange | None:
        """Take UTC by NTP, with its largest error; return a change worth a record.

        Where it contradicts what another source vouches for, a receipt decides.
        """
        offset_ns = utc_ns - boot_ns
        if utc_ns < self.floor_ns or self._is_refuted(offset_ns):
            return None
        held = self._map
        if held is not None and held.source in (TimeSource.GPS, TimeSource.NTP):
            moved_ns = abs(offset_ns - held.utc_minus_boot_ns)
            if moved_ns > AGREEMENT_NS and not self._is_confirmed(offset_ns):
                return None
        u_ns = max(NTP_U_NS, round(largest_error_ns / math.sqrt(3)))
        return self._take(_Map(TimeSource.NTP, offset_ns, u_ns, boot_ns))

    def take_receipt(
        self, at_ns: int, boot_ns: int, covered_boot_ns: int | None = None
    ) -> ClockChange | None:
        """Take the instant of a genuine receipt; return a change worth a record.

        ``covered_boot_ns`` is when a record that it covers was sealed in this boot.
        """
        if at_ns < self.floor_ns:
            return None
        offset_ns = at_ns - boot_ns
        if self._receipt_offset_ns is None or offset_ns > self._receipt_offset_ns:
            self._receipt_offset_ns = offset_ns
        if covered_boot_ns is not None:
            self._latest_offset_ns = at_ns - covered_boot_ns
        held = self._map
        if held is not None and self._is_ahead(held.utc_minus_boot_ns):
            return self._replace(offset_ns, boot_ns, held.source)
        if held is not None:
            behind_ns = held.utc_minus_boot_ns - offset_ns
            if behind_ns > (self.u_ns(boot_ns) or 0):
                return None
        return self._take(_Map(TimeSource.RECEIPT, offset_ns, RECEIPT_U_NS, boot_ns))

    def _replace(
        self, offset_ns: int, boot_ns: int, previous: TimeSource
    ) -> ClockChange:
        self._offsets.clear()
        self._map = _Map(TimeSource.RECEIPT, offset_ns, RECEIPT_U_NS, boot_ns)
        return ClockChange(previous, TimeSource.RECEIPT, offset_ns, RECEIPT_U_NS)

    def _take(self, new: _Map) -> ClockChange | None:
        old = self._map
        if old is not None and _RANK[new.source] < _RANK[old.source]:
            ahead_ns = new.utc_minus_boot_ns - old.utc_minus_boot_ns
            if ahead_ns <= AGREEMENT_NS:
                return None
            self._offsets.clear()
        moved_ns = 0 if old is None else new.utc_minus_boot_ns - old.utc_minus_boot_ns
        if old is not None and new.source is old.source and abs(moved_ns) <= new.u_ns:
            self._map = _Map(
                old.source, old.utc_minus_boot_ns, new.u_ns, new.at_boot_ns
            )
            return None
        self._map = new
        previous = TimeSource.NONE if old is None else old.source
        return ClockChange(previous, new.source, new.utc_minus_boot_ns, new.u_ns)


class BoardTime:
    """Maps a board's own time base to boot time.

    Bytes arrive late, never early: the smallest difference between arrival and
    board time is the best offset. A board that rebooted starts anew; where its time
    does not show it, :meth:`restart` says so. So that slow
    drift of the board's oscillator is followed, the smallest is over the last
    arrivals only.
    """

    def __init__(self) -> None:
        self._offsets: deque[int] = deque(maxlen=_KEPT * 8)
        self._last_board_ns = -1

    def restart(self) -> None:
        """Forget the board's time base: it may have begun anew."""
        self._offsets.clear()
        self._last_board_ns = -1

    def boot_ns(self, board_ns: int | None, arrived_boot_ns: int) -> int:
        """Return the boot time of a reading that arrived at ``arrived_boot_ns``."""
        if board_ns is None:
            return arrived_boot_ns
        if board_ns < self._last_board_ns:
            self._offsets.clear()
        self._last_board_ns = board_ns
        self._offsets.append(arrived_boot_ns - board_ns)
        return board_ns + min(self._offsets)
