"""Figures: three rounds beside each other, indicators with their definitions, and down from the country to the child."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec

from flatwater.clock import today
from flatwater.contract import Html
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.figures import (
    BehindQuery,
    ChildBehind,
    FigureQuery,
    Telling,
    UnitFigures,
    children_behind,
    figures_below,
    hold_different_children,
    moved_schools,
    read_breakdown,
    read_figures,
)
from rightlevel.programme.figures.actions import subject_asked
from rightlevel.programme.figures.model import Indicator, hold_different_ladders
from rightlevel.programme.levels import Scale, scale_now, scale_of_round
from rightlevel.programme.permissions import SUBJECTS, May, allowed, sees_small_cells
from rightlevel.programme.places import list_places, way_to_place
from rightlevel.programme.rounds import Round, list_rounds, read_round
from rightlevel.programme.schools import read_school
from rightlevel.web.language import N_, Language
from rightlevel.web.request import Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import language_of, render
from rightlevel.web.words import level_name, word
from rightlevel.web.work import grade_choices, round_of_today

routes = Routes("pages")

BELOW = PageLimit(50)
SOME_ROUNDS = PageRequest(24)
SEXES: dict[int | str, str] = {"": N_("Boys and girls"), 1: N_("Boys"), 2: N_("Girls")}
DISTRICTS = {"then": N_("As the districts were"), "today": N_("As they are today")}
COVERAGE = N_("Coverage")
COVERAGE_MEANS = N_("Children assessed ÷ children enrolled")


class FiguresWanted(msgspec.Struct, frozen=True):
    """Which figures: of a round and subject, somewhere, of a grade or sex; at a school also those at one rank or outcome."""

    round: int | None = None
    subject: str = ""
    place: int | None = None
    school: int | None = None
    grade: int | None = None
    sex: int | None = None
    rank: int | None = None
    outcome: str = ""
    boundaries: str = "then"


class Placed(Protocol):
    """A query that may name a place or a school."""

    @property
    def place(self) -> int | None: ...

    @property
    def school(self) -> int | None: ...


class Filtered(Placed, Protocol):
    """A query with the filters that every page of figures has."""

    @property
    def subject(self) -> str: ...

    @property
    def grade(self) -> int | None: ...

    @property
    def sex(self) -> int | None: ...

    @property
    def boundaries(self) -> str: ...


class ChildShown(msgspec.Struct, frozen=True):
    """One child behind a figure."""

    id: str
    name: str
    code: str
    grade: int
    outcome: str
    rank: int | None
    level: str | None
    is_blind: bool = False


class Indicated(msgspec.Struct, frozen=True):
    """One indicator as it is shown."""

    name: str
    definition: str
    numerator: int | None
    denominator: int | None
    share: float | None


def address(query: FiguresWanted, **changes: Any) -> str:
    """The address of other figures."""
    return address_at("/figures", query, **({"rank": None, "outcome": ""} | changes))


def address_at(path: str, query: msgspec.Struct, **changes: Any) -> str:
    """An address with what a query asks, but for what changes; what isn't asked stands not there."""
    fields = msgspec.structs.asdict(query) | changes
    kept = {name: value for name, value in fields.items() if value not in (None, "", "then")}
    return path + (f"?{urlencode(kept)}" if kept else "")


@routes.get("/figures", May("read", "figure"), page=BELOW)
async def figures_page(request: Request, *, query: FiguresWanted, page: PageRequest) -> Html:
    """The levels of a choice of children in each round, the indicators, and what lies below."""
    return render(request, "figures/page.html", **await figures_values(request, query, page))


