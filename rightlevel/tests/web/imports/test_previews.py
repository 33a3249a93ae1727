"""An import is looked at first, row by row, and what was looked at is applied: on the page and by programs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from html import unescape
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from files_brought_in import ended
from files_brought_in import send as bring_in
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio
HEADER = "school_code,code,name,sex,grade,section\n"


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


async def send(
    client: httpx.AsyncClient, text: str, *, dry: bool = True, kind: str = "students", **fields: str
) -> dict[str, Any]:
    return await bring_in(client, kind, text, dry=dry, **fields)


async def rows_of(client: httpx.AsyncClient, run: dict[str, Any], **asked: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"/api/v1/imports/{run['id']}/rows", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def apply(client: httpx.AsyncClient, run: dict[str, Any], **how: Any) -> httpx.Response:
    return await client.post(f"/api/v1/imports/{run['id']}/apply", json=how)


async def codes(client: httpx.AsyncClient) -> set[str]:
    return {each["code"] for each in (await client.get("/api/v1/students?limit=1000")).json()["items"]}


BEFORE = HEADER + "A,P1,Sok Dara,m,3,A\nA,P2,Chan Lina,f,4,\nA,P3,Kim Sophea,f,3,A\n"
FILE = (
    HEADER
    + "A,P1,Sok Dara,m,3,A\nA,P2,Chan Linna,f,4,\nA,P3,Kim Sophea,f,4,Z\nA,P4,Sok Dara,m,3,A\n"
    + "A,P5,Meas Vanna,f,5,\nNOWHERE,P6,Lost Child,f,5,\n"
)


async def test_each_row_tells_what_would_become_of_it_field_by_field(site: Served) -> None:
    async with site.client("coordinator") as client:
        await send(client, BEFORE, dry=False)
        known = await codes(client)
        run = await send(client, FILE)
        assert (run["state"], run["faults"]) == ("faulty", 1)
        assert run["preview"] == {
            "wrong": 1,
            "possible_duplicate": 1,
            "moved": 1,
            "changed": 1,
            "new": 1,
            "unchanged": 1,
        }
        rows = {each["row_number"]: each for each in await rows_of(client, run)}
        order = ["wrong", "possible_duplicate", "moved", "changed", "new", "unchanged"]
        assert [each["what"] for each in rows.values()] == order
        assert (rows[2]["what"], rows[2]["before"], rows[2]["after"]) == ("unchanged", {}, {})
        assert (rows[3]["before"], rows[3]["after"]) == ({"name": "Chan Lina"}, {"name": "Chan Linna"})
        assert rows[4]["before"] == {"grade": 3, "section": "A"}
        assert rows[4]["after"] == {"grade": 4, "section": "Z"}
        assert [(each["code"], each["name"]) for each in rows[5]["alike"]] == [("P1", "Sok Dara")]
        assert (rows[6]["what"], rows[6]["after"]["grade"]) == ("new", 5)
        assert rows[7]["faults"] == [
            {"column": "school_code", "value": "NOWHERE", "rule": "No school has this code"}
        ]
        assert [each["row_number"] for each in await rows_of(client, run, what="moved")] == [4]
        first = (await client.get(f"/api/v1/imports/{run['id']}/rows", params={"limit": 4})).json()
        rest = await rows_of(client, run, after=first["next"])
        assert [each["row_number"] for each in first["items"] + rest] == [7, 5, 4, 3, 6, 2]
        assert await codes(client) == known
        classes = (await client.get("/api/v1/classes", params={"school_id": site.cast.school_a})).json()[
            "items"
        ]
        assert "Z" not in {each["section"] for each in classes}, "a preview makes no class"


async def test_what_was_told_is_what_the_import_then_does(site: Served) -> None:
    async with site.client("coordinator") as client:
        await send(client, BEFORE, dry=False)
        run = await send(client, FILE)
        told = run["preview"]
        done = await ended(client, (await apply(client, run, leaves_bad_rows=True)).json()["id"])
        assert done["added"] == told["new"] + told["possible_duplicate"]
        assert done["changed"] == told["changed"] + told["moved"]
        assert (done["unchanged"], done["skipped"]) == (told["unchanged"], told["wrong"])
        again = await send(client, FILE)
        assert again["preview"] == {"wrong": 1, "unchanged": 5}, "and then it is as it was told"


async def test_what_was_looked_at_is_applied_once_and_as_it_was_said(site: Served) -> None:
    async with site.client("coordinator") as client:
        run = await send(
            client, HEADER.replace("name", "Called") + "A,Q1,One,f,3,\n", mapping="name = Called"
        )
        assert (run["state"], run["is_kept"], run["added"]) == ("done", True, 1)
        assert "Q1" not in await codes(client)
        answer = await apply(client, run)
        assert answer.status_code == 202, answer.text
        done = await ended(client, answer.json()["id"])
        assert (done["state"], done["added"], done["applies"], done["is_dry_run"]) == (
            "done",
            1,
            run["id"],
            False,
        )
        assert "Q1" in await codes(client)
        again = await apply(client, run)
        assert (again.status_code, again.json()["code"]) == (409, "import_applied_before")
        assert (await ended(client, run["id"]))["is_kept"] is False
        none = await apply(client, done)
        assert (none.status_code, none.json()["code"]) == (409, "import_not_applicable")


async def test_rows_that_are_wrong_are_left_out_only_where_somebody_says_so(site: Served) -> None:
    async with site.client("coordinator") as client:
        run = await send(client, HEADER + "A,R1,One,f,3,\nA,R2,,f,3,\n")
        answer = await apply(client, run)
        assert (answer.status_code, answer.json()["code"]) == (409, "import_has_faults")
        done = await ended(client, (await apply(client, run, leaves_bad_rows=True)).json()["id"])
        assert (done["state"], done["added"], done["skipped"]) == ("done", 1, 1)
        left = (await client.get(f"/api/v1/imports/{done['id']}/left-rows")).json()["items"]
        assert [each["cells"][1] for each in left] == ["code", "R2"]


async def test_what_can_not_be_saved_any_more_can_be_looked_at_and_applied_again(site: Served) -> None:
    """Between the look and the deed somebody else took the school's code away; the file stays with what was looked at."""
    async with site.client("coordinator") as client:
        run = await send(client, HEADER + "A,S1,One,f,3,\n")
        school = (await client.get("/api/v1/schools?search=A&limit=100")).json()["items"]
        mine = next(each for each in school if each["code"] == "A")
        changed = await client.patch(
            f"/api/v1/schools/{mine['id']}", json={"version": mine["version"], "code": "AA"}
        )
        assert changed.status_code == 200, changed.text
        failed = await ended(client, (await apply(client, run)).json()["id"])
        assert (failed["state"], failed["faults"]) == ("faulty", 1)
        back = {"version": changed.json()["version"], "code": "A"}
        assert (await client.patch(f"/api/v1/schools/{mine['id']}", json=back)).status_code == 200
        with anyio.fail_after(10):
            while not (await ended(client, run["id"]))["is_kept"]:
                await anyio.sleep(0.02)
        assert (await ended(client, (await apply(client, run)).json()["id"]))["added"] == 1


