"""Students: the children of the programme, their school, class and grade now and before.

Public: `list_students`, `read_student`, `create_student`, `change_student`, `mark_left`, `mark_returned`, `delete_student`,
`restore_student`, `list_past_enrolments`, `count_students`; `Student`, `StudentRow`, `NewStudent`, `StudentChange`, `StudentSearch`; `name_key`,
`ascii_digits`, `read_sex`.
"""

from rightlevel.programme.students.actions import (
    change_student,
    count_students,
    create_student,
    delete_student,
    list_past_enrolments,
    list_students,
    mark_left,
    mark_returned,
    read_student,
    restore_student,
)
from rightlevel.programme.students.model import (
    NewStudent,
    PastEnrolment,
    Student,
    StudentChange,
    StudentRow,
    StudentSearch,
    ascii_digits,
    name_key,
    read_sex,
)

__all__ = [
    "NewStudent", "PastEnrolment", "Student", "StudentChange", "StudentRow", "StudentSearch", "ascii_digits", "change_student",
    "count_students", "create_student", "delete_student", "list_past_enrolments", "list_students", "mark_left", "mark_returned",
    "name_key", "read_sex", "read_student", "restore_student",
]  # fmt: skip
