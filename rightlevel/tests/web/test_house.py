"""Who is asking, forged forms, repeated writes, refusals on paper: what every route gets without saying so."""

import asyncio
import uuid

import pytest
from serving import Served

from flatwater.queries import read_queries

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: named
-- How many accounts have this name.
select count(*) from person where username = %(username)s
-- name: denied
-- The newest denied attempt of somebody.
select action || ' ' || resource_id from audit_entry
where outcome = 'denied' and person_id = %(person)s order by id desc limit 1
""",
    origin="test_house.py",
)


def somebody(username: str) -> dict[str, str]:
    return {"username": username, "display_name": "Some Body", "role": "teacher"}


async def count(served: Served, username: str) -> int:
    async with served.database.read(deadline_s=5) as session:
        return await session.fetch_value(QUERIES["named"], {"username": username})


async def test_a_token_and_a_cookie_both_say_who_is_asking(served: Served) -> None:
    for by in ("bearer", "cookie"):
        async with served.client("mentor", by=by) as client:
            me = (await client.get("/api/v1/me")).json()
        assert (me["username"], me["schools"], me["reaches_everything"]) == (
            "mentor",
            [served.cast.school_a],
            False,
        )


async def test_a_made_up_token_is_nobody(served: Served) -> None:
    async with served.client() as client:
        for headers in (
            {},
            {"authorization": "Bearer rl_made_up"},
            {"cookie": "rl_session=made-up"},
            {"x-user": "admin"},
        ):
            answer = await client.get("/api/v1/me", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_a_form_from_another_site_changes_nothing(served: Served) -> None:
    async with served.client("coordinator", by="cookie") as client:
        for headers in (
            {"origin": "https://evil.example"},
            {"sec-fetch-site": "cross-site"},
            {"x-csrf-token": "guessed"},
            {"x-csrf-token": ""},
        ):
            answer = await client.post("/api/v1/people", json=somebody("forged"), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "cross_site"), headers
        assert await count(served, "forged") == 0
        honest = {"origin": "http://test", "sec-fetch-site": "same-origin"}
        answer = await client.post("/api/v1/people", json=somebody("honest"), headers=honest)
        assert answer.status_code == 201


async def test_the_same_write_again_is_answered_again_and_done_once(served: Served) -> None:
    key = {"idempotency-key": str(uuid.uuid4())}
    place = {
        "kind": "province",
        "parent_id": served.cast.country,
        "code": f"W-{uuid.uuid4()}",
        "name_local": "Again",
    }
    async with served.client("coordinator") as client:
        first = await client.post("/api/v1/places", json=place, headers=key)
        again = await client.post("/api/v1/places", json=place, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]


async def test_parallel_repeats_of_one_write_are_all_answered_and_done_once(served: Served) -> None:
    key = {"idempotency-key": str(uuid.uuid4())}
    place = {
        "kind": "province",
        "parent_id": served.cast.country,
        "code": f"W-{uuid.uuid4()}",
        "name_local": "Repeated",
    }
    async with served.client("coordinator") as client:
        answers = await asyncio.gather(
            *(client.post("/api/v1/places", json=place, headers=key) for _ in range(6))
        )
        assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
        assert len({answer.content for answer in answers}) == 1
        found = await client.get(
            "/api/v1/places", params={"parent_id": served.cast.country, "search": "Repeated"}
        )
    assert len(found.json()["items"]) == 1


async def test_one_id_for_two_different_writes_is_refused(served: Served) -> None:
    key = {"idempotency-key": str(uuid.uuid4())}
    place = {
        "kind": "province",
        "parent_id": served.cast.country,
        "code": f"W-{uuid.uuid4()}",
        "name_local": "One",
    }
    async with served.client("coordinator") as client:
        assert (await client.post("/api/v1/places", json=place, headers=key)).status_code == 201
        other = await client.post(f"/api/v1/schools/{served.cast.school_a}/restore", headers=key)
        assert (other.status_code, other.json()["code"]) == (409, "write_id_reused")
        garbage = await client.post("/api/v1/places", json=place, headers={"idempotency-key": "1"})
        assert (garbage.status_code, garbage.json()["code"]) == (422, "bad_write_id")


async def test_somebody_elses_write_id_tells_nothing(served: Served) -> None:
    key = {"idempotency-key": str(uuid.uuid4())}
    place = {
        "kind": "province",
        "parent_id": served.cast.country,
        "code": f"W-{uuid.uuid4()}",
        "name_local": "Mine",
    }
    async with served.client("coordinator") as client:
        assert (await client.post("/api/v1/places", json=place, headers=key)).status_code == 201
    async with served.client("admin") as client:
        assert (await client.post("/api/v1/places", json=place, headers=key)).json()[
            "code"
        ] == "write_id_reused"


async def test_a_denied_attempt_is_written_down(served: Served) -> None:
    async with served.client("teacher") as client:
        answer = await client.post("/api/v1/people", json=somebody("never"))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    async with served.database.read(deadline_s=5) as session:
        written = await session.fetch_value(QUERIES["denied"], {"person": served.cast.teacher.person_id})
    assert "/api/v1/people" in written


async def test_an_ended_assignment_counts_on_the_very_next_request(served: Served) -> None:
    async with served.client("teacher_elsewhere") as client:
        assert (await client.get("/api/v1/me")).json()["schools"] == [served.cast.school_b]
        async with served.client("coordinator") as coordinator:
            held = await coordinator.get(
                "/api/v1/assignments", params={"person_id": served.cast.teacher_elsewhere.person_id}
            )
            for each in held.json()["items"]:
                await coordinator.post(f"/api/v1/assignments/{each['id']}/end")
        assert (await client.get("/api/v1/me")).json()["schools"] == []


async def test_what_is_wrong_with_the_input_is_said_with_where(served: Served) -> None:
    async with served.client("coordinator") as client:
        shape = await client.post("/api/v1/people", json={"username": 7})
        assert (shape.status_code, shape.json()["where"]) == (422, "body.username")
        rules = await client.post(
            "/api/v1/people", json={"username": "No", "display_name": "", "role": "king"}
        )
        assert rules.status_code == 422
        assert {fault["field"] for fault in rules.json()["faults"]} == {"username", "display_name", "role"}
        limit = await client.get("/api/v1/people", params={"limit": 5000})
        assert (limit.status_code, limit.json()["where"]) == (422, "query.limit")
        cursor = await client.get("/api/v1/people", params={"after": "!!"})
        assert cursor.json()["code"] == "bad_cursor"
        huge = await client.post("/api/v1/people", content=b"x" * 100_000)
        assert (huge.status_code, huge.json()["code"]) == (413, "too_big")


async def test_a_person_sees_a_page_and_a_program_a_problem(served: Served) -> None:
    async with served.client("teacher", by="cookie") as client:
        page = await client.get("/people")
        assert (page.status_code, page.headers["content-type"].split(";")[0]) == (403, "text/html")
        nothing = await client.get("/no-such-page")
        assert (nothing.status_code, nothing.headers["content-type"].split(";")[0]) == (404, "text/html")
    async with served.client() as client:
        asked = await client.get("/people")
        assert asked.status_code == 303
        assert asked.headers["location"].startswith("/sign-in")


async def test_the_service_says_how_it_is_which_it_is_and_what_it_offers(served: Served) -> None:
    async with served.client() as client:
        health = (await client.get("/healthz")).json()
        assert health["status"] in ("ok", "warning")
        assert health["database_answers_s"] < 1
        assert health["program_bytes"] > 1_000_000
        assert (await client.get("/version")).json()["version"] == "0.1.0"
        document = (await client.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    routes = {(endpoint.path, endpoint.method) for endpoint in served.app.registry}  # type: ignore[attr-defined]
    assert {(path, method) for path, method in routes if path.startswith("/api/")} <= described


async def test_pages_can_not_be_framed_or_kept(served: Served) -> None:
    async with served.client() as client:
        headers = (await client.get("/sign-in")).headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'self'" in headers["content-security-policy"]


async def test_a_made_up_cookie_buys_no_more_attempts_to_sign_in(served: Served) -> None:
    statuses: list[int] = []
    async with served.client() as client:
        for number in range(80):
            headers = {"cookie": f"rl_session=made-up-{number}", "origin": "http://test"}
            answer = await client.post("/sign-in", data={"username": "", "password": ""}, headers=headers)
            statuses.append(answer.status_code)
            if answer.status_code == 429:
                assert answer.headers["retry-after"]
    assert statuses.count(429) >= 10
