"""The frame of all pages and the pages of accounts, asked over HTTP as a browser would."""

from __future__ import annotations

import re
from html import unescape
from uuid import uuid4

import httpx
import pytest
from serving import Served

pytestmark = pytest.mark.anyio

UNPROCESSABLE = 422


def client_of(served: Served, name: str | None, language: str = "en") -> httpx.AsyncClient:
    client = served.client(name, by="cookie")
    client.headers["accept-language"] = language
    return client


def person_form(username: str, **more: str) -> dict[str, str]:
    return {
        "username": username,
        "display_name": "Somebody New",
        "role": "teacher",
        "language": "en",
        "write_id": str(uuid4()),
        **more,
    }


async def make_person(served: Served, username: str) -> int:
    async with client_of(served, "coordinator") as client:
        page = await client.post("/people", data=person_form(username))
    assert page.status_code == 200
    found = re.search(r'href="/people/(\d+)"', page.text)
    assert found is not None
    return int(found[1])


async def test_a_stranger_is_asked_to_sign_in_and_comes_back(served: Served) -> None:
    async with client_of(served, None) as client:
        answer = await client.get("/people?role=teacher")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/sign-in?next=%2Fpeople%3Frole%3Dteacher",
    )


async def test_signing_in_leads_to_our_own_addresses_only(served: Served) -> None:
    async with client_of(served, "viewer") as client:
        answer = await client.get("/sign-in?next=//evil.example/x")
    assert answer.headers["location"] == "/"


async def test_a_blank_sign_in_is_no_failed_attempt(served: Served) -> None:
    async with client_of(served, None) as client:
        answers = [await client.post("/sign-in", data={"username": " "}) for _ in range(8)]
    assert {answer.status_code for answer in answers} == {UNPROCESSABLE}
    assert "Please fill this in" in answers[-1].text


async def test_every_page_carries_its_guards(served: Served) -> None:
    async with client_of(served, "coordinator") as client:
        answers = [
            await client.get("/people"),
            await client.get("/nowhere"),
            await client.get("/people/999999"),
            await client.post("/people/999999/restore", data={"csrf_token": "csrf"}),
        ]
    assert [answer.status_code for answer in answers] == [200, 404, 404, 404]
    for answer in answers:
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "<main" in answer.text


async def test_a_form_without_the_sessions_own_token_is_refused(served: Served) -> None:
    async with client_of(served, "coordinator") as client:
        del client.headers["x-csrf-token"]
        answer = await client.post("/people", data=person_form("no.token"))
        assert answer.status_code == 403
        assert "was not sent from our own page" in answer.text
        answer = await client.post("/people", data=person_form("with.token", csrf_token="csrf"))
    assert answer.status_code == 200


async def test_whom_the_table_does_not_allow_gets_a_friendly_page(served: Served) -> None:
    async with client_of(served, "mentor") as client:
        answers = [
            await client.get(path) for path in ("/people", "/people/new", "/audit", "/people/1/assign")
        ]
    assert {answer.status_code for answer in answers} == {403}
    assert all("ask your coordinator" in answer.text for answer in answers)


async def test_what_nobody_may_is_not_offered(served: Served) -> None:
    async with client_of(served, "teacher") as client:
        page = (await client.get("/account")).text
    assert 'href="/people"' not in page
    assert 'href="/account"' in page


async def test_what_was_typed_is_shown_and_never_run(served: Served) -> None:
    nasty = '"><script>alert(1)</script>'
    async with client_of(served, "coordinator") as client:
        pages = [
            await client.post(
                "/people", data=person_form(nasty, display_name=nasty) | {"form_page": "/people/new"}
            ),
            await client.get("/people", params={"search": nasty}),
            await client.get("/audit", params={"resource_id": nasty}),
        ]
    for page in pages:
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert" in page.text


async def test_a_notice_is_told_once(served: Served) -> None:
    person = await make_person(served, f"notice.{uuid4().hex[:8]}")
    async with client_of(served, "coordinator") as client:
        await client.post(
            f"/people/{person}", data={"version": "1", "display_name": "Noticed", "role": "teacher"}
        )
        first, second = await client.get(f"/people/{person}"), await client.get(f"/people/{person}")
    assert 'role="status"' in first.text
    assert 'role="status"' not in second.text


