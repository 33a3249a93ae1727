"""What each room takes of a service at rest: more than its share fails here, at the change that brings it, and not in a measurement months later."""

from __future__ import annotations

import pytest
from benchmarks.imports import measure, rooms_of

MOST = 46_900_000
"""Of everything loaded before the first request, each object taken by itself. *Units*: bytes. *Source*: 46.5 MB, 2026-11-30; 43.7 before scales
by page, webhooks, approvals, the public page, draws and imports of four more kinds."""
MOST_OF_A_ROOM = 650_000
DOUBLING = 530_000
"""What doubling the table of interned names takes. *Source*: `rightlevel.programme.rounds.actions` with it and without, 2026-11-30."""
LARGER = {
    "rightlevel.web.language": 1_700_000,
    "rightlevel.programme.exchange": 1_900_000,
    "rightlevel.programme.accounts": 1_350_000,
    "rightlevel.programme.forms": 950_000,
}
"""The texts of the catalogues; header words of three languages; the list of common passwords; the form of a visit."""
LOADED_WHEN_USED = (
    "fontTools",
    "openpyxl",
    "PIL",
    "prometheus_client",
    "pyxform",
    "smtplib",
    "statistics",
    "tarfile",
    "unittest",
    "urllib.request",
    "weasyprint",
    "xlsxwriter",
)


@pytest.fixture(scope="module")
def by_module() -> dict[str, int]:
    return measure()


def test_no_room_takes_more_than_its_share(by_module: dict[str, int]) -> None:
    ours = {
        room: size
        for room, size in rooms_of(by_module).items()
        if room.startswith(("rightlevel", "flatwater")) and size > LARGER.get(room, MOST_OF_A_ROOM)
    }
    # Python's table of names doubles while some room is loaded, and which one that is changes with every import.
    doubled = max(ours, key=ours.__getitem__, default="")
    if ours.get(doubled, 0) - DOUBLING <= LARGER.get(doubled, MOST_OF_A_ROOM):
        ours.pop(doubled, None)
    assert not ours, (
        "what only one page needs is loaded where it is used: python -m benchmarks.imports modules. In a tree that was edited, compile it first as "
        "make does (PYTHONNODEBUGRANGES=1 .venv/bin/python -m compileall -q -f flatwater/src rightlevel/src): other bytecode is larger"
    )


def test_all_of_them_together_take_what_the_plan_says(by_module: dict[str, int]) -> None:
    assert sum(by_module.values()) < MOST, "python -m benchmarks.imports says by whom"


def test_libraries_that_few_requests_need_are_not_loaded_before_one_comes(by_module: dict[str, int]) -> None:
    assert not [name for name in by_module if name.startswith(LOADED_WHEN_USED)]
