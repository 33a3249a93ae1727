"""Workbooks to fill in and import: our columns in somebody's language, with lists of what their cells may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final, Literal

import msgspec

from flatwater.contract import Raw
from rightlevel.programme.exchange import FIELDS, VALUES, Kind, Terms, read_terms
from rightlevel.programme.exports import Column, Workbook
from rightlevel.programme.permissions import May
from rightlevel.web.exporting import MEDIA
from rightlevel.web.feature import IN_PAGES
from rightlevel.web.request import Request, actor_of
from rightlevel.web.routes import Routes

routes = Routes("pages")
ROWS: Final = 10_000
"""So far down reach the lists."""
LONGEST_LIST: Final = 255
"""Characters of a list that stands in its cell's rule. *Source*: Excel specifications and limits, data validation."""
_KHMER: Final = re.compile("[\u1780-\u17ff]")


class TemplateWanted(msgspec.Struct, frozen=True):
    """What the file is to hold, and in which language its headers and values are."""

    kind: Kind = "students"
    language: Literal["en", "km"] = "en"


@routes.get("/imports/template", May("run", "import"), media=(MEDIA["xlsx"],), **IN_PAGES)
async def import_template(request: Request, *, query: TemplateWanted) -> Raw:
    """A workbook with our columns, whose cells offer what they may hold; filled in it is imported as it is."""
    terms = await read_terms(request.session, actor_of(request), request.clock)
    headers = {"content-disposition": f'attachment; filename="{query.kind}-{query.language}.xlsx"'}
    return Raw(template_of(query.kind, query.language, terms), MEDIA["xlsx"], headers=headers)


def template_of(kind: Kind, language: str, terms: Terms) -> bytes:
    """The workbook. Ids are no column of it, for nobody types one."""
    fields = [each for each in FIELDS[kind] if each.name != "id"]
    columns = [Column(_in(language, each.aliases), "text", "") for each in fields]
    rules: list[str] = []
    for number, each in enumerate(fields):
        values = _values(each.name, language, terms)
        text = ",".join(values)
        if values and len(text) <= LONGEST_LIST:
            letter = _letter(number)
            rules.append(
                f'<dataValidation type="list" allowBlank="1" showErrorMessage="1" sqref="{letter}2:{letter}{ROWS}">'
                f"<formula1>{escape(chr(34) + text + chr(34), quote=False)}</formula1></dataValidation>"
            )
    closing = f'<dataValidations count="{len(rules)}">{"".join(rules)}</dataValidations>'
    book = Workbook()
    return book.sheet(kind, columns, closing) + book.end()


def _values(name: str, language: str, terms: Terms) -> list[str]:
    if name == "grade":
        return [str(grade) for grade in terms.grades]
    if name in ("school_year", "class_year"):
        return [year for year in terms.school_years if "," not in year]
    return [_in(language, words) for words in VALUES.get(name, {}).values()]


def _in(language: str, words: Iterable[str]) -> str:
    """The first of these words in a language, or the first of all."""
    first, *others = words
    if language == "en":
        return first
    return next((word for word in (first, *others) if _KHMER.search(word)), first)


def _letter(number: int) -> str:
    """The name of a spreadsheet's column: A to Z, AA to AZ and on."""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("A") + last)
