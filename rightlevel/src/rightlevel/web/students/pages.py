"""Children: find them all, add one in four fields, look at one on one page, change, left and returned, take away."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Redirect
from flatwater.paging import CEILING_ROWS, PageLimit, PageRequest
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import May, allowed
from rightlevel.programme.results import read_moved_child, results_of_student
from rightlevel.programme.schools import list_classes, read_class, read_school, school_names
from rightlevel.programme.students import (
    NewStudent,
    Student,
    StudentChange,
    StudentSearch,
    change_student,
    children_by_year,
    count_students,
    create_student,
    delete_student,
    is_settled,
    list_students,
    mark_left,
    mark_returned,
    read_student,
    restore_student,
)
from rightlevel.web.call import Ask, ById, ByUuid, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.sent import NoFields, Reason, Typed, reason_of
from rightlevel.web.students.history import history_lines
from rightlevel.web.students.record_changes import latest_changes
from rightlevel.web.templating import done, language_of, render
from rightlevel.web.work import grade_choices

routes = Routes("pages")

ALL = PageRequest(CEILING_ROWS)
MANY = PageLimit(50)


class ChildrenWanted(msgspec.Struct, frozen=True):
    """Which children are asked for."""

    search: str = ""
    grade: int | None = None
    status: str = ""


class ChildForm(msgspec.Struct, frozen=True):
    """What the forms for a child send; the everyday one only code, name, sex and grade."""

    code: str = ""
    name: str = ""
    sex: int | None = None
    grade: int | None = None
    class_id: int | None = None
    birth_on: date | None = None
    age: int | None = None
    guardian_contact: str = ""
    guardian_consent_on: date | None = None
    version: int = 0
    another: str = ""
    reason: str = ""


class LeavingForm(msgspec.Struct, frozen=True):
    """Since when and why a child is not at school any more."""

    left_on: date
    reason: str = ""
    version: int = 0


class VersionForm(msgspec.Struct, frozen=True):
    """Which version the person had before their eyes."""

    version: int = 0


@routes.get("/students", May("read", "student"), page=MANY)
async def students_page(call: Ask, *, query: ChildrenWanted, page: PageRequest) -> Html:
    """Every child within reach, by name."""
    return render(call, "students/list.html", school=None, **await _children(call, query, page, None))


@routes.get("/schools/{id}/students", May("read", "student"), page=MANY)
async def students_of_school_page(call: Ask, *, path: ById, query: ChildrenWanted, page: PageRequest) -> Html:
    """Every child of a school, by name."""
    school = await read_school(call.session, actor_of(call), path.id)
    return render(call, "students/list.html", school=school, **await _children(call, query, page, path.id))


async def _children(
    call: Ask, query: ChildrenWanted, page: PageRequest, school_id: int | None
) -> dict[str, Any]:
    status = "left" if query.status == "left" else "active"
    asked = StudentSearch(school_id, grade=query.grade, search=query.search.strip() or None, status=status)
    actor = actor_of(call)
    rows = await list_students(call.session, actor, page, asked)
    return {
        "query": query,
        "page": rows,
        "total": await count_students(call.session, actor, asked),
        "elsewhere": [
            each
            for each in await children_by_year(call.session, actor, school_id=school_id)
            if not each.is_current
        ],
        "grades": await grade_choices(call),
        "schools": await _names(call, {each.school_id for each in rows.items}, school_id),
    }


async def _names(call: Ask, school_ids: set[int], shown: int | None) -> dict[int, str]:
    """The names of the schools on one page of children. *Cost*: one statement, none on the page of one school."""
    return await school_names(call.session, actor_of(call), sorted(school_ids - {shown}))


@routes.get("/schools/{id}/students/new", May("create", "student"))
async def new_student_page(call: Ask, *, path: ById, query: ChildForm) -> Html:
    """The everyday form: code, name, sex, grade."""
    return render(call, "students/form.html", **await _form(call, path.id, None, query))


async def _form(call: Ask, school_id: int, student: Student | None, form: ChildForm) -> dict[str, Any]:
    actor, language = actor_of(call), language_of(call)
    school = await read_school(call.session, actor, school_id)
    classes = await list_classes(call.session, actor, ALL, school_id=school_id)
    year_id = max((each.school_year_id for each in classes.items), default=0)
    grades = await grade_choices(call, short=True)
    if student is not None:
        # A child is corrected where it stands: in its own year, and in a grade that the programme may not have any more.
        year_id = student.school_year_id
        grades = sorted({*grades, (student.grade, str(student.grade))})
    return {
        "school": school,
        "student": student,
        "form": form,
        "grades": grades,
        "classes": [
            (each.id, f"{language.gettext('Grade {number}', number=each.grade)} {each.section}".strip())
            for each in classes.items
            if each.school_year_id == year_id
        ],
    }


@routes.post("/schools/{id}/students/new", May("create", "student"))
async def create_student_here(call: Ask, *, path: ById, form: ChildForm) -> Redirect:
    """Adds a child, and asks for the next one where that was wished."""
    student = await create_student(call.session, actor_of(call), _new(path.id, form), call.clock)
    _ = language_of(call).gettext
    text = _("{name} is saved.", name=student.name)
    if form.another:
        same_class = f"&class_id={student.class_id}" if student.class_id is not None else ""
        return done(call, f"/schools/{path.id}/students/new?grade={student.grade}{same_class}", text)
    return done(call, f"/students/{student.id}", text)


def _new(school_id: int, form: ChildForm) -> NewStudent:
    typed = Typed()
    for field in ("sex", "grade"):
        if getattr(form, field) is None:
            typed.needed(field)
    for field in ("code", "name"):
        if not getattr(form, field).strip():
            typed.needed(field)
    typed.check()
    return NewStudent(school_id, form.code, form.name, form.sex or 0, form.grade or 0, form.class_id)


@routes.get("/students/{id}", May("read", "student"))
async def student_page(call: Ask, *, path: ByUuid) -> Html:
    """One child: who it is, and its levels, one line a subject. Of one that only sat where the reader works, what belongs there."""
    try:
        values = await _one(call, path.id)
    except NotFound:
        child = await read_moved_child(call.session, actor_of(call), path.id)
        found = await results_of_student(call.session, actor_of(call), path.id, ALL)
        return render(call, "students/moved.html", child=child, results=found.items)
    return render(call, "students/one.html", **values)


async def _one(call: Ask, student_id: str) -> dict[str, Any]:
    actor, language = actor_of(call), language_of(call)
    student = await read_student(call.session, actor, student_id)
    school = await read_school(call.session, actor, student.school_id)
    class_name = ""
    if student.class_id is not None:
        section = (await read_class(call.session, actor, student.class_id)).section
        class_name = language.gettext("Class {section}", section=section) if section else ""
    history = {} if student.is_deleted else await history_lines(call, student)
    history |= await latest_changes(call, student_id)
    may_delete = allowed(actor.role, "delete", "student") and not student.is_deleted
    may_override = allowed(actor.role, "override", "result")
    can_delete = may_delete and (may_override or not await is_settled(call.session, student_id))
    return {
        "student": student,
        "school": school,
        "class_name": class_name,
        "today": today(call.clock),
        "can_delete": can_delete,
        "is_kept": may_delete and not can_delete,
        **history,
    }


@routes.get("/students/{id}/edit", May("change", "student"))
async def edit_student_page(call: Ask, *, path: ByUuid) -> Html:
    """The form that changes a child's record."""
    student = await read_student(call.session, actor_of(call), path.id)
    return render(
        call, "students/form.html", **await _form(call, student.school_id, student, _form_of(student))
    )


