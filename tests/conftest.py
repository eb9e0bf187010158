"""What holds for all tests: the order in which they are begun."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole journeys: where files run side by side, none is left over."""
    items.sort(key=lambda item: item.get_closest_marker("journey") is None)
