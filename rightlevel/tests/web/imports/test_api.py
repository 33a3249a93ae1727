"""Imports over HTTP: a file is sent, waits, is imported, and its faults are read page by page."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from serving import Served

pytestmark = pytest.mark.anyio
HEADER = "school_code,code,name,sex,grade\n"


async def send(client: httpx.AsyncClient, text: str, **fields: str) -> httpx.Response:
    files = {"file": ("children.csv", text.encode(), "text/csv")}
    return await client.post("/api/v1/imports", data={"kind": "students", **fields}, files=files)


async def ended(client: httpx.AsyncClient, where: str) -> dict[str, Any]:
    for _ in range(500):
        run = (await client.get(where)).json()
        if run["ended_at"] is not None:
            return run
        await asyncio.sleep(0.02)
    raise AssertionError(f"the import did not end: {run}")


async def test_a_sent_file_is_imported_and_its_run_can_be_watched(served: Served) -> None:
    async with served.client("coordinator") as client:
        answer = await send(client, HEADER + "A,HTTP1,Sent,f,3\n", dry_run="true")
        assert answer.status_code == 202, answer.text
        where = answer.headers["location"]
        assert where == f"/api/v1/imports/{answer.json()['id']}"
        run = await ended(client, where)
        assert (run["state"], run["added"], run["is_dry_run"], run["username"]) == (
            "done",
            1,
            True,
            "coordinator",
        )
        real = await ended(client, (await send(client, HEADER + "A,HTTP1,Sent,f,3\n")).headers["location"])
        assert (real["state"], real["added"]) == ("done", 1)
        again = await ended(client, (await send(client, HEADER + "A,HTTP1,Sent,f,3\n")).headers["location"])
        assert (again["added"], again["unchanged"]) == (0, 1)
        listed = (await client.get("/api/v1/imports", params={"limit": 2})).json()
        assert len(listed["items"]) == 2
        assert listed["next"]


async def test_an_import_is_stopped_by_whoever_may_run_one_and_says_so_in_either_face(served: Served) -> None:
    async with served.client("coordinator") as client, served.client("mentor") as stranger:
        where = (await send(client, HEADER + "A,HTTP9,Sent,f,3\n")).headers["location"]
        assert (await stranger.post(f"{where}/stop")).status_code == 403
        stopped = await client.post(f"{where}/stop")
        run = await ended(client, where)
        if stopped.status_code == 409:
            assert (stopped.json()["code"], run["state"]) == ("import_ended_before", "done")
        else:
            assert (stopped.status_code, run["state"] in ("done", "interrupted")) == (200, True), stopped.text
        again = await client.post(f"{where}/stop")
        assert (again.status_code, again.json()["code"]) == (409, "import_ended_before")
        page = (await client.get(where.removeprefix("/api/v1"), headers={"accept": "text/html"})).text
        assert "/stop" not in page


async def test_faults_are_read_page_by_page(served: Served) -> None:
    async with served.client("admin") as client:
        rows = "".join(f"A,HF{n},,f,3\n" for n in range(5))
        run = await ended(client, (await send(client, HEADER + rows)).headers["location"])
        assert (run["state"], run["faults"]) == ("faulty", 5)
        first = (await client.get(f"/api/v1/imports/{run['id']}/faults", params={"limit": 3})).json()
        second = (
            await client.get(f"/api/v1/imports/{run['id']}/faults", params={"after": first["next"]})
        ).json()
        assert [fault["row_number"] for fault in first["items"] + second["items"]] == [2, 3, 4, 5, 6]
        assert second["next"] is None


async def test_a_wrong_mapping_or_a_missing_file_is_told_at_once(served: Served) -> None:
    async with served.client("coordinator") as client:
        wrong = await send(client, HEADER, mapping='code = {colum = "x"}')
        assert (wrong.status_code, wrong.json()["code"]) == (422, "mapping_invalid")
        assert "code.colum" in [fault["field"] for fault in wrong.json()["faults"]]
        missing = await client.post("/api/v1/imports", data={"kind": "students"}, files={"x": (None, "y")})
        assert missing.status_code == 422
        kind = await send(client, HEADER, kind="teachers")
        assert kind.status_code == 422


async def test_lines_of_ours_and_yours_are_a_mapping(served: Served) -> None:
    async with served.client("coordinator") as client:
        text = "school_code,SID,name,sex,grade\nA,HTTP7,Mapped,f,3\n"
        run = await ended(client, (await send(client, text, mapping="code = SID")).headers["location"])
        assert (run["state"], run["added"]) == ("done", 1)


async def test_only_leaders_send_and_see_imports(served: Served) -> None:
    for name in ("mentor", "teacher", "viewer"):
        async with served.client(name) as client:
            assert (await send(client, HEADER)).status_code == 403
            assert (await client.get("/api/v1/imports")).status_code == 403
    async with served.client() as client:
        assert (await send(client, HEADER)).status_code == 401
