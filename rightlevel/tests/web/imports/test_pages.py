"""The page for files: everything a mapping can say is said on it, what is wrong comes with its cure, what was left out comes back."""

import csv
import io
import re
from collections.abc import AsyncIterator, Callable
from html import unescape
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio
HEADER = "school_code,code,name,sex,grade"


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


async def sent(client: httpx.AsyncClient, content: bytes, **fields: str) -> str:
    """The page of an import that has ended: that of the preview, or where that can be applied, of what applied it."""
    answer = await client.post(
        "/imports", data={"kind": "students"} | fields, files={"file": ("in.csv", content, "text/csv")}
    )
    page = await page_at_end(client, answer)
    if (found := re.search(r'action="(/imports/[^"]+/apply)"', page)) is None:
        return page
    return await page_at_end(client, await client.post(found[1], data={"leaves_bad_rows": "true"}))


async def page_at_end(client: httpx.AsyncClient, answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    with anyio.fail_after(30):
        while "hx-get" in (page := (await client.get(answer.headers["location"])).text):
            await anyio.sleep(0.02)
    return unescape(page)


def rows_of(*lines: str) -> bytes:
    return "\n".join([HEADER, *lines, ""]).encode()


async def test_all_that_a_mapping_can_say_is_said_on_the_page(site: Served) -> None:
    content = "Titel\nschool_code;code;First;Last;sex;grade;Village\nA;p1;Élodie;;W;3;x\nA;p2;Zoé;Béraud;W;9;x\nA;p3;Noël;B;W;3;\n".encode(
        "cp1252"
    )
    async with site.client("coordinator", by="cookie") as client:
        page = await sent(
            client,
            content,
            encoding="windows-1252",
            header_row="2",
            only_column="Village",
            only_how="filled",
            only_programme_grades="true",
            source="District",
            mapping='name = {join = ["First", "Last"]}\nsex = {column = "sex", values = {"W" = "female"}}',
        )
        assert "Not among the rows that were asked for" in page, page
        found: Any = (await client.get("/api/v1/imports")).json()
        looked_at_and_applied = [(run["added"], run["left_out"], run["faults"]) for run in found["items"]]
        assert looked_at_and_applied == [(1, 2, 0), (1, 2, 0)]
        # The next file of the source needs nothing said.
        again = content.replace(b"p1", b"p9")
        await sent(client, again, source="district")
        found = (await client.get("/api/v1/imports")).json()
        assert (found["items"][0]["added"], found["items"][0]["left_out"]) == (1, 2)
        offered = unescape((await client.get("/imports?kind=students&source=District")).text)
        assert 'encoding = "windows-1252"' in offered
        assert "District" in offered


async def test_a_fault_shows_the_line_that_cures_it_and_a_link_that_says_it(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        page = await sent(client, rows_of("A,q1,Sok Dara,W,3"), source="Ministry")
        assert 'sex = {column = "sex", values = {"W" = "female"}}' in page
        link = re.search(r"/imports\?again=[^\"]+line=[^\"]+", page)
        assert link is not None
        form = unescape((await client.get(link[0])).text)
        assert 'sex = {column = "sex", values = {"W" = "female"}}' in form
        assert 'value="Ministry"' in form
        assert (await client.get("/imports?again=nonsense")).status_code == 404


async def test_an_encoding_is_shown_by_names_and_chosen(site: Served) -> None:
    content = rows_of("A,r1,سامي علي,M,3", "A,r2,فاطمة الزهراء,F,3").decode().encode("cp1256")
    async with site.client("coordinator", by="cookie") as client:
        page = await sent(client, content)
        assert "سامي علي, فاطمة الزهراء" in page
        assert 'encoding = "cp1256"' in page


async def test_rows_left_out_come_back_as_a_file_to_mend(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        bad = rows_of("A,s1,Sok Dara,M,3", "A,s2,=HYPERLINK(1),Q,3", "NONE,s3,Chan Lina,F,3")
        page = await sent(client, bad)
        action = re.search(r'action="(/imports/[^"]+/left-rows)"', page)
        assert action is not None, page
        fields = dict(
            re.findall(
                r'<input type="hidden" name="([^"]+)" value="([^"]*)"',
                page[action.start() :].split("</form>")[0],
            )
        )
        # As a browser without scripts sends it: the session's token is in the form, and in no header.
        answer = await client.post(action[1], data=fields, headers={"x-csrf-token": ""})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
        lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert lines[0] == [*HEADER.split(","), "What is wrong"]
        assert [line[1:3] for line in lines[1:]] == [["s2", "'=HYPERLINK(1)"], ["s3", "Chan Lina"]]
        assert "sex: One of" in lines[1][-1]
        api: Any = (await client.get(action[1].replace("/imports", "/api/v1/imports"))).json()
        assert [row["row_number"] for row in api["items"]] == [1, 3, 4]
        lines[1][3], lines[2][0] = "M", "A"
        out = io.StringIO()
        csv.writer(out).writerows(lines)
        page = await sent(client, out.getvalue().encode("utf-8-sig"))
        found: Any = (await client.get("/api/v1/imports")).json()
        assert (found["items"][0]["added"], found["items"][0]["faults"]) == (2, 0)
        names = (await client.get("/api/v1/students?limit=100")).text
        assert '"=HYPERLINK(1)"' in names
    async with site.client("mentor", by="cookie") as client:
        assert (await client.post(action[1])).status_code == 403


async def test_what_is_wrong_with_the_mapping_stands_at_its_field_and_what_was_typed_stays(
    site: Served,
) -> None:
    async with site.client("coordinator", by="cookie") as client:
        answer = await client.post(
            "/imports",
            data={
                "kind": "students",
                "mapping": "colour = Red",
                "header_row": "many",
                "only_column": "Village",
                "only_how": "in",
            },
            files={"file": ("in.csv", rows_of("A,1,Sok,M,3"), "text/csv")},
        )
        text = unescape(answer.text)
        assert answer.status_code == 422
        assert "There is no such field" in text
        assert "A row from 1 to 1000" in text
        assert 'value="many"' in text
        assert "colour = Red" in text
        assert 'value="Village"' in text
