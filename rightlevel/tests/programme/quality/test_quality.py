"""Each look at a day's tests: what asks for it and what does not, to whom it is told, and that it costs the same for one and for many."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, OutOfScope
from rightlevel.programme.permissions import Actor
from rightlevel.programme.quality import (
    AssessorDay,
    AssessorTestsQuery,
    QualityQuery,
    assessors_of_day,
)
from rightlevel.programme.quality import tests_of_assessor as read_tests

pytestmark = pytest.mark.anyio
TODAY = NOW.date()
QUERIES = read_queries(
    """
-- name: endline
-- A round after the cast's.
insert into round (school_year_id, kind, starts_on, ends_on, state)
values (%(year)s, 'endline', '2026-12-01', '2026-12-10', 'planned') returning id
-- name: children
-- Children of a school with names of their own.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select %(school)s, %(year)s, %(prefix)s || n, %(prefix)s || ' ' || n, lower(%(prefix)s) || ' ' || n, 1, 3 from generate_series(1, %(count)s) n
returning id::text as id
-- name: result
-- What a child could do.
insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex, created_at)
select new_id(), st.id, %(round)s, st.school_id, st.class_id, %(by)s, %(on)s, %(subject)s::subject, %(outcome)s::outcome, %(method)s::entry_method,
    %(rank)s, st.grade, st.sex, %(came_at)s
from student st where st.id = %(student)s::uuid returning id::text as id
-- name: guided
-- The steps of a guided test.
insert into guided_test (write_id, result_id, steps) values (new_id(), %(result)s::uuid, %(steps)s::jsonb)
-- name: retest
-- A re-test of a result that was saved, or that waits.
insert into verification (result_id, round_id, subject, school_id, state, visible_on, created_by, rank, verifier_id, first_rank, first_assessor_id)
select r.id, r.round_id, r.subject, r.school_id, case when %(rank)s::smallint is null then 'pending' when %(rank)s = r.rank then 'agreed'
        else 'disagreed' end::verification_state, %(on)s, %(by)s, %(rank)s, case when %(rank)s::smallint is not null then %(by)s end,
    case when %(rank)s::smallint is not null then r.rank end, case when %(rank)s::smallint is not null then r.assessor_id end
from result r where r.id = %(result)s::uuid
-- name: parted
-- Somebody said that two children are two.
insert into not_duplicates (first_id, second_id, said_at, said_by)
values (least(%(one)s::uuid, %(other)s::uuid), greatest(%(one)s::uuid, %(other)s::uuid), now(), %(by)s)
-- name: rename
-- Gives a child the name of another.
update student st set name = o.name, name_key = o.name_key, sex = o.sex from student o
where st.id = %(student)s::uuid and o.id = %(like)s::uuid
""",
    origin="test_quality.py",
)


class Made(msgspec.Struct, frozen=True):
    id: str


class Day:
    """A day of tests, in the test's transaction."""

    def __init__(self, session: Session, cast: Cast, clock: StandingClock) -> None:
        self.session, self.cast, self.clock = session, cast, clock
        self.at = NOW

    async def children(self, count: int, *, school: int | None = None, prefix: str = "Q") -> list[str]:
        values = {
            "school": school or self.cast.school_a,
            "year": self.cast.school_year,
            "prefix": prefix,
            "count": count,
        }
        return [each.id for each in await self.session.fetch_all(QUERIES["children"], values, into=Made)]

    async def tests(self, students: list[str], rank: int | None = 3, **more: Any) -> list[str]:
        """Results, each a minute after the one before."""
        made: list[str] = []
        for student in students:
            self.at += timedelta(minutes=1)
            values = {
                "student": student,
                "round": self.cast.round,
                "by": self.cast.teacher.person_id,
                "on": TODAY,
                "subject": "language",
                "outcome": "assessed" if rank else "refused",
                "method": "direct",
                "rank": rank,
                "came_at": self.at,
            } | more
            made.append(await self.session.fetch_value(QUERIES["result"], values))
        return made

    async def told(self, actor: Actor | None = None, **more: Any) -> list[AssessorDay]:
        found = await assessors_of_day(
            self.session, actor or self.cast.coordinator, QualityQuery(**more), PageRequest(50), self.clock
        )
        return found.items

    async def looks(self, actor: Actor | None = None, **more: Any) -> list[list[str]]:
        return [list(each.looks) for each in await self.told(actor, **more)]

    async def retest(self, result: str, rank: int | None) -> None:
        values = {
            "result": result,
            "on": TODAY,
            "by": self.cast.coordinator.person_id,
            "rank": rank,
        }
        await self.session.execute(QUERIES["retest"], values)


