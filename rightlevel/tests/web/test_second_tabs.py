"""Doors that stand open in a second tab: whoever signed in meanwhile, or mistyped often, gets in with what is right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import psycopg
import pytest
from form_walking import post
from opening_everything import PASSWORD
from serving import OneDatabase, Served, serving
from simulation.forms import form_to

from flatwater.contract import UNSAFE
from rightlevel.programme.accounts import PasswordHasher
from rightlevel.programme.accounts.model import FIRST_LOCK_S
from rightlevel.web.app import all_routes

pytestmark = pytest.mark.anyio
DOORS = [
    each
    for each in all_routes()
    if each.method in UNSAFE and not each.who.needs_actor and each.path != "/api/cron/cleanup-rate-limits"
]


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        hashed = await PasswordHasher().hash(PASSWORD)
        with psycopg.connect(opened.server.conninfo) as connection:
            connection.execute("update person set password_hash = %s", [hashed])
        yield opened


async def sign_in(
    client: httpx.AsyncClient, page: httpx.Response, name: str, password: str = PASSWORD
) -> httpx.Response:
    form = form_to(page.text, "/sign-in")
    assert form is not None, page.text
    return await post(client, form, {"username": name, "password": password})


async def name_of(client: httpx.AsyncClient) -> str:
    return (await client.get("/account")).text


def _let_pass(site: Served, seconds: float) -> None:
    with psycopg.connect(site.server.conninfo) as connection:
        connection.execute(
            "update sign_in_failure set locked_until = locked_until - %s * interval '1 second'", [seconds]
        )


async def test_a_second_tab_signs_in_after_the_first_did(site: Served) -> None:
    async with site.client() as client:
        first, second = await client.get("/sign-in"), await client.get("/sign-in")
        assert (await sign_in(client, first, "teacher")).status_code == 303
        assert (await sign_in(client, second, "mentor")).status_code == 303
        assert "mentor" in await name_of(client)


async def test_a_second_tab_with_a_wrong_password_ends_no_session(site: Served) -> None:
    async with site.client() as client:
        first, second = await client.get("/sign-in"), await client.get("/sign-in")
        assert (await sign_in(client, first, "teacher")).status_code == 303
        refused = await sign_in(client, second, "mentor", "not this one")
        assert "The name or the password is not right" in refused.text
        assert "teacher" in await name_of(client)


async def test_a_dozen_wrong_passwords_hold_up_their_account_for_a_moment_and_no_other(site: Served) -> None:
    async with site.client() as client:
        page = await client.get("/sign-in")
        for _ in range(12):
            page = await sign_in(client, page, "teacher", "not this one")
        locked = await sign_in(client, page, "teacher")
        assert "Too many failed attempts. Please wait 31 seconds" in locked.text
        assert (await sign_in(client, locked, "mentor")).status_code == 303
        _let_pass(site, FIRST_LOCK_S + 1)
        assert (await sign_in(client, locked, "teacher")).status_code == 303


@pytest.mark.parametrize("door", DOORS, ids=[each.path for each in DOORS])
async def test_a_door_opens_to_its_own_page_whoever_is_signed_in_and_to_no_other_site(
    served: Served, door: object
) -> None:
    path = door.path  # type: ignore[attr-defined]
    async with served.client("teacher", by="cookie") as client:
        client.headers.pop("x-csrf-token")
        fields = {"json": {}} if path.startswith("/api/") else {"data": {"code": "en", "username": "x"}}
        ours = await client.post(path, headers={"sec-fetch-site": "same-origin"}, **fields)  # type: ignore[arg-type]
        assert "not sent from our own page" not in ours.text
        assert "cross_site" not in ours.text
        theirs = await client.post(path, headers={"sec-fetch-site": "cross-site"}, **fields)  # type: ignore[arg-type]
        assert theirs.status_code == 403
        assert "not sent from our own page" in theirs.text


async def test_a_strangers_form_changes_nothing_of_whoever_is_signed_in(served: Served) -> None:
    """The language of an account is its owner's to choose, by a page of the session."""
    before = _language(served)
    other = "en" if before == "km" else "km"
    async with served.client("teacher", by="cookie") as client:
        client.headers.pop("x-csrf-token")
        ours = {"sec-fetch-site": "same-origin"}
        assert (await client.post("/language", data={"code": other}, headers=ours)).status_code == 303
        assert _language(served) == before
        chosen = await client.post("/language", data={"code": other, "csrf_token": "csrf"}, headers=ours)
        assert chosen.status_code == 303
        assert _language(served) == other


def _language(served: Served) -> str:
    with psycopg.connect(served.server.conninfo) as connection:
        row = connection.execute("select language from person where username = 'teacher'").fetchone()
    assert row is not None
    return row[0]
