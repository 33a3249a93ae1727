"""The class grid: every child one row, every level one tap; each tap is saved by itself, or all at once without JavaScript."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote

import msgspec

from flatwater.contract import Html, Redirect, Together
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.errors import Fault, Invalid, NotFound, OutOfScope
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.levels import SCALES, scale_of_round
from rightlevel.programme.permissions import May, Subject
from rightlevel.programme.progress import ClassProgress, class_progress
from rightlevel.programme.results import (
    ResultAnswer,
    ResultWrite,
    SheetRow,
    Tap,
    class_sheet,
    enter_results,
    read_moved_child,
    sum_of,
)
from rightlevel.programme.rounds import Round, list_rounds, read_round
from rightlevel.programme.schools import School, read_school
from rightlevel.programme.students import read_student
from rightlevel.web.language import N_, Language
from rightlevel.web.request import CLASS_BODY, ById, Request, actor_of
from rightlevel.web.results.together import TAPS
from rightlevel.web.routes import Routes
from rightlevel.web.sent import day_of
from rightlevel.web.templating import done, language_of, render
from rightlevel.web.words import word
from rightlevel.web.work import (
    class_name,
    day_in_round,
    grid_address,
    group_of,
    is_exercise_due,
    round_of_today,
)

routes = Routes("pages")

CHILDREN = PageLimit(60, 100)
SOME_ROUNDS = PageRequest(12)
OTHERS = ("absent", "refused", "left")
TOOLS = (1, 2, 3, 4)


class GridWanted(msgspec.Struct, frozen=True):
    """Which children, in which round and subject: `group` is `class-…`, `grade-…` or nothing for the whole school."""

    round: int | None = None
    subject: str = ""
    group: str = ""
    tool: int | None = None
    on: str = ""


class GridRow(msgspec.Struct, frozen=True):
    """One child of the grid. `was` is what is on the server, `chosen` what is marked, `yours` what somebody else beat."""

    id: str
    name: str = ""
    code: str = ""
    write_id: str = msgspec.field(default_factory=time_ordered_id)
    version: int | None = None
    was: str = ""
    chosen: str = ""
    on: str = ""
    is_locked: bool = False
    is_stale: bool = False
    yours: str = ""
    fault: str = ""


class About(msgspec.Struct, frozen=True):
    """What marks are of: the round and subject, and the day to take where a page asks for none."""

    round_id: int
    subject: Subject
    day: date | None = None


class Grid(msgspec.Struct, frozen=True):
    """What a grid is about."""

    school: School
    round: Round
    subject: Subject
    class_id: int | None
    grade: int | None
    progress: list[ClassProgress]
    group: str

    @property
    def url(self) -> str:
        return grid_address(self.school.id, self.round.id, self.subject, self.group)


async def read_grid(request: Request, school_id: int, query: GridWanted) -> Grid:
    """What the address means, with what a person most likely wants where it says nothing."""
    actor = actor_of(request)
    school = await read_school(request.session, actor, school_id)
    round_ = await (
        read_round(request.session, actor, query.round) if query.round else round_of_today(request)
    )
    if round_ is None or round_.is_deleted or school.is_deleted:
        raise NotFound
    held = actor.scope.subjects(school_id)
    wished: Subject | None = (
        "math" if query.subject == "math" else "language" if query.subject == "language" else None
    )
    subject = wished or (held[0] if held else "language")
    progress = await class_progress(request.session, actor, [school_id], round_.id)
    progress = [row for row in progress if row.subject == subject]
    kind, _, number = query.group.partition("-")
    known = number.isascii() and number.isdigit() and len(number) < 19
    class_id = int(number) if kind == "class" and known else None
    grade = int(number) if kind == "grade" and known else None
    group = query.group if class_id or grade else ""
    return Grid(school, round_, subject, class_id, grade, progress=progress, group=group)


async def _about(request: Request, school_id: int, query: GridWanted, form: dict[str, list[str]]) -> About:
    """Read off the address and the form as they are rendered, else looked up. *Cost*: no statement, or four."""
    return _named(query, form) or _about_grid(request, await read_grid(request, school_id, query))


def _named(query: GridWanted, form: dict[str, list[str]]) -> About | None:
    """What marks are of, where the address and the form say it as they are rendered."""
    if query.round is None or query.subject not in SCALES or "tested_on" not in form:
        return None
    return About(query.round, "math" if query.subject == "math" else "language")


def _about_grid(request: Request, grid: Grid) -> About:
    return About(grid.round.id, grid.subject, day_in_round(request, grid.round))


async def _page(request: Request, grid: Grid, page: PageRequest, query: GridWanted) -> dict[str, Any]:
    actor, language = actor_of(request), language_of(request)
    sheet = await sheet_of(request, grid, page)
    rounds = (await list_rounds(request.session, actor, SOME_ROUNDS)).items
    shown = [row for row in grid.progress if _is_in(row, grid)]
    groups = groups_of(language, grid)
    return {
        **_terms(grid),
        "page": sheet,
        "rows": [_row_of(each) for each in sheet.items],
        "groups": groups,
        "group": grid.group,
        "heading": dict(groups).get(grid.group, groups[0][1]),
        "papers": papers_of(grid),
        "subjects": [
            (each, language.gettext(word("subject", each))) for each in actor.scope.subjects(grid.school.id)
        ],
        "rounds": [
            (each.id, f"{language.gettext(word('round', each.kind))} {each.year_name}")
            for each in rounds
            if each.state != "planned"
        ],
        "tested_on": _wanted_day(request, grid.round, query.on),
        "tool": query.tool if query.tool in TOOLS else None,
        "exercise_is_due": await is_exercise_due(request, grid.school, grid.subject),
        "so_far": sum_of(row.status for row in shown),
    }


def groups_of(language: Language, grid: Grid) -> list[tuple[str, str]]:
    """What can be chosen of a school in a grid's address: all of it, a grade, a class; with its name."""
    groups = [("", language.gettext("Whole school"))]
    grades = sorted({row.grade for row in grid.progress})
    groups += [(f"grade-{each}", class_name(language, each, "")) for each in grades]
    groups += [
        (group_of(row), class_name(language, row.grade, row.section))
        for row in grid.progress
        if row.class_id is not None
    ]
    return groups


