"""Forms shown again where other doors stand: marks that nobody sees, a right that ends while somebody types, a connection that is https."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import psycopg
import pytest
from form_walking import post
from people import token_of
from serving import OneDatabase, Served, serving
from simulation.forms import form_to

pytestmark = pytest.mark.anyio

TYPED = {"code": "N91", "name": "Typed With Care", "sex": "2", "grade": "4"}


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("mark", ["\x00", "\n", "\x07"])
async def test_a_mark_that_nobody_sees_is_named_as_one(site: Served, mark: str) -> None:
    page = f"/schools/{site.cast.school_a}/students/new"
    async with site.client("teacher", by="cookie") as client:
        form = form_to((await client.get(page)).text, page)
        assert form is not None
        answer = await post(client, form, TYPED | {"name": f"Typed{mark}Care"})
        assert answer.status_code == 422
        assert "Without line breaks and marks that can’t be seen" in answer.text
        assert "Please choose one of these" not in answer.text


async def test_what_was_typed_stays_when_a_right_ends_in_the_middle(site: Served) -> None:
    page = f"/schools/{site.cast.school_a}/students/new"
    async with site.client("teacher", by="cookie") as client:
        form = form_to((await client.get(page)).text, page)
        assert form is not None
        _let_teach(site, "ended_at = now()")
        answer = await post(client, form, TYPED)
        assert answer.status_code == 403, answer.text
        again = form_to(answer.text, page)
        assert again is not None, answer.text
        assert TYPED.items() <= dict(again.fields).items()
        _let_teach(site, "ended_at = null")
        assert (await post(client, again, {})).status_code == 303


async def test_nothing_goes_along_that_was_typed_for_somebody_else(site: Served) -> None:
    page = f"/schools/{site.cast.school_a}/students/new"
    async with site.client("teacher", by="cookie") as client:
        form = form_to((await client.get(page)).text, page)
        assert form is not None
    async with site.client("viewer", by="cookie") as client:
        answer = await post(client, form, TYPED)
        assert answer.status_code == 403
        assert "Typed With Care" not in answer.text


async def test_a_form_is_shown_again_over_https_too(
    new_database: Callable[[], OneDatabase], tmp_path: Path
) -> None:
    """On this machine under its own name, where only the connection tells which cookie counts."""
    async with serving(new_database(), tmp_path, cookie_is_secure="auto") as site, site.client() as client:
        page = f"/schools/{site.cast.school_a}/students/new"
        client.base_url = httpx.URL("https://localhost")
        client.headers["cookie"] = "__Host-rl_session=" + token_of("teacher")
        form = form_to((await client.get(page)).text, page)
        assert form is not None
        answer = await post(client, form, TYPED | {"grade": "9"})
        assert answer.status_code == 422
        again = form_to(answer.text, page)
        assert again is not None, answer.text
        assert ("name", "Typed With Care") in again.fields


def _let_teach(site: Served, change: str) -> None:
    with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
        connection.execute(
            f"update assignment set {change} where person_id = %s", [site.cast.teacher.person_id]
        )  # type: ignore[arg-type]


async def test_a_file_that_was_sent_with_a_fault_is_to_be_chosen_again(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        page = "/resources/new"
        form = form_to((await client.get(page)).text, page)
        assert form is not None
        sent = dict(form.filled(title_en="", title_km=""))
        file = {"file": ("plan.pdf", b"%PDF-1.4 a plan", "application/pdf")}
        with_file = await client.post(page, data=sent, files=file)
        assert with_file.status_code == 422, with_file.text
        assert "Please choose the file again" in with_file.text
        assert 'href="#f-file"' in with_file.text
        without = await client.post(page, data=sent, files={"file": ("", b"")})
        assert without.status_code == 422
        assert "Please choose the file again" not in without.text
