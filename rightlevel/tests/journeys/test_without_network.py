"""A teacher's day without a network, in a real browser: what is entered is kept on the phone first, and on the server in the evening."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from find_browser import browser_path
from journey import FLAGS, PASSWORD, PHONE, Site, sign_in
from people import NOW, actor_now
from phone_in_village import PIN, Phone, nobody_tested, open_grid, row_of, tap, unlock
from playwright.sync_api import Browser, BrowserContext, expect
from serving import DEADLINE_S, Served
from village_line import Line

from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from rightlevel.programme.accounts.scopes import forget_assignments
from rightlevel.programme.exercises import RequirementChange, change_requirement
from rightlevel.programme.groups import NewGrouping, accept_groups, groups_led_by, propose_groups
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.teaching import SessionRow, list_sessions

sys.path.insert(0, str(Path(__file__).parent))

from test_fits_a_phone import faults_of

pytestmark = pytest.mark.browser

QUERIES = read_queries(
    """
-- name: assignments_until
-- Lets somebody's assignments end on a day, or not.
update assignment set to_on = %(until)s::date where person_id = %(person)s
-- name: results
-- What there is of a school in a round.
select st.name, r.subject::text as subject, r.outcome::text as outcome, r.rank, r.version, r.method::text as method
from result r join student st on st.id = r.student_id
where r.round_id = %(round)s and r.deleted_at is null order by st.name, r.subject
""",
    origin="tests/journeys/test_without_network.py",
)


class Entered(msgspec.Struct):
    """A result as the database has it."""

    name: str
    subject: str
    outcome: str
    rank: int | None
    version: int
    method: str


def results(site: Site) -> list[tuple[Any, ...]]:
    async def read(served: Served) -> list[tuple[Any, ...]]:
        async with served.database.transaction(deadline_s=DEADLINE_S) as session:
            rows = await session.fetch_all(QUERIES["results"], {"round": served.cast.round}, into=Entered)
        return [msgspec.structs.astuple(row) for row in rows]

    return site.run(read)


def test_a_teachers_day_in_flight_mode_and_the_evenings_sending(phone: Phone, site: Site) -> None:
    page = phone.set_up()
    phone.cut()
    page.close()
    # A cold start: the browser has nothing of the page open, and nothing is reached.
    page = phone.page()
    page.goto("/phone")
    expect(page.locator("h1")).to_have_text("On this phone")
    unlock(page)
    open_grid(page)
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    row_of(page, "Chan").get_by_role("link").click()
    page.get_by_role("button", name="Yes", exact=True).click()
    page.get_by_role("button", name="One mistake more").click()
    page.get_by_role("button", name="Reads it like sentences").click()
    expect(page.locator("h2")).to_have_text("Story")
    page.get_by_role("button", name="Reads it like sentences").click()
    for answer in page.locator(".shown-item").all():
        answer.click()
    page.get_by_role("button", name="Next").click()
    page.locator(".shown-item").first.click()
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".level-is")).to_have_text("The level is: Comprehension 1")
    page.get_by_role("button", name="Save this level").click()
    expect(page.locator("h1")).to_have_text("Dara")
    expect(page.locator("main")).to_contain_text("Chan: Comprehension 1 ✓ On this phone")
    # The battery was out: everything is still there.
    page.close()
    page = phone.page()
    page.goto("/schools/1/grid")
    expect(page.locator("h1")).to_have_text("On this phone")
    unlock(page)
    expect(page.locator("main")).to_contain_text("That page needs a network")
    expect(page.locator("#line")).to_contain_text("2 on this phone")
    open_grid(page)
    tap(page, "Bopha", "Paragraph")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    assert results(site) == []
    phone.mend()
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    expect(row_of(page, "Bopha")).to_contain_text("On the server")
    assert results(site) == [
        ("Bopha", "language", "assessed", 4, 2, "grid"),
        ("Chan", "language", "assessed", 6, 1, "guided"),
    ]


def test_attendance_is_taken_without_a_network(phone: Phone, site: Site) -> None:
    group = site.run(_a_group)
    page = phone.set_up()
    phone.cut()
    page.locator(f"a[href='#attendance/{group}']").click()
    page.get_by_role("button", name="Everybody is present").click()
    row_of(page, "Chan").get_by_label("Absent").click()
    page.get_by_role("button", name="Save the attendance").click()
    expect(page.locator("main")).to_contain_text("Saved on this phone: 1 of 2 there.")
    page.locator(f"a[href='#attendance/{group}']").click()  # a second thought, before the first was sent
    row_of(page, "Chan").get_by_label("Late").click()
    page.get_by_role("button", name="Save the attendance").click()
    expect(page.locator("#line")).to_contain_text("2 on this phone")
    phone.mend()
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    expect(page.locator(f"a[href='#attendance/{group}']")).to_contain_text("On the server")
    session = site.run(_the_session)
    assert (session.present, session.late, session.absent, session.version) == (1, 1, 0, 2)


async def _a_group(served: Served) -> int:
    """A group of two that the teacher leads."""
    cast = served.cast
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        teacher = await actor_now(session, "teacher")
        for child in cast.students_a[:2]:
            write = ResultWrite(str(uuid4()), child, cast.round, "language", NOW.date(), level="letter")
            await enter_results(session, teacher, [write], served.clock)
        wish = NewGrouping(cast.school_a, "language", 3, 5, teacher_ids=[teacher.person_id])
        proposal = await propose_groups(session, teacher, wish, served.clock)
        await accept_groups(session, teacher, proposal.id, proposal.version, served.clock)
        return (await groups_led_by(session, teacher))[0].id


async def _the_session(served: Served) -> SessionRow:
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        teacher = await actor_now(session, "teacher")
        found = await list_sessions(
            session, teacher, PageRequest(5), school_id=served.cast.school_a, subject="language"
        )
    return found.items[0]


def test_another_pin_opens_nothing_and_what_lies_on_the_phone_names_no_child(phone: Phone) -> None:
    page = phone.set_up()
    open_grid(page)
    token = page.evaluate(
        "fetch('/api/v1/me/connection').then(async (answer) => (await answer.json()).csrf_token)"
    )
    phone.cut()
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    lying = page.evaluate(
        """async () => {
          const opened = await new Promise((resolve) => { indexedDB.open('rightlevel').onsuccess = (event) => resolve(event.target.result) })
          const all = (name) => new Promise((resolve) => { opened.transaction(name).objectStore(name).getAll().onsuccess = (event) => resolve(event.target.result) })
          const text = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value) ? new TextDecoder().decode(value)
            : value && typeof value === 'object' ? Object.entries(value).map(([name, each]) => name + text(each)).join(' ') : String(value)
          const kept = (await Promise.all((await caches.keys()).map(async (name) => (await caches.open(name)).matchAll()))).flat()
          return [text(await all('vaults')), text(await all('outbox')), ...await Promise.all(kept.map((each) => each.text()))].join('\\n')
        }"""
    )
    assert "Bopha" not in lying
    assert token not in lying
    page.reload()
    unlock(page, "999999")
    expect(page.get_by_role("alert")).to_have_text("This is not the PIN.")
    unlock(page)
    expect(page.locator("#line")).to_contain_text("1 on this phone")


def test_a_conflict_is_shown_with_both_values_and_a_person_decides(phone: Phone, site: Site) -> None:
    page = phone.set_up()
    open_grid(page)
    phone.cut()
    tap(page, "Dara", "Letters")
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    other = Phone(page.context.browser, site)  # type: ignore[arg-type]
    theirs = other.set_up("mentor")
    open_grid(theirs)
    tap(theirs, "Dara", "Story")
    tap(theirs, "Bopha", "Words")
    expect(theirs.locator("#line")).to_contain_text("Everything is on the server")
    other.close()
    phone.mend()
    expect(row_of(page, "Dara")).to_contain_text("Somebody else saved this child meanwhile")
    expect(row_of(page, "Dara").locator(".both")).to_contain_text("Story")
    expect(row_of(page, "Dara").locator(".both")).to_contain_text("Letters")
    expect(row_of(page, "Bopha")).to_contain_text("On the server")  # both said the same: nothing to decide
    tap(page, "Dara", "Paragraph")
    expect(row_of(page, "Dara").locator(".both")).to_have_count(0)
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    assert [each[:4] for each in results(site)] == [
        ("Bopha", "language", "assessed", 3),
        ("Dara", "language", "assessed", 4),
    ]


def test_taps_in_quick_succession_and_while_an_answer_is_on_its_way_end_at_the_last(
    phone: Phone, site: Site
) -> None:
    page = phone.set_up()
    open_grid(page)
    page.evaluate(
        """() => { const real = window.fetch
          window.fetch = async (path, more) => {
            const answer = await real(path, more)
            if (path.includes('batch')) await new Promise((resolve) => setTimeout(resolve, 700))
            return answer } }"""
    )
    for level in ("Letters", "Words", "Paragraph"):
        tap(page, "Bopha", level)
    page.wait_for_timeout(600)  # by now the first is on its way
    tap(page, "Bopha", "Story")
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    expect(row_of(page, "Bopha").get_by_label("Story", exact=True)).to_be_checked()
    assert [each[:5] for each in results(site)] == [("Bopha", "language", "assessed", 5, 4)]


def test_what_is_refused_stays_and_can_be_mended(phone: Phone, site: Site) -> None:
    page = phone.set_up()
    open_grid(page)
    phone.cut()
    page.locator("#f-day").evaluate(
        "(each) => { each.value = '2026-11-29'; each.dispatchEvent(new Event('change')) }"
    )
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    phone.mend()
    expect(row_of(page, "Bopha")).to_contain_text("The day of the test is in the future.")
    page.reload()
    unlock(page)
    page.get_by_role("link", name="All classes").click()
    page.get_by_role("link", name=re.compile("To look at")).click()
    expect(page.locator("main li")).to_contain_text("The day of the test is in the future.")
    page.get_by_label("Another day").fill("2026-11-20")
    page.get_by_role("button", name="Send again").click()
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    assert [each[:4] for each in results(site)] == [("Bopha", "language", "assessed", 3)]


def test_where_the_disk_takes_nothing_the_page_refuses_to_say_saved(phone: Phone, site: Site) -> None:
    page = phone.set_up()
    open_grid(page)
    phone.cut()
    page.evaluate(
        """() => { const real = IDBObjectStore.prototype.put
          window.broken = 0
          IDBObjectStore.prototype.put = function (...sent) {
            if (!window.isBroken) return real.apply(this, sent)
            window.broken += 1
            throw new DOMException('Internal error opening backing store', 'UnknownError') } }"""
    )
    page.evaluate("window.isBroken = true")
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("NOT saved")
    assert page.evaluate("window.broken") == 2  # dropped, opened again, tried once more
    expect(row_of(page, "Bopha").get_by_label("Words", exact=True)).not_to_be_checked()
    page.evaluate("window.isBroken = false")
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")


def test_a_connection_lost_on_waking_is_opened_again(phone: Phone) -> None:
    page = phone.set_up()
    open_grid(page)
    phone.cut()
    page.evaluate(
        """() => { const real = IDBDatabase.prototype.transaction
          let isFirst = true
          IDBDatabase.prototype.transaction = function (...asked) {
            if (isFirst) { isFirst = false; throw new DOMException('The database connection is closing.', 'InvalidStateError') }
            return real.apply(this, asked) } }"""
    )
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")


def test_a_full_phone_is_told_and_nothing_is_called_saved(phone: Phone) -> None:
    page = phone.set_up()
    open_grid(page)
    phone.cut()
    session = page.context.new_cdp_session(page)
    session.send("Storage.overrideQuotaForOrigin", {"origin": phone.line.url, "quotaSize": 1})
    page.wait_for_timeout(31_000)  # so long a browser goes by what room there was
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("NOT saved: this phone is full")
    session.send("Storage.overrideQuotaForOrigin", {"origin": phone.line.url})
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")


def test_two_windows_enter_and_each_entry_is_there_once(phone: Phone, site: Site) -> None:
    one = phone.set_up()
    open_grid(one)
    two = phone.page()
    two.goto("/phone/en")
    unlock(two)
    open_grid(two)
    phone.cut()
    tap(one, "Bopha", "Words")
    expect(row_of(one, "Bopha")).to_contain_text("On this phone")
    expect(row_of(two, "Bopha")).to_contain_text("On this phone")
    tap(two, "Bopha", "Story")
    tap(two, "Chan", "Letters")
    expect(row_of(two, "Chan")).to_contain_text("On this phone")
    phone.mend()
    for page in (one, two):
        expect(page.locator("#line")).to_contain_text("Everything is on the server")
        expect(row_of(page, "Bopha").get_by_label("Story", exact=True)).to_be_checked()
    assert [each[:5] for each in results(site)] == [
        ("Bopha", "language", "assessed", 5, 2),
        ("Chan", "language", "assessed", 2, 1),
    ]


def test_what_ails_the_server_is_no_fault_of_an_entry(phone: Phone) -> None:
    """Seen: a server without room (507) refused forty entries, each of which somebody would have had to send again by hand."""
    page = phone.set_up()
    for status in (408, 425, 429, 500, 502, 503, 504, 507):
        came = page.evaluate(
            """async (status) => {
                const body = { student_id: "1", round_id: 1, subject: "math" };
                const item = { id: "1", kind: "result", state: "waiting", body };
                let settled = 0;
                const answer = { status, body: { code: "database_full", detail: "" }, retry_after_s: 5 };
                const told = await phoneOutbox.send(() => [item], async () => answer, async () => { settled += 1; });
                return [told.state, told.retry_after_s, settled];
            }""",
            status,
        )
        assert came == ["away", 5, 0], status


def test_several_teachers_on_one_phone_see_only_their_own(phone: Phone) -> None:
    page = phone.set_up()
    open_grid(page)
    phone.cut()
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    phone.mend()
    phone.context.clear_cookies()
    sign_in(page, "teacher_elsewhere", PASSWORD)
    page.goto("/phone/en")
    page.get_by_role("button", name="Somebody else’s work on this phone").click()
    page.fill("#f-pin", "other pin")
    page.fill("#f-again", "other pin")
    page.get_by_role("button", name="Keep my work on this phone").click()
    expect(page.locator("main")).to_contain_text("Beta School")
    expect(page.locator("main")).not_to_contain_text("Alpha School")
    page.reload()
    page.locator("#f-who").select_option(label="Teacher Elsewhere")
    unlock(page)
    expect(page.get_by_role("alert")).to_have_text("This is not the PIN.")
    page.locator("#f-who").select_option(label="Teacher")
    unlock(page)
    expect(page.locator("main")).to_contain_text("Alpha School")
    # It is not sent under another's name.
    expect(page.locator("#line")).to_contain_text(
        re.compile("Everything is on the server|Teacher Elsewhere is signed in")
    )


def test_what_waits_is_not_sent_under_anothers_name(phone: Phone, site: Site) -> None:
    page = phone.set_up()
    open_grid(page)
    phone.cut()
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    page.close()
    phone.mend()
    phone.context.clear_cookies()
    page = phone.page()
    sign_in(page, "mentor", PASSWORD)
    page.goto("/phone/en")
    unlock(page)
    expect(page.locator("#line")).to_contain_text("Mentor is signed in on this browser")
    assert results(site) == []
    phone.context.clear_cookies()
    sign_in(page, "teacher", PASSWORD)
    page.goto("/phone/en")
    unlock(page)
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    assert [each[0] for each in results(site)] == ["Bopha"]


def test_a_session_that_ended_keeps_everything_until_one_signs_in(phone: Phone, site: Site) -> None:
    page = phone.set_up()
    open_grid(page)
    phone.context.clear_cookies()
    tap(page, "Bopha", "Words")
    expect(page.locator("#line")).to_contain_text("Sign in again to send")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    tab = phone.page()
    sign_in(tab, "teacher", PASSWORD)
    tab.close()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    assert [each[0] for each in results(site)] == ["Bopha"]


def test_who_lost_a_school_has_it_no_longer_on_the_phone_after_half_a_day(phone: Phone, site: Site) -> None:
    page = phone.set_up("mentor")
    expect(page.locator("main")).to_contain_text("Alpha School")
    assignments = site.run(_end_assignments)
    try:
        page.reload()
        unlock(page)
        expect(page.locator("main")).to_contain_text("Alpha School")  # it is fresh enough
        later = phone.page()
        later.add_init_script("{ const real = Date.now; Date.now = () => real() + 13 * 3600 * 1000 }")
        later.goto("/phone/en")
        unlock(later)
        expect(later.locator("main")).not_to_contain_text("Alpha School")
        expect(later.locator("h1")).to_have_text("Mentor")
    finally:
        site.run(_give_back)
    assert assignments


def test_an_exercise_that_is_due_is_told_before_the_first_entry_and_no_longer_once_it_is_not(
    phone: Phone, site: Site
) -> None:
    told = "Before your levels in Reading are taken, pass an exercise for testers."
    site.run(lambda served: _ask_for_exercise(served, True))
    try:
        page = phone.set_up()
        phone.cut()
        page.reload()
        unlock(page)
        expect(page.locator(".notice", has_text=told)).to_have_count(1)
        open_grid(page)
        expect(page.locator(".notice", has_text=told)).to_be_visible()
        row_of(page, "Chan").get_by_role("link").click()
        expect(page.locator(".notice", has_text=told)).to_be_visible()
        page.goto("/phone#")
        unlock(page)
        open_grid(page, "Grade 3 A Mathematics")
        expect(page.locator(".notice", has_text="pass an exercise")).to_have_count(0)
    finally:
        site.run(lambda served: _ask_for_exercise(served, False))
    # With a network again, a pack that says so is not believed for half a day.
    phone.mend()
    page.goto("/phone/en")
    unlock(page)
    expect(page.locator(".notice", has_text=told)).to_have_count(0)
    expect(page.locator("h1")).to_have_text("Teacher")


async def _ask_for_exercise(served: Served, is_required: bool) -> None:
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        coordinator = await actor_now(session, "coordinator")
        await change_requirement(
            session, coordinator, RequirementChange("language", is_required), served.clock
        )


async def _end_assignments(served: Served) -> int:
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        values = {"person": served.cast.mentor.person_id, "until": "2026-11-01"}
        forget_assignments(session, served.cast.mentor.person_id)
        return await session.execute(QUERIES["assignments_until"], values)


async def _give_back(served: Served) -> None:
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        values = {"person": served.cast.mentor.person_id, "until": None}
        forget_assignments(session, served.cast.mentor.person_id)
        await session.execute(QUERIES["assignments_until"], values)


def test_signing_out_takes_the_children_off_the_phone_and_leaves_what_was_not_sent(
    phone: Phone, site: Site
) -> None:
    page = phone.set_up()
    open_grid(page)
    phone.line.cut()
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    page.goto("about:blank")
    phone.line.mend()
    page.goto("/account")
    page.locator("form[action='/sign-out'] button").click()
    page.wait_for_url("**/sign-in*")
    phone.cut()
    page.goto("/phone/en")
    unlock(page)
    expect(page.locator("main")).to_contain_text("Sign in first")
    expect(page.locator("main")).not_to_contain_text("Alpha School")
    expect(page.locator("#line")).to_contain_text("1 on this phone")
    phone.mend()
    sign_in(page, "teacher", PASSWORD)
    page.goto("/phone/en")
    unlock(page)
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    assert [each[0] for each in results(site)] == ["Bopha"]


def test_a_file_carries_what_was_not_sent_to_another_phone_and_nobody_can_change_it(
    phone: Phone, site: Site, tmp_path: Path
) -> None:
    page = phone.set_up()
    open_grid(page)
    phone.cut()
    tap(page, "Bopha", "Words")
    tap(page, "Chan", "Story")
    expect(row_of(page, "Chan")).to_contain_text("On this phone")
    page.get_by_role("link", name="All classes").click()
    page.locator("#more > summary").click()
    page.evaluate(
        "window.dispatchEvent(new Event('online'))"
    )  # an attempt to send, which draws the screen anew
    expect(page.locator("#line")).to_contain_text("2 on this phone")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Save what is not sent to a file").click()
    file = tmp_path / "outbox.json"
    coming.value.save_as(file)
    assert "Bopha" not in file.read_text()
    cut = json.loads(file.read_text())
    cut["rows"].pop()
    shorter = tmp_path / "cut.json"
    shorter.write_text(json.dumps(cut))
    other = Phone(page.context.browser, site)  # type: ignore[arg-type]
    there = other.set_up()
    there.locator("#more > summary").click()
    there.locator("#more").get_by_text("Open a file from another phone").first.click()
    for name, pin, said in (
        (shorter, PIN, "This file is not whole"),
        (file, "000000", "This file is not whole"),
        (file, PIN, "Read from the file: 2."),
    ):
        there.set_input_files("#f-file", name)
        there.fill("#f-file-pin", pin)
        there.locator("#more form .button").click()
        expect(there.locator("#more form [role=status]")).to_contain_text(said)
    expect(there.locator("#line")).to_contain_text("Everything is on the server")
    other.close()
    phone.mend()  # the same comes from the first phone too: the same answer, and one result each
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    assert [(each[0], each[4]) for each in results(site)] == [("Bopha", 1), ("Chan", 1)]


def test_a_new_version_waits_until_it_is_asked_for_and_takes_what_is_kept_along(
    phone: Phone, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rightlevel.web import offline

    page = phone.set_up()
    open_grid(page)
    phone.cut()
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    monkeypatch.setattr(offline, "shell_version", lambda _languages: "another")
    phone.mend()
    phone.line.cut()
    phone.line.mend()
    page.evaluate("navigator.serviceWorker.getRegistration().then((each) => each.update())")
    expect(page.locator("#new-version")).to_be_visible()
    page.get_by_role("button", name="Use it").click()
    expect(page.locator("#f-pin")).to_be_visible()
    assert (
        page.evaluate(
            "caches.keys().then((names) => names.filter((each) => each.startsWith('rightlevel-shell-')).length)"
        )
        == 1
    )
    unlock(page)
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    assert [each[0] for each in results(site)] == ["Bopha"]


def test_a_browser_killed_in_the_middle_keeps_what_it_called_saved(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    """The process is killed as soon as the page has said so: it is on the disk by then, and whole."""
    site.run(nobody_tested)
    line = Line(site.url)
    kind = browser.browser_type

    def start() -> BrowserContext:
        return kind.launch_persistent_context(
            str(tmp_path / "profile"),
            executable_path=browser_path(),
            args=FLAGS,
            base_url=line.url,
            viewport=PHONE,
            locale="en",
        )

    context = start()
    page = context.new_page()
    sign_in(page, "teacher", PASSWORD)
    page.goto("/phone/en")
    page.fill("#f-pin", PIN)
    page.fill("#f-again", PIN)
    page.locator("main form .button").first.click()
    open_grid(page)
    line.cut()
    tap(page, "Bopha", "Words")
    expect(row_of(page, "Bopha")).to_contain_text("On this phone")
    killed = _kill_browser_of(tmp_path / "profile")
    assert killed
    line.mend()
    context = start()
    page = context.new_page()
    page.goto("/phone/en")
    unlock(page)
    expect(page.locator("#line")).to_contain_text("1 on this phone")
    sign_in(page, "teacher", PASSWORD)  # the browser had not written its cookies down when it was killed
    page.goto("/phone/en")
    unlock(page)
    expect(page.locator("#line")).to_contain_text("Everything is on the server")
    assert [each[0] for each in results(site)] == ["Bopha"]
    context.close()
    line.close()
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)


def _kill_browser_of(profile: Path) -> int:
    """Ends every process of the browser that works on this folder, at once."""
    import os

    found = 0
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and str(profile).encode() in (each / "cmdline").read_bytes():
                os.kill(int(each.name), signal.SIGKILL)
                found += 1
        except (OSError, ProcessLookupError):
            continue  # it ended by itself meanwhile
    return found


@pytest.mark.parametrize("language", ["en", "km"])
def test_the_phones_screens_fit_and_can_be_read(browser: Browser, site: Site, language: str) -> None:
    site.run(nobody_tested)
    phone = Phone(browser, site, language)
    page = phone.set_up()
    assert page.locator("html").get_attribute("lang") == language
    faults: list[str] = []
    child = site.cast.students_a[0]
    for hash_ in (
        "",
        f"grid/{site.cast.school_a}/language/class-{site.cast.class_3a}",
        f"test/{child}/language",
        "outbox",
    ):
        page.evaluate("(hash) => { location.hash = hash }", hash_)
        page.wait_for_timeout(150)
        faults += faults_of(page, f"#{hash_}")
    page.set_viewport_size({"width": 1280, "height": 900})
    faults += faults_of(page, "wide")
    phone.close()
    assert faults == []
