"""The rigs that need no server, in a small profile; `make prove` runs them in full.

Where there can be no ext4 on a loop device (it needs root), the run says so
on standard error, and the test checks that the rig refuses; `make prove` fails there.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults import (
    clock_steps,
    disk_bytes,
    ext4_cuts,
    opening,
    quota,
    serial_noise,
)
from tests.faults.loop_disk import why_not
from tests.faults.rig import CannotRunError, Finding, hush_within


def assert_held(findings: Sequence[Finding]) -> None:
    assert findings
    for one in findings:
        assert one.is_held, f"{one.figure}: {one.measured}"


@pytest.fixture
def no_ext4(tmp_path: Path) -> str | None:
    """Why there is no ext4 here; said in the run's own words, never passed over."""
    reason = why_not(tmp_path)
    if reason is not None:
        print(f"\nNOT MEASURED HERE: {reason}", file=sys.__stderr__)
    return reason


def test_an_ext4_whose_power_is_cut_loses_nothing(no_ext4: str | None) -> None:
    if no_ext4 is not None:
        with pytest.raises(CannotRunError):
            ext4_cuts.find(1, 0)
        return
    with hush_within():
        assert_held(ext4_cuts.find(12, 0))


def test_bytes_that_reach_an_ext4(no_ext4: str | None) -> None:
    if no_ext4 is not None:
        with pytest.raises(CannotRunError):
            disk_bytes.find(240)
        return
    alone, grouped = disk_bytes.find(960)
    assert_held([alone])
    assert "SQLite" in grouped.measured


def test_serial_noise_is_survived() -> None:
    assert_held(serial_noise.find(12.0, 0))


def test_a_torn_outbox_opens_soon() -> None:
    (found,) = opening.find(2)
    assert found.is_held


def test_wrong_clocks_change_no_order() -> None:
    assert_held(clock_steps.find(12, 0))


def test_a_quota_states_what_it_drops() -> None:
    assert_held(quota.find(1.0))
