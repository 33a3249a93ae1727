"""Pages as PDF: made in a process of its own, which fetches nothing, is bounded, and whose troubles are told in a sentence."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from pdf_pages import needs_pango, pages_of

from rightlevel.operations.printing import (
    MOST_WAITING,
    PRINTER,
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


def program(folder: Path, text: str) -> Printer:
    path = folder / "program.py"
    path.write_text(f"import sys; sys.stdin.read()\n{text}")
    return Printer(str(path))


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
    monkeypatch.setattr("rightlevel.operations.printing.MEMORY_BYTES", 60 * 1024 * 1024)
    with pytest.raises(PdfTooLarge):
        await PRINTER.print(PAGE.format(more=""), CSS)


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
