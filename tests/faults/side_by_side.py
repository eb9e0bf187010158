"""Runs rigs side by side on a few cores, those that measure time alone and first."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.faults.campaign import Rig
from tests.faults.rig import print_progress

# Rigs wait now and then, so that a little more than two cores' work fits on two.
CORES: Final = 2.4
NEWS_EVERY_S: Final = 60.0
# A rig that takes so many times as long as it should, and this at least, hangs.
LATE: Final = 5.0
LEAST_LIMIT_S: Final = 900.0
GRACE_S: Final = 10.0


def fits(rig: Rig, beside: Collection[Rig], cores: float) -> bool:
    """Whether a rig may start beside those that run."""
    if not beside:
        return True
    if rig.is_timed or any(one.is_timed for one in beside):
        return False
    return sum(one.cores for one in beside) + rig.cores <= cores


def in_order(rigs: Sequence[Rig]) -> list[Rig]:
    """Return them in the order in which they are begun, the longest first."""
    return sorted(rigs, key=lambda rig: (not rig.is_timed, -rig.minutes))


def run_all(
    rigs: Sequence[Rig], run: Callable[[Rig], bool], cores: float
) -> list[bool]:
    """Run all of them; return what ``run`` said of each, as they ended."""
    waiting, said = in_order(rigs), list[bool]()
    running: dict[Future[bool], Rig] = {}
    began_s = time.monotonic()
    with ThreadPoolExecutor(max(len(waiting), 1)) as pool:
        while waiting or running:
            for rig in waiting.copy():
                if fits(rig, running.values(), cores):
                    waiting.remove(rig)
                    running[pool.submit(run, rig)] = rig
            done, _ = wait(running, NEWS_EVERY_S, FIRST_COMPLETED)
            said += [future.result() for future in done]
            for future in done:
                del running[future]
            names = ", ".join(rig.called for rig in running.values())
            passed = (time.monotonic() - began_s) / 60
            print_progress(
                f"-- {passed:.0f} min, {len(said)} of {len(rigs)} rigs done"
                + (f"; at work: {names}" if names else "")
            )
    return said


def limit_s(rig: Rig) -> float:
    """Return after how many seconds a rig is given up."""
    return max(LATE * 60 * rig.minutes, LEAST_LIMIT_S)


def run_limited(
    words: Sequence[str], folder: Path, most_s: float
) -> tuple[int | None, str]:
    """Run a program; return its status, None if it was given up, and what it printed.

    Whatever it has started ends with it.
    """
    with subprocess.Popen(
        words, cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            printed, _ = process.communicate(timeout=most_s)
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            end_group(process)
        return process.returncode, printed


def end_group(process: subprocess.Popen[str]) -> None:
    """End a program that leads a session, and all that are left of the session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
