"""Results whose child has no baseline are found school by school, so many looked at for a page, and none is passed over."""

from __future__ import annotations

import pytest
from people import Cast

from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import list_without_baseline, store

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: midline
-- A later round of the year.
insert into round (school_year_id, kind, starts_on, ends_on, state) values (%(year)s, 'midline', '2026-12-01', '2026-12-10', 'closed') returning id
-- name: result
-- What a child could do.
insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)
select new_id(), st.id, %(round)s, st.school_id, st.class_id, %(by)s, '2026-12-02', %(subject)s::subject, 'assessed', 'grid', 2, st.grade, st.sex
from student st
where st.id = %(student)s::uuid
""",
    origin="test_without_baseline.py",
)


async def prepare(session: Session, cast: Cast) -> int:
    """A midline in which everybody was assessed; at the baseline only two of school A were, and in one subject."""
    later: int = await session.fetch_value(QUERIES["midline"], {"year": cast.school_year})
    by = cast.teacher.person_id
    for student in (*cast.students_a, *cast.students_b):
        values = {"round": later, "by": by, "student": student, "subject": "math"}
        await session.execute(QUERIES["result"], values)
    for student in cast.students_a[:2]:
        values = {"round": cast.round, "by": by, "student": student, "subject": "math"}
        await session.execute(QUERIES["result"], values)
    return later


async def walked(
    session: Session, actor: Actor, later: int, limit: int, **more: int
) -> tuple[list[str], int]:
    """Whose results were listed over all pages, and how many pages there were."""
    found: list[str] = []
    cursor: str | None = None
    for pages in range(1, 60):
        page = await list_without_baseline(session, actor, PageRequest(limit, cursor), round_id=later, **more)
        found += [each.student_id for each in page.items]
        cursor = page.next
        if cursor is None:
            return found, pages
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize(("results", "schools"), [(2, 500), (2_500, 1), (1, 1), (3, 2), (2_500, 500)])
@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_however_much_is_looked_at_for_a_page_all_are_found_once(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch, results: int, schools: int, limit: int
) -> None:
    monkeypatch.setattr(store, "LOOKED_THROUGH", results)
    monkeypatch.setattr(store, "SCHOOLS_LOOKED_AT", schools)
    later = await prepare(session, cast)
    found, _ = await walked(session, cast.coordinator, later, limit)
    assert sorted(found) == sorted([*cast.students_a[2:], *cast.students_b])
    of_b, _ = await walked(session, cast.coordinator, later, limit, school_id=cast.school_b)
    assert sorted(of_b) == sorted(cast.students_b)
    own, _ = await walked(session, cast.mentor, later, limit)
    assert sorted(own) == sorted(cast.students_a[2:])


async def test_an_empty_page_says_that_there_is_more(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOKED_THROUGH", 1)
    later = await prepare(session, cast)
    pages = []
    cursor: str | None = None
    while True:
        page = await list_without_baseline(
            session, cast.coordinator, PageRequest(50, cursor), round_id=later, school_id=cast.school_a
        )
        pages.append(len(page.items))
        cursor = page.next
        if cursor is None:
            break
    assert sum(pages) == 3
    assert pages.count(0) >= 2, "the two with a baseline filled a look each"


async def test_of_a_baseline_nothing_is_without_one(session: Session, cast: Cast) -> None:
    await prepare(session, cast)
    assert await walked(session, cast.coordinator, cast.round, 50) == ([], 1)
