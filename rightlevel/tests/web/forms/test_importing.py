"""A real workbook is sent, looked at and kept as a draft."""

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from serving import OneDatabase, Served, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


def a_workbook(*rows: tuple[str, ...]) -> bytes:
    book = Workbook()
    survey = book.active
    assert survey is not None
    survey.title = "survey"
    for row in (("type", "name", "label::English (en)", "label::Khmer (km)", "required", "relevant"), *rows):
        survey.append(row)
    choices = book.create_sheet("choices")
    for row in (
        ("list_name", "name", "label::English (en)", "label::Khmer (km)"),
        ("yn", "yes", "Yes", "បាទ"),
        ("yn", "no", "No", "ទេ"),
    ):
        choices.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


GOOD = (
    ("select_one yn", "ran", "Did it take place?", "មានទេ?", "yes", ""),
    ("text", "why", "Why not?", "ហេតុអ្វី?", "yes", "${ran} = 'no'"),
)


async def test_a_workbook_is_looked_at_and_kept_as_a_draft(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        assert "/forms/import" in (await client.get("/forms")).text
        sent: dict[str, Any] = {
            "files": {"file": ("lesson.xlsx", a_workbook(*GOOD), "application/octet-stream")}
        }
        looked = await client.post("/forms/import", data={"code": "visit"}, **sent)
        assert (looked.status_code, "Did it take place?" in looked.text) == (200, True), looked.text
        before: Any = (await client.get("/api/v1/forms/visit")).json()
        assert before["draft"] is None
        kept = await client.post("/forms/import", data={"new_code": "lesson", "keep": "yes"}, **sent)
        assert (kept.status_code, kept.headers["location"]) == (303, "/forms/lesson")
        into = await client.post("/forms/import", data={"code": "visit", "keep": "yes"}, **sent)
        assert into.status_code == 303, into.text
        after: Any = (await client.get("/api/v1/forms/visit")).json()
        assert [field["key"] for field in after["draft"]["sections"][0]["fields"]] == ["ran", "why"]
    async with site.client("mentor", by="cookie") as client:
        assert (await client.post("/forms/import", data={"code": "visit"}, **sent)).status_code == 403


async def test_what_is_wrong_is_told_by_row_and_nothing_is_kept(site: Served) -> None:
    bad = a_workbook(*GOOD, ("audio", "how_much", "How much?", "ប៉ុន្មាន?", "", ""))
    async with site.client("coordinator", by="cookie") as client:
        sent: dict[str, Any] = {"files": {"file": ("lesson.xlsx", bad, "application/octet-stream")}}
        answer = await client.post("/forms/import", data={"new_code": "lesson", "keep": "yes"}, **sent)
        assert (answer.status_code, "survey, row 4, type" in answer.text, "audio" in answer.text) == (
            200,
            True,
            True,
        )
        assert (await client.get("/forms/lesson")).status_code == 404
        for content in (b"no workbook", b"PK\x03\x04 cut off"):
            sent = {"files": {"file": ("x.xlsx", content, "application/octet-stream")}}
            refused = await client.post("/forms/import", data={"code": "visit"}, **sent)
            assert (refused.status_code, "no XLSForm workbook" in refused.text) == (422, True), refused.text[
                -800:
            ]
