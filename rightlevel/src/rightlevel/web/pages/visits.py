"""Visits: the list, a new one, the form that saves itself, sending, locks, photos, print and export."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Raw, Redirect, Streamed, Upload
from flatwater.paging import PageRequest
from rightlevel.programme.errors import Fault, NotFound, ProgrammeError, Stale
from rightlevel.programme.forms import AskedForm
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.permissions import May, may
from rightlevel.programme.photos import MAX_PHOTOS, list_photos, remove_photo
from rightlevel.programme.schools import list_schools, read_school
from rightlevel.programme.visits import (
    Visit,
    VisitSearch,
    VisitWrite,
    answers_as_typed,
    answers_of_page,
    as_written,
    begin_export,
    delete_visit,
    list_follow_ups,
    list_visits,
    lock_visits,
    owners_of_school,
    questions_of_visit,
    read_visit,
    save_visit,
    standing_otherwise,
    subjects_of,
    teachers_of_school,
    visit_in_print,
    visits_csv,
)
from rightlevel.web.authority import write_as
from rightlevel.web.call import READ_S, SMALL_BODY, WRITE_S, Ask, ByUuid, actor_of
from rightlevel.web.pages.forms import NoFields, Reason, Typed, now_there
from rightlevel.web.routes import Routes
from rightlevel.web.sent_photos import PHOTO_BODY, PHOTO_S, SentPhoto, add_photo
from rightlevel.web.templating import Shown, done, language_of, render, show_again
from rightlevel.web.words import word

routes = Routes("pages")

VISIT_BODY = 4 * SMALL_BODY
SCHOOLS = PageRequest(200)


class ListWanted(msgspec.Struct, frozen=True):
    """Which visits are shown."""

    which: str = ""
    school_id: int | None = None


class NewWanted(msgspec.Struct, frozen=True):
    """At which school."""

    school_id: int | None = None


class NewForm(msgspec.Struct, frozen=True):
    """What begins a visit."""

    school_id: int | None = None
    subject: str = ""
    visited_on: str = ""
    teacher_id: int | None = None


class VisitForm(msgspec.Struct, frozen=True):
    """A visit as its form sends it; what its questions are answered with comes beside, by the questions' paths."""

    version: int
    write_id: str = ""
    visited_on: str = ""
    teacher_id: int | None = None
    submit: str = ""
    after: str = ""


class LockForm(msgspec.Struct, frozen=True):
    """Why a visit is locked or unlocked."""

    reason: str = ""
    lock: bool = True


class PhotoMark(msgspec.Struct, frozen=True):
    """Until when a link is good, and by whom it was made."""

    until: int = 0
    mark: str = ""


@routes.get("/visits", May("read", "visit"))
async def visits_page(call: Ask, *, query: ListWanted, page: PageRequest) -> Html:
    """Visits, the latest first."""
    state = query.which if query.which in ("draft", "submitted") else None
    asked = VisitSearch(state=state, school_id=query.school_id, incomplete=query.which == "incomplete")
    found = await list_visits(call.session, actor_of(call), page, call.clock, asked)
    return render(call, "visits/list.html", page=found, query=query)


@routes.get("/visits/new", May("create", "visit"))
async def new_visit_page(call: Ask, *, query: NewWanted) -> Html:
    """The form that begins a visit: where, for which subject, whose lesson."""
    form = NewForm(query.school_id, visited_on=today(call.clock).isoformat())
    return render(call, "visits/new.html", **await _new(call, form))


async def _new(call: Ask, form: NewForm) -> dict[str, Any]:
    actor = actor_of(call)
    if form.school_id is None:
        schools = await list_schools(call.session, actor, SCHOOLS)
        return {"form": form, "school": None, "schools": schools.items, "subjects": [], "teachers": []}
    school = await read_school(call.session, actor, form.school_id)
    teachers = await teachers_of_school(call.session, actor, school.id, call.clock)
    return {
        "form": form,
        "school": school,
        "schools": [],
        "subjects": subjects_of(actor, school.id),
        "teachers": [(each.id, each.display_name) for each in teachers],
    }


@routes.post("/visits/new", May("create", "visit"))
async def create_visit_here(call: Ask, *, form: NewForm) -> Redirect:
    """Begins a draft."""
    typed = Typed()
    visited_on = typed.day("visited_on", form.visited_on)
    if form.school_id is None:
        typed.needed("school_id")
    typed.check()
    write = VisitWrite(
        time_ordered_id(),
        time_ordered_id(),
        form.school_id or 0,
        form.subject,
        visited_on,
        {},
        form.teacher_id,
    )
    saved = await save_visit(call.session, actor_of(call), write, call.clock)
    return done(call, f"/visits/{saved.visit.id}")


