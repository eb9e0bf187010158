"""How much one message may carry on this link.

Two messages are under way at most, so that an alarm or a live value waits for the two
before it. A message is kept to what the link carries in :data:`MESSAGE_S`, learned
from how long messages take: it begins small, at most doubles from one to the next, and
falls at once.
"""

from typing import Final

from schemas.envelope import MAX_MESSAGE_BYTES

MESSAGE_S: Final = 1.5
FIRST_BYTES: Final = 6 * 1024
LEAST_BYTES: Final = 2 * 1024


class Pace:
    """The limit of one connection."""

    def __init__(self) -> None:
        self.limit_bytes = FIRST_BYTES

    def restart(self) -> None:
        """Another connection: nothing is known of it."""
        self.limit_bytes = FIRST_BYTES

    def took(self, size: int, seconds: float) -> None:
        """Learn that the broker had a message of ``size`` bytes after ``seconds``."""
        carried = MAX_MESSAGE_BYTES
        if seconds > 0:
            carried = min(round(size / seconds * MESSAGE_S), carried)
        if seconds > MESSAGE_S:
            self.limit_bytes = max(min(carried, self.limit_bytes), LEAST_BYTES)
        elif 2 * size >= self.limit_bytes:
            # A small message takes the time of the way and tells nothing of the width.
            self.limit_bytes = max(min(carried, 2 * self.limit_bytes), LEAST_BYTES)
