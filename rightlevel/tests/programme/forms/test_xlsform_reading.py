"""Workbooks are read by pyxform in a process of its own, with bounds on memory and time."""

import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from rightlevel.programme.errors import Invalid
from rightlevel.programme.forms import convert, read_workbook, xlsform_reading

pytestmark = pytest.mark.anyio
CASES = Path(__file__).parents[4].parent / "shared" / "data" / "cases"


def a_form(path: Path, *rows: list[str | None]) -> Path:
    book = openpyxl.Workbook()
    survey = book["Sheet"]
    survey.title = "survey"
    for row in rows:
        survey.append(row)
    book.save(path)
    return path


async def test_rows_have_the_workbooks_own_numbers(tmp_path: Path) -> None:
    path = a_form(tmp_path / "f", ["type", "name", "label"], [], ["text", "a", "A"], ["audio", "b", "B"])
    book = await read_workbook(path)
    found = convert(book.survey.as_sheet(), book.choices.as_sheet(), book.settings.as_sheet())
    assert [(fault.row, fault.value) for fault in found.faults] == [(4, "audio")]
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


async def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    for content in (b"no workbook", b"PK\x03\x04 cut off", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 no book"):
        path = tmp_path / "x"
        path.write_bytes(content)
        with pytest.raises(Invalid):
            await read_workbook(path)


async def test_memory_and_time_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = a_form(tmp_path / "f", ["type", "name", "label"], ["text", "a", "A"])
    monkeypatch.setattr(xlsform_reading, "MEMORY_BYTES", 32 * 1024 * 1024)
    with pytest.raises(Invalid):
        await read_workbook(path)
    monkeypatch.undo()
    monkeypatch.setattr(xlsform_reading, "READ_S", 0.01)
    with pytest.raises(Invalid) as caught:
        await read_workbook(path)
    assert "too long" in caught.value.faults[0].rule


def test_nothing_of_the_readers_is_loaded_with_the_service() -> None:
    # In a process of its own: the tests' own tools load some of them.
    program = (
        "import sys, rightlevel.commands, rightlevel.assembly, rightlevel.web.service, rightlevel.programme.exchange;"
        "print(sorted({'pyxform', 'chardet', 'openpyxl', 'xlrd'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.strip() == "[]"


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("20-nested-groups", "A group within a group"),
        ("22-count-of-repeats", "Asked up to 20 times"),
        ("23-label-with-answer", "An answer can’t stand"),
        ("27-curly-quotes", ""),
        ("29-today", ""),
    ],
)
async def test_the_shared_cases_are_taken(name: str, told: str) -> None:
    book = await read_workbook(CASES / f"{name}.xlsx")
    found = convert(book.survey.as_sheet(), book.choices.as_sheet(), book.settings.as_sheet())
    assert found.form is not None, found.faults
    assert not told or any(note.rule.startswith(told) for note in found.notes)
