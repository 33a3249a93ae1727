"""Scales as pages: a file taken in, changed in the editor, published, chosen for a round, and a class tested by it in both languages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import unescape

import msgspec
import pytest
from other_scale import NAMES, other_scale
from people import NOW
from serving import NewDatabase, Served, serving
from simulation.forms import Form, forms_of

from flatwater.queries import read_queries

pytestmark = pytest.mark.anyio
SEE_OTHER, INVALID = 303, 422

QUERIES = read_queries(
    """
-- name: make_room
-- Ends the cast's round before today, so that another may begin.
update round set state = 'closed', ends_on = %(on)s::date - 1
-- name: reads
-- In which language the teacher reads.
update person set language = %(language)s where role = 'teacher'
""",
    origin="test_pages.py",
)


@pytest.fixture(scope="module")
async def house(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path_factory.mktemp("scales")) as opened:
        yield opened


def form_at(page: str, action: str) -> Form:
    return next(each for each in forms_of(page) if each.action.endswith(action))


async def test_another_countrys_scale_from_a_file_to_a_tested_class(house: Served) -> None:
    text = other_scale("Riverland")
    async with house.client("coordinator", by="cookie") as client:
        page = (await client.get("/scales")).text
        form = form_at(page, "/scales")
        content = msgspec.json.encode(text)
        made = await client.post(
            "/scales", data=dict(form.fields), files={"file": ("scale.json", content, "application/json")}
        )
        assert made.status_code == SEE_OTHER, made.text[:2000]
        edit = made.headers["location"]
        key = edit.split("/")[2]
        # What was rendered is what was taken in, field by field.
        form = form_at((await client.get(edit)).text, "/edit")
        wrong = await client.post(edit, data=dict(form.fields) | {"rungs.1.code": "A b"})
        assert wrong.status_code == INVALID
        assert "A b" in wrong.text, "what was typed stands there"
        assert "Small Latin letters" in wrong.text
        saved = await client.post(edit, data=dict(form.fields))
        assert saved.status_code == SEE_OTHER, saved.text[:2000]
        told = (await client.get(f"/api/v1/scales/{key}")).json()
        assert msgspec.convert(told["text"], type(text)) == text
        page = (await client.get(f"/scales/{key}")).text
        assert f"/scales/{key}/colours.css" in page
        published = await client.post(f"/scales/{key}/publish", data=dict(form_at(page, "/publish").fields))
        assert published.status_code == SEE_OTHER, published.text[:2000]
        sheet = await client.get(f"/scales/{key}/colours.css")
        assert "--level-1: #7b3294; --on-level-1: #ffffff" in sheet.text
        assert "immutable" in sheet.headers["cache-control"]
        file = await client.get(f"/scales/{key}/file")
        assert msgspec.json.decode(file.content, type=type(text)) == text, "what goes out comes in again"

        async with house.database.transaction(deadline_s=10) as session:
            await session.execute(QUERIES["make_room"], {"on": NOW.date()})
        form = form_at((await client.get("/rounds/new")).text, "/rounds/new")
        day = NOW.date().isoformat()
        values = dict(form.fields) | {
            "kind": "midline",
            "starts_on": day,
            "ends_on": day,
            "language_scale": key,
        }
        made = await client.post("/rounds/new", data=values)
        assert made.status_code == SEE_OTHER, made.text[:2000]
        round_page = made.headers["location"]
        round_id = int(round_page.split("/")[-1])
        form = form_at((await client.get(round_page)).text, "/state/open")
        assert (await client.post(form.action, data=dict(form.fields))).status_code == SEE_OTHER

    school = house.cast.school_a
    child = house.cast.students_a[0]
    for language, at in (("en", 0), ("km", 1)):
        async with house.database.transaction(deadline_s=10) as session:
            await session.execute(QUERIES["reads"], {"language": language})
        async with house.client("teacher") as client:
            grid = await client.get(f"/schools/{school}/grid?round={round_id}&subject=language")
            names = [each[at] for each in NAMES.values()]
            assert [name for name in names if name not in unescape(grid.text)] == []
            test = await client.get(f"/students/{child}/results/{round_id}/language/test?assent=yes")
            assert test.status_code == 200, test.text[:1000]
            assert [name for name in names if name not in unescape(test.text)] == []
            assert f"/scales/{key}/colours.css" in test.text
    async with house.database.transaction(deadline_s=10) as session:
        await session.execute(QUERIES["reads"], {"language": "en"})
    async with house.client("teacher", by="cookie") as client:
        pack = (await client.get("/api/v1/pack")).json()
        assert [each["code"] for each in pack["scales"][0]["rungs"]] == list(NAMES)
        assert pack["rules"]["first"]["language"] == "words"
        form = form_at(
            (await client.get(f"/students/{child}/results/{round_id}/language")).text,
            f"/results/{round_id}/language",
        )
        fields = dict(form.fields) | {"choice": "thinks", "tested_on": day}
        entered = await client.post(form.action, data=fields)
        assert entered.status_code == SEE_OTHER, entered.text[:3000]
        history = unescape((await client.get(f"/students/{child}")).text)
        assert "Thinks about it" in history
    async with house.client("coordinator", by="cookie") as client:
        figures = unescape(
            (await client.get(f"/figures?round={round_id}&subject=language&school={school}")).text
        )
        assert "Thinks about it" in figures
        assert "Whole story and up" in figures
        assert 'id="other-ladder"' in figures
        asked = {"round_id": round_id, "subject": "language"}
        for measure, name in (
            ("reads_story", "Whole story and up"),
            ("paragraph_up", "Sentence and up"),
            ("cannot_read_words", "Sounds and below"),
        ):
            compared = await client.get("/api/v1/comparison", params=asked | {"measure": measure})
            assert compared.status_code == 200, compared.text
            assert compared.json()["measure"]["name"] == name
        for address in (
            f"/schools/{school}/overview",
            f"/movement?earlier={house.cast.round}&later={round_id}&subject=language&school={school}",
            f"/schools/{school}/progress-sheet?round={round_id}&subject=language",
            f"/schools/{school}/groups?subject=language",
            f"/standing-still?school={school}&subject=language",
            f"/data-quality?on={day}",
        ):
            assert (await client.get(address)).status_code == 200, address
        sheet = unescape(
            (await client.get(f"/schools/{school}/class-list?round={round_id}&subject=language")).text
        )
        assert all(names[0] in sheet for names in NAMES.values())


async def test_who_does_not_lead_sees_no_editor(house: Served) -> None:
    for name in ("teacher", "mentor", "viewer"):
        async with house.client(name, by="cookie") as client:
            assert (await client.get("/scales")).status_code == 403
            assert (await client.get("/api/v1/scales")).status_code == 200


async def test_a_file_that_is_no_scale_is_refused_with_a_sentence(house: Served) -> None:
    async with house.client("coordinator", by="cookie") as client:
        form = form_at((await client.get("/scales")).text, "/scales")
        for content in (b"", b"{}", b"\xff\xfe", b'{"subject":"language","name":"x","rungs":[],"climb":{}}'):
            answer = await client.post(
                "/scales", data=dict(form.fields), files={"file": ("a.json", content, "application/json")}
            )
            assert answer.status_code == INVALID, content
