"""A practice school is emptied whole and starts again; nothing else is touched, and no real school can be emptied, not even by mistake."""

from pathlib import Path

import msgspec
import pytest
from fill_school import CHILDREN, fill_school, ground
from people import NOW, Cast
from serving import Served

from flatwater.clock import StandingClock
from flatwater.pool import Database
from flatwater.queries import load_queries, read_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.errors import Forbidden, NotFound
from rightlevel.programme.photos import Album, FolderStore
from rightlevel.programme.practice import (
    MOST_CHILDREN,
    PRACTICE_CHILDREN,
    NotPractice,
    TooMuchToReset,
    WasReal,
    reset_practice,
)
from rightlevel.programme.practice.actions import NoYearToReset

pytestmark = pytest.mark.anyio

KEPT = {
    "school_place": "where the school stood is nothing that was entered there",
    "boundary_change_school": "nor are the borders that it was moved by",
    "school_change": "which schools were merged or split stays known; whose children went goes with them",
    "assignment": "who works there goes on working there",
    "class": "classes are put away restorably, and the practice class comes back",
    "device_link_code": "a device stays linked",
    "person_session": "nobody is signed out",
    "school_device": "a device stays linked",
    "student": "the practice class stands there afterwards",
    "round_snapshot_part": "a school that is in a frozen round is not emptied at all",
    "school_held": "it says what the assignments say",
}
TOLD = frozenset({"school_held", "school_untested", "school_visits", "trial_school"})
"""Kept by triggers from other rows, a row of each school from its first day; or none of a practice school, which is in no figure and no draw."""

QUERIES = read_queries(
    """
-- name: hanging
-- Every table that refers to a school, or to a table that does.
with recursive hanging as (
    select 'school'::regclass::oid as id
    union
    select c.conrelid from pg_constraint c join hanging h on c.confrelid = h.id where c.contype = 'f')
select array_agg(k.relname::text order by k.relname) from hanging h join pg_class k on k.oid = h.id where h.id <> 'school'::regclass
-- name: children
-- The live children of a school in their classes.
select st.code, st.name, st.sex, st.grade, c.section as words from student st join class c on c.id = st.class_id and c.deleted_at is null
where st.school_id = %(school)s and st.deleted_at is null order by st.code
-- name: ids_of_children
-- Every child of a school.
select array_agg(id::text) from student where school_id = %(school)s
-- name: ids_of_visits
-- Every visit of a school.
select array_agg(id::text) from visit where school_id = %(school)s
-- name: others
-- Children of other schools, all of each.
select md5(string_agg(x::text, chr(10) order by x::text)) from student x where school_id <> %(school)s
-- name: audited
-- What was written down of resets.
select count(*) from audit_entry where action = 'reset' and resource = 'school' and resource_id = %(school)s::text and person_id = %(person)s
-- name: many
-- Too many children.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade) select %(school)s, %(year)s, 'M' || n, 'Many', 'many', 1, 3 from generate_series(1, %(n)s) n
-- name: say_practice
-- Calls a school a practice school, or no longer.
update school set is_practice = %(practice)s where id = %(school)s
-- name: by_hand
-- From here on the database keeps none of its rules.
set local session_replication_role = replica
-- name: by_rule
-- From here on it does again.
set local session_replication_role = origin
-- name: result
-- A result.
insert into result (id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)
values (gen_random_uuid(), %(student)s::uuid, %(round)s, %(school)s, %(person)s, '2026-11-05', 'math', 'assessed', 'grid', 2, 3, 1)
-- name: part
-- A part of a snapshot.
insert into round_snapshot_part (round_id, school_id, results, content, sha256) values (%(round)s, %(school)s, 1, 'x', sha256('x'))
-- name: no_year
-- No year is current.
update school_year set is_current = false where is_current
-- name: left
-- Bytes that wait to be taken out.
select count(*) filter (where due_at <= %(now)s) as now, count(*) filter (where due_at > %(now)s) as later from photo_left
-- name: photo
-- A visit's photo.
with v as (
    insert into visit (id, write_id, school_id, subject, mentor_id, visited_on, form_version_id, answers, state, created_at, changed_at)
    values (gen_random_uuid(), gen_random_uuid(), %(school)s, 'math', %(person)s, '2026-11-10', 1, '{}', 'draft', %(now)s, %(now)s) returning id)
insert into photo (id, visit_id, school_id, state, sha256, size_bytes, width, height, created_at, created_by)
select gen_random_uuid(), id, %(school)s, 'stored', sha256('x'), 1000, 10, 10, %(now)s, %(person)s from v returning id::text as id, visit_id::text as visit_id
""",
    origin="test_reset.py",
)


class TableRows(msgspec.Struct, frozen=True):
    name: str
    count: int
    content: str


class Child(msgspec.Struct, frozen=True):
    code: str
    name: str
    sex: int
    grade: int
    words: str


class LeftBytes(msgspec.Struct, frozen=True):
    now: int
    later: int


class APhoto(msgspec.Struct, frozen=True):
    id: str
    visit_id: str


