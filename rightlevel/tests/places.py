"""What tests of places do again and again: test every child, close the round, move a school, add up what every place has."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.transaction import Session
from rightlevel.programme.figures import FigureQuery, figures_below, read_breakdown, read_figures
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.rounds import set_round_state
from rightlevel.programme.schools import SchoolChange, change_school, read_school


async def enter(session: Session, cast: Cast, clock: StandingClock, *, round_id: int | None = None) -> None:
    """Every child of both schools tested in mathematics, in school A at the level of subtraction, in B of division."""
    writes = [
        ResultWrite(str(uuid4()), child, round_id or cast.round, "math", NOW.date(), level=level)
        for children, level in ((cast.students_a, "subtraction"), (cast.students_b, "division"))
        for child in children
    ]
    answers = await enter_results(session, cast.coordinator, writes, clock)
    assert {answer.code for answer in answers} == {"saved"}


async def step(session: Session, cast: Cast, clock: StandingClock, state: str, version: int) -> None:
    await set_round_state(
        session, cast.coordinator, cast.round, version=version, state=state, clock=clock, reason="it is time"
    )


async def assessed_at(
    session: Session, actor: Actor, cast: Cast, place_id: int | None, boundaries: str = "then"
) -> int:
    asked = FigureQuery(cast.round, "math", place_id, boundaries=boundaries)
    return (await read_figures(session, actor, asked)).assessed


async def by_place(session: Session, cast: Cast, boundaries: str = "then") -> tuple[int, ...]:
    """Tested in the country, the north and the south."""
    return tuple(
        [
            await assessed_at(session, cast.coordinator, cast, place, boundaries)
            for place in (cast.country, cast.district_1, cast.district_2)
        ]
    )


async def move(session: Session, cast: Cast, clock: StandingClock, school_id: int, place_id: int) -> None:
    school = await read_school(session, cast.coordinator, school_id)
    change = SchoolChange(school.version, place_id=place_id, reason="the district border was drawn anew")
    await change_school(session, cast.coordinator, school_id, change, clock)


async def every_part(session: Session, cast: Cast, boundaries: str) -> None:
    """Walks down from the countries: each unit is the sum of what hangs on it, in every breakdown."""
    waiting: list[int | None] = [None]
    looked_at = 0
    while waiting:
        place_id = waiting.pop()
        asked = FigureQuery(cast.round, "math", place_id, boundaries=boundaries)
        whole = await read_figures(session, cast.coordinator, asked)
        units: list[Any] = []
        after: str | None = None
        while True:
            page = await figures_below(session, cast.coordinator, asked, PageRequest(2, after))
            units += page.items
            after = page.next
            if after is None:
                break
        assert sum(each.figures.assessed for each in units) == whole.assessed, place_id
        assert [sum(each.figures.levels[at].count for each in units) for at in range(len(whole.levels))] == [
            level.count for level in whole.levels
        ]
        for by in ("grades", "sexes"):
            slices = await read_breakdown(session, cast.coordinator, asked, by=by)  # type: ignore[arg-type]
            assert sum(each.figures.assessed for each in slices) == whole.assessed, (place_id, by)
        waiting += [each.id for each in units if not each.is_school]
        looked_at += len(units)
    assert looked_at >= 5