@pytest.fixture
def day(session: Session, cast: Cast, clock: StandingClock) -> Day:
    return Day(session, cast, clock)


async def test_a_usual_day_has_nothing_to_look_at(day: Day) -> None:
    students = await day.children(10)
    for rank in range(1, 6):
        await day.tests(students[2 * rank - 2 : 2 * rank], rank)
    found = await day.told()
    assert [(each.assessor_name, each.school_name, each.tests, each.looks) for each in found] == [
        ("Teacher", "Alpha School", 10, [])
    ]
    assert await day.told(only_flagged=True) == []


@pytest.mark.parametrize(
    ("count", "rank_of_last", "is_heaped"), [(10, 3, True), (9, 3, False), (10, 5, False)]
)
async def test_heaping_is_four_in_five_of_ten_or_more(
    day: Day, count: int, rank_of_last: int, is_heaped: bool
) -> None:
    students = await day.children(count)
    await day.tests(students[:7])
    await day.tests(students[7:], rank_of_last)
    found = await day.told()
    assert ("heaping" in found[0].looks) is is_heaped
    assert (found[0].most_at, found[0].most_at_n) == ("word", count if rank_of_last == 3 else 7)


@pytest.mark.parametrize(("seconds", "is_told"), [([10, 9], True), ([10, 10], False), ([5, None], False)])
async def test_a_guided_test_under_twenty_seconds_is_too_fast_where_each_step_kept_its_time(
    day: Day, seconds: list[int | None], is_told: bool
) -> None:
    (student,) = await day.children(1)
    (result,) = await day.tests([student], method="guided")
    steps = json.dumps([{"task": "words", "right": 4, "took_s": each} for each in seconds])
    await day.session.execute(QUERIES["guided"], {"result": result, "steps": steps})
    assert await day.looks() == [["too_fast"] if is_told else []]
    assert (await day.told())[0].timed == (0 if None in seconds else 1)


@pytest.mark.parametrize(
    ("method", "count", "is_told"), [("direct", 5, True), ("direct", 4, False), ("grid", 5, False)]
)
async def test_five_bare_levels_in_one_minute_are_told_and_a_class_grid_is_not(
    day: Day, method: str, count: int, is_told: bool
) -> None:
    await day.tests(await day.children(count), method=method, came_at=NOW)
    assert await day.looks() == [["in_one_minute"] if is_told else []]


@pytest.mark.parametrize(("refused", "tested", "is_told"), [(2, 8, True), (1, 2, False), (2, 18, False)])
async def test_refusals_are_two_and_over_a_tenth(day: Day, refused: int, tested: int, is_told: bool) -> None:
    students = await day.children(refused + tested)
    await day.tests(students[:refused], None)
    for number, student in enumerate(students[refused:]):
        await day.tests([student], 1 + number % 5)
    assert await day.looks() == [["refusals"] if is_told else []]


@pytest.mark.parametrize(("before", "after", "is_told"), [(5, 3, True), (4, 3, False), (2, 5, False)])
async def test_a_drop_is_of_two_levels_from_the_newest_round_before(
    day: Day, before: int, after: int, is_told: bool
) -> None:
    endline = await day.session.fetch_value(QUERIES["endline"], {"year": day.cast.school_year})
    students = await day.children(1)
    await day.tests(students, before, on=date(2026, 11, 5))
    await day.tests(students, after, round=endline)
    assert await day.looks() == [["drops"] if is_told else []]
    (test,) = (await of_teacher(day)).items
    assert (test.level, test.looks) == ("word" if after == 3 else "story", ["drops"] if is_told else [])


async def test_a_child_of_a_later_round_without_a_baseline_is_told(day: Day) -> None:
    endline = await day.session.fetch_value(QUERIES["endline"], {"year": day.cast.school_year})
    with_it, without = await day.children(2)
    await day.tests([with_it], on=date(2026, 11, 5))
    await day.tests([with_it, without], round=endline)
    found = await day.told()
    assert (found[0].without_baseline, found[0].looks) == (1, ["without_baseline"])


