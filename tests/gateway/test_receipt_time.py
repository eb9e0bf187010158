"""A receipt that covers a record bounds UTC from both sides."""

from gateway.timekeeping import AGREEMENT_NS, Timekeeper
from schemas.records import TimeSource
from schemas.units import NS_PER_S, instant_ns

FLOOR_NS = instant_ns("2026-11-01T00:00:00Z")
BOOT_AT_NS = instant_ns("2026-11-23T08:00:00Z")
YEAR_NS = 365 * 86_400 * NS_PER_S


def gps(time: Timekeeper, at_s: int, wrong_ns: int = 0) -> None:
    for step in range(3):
        boot_ns = (at_s + step) * NS_PER_S
        time.take_gps(BOOT_AT_NS + boot_ns + wrong_ns, boot_ns)


def receipt(
    time: Timekeeper, at_s: int, covered_s: int | None, late_s: int = 0
) -> bool:
    """A receipt that is signed at ``at_s`` and comes ``late_s`` later."""
    boot_ns = (at_s + late_s) * NS_PER_S
    covered_ns = None if covered_s is None else covered_s * NS_PER_S
    at_ns = BOOT_AT_NS + at_s * NS_PER_S
    return time.take_receipt(at_ns, boot_ns, covered_ns) is not None


def wrong_ns(time: Timekeeper) -> int:
    found = time.utc_minus_boot_ns()
    assert found is not None
    return abs(found - BOOT_AT_NS)


def test_a_receiver_that_is_years_ahead_is_refuted() -> None:
    time = Timekeeper(FLOOR_NS)
    gps(time, 1, wrong_ns=10 * YEAR_NS)
    assert wrong_ns(time) == 10 * YEAR_NS
    assert receipt(time, 60, covered_s=40)
    assert (time.source.value, wrong_ns(time)) == ("receipt", 0)
    gps(time, 70, wrong_ns=10 * YEAR_NS)
    assert wrong_ns(time) == 0
    gps(time, 80)
    assert (time.source.value, wrong_ns(time)) == ("gps", 0)


def test_without_a_record_that_it_covers_a_receipt_may_just_be_old() -> None:
    time = Timekeeper(FLOOR_NS)
    gps(time, 1, wrong_ns=AGREEMENT_NS * 5)
    assert not receipt(time, 60, covered_s=None)
    assert time.source is TimeSource.GPS


def test_a_receipt_that_is_late_refutes_nothing_that_is_right() -> None:
    time = Timekeeper(FLOOR_NS)
    gps(time, 1)
    assert not receipt(time, 100, covered_s=70, late_s=7200)
    assert not receipt(time, 200, covered_s=30, late_s=0)
    assert time.source is TimeSource.GPS
    assert wrong_ns(time) == 0
