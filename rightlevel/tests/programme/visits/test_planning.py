"""Planned visits, what fulfils them, next week with its reasons, and calendars."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import Cast
from visiting import a_visit, sent_visit

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.permissions import Actor
from rightlevel.programme.visits import (
    NewPlannedVisit,
    PlannedVisit,
    WeekRules,
    cancel_planned_visit,
    delete_visit,
    list_calendar_links,
    list_planned_visits,
    make_calendar_link,
    move_planned_visit,
    plan_visit,
    rank_next_week,
    read_calendar,
    revoke_calendar_link,
    save_visit,
    set_week_rules,
    sweep_calendar_links,
    to_do_of,
)
from rightlevel.programme.visits.calendars import TooManyCalendarLinks
from rightlevel.programme.visits.planning import AlreadyPlanned, NotPlannedAnyMore

pytestmark = pytest.mark.anyio
PAGE = PageRequest(50)
MONDAY = date(2026, 11, 30)

QUERIES = read_queries(
    """
-- name: place_school
-- Puts a school somewhere.
update school set latitude = %(latitude)s, longitude = %(longitude)s where id = %(id)s
-- name: assign
-- Assigns a mentor.
insert into assignment (person_id, school_id, subject, from_on) values (%(person)s, %(school)s, 'math', '2026-01-01')
-- name: make_midline
-- A round after the cast's own, and begun already.
insert into round (school_year_id, kind, starts_on, ends_on, state)
values (%(year)s, 'midline', %(from_on)s, %(to_on)s, 'open')
returning id
-- name: shorten_round
-- Lets the cast's round end sooner.
update round set ends_on = %(to_on)s, state = 'closed' where id = %(id)s
-- name: count_two_rounds
-- Reading fell from words to letters, mathematics rose from 1-digit numbers to subtraction.
insert into school_count (round_id, subject, school_id, grade, sex, absent, refused, went, rank_1, rank_2, rank_3, rank_4, rank_5, rank_6,
    rank_7, rank_8, rank_9)
values (%(before)s, 'language', %(school)s, 3, 1, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0),
    (%(now)s, 'language', %(school)s, 3, 1, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0),
    (%(before)s, 'math', %(school)s, 3, 1, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0),
    (%(now)s, 'math', %(school)s, 3, 1, 0, 0, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0)
