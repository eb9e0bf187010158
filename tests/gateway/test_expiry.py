"""Records that are older than anyone wants go as a gap, never by a clock that lies."""

from pathlib import Path

import pytest

from gateway.expiry import expired
from gateway.outbox import Priority
from gateway.timekeeping import Timekeeper
from schemas.records import GapReason, Header, TimeSource, seal_record
from schemas.units import NS_PER_S, instant_ns
from tests.gateway.outbox_chain import (
    GATEWAY,
    HEARTBEAT,
    SIGNER,
    add,
    commit_each,
    filler,
    opened,
)
from tests.gateway.outbox_folder import open_outbox, segments, sequences

NOW_NS = instant_ns("2027-06-01T00:00:00Z")
FLOOR_NS = instant_ns("2026-11-01T00:00:00Z")
DAY_NS = 86_400 * NS_PER_S


class FakeClock:
    exercise = False

    def boot_id(self) -> bytes:
        return b"b" * 16

    def boot_ns(self) -> int:
        return 100 * DAY_NS

    def system_utc_ns(self) -> int:
        return 0


def sealed(boot: bytes, boot_days: int, utc_ns: int | None) -> bytes:
    header = Header(
        version=1,
        gateway=GATEWAY,
        epoch=bytes(8),
        sequence=1,
        kind="heartbeat",
        previous=b"p" * 32,
        boot_id=boot * 16,
        boot_ns=boot_days * DAY_NS,
        time_source=TimeSource.NONE if utc_ns is None else TimeSource.GPS,
        exercise=False,
        utc_ns=utc_ns,
        time_u_ns=None if utc_ns is None else NS_PER_S,
    )
    return seal_record(header, HEARTBEAT, SIGNER)


def keeper(source: str) -> Timekeeper:
    time, clock = Timekeeper(FLOOR_NS), FakeClock()
    if source == "receipt":
        time.take_receipt(NOW_NS, clock.boot_ns())
    for _ in range(2 if source == "gps" else 0):
        time.take_gps(NOW_NS, clock.boot_ns())
    return time


@pytest.mark.parametrize(
    ("boot", "boot_days", "age_days", "source", "is_old"),
    [
        (b"b", 9, None, "none", True),  # 91 days ago in this boot
        (b"b", 11, None, "none", False),
        (b"a", 0, 91, "receipt", True),
        (b"a", 0, 89, "receipt", False),
        (b"a", 0, 91, "gps", False),  # a receiver is not enough
        (b"a", 0, 91, "none", False),
        (b"a", 0, None, "receipt", False),
    ],
)
def test_age_is_judged_by_what_cannot_lie(
    boot: bytes, boot_days: int, age_days: int | None, source: str, is_old: bool
) -> None:
    utc_ns = None if age_days is None else NOW_NS - age_days * DAY_NS
    test = expired(FakeClock(), keeper(source), 90 * DAY_NS)
    assert test(sealed(boot, boot_days, utc_ns)) is is_old


def test_what_is_no_record_does_not_expire() -> None:
    assert not expired(FakeClock(), keeper("receipt"), 0)(b"")


def test_expired_segments_go_and_it_is_stated(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    commit_each(outbox, 30, size=900)
    add(outbox, filler(10), Priority.ALARM)
    commit_each(outbox, 30, size=900)
    before = len(segments(tmp_path, "bulk"))
    outbox.expire(lambda one: opened(one).header.sequence < 40)
    gaps = outbox.take_gaps()
    assert {gap.reason for gap in gaps} == {GapReason.EXPIRED}
    lost = {at for gap in gaps for at in range(gap[0], gap[1] + 1)}
    assert lost == set(range(max(lost) + 1)) - {30}  # the alarm is kept
    assert 16 < max(lost) < 40
    assert set(sequences(outbox)) == set(range(61)) - lost
    outbox.commit()
    assert len(segments(tmp_path, "bulk")) < before
    outbox.expire(lambda _one: True)
    left = sequences(outbox)
    assert left[0] == 30
    assert left[-1] == 60  # what is being written stays
    outbox.close()
