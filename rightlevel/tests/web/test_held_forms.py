"""A session that ends in the middle of a form: what was typed is kept for whoever typed it, and for nobody else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from form_walking import let_in, post
from nacl.exceptions import CryptoError
from nacl.secret import Aead
from opening_everything import PASSWORD
from people import token_of
from serving import OneDatabase, Served, serving
from simulation.forms import Form, form_to

from flatwater import asgi
from rightlevel.programme.accounts import PasswordHasher
from rightlevel.programme.accounts.held_forms import _key
from rightlevel.web.app import all_routes
from rightlevel.web.request import secret_fields

TELLS = "Something you typed is kept and not saved yet"
SECRET_PAGES = {
    "": ("/sign-in", "/code", "/sign-in/school"),
    "teacher": ("/account", "/account/second-factor"),
}

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        hashed = await PasswordHasher().hash(PASSWORD)
        with psycopg.connect(opened.server.conninfo) as connection:
            connection.execute("update person set password_hash = %s", [hashed])
        yield opened


def end_sessions(site: Served) -> None:
    with psycopg.connect(site.server.conninfo) as connection:
        connection.execute("delete from person_session")


def kept(site: Served) -> int:
    with psycopg.connect(site.server.conninfo) as connection:
        row = connection.execute("select count(*) from held_form").fetchone()
    return row[0] if row else 0


async def lapsed(site: Served, client: httpx.AsyncClient) -> httpx.Response:
    """A child typed into the form for a new child, sent after the session had ended."""
    client.headers.pop("x-csrf-token", None)
    client.cookies.set("rl_session", token_of("teacher"))
    page = f"/schools/{site.cast.school_a}/students/new"
    form = form_to((await client.get(page)).text, page)
    assert form is not None
    end_sessions(site)
    client.cookies.delete("rl_session")  # the test's own, which no answer of ours can take out
    return await post(client, form, {"code": "N77", "name": "Typed With Care", "sex": "2", "grade": "4"})


async def sign_in(client: httpx.AsyncClient, answer: httpx.Response, name: str) -> httpx.Response:
    form: Form | None = form_to(answer.text, "/sign-in")
    assert form is not None, answer.text
    return await post(client, form, {"username": name, "password": PASSWORD})


async def test_a_form_shown_again_slowly_holds_nobody_up(
    site: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen: a page shown again that took a tenth of a second stopped the whole process for good."""
    monkeypatch.setattr(asgi, "WATCH_AFTER_S", 0.0)
    async with site.client("teacher", by="cookie") as client:
        page = f"/schools/{site.cast.school_a}/students/new"
        form = form_to((await client.get(page)).text, page)
        assert form is not None
        answer = await post(client, form, {"code": "N78", "name": "", "sex": "2", "grade": "4"})
        assert answer.status_code == 422
        assert 'value="N78"' in answer.text
    assert "nobody watches" not in caplog.text


async def test_a_form_that_gives_a_file_is_sent_as_it_was_rendered(site: Served) -> None:
    """Seen: what every form carries along was an unknown name to the two that answer with a file, and both were refused."""
    async with site.client("coordinator", by="cookie") as client:
        for page, action in (("/visits", "/visits/export"), ("/audit", "/audit/export")):
            form = form_to((await client.get(page)).text, action)
            assert form is not None
            answer = await post(client, form, {})
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"].startswith("text/csv")


async def test_what_was_typed_comes_back_after_signing_in_on_the_spot(site: Served) -> None:
    async with site.client("teacher", by="cookie") as client:
        answer = await lapsed(site, client)
        assert answer.status_code == 401
        assert "kept here for half an hour" in answer.text
        assert "Typed With Care" not in answer.text, "nobody is signed in: it is not shown"
        signed = await sign_in(client, answer, "teacher")
        assert (signed.status_code, signed.headers["location"]) == (303, "/held-form"), signed.text
        again = await client.get("/held-form")
        page = f"/schools/{site.cast.school_a}/students/new"
        form = form_to(again.text, page)
        assert form is not None, again.text
        assert {("code", "N77"), ("name", "Typed With Care")} <= set(form.fields)
        assert TELLS in (await client.get("/")).text
        assert dict(form.fields)["sex"] == "2"
        saved = await post(client, form, {})
        assert saved.status_code == 303, saved.text
        assert TELLS not in (await client.get("/")).text, "it is saved"