@routes.get("/visits/{id}", May("read", "visit"))
async def visit_page(call: Ask, *, path: ByUuid) -> Html:
    """One visit: its form, follow-up actions, its photos."""
    return render(call, "visits/one.html", **await _one(call, path.id))


async def _one(
    call: Ask, visit_id: str, form: VisitForm | None = None, *, is_printed: bool = False
) -> dict[str, Any]:
    actor = actor_of(call)
    visit = await read_visit(call.session, actor, visit_id)
    is_own = visit.mentor_id == actor.person_id and may(actor, "change", "visit")
    may_raise = may(actor, "raise", "follow_up")
    owners = await owners_of_school(call.session, actor, visit.school_id, call.clock) if may_raise else []
    teachers = await teachers_of_school(call.session, actor, visit.school_id, call.clock) if is_own else []
    agreed = await list_follow_ups(call.session, actor, PageRequest(20), call.clock, visit_id=visit.id)
    now = call.clock.now()
    photos = [
        (each, call.app.photo_links.link(each.id, actor.person_id, now))
        for each in await list_photos(call.session, actor, visit.id)
    ]
    language = language_of(call).code
    typed = (
        await answers_as_typed(call.session, visit, call.sent.fields) if form is not None else visit.answers
    )
    asked = await questions_of_visit(call.session, visit, typed, language, call.clock)
    may_write = is_own and not visit.is_locked
    is_read = is_printed or not may_write
    lines = await visit_in_print(call.session, visit, language) if is_read else []
    return {
        "visit": visit,
        "may_write": may_write,
        "form": form,
        "asked": asked,
        "lines": lines,
        "teachers": [(each.id, each.display_name) for each in teachers],
        "agreed": agreed.items,
        "photos": photos,
        "most_photos": MAX_PHOTOS,
        "owners": [(each.id, each.display_name) for each in owners],
        "today": today(call.clock),
        "new_id": time_ordered_id(),
        "now": [],
    }


@routes.post("/visits/{id}", May("change", "visit"), body_bytes=VISIT_BODY)
async def save_visit_here(call: Ask, *, path: ByUuid, form: VisitForm) -> Html | Redirect:
    """Saves what is typed: by itself after every change, or with a button; the other button sends it."""
    is_by_itself = "hx-request" in call.headers and not form.submit
    try:
        async with call.session.savepoint():
            visit = await read_visit(call.session, actor_of(call), path.id)
            answers = await answers_of_page(call.session, visit, call.sent.fields)
            saved = await save_visit(
                call.session,
                actor_of(call),
                _write(visit, form, answers),
                call.clock,
                is_submitting=form.submit == "yes",
            )
    except ProgrammeError as error:
        await _again(call, path.id, form, error, is_by_itself=is_by_itself)
    _ = language_of(call).gettext
    if is_by_itself:
        told = _("Saved.")
        if saved.faults:
            asked = await questions_of_visit(
                call.session, saved.visit, saved.visit.answers, language_of(call).code, call.clock
            )
            told = "; ".join(f"{each.name}: {each.text}" for each in _faults(call, asked, saved.faults))
            told = f"{_('Saved, but for this:')} {told}"
        version = saved.visit.version
        return render(call, "visits/saved.html", version=version, told=told, is_saved=not saved.faults)
    return done(call, f"/visits/{path.id}", _("The visit is sent.") if form.submit else _("Saved."))


def _write(visit: Visit, form: VisitForm, answers: dict[str, Any]) -> VisitWrite:
    typed = Typed()
    visited_on = typed.day("visited_on", form.visited_on)
    typed.check()
    return as_written(
        visit,
        write_id=form.write_id or time_ordered_id(),
        visited_on=visited_on,
        teacher_id=form.teacher_id,
        version=form.version,
        answers=answers,
        after=tuple(form.after.split()),
    )


def _faults(call: Ask, asked: AskedForm, faults: Iterable[Fault]) -> list[Shown]:
    """Faults with the words of the questions that they are about."""
    language = language_of(call)
    names = {field.path: field.label for section in asked.sections for field in section.fields}
    names |= {
        inner.path: f"{field.label} {row.number + 1}: {inner.label}"
        for section in asked.sections
        for field in section.fields
        for row in field.rows
        for inner in row.fields
    }
    return [
        Shown(
            each.field,
            names.get(each.field) or language.gettext(word("field", each.field)),
            language.rule(each.rule),
        )
        for each in faults
    ]


