"""The classes of a school, and the grades that the programme works with."""

from __future__ import annotations

import msgspec

from rightlevel.programme import schools
from rightlevel.programme.permissions import May
from rightlevel.web.feature import BACK, DELETED, Deeds, Feature, Filters
from rightlevel.web.request import ById, Deletion, Request
from rightlevel.web.sent import Reason


class ClassForm(msgspec.Struct, frozen=True):
    """What the form for a class sends."""

    grade: int
    section: str = ""
    school_year_id: int | None = None

    def meant(self, path: ById) -> schools.NewClass:
        return schools.NewClass(path.id, self.grade, self.section, self.school_year_id)


class ClassOfSchool(msgspec.Struct, frozen=True):
    """The way to a class of a school."""

    id: int
    class_id: int


class Grades(msgspec.Struct, frozen=True):
    """The grades that the programme works with."""

    grades: list[int]


HERE = "/schools/{path.id}#classes"

routes = Feature("class", "classes")
routes.lists(schools.list_classes, Filters)
routes.reads(schools.read_class)
routes.makes(schools.create_class, schools.NewClass, says="Makes a class.")
routes.sends(
    "post_create_class",
    "/schools/{id}/classes",
    schools.create_class,
    ClassForm,
    may="create",
    path=ById,
    then=HERE,
)
routes.answers(
    "change_one_class",
    "PATCH /api/v1/classes/{id}",
    schools.change_class,
    schools.ClassChange,
    says="Changes a class; a stale version gets 409 with both.",
)
routes.does(
    schools.delete_class,
    Deletion,
    json=("delete_one_class", "DELETE /api/v1/classes/{id}"),
    html=("post_delete_class", "/schools/{id}/classes/{class_id}/delete"),
    html_path=ClassOfSchool,
    form=Reason,
    needed=("reason",),
    then=HERE,
    word=DELETED,
)
routes.does(
    schools.restore_class,
    json=("restore_one_class", "POST /api/v1/classes/{id}/restore"),
    html=("post_restore_class", "/schools/{id}/classes/{class_id}/restore"),
    html_path=ClassOfSchool,
    may="restore",
    then=HERE,
    word=BACK,
)

grades = Deeds("settings", "class")
grades.answers(
    "change_programme_grades",
    "PUT /api/v1/settings/grades",
    schools.change_grades,
    Grades,
    may=May("change", "setting"),
    gives=Grades,
    says="Sets the grades of the programme.",
)


@grades.get("/api/v1/settings/grades", May("read", "class"))
async def read_programme_grades(request: Request) -> Grades:
    """The grades of the programme."""
    return Grades(await schools.read_grades(request.session))


routes.include(grades)