async def test_children_who_share_name_grade_and_sex_are_told_unless_they_were_parted(day: Day) -> None:
    one, other = await day.children(2)
    await day.session.execute(QUERIES["rename"], {"student": other, "like": one})
    await day.tests([one])
    assert await day.looks() == [["possible_duplicates"]]
    values = {"one": one, "other": other, "by": day.cast.coordinator.person_id}
    await day.session.execute(QUERIES["parted"], values)
    assert await day.looks() == [[]]


@pytest.mark.parametrize(("agreed", "n", "is_told"), [(3, 10, True), (9, 10, False), (0, 9, False)])
async def test_re_tests_that_agree_too_seldom_are_told_of_ten_or_more(
    day: Day, agreed: int, n: int, is_told: bool
) -> None:
    students = await day.children(n)
    results = [(await day.tests([student], 1 + number % 5))[0] for number, student in enumerate(students)]
    for number, result in enumerate(results):
        await day.retest(result, 1 + number % 5 if number < agreed else 6)
    found = await day.told()
    assert (found[0].retested, found[0].agreement is not None) == (n, n >= 10)
    assert ("low_agreement" in found[0].looks) is is_told


async def of_teacher(day: Day, actor: Actor | None = None, **more: Any) -> Any:
    asked = {
        "on": TODAY,
        "school_id": day.cast.school_a,
        "assessor_id": day.cast.teacher.person_id,
        "subject": "language",
    } | more
    return await read_tests(
        day.session, actor or day.cast.coordinator, AssessorTestsQuery(**asked), PageRequest(50)
    )


async def test_who_has_to_test_again_is_told_nothing_of_what_waits(day: Day) -> None:
    students = await day.children(10)
    results = await day.tests(students)
    assert [each.most_at_n for each in await day.told(day.cast.mentor)] == [10]
    await day.retest(results[0], None)
    assert [(each.tests, each.most_at_n) for each in await day.told(day.cast.mentor)] == [(9, 9)]
    assert students[0] not in {each.student_id for each in (await of_teacher(day, day.cast.mentor)).items}
    assert [each.tests for each in await day.told()] == [10]


async def test_each_is_told_of_what_it_holds_and_no_practice_school_is_there(day: Day) -> None:
    cast = day.cast
    for school in (cast.school_a, cast.school_b, cast.practice_school):
        for subject in ("language", "math"):
            students = await day.children(1, school=school, prefix=f"{school}{subject}")
            await day.tests(students, subject=subject)

    async def where(actor: Actor, **more: Any) -> list[tuple[str, str]]:
        return [(each.school_name, each.subject) for each in await day.told(actor, **more)]

    alpha, beta = [("Alpha School", each) for each in ("language", "math")], ("Beta School", "language")
    assert await where(cast.coordinator) == [*alpha, beta, ("Beta School", "math")]
    assert await where(cast.mentor) == alpha
    assert await where(cast.mentor_elsewhere) == [beta]
    assert await where(cast.coordinator, place_id=cast.district_1) == alpha
    assert await where(cast.coordinator, subject="math", school_id=cast.school_b) == [("Beta School", "math")]
    assert await where(cast.coordinator, on=TODAY - timedelta(days=1)) == []
    with pytest.raises(OutOfScope):
        await where(cast.mentor, school_id=cast.school_b)
    for actor in (cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await where(actor)
        with pytest.raises(Forbidden):
            await of_teacher(day, actor)
    with pytest.raises(OutOfScope):
        await of_teacher(day, cast.mentor_elsewhere)
    with pytest.raises(OutOfScope):
        await of_teacher(day, cast.mentor_elsewhere, school_id=cast.school_b, subject="math")


async def test_pages_follow_each_other_to_the_end(day: Day) -> None:
    for number, actor in enumerate((day.cast.teacher, day.cast.coordinator, day.cast.admin)):
        students = await day.children(2, prefix=f"P{number}")
        await day.tests(students, by=actor.person_id)
        await day.tests(students, by=actor.person_id, subject="math")
    seen: list[tuple[str, str]] = []
    after = None
    while True:
        page = await assessors_of_day(
            day.session, day.cast.coordinator, QualityQuery(), PageRequest(2, after), day.clock
        )
        seen += [(each.assessor_name, each.subject) for each in page.items]
        after = page.next
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 6
