"""Files as people and as enemies send them. Workbooks come from openpyxl where a real writer matters, else by hand."""

from __future__ import annotations

import csv
import io
import random
import subprocess
import sys
import tempfile
import zipfile
from datetime import date, datetime, time
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightlevel.programme.exchange.sheets import Sheet, SheetFault, SheetLimits, normalised_header, open_sheet
from rightlevel.programme.exchange.xlsx_strings import SharedStrings
from rightlevel.programme.exchange.xlsx_styles import kind_of, moment_text, number_text

SHARED_DATA = Path(__file__).parents[5] / "shared" / "data"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
Table = list[tuple[int, list[str]]]


def table_of(path: Path, limits: SheetLimits | None = None, **named: str) -> tuple[tuple[str, ...], Table]:
    with open_sheet(path, limits=limits or SheetLimits(), **named) as sheet:
        return sheet.headers, [
            (number, [*map(str, cells)]) for batch in sheet.batches() for number, cells in batch
        ]


def fault_of(path: Path, limits: SheetLimits | None = None, **named: str) -> SheetFault:
    with pytest.raises(SheetFault) as caught:
        table_of(path, limits, **named)
    assert len(caught.value.message) > 40, "a fault says what, where and what to do"
    return caught.value


@pytest.fixture
def csv_file(tmp_path: Path):
    def write(content: str | bytes, name: str = "children.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def sheet_xml(rows: str, namespace: str = MAIN) -> str:
    return f'<worksheet xmlns="{namespace}"><sheetData>{rows}</sheetData></worksheet>'


def text_row(number: int, *cells: str) -> str:
    inner = "".join(
        f'<c r="{chr(65 + at)}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
        for at, cell in enumerate(cells)
    )
    return f'<row r="{number}">{inner}</row>'


def shared_xml(*items: str) -> str:
    return f'<sst xmlns="{MAIN}">{"".join(items)}</sst>'


@pytest.fixture
def workbook(tmp_path: Path):
    """Writes the zip of a workbook by hand. `parts` adds or replaces parts; None leaves one out."""

    def write(
        sheet: str | bytes,
        *,
        shared: str | None = None,
        book: str | None = None,
        name: str = "book.xlsx",
        **parts,
    ) -> Path:
        path = tmp_path / name
        default_book = f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="One" r:id="rId1"/></sheets></workbook>'
        content = {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": f'<Relationships xmlns="{RELS}"><Relationship Id="a" Type="{OFFICE}/officeDocument"'
            ' Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": book or default_book,
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELS}">'
            f'<Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
            f'<Relationship Id="rId2" Type="{OFFICE}/worksheet" Target="/xl/worksheets/sheet2.xml"/>'
            f'<Relationship Id="rId3" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/>'
            f'<Relationship Id="rId4" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
            "xl/worksheets/sheet1.xml": sheet,
            **({"xl/sharedStrings.xml": shared} if shared else {}),
            **parts.pop("parts", {}),
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for part, text in content.items():
                if text is not None:
                    archive.writestr(part, text)
        return path

    return write


# --- CSV ---------------------------------------------------------------------------------------------------


def test_rows_carry_the_line_they_start_on(csv_file):
    path = csv_file('\n  ,\nName,Age\n"A\nB\r\nC",7\n\n,\nDara,8\n')
    headers, rows = table_of(path)
    assert headers == ("Name", "Age")
    assert rows == [(4, ["A\nB\r\nC", "7"]), (9, ["Dara", "8"])]
    with open_sheet(path) as sheet:
        assert (sheet.kind, sheet.header_row) == ("csv", 3)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_headers_own_outside_quotes(csv_file, delimiter):
    path = csv_file(f'"a,b;c|d,,;;||"{delimiter}Age\r\nx{delimiter}7\r\n')
    assert table_of(path) == (("a,b;c|d,,;;||", "Age"), [(2, ["x", "7"])])


def test_the_sep_line_of_excel_is_honoured(csv_file):
    assert table_of(csv_file("sep=;\r\na,x;b\r\n1;2\r\n")) == (("a,x", "b"), [(3, ["1", "2"])])
    assert table_of(csv_file('"sep=^"\na^b\n1^2\n')) == (("a", "b"), [(3, ["1", "2"])])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_unicode_is_read_in_every_marked_encoding_and_line_end(csv_file, encoding, line_end):
    rows = [f"សុខា {n},कहानी,😀" for n in range(5000)]
    headers, table = table_of(csv_file(line_end.join(["ឈ្មោះ,b,c", *rows]).encode(encoding)))
    assert headers == ("ឈ្មោះ", "b", "c")
    assert table[-1] == (5001, ["សុខា 4999", "कहानी", "😀"])
    assert len(table) == 5000


def test_utf_16_big_endian_with_a_mark_is_read(csv_file):
    assert table_of(csv_file(b"\xfe\xff" + "a,b\n1,ខ\n".encode("utf-16-be")))[1] == [(2, ["1", "ខ"])]


def test_bytes_that_are_no_utf_8_are_refused_by_line_unless_windows_1252_is_asked(csv_file):
    lines = ["name", *(f"n{n}" for n in range(3000)), "José", "x"]
    path = csv_file("\n".join(lines).encode("windows-1252"))
    fault = fault_of(path)
    assert (fault.code, fault.row) == ("bad_encoding", 3002)
    assert table_of(path, encoding="windows-1252")[1][3000] == (3002, ["José"])
    assert table_of(csv_file("name\nJosé ខ\n"), encoding="windows-1252")[1] == [(2, ["José ខ"])]
    assert fault_of(path, encoding="rot13").code == "unknown_encoding"
    assert fault_of(path, encoding="nonsense").code == "unknown_encoding"


def test_utf_16_cut_in_the_middle_and_without_a_mark_is_refused(csv_file):
    fault = fault_of(csv_file("a,b\n1,2\n".encode("utf-16")[:-1]))
    assert (fault.code, fault.row) == ("bad_encoding", 2)
    assert fault_of(csv_file("a,b\n1,2\n".encode("utf-16-le"))).code == "bad_encoding"
    assert fault_of(csv_file("a,b\n1,2\n".encode("utf-32"))).code == "bad_encoding"


def test_short_rows_are_padded_and_blank_ends_dropped(csv_file):
    path = csv_file("a,b,c,,\n1\n1,2,3, ,,\n")
    assert table_of(path) == (("a", "b", "c"), [(2, ["1", "", ""]), (3, ["1", "2", "3"])])


def test_a_row_longer_than_the_header_is_refused(csv_file):
    fault = fault_of(csv_file("a,b\n1,2\n1,Sok, Dara\n"))
    assert (fault.code, fault.row, fault.column) == ("too_long_row", 3, 3)


def test_an_unclosed_quote_is_refused_with_the_line_it_is_on(csv_file):
    fault = fault_of(csv_file('a,b\n1,2\n"x\ny",3\n1,"never closed\n2,3\n'))
    assert (fault.code, fault.row) == ("unclosed_quote", 5)


@pytest.mark.parametrize(
    ("filler", "code"),
    [
        (b"2,3,some text that goes on\n", "unclosed_quote"),  # one cell that swallows all the rest
        (b'","\n', "unclosed_quote"),  # one record of ever more cells
        (b",", "row_too_long"),  # one line without an end
        (b"x", "row_too_long"),
    ],
)
def test_fifty_megabytes_in_one_record_are_refused_after_a_few(csv_file, filler, code):
    path = csv_file(b'a,b\n1,2\n1,"' + filler * (50_000_000 // len(filler)))
    if code != "unclosed_quote":
        path = csv_file(b"a,b\n1,2\n" + filler * (50_000_000 // len(filler)))
    with open_sheet(path) as sheet:
        with pytest.raises(SheetFault) as caught:
            list(sheet.batches())
        assert (caught.value.code, caught.value.row) == (code, 3)
        assert sheet.progress()[0] < 4_000_000


def test_text_after_a_closing_quote_is_refused(csv_file):
    fault = fault_of(csv_file('a,b\n1,2\n"Sok" Dara,2\n'))
    assert (fault.code, fault.row) == ("bad_quote", 3)


def test_a_nul_is_refused_by_line_and_column(csv_file):
    fault = fault_of(csv_file("a,b\n" + "1,2\n" * 4000 + "1,x\0y\n" + "1,2\n" * 4000))
    assert (fault.code, fault.row, fault.column) == ("nul_character", 4002, 2)


def test_a_cell_may_hold_what_excel_allows_and_no_more(csv_file):
    for content, row in (("ខ" * 32_767, 0), ("ខ" * 32_768, 102), ('"' + "x\n" * 20_000 + '"', 102)):
        path = csv_file("a,b\n" + "1,2\n" * 100 + f"1,{content}\n" + "1,2\n" * 100)
        if row:
            fault = fault_of(path)
            assert (fault.code, fault.row, fault.column) == ("cell_too_long", row, 2)
        else:
            assert table_of(path)[1][100] == (102, ["1", content])


def test_columns_and_rows_have_ceilings(csv_file):
    assert fault_of(csv_file("x," * 600 + "x\n1\n")).code == "too_many_columns"
    fault = fault_of(csv_file("a\n" + "1\n" * 5000), SheetLimits(rows=4321))
    assert (fault.code, fault.row) == ("too_many_rows", 4323)
    assert fault_of(csv_file("a\n1\n"), SheetLimits(file_bytes=3)).code == "file_too_large"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf", "no_header"),
        (b"\n\n , ,\n", "no_header"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_a_sheet"),
        (b"%PDF-1.7 and so on", "not_a_sheet"),
        (b"<html><table><tr><td>name</td></tr></table></html>", "not_a_sheet"),
        (b"\x1f\x8b\x08\x00 gzip", "not_a_sheet"),
        (bytes(range(256)) * 20, "not_a_sheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096), "legacy_xls"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(999) + "EncryptedPackage".encode("utf-16-le"),
            "encrypted",
        ),
        (b"PK\x03\x04 only the beginning", "damaged_file"),
    ],
)
def test_what_is_no_sheet_is_refused_by_content_whatever_its_name(csv_file, content, code):
    for name in ("a.csv", "a.xlsx"):
        assert fault_of(csv_file(content, name)).code == code


def test_a_folder_is_no_sheet_and_a_csv_has_no_sheet_names(tmp_path, csv_file):
    assert fault_of(tmp_path).code == "not_a_sheet"
    assert fault_of(csv_file("a\n1\n"), sheet="Kids").code == "no_such_sheet"


def test_repeated_headers_are_seen_and_can_be_told_apart(csv_file):
    with open_sheet(csv_file("Name, Score ,name,Age#2,,School\u200b  ID\n1,2,3,4,5,6\n")) as sheet:
        assert sheet.headers == ("Name", "Score", "name", "Age#2", "", "School  ID")
        assert sheet.repeated == {"Name", "name"}
        assert sheet.columns == {"score": 1, "age#2": 3, "school id": 5}
        assert [sheet.column_index(name) for name in ("Name#1", "NAME#2", "Age#2", "school id")] == [
            0,
            2,
            3,
            5,
        ]
        for name, code in (("Name", "repeated_header"), ("Name#3", "no_such_column"), ("", "no_such_column")):
            with pytest.raises(SheetFault) as caught:
                sheet.column_index(name)
            assert caught.value.code == code
    assert normalised_header("  School\u00a0 ＩＤ\n") == "school id"


def test_progress_reaches_the_end_and_rows_are_read_once(csv_file):
    with open_sheet(csv_file("a\n" + "12345\n" * 5000)) as sheet:
        assert sum(map(len, sheet.batches(rows_per_batch=7))) == 5000
        assert sheet.progress() == (30_002, 30_002)
        with pytest.raises(RuntimeError):
            sheet.batches()
    sheet.close()


def test_wide_rows_come_in_shorter_batches(csv_file):
    with open_sheet(csv_file("a,b\n" + f"1,{'x' * 30_000}\n" * 200)) as sheet:
        sizes = [len(batch) for batch in sheet.batches(rows_per_batch=200)]
    assert sum(sizes) == 200
    assert max(sizes) <= 64


# A file full of control characters is taken for a picture or a program, rightly.
CONTROLS = "".join(map(chr, range(32))).translate({9: None, 10: None, 13: None})
CELL = st.text(st.characters(exclude_characters=CONTROLS, exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=40),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_csv_writes_is_read_back(rows, delimiter, line_end, encoding):
    text = io.StringIO(newline="")
    # Python before 3.13 leaves a lone CR unquoted when lines end in LF.
    quoting = csv.QUOTE_ALL if line_end == "\n" else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerows([["a", "b", "c"], *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        path.write_bytes(text.getvalue().encode(encoding))
        table = table_of(path)[1]
    assert [cells for _, cells in table] == [row for row in rows if any(map(str.strip, row))]


@pytest.mark.shared_data
def test_a_real_registry_is_read():
    path = SHARED_DATA / "aser-pakistan-2019-schools.csv"
    if not path.exists():
        pytest.skip(f"the ASER Pakistan 2019 school registry is not at {path}")
    with open_sheet(path) as sheet:
        rows = [row for batch in sheet.batches() for row in batch]
        assert len(sheet.headers) == 124
        assert len(rows) == 7252
        assert sheet.repeated == {"S011n"}
        assert sheet.column_index("S011n#2") > sheet.column_index("S011n#1")
        place = sheet.column_index("DNAME")
    assert rows[0][0] == 2
    assert rows[0][1][place] == "KHUZDAR"
    assert {len(cells) for _, cells in rows} == {124}


# --- XLSX --------------------------------------------------------------------------------------------------


def test_a_workbook_of_openpyxl_reads_as_a_person_sees_it(tmp_path):
    book = openpyxl.Workbook()
    book.create_sheet("Notes", 0).sheet_state = "hidden"
    sheet = book["Sheet"]
    sheet.append(["Name", "Value"])
    values = {
        "whole": (7, "7"),
        "float whole": (7.0, "7"),
        "long": (12345678901, "12345678901"),
        "noise": (0.1 + 0.2, "0.3"),
        "small": (1e-7, "0.0000001"),
        "negative": (-2.50, "-2.5"),
        "yes": (True, "TRUE"),
        "error": ("#N/A", "#N/A"),
        "day": (date(2015, 3, 1), "2015-03-01"),
        "moment": (datetime(2015, 3, 1, 14, 30), "2015-03-01T14:30:00"),
        "time": (time(8, 5), "08:05:00"),
        "khmer": ("សុខា & <b>", "សុខា & <b>"),
        "digits": ("007", "007"),
    }
    for name, (value, _) in values.items():
        sheet.append([name, value])
    sheet["A20"], sheet["D20"] = "far", "  "
    book.save(path := tmp_path / "real.csv")
    headers, rows = table_of(path)
    assert headers == ("Name", "Value")
    assert {cells[0]: cells[1] for _, cells in rows[:-1]} == {
        name: text for name, (_, text) in values.items()
    }
    assert rows[-1] == (20, ["far", ""])
    with open_sheet(path, sheet="sheet") as named:
        assert (named.kind, named.sheet_names, named.headers) == ("xlsx", ("Notes", "Sheet"), headers)
    assert fault_of(path, sheet="Kids").code == "no_such_sheet"
    assert fault_of(path, sheet="Notes").code == "no_header"


def test_shared_strings_join_runs_and_leave_phonetic_guides_out(workbook):
    shared = shared_xml(
        "<si><t>a</t></si>",
        '<si><r><rPr><b/></rPr><t>rich </t></r><r><t xml:space="preserve">text</t></r><rPh sb="0" eb="1"><t>no</t></rPh></si>',
        "<si><t>x_x000D_\ny_x005F_z_x0000_</t><phoneticPr/></si>",
        "<si/>",
    )
    cells = "".join(f'<c r="A{n}" t="s"><v>{n - 1}</v></c>' for n in (1,))
    rows = f'<row r="1">{cells}</row>' + "".join(
        f'<row r="{n}"><c r="A{n}" t="s"><v>{n - 1}</v></c></row>' for n in (2, 3, 4)
    )
    assert table_of(workbook(sheet_xml(rows), shared=shared)) == (
        ("a",),
        [(2, ["rich text"]), (3, ["x\r\ny_z_x0000_"])],
    )


def test_cells_stand_where_their_reference_says_and_formulas_give_what_was_stored(workbook):
    rows = (
        '<row r="2"><c r="A2" t="str"><v>a</v></c><c r="B2" t="str"><v>b</v></c><c r="C2" t="str"><v>c</v></c></row>'
        '<row r="5" spans="1:3"><c r="C5"><f>SUM(<x/>A1)</f><v>3</v></c></row>'
        '<row><c><v>1</v></c><c/><c t="e"><v>#REF!</v></c></row>'
        '<row r="9"><c r="B9" t="inlineStr"><is><r><t>in</t></r><r><t>line</t></r><rPh><t>x</t></rPh></is></c>'
        '<c r="ZZ9" s="1"/></row>'
    )
    expected = [(5, ["", "", "3"]), (6, ["1", "", "#REF!"]), (9, ["", "inline", ""])]
    assert table_of(workbook(sheet_xml(rows)))[1] == expected
    assert table_of(workbook(sheet_xml(rows, STRICT)))[1] == expected
    prefixed = sheet_xml(rows).replace("</", "</x:").replace("<", "<x:").replace("<x:/x:", "</x:")
    assert table_of(workbook(prefixed.replace("xmlns=", "xmlns:x=")))[1] == expected


def test_days_count_from_1900_or_1904_as_the_workbook_says(workbook):
    styles = (
        f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy"/></numFmts>'
        '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs>'
        "</styleSheet>"
    )
    rows = (
        text_row(1, "on")
        + '<row r="2"><c r="A2" s="1"><v>42064</v></c></row><row r="3"><c r="A3" s="0"><v>42064</v></c></row>'
    )
    parts = {"xl/styles.xml": styles}
    assert table_of(workbook(sheet_xml(rows), parts=parts))[1] == [(2, ["2015-03-01"]), (3, ["42064"])]
    book = (
        f'<workbook xmlns="{MAIN}" xmlns:z="{OFFICE}"><workbookPr date1904="1"/><sheets>'
        '<sheet name="Secret" state="veryHidden" z:id="rId2"/><sheet name="One" z:id="rId1"/></sheets></workbook>'
    )
    assert table_of(workbook(sheet_xml(rows), book=book, parts=parts))[1][0] == (2, ["2019-03-02"])


@pytest.mark.parametrize(
    ("serial", "kind", "is_1904", "text"),
    [
        ("1", "day", False, "1900-01-01"),
        ("59", "day", False, "1900-02-28"),
        ("60", "day", False, "1900-02-29"),
        ("61", "day", False, "1900-03-01"),
        ("0", "day", False, None),
        ("0", "day", True, "1904-01-01"),
        ("42064.999999999", "moment", False, "2015-03-02"),
        ("42064.5", "day", False, "2015-03-01"),
        ("42064.5", "time", False, "2015-03-01T12:00:00"),
        ("0.5", "time", False, "12:00:00"),
        ("1.5", "span", False, "36:00:00"),
        ("2958465", "day", False, "9999-12-31"),
        ("2958465", "day", True, None),
        ("2958466", "day", False, None),
        ("-1", "day", False, None),
        ("nan", "day", False, None),
    ],
)
def test_a_serial_number_is_the_day_it_shows(serial, kind, is_1904, text):
    assert moment_text(serial, kind, is_1904) == text


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("yyyy-mm-dd", "day"),
        ("[$-41E]d mmmm yyyy;@", "day"),
        ("m/d/yy h:mm AM/PM", "moment"),
        ("h:mm:ss", "time"),
        ("[h]:mm", "span"),
        ("mmm", "day"),
        ("General", None),
        ("0.00E+00", None),
        ('#,##0 "days"', None),
        ("[Red]0.00;[Blue]-0.00", None),
        (r"0\d", None),
        ("@", None),
    ],
)
def test_a_number_format_shows_a_day_or_it_doesnt(code, kind):
    assert kind_of(code) == kind


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("1.0", "1"),
        ("0", "0"),
        ("-0", "0"),
        ("1.2345678901E10", "12345678901"),
        ("12345678901234567", "12345678901234567"),
        ("0.30000000000000004", "0.3"),
        ("1E+20", "100000000000000000000"),
        ("1e999", None),
        ("nan", None),
        ("1_000", None),
        ("٣", None),
        ("", None),
    ],
)
def test_numbers_have_no_exponent_and_no_noise(stored, text):
    assert number_text(stored) == text


def test_a_five_kilobyte_file_with_the_last_cell_filled_is_refused(tmp_path):
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "a", "b"
    book.save(path := tmp_path / "wide.xlsx")
    assert path.stat().st_size < 6000
    fault = fault_of(path)
    assert (fault.code, fault.row, fault.column) == ("too_many_columns", 1_048_576, 16_384)


ONE = sheet_xml(text_row(1, "a", "b") + text_row(2, "1", "2"))


def test_document_types_and_entities_are_refused_in_every_part(workbook):
    laughs = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    outside = '<!DOCTYPE x SYSTEM "file:///etc/passwd">'
    for evil in (laughs, outside):
        assert fault_of(workbook(evil + ONE)).code == "forbidden_xml"
        assert fault_of(workbook(ONE, shared=evil + shared_xml())).code == "forbidden_xml"
        assert (
            fault_of(workbook(ONE, parts={"xl/styles.xml": evil + "<styleSheet/>"})).code == "forbidden_xml"
        )
        assert (
            fault_of(workbook(ONE, parts={"_rels/.rels": evil + "<Relationships/>"})).code == "forbidden_xml"
        )


def test_a_bomb_is_refused_by_size_by_ratio_and_by_number_of_parts(workbook):
    blank = sheet_xml(text_row(1, "a") + " " * 40_000_000)
    assert fault_of(path := workbook(blank)).code == "zip_bomb"
    assert fault_of(path, SheetLimits(uncompressed_bytes=1_000_000)).code == "zip_bomb"
    many = {f"xl/media/{n}.png": "" for n in range(300)}
    assert fault_of(workbook(ONE, parts=many), SheetLimits(entries=100)).code == "zip_bomb"


def test_a_directory_of_a_hundred_thousand_parts_is_refused_unread(tmp_path):
    with zipfile.ZipFile(path := tmp_path / "many.zip", "w") as archive:
        archive.writestr("a", b"")
        info = archive.filelist[0]
        archive.filelist.extend([info] * 100_000)
    assert fault_of(path).code == "damaged_file"


def test_xml_that_nests_for_ever_or_holds_an_endless_tag_is_refused(workbook):
    for open_tags in ("<a>", "<row><c><v>", "<row><c><is><r><t>", "<row><c><is><a>"):
        assert fault_of(workbook(sheet_xml(open_tags * 100_000))).code == "damaged_file"
    assert fault_of(workbook(ONE, shared=shared_xml("<si><t>" * 100_000))).code == "damaged_file"
    assert fault_of(workbook(ONE, book="<a>" * 1000)).code == "damaged_file"
    endless = "".join(map(str, range(400_000)))
    assert fault_of(workbook(sheet_xml(f'<row r="{endless}"/>'))).code == "damaged_file"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (text_row(3, "a") + text_row(2, "b"), "rows_out_of_order"),
        (text_row(3, "a") + text_row(3, "b"), "rows_out_of_order"),
        ('<row r="0"/>', "damaged_file"),
        ('<row r="1048577"/>', "damaged_file"),
        ('<row r="x"/>', "damaged_file"),
        ('<row r="1"><c r="A2"><v>1</v></c></row>', "damaged_file"),
        ('<row r="1"><c r="1"><v>1</v></c></row>', "damaged_file"),
        ('<row r="1"><c r="B1"><v>1</v></c><c r="A1"><v>1</v></c></row>', "damaged_file"),
        ('<row r="1"><c r="A1"><v>1</v></c><c r="A1"><v>1</v></c></row>', "damaged_file"),
        ('<row r="1"><c r="A1" t="s"><v>0</v></c></row>', "bad_cell"),
        ('<row r="1"><c r="A1" t="s"><v>-1</v></c></row>', "bad_cell"),
        ('<row r="1"><c r="A1"><v>abc</v></c></row>', "bad_cell"),
        (f'<row r="1"><c r="SS1" t="str"><v>{"x" * 40_000}</v></c></row>', "cell_too_long"),
        ('<row r="1"><c r="SS1"><v>1</v></c></row>', "too_many_columns"),
        ("<row", "damaged_file"),
    ],
)
def test_a_sheet_that_is_not_in_order_is_refused(workbook, rows, code):
    assert fault_of(workbook(sheet_xml(rows))).code == code


def test_rows_have_a_ceiling_in_workbooks_too(workbook):
    rows = "".join(text_row(n, "x") for n in range(1, 50))
    fault = fault_of(workbook(sheet_xml(rows)), SheetLimits(rows=20))
    assert (fault.code, fault.row) == ("too_many_rows", 22)


def test_what_the_content_types_claim_is_not_believed(workbook):
    lie = '<Types><Override PartName="/xl/worksheets/sheet1.xml" ContentType="image/png"/></Types>'
    assert len(table_of(workbook(ONE, parts={"[Content_Types].xml": lie}))[1]) == 1
    assert fault_of(workbook(b"\x89PNG\r\n\x1a\n" + bytes(50))).code == "damaged_file"
    assert fault_of(workbook("<chartsheet/>")).code == "damaged_file"
    assert fault_of(workbook(ONE, parts={"xl/workbook.xml": None})).code == "not_a_sheet"
    ods = {"_rels/.rels": None, "xl/workbook.xml": None, "mimetype": "x"}
    assert "OpenDocument" in fault_of(workbook(ONE, parts=ods)).message


def test_names_that_climb_lead_nowhere_and_duplicates_are_refused(workbook, tmp_path):
    climbing = {"../../../../tmp/evil": "x", "/etc/passwd": "x", "C:\\evil": "x"}
    assert len(table_of(workbook(ONE, parts=climbing))[1]) == 1
    rels = (
        f'<Relationships xmlns="{RELS}"><Relationship Id="rId1" Type="{OFFICE}/worksheet" '
        'Target="../../../../../etc/passwd"/></Relationships>'
    )
    assert fault_of(workbook(ONE, parts={"xl/_rels/workbook.xml.rels": rels})).code == "damaged_file"
    assert fault_of(workbook(ONE, parts={"XL/Workbook.xml": "<workbook/>"})).code == "damaged_file"


def test_parts_locked_or_packed_strangely_are_refused(workbook, tmp_path):
    path = workbook(ONE)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 4)
    path.write_bytes(data)
    assert fault_of(path).code == "encrypted"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    assert fault_of(path).code == "damaged_file"


