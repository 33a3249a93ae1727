"""What anybody reads: the public page and its file, the same for whoever asks, so that browsers and proxies may keep them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from flatwater.contract import Everyone, Html, Raw
from flatwater.rate_limit import RateClass
from rightlevel.programme.audit.export import csv_line, defused
from rightlevel.programme.figures import Figures
from rightlevel.programme.levels import scale_of_round
from rightlevel.programme.publications import PublicFigures, PublicQuery, read_public_figures
from rightlevel.web.feature import IN_PAGES
from rightlevel.web.language import N_, Language, languages_in
from rightlevel.web.request import Request
from rightlevel.web.routes import Routes
from rightlevel.web.templating import impersonal, in_digits, language_of

CSV: Final = "text/csv; charset=utf-8"
PUBLIC = RateClass("public", per_s=5, burst=120)
"""By address: a ministry's office reads from behind one, a machine gets no further."""
KEPT: Final = {"cache-control": "public, max-age=300", "vary": "accept-language, cookie"}
"""Nothing here is of anybody. Switched off, it is gone from proxies five minutes later."""
SEXES = {None: N_("Boys and girls"), 1: N_("Boys"), 2: N_("Girls")}
COLUMNS: Final = (
    "round",
    "year",
    "published_at",
    "subject",
    "place_code",
    "place",
    "grade",
    "sex",
    "enrolled",
    "assessed",
)

routes = Routes("pages")


class PublicWanted(msgspec.Struct, frozen=True):
    """Which round, subject and place, and in which language."""

    round: int | None = None
    subject: str = "language"
    place: int | None = None
    language: str = ""

    @property
    def asked(self) -> PublicQuery:
        return PublicQuery(self.round, "math" if self.subject == "math" else "language", self.place)


@routes.get("/public", Everyone(), rate=PUBLIC, **IN_PAGES)
async def public_page(request: Request, *, query: PublicWanted) -> Html:
    """What is published of a place in a round, to read without an account."""
    found = await read_public_figures(request.session, query.asked)
    languages = languages_in(request.app.languages)
    language = languages.get(query.language) or _impersonal(language_of(request), languages)

    def address(path: str = "/public", **changes: Any) -> str:
        asked = {
            "round": found.round.id,
            "subject": found.subject,
            "place": found.place.id,
            "language": language.code,
        }
        return f"{path}?{urlencode(asked | changes)}"

    text = impersonal(
        language,
        "publications/public.html",
        "/public",
        found=found,
        scale=scale_of_round(found.round.id, found.subject),
        languages={},
        notice_text="",
        has_held=False,
        others=[each for each in languages.values() if each.code != language.code],
        cells=[(_cell_name(language, each.grade, each.sex), each.figures) for each in found.cells[1:]],
        address=address,
        file=address("/public/figures.csv"),
        withholds=any(
            each.is_withheld
            for each in (*(cell.figures for cell in found.cells), *(part.figures for part in found.parts))
        ),
    )
    return Html(in_digits(language, text), headers=KEPT)


@routes.get("/public/figures.csv", Everyone(), rate=PUBLIC, media=(CSV,), **IN_PAGES)
async def public_file(request: Request, *, query: PublicWanted) -> Raw:
    """The public page's numbers as CSV: the place by grade and sex, then what hangs on it. What is withheld is empty."""
    found = await read_public_figures(request.session, query.asked)
    figures = found.cells[0].figures
    codes = [f"indicator_{each.code}" for each in figures.indicators] + [
        f"level_{each.code}" for each in figures.levels
    ]
    lines = [csv_line((*COLUMNS, *codes))]
    lines += [_line(found, found.place, (each.grade, each.sex), each.figures) for each in found.cells]
    lines += [_line(found, each.place, (None, None), each.figures) for each in found.parts]
    named = f'attachment; filename="public-{found.round.year_name}-{found.round.kind}-{found.subject}.csv"'
    headers = KEPT | {"content-disposition": "".join(each for each in named if " " <= each <= "~")}
    return Raw(b"\xef\xbb\xbf" + b"".join(lines), CSV, headers=headers)


def _line(found: PublicFigures, place: Any, cell: tuple[int | None, int | None], figures: Figures) -> bytes:
    numbers = [
        figures.enrolled,
        figures.assessed,
        *(each.numerator for each in figures.indicators),
        *(each.count for each in figures.levels),
    ]
    grade, sex = cell
    head = [
        found.round.kind,
        defused(found.round.year_name),
        found.round.published_at.isoformat(timespec="seconds"),
        found.subject,
        defused(place.code),
        defused(place.name_local),
        "" if grade is None else str(grade),
        "" if sex is None else str(sex),
    ]
    return csv_line([*head, *("" if each is None else str(each) for each in numbers)])


def _impersonal(language: Language, languages: dict[str, Language]) -> Language:
    """The language without anybody's own digits: what is kept is the same for all."""
    return languages.get(language.code, language)


def _cell_name(language: Language, grade: int | None, sex: int | None) -> str:
    of_sex = language.gettext(SEXES[sex]) if sex in SEXES else str(sex)
    if grade is None:
        return of_sex
    of_grade = language.gettext("Grade {number}", number=grade)
    return of_grade if sex is None else f"{of_grade} · {of_sex}"
