"""Schools, school years and classes.

Public: schools (`list_schools`, `count_schools`, `read_school`, `create_school`, `change_school`, `delete_school`, `restore_school`,
`preview_school_move`, `list_stays`, `SchoolHasPast`, `SchoolHasChildren`), years
(`list_years`, `read_year`, `create_year`, `change_year`, `delete_year`, `restore_year`, `current_year`), classes (`list_classes`, `read_class`,
`create_class`, `change_class`, `delete_class`, `restore_class`), `read_grades`, `change_grades`, `school_for_write`, `school_names`.
"""

from rightlevel.programme.schools.actions import (
    SchoolHasChildren,
    SchoolHasPast,
    change_school,
    count_schools,
    create_school,
    delete_school,
    list_schools,
    list_stays,
    preview_school_move,
    read_school,
    restore_school,
    school_for_write,
    school_names,
)
from rightlevel.programme.schools.classes import (
    ClassHasPast,
    ClassInUse,
    change_class,
    class_of_school,
    create_class,
    delete_class,
    list_classes,
    read_class,
    restore_class,
)
from rightlevel.programme.schools.grades import change_grades
from rightlevel.programme.schools.model import (
    ClassChange,
    ClassRow,
    MovePreview,
    NewClass,
    NewSchool,
    NewYear,
    RoundOfMove,
    School,
    SchoolChange,
    SchoolRow,
    SchoolSearch,
    SchoolYear,
    Stay,
    YearChange,
)
from rightlevel.programme.schools.years import (
    YearPastOutside,
    change_year,
    create_year,
    current_year,
    delete_year,
    list_years,
    read_grades,
    read_year,
    restore_year,
)

__all__ = [
    "ClassChange", "ClassHasPast", "ClassInUse", "ClassRow", "MovePreview", "NewClass", "NewSchool", "NewYear", "RoundOfMove", "School", "SchoolChange",
    "SchoolHasChildren", "SchoolHasPast", "SchoolRow", "SchoolSearch", "SchoolYear", "Stay", "YearChange", "YearPastOutside", "change_class", "change_grades", "change_school", "change_year",
    "class_of_school", "count_schools", "create_class", "create_school", "create_year", "current_year", "delete_class", "delete_school",
    "delete_year", "list_classes", "list_schools", "list_stays", "list_years", "preview_school_move", "read_class", "read_grades", "read_school",
    "read_year", "restore_class", "restore_school", "restore_year", "school_for_write", "school_names",
]  # fmt: skip
