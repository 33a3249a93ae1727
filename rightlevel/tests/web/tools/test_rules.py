"""What passes a task as data: versions in an editor, timed subtests, and a test judged by the version that it was run with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from form_reading import form_at, send
from serving import NewDatabase, Served, serving

pytestmark = pytest.mark.anyio
RULES = "/api/v1/guided-tests/rules"


@pytest.fixture
async def site(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path_factory.mktemp("rules")) as opened:
        yield opened


async def rules_of(site: Served) -> dict[str, Any]:
    async with site.client("teacher") as client:
        return (await client.get(RULES)).json()


async def with_grid(site: Served, *, letters: int = 50) -> int:
    """Every reading tool in English and Khmer shows so many letters from now on; the id of the first in English."""
    first = 0
    async with site.client("coordinator") as client:
        tools = (await client.get("/api/v1/tools", params={"subject": "language"})).json()["tools"]
        for tool in tools:
            content = {
                **tool["content"],
                "letters": [{"text": "abcdefghijklmnopqrstuvwxyz"[n % 26]} for n in range(letters)],
            }
            new = {
                "subject": "language",
                "number": tool["number"],
                "language": tool["language"],
                "content": content,
                "follows": tool["version"],
            }
            made = await client.post("/api/v1/tools", json=new)
            assert made.status_code == 201, made.text
            first = made.json()["id"] if (tool["language"], tool["number"]) == ("en", 1) else first
    return first


async def test_a_minutes_letters_are_set_up_in_the_editor(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        page = await client.get("/tools/rules")
        typed = {"letters_items": "៥០", "letters_needed": 20, "letters_seconds": 60}
        short = await send(client, page, "/tools/rules", **typed)
        assert short.status_code == 422
        assert "Tool language en 1 shows 8: add a version of it first" in short.text
        assert form_at(short, "/tools/rules").fields["letters_seconds"] == "60"
        await with_grid(site)
        assert (await send(client, page, "/tools/rules", **typed)).status_code == 303
        stale = await send(client, page, "/tools/rules", **typed, write_id="")
        assert stale.status_code == 409
    told = await rules_of(site)
    assert (told["version"], told["thresholds"]["letters"]) == (
        1,
        {"items": 50, "needed": 20, "most_mistakes": None, "seconds": 60},
    )
    async with site.client("teacher", by="cookie") as client:
        assert (await client.get("/tools/rules")).status_code == 403
        before = '[{"task":"paragraph","mistakes":9,"is_fluent":false},{"task":"words","right":1}]'
        address = f"/students/{site.cast.students_a[0]}/results/{site.cast.round}/language/test"
        shown = await client.get(address, params={"assent": "yes", "language": "en", "steps": before})
        assert "20 right in 60 seconds are needed" in shown.text
        assert shown.text.count('class="shown-item"') == 50


async def test_a_test_is_judged_by_the_version_that_it_was_run_with_and_keeps_its_tool(site: Served) -> None:
    tool = await with_grid(site)
    old = await rules_of(site)
    stricter = {**old["thresholds"], "letters": {"items": 50, "needed": 40, "seconds": 60}}
    async with site.client("coordinator") as client:
        made = await client.post(RULES, json={"thresholds": stricter, "follows": 0})
        assert made.status_code in (200, 201), made.text
    failed = [{"task": "paragraph", "mistakes": 9, "is_fluent": False}, {"task": "words", "right": 1}]

    def a_result(child: int, right: int, **more: Any) -> dict[str, Any]:
        steps = [*failed, {"task": "letters", "right": right, "took_s": 30}]
        level = more.pop("level")
        return {
            "id": str(uuid4()),
            "student_id": site.cast.students_a[child],
            "round_id": site.cast.round,
            "subject": "language",
            "tested_on": "2026-11-23",
            "method": "guided",
            "tool": 1,
            "level": level,
            "steps": steps,
            **more,
        }

    async with site.client("teacher") as client:
        # From a phone that was away: by the old rules four letters are enough.
        away = await client.post(
            "/api/v1/results", json=a_result(0, 4, level="letter", rules_version=0, tool_id=tool)
        )
        assert away.status_code == 201, away.text
        kept = (await client.get(f"/api/v1/results/{away.json()['result_id']}/guided-tests")).json()["tests"]
        assert [(each["tool_id"], each["tool_version"], each["rules_version"]) for each in kept] == [
            (tool, 2, 0)
        ]
        for wrong, field in (
            (a_result(1, 4, level="letter"), "level"),
            (a_result(1, 4, level="letter", rules_version=7), "rules_version"),
            (a_result(1, 4, level="letter", rules_version=2**40), "rules_version"),
            (a_result(1, 4, level="beginner", tool_id=2**62), "tool_id"),
            ({**a_result(1, 4, level="beginner", tool_id=tool), "tool": 2}, "tool_id"),
            ({**a_result(1, 4, level="beginner", tool_id=tool), "steps": [], "method": "direct"}, "tool_id"),
        ):
            refused = await client.post("/api/v1/results", json=wrong)
            assert refused.status_code == 422, refused.text
            assert field in [each["field"] for each in refused.json()["faults"]], refused.text
        now = await client.post("/api/v1/results", json=a_result(1, 41, level="letter"))
        assert now.status_code == 201, now.text
        kept = (await client.get(f"/api/v1/results/{now.json()['result_id']}/guided-tests")).json()["tests"]
        assert [(each["tool_id"], each["rules_version"]) for each in kept] == [(None, 1)]
