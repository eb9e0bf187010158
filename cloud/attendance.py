"""Who is heard, and who has been silent for too long without having announced it.

A gateway seals a heartbeat every 30 seconds, also with nothing to say. It is silent if
by the ledger's clock *and* by real time nothing new of it came for a while: simulated
time passes quickly and stands still at its end. Announced radio silence is no silence
until its expected end. Old messages sent again are no sign of life.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from cloud.verification import VerifiedRecord
from schemas.events import Event, EventKind
from schemas.records import Record
from schemas.units import NS_PER_S

# A longest leg of flight, where the announcement does not say how long.
LONGEST_SILENCE_NS: Final = 16 * 3600 * NS_PER_S


@dataclass(slots=True)
class _Heard:
    last_ns: int
    last_s: float
    announced_at: int = -1
    epoch: bytes = b""
    until_ns: int | None = None


class Silence(NamedTuple):
    """A gateway that nobody hears, since an instant of the ledger's clock."""

    gateway: str
    since_ns: int


class Attendance:
    """Follows what is accepted; ``after_s`` is how long silence is nothing."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._heard: dict[str, _Heard] = {}

    def is_heard_since(self, gateway: str, at_ns: int) -> bool:
        """Say whether a gateway said something new after an instant."""
        found = self._heard.get(gateway)
        return found is not None and found.last_ns > at_ns

    def hear(self, gateway: str, at_ns: int, now_s: float) -> None:
        """A gateway said something new, or is known from before."""
        found = self._heard.setdefault(gateway, _Heard(at_ns, now_s))
        found.last_ns, found.last_s = max(at_ns, found.last_ns), now_s

    def note_announcements(
        self, records: Iterable[Record | VerifiedRecord], at_ns: int
    ) -> None:
        """Take announcements of radio silence, in any order."""
        for record in records:
            header, body = record.header, record.body
            found = self._heard.get(header.gateway)
            if found is None or not isinstance(body, Event):
                continue
            if found.epoch == header.epoch and header.sequence < found.announced_at:
                continue
            if body.what is EventKind.RADIO_SILENCE_BEGINS:
                until_ns = body.expected_end_ns or at_ns + LONGEST_SILENCE_NS
            elif body.what is EventKind.RADIO_SILENCE_ENDS:
                until_ns = None
            else:
                continue
            found.until_ns = until_ns
            found.announced_at, found.epoch = header.sequence, header.epoch

    def silent(self, now_ns: int, now_s: float) -> list[Silence]:
        """Return the gateways that are silent and have not announced it."""
        after_ns = round(self._after_s * NS_PER_S)
        return [
            Silence(gateway, one.last_ns)
            for gateway, one in sorted(self._heard.items())
            if now_s - one.last_s >= self._after_s
            and now_ns - max(one.last_ns, one.until_ns or 0) >= after_ns
        ]
