"""Levels are entered on the grid and on a child's own page: with a tap, with one button, or by two people at once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from form_reading import form_at, send, shown_text
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    """An application of its own for each test: results are unique to a child."""
    async with serving(new_database(), tmp_path) as opened:
        yield opened


def grid_of(site: Served, subject: str = "language", group: str = "") -> str:
    return f"/schools/{site.cast.school_a}/grid?round={site.cast.round}&subject={subject}&group={group}"


async def tap(client: httpx.AsyncClient, path: str, student: str, choice: str, **more: str) -> httpx.Response:
    """What htmx sends for a tap on one child of the grid."""
    fields = {"student": student, f"write.{student}": str(uuid4()), f"choice.{student}": choice}
    fields |= {f"{name}.{student}": value for name, value in more.items()}
    return await client.post(path.replace("/grid?", "/grid/row?"), data=fields)


async def test_the_grid_shows_every_child_of_the_class_with_every_level(site: Served) -> None:
    async with site.client("mentor", by="cookie") as client:
        page = await client.get(grid_of(site, group=f"class-{site.cast.class_3a}"))
        whole = await client.get(grid_of(site))
    assert page.status_code == 200, page.text
    assert page.text.count('class="grid-row"') == 3
    assert whole.text.count('class="grid-row"') == 5
    assert page.text.count('type="radio"') == 3 * (7 + 3)
    assert "0 tested, 0 absent, 3 to do, of 3" in shown_text(page.text)


async def test_a_tap_saves_one_child_and_says_so(site: Served) -> None:
    child = site.cast.students_a[0]
    async with site.client("teacher", by="cookie") as client:
        answer = await tap(client, grid_of(site), child, "story")
        assert answer.status_code == 200, answer.text
        assert "On the server" in answer.text
        page = await client.get(grid_of(site))
        assert re.search(rf'name="choice\.{child}"\s+value="story" checked', page.text)
        assert "1 tested, 0 absent, 4 to do, of 5" in shown_text(page.text)


async def test_the_same_tap_sent_again_is_one_result_with_the_same_answer(site: Served) -> None:
    child, write_id = site.cast.students_a[0], str(uuid4())
    async with site.client("teacher", by="cookie") as client:
        one = await tap(client, grid_of(site), child, "word", write=write_id)
        two = await tap(client, grid_of(site), child, "word", write=write_id)
    assert (one.status_code, two.status_code) == (200, 200)
    # Each answer carries a fresh id, for whatever is tapped next.
    fresh = re.compile(rf'name="write\.{child}" value="[^"]+"')
    assert fresh.sub("", one.text) == fresh.sub("", two.text)


async def test_of_two_people_who_tap_the_same_child_the_second_sees_both_and_decides(site: Served) -> None:
    child = site.cast.students_a[0]
    async with (
        site.client("teacher", by="cookie") as teacher,
        site.client("coordinator", by="cookie") as other,
    ):
        assert (await tap(other, grid_of(site), child, "paragraph")).status_code == 200
        beaten = await tap(teacher, grid_of(site), child, "story")
        assert beaten.status_code == 409
        assert beaten.headers["hx-retarget"] == f"#child-{child}"
        assert "<dd>Paragraph</dd>" in beaten.text
        assert "<dd>Story</dd>" in beaten.text
        assert "checked" not in beaten.text
        version = re.search(rf'name="version\.{child}" value="(\d+)"', beaten.text)
        decided = await tap(teacher, grid_of(site), child, "story", version=version[1])  # type: ignore[index]
        assert decided.status_code == 200, decided.text


async def test_a_child_that_went_to_another_school_is_decided_on_where_its_result_was_made(
    site: Served,
) -> None:
    child = site.cast.students_a[0]
    moved = {"school_id": site.cast.school_b, "grade": 3, "moved_on": "2026-11-20", "reason": "moved"}
    async with site.client("teacher", by="cookie") as client, site.client("coordinator") as leader:
        assert (await tap(client, grid_of(site), child, "story")).status_code == 200
        version = (await leader.get(f"/api/v1/students/{child}")).json()["version"]
        done = await leader.post(f"/api/v1/students/{child}/transfer", json=moved | {"version": version})
        assert done.status_code == 200, done.text
        second = await tap(client, grid_of(site), child, "word")
        assert second.status_code == 409, second.text
        assert ("Somebody else saved this child meanwhile" in second.text, "Story" in second.text) == (
            True,
            True,
        )
        fields = form_at(await client.get(grid_of(site)), grid_of(site)).fields
        again = await tap(client, grid_of(site), child, "word", version=str(fields[f"version.{child}"]))
        assert again.status_code == 200, again.text


async def test_the_same_level_from_two_people_is_no_conflict(site: Served) -> None:
    child = site.cast.students_a[0]
    async with (
        site.client("teacher", by="cookie") as teacher,
        site.client("coordinator", by="cookie") as other,
    ):
        assert (await tap(other, grid_of(site), child, "paragraph")).status_code == 200
        assert (await tap(teacher, grid_of(site), child, "paragraph")).status_code == 200


async def test_save_all_saves_a_class_without_any_script(site: Served) -> None:
    a, b, c = site.cast.students_a[:3]
    path = grid_of(site, "math", f"class-{site.cast.class_3a}")
    async with site.client("teacher", by="cookie") as client:
        page = await client.get(path)
        typed = {f"choice.{a}": "division", f"choice.{b}": "absent", f"choice.{c}": "number_1digit"}
        saved = await send(client, page, **typed)
        assert saved.status_code == 303, saved.text
        assert saved.headers["location"] == path
        page = await client.get(path)
        assert "2 tested, 1 absent, 0 to do, of 3" in shown_text(page.text)
        assert page.text.count(" checked") == 3
        nothing = await send(client, page)
        assert nothing.status_code == 303
        changed = await send(client, await client.get(path), **{f"choice.{c}": "number_2digit"})
        assert changed.status_code == 303
        assert re.search(
            rf'name="choice\.{c}"\s+value="number_2digit" checked', (await client.get(path)).text
        )


async def test_save_all_keeps_what_it_can_and_tells_of_the_child_that_changed_meanwhile(site: Served) -> None:
    a, b = site.cast.students_a[:2]
    path = grid_of(site)
    async with (
        site.client("teacher", by="cookie") as client,
        site.client("coordinator", by="cookie") as other,
    ):
        page = await client.get(path)
        assert (await tap(other, path, a, "letter")).status_code == 200
        again = await send(client, page, **{f"choice.{a}": "word", f"choice.{b}": "story"})
        assert again.status_code == 409
        assert "<dd>Letters</dd>" in again.text
        assert "<dd>Words</dd>" in again.text
        assert re.search(rf'name="choice\.{b}"\s+value="story" checked', again.text)
        assert (await send(client, again, **{f"choice.{a}": "word"})).status_code == 303
        assert "2 tested, 0 absent, 3 to do, of 5" in shown_text((await client.get(path)).text)


async def test_nothing_is_entered_in_a_closed_round(site: Served) -> None:
    child = site.cast.students_a[0]
    async with (
        site.client("teacher", by="cookie") as client,
        site.client("coordinator", by="cookie") as leader,
    ):
        round_ = f"/rounds/{site.cast.round}"
        page = await leader.get(round_)
        assert (await send(leader, page, f"{round_}/state/closed")).status_code == 303
        grid = await client.get(grid_of(site))
        assert grid.text.count("disabled") == 5
        assert "Save all" not in grid.text
        refused = await tap(client, grid_of(site), child, "story")
        assert refused.status_code == 409
        assert "This round is not open" in refused.text


async def test_another_school_or_subject_is_denied(site: Served) -> None:
    async with site.client("teacher_elsewhere", by="cookie") as client:
        assert (await client.get(grid_of(site))).status_code == 404
        theirs = f"/schools/{site.cast.school_b}/grid?round={site.cast.round}&subject=math"
        assert (await client.get(theirs)).status_code == 403
        child = site.cast.students_b[0]
        assert (await tap(client, theirs, child, "division")).status_code == 403
        mine = theirs.replace("math", "language")
        assert (await tap(client, mine, site.cast.students_a[0], "story")).status_code == 403


def entry_of(site: Served, subject: str = "language") -> str:
    return f"/students/{site.cast.students_a[0]}/results/{site.cast.round}/{subject}"


async def test_one_child_is_entered_with_one_button(site: Served) -> None:
    path = entry_of(site)
    async with site.client("mentor", by="cookie") as client:
        page = await client.get(path)
        assert page.text.count('name="choice"') == 10
        saved = await send(client, page, choice="comprehension1")
        assert saved.status_code == 303, saved.text
        child = await client.get(saved.headers["location"])
        assert "Comprehension 1" in child.text
        page = await client.get(path)
        assert 'aria-pressed="true"' in page.text
        assert (await send(client, page, choice="comprehension2")).status_code == 303


async def test_of_two_entries_the_second_person_sees_both_values_and_decides(site: Served) -> None:
    path = entry_of(site)
    async with (
        site.client("teacher", by="cookie") as teacher,
        site.client("coordinator", by="cookie") as other,
    ):
        mine, theirs = await teacher.get(path), await other.get(path)
        assert (await send(other, theirs, choice="letter")).status_code == 303
        both = await send(teacher, mine, choice="word")
        assert both.status_code == 409
        assert "On the server: Letters" in both.text
        assert "Yours: Words" in both.text
        assert (await send(teacher, both, choice="word")).status_code == 303


async def test_a_coordinator_corrects_in_a_closed_round_with_a_reason(site: Served) -> None:
    path, round_ = entry_of(site), f"/rounds/{site.cast.round}"
    async with (
        site.client("coordinator", by="cookie") as client,
        site.client("teacher", by="cookie") as teacher,
    ):
        assert (await send(client, await client.get(round_), f"{round_}/state/closed")).status_code == 303
        assert "disabled" in (await teacher.get(path)).text
        page = await client.get(path)
        assert "reason" in form_at(page).fields
        refused = await send(client, page, choice="story")
        assert refused.status_code == 409
        saved = await send(client, refused, choice="story", reason="Entered on paper")
        assert saved.status_code == 303, saved.text


async def test_a_result_is_removed_with_a_reason(site: Served) -> None:
    path = entry_of(site)
    async with site.client("teacher", by="cookie") as client:
        assert (await send(client, await client.get(path), choice="story")).status_code == 303
        page = await client.get(path)
        assert (await send(client, page, f"{path}/delete")).status_code == 422
        assert (
            await send(client, page, f"{path}/delete", reason="Wrong child", write_id="")
        ).status_code == 303
        assert "pressed" not in (await client.get(path)).text


async def test_figures_follow_what_was_entered(site: Served) -> None:
    async with site.client("teacher", by="cookie") as client:
        for child, level in zip(site.cast.students_a, ("story", "story", "word", "letter"), strict=False):
            assert (await tap(client, grid_of(site), child, level)).status_code == 200
        own = await client.get(f"/figures?school={site.cast.school_a}&subject=language")
        assert "50%" in own.text
        assert "4 of 5" in own.text
        assert "Alpha" in own.text
        missing = await client.get(f"/figures?school={site.cast.school_a}&subject=language&outcome=missing")
        assert missing.text.count('<a href="/students/') == 1
        at_story = await client.get(f"/figures?school={site.cast.school_a}&subject=language&rank=5")
        assert at_story.text.count('<a href="/students/') == 2
    async with site.client("viewer", by="cookie") as client:
        assert "n = 4" not in (await client.get("/")).text  # four are too few to tell a viewer of
        where: str | None = "/figures"
        for _ in range(4):
            page = await client.get(where or "")
            assert "/students/" not in page.text
            below = re.search(r'<th scope="row">\s*<a\s+href="(/figures[^"]+)"', page.text)
            where = below[1].replace("&amp;", "&") if below else None
            if where is None:
                break
        assert "school=" in str(page.request.url)


async def test_home_shows_how_far_each_class_is(site: Served) -> None:
    async with site.client("teacher", by="cookie") as client:
        assert (await tap(client, grid_of(site), site.cast.students_a[0], "story")).status_code == 200
        home = await client.get("/")
        assert "1 tested, 0 absent, 2 to do, of 3" in shown_text(home.text)
        link = re.search(r'<a class="work" href="([^"]+)"', home.text)
        assert (await client.get(link[1].replace("&amp;", "&"))).status_code == 200  # type: ignore[index]
    async with site.client("stranger", by="cookie") as client:
        assert "No school is assigned to you yet" in (await client.get("/")).text
    async with site.client("coordinator", by="cookie") as client:
        assert "to do, of 8" in shown_text((await client.get("/")).text)


async def test_the_grid_takes_tool_and_day_once_and_keeps_what_else_a_result_says(site: Served) -> None:
    one, two = site.cast.students_a[:2]
    async with site.client("teacher", by="cookie") as client:
        page = grid_of(site)
        entry = await client.get(f"/students/{one}/results/{site.cast.round}/language")
        told = {
            "choice": "word",
            "tool": "3",
            "assent": "yes",
            "is_selected": "true",
            "notes": "Shy",
            "tested_on": "2026-11-18",
        }
        assert (await send(client, entry, **told)).status_code == 303
        shown = await client.get(page)
        answer = await send(
            client,
            shown,
            page,
            **{f"choice.{one}": "story", f"choice.{two}": "letter", "tool": "2", "tested_on": "2026-11-19"},
        )
        assert answer.status_code == 303, answer.text
        assert "tool=2" in answer.headers["location"], "the next page of the class has the same tool"
    kept = {each["student_id"]: each for each in await results_of(site, one, two)}
    first, second = kept[one], kept[two]
    assert (first["level"], first["tool"], first["assent"], first["is_selected"], first["notes"]) == (
        "story",
        3,
        True,
        True,
        "Shy",
    )
    assert (first["tested_on"], second["tested_on"], second["tool"]) == ("2026-11-18", "2026-11-19", 2)


async def test_the_grid_guesses_no_day(site: Served) -> None:
    one = site.cast.students_a[0]
    async with site.client("teacher", by="cookie") as client:
        page = grid_of(site)
        answer = await send(
            client, await client.get(page), page, **{f"choice.{one}": "story", "tested_on": "31/11/2026"}
        )
        assert answer.status_code == 422, answer.text
        again = form_at(answer, page)
        assert (again.fields["tested_on"], again.fields[f"choice.{one}"]) == ("31/11/2026", "story")
        tapped = await client.post(
            page.replace("/grid?", "/grid/row?"),
            data={
                "student": one,
                f"write.{one}": str(uuid4()),
                f"choice.{one}": "story",
                "tested_on": "soon",
            },
            headers={"hx-request": "true"},
        )
        assert (tapped.status_code, "A day like" in tapped.text) == (409, True)
    assert await results_of(site, one) == []


async def results_of(site: Served, *students: str) -> list[dict[str, Any]]:
    """The live results of children, over the API."""
    found: list[dict[str, Any]] = []
    async with site.client("coordinator") as client:
        for each in students:
            items = (await client.get(f"/api/v1/students/{each}/results")).json()["items"]
            found += [{**item, "student_id": each} for item in items]
    return found