def test_a_workbook_cut_or_flipped_anywhere_is_read_or_refused_and_never_worse(workbook):
    shared = shared_xml(*(f"<si><t>text {n}</t></si>" for n in range(200)))
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>{n}</v></c></row>' for n in range(1, 150))
    path = workbook(sheet_xml(rows), shared=shared)
    whole = path.read_bytes()
    chance = random.Random(20261123)
    refused = 0
    for trial in range(600):
        data = bytearray(whole)
        if trial % 3 == 0:
            del data[chance.randrange(10, len(data)) :]
        else:
            for _ in range(trial % 4 + 1):
                data[chance.randrange(4, len(data))] = chance.randrange(256)
        path.write_bytes(data)
        try:
            table_of(path)
        except SheetFault:
            refused += 1
    assert refused > 300


def test_shared_strings_are_bounded_by_count_bytes_and_cell(workbook):
    shared = shared_xml(*(f"<si><t>text {n:06}</t></si>" for n in range(2000)))
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>{n * 7 % 2000}</v></c></row>' for n in range(1, 2001))
    path = workbook(sheet_xml(rows), shared=shared)
    assert fault_of(path, SheetLimits(shared_strings=1999)).code == "too_much_text"
    assert fault_of(path, SheetLimits(shared_string_bytes=10_000)).code == "too_much_text"
    assert (
        fault_of(workbook(ONE, shared=shared_xml(f"<si><t>{'x' * 32_768}</t></si>"))).code == "cell_too_long"
    )
    spilled = table_of(
        path := workbook(sheet_xml(rows), shared=shared), SheetLimits(shared_string_memory_bytes=999)
    )
    assert spilled == table_of(path)


