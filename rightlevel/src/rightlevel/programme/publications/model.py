"""What is published of frozen rounds: how far the page tells, and what somebody who isn't signed in is given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import product
from typing import Any, Literal, get_args

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.figures.model import Counts, Figures, figures_of, share_of
from rightlevel.programme.figures.suppression import Detail, Unit, withhold
from rightlevel.programme.levels import Scale
from rightlevel.programme.permissions import Subject

EVERYWHERE = 0
"""The id under which all places together are published."""
DEEPEST = 4
"""Communes and clusters: below them hangs so little that hardly anything could be told."""
MOST_PLACES = 2_000
"""Published of a round at most; a level of places that would make it more is left out as a whole."""
MOST_ROUNDS = 60

Split = Literal["levels", "sexes", "grades"]
"""How far children are told apart: by level; by sex too; by grade and sex too."""
SPLITS: tuple[Split, ...] = get_args(Split)
DETAILS: dict[Split, Detail] = {
    "levels": Detail.LEVELS,
    "sexes": Detail.SEXES,
    "grades": Detail.GRADES,
}
NOTHING = Counts(*([0] * len(Counts.__struct_fields__)))


class PublicPage(msgspec.Struct, frozen=True):
    """Whether there is a public page, down to which level of places it tells (1: countries, 4: communes), and how far it tells children apart."""

    is_on: bool = False
    depth: int = 2
    split: Split = "levels"


class PublicPageChange(msgspec.Struct, frozen=True):
    """What the public page shall be."""

    depth: int
    split: str
    is_on: bool = False


class PublicQuery(msgspec.Struct, frozen=True):
    """What a reader asks for: a round (none: the last that was published), a subject and a place (none: everywhere)."""

    round_id: int | None = None
    subject: str = "language"
    place_id: int | None = None


class PublicRound(msgspec.Struct, frozen=True):
    """A round that is published."""

    id: int
    kind: str
    year_name: str
    published_at: datetime


class Publication(msgspec.Struct, frozen=True):
    """A frozen round, and whether it is published and shown: for whoever decides that."""

    round_id: int
    kind: str
    year_name: str
    is_sealed: bool
    published_at: datetime | None
    is_shown: bool
    places: int


class PublicationsPage(msgspec.Struct, frozen=True):
    """How the public page is, and every frozen round with what is published of it, the last first."""

    page: PublicPage
    publications: list[Publication]


class PublicPlace(msgspec.Struct, frozen=True):
    """A place as it was when the round was published; `id` is 0 for everywhere."""

    id: int
    code: str
    name_local: str
    name_latin: str


class PublicCell(msgspec.Struct, frozen=True):
    """The figures of a grade and sex; None is all."""

    grade: int | None
    sex: int | None
    figures: Figures


class PublicPart(msgspec.Struct, frozen=True):
    """A place that hangs on another, with its figures."""

    place: PublicPlace
    figures: Figures


class PublicFigures(msgspec.Struct, frozen=True):
    """What is published of a place in a round: the whole first, then by grade and sex as far as that is told, and what hangs on it.

    No number is of fewer than ten children, and none of one to nine follows by adding and subtracting; what is withheld is null.
    """

    round: PublicRound
    rounds: list[PublicRound]
    subject: Subject
    place: PublicPlace
    above: list[PublicPlace]
    cells: list[PublicCell]
    parts: list[PublicPart]


class Told(msgspec.Struct, frozen=True):
    """The numbers of a place by grade and sex (0: all) that may be told; what is None may not."""

    place_id: int
    subject: Subject
    grade: int
    sex: int
    enrolled: int
    assessed: int | None
    bands: list[int] | None
    levels: list[int] | None


def page_faults(change: PublicPageChange) -> list[Fault]:
    """What is wrong with how a public page shall be."""
    faults: list[Fault] = []
    if not 1 <= change.depth <= DEEPEST:
        faults.append(Fault("depth", "Between 1 and 4", str(change.depth)[:20]))
    if change.split not in SPLITS:
        faults.append(Fault("split", f"One of: {', '.join(SPLITS)}", change.split[:60]))
    return faults


def told_of(place_id: int, unit: Unit, detail: Detail, scale: Scale) -> list[Told]:
    """Everything that may be told of a place at its detail, all grades and sexes first; nothing where not even its roll may."""
    detail = min(detail, Detail.GRADES)
    if detail < Detail.ROLL:
        return []
    sexes = sorted({cell.sex for cell in unit if cell.sex}) if detail >= Detail.SEXES else []
    grades = sorted({cell.grade for cell in unit if cell.grade}) if detail >= Detail.GRADES else []
    return [
        _told(place_id, unit, detail, scale, grade=grade, sex=sex)
        for grade, sex in product((None, *grades), (None, *sexes))
    ]


def _told(
    place_id: int,
    unit: Unit,
    detail: Detail,
    scale: Scale,
    *,
    grade: int | None,
    sex: int | None,
) -> Told:
    chosen = [
        msgspec.structs.astuple(cell.counts)
        for cell in unit
        if grade in (None, cell.grade) and sex in (None, cell.sex)
    ]
    counts = Counts(*map(sum, zip(*chosen, strict=True))) if chosen else NOTHING
    figures = withhold(figures_of(counts, scale.subject, scale), detail, grade=grade, sex=sex)
    bands = [each.numerator for each in figures.indicators if each.numerator is not None]
    levels = [each.count for each in figures.levels if each.count is not None]
    return Told(
        place_id=place_id,
        subject=scale.subject,
        grade=grade or 0,
        sex=sex or 0,
        enrolled=figures.enrolled or 0,
        assessed=figures.assessed,
        bands=bands if len(bands) == len(figures.indicators) else None,
        levels=levels if len(levels) == len(figures.levels) else None,
    )


def figures_told(told: Told | None, scale: Scale) -> Figures:
    """The figures that published numbers say; of nothing that is told, all is withheld."""
    empty = withhold(figures_of(NOTHING, scale.subject, scale), Detail.NOTHING, grade=None, sex=None)
    if told is None:
        return empty
    levels, bands, n = told.levels, told.bands, told.assessed
    return msgspec.structs.replace(
        empty,
        enrolled=told.enrolled,
        assessed=n,
        coverage=None if n is None else share_of(n, told.enrolled),
        levels=empty.levels
        if levels is None or n is None
        else [
            msgspec.structs.replace(each, count=count, share=share_of(count, n))
            for each, count in zip(empty.levels, levels, strict=True)
        ],
        indicators=[
            msgspec.structs.replace(
                each,
                denominator=n,
                numerator=None if bands is None else bands[at],
                share=None if bands is None or n is None else share_of(bands[at], n),
            )
            for at, each in enumerate(empty.indicators)
        ],
        is_withheld=levels is None,
    )


def by_cell(unit: Unit) -> Mapping[tuple[int, int], Any]:
    """A unit's counts by grade and sex, the empty ones left out: to see whether two readings are the same."""
    return {(cell.grade, cell.sex): cell.counts for cell in unit if any(msgspec.structs.astuple(cell.counts))}
