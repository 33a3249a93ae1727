"""The files as sets of OData 4.0, read by another's client over a real socket and by hand."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from itertools import count
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


_addresses = count(1)


def stranger_at(site: Served) -> httpx.AsyncClient:
    """Somebody at an address from which nobody has asked."""
    transport = httpx.ASGITransport(
        site.app, raise_app_exceptions=False, client=(f"127.0.9.{next(_addresses)}", 1)
    )
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def token(site: Served, who: str = "coordinator", resources: list[str] | None = None) -> str:
    async with site.client(who, by="cookie") as client:
        asked: dict[str, Any] = {"label": "odata", "days": 30, "may_write": False}
        made = await client.post(
            "/api/v1/me/tokens", json=asked | ({"resources": resources} if resources else {})
        )
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
    async with stranger_at(site) as stranger:
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


async def test_another_programs_client_reads_every_row_once(
    site: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """python-odata, over a socket: it learns the sets from `$metadata` and follows the pages by itself."""
    from odata import ODataService

    monkeypatch.setattr(pages, "PAGE_ROWS", 100)
    secret = await token(site)
    server = uvicorn.Server(uvicorn.Config(site.app, port=PORT, lifespan="off", log_level="error"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)

    def read() -> tuple[list[Any], ...]:
        service: Any = ODataService(
            f"http://127.0.0.1:{PORT}/odata/{secret}/", reflect_entities=True, quiet_progress=True
        )
        roster, results = service.entities["roster"], service.entities["results"]
        every = [(each.school_code, each.code, each.grade) for each in service.query(roster)]
        asked = service.query(roster).filter(roster.school_code == "Z7").filter(roster.grade >= 3)
        some = [each.id for each in asked]
        few = list(service.query(roster).limit(7))
        tested = [(each.id, each.math_level) for each in service.query(results)]
        return every, some, few, tested, [asked.count()]

    try:
        every, some, few, tested, counted = await asyncio.to_thread(read)
    finally:
        server.should_exit = True
        await running
    roster, results = await file_of(site, "roster"), await file_of(site, "results")
    assert len(roster) > 270
    assert every == [(row["school_code"], row["code"], row["grade"]) for row in roster]
    assert some == [row["id"] for row in roster if row["school_code"] == "Z7"]
    assert len(some) == 3
    assert counted == [3]
    assert len(few) == 7
    assert tested == [(row["id"], row["math_level"]) for row in results]


async def test_pages_hold_every_row_once_and_end(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_ROWS", 100)
    secret = await token(site)
    roster = await file_of(site, "roster")
    async with stranger_at(site) as stranger:
        first = await stranger.get(f"/odata/{secret}/roster?$count=true&$select=id,name&$filter=grade ge 1")
        told = first.json()
        assert told["@odata.count"] == sum(row["grade"] >= 1 for row in roster) > len(told["value"])
        assert told["@odata.context"].endswith("/$metadata#roster(id,name)")
        rows = told["value"] + await rows_at(stranger, told["@odata.nextLink"])
        assert rows == [{"id": row["id"], "name": row["name"]} for row in roster if row["grade"] >= 1]
        most = await rows_at(stranger, f"/odata/{secret}/roster?$top=200")
        assert most == roster[:200]
        # A school that comes while one reads is not missed behind the mark, and none before it is told twice.
        third = await rows_at(stranger, f"/odata/{secret}/roster?$skiptoken=0~Z7")
        assert third == [row for row in roster if row["school_code"] > "Z7"]


async def test_what_is_asked_is_narrowed_or_refused_in_words(site: Served) -> None:
    secret = await token(site)
    roster, results = await file_of(site, "roster"), await file_of(site, "results")
    async with stranger_at(site) as stranger:

        async def ids(asked: str, of: str = "roster") -> list[str]:
            return [row["id"] for row in await rows_at(stranger, f"/odata/{secret}/{of}?{asked}")]

        assert await ids("$filter=(sex eq 'female') and (grade eq 3)") == [
            row["id"] for row in roster if (row["sex"], row["grade"]) == ("female", 3)
        ]
        assert await ids("$filter=name eq 'O''Neil'") == []
        assert await ids("grade=3") == [row["id"] for row in roster if row["grade"] == 3]
        assert await ids("$filter=math_rank ge 2 and tested eq 'both'", "results") == [
            row["id"] for row in results if (row["math_rank"] or 0) >= 2 and row["tested"] == "both"
        ]
        # A day is compared as a day, what is not known meets nothing, and what is not there is nobody.
        assert await ids("$filter=birth_on le 1900-01-01") == []
        assert await ids("$filter=grade eq 2147483648000") == []
        for asked, status in (
            ("$filter=grade eq three", 400),
            ("$filter=grade", 400),
            ("$filter=(grade eq 3", 400),
            ("$filter=grade eq 3)", 400),
            ("$filter=secret eq 'x'", 400),
            ("$filter=' or 1=1 --", 400),
            ("$filter=name eq 'a' or name eq 'b'", 501),
            ("$filter=contains(name,'a')", 501),
            ("$filter=not grade eq 3", 501),
            ("$filter=grade gt 3", 501),
            ("$filter=" + " and ".join(["grade eq 3"] * 11), 400),
            ("$filter=" + "(" * 900 + "grade eq 3" + ")" * 900, 200),
            ("$select=secret", 400),
            ("$orderby=name", 501),
            ("$expand=school", 501),
            ("$skip=5", 501),
            ("$top=-1", 400),
            ("$skiptoken=nonsense", 400),
            ("$count=perhaps", 400),
            ("$format=xml", 501),
            ("$format=json", 200),
            ("subject=math", 400),
        ):
            answer = await stranger.get(f"/odata/{secret}/roster?{asked}")
            assert (answer.status_code, answer.headers.get("odata-version")) == (status, "4.0"), (
                asked,
                answer.text,
            )
            if status != 200:
                assert answer.json()["error"]["message"], asked
        assert (await stranger.get(f"/odata/{secret}/roster('x')")).status_code == 501
        # A round that was removed while one reads: nothing is told twice, and nobody is told that this was all.
        for asked in ("results?$skiptoken=999~A", "people?$skiptoken=0~A", "roster?$skiptoken=1~A"):
            assert (await stranger.get(f"/odata/{secret}/{asked}")).status_code == 400, asked
        assert (
            await stranger.get(f"/odata/{secret}/roster", headers={"odata-maxversion": "3.0"})
        ).status_code == 501


async def test_the_metadata_describe_what_is_there_and_what_may_not_be_asked(site: Served) -> None:
    secret = await token(site)
    async with stranger_at(site) as stranger:
        answer = await stranger.get(f"/odata/{secret}/$metadata")
        assert answer.headers["content-type"] == "application/xml"
        document = ElementTree.fromstring(answer.content)  # noqa: S314 — our own
        types = {each.get("Name"): each for each in document.iter(f"{EDM}EntityType")}
        python = {"Edm.String": str, "Edm.Int64": int, "Edm.Double": float, "Edm.Date": str}
        sets = list(document.iter(f"{EDM}EntitySet"))
        for each in sets:
            name = each.get("Name")
            told = types[f"{name}_row"]
            columns = {found.get("Name", ""): found for found in told.iter(f"{EDM}Property")}
            key = [found.get("Name", "") for found in told.iter(f"{EDM}PropertyRef")]
            assert all(columns[column].get("Nullable") == "false" for column in key)
            assert any(found.get("Term", "").endswith("SkipSupported") for found in each)
            rows = await rows_at(stranger, f"/odata/{secret}/{name}")
            keys = [tuple(row[column] for column in key) for row in rows]
            assert len(set(keys)) == len(keys), name
            assert all(None not in key for key in keys), name
            for row in rows:
                assert list(row) == list(columns), name
                for column, cell in row.items():
                    assert cell is None or isinstance(cell, python[columns[column].get("Type", "")]), (
                        name,
                        column,
                    )
        listed = (await stranger.get(f"/odata/{secret}/")).json()["value"]
        assert [each.get("Name") for each in sets] == [each["name"] for each in listed]


async def test_an_address_gives_what_its_holder_reaches_now_and_no_more(site: Served) -> None:
    narrow = await token(site, "teacher", ["file", "student"])
    async with stranger_at(site) as stranger:
        listed = (await stranger.get(f"/odata/{narrow}")).json()["value"]
        assert [each["name"] for each in listed] == ["roster"]
        rows = await rows_at(stranger, f"/odata/{narrow}/roster")
        assert rows == await file_of(site, "roster", "teacher")
        assert {row["school_code"] for row in rows} == {"A"}
        # A condition never widens what is reached; what is out of reach or not there is no address.
        assert await rows_at(stranger, f"/odata/{narrow}/roster?$filter=school_code eq 'Z7'") == []
        assert await rows_at(stranger, f"/odata/{narrow}/roster?$skiptoken=0~A") == []
        for address in ("results", "roster_deidentified", "nothing", "results/$count"):
            assert (await stranger.get(f"/odata/{narrow}/{address}")).status_code == 404, address
        for secret in ("rl_nonsense", token_of("teacher")):
            for address in ("", "/", "/$metadata", "/roster", "/roster/$count"):
                assert (await stranger.get(f"/odata/{secret}{address}")).status_code == 404, address
        with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
            told = connection.execute(
                "select coalesce(jsonb_agg(to_jsonb(a))::text, '') from audit_entry a"
            ).fetchone()
            assert told
            assert narrow not in told[0]
            connection.execute("update api_token set revoked_at = now() where label = 'odata'")
        for address in ("", "/$metadata", "/roster"):
            assert (await stranger.get(f"/odata/{narrow}{address}")).status_code == 404, address


async def test_a_set_without_names_says_what_its_file_says_whatever_is_asked(site: Served) -> None:
    secret = await token(site, "viewer")
    async with stranger_at(site) as stranger:
        listed = (await stranger.get(f"/odata/{secret}")).json()["value"]
        assert [each["name"] for each in listed] == ["roster_deidentified", "results_deidentified"]
        file = await file_of(site, "roster", "viewer", is_deidentified=True)
        assert any(row["grade"] is None for row in file)
        assert any(row["grade"] == 3 for row in file)
        # A condition is put to what the rows say, never to what they keep to themselves; and nothing else narrows them.
        for grade in range(1, 7):
            rows = await rows_at(stranger, f"/odata/{secret}/roster_deidentified?$filter=grade eq {grade}")
            assert rows == [row for row in file if row["grade"] == grade]
            counted = await stranger.get(
                f"/odata/{secret}/roster_deidentified/$count?$filter=grade eq {grade}"
            )
            assert int(counted.text) == len(rows)
        for asked in ("grade=3", "school_id=1", "sex=1"):
            assert (await stranger.get(f"/odata/{secret}/roster_deidentified?{asked}")).status_code == 400, (
                asked
            )


async def test_each_page_leaves_a_manifest_and_an_entry_in_the_audit(site: Served) -> None:
    secret = await token(site)
    async with stranger_at(site) as stranger:
        answer = await stranger.get(f"/odata/{secret}/roster?$filter=grade eq 3&$top=4")
    async with site.client("coordinator") as client:
        told = (await client.get(answer.headers["link"].partition("<")[2].partition(">")[0])).json()
        assert (told["state"], told["rows_sent"], told["filters"]) == ("done", 4, {"grade": 3})
        assert told["bytes_sent"] == len(answer.content)


async def test_the_page_of_tokens_shows_the_addresses_once_for_a_token_that_only_reads(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        page = (
            await client.post("/account/tokens", data={"label": "bi", "days": "30", "reads_only": "true"})
        ).text
        found = re.search(r"http://test(/odata/[^/<]+)/<", page)
        assert found, page
        assert "OData feed" in page
        assert (await client.get(found[1])).json()["value"]
        assert "/odata/" not in (await client.get("/account/tokens")).text
        writes = (await client.post("/account/tokens", data={"label": "bi", "days": "30"})).text
        assert "/odata/" not in writes
