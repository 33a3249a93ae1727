"""The home of each role lists what is to be done, each a link to where it is done, and is what programs are told."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest
from fill_school import fill_school, ground
from serving import DEADLINE_S, NewDatabase, Served, serving

from rightlevel.web.home.pages import WHERE

pytestmark = pytest.mark.anyio
LINE = re.compile(r'<a class="to-do( first)?" href="([^"]+)">.*?<strong>([^<]+)</strong>', re.S)


@pytest.fixture(scope="module")
async def full(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path_factory.mktemp("home")) as opened:
        async with opened.database.transaction(deadline_s=DEADLINE_S) as session:
            await fill_school(session, opened.cast.school_a, await ground(session, opened.cast))
        yield opened


@pytest.mark.parametrize("role", ["teacher", "mentor", "coordinator", "admin"])
async def test_what_waits_is_listed_and_leads_to_where_it_is_done(full: Served, role: str) -> None:
    async with full.client(role, by="cookie") as client:
        page = await client.get("/")
        assert page.status_code == 200
        lines = [(bool(first), unescape(url), text) for first, url, text in LINE.findall(page.text)]
        assert lines, "somebody of a full school has something to do"
        assert [first for first, _, _ in lines].count(True) == 1, "one filled button"
        assert lines[0][0]
        for _, url, text in lines:
            led = await client.get(url)
            assert led.status_code == 200, (url, text, led.text[:300])
    async with full.client(role) as client:
        told = (await client.get("/api/v1/me/today")).json()
    kinds = [each["kind"] for each in (*told["now"], *told["soon"])]
    assert len([each for each in kinds if each in WHERE]) == len(kinds)
    setting_up = len(lines) - len(kinds)
    assert 0 <= setting_up <= 4, "the page lists what programs are told, and what the platform itself needs"


async def test_a_viewer_gets_figures_and_no_list(full: Served) -> None:
    async with full.client("viewer", by="cookie") as client:
        page = await client.get("/")
    assert LINE.findall(page.text) == []
    async with full.client("viewer") as client:
        assert (await client.get("/api/v1/me/today")).json() == {"now": [], "soon": []}


async def test_schools_without_results_are_listed_behind_their_count(full: Served) -> None:
    async with full.client("coordinator", by="cookie") as client:
        every = await client.get("/schools")
        lacking = await client.get("/schools?untested=1")
    assert "Alpha School" in every.text
    assert "Alpha School" not in lacking.text, "it has results"
    assert "Beta School" in lacking.text


async def test_a_phones_first_four_are_what_the_role_uses_most(full: Served) -> None:
    wanted = {
        "teacher": ["/", "/students", "/groups", "/figures"],
        "mentor": ["/", "/next-week", "/verification", "/figures"],
        "coordinator": ["/", "/schools", "/students", "/visits"],
    }
    for role, hrefs in wanted.items():
        async with full.client(role, by="cookie") as client:
            page = (await client.get("/account")).text
        bar = page[page.index('<nav class="ways"') : page.index("</nav>")]
        assert re.findall(r'<li><a href="([^"]+)"', bar)[:4] == hrefs, role
