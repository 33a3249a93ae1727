"""Data quality over HTTP: page, answer and file say the same, in both languages."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio
CHILDREN = (
    "insert into student (school_id, school_year_id, code, name, name_key, sex, grade) "
    "select %s, %s, 'M' || n, '=Child ' || n, 'child ' || n, 1, 3 from generate_series(1, 12) n returning id"
)
RESULT = (
    "insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex, created_at) "
    "select gen_random_uuid(), id, %s, school_id, class_id, %s, '2026-11-23', 'language', 'assessed', 'direct', 2, grade, sex, '2026-11-23 08:00Z' "
    "from student where id = %s"
)
LOOKS = {"heaping", "in_one_minute"}


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    """The teacher of school A put twelve children at letters within a minute."""
    async with serving(new_database(), tmp_path) as opened:
        with psycopg.connect(opened.server.conninfo, autocommit=True) as connection:
            cast = opened.cast
            for (child,) in connection.execute(CHILDREN, [cast.school_a, cast.school_year]).fetchall():
                connection.execute(RESULT, [cast.round, cast.teacher.person_id, child])
        yield opened


async def test_page_answer_and_file_say_the_same(site: Served) -> None:
    async with site.client("coordinator") as client:
        answer = await client.get("/api/v1/data-quality/assessors?on=2026-11-23&only_flagged=true")
        (found,) = answer.json()["items"]
        assert (found["assessor_name"], found["assessed"], found["most_at"]) == ("Teacher", 12, "letter")
        assert set(found["looks"]) == LOOKS
        tests = await client.get(
            "/api/v1/data-quality/tests",
            params={
                "on": "2026-11-23",
                "school_id": site.cast.school_a,
                "assessor_id": site.cast.teacher.person_id,
                "subject": "language",
                "limit": 5,
            },
        )
        assert (len(tests.json()["items"]), bool(tests.json()["next"])) == (5, True)
        file = await client.post(
            "/api/v1/exports", json={"what": "data_quality", "from_on": "2026-11-23", "to_on": "2026-11-23"}
        )
        assert file.status_code == 200, file.text
    (row,) = csv.DictReader(io.StringIO(file.content.decode("utf-8-sig")))
    assert (row["username"], row["school_code"], row["tests"], row["most_at"], row["most_at_n"]) == (
        "teacher",
        "A",
        "12",
        "letter",
        "12",
    )
    assert (row["in_one_minute"], row["agreed"]) == ("12", "")
    async with site.client("coordinator", by="cookie") as client:
        page = await client.get("/data-quality?on=2026-11-23&flagged=1")
        assert "12 of 12 at one level: Letters" in page.text
        assert "12 levels came in one minute" in page.text
        link = page.text.split('href="/data-quality/tests?')[1].split('"')[0].replace("&amp;", "&")
        assert "=Child 12" in (await client.get(f"/data-quality/tests?{link}")).text
        assert (
            "Nothing to look at on this day."
            in (await client.get("/data-quality?on=2026-11-22&flagged=1")).text
        )
        assert "/data-quality" in (await client.get(f"/rounds/{site.cast.round}")).text


async def test_a_day_without_tests_leads_to_the_last_one_with_them_and_says_so(site: Served) -> None:
    with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
        connection.execute("update result set tested_on = '2026-11-20'")
    for who in ("coordinator", "mentor"):
        async with site.client(who, by="cookie") as client:
            page = (await client.get("/data-quality")).text
            assert 'id="last-day"' in page, who
            assert "12 tested" in page, who
            assert 'id="last-day"' not in (await client.get("/data-quality?on=2026-01-07")).text
    with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
        connection.execute("update result set tested_on = '2026-03-02'")
    async with site.client("mentor_elsewhere", by="cookie") as client:
        page = (await client.get("/data-quality")).text
        assert 'id="last-day"' not in page
        assert "Nobody tested here on this day." in page


@pytest.mark.parametrize(("who", "status"), [("mentor", 200), ("teacher", 403), ("viewer", 403)])
async def test_the_page_is_for_who_supports_teachers(site: Served, who: str, status: int) -> None:
    with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
        connection.execute("update person set language = 'km'")
    async with site.client(who, by="cookie") as client:
        page = await client.get("/data-quality?on=2026-11-23")
        assert page.status_code == status
        assert ("គុណភាពទិន្នន័យ" in page.text) is (status == 200)
    async with site.client("mentor_elsewhere", by="cookie") as client:
        assert "Teacher" not in (await client.get("/data-quality?on=2026-11-23")).text
        answer = await client.get(f"/data-quality?on=2026-11-23&school={site.cast.school_a}")
        assert answer.status_code == 403
