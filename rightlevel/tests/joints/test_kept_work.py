"""What is kept of work, so that lists and figures of it don't grow with the country, agrees with the rows after whatever was done, by however many."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from people import Cast
from serving import OneDatabase

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.assignments import schools_without
from rightlevel.programme.visits import MonthOfVisits, list_left_behind, visits_per_school_month

FIRST = date(2026, 6, 1)
DAYS = 170
TURNS = 120
SOON_S = 0.5

QUERIES = read_queries(
    """
-- name: assign
-- Assigns somebody, perhaps for some days only.
insert into assignment (person_id, school_id, subject, from_on, to_on)
select %(person)s, %(school)s, %(subject)s::subject, %(from_on)s, %(to_on)s
where not exists (
    select from assignment a
    where a.person_id = %(person)s and a.school_id = %(school)s and a.subject = %(subject)s::subject and a.ended_at is null)
-- name: end_assignments
-- Ends what somebody holds at a school.
update assignment set ended_at = now() where person_id = %(person)s and school_id = %(school)s and ended_at is null
-- name: shorten
-- Has everything of a school end on a day.
update assignment set to_on = greatest(from_on, %(to_on)s) where school_id = %(school)s and ended_at is null
-- name: forget
-- Takes assignments away for good.
delete from assignment where person_id = %(person)s and subject = %(subject)s::subject
-- name: deactivate
-- Somebody goes, or comes back.
update person set is_active = not is_active where id = %(person)s
-- name: change_role
-- Somebody does something else.
update person set role = case role when 'mentor' then 'teacher' else 'mentor' end::role where id = %(person)s
-- name: visit
-- A visit, sent or not.
insert into visit (id, write_id, school_id, subject, mentor_id, visited_on, form_version_id, answers, state, fidelity, created_at, changed_at, submitted_at)
values (%(id)s, %(id)s, %(school)s, %(subject)s::subject, %(person)s, %(day)s, 1, '{}', %(state)s::visit_state, %(fidelity)s, now(), now(),
    case when %(state)s = 'submitted' then now() end)
-- name: send_drafts
-- Sends the drafts of a school.
update visit set state = 'submitted', submitted_at = now(), fidelity = 0.25 where school_id = %(school)s and state = 'draft'
-- name: date_anew
-- Visits of a school were on another day.
update visit set visited_on = %(day)s where school_id = %(school)s and subject = %(subject)s::subject
-- name: visit_elsewhere
-- Somebody's visits were at another school.
update visit set school_id = %(school)s where mentor_id = %(person)s and subject = %(subject)s::subject
-- name: delete_visits
-- Visits of a school go, or come back.
update visit set deleted_at = case when deleted_at is null then now() end where school_id = %(school)s and subject = %(subject)s::subject
-- name: plan
-- A visit is planned.
insert into planned_visit (id, school_id, subject, mentor_id, planned_on, created_at, created_by, changed_at)
values (%(id)s, %(school)s, %(subject)s::subject, %(person)s, %(day)s, now(), %(person)s, now())
on conflict do nothing
-- name: hand_over
-- Plans go to somebody else.
update planned_visit p set mentor_id = %(person)s
where p.school_id = %(school)s and p.state = 'planned' and not exists (
    select from planned_visit o
    where o.mentor_id = %(person)s and o.school_id = p.school_id and o.subject = p.subject and o.planned_on = p.planned_on and o.state = 'planned')
    and p.id = (select min(f.id::text)::uuid from planned_visit f where f.school_id = %(school)s and f.state = 'planned')
-- name: move
-- A school's district changes.
update school set place_id = %(place)s where id = %(school)s
-- name: close
-- A school closes, or opens again.
update school set status = case status when 'open' then 'closed' else 'open' end where id = %(school)s
-- name: delete_school
-- A school is taken out of use, or brought back.
update school set deleted_at = case when deleted_at is null then now() end where id = %(school)s
-- name: add_school
-- A school is added.
insert into school (place_id, code, name_local) values (%(place)s, %(id)s, 'New')
-- name: enrol
-- A child comes.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
values (%(school)s, %(year)s, %(id)s, 'A', 'a', 1, 3)
-- name: leave
-- Everybody leaves a school, or comes back.
update student set status = case status when 'active' then 'left' else 'active' end::student_status,
    left_on = case status when 'active' then %(day)s::date end, left_reason = case status when 'active' then 'moved' end
