"""Workbooks (XLSX) made while they are sent: no cell is kept, nothing is written to disk.

No kept library streams one to a socket: XlsxWriter's constant-memory mode writes each sheet to a file first, and gives the first byte when
the last row is known. A workbook is a zip of small XML parts (ECMA-376), of which an export needs four kinds.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from datetime import date
from html import escape
from typing import Any, Final

from rightlevel.programme.exports.model import Column
from rightlevel.programme.exports.text_files import Cell, cells_of

MOST_ROWS: Final = 1_048_576
"""Of a sheet, its header among them; what is more goes on in a next one. *Source*: Excel specifications and limits."""
MOST_CHARS: Final = 32_767
"""Of a cell. *Source*: the same."""
MOST_NAME: Final = 31
LEVEL: Final = 1
"""Of compression: a higher one makes a file a tenth smaller in three times the time."""
AT: Final = (1980, 1, 1, 0, 0, 0)
"""One moment for all parts, so that the same rows make the same file."""
DAY_ONE: Final = date(1899, 12, 30)

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_STYLES: Final = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}"><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf/>'
    '<xf numFmtId="164" applyNumberFormat="1"/><xf fontId="1" applyFont="1"/><xf numFmtId="49" applyNumberFormat="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
_UNFIT: Final = {code: None for code in range(32) if code not in (9, 10, 13)} | {0xFFFE: None, 0xFFFF: None}
"""What XML has no character for. *Source*: XML 1.0, 2.2."""


class _Sink:
    """What a zip is written into, taken out again piece by piece."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, content: bytes) -> int:
        self._parts.append(bytes(content))
        return len(content)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class Workbook:
    """A workbook of one sheet or several, in the order in which they are begun."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL)  # type: ignore[arg-type]  # a sink that can't seek is enough
        self._names: list[str] = []
        self._sheet: Any = None
        self._columns: Sequence[Column] = ()
        self._name = ""
        self._row = 0
        self._closing = ""

    def sheet(self, name: str, columns: Sequence[Column], closing: str = "") -> bytes:
        """Begins a sheet whose first row, which stays in sight, holds the columns' names. `closing` is XML that comes after its rows."""
        self._end_sheet()
        self._columns, self._name, self._closing = columns, name, closing
        self._begin(name)
        return self._sink.taken()

    def block(self, content: bytes) -> bytes:
        """Rows as the database gave them in COPY's text format."""
        return self.rows(cells_of(content))

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """Rows of cells, each as its column's kind."""
        kinds = [each.kind for each in self._columns]
        texts: list[str] = []
        for row in rows:
            if self._row >= MOST_ROWS:
                self._write(texts)
                texts = []
                self._end_sheet()
                self._begin(self._name)
            self._row += 1
            texts.append("<row>")
            texts += [_cell_of(cell, kind) for cell, kind in zip(row, kinds, strict=True)]
            texts.append("</row>")
        self._write(texts)
        return self._sink.taken()

    def end(self) -> bytes:
        """The parts that name the sheets; they come last, when all are known."""
        self._end_sheet()
        count = range(1, len(self._names) + 1)
        sheets = "".join(
            f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}"/>'
            for number, name in enumerate(self._names, 1)
        )
        self._part(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{sheets}</sheets></workbook>',
        )
        related = "".join(
            f'<Relationship Id="rId{n}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in count
        )
        styles = (
            f'<Relationship Id="rId{len(self._names) + 1}" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
        )
        self._part("xl/_rels/workbook.xml.rels", _relationships(related + styles))
        self._part(
            "_rels/.rels",
            _relationships(
                f'<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
            ),
        )
        self._zip.writestr(_info("xl/styles.xml"), _STYLES)
        parts = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>'
            for n in count
        )
        self._part(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>{parts}</Types>',
        )
        self._zip.close()
        return self._sink.taken()

    def _begin(self, name: str) -> None:
        again = sum(each == name or each.startswith(f"{name} (") for each in self._names)
        self._names.append(f"{name} ({again + 1})"[:MOST_NAME] if again else name[:MOST_NAME])
        self._sheet = self._zip.open(
            _info(f"xl/worksheets/sheet{len(self._names)}.xml"), "w", force_zip64=True
        )
        titles = "".join(
            f'<c t="inlineStr" s="2"><is><t>{escape(each.name, quote=False)}</t></is></c>'
            for each in self._columns
        )
        head = (
            f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" '
            f'activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData><row>{titles}</row>'
        )
        self._write([head])
        self._row = 1

    def _end_sheet(self) -> None:
        if self._sheet is not None:
            self._write([f"</sheetData>{self._closing}</worksheet>"])
            self._sheet.close()
            self._sheet = None

    def _write(self, texts: list[str]) -> None:
        if texts:
            self._sheet.write("".join(texts).encode("utf-8", "replace"))

    def _part(self, name: str, content: str) -> None:
        self._zip.writestr(_info(name), _HEAD + content)


def _relationships(inside: str) -> str:
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{inside}</Relationships>'


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, AT)
    info.compress_type = zipfile.ZIP_DEFLATED
    info._compresslevel = LEVEL  # pyright: ignore  # noqa: PGH003
    return info


def _cell_of(cell: Cell, kind: str) -> str:
    if cell is None or cell == "":
        return "<c/>"
    if kind in ("integer", "number") or not isinstance(cell, str):
        return f"<c><v>{cell}</v></c>"
    if kind == "date":
        return f'<c s="1"><v>{(date.fromisoformat(cell) - DAY_ONE).days}</v></c>'
    text = escape(cell[:MOST_CHARS].translate(_UNFIT), quote=False)
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
