"""Whoever has many schools is shown the same queue as by the way that is quick for a few."""

from typing import Any

import msgspec
import pytest
from fill_school import fill_school, ground
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.permissions import Actor, Held, Scope
from rightlevel.programme.verification import store, verification_queue

pytestmark = pytest.mark.anyio

CLASS_OF = read_queries(
    "-- name: class_of\n-- The class that its children are in.\nselect id from class where school_id = %(school)s and section = 'F'",
    origin="test_wide_queue.py",
)["class_of"]


async def seen(
    session: Session, actor: Actor, round_id: int, state: str, rows: int
) -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = []
    page = PageRequest(rows)
    for _ in range(20):
        found = await verification_queue(
            session, actor, page, StandingClock(NOW), round_id=round_id, state=state
        )
        pages.append([msgspec.to_builtins(each) for each in found.items])
        if found.next is None:
            return pages
        page = PageRequest(rows, after=found.next)
    raise AssertionError("the queue has no end")


async def test_the_wide_way_shows_what_the_narrow_way_shows(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = await ground(session, cast)
    for school in (cast.school_a, cast.school_b):
        await fill_school(session, school, values)
    class_f = await session.fetch_value(CLASS_OF, {"school": cast.school_a})
    scopes = {
        "everything of one": (Held(cast.school_a, "language"), Held(cast.school_a, "math")),
        "a subject of each": (Held(cast.school_a, "language"), Held(cast.school_b, "math")),
        "a class": (Held(cast.school_a, "language", class_f), Held(cast.school_b, "language")),
        "another class": (Held(cast.school_a, "math", cast.class_3a),),
        "nothing": (),
    }
    lengths: dict[str, int] = {}
    for name, held in scopes.items():
        actor = msgspec.structs.replace(cast.mentor, scope=Scope(held=held))
        for state in ("waiting", "disputed", "returned", "under_way", "settled"):
            monkeypatch.setattr(store, "FEW_SCHOOLS", 50)
            narrow = await seen(session, actor, cast.round, state, 2)
            monkeypatch.setattr(store, "FEW_SCHOOLS", -1)
            assert await seen(session, actor, cast.round, state, 2) == narrow, (name, state)
            lengths[name] = lengths.get(name, 0) + sum(len(page) for page in narrow)
    assert lengths["another class"] == lengths["nothing"] == 0
    assert min(lengths["everything of one"], lengths["a class"]) > 0
    assert lengths["a subject of each"] > 0