def test_strings_past_the_memory_bound_lie_in_a_file_and_read_the_same():
    texts = [f"ខ{n}" * (n % 90) for n in range(3000)]
    strings = SharedStrings(SheetLimits(shared_string_memory_bytes=50_000))
    for text in texts:
        strings.append(text)
    strings.finish()
    assert strings.spilled
    order = random.Random(7).sample(range(3000), 3000)
    assert [strings[n] for n in (*order, *range(3000))] == [texts[n] for n in (*order, *range(3000))]
    strings.close()


# --- Memory ------------------------------------------------------------------------------------------------

READER = """
import sys
from pathlib import Path
from rightlevel.programme.exchange.sheets import SheetFault, open_sheet
def peak_kib():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
before, rows = peak_kib(), 0
try:
    with open_sheet(Path(sys.argv[1])) as sheet:
        for batch in sheet.batches():
            rows += len(batch)
except SheetFault as fault:
    rows = fault.code
print(rows, peak_kib() - before)
"""


def read_apart(path: Path) -> tuple[str, float]:
    """What a fresh process read of the file, and by how many MiB its peak memory grew."""
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=True
    )
    rows, kib = done.stdout.split()
    return rows, int(kib) / 1024


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc"
)


@needs_proc
def test_two_hundred_thousand_csv_rows_take_no_more_memory_than_a_few(csv_file):
    path = csv_file("id,name,school\n" + "".join(f"{n},Name {n},School {n % 99}\n" for n in range(200_000)))
    rows, grown_mib = read_apart(path)
    assert rows == "200000"
    assert grown_mib < 8


