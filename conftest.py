"""For both buildings' tests."""

import pytest

import flatwater
import rightlevel

PACKAGES = (flatwater, rightlevel)
"""Imported first: pytest names test modules after their folders, and `rightlevel` must mean the package by then."""

LONGEST = ("test_simulation.py", "test_every_benchmark_runs.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser comes last: while Playwright's synchronous face is open, no other event loop runs in this thread. The longest files come
    first, so that no worker is left alone with one."""

    def turn(item: pytest.Item) -> tuple[bool, bool]:
        return item.get_closest_marker("browser") is not None, item.path.name not in LONGEST

    items.sort(key=turn)