async def _again(
    call: Ask, visit_id: str, form: VisitForm, error: ProgrammeError, *, is_by_itself: bool
) -> NoReturn:
    if is_by_itself:
        told = language_of(call).error(error)
        show_again(call, "visits/saved.html", error, version=form.version, told=told, is_saved=False)
    values = await _one(call, visit_id, form)
    values["fault_list"] = _faults(call, values["asked"], error.faults)
    if isinstance(error, Stale):
        visit: Visit = values["visit"]
        sent = await answers_of_page(call.session, visit, call.sent.fields)
        there = await standing_otherwise(call.session, visit, sent, language_of(call).code)
        values["now"] = [*now_there(error, form), *there]
    show_again(call, "visits/one.html", error, **values)


@routes.post("/visits/{id}/delete", May("delete", "visit"))
async def delete_visit_here(call: Ask, *, path: ByUuid, form: Reason) -> Redirect:
    """Takes a visit away."""
    await delete_visit(
        call.session, actor_of(call), path.id, version=form.version, reason=form.reason, clock=call.clock
    )
    return done(call, "/visits", language_of(call).gettext("Deleted."))


@routes.post("/visits/{id}/lock", May("lock", "visit"))
async def lock_visit_here(call: Ask, *, path: ByUuid, form: LockForm) -> Redirect:
    """Locks or unlocks a visit."""
    answers = await lock_visits(
        call.session, actor_of(call), [path.id], reason=form.reason, clock=call.clock, is_lock=form.lock
    )
    if answers[0].code == "not_found":
        raise NotFound
    return done(call, f"/visits/{path.id}", language_of(call).gettext("Saved."))


@routes.get("/visits/{id}/print", May("read", "visit"))
async def print_visit_page(call: Ask, *, path: ByUuid) -> Html:
    """One visit as a sheet of paper."""
    return render(call, "visits/print.html", **await _one(call, path.id, is_printed=True))


@routes.post(
    "/visits/export",
    May("export", "visit"),
    work="none",
    deadline_s=READ_S,
    media=("text/csv; charset=utf-8",),
)
async def export_visits_here(call: Ask, *, form: NoFields) -> Streamed:
    """Submitted visits in scope, as CSV for a spreadsheet."""
    asked = VisitSearch()
    forms = await write_as(
        call,
        lambda session, actor: begin_export(session, actor, asked),
        deadline_s=WRITE_S,
        answer=lambda begun: begun,
        is_kept=False,
    )
    headers = {"content-disposition": f'attachment; filename="visits-{today(call.clock)}.csv"'}
    return Streamed(
        visits_csv(call.database, actor_of(call), asked, forms), "text/csv; charset=utf-8", headers
    )


@routes.post(
    "/visits/{id}/photos", May("change", "visit"), work="none", deadline_s=PHOTO_S, body_bytes=PHOTO_BODY
)
async def add_photo_here(call: Ask, *, path: ByUuid, form: SentPhoto, upload: Upload | None) -> Redirect:
    """Adds a photo."""
    await add_photo(call, path.id, form, upload)
    return done(call, f"/visits/{path.id}", language_of(call).gettext("Saved."))


@routes.post("/photos/{id}/remove", May("change", "visit"))
async def remove_photo_here(call: Ask, *, path: ByUuid, form: NoFields) -> Redirect:
    """Takes a photo off its visit."""
    visit_id = await remove_photo(call.session, actor_of(call), path.id, call.clock)
    return done(call, f"/visits/{visit_id}", language_of(call).gettext("Deleted."))


class LinkEnded(ProgrammeError):
    """This link has run out. Load the page again."""

    kind = "gone"
    code = "link_ended"


@routes.get(
    "/photos/{id}",
    May("read", "visit"),
    work="none",
    deadline_s=PHOTO_S,
    tags=("service",),
    media=("image/jpeg",),
)
async def photo_of_page(call: Ask, *, path: ByUuid, query: PhotoMark) -> Raw:
    """A photo, by a link that was made for this person a short while ago."""
    actor = actor_of(call)
    if not call.app.photo_links.is_good(path.id, actor.person_id, query.until, query.mark, call.clock.now()):
        raise LinkEnded
    content = await call.app.album.content(actor, path.id)
    return Raw(content, "image/jpeg", headers={"cache-control": "private, no-store"})
