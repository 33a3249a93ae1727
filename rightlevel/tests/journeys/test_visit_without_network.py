"""A mentor's day in a valley, in a real browser: a visit, a blind re-test, a child that nobody had entered; and a teacher's groups."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from journey import PASSWORD, Site, sign_in
from people import NOW, actor_now
from phone_in_village import PIN, Phone, nobody_tested, open_grid, row_of, tap, unlock
from playwright.sync_api import Browser, Page, expect
from serving import DEADLINE_S, Served

from flatwater.queries import read_queries
from rightlevel.programme.groups import NewGrouping, accept_groups, groups_in_use, propose_groups, read_group
from rightlevel.programme.photos import list_photos
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.students import NewStudent, create_student
from rightlevel.programme.verification import NewDraw, draw_sample
from rightlevel.programme.visits import VisitWrite, read_visit, save_visit

sys.path.insert(0, str(Path(__file__).parent))

from test_fits_a_phone import faults_of

pytestmark = pytest.mark.browser
SESSION = re.compile("in session")

QUERIES = read_queries(
    """
-- name: forget_visits
-- Nobody has visited anybody.
update visit set deleted_at = now() where deleted_at is null
-- name: forget_added
-- Takes away whom an earlier journey added.
update student set deleted_at = now(), code = code || id::text where name in ('Sokha', 'Sokha Two') and deleted_at is null
-- name: visits
-- What there is of visits.
select id::text as id, state::text as state, version from visit where deleted_at is null
-- name: children
-- The children that were added, with their results.
select s.id::text as id, s.code, s.name, r.rank, r.version from student s
left join result r on r.student_id = s.id and r.deleted_at is null
where s.name in ('Sokha', 'Sokha Two') and s.deleted_at is null order by s.code
-- name: retests
-- What became of re-tests.
select v.state::text as state, v.first_rank, v.rank, v.tool from verification v join result r on r.id = v.result_id and r.deleted_at is null
where v.round_id = %(round)s
-- name: agreed
-- What was agreed to be done.
select words, state::text as state, coalesce(closed_words, '') as closed_words from follow_up where visit_id = %(visit)s::uuid
-- name: checks
-- The quick re-tests of children whose name begins so.
select st.name, l.code as level, c.version from level_check c join student st on st.id = c.student_id
join scale sc on sc.subject = c.subject and sc.is_default join scale_level l on l.scale_id = sc.id and l.rank = c.rank
order by st.name
-- name: assignments_until
-- Lets somebody's assignments end on a day, or not.
update assignment set to_on = %(until)s::date where person_id = %(person)s
""",
    origin="tests/journeys/test_visit_without_network.py",
)


class VisitThere(msgspec.Struct):
    """A visit as the database has it."""

    id: str
    state: str
    version: int


class ChildThere(msgspec.Struct):
    """A child that was added, with its result."""

    id: str
    code: str
    name: str
    rank: int | None
    version: int | None


class RetestThere(msgspec.Struct):
    """A re-test as the database has it."""

    state: str
    first_rank: int | None
    rank: int | None
    tool: int | None


class AgreedThere(msgspec.Struct):
    """What was agreed, as the database has it."""

    words: str
    state: str
    closed_words: str


class CheckThere(msgspec.Struct):
    """A quick re-test as the database has it."""

    name: str
    level: str
    version: int


def read(site: Site, name: str, into: Any, **values: Any) -> list[Any]:
    async def reading(served: Served) -> list[Any]:
        async with served.database.transaction(deadline_s=DEADLINE_S) as session:
            return await session.fetch_all(QUERIES[name], {"round": served.cast.round} | values, into=into)

    return site.run(reading)


@pytest.fixture(autouse=True)
def nobody_was_here(site: Site) -> None:
    async def forget(served: Served) -> None:
        async with served.database.transaction(deadline_s=DEADLINE_S) as session:
            for each in ("forget_visits", "forget_added"):
                await session.execute(QUERIES[each], {})

    site.run(forget)


def everything_is_sent(page: Page) -> None:
    expect(page.locator("#line")).to_contain_text("Everything is on the server")


def begin_visit(page: Page) -> None:
    page.get_by_role("link", name="New visit").click()
    page.get_by_label("School").select_option(label="Alpha School")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator(".visit-form")).to_be_visible()


def answer(page: Page, question: str | re.Pattern[str], choice: str) -> None:
    page.get_by_role("group", name=question).get_by_label(choice, exact=True).click()


def finish_without_lesson(page: Page) -> None:
    answer(page, SESSION, "No")
    page.locator("#f-not_ran_reason").fill("holiday")


def test_a_mentors_visit_in_a_valley(phone: Phone, site: Site) -> None:
    page = phone.set_up("mentor")
    phone.cut()
    page.close()
    page = phone.page()
    page.goto("/phone/en")
    unlock(page)
    begin_visit(page)
    expect(page.locator("[data-asked=not_ran_reason]")).to_be_hidden()
    # A number is looked at beside the others, and what is no number is told.
    answer(page, SESSION, "Yes")
    page.get_by_label("Children on the class list").fill("៣០")
    page.get_by_label("Children present").fill("40")
    expect(page.locator("[data-fault=present]")).to_have_text("At most 30")
    page.get_by_label("Children present").fill("many")
    expect(page.locator("[data-fault=present]")).to_contain_text("not a number")
    page.get_by_label("Children present").fill("28")
    expect(page.locator("[data-fault=present]")).to_be_hidden()
    # It says what is open, and goes to the first.
    page.get_by_role("button", name="Finish the visit").click()
    expect(page.locator("#saved")).to_contain_text("Questions that are open: ")
    finish_without_lesson(page)
    expect(page.locator("#saved")).to_contain_text("On this phone")
    # The battery was out: what was answered is still there.
    page.close()
    page = phone.page()
    page.goto("/phone/en")
    unlock(page)
    expect(page.locator("#line")).to_contain_text("1 on this phone")
    page.get_by_role("link", name=re.compile("Alpha School.*Draft")).click()
    expect(page.locator("[data-asked=session_ran] [value=no]")).to_be_checked()
    expect(page.locator("[data-asked=not_ran_reason]")).to_be_visible()
    page.get_by_role("button", name="Finish the visit").click()
    expect(page.locator("main")).to_contain_text("The visit is finished. It is kept on this phone")
    assert read(site, "visits", VisitThere) == []
    phone.mend()
    everything_is_sent(page)
    (visit,) = read(site, "visits", VisitThere)
    assert visit.state == "submitted"
    expect(page.get_by_role("link", name=re.compile("Alpha School.*Finished"))).to_contain_text(
        "On the server"
    )


def _agree(page: Page, what: str) -> None:
    page.get_by_label("What is to be done").fill(what)
    page.get_by_label("Who", exact=True).select_option(label="Mentor")
    page.get_by_label("Until when").fill("2026-12-01")
    page.get_by_role("button", name="Agree on something").click()
    expect(page.locator("#follow-ups li")).to_contain_text("On this phone")


def _sign(page: Page, question: str) -> None:
    place = page.locator(f"[data-asked={question}] .sign-here")
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 60)
    page.mouse.down()
    for step in range(5):
        page.mouse.move(box["x"] + 40 + 20 * step, box["y"] + 40 + 20 * (step % 2))
    page.mouse.up()


def test_who_was_visited_signs_in_the_valley_and_what_was_agreed_is_closed_there(
    phone: Phone, site: Site
) -> None:
    page = phone.set_up("mentor")
    phone.cut()
    begin_visit(page)
    answer(page, SESSION, "Yes")
    page.get_by_label("Mentor’s signature").fill("Mentor")
    _sign(page, "mentor_signature")
    expect(page.locator("#saved")).to_contain_text("On this phone")
    page.locator("#follow-ups summary").click()
    page.get_by_role("button", name="Agree on something").click()
    expect(page.locator("#follow-ups .fault")).to_have_text("Please fill this in")
    _agree(page, "Bring word cards")
    # The battery was out: name and strokes are still there, and what was agreed.
    page.close()
    page = phone.page()
    page.goto("/phone/en")
    unlock(page)
    page.get_by_role("link", name=re.compile("Alpha School.*Draft")).click()
    expect(page.get_by_label("Mentor’s signature")).to_have_value("Mentor")
    expect(page.locator("[data-asked=mentor_signature] .drawn path")).to_have_attribute("d", re.compile("^M"))
    phone.mend()
    everything_is_sent(page)
    (visit,) = read(site, "visits", VisitThere)
    signed = site.run(lambda served: _answers(served, visit.id))["mentor_signature"]
    assert signed["name"] == "Mentor"
    assert signed["strokes"].startswith("M")
    assert read(site, "agreed", AgreedThere, visit=visit.id) == [AgreedThere("Bring word cards", "open", "")]
    # Its page shows and keeps what was drawn.
    page.goto(f"/visits/{visit.id}")
    expect(page.locator("[data-asked=mentor_signature] .drawn path")).to_have_attribute(
        "d", signed["strokes"]
    )
    page.goto("/phone/en")
    unlock(page)
    phone.cut()
    page.get_by_role("link", name="What was agreed with me").click()
    page.get_by_text("Close", exact=True).click()
    page.get_by_label("What was done, or why not").fill("They are there")
    page.get_by_role("button", name="Done").click()
    expect(page.locator("main li").first).to_contain_text("On this phone")
    phone.mend()
    everything_is_sent(page)
    assert read(site, "agreed", AgreedThere, visit=visit.id) == [
        AgreedThere("Bring word cards", "done", "They are there")
    ]


def test_a_session_that_ends_in_the_middle_of_a_visit_keeps_all_of_it_until_one_signs_in(
    phone: Phone, site: Site
) -> None:
    page = phone.set_up("mentor")
    begin_visit(page)
    everything_is_sent(page)
    phone.context.clear_cookies()
    finish_without_lesson(page)
    page.locator("#follow-ups summary").click()
    _agree(page, "Come again")
    page.get_by_role("button", name="Finish the visit").click()
    expect(page.locator("#line")).to_contain_text("Sign in again to send")
    (visit,) = read(site, "visits", VisitThere)
    assert (visit.state, read(site, "agreed", AgreedThere, visit=visit.id)) == ("draft", [])
    tab = phone.page()
    sign_in(tab, "mentor", PASSWORD)
    tab.close()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    everything_is_sent(page)
    (visit,) = read(site, "visits", VisitThere)
    assert visit.state == "submitted"
    assert [each.words for each in read(site, "agreed", AgreedThere, visit=visit.id)] == ["Come again"]


def test_a_visit_goes_on_from_a_save_whose_answer_was_lost(phone: Phone, site: Site) -> None:
    page = phone.set_up("mentor")
    begin_visit(page)
    everything_is_sent(page)
    lost: list[int] = []

    def lose(route: Any) -> None:
        if len(lost) < 2:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/visits/*", lose)
    expect(page.locator("#saved")).to_have_text("Draft · On the server")
    answer(page, SESSION, "No")
    page.wait_for_timeout(1500)  # it arrived, and nobody was told
    finish_without_lesson(page)
    everything_is_sent(page)
    assert lost == [200, 200]
    (visit,) = read(site, "visits", VisitThere)
    assert visit.state == "draft"
    assert site.run(lambda served: _answers(served, visit.id))["not_ran_reason"] == "holiday"


async def _answers(served: Served, visit_id: str) -> dict[str, Any]:
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        return (await read_visit(session, await actor_now(session, "mentor"), visit_id)).answers


def test_a_visit_that_was_changed_elsewhere_is_shown_with_both_answers(phone: Phone, site: Site) -> None:
    page = phone.set_up("mentor")
    begin_visit(page)
    finish_without_lesson(page)
    everything_is_sent(page)
    phone.cut()
    answer(page, SESSION, "Yes")
    expect(page.locator("#line")).to_contain_text("1 on this phone")
    (visit,) = read(site, "visits", VisitThere)

    async def elsewhere(served: Served) -> None:
        async with served.database.transaction(deadline_s=DEADLINE_S) as session:
            mentor = await actor_now(session, "mentor")
            there = await read_visit(session, mentor, visit.id)
            write = VisitWrite(
                there.id,
                str(uuid4()),
                there.school_id,
                there.subject,
                there.visited_on,
                {"session_ran": False, "not_ran_reason": "weather"},
                version=there.version,
            )
            await save_visit(session, mentor, write, served.clock)

    site.run(elsewhere)
    phone.mend()
    page.get_by_role("link", name="All classes").click()
    page.get_by_role("link", name=re.compile("To look at")).first.click()
    both = page.locator(".both")
    expect(both).to_contain_text("On the server")
    expect(both).to_contain_text("weather")
    expect(both).to_contain_text("Was the class in session?")
    page.get_by_role("button", name="Use mine").click()
    everything_is_sent(page)
    assert site.run(lambda served: _answers(served, visit.id))["session_ran"] is True


def test_photos_are_made_small_on_the_phone_and_follow_their_visit(
    phone: Phone, site: Site, tmp_path: Path
) -> None:
    page = phone.set_up("mentor")
    phone.cut()
    begin_visit(page)
    large = page.evaluate(
        """async () => { const canvas = new OffscreenCanvas(4000, 3000); const context = canvas.getContext('2d')
          for (let at = 0; at < 4000; at += 7) { context.fillStyle = `hsl(${at} 80% 50%)`; context.fillRect(at, at % 3000, 700, 500) }
          const made = await canvas.convertToBlob({ type: 'image/png' })
          return [...new Uint8Array(await made.arrayBuffer())] }"""
    )
    file = tmp_path / "photo.png"
    file.write_bytes(bytes(large))
    page.set_input_files("#f-photo", file)
    expect(page.locator("#photos")).to_contain_text("1 On this phone")
    expect(page.locator("#line")).to_contain_text("2 on this phone")
    phone.mend()
    everything_is_sent(page)
    (visit,) = read(site, "visits", VisitThere)

    async def photos(served: Served) -> list[tuple[int, int]]:
        async with served.database.transaction(deadline_s=DEADLINE_S) as session:
            found = await list_photos(session, await actor_now(session, "mentor"), visit.id)
        return [(each.width, each.height) for each in found]

    ((width, height),) = site.run(photos)
    assert max(width, height) <= 1600


async def _drawn(served: Served) -> None:
    """Bopha reads words, says the teacher; the mentor is to see for himself."""
    cast = served.cast
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        teacher = await actor_now(session, "teacher")
        write = ResultWrite(
            str(uuid4()), cast.students_a[0], cast.round, "language", NOW.date(), level="word", tool=1
        )
        (answer,) = await enter_results(session, teacher, [write], served.clock)
        assert answer.is_saved, answer
        coordinator = await actor_now(session, "coordinator")
        await draw_sample(
            session, coordinator, NewDraw(cast.round, "language", school_id=cast.school_a), served.clock
        )


def test_a_blind_retest_in_a_valley(phone: Phone, site: Site) -> None:
    site.run(_drawn)
    page = phone.set_up("mentor")
    phone.cut()
    packs = page.evaluate(
        """async (pin) => { const [known] = await phoneStore.vaults()
          const pack = await (await phoneStore.unlock(known.person_id, pin)).pack()
          const { tools, rules, forms, ...about } = pack
          return JSON.stringify(about) }""",
        PIN,
    )
    assert "Bopha" in packs
    assert '"word"' not in packs  # what the teacher recorded is not on this phone at all
    page.get_by_role("link", name=re.compile("Children to test again")).click()
    page.get_by_role("link", name=re.compile("Bopha")).click()
    assert page.get_by_label("Tool").locator("option").all_text_contents() == ["2", "3", "4"]
    answer(page, "Level", "Letters")
    page.get_by_role("button", name="Save this level").click()
    expect(page.locator("main")).to_contain_text("Bopha: Letters ✓ On this phone")
    # Not sent yet, it can still be corrected.
    page.get_by_role("link", name=re.compile("Bopha")).click()
    answer(page, "Level", "Paragraph")
    page.get_by_role("button", name="Save this level").click()
    expect(page.locator("#line")).to_contain_text("1 on this phone")
    phone.mend()
    everything_is_sent(page)
    expect(page.get_by_role("link", name=re.compile("Bopha"))).to_contain_text(
        "Differs: first Words, now Paragraph"
    )
    assert read(site, "retests", RetestThere) == [RetestThere("disagreed", 3, 4, 2)]


def test_a_child_is_added_and_tested_before_the_server_knows_it(phone: Phone, site: Site) -> None:
    page = phone.set_up("mentor")
    phone.cut()
    page.get_by_role("link", name="Add a child").first.click()
    expect(page.get_by_label("Code")).to_have_value("A5")
    page.get_by_label("Name").fill("Bopha")
    answer(page, "Sex", "Girl")
    page.get_by_role("button", name="Save the child").click()
    expect(page.get_by_role("alert")).to_contain_text("Bopha (A0) is here already")
    page.get_by_label("Name").fill("Sokha")
    page.get_by_role("button", name="Save the child").click()
    expect(page.locator("h1")).to_have_text("Sokha")
    page.get_by_role("link", name="Grade 3 A").click()
    tap(page, "Sokha", "Words")
    expect(row_of(page, "Sokha")).to_contain_text("On this phone")
    tap(page, "Sokha", "Story")
    expect(page.locator("#line")).to_contain_text("3 on this phone")
    phone.mend()
    everything_is_sent(page)
    expect(row_of(page, "Sokha")).to_contain_text("On the server")
    (child,) = read(site, "children", ChildThere)
    assert (child.code, child.rank, child.version) == ("A5", 5, 2)


def test_a_code_that_was_given_elsewhere_holds_the_results_back_until_it_is_mended(
    phone: Phone, site: Site
) -> None:
    page = phone.set_up("mentor")
    phone.cut()
    _add_and_test(page, "Sokha", "Words")
    site.run(lambda served: _add(served, "A5", "Sokha Two"))
    phone.mend()
    expect(page.locator("#line")).to_contain_text("2 on this phone")
    page.get_by_role("link", name="All classes").click()
    page.get_by_role("link", name=re.compile("To look at")).click()
    expect(page.locator("main li").first).to_contain_text("Another child of this school has this code")
    expect(page.locator("main li").nth(1)).to_contain_text("Sent after the one before it")
    page.get_by_label("Code").fill("A6")
    page.get_by_role("button", name="Send again").click()
    everything_is_sent(page)
    found = [(each.code, each.name, each.rank) for each in read(site, "children", ChildThere)]
    assert found == [("A5", "Sokha Two", None), ("A6", "Sokha", 3)]


def test_what_was_entered_goes_to_the_childs_record_that_was_there(phone: Phone, site: Site) -> None:
    page = phone.set_up("mentor")
    phone.cut()
    _add_and_test(page, "Sokha", "Words")
    site.run(lambda served: _add(served, "A5", "Sokha Two"))
    phone.mend()
    page.get_by_role("link", name="All classes").click()
    expect(page.get_by_role("link", name=re.compile("To look at"))).to_be_visible()
    page.locator("#more > summary").click()
    page.get_by_role("button", name="Fetch my work again").click()
    page.get_by_role("link", name=re.compile("To look at")).click()
    page.get_by_role("button", name="It is Sokha Two").click()
    everything_is_sent(page)
    found = [(each.code, each.name, each.rank) for each in read(site, "children", ChildThere)]
    assert found == [("A5", "Sokha Two", 3)]


def _add_and_test(page: Page, name: str, level: str) -> None:
    page.get_by_role("link", name="Add a child").first.click()
    page.get_by_label("Name").fill(name)
    answer(page, "Sex", "Girl")
    page.get_by_role("button", name="Save the child").click()
    expect(page.locator("h1")).to_have_text(name)
    page.get_by_role("link", name="Grade 3 A").click()
    tap(page, name, level)
    expect(row_of(page, name)).to_contain_text("On this phone")


async def _add(served: Served, code: str, name: str) -> None:
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        coordinator = await actor_now(session, "coordinator")
        new = NewStudent(served.cast.school_a, code, name, 2, 3, class_id=served.cast.class_3a)
        await create_student(session, coordinator, new, served.clock)


async def _two_groups(served: Served) -> None:
    cast = served.cast
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        teacher = await actor_now(session, "teacher")
        for child, level in zip(cast.students_a[:3], ("letter", "word", "word"), strict=True):
            write = ResultWrite(str(uuid4()), child, cast.round, "language", NOW.date(), level=level)
            await enter_results(session, teacher, [write], served.clock)
        wish = NewGrouping(cast.school_a, "language", 3, 5, teacher_ids=[teacher.person_id])
        proposal = await propose_groups(session, teacher, wish, served.clock)
        await accept_groups(session, teacher, proposal.id, proposal.version, served.clock)


async def _members(served: Served) -> list[list[str]]:
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        teacher = await actor_now(session, "teacher")
        groups = await groups_in_use(session, teacher, [served.cast.school_a])
        pages = [await read_group(session, teacher, each.id) for each in groups]
    return [[each.name for each in page.members] for page in pages]


def test_a_child_is_moved_to_another_group_without_a_network(phone: Phone, site: Site) -> None:
    site.run(_two_groups)
    page = phone.set_up()
    phone.cut()
    page.get_by_role("link", name=re.compile("Groups Reading")).click()
    page.get_by_label("Bopha: Move to").select_option(index=1)
    expect(page.locator("main")).to_contain_text("Bopha ✓ On this phone")
    second = page.locator("section.panel").nth(1)
    expect(second).to_contain_text("Bopha")
    lost: list[int] = []

    def lose(route: Any) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)
        route.abort()

    page.route("**/api/v1/group-moves", lose)
    phone.mend()
    everything_is_sent(page)
    assert lost == [200]
    assert site.run(_members) == [[], ["Bopha", "Chan", "Dara"]]
    expect(second).to_contain_text("Bopha")


# Keeps the phone's own store busy, as a slow card does, until it is let go.
HOLD_THE_STORE = """() => new Promise((resolve, reject) => {
  const asked = indexedDB.open("rightlevel");
  asked.onerror = () => reject(asked.error);
  asked.onsuccess = () => {
    const transaction = asked.result.transaction(["outbox"], "readwrite");
    const store = transaction.objectStore("outbox");
    const again = () => {
      resolve();
      if (window.letGo) asked.result.close();
      else store.count().onsuccess = again;
    };
    again();
  };
})"""


def test_a_group_is_tested_quickly_without_a_network(phone: Phone, site: Site) -> None:
    site.run(_two_groups)
    page = phone.set_up()
    phone.cut()
    page.get_by_role("link", name="Groups Reading").click()
    page.get_by_role("link", name="Quick re-tests").first.click()
    row = page.locator(".grid-row").first
    name = row.get_attribute("aria-label") or ""
    tap(page, name, "Words")
    expect(row_of(page, name)).to_contain_text("On this phone")
    page.evaluate(HOLD_THE_STORE)
    tap(page, name, "Paragraph")
    expect(row_of(page, name)).to_contain_text("Saving…")
    expect(row_of(page, name)).not_to_contain_text("On this phone")
    page.evaluate("() => { window.letGo = true; }")
    expect(row_of(page, name)).to_contain_text("On this phone")
    page.close()
    page = phone.page()
    page.goto("/phone/en")
    unlock(page)
    expect(page.locator("#line")).to_contain_text("2 on this phone")
    phone.mend()
    everything_is_sent(page)
    assert read(site, "checks", CheckThere) == [CheckThere(name, "paragraph", 2)]
    page.get_by_role("link", name="Groups Reading").click()
    page.get_by_role("link", name="Quick re-tests").first.click()
    expect(row_of(page, name)).to_contain_text("On the server")


def test_a_mentor_looks_at_groups_and_changes_none(phone: Phone, site: Site) -> None:
    site.run(_two_groups)
    page = phone.set_up("mentor")
    phone.cut()
    page.get_by_role("link", name=re.compile("Groups Reading")).click()
    expect(page.locator("main")).to_contain_text("Chan")
    assert page.locator("main select").count() == 0


def test_a_mentor_whose_school_was_taken_keeps_what_is_refused(phone: Phone, site: Site) -> None:
    """An ended right: the visit stays on the phone with its reason, and can be saved to a file."""
    page = phone.set_up("mentor")
    phone.cut()
    begin_visit(page)
    finish_without_lesson(page)
    expect(page.locator("#line")).to_contain_text("1 on this phone")
    site.run(lambda served: _assigned(served, "2026-11-01"))
    try:
        phone.mend()
        page.get_by_role("link", name="All classes").click()
        page.get_by_role("link", name=re.compile("To look at")).first.click()
        expect(page.locator("main li")).to_contain_text("not assigned to you")
        with page.expect_download():
            page.get_by_role("button", name="Save what is not sent to a file").click()
        assert read(site, "visits", VisitThere) == []
    finally:
        site.run(lambda served: _assigned(served, None))


async def _assigned(served: Served, until: str | None) -> None:
    values = {"person": served.cast.mentor.person_id, "until": until}
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        await session.execute(QUERIES["assignments_until"], values)


def test_a_pack_of_an_earlier_version_of_the_page_still_opens(phone: Phone) -> None:
    page = phone.set_up()
    page.evaluate(
        """async (pin) => { const vault = await phoneStore.unlock((await phoneStore.vaults())[0].person_id, pin)
          const { retests, forms, visits, grades, may, ...before } = await vault.pack()
          before.schools = before.schools.map(({ subjects, teachers, ...each }) => each)
          await vault.keepPack(before) }""",
        PIN,
    )
    phone.cut()
    page.reload()
    unlock(page)
    open_grid(page)
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")


def phone_id(page: Page) -> str:
    return page.evaluate("async () => (await phoneStore.vaults())[0].phone_id")


def end_phone(page: Page, phone: str) -> None:
    form = page.locator(f"form[action$='/{phone}/end']")
    page.locator("details", has=form).locator("summary").first.click()
    form.get_by_role("button", name="End this phone").click()


def test_a_lost_phone_that_is_ended_has_no_children_on_it_any_more(
    phone: Phone, browser: Browser, site: Site
) -> None:
    page = phone.set_up()
    open_grid(page)
    phone.cut()
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    mine = phone_id(page)
    page.close()
    # Somebody at the office, on another machine.
    office = Phone(browser, site)
    desk = office.page()
    sign_in(desk, "coordinator", PASSWORD)
    desk.goto(f"/people/{site.cast.teacher.person_id}")
    end_phone(desk, mine)
    expect(desk.locator("main")).to_contain_text("That phone is ended.")
    expect(desk.locator(f"form[action$='/{mine}/end']")).to_have_count(0)
    office.close()
    # Whoever found it opens it before it has a network: what is there is locked. With one, it is gone before any PIN.
    phone.mend()
    page = phone.page()
    page.goto("/phone/en")
    page.wait_for_function(
        "async () => (await phoneStore.vaults()).every((each) => each.pack === null)", timeout=15_000
    )
    assert phone.context.request.get("/api/v1/me").status == 401
    unlock(page)
    expect(page.locator("main")).to_contain_text("Sign in first")
    expect(page.locator("#line")).to_contain_text("1 on this phone")
    # Its owner got it back.
    sign_in(page, "teacher", PASSWORD)
    page.goto("/phone/en")
    unlock(page)
    everything_is_sent(page)
    expect(page.locator("main")).to_contain_text("Alpha School")


def test_a_phone_that_is_open_when_it_is_ended_closes(phone: Phone, site: Site) -> None:
    page = phone.set_up()
    open_grid(page)
    desk = phone.page()
    desk.goto("/account")
    end_phone(desk, phone_id(page))
    desk.wait_for_url("**/sign-in*")  # it was this phone's own session
    desk.close()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("alert")).to_contain_text("This phone was ended")
    expect(page.locator("main")).not_to_contain_text("Bopha")


@pytest.mark.walk
@pytest.mark.parametrize("language", ["en", "km"])
def test_the_screens_of_a_mentors_day_fit_and_can_be_read(
    browser: Browser, site: Site, language: str, tmp_path: Path
) -> None:
    site.run(nobody_tested)
    site.run(_two_groups)
    site.run(_drawn_again)
    phone = Phone(browser, site, language)
    page = phone.set_up("mentor")
    assert page.locator("html").get_attribute("lang") == language
    faults: list[str] = []
    page.evaluate("location.hash = 'visit-new'")
    page.locator("main form .button").first.click()
    page.wait_for_selector(".visit-form")
    form = page.evaluate("location.hash.slice(1)")
    page.locator("[name=session_ran][value=yes]").check()
    retest, group = page.evaluate(
        """async (pin) => {
          const pack = await (await phoneStore.unlock((await phoneStore.vaults())[0].person_id, pin)).pack()
          return [pack.retests[0].id, pack.groups[0].id]
        }""",
        PIN,
    )
    pictures = Path(os.environ.get("PICTURES", tmp_path))
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for name, hash_ in (
            ("home", ""),
            ("begin", "visit-new"),
            ("visit", form),
            ("retests", "retests"),
            ("retest", f"retest/{retest}"),
            ("child", f"child/{site.cast.school_a}"),
            ("groups", f"groups/{site.cast.school_a}/language"),
            ("checks", f"checks/{group}"),
            ("agreed", "agreed"),
            ("outbox", "outbox"),
        ):
            page.evaluate("(hash) => { location.hash = hash }", hash_)
            page.wait_for_timeout(250)
            page.screenshot(path=pictures / f"{language}-{width}-{name}.png", full_page=True)
            faults += faults_of(page, f"{width} #{hash_}")
    phone.close()
    assert faults == []


async def _drawn_again(served: Served) -> None:
    """A sample of those who were tested."""
    cast = served.cast
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        coordinator = await actor_now(session, "coordinator")
        new = NewDraw(cast.round, "language", school_id=cast.school_a)
        await draw_sample(session, coordinator, new, served.clock)
