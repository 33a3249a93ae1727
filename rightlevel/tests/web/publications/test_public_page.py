"""The public page over HTTP: without an account, in both languages, as page, file and answer, and nothing of anybody behind it."""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator, Callable
from io import StringIO
from itertools import count

import httpx
import psycopg
import pytest
from serving import OneDatabase, Served, serving

from rightlevel.operations.sealing import seal_rounds

pytestmark = pytest.mark.anyio
CHILDREN = """
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select s.id, y.id, 'many-' || n, 'Child of nobody', 'x', 1 + n % 2, 3
from school s, school_year y, generate_series(1, 60) n where s.code in ('A', 'B');
insert into result (id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)
select gen_random_uuid(), c.id, r.id, c.school_id, p.id, '2026-11-20', 'language', 'assessed', 'grid', 1 + ascii(right(c.code, 1)) / 2 % 2 * 4, c.grade, c.sex
from student c join school s on s.id = c.school_id and not s.is_practice, round r, person p where p.username = 'teacher';
"""
_addresses = count(1)


@pytest.fixture(scope="module")
async def site(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    """A programme of 128 children with a frozen round, published by its admin."""
    database = new_database()
    async with serving(database, tmp_path_factory.mktemp("public")) as opened:
        with psycopg.connect(database.conninfo, autocommit=True) as connection:
            connection.execute(CHILDREN)
        async with opened.client("coordinator") as client:
            for version, state in ((1, "closed"), (2, "frozen")):
                sent = {"version": version, "state": state, "reason": "over"}
                path = f"/api/v1/rounds/{opened.cast.round}/state"
                answer = await client.post(path, json=sent)
                assert answer.status_code == 200, answer.text
        await seal_rounds(opened.database, opened.clock)
        async with opened.client("admin") as client:
            changed = await client.put(
                "/api/v1/public-page", json={"is_on": True, "depth": 3, "split": "sexes"}
            )
            assert changed.status_code == 200
            published = await client.post(f"/api/v1/public-page/rounds/{opened.cast.round}/publish")
            assert published.status_code == 200, published.text
        yield opened


def stranger_at(site: Served) -> httpx.AsyncClient:
    """Somebody at an address from which nobody has asked."""
    transport = httpx.ASGITransport(
        site.app, raise_app_exceptions=False, client=(f"127.0.8.{next(_addresses)}", 1)
    )
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_page_file_and_answer_say_the_same_to_a_stranger(site: Served) -> None:
    async with stranger_at(site) as client:
        page = await client.get("/public", headers={"accept-language": "en"})
        file = await client.get("/public/figures.csv")
        answer = (await client.get("/api/v1/public/figures")).json()
    assert (page.status_code, file.status_code) == (200, 200)
    assert page.headers["cache-control"] == file.headers["cache-control"] == "public, max-age=300"
    assert "set-cookie" not in page.headers
    rows = list(csv.DictReader(StringIO(file.content.decode("utf-8-sig"))))
    whole = answer["cells"][0]["figures"]
    assert (rows[0]["enrolled"], rows[0]["assessed"]) == (str(whole["enrolled"]), "128")
    assert [row["sex"] for row in rows] == ["", "1", "2", ""], "boys and girls, then the country"
    assert f"128 of {whole['enrolled']}" in page.text
    assert [each["count"] for each in whole["levels"]][:5] == [
        int(rows[0][f"level_{name}"]) for name in ("beginner", "letter", "word", "paragraph", "story")
    ]


async def test_it_is_read_in_both_languages_without_scripts_and_leads_to_no_child(site: Served) -> None:
    async with stranger_at(site) as client:
        english = await client.get("/public?language=en")
        khmer = await client.get("/public?language=km")
        below = await client.get(f"/public?place={site.cast.district_1}&language=en")
    assert 'lang="en"' in english.text
    assert 'lang="km"' in khmer.text
    assert "North District" in below.text
    for page in (english, khmer, below):
        links = re.findall(r'(?:href|action|src)="([^"]+)"', page.text)
        assert {each.split("?")[0].split("#")[0] for each in links if not each.startswith("/static/")} <= {
            "",
            "/",
            "/public",
            "/public/figures.csv",
            "/language",
        }
        assert "Child of nobody" not in page.text
        assert "Alpha School" not in page.text


async def test_what_a_machine_asks_for_too_often_is_refused(site: Served) -> None:
    async with stranger_at(site) as client:
        statuses = [(await client.get("/public/figures.csv")).status_code for _ in range(150)]
    assert statuses[0] == 200
    assert 429 in statuses


async def test_an_admin_switches_it_off_and_on_with_forms(site: Served) -> None:
    async with site.client("admin", by="cookie") as client:
        page = await client.get("/public-page")
        assert "Exampleland" not in page.text
        assert "/hide" in page.text
        off = await client.post("/public-page", data={"depth": "3", "split": "sexes"})
        assert off.status_code == 303
    async with stranger_at(site) as stranger:
        assert (await stranger.get("/public")).status_code == 404
        assert (await stranger.get("/api/v1/public/figures")).status_code == 404
    async with site.client("admin", by="cookie") as client:
        again = {"depth": "3", "split": "sexes", "is_on": "true"}
        assert (await client.post("/public-page", data=again)).status_code == 303
        assert (await client.post(f"/public-page/rounds/{site.cast.round}/hide", data={})).status_code == 303
        assert (await client.get("/public")).status_code == 404
        shown = await client.post(f"/public-page/rounds/{site.cast.round}/publish", data={})
        assert shown.status_code == 303
        assert (await client.get("/public")).status_code == 200
    for who in ("coordinator", "viewer"):
        async with site.client(who) as client:
            assert (await client.get("/api/v1/public-page")).status_code == 403
