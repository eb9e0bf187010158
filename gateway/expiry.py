"""When a record is older than anyone wants it.

Age is judged without trust in a clock that may be years wrong. Of the present boot the
boot time is certain. Of an earlier one it is by dates, and only while the present time
is that of a receipt or of NTP: a receiver that is deceived must not empty the outbox.
"""

from collections.abc import Callable

from gateway.ports import Clock
from gateway.timekeeping import Timekeeper
from schemas.envelope import open_envelope
from schemas.errors import MalformedError
from schemas.records import TimeSource, read_record


def expired(
    clock: Clock, timekeeper: Timekeeper, max_age_ns: int
) -> Callable[[bytes], bool]:
    """Return what says of a sealed record whether it has expired now."""
    boot_id, boot_ns = clock.boot_id(), clock.boot_ns()
    is_vouched = timekeeper.source in (TimeSource.RECEIPT, TimeSource.NTP)
    now_ns = timekeeper.utc_ns(boot_ns) if is_vouched else None

    def is_expired(sealed: bytes) -> bool:
        try:
            header = read_record(open_envelope(sealed).payload).header
        except MalformedError:
            return False
        if header.boot_id == boot_id:
            return boot_ns - header.boot_ns > max_age_ns
        if header.utc_ns is None or now_ns is None:
            return False
        return now_ns - header.utc_ns - 3 * (header.time_u_ns or 0) > max_age_ns

    return is_expired