def papers_of(grid: Grid) -> dict[str, str]:
    """Where what is on a grid is made for paper, by what it is."""
    return {
        each: grid.url.replace("/grid?", f"/{each}?")
        for each in ("class-list", "progress-sheet", "not-tested")
    }


def _terms(grid: Grid) -> dict[str, Any]:
    return {
        "school": grid.school,
        "round": grid.round,
        "subject": grid.subject,
        "scale": scale_of_round(grid.round.id, grid.subject),
        "is_open": grid.round.state == "open",
        "row_url": grid.url.replace("/grid?", "/grid/row?"),
    }


def _is_in(row: ClassProgress, grid: Grid) -> bool:
    if grid.class_id is not None:
        return row.class_id == grid.class_id
    return grid.grade is None or row.grade == grid.grade


async def sheet_of(request: Request, grid: Grid, page: PageRequest) -> Page[SheetRow]:
    """The children of a grid by name, each with its result. *Cost*: one statement."""
    return await class_sheet(
        request.session,
        actor_of(request),
        page,
        school_id=grid.school.id,
        round_id=grid.round.id,
        subject=grid.subject,
        class_id=grid.class_id,
        grade=grid.grade,
    )


def _choice(outcome: str | None, level: str | None) -> str:
    """A result as the chips say it: a level's code, or what else came of it."""
    return level or (outcome if outcome != "assessed" else "") or ""


def _row_of(row: SheetRow) -> GridRow:
    was = _choice(row.outcome, row.level)
    on = row.tested_on.isoformat() if row.tested_on else ""
    is_locked = row.is_locked or row.is_verified
    return GridRow(
        row.student_id,
        name=row.name,
        code=row.code,
        version=row.version,
        was=was,
        chosen=was,
        on=on,
        is_locked=is_locked,
    )


@routes.get("/schools/{id}/grid", May("enter", "result"), page=CHILDREN)
async def grid_page(request: Request, *, path: ById, query: GridWanted, page: PageRequest) -> Html:
    """The children of a class, a grade or a school, each with its level to tap."""
    grid = await read_grid(request, path.id, query)
    return render(request, "results/grid.html", **await _page(request, grid, page, query))


