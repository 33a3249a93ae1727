"""Children entered twice by pages: found, made one, taken back, kept apart."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from form_reading import form_at
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        with psycopg.connect(opened.server.conninfo, autocommit=True) as connection:
            connection.execute("set default_transaction_read_only = off")
            for student, name in zip(opened.cast.students_a[:2], ("Sok Bopha", "Bopha Sok"), strict=True):
                connection.execute(
                    "update student set name = %s, name_key = lower(%s), sex = 1 where id = %s",
                    [name, name, student],
                )
        yield opened


async def test_two_records_are_made_one_and_two_again(site: Served) -> None:
    at = f"/schools/{site.cast.school_a}/duplicates"
    async with site.client("mentor", by="cookie") as client:
        assert at in (await client.get(f"/schools/{site.cast.school_a}")).text
        page = await client.get(at)
        assert ("Sok Bopha" in page.text, "the same sex" in page.text) == (True, True)
        form = form_at(page, at)
        without = await client.post(at, data=form.fields | {"keep": "first", "reason": ""})
        assert (without.status_code, "Please fill this in" in without.text) == (422, True)
        done = await client.post(at, data=form.fields | {"keep": "first", "reason": "Entered twice"})
        assert done.status_code == 303, done.text
        page = await client.get(at)
        assert ("Previous merges" in page.text, "No possible duplicates" in page.text) == (True, True)
        undo = form_at(page, f"{at}/undo")
        assert (
            await client.post(f"{at}/undo", data=undo.fields | {"reason": "They are two"})
        ).status_code == 303
        page = await client.get(at)
        assert "Undone" in page.text
        apart = await client.post(at, data=form_at(page, at).fields | {"keep": "apart"})
        assert apart.status_code == 303, apart.text
        assert "No possible duplicates" in (await client.get(at)).text
    async with site.client("teacher", by="cookie") as client:
        assert (await client.get(at)).status_code == 403
