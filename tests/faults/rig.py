"""What the rigs share: their arguments, their progress, their quiet."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
