"""The first page after signing in: what to do today, by role."""

from __future__ import annotations

from typing import Any

from flatwater.clock import today
from flatwater.contract import Html
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.permissions import May, Subject
from rightlevel.programme.rounds import Round
from rightlevel.programme.schools import SchoolSearch, current_year, list_schools
from rightlevel.programme.verification import list_returned
from rightlevel.web.call import Ask, actor_of
from rightlevel.web.figures.pages import FiguresWanted, figures_values
from rightlevel.web.home.held_form import look_for_held
from rightlevel.web.language import N_
from rightlevel.web.routes import Routes
from rightlevel.web.templating import language_of, render
from rightlevel.web.work import Work, round_of_today, waiting_of, work_of_schools

routes = Routes("pages")

SCHOOLS = PageLimit(20, 50)
SUBJECTS: tuple[Subject, ...] = ("language", "math")
TILES = (
    ("/schools", N_("Schools"), "school"),
    ("/students", N_("Children"), "child"),
    ("/figures", N_("Figures"), "figures"),
    ("/rounds", N_("Rounds"), "round"),
    ("/people", N_("People"), "people"),
    ("/imports", N_("Imports"), "import"),
)


@routes.get("/", May("manage", "self"), page=SCHOOLS)
async def home_page(call: Ask, *, page: PageRequest) -> Html:
    """The start page of whoever is signed in: their classes, the programme today, or the figures."""
    role = actor_of(call).role
    await look_for_held(call)
    if role == "viewer":
        values = await figures_values(call, FiguresWanted(), PageRequest(50))
        values["page"] = Page[Any]([])  # what lies further down is found under Figures
        return render(call, "figures/page.html", **values)
    if role in ("admin", "coordinator"):
        return render(call, "home/lead.html", **await _lead(call))
    return render(call, "home/work.html", **await _work(call, page))


async def _work(call: Ask, page: PageRequest) -> dict[str, Any]:
    """The schools of field staff with their classes, each one tap from its grid. *Cost*: five statements, six for a mentor."""
    round_ = await round_of_today(call)
    schools = await list_schools(call.session, actor_of(call), page)
    work = await work_of_schools(call, [each.id for each in schools.items], round_) if round_ else {}
    return {
        "schools": [(each, work.get(each.id, [])) for each in schools.items],
        "page": schools,
        "round": round_,
        "is_open": round_ is not None and round_.state == "open",
        "returned": await list_returned(call.session, actor_of(call), PageRequest(1), call.clock),
        "waiting": await waiting_of(call),
    }


async def _lead(call: Ask) -> dict[str, Any]:
    """The open round with its coverage, and what stands in the way of the work."""
    _ = language_of(call).gettext
    round_ = await round_of_today(call)
    return {
        "round": round_ if round_ and round_.state == "open" else None,
        "coverage": await _coverage(call, round_),
        "todo": await _first(call, round_),
        "tiles": [(url, _(text), sign) for url, text, sign in TILES],
    }


async def _coverage(call: Ask, round_: Round | None) -> list[Work]:
    if round_ is None:
        return []
    covered: list[Work] = []
    for subject in SUBJECTS:
        figures = await read_figures(call.session, actor_of(call), FigureQuery(round_.id, subject))
        url = f"/figures?round={round_.id}&subject={subject}"
        if figures.status is not None:
            covered.append(Work("", subject, figures.status, url))
    return covered


async def _first(call: Ask, round_: Round | None) -> list[tuple[str, str]]:
    """What has to be done before anything else can be."""
    _ = language_of(call).gettext
    todo: list[tuple[str, str]] = []
    if await current_year(call.session) is None:
        todo.append((_("There is no current school year. Add one."), "/years/new"))
    if not (
        await list_schools(call.session, actor_of(call), PageRequest(1), SchoolSearch(is_practice=False))
    ).items:
        todo.append((_("There are no schools yet. Import them, or add one."), "/imports"))
    if round_ is None:
        todo.append((_("There is no round yet. Plan one."), "/rounds/new"))
    elif round_.state == "planned" and round_.starts_on <= today(call.clock):
        todo.append((_("A planned round should have begun. Open it."), f"/rounds/{round_.id}"))
    elif round_.state == "open" and round_.ends_on < today(call.clock):
        todo.append((_("The round is past its last day and still open. Close it."), f"/rounds/{round_.id}"))
    return todo
