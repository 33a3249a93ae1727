"""No call gives more than five things by their place alone: who reads it could not say which is which."""

from __future__ import annotations

import ast
from pathlib import Path

import flatwater
import rightlevel

MOST_PLACES = 5
SOURCES = [Path(each.__file__ or "").parent for each in (rightlevel, flatwater)]


def crowded(text: str) -> list[int]:
    """The lines of the calls with more arguments by place; a sequence that is spread counts once."""
    calls = (each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Call))
    return [each.lineno for each in calls if len(each.args) > MOST_PLACES]


def test_no_call_has_more_than_five_arguments_by_place() -> None:
    files = [file for source in SOURCES for file in sorted(source.rglob("*.py"))]
    assert len(files) > 400
    found = [f"{file}:{line}" for file in files for line in crowded(file.read_text("utf-8"))]
    assert found == []


def test_a_crowded_call_is_found() -> None:
    assert crowded("make(1, 2, 3, 4, 5)\nmake(1, 2, 3, 4, 5, 6)\nmake(1, 2, 3, 4, 5, last=6)") == [2]
