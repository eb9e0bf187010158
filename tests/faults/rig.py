"""What the rigs share: their arguments, their findings, their progress, their quiet.

A rig is a module with a ``main``: ``python -m tests.faults.NAME --seed N [--json]``.
It measures, prints what was asked and what it found, one line for each figure, and
ends with status 0 if all of it held, 1 if not, 2 if it cannot run on this machine.
"""

import argparse
import contextlib
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

CANNOT_RUN: Final = 2


class Finding(NamedTuple):
    """One row of PROOF.md: what was asked, what was measured, whether it held.

    ``is_full`` says that the size was the one that was asked, or more.
    """

    figure: str
    asked: str
    measured: str
    is_held: bool
    is_full: bool


class CannotRunError(Exception):
    """This machine does not let the rig work; the message says what is missing."""


def rig_parser(about: str | None) -> argparse.ArgumentParser:
    """Return a parser with the arguments of every rig."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one line for machines")
    return parser


def conclude(findings: Sequence[Finding], *, as_json: bool) -> int:
    """Print the findings; return the exit status."""
    if as_json:
        print(json.dumps({"findings": [one._asdict() for one in findings]}))
    else:
        for one in findings:
            verdict = "held" if one.is_held else "NOT HELD"
            size = "" if one.is_full else " (not at full size)"
            print(f"{one.figure}  asked: {one.asked}\n    found: {one.measured}")
            print(f"    {verdict}{size}")
    return int(not all(one.is_held for one in findings))


@contextmanager
def cannot_run_is_said() -> Iterator[None]:
    """End with status 2 and the reason where a machine does not let the rig work."""
    try:
        yield
    except CannotRunError as reason:
        print_progress(f"cannot run here: {reason}")
        raise SystemExit(CANNOT_RUN) from reason


def simulation_arguments(parser: argparse.ArgumentParser, seeds: int) -> None:
    """Add the arguments of rigs that run the simulation; silence the product."""
    parser.add_argument("--seeds", type=int, default=seeds, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--days", type=float, default=1.0, help="simulated storm, days")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    hush()


def hush() -> None:
    """What the product logs about troubles is the point of a rig, not its result."""
    logging.disable(logging.CRITICAL)


@contextmanager
def hush_within() -> Iterator[None]:
    """Silence the product for a while."""
    hush()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def print_progress(line: str) -> None:
    """Print a line for who waits; the figures go to standard output."""
    print(line, file=sys.stderr, flush=True)


def fast_folder() -> Path:
    """Return a new folder, in memory where there is such a thing."""
    memory = Path("/dev/shm")
    root = memory if memory.is_dir() else None
    return Path(tempfile.mkdtemp(prefix="dosetrail-faults-", dir=root))


@contextmanager
def rig_folder() -> Iterator[Path]:
    """A folder of :func:`fast_folder` that is gone afterwards."""
    with contextlib.ExitStack() as closing:
        memory = Path("/dev/shm")
        root = memory if memory.is_dir() else None
        made = tempfile.TemporaryDirectory(
            prefix="dosetrail-faults-", dir=root, ignore_cleanup_errors=True
        )
        yield Path(closing.enter_context(made))
