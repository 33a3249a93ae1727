"""A child's moves, a guardian's consent, erasing, and a school's way into the next year, by pages."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from form_reading import send
from people import NOW
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


async def child(client: httpx.AsyncClient, student_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/v1/students/{student_id}")).json()
    return found


async def test_a_child_moves_to_a_school_that_is_looked_for_by_name(site: Served) -> None:
    student = site.cast.students_a[3]
    async with site.client("coordinator", by="cookie") as client:
        assert f"/students/{student}/move" in (await client.get(f"/students/{student}")).text
        found = await client.get(f"/students/{student}/move?search=beta")
        there = f"/students/{student}/move/{site.cast.school_b}"
        assert (there in found.text, "Alpha School" in found.text.split("<ul")[-1]) == (True, False)
        page = await client.get(there)
        wrong = await send(client, page, there, reason="")
        assert (wrong.status_code, "Please fill this in" in wrong.text) == (422, True)
        done = await send(client, page, there, reason="The family moved")
        assert done.status_code == 303, done.text
        assert (await child(client, student))["school_id"] == site.cast.school_b
        late = await send(client, page, there, reason="Again", write_id=str(uuid4()))
        assert late.status_code == 409
    async with site.client("mentor_elsewhere", by="cookie") as client:
        assert (await client.get(f"/students/{student}")).status_code == 200


async def test_a_former_teacher_gets_the_page_of_that_past(site: Served) -> None:
    moved, student = site.cast.students_a[0], site.cast.students_a[1]
    async with site.client("coordinator", by="cookie") as client:
        there = f"/students/{moved}/move/{site.cast.school_b}"
        assert (
            await send(client, await client.get(there), there, reason="The family moved")
        ).status_code == 303
    async with site.client("teacher", by="cookie") as client:
        page = await client.get(f"/students/{moved}")
        assert (page.status_code, "This child is elsewhere now" in page.text) == (200, True)
        assert ("Bopha" in page.text, "Alpha School" in page.text, "Beta" in page.text) == (True, True, False)
        assert f"/students/{moved}/" not in page.text, "nothing of it is changed from here"
        for more in ("/past", "/changes", "/edit"):
            assert (await client.get(f"/students/{moved}{more}")).status_code == 404
        assert (await client.get(f"/api/v1/students/{moved}")).status_code == 404
        assert (await client.get(f"/api/v1/students/{moved}/results")).json()["items"] == []
    async with site.client("teacher_elsewhere", by="cookie") as client:
        assert (await client.get(f"/students/{student}")).status_code == 404


async def test_a_code_that_is_taken_at_the_new_school_is_answered_with_a_free_one(site: Served) -> None:
    student = site.cast.students_a[4]
    there = f"/students/{student}/move/{site.cast.school_b}"
    async with site.client("coordinator", by="cookie") as client:
        before = await child(client, student)
        changed = {
            "version": before["version"],
            "code": "B1",
            "name": before["name"],
            "sex": before["sex"],
            "grade": before["grade"],
        }
        answer = await client.patch(f"/api/v1/students/{student}", json=changed)
        assert answer.status_code == 200, answer.text
        taken = await send(client, await client.get(there), there, reason="Moved")
        assert (taken.status_code, 'value="B1-2"' in taken.text) == (409, True), taken.text
        assert (await send(client, taken, there)).status_code == 303
        assert (await child(client, student))["code"] == "B1-2"


async def test_a_guardians_contact_comes_with_consent_and_goes_with_it(site: Served) -> None:
    student = site.cast.students_a[0]
    at = f"/students/{student}/consent"
    async with site.client("teacher", by="cookie") as client:
        assert (
            await send(client, await client.get(at), at, contact="The neighbour's shop")
        ).status_code == 303
        assert (await child(client, student))["guardian_contact"] == "The neighbour's shop"
        assert (await send(client, await client.get(at), f"{at}/withdraw")).status_code == 303
        after = await child(client, student)
        assert (after["guardian_contact"], after["guardian_consent_on"]) == (None, None) or after[
            "guardian_withdrawn_on"
        ]


async def test_erasing_asks_for_the_code_again_and_is_an_admins(site: Served) -> None:
    student = site.cast.students_a[1]
    at = f"/students/{student}/erase"
    async with site.client("coordinator", by="cookie") as client:
        assert (await client.get(at)).status_code == 403
    async with site.client("admin", by="cookie") as client:
        page = await client.get(at)
        wrong = await send(client, page, at, confirmation="A9", reason="Asked for by the family")
        assert wrong.status_code == 422, wrong.text
        assert "<h1>Chan</h1>" in (await client.get(f"/students/{student}")).text
        done = await send(client, page, at, confirmation="A1", reason="Asked for by the family")
        assert done.status_code == 303, done.text
        assert "<h1>Chan</h1>" not in (await client.get(f"/students/{student}")).text


async def test_a_school_goes_into_the_next_year_after_a_look_and_back_again(site: Served) -> None:
    at = f"/schools/{site.cast.school_a}/roll-over"
    async with site.client("coordinator", by="cookie") as client:
        early = await client.get(at)
        assert (early.status_code, "year" in early.text) == (200, True)
        with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
            connection.execute("set default_transaction_read_only = off")
            connection.execute(
                "insert into school_year (name, starts_on, ends_on) values ('2027', '2027-01-01', '2027-12-31')"
            )
        page = await client.get(at)
        assert "From 2026 into 2027." in page.text
        stay = site.cast.students_a[0]
        looked = await send(client, page, at, stay=stay)
        assert (looked.status_code, "Stay" in looked.text, (await child(client, stay))["grade"]) == (
            200,
            True,
            3,
        )
        # the cast's round is open, so the page says what is to do in it, and asks
        assert "0 tested, 0 absent, 5 to do, of 5" in looked.text
        refused = await send(client, looked, at, stay=stay, do="yes")
        assert (refused.status_code, "goes on with the children and classes" in refused.text) == (409, True)
        done = await send(client, refused, at, stay=stay, do="yes", carry_open_rounds="true")
        assert done.status_code == 303, done.text
        assert (await child(client, stay))["grade"] == 3
        assert (await child(client, site.cast.students_a[1]))["grade"] == 4
        past = await client.get(at)
        undo = past.text.split('action="/roll-overs/')[1].split('"')[0]
        back = await send(client, past, f"/roll-overs/{undo}", reason="A mistake")
        assert back.status_code == 303, back.text
        assert (await child(client, site.cast.students_a[1]))["grade"] == 3
    async with site.client("mentor", by="cookie") as client:
        assert (await client.get(at)).status_code == 403


async def test_a_coordinator_says_otherwise_what_a_child_was(site: Served) -> None:
    student = site.cast.students_a[2]
    async with site.client("coordinator", by="cookie") as client:
        there = await child(client, student)
        sent = {
            "version": there["version"],
            "school_id": site.cast.school_b,
            "grade": 3,
            "moved_on": NOW.date().isoformat(),
            "reason": "moved",
        }
        moved = await client.post(f"/api/v1/students/{student}/transfer", json=sent)
        assert moved.status_code == 200, moved.text
        listed = await client.get(f"/students/{student}/past")
        assert "went to another school" in listed.text
        at = re.search(rf"/students/{student}/past/\d+", listed.text)[0]  # type: ignore[index]
        page = await client.get(at)
        refused = await send(client, page, at, grade="4", class_id="", reason="")
        assert refused.status_code == 422
        done = await send(client, refused, at, grade="4", class_id="", reason="wrong class on paper")
        assert (done.status_code, done.headers["location"]) == (303, f"/students/{student}/past")
        assert "Grade 4" in (await client.get(f"/students/{student}/past")).text
    async with site.client("mentor_elsewhere", by="cookie") as client:
        assert "This was otherwise" not in (await client.get(f"/students/{student}/past")).text
        assert (await client.get(at)).status_code == 403
