"""What was deleted, and the button that brings it back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from flatwater.contract import Html
from flatwater.paging import Page, PageRequest
from rightlevel.programme.accounts import list_people
from rightlevel.programme.permissions import Actor, May, allowed
from rightlevel.programme.places import list_places, restore_place
from rightlevel.programme.rounds import list_rounds, restore_round
from rightlevel.programme.schools import SchoolSearch, list_schools, list_years, restore_year
from rightlevel.programme.students import StudentSearch, list_students
from rightlevel.web.feature import BACK, Deeds
from rightlevel.web.language import N_, Language
from rightlevel.web.request import Request, actor_of
from rightlevel.web.templating import language_of, render
from rightlevel.web.words import word

routes = Deeds("pages", "student")


class KindWanted(msgspec.Struct, frozen=True):
    """What kind of deleted thing is asked for."""

    kind: str = ""


class DeletedRow(msgspec.Struct, frozen=True):
    """One deleted thing: its name, what tells it apart, and where its restore button posts."""

    name: str
    about: str
    restore_url: str


KINDS: dict[str, tuple[str, str]] = {
    "students": (N_("Children"), "student"),
    "schools": (N_("Schools"), "school"),
    "places": (N_("Places"), "place"),
    "rounds": (N_("Rounds"), "round"),
    "years": (N_("School years"), "school_year"),
    "people": (N_("People"), "person"),
}
"""Kind → its name, and the resource whose `restore` permission opens it."""


async def _students(request: Request, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    found = await list_students(request.session, actor, page, StudentSearch(deleted=True))
    return _rows(found, "students", lambda each: (each.name, each.code))


async def _schools(request: Request, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    found = await list_schools(request.session, actor, page, SchoolSearch(deleted=True))
    return _rows(found, "schools", lambda each: (each.name_local, each.code))


async def _places(request: Request, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    language = language_of(request)
    found = await list_places(request.session, actor, page, deleted=True)
    return _rows(
        found, "places", lambda each: (each.name_local, _told(language, "place", each.kind, each.code))
    )


async def _rounds(request: Request, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    language = language_of(request)
    found = await list_rounds(request.session, actor, page, deleted=True)
    return _rows(found, "rounds", lambda each: (_told(language, "round", each.kind, each.year_name), ""))


async def _years(request: Request, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    found = await list_years(request.session, actor, page, deleted=True)
    return _rows(found, "years", lambda each: (each.name, ""))


async def _people(request: Request, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    found = await list_people(request.session, actor, page, deleted=True)
    return _rows(found, "people", lambda each: (each.display_name, each.username))


def _rows(found: Page[Any], kind: str, row: Callable[[Any], tuple[str, str]]) -> Page[DeletedRow]:
    rows = [DeletedRow(*row(each), f"/{kind}/{each.id}/restore") for each in found.items]
    return Page(rows, found.next)


def _told(language: Language, vocabulary: str, code: str, more: str) -> str:
    return f"{language.gettext(word(vocabulary, code))} {more}"


READERS: dict[str, Callable[[Request, Actor, PageRequest], Awaitable[Page[DeletedRow]]]] = {
    "students": _students,
    "schools": _schools,
    "places": _places,
    "rounds": _rounds,
    "years": _years,
    "people": _people,
}


@routes.get("/deleted", May("restore", "student"))
async def deleted_page(request: Request, *, query: KindWanted, page: PageRequest) -> Html:
    """Deleted things of one kind, with the button that brings each back."""
    return render(request, "deleted/list.html", **await _list(request, query.kind, page))


async def _list(request: Request, asked: str, page: PageRequest) -> dict[str, Any]:
    actor, language = actor_of(request), language_of(request)
    kinds = {kind: text for kind, (text, noun) in KINDS.items() if allowed(actor.role, "restore", noun)}
    kind = asked if asked in kinds else "students"
    tabs = [(f"/deleted?kind={each}", language.gettext(text), each == kind) for each, text in kinds.items()]
    return {"kinds": tabs, "page": await READERS[kind](request, actor, page)}


for kind, noun, restore in (
    ("places", "place", restore_place),
    ("years", "year", restore_year),
    ("rounds", "round", restore_round),
):
    routes.sends(
        f"post_restore_{noun}",
        f"/{kind}/{{id}}/restore",
        restore,
        may=May("restore", KINDS[kind][1]),
        then=f"/deleted?kind={kind}",
        word=BACK,
    )
