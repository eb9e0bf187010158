"""The rigs that run whole programs and real servers, in a small profile."""

from tests.faults import kill_nine
from tests.faults.rig import hush_within
from tests.faults.test_rigs import assert_held


def test_kill_nine_loses_nothing() -> None:
    with hush_within():
        assert_held(kill_nine.find(12, 1, 0))
