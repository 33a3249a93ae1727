"""Repeated writes are answered again, on every kind of route; and what is shown once lies in no receipt."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from form_walking import post
from serving import Served
from simulation.forms import form_to

from flatwater.queries import read_queries
from rightlevel.web.application import RightLevelApplication

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: kept
-- All that is kept of answers, as text.
select coalesce(string_agg(r::text, ' '), '') from write_receipt r
-- name: chosen
-- How often somebody chose a PIN.
select coalesce(sum(times), 0)::int from audit_entry where action = 'choose' and resource = 'pin' and person_id = %(person)s
-- name: named
-- How many accounts have this name.
select count(*) from person where username = %(username)s
""",
    origin="test_receipts.py",
)


async def value(served: Served, query: str, **values: Any) -> Any:
    async with served.database.read(deadline_s=5) as session:
        return await session.fetch_value(QUERIES[query], values)


def key() -> dict[str, str]:
    return {"idempotency-key": str(uuid.uuid4())}


def somebody() -> dict[str, str]:
    return {"username": f"p{uuid.uuid4().hex[:10]}", "display_name": "Some Body", "role": "teacher"}


SECRETS: dict[str, tuple[str, str, Any, str]] = {
    "a token": ("coordinator", "/api/v1/me/tokens", {"label": "x", "days": 3}, "token"),
    "a link code": ("coordinator", "/api/v1/schools/{school}/devices", None, "code"),
    "a one-time code": ("coordinator", "/api/v1/people/{stranger}/password", None, "code"),
    "a PIN": ("coordinator", "/api/v1/people/{teacher}/pin", None, "pin"),
    "a first password": ("coordinator", "/api/v1/people", somebody(), "password"),
}


@pytest.mark.parametrize("what", SECRETS)
async def test_what_is_shown_once_is_in_no_receipt_and_not_shown_again(served: Served, what: str) -> None:
    name, path, body, field = SECRETS[what]
    path = path.format(
        school=served.cast.school_a,
        stranger=served.cast.stranger.person_id,
        teacher=served.cast.teacher.person_id,
    )
    headers = key()
    async with served.client(name, by="cookie") as client:
        first = await client.post(path, json=body, headers=headers)
        again = await client.post(path, json=body, headers=headers)
    assert first.status_code in (200, 201), first.text
    secret = first.json()[field]
    assert len(secret) >= 6
    assert (again.status_code, again.headers.get("location")) == (
        first.status_code,
        first.headers.get("location"),
    )
    assert again.json() == {**first.json(), field: ""}, "all but what was shown once is told again"
    kept = await value(served, "kept")
    assert headers["idempotency-key"] in kept
    assert secret not in kept


PAGES = {
    "a token": "/account/tokens",
    "a link code": "/schools/{school}/devices",
    "a calendar link": "/next-week/calendar",
    "a one-time code": "/people/{stranger}/password",
}


@pytest.mark.parametrize("what", PAGES)
async def test_a_page_that_shows_a_secret_is_not_kept_and_says_that_it_was_done(
    served: Served, what: str
) -> None:
    path = PAGES[what].format(school=served.cast.school_a, stranger=served.cast.stranger.person_id)
    write_id = str(uuid.uuid4())
    fields = {"write_id": write_id, "label": "x", "days": "3"}
    async with served.client("coordinator", by="cookie") as client:
        first = await client.post(path, data=fields)
        again = await client.post(path, data=fields)
    assert first.status_code == 200, first.text
    assert again.status_code == 409
    assert "done already" in again.text
    kept = await value(served, "kept")
    assert write_id in kept
    assert "<html" not in kept.split(write_id)[1][:2_000]


