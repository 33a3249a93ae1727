"""A corpus of bad files, made by a script: `bad_files()` gives each a name, the kind that it is imported as, and its bytes.

None of them may be saved, not even in part; each gets a sentence that says what is wrong and where.
"""

from __future__ import annotations

import gzip
import io
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any, Final

import msgspec

HEADER: Final = "school_code,code,name,sex,grade"
GOOD: Final = "A,G1,Sok Dara,f,3"
MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELS: Final = "http://schemas.openxmlformats.org/package/2006/relationships"


class BadFile(msgspec.Struct, frozen=True):
    group: str
    name: str
    content: bytes
    kind: Any = "students"
    suffix: str = ".csv"


def csv_of(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def bad_files() -> Iterator[BadFile]:
    """The whole corpus, one after another: none of the large ones is held beside another."""
    yield from encodings()
    yield from structures()
    yield from other_kinds()
    yield from workbooks()
    yield from children()
    yield from schools()
    yield from results()
    yield from places()
    yield from classes()
    yield from people()
    yield from assignments()


def encodings() -> Iterator[BadFile]:
    words = {
        "cp1252": "Élodie Zoé",
        "cp1250": "Łukasz Żółć",
        "cp1251": "Сергей Иванов",
        "koi8-r": "Сергей Иванов",
        "cp1253": "Γιώργος",
        "cp1254": "Şükrü İğne",
        "cp1255": "שלום",
        "cp1256": "سامي علي",
        "cp1257": "Žydrūnas",
        "cp1258": "Đặng",
        "cp874": "สมชาย",
        "gb18030": "王小明",
        "big5": "王小明",
        "shift_jis": "山田太郎",
        "euc-jp": "山田太郎",
        "euc-kr": "김철수",
        "cp037": "Sok Dara",
        "mac-roman": "Zoë Çelik",
        "utf-32": "Sok Dara",
        "utf-32-le": "Sok Dara",
        "utf-16-le": "Sok Dara",
        "utf-16-be": "Sok Dara",
    }
    for encoding, name in words.items():
        text = f"{HEADER}\nA,G1,{name},f,3\nA,G2,{name} B,m,4\n"
        yield BadFile("encodings", encoding, text.encode(encoding, "ignore"))
    breaks = {
        "cut in a letter": "សុខ".encode()[:-1] + b",f,3\n",
        "lone continuation": b"Sok\x80Dara,f,3\n",
        "overlong slash": b"Sok\xc0\xafDara,f,3\n",
        "surrogate": b"Sok\xed\xa0\x80,f,3\n",
        "past the last letter": b"Sok\xf5\x80\x80\x80,f,3\n",
        "latin among utf-8": "សុខ ".encode() + b"\xe9lodie,f,3\n",
    }
    for name, rest in breaks.items():
        yield BadFile("encodings", name, csv_of(GOOD) + b"A,G2," + rest)
    yield BadFile(
        "encodings", "late", csv_of(*[f"A,L{n},Sok,f,3" for n in range(5000)]) + b"A,X,\xff\xfe,f,3\n"
    )
    yield BadFile("encodings", "in the header", b"school_code,code,nam\xe9,sex,grade\nA,1,Sok,f,3\n")
    yield BadFile("encodings", "odd utf-16", csv_of(GOOD).decode().encode("utf-16") + b"\x41")
    yield BadFile(
        "encodings", "half a pair in utf-16", csv_of(GOOD).decode().encode("utf-16") + b"\x00\xd8A\x00\n\x00"
    )


def structures() -> Iterator[BadFile]:
    group = "structures"
    texts = {
        "nothing": b"",
        "only a mark": b"\xef\xbb\xbf",
        "only line ends": b"\n\n\n\n",
        "only blanks": b"   \t  \n   \n",
        "only separators": b",,,,\n,,,,\n",
        "nul in a cell": csv_of("A,N1,So\x00k,f,3"),
        "nul in the header": csv_of(GOOD, header="school_code,code,na\x00me,sex,grade"),
        "all nul": b"\x00" * 5000,
        "quote never closed": csv_of('A,Q1,"Sok,f,3', GOOD),
        "text after a quote": csv_of('A,Q1,"Sok" Dara,f,3'),
        "quote never closed over a megabyte": csv_of('A,Q1,"Sok,f,3') + b"x,y\n" * 300_000,
        "row too long": csv_of(GOOD, "A,R1,Sok,f,3,more,and more"),
        "comma in a name": csv_of("A,R1,Sok,Dara,f,3"),
        "a cell of forty thousand": csv_of(f"A,C1,{'x' * 40_000},f,3"),
        "a line of three megabytes": csv_of("x" * 3_000_000),
        "six hundred columns": csv_of(GOOD, header=HEADER + "," + ",".join(f"c{n}" for n in range(600))),
        "a million columns": (",".join(f"c{n}" for n in range(1_000_000)) + "\n").encode(),
        "a million separators": csv_of(GOOD) + b"," * 1_000_000 + b"x",
        "no header": b"A,H1,Sok,f,3\nA,H2,Dara,m,4\n",
        "two header rows": csv_of("School,Roll no,Full name,Boy or girl,Class", GOOD),
        "header again in the middle": csv_of(GOOD, HEADER, "A,G2,Lina,f,3"),
        "wrong delimiter": csv_of(GOOD).replace(b",", b"^"),
        "colons": csv_of(GOOD).replace(b",", b":"),
        "spaces": csv_of(GOOD).replace(b",", b"  "),
        "header with commas, rows with semicolons": csv_of(GOOD.replace(",", ";")),
        "header with tabs, rows with commas": csv_of(GOOD, header=HEADER.replace(",", "\t")),
        "one header twice": csv_of("A,D1,Sok,f,3,Dara", header=HEADER + ",name"),
        "total at the end": csv_of(GOOD, "Total,,,,1"),
        "a note at the end": csv_of(GOOD, "* as told by the head teacher,,,,"),
        "rows of stars": csv_of(GOOD, "***,***,***,***,***"),
        "ragged": csv_of(GOOD, "A", "A,R2", "A,R3,Lina"),
        "columns the other way round": b"school_code,A,A\ncode,1,2\nname,Sok,Dara\nsex,f,m\ngrade,3,4\n",
    }
    for name, content in texts.items():
        yield BadFile(group, name, content)
    for column in HEADER.split(","):
        names = [each for each in HEADER.split(",") if each != column]
        cells = [
            cell for each, cell in zip(HEADER.split(","), GOOD.split(","), strict=True) if each != column
        ]
        yield BadFile(group, f"without {column}", csv_of(",".join(cells), header=",".join(names)))


def other_kinds() -> Iterator[BadFile]:
    group = "other kinds of file"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    html = b"<html><body><table><tr><td>school_code</td></tr></table></body></html>"
    starts: dict[str, tuple[bytes, str]] = {
        "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", ".csv"),
        "png": (b"\x89PNG\r\n\x1a\n" + b"\x00" * 100, ".csv"),
        "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\x00" * 100, ".csv"),
        "gif": (b"GIF89a" + b"\x01\x00" * 50, ".csv"),
        "old excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, ".xls"),
        "old excel called xlsx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, ".xlsx"),
        "html called xls": (html, ".xls"),
        "html called xlsx": (html, ".xlsx"),
        "html called csv": (html, ".csv"),
        "spreadsheet xml of 2003": (b'<?xml version="1.0"?><Workbook><Worksheet/></Workbook>', ".xls"),
        "json": (b'[{"school_code": "A", "code": "1"}]', ".csv"),
        "json lines": (b'{"school_code": "A", "code": "1"}\n' * 3, ".csv"),
        "gzip": (gzip.compress(csv_of(GOOD)), ".csv"),
        "bzip2": (b"BZh91AY&SY" + b"\x9c" * 50, ".csv"),
        "xz": (b"\xfd7zXZ\x00" + b"\x9c" * 50, ".csv"),
        "7z": (b"7z\xbc\xaf\x27\x1c" + b"\x9c" * 50, ".csv"),
        "rar": (b"Rar!\x1a\x07\x01\x00" + b"\x9c" * 50, ".csv"),
        "sqlite": (b"SQLite format 3\x00" + b"\x00" * 100, ".csv"),
        "parquet": (b"PAR1" + b"\x15\x00" * 50 + b"PAR1", ".csv"),
        "program for windows": (b"MZ\x90\x00" + b"\x00" * 100, ".csv"),
        "program for linux": (b"\x7fELF\x02\x01\x01" + b"\x00" * 100, ".csv"),
        "rich text": (b"{\\rtf1\\ansi Sok Dara}", ".csv"),
        "a mail": (b"From: a@example.org\nSubject: roster\n\nhello\n", ".csv"),
        "a card": (b"BEGIN:VCARD\nFN:Sok\nEND:VCARD\n", ".csv"),
        "a document in a zip": (packed.getvalue(), ".xlsx"),
        "a cut zip": (packed.getvalue()[:-30], ".xlsx"),
        "only the start of a zip": (b"PK\x03\x04" + b"\x00" * 1000, ".xlsx"),
        "an empty zip": (b"PK\x05\x06" + b"\x00" * 18, ".xlsx"),
        "noise": (bytes((n * 7919 + 13) % 256 for n in range(4096)), ".csv"),
    }
    for name, (content, suffix) in starts.items():
        yield BadFile(group, name, content, suffix=suffix)