where school_id = %(school)s and deleted_at is null
-- name: test
-- A child of a school is tested.
insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)
select %(id)s, st.id, %(round)s, st.school_id, st.class_id, %(person)s, %(day)s, %(subject)s::subject, 'assessed', 'grid', 2, st.grade, st.sex
from student st
where st.school_id = %(school)s and st.deleted_at is null and st.status = 'active'
order by st.id
limit 1
on conflict do nothing
-- name: delete_results
-- A school's results go.
update result set deleted_at = now() where school_id = %(school)s and subject = %(subject)s::subject and deleted_at is null
-- name: delete_round
-- A round goes, or comes back.
update round set deleted_at = case when deleted_at is null then now() end where id = %(round)s
-- name: months
-- What visits per school and month are by their meaning, from all visits and schools.
with months as (
    select m::date as month, (m + interval '1 month')::timestamp at time zone 'UTC' as ends_at
    from generate_series(date_trunc('month', %(from_on)s::date), date_trunc('month', %(to_on)s::date), interval '1 month') m
), stays as (
    select m.school_id, m.from_at, m.until_at, s.status = 'open' and s.deleted_at is null as is_open
    from school_place m
    join school s on s.id = m.school_id and not s.is_practice
    join place p on p.id = m.place_id
    where %(place)s::bigint is null or p.lineage @> array[%(place)s::bigint]
), made as (
    select date_trunc('month', v.visited_on)::date as month, v.school_id, v.fidelity
    from visit v
    join stays y on y.school_id = v.school_id and stood_at(y.from_at, y.until_at, (v.visited_on + 1)::timestamp at time zone 'UTC')
    where v.deleted_at is null and v.state = 'submitted'
)
select m.month, (select count(*) from made k where k.month = m.month) as visits,
    (select count(distinct k.school_id) from made k where k.month = m.month) as visited,
    (select count(distinct y.school_id) from stays y where (y.is_open and stood_at(y.from_at, y.until_at, m.ends_at))
        or exists (select from made k where k.month = m.month and k.school_id = y.school_id)) as schools,
    (select avg(k.fidelity)::float8 from made k where k.month = m.month) as fidelity,
    (select count(k.fidelity) from made k where k.month = m.month) as fidelity_n
from months m
order by m.month
-- name: lacking
-- Open schools without somebody on a day, by their meaning.
select array(
    select s.id
    from school s
    where s.deleted_at is null and s.status = 'open' and not s.is_practice and not exists (
        select from assignment a
        join person p on p.id = a.person_id and p.role = %(role)s::role and p.is_active and p.deleted_at is null
        where a.school_id = s.id and a.subject = %(subject)s::subject and a.ended_at is null and %(day)s::date between a.from_on and coalesce(a.to_on, 'infinity'))
    order by lower(s.name_local), s.id) as ids
-- name: left
-- Drafts and plans whose mentor works there no more on a day, by their meaning.
select array(
    select o.id::text
    from (
        select v.id, v.school_id, v.subject, v.mentor_id, v.visited_on as day from visit v where v.state = 'draft' and v.deleted_at is null
        union all
        select p.id, p.school_id, p.subject, p.mentor_id, p.planned_on from planned_visit p where p.state = 'planned') o
    join school s on s.id = o.school_id and s.deleted_at is null
    join person m on m.id = o.mentor_id
    where not m.is_active or m.deleted_at is not null or m.role not in ('admin', 'coordinator') and not (m.role = 'mentor' and exists (
        select from assignment a
        where a.person_id = o.mentor_id and a.school_id = o.school_id and a.subject = o.subject and a.ended_at is null
            and (a.to_on is null or a.to_on >= %(day)s)))
    order by o.day, o.id) as ids
