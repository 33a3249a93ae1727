"""The first page after signing in: what to do today, by role."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import msgspec

from flatwater.clock import today
from flatwater.contract import Html
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.operations.backup import newest_backup
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.permissions import SUBJECTS, May, may
from rightlevel.programme.results import TestingStatus, sum_of
from rightlevel.programme.rounds import Round
from rightlevel.programme.schools import SchoolSearch, current_year, list_schools
from rightlevel.programme.today import Day, Task, TaskKind, read_day, tasks_of
from rightlevel.web.feature import Deeds
from rightlevel.web.figures.pages import FiguresWanted, figures_values
from rightlevel.web.home.held_form import look_for_held
from rightlevel.web.language import Language
from rightlevel.web.request import Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import language_of, render
from rightlevel.web.words import word
from rightlevel.web.work import Work, grid_address, group_of, work_of_schools

api = Deeds("me", "self")
api.answers("read_my_day", "GET /api/v1/me/today", tasks_of, may="manage")

routes = Routes("pages")
routes.include(api)

SCHOOLS = PageLimit(20, 50)
BACKUP_IS_OLD: Final = timedelta(days=2)


class ToDo(msgspec.Struct, frozen=True):
    """One line of the list: what is to be done, where, and beside what."""

    text: str
    url: str
    icon: str
    detail: str = ""


def _grid(task: Task) -> str:
    return grid_address(task.school_id, task.round_id, task.subject, group_of(task))


def _groups_of_school(task: Task) -> str:
    return f"/schools/{task.school_id}/groups?subject={task.subject}"


def _attendance(task: Task) -> str:
    return f"/groups/{task.group_id}/session" if task.group_id is not None else _groups_of_school(task)


def _approval(task: Task) -> str:
    address = f"/rounds/{task.round_id}/approvals"
    return f"{address}/{task.school_id}" if task.school_id is not None else f"{address}?state=school"


def _approvals(task: Task) -> str:
    return f"/rounds/{task.round_id}/approvals"


WHERE: Final[dict[TaskKind, tuple[str, str | Callable[[Task], str]]]] = {
    "take_exercise": ("exercise", "/exercises"),
    "take_attendance": ("people", _attendance),
    "test_children": ("test", _grid),
    "look_again": ("back", "/verification/returned"),
    "move_children": ("next", _groups_of_school),
    "visit": ("visit", "/next-week"),
    "finish_visit": ("visit", "/visits?which=draft"),
    "follow_up": ("check", "/follow-ups?which=overdue"),
    "hand_over": ("out", "/left-behind"),
    "retest": ("retest", "/verification?round={round_id}"),
    "hand_in": ("check", _approval),
    "approve": ("check", _approvals),
    "decide_request": ("account", "/requests"),
    "decide_retest": ("retest", "/verification?round={round_id}&state=disputed"),
    "plan_visits": ("visit", "/next-week"),
    "enter_results": ("school", "/schools?untested=1"),
    "assign_teacher": ("badge", "/assignments/gaps?role=teacher&subject={subject}"),
    "assign_mentor": ("badge", "/assignments/gaps?role=mentor&subject={subject}"),
    "mend_file": ("import", "/imports"),
    "find_baseline": ("search", "/rounds/{round_id}/without-baseline"),
}
"""For each kind of task its symbol, and where it is done."""


def _text(language: Language, task: Task) -> str:
    """The task in words. What was counted up to a bound is told as more than that."""
    ngettext, n = language.ngettext, task.count
    words: dict[TaskKind, str] = {
        "take_exercise": language.gettext("Pass the exercise for testers"),
        "take_attendance": ngettext("Take attendance of {n} group", "Take attendance of {n} groups", n),
        "test_children": ngettext("Test {n} child", "Test {n} children", n),
        "look_again": ngettext("Look at {n} returned result again", "Look at {n} returned results again", n),
        "move_children": ngettext(
            "{n} child may move to another group", "{n} children may move to another group", n
        ),
        "visit": ngettext("{n} planned visit is overdue", "{n} planned visits are overdue", n),
        "finish_visit": ngettext("Finish {n} visit", "Finish {n} visits", n),
        "follow_up": ngettext("{n} follow-up action is overdue", "{n} follow-up actions are overdue", n),
        "hand_over": ngettext(
            "{n} visit is left behind by a mentor", "{n} visits are left behind by mentors", n
        ),
        "retest": ngettext("Test {n} child again", "Test {n} children again", n),
        "hand_in": ngettext("Approve the results of your school", "Approve the results of {n} schools", n),
        "approve": ngettext(
            "Results of {n} school wait for your approval", "Results of {n} schools wait for your approval", n
        ),
        "decide_request": ngettext("Decide {n} request to join", "Decide {n} requests to join", n),
        "decide_retest": ngettext("Decide {n} re-test that differs", "Decide {n} re-tests that differ", n),
        "plan_visits": ngettext("{n} planned visit is overdue", "{n} planned visits are overdue", n),
        "enter_results": ngettext("{n} school has no results yet", "{n} schools have no results yet", n),
        "assign_teacher": ngettext("{n} school lacks a teacher", "{n} schools lack a teacher", n),
        "assign_mentor": ngettext("{n} school lacks a mentor", "{n} schools lack a mentor", n),
        "mend_file": ngettext("{n} file has faults", "{n} files have faults", n),
        "find_baseline": ngettext("{n} result has no baseline", "{n} results have no baseline", n),
    }
    return words[task.kind]


def _line(language: Language, task: Task) -> ToDo:
    icon, where = WHERE[task.kind]
    url = (
        where.format(round_id=task.round_id, subject=task.subject) if isinstance(where, str) else where(task)
    )
    subject = language.gettext(word("subject", task.subject)) if task.subject else ""
    more = language.gettext("and more") if task.is_more else ""
    named = " · ".join(each for each in (subject, task.first) if each)
    if task.is_of_many:
        named = language.gettext("Begin with {what}", what=named)
    detail = " · ".join(each for each in (named, more) if each)
    return ToDo(_text(language, task), url, icon, detail)


@routes.get("/", May("manage", "self"), page=SCHOOLS)
async def home_page(request: Request, *, page: PageRequest) -> Html:
    """The start page of whoever is signed in: what to do today and soon, then their classes or the open round; for viewers the figures."""
    actor, language = actor_of(request), language_of(request)
    await look_for_held(request)
    if actor.role == "viewer":
        values = await figures_values(request, FiguresWanted(), PageRequest(50))
        values["page"] = Page[Any]([])  # what lies further down is found under Figures
        return render(request, "figures/page.html", **values)
    day = await read_day(request.session, actor, request.clock)
    lists = {
        "now": [_line(language, each) for each in day.tasks.now],
        "soon": [_line(language, each) for each in day.tasks.soon],
    }
    if actor.scope.is_everything:
        lists["now"] = [*await _first(request, day.round), *lists["now"]]
        return render(request, "home/lead.html", **lists, **await _lead(request, day.round))
    return render(request, "home/work.html", **lists, **await _work(request, day, page))


async def _work(request: Request, day: Day, page: PageRequest) -> dict[str, Any]:
    """The schools of field staff with how far testing is, those with children to test first. *Cost*: one statement, seldom two."""
    round_ = day.round
    schools = await list_schools(request.session, actor_of(request), page)
    work = await work_of_schools(request, [each.id for each in schools.items], round_, day) if round_ else {}
    rows = [(each, sorted(work.get(each.id, []), key=_is_done)) for each in schools.items]
    rows.sort(key=lambda row: all(map(_is_done, row[1])))
    return {
        "schools": rows,
        "totals": {each.id: _totals(found) for each, found in rows},
        "page": schools,
        "round": round_,
        "is_open": round_ is not None and round_.state == "open",
    }


def _totals(rows: list[Work]) -> list[tuple[str, TestingStatus]]:
    """How far a school is in each subject."""
    subjects = dict.fromkeys(each.subject for each in rows)
    return [
        (subject, sum_of(each.status for each in rows if each.subject == subject)) for subject in subjects
    ]


def _is_done(work: Work) -> bool:
    return work.status.to_do == 0


async def _lead(request: Request, round_: Round | None) -> dict[str, Any]:
    """The open round with its coverage."""
    return {
        "round": round_ if round_ and round_.state == "open" else None,
        "coverage": await _coverage(request, round_),
    }


async def _coverage(request: Request, round_: Round | None) -> list[Work]:
    if round_ is None:
        return []
    covered: list[Work] = []
    for subject in SUBJECTS:
        figures = await read_figures(request.session, actor_of(request), FigureQuery(round_.id, subject))
        url = f"/figures?round={round_.id}&subject={subject}"
        if figures.status is not None:
            covered.append(Work("", subject, figures.status, url))
    return covered


async def _first(request: Request, round_: Round | None) -> list[ToDo]:
    """What has to be done before anything else can be, and what keeps the platform safe."""
    _ = language_of(request).gettext
    todo: list[ToDo] = []
    if await current_year(request.session) is None:
        todo.append(ToDo(_("There is no current school year. Add one."), "/years/new", "year"))
    real = SchoolSearch(is_practice=False)
    if not (await list_schools(request.session, actor_of(request), PageRequest(1), real)).items:
        todo.append(ToDo(_("There are no schools yet. Import them, or add one."), "/imports", "import"))
    if round_ is None:
        todo.append(ToDo(_("There is no round yet. Plan one."), "/rounds/new", "round"))
    elif round_.state == "planned" and round_.starts_on <= today(request.clock):
        text = _("A planned round should have begun. Open it.")
        todo.append(ToDo(text, f"/rounds/{round_.id}", "round"))
    elif round_.state == "open" and round_.ends_on < today(request.clock):
        text = _("The round is past its last day and still open. Close it.")
        todo.append(ToDo(text, f"/rounds/{round_.id}", "round"))
    if may(actor_of(request), "read", "metric"):
        backup = await newest_backup(request.session)
        if backup is None:
            todo.append(ToDo(_("There is no backup yet. Make one."), "/operations", "warn"))
        elif backup.made_at < request.clock.now() - BACKUP_IS_OLD:
            text = _("The last backup is older than two days. Make one.")
            todo.append(ToDo(text, "/operations", "warn"))
    return todo