async def test_the_same_person_is_made_once_also_at_the_same_moment(served: Served) -> None:
    headers, body = key(), somebody()
    async with served.client("coordinator") as client:
        ends = await asyncio.gather(
            *(client.post("/api/v1/people", json=body, headers=headers) for _ in range(5))
        )
        assert {each.status_code for each in ends} == {201}, [each.text for each in ends]
        assert sum(bool(each.json()["password"]) for each in ends) == 1
        assert await value(served, "named", username=body["username"]) == 1
        other = await client.post("/api/v1/people", json=somebody(), headers=headers)
        elsewhere = await client.post("/api/v1/me/password", json={"old": "x", "new": "y"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "write_id_reused")
    assert elsewhere.status_code in (403, 409)


async def test_a_key_is_for_what_was_sent_with_it_and_for_nothing_else(served: Served) -> None:
    headers, body = key(), {"label": "x", "days": 3}
    async with served.client("coordinator", by="cookie") as client:
        path = f"/api/v1/people/{served.cast.mentor_elsewhere.person_id}"
        person = (await client.get(path)).json()
        first = await client.patch(
            path, json={"version": person["version"], "language": "km"}, headers=headers
        )
        again = await client.patch(
            path, json={"language": "km", "version": person["version"]}, headers=headers
        )
        other = await client.patch(
            path, json={"version": person["version"], "language": "en"}, headers=headers
        )
        asked = await client.patch(
            f"{path}?x=1", json={"version": person["version"], "language": "km"}, headers=headers
        )
        assert first.status_code == 200, first.text
        assert (again.status_code, again.json()) == (200, first.json()), (
            "the order of its fields is no other write"
        )
        assert (other.status_code, other.json()["code"]) == (409, "write_id_reused")
        assert asked.status_code in (409, 422)
        token = key()
        assert (await client.post("/api/v1/me/tokens", json=body, headers=token)).status_code == 200
        refused = await client.post("/api/v1/me/tokens", json={**body, "days": 4}, headers=token)
        assert refused.json()["code"] == "write_id_reused"


async def test_a_file_is_part_of_what_was_sent(served: Served) -> None:
    headers = key()
    line = b"School code,Student code,Name,Sex,Grade\nA,Z9,Bopha,F,3\n"
    async with served.client("coordinator") as client:

        async def sent(content: bytes) -> Any:
            file = {"file": ("x.csv", content, "text/csv")}
            return await client.post(
                "/api/v1/imports", data={"kind": "students"}, files=file, headers=headers
            )

        first, again, other = await sent(line), await sent(line), await sent(line.replace(b"Bopha", b"Dara"))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "write_id_reused")


async def test_no_stop_lies_between_a_deed_and_its_receipt(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the route has no transaction of its own: what would be kept after the deed is lost here, as when the program is stopped."""

    async def stopped(*_: object) -> None:
        """Nothing is kept any more."""

    monkeypatch.setattr(RightLevelApplication, "remember_apart", stopped)
    file = {"file": ("y.csv", b"School code,Student code,Name,Sex,Grade\nA,Z8,Bopha,F,3\n", "text/csv")}
    headers = key()
    async with served.client("coordinator") as client:
        ends = [
            await client.post("/api/v1/imports", data={"kind": "students"}, files=file, headers=headers)
            for _ in range(2)
        ]
    assert {each.status_code for each in ends} == {202}, ends[1].text
    assert len({each.json()["id"] for each in ends}) == 1
    write_id = str(uuid.uuid4())
    async with served.client("mentor", by="cookie") as client:
        fields = {"pin": "604193", "write_id": write_id}
        first = await client.post("/account/pin", data=fields)
        again = await client.post("/account/pin", data=fields)
    assert (first.status_code, again.status_code) == (303, 303), first.text
    assert write_id in await value(served, "kept")
    assert await value(served, "chosen", person=served.cast.mentor.person_id) == 1


async def test_a_form_gone_back_to_and_changed_is_not_told_that_it_is_saved(served: Served) -> None:
    page = f"/schools/{served.cast.school_a}/students/new"
    async with served.client("teacher", by="cookie") as client:
        client.headers.pop("x-csrf-token")
        form = form_to((await client.get(page)).text, page)
        assert form is not None
        code = uuid.uuid4().hex[:8]
        typed = {"code": code, "name": "Typed First", "sex": "2", "grade": "4"}
        assert (await post(client, form, typed)).status_code == 303
        assert (await post(client, form, typed)).status_code == 303, "the same form twice is one child"
        changed = await post(client, form, typed | {"code": f"{code}b", "name": "Typed Then"})
        assert changed.status_code == 409
        assert "saved so. Nothing more is saved yet" in changed.text
        again = form_to(changed.text, page)
        assert again is not None
        assert dict(again.fields)["name"] == "Typed Then"
        assert (await post(client, again, {})).status_code == 303
        asked = {"school_id": served.cast.school_a, "search": "Typed"}
        children = (await client.get("/api/v1/students", params=asked)).json()
    assert [each["name"] for each in children["items"] if each["code"].startswith(code)] == [
        "Typed First",
        "Typed Then",
    ]


async def test_what_failed_leaves_no_receipt(served: Served) -> None:
    headers, body = key(), somebody()
    async with served.client("coordinator") as client:
        wrong = await client.post("/api/v1/people", json={**body, "role": "nonsense"}, headers=headers)
        right = await client.post("/api/v1/people", json=body, headers=headers)
    assert (wrong.status_code, right.status_code) == (422, 201)


async def test_a_route_without_a_transaction_of_its_own_answers_again_too(served: Served) -> None:
    headers = key()
    file = {"file": ("x.csv", b"School code,Student code,Name,Sex,Grade\nA,Z9,Bopha,F,3\n", "text/csv")}
    async with served.client("coordinator") as client:
        first = await client.post("/api/v1/imports", data={"kind": "students"}, files=file, headers=headers)
        again = await client.post("/api/v1/imports", data={"kind": "students"}, files=file, headers=headers)
    assert first.status_code == 202, first.text
    assert again.json()["id"] == first.json()["id"]
