"""A mentor's day by pages: plan, begin a visit, let it save itself, send it, agree on something, add a photo, read the calendar."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


def a_photo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (200, 100), (1, 2, 3)).save(out, "PNG")
    return out.getvalue()


async def begin(site: Served) -> str:
    """The address of a new draft."""
    async with site.client("mentor", by="cookie") as client:
        begun = {"school_id": str(site.cast.school_a), "subject": "math", "visited_on": "2026-11-20"}
        answer = await client.post("/visits/new", data=begun)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def asked_on(page: str) -> set[str]:
    """The questions that a page shows."""
    return {path for path, hidden in re.findall(r'data-asked="([^"]+)"( hidden)?', page) if not hidden}


def typed(version: int, **more: str) -> dict[str, str]:
    return {"version": str(version), "write_id": str(uuid4()), "visited_on": "2026-11-20", **more}


async def test_a_visit_saves_itself_and_is_sent_when_it_is_whole(site: Served) -> None:
    visit = await begin(site)
    async with site.client("mentor", by="cookie") as client:
        first = await client.post(visit, data=typed(1, feedback="Good"), headers={"hx-request": "true"})
        assert (first.status_code, 'name="version" value="2"' in first.text) == (200, True)
        stale = await client.post(visit, data=typed(1, feedback="Other"), headers={"hx-request": "true"})
        assert stale.status_code == 409, stale.text
        early = await client.post(visit, data=typed(2, feedback="Good", submit="yes"))
        assert (early.status_code, "Was the class in session?" in early.text) == (422, True)
        lacking = await client.post(visit, data=typed(2, session_ran="yes", submit="yes"))
        assert (lacking.status_code, "Which grades?" in lacking.text) == (422, True)
        told = await client.post(
            visit, data=typed(2, session_ran="no", feedback="Good"), headers={"hx-request": "true"}
        )
        assert 'name="version" value="3"' in told.text
        shown = asked_on((await client.get(visit)).text)
        assert ("not_ran_reason" in shown, "feedback" in shown, "class" in shown) == (True, False, False)
        sent = await client.post(
            visit, data=typed(3, session_ran="no", not_ran_reason="Holiday", feedback="Good", submit="yes")
        )
        assert sent.status_code == 303, sent.text
        read = (await client.get(visit)).text
        assert ("Sent" in read, 'name="visited_on"' in read, "Holiday" in read) == (True, False, True)
        assert 'name="visited_on"' in (await client.get(f"{visit}?correct=yes")).text
        paper = await client.get(f"{visit}/print")
        assert ("Alpha School" in paper.text, "Holiday" in paper.text, "Good" in paper.text) == (
            True,
            True,
            False,
        )
        assert "No score: there was no lesson." in paper.text
        table = await client.post("/visits/export")
        assert table.text.splitlines()[1].split(",")[1:4] == ["A", "Alpha School", "math"]


async def test_a_photo_is_added_shown_by_its_link_and_by_nobody_elses(site: Served) -> None:
    visit = await begin(site)
    async with site.client("mentor", by="cookie") as client:
        answer = await client.post(
            f"{visit}/photos", data={"id": str(uuid4())}, files={"file": ("x.jpg", a_photo(), "image/jpeg")}
        )
        assert answer.status_code == 303, answer.text
        page = await client.get(visit)
        address = page.text.split('src="/photos/')[1].split('"')[0].replace("&amp;", "&")
        shown = await client.get(f"/photos/{address}")
        assert (shown.status_code, shown.headers["content-type"], shown.content[:3]) == (
            200,
            "image/jpeg",
            b"\xff\xd8\xff",
        )
        assert (await client.get(f"/photos/{address.split('?')[0]}")).status_code == 410
    async with site.client("coordinator", by="cookie") as client:
        assert (await client.get(f"/photos/{address}")).status_code == 410


async def test_what_is_agreed_is_closed_by_its_owner(site: Served) -> None:
    visit = await begin(site)
    async with site.client("mentor", by="cookie") as client:
        agreed = {"owner_id": str(site.cast.teacher.person_id), "due_on": "2026-11-30", "words": "Cards"}
        assert (await client.post(f"{visit}/follow-ups", data=agreed)).status_code == 303
        page = (await client.get("/follow-ups")).text
    async with site.client("teacher", by="cookie") as client:
        assert "Cards" in (await client.get("/follow-ups")).text
        close = page.split('action="/follow-ups/')[1].split('"')[0]
        done = await client.post(
            f"/follow-ups/{close}", data={"version": "1", "words": "Done", "state": "done"}
        )
        assert done.status_code == 303, done.text


async def test_a_sent_visit_is_read_by_others_and_corrected_by_its_mentor_alone(site: Served) -> None:
    visit = await begin(site)
    async with site.client("coordinator", by="cookie") as client:
        assert 'name="visited_on"' not in (await client.get(f"{visit}?correct=yes")).text


async def test_the_week_is_planned_and_read_by_a_calendar_program(site: Served) -> None:
    async with site.client("mentor", by="cookie") as client:
        week = await client.get("/next-week")
        assert "Never visited" in week.text
        plan = {"school_id": str(site.cast.school_a), "subject": "math", "planned_on": "2026-11-30"}
        assert (await client.post("/next-week/plan", data=plan)).status_code == 303
        wrong = await client.post("/next-week/plan", data={**plan, "planned_on": "2026-11-01"})
        assert wrong.status_code == 422
        made = await client.post("/next-week/calendar")
        address = "/calendar/" + made.text.split("/calendar/")[1].split("<")[0]
    async with site.client() as client:
        feed = await client.get(address)
        assert feed.headers["content-type"].startswith("text/calendar")
        assert b"DTSTART;VALUE=DATE:20261130" in feed.content
        assert not [name for name in ("Bopha", "Chan", "Dara", "Kosal") if name.encode() in feed.content]
        assert (await client.get("/calendar/nothing.ics")).status_code == 404


async def test_a_stale_form_shows_both_values(site: Served) -> None:
    visit = await begin(site)
    async with site.client("mentor", by="cookie") as client:
        await client.post(visit, data=typed(1, session_ran="yes", feedback="From the phone"))
        stale = await client.post(visit, data=typed(1, session_ran="yes", feedback="From the desk"))
    assert stale.status_code == 409
    assert "From the phone" in stale.text
    assert "From the desk" in stale.text


async def test_a_mentors_home_says_what_waits(site: Served) -> None:
    await begin(site)
    async with site.client("mentor", by="cookie") as client:
        assert "Finish 1 visit" in (await client.get("/")).text
