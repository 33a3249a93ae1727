"""A write that comes alone is written by the same columns as one among many: the short way of the first may not drift from the other."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from people import NOW

from rightlevel.programme.results import ResultWrite
from rightlevel.programme.results.store import Facts, _many, _one

FACTS = Facts(**{each.name: None for each in msgspec.structs.fields(Facts)})
WRITE = ResultWrite("w", "s", 1, "math", NOW.date(), level="division", tool=2)


@pytest.mark.parametrize(
    ("write", "facts"),
    [
        ({}, {}),
        ({"outcome": "absent", "level": None, "tool": None}, {"school_id": 3, "grade": 4, "sex": 2}),
        ({"notes": 'a "word", {or} two', "assent": True, "is_selected": False}, {"class_id": 7}),
        ({"version": 3, "reason": "it was the other child"}, {"result_id": "r", "result_version": 3}),
    ],
)
def test_one_is_written_as_among_many(write: dict[str, Any], facts: dict[str, Any]) -> None:
    pair = msgspec.structs.replace(WRITE, **write), msgspec.structs.replace(FACTS, **facts)
    among_many = _many([pair], has_changes=pair[1].result_id is not None)
    assert _one(*pair) == among_many
    assert len(among_many) == 21
