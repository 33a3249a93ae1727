"""What the pages of the programme share: the round people work in, the grades to choose from, and how far testing is where."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import msgspec

from flatwater.clock import today
from flatwater.paging import PageRequest
from rightlevel.programme.exercises import exercises_due
from rightlevel.programme.permissions import Subject
from rightlevel.programme.places import PlaceRow, list_places
from rightlevel.programme.progress import ClassProgress, class_progress
from rightlevel.programme.results import TestingStatus
from rightlevel.programme.rounds import Round, current_round
from rightlevel.programme.schools import School, read_grades
from rightlevel.programme.today import Day
from rightlevel.web.language import Language
from rightlevel.web.request import Request, actor_of
from rightlevel.web.templating import language_of


class Work(msgspec.Struct, frozen=True):
    """How far a class or grade is in one subject, and where one goes on."""

    title: str
    subject: str
    status: TestingStatus
    url: str


async def round_of_today(request: Request) -> Round | None:
    """The open round, else the one that began last."""
    return await current_round(request.session, actor_of(request), request.clock)


PLACES = PageRequest(limit=1_000)
"""More provinces or districts than any country has."""


async def grade_choices(request: Request, *, short: bool = False) -> list[tuple[int, str]]:
    """The programme's grades for a select or for chips."""
    _ = language_of(request).gettext
    grades = await read_grades(request.session)
    return [(each, str(each) if short else _("Grade {number}", number=each)) for each in grades]


async def place_choices(request: Request) -> list[tuple[int, str]]:
    """The country, its provinces and their districts for a select, each district behind its province. *Cost*: three statements, at most 2,000 rows."""
    actor = actor_of(request)
    found = {
        kind: (await list_places(request.session, actor, PLACES, kind=kind)).items
        for kind in ("country", "province", "district")
    }
    below: dict[int | None, list[PlaceRow]] = {}
    for each in found["district"]:
        below.setdefault(each.parent_id, []).append(each)
    choices = [(each.id, each.name_local) for each in found["country"]]
    for province in found["province"]:
        choices.append((province.id, province.name_local))
        choices += [
            (each.id, f"{province.name_local} › {each.name_local}") for each in below.get(province.id, [])
        ]
    return choices


def class_name(language: Language, grade: int, section: str) -> str:
    """A class as people call it."""
    return f"{language.gettext('Grade {number}', number=grade)} {section}".strip()


class OfClass(Protocol):
    """What is of a class, or of a grade's children without one."""

    @property
    def class_id(self) -> int | None: ...

    @property
    def grade(self) -> int | None: ...


def group_of(row: OfClass) -> str:
    """The name of a class, or of a grade's children without one, in the address of a grid."""
    return f"class-{row.class_id}" if row.class_id is not None else f"grade-{row.grade}"


def grid_address(school_id: int | None, round_id: int | None, subject: str | None, group: str) -> str:
    """Where a class, or a grade's children without one, is entered."""
    return f"/schools/{school_id}/grid?round={round_id}&subject={subject}&group={group}"


def day_in_round(request: Request, round_: Round) -> date:
    """The day that a test is taken to be of when nobody says: today, or the round's nearest day."""
    return min(max(today(request.clock), round_.starts_on), round_.ends_on)


async def is_exercise_due(request: Request, school: School, subject: Subject) -> bool:
    """Whether levels of a subject are refused at a school until whoever asks has passed an exercise. *Cost*: one statement, or none."""
    return not school.is_practice and subject in await exercises_due(request.session, actor_of(request))


async def work_of_schools(
    request: Request, school_ids: Sequence[int], round_: Round, known: Day | None = None
) -> dict[int, list[Work]]:
    """School → its classes in each subject that the actor has there, with how far testing is. *Cost*: one statement, none for what is known."""
    language = language_of(request)
    looked_at = known.looked_at if known is not None else frozenset[int]()
    rows = list(known.progress) if known is not None else []
    if others := [each for each in school_ids if each not in looked_at]:
        rows += await class_progress(request.session, actor_of(request), others, round_.id)
    work: dict[int, list[Work]] = {each: [] for each in school_ids}
    for row in rows:
        if row.school_id in work:
            url = grid_address(row.school_id, round_.id, row.subject, group_of(row))
            work[row.school_id].append(Work(_title(language, row), row.subject, row.status, url))
    return work


def _title(language: Language, row: ClassProgress) -> str:
    name = class_name(language, row.grade, row.section)
    return name if row.class_id is not None else language.gettext("{grade}, without a class", grade=name)


async def work_at(request: Request, school_id: int, round_: Round) -> list[Work]:
    """The classes of one school, with how far testing is."""
    return (await work_of_schools(request, [school_id], round_))[school_id]
