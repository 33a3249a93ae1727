"""Test tools as pages: the sheet that is printed, and the editor in which a version is added."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest
from serving import NewDatabase, Served, serving
from simulation.forms import Form, forms_of

from rightlevel.programme.tools import ToolSearch
from rightlevel.web.tools import ToolForm

pytestmark = pytest.mark.anyio
HTTP_SEE_OTHER = 303


@pytest.fixture(scope="module")
async def house(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path_factory.mktemp("tools")) as opened:
        yield opened


async def tool_of(house: Served, subject: str, language: str, number: int = 1) -> dict[str, object]:
    async with house.client("teacher") as client:
        asked = {"subject": subject, "language": language}
        tools = (await client.get("/api/v1/tools", params=asked)).json()["tools"]
    return next(each for each in tools if each["number"] == number)


def editor(page: str) -> Form:
    return next(each for each in forms_of(page) if each.action.startswith("/tools/new"))


@pytest.mark.parametrize(("subject", "language"), [("language", "km"), ("math", "en")])
async def test_the_sheet_has_what_the_screen_asks_and_the_answers_apart(
    house: Served, subject: str, language: str
) -> None:
    tool = await tool_of(house, subject, language)
    async with house.client("teacher", by="cookie") as client:
        page = unescape((await client.get(f"/tools/{tool['id']}")).text)
    child, tester = page.split('<section class="tester-sheet">')
    content: dict[str, list[dict[str, str]]] = tool["content"]  # type: ignore[assignment]
    for task, items in content.items():
        asked = items[:5] if len(items) > 5 else items
        for item in asked:
            assert item["text"] in child, task
            if "answer" in item and task != "division":
                assert f"{item['answer']}</strong>" in tester
                assert f"<strong>{item['answer']}" not in child
    assert "Add the next version" not in page, "a teacher prints, and changes nothing"


@pytest.mark.parametrize(("subject", "language"), [("language", "km"), ("language", "en"), ("math", "km")])
async def test_the_editor_is_filled_with_the_version_and_saves_the_next_as_it_was_typed(
    house: Served, subject: str, language: str
) -> None:
    tool = await tool_of(house, subject, language, 3)
    async with house.client("coordinator", by="cookie") as client:
        page = (await client.get(f"/tools/new?version_of={tool['id']}")).text
        form = editor(page)
        saved = await client.post(form.action, data=dict(form.fields))
        assert saved.status_code == HTTP_SEE_OTHER, saved.text[:2000]
        shown = await client.get(saved.headers["location"])
    assert "Version 2" in shown.text
    following = await tool_of(house, subject, language, 3)
    assert following["version"] == 2
    assert following["content"] == tool["content"], "what was not touched is the same, answers too"
    async with house.client("teacher", by="cookie") as client:
        earlier = (await client.get(f"/tools/{tool['id']}")).text
    assert f'href="/tools/{following["id"]}"' in earlier
    assert "A newer version followed this one." in earlier


async def test_a_fault_is_told_at_its_field_and_what_was_typed_stays(house: Served) -> None:
    tool = await tool_of(house, "math", "en", 2)
    async with house.client("coordinator", by="cookie") as client:
        form = editor((await client.get(f"/tools/new?version_of={tool['id']}")).text)
        typed = {**dict(form.fields), "division": "84 ÷ 6", "subtractions": "71 − 25 = 46\n71 − 25 = 46"}
        refused = await client.post(form.action, data=typed)
    assert refused.status_code == 422
    page = unescape(refused.text)
    assert "Each needs its answer" in page
    assert "The same text stands here twice" in page
    shown = editor(page)
    assert dict(shown.fields)["division"] == "84 ÷ 6"
    assert (await tool_of(house, "math", "en", 2))["version"] == 1


async def test_two_editors_of_one_version_save_one(house: Served) -> None:
    tool = await tool_of(house, "math", "en", 4)
    async with house.client("coordinator", by="cookie") as client:
        form = editor((await client.get(f"/tools/new?version_of={tool['id']}")).text)
        again = editor((await client.get(f"/tools/new?version_of={tool['id']}")).text)
        assert (await client.post(form.action, data=dict(form.fields))).status_code == HTTP_SEE_OTHER
        refused = await client.post(again.action, data=dict(again.fields))
    assert refused.status_code == 409
    assert "There is a newer version of this tool" in unescape(refused.text)


async def test_a_tool_is_added_from_an_empty_editor(house: Served) -> None:
    async with house.client("admin") as client:
        source = await tool_of(house, "math", "en", 1)
        body = {"subject": "math", "number": 1, "language": "vi", "content": source["content"]}
        made = await client.post("/api/v1/tools", json=body)
        assert made.status_code == 201, made.text
        assert made.json()["version"] == 1
        read = await client.get(made.headers["location"])
        assert read.json() == made.json()
    async with house.client("coordinator", by="cookie") as client:
        page = (await client.get("/tools/new?subject=math")).text
        form = editor(page)
        assert set(re.findall(r'<textarea id="f-(\w+)"', page)) == {
            "subtractions",
            "division",
            "word_problem",
            "numbers_2digit",
            "numbers_1digit",
        }
        typed = {
            **dict(form.fields),
            "number": "2",
            "language": "vi",
            "subtractions": "52 − 17 = 35\r\n64 − 28 = 36",
            "division": "96 ÷ 4 = 24",
            "word_problem": "4 children share 24 bananas. How many has each? = 6",
            "numbers_2digit": "12\n34\n56\n78\n91",
            "numbers_1digit": "1\n3\n5\n7\n9\n",
        }
        saved = await client.post(form.action, data=typed)
        assert saved.status_code == HTTP_SEE_OTHER, saved.text[:3000]
    added = await tool_of(house, "math", "vi", 2)
    content: dict[str, list[dict[str, str]]] = added["content"]  # type: ignore[assignment]
    assert content["division"] == [{"text": "96 ÷ 4", "answer": "24"}]
    assert content["word_problem"][0]["answer"] == "6"
    assert [each["text"] for each in content["numbers_1digit"]] == ["1", "3", "5", "7", "9"]


@pytest.mark.parametrize("role", ["teacher", "mentor", "viewer"])
async def test_nobody_else_adds_a_version(house: Served, role: str) -> None:
    async with house.client(role, by="cookie") as client:
        assert (await client.get("/tools/new")).status_code == 403
        refused = await client.post("/tools/new", data={"subject": "math", "number": 1, "language": "en"})
        assert refused.status_code == 403


def test_the_form_has_a_field_for_every_task() -> None:
    assert ToolSearch().subject is None
    form = ToolForm("math", 1, "km", division="96 ÷ 4 = 24")
    assert form.meant().content["division"][0].answer == "24"