async def figures_values(request: Request, query: FiguresWanted, page: PageRequest) -> dict[str, Any]:
    """What a page of figures shows."""
    actor, language = actor_of(request), language_of(request)
    round_ = await (
        read_round(request.session, actor, query.round) if query.round else round_of_today(request)
    )
    subject = query.subject if query.subject in SUBJECTS else await first_subject(request, query.school)
    query = msgspec.structs.replace(query, subject=subject, place=await only_country(request, query))
    if not sees_small_cells(actor):
        query = msgspec.structs.replace(query, boundaries="then")
    nothing: Page[Any] = Page([])
    values: dict[str, Any] = {
        "query": query,
        "round": round_,
        "subject": subject,
        "scale": scale_of_round(round_.id, subject_asked(subject))
        if round_
        else scale_now(subject_asked(subject)),
        "school": None,
        "grades": await grade_choices(request),
        "sexes": [(code, language.gettext(text)) for code, text in SEXES.items()],
        "districts": [(code, language.gettext(text)) for code, text in DISTRICTS.items()],
        "page": nothing,
        "below": [],
        "children": None,
        "address": address,
        "moved": None,
        **await where_of(request, query, address),
        "round_choices": await round_choices(request),
        "printed_on": today(request.clock),
    }
    values["same_children"] = "/movement" + address(
        msgspec.structs.replace(query, round=None), rank=None
    ).removeprefix("/figures")
    values["comparison"] = "/comparison" + values["same_children"].removeprefix("/movement")
    values["of_what"] = of_what(request, query, [round_] if round_ else [], values["where"])
    if round_ is None:
        return values
    asked = FigureQuery(
        round_.id,
        subject,
        query.place,
        query.school,
        grade=query.grade,
        sex=query.sex,
        boundaries=query.boundaries or "then",
    )
    telling = Telling(request.session)
    # What lies below first, and the rounds last: it holds the counts of one round at a time.
    if query.school:
        below = await _behind(request, query, asked, page)
    else:
        below = await _below(request, query, asked, page, telling)
    values |= await _numbers(request, asked, telling)
    return values | below | {"moved": await moved_schools(request.session, actor, asked)}


def of_what(request: Request, query: Filtered, rounds: Sequence[Round], where: str) -> list[str]:
    """What the figures are of, in words, for a page that lies on a table: the place and every filter."""
    _ = language_of(request).gettext
    named = " – ".join(f"{_(word('round', each.kind))} {each.year_name}" for each in rounds)
    grade = _("Grade {number}", number=query.grade) if query.grade else _("All grades")
    sex, by = SEXES.get(query.sex or "", SEXES[""]), DISTRICTS.get(query.boundaries, DISTRICTS["then"])
    said = (where, named, _(word("subject", query.subject)), grade, _(sex), _(by))
    return [each for each in said if each]


async def first_subject(request: Request, school_id: int | None) -> str:
    """The reading scale, or the one subject that somebody has at the school they look at."""
    scope = actor_of(request).scope
    held = scope.subjects(school_id) if school_id else sorted({each.subject for each in scope.held})
    return held[0] if held else "language"


async def only_country(request: Request, query: Placed) -> int | None:
    """The place that is asked for, or the one country there is when there is none, for whoever sees everything."""
    actor = actor_of(request)
    if query.place or query.school or not actor.scope.is_everything:
        return query.place
    countries = (await list_places(request.session, actor, PageRequest(2))).items
    return countries[0].id if len(countries) == 1 else None


async def where_of(request: Request, query: Placed, to: Callable[..., str]) -> dict[str, Any]:
    """The name of where figures are of, and the way up from there, by the addresses that `to` makes."""
    actor, _ = actor_of(request), language_of(request).gettext
    top = _("All places") if actor.scope.is_everything else _("My schools")
    way = [(top, to(query, place=None, school=None))]
    school = await read_school(request.session, actor, query.school) if query.school else None
    place_id = school.place_id if school else query.place
    if place_id is not None and actor.scope.is_everything:
        places = await way_to_place(request.session, actor, place_id)
        names = [(each.name_local, to(query, place=each.id, school=None)) for each in places]
        way = names if school or len(names) > 1 else [way[0], *names]
    if school is not None:
        way.append((school.name_local, ""))
    return {"where": way[-1][0], "above": way[:-1], "school": school}


