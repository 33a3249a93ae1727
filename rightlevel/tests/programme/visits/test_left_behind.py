"""Drafts and plans of a mentor who lost the school or left are in somebody's reach: leaders hand them over, the new mentor takes them."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from people import Cast, actor_now
from visiting import a_visit

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.accounts import delete_person
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.permissions import Actor
from rightlevel.programme.visits import (
    HandOver,
    NewPlannedVisit,
    cancel_planned_visit,
    delete_visit,
    hand_over_planned_visit,
    hand_over_visit,
    list_left_behind,
    list_visits,
    mentors_of_school,
    plan_visit,
    read_visit,
    save_visit,
    to_do_of,
)
from rightlevel.programme.visits.model import VisitSearch
from rightlevel.programme.visits.planning import AlreadyPlanned

pytestmark = pytest.mark.anyio
PAGE = PageRequest(50)
MONDAY = date(2026, 11, 30)

QUERIES = read_queries(
    """
-- name: end
-- Takes everything from somebody.
update assignment set ended_at = now() where person_id = %(id)s
-- name: give
-- Assigns somebody.
insert into assignment (person_id, school_id, subject, from_on) values (%(id)s, %(school)s, 'math', '2026-01-01')
-- name: audited
-- What was written down of handing over.
select coalesce(jsonb_agg(jsonb_build_array(a.resource, a.before, a.after) order by a.id), '[]') from audit_entry a where a.action = 'hand_over'
""",
    origin="test_left_behind.py",
)


async def begun(session: Session, cast: Cast, clock: StandingClock) -> tuple[str, str]:
    """A mentor's draft and plan at school A, which is another's by now."""
    draft = (await save_visit(session, cast.mentor, a_visit(cast), clock)).visit.id
    plan = NewPlannedVisit(str(uuid4()), cast.school_a, "math", MONDAY)
    await plan_visit(session, cast.mentor, plan, clock)
    await session.execute(QUERIES["end"], {"id": cast.mentor.person_id})
    await session.execute(QUERIES["give"], {"id": cast.mentor_elsewhere.person_id, "school": cast.school_a})
    return draft, plan.id


async def left(session: Session, actor: Actor, clock: StandingClock) -> list[tuple[str, str]]:
    return [(each.kind, each.id) for each in (await list_left_behind(session, actor, PAGE, clock)).items]


async def test_what_a_mentor_left_is_seen_by_leaders_and_offered_to_the_schools_new_mentor(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    assert await left(session, cast.coordinator, clock) == []
    draft, plan = await begun(session, cast, clock)
    expected = [("visit", draft), ("planned_visit", plan)]
    assert await left(session, cast.coordinator, clock) == expected
    new_one = await actor_now(session, "mentor_elsewhere")
    assert await left(session, new_one, clock) == expected
    gone = await actor_now(session, "mentor")
    assert await left(session, gone, clock) == []
    assert (await to_do_of(session, gone, clock)).drafts == 0, "a count of what is in no list"
    with pytest.raises(Forbidden):
        await left(session, cast.teacher, clock)


async def test_the_new_mentor_takes_over_what_was_left_and_goes_on_with_it(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    draft, plan = await begun(session, cast, clock)
    new_one = await actor_now(session, "mentor_elsewhere")
    with pytest.raises(NotFound):
        await read_visit(session, new_one, draft)
    taken = await hand_over_visit(session, new_one, draft, HandOver(1), clock)
    assert (taken.mentor_id, taken.version) == (new_one.person_id, 2)
    planned = await hand_over_planned_visit(session, new_one, plan, HandOver(1), clock)
    assert planned.mentor_id == new_one.person_id
    assert await left(session, cast.coordinator, clock) == []
    mine = await list_visits(session, new_one, PAGE, clock, VisitSearch(state="draft"))
    assert [each.id for each in mine.items] == [draft]
    told = await session.fetch_value(QUERIES["audited"], {})
    before, after = {"mentor_id": cast.mentor.person_id}, {"mentor_id": new_one.person_id}
    assert told == [["visit", before, after], ["planned_visit", before, after]]


async def test_a_leader_hands_over_to_a_mentor_of_the_school_or_closes(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    draft, plan = await begun(session, cast, clock)
    choices = await mentors_of_school(session, cast.coordinator, cast.school_a, "math", clock)
    assert [each.id for each in choices] == [cast.mentor_elsewhere.person_id]
    for nobody in (cast.mentor.person_id, cast.teacher.person_id, 999_999):
        with pytest.raises(Invalid):
            await hand_over_visit(session, cast.coordinator, draft, HandOver(1, nobody), clock)
    with pytest.raises(Stale):
        await hand_over_visit(session, cast.coordinator, draft, HandOver(7, choices[0].id), clock)
    await hand_over_visit(session, cast.coordinator, draft, HandOver(1, choices[0].id), clock)
    await cancel_planned_visit(session, cast.coordinator, plan, reason="nobody goes", version=1, clock=clock)
    assert await left(session, cast.coordinator, clock) == []
    await delete_visit(session, cast.coordinator, draft, version=2, reason="old", clock=clock)


@pytest.mark.parametrize("kind", ["visit", "planned_visit"])
async def test_what_is_not_left_is_nobodys_to_take(
    session: Session, cast: Cast, clock: StandingClock, kind: str
) -> None:
    draft = (await save_visit(session, cast.mentor, a_visit(cast), clock)).visit.id
    plan = NewPlannedVisit(str(uuid4()), cast.school_a, "math", MONDAY)
    await plan_visit(session, cast.mentor, plan, clock)
    await session.execute(QUERIES["give"], {"id": cast.mentor_elsewhere.person_id, "school": cast.school_a})
    beside = await actor_now(session, "mentor_elsewhere")
    deed: Any = hand_over_visit if kind == "visit" else hand_over_planned_visit
    which = draft if kind == "visit" else plan.id
    with pytest.raises(NotFound):
        await deed(session, beside, which, HandOver(1), clock)
    with pytest.raises(Forbidden):
        await deed(session, beside, which, HandOver(1, cast.mentor.person_id), clock)
    with pytest.raises(NotFound):
        await deed(session, beside, str(uuid4()), HandOver(1), clock)
    with pytest.raises(NotFound):
        await deed(session, beside, "x", HandOver(1), clock)


async def test_somebody_who_left_leaves_theirs_behind_too_and_a_day_is_planned_once(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    draft, plan = await begun(session, cast, clock)
    await session.execute(QUERIES["give"], {"id": cast.mentor.person_id, "school": cast.school_a})
    assert await left(session, cast.coordinator, clock) == []
    await delete_person(session, cast.coordinator, cast.mentor.person_id, reason="left", clock=clock)
    assert await left(session, cast.coordinator, clock) == [("visit", draft), ("planned_visit", plan)]
    new_one = await actor_now(session, "mentor_elsewhere")
    await plan_visit(session, new_one, NewPlannedVisit(str(uuid4()), cast.school_a, "math", MONDAY), clock)
    with pytest.raises(AlreadyPlanned):
        await hand_over_planned_visit(session, new_one, plan, HandOver(1), clock)
