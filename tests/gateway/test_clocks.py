"""The two clocks: the machine's own, and the simulator's page."""

import os
import re
import threading
import time
from pathlib import Path

import pytest

from gateway.adapters.shared_clock import SharedClock
from gateway.adapters.system_clock import SystemClock
from gateway.errors import ClockLostError, ConfigError
from gateway.ports import Clock
from schemas.simulated_time import PAGE_BYTES, SimulatedInstant, pack_page

BOOT = bytes(range(16))
FIRST = SimulatedInstant(BOOT, 1_000, -5)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "clock"
    path.write_bytes(pack_page(2, FIRST))
    return path


def write(path: Path, turn: int, instant: SimulatedInstant) -> None:
    with path.open("r+b") as file:
        file.write(pack_page(turn, instant))


def test_system_clock_is_the_machines() -> None:
    clock: Clock = SystemClock()
    assert clock.exercise is False
    low = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    boot_ns = clock.boot_ns()
    assert low <= boot_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert boot_ns <= clock.boot_ns()
    # The wall clock may be stepped at any moment; it is a date after 1970.
    assert clock.system_utc_ns() > 0


def test_boot_id_is_the_kernels() -> None:
    text = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    boot_id = SystemClock().boot_id()
    assert len(boot_id) == 16
    assert boot_id.hex() == text.replace("-", "")
    assert boot_id == SystemClock().boot_id()


@pytest.mark.parametrize("content", [None, "", "not a boot id\n", "\xe9" * 36])
def test_boot_id_that_cannot_be_read_names_the_file(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "boot_id"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        SystemClock(path)


def test_shared_clock_follows_its_page(page: Path) -> None:
    shared = SharedClock(page)
    clock: Clock = shared
    assert clock.exercise is True
    assert (clock.boot_id(), clock.boot_ns(), clock.system_utc_ns()) == FIRST
    later = SimulatedInstant(bytes(16), 2**63, 1_763_884_800_000_000_000)
    write(page, 4, later)
    assert (clock.boot_id(), clock.boot_ns(), clock.system_utc_ns()) == later
    shared.close()
    shared.close()


def test_shared_clock_waits_for_the_writer(page: Path) -> None:
    write(page, 3, FIRST)
    clock = SharedClock(page)
    later = FIRST._replace(boot_ns=77)
    writer = threading.Timer(0.01, write, (page, 4, later))
    writer.start()
    assert clock.boot_ns() == 77
    writer.join()
    clock.close()


def test_shared_clock_never_reads_half_a_page(page: Path) -> None:
    """boot_ns and utc_ns are always written as one pair; so must they be read."""
    write(page, 2, SimulatedInstant(BOOT, 0, 0))
    clock = SharedClock(page)
    seen = [clock._instant()]
    is_over = threading.Event()

    def write_pairs() -> None:
        with page.open("r+b", buffering=0) as file:
            for n in range(1, 2000):
                instant = SimulatedInstant(BOOT, n, n)
                body = pack_page(2 * n + 2, instant)
                os.pwrite(file.fileno(), pack_page(2 * n + 1, instant)[:16], 0)
                os.pwrite(file.fileno(), body[16:40], 16)
                os.pwrite(file.fileno(), body[40:], 40)
                os.pwrite(file.fileno(), body[:16], 0)
        is_over.set()

    writer = threading.Thread(target=write_pairs)
    writer.start()
    while not is_over.is_set():
        seen.append(clock._instant())
    writer.join()
    assert all(instant.boot_ns == instant.utc_ns for instant in seen)
    assert clock.boot_ns() == 1999
    clock.close()


def test_page_left_half_written_is_an_error_and_no_hang(page: Path) -> None:
    clock = SharedClock(page, tries=3)
    write(page, 5, FIRST)
    with pytest.raises(ClockLostError, match="half written"):
        clock.boot_ns()
    write(page, 6, FIRST)
    assert clock.boot_ns() == 1_000
    clock.close()


def test_page_that_is_overwritten_is_an_error(page: Path) -> None:
    clock = SharedClock(page)
    with page.open("r+b") as file:
        file.write(bytes(PAGE_BYTES))
    with pytest.raises(ClockLostError, match=re.escape(str(page))):
        clock.boot_ns()
    clock.close()


@pytest.mark.parametrize("content", [None, b"", b"short", b"no page".ljust(64)])
def test_file_that_is_no_page_names_itself(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "clock"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        SharedClock(path)
