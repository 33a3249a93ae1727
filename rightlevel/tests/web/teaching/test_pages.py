"""Groups, attendance, the library and special programmes on their pages, saved without any JavaScript."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from people import NOW, Cast
from serving import NewDatabase, Served, serving

pytestmark = pytest.mark.anyio
PDF = b"%PDF-1.7\n" + b"x" * 2000


@pytest.fixture(scope="module")
async def school(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    """An application of its own, with levels in reading for the first three children and their groups in use."""
    async with serving(new_database(), tmp_path_factory.mktemp("teaching")) as opened:
        await make_groups(opened)
        yield opened


async def make_groups(opened: Served) -> None:
    cast = opened.cast
    writes = [
        {
            "id": str(uuid4()),
            "student_id": child,
            "round_id": cast.round,
            "subject": "language",
            "tested_on": "2026-11-20",
            "outcome": "assessed",
            "level": level,
        }
        for child, level in zip(cast.students_a, ("beginner", "letter", "story"), strict=False)
    ]
    async with opened.client("teacher") as client:
        answer = await client.post("/api/v1/results/batch", json={"writes": writes})
        assert answer.status_code == 200, answer.text
        wish = {
            "school_id": cast.school_a,
            "subject": "language",
            "grade_from": 3,
            "grade_to": 5,
            "teacher_ids": [cast.teacher.person_id],
        }
        made = await client.post("/api/v1/groupings", json=wish)
        assert made.status_code == 201, made.text
        accepted = await client.post(f"/api/v1/groupings/{made.json()['id']}/accept", json={"version": 1})
        assert accepted.status_code == 200, accepted.text


async def first_group(client: httpx.AsyncClient, cast: Cast) -> int:
    found = await client.get("/api/v1/groups", params={"school_id": cast.school_a, "subject": "language"})
    return found.json()["groups"][0]["id"]


def fields(page: str, action: str) -> dict[str, str]:
    """The hidden and typed fields and the checked choices of the form that goes to an address."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert form is not None, page[-3000:]
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        given = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if given.get("type") in ("radio", "checkbox") and " checked" not in tag:
            continue
        if "name" in given:
            found[given["name"]] = given.get("value", "on")
    return found


async def test_a_teacher_takes_attendance_in_two_taps(school: Served) -> None:
    async with school.client("teacher", by="cookie") as client:
        mine = await client.get("/groups")
        to = re.search(r'href="(/groups/\d+/session)"', mine.text)
        assert to is not None, "the first tap stands on the page of one's groups"
        page = await client.get(to[1])
        sent = fields(page.text, to[1])
        assert [value for name, value in sent.items() if name.startswith("mark.")] == ["present"] * 2
        for _ in range(2):
            saved = await client.post(to[1], data=sent)
            assert (saved.status_code, saved.headers["location"]) == (303, "/groups"), saved.text[-2000:]
        again = await client.post(
            to[1], data={**sent, "id": str(uuid4()), "write_id": str(uuid4()), "minutes": "30"}
        )
        assert again.status_code == 409
        assert "<dd>60</dd>" in again.text
        listed = await client.get(
            "/api/v1/teaching-sessions", params={"school_id": school.cast.school_a, "subject": "language"}
        )
        (held,) = listed.json()["items"]
        correct = await client.get(f"/teaching-sessions/{held['id']}")
        fix = fields(correct.text, to[1])
        assert fix["version"] == "1"
        fixed = await client.post(
            to[1], data={**fix, f"mark.{school.cast.students_a[0]}": "absent", "minutes": "45"}
        )
        assert fixed.status_code == 303, fixed.text[-2000:]
        dose = await client.get(f"/groups/{held['group_id']}/dose")
        assert "45 minutes" in dose.text
        correct = await client.get(f"/teaching-sessions/{held['id']}")
        fix = fields(correct.text, to[1])
        assert (await client.post(to[1], data={**fix, "minutes": "125"})).status_code == 303
        dose = await client.get(f"/groups/{held['group_id']}/dose")
    assert "2 h 5 min" in dose.text


PAGES = (
    "/groups",
    "/groups?subject=math",
    "/schools/{school}/groups",
    "/schools/{school}/groups?subject=math",
    "/groups/{group}",
    "/groups/{group}/print",
    "/groups/{group}/text",
    "/groups/{group}/checks",
    "/groups/{group}/dose",
    "/resources",
    "/interventions",
)


