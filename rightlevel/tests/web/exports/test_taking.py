"""Files taken over HTTP: a manifest that proves them, clients that leave, many at once, and who may."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import re
from collections.abc import AsyncIterator, Callable
from html import unescape
from pathlib import Path
from typing import Any

import anyio
import httpx
import psycopg
import pytest
import uvicorn
from people import token_of
from serving import OneDatabase, Served, serving

from rightlevel.operations import exporting

pytestmark = pytest.mark.anyio
MANY = """
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
select (select id from school where code = 'A'), (select id from school_year limit 1), 'many-' || n, repeat('x', 150), 'x', 1, 3
from generate_series(1, %s) n
"""
UNDER_WAY = "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'copy (%' and state <> 'idle'"


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


def manifest_address(answer: httpx.Response) -> str:
    found = re.fullmatch(r'<(/api/v1/exports/[0-9a-f-]+)>; rel="describedby"', answer.headers["link"])
    assert found
    return found[1]


async def manifest_of(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    return (await client.get(manifest_address(answer))).json()


async def test_a_file_comes_with_a_manifest_that_proves_it(site: Served) -> None:
    async with site.client("coordinator") as client:
        asked = {"what": "results", "round_id": site.cast.round}
        answer = await client.post("/api/v1/exports", json=asked)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert 'filename="results-' in answer.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        told = await manifest_of(client, answer)
        assert told["state"] == "done"
        assert told["sha256"] == hashlib.sha256(answer.content).hexdigest()
        assert (told["rows_sent"], told["bytes_sent"]) == (len(rows), len(answer.content))
        assert told["filters"] == {"round_id": site.cast.round}
        counts = told["counts"][str(site.cast.round)]
        assert counts["children"] == len(rows) == counts["figures"]["math"]["enrolled"]
        assert told["as_of"]
        assert told["definition"].startswith("Every child")
        listed = (await client.get("/api/v1/exports")).json()["items"]
        assert [each["id"] for each in listed] == [told["id"]]
    async with site.client("teacher") as client:
        assert (await client.get(f"/api/v1/exports/{told['id']}")).status_code == 404
        assert (await client.get("/api/v1/exports")).json()["items"] == []


async def test_the_audit_says_who_took_what_and_no_name(site: Served) -> None:
    async with site.client("teacher") as client:
        answer = await client.post("/api/v1/exports", json={"what": "roster", "search": "Bopha"})
        assert answer.status_code == 200
        assert b"Bopha" in answer.content
    async with site.client("admin") as client:
        found = (await client.get("/api/v1/audit?resource=file")).json()["items"]
        assert [(each["action"], each["username"]) for each in found] == [("export", "teacher")]
        assert "Bopha" not in str(found)


async def test_people_take_a_file_from_the_page(site: Served) -> None:
    async with site.client("mentor", by="cookie") as client:
        page = (await client.get("/exports")).text
        assert 'name="what"' in page
        assert "Assignments" not in page.partition('name="what"')[2].partition("</select>")[0]
        answer = await client.post("/exports", data={"what": "roster", "format": "csv"})
        assert answer.content.startswith(b"\xef\xbb\xbfschool_code,code,name")
        one = (await client.get(manifest_address(answer).removeprefix("/api/v1"))).text
        assert hashlib.sha256(answer.content).hexdigest() in one
        wrong = await client.post("/exports", data={"what": "roster", "format": "csv", "grade": "three"})
        assert wrong.status_code == 422
        assert "A whole number" in wrong.text


async def test_the_list_of_children_leads_to_its_own_file(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        page = (await client.get(f"/schools/{site.cast.school_a}/students?grade=3&search=bo")).text
        found = re.search(r'href="(/exports\?what=roster[^"]*)"', page)
        assert found
        asked = unescape(found[1])
        form = (await client.get(asked)).text
        sent = dict(pair.split("=") for pair in asked.partition("?")[2].split("&"))
        assert sent == {
            "what": "roster",
            "school_id": str(site.cast.school_a),
            "grade": "3",
            "status": "active",
            "search": "bo",
        }
        for name in ("school_id", "grade", "status", "search"):
            assert re.search(rf'name="{name}"[^>]*value="{sent[name]}"', form), name
        answer = await client.post("/exports", data={**sent, "format": "csv"})
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row["name"] for row in rows] == ["Bopha"]


async def test_a_viewer_takes_what_names_nobody(site: Served) -> None:
    async with site.client("viewer") as client:
        named = await client.post("/api/v1/exports", json={"what": "results"})
        assert named.status_code == 403
        coded = await client.post("/api/v1/exports", json={"what": "results", "is_deidentified": True})
        assert coded.status_code == 200
        assert b"Bopha" not in coded.content
        known = {
            (each["what"], each["column"])
            for each in (await client.get("/api/v1/export-codebook")).json()["columns"]
        }
        assert ("results", "child") in known
        assert ("people", "email") not in known


async def test_sixteen_files_at_once_wait_their_turn_and_all_end(site: Served) -> None:
    async with site.client("coordinator") as client:
        most = 0

        async def take() -> None:
            nonlocal most
            answer = await client.post("/api/v1/exports", json={"what": "roster"})
            assert answer.status_code == 200
            most = max(most, site.platform.database.statistics().connections)
            assert (await manifest_of(client, answer))["state"] == "done"

        async with anyio.create_task_group() as group:
            for _ in range(16):
                group.start_soon(take)
        assert most <= 3
        assert site.platform.exports.here == 0


async def test_more_than_may_wait_are_told_to_come_back(
    site: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_WAITING", 0)
    async with site.client("coordinator") as client:
        answer = await client.post("/api/v1/exports", json={"what": "roster"})
        assert (answer.status_code, answer.json()["code"]) == (503, "exports_busy")
        assert answer.headers["retry-after"] == "60"


async def test_an_aborted_download_frees_its_cursor_within_a_second(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> None:
    database = new_database()
    async with serving(database, tmp_path) as site:
        with psycopg.connect(database.conninfo, autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")  # a file counts nobody
            connection.execute(MANY, [120_000])  # 27 MB: more than sockets hold
            server = uvicorn.Server(uvicorn.Config(site.app, port=22_071, lifespan="off", log_level="error"))
            serving_task = asyncio.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.01)
            body = b'{"what":"roster"}'
            reader, writer = await asyncio.open_connection("127.0.0.1", 22_071)
            head = f"POST /api/v1/exports HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token_of('coordinator')}\r\n"
            writer.write(
                f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
            )
            assert b"200 OK" in await reader.read(100_000)
            await asyncio.sleep(0.3)
            assert site.platform.exports.here == 1
            assert connection.execute(UNDER_WAY).fetchone() == (1,)
            writer.transport.abort()
            with anyio.fail_after(1):
                while site.platform.exports.here or connection.execute(UNDER_WAY).fetchone() != (0,):
                    await asyncio.sleep(0.02)
            server.should_exit = True
            await serving_task
            state, sha256 = connection.execute("select state, sha256 from export_run").fetchone() or ("", "")
            assert (state, sha256) == ("stopped", None)


async def test_a_client_that_takes_nothing_is_cut_off(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "STALL_S", 0.2)
    with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
        connection.execute(MANY, [5_000])
        from rightlevel.programme.exports import ExportAsk

        actor, asked = site.cast.coordinator, ExportAsk("roster")
        chunks = site.platform.exports.stream(actor, "01900000-0000-7000-8000-000000000000", asked)
        assert await anext(chunks)
        await asyncio.sleep(0.5)
        assert connection.execute(UNDER_WAY).fetchone() == (0,)
        with pytest.raises(exporting.TooSlow):
            async for _ in chunks:
                pass


async def test_visits_come_out_by_their_old_address_too(site: Served) -> None:
    async with site.client("coordinator") as client:
        answer = await client.post("/api/v1/visits-export", json={"subject": "math"})
        assert answer.content.decode("utf-8-sig").startswith(
            "visit_id,school_code,school,subject,mentor,teacher"
        )
        assert (await client.post("/api/v1/visits-export", json={"subject": "art"})).status_code == 422


async def test_a_live_address_gives_what_its_tokens_holder_reaches_now(site: Served) -> None:
    async with site.client("teacher", by="cookie") as client:
        made = await client.post(
            "/api/v1/me/tokens",
            json={"label": "sheet", "days": 30, "may_write": False, "resources": ["file", "student"]},
        )
        assert made.status_code == 200, made.text
        token, token_id = made.json()["token"], made.json()["id"]
    async with site.client() as stranger:
        first = await stranger.get(f"/live/{token}/roster?grade=3")
        assert first.status_code == 200, first.text
        rows = list(csv.DictReader(io.StringIO(first.content.decode("utf-8-sig"))))
        assert {row["school_code"] for row in rows} == {"A"}
        # What the token does not reach, what nobody holds, and what is no file, are all no address.
        assert (await stranger.get(f"/live/{token}/results")).status_code == 404
        assert (await stranger.get("/live/rl_nonsense/roster")).status_code == 404
        assert (await stranger.get(f"/live/{token}/roster?subject=math")).status_code == 422
        # A token that may write is no address for a spreadsheet.
        assert (await stranger.get(f"/live/{token_of('teacher')}/roster")).status_code == 404
        with psycopg.connect(site.server.conninfo, autocommit=True) as connection:
            connection.execute(
                "update assignment set ended_at = now() where person_id = %s", [site.cast.teacher.person_id]
            )
            site.platform.scopes.cache.drop_all()
            emptied = await stranger.get(f"/live/{token}/roster")
            assert len(emptied.content.splitlines()) == 1
            connection.execute("update api_token set revoked_at = now() where id = %s", [token_id])
            assert (await stranger.get(f"/live/{token}/roster")).status_code == 404
            told = connection.execute(
                "select coalesce(jsonb_agg(to_jsonb(a))::text, '') from audit_entry a"
            ).fetchone()
            assert told
            assert token not in told[0]
