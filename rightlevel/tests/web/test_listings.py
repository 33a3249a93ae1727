"""Everything that can be written can be listed by page within scope: results, quick re-tests and divisions, page by page and whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from fill_school import fill_school, ground
from serving import DEADLINE_S, NewDatabase, Served, serving

from flatwater.queries import read_queries
from rightlevel.web.app import all_routes

pytestmark = pytest.mark.anyio

LISTS = {"/api/v1/results": "result", "/api/v1/level-checks": "level_check", "/api/v1/groupings": "grouping"}
WITHIN = """(%(person)s::bigint is null or exists (
    select 1 from assignment a where a.person_id = %(person)s and a.school_id = {school} and a.subject = {subject} and a.ended_at is null
    and ({class_id} is null or a.class_id is null or a.class_id = {class_id})))"""
OF_CHILD = WITHIN.format(school="s.school_id", subject="x.subject", class_id="s.class_id")
OF_RESULT = WITHIN.format(school="x.school_id", subject="x.subject", class_id="x.class_id")
QUERIES = read_queries(
    f"""
-- name: result
-- The results of children within somebody's reach and those made there, or of all.
select x.id::text as id from result x join student s on s.id = x.student_id
where x.deleted_at is null and not x.is_hidden and s.deleted_at is null and ({OF_CHILD} or {OF_RESULT})
-- name: level_check
-- Their quick re-tests.
select x.id::text as id from level_check x join student s on s.id = x.student_id where s.deleted_at is null and {OF_CHILD}
-- name: grouping
-- The divisions of the schools within reach.
select x.id::text as id from grouping x where {WITHIN.format(school="x.school_id", subject="x.subject", class_id="null::bigint")}
-- name: some_class
-- A class of a school whose children have results.
select s.class_id from result r join student s on s.id = r.student_id
where s.school_id = %(school)s and s.class_id is not null and r.deleted_at is null and not r.is_hidden and s.deleted_at is null limit 1
-- name: classed
-- Narrows somebody's assignments to one class.
update assignment set class_id = %(class)s where person_id = %(person)s and school_id = %(school)s
-- name: others_end
-- Ends what they have elsewhere.
update assignment set ended_at = now() where person_id = %(person)s and (school_id <> %(school)s or class_id is not null)
""",
    origin="test_listings.py",
)


class Row(msgspec.Struct, frozen=True):
    id: str


@pytest.fixture(scope="module")
async def full(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    """A service whose two schools are full of everything."""
    async with serving(new_database(), tmp_path_factory.mktemp("listings")) as opened:
        async with opened.database.transaction(deadline_s=DEADLINE_S) as session:
            values = await ground(session, opened.cast)
            for school in (opened.cast.school_a, opened.cast.school_b):
                await fill_school(session, school, values)
        yield opened


async def whole(client: httpx.AsyncClient, path: str, **asked: Any) -> list[dict[str, Any]]:
    """Every row of a list, page by page."""
    rows: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        more = {"after": after} if after else {}
        answer = await client.get(path, params={"limit": 3, **asked, **more})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["items"]
        after = page["next"]
        if after is None:
            return rows


@pytest.mark.parametrize(("path", "name"), LISTS.items())
async def test_a_list_gives_each_row_once_and_only_those_within_reach(
    full: Served, path: str, name: str
) -> None:
    people = {"coordinator": None, "stranger": full.cast.stranger.person_id} | {
        who: getattr(full.cast, who).person_id for who in ("teacher", "teacher_elsewhere", "mentor_elsewhere")
    }
    for who, person in people.items():
        async with full.client(who) as client:
            rows = await whole(client, path)
        async with full.database.read(deadline_s=DEADLINE_S) as session:
            wanted = await session.fetch_all(QUERIES[name], {"person": person}, into=Row)
        assert sorted(str(row["id"]) for row in rows) == sorted(each.id for each in wanted), who
        assert bool(wanted) == (who != "stranger")
    async with full.client("viewer") as client:
        assert (await client.get(path)).status_code == 403


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_is_narrowed_by_what_is_asked(full: Served, path: str) -> None:
    async with full.client("coordinator") as client:
        every = await whole(client, path)
        for subject in ("language", "math"):
            rows = await whole(client, path, subject=subject)
            assert rows == [row for row in every if row["subject"] == subject]
        rows = await whole(client, path, school_id=full.cast.school_a)
        assert rows
        assert len(rows) < len(every)
        assert await whole(client, path, school_id=999_999_999) == []
        for wrong in ({"subject": "science"}, {"schol_id": 24}, {"school_id": "x"}, {"limit": 0}):
            assert (await client.get(path, params=wrong)).status_code == 422, wrong
    async with full.client("stranger") as client:
        assert await whole(client, path, school_id=full.cast.school_b) == []


async def test_results_are_narrowed_to_a_round_and_to_a_class(full: Served) -> None:
    async with full.client("coordinator") as client:
        every = await whole(client, "/api/v1/results")
        rows = await whole(client, "/api/v1/results", round_id=full.cast.round)
        assert rows == [row for row in every if row["round_id"] == full.cast.round]
    cast, person = (
        full.cast,
        full.cast.mentor.person_id,
    )  # nobody has asked as the mentor yet: no cache knows their reach
    async with full.database.transaction(deadline_s=DEADLINE_S) as session:
        chosen = await session.fetch_value(QUERIES["some_class"], {"school": cast.school_a})
        values = {"class": chosen, "person": person, "school": cast.school_a}
        await session.execute(QUERIES["others_end"], values)
        await session.execute(QUERIES["classed"], values)
        wanted = await session.fetch_all(QUERIES["result"], {"person": person}, into=Row)
    async with full.client("mentor") as client:
        rows = await whole(client, "/api/v1/results")
    assert sorted(row["id"] for row in rows) == sorted(each.id for each in wanted)
    assert 0 < len(rows) < len(every)


def test_whatever_can_be_made_can_be_listed() -> None:
    """A POST or PUT that makes a thing of its own has a list of such things, by page, by itself or below what it belongs to."""
    lists = {each.path for each in all_routes() if each.page is not None and each.path.startswith("/api/")}
    elsewhere = {
        "/api/v1/people/{id}/tokens",
        "/api/v1/students/{id}/level-checks",
        "/api/v1/schools/{id}/devices",
        "/api/v1/schools/{id}/merges",
        "/api/v1/schools/{id}/roll-overs",
        "/api/v1/schools/{id}/changes",
        "/api/v1/interventions/{id}/enrolments",
        "/api/v1/rounds/{id}/amendments",
        "/api/v1/rounds/{id}/schools",
        "/api/v1/students/{id}/past-enrolments",
        "/api/v1/forms/{code}/versions",
    }
    made = {
        "places",
        "schools",
        "school-years",
        "classes",
        "students",
        "people",
        "assignments",
        "rounds",
        "results",
        "level-checks",
        "groupings",
        "teaching-sessions",
        "visits",
        "planned-visits",
        "follow-ups",
        "interventions",
        "resources",
        "imports",
        "join-requests",
        "verifications",
        "verification-draws",
        "boundary-changes",
        "renames",
        "audit",
        "me/tokens",
        "me/sessions",
    }
    assert {f"/api/v1/{noun}" for noun in made} <= lists
    assert elsewhere <= lists