-- name: end_person
-- Switches an account off.
update person set is_active = false where id = %(id)s
""",
    origin="test_planning.py",
)


def new(cast: Cast, **more: Any) -> NewPlannedVisit:
    return msgspec.structs.replace(NewPlannedVisit(str(uuid4()), cast.school_a, "math", MONDAY), **more)


async def states(session: Session, actor: Actor, clock: StandingClock, which: str = "all") -> list[str]:
    return [
        each.state for each in (await list_planned_visits(session, actor, PAGE, clock, which=which)).items
    ]


async def test_mentors_plan_their_own_visits_and_leaders_anybodys(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    plan = new(cast)
    made = await plan_visit(session, cast.mentor, plan, clock)
    assert (made.state, made.mentor_id) == ("planned", cast.mentor.person_id)
    assert await plan_visit(session, cast.mentor, plan, clock) == made
    with pytest.raises(AlreadyPlanned):
        await plan_visit(session, cast.mentor, new(cast), clock)
    with pytest.raises(Forbidden):
        await plan_visit(session, cast.mentor, new(cast, mentor_id=cast.mentor_elsewhere.person_id), clock)
    with pytest.raises(OutOfScope):
        await plan_visit(session, cast.mentor, new(cast, school_id=cast.school_b), clock)
    with pytest.raises(Forbidden):
        await plan_visit(session, cast.teacher, new(cast), clock)
    with pytest.raises(Invalid):  # not a mentor of that school
        await plan_visit(
            session, cast.coordinator, new(cast, mentor_id=cast.mentor_elsewhere.person_id), clock
        )
    for more in ({"planned_on": date(2026, 11, 22)}, {"subject": "music"}, {"note": "x" * 201}, {"id": "x"}):
        with pytest.raises(Invalid):
            await plan_visit(session, cast.mentor, new(cast, **more), clock)
    theirs = new(cast, mentor_id=cast.mentor.person_id, planned_on=MONDAY + timedelta(days=1))
    assert (await plan_visit(session, cast.coordinator, theirs, clock)).mentor_id == cast.mentor.person_id


async def planned_in(session: Session, cast: Cast, clock: StandingClock, state: str) -> PlannedVisit:
    made = await plan_visit(session, cast.mentor, new(cast, planned_on=date(2026, 11, 24)), clock)
    if state == "cancelled":
        return await cancel_planned_visit(
            session, cast.mentor, made.id, reason="flood", version=1, clock=clock
        )
    if state == "done":
        await sent_visit(session, cast, clock)
    return made


@pytest.mark.parametrize("state", ["done", "cancelled"])
@pytest.mark.parametrize("step", ["move", "cancel"])
async def test_only_what_is_planned_is_moved_or_cancelled(
    session: Session, cast: Cast, clock: StandingClock, state: str, step: str
) -> None:
    made = await planned_in(session, cast, clock, state)
    with pytest.raises(NotPlannedAnyMore):
        if step == "move":
            await move_planned_visit(session, cast.mentor, made.id, planned_on=MONDAY, version=2, clock=clock)
        else:
            await cancel_planned_visit(session, cast.mentor, made.id, reason="x", version=2, clock=clock)


async def test_a_planned_visit_is_moved_and_cancelled_with_a_reason_by_its_mentor_or_a_leader(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await plan_visit(session, cast.mentor, new(cast), clock)
    moved = await move_planned_visit(
        session, cast.mentor, made.id, planned_on=MONDAY + timedelta(days=2), version=1, clock=clock
    )
    assert (moved.planned_on, moved.version) == (MONDAY + timedelta(days=2), 2)
    with pytest.raises(Stale):
        await cancel_planned_visit(session, cast.mentor, made.id, reason="x", version=1, clock=clock)
    with pytest.raises(Invalid):
        await cancel_planned_visit(session, cast.mentor, made.id, reason="", version=2, clock=clock)
    with pytest.raises(NotFound):
        await cancel_planned_visit(
            session, cast.mentor_elsewhere, made.id, reason="x", version=2, clock=clock
        )
    gone = await cancel_planned_visit(
        session, cast.coordinator, made.id, reason="flood", version=2, clock=clock
    )
    assert gone.state == "cancelled"


async def test_a_visit_that_is_sent_fulfils_what_was_planned_and_taken_away_plans_it_again(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await plan_visit(session, cast.mentor, new(cast, planned_on=date(2026, 11, 24)), clock)
    await plan_visit(session, cast.mentor, new(cast, planned_on=date(2026, 12, 24)), clock)
    await save_visit(session, cast.mentor, a_visit(cast), clock)
    assert await states(session, cast.mentor, clock) == ["planned", "planned"]
    sent = await sent_visit(session, cast, clock)
    assert await states(session, cast.mentor, clock) == ["done", "planned"]
    await delete_visit(
        session, cast.coordinator, sent.visit.id, version=sent.visit.version, reason="twice", clock=clock
    )
    assert await states(session, cast.mentor, clock) == ["planned", "planned"]


async def test_what_was_planned_and_not_made_is_overdue(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await plan_visit(session, cast.mentor, new(cast, planned_on=date(2026, 11, 24)), clock)
    await plan_visit(session, cast.mentor, new(cast), clock)
    assert await states(session, cast.mentor, clock, "overdue") == []
    clock.advance(3 * 86_400)
    assert await states(session, cast.mentor, clock, "overdue") == ["planned"]
    await save_visit(session, cast.mentor, a_visit(cast), clock)
    waiting = await to_do_of(session, cast.mentor, clock)
    assert (waiting.overdue, waiting.drafts, waiting.follow_ups) == (1, 1, 0)


async def test_next_week_is_ranked_with_the_reasons_shown(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for school, north in ((cast.school_a, 11.5), (cast.school_b, 11.6)):
        await session.execute(QUERIES["place_school"], {"id": school, "latitude": north, "longitude": 104.9})
    fresh = (await rank_next_week(session, cast.mentor, clock)).schools
    assert [(each.school_id, each.overdue_points, each.last_on) for each in fresh] == [
        (cast.school_a, 4.0, None)
    ]
    assert fresh[0].missing_points == 3.0  # nobody is tested in the open round
    await sent_visit(session, cast, clock)
    seen = (await rank_next_week(session, cast.mentor, clock)).schools[0]
    assert (seen.last_on, seen.overdue_points, seen.km) == (date(2026, 11, 20), 0.0, None)
    assert seen.points == pytest.approx(
        seen.overdue_points
        + seen.agreement_points
        + seen.movement_points
        + seen.missing_points
        + seen.near_points
    )
    await set_week_rules(session, cast.coordinator, WeekRules(missing=0, near=0))
    assert (await rank_next_week(session, cast.mentor, clock)).schools[0].points == 0


async def test_the_distance_is_that_on_the_globe_from_where_the_mentor_was_last(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for school, north in ((cast.school_a, 0.0), (cast.school_b, 1.0)):
        await session.execute(QUERIES["place_school"], {"id": school, "latitude": north, "longitude": 104.9})
    await session.execute(QUERIES["assign"], {"person": cast.mentor.person_id, "school": cast.school_b})
    await sent_visit(session, cast, clock)
    week = await rank_next_week(session, cast.coordinator, clock, mentor_id=cast.mentor.person_id)
    km = {each.school_id: each.km for each in week.schools}
    # One degree of a meridian on a sphere of 6,371.0088 km.
    # Where the mentor was last says nothing for going there again.
    assert km == {cast.school_a: None, cast.school_b: pytest.approx(111.195, abs=0.001)}
    assert [each.school_id for each in week.schools] == [cast.school_b, cast.school_a]


async def test_the_movement_is_that_of_the_subject_that_moved_least_with_its_rounds_and_counts(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await session.execute(QUERIES["shorten_round"], {"id": cast.round, "to_on": date(2026, 11, 10)})
    days = {"from_on": date(2026, 11, 11), "to_on": date(2026, 12, 20)}
    midline = await session.fetch_value(QUERIES["make_midline"], {"year": cast.school_year, **days})
    rounds = {"before": cast.round, "now": midline, "school": cast.school_a}
    await session.execute(QUERIES["count_two_rounds"], rounds)
    due = (await rank_next_week(session, cast.mentor, clock)).schools[0]
    assert due.shift is not None
    # Reading: from 12 children at words to 10 at letters; mathematics rose, and would have hidden it where both are put together.
    assert (due.shift_subject, due.from_round, due.to_round) == ("language", "baseline", "midline")
    assert (due.shift, due.tested_before, due.tested_now) == (-1.0, 12, 10)
    assert due.movement_points == 2.0


async def test_a_mentor_sees_their_own_week_only_and_leaders_set_the_rules(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    with pytest.raises(Forbidden):
        await rank_next_week(session, cast.mentor, clock, mentor_id=cast.mentor_elsewhere.person_id)
    with pytest.raises(Forbidden):
        await rank_next_week(session, cast.teacher, clock)
    with pytest.raises(Forbidden):
        await set_week_rules(session, cast.mentor, WeekRules())
    for rules in (
        WeekRules(overdue=-1),
        WeekRules(every_days=0),
        WeekRules(near_km=0),
        WeekRules(wanted_agreement=2),
    ):
        with pytest.raises(Invalid):
            await set_week_rules(session, cast.coordinator, rules)


async def test_a_calendar_shows_its_persons_plan_until_it_is_revoked_or_runs_out(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await plan_visit(session, cast.mentor, new(cast), clock)
    made = await make_calendar_link(session, cast.mentor, clock)
    secret = made.path.removeprefix("/calendar/").removesuffix(".ics")
    assert [each.school_name for each in (await read_calendar(session, secret, clock)).visits] == [
        "Alpha School"
    ]
    for wrong in ("x" * 43, "", secret[:-1], "ក" * 43):
        with pytest.raises(NotFound):
            await read_calendar(session, wrong, clock)
    with pytest.raises(NotFound):
        await revoke_calendar_link(session, cast.mentor_elsewhere, made.id, clock)
    await revoke_calendar_link(session, cast.mentor, made.id, clock)
    with pytest.raises(NotFound):
        await read_calendar(session, secret, clock)
    second = await make_calendar_link(session, cast.mentor, clock)
    other = second.path.removeprefix("/calendar/").removesuffix(".ics")
    clock.advance(367 * 86_400)
    with pytest.raises(NotFound):
        await read_calendar(session, other, clock)
    clock.advance(31 * 86_400)
    assert await sweep_calendar_links(session, clock) == 2


async def test_the_calendar_of_somebody_who_is_gone_is_gone(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await make_calendar_link(session, cast.mentor, clock)
    secret = made.path.removeprefix("/calendar/").removesuffix(".ics")
    await session.execute(QUERIES["end_person"], {"id": cast.mentor.person_id})
    with pytest.raises(NotFound):
        await read_calendar(session, secret, clock)


async def test_a_person_has_five_calendar_links_at_most(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for _ in range(5):
        await make_calendar_link(session, cast.mentor, clock)
    with pytest.raises(TooManyCalendarLinks):
        await make_calendar_link(session, cast.mentor, clock)
    assert len(await list_calendar_links(session, cast.mentor, clock)) == 5
    with pytest.raises(Forbidden):
        await make_calendar_link(session, cast.teacher, clock)