async def test_somebody_else_gets_nothing_of_it(site: Served) -> None:
    async with site.client("teacher", by="cookie") as client:
        answer = await lapsed(site, client)
        await sign_in(client, answer, "mentor")
        assert TELLS not in (await client.get("/")).text, "what is kept is another's"
        shown = await client.get("/held-form")
        assert (shown.status_code, shown.headers["location"]) == (303, "/")
        assert "Typed With Care" not in (await client.get("/")).text


async def test_nothing_readable_is_kept_and_only_for_half_an_hour(site: Served) -> None:
    async with site.client("teacher", by="cookie") as client:
        answer = await lapsed(site, client)
        with psycopg.connect(site.server.conninfo) as connection:
            row = connection.execute("select content, expires_at from held_form").fetchone()
            assert row is not None
            assert b"Typed" not in row[0]
            connection.execute("update held_form set expires_at = expires_at - %s", [timedelta(minutes=31)])
        await sign_in(client, answer, "teacher")
        assert (await client.get("/held-form")).headers["location"] == "/"


async def test_a_person_has_three_at_most_and_what_we_did_not_render_is_not_kept(site: Served) -> None:
    async with site.client("teacher", by="cookie") as client:
        for _ in range(5):
            await lapsed(site, client)
            let_in(site)
        assert kept(site) == 3
        page = f"/schools/{site.cast.school_a}/students/new"
        end_sessions(site)
        forged = {"code": "X", "name": "Nobody", "form_owner": f"{site.cast.teacher.person_id}.{'0' * 32}"}
        answer = await client.post(page, data=forged)
        assert answer.status_code == 401
        assert "kept here" not in answer.text
        assert kept(site) == 3


async def test_a_page_left_open_over_a_new_sign_in_goes_on_with_what_was_typed(site: Served) -> None:
    async with site.client("teacher", by="cookie") as client:
        client.headers.pop("x-csrf-token", None)
        page = f"/schools/{site.cast.school_a}/students/new"
        form = form_to((await client.get(page)).text, page)
        assert form is not None
        with psycopg.connect(site.server.conninfo) as connection:
            connection.execute("update person_session set csrf_token = 'another'")
        answer = await post(
            client, form, {"code": "N78", "name": "Typed With Care", "sex": "1", "grade": "3"}
        )
        assert answer.status_code == 403
        again = form_to(answer.text, page)
        assert again is not None, answer.text
        assert ("name", "Typed With Care") in again.fields
        assert (await post(client, again, {})).status_code == 303


async def test_no_secret_is_ever_kept(site: Served) -> None:
    """Of a form to change the password or the PIN everything secret is left out, whatever its field is called."""
    secrets = {"old": "the old pass phrase", "password": "the new pass phrase", "pin": "918273"}
    async with site.client("teacher", by="cookie") as client:
        client.headers.pop("x-csrf-token", None)
        client.cookies.set("rl_session", token_of("teacher"))
        text = (await client.get("/account")).text
        end_sessions(site)
        client.cookies.delete("rl_session")
        for action in ("/account/password", "/account/pin"):
            form = form_to(text, action)
            assert form is not None
            answer = await post(client, form, {n: v for n, v in secrets.items() if n in dict(form.fields)})
            assert answer.status_code == 401
            with psycopg.connect(site.server.conninfo) as connection:
                rows = connection.execute("select person_id, content from held_form").fetchall()
            kept_secret = client.cookies.get("rl_held")
            if not rows:
                continue
            assert kept_secret is not None
            opened = [_opened(kept_secret, *row) for row in rows]
            assert not [each for each in opened for secret in secrets.values() if secret in each], opened


def _opened(secret: str, person_id: int, content: bytes) -> str:
    """What is kept under a secret; nothing where it is another's."""
    try:
        return Aead(_key(secret)).decrypt(content, str(person_id).encode()).decode()
    except CryptoError:
        return ""


