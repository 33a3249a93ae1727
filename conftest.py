"""For both buildings' tests."""

import pytest

import flatwater
import rightlevel

PACKAGES = (flatwater, rightlevel)
"""Imported first: pytest names test modules after their folders, and `rightlevel` must mean the package by then."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser comes last: while Playwright's synchronous face is open, no other event loop runs in this thread."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
