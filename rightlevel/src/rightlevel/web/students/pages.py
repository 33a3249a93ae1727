"""The pages of children: the lists, one child, and the forms that add and change one."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html
from flatwater.paging import CEILING_ROWS, PageLimit, PageRequest
from rightlevel.programme.duplicates import StudentToAdd, add_student
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import May, allowed
from rightlevel.programme.results import read_moved_child, results_of_student
from rightlevel.programme.schools import list_classes, read_class, read_school, school_names
from rightlevel.programme.students import (
    NewStudent,
    Student,
    StudentSearch,
    children_by_year,
    count_students,
    is_settled,
    list_students,
    propose_code,
    read_student,
)
from rightlevel.web.feature import Deeds, Given
from rightlevel.web.language import Language
from rightlevel.web.request import ById, ByUuid, Request, actor_of
from rightlevel.web.students.changes import latest_changes
from rightlevel.web.students.history import history_lines
from rightlevel.web.templating import language_of, render
from rightlevel.web.work import class_name, grade_choices

routes = Deeds("pages", "student")

ALL = PageRequest(CEILING_ROWS)
MANY = PageLimit(50)


class ChildrenWanted(msgspec.Struct, frozen=True):
    """Which children are asked for."""

    search: str = ""
    grade: int | None = None
    status: str = ""


class ChildForm(msgspec.Struct, frozen=True):
    """What the everyday form for a child sends; `another` where the next one is to be added at once."""

    code: str
    name: str
    sex: int
    grade: int
    class_id: int | None = None
    another: str = ""
    is_another: bool = False

    def meant(self, path: ById) -> StudentToAdd:
        new = NewStudent(path.id, self.code, self.name, self.sex, self.grade, class_id=self.class_id)
        return StudentToAdd(new, self.is_another)


class ChildBegun(msgspec.Struct, frozen=True):
    """What is known of the next child before anything is typed; of an empty form, nothing."""

    code: str = ""
    name: str = ""
    sex: int | None = None
    grade: int | None = None
    class_id: int | None = None


@routes.get("/students", May("read", "student"), page=MANY)
async def students_page(request: Request, *, query: ChildrenWanted, page: PageRequest) -> Html:
    """Every child within reach, by name."""
    return render(request, "students/list.html", school=None, **await _children(request, query, page, None))


@routes.get("/schools/{id}/students", May("read", "student"), page=MANY)
async def students_of_school_page(
    request: Request, *, path: ById, query: ChildrenWanted, page: PageRequest
) -> Html:
    """Every child of a school, by name."""
    school = await read_school(request.session, actor_of(request), path.id)
    return render(
        request, "students/list.html", school=school, **await _children(request, query, page, path.id)
    )


async def _children(
    request: Request, query: ChildrenWanted, page: PageRequest, school_id: int | None
) -> dict[str, Any]:
    status = "left" if query.status == "left" else "active"
    asked = StudentSearch(school_id, grade=query.grade, search=query.search.strip() or None, status=status)
    actor = actor_of(request)
    rows = await list_students(request.session, actor, page, asked)
    years = await children_by_year(request.session, actor, school_id=school_id)
    others = sorted({each.school_id for each in rows.items} - {school_id})
    return {
        "query": query,
        "page": rows,
        "total": await count_students(request.session, actor, asked),
        "elsewhere": [each for each in years if not each.is_current],
        "grades": await grade_choices(request),
        "schools": await school_names(request.session, actor, others),
    }


@routes.get("/schools/{id}/students/new", May("create", "student"))
async def new_student_page(request: Request, *, path: ById, query: ChildBegun) -> Html:
    """The everyday form: code, name, sex, grade. The next code is there already."""
    code = query.code or await propose_code(request.session, actor_of(request), path.id)
    begun = msgspec.structs.replace(query, code=code)
    return render(request, "students/form.html", **await _form(request, path.id, None, begun))


async def _form(
    request: Request, school_id: int, student: Student | None, form: Student | ChildBegun
) -> dict[str, Any]:
    actor, language = actor_of(request), language_of(request)
    school = await read_school(request.session, actor, school_id)
    classes = await list_classes(request.session, actor, ALL, school_id=school_id)
    year_id = max((each.school_year_id for each in classes.items), default=0)
    grades = await grade_choices(request, short=True)
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
            (each.id, class_name(language, each.grade, each.section))
            for each in classes.items
            if each.school_year_id == year_id
        ],
    }


async def _next_or_it(request: Request, given: Given) -> str:
    """Where to go once a child is added: to it, or on to the next one of its grade and class."""
    form: ChildForm = given["form"]
    if not form.another:
        return "/students/{made.id}"
    same_class = f"&class_id={form.class_id}" if form.class_id is not None else ""
    return f"/schools/{given['path'].id}/students/new?grade={form.grade}{same_class}"


def _is_saved(language: Language, student: Student) -> str:
    return language.gettext("{name} is saved.", name=student.name)


routes.sends(
    "post_create_student",
    "/schools/{id}/students/new",
    add_student,
    ChildForm,
    may="create",
    path=ById,
    then=_next_or_it,
    word=_is_saved,
)


@routes.get("/students/{id}", May("read", "student"))
async def student_page(request: Request, *, path: ByUuid) -> Html:
    """One child: who it is, and its levels, one line a subject. Of one that only sat where the reader works, what belongs there."""
    try:
        values = await _one(request, path.id)
    except NotFound:
        child = await read_moved_child(request.session, actor_of(request), path.id)
        found = await results_of_student(request.session, actor_of(request), path.id, ALL)
        return render(request, "students/moved.html", child=child, results=found.items)
    return render(request, "students/one.html", **values)


async def _one(request: Request, student_id: str) -> dict[str, Any]:
    actor, language = actor_of(request), language_of(request)
    student = await read_student(request.session, actor, student_id)
    school = await read_school(request.session, actor, student.school_id)
    section = ""
    if student.class_id is not None:
        section = (await read_class(request.session, actor, student.class_id)).section
    history = {} if student.is_deleted else await history_lines(request, student)
    history |= await latest_changes(request, student_id)
    may_delete = allowed(actor.role, "delete", "student") and not student.is_deleted
    may_override = allowed(actor.role, "override", "result")
    can_delete = may_delete and (may_override or not await is_settled(request.session, student_id))
    return {
        "student": student,
        "school": school,
        "class_name": language.gettext("Class {section}", section=section) if section else "",
        "today": today(request.clock),
        "can_delete": can_delete,
        "is_kept": may_delete and not can_delete,
        **history,
    }


@routes.get("/students/{id}/edit", May("change", "student"))
async def edit_student_page(request: Request, *, path: ByUuid) -> Html:
    """The form that changes a child's record."""
    student = await read_student(request.session, actor_of(request), path.id)
    return render(request, "students/form.html", **await _form(request, student.school_id, student, student))


async def list_of_its_school(request: Request, given: Given) -> str:
    """Where to look when a child's record is taken away: among the children of its school."""
    student = await read_student(request.session, actor_of(request), given["path"].id)
    return f"/schools/{student.school_id}/students"
