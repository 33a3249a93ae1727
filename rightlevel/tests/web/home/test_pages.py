"""The home of each role lists what is to be done, each a link to where it is done, and is what programs are told."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest
from fill_school import fill_school, ground
from serving import DEADLINE_S, NewDatabase, Served, serving

from rightlevel.programme.permissions import may
from rightlevel.web.app import STATIC, all_routes
from rightlevel.web.home.pages import WHERE
from rightlevel.web.navigation import LEADING, WAYS, headings_of

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


HEADINGS = {
    "teacher": ["/", "/students", "/groups", "/figures", "More"],
    "mentor": ["/", "/next-week", "/verification", "/figures", "More"],
    "viewer": ["/", "/figures", "/schools", "More"],
    "coordinator": ["/", "/schools", "/rounds", "/figures", "/people"],
    "admin": ["/", "/schools", "/rounds", "/figures", "/people"],
}
ENTRY = re.compile(r'<li(?: class="on-phone")?><a href="([^"]+)"|<summary>.*?<span>(\w+)</span>', re.S)


def bar_of(page: str) -> str:
    return page[page.index('<nav class="ways"') : page.index("</nav>")]


@pytest.mark.parametrize("role", HEADINGS)
async def test_a_phones_bar_has_the_headings_of_the_role(full: Served, role: str) -> None:
    async with full.client(role, by="cookie") as client:
        bar = bar_of((await client.get("/account")).text)
    folded = re.sub(
        r'<li class="on-desk group">.*?</details></li>|<details>.*?</details>|<li class="on-desk">.*?</li>',
        _named,
        bar,
        flags=re.S,
    )
    headings = [href or name for href, name in ENTRY.findall(folded)]
    assert headings[:5] == HEADINGS[role]
    assert len(headings) <= 5


def _named(match: re.Match[str]) -> str:
    """What a phone shows of it: the name of what is less used, and nothing of what only a desk has."""
    summary = re.search(r"<summary>.*?</summary>", match[0], re.S)
    return summary[0] if summary and "on-desk" not in match[0] else ""


@pytest.mark.parametrize("role", HEADINGS)
async def test_every_page_of_the_bar_opens_and_all_that_a_role_may_open_is_in_it(
    full: Served, role: str
) -> None:
    actor = getattr(full.cast, role)
    held = [way.href for heading in headings_of(actor) for way in heading.ways]
    assert sorted(held) == sorted({way.href for way in WAYS if may(actor, way.action, way.resource)})
    async with full.client(role, by="cookie") as client:
        shown = set(re.findall(r'<a href="([^"]+)"', bar_of((await client.get("/account")).text)))
        assert shown == set(held)
        for href in held:
            page = await client.get(href)
            assert page.status_code == 200, href
            assert bar_of(page.text).count('aria-current="page"') >= 1, href


async def test_what_is_inside_a_heading_stands_above_its_pages(full: Served) -> None:
    async with full.client("coordinator", by="cookie") as client:
        page = (await client.get("/verification")).text
    inside = page[page.index('<nav class="inside"') :]
    inside = inside[: inside.index("</nav>")]
    assert {"/rounds", "/verification", "/visits", "/groups"} <= set(re.findall(r'href="([^"]+)"', inside))
    assert re.findall(r'href="([^"]+)" aria-current="page"', inside) == ["/verification"]


UNDER_NO_ENTRY = {
    "/code",
    "/held-form",
    "/join",
    "/link-device",
    "/phone/{language}",
    "/public",
    "/search",
    "/sign-in",
}


def test_every_page_stands_under_an_entry_so_that_one_sees_where_one_is() -> None:
    lost = {
        route.path
        for route in all_routes()
        if route.method == "GET"
        and route.is_page
        and not any(way.is_here(route.path) for way in WAYS)
        and not any(route.path == each or route.path.startswith(f"{each}/") for each in UNDER_NO_ENTRY)
    }
    assert not lost, f"say in `also` of an entry of WAYS where these stand: {sorted(lost)}"


def test_each_idea_has_a_symbol_of_its_own() -> None:
    icons = [way.icon for way in WAYS]
    assert len(set(icons)) == len(icons)
    own = {way.icon: way.name for way in WAYS}
    for name, icon, hrefs in LEADING:
        assert own.get(icon, name) == name, "a heading with an entry's symbol has its name"
        assert hrefs
    drawn = re.findall(r'<symbol id="(\w+)"', (STATIC / "icons.svg").read_text("utf-8"))
    assert len(set(drawn)) == len(drawn)
    assert {*icons, *(icon for _, icon, _ in LEADING), *(icon for icon, _ in WHERE.values())} <= set(drawn)
