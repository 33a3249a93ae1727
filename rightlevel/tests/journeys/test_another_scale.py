"""A country with nine levels of reading and three of mathematics, on a phone of 360 px without a network and in the editor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from journey import Device, Site
from other_scale import nine_rungs, three_rungs
from people import NOW, actor_now
from phone_in_village import Phone, open_grid, row_of, tap
from playwright.sync_api import Browser, expect
from serving import DEADLINE_S, NewDatabase, OneDatabase, Served

from flatwater.queries import read_queries
from rightlevel.programme.rounds import NewRound, create_round, read_round, set_round_state
from rightlevel.programme.scales import (
    NewScale,
    ScaleSearch,
    ScaleText,
    list_scales,
    publish_scale,
    start_scale,
)

sys.path.insert(0, str(Path(__file__).parent))

from test_fits_a_phone import faults_of, rules_broken_on

pytestmark = pytest.mark.browser
QUERIES = read_queries(
    """
-- name: make_room
-- Ends the cast's round before today, so that another may begin.
update round set state = 'closed', ends_on = %(on)s::date
-- name: levels
-- What was entered in the open round.
select coalesce(string_agg(st.name || ' ' || r.subject::text || ' ' || r.rank::text || ' ' || r.method::text, ', ' order by st.name, r.subject), '')
from result r join student st on st.id = r.student_id join round ro on ro.id = r.round_id
where ro.kind = 'midline' and r.deleted_at is null
""",
    origin="tests/journeys/test_another_scale.py",
)


@pytest.fixture(scope="module")
def elsewhere(
    new_database: NewDatabase,
    running_over: Callable[[OneDatabase, Path], AbstractContextManager[Site]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A service of its own, whose round is measured by both scales."""
    with running_over(new_database(), tmp_path_factory.mktemp("elsewhere")) as site:
        site.run(_measured)
        yield site


async def _measured(served: Served) -> None:
    on = NOW.date()
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        leader = await actor_now(session, "coordinator")

        async def published(text: ScaleText) -> str:
            draft = await start_scale(session, leader, NewScale(text=text), served.clock)
            key = draft.row.key
            await publish_scale(session, leader, key, served.clock, edited=draft.row.edited)
            return key

        reading, mathematics = await published(nine_rungs()), await published(three_rungs())
        year = (await read_round(session, leader, served.cast.round)).school_year_id
        await session.execute(QUERIES["make_room"], {"on": on - timedelta(days=1)})
        new = NewRound("midline", on, on, year, reading, mathematics)
        made = await create_round(session, leader, new)
        await set_round_state(
            session, leader, made.id, version=made.version, state="open", clock=served.clock
        )


async def _levels(served: Served) -> str:
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        return await session.fetch_value(QUERIES["levels"], {})


async def _draft(served: Served) -> str:
    """Where the next version of the nine levels is edited; one is begun where there is none."""
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        leader = await actor_now(session, "coordinator")
        rows = await list_scales(session, leader, ScaleSearch())
        nine = [each for each in rows if each.name == nine_rungs().name]
        draft = next((each.key for each in nine if each.state == "draft"), None)
        if draft is None:
            draft = (await start_scale(session, leader, NewScale(copy_of=nine[0].key), served.clock)).row.key
    return f"/scales/{draft}/edit"


@pytest.fixture
def device(browser: Browser, elsewhere: Site) -> Iterator[Device]:
    """Windows on this service; a page that complains fails its test."""
    opened = Device(browser, elsewhere)
    yield opened
    opened.close()
    assert opened.complaints == []


def test_nine_and_three_levels_are_tested_in_flight_mode_and_sent(browser: Browser, elsewhere: Site) -> None:
    phone = Phone(browser, elsewhere)
    page = phone.set_up()
    phone.cut()
    open_grid(page)
    assert faults_of(page, "the grid of nine") == []
    colour = "node => getComputedStyle(node).getPropertyValue('--own').trim()"
    chips = row_of(page, "Bopha").locator(".choice")
    assert [chips.nth(at).evaluate(colour) for at in (0, 8)] == ["#67001f", "#053061"]
    tap(page, "Bopha", "language 8")  # no way of the guided test leads there
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    row_of(page, "Chan").get_by_role("link").click()
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator(".rungs li")).to_have_count(9)
    assert faults_of(page, "the guided test of nine") == []
    page.get_by_role("button", name="Next").click()  # no word
    page.get_by_role("button", name="Next").click()  # no letter
    expect(page.locator(".level-is")).to_have_text("The level is: language 1")
    page.get_by_role("button", name="Save this level").click()
    expect(page.locator("main")).to_contain_text("Chan: language 1 ✓ On this phone")
    page.evaluate("location.hash = ''")
    open_grid(page, "Grade 3 A Mathematics")
    assert faults_of(page, "the grid of three") == []
    tap(page, "Bopha", "math 1")  # the code that reading has too, by its own name
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    page.evaluate("location.hash = 'outbox'")
    expect(page.locator("main")).to_contain_text("Chan · Reading · language 1")
    expect(page.locator("main")).to_contain_text("Bopha · Mathematics · math 1")
    phone.mend()
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    phone.close()
    assert phone.complaints == []
    assert elsewhere.run(_levels) == "Bopha language 8 grid, Bopha math 1 grid, Chan language 1 guided"


@pytest.mark.parametrize("language", ["en", "km"])
def test_the_editor_and_the_pages_of_nine_levels_fit_and_can_be_read(
    device: Device, elsewhere: Site, language: str
) -> None:
    page = device.open_as("coordinator", "/scales", language=language)
    nine = page.get_by_role("link", name="Ladder of 9").first.get_attribute("href")
    assert nine is not None
    page.goto(nine)
    expect(page.locator("#direct")).to_be_visible()
    faults = faults_of(page, nine) + rules_broken_on(page, nine)
    page.goto(elsewhere.run(_draft))
    expect(page.locator("[name='rungs.8.code']")).to_have_value("b9")
    faults += faults_of(page, "the editor") + rules_broken_on(page, "the editor")
    school = elsewhere.cast.school_a
    for address in (
        f"/schools/{school}/grid?subject=language",
        f"/schools/{school}/groups?subject=language",
        f"/figures?subject=language&school={school}",
        f"/schools/{school}/class-list?subject=language",
    ):
        page.goto(address)
        faults += faults_of(page, address)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(nine)
    faults += faults_of(page, "wide")
    assert faults == []
