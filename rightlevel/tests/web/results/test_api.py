"""Results over HTTP: statuses, the same write again, a batch, and what is refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from people import Cast
from serving import Served

from rightlevel.programme.students import NewStudent, create_student

pytestmark = pytest.mark.anyio


@pytest.fixture
async def child(served: Served) -> str:
    """A new child of school A: the application is everybody's, so each test brings its own."""
    cast = served.cast
    new = NewStudent(cast.school_a, f"R{uuid4().hex[:12]}", "Tested Child", 1, 3)
    async with served.database.transaction(deadline_s=10) as session:
        return (await create_student(session, cast.coordinator, new, served_clock())).id


def served_clock() -> Any:
    from people import NOW

    from flatwater.clock import StandingClock

    return StandingClock(NOW)


def a_write(cast: Cast, student: str, **more: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "student_id": student,
        "round_id": cast.round,
        "subject": "math",
        "level": "subtraction",
        "tested_on": "2026-11-20",
        **more,
    }


async def post(client: httpx.AsyncClient, write: dict[str, Any]) -> httpx.Response:
    return await client.post("/api/v1/results", json=write)


async def test_a_saved_result_is_where_the_answer_says_and_the_same_write_gets_the_same_answer(
    served: Served, child: str
) -> None:
    write = a_write(served.cast, child)
    async with served.client("teacher") as client:
        first = await post(client, write)
        assert first.status_code == 201, first.text
        assert (await client.get(first.headers["location"])).json()["level"] == "subtraction"
        again = await post(client, write)
        assert (again.status_code, again.content, again.headers["location"]) == (
            201,
            first.content,
            first.headers["location"],
        )
        change = a_write(served.cast, child, level="division", version=1)
        changed = await post(client, change)
        assert (changed.status_code, changed.json()["version"]) == (200, 2)
        repeated = await post(client, change)
        assert (repeated.status_code, repeated.content) == (200, changed.content)


async def test_a_write_that_was_refused_is_judged_anew_when_it_comes_again(
    served: Served, child: str
) -> None:
    write, key = a_write(served.cast, child), {"idempotency-key": str(uuid4())}
    lock = f"/api/v1/rounds/{served.cast.round}/schools/{served.cast.school_a}"
    async with served.client("coordinator") as leader, served.client("teacher") as client:
        assert (await leader.post(f"{lock}/lock", json={"reason": "the week is over"})).is_success
        refused = await client.post("/api/v1/results", json=write, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (409, "school_locked")
        assert (await leader.post(f"{lock}/unlock", json={"reason": "not yet"})).is_success
        saved = await client.post("/api/v1/results", json=write, headers=key)
        assert saved.status_code == 201, saved.text
        assert (await client.post("/api/v1/results", json=write, headers=key)).content == saved.content


async def test_a_stale_or_second_write_gets_both_values(served: Served, child: str) -> None:
    async with served.client("teacher") as client:
        await post(client, a_write(served.cast, child))
        for more, code in (({}, "conflict"), ({"version": 9}, "stale")):
            refused = await post(client, a_write(served.cast, child, level="beginner", **more))
            problem = refused.json()
            assert (refused.status_code, problem["code"]) == (409, code)
            assert refused.headers["content-type"].startswith("application/problem+json")
            assert (problem["current"]["level"], problem["current"]["version"]) == ("subtraction", 1)
            assert problem["yours"]["level"] == "beginner"


@pytest.mark.parametrize(
    ("who", "more", "status", "code"),
    [
        ("teacher", {"tested_on": "2026-11-24"}, 422, "date_in_future"),
        ("teacher", {"tested_on": "2026-10-01"}, 422, "date_outside_round"),
        ("teacher", {"round_id": 999_999}, 422, "no_round"),
        ("teacher", {"round_id": 2**70}, 422, "invalid"),
        ("teacher", {"notes": "a\0b"}, 422, "input_invalid"),
        ("teacher", {"level": "genius"}, 422, "invalid"),
        ("teacher_elsewhere", {}, 404, "not_found"),
        ("viewer", {}, 403, "forbidden"),
    ],
)
async def test_what_is_refused_is_refused_with_its_status_and_code(
    served: Served, child: str, who: str, more: dict[str, Any], status: int, code: str
) -> None:
    async with served.client(who) as client:
        refused = await post(client, a_write(served.cast, child, **more))
        assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_a_write_out_of_scope_is_forbidden_and_written_down(served: Served) -> None:
    write = a_write(served.cast, served.cast.students_b[0])
    async with served.client("teacher_elsewhere") as client:
        refused = await post(client, write)
        assert (refused.status_code, refused.json()["code"]) == (403, "out_of_scope")
    async with served.client("coordinator") as client:
        entries = (
            await client.get("/api/v1/audit", params={"outcome": "denied", "resource": "result"})
        ).json()
        newest = entries["items"][0]
        assert (newest["username"], newest["reason"]) == ("teacher_elsewhere", "out_of_scope")
        assert newest["after"]["writes"] == [write["id"]]


async def test_a_batch_answers_each_write_in_order(served: Served, child: str) -> None:
    writes = [
        a_write(served.cast, child, notes="a\0b"),
        a_write(served.cast, child, subject="language", level="story"),
        a_write(served.cast, str(uuid4())),
        a_write(served.cast, child),
    ]
    writes[0]["subject"], writes[0]["student_id"] = "math", str(uuid4())
    async with served.client("teacher") as client:
        answer = await client.post("/api/v1/results/batch", json={"writes": writes})
        assert answer.status_code == 200, answer.text
        answers = answer.json()["answers"]
        assert [each["code"] for each in answers] == ["invalid", "saved", "not_found", "saved"]
        assert [each["id"] for each in answers] == [write["id"] for write in writes]
        again = (await client.post("/api/v1/results/batch", json={"writes": writes})).json()["answers"]
        assert again == answers
        for bad in ([], [a_write(served.cast, str(uuid4())) for _ in range(201)]):
            refused = await client.post("/api/v1/results/batch", json={"writes": bad})
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


async def test_a_removed_result_is_gone_but_its_history_stays(served: Served, child: str) -> None:
    async with served.client("teacher") as client:
        where = (await post(client, a_write(served.cast, child))).headers["location"]
        assert (await client.delete(where, params={"version": 7})).status_code == 409
        removed = await client.delete(where, params={"version": 1, "reason": "other child"})
        assert removed.status_code in (200, 204), removed.text
        assert (await client.get(where)).status_code == 404
        assert (await client.delete(where, params={"version": 2})).status_code == 404
        assert (await client.get(f"/api/v1/students/{child}/results")).json()["items"] == []
        history = (await client.get(f"/api/v1/students/{child}/history")).json()["items"]
        assert [(each["after"], each["reason"]) for each in history] == [({"deleted": True}, "other child")]


async def test_a_class_sheet_goes_on_where_it_stopped(served: Served, child: str) -> None:
    cast = served.cast
    asked = {"school_id": cast.school_a, "round_id": cast.round, "subject": "math", "limit": 2}
    seen: list[str] = []
    async with served.client("mentor") as client:
        await post(client, a_write(cast, child))
        after: str | None = None
        while True:
            params = {**asked, **({"after": after} if after else {})}
            page = (await client.get("/api/v1/class-sheet", params=params)).json()
            seen += [row["student_id"] for row in page["items"]]
            after = page["next"]
            if after is None:
                break
    assert len(seen) == len(set(seen))
    assert {child, *cast.students_a} <= set(seen)
