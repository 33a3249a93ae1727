"""Every list of groups and teaching pages by key, gives each row once, and hides what a blind re-test must not show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import Page, PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.groups import (
    CheckWrite,
    NewGrouping,
    accept_groups,
    enter_checks,
    list_checks,
    list_ungrouped,
    propose_groups,
    read_group,
    read_groups,
)
from rightlevel.programme.interventions import (
    EnrolmentChange,
    EnrolmentWrite,
    InterventionWrite,
    change_enrolment,
    create_intervention,
    enrol_children,
    list_enrolment_changes,
    list_enrolments,
    list_interventions,
)
from rightlevel.programme.resources import NewResource, ResourceSearch, create_resource, list_resources
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.teaching import dose_of_children, dose_of_schools

pytestmark = pytest.mark.anyio
TODAY = NOW.date()

QUERIES = read_queries(
    """
-- name: await_retest
-- A blind re-test of a child's reading waits.
insert into verification (result_id, round_id, subject, school_id, visible_on, created_by)
select id, round_id, subject, school_id, tested_on, assessor_id from result where student_id = %(student)s::uuid
""",
    origin="test_teaching_lists.py",
)


async def rows_of(ask: Callable[[PageRequest], Awaitable[Page[Any]]]) -> list[Any]:
    """Every row of a list, one a page."""
    rows: list[Any] = []
    page = await ask(PageRequest(1))
    while True:
        assert len(page.items) <= 1
        rows += page.items
        if page.next is None:
            return rows
        assert len(rows) < 50, "a list that never ends"
        page = await ask(PageRequest(1, page.next))


async def accepted(session: Session, cast: Cast, clock: StandingClock) -> int:
    """Reading groups in use for the first two children, both beginners; the group's id."""
    writes = [
        ResultWrite(
            str(uuid4()),
            child,
            cast.round,
            "language",
            TODAY - timedelta(days=3),
            outcome="assessed",
            level="beginner",
        )
        for child in cast.students_a[:2]
    ]
    await enter_results(session, cast.teacher, writes, clock)
    proposal = await propose_groups(
        session, cast.teacher, NewGrouping(cast.school_a, "language", 3, 5), clock
    )
    await accept_groups(session, cast.teacher, proposal.id, proposal.version, clock)
    return (await read_groups(session, cast.teacher, cast.school_a, "language", clock)).groups[0].id


async def test_every_list_gives_each_row_once_page_by_page(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    group_id = await accepted(session, cast, clock)
    grouping = (await read_groups(session, cast.teacher, cast.school_a, "language", clock)).accepted[0]
    child = cast.students_a[0]
    checks = [
        CheckWrite(str(uuid4()), child, "language", "word", TODAY - timedelta(days=back)) for back in range(3)
    ]
    for check in checks:
        await enter_checks(session, cast.teacher, [check], clock)
    programmes = [
        await create_intervention(
            session, cast.admin, InterventionWrite(f"P{n}", TODAY - timedelta(days=5)), clock
        )
        for n in range(3)
    ]
    for _ in range(3):
        await create_resource(session, cast.admin, NewResource("activity", "Song"), clock)
    enrolments = [
        EnrolmentWrite(str(uuid4()), each, TODAY - timedelta(days=2)) for each in cast.students_a[:3]
    ]
    await enrol_children(session, cast.teacher, programmes[0].id, enrolments, clock)
    first = enrolments[0].id
    for version in (1, 2):
        await change_enrolment(
            session, cast.teacher, first, EnrolmentChange(version, TODAY - timedelta(days=version)), clock
        )
    lists: list[tuple[Callable[[PageRequest], Awaitable[Page[Any]]], int]] = [
        (lambda page: list_checks(session, cast.teacher, child, page), 3),
        (lambda page: list_ungrouped(session, cast.teacher, grouping.id, page), 3),
        (lambda page: list_ungrouped(session, cast.coordinator, grouping.id, page), 3),
        (lambda page: list_interventions(session, cast.teacher, page), 3),
        (lambda page: list_resources(session, cast.teacher, page, ResourceSearch(), clock), 3),
        (lambda page: list_enrolments(session, cast.teacher, page, intervention_id=programmes[0].id), 3),
        (lambda page: list_enrolments(session, cast.coordinator, page, school_id=cast.school_a), 3),
        (lambda page: list_enrolments(session, cast.mentor, page, student_id=child), 1),
        (lambda page: list_enrolment_changes(session, cast.mentor, first, page), 2),
        (lambda page: dose_of_children(session, cast.teacher, group_id, page), 2),
        (lambda page: dose_of_schools(session, cast.coordinator, "language", page), 2),
    ]
    for number, (ask, count) in enumerate(lists):
        rows = await rows_of(ask)
        assert len(rows) == count, number
        assert len({str(row) for row in rows}) == count, number


async def test_a_mentor_sees_no_level_that_waits_for_a_blind_retest(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    group_id = await accepted(session, cast, clock)
    await session.execute(QUERIES["await_retest"], {"student": cast.students_a[0]})
    seen = {
        each.student_id: each.level for each in (await read_group(session, cast.mentor, group_id)).members
    }
    assert seen == {cast.students_a[0]: None, cast.students_a[1]: "beginner"}
    dose = {
        each.student_id: each.first_level
        for each in (await dose_of_children(session, cast.mentor, group_id, PageRequest(50))).items
    }
    assert dose == seen
    own = {each.level for each in (await read_group(session, cast.teacher, group_id)).members}
    assert own == {"beginner"}