""",
    origin="test_kept_work.py",
)
MEANINGS = ("months", "lacking", "left")
DEEDS = tuple(name for name in QUERIES if name not in MEANINGS)


class Ids(msgspec.Struct, frozen=True):
    ids: list[Any]


class Made(msgspec.Struct, frozen=True):
    """How `months` tells one; its fields are those of MonthOfVisits."""

    month: date
    visits: int
    visited: int
    schools: int
    fidelity: float | None
    fidelity_n: int


@pytest.mark.anyio
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_is_done_what_is_kept_of_work_agrees_with_the_rows(
    session: Session, cast: Cast, clock: StandingClock, seed: int
) -> None:
    drawn = random.Random(seed)
    done: list[str] = []
    for turn in range(TURNS):
        name = drawn.choice(DEEDS)
        done.append(name)
        await session.execute(QUERIES[name], _values(drawn, cast))
        if turn % 10 == 9:
            found = await reconcile(session)
            work = [
                each for each in found.differences if each.startswith(("school", "place", "visit", "planned"))
            ]
            assert work == [], done[-10:]
            await _compare_what_is_read(session, cast, clock, drawn)
    assert set(done) == set(DEEDS)


async def _compare_what_is_read(
    session: Session, cast: Cast, clock: StandingClock, drawn: random.Random
) -> None:
    """The lists and figures themselves beside what they mean."""
    for place in (None, cast.country, cast.district_1, cast.district_2):
        days = {"from_on": FIRST, "to_on": FIRST + timedelta(DAYS)}
        told = await visits_per_school_month(session, cast.viewer, **days, place_id=place)
        meant = await session.fetch_all(QUERIES["months"], {**days, "place": place}, into=Made)
        assert [_plain(each) for each in told] == [_plain(each) for each in meant]
    today = clock.now().date()
    for role in ("mentor", "teacher"):
        subject = drawn.choice(("language", "math"))
        found = await schools_without(
            session, cast.coordinator, PageRequest(100), clock, role=role, subject=subject
        )
        values = {"role": role, "subject": subject, "day": today}
        lacking = await session.fetch_one(QUERIES["lacking"], values, into=Ids)
        assert lacking is not None
        assert [each.school_id for each in found.items] == lacking.ids
    left = await session.fetch_one(QUERIES["left"], {"day": today}, into=Ids)
    page = await list_left_behind(session, cast.coordinator, PageRequest(200), clock)
    assert left is not None
    assert [each.id for each in page.items] == left.ids


def _plain(month: MonthOfVisits | Made) -> tuple[object, ...]:
    fidelity = None if month.fidelity is None else round(month.fidelity, 6)
    return (month.month, month.visits, month.visited, month.schools, fidelity, month.fidelity_n)


def _values(drawn: random.Random, cast: Cast) -> dict[str, Any]:
    people = (cast.mentor, cast.mentor_elsewhere, cast.teacher, cast.stranger)
    day = FIRST + timedelta(drawn.randrange(DAYS))
    return {
        "id": str(uuid4()),
        "person": drawn.choice(people).person_id,
        "school": drawn.choice((cast.school_a, cast.school_b)),
        "subject": drawn.choice(("language", "math")),
        "place": drawn.choice((cast.district_1, cast.district_2)),
        "round": cast.round,
        "year": cast.school_year,
        "day": day,
        "from_on": day,
        "to_on": drawn.choice((None, day, day + timedelta(60))),
        "state": drawn.choice(("draft", "submitted", "submitted")),
        "fidelity": None,
    }


SETTING = """
insert into place (kind, code, name_local, name_latin) values ('country', 'KH', 'KH', 'KH');
insert into school (place_id, code, name_local) select id, 'A', 'A' from place;
insert into person (username, display_name, role) values ('mentor', 'M', 'mentor'), ('other', 'O', 'mentor');
insert into school_year (name, starts_on, ends_on, is_current) values ('2026', '2026-01-01', '2026-12-31', true);
insert into round (school_year_id, kind, starts_on, ends_on, state) select id, 'baseline', '2026-11-01', '2026-11-30', 'open' from school_year;
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select s.id, y.id, n::text, 'A', 'a', n, 3 from school s, school_year y, generate_series(1, 2) n;
insert into assignment (person_id, school_id, subject, from_on)
select p.id, s.id, 'math', '2026-01-01' from person p, school s where p.username = 'mentor'
"""
PLAN = """
insert into planned_visit (id, school_id, subject, mentor_id, planned_on, created_at, created_by, changed_at)
select new_id(), s.id, 'math', p.id, '2026-11-27', now(), p.id, now() from person p, school s where p.username = 'mentor'
"""
DRAFT = """
insert into visit (id, write_id, school_id, subject, mentor_id, visited_on, form_version_id, answers, created_at, changed_at)
select new_id(), new_id(), s.id, 'math', p.id, '2026-11-27', 1, '{}', now(), now() from person p, school s where p.username = 'mentor'
"""
SEND = """
insert into visit (id, write_id, school_id, subject, mentor_id, visited_on, form_version_id, answers, created_at, changed_at, state, submitted_at)
select new_id(), new_id(), s.id, 'math', p.id, '2026-11-27', 1, '{}', now(), now(), 'submitted', now()
from person p, school s where p.username = 'mentor'
"""
END = "update assignment set ended_at = now()"
GO = "update person set is_active = false where username = 'mentor'"
GO_OTHER = "update person set is_active = false where username = 'other'"
ASSIGN = """
insert into assignment (person_id, school_id, subject, from_on)
select p.id, s.id, 'math', '2026-01-01' from person p, school s where p.username = 'other'
"""
TEST_A = """
insert into result (id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)
select new_id(), st.id, r.id, st.school_id, p.id, '2026-11-20', 'math', 'assessed', 'grid', 2, 3, 1
from student st, round r, person p where st.sex = 1 and p.username = 'mentor'
"""
TEST_B = TEST_A.replace("'grid', 2, 3, 1", "'grid', 2, 3, 2").replace("st.sex = 1", "st.sex = 2")
UNTEST_A = "update result set deleted_at = now() where sex = 1"


@pytest.mark.parametrize(
    ("before", "first", "second"),
    [
        ("", END, PLAN),
        ("", PLAN, END),
        ("", END, DRAFT),
        ("", DRAFT, END),
        ("", GO, PLAN),
        ("", PLAN, GO),
        ("", END, ASSIGN),
        ("", ASSIGN, END),
        ("", GO_OTHER, ASSIGN),
        ("", ASSIGN, GO_OTHER),
        ("", SEND, SEND),
        (TEST_A, UNTEST_A, TEST_B),
        (TEST_A, TEST_B, UNTEST_A),
        ("", TEST_A, TEST_B),
    ],
)
def test_of_two_at_once_the_second_counts_what_the_first_did(
    new_database: Callable[[], OneDatabase], before: str, first: str, second: str
) -> None:
    """The first has written and not committed; the second writes meanwhile, waits or not, and commits last."""
    conninfo = new_database().conninfo
    with _connected(conninfo) as one, _connected(conninfo) as other:
        one.execute(SETTING)
        if before:
            one.execute(before)
        one.commit()
        one.execute(first)
        failed: list[Exception] = []
        writing = threading.Thread(target=_write, args=(other, second, failed))
        writing.start()
        writing.join(SOON_S)
        one.commit()
        writing.join(30)
        assert not writing.is_alive()
        assert failed == []
        for view, kept in KEPT.items():
            assert one.execute(view).fetchall() == one.execute(kept).fetchall()


KEPT = {
    "select school_id, subject, role, from_on::text, until_on::text from longest_held order by 1, 2, 3": (
        "select school_id, subject, role, from_on::text, until_on::text from school_held order by 1, 2, 3"
    ),
    "select round_id, school_id from untested_school order by 1, 2": (
        "select round_id, school_id from school_untested order by 1, 2"
    ),
    "select works_until(mentor_id, school_id, subject)::text from planned_visit order by id": (
        "select mentor_until::text from planned_visit order by id"
    ),
    "select works_until(mentor_id, school_id, subject)::text from visit where state = 'draft' order by id": (
        "select mentor_until::text from visit where state = 'draft' order by id"
    ),
    "select count(*), count(distinct school_id) from visit where state = 'submitted'": (
        "select coalesce(sum(visits), 0)::bigint, coalesce(sum(schools), 0)::bigint from place_visits"
    ),
}


@contextmanager
def _connected(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(conninfo) as connection:
        yield connection


def _write(connection: psycopg.Connection[Any], text: str, failed: list[Exception]) -> None:
    try:
        connection.execute(text)  # type: ignore[call-overload]
        connection.commit()
    except psycopg.Error as error:
        failed.append(error)
