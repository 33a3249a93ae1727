"""The pages of visits: the list, a new one, the form that saves itself, sending, locks and print; and a visit as a device sends it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, NoReturn

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.errors import Fault, NotFound, ProgrammeError, Stale
from rightlevel.programme.forms import AskedForm
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.permissions import May, may
from rightlevel.programme.photos import MAX_PHOTOS, list_photos
from rightlevel.programme.schools import list_schools, read_school
from rightlevel.programme.visits import (
    SavedVisit,
    Visit,
    VisitSearch,
    VisitWrite,
    answers_as_typed,
    answers_of_page,
    as_written,
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
)
from rightlevel.web.feature import IN_PAGES, SAVED, Deeds
from rightlevel.web.form_again import Wrong
from rightlevel.web.language import N_
from rightlevel.web.request import SMALL_BODY, ByUuid, Request, actor_of
from rightlevel.web.sent import now_there
from rightlevel.web.templating import done, language_of, render, show_again
from rightlevel.web.words import word

routes = Deeds("visits", "visit")

VISIT_BODY = 4 * SMALL_BODY
"""Answers of 60,000 characters, written out in JSON."""
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

    school_id: int
    visited_on: date
    subject: str = ""
    teacher_id: int | None = None

    def meant(self) -> VisitWrite:
        return VisitWrite(
            time_ordered_id(),
            time_ordered_id(),
            self.school_id,
            self.subject,
            self.visited_on,
            teacher_id=self.teacher_id,
        )


class VisitForm(msgspec.Struct, frozen=True):
    """A visit as its form sends it; what its questions are answered with comes beside, by the questions' paths."""

    version: int
    visited_on: date
    write_id: str = ""
    teacher_id: int | None = None
    submit: str = ""
    after: str = ""


class VisitWanted(msgspec.Struct, frozen=True):
    """Whether a visit that was sent is opened to be corrected."""

    correct: str = ""


class LockForm(msgspec.Struct, frozen=True):
    """Why a visit is locked or unlocked."""

    reason: str = ""
    lock: bool = True


class SentVisit(msgspec.Struct, frozen=True):
    """A visit as it is sent. `write_id` is a UUID made for this one write; version 0 is a new visit; `submit` sends it for good.

    *Shape*: answers by the keys of the form. A new visit is asked the version in use, unless `form_version_id` says which one the device
    had while it was offline; later on a visit keeps its version. `after` are the write ids of tries that got no answer: this write goes on
    from whichever of them arrived all the same, and is not taken for stale.
    """

    write_id: str
    school_id: int
    subject: str
    visited_on: date
    answers: dict[str, Any] = {}
    teacher_id: int | None = None
    version: int = 0
    submit: bool = False
    form_version_id: int | None = None
    after: tuple[str, ...] = ()


@routes.put("/api/v1/visits/{id}", May("change", "visit"), body_bytes=VISIT_BODY)
async def save_one_visit(request: Request, *, path: ByUuid, body: SentVisit) -> SavedVisit:
    """Saves a draft, sends a visit, or corrects one that was sent; the same write again gets the same answer."""
    sent = {name: value for name, value in msgspec.structs.asdict(body).items() if name != "submit"}
    write = VisitWrite(path.id, **sent)
    return await save_visit(
        request.session, actor_of(request), write, request.clock, is_submitting=body.submit
    )


@routes.get("/visits", May("read", "visit"), **IN_PAGES)
async def visits_page(request: Request, *, query: ListWanted, page: PageRequest) -> Html:
    """Visits, the latest first."""
    state = query.which if query.which in ("draft", "submitted") else None
    asked = VisitSearch(state=state, school_id=query.school_id, incomplete=query.which == "incomplete")
    found = await list_visits(request.session, actor_of(request), page, request.clock, asked)
    return render(request, "visits/list.html", page=found, query=query)


@routes.get("/visits/new", May("create", "visit"), **IN_PAGES)
async def new_visit_page(request: Request, *, query: NewWanted) -> Html:
    """The form that begins a visit: where, for which subject, whose lesson."""
    actor = actor_of(request)
    if query.school_id is None:
        schools = await list_schools(request.session, actor, SCHOOLS)
        return render(request, "visits/new.html", school=None, schools=schools.items)
    school = await read_school(request.session, actor, query.school_id)
    teachers = await teachers_of_school(request.session, actor, school.id, request.clock)
    return render(
        request,
        "visits/new.html",
        school=school,
        schools=[],
        today=today(request.clock),
        subjects=subjects_of(actor, school.id),
        teachers=[(each.id, each.display_name) for each in teachers],
    )


routes.sends(
    "post_create_visit",
    "/visits/new",
    save_visit,
    NewForm,
    may="create",
    then="/visits/{made.visit.id}",
    word="",
    says="Begins a draft.",
)


@routes.get("/visits/{id}", May("read", "visit"), **IN_PAGES)
async def visit_page(request: Request, *, path: ByUuid, query: VisitWanted) -> Html:
    """One visit: its form while it is a draft or is corrected, else what was answered; follow-up actions, its photos."""
    return render(
        request, "visits/one.html", **await _one(request, path.id, is_corrected=query.correct == "yes")
    )


