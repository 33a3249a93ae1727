"""Children: find them all, add one in four fields, change, left and returned, take away; and what was changed."""

from __future__ import annotations

from datetime import date

import msgspec

from rightlevel.programme import students
from rightlevel.web.feature import Feature
from rightlevel.web.request import AtVersion
from rightlevel.web.students import changes, pages


class Leaving(msgspec.Struct, frozen=True):
    """When and why a child left."""

    version: int
    left_on: date
    reason: str


routes = Feature("student", "students")
routes.lists(students.list_students, students.StudentSearch)
routes.reads(students.read_student)
routes.makes(students.create_student, students.NewStudent, made_is="enrolled", says="Enrols a child.")
routes.does(
    students.change_student,
    students.StudentChange,
    json=("change_one_student", "PATCH /api/v1/students/{id}"),
    html=("post_change_student", "/students/{id}/edit"),
    then="/students/{path.id}",
    none_if_blank=("guardian_contact",),
    says="Corrects a child's record where it stands; a stale version gets 409 with both, another school or year 422 `move_needed`.",
)
routes.does(
    students.mark_left,
    Leaving,
    json=("mark_student_left", "POST /api/v1/students/{id}/leave"),
    html=("post_student_left", "/students/{id}/left"),
    then="/students/{path.id}",
)
routes.does(
    students.mark_returned,
    AtVersion,
    json=("mark_student_returned", "POST /api/v1/students/{id}/return"),
    html=("post_student_returned", "/students/{id}/returned"),
    then="/students/{path.id}",
)
routes.deletes(students.delete_student, then=pages.list_of_its_school)
routes.restores(students.restore_student, then="/students/{path.id}")
routes.answers(
    "list_student_past_enrolments", "GET /api/v1/students/{id}/past-enrolments", students.list_past_enrolments
)
routes.answers(
    "list_changes_of_student",
    "GET /api/v1/students/{id}/changes",
    students.list_record_changes,
    says="What was changed of a child's record, the latest first: who, when, why, before and after.",
)

for each in (pages.routes, changes.routes):
    routes.include(each)