@needs_proc
def test_two_hundred_thousand_workbook_rows_take_no_more_memory_than_a_few(workbook):
    rows = "".join(
        f'<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="B{n}" t="s"><v>{n - 1}</v></c></row>'
        for n in range(1, 200_002)
    )
    shared = shared_xml(*(f"<si><t>A name of one child {n}</t></si>" for n in range(200_001)))
    read, grown_mib = read_apart(workbook(sheet_xml(rows), shared=shared))
    assert read == "200000"
    assert grown_mib < 24  # 8 MiB of texts at most, their offsets, and the reading itself


@needs_proc
@pytest.mark.parametrize("ids", ["same", "different"])
def test_cells_that_all_point_to_the_longest_texts_stay_bounded(workbook, ids):
    chance = random.Random(5)
    texts = ("".join(chance.choices("កខគឃង", k=1635)) * 20 for _ in range(300))
    shared = shared_xml("<si><t>a</t></si>", *(f"<si><t>{text}</t></si>" for text in texts))
    rows = "".join(
        f'<row r="{n}"><c r="A{n}" t="s"><v>{1 if ids == "same" else n % 300}</v></c></row>'
        for n in range(2, 3000)
    )
    read, grown_mib = read_apart(workbook(sheet_xml(text_row(1, "a") + rows), shared=shared))
    assert read == "2998"
    assert grown_mib < 64


def test_closing_early_leaves_nothing_open(workbook, csv_file):
    for path in (workbook(ONE), csv_file("a\n1\n2\n")):
        sheet: Sheet = open_sheet(path)
        next(sheet.batches(rows_per_batch=1))
        sheet.close()
        sheet.close()
