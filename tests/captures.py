"""Where the real captures lie, and ways to feed bytes to a decoder."""

import os
import random
from collections.abc import Iterator
from functools import reduce
from operator import xor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def capture_dir() -> Path:
    """The folder of the captures.

    A checkout without them skips the test that asks; where
    DOSETRAIL_REQUIRE_CAPTURES=1 it fails.
    """
    folder = _folder()
    if not folder.is_dir():
        message = (
            f"no captures in {folder}: set DOSETRAIL_CAPTURES to the folder "
            "that holds gps/ and dose_rate/"
        )
        if os.environ.get("DOSETRAIL_REQUIRE_CAPTURES") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return folder


def capture_names(kind: str) -> list[str]:
    """Names for a parametrized test; one that leads to capture_dir() if none."""
    return sorted(path.stem for path in (_folder() / kind).glob("*.log")) or ["none"]


def capture(kind: str, name: str) -> bytes:
    """The bytes of one capture."""
    return (capture_dir() / kind / f"{name}.log").read_bytes()


def sentence(body: str, end: str = "\r\n") -> bytes:
    """``body`` between $ and *, with its checksum."""
    return f"${body}*{reduce(xor, body.encode('latin-1'), 0):02X}{end}".encode(
        "latin-1"
    )


def random_cuts(data: bytes, seed: int, longest: int = 200) -> Iterator[bytes]:
    """``data`` in pieces of 1 to ``longest`` bytes."""
    rng = random.Random(seed)
    at = 0
    while at < len(data):
        size = rng.randint(1, longest)
        yield data[at : at + size]
        at += size


def _folder() -> Path:
    return Path(os.environ.get("DOSETRAIL_CAPTURES") or ROOT.parent / "shared" / "data")