async def test_a_child_is_made_once_though_the_answer_was_lost_and_the_session_ended(site: Served) -> None:
    """Sent and saved, the answer lost; sent again by the browser after the session ended, kept, and sent once more."""
    async with site.client("teacher", by="cookie") as client:
        client.headers.pop("x-csrf-token", None)
        client.cookies.set("rl_session", token_of("teacher"))
        page = f"/schools/{site.cast.school_a}/students/new"
        form = form_to((await client.get(page)).text, page)
        assert form is not None
        typed = {"code": "N90", "name": "Made Only Once", "sex": "2", "grade": "4"}
        assert (await post(client, form, typed)).status_code == 303
        end_sessions(site)
        client.cookies.delete("rl_session")
        answer = await post(client, form, typed)
        await sign_in(client, answer, "teacher")
        shown = await client.get("/held-form")
        assert (shown.status_code, shown.headers["location"][:10]) == (303, "/students/"), shown.text
        assert "Nothing is saved twice" in (await client.get(shown.headers["location"])).text
    assert _named(site, "Made Only Once") == 1


async def test_what_was_kept_and_then_sent_is_not_offered_to_be_sent_again(site: Served) -> None:
    async with site.client("teacher", by="cookie") as client:
        answer = await lapsed(site, client)
        await sign_in(client, answer, "teacher")
        page = f"/schools/{site.cast.school_a}/students/new"
        form = form_to((await client.get("/held-form")).text, page)
        assert form is not None
        assert (await post(client, form, {})).status_code == 303
        assert (await client.get("/held-form")).status_code == 303
        assert (await post(client, form, {})).status_code == 303, "the browser's way back, and sent once more"
    assert _named(site, "Typed With Care") == 1


async def test_a_child_is_made_once_though_the_answer_was_lost_and_somebody_signed_in_anew(
    site: Served,
) -> None:
    async with site.client("teacher", by="cookie") as client:
        client.headers.pop("x-csrf-token", None)
        page = f"/schools/{site.cast.school_a}/students/new"
        form = form_to((await client.get(page)).text, page)
        assert form is not None
        typed = {"code": "N90", "name": "Made Only Once", "sex": "2", "grade": "4"}
        assert (await post(client, form, typed)).status_code == 303
        with psycopg.connect(site.server.conninfo) as connection:
            connection.execute("update person_session set csrf_token = 'another'")
        answer = await post(client, form, typed)
        assert answer.status_code == 403
        again = form_to(answer.text, page)
        assert again is not None
        assert (await post(client, again, {})).status_code == 303
    assert _named(site, "Made Only Once") == 1


def _named(site: Served, name: str) -> int:
    with psycopg.connect(site.server.conninfo) as connection:
        row = connection.execute("select count(*) from student where name = %s", [name]).fetchone()
    return row[0] if row else 0


async def test_a_kept_form_that_names_the_page_of_kept_forms_ends(site: Served) -> None:
    async with site.client("teacher", by="cookie") as client:
        client.headers.pop("x-csrf-token", None)
        client.cookies.set("rl_session", token_of("teacher"))
        page = f"/schools/{site.cast.school_a}/students/new"
        form = form_to((await client.get(page)).text, page)
        assert form is not None
        end_sessions(site)
        client.cookies.delete("rl_session")
        answer = await post(client, form, {"name": "Round And Round", "form_page": "/held-form"})
        await sign_in(client, answer, "teacher")
        shown = await client.get("/held-form")
        assert shown.status_code in (200, 303, 404), shown.text[:500]
        assert (await client.get("/")).status_code == 200


async def test_whatever_a_page_hides_while_it_is_typed_is_declared_a_secret(site: Served) -> None:
    """Each field that a page covers, or into which a one-time code goes, is a `Secret` of its route; so it is kept nowhere."""
    hidden = re.compile(r'<input[^>]*(?:type="password"|autocomplete="one-time-code")[^>]*>')
    routes = {each.path: each for each in all_routes() if each.method == "POST"}
    seen: set[tuple[str, str]] = set()
    for name, pages in SECRET_PAGES.items():
        async with site.client(name, by="cookie") if name else site.client() as client:
            for page in pages:
                text = (await client.get(page)).text
                for form in re.findall(r"<form.*?</form>", text, re.DOTALL):
                    action = re.search(r'action="([^"]*)"', form)
                    for field in hidden.findall(form):
                        named = re.search(r'name="([^"]*)"', field)
                        assert action is not None
                        assert named is not None
                        seen.add((action[1], named[1]))
    assert {each for each in seen if each[1] not in secret_fields(routes[each[0]])} == set()
    assert {("/account/password", "old"), ("/account/pin", "pin"), ("/sign-in", "password")} <= seen