async def test_a_form_sent_twice_is_saved_once_and_a_faulty_one_may_be_sent_again(served: Served) -> None:
    person = await make_person(served, f"twice.{uuid4().hex[:8]}")
    form = {"version": "1", "display_name": "", "role": "nonsense", "write_id": str(uuid4())}
    async with client_of(served, "coordinator") as client:
        faulty = await client.post(f"/people/{person}", data=form)
        assert faulty.status_code == UNPROCESSABLE
        form |= {"role": "mentor", "display_name": "Twice"}
        answers = [await client.post(f"/people/{person}", data=form) for _ in range(2)]
        page = await client.get(f"/people/{person}")
    assert [answer.status_code for answer in answers] == [303, 303]
    assert 'name="version" value="2"' in page.text


async def test_a_stale_form_shows_both_and_is_a_conflict(served: Served) -> None:
    person = await make_person(served, f"stale.{uuid4().hex[:8]}")
    async with client_of(served, "coordinator") as client:
        await client.post(
            f"/people/{person}", data={"version": "1", "display_name": "First", "role": "teacher"}
        )
        stale = await client.post(
            f"/people/{person}", data={"version": "1", "display_name": "Second", "role": "teacher"}
        )
    assert stale.status_code == 409
    assert "First" in stale.text
    assert 'value="Second"' in stale.text
    assert 'name="version" value="2"' in stale.text


async def test_nobody_is_given_a_password_by_somebody_below(served: Served) -> None:
    async with client_of(served, "coordinator") as client:
        answer = await client.post(
            f"/people/{served.cast.admin.person_id}/password", data={"write_id": str(uuid4())}
        )
        page = await client.get(f"/people/{served.cast.admin.person_id}")
    assert answer.status_code == 403
    assert "Only somebody above this role may change this account" in page.text
    assert "Give a new password" not in page.text


async def test_errors_speak_the_readers_language(served: Served) -> None:
    async with client_of(served, None, "km") as client:
        missing = await client.get("/nowhere")
        refused = await client.post(
            "/sign-in", data={"username": f"nobody.{uuid4().hex[:8]}", "password": "x" * 12}
        )
    assert '<html lang="km"' in missing.text
    assert "គ្មានអ្វីនៅអាសយដ្ឋាននេះទេ" in missing.text
    assert "ឈ្មោះ ឬពាក្យសម្ងាត់មិនត្រឹមត្រូវ" in refused.text


async def test_a_program_is_told_of_a_wrong_address_in_its_own_words(served: Served) -> None:
    async with served.client("teacher") as client:
        answer = await client.get("/api/v1/nowhere")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_static_files_are_marked_with_what_is_in_them(served: Served) -> None:
    async with client_of(served, None) as client:
        page = await client.get("/sign-in")
        for address in re.findall(r'(?:href|src)="(/static/[^"#]+)', page.text):
            answer = await client.get(address)
            assert answer.status_code == 200, address
            assert "max-age" in answer.headers["cache-control"]
            assert "?v=" in address


async def test_the_language_chosen_stays_with_the_account(served: Served) -> None:
    async with client_of(served, "stranger") as client:
        await client.post("/language", data={"code": "km", "next": "/account"})
        page = await client.get("/account")
        nonsense = await client.post("/language", data={"code": "xx", "next": "https://evil.example"})
        await client.post("/language", data={"code": "en"})
    assert '<html lang="km"' in page.text
    assert nonsense.headers["location"] == "/"


async def test_another_language_leads_back_to_the_page_it_was_chosen_on(served: Served) -> None:
    """Seen: at the sign-in page it led to `None`, so that whoever changed it there lost where they were going."""
    async with served.client() as client:
        page = (await client.get("/sign-in?next=/students")).text
        form = page[page.index('action="/language"') :]
        asked = unescape(re.findall(r'name="next" value="([^"]*)"', form[: form.index("</form>")])[0])
        assert asked == "/sign-in?next=/students"
        chosen = await client.post("/language", data={"code": "km", "next": asked})
    assert chosen.headers["location"] == asked
