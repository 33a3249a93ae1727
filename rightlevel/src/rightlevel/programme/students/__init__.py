"""Students: the children of the programme, their school, class and grade now and before.

Public: `list_students`, `read_student`, `create_student`, `change_student`, `mark_left`, `mark_returned`, `delete_student`,
`restore_student`, `list_past_enrolments`, `count_students`; `Student`, `StudentRow`, `NewStudent`, `StudentChange`, `StudentSearch`; `name_key`,
`ascii_digits`, `read_sex`, `student_for_write`,
`keep_enrolment`, `find_away`, `changing`, `list_record_changes`, `RecordChange`; `Standing`, `standing_of`, `standing_faults`, `faults_of_return` (the one judge of
where a child may stand); `audited`, `is_uuid`, `code_form`, `IdentityErased`, `MoveNeeded`.
"""

from rightlevel.programme.students.actions import (
    IdentityErased,
    MoveNeeded,
    change_student,
    changing,
    count_students,
    create_student,
    delete_student,
    find_away,
    keep_enrolment,
    list_past_enrolments,
    list_record_changes,
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
    RecordChange,
    Standing,
    Student,
    StudentChange,
    StudentRow,
    StudentSearch,
    ascii_digits,
    audited,
    code_form,
    is_uuid,
    name_key,
    read_sex,
    standing_of,
)
from rightlevel.programme.students.standing import faults_of_return, standing_faults

__all__ = [
    "SEXES", "IdentityErased", "MoveNeeded", "NewStudent", "PastEnrolment", "RecordChange", "Standing", "Student",
    "StudentChange", "StudentRow", "StudentSearch", "ascii_digits", "audited", "change_student", "changing",
    "code_form", "count_students", "create_student", "delete_student", "faults_of_return", "find_away", "is_uuid",
    "keep_enrolment", "list_past_enrolments", "list_record_changes", "list_students", "mark_left", "mark_returned",
    "name_key", "read_sex", "read_student", "restore_student", "standing_faults", "standing_of", "student_for_write",
]  # fmt: skip
