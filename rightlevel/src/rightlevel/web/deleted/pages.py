"""What was deleted, and the button that brings it back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import Page, PageRequest
from rightlevel.programme.accounts import list_people
from rightlevel.programme.permissions import Actor, May, allowed
from rightlevel.programme.places import list_places, restore_place
from rightlevel.programme.rounds import list_rounds, restore_round
from rightlevel.programme.schools import SchoolSearch, list_schools, list_years, restore_year
from rightlevel.programme.students import StudentSearch, list_students
from rightlevel.web.call import Ask, ById, actor_of
from rightlevel.web.language import N_, Language
from rightlevel.web.routes import Routes
from rightlevel.web.sent import NoFields
from rightlevel.web.templating import done, language_of, render
from rightlevel.web.words import word

routes = Routes("pages")


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


async def _students(call: Ask, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    found = await list_students(call.session, actor, page, StudentSearch(deleted=True))
    return _rows(found, lambda each: (each.name, each.code, f"/students/{each.id}/restore"))


async def _schools(call: Ask, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    found = await list_schools(call.session, actor, page, SchoolSearch(deleted=True))
    return _rows(found, lambda each: (each.name_local, each.code, f"/schools/{each.id}/restore"))


async def _places(call: Ask, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    language = language_of(call)
    found = await list_places(call.session, actor, page, deleted=True)
    return _rows(
        found,
        lambda each: (
            each.name_local,
            _told(language, "place", each.kind, each.code),
            f"/places/{each.id}/restore",
        ),
    )


async def _rounds(call: Ask, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    language = language_of(call)
    found = await list_rounds(call.session, actor, page, deleted=True)
    return _rows(
        found,
        lambda each: (_told(language, "round", each.kind, each.year_name), "", f"/rounds/{each.id}/restore"),
    )


async def _years(call: Ask, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    found = await list_years(call.session, actor, page, deleted=True)
    return _rows(found, lambda each: (each.name, "", f"/years/{each.id}/restore"))


async def _people(call: Ask, actor: Actor, page: PageRequest) -> Page[DeletedRow]:
    found = await list_people(call.session, actor, page, deleted=True)
    return _rows(found, lambda each: (each.display_name, each.username, f"/people/{each.id}/restore"))


def _rows(found: Page[Any], row: Callable[[Any], tuple[str, str, str]]) -> Page[DeletedRow]:
    return Page([DeletedRow(*row(each)) for each in found.items], found.next)


def _told(language: Language, vocabulary: str, code: str, more: str) -> str:
    return f"{language.gettext(word(vocabulary, code))} {more}"


READERS: dict[str, Callable[[Ask, Actor, PageRequest], Awaitable[Page[DeletedRow]]]] = {
    "students": _students,
    "schools": _schools,
    "places": _places,
    "rounds": _rounds,
    "years": _years,
    "people": _people,
}


@routes.get("/deleted", May("restore", "student"))
async def deleted_page(call: Ask, *, query: KindWanted, page: PageRequest) -> Html:
    """Deleted things of one kind, with the button that brings each back."""
    return render(call, "deleted/list.html", **await _list(call, query.kind, page))


async def _list(call: Ask, asked: str, page: PageRequest) -> dict[str, Any]:
    actor, language = actor_of(call), language_of(call)
    kinds = {kind: text for kind, (text, noun) in KINDS.items() if allowed(actor.role, "restore", noun)}
    kind = asked if asked in kinds else "students"
    tabs = [(f"/deleted?kind={each}", language.gettext(text), each == kind) for each, text in kinds.items()]
    return {"kinds": tabs, "page": await READERS[kind](call, actor, page)}


async def _restored(call: Ask, kind: str, deed: Awaitable[object]) -> Redirect:
    await deed
    _ = language_of(call).gettext
    return done(call, f"/deleted?kind={kind}", _("It is back."))


@routes.post("/places/{id}/restore", May("restore", "place"))
async def restore_place_here(call: Ask, *, path: ById, form: NoFields) -> Redirect:
    """Brings a place back."""
    return await _restored(call, "places", restore_place(call.session, actor_of(call), path.id))


@routes.post("/years/{id}/restore", May("restore", "school_year"))
async def restore_year_here(call: Ask, *, path: ById, form: NoFields) -> Redirect:
    """Brings a school year back."""
    return await _restored(call, "years", restore_year(call.session, actor_of(call), path.id))


@routes.post("/rounds/{id}/restore", May("restore", "round"))
async def restore_round_here(call: Ask, *, path: ById, form: NoFields) -> Redirect:
    """Brings a round back."""
    return await _restored(call, "rounds", restore_round(call.session, actor_of(call), path.id))
