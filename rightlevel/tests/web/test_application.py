"""Who is asking, forged forms, repeated writes, refusals on paper: what every route gets without saying so."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from people import token_of
from serving import OneDatabase, Served, serving

from flatwater.queries import read_queries

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: named
-- How many accounts have this name.
select count(*) from person where username = %(username)s
-- name: give_password
-- Gives somebody a password.
update person set password_hash = %(hash)s where username = 'teacher'
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
    async with served.on_this_machine() as client:
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


FROM_ELSEWHERE: dict[str, tuple[str, str, dict[str, str]]] = {
    "another address": ("198.51.100.7", "localhost", {}),
    "another name": ("127.0.0.1", "tarl.example.org", {}),
    "passed on by a proxy": ("127.0.0.1", "localhost", {"x-forwarded-for": "198.51.100.7"}),
    "passed on by the book": ("127.0.0.1", "localhost", {"forwarded": "for=127.0.0.1"}),
}


@pytest.mark.parametrize("where", FROM_ELSEWHERE)
async def test_a_stranger_is_told_up_or_down_and_nothing_else(served: Served, where: str) -> None:
    address, host, headers = FROM_ELSEWHERE[where]
    transport = httpx.ASGITransport(served.app, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers) as client:
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "up"})
        for name, is_shown in (("admin", True), ("coordinator", False), ("viewer", False)):
            holder = {"authorization": f"Bearer {token_of(name)}"}
            health = (await client.get("/healthz", headers=holder)).json()
            assert ("program_bytes" in health) is is_shown, name


STATIC = ("/static/app.css", "/static/no-such-file", "/no-such-page", "/api/v1/no-such-thing")
WITHOUT_ROUTE = [("GET", path) for path in STATIC] + [
    ("DELETE", "/sign-in"),
    ("POST", "/healthz"),
    ("GET", "/healthz"),
]


@pytest.mark.parametrize(
    ("method", "path"),
    [*WITHOUT_ROUTE, ("GET", "/"), ("GET", "/sign-in"), ("GET", "/api/v1/me"), ("GET", "/students")],
)
async def test_every_answer_says_what_a_browser_may_do_with_it(
    served: Served, method: str, path: str
) -> None:
    for name in (None, "coordinator"):
        async with served.client(name, by="cookie") as client:
            headers = (await client.request(method, path)).headers
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"


@pytest.fixture
async def by_default(new_database: Callable[[], OneDatabase], tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(
        new_database(), tmp_path, cookie_is_secure="auto", trusted_proxies=("10.0.0.1",)
    ) as opened:
        yield opened


REACHED: list[tuple[str, str, dict[str, str], bool]] = [
    ("https://tarl.example.org", "198.51.100.7", {}, True),
    ("http://tarl.example.org", "198.51.100.7", {}, True),
    ("http://192.168.1.20:8000", "192.168.1.7", {}, True),
    ("http://localhost:8000", "127.0.0.1", {}, False),
    ("http://127.0.0.1:8000", "127.0.0.1", {}, False),
    ("http://[::1]:8000", "::1", {}, False),
    ("http://localhost:8000", "10.0.0.1", {"x-forwarded-proto": "https"}, True),
    ("http://localhost:8000", "127.0.0.1", {"x-forwarded-proto": "https"}, False),
]


@pytest.mark.parametrize(("url", "peer", "headers", "is_secure"), REACHED)
async def test_cookies_are_for_https_only_wherever_https_is_and_by_default_off_this_machine(
    by_default: Served, url: str, peer: str, headers: dict[str, str], is_secure: bool
) -> None:
    async with by_default.database.transaction(deadline_s=30) as session:
        password_hash = await by_default.platform.passwords.hash("mango rain bicycle")
        await session.execute(QUERIES["give_password"], {"hash": password_hash})
    transport = httpx.ASGITransport(by_default.app, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url=url, headers=headers) as client:
        entered = await client.post(
            "/sign-in", data={"username": "teacher", "password": "mango rain bicycle"}
        )
        assert entered.status_code == 303
        given = entered.headers.get_list("set-cookie")
        assert len(given) == 3
        assert all(("; Secure" in each) is is_secure for each in given)
        assert any(each.startswith("__Host-rl_session=" if is_secure else "rl_session=") for each in given)
        assert ("strict-transport-security" in entered.headers) is is_secure
        token = entered.cookies.get("__Host-rl_session" if is_secure else "rl_session")
        plain = {"cookie": f"rl_session={token}"}
        client.cookies.clear()
        assert (await client.get("/api/v1/me", headers=plain)).status_code == (401 if is_secure else 200), (
            "where https is, a cookie that a plain connection could have set is none of ours"
        )


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


async def test_signing_out_takes_what_the_browser_kept(by_default: Served) -> None:
    async with by_default.database.transaction(deadline_s=30) as session:
        password_hash = await by_default.platform.passwords.hash("mango rain bicycle")
        await session.execute(QUERIES["give_password"], {"hash": password_hash})
    transport = httpx.ASGITransport(by_default.app, client=("198.51.100.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="https://tarl.example.org") as client:
        await client.post("/sign-in", data={"username": "teacher", "password": "mango rain bicycle"})
        page = (await client.get("/account")).text
        token = page.split('name="csrf_token" value="')[1].split('"')[0]
        left = await client.post("/sign-out", data={"csrf_token": token})
        assert (left.status_code, left.headers["clear-site-data"]) == (303, '"cache"')
        assert any(
            "__Host-rl_session=;" in each and "Max-Age=0" in each
            for each in left.headers.get_list("set-cookie")
        )
        assert (await client.get("/api/v1/me")).status_code == 401
