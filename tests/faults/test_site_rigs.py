"""The rigs that run whole programs and real servers, in a small profile."""

from tests.faults import calls_fail, kill_nine, servers_killed, soak
from tests.faults.rig import hush_within
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
