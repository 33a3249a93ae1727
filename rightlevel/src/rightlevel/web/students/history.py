"""One child's levels on one line a subject, its rounds side by side."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.paging import CEILING_ROWS, PageRequest
from rightlevel.programme.levels import Level, scale_of_round
from rightlevel.programme.permissions import SUBJECTS, Subject
from rightlevel.programme.results import StudentResult, results_of_student
from rightlevel.programme.rounds import Round, list_rounds
from rightlevel.programme.students import Student
from rightlevel.web.request import Request, actor_of

LATEST = 6
"""Rounds shown beside each other: two years."""


class Cell(msgspec.Struct, frozen=True):
    """One round of one subject: the level or what else came of it, the day, and where it is entered."""

    level: Level | None = None
    outcome: str = ""
    on: date | None = None
    url: str = ""


async def history_lines(request: Request, student: Student) -> dict[str, Any]:
    """The rounds in order and a line of cells for each subject that the actor has. *Cost*: four statements."""
    actor = actor_of(request)
    known = await list_rounds(request.session, actor, PageRequest(LATEST))
    day = today(request.clock)
    rounds = [each for each in reversed(known.items) if each.starts_on <= day or each.state == "open"]
    found = await results_of_student(request.session, actor, student.id, PageRequest(CEILING_ROWS))
    by_key = {(each.round_id, each.subject): each for each in found.items}
    scope = actor.scope
    subjects: list[Subject] = [
        each for each in SUBJECTS if scope.covers(student.school_id, subject=each, class_id=student.class_id)
    ]
    return {
        "rounds": rounds,
        "lines": [
            (each, [_cell(student, round_, each, by_key.get((round_.id, each))) for round_ in rounds])
            for each in subjects
        ],
    }


def _cell(student: Student, round_: Round, subject: Subject, result: StudentResult | None) -> Cell:
    url = f"/students/{student.id}/results/{round_.id}/{subject}" if round_.state != "planned" else ""
    if result is None:
        return Cell(url=url if round_.state == "open" and student.status == "active" else "")
    scale = scale_of_round(round_.id, subject)
    level = scale.levels[result.rank - 1] if result.rank is not None else None
    return Cell(level, result.outcome, result.tested_on, url)