def _tapped(_call: Request, *, path: ById, query: GridWanted, form: dict[str, list[str]]) -> Tap | None:
    """The tap of a row as it is rendered; what isn't so plain is read by the handler, which has the database to ask."""
    about = _named(query, form)
    try:
        write = None if about is None else _write_of(about, form, _sent(form, "student"))
    except Invalid:
        return None
    return None if write is None else Tap(write, keeps_details=True)


def _shown(request: Request, tap: Tap, answer: ResultAnswer) -> Html:
    return render(request, "results/answer.html", row=_row_after(request, tap.write, answer))


@routes.post(
    "/schools/{id}/grid/row",
    May("enter", "result"),
    body_bytes=CLASS_BODY,
    together=Together(TAPS, _tapped, _shown),
)
async def save_row(request: Request, *, path: ById, query: GridWanted, form: dict[str, list[str]]) -> Html:
    """Saves the tapped level of one child and answers with what its row now says about itself.

    It keeps no receipt: a write of a result carries its own id, and one that comes again is told as saved.
    """
    student_id = _sent(form, "student")
    try:
        write = _write_of(await _about(request, path.id, query, form), form, student_id)
    except Invalid as error:
        # The tap is told what is wrong with what stands above all children; its own row keeps it.
        return _unread(request, form, student_id, error)
    if write is None:
        raise NotFound
    (answer,) = await enter_results(
        request.session, actor_of(request), [write], request.clock, keeps_details=True
    )
    row = _row_after(request, write, answer)
    if not row.is_stale:
        return render(request, "results/answer.html", status=409 if row.fault else 200, row=row)
    grid = await read_grid(request, path.id, query)
    name, code = await _called(request, student_id)
    row = msgspec.structs.replace(row, name=name, code=code)
    page = render(request, "results/row.html", status=409, row=row, **_terms(grid))
    return msgspec.structs.replace(
        page, headers={"hx-retarget": f"#child-{student_id}", "hx-reswap": "outerHTML"}
    )


async def _called(request: Request, student_id: str) -> tuple[str, str]:
    """Name and code of a child on the sheet; of one that is elsewhere now its name only. *Errors*: NotFound."""
    try:
        child = await read_student(request.session, actor_of(request), student_id)
    except NotFound:
        moved = await read_moved_child(request.session, actor_of(request), student_id)
        return moved.name, ""
    return child.name, child.code


@routes.post("/schools/{id}/grid", May("enter", "result"), body_bytes=CLASS_BODY, page=CHILDREN)
async def save_grid(
    request: Request, *, path: ById, query: GridWanted, form: dict[str, list[str]], page: PageRequest
) -> Html | Redirect:
    """Saves every level of the page that was changed; what was refused stays marked, with the reason at the child."""
    grid = await read_grid(request, path.id, query)
    writes = _changed(request, grid, form)
    language = language_of(request)
    if not writes:
        return done(request, _here(request, grid, form), language.gettext("Nothing was changed."))
    answers = await enter_results(
        request.session, actor_of(request), writes, request.clock, keeps_details=True
    )
    after = {
        write.student_id: _row_after(request, write, answer)
        for write, answer in zip(writes, answers, strict=True)
    }
    saved = sum(1 for row in after.values() if not row.fault and not row.is_stale)
    told = language.ngettext("{n} child is saved.", "{n} children are saved.", saved)
    if saved == len(writes):
        return done(request, _here(request, grid, form), told)
    values = await _page(request, grid, page, query)
    values["rows"] = rows = [_told(row, after.get(row.id)) for row in values["rows"]]
    values["tool"], values["tested_on"] = _tool(form), _sent(form, "tested_on") or values["tested_on"]
    values["refused"] = [row for row in rows if row.fault or row.is_stale]
    if not saved:
        told = language.gettext("Nothing is saved.")
    return render(request, "results/grid.html", status=409, **values, told=told)


def _here(request: Request, grid: Grid, form: dict[str, list[str]]) -> str:
    """The same grid, with the tool and the day that were chosen for it."""
    on = _sent(form, "tested_on")
    is_usual = on == day_in_round(request, grid.round).isoformat()
    chosen = {"tool": _sent(form, "tool"), "on": "" if is_usual else on}
    return grid.url + "".join(f"&{name}={quote(value)}" for name, value in chosen.items() if value)


