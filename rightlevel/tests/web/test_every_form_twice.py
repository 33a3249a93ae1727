"""Every form of every page, filled in and posted two times as it was rendered: nothing is doubled, and the second answer is true."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import psycopg
import pytest
from fill_school import fill_school, ground
from form_walking import Page, ids_of, let_in, offered, post, typed, whole
from serving import DEADLINE_S, OneDatabase, Served, serving
from simulation.forms import Form, forms_of

pytestmark = pytest.mark.anyio

NOT_THE_PROGRAMMES = frozenset(
    {
        "backup",
        "clean_up",
        "election",
        "host_standing",
        "loop_standing",
        "round_day",
        "write_receipt",
        "person_session",
        "sign_in_failure",
        "held_form",
        "export_run",
        "rate_limit",
        "known_device",
    }
)
"""Rows that tell of requests and of what runs in the background, and not of the programme."""


@pytest.fixture
async def full(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path_factory.mktemp("twice")) as opened:
        async with opened.database.transaction(deadline_s=DEADLINE_S) as session:
            await fill_school(session, opened.cast.school_a, await ground(session, opened.cast))
        whole(opened)
        yield opened


class Rows:
    """How many rows each table of the programme has."""

    def __init__(self, site: Served) -> None:
        self._connection = psycopg.connect(site.server.conninfo, autocommit=True)
        found = self._connection.execute(
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1"
        ).fetchall()
        self._tables = [
            name
            for (name,) in found
            if name not in NOT_THE_PROGRAMMES and not name.startswith(("audit_entry", "reading_history"))
        ]
        counts = " union all ".join(f"select '{name}', count(*) from {name}" for name in self._tables)
        self._query = counts.encode()

    def count(self) -> dict[str, int]:
        return dict(self._connection.execute(self._query).fetchall())

    def close(self) -> None:
        self._connection.close()


@pytest.mark.walk
@pytest.mark.parametrize("name", ["coordinator", "teacher", "mentor", "admin"])
async def test_a_form_sent_twice_is_one_deed(full: Served, name: str) -> None:
    faults: list[str] = []
    saved = 0
    let_in(full)
    rows = Rows(full)
    async with full.client(name, by="cookie") as client:
        client.headers.pop("x-csrf-token", None)
        for page in await offered(client, name, ids_of(full)):
            form = await _again(client, page)
            if form is None:
                continue
            values = typed(form, "twice")
            first = await post(client, form, values)
            if first.status_code >= 400:
                continue
            saved += 1
            before = rows.count()
            second = await post(client, form, values)
            faults += _faults(page, first, second, _grown(before, rows.count()))
            let_in(full)
    rows.close()
    assert saved > 5, "a walk that saved nothing is no walk"
    assert faults == [], "\n".join(faults)


async def _again(client: httpx.AsyncClient, page: Page) -> Form | None:
    text = (await client.get(page.address)).text
    return next(
        (f for f in forms_of(text) if f.action == page.form.action and f.names == page.form.names), None
    )


def _grown(before: dict[str, int], after: dict[str, int]) -> list[str]:
    return [name for name, number in after.items() if number > before[name]]


def _faults(page: Page, first: httpx.Response, second: httpx.Response, grown: list[str]) -> list[str]:
    where = f"{page.name} {page.route} on {page.address}: {first.status_code}, then {second.status_code}"
    if second.status_code >= 500:
        return [f"5xx: {where}"]
    if grown:
        return [f"doubled {grown}: {where}"]
    is_same = (second.status_code, second.headers.get("location")) == (
        first.status_code,
        first.headers.get("location"),
    )
    return [] if is_same or second.status_code >= 400 else [f"another answer: {where}"]