async def round_choices(request: Request) -> list[tuple[int, str]]:
    _ = language_of(request).gettext
    rounds = await list_rounds(request.session, actor_of(request), SOME_ROUNDS)
    return [(each.id, f"{_(word('round', each.kind))} {each.year_name}") for each in rounds.items]


def indicator_words(language: Language, indicator: Indicator, scale: Scale) -> tuple[str, str]:
    """What an indicator is called and what it counts; of a scale that was made in the product by what its level is called."""
    _ = language.gettext
    code = {"goal_up": scale.goal, "near_up": scale.near, "low": scale.low}.get(indicator.code)
    if code is None:
        return _(indicator.name), _(indicator.definition)
    level = level_name(language, code, scale)
    if indicator.code == "low":
        means = _("Children at the level {level} or below ÷ children assessed", level=level)
        return _("{level} and below", level=level), means
    means = _("Children at the level {level} or above ÷ children assessed", level=level)
    return _("{level} and up", level=level), means


async def _numbers(request: Request, asked: FigureQuery, telling: Telling) -> dict[str, Any]:
    """The choice itself, and the same apart by round, grade and sex. *Cost*: four statements over counts."""
    actor, language, session = actor_of(request), language_of(request), request.session
    figures = await read_figures(session, actor, asked, telling=telling)
    scale = scale_of_round(asked.round_id, subject_asked(asked.subject))
    indicators = [
        Indicated(
            *indicator_words(language, each, scale),
            each.numerator,
            each.denominator,
            each.share,
        )
        for each in figures.indicators
    ]
    covered = Indicated(
        language.gettext(COVERAGE),
        language.gettext(COVERAGE_MEANS),
        figures.assessed,
        figures.enrolled,
        figures.coverage,
    )
    grades = [
        (language.gettext("Grade {number}", number=each.key), each.figures)
        for each in await read_breakdown(session, actor, asked, by="grades", telling=telling)
    ]
    sexes = [
        (language.gettext(word("sex", each.key)), each.figures)
        for each in await read_breakdown(session, actor, asked, by="sexes", telling=telling)
    ]
    by_round = await read_breakdown(session, actor, asked, by="rounds", telling=telling)
    return {
        "figures": figures,
        "by_round": by_round,
        "rounds_differ": hold_different_children(by_round),
        "ladders_differ": hold_different_ladders(by_round),
        "indicators": [*indicators, covered],
        "apart": [*grades, *sexes],
        "withholds": not sees_small_cells(actor),
    }


async def _below(
    request: Request, query: FiguresWanted, asked: FigureQuery, page: PageRequest, telling: Telling
) -> dict[str, Any]:
    found = await figures_below(request.session, actor_of(request), asked, page, telling=telling)
    return {"page": found, "below": [(_address_of(query, each), each) for each in found.items]}


def _address_of(query: FiguresWanted, unit: UnitFigures) -> str:
    return address(query, **({"school": unit.id, "place": None} if unit.is_school else {"place": unit.id}))


async def _behind(
    request: Request, query: FiguresWanted, asked: FigureQuery, page: PageRequest
) -> dict[str, Any]:
    """The children of a school behind its figures, for those who may see children."""
    actor = actor_of(request)
    if not allowed(actor.role, "read", "student") or query.school is None:
        return {}
    behind = BehindQuery(
        asked.round_id,
        asked.subject,
        query.school,
        grade=query.grade,
        sex=query.sex,
        rank=query.rank,
        outcome=query.outcome or None,
    )
    found = await children_behind(request.session, actor, behind, page)
    return {"page": found, "children": [_shown(each, asked) for each in found.items]}


def _shown(child: ChildBehind, asked: FigureQuery) -> ChildShown:
    scale = scale_of_round(asked.round_id, subject_asked(asked.subject))
    rank = scale.ranks.get(child.level) if child.level else None
    return ChildShown(
        child.student_id,
        child.name,
        child.code,
        child.grade,
        outcome=child.outcome or "",
        rank=rank,
        level=child.level,
        is_blind=child.is_blind,
    )