@pytest.mark.parametrize("role", ["coordinator", "mentor", "teacher"])
@pytest.mark.parametrize("path", PAGES)
async def test_a_page_opens_for_those_who_teach_and_stays_shut_for_viewers(
    school: Served, role: str, path: str
) -> None:
    async with school.client("teacher") as client:
        group = await first_group(client, school.cast)
    async with school.client(role, by="cookie") as client:
        answer = await client.get(path.format(school=school.cast.school_a, group=group))
        assert answer.status_code == 200, answer.text[-2000:]
    async with school.client("viewer", by="cookie") as client:
        assert (await client.get(path.format(school=school.cast.school_a, group=group))).status_code == 403


async def test_a_groups_text_holds_the_names_for_those_who_may_see_them(school: Served) -> None:
    async with school.client("teacher", by="cookie") as client:
        group = await first_group(client, school.cast)
    async with school.client("mentor", by="cookie") as client:
        text = await client.get(f"/groups/{group}/text")
        assert text.headers["content-type"].startswith("text/plain")
        assert "Bopha" in text.text
    async with school.client("mentor_elsewhere", by="cookie") as client:
        for path in (f"/groups/{group}/text", f"/groups/{group}/print", f"/groups/{group}"):
            shut = await client.get(path)
            assert shut.status_code == 404
            assert "Bopha" not in shut.text


async def test_a_groups_page_says_what_to_do_next_with_its_levels_and_not_with_others(school: Served) -> None:
    async with school.client("coordinator") as client:
        for title, level in (("Letter bingo", "letter"), ("Retelling a story", "story")):
            new = {
                "kind": "activity",
                "title": title,
                "words": "Play it.",
                "subject": "language",
                "level_from": level,
                "level_to": level,
            }
            assert (await client.post("/api/v1/resources", json=new)).status_code == 201
    told: dict[str, set[str]] = {}
    async with school.client("teacher", by="cookie") as client:
        found = await client.get(
            "/api/v1/groups", params={"school_id": school.cast.school_a, "subject": "language"}
        )
        for group in found.json()["groups"]:
            page = (await client.get(f"/groups/{group['id']}")).text
            for level in group["levels"]:
                told[level] = {title for title in ("Letter bingo", "Retelling a story") if title in page}
    assert told["story"] >= {"Retelling a story"}
    assert told["beginner"] <= {"Letter bingo"}


async def test_groups_are_proposed_put_into_use_and_changed_on_their_pages(school: Served) -> None:
    base = f"/schools/{school.cast.school_a}/groups"
    async with school.client("teacher", by="cookie") as client:
        page = (await client.get(f"{base}?subject=math")).text
        sent: dict[str, Any] = {**fields(page, f"{base}?subject=math"), "grade_from": "3", "grade_to": "5"}
        assert (
            await client.post(
                f"{base}?subject=math", data={**sent, "target_size": "900", "write_id": str(uuid4())}
            )
        ).status_code == 422
        assert (await client.post(f"{base}?subject=math", data=sent)).status_code == 303
        page = (await client.get(f"{base}?subject=math")).text
        accept = re.search(r'action="(/groupings/\d+/accept)"', page)
        assert accept is not None
        assert (await client.post(accept[1], data=fields(page, accept[1]))).status_code == 303
        group = await first_group(client, school.cast)
        page = (await client.get(f"/groups/{group}")).text
        lead = fields(page, f"/groups/{group}/teacher")
        assert (
            await client.post(f"/groups/{group}/teacher", data={**lead, "teacher_id": ""})
        ).status_code == 303
        stale = await client.post(
            f"/groups/{group}/teacher", data={**lead, "write_id": str(uuid4()), "teacher_id": ""}
        )
        assert stale.status_code == 409
        later = fields((await client.get(f"/groups/{group}")).text, f"/groups/{group}/teacher")
        back = {**later, "teacher_id": str(school.cast.teacher.person_id)}
        assert (await client.post(f"/groups/{group}/teacher", data=back)).status_code == 303


