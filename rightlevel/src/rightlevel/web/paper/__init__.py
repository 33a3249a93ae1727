"""Paper: what is taken to a classroom or a meeting, on A4: a class's list with boxes for its levels, its progress over the rounds, who is not
tested yet, and the form of a visit to fill in by pen.
"""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.levels import Level, scale_of_round
from rightlevel.programme.permissions import May
from rightlevel.programme.results import RoundResult, results_of_children
from rightlevel.programme.rounds import list_rounds
from rightlevel.programme.visits import blank_visit
from rightlevel.web.qr import origin_of, qr_svg
from rightlevel.web.request import ById, Request, actor_of
from rightlevel.web.results.grid import Grid, GridWanted, groups_of, read_grid, sheet_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import language_of, render
from rightlevel.web.words import word

routes = Routes("pages")

CHILDREN = PageLimit(100, 200)
"""A class on one sheet; a school on several, each with its own head."""
FREE_LINES = 5
"""For children who came and stand on no list."""
ROUNDS = ("baseline", "midline", "endline")
SOME_ROUNDS = PageRequest(24)


class RoundCell(msgspec.Struct, frozen=True):
    """What came of one child's test in one round: a level, or what else."""

    level: Level | None = None
    outcome: str = ""


class ProgressLine(msgspec.Struct, frozen=True):
    """One child with a cell for each subject and round, in the order of the sheet's head."""

    name: str
    code: str
    cells: list[RoundCell | None]


@routes.get("/schools/{id}/class-list", May("enter", "result"), page=CHILDREN)
async def class_list_page(request: Request, *, path: ById, query: GridWanted, page: PageRequest) -> Html:
    """A class's children with a box for each level, to be filled in by pen and entered where the code on it leads."""
    grid = await read_grid(request, path.id, query)
    found = await sheet_of(request, grid, page)
    return render(
        request,
        "paper/class_list.html",
        **_head(request, grid),
        page=found,
        rows=found.items,
        scale=scale_of_round(grid.round.id, grid.subject),
        free_lines=FREE_LINES,
        qr=qr_svg(
            origin_of(request) + grid.url, language_of(request).gettext("QR code that opens this list")
        ),
    )


@routes.get("/schools/{id}/not-tested", May("enter", "result"), page=CHILDREN)
async def not_tested_page(request: Request, *, path: ById, query: GridWanted, page: PageRequest) -> Html:
    """The children of a class, a grade or a school who have no level yet, with what came of it where something did."""
    grid = await read_grid(request, path.id, query)
    found = await sheet_of(request, grid, page)
    rows = [each for each in found.items if each.outcome != "assessed"]
    return render(request, "paper/not_tested.html", **_head(request, grid), page=found, rows=rows)


@routes.get("/schools/{id}/progress-sheet", May("enter", "result"), page=CHILDREN)
async def progress_sheet_page(request: Request, *, path: ById, query: GridWanted, page: PageRequest) -> Html:
    """The children of a class, a grade or a school with their levels in the year's three rounds, as far as there are rounds."""
    actor = actor_of(request)
    grid = await read_grid(request, path.id, query)
    found = await sheet_of(request, grid, page)
    known = await list_rounds(request.session, actor, SOME_ROUNDS)
    kinds = {each.id: each.kind for each in known.items if each.school_year_id == grid.round.school_year_id}
    results = await results_of_children(
        request.session, actor, [each.student_id for each in found.items], list(kinds)
    )
    cells = {(each.student_id, each.subject, kinds[each.round_id]): _cell(each) for each in results}
    subjects = actor.scope.subjects(grid.school.id)
    columns = [(subject, kind) for subject in subjects for kind in ROUNDS]
    lines = [
        ProgressLine(
            row.name, row.code, [cells.get((row.student_id, subject, kind)) for subject, kind in columns]
        )
        for row in found.items
    ]
    return render(
        request,
        "paper/progress_sheet.html",
        **_head(request, grid),
        page=found,
        lines=lines,
        subjects=subjects,
        kinds=ROUNDS,
        scales={subject: scale_of_round(grid.round.id, subject) for subject in subjects},
    )


@routes.get("/visits/blank", May("read", "visit"))
async def blank_visit_page(request: Request) -> Html:
    """The form of a visit with its options and lines, to be filled in by pen where there is no phone."""
    version, asked = await blank_visit(
        request.session, actor_of(request), language_of(request).code, request.clock
    )
    return render(
        request,
        "paper/blank_visit.html",
        asked=asked,
        form_number=version.number,
        printed_on=today(request.clock),
    )


def _head(request: Request, grid: Grid) -> dict[str, Any]:
    """What every sheet says of itself above its lines."""
    language, round_ = language_of(request), grid.round
    groups = dict(groups_of(language, grid))
    days = {"from_on": language.date(round_.starts_on), "to_on": language.date(round_.ends_on)}
    return {
        "school": grid.school,
        "round": round_,
        "group_name": groups.get(grid.group, groups[""]),
        "facts": [
            grid.school.name_local,
            groups.get(grid.group, groups[""]),
            language.gettext(word("subject", grid.subject)),
            f"{language.gettext(word('round', round_.kind))} {round_.year_name}",
            language.gettext("{from_on} to {to_on}", **days),
        ],
        "back": grid.url,
        "printed_on": today(request.clock),
    }


def _cell(result: RoundResult) -> RoundCell:
    scale = scale_of_round(result.round_id, result.subject)
    level = scale.levels[result.rank - 1] if result.rank is not None else None
    return RoundCell(level, result.outcome)