def _unread(request: Request, form: dict[str, list[str]], student_id: str, error: Invalid) -> Html:
    language = language_of(request)
    text = ". ".join(
        f"{language.gettext(word('field', each.field))}: {language.rule(each.rule)}" for each in error.faults
    )
    was, on = _sent(form, f"was.{student_id}"), _sent(form, f"on.{student_id}")
    chosen, version = _sent(form, f"choice.{student_id}"), _version(form, student_id)
    row = GridRow(student_id, version=version, was=was, chosen=chosen, on=on, fault=text)
    return render(request, "results/answer.html", status=409, row=row)


def _told(row: GridRow, after: GridRow | None) -> GridRow:
    """The row as it stands on the server, with what was refused of it."""
    if after is None:
        return row
    named = msgspec.structs.replace(after, name=row.name, code=row.code, is_locked=row.is_locked)
    return (
        named
        if after.is_stale
        else msgspec.structs.replace(named, was=row.was, version=row.version, on=row.on)
    )


def _sent(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[-1].strip()


def _changed(request: Request, grid: Grid, form: dict[str, list[str]]) -> list[ResultWrite]:
    """A write for each child whose mark is another than what the page showed as saved."""
    ids = [name.removeprefix("choice.") for name in form if name.startswith("choice.")]
    changed = [each for each in ids if _sent(form, f"choice.{each}") != _sent(form, f"was.{each}")]
    about = _about_grid(request, grid)
    writes = (_write_of(about, form, each) for each in changed)
    return [write for write in writes if write is not None]


def _write_of(about: About, form: dict[str, list[str]], student_id: str) -> ResultWrite | None:
    choice = _sent(form, f"choice.{student_id}")
    if not choice:
        return None
    is_other = choice in OTHERS
    has_own = _version(form, student_id) is not None
    return ResultWrite(
        _sent(form, f"write.{student_id}") or time_ordered_id(),
        student_id,
        about.round_id,
        about.subject,
        _tested_on(about, form, student_id),
        outcome=choice if is_other else "assessed",
        level=None if is_other else choice,
        method="grid",
        version=_version(form, student_id),
        tool=None if is_other or has_own else _tool(form),
    )


def _version(form: dict[str, list[str]], student_id: str) -> int | None:
    version = _sent(form, f"version.{student_id}")
    return int(version) if version.isascii() and version.isdigit() and len(version) < 10 else None


def _tool(form: dict[str, list[str]]) -> int | None:
    """The tool that stands above all children. *Errors*: Invalid for one that there is none of."""
    text = _sent(form, "tool")
    if not text:
        return None
    if text not in {str(each) for each in TOOLS}:
        raise Invalid(faults=(Fault("tool", N_("Please choose one of these"), text[:20]),))
    return int(text)


def _tested_on(about: About, form: dict[str, list[str]], student_id: str) -> date:
    """The day that stands with the child, else the one of the page; nothing is guessed of a day that can't be read.

    *Errors*: Invalid. A page without the field, as long ago, means the round's nearest day.
    """
    text = _sent(form, f"on.{student_id}") or _sent(form, "tested_on")
    if about.day and not text and "tested_on" not in form:
        return about.day
    return day_of("tested_on", text)


def _wanted_day(request: Request, round_: Round, text: str) -> date:
    """The day that a link asks for where it lies in the round, else the day of `_day`."""
    try:
        wanted = date.fromisoformat(text)
    except ValueError:
        return day_in_round(request, round_)
    return wanted if round_.starts_on <= wanted <= round_.ends_on else day_in_round(request, round_)


def _row_after(request: Request, write: ResultWrite, answer: ResultAnswer) -> GridRow:
    """What the row says after a write. *Errors*: OutOfScope, which is denied and not shown."""
    if answer.code in ("out_of_scope", "not_found"):
        raise OutOfScope
    child, choice = write.student_id, _choice(write.outcome, write.level)
    on = write.tested_on.isoformat()
    if answer.is_saved:
        return GridRow(child, version=answer.version, was=choice, chosen=choice, on=on)
    there = answer.current
    if there is None or answer.code not in ("stale", "conflict"):
        text = language_of(request).gettext(answer.message)
        return GridRow(child, version=write.version, chosen=choice, on=on, fault=text)
    was, on = _choice(there.outcome, there.level), there.tested_on.isoformat()
    if was == choice:
        return GridRow(child, version=there.version, was=was, chosen=was, on=on)
    return GridRow(child, version=there.version, was=was, on=on, is_stale=True, yours=choice)
