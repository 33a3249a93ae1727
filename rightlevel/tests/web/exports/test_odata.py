"""The files as sets of OData 4.0, read by another's client over a real socket and by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import psycopg
import pytest
import uvicorn
from people import token_of
from serving import OneDatabase, Served, serving

from rightlevel.programme.exports import pages

pytestmark = pytest.mark.anyio
PORT = 22_073
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
SCHOOLS = """
insert into school (place_id, code, name_local) select place_id, 'Z' || n, 'Z ' || n from school, generate_series(1, 90) n where code = 'A'
"""
CHILDREN = """
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select s.id, (select id from school_year limit 1), 'many-' || n, E'a "b"\\n\\\\ = c', 'x', 1, 3
from school s, generate_series(1, 3) n where s.code like 'Z%'
"""


@pytest.fixture(scope="module")
async def site(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    database = new_database()
    async with serving(database, tmp_path_factory.mktemp("odata")) as opened:
        with psycopg.connect(database.conninfo, autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(SCHOOLS)
            connection.execute(CHILDREN)
        yield opened


@pytest.fixture(autouse=True)
async def long_after_the_others(site: Served) -> None:
    """Each test has asked for nothing yet."""
    site.clock.advance(120)


async def token(site: Served, who: str = "coordinator", resources: list[str] | None = None) -> str:
    async with site.client(who, by="cookie") as client:
        asked: dict[str, Any] = {"label": "odata", "days": 30, "may_write": False}
        made = await client.post("/api/v1/me/tokens", json=asked | ({"resources": resources} if resources else {}))
        assert made.status_code == 200, made.text
        return made.json()["token"]


async def file_of(site: Served, what: str, who: str = "coordinator", **asked: Any) -> list[dict[str, Any]]:
    """The same rows as a file of JSON lines."""
    async with site.client(who) as client:
        answer = await client.post("/api/v1/exports", json={"what": what, "format": "jsonl", **asked})
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


async def rows_at(client: httpx.AsyncClient, address: str) -> list[dict[str, Any]]:
    """Every row, page after page."""
    rows: list[dict[str, Any]] = []
    more: str | None = address
    while more:
        answer = await client.get(more)
        assert answer.status_code == 200, answer.text
        rows += answer.json()["value"]
        more = answer.json().get("@odata.nextLink")
    return rows


async def test_every_set_holds_the_rows_of_its_file(site: Served) -> None:
    secret = await token(site)
    async with site.client() as stranger:
        told = (await stranger.get(f"/odata/{secret}")).json()
        assert told["@odata.context"].endswith(f"/odata/{secret}/$metadata")
        names = [each["name"] for each in told["value"]]
        assert names[0] == "roster"
        assert {"results", "people", "results_deidentified"} < set(names)
        for name in names:
            what = name.removesuffix("_deidentified")
            file = await file_of(site, what, is_deidentified=name != what)
            rows = await rows_at(stranger, f"/odata/{secret}/{name}")
            if what == "visits":
                file = [{key: each[key] for key in row} for each, row in zip(file, rows, strict=True)]
            assert rows == file, name
            assert (await stranger.get(f"/odata/{secret}/{name}/$count")).text == str(len(file)), name
