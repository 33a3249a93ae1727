"""Verification by pages: blind while it waits, both levels once it is saved, decided, returned and answered; samples and agreement."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from form_reading import send
from people import NOW
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio
DAY = NOW.date().isoformat()


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


async def first(site: Served, number: int = 0) -> str:
    body: dict[str, Any] = {
        "id": str(uuid4()),
        "student_id": site.cast.students_a[number],
        "round_id": site.cast.round,
        "subject": "math",
        "level": "subtraction",
        "tested_on": DAY,
        "tool": 1,
    }
    async with site.client("teacher") as client:
        answer = await client.post("/api/v1/results", json=body)
    assert answer.status_code == 201, answer.text
    return str(body["id"])


async def retest(client: httpx.AsyncClient, result_id: str, choice: str, **more: str) -> httpx.Response:
    form = {"choice": choice, "tool": "2", "tested_on": DAY, "write_id": str(uuid4()), **more}
    return await client.post(f"/verification/results/{result_id}", data=form)


async def test_a_sample_is_looked_at_drawn_and_tested_blind(site: Served) -> None:
    result_id = await first(site)
    async with site.client("coordinator", by="cookie") as client:
        form = {
            "round": str(site.cast.round),
            "subject": "math",
            "school_id": str(site.cast.school_a),
            "margin": "5",
            "confidence": "0.95",
            "expected": "80",
            "visible_on": DAY,
            "act": "plan",
            "write_id": str(uuid4()),
        }
        planned = await client.post("/verification-samples", data=form)
        assert "1 of 1 tested children, in 1 schools" in planned.text
        wrong = await client.post(
            "/verification-samples", data={**form, "margin": "500", "write_id": str(uuid4())}
        )
        assert wrong.status_code == 422
        assert "Between 0.01 and 0.5" in wrong.text
        drawn = await client.post(
            "/verification-samples", data={**form, "act": "draw", "write_id": str(uuid4())}
        )
        assert drawn.status_code == 303
        assert "seed" in (await client.get(drawn.headers["location"])).text
    async with site.client("mentor", by="cookie") as client:
        queue = await client.get("/verification")
        assert "Bopha" in queue.text
        form_page = await client.get(f"/verification/results/{result_id}")
        child_page = await client.get(f"/students/{site.cast.students_a[0]}")
        entry = await client.get(f"/students/{site.cast.students_a[0]}/results/{site.cast.round}/math")
        assert 'aria-pressed="true"' not in entry.text
        assert "Subtraction" not in queue.text + child_page.text
        assert "take another" in form_page.text
        assert 'value="1"' not in form_page.text
        same_tool = await retest(client, result_id, "division", tool="1")
        assert (same_tool.status_code, "another tool" in same_tool.text) == (409, True)
        nothing = await retest(client, result_id, "", tested_on="someday")
        assert nothing.status_code == 422
        saved = await retest(client, result_id, "division")
        assert saved.status_code == 200, saved.text
        assert "The two tests differ" in saved.text
        assert "Subtraction" in saved.text


async def test_a_difference_is_returned_answered_and_decided(site: Served) -> None:
    result_id = await first(site)
    async with site.client("mentor", by="cookie") as client:
        saved = await retest(client, result_id, "division")
        address = re.findall(r'href="/verification/([0-9a-f-]{36})"', saved.text)[0]
        page = await client.get(f"/verification/{address}")
        assert "Which level stands?" not in page.text, "a coordinator decides"
        returned = await send(client, page, f"/verification/{address}/return", reason="please once more")
        assert returned.status_code == 303
    async with site.client("teacher", by="cookie") as client:
        assert "Look at 1 returned result again" in (await client.get("/")).text
        page = await client.get("/verification/returned")
        assert "please once more" in page.text
        assert "Division" not in page.text
        empty = await send(client, page, f"/verification/{address}/answer", reason="")
        assert empty.status_code == 422
        answered = await send(client, page, f"/verification/{address}/answer", reason="I am sure")
        assert answered.status_code == 303
        assert "Nothing was returned" in (await client.get("/verification/returned")).text
    async with site.client("coordinator", by="cookie") as client:
        first_one = await client.get(f"/verification/{address}")
        assert "The teacher stands by the result." in first_one.text
        again = await retest(client, result_id, "beginner", tool="3")
        address = re.findall(r'href="/verification/([0-9a-f-]{36})"', again.text)[0]
        page = await client.get(f"/verification/{address}")
        stale = await send(
            client, page, f"/verification/{address}/resolve", version="1", stands="second", reason="x"
        )
        assert stale.status_code == 409
        done = await send(
            client, page, f"/verification/{address}/resolve", stands="second", reason="seen both"
        )
        assert done.status_code == 303
        settled = await client.get("/verification?state=settled")
        assert "Verified" in settled.text
        page = await client.get(f"/verification/{address}")
        assert (
            await send(client, page, f"/verification/{address}/withdraw", reason="wrong")
        ).status_code == 303


async def test_agreement_is_shown_by_whom_it_is_asked_for(site: Served) -> None:
    async with site.client("mentor", by="cookie") as client:
        for by in ("all", "teacher", "school", "tool"):
            page = await client.get(f"/agreement?subject=math&by={by}")
            assert page.status_code == 200, page.text
    async with site.client("viewer", by="cookie") as client:
        assert (await client.get("/agreement")).status_code == 403


async def test_a_round_is_frozen_by_a_page_and_shows_its_hash(site: Served) -> None:
    from flatwater.clock import SystemClock
    from rightlevel.operations.sealing import seal_rounds

    await first(site)
    here = f"/rounds/{site.cast.round}"
    async with site.client("coordinator", by="cookie") as client:
        for state, more in (("closed", {}), ("frozen", {"reason": "the year is over"})):
            page = await client.get(here)
            answer = await send(client, page, f"{here}/state/{state}", **more)
            assert answer.status_code == 303, answer.text
        assert "being frozen at this moment" in (await client.get(here)).text
        assert await seal_rounds(site.database, SystemClock()) == [site.cast.round]
        page = (await client.get(here)).text
        assert "SHA-256" in page
        assert "1 results of 1 schools" in page
        checked = await client.get(f"/api/v1{here}/snapshot/check")
        assert (checked.json()["is_intact"], checked.json()["is_rebuilt"]) == (True, True)


async def test_days_for_a_place_leave_what_is_blank(site: Served) -> None:
    here = f"/rounds/{site.cast.round}"
    async with site.client("coordinator", by="cookie") as client:
        page = await client.get(here)
        missing = await send(client, page, f"{here}/places/days", ends_on="2026-11-28")
        assert missing.status_code == 422
        saved = await send(
            client, page, f"{here}/places/days", place=str(site.cast.province), ends_on="2026-11-28"
        )
        assert saved.status_code == 303
        schools = (await client.get(f"/api/v1{here}/schools")).json()["items"]
    assert [(each["starts_on"], each["ends_on"]) for each in schools] == [(None, "2026-11-28")] * 3


async def test_schools_without_a_teacher_are_given_to_somebody_all_or_none(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        page = await client.get("/assignments/gaps?role=teacher&subject=math")
        assert "Beta School" in page.text
        assert "Alpha School" not in page.text
        nobody = await send(client, page, "/assignments/gaps")
        assert nobody.status_code == 422
        person = str(site.cast.stranger.person_id)
        done = await send(client, page, "/assignments/gaps", person=person, school=str(site.cast.school_b))
        assert done.status_code == 303, done.text
        none_left = (await client.get("/assignments/gaps?role=teacher&subject=math")).text
        assert "No open school lacks one." in none_left
        rows = [
            {"person_id": site.cast.stranger.person_id, "school_id": school, "subject": "language"}
            for school in (site.cast.school_a, 999_999)
        ]
        refused = await client.post("/api/v1/assignments/batch", json={"assignments": rows})
        assert refused.status_code == 422
        assert [fault["field"] for fault in refused.json()["faults"]] == ["assignments.1.school_id"]
        found = (await client.get(f"/api/v1/assignments?person_id={person}")).json()["items"]
        assert len(found) == 1, "all or none"
        ended = await client.post(
            "/api/v1/assignments/end", json={"assignment_ids": [found[0]["id"], 999_999]}
        )
        assert ended.json() == {"assignment_ids": [found[0]["id"]]}
    async with site.client("stranger") as client:
        body = {
            "id": str(uuid4()),
            "student_id": site.cast.students_b[0],
            "round_id": site.cast.round,
            "subject": "math",
            "level": "division",
            "tested_on": DAY,
        }
        assert (await client.post("/api/v1/results", json=body)).status_code == 404, (
            "ended on the very next request"
        )