def sheet_of(*rows: list[str], after: str = "") -> str:
    """A sheet whose cells are given as XML after their address, such as ` t="inlineStr"><is><t>x</t></is>`."""
    lines = [
        f'<row r="{number}">'
        + "".join(f'<c r="{chr(65 + at)}{number}"{cell}</c>' for at, cell in enumerate(row))
        + "</row>"
        for number, row in enumerate(rows, 1)
    ]
    return f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData>{after}</worksheet>'


def text(value: str) -> str:
    return f' t="inlineStr"><is><t>{value}</t></is>'


HEAD: Final = [text(each) for each in HEADER.split(",")]
ROW: Final = [text(each) for each in GOOD.split(",")]


def book_of(sheet: str | None, *, method: int = zipfile.ZIP_DEFLATED, **parts: str | bytes | None) -> bytes:
    """A workbook by hand; `parts` adds or replaces parts by the last word of their name, None leaves one out."""
    content: dict[str, Any] = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<Relationships xmlns="{RELS}"><Relationship Id="a" Type="{OFFICE}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="One" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELS}">'
        f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{OFFICE}/worksheet" Target="worksheets/sheet2.xml"/>'
        f'<Relationship Id="r3" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    names = {
        "book": "xl/workbook.xml",
        "rels": "xl/_rels/workbook.xml.rels",
        "top": "_rels/.rels",
        "shared": "xl/sharedStrings.xml",
        "second": "xl/worksheets/sheet2.xml",
    }
    content |= {names[name]: value for name, value in parts.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, value in content.items():
            if value is not None:
                archive.writestr(name, value)
    return out.getvalue()


def _with_row(*cells: str, at: int = 0) -> str:
    """A sheet with one good row, and one whose cells from `at` on are given."""
    row = [text(each) for each in ("A", "W1", "Sok Dara", "f", "3")]
    row[at : at + len(cells)] = cells
    return sheet_of(HEAD, ROW, row)


def workbooks() -> Iterator[BadFile]:
    good = book_of(sheet_of(HEAD, ROW))
    two = f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="One" sheetId="1" r:id="r1"/><sheet name="Two" sheetId="2" r:id="r2"/></sheets></workbook>'
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>' + sheet_of(
        HEAD, ROW
    )
    outside = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + sheet_of(HEAD, ROW)
    books: dict[str, bytes] = {
        "cut in the middle": good[: len(good) // 2],
        "cut at the end": good[:-10],
        "one byte turned": good[:200] + bytes([good[200] ^ 0xFF]) + good[201:],
        "no sheet": book_of(None),
        "no book": book_of(sheet_of(HEAD, ROW), book=None),
        "no relations": book_of(sheet_of(HEAD, ROW), rels=None),
        "nothing of it": book_of(None, book=None, rels=None, top=None),
        "an empty sheet": book_of(sheet_of()),
        "a sheet cut in a tag": book_of(sheet_of(HEAD, ROW)[:-40]),
        "no xml": book_of("this is no XML"),
        "entities that grow": book_of(bomb),
        "a file from outside": book_of(outside),
        "a zip bomb": book_of(sheet_of(HEAD, ROW) + " " * 60_000_000),
        "a bomb in the strings": book_of(sheet_of(HEAD, ROW), shared=" " * 60_000_000),
        "two sheets alike": book_of(sheet_of(HEAD, ROW), book=two, second=sheet_of(HEAD, ROW)),
        "a sheet of html": book_of("<html><table/></html>"),
        "rows backwards": book_of(
            sheet_of(HEAD, ROW).replace('r="2"', 'r="1"').replace('2"', '1"').replace('r="1"', 'r="5"', 1)
        ),
        "a far column": book_of(sheet_of(HEAD, ROW).replace('r="E2"', 'r="XFD2"')),
        "a string that is not there": book_of(_with_row(' t="s"><v>99</v>', at=2)),
        "a string of minus one": book_of(_with_row(' t="s"><v>-1</v>', at=2)),
        "a merged title and two header rows": book_of(
            sheet_of([text("School")], [text("Children"), *HEAD[1:]], ROW)
            .replace(
                "</worksheet>", '<mergeCells count="1"><mergeCell ref="A1:E1"/></mergeCells></worksheet>'
            )
            .replace("school_code", "School of")
        ),
        "merged cells of a school": book_of(
            sheet_of(HEAD, ROW, [">", text("W2"), text("Lina"), text("f"), text("3")]).replace(
                "</worksheet>", '<mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells></worksheet>'
            )
        ),
        "a formula without its value": book_of(_with_row("><f>1+2</f>", at=4)),
        "a day in the grade": book_of(_with_row(' t="d"><v>2026-01-05</v>', at=4)),
        "a number for the sex": book_of(_with_row("><v>7</v>", at=3)),
        "a part of a grade": book_of(_with_row("><v>3.5</v>", at=4)),
        "true for a grade": book_of(_with_row(' t="b"><v>1</v>', at=4).replace("Sok Dara", "")),
        "a number without end": book_of(_with_row("><v>1e400</v>", at=4)),
        "no number": book_of(_with_row("><v>nan</v>", at=4)),
        "a code that was shortened": book_of(_with_row("><v>1.23456789012346E+19</v>", at=1)),
    }
    for error in ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"):
        books[f"{error} in a name"] = book_of(_with_row(f' t="e"><v>{error}</v>', at=2))
    twice = io.BytesIO(good)
    with zipfile.ZipFile(twice, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("xl/worksheets/sheet1.xml", sheet_of(HEAD, ROW))
    books["a part twice"] = twice.getvalue()
    for name, content in books.items():
        yield BadFile("workbooks", name, content, suffix=".xlsx")


def children() -> Iterator[BadFile]:
    group = "children"
    wrong = {
        "sex": ("x", "3", "boy or girl", "ប្រុសស្រី", "f/m", "#N/A", "?"),
        "grade": ("0", "-1", "3.5", "99", "three", "third", "=1+2", "៩៩", "3 or 4", "", "43831"),
        "name": ("", "   ", "\u200b", "#REF!", "N" * 300, "-", "N/A"),
        "code": ("", "\u200b\u200b", "#NAME?", "K" * 200, "NULL"),
        "school_code": ("", "NOWHERE", "#N/A", "S" * 200, "=A1"),
    }
    more = {
        "birth_on": (
            "2016-02-30",
            "31/02/2016",
            "1850-01-01",
            "2031-01-01",
            "yesterday",
            "2016",
            "០០/០០/០០០០",
            "1e9",
        ),
        "age": ("-1", "200", "nine", "9.5", "៩៩៩", "#VALUE!"),
        "school_year": ("1999", "next year", "2525-26"),
        "id": ("1", "not-an-id", "{12345}", "g0000000-0000-4000-8000-000000000000"),
    }
    fields = HEADER.split(",")
    for field, values in wrong.items():
        for value in values:
            cells = GOOD.split(",")
            cells[fields.index(field)] = f'"{value}"'
            yield BadFile(group, f"{field} is {value[:12]!r}", csv_of(",".join(cells)))
    for field, values in more.items():
        for value in values:
            yield BadFile(
                group, f"{field} is {value[:12]!r}", csv_of(f'{GOOD},"{value}"', header=f"{HEADER},{field}")
            )
    repeated = {
        "the same child twice": ("A,D1,Sok,f,3", "A,D1,Sok,f,3"),
        "a code in another case": ("A,d1,Sok,f,3", "A,D1,Lina,f,3"),
        "a code with a zero-width letter": ("A,D1,Sok,f,3", "A,D\u200b1,Lina,f,3"),
        "a code in khmer digits": ("A,D1,Sok,f,3", "A,D១,Lina,f,3"),
    }
    for name, rows in repeated.items():
        yield BadFile(group, name, csv_of(*rows))


def schools() -> Iterator[BadFile]:
    header = "code,name_local,place.province,place.district"
    row = "NEW,New school,North,Near"
    wrong = {
        "latitude": ("91", "-91", "12° 30'", "north", "1.5.2"),
        "status": ("maybe", "2"),
        "ownership": ("mine", "9"),
        "area": ("desert",),
        "is_practice": ("perhaps", "2"),
    }
    for field, values in wrong.items():
        for value in values:
            beside = (",longitude", ",100") if field == "latitude" else ("", "")
            content = csv_of(f'{row},"{value}"{beside[1]}', header=f"{header},{field}{beside[0]}")
            yield BadFile("schools", f"{field} is {value}", content, kind="schools")
    files = {
        "no code": csv_of(",New school,North,Near", header=header),
        "no name": csv_of("NEW,,North,Near", header=header),
        "the same school twice": csv_of(row, row, header=header),
        "half a position": csv_of(f"{row},11.5,", header=f"{header},latitude,longitude"),
        "a move without a reason": csv_of("A,Alpha School,Elsewhere,Far", header=header),
        "a longitude past the world": csv_of(f"{row},11.5,181", header=f"{header},latitude,longitude"),
        "children for schools": csv_of(GOOD),
    }
    for name, content in files.items():
        yield BadFile("schools", name, content, kind="schools")


def results() -> Iterator[BadFile]:
    header = "school_code,code,round,school_year,language_level,language_outcome,language_tool,tested_on"
    rows = {
        "a level that there is not": "A,A0,baseline,,fluent,,,2026-11-10",
        "a level of the other subject": "A,A0,baseline,,division,,,2026-11-10",
        "an outcome that there is not": "A,A0,baseline,,word,passed,,2026-11-10",
        "a level of a child who was away": "A,A0,baseline,,word,absent,,2026-11-10",
        "a test without a level": "A,A0,baseline,,,assessed,,2026-11-10",
        "a level and no test": "A,A0,baseline,,word,not_tested,,2026-11-10",
        "no round": "A,A0,,,word,,,2026-11-10",
        "a round that there is not": "A,A0,midline,,word,,,2026-11-10",
        "a year that there is not": "A,A0,baseline,1850,word,,,2026-11-10",
        "a tool that there is not": "A,A0,baseline,,word,,5,2026-11-10",
        "no day": "A,A0,baseline,,word,,,",
        "a day to come": "A,A0,baseline,,word,,,2027-11-10",
        "a day outside the round": "A,A0,baseline,,word,,,2026-10-01",
        "a day that there is not": "A,A0,baseline,,word,,,2026-11-31",
        "a child that there is not": "A,NOBODY,baseline,,word,,,2026-11-10",
        "a school that there is not": "NOWHERE,A0,baseline,,word,,,2026-11-10",
        "another school's child": "B,A4,baseline,,word,,,2026-11-10",
    }
    for name, row in rows.items():
        yield BadFile("results", name, csv_of(row, header=header), kind="results")
    twice = csv_of("A,A0,baseline,,word,,,2026-11-10", "A,A0,baseline,,story,,,2026-11-11", header=header)
    yield BadFile("results", "the same child twice", twice, kind="results")
    yield BadFile("results", "children for results", csv_of(GOOD), kind="results")


def each_row(kind: Any, header: str, rows: dict[str, tuple[str, ...]]) -> Iterator[BadFile]:
    for name, lines in rows.items():
        yield BadFile(kind, name, csv_of(*lines, header=header), kind=kind)


def places() -> Iterator[BadFile]:
    rows = {
        "a kind that there is not": ("hamlet,H1,Hamlet,XX/P1,",),
        "no kind": (",H1,Hamlet,XX/P1,",),
        "no code": ("district,,Nameless,XX/P1,",),
        "a code that is too long": (f"district,{'9' * 61},Long,XX/P1,",),
        "no name": ("district,D7,,XX/P1,",),
        "a name that is too long": (f"district,D7,{'n' * 201},XX/P1,",),
        "a parent that there is not": ("district,D7,Seventh,XX/P7,",),
        "a parent that two may be": ("district,ZZ,Z,XX/P1,", "province,ZZ,Z,XX,", "commune,C7,C,ZZ,"),
        "no parent": ("district,D7,Seventh,,",),
        "a country below another": ("country,YY,Second,XX,",),
        "a province below a district": ("province,P7,Seventh,XX/P1/D1,",),
        "two that hang on each other": ("district,D7,Seventh,D8,", "district,D8,Eighth,D7,"),
        "one that hangs on itself": ("district,D7,Seventh,D7,",),
        "the same place twice": ("district,D7,Seventh,XX/P1,", "district,D7,Again,XX/P1,"),
        "another kind of what is there": ("commune,D1,North District,XX/P1,",),
        "a number that there is not": ("district,D1,North District,XX/P1,999999",),
        "a number that is none": ("district,D1,North District,XX/P1,x1",),
        "a number that is too large": ("district,D1,North District,XX/P1,99999999999999999999",),
    }
    yield from each_row("places", "kind,code,name_local,parent,id", rows)
    yield BadFile("places", "children for places", csv_of(GOOD), kind="places")


def classes() -> Iterator[BadFile]:
    rows = {
        "a school that there is not": ("NOWHERE,2026,3,B,",),
        "no school": (",2026,3,B,",),
        "a year that there is not": ("A,1850,3,B,",),
        "no grade": ("A,2026,,B,",),
        "a grade that is none": ("A,2026,third,B,",),
        "a grade that the programme has not": ("A,2026,11,B,",),
        "a section that is too long": (f"A,2026,3,{'B' * 21},",),
        "the same class twice": ("A,2026,3,B,", "A,2026,3,B,"),
        "a number that there is not": ("A,2026,3,B,999999",),
    }
    yield from each_row("classes", "school_code,school_year,grade,section,id", rows)
    yield BadFile(
        "classes",
        "people for classes",
        csv_of("a.b,A,teacher", header="username,display_name,role"),
        kind="classes",
    )


def people() -> Iterator[BadFile]:
    rows = {
        "no username": (",Somebody,teacher,,,",),
        "a username with spaces": ("some body,Somebody,teacher,,,",),
        "a username of one letter": ("s,Somebody,teacher,,,",),
        "a username in Khmer": ("សុខ,Sok,teacher,,,",),
        "no name": ("somebody,,teacher,,,",),
        "a name that is too long": (f"somebody,{'n' * 201},teacher,,,",),
        "no role": ("somebody,Somebody,,,,",),
        "a role that there is not": ("somebody,Somebody,headmaster,,,",),
        "a role above one's own": ("somebody,Somebody,admin,,,",),
        "a role like one's own": ("somebody,Somebody,coordinator,,,",),
        "somebody above": ("admin,Renamed,admin,,,",),
        "oneself": ("coordinator,Renamed,coordinator,,,",),
        "an e-mail that is none": ("somebody,Somebody,teacher,nobody,,",),
        "an e-mail that two have": ("some.one,One,teacher,a@b.org,,", "some.two,Two,teacher,a@b.org,,"),
        "a language that there is not": ("somebody,Somebody,teacher,,xx,",),
        "neither yes nor no": ("somebody,Somebody,teacher,,,perhaps",),
        "the same person twice": ("somebody,Somebody,teacher,,,", "SOMEBODY,Somebody,mentor,,,"),
        "a password in a cell that is none": ("somebody,Somebody,teacher,,,hunter2hunter2",),
    }
    yield from each_row("people", "username,display_name,role,email,language,is_active", rows)
    for header in ("password", "Password *", "PIN", "ពាក្យសម្ងាត់", "លេខសម្ងាត់"):
        content = csv_of("some.one,One,teacher,a", header=f"username,display_name,role,{header}")
        yield BadFile("secrets", f"a column {header}", content, kind="people")
    yield BadFile("people", "children for people", csv_of(GOOD), kind="people")


def assignments() -> Iterator[BadFile]:
    rows = {
        "somebody who is not there": ("nobody.here,A,language,,,2026-11-01,,,",),
        "somebody who is not assigned": ("viewer,A,language,,,2026-11-01,,,",),
        "a school that there is not": ("stranger,NOWHERE,language,,,2026-11-01,,,",),
        "no school": ("stranger,,language,,,2026-11-01,,,",),
        "a subject that there is not": ("stranger,A,history,,,2026-11-01,,,",),
        "no subject": ("stranger,A,,,,2026-11-01,,,",),
        "a class that there is not": ("stranger,A,language,5,Q,2026-11-01,,,",),
        "a section without a grade": ("stranger,A,language,,A,2026-11-01,,,",),
        "a day that there is not": ("stranger,A,language,,,2026-11-31,,,",),
        "a day of long ago": ("stranger,A,language,,,1950-01-01,,,",),
        "a day within a century": ("stranger,A,language,,,2090-01-01,,,",),
        "an end before its beginning": ("stranger,A,language,,,2026-11-10,2026-11-01,,",),
        "a state that there is not": ("stranger,A,language,,,2026-11-01,,paused,",),
        "over, nobody knows since when": ("stranger,A,language,,,2026-11-01,,over,",),
        "a number that there is not": ("stranger,A,language,,,2026-11-01,,,999999",),
        "the same twice": ("stranger,A,language,,,2026-11-01,,,", "stranger,A,language,,,2026-11-01,,,"),
        "the same from another day on": (
            "stranger,A,language,,,2026-11-01,,,",
            "stranger,A,language,,,2026-11-05,,,",
        ),
        "what is there from another day on": ("teacher,A,language,,,2026-11-05,,,",),
    }
    header = "username,school_code,subject,grade,section,from_on,to_on,state,id"
    yield from each_row("assignments", header, rows)
    yield BadFile("assignments", "children for assignments", csv_of(GOOD), kind="assignments")
