"""What holds for all tests: one cache of compiled kernels, and who begins."""

import os
from pathlib import Path

import pytest

# Set before anything imports numba: every gateway that a test starts would compile its
# kernels anew, for longer than most tests take.
_KERNELS = Path(__file__).resolve().parents[1] / "var" / "numba-cache"
os.environ.setdefault("NUMBA_CACHE_DIR", str(_KERNELS))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole journeys: where files run side by side, none is left over."""
    items.sort(key=lambda item: item.get_closest_marker("journey") is None)