def _form_of(student: Student) -> ChildForm:
    return ChildForm(
        student.code,
        student.name,
        student.sex,
        student.grade,
        student.class_id,
        student.birth_on,
        student.age,
        student.guardian_contact or "",
        student.guardian_consent_on,
        student.version,
    )


@routes.post("/students/{id}/edit", May("change", "student"))
async def change_student_here(call: Ask, *, path: ByUuid, form: ChildForm) -> Redirect:
    """Changes a child's record."""
    await change_student(call.session, actor_of(call), path.id, _change(form), call.clock)
    _ = language_of(call).gettext
    return done(call, f"/students/{path.id}", _("Saved."))


def _change(form: ChildForm) -> StudentChange:
    return StudentChange(
        form.version,
        code=form.code,
        name=form.name,
        class_id=form.class_id,
        birth_on=form.birth_on,
        age=form.age,
        sex=msgspec.UNSET if form.sex is None else form.sex,
        grade=msgspec.UNSET if form.grade is None else form.grade,
        guardian_contact=form.guardian_contact.strip() or None,
        guardian_consent_on=form.guardian_consent_on,
        reason=form.reason,
    )


@routes.post("/students/{id}/left", May("change", "student"))
async def student_left_here(call: Ask, *, path: ByUuid, form: LeavingForm) -> Redirect:
    """Marks a child as having left school."""
    await mark_left(
        call.session,
        actor_of(call),
        path.id,
        version=form.version,
        left_on=form.left_on,
        reason=form.reason,
        clock=call.clock,
    )
    _ = language_of(call).gettext
    return done(call, f"/students/{path.id}", _("Saved."))


@routes.post("/students/{id}/returned", May("change", "student"))
async def student_returned_here(call: Ask, *, path: ByUuid, form: VersionForm) -> Redirect:
    """Marks a child as back at school."""
    await mark_returned(call.session, actor_of(call), path.id, version=form.version, clock=call.clock)
    _ = language_of(call).gettext
    return done(call, f"/students/{path.id}", _("Saved."))


@routes.post("/students/{id}/delete", May("delete", "student"))
async def delete_student_here(call: Ask, *, path: ByUuid, form: Reason) -> Redirect:
    """Takes a child's record away, restorably, with a reason."""
    student = await read_student(call.session, actor_of(call), path.id)
    await delete_student(call.session, actor_of(call), path.id, reason=reason_of(form), clock=call.clock)
    _ = language_of(call).gettext
    return done(
        call,
        f"/schools/{student.school_id}/students",
        _("Deleted. It can be brought back under “Deleted things”."),
    )


@routes.post("/students/{id}/restore", May("restore", "student"))
async def restore_student_here(call: Ask, *, path: ByUuid, form: NoFields) -> Redirect:
    """Brings a child's record back."""
    await restore_student(call.session, actor_of(call), path.id)
    _ = language_of(call).gettext
    return done(call, f"/students/{path.id}", _("It is back."))