async def rows(session: Session) -> dict[str, TableRows]:
    names = await session.fetch_value(QUERIES["hanging"], {})
    each = """select '{0}' as name, count(*) as count, coalesce(md5(string_agg(x::text, chr(10) order by x::text)), '') as content from "{0}" x"""
    text = "\nunion all\n".join(each.format(name) for name in names)
    query = read_queries(f"-- name: rows\n-- What is in each.\n{text}", origin="test_reset.py")["rows"]
    found = await session.fetch_all(query, {}, into=TableRows)
    return {each.name: each for each in found}


async def test_a_reset_takes_everything_out_of_every_table_and_touches_no_other_school(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    values = await ground(session, cast)
    await fill_school(session, cast.school_a, values)
    before = await rows(session)
    others = await session.fetch_value(QUERIES["others"], {"school": cast.practice_school})
    await fill_school(session, cast.practice_school, values)
    full = await rows(session)
    for name in full.keys() - TOLD - {"round_snapshot_part"}:
        assert full[name].count > before[name].count, f"{name} hangs on a school: fill_school must fill it"
    done = await reset_practice(session, cast.coordinator, cast.practice_school, clock)
    after = await rows(session)
    for name in full:
        assert name in KEPT or after[name] == before[name], f"{name} hangs on a school: a reset must empty it"
    assert after["student"].count == before["student"].count + len(PRACTICE_CHILDREN)
    assert await session.fetch_value(QUERIES["others"], {"school": cast.practice_school}) == others
    assert (done.removed_children, done.removed_visits, done.removed_photos) == (CHILDREN, 3, 9)
    assert done.removed_results == CHILDREN * 2 * 3 - 2
    for name in ("assignment", "person_session", "school_device", "device_link_code"):
        assert after[name] == full[name], f"{name}: {KEPT[name]}"


async def test_the_practice_class_stands_there_and_can_be_tried_and_reset_again(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await fill_school(session, cast.practice_school, await ground(session, cast))
    first = await reset_practice(session, cast.admin, cast.practice_school, clock)
    values = {"school": cast.practice_school}
    children = await session.fetch_all(QUERIES["children"], values, into=Child)
    assert first.children == len(children) == len(PRACTICE_CHILDREN)
    assert len({each.name for each in children}) == len({each.code for each in children}) == len(children)
    assert {each.words for each in children} == {"A"}
    assert sum(each.sex == 2 for each in children) == len(children) // 2
    second = await reset_practice(session, cast.admin, cast.practice_school, clock)
    assert second.removed_children == len(children)
    assert await session.fetch_all(QUERIES["children"], values, into=Child) == children
    assert await session.fetch_value(QUERIES["audited"], values | {"person": cast.admin.person_id}) == 2


async def test_figures_agree_with_their_rows_after_a_reset(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    values = await ground(session, cast)
    for school in (cast.school_a, cast.practice_school):
        await fill_school(session, school, values)
    await reset_practice(session, cast.coordinator, cast.practice_school, clock)
    found = await reconcile(session)
    assert found.compared > 0
    assert found.differences == []


async def test_a_real_school_is_refused_by_the_action_and_by_the_database(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await fill_school(session, cast.school_a, await ground(session, cast))
    before = await rows(session)
    with pytest.raises(NotPractice):
        await reset_practice(session, cast.admin, cast.school_a, clock)
    queries = load_queries("rightlevel.programme.practice")
    values = {"school": cast.school_a}
    given = {
        "school_id": cast.school_a,
        "children": await session.fetch_value(QUERIES["ids_of_children"], values),
        "visits": await session.fetch_value(QUERIES["ids_of_visits"], values),
        "results": [],
        "rows": 9,
        "now": NOW,
        "later": NOW,
        "grade": 3,
        "school_year_id": cast.school_year,
        "section": "A",
        "person_id": 1,
        "class_id": cast.class_3a,
        "codes": ["X1"],
        "names": ["X"],
        "name_keys": ["x"],
        "sexes": [1],
        "ages": [8],
    }
    for name in queries:
        if name in ("hold_school", "empty_results", "empty_result_changes"):
            continue
        with pytest.raises(ConstraintViolated) as refused:
            async with session.savepoint():
                await session.execute(queries[name], given)
                pytest.fail(f"{name} reached a real school")
        assert refused.value.constraint == "school_is_for_practice", name
    assert await rows(session) == before


async def test_results_of_a_real_school_go_by_no_statement_of_a_reset(session: Session, cast: Cast) -> None:
    await fill_school(session, cast.school_a, await ground(session, cast))
    queries = load_queries("rightlevel.programme.practice")
    every = read_queries(
        "-- name: every\n-- Every result.\nselect array_agg(id::text) from result", origin="test"
    )
    ids = await session.fetch_value(every["every"], {})
    assert ids
    before = await rows(session)
    for name in ("empty_result_changes", "empty_results"):
        await session.execute(queries[name], {"results": ids})
    assert await rows(session) == before


async def say_by_hand(session: Session, school: int, *, practice: bool) -> None:
    await session.execute(QUERIES["by_hand"], {})
    await session.execute(QUERIES["say_practice"], {"practice": practice, "school": school})
    await session.execute(QUERIES["by_rule"], {})


async def test_a_school_that_was_a_real_one_is_refused(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    values = await ground(session, cast)
    school = cast.practice_school
    await fill_school(session, school, values)
    async with session.savepoint():
        await session.execute(QUERIES["part"], {"round": values["frozen"], "school": school})
        with pytest.raises(WasReal):
            await reset_practice(session, cast.admin, school, clock)
    # a child of a real school that was tested here, when this was a real one
    gone = cast.students_b[0]
    # (today nobody can say so any more of a school with a past)
    await say_by_hand(session, cast.school_a, practice=True)
    await session.execute(
        QUERIES["result"],
        {"student": gone, "round": cast.round, "school": cast.school_a, "person": cast.admin.person_id},
    )
    with pytest.raises(WasReal):
        await reset_practice(session, cast.admin, cast.school_a, clock)
    # and the other way round
    await say_by_hand(session, cast.school_b, practice=True)
    await say_by_hand(session, cast.school_a, practice=False)
    with pytest.raises(WasReal):
        await reset_practice(session, cast.admin, cast.school_b, clock)


@pytest.mark.parametrize("name", ["mentor", "teacher", "viewer"])
async def test_only_leaders_reset(session: Session, cast: Cast, clock: StandingClock, name: str) -> None:
    with pytest.raises(Forbidden):
        await reset_practice(session, getattr(cast, name), cast.practice_school, clock)


async def test_too_much_is_refused_whole(session: Session, cast: Cast, clock: StandingClock) -> None:
    given = {"school": cast.practice_school, "year": cast.school_year, "n": MOST_CHILDREN + 1}
    await session.execute(QUERIES["many"], given)
    before = await rows(session)
    with pytest.raises(TooMuchToReset):
        await reset_practice(session, cast.admin, cast.practice_school, clock)
    assert await rows(session) == before


async def test_a_school_that_is_not_there_and_a_programme_without_a_year_are_refused(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    with pytest.raises(NotFound):
        await reset_practice(session, cast.admin, 999_999_999, clock)
    await session.execute(QUERIES["no_year"], {})
    with pytest.raises(NoYearToReset):
        await reset_practice(session, cast.admin, cast.practice_school, clock)


async def test_bytes_of_photos_go_with_the_next_sweep_and_those_still_arriving_an_hour_later(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await fill_school(session, cast.practice_school, await ground(session, cast))
    await reset_practice(session, cast.admin, cast.practice_school, clock)
    left = await session.fetch_one(QUERIES["left"], {"now": clock.now()}, into=LeftBytes)
    assert left == LeftBytes(6, 3)


async def test_the_button_empties_the_school_and_the_files_of_its_photos(
    served: Served, tmp_path: Path
) -> None:
    cast, school = served.cast, served.cast.practice_school
    async with served.database.transaction(deadline_s=60) as session:
        values = {"school": school, "person": cast.mentor.person_id, "now": NOW}
        photo = await session.fetch_one(QUERIES["photo"], values, into=APhoto)
    assert photo is not None
    kept = FolderStore(tmp_path)
    name = f"visits/{photo.visit_id[-2:]}/{photo.visit_id}/{photo.id}.jpg"
    await kept.put(name, b"a picture")
    async with served.client("coordinator", by="cookie") as client:
        there = await client.get(f"/schools/{school}")
        assert f"/schools/{school}/reset-practice" in there.text
        page = await client.get(f"/schools/{school}/reset-practice")
        assert page.status_code == 200
        sent = await client.post(f"/schools/{school}/reset-practice", data={"csrf_token": "csrf"})
        assert sent.status_code == 303, sent.text
        refused = await client.post(f"/schools/{cast.school_a}/reset-practice", data={"csrf_token": "csrf"})
        assert refused.status_code == 409
        assert "reset-practice" not in (await client.get(f"/schools/{cast.school_a}")).text
    await _sweep(served.database, kept)
    assert await kept.get(name) is None


async def _sweep(database: Database, kept: FolderStore) -> None:
    album = Album(database, kept, StandingClock(NOW))
    assert await album.sweep() >= 1


async def test_the_api_resets_once_for_one_key(served: Served) -> None:
    key = {"idempotency-key": "0192d000-0000-7000-8000-00000000abcd"}
    async with served.client("admin") as client:
        path = f"/api/v1/schools/{served.cast.practice_school}/reset-practice"
        first = await client.post(path, headers=key, json={})
        again = await client.post(path, headers=key, json={})
        other = await client.post(f"/api/v1/schools/{served.cast.school_a}/reset-practice", json={})
    assert first.status_code == 200, first.text
    assert first.json()["children"] == len(PRACTICE_CHILDREN)
    assert again.json() == first.json()
    assert (other.status_code, other.json()["code"]) == (409, "not_practice")
