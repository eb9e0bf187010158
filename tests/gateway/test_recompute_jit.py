"""With compiled kernels or without: the same numbers, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.export_rig import Journey, whole

# Six reports an hour: without a compiler a refit costs a second, not ten.
TEN_MINUTES_S = 600
SCRIPT = """
import json, sys
from numba.core.dispatcher import Dispatcher
import gateway.estimator.warming as warming
from gateway.estimator import filter_kernels, kernels, mode_kernels, rate_kernels

def compiled():
    modules = (kernels, rate_kernels, filter_kernels, mode_kernels)
    return {
        f"{module.__name__}.{name}": len(value.signatures)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Dispatcher)
    }

warming.warm_up()
before = compiled()
from tests.gateway.export_rig import whole
whole("inner-pair", 62)
whole("overpack-10mm", 2)
print(json.dumps([before, compiled()]))
"""


@pytest.mark.parametrize("container", ["inner-pair", "overpack-10mm"])
def test_two_hours_are_the_same_without_the_compiler(
    container: str, tmp_path: Path
) -> None:
    journey: Journey = whole(container, 120, TEN_MINUTES_S)
    export = tmp_path / "S.dosetrail"
    export.write_bytes(journey.export())
    is_off = os.environ.get("NUMBA_DISABLE_JIT", "0") == "1"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gateway", "estimate"),
            *(str(export), "--container", str(journey.file)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NUMBA_DISABLE_JIT": "0" if is_off else "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same:" in done.stdout
    assert "half-life" in done.stdout


def test_warming_up_leaves_nothing_to_compile() -> None:
    """One signature for each kernel, before a journey and after it."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NUMBA_DISABLE_JIT": "0"},
    )
    before, after = json.loads(done.stdout)
    assert before == after
    used = {name: count for name, count in after.items() if count}
    assert len(used) >= 5
    assert set(used.values()) == {1}