async def test_a_quick_retest_is_saved_on_its_page_gives_a_suggestion_and_is_refused_twice_a_day(
    school: Served,
) -> None:
    child = school.cast.students_a[1]
    async with school.client("teacher", by="cookie") as client:
        found = (
            await client.get(
                "/api/v1/groups", params={"school_id": school.cast.school_a, "subject": "language"}
            )
        ).json()
        groups = [each for each in found["groups"] if each["state"] == "accepted"]
        low = groups[0]["id"]
        page = (await client.get(f"/groups/{low}/checks")).text
        sent = {
            **fields(page, f"/groups/{low}/checks"),
            f"level.{child}": "word",
            "checked_on": NOW.date().isoformat(),
        }
        saved = await client.post(f"/groups/{low}/checks", data=sent)
        assert saved.status_code == 303, saved.text[-2000:]
        assert "One group up" in (await client.get(f"/schools/{school.cast.school_a}/groups")).text
        taken = await client.post(
            f"/groups/{low}/checks",
            data={
                **sent,
                "write_id": str(uuid4()),
                f"write.{child}": str(uuid4()),
                f"level.{child}": "letter",
            },
        )
        assert taken.status_code == 409
        assert "tested on that day already" in taken.text


async def test_a_file_goes_out_as_an_attachment_that_nothing_runs_in_and_is_counted(school: Served) -> None:
    async with school.client("coordinator", by="cookie") as client:
        page = (await client.get("/resources/new")).text
        sent = {**fields(page, "/resources/new"), "kind": "file", "title": "Number chart"}
        wrong = await client.post(
            "/resources/new",
            data={**sent, "write_id": str(uuid4())},
            files={"file": ("a.pdf", b"<html>", "application/pdf")},
        )
        assert wrong.status_code == 422
        made = await client.post(
            "/resources/new", data=sent, files={"file": ('chart "1".pdf', PDF, "text/html")}
        )
        assert made.status_code == 303, made.text[-2000:]
        number = made.headers["location"].rsplit("/", 1)[-1]
    async with school.client("teacher", by="cookie") as client:
        file = await client.get(f"/api/v1/resources/{number}/file")
        assert (file.status_code, file.content) == (200, PDF)
        assert file.headers["content-type"] == "application/pdf"
        assert file.headers["x-content-type-options"] == "nosniff"
        assert file.headers["content-disposition"].startswith("attachment;")
        assert file.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert (await client.get(f"/api/v1/resources/{number}")).json()["views"] == 1
        assert (await client.get(f"/resources/{number}")).status_code == 200
        assert (await client.post(f"/resources/{number}/delete", data={"reason": "x"})).status_code == 403
    async with school.client("viewer", by="cookie") as client:
        assert (await client.get(f"/api/v1/resources/{number}/file")).status_code == 403


async def test_a_link_is_counted_and_followed(school: Served) -> None:
    async with school.client("coordinator", by="cookie") as client:
        sent = fields((await client.get("/resources/new")).text, "/resources/new")
        made = await client.post(
            "/resources/new", data={**sent, "kind": "link", "title": "Video", "url": "https://example.org/v"}
        )
        assert made.status_code == 303, made.text[-2000:]
        where = made.headers["location"]
        went = await client.get(f"{where}/open")
        assert (went.status_code, went.headers["location"]) == (303, "https://example.org/v")
        edit = fields((await client.get(f"{where}/edit")).text, f"{where}/edit")
        assert (await client.post(f"{where}/edit", data={**edit, "title": "Film"})).status_code == 303
        assert (await client.post(f"{where}/delete", data={"reason": "old"})).status_code == 303


async def test_children_are_enrolled_in_a_special_programme_and_it_ends_with_an_outcome(
    school: Served,
) -> None:
    async with school.client("coordinator", by="cookie") as client:
        sent = fields((await client.get("/interventions/new")).text, "/interventions/new")
        made = await client.post(
            "/interventions/new", data={**sent, "name": "Reading camp", "starts_on": "2026-11-01"}
        )
        assert made.status_code == 303, made.text[-2000:]
        where = made.headers["location"]
        assert (await client.get(f"{where}/edit")).status_code == 200
    async with school.client("teacher", by="cookie") as client:
        page = (await client.get(where, params={"search": "Bopha"})).text
        sent = fields(page, f"{where}/enrol")
        saved = await client.post(
            f"{where}/enrol", data={**sent, "student_id": school.cast.students_a[0], "from_on": "2026-11-20"}
        )
        assert saved.status_code == 303, saved.text[-2000:]
        link = re.search(r'href="(/enrolments/[0-9a-f-]+)"', (await client.get(where)).text)
        assert link is not None
        form = fields((await client.get(link[1])).text, link[1])
        assert (
            await client.post(link[1], data={**form, "to_on": "2026-11-22", "write_id": str(uuid4())})
        ).status_code == 422
        assert (
            await client.post(link[1], data={**form, "to_on": "2026-11-22", "outcome": "improved"})
        ).status_code == 303
        assert "Reached the next level" in (await client.get(link[1])).text
