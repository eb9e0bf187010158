"""The rigs that run whole programs and real servers, in a small profile."""

import os
import sys

import pytest

from tests.faults import (
    cable_pulls,
    calls_fail,
    full_disk,
    kill_nine,
    outage,
    receipt_latency,
    servers_killed,
    soak,
)
from tests.faults.rig import CannotRunError, hush_within
from tests.faults.test_rigs import assert_held


def test_kill_nine_loses_nothing() -> None:
    with hush_within():
        assert_held(kill_nine.find(12, 1, 0))


def test_killed_servers_lose_nothing() -> None:
    with hush_within():
        assert_held(servers_killed.find({"broker": 1, "ingest": 1, "influx": 1}, 0))


def test_a_call_that_fails_loses_nothing() -> None:
    with hush_within():
        assert_held(calls_fail.find(300, 100))


def test_a_busy_gateway_keeps_its_files() -> None:
    with hush_within():
        looks, judged = soak.soak(4.0, 6.0, 0)
    assert judged.is_complete
    assert looks[-1].files <= looks[0].files


def test_an_outage_drains() -> None:
    with hush_within():
        found = outage.live_through(0.5)
    assert found.records > 60
    assert found.disk_bytes <= 1.05 * found.sealed_bytes + 2 * outage.SEGMENT_BYTES
    assert found.drained_s < outage.MOST_DRAIN_S


def test_a_full_disk_keeps_alarms() -> None:
    with hush_within():
        if os.geteuid() == 0:
            assert_held(full_disk.find(4.0))
            return
        print("\nNOT MEASURED HERE: a full disk needs root", file=sys.__stderr__)
        with pytest.raises(CannotRunError):
            full_disk.find(1.0)


def test_a_pulled_cable_is_in_step_soon() -> None:
    with hush_within():
        assert_held(cable_pulls.find(6, 0))


def test_every_record_of_many_gateways_is_receipted() -> None:
    with hush_within():
        late_s, without = receipt_latency.measure(20, 6.0, 0)
    assert len(late_s) >= 20
    assert without == 0
