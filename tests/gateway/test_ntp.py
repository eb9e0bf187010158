"""UTC by NTP: when the kernel's clock is believed, and what it may contradict."""

import ctypes

import pytest

from gateway.adapters.kernel_time import KernelTime, Timex
from gateway.timekeeping import AGREEMENT_NS, NTP_U_NS, Timekeeper
from schemas.records import TimeSource
from schemas.units import NS_PER_S, instant_ns

FLOOR_NS = instant_ns("2026-11-01T00:00:00Z")
BOOT_AT_NS = instant_ns("2026-11-23T08:00:00Z")
YEAR_NS = 365 * 86_400 * NS_PER_S


def keeper() -> Timekeeper:
    return Timekeeper(FLOOR_NS)


def ntp(time: Timekeeper, at_s: int, wrong_ns: int = 0) -> bool:
    boot_ns = at_s * NS_PER_S
    utc_ns = BOOT_AT_NS + boot_ns + wrong_ns
    return time.take_ntp(utc_ns, 20_000_000, boot_ns) is not None


def gps(time: Timekeeper, at_s: int, wrong_ns: int = 0) -> None:
    for step in range(3):
        boot_ns = (at_s + step) * NS_PER_S
        time.take_gps(BOOT_AT_NS + boot_ns + wrong_ns, boot_ns)


def receipt(time: Timekeeper, at_s: int, wrong_ns: int = 0) -> None:
    boot_ns = at_s * NS_PER_S
    time.take_receipt(BOOT_AT_NS + boot_ns + wrong_ns, boot_ns)


def offset_ns(time: Timekeeper) -> int:
    found = time.utc_minus_boot_ns()
    assert found is not None
    return found - BOOT_AT_NS


def test_it_is_the_best_source_and_news_once() -> None:
    time = keeper()
    receipt(time, 1)
    gps(time, 10)
    assert ntp(time, 20, wrong_ns=300_000_000)
    assert time.source is TimeSource.NTP
    assert offset_ns(time) == 300_000_000
    assert not any(ntp(time, at_s, 310_000_000) for at_s in range(30, 3000, 10))
    gps(time, 4000)
    assert time.source is TimeSource.NTP
    u_ns = time.u_ns(2990 * NS_PER_S)
    assert u_ns is not None
    assert u_ns < 2 * NTP_U_NS


@pytest.mark.parametrize("wrong_ns", [-YEAR_NS, -2 * AGREEMENT_NS])
def test_a_clock_before_floor_or_receipt_is_refused(wrong_ns: int) -> None:
    time = keeper()
    receipt(time, 1)
    assert not ntp(time, 10, wrong_ns)
    assert time.source is TimeSource.RECEIPT


def test_where_gps_contradicts_a_receipt_decides() -> None:
    time = keeper()
    gps(time, 1, wrong_ns=YEAR_NS)
    assert not ntp(time, 10)
    receipt(time, 20)
    assert ntp(time, 30)
    assert abs(offset_ns(time)) < NS_PER_S


def test_somebody_who_sets_the_clock_is_not_followed() -> None:
    time = keeper()
    assert ntp(time, 1)
    assert not ntp(time, 10, wrong_ns=YEAR_NS)
    assert offset_ns(time) == 0


def kernel(state: int, status: int, largest_us: int) -> KernelTime:
    def adjtimex(found: "ctypes._Pointer[Timex]") -> int:
        found.contents.status, found.contents.maxerror = status, largest_us
        return state

    return KernelTime(adjtimex)


def test_the_kernel_is_believed_only_while_it_is_synchronised() -> None:
    found = kernel(0, 0x2001, 1500).read()
    assert found is not None
    assert found.largest_error_ns == 1_500_000
    assert found.utc_ns > FLOOR_NS
    assert kernel(0, 0x2041, 1500).read() is None
    assert kernel(5, 0x2001, 1500).read() is None
    assert kernel(-1, 0, 0).read() is None


def test_the_real_kernel_answers() -> None:
    found = KernelTime().read()
    assert found is None or found.largest_error_ns >= 0