async def _one(
    request: Request,
    visit_id: str,
    form: VisitForm | None = None,
    *,
    is_printed: bool = False,
    is_corrected: bool = False,
) -> dict[str, Any]:
    actor = actor_of(request)
    visit = await read_visit(request.session, actor, visit_id)
    is_own = visit.mentor_id == actor.person_id and may(actor, "change", "visit")
    may_raise = may(actor, "raise", "follow_up")
    owners = (
        await owners_of_school(request.session, actor, visit.school_id, request.clock) if may_raise else []
    )
    teachers = [each for each in owners if each.is_teacher] if is_own else []
    agreed = await list_follow_ups(request.session, actor, PageRequest(20), request.clock, visit_id=visit.id)
    now = request.clock.now()
    photos = [
        (each, request.app.photo_links.link(each.id, actor.person_id, now))
        for each in await list_photos(request.session, actor, visit.id)
    ]
    language = language_of(request).code
    typed = (
        await answers_as_typed(request.session, visit, request.sent.fields)
        if form is not None
        else visit.answers
    )
    asked = await questions_of_visit(request.session, visit, typed, language, request.clock)
    may_write = is_own and not visit.is_locked
    is_form = may_write and (visit.state == "draft" or is_corrected or form is not None)
    is_read = is_printed or not is_form
    lines = await visit_in_print(request.session, visit, language) if is_read else []
    return {
        "visit": visit,
        "may_write": may_write,
        "is_form": is_form,
        "form": form,
        "asked": asked,
        "lines": lines,
        "teachers": [(each.id, each.display_name) for each in teachers],
        "agreed": agreed.items,
        "photos": photos,
        "most_photos": MAX_PHOTOS,
        "owners": [(each.id, each.display_name) for each in owners],
        "today": today(request.clock),
        "new_id": time_ordered_id(),
        "now": [],
    }


@routes.post("/visits/{id}", May("change", "visit"), body_bytes=VISIT_BODY, **IN_PAGES)
async def post_save_visit(request: Request, *, path: ByUuid, form: VisitForm) -> Html | Redirect:
    """Saves what is typed: by itself after every change, or with a button; the other button sends it."""
    is_by_itself = "hx-request" in request.headers and not form.submit
    try:
        async with request.session.savepoint():
            visit = await read_visit(request.session, actor_of(request), path.id)
            answers = await answers_of_page(request.session, visit, request.sent.fields)
            saved = await save_visit(
                request.session,
                actor_of(request),
                _write(visit, form, answers),
                request.clock,
                is_submitting=form.submit == "yes",
            )
    except ProgrammeError as error:
        await _again(request, path.id, form, error, is_by_itself=is_by_itself)
    if is_by_itself:
        _ = language_of(request).gettext
        told = _("Saved.")
        if saved.faults:
            asked = await questions_of_visit(
                request.session, saved.visit, saved.visit.answers, language_of(request).code, request.clock
            )
            told = "; ".join(f"{each.name}: {each.text}" for each in _faults(request, asked, saved.faults))
            told = f"{_('Saved, but for this:')} {told}"
        version = saved.visit.version
        return render(request, "visits/saved.html", version=version, told=told, is_saved=not saved.faults)
    return done(request, f"/visits/{path.id}", N_("The visit is sent.") if form.submit else SAVED)


def _write(visit: Visit, form: VisitForm, answers: dict[str, Any]) -> VisitWrite:
    return as_written(
        visit,
        write_id=form.write_id or time_ordered_id(),
        visited_on=form.visited_on,
        teacher_id=form.teacher_id,
        version=form.version,
        answers=answers,
        after=tuple(form.after.split()),
    )


def _faults(request: Request, asked: AskedForm, faults: Iterable[Fault]) -> list[Wrong]:
    """Faults with the words of the questions that they are about."""
    language = language_of(request)
    names = {field.path: field.label for section in asked.sections for field in section.fields}
    names |= {
        inner.path: f"{field.label} {row.number + 1}: {inner.label}"
        for section in asked.sections
        for field in section.fields
        for row in field.rows
        for inner in row.fields
    }
    return [
        Wrong(
            each.field,
            names.get(each.field) or language.gettext(word("field", each.field)),
            language.rule(each.rule),
        )
        for each in faults
    ]


async def _again(
    request: Request, visit_id: str, form: VisitForm, error: ProgrammeError, *, is_by_itself: bool
) -> NoReturn:
    if is_by_itself:
        told = language_of(request).error(error)
        show_again(request, "visits/saved.html", error, version=form.version, told=told, is_saved=False)
    values = await _one(request, visit_id, form)
    values["fault_list"] = _faults(request, values["asked"], error.faults)
    if isinstance(error, Stale):
        visit: Visit = values["visit"]
        sent = await answers_of_page(request.session, visit, request.sent.fields)
        there = await standing_otherwise(request.session, visit, sent, language_of(request).code)
        values["now"] = [*now_there(error, form), *there]
    show_again(request, "visits/one.html", error, **values)


@routes.post("/visits/{id}/lock", May("lock", "visit"), **IN_PAGES)
async def post_lock_visit(request: Request, *, path: ByUuid, form: LockForm) -> Redirect:
    """Locks or unlocks a visit."""
    answers = await lock_visits(
        request.session,
        actor_of(request),
        [path.id],
        reason=form.reason,
        clock=request.clock,
        is_lock=form.lock,
    )
    if answers[0].code == "not_found":
        raise NotFound
    return done(request, f"/visits/{path.id}", SAVED)


@routes.get("/visits/{id}/print", May("read", "visit"), **IN_PAGES)
async def print_visit_page(request: Request, *, path: ByUuid) -> Html:
    """One visit as a sheet of paper."""
    return render(request, "visits/print.html", **await _one(request, path.id, is_printed=True))
