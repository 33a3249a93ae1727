"""Students: the children of the programme, their school, class and grade now and before.

Public: `list_students`, `read_student`, `create_student`, `change_student`, `mark_left`, `mark_returned`, `delete_student`,
`restore_student`, `list_past_enrolments`, `count_students`; `Student`, `StudentRow`, `NewStudent`, `StudentChange`, `StudentSearch`; `name_key`,
`ascii_digits`, `read_sex`, `student_for_write`,
`keep_enrolment`, `audited`, `is_uuid`, `IdentityErased`.
"""

from rightlevel.programme.students.actions import (
    IdentityErased,
    RecordMerged,
    change_student,
    children_by_year,
    count_students,
    create_student,
    delete_student,
    keep_enrolment,
    list_past_enrolments,
    list_students,
    mark_left,
    mark_returned,
    read_student,
    restore_student,
    student_for_write,
)
from rightlevel.programme.students.model import (
    SEXES,
    NewStudent,
    PastEnrolment,
    Student,
    StudentChange,
    StudentRow,
    StudentSearch,
    YearStanding,
    ascii_digits,
    audited,
    is_uuid,
    name_key,
    read_sex,
)

__all__ = [
    "SEXES", "IdentityErased", "NewStudent", "PastEnrolment", "RecordMerged", "Student", "StudentChange", "StudentRow", "StudentSearch", "YearStanding", "ascii_digits", "audited", "change_student", "children_by_year",
    "count_students", "create_student", "delete_student", "is_uuid", "keep_enrolment", "list_past_enrolments", "list_students", "mark_left", "mark_returned",
    "name_key", "read_sex", "read_student", "restore_student", "student_for_write",
]  # fmt: skip