async def test_schools_are_looked_at_field_by_field_too(site: Served) -> None:
    async with site.client("coordinator") as client:
        found = (await client.get("/api/v1/schools?limit=100")).json()["items"]
        one = next(each for each in found if each["code"] == "A")
        text = f"code,name_local,place.province,place.district,reason\nA,{one['name_local']},Elsewhere,Far,moved\nNEW,Newly,Elsewhere,Far,\n"
        run = await send(client, text, kind="schools")
        faults = (await client.get(f"/api/v1/imports/{run['id']}/faults")).text
        assert run["preview"] == {"moved": 1, "new": 1}, faults
        moved, new = await rows_of(client, run)
        assert (list(moved["before"]), moved["after"]["place"].split(" (")[0]) == (["place"], "Far")
        assert new["after"]["name_local"] == "Newly"
        places = (await client.get("/api/v1/places?limit=1000")).text
        assert "Elsewhere" not in places, "a preview makes no place"


async def test_only_who_imports_looks_and_applies(site: Served) -> None:
    async with site.client("coordinator") as client:
        run = await send(client, HEADER + "A,T1,One,f,3,\n")
    for name in ("mentor", "teacher", "viewer"):
        async with site.client(name) as client:
            assert (await client.get(f"/api/v1/imports/{run['id']}/rows")).status_code == 403
            assert (await apply(client, run)).status_code == 403


async def test_the_page_shows_the_rows_first_and_applies_them(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        await send(client, BEFORE, dry=False)
        form = unescape((await client.get("/imports")).text)
        assert "is_dry_run" not in form, "looking first is no choice"
        assert "<code>school_code</code>" in form, "the columns stand in sight"
        answer = await client.post(
            "/imports", data={"kind": "students"}, files={"file": ("in.csv", FILE.encode(), "text/csv")}
        )
        where = answer.headers["location"]
        await ended(client, where.removeprefix("/imports/"))
        page = unescape((await client.get(where)).text)
        assert re.search(r"<del>Chan Lina</del> → <ins>Chan Linna</ins>", page), page
        assert "Apply this without the rows that are wrong" in page
        only = unescape((await client.get(f"{where}/rows?what=moved")).text)
        assert "Kim Sophea" in only
        assert "Chan Linna" not in only
        applied = await client.post(f"{where}/apply", data={"leaves_bad_rows": "true"})
        assert applied.status_code == 303, applied.text
        done = await ended(client, applied.headers["location"].removeprefix("/imports/"))
        assert (done["state"], done["added"], done["changed"], done["skipped"]) == ("done", 2, 2, 1)
        assert "Apply this" not in unescape((await client.get(where)).text)
