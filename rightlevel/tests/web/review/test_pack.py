"""The review pack of a district: page, answer and PDF, the open actions first, each number what its own page says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from pdf_pages import needs_pango, pages_of
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio
ROUND = (
    "insert into round (school_year_id, kind, starts_on, ends_on, state) "
    "values (%s, 'endline', '2026-12-06', '2026-12-10', 'open') returning id"
)
CHILDREN = (
    "insert into student (school_id, school_year_id, code, name, name_key, sex, grade) "
    "select %s, %s, 'M' || n, 'Child ' || n, 'child ' || n, 1, 3 from generate_series(1, 12) n returning id"
)
RESULT = (
    "insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex) "
    "select gen_random_uuid(), id, %s, school_id, class_id, %s, '2026-11-23', 'language', 'assessed', 'direct', %s, grade, sex from student where id = %s"
)
VISIT = (
    "insert into visit (id, write_id, school_id, subject, mentor_id, form_version_id, visited_on, answers, state, submitted_at, created_at, changed_at) "
    "select new_id(), new_id(), %s, 'language', %s, v.id, '2026-11-20', '{}', 'submitted', now(), now(), now() from form_version v order by v.id limit 1 returning id"
)
ACTION = (
    "insert into follow_up (id, visit_id, school_id, subject, owner_id, words, due_on, raised_by, raised_at) "
    "values (new_id(), %s, %s, 'language', %s, %s, %s, %s, now())"
)


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[tuple[Served, int]]:
    """Twelve children of school A rose from letters to words; an overdue action there, and one in the other district."""
    async with serving(new_database(), tmp_path) as opened:
        cast, by = opened.cast, opened.cast.coordinator.person_id
        with psycopg.connect(opened.server.conninfo, autocommit=True) as connection:
            row = connection.execute(ROUND, [cast.school_year]).fetchone()
            assert row
            for (child,) in connection.execute(CHILDREN, [cast.school_a, cast.school_year]).fetchall():
                connection.execute(RESULT, [cast.round, by, 2, child])
                connection.execute(RESULT, [row[0], by, 3, child])
            for school, words, due in (
                (cast.school_a, "Bring the <books>", "2026-11-01"),
                (cast.school_b, "Of another district", "2026-11-02"),
            ):
                visit = connection.execute(VISIT, [school, cast.mentor.person_id]).fetchone()
                assert visit
                connection.execute(ACTION, [visit[0], school, cast.mentor.person_id, words, due, by])
        yield opened, row[0]


@needs_pango
async def test_page_answer_and_pdf_are_of_the_district(site: tuple[Served, int]) -> None:
    served, later = site
    cast = served.cast
    asked = {"place_id": cast.district_1, "round_id": later, "earlier_round_id": cast.round}
    async with served.client("coordinator") as client:
        pack = (await client.get("/api/v1/review-pack", params=asked)).json()
        figures = (
            await client.get(
                "/api/v1/figures",
                params={"round_id": later, "subject": "language", "place_id": cast.district_1},
            )
        ).json()
        file = await client.get(f"/api/v1/review-pack/file?place={cast.district_1}")
    assert [each["words"] for each in pack["actions"]] == ["Bring the <books>"]
    assert (pack["overdue"], pack["place_name"]) == (1, "North District")
    language, math = pack["subjects"]
    assert language["figures"] == figures
    assert (language["movement"]["matched"], language["movement"]["improved"]) == (12, 12)
    assert [each["name_local"] for each in language["improved"]["units"]] == ["Alpha School"]
    assert math["figures"]["assessed"] == 0
    assert file.headers["content-type"] == "application/pdf"
    assert 8 <= pages_of(file.content) <= 10
    async with served.client("coordinator", by="cookie") as client:
        page = (await client.get(f"/review-pack?place={cast.district_1}")).text
        assert "Bring the &lt;books&gt;" in page
        assert "Of another district" not in page
        assert page.index("Bring the") < page.index("12 were tested again")
        assert "/review-pack?place=" in (await client.get(f"/figures?place={cast.district_1}")).text


@pytest.mark.parametrize("who", ["mentor", "teacher", "viewer"])
async def test_the_pack_is_for_who_runs_the_programme(site: tuple[Served, int], who: str) -> None:
    served, _ = site
    async with served.client(who, by="cookie") as client:
        assert (await client.get("/review-pack")).status_code == 403
        assert (await client.get("/api/v1/review-pack/file")).status_code == 403


@needs_pango
async def test_the_pack_is_made_in_khmer_too(site: tuple[Served, int]) -> None:
    served, _ = site
    with psycopg.connect(served.server.conninfo, autocommit=True) as connection:
        connection.execute("update person set language = 'km'")
    async with served.client("coordinator", by="cookie") as client:
        page = await client.get(f"/review-pack?place={served.cast.district_1}")
        assert "ការប្រជុំពិនិត្យ" in page.text
        file = await client.get(f"/api/v1/review-pack/file?place={served.cast.district_1}")
        assert 8 <= pages_of(file.content) <= 10


async def test_a_school_stands_on_one_page_with_what_its_reader_holds_there(site: tuple[Served, int]) -> None:
    served, later = site
    cast = served.cast
    asked = {"round_id": later, "earlier_round_id": cast.round}
    at = f"/api/v1/schools/{cast.school_a}/overview"
    async with served.client("mentor") as client:
        found = (await client.get(at, params=asked)).json()
        assert (
            await client.get(f"/api/v1/schools/{cast.school_b}/overview", params=asked)
        ).status_code == 403
    assert [each["subject"] for each in found["subjects"]] == ["language", "math"]
    assert found["subjects"][0]["movement"]["improved"] == 12
    assert [each["words"] for each in found["actions"]] == ["Bring the <books>"]
    assert [each["mentor_name"] for each in found["visits"]] == ["Mentor"]
    async with served.client("mentor_elsewhere") as client:
        of_b = (await client.get(f"/api/v1/schools/{cast.school_b}/overview", params=asked)).json()
        assert [each["subject"] for each in of_b["subjects"]] == ["language"]
    for who, status in (("coordinator", 200), ("teacher", 200), ("viewer", 403), ("mentor_elsewhere", 403)):
        async with served.client(who, by="cookie") as client:
            page = await client.get(f"/schools/{cast.school_a}/overview")
            assert page.status_code == status, page.text
            assert ("12 were tested again" in page.text) is (status == 200)
