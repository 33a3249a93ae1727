"""Pages as PDF: made in a process of its own, which fetches nothing, is bounded, and whose troubles are told in a sentence."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pdf_pages import needs_pango, pages_of

from rightlevel.operations.printing import (
    FILES_BYTES,
    LEAST_BYTES,
    MOST_BYTES,
    MOST_WAITING,
    PRINTER,
    PROGRAM,
    STACKS_BYTES,
    NoRoomToPrint,
    PdfTooLarge,
    PdfUnavailable,
    Printer,
    PrintersBusy,
)

pytestmark = pytest.mark.anyio
PAGE = (
    "<!doctype html><html lang='km'><body><h1>សាលាបឋមសិក្សា</h1><p class='next'>Second</p>{more}</body></html>"
)
CSS = "@page { size: A4 } .next { break-before: page }"


def program(folder: Path, text: str, *, waits_s: float = 0.2) -> Printer:
    path = folder / "program.py"
    path.write_text(f"import sys; sys.stdin.read()\n{text}")
    return Printer(str(path), waits_s=waits_s, looks_every_s=0.05)


@needs_pango
async def test_a_page_becomes_a_pdf_with_its_breaks() -> None:
    made = await PRINTER.print(PAGE.format(more=""), CSS)
    assert made.startswith(b"%PDF")
    assert pages_of(made) == 2


@needs_pango
async def test_nothing_that_stands_in_a_page_is_fetched(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    more = (
        f"<img src='http://127.0.0.1:{port}/x.png'><link rel='stylesheet' href='http://127.0.0.1:{port}/x.css'>"
        f"<a rel='attachment' href='file://{secret}'>x</a><iframe src='file://{secret}'></iframe>"
    )
    async with server:
        made = await PRINTER.print(PAGE.format(more=more), CSS)
    assert pages_of(made) == 2
    assert asked == []
    assert b"EmbeddedFile" not in made


async def test_the_service_never_loads_it() -> None:
    asked = "import sys, rightlevel.web.app as app; app.all_routes(); print([each for each in ('weasyprint', 'fontTools') if each in sys.modules])"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


async def test_a_system_without_the_library_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(PdfUnavailable, match="Pango"):
        await program(tmp_path, "import sys; sys.exit(3)").print("", "")


@pytest.mark.parametrize("text", ["import sys; sys.exit(1)", "print('no pdf')", "import os; os.abort()"])
async def test_what_ends_without_a_pdf_is_too_large(tmp_path: Path, text: str) -> None:
    with pytest.raises(PdfTooLarge):
        await program(tmp_path, text).print("", "")


async def test_memory_beyond_the_bound_ends_the_program_and_not_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rightlevel.operations.printing.MOST_BYTES", 2_000_000)
    with pytest.raises(PdfTooLarge):
        await PRINTER.print(PAGE.format(more=""), CSS)


async def test_it_gets_no_more_memory_than_is_free_and_where_nothing_is_it_is_refused(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []
    granted: list[int | None] = [None, LEAST_BYTES, MOST_BYTES, LEAST_BYTES - 1]

    @asynccontextmanager
    async def room(least: int, most: int) -> AsyncIterator[int | None]:
        asked.append((least, most))
        yield granted.pop(0)

    told = program(tmp_path, "print('%PDF', sys.argv[1])", waits_s=0.0)
    bounds = [int((await told.print("", "", room)).split()[1]) for _ in range(3)]
    beside = STACKS_BYTES - FILES_BYTES
    assert bounds == [MOST_BYTES + beside, LEAST_BYTES + beside, MOST_BYTES + beside]
    with pytest.raises(NoRoomToPrint, match="print the page instead"):
        await told.print("", "", room)
    assert asked == [(LEAST_BYTES, MOST_BYTES)] * 4
    told.require_room()


async def test_a_pdf_waits_until_there_is_room_and_holds_none_while_it_waits(tmp_path: Path) -> None:
    free = [LEAST_BYTES - 1, 0, -5, LEAST_BYTES]
    held = 0

    @asynccontextmanager
    async def room(_: int, __: int) -> AsyncIterator[int]:
        nonlocal held
        assert held == 0
        held += 1
        try:
            yield free.pop(0)
        finally:
            held -= 1

    made = await program(tmp_path, "print('%PDF')", waits_s=5.0).print("", "", room)
    assert made.startswith(b"%PDF")
    assert (free, held) == ([], 0)


@pytest.mark.parametrize(
    ("text", "granted", "error"),
    [
        ("sys.exit(4)", LEAST_BYTES, NoRoomToPrint),
        ("import os; os.abort()", LEAST_BYTES, NoRoomToPrint),
        ("sys.exit(1)", LEAST_BYTES, PdfTooLarge),
        ("sys.exit(4)", MOST_BYTES, PdfTooLarge),
    ],
)
async def test_what_is_too_much_only_for_what_is_free_now_is_not_said_to_be_too_large(
    tmp_path: Path, text: str, granted: int, error: type[Exception]
) -> None:
    @asynccontextmanager
    async def room(_: int, __: int) -> AsyncIterator[int]:
        yield granted

    with pytest.raises(error):
        await program(tmp_path, text).print("", "", room)


@needs_pango
async def test_what_has_to_be_free_is_enough_for_a_short_page() -> None:
    @asynccontextmanager
    async def room(_: int, __: int) -> AsyncIterator[int]:
        yield LEAST_BYTES

    assert pages_of(await PRINTER.print(PAGE.format(more=""), CSS, room)) == 2


async def test_what_fonts_of_unusual_kinds_need_is_loaded_when_one_comes() -> None:
    asked = (
        "import sys; sys.path.insert(0, sys.argv[1]); import printing_program as p\n"
        "sys.modules.update({each: p.Later(each) for each in p.LATER})\n"
        "from fontTools import subset\n"
        "from fontTools.ttLib import TTFont, TTLibError, ttFont, woff2\n"
        "from fontTools.varLib.instancer import instantiateVariableFont\n"
        "before = 'fontTools.ttLib.tables' in sys.modules\n"
        "options, font, table = subset.Options(), TTFont(), ttFont.getTableClass('glyf')\n"
        "try: instantiateVariableFont(TTFont(), {})\n"
        "except Exception as error: refused = type(error).__name__\n"
        "print(before, type(options).__module__, type(font).__module__, table.__name__, refused, issubclass(TTLibError, Exception))"
    )
    folder = str(Path(PROGRAM).parent)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-I", "-c", asked, folder],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[:4] == [
        "False",
        "fontTools.subset",
        "fontTools.ttLib.ttFont",
        "table__g_l_y_f",
    ]


async def test_one_is_made_at_a_time_and_few_wait(tmp_path: Path) -> None:
    slow = program(tmp_path, "import time; time.sleep(0.2); print('%PDF')")
    waiting = [asyncio.create_task(slow.print("", "")) for _ in range(MOST_WAITING + 1)]
    await asyncio.sleep(0)
    with pytest.raises(PrintersBusy):
        await slow.print("", "")
    began = asyncio.get_running_loop().time()
    assert all([(await each).startswith(b"%PDF") for each in waiting])
    assert asyncio.get_running_loop().time() - began > 0.2 * MOST_WAITING
    slow.require_room()
